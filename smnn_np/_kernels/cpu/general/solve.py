"""Solves with the triangle of one block, and residuals on its rows.

Unknowns of a block: (T, m) columns; those of z start at number `start` of the flat array, x holds
one block. Where `half` is not 0, z is twofold: the low half is so many numbers further on. A row is
evaluated on each half by itself, the high half first: what that leaves is small, and nearly exact.
"""

from __future__ import annotations

import numpy as np

from ...jit import njit
from .lanes import row_add, row_dot, row_multiply, row_multiply_add, row_set, row_squares, row_sub
from .links import fill_entries, long_row, measure_links, pull_links
from .rows import (
    HELPER,
    MAKES_ARRAYS,
    fill_central,
    fill_equations,
    fill_link,
    fill_node,
    find_starts,
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
)
from .transfer import row_gather


@njit(**HELPER)
def fill_rest(rows, listed, block, t, rhs, weights, starts, rest):
    """Weighted right-hand side (Q,) of the equation rows of node t."""
    size = n_equations(rows)
    find_starts(rows, listed, block, t, rhs.shape[0], rhs.shape[1], size, starts)
    row_gather(rest, 0, weights, 0, rhs, starts, 0, size, rows.lanes)


@njit(**HELPER)
def subtract_row(rows, rest, here, equations, row, z, at, half):
    """``rest - row . z`` of a node, half by half."""
    m = n_dims(rows) * n_orders(rows)
    for part in range(2 if half > 0 else 1):
        row_dot(rest, here, equations, row, z, at + part * half, m, rows.lanes, rows.width)


@njit(**HELPER)
def _add_equation_residual(rows, equations, z, at, half, rest, sums, out, to):
    """Add ``A^T (b - A z)`` of the equation rows of a node; `rest` holds b."""
    lanes, width, n_lanes = rows.lanes, rows.width, len(rows.lanes)
    m = n_dims(rows) * n_orders(rows)
    for q in range(n_equations(rows)):
        row, here = q * (m + n_padding(rows)) * n_lanes, q * n_lanes
        subtract_row(rows, rest, here, equations, row, z, at, half)
        row_multiply_add(sums, 0, rest, here, rest, here, 1, lanes, lanes)
        if half == 0:
            row_squares(sums, 3 * n_lanes, equations, row, z, at, m, lanes, width)
        row_add(out, to, rest, here, equations, row, m, lanes, width)


@njit(**HELPER)
def _add_initial_residual(rows, listed, block, t, initial, z, at, half, squares, out, to):
    """Add ``A^T (b - A z)`` of the initial rows of node t."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        u = initial[min(b, initial.shape[0] - 1), min(t, initial.shape[1] - 1)]
        for v in range(n_dims(rows)):
            for r in range(rows.n_initial_orders):
                weight = initial_weight(rows, b, t, v, r)
                entry = weight / node_scale(rows, b, t) ** r
                k = (v * orders + r) * n_lanes + lane
                rest = weight * u[v, r] - entry * z[at + k]
                if half > 0:
                    rest -= entry * z[at + half + k]
                squares[lane] += rest * rest
                out[to + k] += entry * rest


@njit(**HELPER)
def _add_link_residual(rows, ratio, minus, tables, z, at, half, work, squares, out, to):
    """Add ``A^T (b - A z)`` of the link rows from a node; `minus` is minus the squared weight."""
    lanes, m = rows.lanes, n_dims(rows) * n_orders(rows)
    after = m * len(rows.lanes)
    forward, backward, far, total, parts = work
    measure_links(rows, ratio, tables, z, at, at + after, half, parts, forward, backward)
    total[:] = 0.0
    row_dot(total, 0, forward, 0, forward, 0, m, lanes, lanes)
    row_dot(total, 0, backward, 0, backward, 0, m, lanes, lanes)
    row_multiply_add(squares, 0, minus, 0, total, 0, 1, lanes, lanes)
    row_set(forward, 0, minus, 0, forward, 0, m, lanes, lanes)
    row_set(backward, 0, minus, 0, backward, 0, m, lanes, lanes)
    pull_links(rows, ratio, tables[0], forward, backward, far, out, to, to + after)


@njit(**HELPER)
def central_row(central, z, low, middle, high, half):
    """A central row applied to each half of z, summed up."""
    total = central[0] * z[low] + central[1] * z[middle] + central[2] * z[high]
    if half > 0:
        low, middle, high = low + half, middle + half, high + half
        total += central[0] * z[low] + central[1] * z[middle] + central[2] * z[high]
    return total


@njit(**HELPER)
def _add_central_residual(nodes, rows, listed, block, t, central, z, at, half, squares, out, to):
    """Add ``A^T (b - A z)`` of the central rows around node t + 1."""
    if len(nodes) != 3:  # as in `cholesky`
        return
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        weight, _ = fill_central(rows, b, t, central)
        for v in range(n_dims(rows)):
            shift = (v * orders + orders - 2) * n_lanes + lane
            low = at + shift
            middle, high = low + (m + 1) * n_lanes, low + 2 * m * n_lanes
            rest = central_row(central, z, low, middle, high, half)
            squares[lane] += (weight * rest) ** 2
            rest *= -weight * weight
            low, middle, high = (
                to + shift,
                to + shift + (m + 1) * n_lanes,
                to + shift + 2 * m * n_lanes,
            )
            out[low] += central[0] * rest
            out[middle] += central[1] * rest
            out[high] += central[2] * rest


@njit(**HELPER)
def _eliminate(rows, t, triangle, x, start):
    """Take the unknowns of node t out of those that follow: one step of ``U^-T``."""
    lanes, n_lanes = rows.lanes, len(rows.lanes)
    m = n_dims(rows) * n_orders(rows)
    n = min(len(rows.nodes), rows.n_nodes - t) * m
    for i in range(m):
        here, row = start + i * n_lanes, (t * m + i) * row_stride(rows) * n_lanes
        after, entry = here + n_lanes, row + n_lanes
        count = min(n, row_end(rows, i)) - i - 1
        row_sub(x, after, x, here, triangle, entry, count, lanes, rows.width)


@njit(**HELPER)
def _add_target(rows, listed, block, t, target, shrink, out, at):
    """Add ``shrink * target`` (B|1, T|1, m) of node t."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for lane in range(n_lanes):
        b = min(series_of(listed, block, lane, n_lanes), target.shape[0] - 1)
        for i in range(n_dims(rows) * orders):
            value = target[b, min(t, target.shape[1] - 1), i]
            out[at + i * n_lanes + lane] += shrink[(i % orders) * n_lanes + lane] * value


@njit(**MAKES_ARRAYS)
def descend(
    rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums
):  # fmt: skip
    """``x = U^-T (target + A^T (b - A z))`` for one block.

    sums (5, W) first receives ``|b - A z|^2`` of equations, of links and of initial values, and,
    unless z is twofold, the squares of the terms of the equations' ``A z``.
    """
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    m, columns = n_dims(rows) * orders, orders * n_lanes
    ones, central = room(n_lanes), room(3)
    shrink, ratio = room(columns), room(columns)
    weight, minus = room(n_lanes), room(n_lanes)
    weights, rest = room(n_equations(rows) * n_lanes), room(n_equations(rows) * n_lanes)
    equations = room(n_equations(rows) * (m + n_padding(rows)) * n_lanes)
    starts, scaled = np.zeros(n_lanes, np.int64), room(orders * n_lanes)
    long = long_row(rows)
    parts_of_links = (room(long), room(long), room(long))
    work = (room(long), room(long), room(long), room(n_lanes), parts_of_links)
    of_links, of_initial = sums[n_lanes : 2 * n_lanes], sums[2 * n_lanes : 3 * n_lanes]
    sums[: 4 * n_lanes] = 0.0
    tables = (room((2 * orders + 1) * long), ones)
    fill_entries(rows, tables[0])
    ones[:], x[:] = 1.0, 0.0
    for t in range(rows.n_nodes):
        local = t * m * n_lanes
        at = start + local
        fill_node(rows, listed, block, t, shrink)
        fill_equations(rows, listed, block, t, shrink, weights, starts, scaled, equations)
        fill_rest(rows, listed, block, t, rhs, weights, starts, rest)
        _add_equation_residual(rows, equations, z, at, half, rest, sums, x, local)
        _add_target(rows, listed, block, t, target, shrink, x, local)
        if t < rows.n_initial_steps:
            _add_initial_residual(
                rows, listed, block, t, initial, z, at, half, of_initial, x, local
            )
        if t + 1 < rows.n_nodes:
            fill_link(rows, listed, block, t, ratio, weight)
            row_multiply(minus, 0, weight, 0, weight, 0, 1, lanes, lanes)
            for lane in range(n_lanes):
                minus[lane] = -minus[lane]
            _add_link_residual(rows, ratio, minus, tables, z, at, half, work, of_links, x, local)
        if t + 2 < rows.n_nodes:
            _add_central_residual(
                rows.nodes, rows, listed, block, t, central, z, at, half, of_links, x, local
            )
        _eliminate(rows, t, triangle, x, local)


@njit(**HELPER)
def ascend(
    rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size, sums
):  # fmt: skip
    """Add ``U^-1 D^-1 x`` to one block of z in the lanes where share (W,) is 1.

    It goes to the low half where there is one. x receives the correction; largest and size (m, W)
    the largest entries of it and of what it was added to; sums (5, W), at its end, the square of
    ``|A x|``.
    """
    lanes, width, n_lanes, nodes = rows.lanes, rows.width, len(rows.lanes), len(rows.nodes)
    m, stride = n_dims(rows) * n_orders(rows), row_stride(rows) * n_lanes
    largest[:], size[:] = 0.0, 0.0
    energy = sums[4 * n_lanes :]
    energy[:] = 0.0
    for t in range(rows.n_nodes - 1, -1, -1):
        n = min(nodes, rows.n_nodes - t) * m
        at, local = t * m * stride, t * m * n_lanes
        for i in range(m - 1, -1, -1):
            here, row = local + i * n_lanes, at + i * stride
            after, entry = here + n_lanes, row + n_lanes
            for lane in range(n_lanes):
                energy[lane] += triangle[row + lane] * x[here + lane] ** 2
            row_multiply(x, here, triangle, row, x, here, 1, lanes, lanes)
            count = min(n, row_end(rows, i)) - i - 1
            row_dot(x, here, triangle, entry, x, after, count, lanes, width)
        for i in range(m):
            for lane in range(n_lanes):
                k = i * n_lanes + lane
                step = abs(x[local + k])
                largest[k] = largest[k] if step <= largest[k] else step
                if share[lane] > 0.0:
                    z[start + half + local + k] += x[local + k]
                value = abs(z[start + half + local + k])
                size[k] = size[k] if value <= size[k] else value
