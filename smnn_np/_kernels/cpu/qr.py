"""R of the Taylor rows by row-sorted Householder QR, front by front.

Weights and steps make rows differ by many powers of ten. Householder QR is then accurate row by
row only if large rows come first (Cox and Higham, BIT 38, 1998), hence the sort. The rows of a
block have the same shape in all lanes, but each lane its own order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .lanes import row_add, row_set, row_sub
from .rows import (
    INLINE,
    OPTIONS,
    fill_central,
    fill_equations,
    fill_link,
    fill_node,
    initial_weight,
    n_dims,
    n_equations,
    n_link_orders,
    n_orders,
    n_padding,
    node_scale,
    series_of,
)


@njit(**INLINE)
def _stack_links(rows, ratio, weight, stride, stack, count):
    """Append the forward and backward rows of every dimension; returns the new count."""
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for v in range(n_dims(rows)):
        for r in range(n_link_orders(rows)):
            forward, backward = count * stride, (count + 1) * stride
            near, far = v * orders * n_lanes, (m + v * orders) * n_lanes
            for lane in range(n_lanes):
                w = weight[lane]
                for o in range(r, orders):
                    at = o * n_lanes + lane
                    stack[forward + near + at] = w * rows.factorials[0, o - r]
                    power = ratio[o * n_lanes + lane]
                    stack[backward + far + at] = w * power * rows.factorials[1, o - r]
                stack[forward + far + r * n_lanes + lane] = -w * ratio[r * n_lanes + lane]
                stack[backward + near + r * n_lanes + lane] = -w
            count += 2
    return count


@njit(**INLINE)
def _stack_initial(rows, listed, block, t, stride, stack, count):
    """Append the initial rows of a node; returns the new count."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for v in range(n_dims(rows)):
        for r in range(rows.n_initial_orders):
            for lane in range(n_lanes):
                b = series_of(listed, block, lane, n_lanes)
                entry = initial_weight(rows, b, t, v, r) / node_scale(rows, b, t) ** r
                stack[count * stride + (v * orders + r) * n_lanes + lane] = entry
            count += 1
    return count


@njit(**INLINE)
def _stack_central(rows, listed, block, t, central, stride, stack, count):
    """Append the central rows around node t + 1; returns the new count."""
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for v in range(n_dims(rows)):
        for lane in range(n_lanes):
            b = series_of(listed, block, lane, n_lanes)
            weight, _ = fill_central(rows, b, t, central)
            for i in range(3):
                column = i * m + v * orders + orders - (1 if i == 1 else 2)
                stack[count * stride + column * n_lanes + lane] = weight * central[i]
        count += 1
    return count


@njit(**INLINE)
def _sort_rows(n_lanes, count, n, stride, stack, size, order, out):
    """Copy `count` rows to `out`, in each lane largest max-norm first."""
    for i in range(count):
        for lane in range(n_lanes):
            largest = 0.0
            for j in range(n):
                largest = max(largest, abs(stack[i * stride + j * n_lanes + lane]))
            k = i
            while k > 0 and size[(k - 1) * n_lanes + lane] < largest:
                size[k * n_lanes + lane] = size[(k - 1) * n_lanes + lane]
                order[k * n_lanes + lane] = order[(k - 1) * n_lanes + lane]
                k -= 1
            size[k * n_lanes + lane], order[k * n_lanes + lane] = largest, i
    for i in range(count):
        for lane in range(n_lanes):
            row = order[i * n_lanes + lane] * stride
            for j in range(n):
                out[i * stride + j * n_lanes + lane] = stack[row + j * n_lanes + lane]


@njit(**INLINE)
def _choose_reflection(n_lanes, corner, squares, beta, target, matrix):
    """Householder vector's head into the corner; beta = 0 where there is nothing to clear."""
    for lane in range(n_lanes):
        head, norm = matrix[corner + lane], np.sqrt(squares[lane])
        target[lane] = -norm if head > 0.0 else norm
        beta[lane] = 1.0 / (norm * (norm + abs(head))) if norm > 0.0 else 0.0
        matrix[corner + lane] = head - target[lane]


@njit(**INLINE)
def _reflect(rows, count, n, stride, k, squares, beta, target, sums, zeros, matrix):
    """Clear column k below the diagonal in the first `count` rows."""
    lanes, width, n_lanes = rows.lanes, rows.width, len(rows.lanes)
    column, after, rest = k * n_lanes, (k + 1) * n_lanes, n - k - 1
    row_set(squares, 0, zeros, 0, zeros, 0, 1, lanes, lanes)
    for i in range(k, count):
        at = i * stride + column
        row_add(squares, 0, matrix, at, matrix, at, 1, lanes, lanes)
    _choose_reflection(n_lanes, k * stride + column, squares, beta, target, matrix)
    row_set(sums, after, zeros, 0, zeros, 0, rest, lanes, width)
    for i in range(k, count):
        at = i * stride
        row_add(sums, after, matrix, at + column, matrix, at + after, rest, lanes, width)
    row_set(sums, after, beta, 0, sums, after, rest, lanes, width)
    for i in range(k, count):
        at = i * stride
        row_sub(matrix, at + after, matrix, at + column, sums, after, rest, lanes, width)
        row_set(matrix, at + column, zeros, 0, zeros, 0, 1, lanes, lanes)
    for lane in range(n_lanes):
        matrix[k * stride + column + lane] = target[lane]


@njit(**INLINE)
def _finish_node(rows, matrix, count, n, stride, t, triangle, at, failed, carry):
    """Write the m finished rows to the triangle, diagonal inverted, and the others to the carry."""
    n_lanes, m = len(rows.lanes), n_dims(rows) * n_orders(rows)
    for i in range(m):
        diagonal = i * stride + i * n_lanes
        for lane in range(n_lanes):
            pivot = matrix[diagonal + lane]
            if not (pivot != 0.0 and abs(pivot) < np.inf) and failed[lane] < 0:
                failed[lane] = t
            triangle[at + diagonal + lane] = 1.0 / pivot
        for x in range(i * stride + (i + 1) * n_lanes, i * stride + n * n_lanes):
            triangle[at + x] = matrix[x]
    carry[:] = 0.0
    for i in range(min(n, count) - m):
        for j in range(n - m):
            for lane in range(n_lanes):
                source = (i + m) * stride + (j + m) * n_lanes + lane
                carry[i * stride + j * n_lanes + lane] = matrix[source]


@njit(**OPTIONS)
def factor_qr(rows, listed, first, last, triangle, status):
    """Factorize blocks first .. last - 1; status (n,) is -1 or the node of an unusable pivot."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m = n_dims(rows) * orders
    n = len(rows.nodes) * m
    stride = (n + n_padding(rows)) * n_lanes
    height = n - m + n_equations(rows) + n_dims(rows) * (rows.n_initial_orders + 2 * orders + 1)
    stack, matrix = np.zeros(height * stride), np.zeros(height * stride)
    size, order = np.zeros(height * n_lanes), np.zeros(height * n_lanes, np.int64)
    squares, beta, target = np.zeros(n_lanes), np.zeros(n_lanes), np.zeros(n_lanes)
    sums, zeros, central = np.zeros(stride), np.zeros(stride), np.zeros(3)
    shrink, ratio = np.zeros(orders * n_lanes), np.zeros(orders * n_lanes)
    weight, weights = np.zeros(n_lanes), np.zeros(n_equations(rows) * n_lanes)
    equations_stride = (m + n_padding(rows)) * n_lanes
    equations = np.zeros(n_equations(rows) * equations_stride)
    failed = np.zeros(n_lanes, np.int64)
    for block in range(first, last):
        stack[:] = 0.0
        matrix[:] = 0.0
        failed[:] = -1
        for t in range(rows.n_nodes):
            fill_node(rows, listed, block, t, shrink)
            fill_equations(rows, listed, block, t, shrink, weights, equations)
            count = n - m
            for q in range(n_equations(rows)):
                for x in range(m * n_lanes):
                    stack[count * stride + x] = equations[q * equations_stride + x]
                count += 1
            if t < rows.n_initial_steps:
                count = _stack_initial(rows, listed, block, t, stride, stack, count)
            if t + 1 < rows.n_nodes:
                fill_link(rows, listed, block, t, ratio, weight)
                count = _stack_links(rows, ratio, weight, stride, stack, count)
            if len(rows.nodes) == 3 and t + 2 < rows.n_nodes:
                count = _stack_central(rows, listed, block, t, central, stride, stack, count)
            _sort_rows(n_lanes, count, n, stride, stack, size, order, matrix)
            matrix[count * stride :] = 0.0
            for k in range(min(n, count - 1)):
                _reflect(rows, count, n, stride, k, squares, beta, target, sums, zeros, matrix)
            at = (block * rows.n_nodes + t) * m * stride
            _finish_node(rows, matrix, count, n, stride, t, triangle, at, failed, stack)
        for lane in range(min(n_lanes, listed.size - block * n_lanes)):
            status[block * n_lanes + lane] = failed[lane]
