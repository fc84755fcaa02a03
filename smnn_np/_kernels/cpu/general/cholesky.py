"""U and D of the normal matrix ``U^T D U`` by Cholesky without square roots, front by front."""

from __future__ import annotations

import numpy as np

from ...jit import njit
from ...trust import PIVOT
from .lanes import row_add, row_inverse, row_multiply, row_set, row_sub
from .rows import (
    HELPER,
    MAKES_ARRAYS,
    fill_central,
    fill_equations,
    fill_link,
    fill_node,
    initial_weight,
    n_dims,
    n_equations,
    n_orders,
    n_padding,
    n_tile_columns,
    node_scale,
    room,
    row_end,
    row_stride,
    series_of,
    shift_front,
    splat_table,
)
from .tiles import TILE_ROWS, tile_sub
from .transfer import row_prefetch


@njit(**HELPER)
def _weigh_products(rows, t, templates, ratio, weight, square, scratch, products):
    """Normal products (3, R, R) of the links of one dimension: near-near, near-far, far-far."""
    if t > 0 and rows.uniform:
        return
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    row_multiply(square, 0, weight, 0, weight, 0, 1, lanes, lanes)
    block = orders * orders * n_lanes
    for o in range(orders):
        at = o * orders * n_lanes
        row_set(products, at, square, 0, templates, at, orders, lanes, lanes)
        row_multiply(scratch, 0, templates, block + at, ratio, 0, orders, lanes, lanes)
        row_set(products, block + at, square, 0, scratch, 0, orders, lanes, lanes)
        row_multiply(scratch, 0, templates, 2 * block + at, ratio, 0, orders, lanes, lanes)
        row_set(scratch, 0, ratio, o * n_lanes, scratch, 0, orders, lanes, lanes)
        row_set(products, 2 * block + at, square, 0, scratch, 0, orders, lanes, lanes)


@njit(**HELPER)
def _add_links(rows, products, ones, stride, front):
    """Add the normal products of all links that start at the first node of the front."""
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    m, block = n_dims(rows) * orders, orders * orders * n_lanes
    for v in range(n_dims(rows)):
        near, far = v * orders, m + v * orders
        for o in range(orders):
            at = o * orders * n_lanes
            here, n = at + o * n_lanes, orders - o
            row, row_far = (near + o) * stride, (far + o) * stride
            place = row + (near + o) * n_lanes
            row_add(front, place, ones, 0, products, here, n, lanes, lanes)
            place = row + far * n_lanes
            row_add(front, place, ones, 0, products, block + at, orders, lanes, lanes)
            place = row_far + (far + o) * n_lanes
            row_add(front, place, ones, 0, products, 2 * block + here, n, lanes, lanes)


@njit(**HELPER)
def _take_out(rows, front, stride, i, end, far, mults, source, step, depth):
    """``front -= sum_k mults_k source_k^T source_k`` for rows i .. i + `TILE_ROWS`, columns < end.

    Column `far` + j is zero in the rows of source that belong to earlier dimensions than j.
    """
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for j in range(i, end, n_tile_columns(rows)):
        k = max(0, (j - far) // orders * orders)
        left, right = k * step + i * n_lanes, k * step + j * n_lanes
        tile_sub(
            front, i * stride + j * n_lanes, stride, mults, k * n_lanes, source, left, right, step,
            depth - k, rows.lanes, rows.width,
        )  # fmt: skip


@njit(**HELPER)
def _add_equations(rows, equations, minus, stride, front):
    """Add the normal products of the equation rows of a node; minus (Q,) is -1."""
    m = n_dims(rows) * n_orders(rows)
    step = (m + n_padding(rows)) * len(rows.lanes)
    for i in range(0, m, TILE_ROWS):
        _take_out(rows, front, stride, i, m, m, minus, equations, step, n_equations(rows))


@njit(**HELPER)
def _add_initial(rows, listed, block, t, stride, front):
    """Add the squares of the initial rows of a node."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        for v in range(n_dims(rows)):
            for r in range(rows.n_initial_orders):
                entry = initial_weight(rows, b, t, v, r) / node_scale(rows, b, t) ** r
                i = v * orders + r
                front[i * stride + i * n_lanes + lane] += entry * entry


@njit(**HELPER)
def _add_central(nodes, rows, listed, block, t, central, stride, front):
    """Add the normal products of the central rows around node t + 1."""
    if len(nodes) != 3:  # nothing below is compiled then: a tuple of its own has a constant length
        return
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        weight, _ = fill_central(rows, b, t, central)
        for v in range(n_dims(rows)):
            for i in range(3):
                row = i * m + v * orders + orders - (1 if i == 1 else 2)
                for j in range(i, 3):
                    column = j * m + v * orders + orders - (1 if j == 1 else 2)
                    product = weight * weight * central[i] * central[j]
                    front[row * stride + column * n_lanes + lane] += product


@njit(**HELPER)
def _finish_row(rows, front, stride, t, k, last, inverse, ones, triangle):
    """Write a finished row, and take it out of the next ones of its tile, up to `last`."""
    lanes, width, n_lanes = rows.lanes, rows.width, len(rows.lanes)
    m = n_dims(rows) * n_orders(rows)
    corner, place = k * stride + k * n_lanes, (t * m + k) * row_stride(rows) * n_lanes
    row_inverse(inverse, k * n_lanes, front, corner, lanes)
    end = row_end(rows, k)
    row_prefetch(triangle, place + m * row_stride(rows) * n_lanes, end - k, lanes)
    row_set(triangle, place, inverse, k * n_lanes, front, corner, end - k, lanes, width)
    for i in range(k + 1, last):
        here, diagonal = corner + (i - k) * n_lanes, i * stride + i * n_lanes
        factor = place + (i - k) * n_lanes
        row_sub(front, diagonal, triangle, factor, front, here, end - i, lanes, width)
    row_set(triangle, place, inverse, k * n_lanes, ones, 0, 1, lanes, lanes)


@njit(**HELPER)
def _eliminate(rows, front, n, stride, t, taken, inverse, ones, triangle, failed):
    """Write D^-1 and U of the m finished rows of ``U^T D U``, and update the front.

    A pivot is noise where it is tiny beside its entry in the normal matrix: the diagonal of the
    front and what eliminations have `taken` (n,) from it.
    """
    n_lanes, m = len(rows.lanes), n_dims(rows) * n_orders(rows)
    for k in range(n):
        for lane in range(n_lanes):
            taken[k * n_lanes + lane] += front[k * stride + k * n_lanes + lane]
    for first in range(0, n, TILE_ROWS):
        last = first + TILE_ROWS - 1
        end, finished = row_end(rows, last) if last < m else n, min(first, m)
        _take_out(rows, front, stride, first, end, n - m, inverse, front, stride, finished)
        for k in range(first, min(first + TILE_ROWS, m)):
            _finish_row(
                rows, front, stride, t, k, first + TILE_ROWS, inverse, ones, triangle
            )  # fmt: skip
    for k in range(m):
        for lane in range(n_lanes):
            pivot = front[k * stride + k * n_lanes + lane]
            good = (pivot > m * PIVOT * taken[k * n_lanes + lane]) & (pivot < np.inf)
            before = failed[lane]
            failed[lane] = before if good or before >= 0.0 else t
    for k in range(n):
        for lane in range(n_lanes):
            x, from_x = k * n_lanes + lane, (k + m) * n_lanes + lane
            diagonal = (k + m) * stride + (k + m) * n_lanes + lane
            taken[x] = taken[from_x] - front[diagonal] if k + m < n else 0.0


@njit(**MAKES_ARRAYS)
def factor_cholesky(rows, listed, block, triangle, failed):
    """Factorize one block; failed (W,) receives -1 or the node of a bad pivot."""
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    m = n_dims(rows) * orders
    n = len(rows.nodes) * m
    stride = (n + n_padding(rows)) * n_lanes
    front, zeros = room((n + TILE_ROWS) * stride), room(stride)
    ones, minus = room(n_lanes), room(n_equations(rows) * n_lanes)
    shrink, ratio = room(orders * n_lanes), room(orders * n_lanes)
    weight, square, inverse = room(n_lanes), room(n_lanes), room(m * n_lanes)
    templates, products = room(3 * orders**2 * n_lanes), room(3 * orders**2 * n_lanes)
    scratch, central = room(orders * n_lanes), room(3)
    weights = room(n_equations(rows) * n_lanes)
    equations = room(n_equations(rows) * (m + n_padding(rows)) * n_lanes)
    starts, scaled = np.zeros(n_lanes, np.int64), room(orders * n_lanes)
    taken = room(n * n_lanes)
    splat_table(rows.link_products.ravel(), lanes, templates)
    ones[:], minus[:] = 1.0, -1.0
    failed[:] = -1.0
    for t in range(rows.n_nodes):
        fill_node(rows, listed, block, t, shrink)
        fill_equations(rows, listed, block, t, shrink, weights, starts, scaled, equations)
        _add_equations(rows, equations, minus, stride, front)
        if t < rows.n_initial_steps:
            _add_initial(rows, listed, block, t, stride, front)
        if t + 1 < rows.n_nodes:
            fill_link(rows, listed, block, t, ratio, weight)
            _weigh_products(rows, t, templates, ratio, weight, square, scratch, products)
            _add_links(rows, products, ones, stride, front)
        if t + 2 < rows.n_nodes:
            _add_central(rows.nodes, rows, listed, block, t, central, stride, front)
        _eliminate(rows, front, n, stride, t, taken, inverse, ones, triangle, failed)
        shift_front(rows, n, stride, ones, zeros, front)
