"""Selected entries of ``(A^T A)^-1 = (U^T D U)^-1``, from the last node to the first.

With ``G = U_tt^-1`` and ``C = G [U_t,t+1 ...]`` the block row of U says
``z_t = G e_t - C z_next`` with ``cov(e_t) = D_t^-1``: hence ``cov(z_t, z_next) = -C W`` and
``cov(z_t) = G D_t^-1 G^T + C W C^T``, where W is the covariance of the following nodes that a row
touches (Takahashi, Fagan and Chin, 1973; the smoother of Rauch, Tung and Striebel is the same
recursion).
"""

from __future__ import annotations

import numpy as np

from ..jit import njit
from ..packing import place_of_row
from .general.rows import (
    HELPER,
    OPTIONS,
    counts,
    n_dims,
    n_orders,
    node_scale,
    row_end,
    row_stride,
    series_of,
)

_place_of_row = njit(**HELPER)(place_of_row)


@njit(**HELPER)
def _pivot_at(rows, group, t, lane, i):
    """Place of a pivot in the triangle; unrolled kernels pack their rows."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m, node = n_dims(rows) * orders, group * rows.n_nodes + t
    if len(rows.sizes) > 0:
        place = node * _place_of_row(m, orders, m) + _place_of_row(m, orders, i)
    else:
        place = (node * m + i) * row_stride(rows)
    return place * n_lanes + lane


@njit(**HELPER)
def _unpack(rows, triangle, group, t, lane, block, pivots):
    """Copy the unit rows of U of one node and lane, (m, n), and D^-1 (m,)."""
    m = block.shape[0]
    for i in range(m):
        at = _pivot_at(rows, group, t, lane, i)
        pivots[i] = triangle[at]
        block[i] = 0.0
        for j in range(i + 1, row_end(rows, i)):
            block[i, j] = triangle[at + (j - i) * len(rows.lanes)]
        block[i, i] = 1.0


@njit(**HELPER)
def _divide(m, block, inverse):
    """Inverse of the first m columns (unit triangular); the others become C, in place."""
    for j in range(m):
        for i in range(m - 1, -1, -1):
            value = 1.0 if i == j else 0.0
            for k in range(i + 1, m):
                value -= block[i, k] * inverse[k, j]
            inverse[i, j] = value
    for j in range(m, block.shape[1]):
        for i in range(m - 1, -1, -1):
            for k in range(i + 1, m):
                block[i, j] -= block[i, k] * block[k, j]


@njit(**HELPER)
def _advance(m, block, inverse, pivots, window, cross, here):
    """Covariance of a node (m, m) and with those after it (m, n - m); the window moves back."""
    n_after = window.shape[0]
    for i in range(m):
        for j in range(n_after):
            value = 0.0
            for k in range(n_after):
                value -= block[i, m + k] * window[k, j]
            cross[i, j] = value
    for i in range(m):
        for j in range(m):
            value = 0.0
            for k in range(max(i, j), m):
                value += inverse[i, k] * pivots[k] * inverse[j, k]
            for k in range(n_after):
                value -= cross[i, k] * block[j, m + k]
            here[i, j] = value
    for i in range(n_after - 1, m - 1, -1):
        for j in range(n_after - 1, m - 1, -1):
            window[i, j] = window[i - m, j - m]
    for i in range(m):
        for j in range(m):
            window[i, j] = here[i, j]
        for j in range(m, n_after):
            window[i, j] = window[j, i] = cross[i, j - m]


@njit(**OPTIONS)
def selected_inverse(rows, listed, valid, triangle, variance, covariance, lagged):
    """Variances (B, T, m), covariances (B, T, m, m) and those with the next node (B, T - 1, m, m).

    All are of the derivatives, not of the scaled unknowns. An output of no series is left out.
    """
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m = n_dims(rows) * orders
    n = len(rows.nodes) * m
    block, inverse, here = np.zeros((m, n)), np.zeros((m, m)), np.zeros((m, m))
    pivots = np.zeros(m)
    window, cross = np.zeros((n - m, n - m)), np.zeros((m, n - m))
    for group in range(-(-listed.size // n_lanes)):
        for lane in range(n_lanes):
            if not counts(valid, group, lane, n_lanes):
                continue
            b = series_of(listed, group, lane, n_lanes)
            window[:] = 0.0
            for t in range(rows.n_nodes - 1, -1, -1):
                _unpack(rows, triangle, group, t, lane, block, pivots)
                _divide(m, block, inverse)
                _advance(m, block, inverse, pivots, window, cross, here)
                near = node_scale(rows, b, t)
                for i in range(m):
                    scale = near ** (i % orders)
                    if variance.shape[0] > 0:
                        variance[b, t, i] = here[i, i] / scale**2
                    for j in range(m):
                        if covariance.shape[0] > 0:
                            covariance[b, t, i, j] = here[i, j] / scale / near ** (j % orders)
                        if lagged.shape[0] > 0 and t + 1 < rows.n_nodes:
                            far = node_scale(rows, b, t + 1) ** (j % orders)
                            lagged[b, t, i, j] = cross[i, j] / scale / far


@njit(**OPTIONS)
def log_determinant(rows, listed, valid, triangle, out):
    """``log det A^T A`` of every series, (B,)."""
    n_lanes, orders = len(rows.lanes), n_orders(rows)
    m = n_dims(rows) * orders
    for group in range(-(-listed.size // n_lanes)):
        for lane in range(n_lanes):
            if not counts(valid, group, lane, n_lanes):
                continue
            b, total = series_of(listed, group, lane, n_lanes), 0.0
            for t in range(rows.n_nodes):
                scale = np.log(node_scale(rows, b, t))
                for i in range(m):
                    inverse = triangle[_pivot_at(rows, group, t, lane, i)]
                    total += 2.0 * scale * (i % orders) - np.log(inverse)
            out[b] = total
