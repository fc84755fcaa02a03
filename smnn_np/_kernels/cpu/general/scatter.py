"""Derivatives of one solved block, written to the user's own array."""

from __future__ import annotations

from ...jit import njit
from .rows import HELPER, counts, n_dims, n_orders, node_scale, series_of


@njit(**HELPER)
def scatter(rows, listed, block, valid, z, start, y, copy):
    """Write the derivatives y (B, T, m) of the valid series, and a copy if it is not empty."""
    n_lanes, dims, orders = len(rows.lanes), n_dims(rows), n_orders(rows)
    for lane in range(n_lanes):
        if not counts(valid, block, lane, n_lanes):
            continue
        b = series_of(listed, block, lane, n_lanes)
        for t in range(rows.n_nodes):
            inverse = 1.0 / node_scale(rows, b, t)
            at = start + t * dims * orders * n_lanes + lane
            for v in range(dims):
                power = 1.0
                for r in range(orders):
                    y[b, t, v * orders + r] = value = z[at] * power
                    if copy.size > 0:
                        copy[b, t, v * orders + r] = value
                    power *= inverse
                    at += n_lanes
