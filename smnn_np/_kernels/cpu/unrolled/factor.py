"""Factorization of one block, with all sizes compiled in: Cholesky and QR.

Both leave the unit triangle U and the inverse pivots of ``A^T A = U^T D U``.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from ...unit_link import link_triangle
from .elimination import Elimination
from .normal import Normal
from .problem import Equations, InitialWeights, Problem, Scale
from .rotations import Held, merge
from .solve import FirstDescent
from .staged import DOUBLE, Lanes, Matrix, Number, powers
from .triangle import store_row, triangle_at


class _Front:
    """The carried upper triangle (m, m), in registers or on the stack."""

    def __init__(self, p: Problem) -> None:
        self.p = p
        diagonal = p.stand_in()
        self.states = [
            [p.machine.state(0.0 if j else diagonal) for j in range(p.m - i)] for i in range(p.m)
        ]

    def get(self) -> Matrix:
        """Rows from the diagonal on."""
        return [[state.get() for state in row] for row in self.states]

    def set(self, rows: Matrix) -> None:
        """Put them back."""
        for states, row in zip(self.states, rows, strict=True):
            for state, value in zip(states, row, strict=True):
                state.set(value)

    def add_other(self) -> None:
        """Add the normal matrix that the other lane carries."""
        for i, row in enumerate(self.states):
            for k, state in enumerate(row):
                turn = self.p.turn(i) * self.p.turn(i + k)
                state.set(state.get() + self.p.other(state.get()) * turn)

    def held(self) -> list[Held]:
        """The triangle of QR: weights on the diagonal, rows that begin with 1."""
        return [Held(row[0], [1.0, *row[1:]]) for row in self.get()]

    def hold(self, rows: list[Held]) -> None:
        """Put it back."""
        self.set([[row.weight, *row.entries[1:]] for row in rows])

    def merge_other(self) -> None:
        """Merge the triangle of the second lane into that of the first, in both lanes."""
        p, rows = self.p, self.held()
        merged = [
            Held(p.machine.mix(row.weight, [0, 0]), self._turned(i, [0, 0]))
            for i, row in enumerate(rows)
        ]
        for i, row in enumerate(rows):
            second = [*[0.0] * i, *self._turned(i, [1, 1])]
            merge(p.machine, merged, p.machine.mix(row.weight, [1, 1]), second)
        self.hold(merged)

    def _turned(self, i: int, order: list[int]) -> list[Number]:
        """Row i of one of two lanes, in the unknowns of either."""
        p, out = self.p, [1.0]
        for k, state in enumerate(self.states[i][1:], start=i + 1):
            turn = p.turn(i) * p.turn(k)
            signs = [1.0 if lane == source else turn for lane, source in enumerate(order)]
            out.append(p.machine.mix(state.get(), order) * p.machine.pattern(signs))
        return out


def _finish(p: Problem, failed: Any, failed_at: Any) -> None:
    p.machine.store(failed.get(), failed_at, p.machine.integer(0))


def _note_failure(p: Problem, failed: Any, good: Any, t: Any) -> None:
    """Remember the first node with an unusable pivot or step."""
    machine, builder = p.machine, p.machine.builder
    node = machine.spread(builder.sitofp(t, DOUBLE))
    fresh = machine.compare("<", failed.get(), 0.0)
    first = builder.and_(builder.not_(good), fresh)
    failed.set(machine.select(first, node, failed.get()))


@intrinsic
def factor_cholesky(  # type: ignore[no-untyped-def]
    typingctx, rows, listed, block, rhs, initial, target, triangle, x, failed
):
    """Factorize the normal matrix of one block; failed (W,) receives -1 or a node.

    x receives ``U^-T (target + A^T b)``: each row of U is used as soon as it is made.
    """

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        p = Problem(context, builder, signature.args, args)
        data, failed_at = p.data(triangle, args[6]), p.data(failed, args[8])
        equations, weights = Equations(p), InitialWeights(p)
        first = FirstDescent(p, signature.args, args, p.data(x, args[7]))
        front, scale, broken = _Front(p), Scale(p), p.machine.state(-1.0)
        elimination = Elimination(p, data)
        # What eliminations took from the diagonal of the normal matrix.
        taken = [p.machine.state() for _ in range(p.m)]

        def pass_node(t: Any, is_last: bool) -> None:
            sound = scale.is_sound()
            shrink, ratio = scale.advance(t)
            with builder.if_then(builder.icmp_signed("<", t, p.n_initial)):
                for v in range(p.n_dims):
                    for r in range(p.n_orders):
                        i = p.column(v, r)
                        entry = weights.at(t, v, r) * shrink[i]
                        front.states[i][0].set(front.states[i][0].get() + entry * entry)
            if is_last and p.n_ends == 2:
                front.add_other()
                for lost in taken:
                    lost.set(lost.get() + p.other(lost.get()))
            here = equations.at(t, shrink)
            weight = 0.0 if is_last else p.link_weight(t)
            normal = Normal(p, front.states, here[0], weight, ratio)
            sums = first.begin_node(t, is_last, shrink, here, weights)
            good = elimination.run(t, normal, taken, sums)
            _note_failure(p, broken, builder.and_(good, sound), t)
            if not is_last:
                front.set(elimination.carry(normal, taken, sums))
            first.finish_node(t, sums)

        last = p.plus(p.n_nodes, -1)
        with p.machine.loop(last) as t:
            pass_node(t, is_last=False)
        pass_node(last, is_last=True)
        _finish(p, broken, failed_at)
        return context.get_dummy_value()

    return types.void(rows, listed, block, rhs, initial, target, triangle, x, failed), codegen


@intrinsic
def factor_qr(typingctx, rows, listed, block, triangle, failed):  # type: ignore[no-untyped-def]
    """Triangularize the rows of one block; failed (W,) receives -1 or a node."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        p = Problem(context, builder, signature.args, args)
        assert not p.is_slim
        data, failed_at = p.data(triangle, args[3]), p.data(failed, args[4])
        equations, initial = Equations(p), InitialWeights(p)
        front, scale, broken = _Front(p), Scale(p), p.machine.state(-1.0)
        with p.machine.loop(p.n_nodes) as t:
            sound = scale.is_sound()
            shrink, ratio = scale.advance(t)
            with builder.if_then(builder.icmp_signed("<", t, p.n_initial)):
                merged = front.held()
                for v in range(p.n_dims):
                    for r in range(p.n_orders):
                        i = p.column(v, r)
                        row: list[Number] = [0.0] * p.m
                        row[i] = initial.at(t, v, r) * shrink[i]
                        merge(p.machine, merged, 1.0, row)
                front.hold(merged)
            if p.n_ends == 2:
                with builder.if_then(p.meeting(t)):
                    front.merge_other()
            near = front.held()
            for row in equations.at(t, shrink)[0]:
                merge(p.machine, near, 1.0, row)
            finished, carried = _merge_links(p, near, p.link(t), ratio)
            good = _store_rows(p, finished, data, triangle_at(p, t))
            front.hold(carried)
            _note_failure(p, broken, builder.and_(good, sound), t)
        _finish(p, broken, failed_at)
        return context.get_dummy_value()

    return types.void(rows, listed, block, triangle, failed), codegen


def _merge_links(
    p: Problem, near: list[Held], weight: Lanes, ratio: Lanes
) -> tuple[list[Held], list[Held]]:
    """Take in the link rows; returns the finished rows and the next front."""
    m, grown, square = p.m, powers(ratio, p.n_orders), weight * weight
    near_rows, far_rows = link_triangle(p.n_orders)
    front = [Held(row.weight, [*row.entries, *[0.0] * m]) for row in near]
    front += [Held(0.0, [0.0] * (m - i)) for i in range(m)]
    for v in range(p.n_dims):
        for r in range(p.n_orders):
            row: list[Number] = [0.0] * (2 * m)
            for o in range(r, p.n_orders):
                row[p.column(v, o)] = float(near_rows[r, o])
                row[m + p.column(v, o)] = float(far_rows[r, o]) * grown[o]
            merge(p.machine, front, square, row)
    front[-1].close()
    return front[:m], front[m:]


def _store_rows(p: Problem, finished: list[Held], data: Any, at: Any) -> Any:
    """Write D^-1 and U of the finished rows; returns good pivots."""
    machine, good = p.machine, None
    for k, row in enumerate(finished):
        store_row(p, data, at, k, row.entries[1:], row.inverse)
        sound = machine.builder.and_(
            machine.compare(">", row.weight, 0.0), machine.compare("<", row.weight, float("inf"))
        )
        good = sound if good is None else machine.builder.and_(good, sound)
    return good
