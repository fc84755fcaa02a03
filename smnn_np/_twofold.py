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
    """High halves of some blocks of those solved, then their low halves.

    Attributes
    ----------
    z : ndarray
        The scaled unknowns.
    places : ndarray of int
        The series of these blocks: where they stand among all that were solved.
    needed : ndarray of bool
        Which of them need the low half.
    """

    z: Array
    places: NDArray
    needed: NDArray


class Solved(NamedTuple):
    """Solutions of some blocks of a group.

    Attributes
    ----------
    group, number : int
        Which group, and which of the pieces in which it is worked on.
    task : Task
        What was made of them.
    series, wanted : ndarray of shape (n,)
        Which series, and which of them are solved.
    twofold : Twofold or None
        Those that needed a low half.
    kept : Twofold or None
        The same of the earlier solution that was to be kept.
    """

    group: int
    number: int
    task: cpu.Task
    series: NDArray
    wanted: NDArray
    twofold: Twofold | None
    kept: Twofold | None


def parts_of(rows: TaylorRows, twofold: bool) -> tuple[int, ...]:
    """How unrolled kernels are told, by a tuple's length, of how many parts an unknown is."""
    return (0, 0) if twofold and rows.sizes else (0,)


def add_gradients(rows: TaylorRows, solved: Solved) -> None:
    """Add the gradients of blocks whose adjoint solution is twofold."""
    if not solved.twofold:
        return
    # It has all blocks that `kept` has: these were forced to.
    places, z = solved.twofold.places, _in_halves(rows, solved)
    series, wanted = solved.series[places], solved.wanted[places]
    cpu.gradient_blocks(
        rows, series, wanted, solved.task, z, solved.twofold.z, len(z) // 2, parts_of(rows, True)
    )


def _in_halves(rows: TaylorRows, solved: Solved) -> Array:
    """The solution of which `solved` is the adjoint, in halves, of the blocks that have two."""
    assert solved.twofold is not None
    places, kept = solved.twofold.places, solved.kept
    if kept and np.array_equal(places, kept.places):
        return kept.z
    halves = np.zeros((2, len(solved.twofold.z) // 2))
    cpu.gather_blocks(rows, solved.series[places], solved.wanted[places], solved.task.y, halves[0])
    if kept:
        here, there = places[:: rows.n_abreast], kept.places[:: rows.n_abreast]
        at = np.searchsorted(here, there).clip(max=len(here) - 1)
        known = here[at] == there
        halves.reshape(2, len(here), -1)[:, at[known]] = kept.z.reshape(2, len(there), -1)[:, known]
    return halves.ravel()
