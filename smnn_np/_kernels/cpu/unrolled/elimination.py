"""Elimination of a node's unknowns from the normal matrix, a row at a time.

A row of U follows from its row of the normal matrix and from the rows of U before it. It is made
when its turn comes, in registers, and then waits in memory until it is wanted: to subtract each
finished row from all that follow would keep the whole matrix going, and no CPU has the registers.
"""

from __future__ import annotations

from typing import Any

from ...packing import place_of_row
from ...trust import PIVOT
from .normal import Normal
from .problem import Problem
from .staged import Number, State, is_zero
from .triangle import store_row, triangle_at


class Elimination:
    """``U^T D U`` of a node after the other, and the first half of a solve on the way.

    No square root: what the chain from pivot to pivot waits for is one division.
    """

    def __init__(self, p: Problem, triangle: Any) -> None:
        self.p, self._triangle = p, triangle
        size = 2 * p.m * p.m
        self._scaled = p.machine.room(size)  # D U
        self._unit = p.machine.room(size) if p.is_slim else None  # U, else in the triangle

    def run(self, t: Any, normal: Normal, lost: list[State], sums: list[Number]) -> Any:
        """Write ``D^-1`` and U of node t; returns whether pivots are good.

        A pivot is noise where it is tiny beside the entry of the normal matrix that it came from:
        with what was `lost` (m,) to eliminations before. sums (2 m,) are those of a right side, at
        this node and at the next.
        """
        p, machine, good = self.p, self.p.machine, None
        self._at, self._filled = triangle_at(p, t), list[list[bool]]()
        for k in range(p.m):
            row = normal.row(k)
            tiny = (row[0] + lost[k].get()) * (p.m * PIVOT)
            for i in range(k):
                factor = self._entry(i, k)
                row = self._subtract(row, k, factor, i)
                sums[k] = sums[k] - factor * sums[i]
            sound = machine.builder.and_(
                machine.compare(">", row[0], tiny), machine.compare("<", row[0], float("inf"))
            )
            good = sound if good is None else machine.builder.and_(good, sound)
            inverse = 1.0 / row[0]
            self._newest = [0.0 if is_zero(value) else value * inverse for value in row[1:]]
            self._finish(k, row, self._newest, inverse)
        return good

    def carry(self, normal: Normal, lost: list[State], sums: list[Number]) -> list[list[Number]]:
        """Front of the next node, after `run`; what is lost from its diagonal, and its sums."""
        front = []
        for i in range(self.p.m):
            row, j = normal.far(i), self.p.m + i
            before = row[0]
            for k in range(self.p.m):
                factor = self._entry(k, j)
                row = self._subtract(row, j, factor, k)
                sums[j] = sums[j] - factor * sums[k]
            lost[i].set(before - row[0])
            front.append(row)
        return front

    def _finish(self, k: int, row: list[Number], unit: list[Number], inverse: Number) -> None:
        """Keep a row of ``D U`` and of U, from the diagonal and from behind it."""
        machine, first = self.p.machine, k * 2 * self.p.m + k
        store_row(self.p, self._triangle, self._at, k, unit, inverse)
        self._filled.append([not is_zero(value) for value in row])
        for j, value in enumerate(row[1:], start=1):
            if not is_zero(value):
                machine.put(value, self._scaled, first + j)
                if self._unit is not None:
                    machine.put(unit[j - 1], self._unit, first + j)
        machine.settle(self._scaled)

    def _entry(self, k: int, j: int) -> Number:
        """Entry of U behind the diagonal."""
        if k == len(self._filled) - 1:  # at hand: the next pivot does not wait for memory
            return self._newest[j - k - 1]
        if not self._filled[k][j - k]:
            return 0.0
        if self._unit is not None:
            return self.p.machine.take(self._unit, k * 2 * self.p.m + j)
        place = place_of_row(self.p.m, self.p.n_orders, k) + j - k
        return self.p.machine.load(self._triangle, self.p.plus(self._at, place * self.p.n_lanes))

    def _subtract(self, row: list[Number], first: int, factor: Number, k: int) -> list[Number]:
        """A row that begins at the unknown `first` minus a factor times row k of ``D U``."""
        if is_zero(factor):
            return row
        return [
            value - factor * self.p.machine.take(self._scaled, k * 2 * self.p.m + j)
            if self._filled[k][j - k]
            else value
            for j, value in enumerate(row, start=first)
        ]
