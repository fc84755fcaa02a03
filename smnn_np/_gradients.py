"""Gradients in all inputs, made piece by piece by several threads.

What belongs to a series is written by the thread that has it. What series share is summed for each
piece, and the sums of neighbours are added in pairs, those of pairs in pairs: which thread was
faster does not show in the bits, and no more than a few sums wait at a time.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from itertools import chain

import numpy as np

from ._memory import empty
from ._seen import is_for_later, look, slice_of
from ._twofold import Solved, add_gradients
from .taylor import Array, TaylorRows

Sums = list[Array]


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
        self._rows, self._right_side, self._y = rows, right_side, y
        flat = (
            rows.coefficients, *right_side, rows.steps,
            rows.weight_equation, rows.weight_initial, rows.weight_smooth,
        )  # fmt: skip
        self._bars = tuple(
            (empty if is_for_later(array, rows.n_series) else np.zeros)(array.shape)
            for array in flat
        )
        self._large = [bar for bar in self._bars if is_for_later(bar, rows.n_series)]
        self._shared = [k for k, array in enumerate(flat) if len(array) < rows.n_series]
        # By group of series, then by level and number: sums of 2^level pieces.
        self._sums: defaultdict[int, dict[tuple[int, int], Sums]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, solved: Solved) -> None:
        """Take in the series of a piece, given their adjoint solutions."""
        mine, bars = slice_of(solved.series[solved.wanted]), list(self._bars)
        for bar in self._large:
            bar[mine] = 0.0  # here, and not for all at once: it stays in this core's cache
        for k in self._shared:
            bars[k] = np.zeros_like(bars[k])
        add_gradients(self._rows, solved, self._right_side, self._y, tuple(bars))
        look(self._bars, mine, self._rows.n_series)
        if self._shared:
            self._merge(solved.group, solved.number, [bars[k] for k in self._shared])

    def total(self) -> tuple[Array, ...]:
        """All gradients."""
        for part in chain.from_iterable(map(_in_order, self._sums.values())):
            for k, values in zip(self._shared, part, strict=True):
                self._bars[k][:] += values
        return self._bars

    def _merge(self, group: int, number: int, sums: Sums) -> None:
        """Add the sums of a piece to those of its neighbours, once these have come."""
        level, waiting = 0, self._sums[group]
        while True:
            with self._lock:
                other = waiting.pop((level, number ^ 1), None)
                if other is None:
                    waiting[level, number] = sums
                    return
            for mine, theirs in zip(sums, other, strict=True):
                mine += theirs
            level, number = level + 1, number // 2


def _in_order(waiting: dict[tuple[int, int], Sums]) -> list[Sums]:
    """Sums in the order of the first of their pieces."""
    return [waiting[key] for key in sorted(waiting, key=lambda key: key[1] << key[0])]
