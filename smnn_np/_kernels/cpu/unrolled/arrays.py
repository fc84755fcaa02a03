"""The user's own arrays, as staged kernels read and write them.

Input axes of length 1 serve all their indices, as everywhere in the kernels: a look-up is at
``min(i, n - 1)``. Loads gather one number, or two neighbours, from each lane's series; gradients
are added lane by lane, because series may share an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from .course import Course
from .staged import Lanes, Machine, Number


class Input:
    """An array (B|1, T|1, ...) seen from the lanes of a block."""

    def __init__(
        self, machine: Machine, kind: Any, value: Any, series: list[Any], course: Course,
        plain: bool = False,
    ) -> None:  # fmt: skip
        self.machine, self.course, builder = machine, course, machine.builder
        array = machine.context.make_array(kind)(machine.context, builder, value)
        # One number for all entries stays in a register.
        self._number = machine.spread(builder.load(array.data)) if plain else None
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        self.core = machine.integer(1)
        for length in self.shape[2:]:
            self.core = builder.mul(self.core, length)
        per_series = builder.mul(self.core, self.shape[1])
        last = builder.sub(self.shape[0], machine.integer(1))
        self.pointers = [
            builder.gep(array.data, [builder.mul(machine.smaller(b, last), per_series)])
            for b in series
        ]

    def row(self, t: Any) -> list[Any]:
        """Offsets of the entries of count t, one for all lanes or one for each."""
        builder = self.machine.builder
        last = builder.sub(self.shape[1], self.machine.integer(1))
        return [builder.mul(self.machine.smaller(k, last), self.core) for k in self.course.at(t)]

    def get(self, row: list[Any], index: int | Any) -> Lanes:
        """An entry of every lane."""
        if self._number is not None:
            return self._number
        return self.machine.gather(self.pointers, self._offsets(row, index))

    def run(self, row: list[Any], first: int, count: int) -> list[Lanes]:
        """Entries that follow one another, of every lane."""
        values: list[Lanes] = []
        for k in range(first, first + count - 1, 2):
            values += self.machine.gather_pair(self.pointers, self._offsets(row, k))
        return values + [self.get(row, first + count - 1)] * (count % 2)

    def clamp(self, axis: int, index: int) -> Any:
        """``min(index, length - 1)`` of a trailing axis."""
        last = self.machine.builder.sub(self.shape[axis], self.machine.integer(1))
        return self.machine.smaller(self.machine.integer(index), last)

    def _offsets(self, row: list[Any], index: int | Any) -> list[Any]:
        index = self.machine.integer(index) if isinstance(index, int) else index
        offsets = [self.machine.builder.add(each, index) for each in row]
        return offsets * (len(self.pointers) // len(offsets))


class Output(Input):
    """A gradient's array, to which the lanes whose results are wanted may add."""

    def __init__(
        self, machine: Machine, kind: Any, value: Any, series: list[Any], course: Course,
        valid: Any, n_sums: int,
    ) -> None:  # fmt: skip
        super().__init__(machine, kind, value, series, course)
        self.valid = valid
        # What does not depend on time is summed in registers and added once.
        self.sums = [machine.state() for _ in range(n_sums)]
        self.in_time = machine.builder.icmp_signed(">", self.shape[1], machine.integer(1))

    def add(self, row: list[Any], index: int | Any, value: Number) -> None:
        """Add every valid lane's number to its series' entry, one lane after the other."""
        machine, builder = self.machine, self.machine.builder
        wanted = machine.select(self.valid, value, 0.0)
        places = zip(self.pointers, self._offsets(row, index), strict=True)
        for lane, (pointer, offset) in enumerate(places):
            place = builder.gep(pointer, [offset])
            number = builder.extract_element(wanted.ir, ir.Constant(ir.IntType(32), lane))
            builder.store(builder.fadd(builder.load(place), number), place)

    def add_run(self, row: list[Any], first: int, values: Sequence[Number]) -> None:
        """Add to entries that follow one another, two by two, one lane after the other."""
        machine, builder, n = self.machine, self.machine.builder, len(values)
        wanted = [machine.select(self.valid, value, 0.0) for value in values]
        for k in range(0, n - 1, 2):
            places = zip(self.pointers, self._offsets(row, first + k), strict=True)
            pairs = machine.pairs_of(wanted[k], wanted[k + 1])
            for place, pair in zip(places, pairs, strict=True):
                at = machine.pair_at(*place)
                builder.store(builder.fadd(builder.load(at, align=8), pair), at, align=8)
        if n % 2:
            self.add(row, first + n - 1, values[-1])

    def collect(self, t: Any, index: int | Any, key: int, value: Number) -> None:
        """Add to an entry of node t, or to sum number `key` if there is one for all nodes."""
        with self.machine.builder.if_else(self.in_time) as (yes, no):
            with yes:
                self.add(self.row(t), index, value)
            with no:
                self.sums[key].set(self.sums[key].get() + value)

    def collect_run(self, t: Any, first: int, values: Sequence[Number]) -> None:
        """The same for entries that follow one another, each with the sum of its own number."""
        with self.machine.builder.if_else(self.in_time) as (yes, no):
            with yes:
                self.add_run(self.row(t), first, values)
            with no:
                for state, value in zip(self.sums[first:], values, strict=False):
                    state.set(state.get() + value)

    def finish(self, indices: list[Any]) -> None:
        """Add the sums to their entries."""
        with self.machine.builder.if_then(self.machine.builder.not_(self.in_time)):
            for index, total in zip(indices, self.sums, strict=True):
                self.add([self.machine.integer(0)], index, total.get())
