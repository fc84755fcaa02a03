"""What corrections say of the solutions of a block: proven, lost, or to be made twofold."""

from __future__ import annotations

from typing import Any, NamedTuple

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
from .general.rows import HELPER
from .results import node_of


class Rooms(NamedTuple):
    """Room for what is found of a block of W lanes.

    Attributes
    ----------
    norms : ndarray of shape (3, m W)
        Largest entries of the last corrections, the n-th in row (n + 2) % 3.
    size : ndarray of shape (m W,)
        The same of the solution.
    sums : ndarray of shape (5 W,)
        See `kernel.descend` and `kernel.ascend`.
    share, failed, forced : ndarray of shape (W,)
        Which lanes are solved for, at which node they failed, and which need a low half anyway.
    ratios, lefts : ndarray of shape (W,)
        The last correction in units of that before it and of the solution: the worst unknown's.
    changes, losses : ndarray of shape (W,)
        The largest of the last correction in units of those of that two before, and of the
        solution.
    energies : ndarray of shape (W,)
        ``|A x|^2`` of the last correction x of a low half.
    scale : ndarray of shape (W,)
        Work space.
    """

    norms: Any
    size: Any
    sums: Any
    share: Any
    failed: Any
    forced: Any
    ratios: Any
    lefts: Any
    changes: Any
    losses: Any
    energies: Any
    scale: Any


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
def compare(rows, correction, prove, half, rooms):
    """Compare a correction with those before it, and with the solution."""
    norms, size, scale = rooms.norms, rooms.size, rooms.scale
    earlier, before = norms[correction % 3], norms[(correction + 1) % 3]
    now = norms[(correction + 2) % 3]
    _pool(rows, now)
    _pool(rows, size)
    _pool_sums(rows, rooms.sums)
    if half == 0:
        _worst_ratios(rows, now, before, FLOOR, scale, rooms.ratios)
        _worst_ratios(rows, now, size, FLOOR, scale, rooms.lefts)
        if not prove:
            _worst_ratios(rows, now, earlier, 1.0, scale, rooms.changes)
            _worst_ratios(rows, now, size, 1.0, scale, rooms.losses)


@njit(**HELPER)
def judge_low_half(rows, lane, rooms):
    """Whether a low half has converged, or corrections no longer shrink."""
    n_lanes, energies = len(rows.lanes), rooms.energies
    energy = rooms.sums[4 * n_lanes + lane]
    done = energy <= CONVERGED**2 * _least(rooms.sums, lane, n_lanes)
    lost = not energy <= STALL**2 * energies[lane]
    energies[lane] = energy
    return done or lost


@njit(**HELPER)
def judge(rows, lane, place, how, is_last, z, start, verdict, left, rooms):
    """Whether a series is solved or lost after a correction, and note which."""
    prove, _, rounding = how
    n_lanes, ratio = len(rows.lanes), rooms.ratios[lane]
    left[place] = rooms.lefts[lane]
    done = ratio * left[place] <= REMAINDER
    if prove:
        good = ratio <= CONTRACTION
        done = done and good
        lost = not good or (is_last and not done)
        verdict[place] = REJECTED if lost else FINE
    else:
        # A correction that undoes one that was far off is as large: compare every other one.
        lost = not rooms.changes[lane] <= STALL
        done = done or lost or is_last
        if done and not rooms.losses[lane] <= LOST:
            # Half of the solution or more is correction: where it is largest.
            verdict[place] = _worst_node(rows, z, start, lane, rooms.size.size // n_lanes)
    if done and verdict[place] == FINE:
        energy = rooms.sums[4 * n_lanes + lane]
        noise = UNIT**2 * rooms.sums[3 * n_lanes + lane] + ratio**2 * energy
        if rooms.forced[lane] > 0.0 or not noise <= rounding**2 * rooms.sums[lane]:
            verdict[place] = ROUNDED
    return done or lost
