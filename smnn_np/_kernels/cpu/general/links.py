"""Forward and backward rows of all dimensions of two nodes at once, in the scale of the first.

An entry of a row stands so many places k behind the row's own order. For each k the entries of all
rows are one row of columns here, with zeros where there are none: behind a dimension's last order,
and in rows that central rows replace. So one operation ranges over all dimensions.
"""

from __future__ import annotations

from ...jit import njit
from .lanes import row_add, row_multiply, row_multiply_add
from .rows import HELPER, n_dims, n_link_orders, n_orders, n_padding


@njit(**HELPER)
def long_row(rows):
    """Length of a row of columns that may be touched as many behind its m as a row has entries."""
    orders = n_orders(rows)
    return (n_dims(rows) * orders + orders + n_padding(rows)) * len(rows.lanes)


@njit(**HELPER)
def fill_entries(rows, entries):
    """Entries (2 R + 1, long row): ``1 / k!``, ``(-1)^k / k!``, and those at the other node, -1."""
    n_lanes, orders, kept = len(rows.lanes), n_orders(rows), n_link_orders(rows)
    for row in range(2 * orders + 1):
        k = row % orders if row < 2 * orders else 0
        value = rows.factorials[row // orders, k] if row < 2 * orders else -1.0
        for v in range(n_dims(rows)):
            for r in range(min(kept, orders - k)):
                at = row * long_row(rows) + (v * orders + r) * n_lanes
                for lane in range(n_lanes):
                    entries[at + lane] = value


@njit(**HELPER)
def _apply(rows, entries, x, at, x_next, forward, backward):
    """Unweighted rows applied to two nodes, the largest terms first.

    With ``x`` and ``x_next`` (m,) in the scale of the first node, in every dimension
    ``forward_r = sum_k x_{r+k} / k! - x_next_r`` and
    ``backward_r = sum_k (-1)^k x_next_{r+k} / k! - x_r``.
    """
    lanes, width, n_lanes, orders = rows.lanes, rows.width, len(rows.lanes), n_orders(rows)
    m, long = n_dims(rows) * orders, long_row(rows)
    other = 2 * orders * long
    row_multiply(forward, 0, entries, 0, x, at, m, lanes, width)
    row_multiply_add(forward, 0, entries, other, x_next, 0, m, lanes, width)
    row_multiply(backward, 0, entries, 0, x_next, 0, m, lanes, width)
    row_multiply_add(backward, 0, entries, other, x, at, m, lanes, width)
    for k in range(1, orders):
        plus, minus, shift = k * long, (orders + k) * long, k * n_lanes
        row_multiply_add(forward, 0, entries, plus, x, at + shift, m, lanes, width)
        row_multiply_add(backward, 0, entries, minus, x_next, shift, m, lanes, width)


@njit(**HELPER)
def measure_links(rows, ratio, tables, z, near, far, half, work, forward, backward):
    """Unweighted rows applied to two nodes of z, summed over its halves."""
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    entries, ones = tables
    scaled, low_forward, low_backward = work
    m = n_dims(rows) * orders
    for part in range(2 if half > 0 else 1):
        shift = part * half
        for v in range(0, m * n_lanes, orders * n_lanes):
            row_multiply(scaled, v, ratio, 0, z, far + shift + v, orders, lanes, lanes)
        if part == 0:
            _apply(rows, entries, z, near, scaled, forward, backward)
        else:
            _apply(rows, entries, z, near + shift, scaled, low_forward, low_backward)
            row_add(forward, 0, ones, 0, low_forward, 0, m, lanes, lanes)
            row_add(backward, 0, ones, 0, low_backward, 0, m, lanes, lanes)


@njit(**HELPER)
def pull_links(rows, ratio, entries, forward, backward, far, out, near, next_at):
    """Add the transposed rows, applied to numbers of theirs, to two nodes of out."""
    lanes, width, n_lanes, orders = rows.lanes, rows.width, len(rows.lanes), n_orders(rows)
    m, long = n_dims(rows) * orders, long_row(rows)
    other = 2 * orders * long
    far[:] = 0.0
    row_multiply_add(out, near, entries, other, backward, 0, m, lanes, width)
    row_multiply_add(far, 0, entries, other, forward, 0, m, lanes, width)
    for k in range(orders):
        plus, minus, shift = k * long, (orders + k) * long, k * n_lanes
        row_multiply_add(out, near + shift, entries, plus, forward, 0, m, lanes, width)
        row_multiply_add(far, shift, entries, minus, backward, 0, m, lanes, width)
    for v in range(0, m * n_lanes, orders * n_lanes):
        row_multiply_add(out, next_at + v, ratio, 0, far, v, orders, lanes, lanes)
