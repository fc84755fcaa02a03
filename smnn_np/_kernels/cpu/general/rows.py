"""Entries of the Taylor rows of one node, for the series of one block, in scaled unknowns.

``listed`` holds the series to work on; block k takes W of them, one per lane (the last block
repeats its last series to fill up). All work arrays are flat, a column is W numbers. Input axes of
length 1 serve all their indices: every look-up is at ``min(i, n - 1)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ...inner import INNER
from ...jit import njit
from .lanes import row_set
from .tiles import TILE_ROWS, tile_vectors
from .transfer import LINE, row_gather

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
# Most of what a kernel calls neither makes arrays nor returns any: then Numba need not count who
# refers to them, by an atomic operation for every slice: a tenth of the time of short series.
HELPER: dict[str, Any] = {**OPTIONS, **INNER, "_nrt": False}
INLINE: dict[str, Any] = {**HELPER, "forceinline": True}
MAKES_ARRAYS: dict[str, Any] = {**HELPER, "_nrt": True}


def _length(axis: int) -> Any:
    """Make ``length(rows)``, of an axis of the coefficients.

    Numba passes rows to a function as a hundred numbers: much to compile for what is wanted
    everywhere. Here it is one number taken out.
    """

    @intrinsic
    def length(typingctx, rows):  # type: ignore[no-untyped-def]
        field = rows.fields.index("coefficients")
        kind = rows.types[field]

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            array = builder.extract_value(args[0], field)
            shape = context.make_array(kind)(context, builder, array).shape
            return builder.extract_value(shape, axis)

        return types.intp(rows), codegen

    return length


n_equations, n_dims, n_orders = _length(2), _length(3), _length(4)  # Q, V, R


def _number(choose: Callable[[int, int], int]) -> Any:
    """Make ``number(rows)``, a constant that depends on the lengths of `lanes` and `width`."""

    @intrinsic
    def number(typingctx, rows):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = (len(rows.types[rows.fields.index(name)]) for name in ("lanes", "width"))
        value = choose(n_lanes, n_wide)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return context.get_constant(types.intp, value)

        return types.intp(rows), codegen

    return number


# Columns of a tile; surplus columns that an operation on a whole row or on tiles may touch, and
# those that one on a whole row may.
n_tile_columns = _number(lambda lanes, wide: tile_vectors(lanes, wide) * wide // lanes)
n_padding = _number(
    lambda lanes, wide: max(TILE_ROWS, tile_vectors(lanes, wide) * wide // lanes) - 1
)
n_surplus = _number(lambda lanes, wide: wide // lanes - 1)


@njit(**INLINE)
def row_end(rows, i):
    """Column behind the last one of a row of U.

    Nodes t and t + p are tied dimension by dimension, and so are their unknowns in the front before
    node t is eliminated. A row of it comes to hold the far unknowns of its own dimension and, by
    those eliminated before, of earlier ones; those of later ones stay zero.
    """
    orders = n_orders(rows)
    return (len(rows.nodes) - 1) * n_dims(rows) * orders + (i // orders + 1) * orders


@njit(**INLINE)
def row_stride(rows):
    """Columns from the diagonal of U in one row to that in the next: rows end as `row_end` says."""
    orders = n_orders(rows)
    return (len(rows.nodes) - 1) * n_dims(rows) * orders + orders + n_surplus(rows)


@njit(**INLINE)
def n_link_orders(rows):
    """Orders with forward and backward rows: all, but the last with central rows."""
    return n_orders(rows) - 1 if len(rows.nodes) == 3 else n_orders(rows)


@njit(**INLINE)
def series_of(listed, block, lane, n_lanes):
    """Return the series in a lane."""
    return listed[min(block * n_lanes + lane, listed.size - 1)]


@njit(**INLINE)
def counts(valid, block, lane, n_lanes):
    """Whether a lane holds a series of its own whose results are wanted."""
    place = block * n_lanes + lane
    return place < valid.size and valid[place]


@njit(**INLINE)
def node_scale(rows, b, t):
    """Scale of node t: the step after it, for the last node the step before it."""
    steps = rows.steps
    return steps[min(b, steps.shape[0] - 1), min(t, steps.shape[1] - 1)]


@njit(**INLINE)
def link_weight(rows, b, t):
    """Weight of the link rows from node t to node t + 1."""
    weight = rows.weight_smooth
    return weight[min(b, weight.shape[0] - 1), min(t, weight.shape[1] - 1)]


@njit(**INLINE)
def initial_weight(rows, b, t, v, r):
    """Weight of the row of an initial value."""
    w = rows.weight_initial
    bw, tw = min(b, w.shape[0] - 1), min(t, w.shape[1] - 1)
    return w[bw, tw, min(v, w.shape[2] - 1), min(r, w.shape[3] - 1)]


@njit(**MAKES_ARRAYS)
def room(n):
    """Zeros that start at a line of the cache, so that no column of eight lanes straddles two."""
    numbers = np.zeros(n + LINE)
    first = -np.int64(numbers.ctypes.data // 8) % LINE
    return numbers[first : first + n]


@njit(**HELPER)
def find_starts(rows, listed, block, t, n_series, n_nodes, size, starts):
    """Where in a flat array (n_series, n_nodes, size) the lanes' numbers at node t begin."""
    n_lanes = len(rows.lanes)
    for lane in range(n_lanes):
        b = min(series_of(listed, block, lane, n_lanes), n_series - 1)
        starts[lane] = (b * n_nodes + min(t, n_nodes - 1)) * size


@njit(**HELPER)
def splat_table(table, lanes, out):
    """Copy the entries of a flat table to all lanes."""
    n_lanes = len(lanes)
    for k in range(table.size):
        for lane in range(n_lanes):
            out[k * n_lanes + lane] = table[k]


@njit(**HELPER)
def shift_front(rows, n, stride, ones, zeros, front):
    """Move the front on by one node: drop its first m unknowns, make place for as many."""
    lanes, n_lanes = rows.lanes, len(rows.lanes)
    m = n_dims(rows) * n_orders(rows)
    for i in range(n):
        kept = max(n - m - i, 0)
        if kept > 0:
            source = (i + m) * stride + (i + m) * n_lanes
            row_set(front, i * stride + i * n_lanes, ones, 0, front, source, kept, lanes, lanes)
        first, end = i + kept, row_end(rows, i) if i < m else n  # zeros follow
        place = i * stride + first * n_lanes
        row_set(front, place, zeros, 0, zeros, 0, end - first, lanes, lanes)


@njit(**HELPER)
def fill_node(rows, listed, block, t, shrink):
    """Powers ``k_t^-r`` (R,): from scaled unknowns to derivatives."""
    n_lanes = len(rows.lanes)
    if t > 0 and rows.uniform:
        return
    for lane in range(n_lanes):
        inverse = 1.0 / node_scale(rows, series_of(listed, block, lane, n_lanes), t)
        power = 1.0
        for r in range(n_orders(rows)):
            shrink[r * n_lanes + lane] = power
            power *= inverse


@njit(**HELPER)
def fill_link(rows, listed, block, t, ratio, weight):
    """Powers ``(s_t / k_{t+1})^r`` (R,) and weight (1,) of the link from node t."""
    n_lanes = len(rows.lanes)
    if t > 0 and rows.uniform:
        return
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        weight[lane] = link_weight(rows, b, t)
        quotient = node_scale(rows, b, t) / node_scale(rows, b, t + 1)
        power = 1.0
        for r in range(n_orders(rows)):
            ratio[r * n_lanes + lane] = power
            power *= quotient


@njit(**HELPER)
def fill_equations(rows, listed, block, t, shrink, weights, starts, scaled, equations):
    """Weighted equation rows (Q, m + padding) of node t, and their weights (Q,).

    starts (W,) and scaled (R,) are room.
    """
    c, w = rows.coefficients, rows.weight_equation
    if t > 0 and rows.uniform and c.shape[1] == 1 and w.shape[1] == 1:
        return
    n_lanes, orders, dims = len(rows.lanes), n_orders(rows), n_dims(rows)
    m, tw = dims * orders, min(t, w.shape[1] - 1)
    find_starts(rows, listed, block, t, c.shape[0], c.shape[1], n_equations(rows) * m, starts)
    for q in range(n_equations(rows)):
        here = q * n_lanes
        for lane in range(n_lanes):
            bw = min(series_of(listed, block, lane, n_lanes), w.shape[0] - 1)
            weights[here + lane] = w[bw, tw, min(q, w.shape[2] - 1)]
        row_set(scaled, 0, weights, here, shrink, 0, orders, rows.lanes, rows.lanes)
        for i in range(0, m, orders):
            place = (q * (m + n_padding(rows)) + i) * n_lanes
            row_gather(equations, place, scaled, 0, c, starts, q * m + i, orders, rows.lanes)


@njit(**HELPER)
def fill_central(rows, b, t, central):
    """Unweighted entries of a central row at nodes t, t + 1, t + 2; returns weight and span."""
    orders = float(rows.coefficients.shape[4])
    first, second = node_scale(rows, b, t), node_scale(rows, b, t + 1)
    span = first + second
    central[0] = span ** (orders - 3.0) / first ** (orders - 2.0)
    central[1] = span ** (orders - 2.0) / second ** (orders - 1.0)
    central[2] = -(span ** (orders - 3.0)) / node_scale(rows, b, t + 2) ** (orders - 2.0)
    return 0.5 * (link_weight(rows, b, t) + link_weight(rows, b, t + 1)), span
