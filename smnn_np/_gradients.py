"""Gradients in all inputs, made piece by piece by several threads.

What belongs to a series is written by the thread that has it. What series share is summed for each
piece, and the sums of neighbours are added in pairs, those of pairs in pairs: which thread was
faster does not show in the bits, and no more than a few sums wait at a time.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from itertools import accumulate, chain

import numpy as np

from ._arrays import is_finite
from ._kernels import cpu
from ._memory import empty
from ._twofold import Solved, add_gradients
from .taylor import Array, TaylorRows


class NotFiniteError(Exception):
    """A gradient is NaN or infinite; carries its number."""


class Gradients:
    """Seven arrays of the inputs' shapes, with the batch flattened.

    Parameters
    ----------
    rows : TaylorRows
        The left side.
    right_side : tuple of ndarray
        Right-hand side and initial values.
    y : ndarray of shape (B, T, m)
        The solution.
    """

    def __init__(self, rows: TaylorRows, right_side: tuple[Array, Array], y: Array) -> None:
        self._rows = rows
        flat = (
            rows.coefficients, *right_side, rows.steps,
            rows.weight_equation, rows.weight_initial, rows.weight_smooth,
        )  # fmt: skip
        # What belongs to a series is cleared by the thread that has it; what series share has its
        # memory in the task of each piece.
        self._bars = [
            empty(each.shape) if len(each) == rows.n_series else np.empty(each.shape)
            for each in flat
        ]
        self._flat = [bar.reshape(-1) for bar in self._bars]
        self._shared = [k for k, each in enumerate(flat) if len(each) < rows.n_series]
        self._per_series = tuple(
            each.size // rows.n_series if len(each) == rows.n_series else 0 for each in flat
        )
        sizes = [self._bars[k].size for k in self._shared]
        self._places = [slice(b - n, b) for n, b in zip(sizes, accumulate(sizes), strict=True)]
        self._n_shared = sum(sizes)
        self._given = y, np.empty((0, *y.shape[1:])), *right_side
        # By group of series, then by level and number: sums of 2^level pieces.
        self._sums: defaultdict[int, dict[tuple[int, int], Array]] = defaultdict(dict)
        self._lock = threading.Lock()

    def task(self) -> cpu.Task:
        """Have gradients made of adjoint solutions; what series share is a sum of this piece's."""
        bars, flat, sums = self._bars.copy(), self._flat.copy(), np.zeros(self._n_shared)
        for k, place in zip(self._shared, self._places, strict=True):
            bars[k] = sums[place].reshape(bars[k].shape)
            flat[k] = sums[place]
        spoilt = np.array([-1])
        return cpu.Task(
            True, *self._given, tuple(bars), tuple(flat), self._per_series, sums, spoilt
        )

    def finish(self, solved: Solved) -> None:
        """Take in the series of a piece."""
        add_gradients(self._rows, solved)
        spoilt = int(solved.task.spoilt[0])
        if spoilt >= 0:
            raise NotFiniteError(spoilt)
        if self._shared:
            self._merge(solved.group, solved.number, solved.task.sums)

    def total(self) -> tuple[Array, ...]:
        """All gradients.

        Raises
        ------
        NotFiniteError
            If one that series share is NaN or infinite.
        """
        total = np.zeros(self._n_shared)
        for sums in chain.from_iterable(map(_in_order, self._sums.values())):
            total += sums
        good = is_finite(total)
        for k, place in zip(self._shared, self._places, strict=True):
            self._bars[k] = total[place].reshape(self._bars[k].shape)
            if not (good or is_finite(total[place])):
                raise NotFiniteError(k)
        return tuple(self._bars)

    def _merge(self, group: int, number: int, sums: Array) -> None:
        """Add the sums of a piece to those of its neighbours, once these have come."""
        level, waiting = 0, self._sums[group]
        while True:
            with self._lock:
                other = waiting.pop((level, number ^ 1), None)
                if other is None:
                    waiting[level, number] = sums
                    return
            sums += other
            level, number = level + 1, number // 2


def _in_order(waiting: dict[tuple[int, int], Array]) -> list[Array]:
    """Sums in the order of the first of their pieces."""
    return [waiting[key] for key in sorted(waiting, key=lambda key: key[1] << key[0])]
