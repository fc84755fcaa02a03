"""R of the Taylor rows by row-sorted Householder QR, front by front.

Weights and steps make rows differ by many powers of ten. Householder QR is then accurate row by
row only if large rows come first (Cox and Higham, BIT 38, 1998), hence the sort.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .rows import (
    fill_central,
    fill_equations,
    fill_links,
    has_uniform_links,
    initial_weight,
    node_scale,
)


@njit(cache=True, nogil=True)
def _stack_rows(rows, b, t, equations, near, far, central, stack, count):
    """Append all rows that start at node t to the stack of `count` rows; returns the new count."""
    n_orders = near.shape[1]
    n_equations, m = equations.shape
    n_links = 0
    if t + 1 < rows.n_nodes:
        n_links = near.shape[0]
    stack[count:] = 0.0
    for q in range(n_equations):
        for i in range(m):
            stack[count, i] = equations[q, i]
        count += 1
    for v in range(m // n_orders):
        at = v * n_orders
        if t < rows.n_initial_steps:
            for r in range(rows.n_initial_orders):
                weight = initial_weight(rows, b, t, v, r)
                stack[count, at + r] = weight / node_scale(rows, b, t) ** r
                count += 1
        for k in range(n_links):
            for o in range(n_orders):
                stack[count, at + o] = near[k, o]
                stack[count, m + at + o] = far[k, o]
            count += 1
        if rows.central and t + 2 < rows.n_nodes:
            weight, _ = fill_central(rows, b, t, central)
            stack[count, at + n_orders - 2] = weight * central[0]
            stack[count, m + at + n_orders - 1] = weight * central[1]
            stack[count, 2 * m + at + n_orders - 2] = weight * central[2]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _sort_rows(stack, count, size, order, out):
    """Copy the first rows of the stack to `out`, largest max-norm first."""
    for i in range(count):
        largest = 0.0
        for j in range(stack.shape[1]):
            largest = max(largest, abs(stack[i, j]))
        k = i
        while k > 0 and size[k - 1] < largest:
            size[k], order[k] = size[k - 1], order[k - 1]
            k -= 1
        size[k], order[k] = largest, i
    for i in range(count):
        for j in range(stack.shape[1]):
            out[i, j] = stack[order[i], j]


@njit(cache=True, nogil=True)
def _reflect(matrix, count, column):
    """Householder reflection that clears `column` below the diagonal in the first rows."""
    squares = 0.0
    for i in range(column, count):
        squares += matrix[i, column] * matrix[i, column]
    if squares == 0.0:
        return
    norm = np.sqrt(squares)
    head = matrix[column, column]
    target = -norm if head > 0.0 else norm
    beta = 1.0 / (norm * (norm + abs(head)))
    matrix[column, column] = head - target
    for j in range(column + 1, matrix.shape[1]):
        dot = 0.0
        for i in range(column, count):
            dot += matrix[i, column] * matrix[i, j]
        dot *= beta
        if dot != 0.0:
            for i in range(column, count):
                matrix[i, j] -= dot * matrix[i, column]
    matrix[column, column] = target
    for i in range(column + 1, count):
        matrix[i, column] = 0.0


@njit(cache=True, nogil=True)
def _finish_node(matrix, count, m, out, carry):
    """Write the m finished rows to `out`, the rest to `carry`; False at an unusable pivot."""
    n = matrix.shape[1]
    for i in range(m):
        pivot = abs(matrix[i, i]) if i < count else 0.0
        if not (pivot > 0.0 and pivot < np.inf):
            return False
        for j in range(n):
            out[i, j] = matrix[i, j] if j >= i else 0.0
    for i in range(n - m):
        for j in range(n):
            inside = i + m < count and j < n - m
            carry[i, j] = matrix[i + m, j + m] if inside else 0.0
    return True


@njit(cache=True, nogil=True)
def factor_qr(rows, active, triangle, status):
    """R by row-sorted Householder QR of the rows; status (B,) is -1 or the node of a zero pivot."""
    n_nodes, m, n = triangle.shape[1:]
    n_equations, n_dims = rows.coefficients.shape[2], rows.coefficients.shape[3]
    height = n - m + n_equations + n_dims * (rows.n_initial_orders + rows.near.shape[0] + 1)
    stack, matrix = np.zeros((height, n)), np.zeros((height, n))
    size, order = np.zeros(height), np.zeros(height, np.int64)
    central = np.zeros(3)
    equations = np.zeros((n_equations, m))
    near, far = np.zeros(rows.near.shape), np.zeros(rows.far.shape)
    for b in range(triangle.shape[0]):
        if not active[b]:
            continue
        status[b] = -1
        stack[:] = 0.0
        for t in range(n_nodes):
            if t + 1 < n_nodes and (t == 0 or not has_uniform_links(rows)):
                fill_links(rows, b, t, near, far)
            fill_equations(rows, b, t, equations)
            count = _stack_rows(rows, b, t, equations, near, far, central, stack, n - m)
            _sort_rows(stack, count, size, order, matrix)
            for k in range(min(n, count - 1)):
                _reflect(matrix, count, k)
            if not _finish_node(matrix, count, m, triangle[b, t], stack):
                status[b] = t
                break
