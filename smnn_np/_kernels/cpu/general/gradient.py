"""Gradients of a scalar with respect to every input of the Taylor rows, in one sweep over nodes.

With ``r = b - A y`` and ``a = (A^T A)^-1 y_bar`` the gradients in the rows are ``b_bar = A a`` and
``A_bar = r a^T - (A a) y^T`` (derived in `smnn_np.adjoint`), needed only where A has entries.
a comes as scaled unknowns of the blocks, y in the user's layout, or twofold as a then is: rows are
evaluated as the solve evaluated its residual, half by half. Each gradient is added to an
array of its input's own shape, so that axes of length 1 collect.
"""

from __future__ import annotations

import numpy as np

from ...jit import njit
from .lanes import row_add, row_dot, row_multiply, row_set
from .links import fill_entries, long_row, measure_links
from .rows import (
    HELPER,
    MAKES_ARRAYS,
    counts,
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
    series_of,
)
from .solve import central_row, fill_rest, subtract_row
from .transfer import row_scatter_add


@njit(**HELPER)
def _spread(rows, listed, valid, block, t, shrink, bar, starts, powers):
    """Where the gradients of the lanes' coefficients begin, -1 where none count; a power each."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m = n_dims(rows) * orders
    size = n_equations(rows) * m
    find_starts(rows, listed, block, t, bar.shape[0], bar.shape[1], size, starts)
    for lane in range(n_lanes):
        starts[lane] = starts[lane] if counts(valid, block, lane, n_lanes) else -1
    for i in range(0, m * n_lanes, orders * n_lanes):
        for k in range(orders * n_lanes):
            powers[i + k] = shrink[k]


@njit(**HELPER)
def _collect_equation(rows, listed, valid, block, t, q, weights, rest, minus, bars):
    """Add the gradients of one equation's right-hand side and weight; `minus` is ``-c.a``."""
    d_bar, w_bar = bars
    n_lanes = len(rows.lanes)
    td = min(t, d_bar.shape[1] - 1)
    tw, qw = min(t, w_bar.shape[1] - 1), min(q, w_bar.shape[2] - 1)
    for lane in range(n_lanes):
        if not counts(valid, block, lane, n_lanes):
            continue
        b, weight = series_of(listed, block, lane, n_lanes), weights[q * n_lanes + lane]
        d_bar[min(b, d_bar.shape[0] - 1), td, q] -= weight * minus[q * n_lanes + lane]
        if weight > 0.0:
            residual = rest[q * n_lanes + lane] / weight
            w_bar[min(b, w_bar.shape[0] - 1), tw, qw] -= 2.0 * residual * minus[q * n_lanes + lane]


@njit(**HELPER)
def _add_equations(
    rows, listed, valid, block, t, shrink, weights, equations, rest, y, a, at, half, work, spread,
    bars,
):  # fmt: skip
    """Equation rows of node t; `rest` holds the weighted right-hand side."""
    lanes, width, n_lanes, m = (
        rows.lanes,
        rows.width,
        len(rows.lanes),
        n_dims(rows) * n_orders(rows),
    )
    c_bar, d_bar, w_bar = bars
    minus, slope = work
    starts, powers, spare = spread
    _spread(rows, listed, valid, block, t, shrink, c_bar, starts, powers)
    minus[:] = 0.0
    for q in range(n_equations(rows)):
        row, here = q * (m + n_padding(rows)) * n_lanes, q * n_lanes
        subtract_row(rows, rest, here, equations, row, y, at, half)
        subtract_row(rows, minus, here, equations, row, a, at, half)
        row_set(slope, 0, rest, here, a, at, m, lanes, width)
        row_add(slope, 0, minus, here, y, at, m, lanes, width)
        row_set(slope, 0, weights, here, slope, 0, m, lanes, width)
        row_scatter_add(c_bar, starts, q * m, spare, powers, 0, slope, 0, m, lanes)
        _collect_equation(rows, listed, valid, block, t, q, weights, rest, minus, (d_bar, w_bar))


@njit(**HELPER)
def _add_initial(rows, listed, valid, block, t, initial, y, a, at, half, u_bar, w_bar):
    """Initial rows of node t."""
    n_lanes, orders, shape = len(rows.lanes), n_orders(rows), w_bar.shape
    tu, tw = min(t, initial.shape[1] - 1), min(t, shape[1] - 1)
    for lane in range(n_lanes):
        if not counts(valid, block, lane, n_lanes):
            continue
        b = series_of(listed, block, lane, n_lanes)
        bu, bw = min(b, initial.shape[0] - 1), min(b, shape[0] - 1)
        for v in range(n_dims(rows)):
            for r in range(rows.n_initial_orders):
                x = at + (v * orders + r) * n_lanes + lane
                shrink = 1.0 / node_scale(rows, b, t) ** r
                weight = initial_weight(rows, b, t, v, r)
                entry = weight * shrink
                rest, slope = weight * initial[bu, tu, v, r] - entry * y[x], entry * a[x]
                if half > 0:
                    rest -= entry * y[x + half]
                    slope += entry * a[x + half]
                u_bar[bu, tu, v, r] += weight * slope
                vw, rw = min(v, shape[2] - 1), min(r, shape[3] - 1)
                if weight > 0.0:
                    w_bar[bw, tw, vw, rw] += 2.0 * (rest / weight) * slope


@njit(**HELPER)
def _measure_links(rows, ratio, tables, x, near, far, half, work, out):
    """Rows (forward, backward) applied to one vector, and their step slopes.

    An entry of order o carries ``s^o`` at either node, so ``s`` times the slope of a row in the
    step is the row applied to ``o`` times the unknowns.
    """
    parts, turned, orders_of = work
    forward, backward, forward_slope, backward_slope = out
    measure_links(rows, ratio, tables, x, near, far, half, parts, forward, backward)
    lanes, m, long = rows.lanes, n_dims(rows) * n_orders(rows), long_row(rows)
    for part in range(2 if half > 0 else 1):
        shift, to = part * half, (2 * part + 1) * long
        row_multiply(turned, to, orders_of, 0, x, near + shift, m, lanes, lanes)
        row_multiply(turned, to + long, orders_of, 0, x, far + shift, m, lanes, lanes)
    # The first of them is no literal 0, for which Numba would compile all this once more.
    measure_links(
        rows, ratio, tables, turned, long, 2 * long, 2 * long if half > 0 else 0, parts,
        forward_slope, backward_slope,
    )  # fmt: skip


@njit(**HELPER)
def _add_links(
    rows, listed, valid, block, t, ratio, weight, tables, y, a, at, half, work, of_y, of_a, sums,
    bars,
):  # fmt: skip
    """Forward and backward rows: both factors of ``(row.y)(row.a)`` move with the step."""
    lanes, n_lanes, m = rows.lanes, len(rows.lanes), n_dims(rows) * n_orders(rows)
    s_bar, w_bar = bars
    of_step, of_weight = sums
    of_step[:], of_weight[:] = 0.0, 0.0
    far = at + m * n_lanes
    _measure_links(rows, ratio, tables, y, at, far, half, work, of_y)
    _measure_links(rows, ratio, tables, a, at, far, half, work, of_a)
    for side in range(2):
        row_dot(of_weight, 0, of_y[side], 0, of_a[side], 0, m, lanes, lanes)
        row_dot(of_step, 0, of_y[side], 0, of_a[side + 2], 0, m, lanes, lanes)
        row_dot(of_step, 0, of_y[side + 2], 0, of_a[side], 0, m, lanes, lanes)
    ts, tw = min(t, s_bar.shape[1] - 1), min(t, w_bar.shape[1] - 1)
    for lane in range(n_lanes):
        if not counts(valid, block, lane, n_lanes):
            continue
        b, w = series_of(listed, block, lane, n_lanes), weight[lane]
        step = node_scale(rows, b, t)
        s_bar[min(b, s_bar.shape[0] - 1), ts] += w * w * of_step[lane] / step
        w_bar[min(b, w_bar.shape[0] - 1), tw] += 2.0 * w * of_weight[lane]


@njit(**HELPER)
def _add_central(nodes, rows, listed, valid, block, t, central, y, a, at, half, bars):
    """Central rows around node t + 1 move with the sum of two steps and the mean of two weights."""
    if len(nodes) != 3:  # as in `cholesky`
        return
    s_bar, w_bar = bars
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for lane in range(n_lanes):
        if not counts(valid, block, lane, n_lanes):
            continue
        b = series_of(listed, block, lane, n_lanes)
        weight, span = fill_central(rows, b, t, central)
        of_step, of_weight = 0.0, 0.0
        for v in range(n_dims(rows)):
            low = at + (v * orders + orders - 2) * n_lanes + lane
            middle, high = low + (m + 1) * n_lanes, low + 2 * m * n_lanes
            outer_y, inner_y = central[0] * y[low] + central[2] * y[high], central[1] * y[middle]
            outer_a, inner_a = central[0] * a[low] + central[2] * a[high], central[1] * a[middle]
            slope_y = (orders - 3.0) * outer_y + (orders - 2.0) * inner_y
            slope_a = (orders - 3.0) * outer_a + (orders - 2.0) * inner_a
            row_y = central_row(central, y, low, middle, high, half)
            row_a = central_row(central, a, low, middle, high, half)
            of_step += row_y * slope_a + slope_y * row_a
            of_weight += row_y * row_a
        for k in range(2):
            bs, ts = min(b, s_bar.shape[0] - 1), min(t + k, s_bar.shape[1] - 1)
            bw, tw = min(b, w_bar.shape[0] - 1), min(t + k, w_bar.shape[1] - 1)
            s_bar[bs, ts] -= weight * weight * of_step / span
            w_bar[bw, tw] -= weight * of_weight


@njit(**HELPER)
def _gather(rows, listed, block, y, shrink, z):
    """Scaled unknowns of one block from the derivatives y (B, T, m)."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for t in range(rows.n_nodes):
        at = t * n_dims(rows) * orders * n_lanes
        fill_node(rows, listed, block, t, shrink)
        for lane in range(n_lanes):
            b = series_of(listed, block, lane, n_lanes)
            for i in range(n_dims(rows) * orders):
                power = shrink[(i % orders) * n_lanes + lane]
                z[at + i * n_lanes + lane] = y[b, t, i] / power


@njit(**MAKES_ARRAYS)
def gradients(rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars):
    """Add the gradients of one block to the seven arrays of `bars`.

    The solution is y (B, T, m), or the twofold z where `half` is not 0.
    """
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m, columns = n_dims(rows) * orders, orders * n_lanes
    ones, central = room(n_lanes), room(3)
    ones[:] = 1.0
    shrink, ratio = room(columns), room(columns)
    weight, weights = room(n_lanes), room(n_equations(rows) * n_lanes)
    rest = room(n_equations(rows) * n_lanes)
    equations = room(n_equations(rows) * (m + n_padding(rows)) * n_lanes)
    starts, scaled = np.zeros(n_lanes, np.int64), room(orders * n_lanes)
    row_work = (room(n_equations(rows) * n_lanes), room((m + n_padding(rows)) * n_lanes))
    spread = (np.zeros(n_lanes, np.int64), room(m * n_lanes), room(m))
    long = long_row(rows)
    orders_of = room(m * n_lanes)
    for k in range(m * n_lanes):
        orders_of[k] = k // n_lanes % orders
    work = ((room(long), room(long), room(long)), room(5 * long), orders_of)
    of_y = (room(long), room(long), room(long), room(long))
    of_a = (room(long), room(long), room(long), room(long))
    sums = (room(n_lanes), room(n_lanes))
    tables = (room((2 * orders + 1) * long), ones)
    fill_entries(rows, tables[0])
    c_bar, d_bar, u_bar, s_bar, w_equation_bar, w_initial_bar, w_smooth_bar = bars
    size = rows.n_nodes * m * n_lanes + len(rows.width)
    a = a[start : start + half + size]
    if half > 0:
        z = z[start : start + half + size]
    else:
        z = room(size)
        _gather(rows, listed, block, y, shrink, z)
    for t in range(rows.n_nodes):
        at = t * m * n_lanes
        fill_node(rows, listed, block, t, shrink)
        fill_equations(rows, listed, block, t, shrink, weights, starts, scaled, equations)
        fill_rest(rows, listed, block, t, rhs, weights, starts, rest)
        _add_equations(
            rows, listed, valid, block, t, shrink, weights, equations, rest, z, a, at, half,
            row_work, spread, (c_bar, d_bar, w_equation_bar),
        )  # fmt: skip
        if t < rows.n_initial_steps:
            _add_initial(
                rows, listed, valid, block, t, initial, z, a, at, half, u_bar, w_initial_bar
            )
        if t + 1 < rows.n_nodes:
            fill_link(rows, listed, block, t, ratio, weight)
            _add_links(
                rows, listed, valid, block, t, ratio, weight, tables, z, a, at, half, work,
                of_y, of_a, sums, (s_bar, w_smooth_bar),
            )  # fmt: skip
        if t + 2 < rows.n_nodes:
            _add_central(
                rows.nodes,
                rows,
                listed,
                valid,
                block,
                t,
                central,
                z,
                a,
                at,
                half,
                (s_bar, w_smooth_bar),
            )
