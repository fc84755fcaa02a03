"""Solves with the triangle of one block and residuals on its rows, with all sizes compiled in.

Unknowns of a node come in parts: one, or the high and the low half of a twofold solution. A row is
evaluated on each part by itself, the high half first: what that leaves is small, and nearly exact.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from numba import types
from numba.extending import intrinsic

from ...unit_link import factorials
from .problem import Equations, InitialWeights, Problem, Ratio, Scale
from .staged import Lanes, Matrix, Number, dot, powers
from .triangle import load_triangle


def load_node(p: Problem, z: Any, start: Any, t: Any) -> list[Number]:
    """Unknowns (m,) of node t in the blocks."""
    at = p.machine.builder.add(start, p.times(t, p.m * p.n_lanes))
    return [p.machine.load(z, p.plus(at, i * p.n_lanes)) for i in range(p.m)]


def load_parts(p: Problem, z: Any, start: Any, half: Any, n_parts: int, t: Any) -> list[Any]:
    """Unknowns of node t: one list (m,), or those of the high and of the low half."""
    starts = [start, p.machine.builder.add(start, half)][:n_parts]
    return [load_node(p, z, each, t) for each in starts]


def store_node(p: Problem, values: list[Number], z: Any, start: Any, t: Any) -> None:
    """Write the unknowns (m,) of node t to the blocks."""
    at = p.machine.builder.add(start, p.times(t, p.m * p.n_lanes))
    for i, value in enumerate(values):
        p.machine.store(value, z, p.plus(at, i * p.n_lanes))


def link_rows(p: Problem, here: list[Number], after: list[Number]) -> tuple[Matrix, Matrix]:
    """Unweighted forward and backward rows (V, R) applied to two nodes in one scale."""
    plus, minus = factorials(p.n_orders)
    forward, backward = [], []
    for v in range(p.n_dims):
        x = here[v * p.n_orders : (v + 1) * p.n_orders]
        y = after[v * p.n_orders : (v + 1) * p.n_orders]
        orders = range(p.n_orders)
        # From the largest terms to the smallest: on a fine grid each cancels what came before it,
        # without rounding.
        forward.append([dot(plus[1 : len(x) - r], x[r + 1 :], x[r] - y[r]) for r in orders])
        backward.append([dot(minus[1 : len(x) - r], y[r + 1 :], y[r] - x[r]) for r in orders])
    return forward, backward


def measure_links(p: Problem, here: list[Any], after: list[Any]) -> tuple[Matrix, Matrix]:
    """`link_rows` of all parts, summed up."""
    measured = [link_rows(p, *pair) for pair in zip(here, after, strict=True)]
    forward, backward = (
        [[sum(values[1:], values[0]) for values in zip(*each, strict=True)]
         for each in zip(*sides, strict=True)]
        for sides in zip(*measured, strict=True)
    )  # fmt: skip
    return forward, backward


def subtract_row(rest: Number, row: list[Number], parts: list[list[Number]]) -> Number:
    """``rest - row . z``, part by part."""
    for part in parts:
        rest = rest - dot(row, part)
    return rest


def _pull_links(p: Problem, forward: Matrix, backward: Matrix) -> tuple[list[Number], list[Number]]:
    """Transpose of `link_rows`: what the rows' residuals give the two nodes, (m,) each."""
    plus, minus = factorials(p.n_orders)
    near, far = [], []
    for f, b in zip(forward, backward, strict=True):
        for o in range(p.n_orders):
            taken = range(o + 1)
            near.append(dot([plus[o - r] for r in taken], [f[r] for r in taken]) - b[o])
            far.append(dot([minus[o - r] for r in taken], [b[r] for r in taken]) - f[o])
    return near, far


@intrinsic
def begin(  # type: ignore[no-untyped-def]
    typingctx, rows, listed, block, rhs, initial, target, triangle, z, start, x
):
    """``x = U^-T (target + A^T b)`` for one block: `descend` where z is zero."""
    return _descend(0, rows, listed, block, rhs, initial, target, triangle, z, start, x)


@intrinsic
def descend(  # type: ignore[no-untyped-def]
    typingctx, rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums
):
    """``x = U^-T (target + A^T (b - A z))`` for one block of z; x holds one block.

    sums (5, W) first receives ``|b - A z|^2`` of equations, of links and of initial values, and,
    unless z is twofold, the squares of the sums that make the equations' ``A z``, term by term.
    """
    return _descend(
        len(parts), rows, listed, block, rhs, initial, target, triangle, z, start, half, parts,
        x, sums,
    )  # fmt: skip


def _descend(n_parts: int, *kinds: Any) -> Any:
    """Signature and code of `begin`, which has no part of z, and `descend`."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        p = Problem(context, builder, kinds, args)
        machine, zero = p.machine, p.machine.integer(0)
        sides = [p.array(kinds[k], args[k]) for k in (3, 4, 5)]
        x_at = 11 if n_parts else 9
        data, z_data, x_data = (p.data(kinds[k], args[k]) for k in (6, 7, x_at))
        equations, weights, scale = Equations(p), InitialWeights(p), Scale(p)

        def load(t: Any) -> list[Any]:
            return load_parts(p, z_data, args[8], args[9], n_parts, t) if n_parts else []

        unknowns = [[machine.state(each) for each in part] for part in load(zero)]
        sums, squares = ([machine.state() for _ in range(n)] for n in (p.m, 4))
        with machine.loop(p.n_nodes) as t:
            shrink, ratio = scale.advance(t)
            here = [[state.get() for state in part] for part in unknowns]
            _add_initial_residual(p, weights, sides[1], t, shrink, here, sums, squares[2])
            if p.n_ends == 2:
                with builder.if_then(p.meeting(t)):
                    _add_other(p, sums)
            total = _target(p, sides[2], t, shrink)
            _add_equation_residual(p, equations.at(t, shrink), sides[0], t, here, total, squares)
            after = load(builder.select(p.has_next(t), p.plus(t, 1), t))
            carried: list[Number] = [0.0] * p.m
            weight = p.link(t)
            if n_parts:
                near, carried = _link_residual(p, weight, ratio, here, after, squares[1])
                total = [a + b for a, b in zip(total, near, strict=True)]
            # What the node before it passes on comes last: all else can be summed meanwhile.
            total = [a + state.get() for a, state in zip(total, sums, strict=True)]
            _eliminate(p, load_triangle(p, data, t, (weight, ratio))[0], total, carried)
            store_node(p, total, x_data, zero, t)
            for state, value in zip(sums, carried, strict=True):
                state.set(value)
            set_parts(unknowns, after)
        for k, square in enumerate(squares if n_parts else []):
            machine.store(square.get(), p.data(kinds[12], args[12]), p.plus(zero, k * p.n_lanes))
        return context.get_dummy_value()

    return types.void(*kinds), codegen


def set_parts(states: list[Any], values: list[Any]) -> None:
    """Give the states of all parts their values."""
    for part, new in zip(states, values, strict=True):
        for state, value in zip(part, new, strict=True):
            state.set(value)


def _link_residual(
    p: Problem, weight: Lanes, ratio: Lanes, here: list[Any], after: list[Any], squares: Any
) -> tuple[list[Number], list[Number]]:
    """``-A^T A z`` of the link rows from a node, at that node and at the next (m,)."""
    grown = powers(ratio, p.n_orders) * p.n_dims
    scaled = [[each * power for each, power in zip(part, grown, strict=True)] for part in after]
    square = -(weight * weight)
    measured = measure_links(p, here, scaled)
    forward, backward = ([[square * each for each in row] for row in side] for side in measured)
    total = squares.get()
    for side, weighted in zip(measured, (forward, backward), strict=True):
        for row, weighted_row in zip(side, weighted, strict=True):
            total = total - dot(row, weighted_row)
    squares.set(total)
    near, far = _pull_links(p, forward, backward)
    return near, [each * power for each, power in zip(far, grown, strict=True)]


class FirstDescent:
    """``x = U^-T (target + A^T b)``, node by node while U is made."""

    def __init__(self, p: Problem, kinds: Any, args: Any, x: Any) -> None:
        """Take the right side from arguments 3 to 5; x is where one block goes."""
        self.p, self.x = p, x
        self.rhs, self.initial, self.target = (p.array(kinds[k], args[k]) for k in (3, 4, 5))
        self.sums, self.squares = ([p.machine.state() for _ in range(n)] for n in (p.m, 4))

    def begin_node(
        self, t: Any, is_last: bool, shrink: Any, equations: Any, weights: InitialWeights
    ) -> list[Number]:
        """Sums (2 m,) at a node and the next, from the nodes before it and its own rows."""
        p = self.p
        _add_initial_residual(p, weights, self.initial, t, shrink, [], self.sums, self.squares[2])
        if is_last:
            _add_other(p, self.sums)
        total = _target(p, self.target, t, shrink)
        _add_equation_residual(p, equations, self.rhs, t, [], total, self.squares)
        total = [a + state.get() for a, state in zip(total, self.sums, strict=True)]
        return total + [0.0] * p.m

    def finish_node(self, t: Any, sums: list[Number]) -> None:
        """Keep what `begin_node` gave, now that the node's unknowns are eliminated."""
        p = self.p
        store_node(p, sums[: p.m], self.x, p.machine.integer(0), t)
        for state, value in zip(self.sums, sums[p.m :], strict=True):
            state.set(value)


def _target(p: Problem, target: Any, t: Any, shrink: list[Number]) -> list[Number]:
    """What is added to ``A^T b`` at a node, in its scaled unknowns (m,)."""
    given = target.run(target.row(t), 0, p.m)
    return [p.there(t, s * g) for s, g in zip(shrink, given, strict=True)]


def _add_other(p: Problem, sums: list[Any]) -> None:
    """At the middle: add what the other lane carries."""
    if p.n_ends == 2:
        for i, state in enumerate(sums):
            state.set(state.get() + p.other(state.get()) * p.turn(i))


def _eliminate(p: Problem, unit: Matrix, total: list[Number], carried: list[Number]) -> None:
    """Take the unknowns of a node out of those that follow, in place: one step of ``U^-T``."""
    for k in range(p.m):
        for j in range(k + 1, p.m):
            total[j] = total[j] - unit[k][j - k - 1] * total[k]
        for j in range(p.m):
            carried[j] = carried[j] - unit[k][p.m + j - k - 1] * total[k]


def _add_equation_residual(
    p: Problem, equations: Any, rhs: Any, t: Any, here: Any, total: Any, squares: Any
) -> None:
    """Add ``A^T (b - A z)`` of a node's equations, as from `Equations.at`, to total (m,)."""
    rows, weights = equations
    side = rhs.row(t)
    for q, row in enumerate(rows):
        rest = weights[q] * rhs.get(side, q)
        if len(here) == 1:
            sums = list(accumulate(a * b for a, b in zip(row, here[0], strict=True)))
            squares[3].set(dot(sums, sums, squares[3].get()))
            rest = rest - sums[-1]
        else:
            rest = subtract_row(rest, row, here)
        squares[0].set(squares[0].get() + rest * rest)
        for i in range(p.m):
            total[i] = total[i] + rest * row[i]


def _add_initial_residual(
    p: Problem, weights: InitialWeights, initial: Any, t: Any, shrink: Any, here: Any, sums: Any,
    squares: Any,
) -> None:  # fmt: skip
    """Add ``A^T (b - A z)`` of the initial rows of a node to the states `sums` (m,)."""
    builder, machine = p.machine.builder, p.machine
    with builder.if_then(builder.icmp_signed("<", t, p.n_initial)):
        for v in range(p.n_dims):
            for r in range(p.n_orders):
                with builder.if_then(weights.has_order(r)):
                    i = p.column(v, r)
                    index = builder.add(
                        builder.mul(machine.integer(v), initial.shape[3]), machine.integer(r)
                    )
                    weight = weights.at(t, v, r)
                    entry = weight * shrink[i]
                    given = weight * initial.get(initial.row(t), index)
                    rest = subtract_row(given, [entry], [[part[i]] for part in here])
                    squares.set(squares.get() + rest * rest)
                    sums[i].set(sums[i].get() + entry * rest)


@intrinsic
def ascend(  # type: ignore[no-untyped-def]
    typingctx, rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size,
    sums,
):  # fmt: skip
    """Add ``U^-1 D^-1 x`` to one block of z, zero if `fresh`, in the lanes where share (W,) is 1.

    It goes to the low half if there are two `parts`. largest and size (m, W) receive the largest
    entries of the correction and of what it was added to; sums (5, W), at its end, the square of
    ``|A x|``. The block of z may be x itself if it is `fresh`.
    """

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        p = Problem(context, builder, signature.args, args)
        machine, zero = p.machine, p.machine.integer(0)
        places = (
            (3, triangle), (4, x), (5, share), (6, z), (11, largest), (12, size), (13, sums)
        )  # fmt: skip
        data, x_data, share_data, z_data, largest_at, size_at, sums_at = (
            p.data(kind, args[k]) for k, kind in places
        )
        taken = machine.compare(">", machine.load(share_data, zero), 0.0)
        goal = args[7] if len(parts) == 1 else builder.add(args[7], args[8])
        after, energy = [machine.state() for _ in range(p.m)], machine.state()
        peaks = [[machine.state() for _ in range(p.m)] for _ in range(2)]
        ratio = Ratio(p)
        with machine.loop(p.n_nodes, down=True) as t:
            unit, inverses = load_triangle(p, data, t, (p.link(t), ratio.retreat(t)))
            given = load_node(p, x_data, zero, t)
            value: list[Number] = [a * b for a, b in zip(given, inverses, strict=True)]
            energy.set(dot(given, value, energy.get()))
            for k in range(p.m - 1, -1, -1):
                for j in range(p.m - 1, -1, -1):  # what was there last comes last
                    value[k] = value[k] - unit[k][p.m + j - k - 1] * after[j].get()
                for j in range(p.m - 1, k, -1):
                    value[k] = value[k] - unit[k][j - k - 1] * value[j]
            old = [machine.select(args[10], 0.0, each) for each in load_node(p, z_data, goal, t)]
            new = [machine.select(taken, a + b, a) for a, b in zip(old, value, strict=True)]
            store_node(p, new, z_data, goal, t)
            for states, values in zip(peaks, (value, new), strict=True):
                for state, each in zip(states, values, strict=True):
                    _raise_to(state, abs(machine.lift(each)))
            for state, each in zip(after, value, strict=True):
                state.set(each)
        for states, place in zip(peaks, (largest_at, size_at), strict=True):
            for i, state in enumerate(states):
                machine.store(state.get(), place, machine.integer(i * p.n_lanes))
        machine.store(energy.get(), sums_at, machine.integer(4 * p.n_lanes))
        return context.get_dummy_value()

    signature = types.void(
        rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size, sums
    )
    return signature, codegen


def _raise_to(state: Any, value: Lanes) -> None:
    """The larger of the two, NaN if the newer is."""
    machine = state.machine
    keep = machine.compare("<=", value, state.get())
    state.set(machine.select(keep, state.get(), value))
