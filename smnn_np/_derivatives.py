"""Derivatives of all series, written piece by piece by several threads."""

from __future__ import annotations

import numpy as np

from ._group import RightSide
from ._kernels import cpu
from ._memory import empty
from ._twofold import Solved
from .taylor import TaylorRows

_N_AXES = (5, 3, 4, 2, 3, 4, 2)  # of the seven inputs with a gradient
_NO_BARS = tuple(np.empty((0,) * n) for n in _N_AXES)
_NO_FLAT = (np.empty(0),) * len(_N_AXES), (0,) * len(_N_AXES)


class Derivatives:
    """What to write of solutions.

    Parameters
    ----------
    rows : TaylorRows
        The left side.
    nothing : tuple of ndarray
        A right side of zeros.
    twice : bool or None
        Whether a copy is written too; None if nothing is.

    Attributes
    ----------
    y, copy : ndarray of shape (B, T, m)
        The solutions; without series if they are not wanted.
    """

    def __init__(self, rows: TaylorRows, nothing: RightSide, twice: bool | None) -> None:
        sizes = rows.n_series, rows.n_nodes, rows.n_unknowns
        nobody = (0, *sizes[1:])
        self.y = empty(nobody if twice is None else sizes)
        self.copy = empty(sizes if twice else nobody)
        derivatives, right_side = (self.y, self.copy), nothing[:2]
        sums = np.empty(0), np.full(1, -1)
        self._task = cpu.Task(False, *derivatives, *right_side, _NO_BARS, *_NO_FLAT, *sums)

    def task(self) -> cpu.Task:
        """The same for every piece."""
        return self._task

    def finish(self, solved: Solved) -> None:
        """Nothing is left to do."""
