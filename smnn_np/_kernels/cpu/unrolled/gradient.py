"""Gradients of a scalar in all inputs, for one block, with all sizes compiled in.

Every row is a weight w times ``l . y = beta``. With the unweighted residual
``rho = beta - l . y`` and ``lam = l . a``, where a is the adjoint solution (`smnn_np.adjoint`)::

    beta_bar = w^2 lam       l_bar = w^2 (rho a - lam y)       w_bar = 2 w rho lam

in scaled unknowns, which change neither rho nor lam. Where the solutions are twofold, rho and lam
are taken from both halves, on the very rows on which the solve evaluated its residual: weighted,
and rounded alike. They are differences so small that any other row would have another one.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .arrays import Output
from .problem import Equations, InitialWeights, Problem, Scale
from .solve import load_parts, measure_links, set_parts, subtract_row
from .staged import Lanes, Matrix, Number, dot, powers


@intrinsic
def gradients(  # type: ignore[no-untyped-def]
    typingctx, rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars
):
    """Add the gradients of one block to the seven arrays of `bars`.

    The solution is y (B, T, m), or the twofold z if there are two `parts`.
    """

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        p, twofold = Problem(context, builder, signature.args, args), len(parts) == 2
        wanted = p.valid(valid, args[3])
        rhs_in, initial_in, y_in = (
            p.array(kind, args[k]) for k, kind in ((4, rhs), (5, initial), (6, y))
        )
        z_data, a_data, place = p.data(z, args[7]), p.data(a, args[8]), (args[9], args[10])
        n_sums = (p.n_equations * p.m, p.n_equations, 0, 1, p.n_equations, 0, 1)
        courses = (*[p.nodes] * 3, p.gaps, *[p.nodes] * 2, p.gaps)
        outputs = [
            Output(
                p.machine,
                kind,
                builder.extract_value(args[12], k),
                p.series,
                courses[k],
                wanted,
                n_sums[k],
            )
            for k, kind in enumerate(bars.types)
        ]
        c_bar, d_bar, u_bar, s_bar, *weight_bars = outputs
        weights, scale, equations = InitialWeights(p), Scale(p), Equations(p)

        def load(t: Any) -> tuple[list[Any], list[Any]]:
            own = [_derivatives(p, y_in, t)]
            if twofold:
                own = load_parts(p, z_data, *place, len(parts), t)
            return own, load_parts(p, a_data, *place, len(parts), t)

        states, adjoint = (
            [[p.machine.state(each) for each in part] for part in node]
            for node in load(p.machine.integer(0))
        )
        with p.machine.loop(p.n_nodes) as t:
            step, inverse = scale.step.get(), abs(scale.inverse.get())
            shrink, ratio = scale.advance(t)
            here, a_here = (
                [[state.get() for state in part] for part in node] for node in (states, adjoint)
            )
            follower = builder.select(p.has_next(t), p.plus(t, 1), t)
            following, a_following = load(follower)
            matched = powers(ratio, p.n_orders) * p.n_dims
            grown = matched
            if not twofold:
                grown = powers(step, p.n_orders) * p.n_dims
                here = _scale(here, grown)
            bars_here = (c_bar, d_bar, weight_bars[0])
            if twofold:
                _twofold_equations(p, t, equations, rhs_in, shrink, here, a_here, bars_here)
            else:
                _equations(p, t, equations, rhs_in, shrink, here[0], a_here[0], bars_here)
            with builder.if_then(builder.icmp_signed("<", t, p.n_initial)):
                _initial(p, t, weights, initial_in, shrink, here, a_here, u_bar, weight_bars[1])
            of_y = _measure(p, here, _scale(following, grown))
            of_a = _measure(p, a_here, _scale(a_following, matched))
            _links(p, t, of_y, of_a, inverse, s_bar, weight_bars[2])
            set_parts(states + adjoint, following + a_following)
        for each in (c_bar, d_bar, s_bar, weight_bars[2]):
            each.finish(list(range(len(each.sums))))
        weight_bars[0].finish([weight_bars[0].clamp(2, q) for q in range(p.n_equations)])
        return context.get_dummy_value()

    signature = types.void(
        rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars
    )
    return signature, codegen


def _scale(parts: list[Any], factors: list[Number]) -> list[Any]:
    """All parts times the same factors (m,)."""
    return [[x * g for x, g in zip(part, factors, strict=True)] for part in parts]


def _derivatives(p: Problem, y: Any, t: Any) -> list[Lanes]:
    """The user's y (m,) at node t."""
    return y.run(y.row(t), 0, p.m)


def _equations(
    p: Problem, t: Any, equations: Equations, rhs: Any, shrink: Any, here: Any, a_here: Any,
    bars: Any,
) -> None:  # fmt: skip
    """Equation rows of a node."""
    coefficients, weights = equations.coefficients, equations.weights
    c_bar, d_bar, w_bar = bars
    row, side = coefficients.row(t), rhs.row(t)
    for q in range(p.n_equations):
        given = coefficients.run(row, q * p.m, p.m)
        line = [s * c for s, c in zip(shrink, given, strict=True)]
        weight = p.owned(t, weights.get(weights.row(t), weights.clamp(2, q)))
        rho, lam = rhs.get(side, q) - dot(line, here), dot(line, a_here)
        square = weight * weight
        weighed_rho, weighed_lam = square * rho, square * lam
        slopes = [weighed_rho * a - weighed_lam * y for a, y in zip(a_here, here, strict=True)]
        c_bar.collect_run(t, q * p.m, [a * s for a, s in zip(slopes, shrink, strict=True)])
        d_bar.collect(t, q, q, weighed_lam)
        w_bar.collect(t, w_bar.clamp(2, q), q, (weight * rho) * (lam + lam))


def _twofold_equations(
    p: Problem, t: Any, equations: Equations, rhs: Any, shrink: Any, here: Any, a_here: Any,
    bars: Any,
) -> None:  # fmt: skip
    """Equation rows of a node, weighted, applied to twofold solutions."""
    c_bar, d_bar, w_bar = bars
    side = rhs.row(t)
    for q, (row, weight) in enumerate(zip(*equations.at(t, shrink), strict=True)):
        rest = subtract_row(weight * rhs.get(side, q), row, here)
        lam = dot(row, a_here[1], dot(row, a_here[0]))
        own = p.owned(t, weight)
        slopes = [rest * a - lam * y for a, y in zip(a_here[0], here[0], strict=True)]
        c_bar.collect_run(t, q * p.m, [own * (a * s) for a, s in zip(slopes, shrink, strict=True)])
        d_bar.collect(t, q, q, own * lam)
        rho = p.owned(t, rest / _divisor(p, weight))
        w_bar.collect(t, w_bar.clamp(2, q), q, rho * (lam + lam))


def _divisor(p: Problem, weight: Lanes) -> Lanes:
    """A weight to divide a residual by: a row of weight 0 has none."""
    return p.machine.select(p.machine.compare(">", weight, 0.0), weight, 1.0)


def _initial(
    p: Problem, t: Any, weights: InitialWeights, initial: Any, shrink: Any, here: Any,
    a_here: Any, u_bar: Output, w_bar: Output,
) -> None:  # fmt: skip
    """Initial rows of a node."""
    builder, machine = p.machine.builder, p.machine
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
                lam = sum((entry * part[i] for part in a_here[1:]), entry * a_here[0][i])
                u_bar.add(u_bar.row(t), index, weight * lam)
                place = builder.add(
                    builder.mul(w_bar.clamp(2, v), w_bar.shape[3]), w_bar.clamp(3, r)
                )
                w_bar.add(w_bar.row(t), place, (rest / _divisor(p, weight)) * (lam + lam))


def _measure(p: Problem, here: list[Any], after: list[Any]) -> tuple[Any, Any]:
    """Link rows applied to two nodes, and s times their slopes in the step, flat lists.

    An entry of order o carries ``s^o`` at either node, so ``s`` times the slope of a row is the row
    applied to ``o`` times the unknowns. Row r has ``1 / k!`` at order ``o = r + k``, and
    ``o / k! = r / k! + 1 / (k - 1)!``: the slope is r times the row, and the Taylor sum of row
    ``r + 1``, which is what that row gives and what it subtracts.
    """
    forward, backward = measure_links(p, here, after)
    slopes = [_slopes(forward, after[0], 1.0), _slopes(backward, here[0], -1.0)]
    return [[x for row in side for x in row] for side in (forward, backward)], slopes


def _slopes(rows: Matrix, subtracted: list[Number], sign: float) -> list[Number]:
    """S times the slopes of rows (V, R), which subtract these unknowns (m,)."""
    slopes: list[Number] = []
    for v, row in enumerate(rows):
        for r, value in enumerate(row):
            slope = float(r) * value
            if r + 1 < len(row):
                slope = slope + sign * (row[r + 1] + subtracted[v * len(row) + r + 1])
            slopes.append(slope)
    return slopes


def _links(
    p: Problem, t: Any, of_y: Any, of_a: Any, inverse: Lanes, s_bar: Output, w_bar: Output
) -> None:
    """Forward and backward rows: both factors of ``(l . y)(l . a)`` move with the step."""
    weight = p.link(t)
    of_step: Number = 0.0
    of_weight: Number = 0.0
    for side in range(2):
        of_weight = of_weight + dot(of_y[0][side], of_a[0][side])
        of_step = of_step + dot(of_y[0][side], of_a[1][side])
        of_step = of_step + dot(of_y[1][side], of_a[0][side])
    s_bar.collect(t, 0, 0, -((weight * weight) * of_step) * inverse)
    w_bar.collect(t, 0, 0, -(weight + weight) * of_weight)
