"""Loops over the blocks of some series: factorize, solve and refine, pull back.

All corrections of a block are made before the next block is begun, so that its triangle stays in
the cache.
"""

from __future__ import annotations

import numpy as np

from ..jit import njit
from ..trust import CONTRACTION, FINE, FLOOR, LOST, REJECTED, REMAINDER, STALL
from . import kernel
from .general.rows import OPTIONS, counts, node_scale


@njit(**OPTIONS)
def cholesky_blocks(rows, listed, triangle, status):
    """Factorize; status (n,) is -1 or the node of a bad pivot."""
    n_lanes = len(rows.lanes)
    failed = np.zeros(n_lanes)
    for block in range(-(-listed.size // n_lanes)):
        kernel.factor_cholesky(rows, listed, block, triangle, failed)
        for lane in range(min(n_lanes, listed.size - block * n_lanes)):
            status[block * n_lanes + lane] = int(failed[lane])


@njit(**OPTIONS)
def qr_blocks(rows, listed, triangle, status):
    """Factorize; status (n,) is -1 or the node of an unusable pivot."""
    n_lanes = len(rows.lanes)
    failed = np.zeros(n_lanes)
    for block in range(-(-listed.size // n_lanes)):
        kernel.factor_qr(rows, listed, block, triangle, failed)
        for lane in range(min(n_lanes, listed.size - block * n_lanes)):
            status[block * n_lanes + lane] = int(failed[lane])


@njit(**OPTIONS)
def _worst_ratio(now, before, floor, lane, n_lanes):
    """Largest ratio over a lane's unknowns, each against no less than `floor` of the largest.

    0 where both are zero; NaN where one is.
    """
    largest, worst = 0.0, 0.0
    for k in range(lane, before.size, n_lanes):
        largest = max(largest, before[k])
    for k in range(lane, now.size, n_lanes):
        scale = max(before[k], floor * largest)
        ratio = now[k] / scale if scale > 0.0 else (np.inf if now[k] > 0.0 else now[k])
        if np.isnan(ratio):
            return ratio
        worst = max(worst, ratio)
    return worst


@njit(**OPTIONS)
def _worst_node(x, lane, n_lanes, m):
    """Node of the largest entry of a lane."""
    worst, node = -1.0, 0
    for k in range(x.size // (m * n_lanes)):
        for i in range(m):
            value = abs(x[(k * m + i) * n_lanes + lane])
            if value > worst or np.isnan(value):
                worst, node = value, k
    return node


@njit(**OPTIONS)
def solve_blocks(
    rows, listed, wanted, right_side, triangle, prove, n_corrections, z, verdict, left
):
    """Solve and refine z for ``right_side = (rhs, initial, target)``.

    With `prove`, corrections are made until the solution is proven, and a series for which that
    takes more than `n_corrections` or which does not contract is REJECTED. Otherwise they are made
    until none is left to make, or until they no longer shrink: even a good triangle may give a
    first solution that is far off, because ``A^T b`` has lost digits, and each correction then
    wins many back. Corrections that stay as large as the solution mean that the rows do not
    determine it. left (n,) receives the last correction relative to the solution.
    """
    rhs, initial, target = right_side
    n_lanes = len(rows.lanes)
    m = rows.coefficients.shape[3] * rows.coefficients.shape[4]
    stride = rows.n_nodes * m * n_lanes + len(rows.width)
    x, share = np.zeros(stride), np.zeros(n_lanes)
    norms, size = np.zeros((3, m * n_lanes)), np.zeros(m * n_lanes)
    for block in range(-(-listed.size // n_lanes)):
        start = block * stride
        z[start : start + stride] = 0.0
        for lane in range(n_lanes):
            share[lane] = 1.0 if counts(wanted, block, lane, n_lanes) else 0.0
        norms[:] = np.inf
        for correction in range(n_corrections + 1):
            earlier, before = norms[correction % 3], norms[(correction + 1) % 3]
            now = norms[(correction + 2) % 3]
            if correction == 0:
                kernel.begin(rows, listed, block, rhs, initial, target, triangle, z, start, x)
            else:
                kernel.descend(rows, listed, block, rhs, initial, target, triangle, z, start, x)
            kernel.ascend(rows, listed, block, triangle, x, share, z, start, now, size)
            if correction == 0:
                continue
            for lane in range(n_lanes):
                if share[lane] == 0.0:
                    continue
                place = block * n_lanes + lane
                ratio = _worst_ratio(now, before, FLOOR, lane, n_lanes)
                left[place] = _worst_ratio(now, size, FLOOR, lane, n_lanes)
                done = ratio * left[place] <= REMAINDER
                if prove:
                    good = ratio <= CONTRACTION
                    done = done and good
                    lost = not good or (correction == n_corrections and not done)
                    verdict[place] = REJECTED if lost else FINE
                else:
                    # A correction that undoes one that was far off is as large: compare every
                    # other one.
                    lost = not _worst_ratio(now, earlier, 1.0, lane, n_lanes) <= STALL
                    done = done or lost or correction == n_corrections
                    if done and not _worst_ratio(now, size, 1.0, lane, n_lanes) <= LOST:
                        verdict[place] = _worst_node(x, lane, n_lanes, m)
                if done or lost:
                    share[lane] = 0.0
            if not share.any():
                break


@njit(**OPTIONS)
def gradient_blocks(rows, listed, valid, rhs, initial, y, a, bars):
    """Add the gradients of the valid series, given y (B, T, m) and the blocks of a."""
    n_lanes = len(rows.lanes)
    m = rows.coefficients.shape[3] * rows.coefficients.shape[4]
    stride = rows.n_nodes * m * n_lanes + len(rows.width)
    for block in range(-(-listed.size // n_lanes)):
        kernel.gradients(
            rows, listed, block, valid, rhs, initial, y, a, block * stride, bars
        )  # fmt: skip


@njit(**OPTIONS)
def scatter_blocks(rows, listed, valid, z, y):
    """Write the valid series' derivatives y (B, T, m) from the scaled unknowns z."""
    n_lanes, dims, orders = len(rows.lanes), rows.coefficients.shape[3], rows.coefficients.shape[4]
    m = dims * orders
    stride = rows.n_nodes * m * n_lanes + len(rows.width)
    for place in range(listed.size):
        if not valid[place]:
            continue
        b, at = listed[place], place // n_lanes * stride + place % n_lanes
        for t in range(rows.n_nodes):
            inverse = 1.0 / node_scale(rows, b, t)
            for v in range(dims):
                power = 1.0
                for r in range(orders):
                    y[b, t, v * orders + r] = z[at] * power
                    power *= inverse
                    at += n_lanes
