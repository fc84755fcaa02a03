"""Straight-line SIMD code, written as ordinary Python that runs while a kernel is compiled.

An intrinsic's code generator computes with `Lanes`, W numbers side by side, as if they were
numbers; each operation on them appends one LLVM instruction. Loops over the unknowns of a node are
Python loops, hence unrolled; everything stays in registers as far as there are any. Plain floats
mix in as constants, and a float 0.0 stands for an entry that is structurally zero: operations with
it, and with 1.0, leave no instruction behind. Products may be contracted to fused multiply-adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils

_CONTRACT = ("contract",)
DOUBLE, INTEGER = ir.DoubleType(), ir.IntType(64)


class Machine:
    """Where code goes: a builder, its context, and how many lanes a value has."""

    def __init__(self, context: Any, builder: Any, n_lanes: int) -> None:
        self.context, self.builder, self.n_lanes = context, builder, n_lanes
        self.kind = ir.VectorType(DOUBLE, n_lanes)

    def constant(self, number: float) -> Lanes:
        """The same number in all lanes."""
        return Lanes(self, ir.Constant(self.kind, [float(number)] * self.n_lanes))

    def lift(self, value: Number) -> Lanes:
        """A float or lanes as lanes."""
        return value if isinstance(value, Lanes) else self.constant(value)

    def spread(self, number: Any) -> Lanes:
        """A number of LLVM in all lanes."""
        value = ir.Constant(self.kind, ir.Undefined)
        for lane in range(self.n_lanes):
            value = self.builder.insert_element(value, number, _index(lane))
        return Lanes(self, value)

    def pattern(self, numbers: Sequence[float]) -> Lanes:
        """A constant for each lane."""
        return Lanes(self, ir.Constant(self.kind, list(numbers)))

    def mix(self, value: Lanes, order: Sequence[int]) -> Lanes:
        """The lanes of a value in another order, or one of them in all."""
        return Lanes(self, self._shuffle(value.ir, value.ir, order))

    def gather(self, pointers: Sequence[Any], offsets: Sequence[Any]) -> Lanes:
        """One number from each lane's own address."""
        value = ir.Constant(self.kind, ir.Undefined)
        for lane, (pointer, offset) in enumerate(zip(pointers, offsets, strict=True)):
            number = self.builder.load(self.builder.gep(pointer, [offset]))
            value = self.builder.insert_element(value, number, _index(lane))
        return Lanes(self, value)

    def gather_pair(self, pointers: Sequence[Any], offsets: Sequence[Any]) -> tuple[Lanes, Lanes]:
        """Two neighbouring numbers from each lane's own address, in half the instructions."""
        pairs = [
            self.builder.load(self.pair_at(*place), align=8)
            for place in zip(pointers, offsets, strict=True)
        ]
        even, odd = self._join(pairs[::2]), self._join(pairs[1::2] or pairs)
        places = [k + side for k in range(0, self.n_lanes, 2) for side in (0, self.n_lanes)]
        orders = [[place + k for place in places][: self.n_lanes] for k in range(2)]
        first, second = (Lanes(self, self._shuffle(even, odd, order)) for order in orders)
        return first, second

    def pairs_of(self, first: Lanes, second: Lanes) -> list[Any]:
        """Each lane's number of one and of another value, side by side."""
        n = self.n_lanes
        return [self._shuffle(first.ir, second.ir, [k, n + k]) for k in range(n)]

    def pair_at(self, pointer: Any, offset: Any) -> Any:
        """Address of two neighbouring numbers."""
        kind = ir.VectorType(DOUBLE, 2).as_pointer()
        return self.builder.bitcast(self.builder.gep(pointer, [offset]), kind)

    def _join(self, vectors: Sequence[Any]) -> Any:
        """One vector after the other."""
        if len(vectors) == 1:
            return vectors[0]
        half = len(vectors) // 2
        left, right = self._join(vectors[:half]), self._join(vectors[half:])
        return self._shuffle(left, right, range(2 * left.type.count))

    def _shuffle(self, left: Any, right: Any, order: Sequence[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))
        return self.builder.shuffle_vector(left, right, mask)

    def load(self, pointer: Any, offset: Any) -> Lanes:
        """W numbers side by side."""
        place = self.builder.bitcast(self.builder.gep(pointer, [offset]), self.kind.as_pointer())
        return Lanes(self, self.builder.load(place, align=8))

    def store(self, value: Number, pointer: Any, offset: Any) -> None:
        """Write W numbers side by side."""
        place = self.builder.bitcast(self.builder.gep(pointer, [offset]), self.kind.as_pointer())
        self.builder.store(self.lift(value).ir, place, align=8)

    def room(self, count: int) -> Any:
        """Memory for so many values."""
        return cgutils.alloca_once(self.builder, self.kind, size=count)

    def put(self, value: Number, room: Any, place: int) -> None:
        """Write a value to a room."""
        self.builder.store(self.lift(value).ir, self.builder.gep(room, [self.integer(place)]))

    def take(self, room: Any, place: int) -> Lanes:
        """Read a value from a room."""
        return Lanes(self, self.builder.load(self.builder.gep(room, [self.integer(place)])))

    def settle(self, room: Any) -> None:
        """Have all that comes before written, to rooms and arrays, before what comes after is read.

        No instruction, but a boundary for LLVM: without it values stay in registers that there are
        not, and what comes after begins before them.
        """
        kind = ir.FunctionType(ir.VoidType(), [room.type])
        self.builder.asm(kind, "", "r,~{memory}", [room], side_effect=True)

    def state(self, value: Number = 0.0) -> State:
        """A variable that lives across iterations of a loop."""
        return State(self, self.lift(value))

    def select(self, condition: Any, yes: Number, no: Number) -> Lanes:
        """Lane by lane, or all lanes for a scalar condition; a constant one leaves no code."""
        if condition is True:
            return self.lift(yes)
        return Lanes(self, self.builder.select(condition, self.lift(yes).ir, self.lift(no).ir))

    def compare(self, how: str, left: Number, right: Number) -> Any:
        """Ordered comparison, lane by lane: false where one is NaN."""
        return self.builder.fcmp_ordered(how, self.lift(left).ir, self.lift(right).ir)

    def call(self, name: str, value: Lanes) -> Lanes:
        """An LLVM function of one vector: sqrt, fabs."""
        kind = ir.FunctionType(self.kind, [self.kind])
        function = cgutils.get_or_insert_function(
            self.builder.module, kind, f"llvm.{name}.v{self.n_lanes}f64"
        )
        return Lanes(self, self.builder.call(function, [value.ir]))

    def integer(self, number: int) -> Any:
        """A constant index."""
        return ir.Constant(INTEGER, number)

    def smaller(self, left: Any, right: Any) -> Any:
        """The smaller of two indices."""
        return self.builder.select(self.builder.icmp_signed("<", left, right), left, right)

    @contextmanager
    def loop(self, count: Any, *, down: bool = False) -> Iterator[Any]:
        """Body of a loop over 0 .. count - 1, or back; yields the index."""
        with cgutils.for_range(self.builder, count) as loop:
            if down:
                last = self.builder.sub(count, self.integer(1))
                yield self.builder.sub(last, loop.index)
            else:
                yield loop.index


class Lanes:
    """W numbers side by side, with the arithmetic of numbers."""

    __slots__ = ("ir", "machine")

    def __init__(self, machine: Machine, value: Any) -> None:
        self.machine, self.ir = machine, value

    def _apply(self, name: str, left: Number, right: Number) -> Lanes:
        lift, builder = self.machine.lift, self.machine.builder
        operation = getattr(builder, name)
        return Lanes(self.machine, operation(lift(left).ir, lift(right).ir, flags=_CONTRACT))

    def __add__(self, other: Number) -> Lanes:
        return self if _is(other, 0.0) else self._apply("fadd", self, other)

    __radd__ = __add__

    def __sub__(self, other: Number) -> Lanes:
        return self if _is(other, 0.0) else self._apply("fsub", self, other)

    def __rsub__(self, other: Number) -> Lanes:
        return self._apply("fsub", 0.0 if _is(other, 0.0) else other, self)

    def __mul__(self, other: Number) -> Number:
        if _is(other, 0.0):
            return 0.0
        return self if _is(other, 1.0) else self._apply("fmul", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Lanes:
        return self._apply("fdiv", self, other)

    def __rtruediv__(self, other: Number) -> Lanes:
        return self._apply("fdiv", other, self)

    def __neg__(self) -> Lanes:
        return self._apply("fsub", 0.0, self)

    def __abs__(self) -> Lanes:
        return self.machine.call("fabs", self)


Number = Any  # lanes, or a float that is the same in all of them
Matrix = list[list[Number]]


class State:
    """A variable that lives across iterations; LLVM turns it into a register."""

    def __init__(self, machine: Machine, value: Lanes) -> None:
        self.machine = machine
        self.place = cgutils.alloca_once(machine.builder, machine.kind)
        self.set(value)

    def get(self) -> Lanes:
        """Its present value."""
        return Lanes(self.machine, self.machine.builder.load(self.place))

    def set(self, value: Number) -> None:
        """Give it another value."""
        self.machine.builder.store(self.machine.lift(value).ir, self.place)


def is_zero(value: Number) -> bool:
    """Whether an entry is structurally zero."""
    return _is(value, 0.0)


def is_one(value: Number) -> bool:
    """Whether an entry is structurally one."""
    return _is(value, 1.0)


def powers(value: Number, count: int) -> list[Number]:
    """``1, value, value^2, ...``."""
    out: list[Number] = [1.0]
    for _ in range(count - 1):
        out.append(out[-1] * value)
    return out


def dot(left: Sequence[Number], right: Sequence[Number], total: Number = 0.0) -> Number:
    """Sum of products, added to `total` one after the other."""
    for a, b in zip(left, right, strict=True):
        total = total + a * b
    return total


def _is(value: Number, number: float) -> bool:
    return isinstance(value, float) and value == number


def _index(lane: int) -> Any:
    return ir.Constant(ir.IntType(32), lane)
