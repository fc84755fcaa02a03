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
from ..trust import FINE, ROUNDED
from . import kernel
from .general.rows import HELPER, OPTIONS, counts, series_of
from .results import block_stride, hand_over, n_abreast, node_of
from .verdict import Rooms, compare, judge, judge_low_half

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
def _triangularize(
    rows, listed, valid, block, half, right_side, left_side, triangle, began, status, verdict, rooms
):  # fmt: skip
    """Choose the lanes that are solved for, and factorize where that is to be done.

    Series that were ROUNDED before are FINE until this solution, too, says that they are not.
    """
    rhs, initial, target = right_side
    _, _, fresh, by_qr = left_side
    share, failed, forced = rooms.share, rooms.failed, rooms.forced
    abreast, n_ends = n_abreast(rows), len(rows.ends)
    _share(rows, valid, half > 0, status, verdict, block, share)
    if fresh and share.any():
        kernel.factorize(rows, listed, block, rhs, initial, target, triangle, by_qr, began, failed)
        if len(rows.sizes) == 0:  # unrolled kernels look at them themselves
            _refuse_steps(rows, listed, block, failed)
        _note_failures(rows, listed.size, block, failed, status, share)
    for lane in range(len(rows.lanes)):
        place = min(block * abreast + lane // n_ends, verdict.size - 1)
        forced[lane] = share[lane] if verdict[place] == ROUNDED else 0.0
        if forced[lane] > 0.0 and half == 0 and lane % n_ends == n_ends - 1:
            verdict[place] = FINE


@njit(**HELPER)
def _correct(
    rows, listed, block, right_side, left_side, triangle, x, z, start, half, parts, began,
    correction, rooms,
):  # fmt: skip
    """Solve, or solve for a correction; rooms receive how large it is."""
    rhs, initial, target = right_side
    _, _, fresh, by_qr = left_side
    share, size, sums = rooms.share, rooms.size, rooms.sums
    now = rooms.norms[(correction + 2) % 3]
    if correction > 0 or len(rows.sizes) == 0:
        kernel.descend(
            rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums
        )
    elif not (fresh and kernel.begins(rows, by_qr)):
        kernel.begin(rows, listed, block, rhs, initial, target, triangle, z, start, began)
    found = began if correction == 0 else x
    kernel.ascend(
        rows, listed, block, triangle, found, share, z, start, half, parts, correction == 0, now,
        size, sums,
    )  # fmt: skip


@njit(**HELPER)
def _solve_block(
    rows, listed, block, right_side, left_side, triangle, x, how, z, start, half, parts, began,
    verdict, left, rooms,
):  # fmt: skip
    """Solve for a block, and correct until each of its series is judged."""
    prove, n_corrections, _ = how
    n_lanes, n_ends, share = len(rows.lanes), len(rows.ends), rooms.share
    rooms.norms[:] = np.inf
    rooms.energies[:] = np.inf
    for correction in range(1 if half > 0 else 0, n_corrections + 1):
        _correct(
            rows, listed, block, right_side, left_side, triangle, x, z, start, half, parts, began,
            correction, rooms,
        )  # fmt: skip
        if correction == 0:
            continue
        compare(rows, correction, prove, half, rooms)
        for lane in range(0, n_lanes, n_ends):
            if share[lane] == 0.0:
                continue
            place = block * n_abreast(rows) + lane // n_ends
            if half > 0:
                over = judge_low_half(rows, lane, rooms)
            else:
                is_last = correction == n_corrections
                over = judge(rows, lane, place, how, is_last, z, start, verdict, left, rooms)
            if over:
                share[lane : lane + n_ends] = 0.0
        if not share.any():
            break


@njit(**HELPER)
def _solve_blocks(
    rows, listed, valid, right_side, left_side, x, how, z, half, parts, task,
    status, verdict, left, wanted, rooms,
):  # fmt: skip
    """`solve_blocks`, with room for what is found of a block."""
    triangles, apart = left_side[0], left_side[1]
    stride, n_kept, begin = block_stride(rows), 0, 0
    n_blocks, batch = -(-listed.size // n_abreast(rows)), 1 + BATCH // stride
    in_place = half == 0 and len(rows.sizes) > 0  # as unrolled kernels begin
    for block in range(n_blocks + 1):
        if half == 0 and (block == begin + batch or block == n_blocks):
            n_kept = hand_over(
                rows, listed, valid, begin, block, z, n_kept, parts, task, status, verdict, wanted
            )
            begin = block
        if block == n_blocks:
            break
        start = (n_kept + block - begin) * stride
        own, triangle = z[start : start + stride], triangles[block * apart :]
        if half == 0 and not in_place:
            own[:] = 0.0
        began = own if in_place else x
        _triangularize(
            rows, listed, valid, block, half, right_side, left_side, triangle, began, status,
            verdict, rooms,
        )  # fmt: skip
        if rooms.share.any():
            _solve_block(
                rows, listed, block, right_side, left_side, triangle, x, how, z, start, half,
                parts, began, verdict, left, rooms,
            )  # fmt: skip
        else:
            begin += half > 0
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
    rooms = Rooms(
        np.zeros((3, size)), np.zeros(size), np.zeros(5 * n), np.zeros(n), np.zeros(n), np.zeros(n),
        np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n),
    )  # fmt: skip
    return _solve_blocks(
        rows, listed, valid, right_side, left_side, x, how, z, half, parts, task,
        status, verdict, left, wanted, rooms,
    )  # fmt: skip
