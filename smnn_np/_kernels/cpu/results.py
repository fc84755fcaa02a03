"""What becomes of a solved block: derivatives for the user, or gradients.

Both are made as soon as the block is solved, while its numbers are in the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ..jit import njit
from ..trust import FINE, ROUNDED
from . import kernel
from .general.rows import HELPER, OPTIONS, node_scale


class Task(NamedTuple):
    """What is to be made of solutions.

    B series, T nodes, m unknowns a node.

    Attributes
    ----------
    pull : bool
        Whether they are adjoint, and gradients are wanted; else derivatives.
    y, copy : ndarray of shape (B, T, m)
        The derivatives: written, if these are not empty, or taken for gradients.
    rhs, initial : ndarray
        The right side that y solves for; for gradients.
    bars : tuple of ndarray
        The seven gradients.
    flat : tuple of ndarray of shape (n,)
        The same, flat; those with a row for each series need not have been cleared.
    per_series : tuple of int
        How many numbers of each belong to a series, 0 where all series share them.
    sums : ndarray
        Memory of those without a row for each series.
    spoilt : ndarray of int, shape (1,)
        Receives the number of the first gradient with a row for each series that is not finite.
    """

    pull: bool
    y: Any
    copy: Any
    rhs: Any
    initial: Any
    bars: tuple[Any, ...]
    flat: tuple[Any, ...]
    per_series: tuple[int, ...]
    sums: Any
    spoilt: Any


@njit(**HELPER)
def n_abreast(rows):
    """Series of a block."""
    return len(rows.lanes) // len(rows.ends)


@njit(**HELPER)
def block_stride(rows):
    """Numbers of a block of unknowns; row operations may touch a few beyond the last node."""
    m = rows.coefficients.shape[3] * rows.coefficients.shape[4]
    return rows.length * m * len(rows.lanes) + len(rows.width)


@njit(**HELPER)
def node_of(rows, end, k):
    """The node that a lane is at, given its own count."""
    return k if end == 0 else 2 * (rows.length - 1) - k


@njit(**HELPER)
def _lane_scale(rows, b, end, k):
    """What a lane's unknowns at its count k are scaled by: backwards, steps are negative."""
    if end == 0:
        return node_scale(rows, b, min(k, rows.length - 2))
    return -node_scale(rows, b, node_of(rows, end, k) - 1)


@njit(**HELPER)
def _clear(flat, per_series, listed, wanted, begin, end):
    """Set the gradients that belong to some series to zero."""
    place = begin
    while place < end:
        first, n = listed[place], _n_neighbours(listed, wanted, place, end)
        for number in range(len(flat)):
            size = per_series[number]
            flat[number][first * size : (first + n) * size] = 0.0
        place += max(n, 1)


@njit(**HELPER)
def _look(flat, per_series, spoilt, listed, wanted, begin, end):
    """Look for NaN and infinity among the gradients that belong to some series."""
    place = begin
    while place < end:
        first, n = listed[place], _n_neighbours(listed, wanted, place, end)
        for number in range(len(flat)):
            size = per_series[number]
            values = flat[number][first * size : (first + n) * size]
            if not (0 <= spoilt[0] < number or _is_finite(values)):
                spoilt[0] = number
        place += max(n, 1)


@njit(**HELPER)
def _n_neighbours(listed, wanted, place, end):
    """How many wanted series follow one another from a place on: the longer a loop the better."""
    n = 0
    while place + n < end and wanted[place + n] and listed[place + n] == listed[place] + n:
        n += 1
    return n


@njit(**HELPER)
def _is_finite(values):
    """Whether there is neither NaN nor infinity among values (n,)."""
    n_bad = 0
    for k in range(values.size):
        n_bad += not abs(values[k]) < np.inf
    return n_bad == 0


@njit(**HELPER)
def _is_rounded(verdict, block, abreast):
    """Whether a series of a block is ROUNDED."""
    for place in range(block * abreast, min((block + 1) * abreast, verdict.size)):
        if verdict[place] == ROUNDED:
            return True
    return False


@njit(**HELPER)
def _note_wanted(valid, block, abreast, status, verdict, wanted):
    """Note in wanted (n,) which series of a block are solved."""
    for place in range(block * abreast, min((block + 1) * abreast, valid.size)):
        sound = valid[place] and status[place] < 0
        wanted[place] = sound and (verdict[place] == FINE or verdict[place] == ROUNDED)


def hand_over(rows, listed, valid, begin, end, z, n_kept, parts, task, status, verdict, wanted):
    """Do the task for the blocks from `begin` on, whose z stand behind `n_kept` others.

    wanted (n,) receives which of their series are solved. Gradients of a block with a series that
    is ROUNDED are cleared, no more, and its z is kept; returns how many are. Twofold solutions are
    left alone.
    """


@overload(hand_over, jit_options=HELPER)
def _hand_over(  # type: ignore[no-untyped-def]
    rows, listed, valid, begin, end, z, n_kept, parts, task, status, verdict, wanted
):
    if len(parts) == 2:
        return (
            lambda rows, listed, valid, begin, end, z, n_kept, parts, task, status, verdict, wanted: (  # noqa: E501
                n_kept
            )
        )

    def implementation(  # type: ignore[no-untyped-def]
        rows, listed, valid, begin, end, z, n_kept, parts, task, status, verdict, wanted
    ):
        stride, first = block_stride(rows), n_kept
        for block in range(begin, end):
            _note_wanted(valid, block, n_abreast(rows), status, verdict, wanted)
        some = begin * n_abreast(rows), min(end * n_abreast(rows), listed.size)
        if task.pull:
            _clear(task.flat, task.per_series, listed, wanted, *some)
        for block in range(begin, end):
            start = (first + block - begin) * stride
            rounded = _is_rounded(verdict, block, n_abreast(rows))
            if not task.pull and task.y.size > 0:
                kernel.scatter(rows, listed, block, wanted, z, start, task.y, task.copy)
            elif task.pull and not rounded:
                kernel.gradients(
                    rows, listed, block, wanted, task.rhs, task.initial, task.y, z, z, start, 0,
                    parts, task.bars,
                )  # fmt: skip
            if rounded:
                to = n_kept * stride
                if to < start:
                    for k in range(stride):  # a slice of a slice takes Numba a second to compile
                        z[to + k] = z[start + k]
                n_kept += 1
        if task.pull:
            _look(task.flat, task.per_series, task.spoilt, listed, wanted, *some)
        return n_kept

    return implementation


@njit(**OPTIONS)
def gradient_blocks(rows, listed, wanted, task, z, a, half, parts):
    """Add the gradients of the wanted series, given twofold solutions z and adjoint ones a."""
    stride = block_stride(rows)
    for block in range(-(-listed.size // n_abreast(rows))):
        kernel.gradients(
            rows, listed, block, wanted, task.rhs, task.initial, task.y, z, a, block * stride, half,
            parts, task.bars,
        )  # fmt: skip
    _look(task.flat, task.per_series, task.spoilt, listed, wanted, 0, listed.size)


@njit(**OPTIONS)
def gather_blocks(rows, listed, valid, y, z):
    """Write the scaled unknowns z of the valid series from their derivatives y (B, T, m)."""
    n_lanes, n_ends = len(rows.lanes), len(rows.ends)
    dims, orders, stride = (
        rows.coefficients.shape[3],
        rows.coefficients.shape[4],
        block_stride(rows),
    )
    for each in range(listed.size * n_ends):
        place, end = each // n_ends, each % n_ends
        if not valid[place]:
            continue
        b, start = listed[place], each // n_lanes * stride + each % n_lanes
        for k in range(rows.length):
            t = node_of(rows, end, k)
            if t >= rows.n_nodes:
                continue
            scale = _lane_scale(rows, b, end, k)
            at = start + k * dims * orders * n_lanes
            for v in range(dims):
                power = 1.0
                for r in range(orders):
                    z[at] = y[b, t, v * orders + r] * power
                    power *= scale
                    at += n_lanes
