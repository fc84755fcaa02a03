"""U and D by Givens QR of the Taylor rows, front by front: ``R = D^1/2 U``.

Weights and steps make rows differ by many powers of ten. Householder QR is accurate row by row
only if large rows come first; rotations are whatever the order (A. A. Anda and H. Park,
Self-scaling fast rotations for stiff and equality-constrained linear least squares problems, 1996).
Hence each row is rotated into the front as it comes.
"""

from __future__ import annotations

import numpy as np

from ...jit import njit
from .lanes import row_rotate, row_set
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
    node_scale,
    room,
    row_end,
    row_stride,
    series_of,
    shift_front,
)


@njit(**HELPER)
def _merge(rows, front, stride, first, last, line, cosine, sine):
    """Rotate columns first .. last - 1 of a row into the front; the row is used up."""
    lanes, n_lanes = rows.lanes, len(rows.lanes)
    for k in range(first, last):
        column = k * n_lanes
        held = k * stride + column
        for lane in range(n_lanes):
            above, below = front[held + lane], line[column + lane]
            square = above * above + below * below
            inverse = 1.0 / np.sqrt(square) if square > 0.0 else 0.0
            cosine[lane] = above * inverse if square > 0.0 else 1.0
            sine[lane] = below * inverse
        row_rotate(front, held, line, column, cosine, sine, last - k, lanes, rows.width)


@njit(**HELPER)
def _merge_links(rows, ratio, weight, stride, front, line, cosine, sine):
    """Take in the link rows of every dimension."""
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for v in range(n_dims(rows)):  # beyond m two nodes hold nothing of later ones yet
        for row in range(rows.link_rows.shape[0]):
            line[:] = 0.0
            for o in range(orders):
                near, far = (v * orders + o) * n_lanes, (m + v * orders + o) * n_lanes
                for lane in range(n_lanes):
                    power = weight[lane] * ratio[o * n_lanes + lane]
                    line[near + lane] = weight[lane] * rows.link_rows[row, 0, o]
                    line[far + lane] = power * rows.link_rows[row, 1, o]
            last = 2 * m if len(rows.nodes) > 2 else row_end(rows, v * orders)
            _merge(rows, front, stride, v * orders, last, line, cosine, sine)


@njit(**HELPER)
def _merge_initial(rows, listed, block, t, stride, front, line, cosine, sine, known):
    """Take in the initial rows of a node."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for v in range(n_dims(rows)):
        for r in range(rows.n_initial_orders):
            line[:] = 0.0
            i = v * orders + r
            for lane in range(n_lanes):
                b = series_of(listed, block, lane, n_lanes)
                entry = initial_weight(rows, b, t, v, r) / node_scale(rows, b, t) ** r
                line[i * n_lanes + lane] = entry
            _merge(rows, front, stride, i, known, line, cosine, sine)


@njit(**HELPER)
def _merge_central(nodes, rows, listed, block, t, central, stride, front, line, cosine, sine):
    """Take in the central rows around node t + 1."""
    if len(nodes) != 3:  # as in `cholesky`
        return
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for v in range(n_dims(rows)):
        line[:] = 0.0
        for lane in range(n_lanes):
            b = series_of(listed, block, lane, n_lanes)
            weight, _ = fill_central(rows, b, t, central)
            for i in range(3):
                column = i * m + v * orders + orders - (1 if i == 1 else 2)
                line[column * n_lanes + lane] = weight * central[i]
        last = row_end(rows, v * orders)
        _merge(rows, front, stride, v * orders, last, line, cosine, sine)


@njit(**HELPER)
def _finish_node(rows, front, n, stride, t, inverse, zeros, ones, triangle, failed):
    """Write D^-1 and U of the m finished rows, and move the front on by one node."""
    lanes, n_lanes, m = rows.lanes, len(rows.lanes), n_dims(rows) * n_orders(rows)
    for i in range(m):
        corner = i * stride + i * n_lanes
        for lane in range(n_lanes):
            pivot = front[corner + lane]
            if not (pivot != 0.0 and abs(pivot) < np.inf) and failed[lane] < 0.0:
                failed[lane] = t
            inverse[lane] = 1.0 / pivot
        place, count = (t * m + i) * row_stride(rows) * n_lanes, row_end(rows, i) - i
        row_set(triangle, place, inverse, 0, front, corner, count, lanes, rows.width)
        row_set(triangle, place, inverse, 0, inverse, 0, 1, lanes, lanes)
    shift_front(rows, n, stride, ones, zeros, front)


@njit(**MAKES_ARRAYS)
def factor_qr(rows, listed, block, triangle, failed):
    """Factorize one block; failed (W,) receives -1 or the node of an unusable pivot."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m = n_dims(rows) * orders
    n = len(rows.nodes) * m
    stride = (n + n_padding(rows)) * n_lanes
    front, line = room(n * stride), room(stride)
    cosine, sine, inverse = room(n_lanes), room(n_lanes), room(n_lanes)
    zeros, ones, central = room(stride), room(n_lanes), room(3)
    shrink, ratio = room(orders * n_lanes), room(orders * n_lanes)
    weight, weights = room(n_lanes), room(n_equations(rows) * n_lanes)
    row = (m + n_padding(rows)) * n_lanes
    equations = room(n_equations(rows) * row)
    starts, scaled = np.zeros(n_lanes, np.int64), room(orders * n_lanes)
    ones[:] = 1.0
    failed[:] = -1.0
    for t in range(rows.n_nodes):
        fill_node(rows, listed, block, t, shrink)
        fill_equations(rows, listed, block, t, shrink, weights, starts, scaled, equations)
        if t < rows.n_initial_steps:
            _merge_initial(
                rows, listed, block, t, stride, front, line, cosine, sine, n - m
            )  # fmt: skip
        for q in range(n_equations(rows)):
            line[:] = 0.0
            row_set(line, 0, ones, 0, equations, q * row, m, rows.lanes, rows.lanes)
            _merge(rows, front, stride, 0, n - m, line, cosine, sine)
        if t + 1 < rows.n_nodes:
            fill_link(rows, listed, block, t, ratio, weight)
            _merge_links(rows, ratio, weight, stride, front, line, cosine, sine)
        if t + 2 < rows.n_nodes:
            _merge_central(
                rows.nodes, rows, listed, block, t, central, stride, front, line, cosine, sine
            )  # fmt: skip
        _finish_node(rows, front, n, stride, t, inverse, zeros, ones, triangle, failed)
