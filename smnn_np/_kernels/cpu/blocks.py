"""Loops over the blocks of some series: factorize, solve and refine, pull back.

All corrections of a block are made before the next block is begun, so that its triangle stays in
the cache.
"""

from __future__ import annotations

import numpy as np

from ..jit import njit
from . import kernel
from .general.rows import HELPER, OPTIONS, counts, node_scale

CONTRACTION = 0.01  # each correction against the one before, for Cholesky to be believed
REMAINDER = 2.0**-46  # 64 rounding units: what may be left, relative to the largest entry
FLOOR = 1e-15  # of the largest unknown: what is smaller is not asked for relative accuracy
STALL = 0.5  # corrections that shrink no faster have nothing more to win
LOST = 0.5  # a last correction this large, relative to the solution: there is no solution
FINE, REJECTED = -1, -2  # verdicts on a solution; another is the node at which it is lost


@njit(**HELPER)
def n_abreast(rows):
    """Series of a block."""
    return len(rows.lanes) // len(rows.ends)


@njit(**HELPER)
def _node(rows, end, k):
    """The node that a lane is at, given its own count."""
    return k if end == 0 else 2 * (rows.length - 1) - k


@njit(**HELPER)
def _failure(rows, failed, place):
    """Node at which a series of a block failed, -1 if it did not."""
    n_ends, first, node = len(rows.ends), rows.length, -1
    for end in range(n_ends):
        k = int(failed[place * n_ends + end])
        if 0 <= k < first:  # what one lane lost, both have lost at the middle
            first, node = k, _node(rows, end, k)
    return node


@njit(**OPTIONS)
def cholesky_blocks(rows, listed, triangle, status):
    """Factorize; status (n,) is -1 or the node of a bad pivot."""
    abreast, failed = n_abreast(rows), np.zeros(len(rows.lanes))
    for block in range(-(-listed.size // abreast)):
        kernel.factor_cholesky(rows, listed, block, triangle, failed)
        for k in range(min(abreast, listed.size - block * abreast)):
            status[block * abreast + k] = _failure(rows, failed, k)


@njit(**OPTIONS)
def qr_blocks(rows, listed, triangle, status):
    """Factorize; status (n,) is -1 or the node of an unusable pivot."""
    abreast, failed = n_abreast(rows), np.zeros(len(rows.lanes))
    for block in range(-(-listed.size // abreast)):
        kernel.factor_qr(rows, listed, block, triangle, failed)
        for k in range(min(abreast, listed.size - block * abreast)):
            status[block * abreast + k] = _failure(rows, failed, k)


@njit(**HELPER)
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


@njit(**HELPER)
def _worst_node(rows, x, lane, m):
    """Node of the largest entry of a series whose first lane this is."""
    worst, node = -1.0, 0
    for end in range(len(rows.ends)):
        for k in range(rows.length):
            for i in range(m):
                value = abs(x[(k * m + i) * len(rows.lanes) + lane + end])
                if value > worst or np.isnan(value):
                    worst, node = value, _node(rows, end, k)
    return node


@njit(**HELPER)
def _pool(rows, norms):
    """Give both lanes of a series the larger of their two norms, NaN if one is."""
    n_ends = len(rows.ends)
    for k in range(0, norms.size, n_ends):
        for end in range(1, n_ends):
            if not norms[k] >= norms[k + end] and not np.isnan(norms[k]):
                norms[k] = norms[k + end]
        norms[k : k + n_ends] = norms[k]


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
    stride = rows.length * m * n_lanes + len(rows.width)
    abreast, n_ends = n_abreast(rows), len(rows.ends)
    x, share = np.zeros(stride), np.zeros(n_lanes)
    norms, size = np.zeros((3, m * n_lanes)), np.zeros(m * n_lanes)
    for block in range(-(-listed.size // abreast)):
        start = block * stride
        z[start : start + stride] = 0.0
        for lane in range(n_lanes):
            share[lane] = 1.0 if counts(wanted, block, lane // n_ends, abreast) else 0.0
        norms[:] = np.inf
        for correction in range(n_corrections + 1):
            earlier, before = norms[correction % 3], norms[(correction + 1) % 3]
            now = norms[(correction + 2) % 3]
            if correction == 0 and len(rows.sizes) > 0:
                kernel.begin(rows, listed, block, rhs, initial, target, triangle, z, start, x)
            else:
                kernel.descend(rows, listed, block, rhs, initial, target, triangle, z, start, x)
            kernel.ascend(rows, listed, block, triangle, x, share, z, start, now, size)
            if correction == 0:
                continue
            _pool(rows, now)
            _pool(rows, size)
            for lane in range(0, n_lanes, n_ends):
                if share[lane] == 0.0:
                    continue
                place = block * abreast + lane // n_ends
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
                        verdict[place] = _worst_node(rows, x, lane, m)
                if done or lost:
                    share[lane : lane + n_ends] = 0.0
            if not share.any():
                break


@njit(**OPTIONS)
def gradient_blocks(rows, listed, valid, rhs, initial, y, a, bars):
    """Add the gradients of the valid series, given y (B, T, m) and the blocks of a."""
    m = rows.coefficients.shape[3] * rows.coefficients.shape[4]
    stride = rows.length * m * len(rows.lanes) + len(rows.width)
    for block in range(-(-listed.size // n_abreast(rows))):
        kernel.gradients(
            rows, listed, block, valid, rhs, initial, y, a, block * stride, bars
        )  # fmt: skip


@njit(**OPTIONS)
def scatter_blocks(rows, listed, valid, z, y):
    """Write the valid series' derivatives y (B, T, m) from the scaled unknowns z."""
    n_lanes, n_ends = len(rows.lanes), len(rows.ends)
    dims, orders = rows.coefficients.shape[3], rows.coefficients.shape[4]
    stride = rows.length * dims * orders * n_lanes + len(rows.width)
    last = rows.length - 1
    for each in range(listed.size * n_ends):
        place, end = each // n_ends, each % n_ends
        if not valid[place]:
            continue
        b, start = listed[place], each // n_lanes * stride + each % n_lanes
        for k in range(rows.length):
            t = _node(rows, end, k)
            if t >= rows.n_nodes or (end == 1 and k == last):
                continue  # not there, or the other lane's
            inverse = 1.0 / node_scale(rows, b, min(k, last - 1) if end == 0 else t - 1)
            if end == 1:
                inverse = -inverse
            at = start + k * dims * orders * n_lanes
            for v in range(dims):
                power = 1.0
                for r in range(orders):
                    y[b, t, v * orders + r] = z[at] * power
                    power *= inverse
                    at += n_lanes
