"""The Taylor rows of one block of series, as staged kernels read them.

One series may take two lanes, from its ends to the middle. The second lane then runs backwards:
its steps are negative, and thereby its links are those of time reversed. What the lanes know of
the middle node, the last of both, is put together there, in both lanes with the same roundings.
Where the number of nodes is even, the second lane has one node less: it begins with a node that is
not there, of weight 0.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from .arrays import Input
from .course import Course
from .staged import DOUBLE, Lanes, Machine, Number, powers


class Problem:
    """The Taylor rows of one block: sizes, constants, and the rows' entries at a node."""

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any) -> None:
        """Take the leading arguments of every sweep: rows, listed, block."""
        rows, listed, block = kinds[0], kinds[1], values[2]
        self._rows, self._fields = (rows, values[0]), rows.fields
        self.n_lanes = rows.types[rows.fields.index("lanes")].count
        self.machine = Machine(context, builder, self.n_lanes)
        sizes = rows.types[rows.fields.index("sizes")]
        self.n_equations, self.n_dims, self.n_orders = (len(each) for each in sizes)
        self.m = self.n_dims * self.n_orders
        self.n_nodes, self.n_initial = self.number("length"), self.number("n_initial_steps")
        self.n_ends = rows.types[rows.fields.index("ends")].count
        self._are_plain, self.is_slim = (
            len(rows.types[rows.fields.index(name)]) > 0 for name in ("plain", "slim")
        )
        self.nodes, self.gaps = self._courses()
        self._first = builder.mul(block, self.machine.integer(self.n_lanes // self.n_ends))
        array = context.make_array(listed)(context, builder, values[1])
        self._n_listed = cgutils.unpack_tuple(builder, array.shape)[0]
        self.series = [self._series_of(array, lane) for lane in range(self.n_lanes)]
        self.steps = self.input("steps")
        self.weight_smooth = self.input("weight_smooth")

    def _courses(self) -> tuple[Course, Course]:
        """Of what belongs to nodes, and of what belongs to the gaps between them."""
        if self.n_ends == 1:
            return Course(self.machine), Course(self.machine)
        total, last = self.number("n_nodes"), self.plus(self.n_nodes, -1)
        # n_nodes = 2 last + 1, or 2 last where the second lane begins with a node that is not there
        self._missing = self.plus(self.machine.builder.sub(self.times(last, 2), total), 1)
        start = self.times(last, 2)
        # At the middle both lanes take the scale of the step before it.
        ends = [(last, start), (self.plus(last, -1), self.plus(start, -1))]
        return Course(self.machine, ends[0]), Course(self.machine, ends[1])

    def _series_of(self, listed: Any, lane: int) -> Any:
        builder, machine = self.machine.builder, self.machine
        place = builder.add(self._first, machine.integer(lane // self.n_ends))
        last = builder.sub(self._n_listed, machine.integer(1))
        return builder.load(builder.gep(listed.data, [machine.smaller(place, last)]))

    def _field(self, name: str) -> tuple[Any, Any]:
        rows, value = self._rows
        index = self._fields.index(name)
        return rows.types[index], self.machine.builder.extract_value(value, index)

    def number(self, name: str) -> Any:
        """An integer of the rows."""
        return self._field(name)[1]

    def input(self, name: str) -> Input:
        """An array of the rows."""
        course = self.gaps if name in ("steps", "weight_smooth") else self.nodes
        plain = self._are_plain and name in ("weight_equation", "weight_smooth")
        return Input(self.machine, *self._field(name), self.series, course, plain)

    def array(self, kind: Any, value: Any) -> Input:
        """Another array of shape (B|1, T|1, ...)."""
        return Input(self.machine, kind, value, self.series, self.nodes)

    def valid(self, kind: Any, value: Any) -> Any:
        """Lanes with a series of their own whose results are wanted, from bool (n,)."""
        machine, builder = self.machine, self.machine.builder
        array = machine.context.make_array(kind)(machine.context, builder, value)
        bits = ir.Constant(ir.VectorType(ir.IntType(1), self.n_lanes), ir.Undefined)
        last = builder.sub(self._n_listed, machine.integer(1))
        for lane in range(self.n_lanes):
            place = builder.add(self._first, machine.integer(lane // self.n_ends))
            byte = builder.load(builder.gep(array.data, [machine.smaller(place, last)]))
            bit = builder.and_(
                builder.icmp_signed("<=", place, last),
                builder.icmp_unsigned("!=", byte, ir.Constant(byte.type, 0)),
            )
            bits = builder.insert_element(bits, bit, ir.Constant(ir.IntType(32), lane))
        return bits

    def data(self, kind: Any, value: Any) -> Any:
        """Address of a flat array."""
        return self.machine.context.make_array(kind)(
            self.machine.context, self.machine.builder, value
        ).data

    def times(self, number: Any, factor: int) -> Any:
        """An index times a constant."""
        return self.machine.builder.mul(number, self.machine.integer(factor))

    def plus(self, number: Any, shift: int) -> Any:
        """An index plus a constant."""
        return self.machine.builder.add(number, self.machine.integer(shift))

    def scale(self, t: Any) -> Lanes:
        """Scale of node t: the step after it, for the last node the step before it."""
        step = self.steps.get(self.steps.row(t), 0)
        return step if self.n_ends == 1 else step * self.machine.pattern([1.0, -1.0])

    def link_weight(self, t: Any) -> Lanes:
        """Weight of the link from node t, which is not the last."""
        return self.there(t, self.weight_smooth.get(self.weight_smooth.row(t), 0))

    def link(self, t: Any) -> Lanes:
        """Weight of the link from node t; 0 after the last node."""
        return self.machine.select(self.has_next(t), self.link_weight(t), 0.0)

    def there(self, t: Any, value: Number) -> Number:
        """A value, 0 in a lane that has no node t."""
        if self.n_ends == 1:
            return value
        return self.machine.select(self.begun(t), value, self.first_lane(value))

    def begun(self, t: Any) -> Any:
        """Whether the second lane of a series has a node t."""
        return self.machine.builder.icmp_signed(">=", t, self._missing)

    def first_lane(self, value: Number) -> Number:
        """A value, 0 in the second lane of a series."""
        return value if self.n_ends == 1 else value * self.machine.pattern([1.0, 0.0])

    def owned(self, t: Any, value: Number) -> Number:
        """A value, 0 where another lane has it too: in the second lane at the middle."""
        if self.n_ends == 1:
            return value
        value = self.there(t, value)
        return self.machine.select(self.has_next(t), value, self.first_lane(value))

    def stand_in(self) -> Number:
        """Diagonal of the normal matrix of a node that is not there, 0 in other lanes."""
        if self.n_ends == 1:
            return 0.0
        missing = self.machine.spread(self.machine.builder.sitofp(self._missing, DOUBLE))
        return missing * self.machine.pattern([0.0, 1.0])

    def meeting(self, t: Any) -> Any:
        """Whether two lanes meet at node t; None if they never do."""
        return None if self.n_ends == 1 else self.machine.builder.not_(self.has_next(t))

    def turn(self, i: int) -> float:
        """Factor that an unknown of one lane has in the other: time runs backwards there."""
        return -1.0 if i % self.n_orders % 2 else 1.0

    def other(self, value: Number) -> Number:
        """The value of the other lane."""
        return self.machine.mix(value, [1, 0])

    def has_next(self, t: Any) -> Any:
        """Whether node t is not the last."""
        return self.machine.builder.icmp_signed("<", self.plus(t, 1), self.n_nodes)

    def column(self, v: int, r: int) -> int:
        """Number of an unknown within its node."""
        return v * self.n_orders + r

    def shrink(self, inverse: Lanes) -> list[Number]:
        """Powers ``k^-r`` of all m unknowns: from scaled unknowns to derivatives."""
        return powers(inverse, self.n_orders) * self.n_dims


class Equations:
    """Weighted equation rows of a node."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.coefficients = problem.input("coefficients")
        self.weights = problem.input("weight_equation")

    def weight(self, t: Any, q: int) -> Lanes:
        """Weight of equation q at node t."""
        weight = self.weights.get(self.weights.row(t), self.weights.clamp(2, q))
        return self.problem.there(t, weight)

    def at(self, t: Any, shrink: list[Number]) -> tuple[list[list[Number]], list[Lanes]]:
        """Rows (Q, m) in the scaled unknowns, and their weights (Q,)."""
        problem, row = self.problem, self.coefficients.row(t)
        weights = [self.weight(t, q) for q in range(problem.n_equations)]
        rows = []
        for q, weight in enumerate(weights):
            given = self.coefficients.run(row, q * problem.m, problem.m)
            rows.append([weight * s * c for s, c in zip(shrink, given, strict=True)])
        return rows, weights


class InitialWeights:
    """Weights of the initial rows of a node, 0 for orders that have none."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.weights = problem, problem.input("weight_initial")
        self.n_orders = problem.number("n_initial_orders")

    def at(self, t: Any, v: int, r: int) -> Lanes:
        """Weight of the row of derivative r of dimension v."""
        machine, weights = self.problem.machine, self.weights
        index = machine.builder.add(
            machine.builder.mul(weights.clamp(2, v), weights.shape[3]), weights.clamp(3, r)
        )
        value = self.problem.first_lane(weights.get(weights.row(t), index))
        return machine.select(self.has_order(r), value, 0.0)

    def has_order(self, r: int) -> Any:
        """Whether derivative r is given."""
        return self.problem.machine.builder.icmp_signed(
            "<", self.problem.machine.integer(r), self.n_orders
        )


class Scale:
    """``k_t`` and its inverse, carried from node to node: one look-up and one division a node."""

    def __init__(self, p: Problem) -> None:
        first = p.scale(p.machine.integer(0))
        self.p, self.step, self.inverse = p, p.machine.state(first), p.machine.state(1.0 / first)

    def is_sound(self) -> Any:
        """In which lanes the step to come is a positive number."""
        machine = self.p.machine
        step = self.step.get()
        step = step if self.p.n_ends == 1 else step * machine.pattern([1.0, -1.0])
        return machine.builder.and_(
            machine.compare(">", step, 0.0), machine.compare("<", step, float("inf"))
        )

    def advance(self, t: Any) -> tuple[list[Number], Lanes]:
        """Powers ``k_t^-r`` (m,), and ``s_t / k_{t+1}``; moves on to the next node."""
        here, step, following = self.inverse.get(), self.step.get(), self.p.scale(self.p.plus(t, 1))
        after = 1.0 / following
        self.step.set(following)
        self.inverse.set(after)
        return self.p.shrink(here), _quotient(step, following, after)


class Ratio:
    """``s_t / k_{t+1}``, from the last node back to the first."""

    def __init__(self, p: Problem) -> None:
        self.p, self.step = p, p.machine.state(p.scale(p.plus(p.n_nodes, -1)))

    def retreat(self, t: Any) -> Lanes:
        """The ratio after node t; moves on to the node before it."""
        following, step = self.step.get(), self.p.scale(t)
        self.step.set(step)
        return _quotient(step, following, 1.0 / following)


def _quotient(step: Lanes, following: Lanes, inverse: Lanes) -> Lanes:
    """``step / following``, given the inverse.

    On an even grid exactly 1, which a step times its inverse need not be: sums then cancel without
    rounding.
    """
    machine = step.machine
    return machine.select(machine.compare("==", step, following), 1.0, step * inverse)
