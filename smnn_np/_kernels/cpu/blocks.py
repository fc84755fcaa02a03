"""The loop over the blocks of some series: factorize, solve and refine, hand over.

A block is solved for before the next one is begun, so that its triangle stays in the cache. A few
blocks are handed over together: each time another part of the code has to come into its cache.

A gradient is made of small differences ``b - A z``, and on fine grids these drown in the rounding
of z to floats. Where that threatens, z becomes *twofold*: the sum of two floats, of which the high
half stays as it is, and the low half, so many numbers behind it as `half` says, takes all further
corrections. The high half's share of a residual is then rounded once and for all, as if the rows
had been rounded, and the corrections converge.
"""

from __future__ import annotations

import numpy as np

from ..jit import njit
from ..trust import (
    CONTRACTION,
    CONVERGED,
    FINE,
    FLOOR,
    LOST,
    REJECTED,
    REMAINDER,
    ROUNDED,
    STALL,
    UNIT,
)
from . import kernel
from .general.rows import HELPER, OPTIONS, counts, series_of
from .results import block_stride, hand_over, n_abreast, node_of

BATCH = 2**13  # unknowns, of the blocks that are handed over together


@njit(**HELPER)
def _failure(rows, failed, place):
    """Node at which a series of a block failed, -1 if it did not."""
    n_ends, first, node = len(rows.ends), rows.length, -1
    for end in range(n_ends):
        k = int(failed[place * n_ends + end])
        if 0 <= k < first:  # what one lane lost, both have lost at the middle
            first, node = k, node_of(rows, end, k)
    return node


@njit(**HELPER)
def _share(rows, valid, rounded, status, verdict, block, share):
    """Which lanes (W,) are solved for: those of sound series, or of those among them ROUNDED."""
    abreast, n_ends = n_abreast(rows), len(rows.ends)
    for lane in range(len(rows.lanes)):
        k = lane // n_ends
        on = counts(valid, block, k, abreast) and status[block * abreast + k] < 0
        if on and rounded:
            on = verdict[block * abreast + k] == ROUNDED
        share[lane] = 1.0 if on else 0.0


@njit(**HELPER)
def _note_failures(rows, n_series, block, failed, status, share):
    """Note in status (n,) the node of a bad pivot, or -1; lanes of a bad one share nothing."""
    abreast, n_ends = n_abreast(rows), len(rows.ends)
    for k in range(min(abreast, n_series - block * abreast)):
        node = _failure(rows, failed, k)
        status[block * abreast + k] = node
        if node >= 0:
            share[k * n_ends : (k + 1) * n_ends] = 0.0


@njit(**HELPER)
def _refuse_steps(rows, listed, block, failed):
    """Fail the lanes of series with a step that is not a positive number, at the first node."""
    for lane in range(len(rows.lanes)):
        b = series_of(listed, block, lane, len(rows.lanes))
        steps = rows.steps[min(b, len(rows.steps) - 1)]
        n_bad = 0
        for k in range(steps.size):
            n_bad += not 0.0 < steps[k] < np.inf
        if n_bad > 0:
            failed[lane] = 0.0


@njit(**HELPER)
def _worst_ratios(rows, now, before, floor, scale, worst):
    """Largest ratio over each lane's unknowns, each against no less than `floor` of the largest.

    worst (W,) receives it: 0 where both are zero, NaN where one is; scale (W,) is room.
    """
    n_lanes = len(rows.lanes)
    for lane in range(n_lanes):
        scale[lane] = worst[lane] = 0.0
    for k in range(0, now.size, n_lanes):
        for lane in range(n_lanes):
            value = before[k + lane]
            scale[lane] = scale[lane] if scale[lane] > value else value
    for k in range(0, now.size, n_lanes):
        for lane in range(n_lanes):
            value, least = before[k + lane], floor * scale[lane]
            value = value if value > least else least
            ratio = now[k + lane] / value if now[k + lane] != 0.0 else 0.0
            held = worst[lane]
            worst[lane] = held if ratio <= held or held != held else ratio


@njit(**HELPER)
def _worst_node(rows, z, start, lane, m):
    """Node of the largest entry of a series whose first lane this is."""
    worst, node = -1.0, 0
    for end in range(len(rows.ends)):
        for k in range(rows.length):
            for i in range(m):
                value = abs(z[start + (k * m + i) * len(rows.lanes) + lane + end])
                if value > worst or np.isnan(value):
                    worst, node = value, node_of(rows, end, k)
    return node


@njit(**HELPER)
def _pool(rows, norms):
    """Give both lanes of a series the larger of their two norms, NaN if one is."""
    n_ends = len(rows.ends)
    if n_ends == 1:
        return
    for k in range(0, norms.size, n_ends):
        for end in range(1, n_ends):
            if not norms[k] >= norms[k + end] and not np.isnan(norms[k]):
                norms[k] = norms[k + end]
        norms[k : k + n_ends] = norms[k]


@njit(**HELPER)
def _pool_sums(rows, sums):
    """Give both lanes of a series the sum of their two numbers."""
    n_ends = len(rows.ends)
    if n_ends == 1:
        return
    for k in range(0, sums.size, n_ends):
        total = 0.0
        for end in range(n_ends):
            total += sums[k + end]
        sums[k : k + n_ends] = total


@njit(**HELPER)
def _least(sums, lane, n_lanes):
    """The smallest square of a kind of residuals; kinds without one do not count."""
    least = np.inf
    for k in range(lane, 3 * n_lanes, n_lanes):
        if sums[k] > 0.0:
            least = min(least, sums[k])
    return least


@njit(**HELPER)
def _solve_blocks(
    rows, listed, valid, right_side, left_side, x, how, z, half, parts, task,
    status, verdict, left, wanted, rooms,
):  # fmt: skip
    """`solve_blocks`, with room for a block's numbers."""
    rhs, initial, target = right_side
    triangles, apart, fresh, by_qr = left_side
    prove, n_corrections, rounding = how
    n_lanes = len(rows.lanes)
    m = rows.coefficients.shape[3] * rows.coefficients.shape[4]
    stride = block_stride(rows)
    abreast, n_ends = n_abreast(rows), len(rows.ends)
    norms, size, sums, (share, failed, forced, ratios, lefts, changes, losses, energies, scale) = (
        rooms
    )
    first, n_kept, begin, n_blocks = 1 if half > 0 else 0, 0, 0, -(-listed.size // abreast)
    batch = 1 + BATCH // stride
    for block in range(n_blocks + 1):
        if half == 0 and (block == begin + batch or block == n_blocks):
            n_kept = hand_over(
                rows, listed, valid, begin, block, z, n_kept, parts, task, status, verdict, wanted
            )
            begin = block
        if block == n_blocks:
            break
        start = (n_kept + block - begin) * stride
        own = z[start : start + stride]
        if half == 0 and len(rows.sizes) == 0:  # unrolled kernels begin without it
            own[:] = 0.0
        began = own if half == 0 and len(rows.sizes) > 0 else x  # ... and in its place
        _share(rows, valid, half > 0, status, verdict, block, share)
        triangle = triangles[block * apart :]
        if fresh and share.any():
            kernel.factorize(
                rows, listed, block, rhs, initial, target, triangle, by_qr, began, failed
            )
            if len(rows.sizes) == 0:  # unrolled kernels look at them themselves
                _refuse_steps(rows, listed, block, failed)
            _note_failures(rows, listed.size, block, failed, status, share)
        if not share.any():
            begin += half > 0
            continue
        for lane in range(n_lanes):
            place = block * abreast + lane // n_ends
            forced[lane] = share[lane] if verdict[place] == ROUNDED else 0.0
            if forced[lane] > 0.0 and half == 0 and lane % n_ends == n_ends - 1:
                verdict[place] = FINE
        norms[:] = np.inf
        energies[:] = np.inf
        for correction in range(first, n_corrections + 1):
            earlier, before = norms[correction % 3], norms[(correction + 1) % 3]
            now = norms[(correction + 2) % 3]
            if correction == 0 and len(rows.sizes) > 0:
                if not (fresh and kernel.begins(rows, by_qr)):
                    kernel.begin(
                        rows, listed, block, rhs, initial, target, triangle, z, start, began
                    )
            else:
                began = x
                kernel.descend(
                    rows, listed, block, rhs, initial, target, triangle, z, start, half, parts,
                    x, sums,
                )  # fmt: skip
            kernel.ascend(
                rows, listed, block, triangle, began, share, z, start, half, parts,
                correction == 0, now, size, sums,
            )  # fmt: skip
            if correction == 0:
                continue
            _pool(rows, now)
            _pool(rows, size)
            _pool_sums(rows, sums)
            if half == 0:
                _worst_ratios(rows, now, before, FLOOR, scale, ratios)
                _worst_ratios(rows, now, size, FLOOR, scale, lefts)
                if not prove:
                    _worst_ratios(rows, now, earlier, 1.0, scale, changes)
                    _worst_ratios(rows, now, size, 1.0, scale, losses)
            for lane in range(0, n_lanes, n_ends):
                if share[lane] == 0.0:
                    continue
                place = block * abreast + lane // n_ends
                energy = sums[4 * n_lanes + lane]
                if half > 0:
                    done = energy <= CONVERGED**2 * _least(sums, lane, n_lanes)
                    lost = not energy <= STALL**2 * energies[lane]
                    energies[lane] = energy
                else:
                    ratio = ratios[lane]
                    left[place] = lefts[lane]
                    done = ratio * left[place] <= REMAINDER
                    if prove:
                        good = ratio <= CONTRACTION
                        done = done and good
                        lost = not good or (correction == n_corrections and not done)
                        verdict[place] = REJECTED if lost else FINE
                    else:
                        # A correction that undoes one that was far off is as large: compare every
                        # other one.
                        lost = not changes[lane] <= STALL
                        done = done or lost or correction == n_corrections
                        if done and not losses[lane] <= LOST:
                            # Half of the solution or more is correction: where it is largest.
                            verdict[place] = _worst_node(rows, z, start, lane, m)
                    if done and verdict[place] == FINE:
                        noise = UNIT**2 * sums[3 * n_lanes + lane] + ratio**2 * energy
                        if forced[lane] > 0.0 or not noise <= rounding**2 * sums[lane]:
                            verdict[place] = ROUNDED
                if done or lost:
                    share[lane : lane + n_ends] = 0.0
            if not share.any():
                break
    return n_kept


@njit(**OPTIONS)
def solve_blocks(
    rows, listed, valid, right_side, left_side, x, how, z, half, parts, task,
    status, verdict, left, wanted,
):  # fmt: skip
    """Solve and refine z for ``right_side = (rhs, initial, target)``; x is room for a block.

    Solutions are handed over as `task` says, but no gradients of blocks with a series that is
    ROUNDED; wanted (n,) receives which. Blocks with such a series are kept in z, one after the
    other.

    ``left_side = (triangle, apart, fresh, by_qr)``: the triangles of consecutive blocks are so many
    numbers apart, 0 where one room serves all of them, and are made here if `fresh`, by QR if
    `by_qr` is of length 1, by Cholesky if it is empty; status (n,) then receives -1 or the node of
    a bad pivot, or one where a step is not a positive number.

    ``how = (prove, n_corrections, rounding)``. With `prove`, corrections are made until the
    solution is proven, and a series for which that takes more than `n_corrections` or which does
    not contract is REJECTED. Otherwise they are made until none is left to make, or until they no
    longer shrink: even a good triangle may give a first solution that is far off, because
    ``A^T b`` has lost digits, and each correction then wins many back. Corrections that stay as
    large as the solution mean that the rows do not determine it. left (n,) receives the last
    correction relative to the solution. Series whose residuals are spoilt by the rounding of z are
    ROUNDED, and so are those that were before.

    Where `half` is not 0, z holds what this found before, and a low half is made for the series
    that were ROUNDED, by corrections until these too have converged or no longer shrink; `parts`
    then is of length 2 where kernels are unrolled, and nothing is handed over. Returns how many
    blocks of z these are.
    """
    n = len(rows.lanes)
    size = rows.coefficients.shape[3] * rows.coefficients.shape[4] * n
    of_lanes = (
        np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n),
        np.zeros(n), np.zeros(n),
    )  # fmt: skip
    rooms = np.zeros((3, size)), np.zeros(size), np.zeros(5 * n), of_lanes
    return _solve_blocks(
        rows, listed, valid, right_side, left_side, x, how, z, half, parts, task,
        status, verdict, left, wanted, rooms,
    )  # fmt: skip
