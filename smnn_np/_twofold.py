"""Solutions that are unevaluated sums of two floats, and the gradients made of them.

A gradient is made of residuals ``b - A y`` and ``A a``. On a fine grid they are so small beside the
terms of which they are differences that rounding y and a to floats drowns them. Blocks of series
for which that threatens get a low half (`smnn_np._kernels.cpu.blocks`), of the solution and of its
adjoint; all others never have one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._kernels import cpu
from .taylor import Array, TaylorRows


class Twofold(NamedTuple):
    """High halves of some blocks, then their low halves, and which series (n,) need the latter."""

    z: Array
    needed: NDArray


class Solved(NamedTuple):
    """Solutions of some blocks of a group.

    Attributes
    ----------
    thread : int
        The number of the thread that solved.
    series, wanted : ndarray of shape (n,)
        Which series, and which of them are solved.
    z : ndarray
        Their scaled unknowns, rounded.
    twofold : Twofold or None
        z with a low half, where that was needed.
    kept : Twofold or None
        The same of the earlier solution that was to be kept.
    """

    thread: int
    series: NDArray
    wanted: NDArray
    z: Array
    twofold: Twofold | None
    kept: Twofold | None


def parts_of(rows: TaylorRows, twofold: bool) -> tuple[int, ...]:
    """How unrolled kernels are told, by a tuple's length, of how many parts an unknown is."""
    return (0, 0) if twofold and rows.sizes else (0,)


def add_gradients(
    rows: TaylorRows,
    solved: Solved,
    right_side: tuple[Array, Array],
    y: Array,
    bars: tuple[Array, ...],
) -> None:
    """Add the gradients of some blocks, given y (B, T, m) and the adjoint solution `solved`."""
    series, a, wanted = solved.series, solved.z, solved.wanted
    if solved.twofold or solved.kept:
        z, a_twofold, needed = _in_halves(rows, solved, y)
        cpu.gradient_blocks(
            rows, series, wanted & needed, *right_side, y, z, a_twofold, len(a),
            parts_of(rows, True), bars,
        )  # fmt: skip
        wanted = wanted & ~needed
    cpu.gradient_blocks(rows, series, wanted, *right_side, y, a, a, 0, parts_of(rows, False), bars)


def _in_halves(rows: TaylorRows, solved: Solved, y: Array) -> tuple[Array, Array, NDArray]:
    """A solution and its adjoint in halves, and the series (n,) whose blocks need them."""
    size, n = len(solved.z), len(solved.series)
    both = [each for each in (solved.twofold, solved.kept) if each]
    needed = np.logical_or.reduce([each.needed for each in both])
    blocks = np.logical_or.reduceat(needed, np.arange(0, n, rows.n_abreast))
    a = solved.twofold.z if solved.twofold else np.concatenate([solved.z, np.zeros(size)])
    if solved.kept:
        z = solved.kept.z
    else:
        z = np.zeros(2 * size)
        cpu.gather_blocks(rows, solved.series, solved.wanted, y, z)
    return z, a, np.repeat(blocks, rows.n_abreast)[:n]
