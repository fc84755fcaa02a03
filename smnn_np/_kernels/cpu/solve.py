"""Solves with a finished R, residuals of the rows, and the way to and from the user's arrays.

Unknowns of a block: ``z`` (T, m) columns, ``z_stride`` numbers from one block to the next.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .lanes import row_add, row_dot, row_multiply, row_set, row_sub
from .rows import (
    INLINE,
    OPTIONS,
    apply_links,
    counts,
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
    scale_next,
    series_of,
    splat_table,
)


@njit(**OPTIONS)
def solve_normal(rows, triangle, first, last, z_stride, x):
    """Solve ``R^T R z = x`` in place for blocks first .. last - 1."""
    lanes, width, n_lanes = rows.lanes, rows.width, len(rows.lanes)
    m = n_dims(rows) * n_orders(rows)
    nodes = len(rows.nodes)
    stride = (nodes * m + n_padding(rows)) * n_lanes
    for block in range(first, last):
        for t in range(rows.n_nodes):
            n = min(nodes, rows.n_nodes - t) * m
            at = (block * rows.n_nodes + t) * m * stride
            start = block * z_stride + t * m * n_lanes
            for i in range(m):
                here, row = start + i * n_lanes, at + i * stride + i * n_lanes
                row_set(x, here, triangle, row, x, here, 1, lanes, lanes)
                after, entry = here + n_lanes, row + n_lanes
                row_sub(x, after, x, here, triangle, entry, n - i - 1, lanes, width)
        for t in range(rows.n_nodes - 1, -1, -1):
            n = min(nodes, rows.n_nodes - t) * m
            at = (block * rows.n_nodes + t) * m * stride
            start = block * z_stride + t * m * n_lanes
            for i in range(m - 1, -1, -1):
                here, row = start + i * n_lanes, at + i * stride + i * n_lanes
                after, entry = here + n_lanes, row + n_lanes
                row_dot(x, here, triangle, entry, x, after, n - i - 1, lanes, width)
                row_set(x, here, triangle, row, x, here, 1, lanes, lanes)


@njit(**INLINE)
def fill_rest(rows, listed, block, t, rhs, weights, rest):
    """Weighted right-hand side (Q,) of the equation rows of node t."""
    n_lanes = len(rows.lanes)
    td = min(t, rhs.shape[1] - 1)
    for lane in range(n_lanes):
        bd = min(series_of(listed, block, lane, n_lanes), rhs.shape[0] - 1)
        for q in range(n_equations(rows)):
            rest[q * n_lanes + lane] = weights[q * n_lanes + lane] * rhs[bd, td, q]


@njit(**INLINE)
def _add_equation_residual(rows, equations, z, at, rest, out):
    """Add ``A^T (b - A z)`` of the equation rows of a node; `rest` holds b."""
    lanes, width, n_lanes = rows.lanes, rows.width, len(rows.lanes)
    m = n_dims(rows) * n_orders(rows)
    for q in range(n_equations(rows)):
        row, here = q * (m + n_padding(rows)) * n_lanes, q * n_lanes
        row_dot(rest, here, equations, row, z, at, m, lanes, width)
        row_add(out, at, rest, here, equations, row, m, lanes, width)


@njit(**INLINE)
def _add_initial_residual(rows, listed, block, t, initial, z, at, out):
    """Add ``A^T (b - A z)`` of the initial rows of node t."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        u = initial[min(b, initial.shape[0] - 1), min(t, initial.shape[1] - 1)]
        for v in range(n_dims(rows)):
            for r in range(rows.n_initial_orders):
                weight = initial_weight(rows, b, t, v, r)
                entry = weight / node_scale(rows, b, t) ** r
                x = at + (v * orders + r) * n_lanes + lane
                out[x] += entry * (weight * u[v, r] - entry * z[x])


@njit(**INLINE)
def _add_link_residual(rows, ratio, minus, factorials, ones, z, at, work, out):
    """Add ``A^T (b - A z)`` of the link rows from a node; `minus` is minus the squared weight."""
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    kept, m = n_link_orders(rows), n_dims(rows) * orders
    forward, backward, scaled, far = work
    for v in range(n_dims(rows)):
        near, next_at = at + v * orders * n_lanes, at + (m + v * orders) * n_lanes
        scale_next(rows, ratio, z, next_at, scaled)
        apply_links(rows, factorials, ones, z, near, scaled, 0, forward, backward)
        row_set(forward, 0, minus, 0, forward, 0, kept, lanes, lanes)
        row_set(backward, 0, minus, 0, backward, 0, kept, lanes, lanes)
        row_sub(out, near, ones, 0, backward, 0, kept, lanes, lanes)
        for x in range(orders * n_lanes):
            far[x] = 0.0
        row_sub(far, 0, ones, 0, forward, 0, kept, lanes, lanes)
        for k in range(orders):
            shift, n, sign = k * n_lanes, min(kept, orders - k), (orders + k) * n_lanes
            row_add(out, near + shift, factorials, shift, forward, 0, n, lanes, lanes)
            row_add(far, shift, factorials, sign, backward, 0, n, lanes, lanes)
        row_multiply(far, 0, far, 0, ratio, 0, orders, lanes)
        row_add(out, next_at, ones, 0, far, 0, orders, lanes, lanes)


@njit(**INLINE)
def _add_central_residual(rows, listed, block, t, central, z, at, out):
    """Add ``A^T (b - A z)`` of the central rows around node t + 1."""
    n_lanes, orders, m = len(rows.lanes), n_orders(rows), n_dims(rows) * n_orders(rows)
    for lane in range(n_lanes):
        b = series_of(listed, block, lane, n_lanes)
        weight, _ = fill_central(rows, b, t, central)
        for v in range(n_dims(rows)):
            low = at + (v * orders + orders - 2) * n_lanes + lane
            middle, high = low + (m + 1) * n_lanes, low + 2 * m * n_lanes
            rest = central[0] * z[low] + central[1] * z[middle] + central[2] * z[high]
            rest *= -weight * weight
            out[low] += central[0] * rest
            out[middle] += central[1] * rest
            out[high] += central[2] * rest


@njit(**OPTIONS)
def normal_residual(rows, listed, first, last, rhs, initial, z_stride, z, out):
    """``A^T (b - A z)``: where z = 0, the right side of the normal equations."""
    lanes, n_lanes, orders = rows.lanes, len(rows.lanes), n_orders(rows)
    m, columns = n_dims(rows) * orders, orders * n_lanes
    ones, central, shrink, ratio = (
        np.ones(n_lanes),
        np.zeros(3),
        np.zeros(columns),
        np.zeros(columns),
    )
    weight, minus = np.zeros(n_lanes), np.zeros(n_lanes)
    weights, rest = np.zeros(n_equations(rows) * n_lanes), np.zeros(n_equations(rows) * n_lanes)
    equations = np.zeros(n_equations(rows) * (m + n_padding(rows)) * n_lanes)
    work = (np.zeros(columns), np.zeros(columns), np.zeros(columns), np.zeros(columns))
    factorials = np.zeros(2 * columns)
    splat_table(rows.factorials.ravel(), lanes, factorials)
    for block in range(first, last):
        out[block * z_stride : (block + 1) * z_stride] = 0.0
        for t in range(rows.n_nodes):
            at = block * z_stride + t * m * n_lanes
            fill_node(rows, listed, block, t, shrink)
            fill_equations(rows, listed, block, t, shrink, weights, equations)
            fill_rest(rows, listed, block, t, rhs, weights, rest)
            _add_equation_residual(rows, equations, z, at, rest, out)
            if t < rows.n_initial_steps:
                _add_initial_residual(rows, listed, block, t, initial, z, at, out)
            if t + 1 < rows.n_nodes:
                fill_link(rows, listed, block, t, ratio, weight)
                row_multiply(minus, 0, weight, 0, weight, 0, 1, lanes)
                for lane in range(n_lanes):
                    minus[lane] = -minus[lane]
                _add_link_residual(rows, ratio, minus, factorials, ones, z, at, work, out)
            if len(rows.nodes) == 3 and t + 2 < rows.n_nodes:
                _add_central_residual(rows, listed, block, t, central, z, at, out)


@njit(**OPTIONS)
def add_correction(rows, active, first, last, z_stride, correction, z, largest, size):
    """Add a correction to z in the active series (n,).

    largest and size (block, m) columns hold the largest entries of the correction and of z, NaN
    included.
    """
    n_lanes, m = len(rows.lanes), n_dims(rows) * n_orders(rows)
    steps, values, share = np.zeros(m * n_lanes), np.zeros(m * n_lanes), np.zeros(m * n_lanes)
    for block in range(first, last):
        for i in range(m * n_lanes):
            steps[i] = values[i] = 0.0
            share[i] = 1.0 if counts(active, block, i % n_lanes, n_lanes) else 0.0
        for t in range(rows.n_nodes):
            at = block * z_stride + t * m * n_lanes
            for i in range(m * n_lanes):
                step = abs(correction[at + i])
                steps[i] = steps[i] if step <= steps[i] else step
                if share[i] > 0.0:
                    z[at + i] += correction[at + i]
                value = abs(z[at + i])
                values[i] = values[i] if value <= values[i] else value
        start = block * m * n_lanes
        largest[start : start + m * n_lanes] = steps
        size[start : start + m * n_lanes] = values


@njit(**OPTIONS)
def scatter(rows, listed, valid, first, last, z_stride, z, y):
    """Scaled unknowns of the blocks to derivatives y (B, T, m)."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    shrink = np.zeros(orders * n_lanes)
    for block in range(first, last):
        for t in range(rows.n_nodes):
            at = block * z_stride + t * n_dims(rows) * orders * n_lanes
            fill_node(rows, listed, block, t, shrink)
            for lane in range(n_lanes):
                if counts(valid, block, lane, n_lanes):
                    b = series_of(listed, block, lane, n_lanes)
                    for i in range(n_dims(rows) * orders):
                        power = shrink[(i % orders) * n_lanes + lane]
                        y[b, t, i] = z[at + i * n_lanes + lane] * power


@njit(**OPTIONS)
def gather(rows, listed, first, last, z_stride, is_gradient, y, z):
    """Derivatives y (B, T, m), or a gradient with respect to them, to the scaled unknowns."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    shrink = np.zeros(orders * n_lanes)
    for block in range(first, last):
        for t in range(rows.n_nodes):
            at = block * z_stride + t * n_dims(rows) * orders * n_lanes
            fill_node(rows, listed, block, t, shrink)
            for lane in range(n_lanes):
                b = series_of(listed, block, lane, n_lanes)
                for i in range(n_dims(rows) * orders):
                    power = shrink[(i % orders) * n_lanes + lane]
                    z[at + i * n_lanes + lane] = y[b, t, i] * (
                        power if is_gradient else 1.0 / power
                    )


@njit(**OPTIONS)
def add_blocks(first, last, z_stride, values, out):
    """Add one set of blocks to another."""
    for k in range(first * z_stride, last * z_stride):
        out[k] += values[k]
