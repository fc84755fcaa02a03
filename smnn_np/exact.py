"""The twin of many digits: solution and gradients of one series in decimal arithmetic.

It says how far the solver's floats are from the truth. Rows and gradients are written from their
definitions in `docs/notation.rst`; the normal equations are eliminated node by node, which squares
the condition number, so digits are carried in plenty. Linear in the number of nodes, about
0.1 ms a node for three unknowns at each.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._validation import OdeInputs, check_cotangent, check_ode

# Arrays of dtype object that hold Decimals; NumPy's arithmetic works on them.
Decimals = NDArray[Any]
Gradients = dict[str, NDArray[np.float64]]

_to_decimal = np.frompyfunc(Decimal, 1, 1)


def ode_solve_vjp(
    coefficients: ArrayLike,
    rhs: ArrayLike,
    initial: ArrayLike | None,
    steps: ArrayLike,
    *,
    n_steps: int | None = None,
    n_initial_steps: int | None = None,
    weight_equation: ArrayLike = 1.0,
    weight_initial: ArrayLike = 1.0,
    weight_smooth: ArrayLike = 1.0,
    central: bool = False,
    digits: int = 150,
    disturbance: float = 0.0,
) -> tuple[NDArray[np.float64], Callable[[ArrayLike], Gradients]]:
    """Solve one linear ODE in decimal arithmetic, and return the vector-Jacobian product.

    Parameters
    ----------
    coefficients, rhs, initial, steps, n_steps, n_initial_steps, weight_equation, \
weight_initial, weight_smooth, central
        As in `smnn_np.ode_solve`, without batch axes.
    digits : int, default=150
        Decimal digits carried.
    disturbance : float, default=0
        Multiply every entry of the rows and of their right-hand sides by 1 + this times a seeded
        random number between -1 and 1: how much the solution moves is the accuracy that
        arithmetic with that rounding unit can be expected to reach.

    Returns
    -------
    y : ndarray of float64, shape (T, V, R)
        The solution, rounded once.
    pullback : callable
        ``pullback(y_bar)`` returns a dict of the gradients of all inputs, as
        `smnn_np.ode_solve_vjp` has them, each rounded once.

    Raises
    ------
    ValueError
        If the arguments are wrong, do not fit together, or hold more than one series.
    numpy.linalg.LinAlgError
        If the rows leave some unknown undetermined.

    See Also
    --------
    smnn_np.ode_solve_vjp : the fast solver.

    Examples
    --------
    How far is the solver from the exact least-squares solution?

    >>> import numpy as np
    >>> import smnn_np as smnn
    >>> from smnn_np import exact
    >>> problem = [[[[1.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], np.full(50, 0.1)
    >>> y, pullback = exact.ode_solve_vjp(*problem)
    >>> bool(abs(smnn.ode_solve(*problem) - y).max() < 1e-12)
    True
    >>> pullback(np.ones_like(y))["steps"].shape
    (50,)
    """
    inputs = check_ode(
        coefficients,
        rhs,
        initial,
        steps,
        n_steps=n_steps,
        n_initial_steps=n_initial_steps,
        weight_equation=weight_equation,
        weight_initial=weight_initial,
        weight_smooth=weight_smooth,
        central=central,
        factorization="auto",
    )
    if inputs.shape.batch:
        raise ValueError(
            f"batch = {inputs.shape.batch}: one series is wanted; call once for each of them"
        )
    with localcontext(prec=digits):
        rows = _rows(inputs, disturbance)
        factors = _eliminate(rows)
        y = _solve(rows, factors, _right_side(rows))

    def pullback(y_bar: ArrayLike) -> Gradients:
        """Gradients of a scalar in all inputs, given that in y."""
        target = _to_decimal(check_cotangent(y_bar, inputs.shape))
        with localcontext(prec=digits):
            bars = _gradients(rows, y, _solve(rows, factors, target))
        shapes = {name: np.shape(value) for name, value in zip(bars, arguments, strict=True)}
        return {name: _collect(bar, shapes[name]) for name, bar in bars.items()}

    arguments = (
        coefficients, rhs, np.zeros(0) if initial is None else initial, steps,
        weight_equation, weight_initial, weight_smooth,
    )  # fmt: skip
    return y.astype(np.float64), pullback


class _Rows(NamedTuple):
    """Unweighted rows of one series, and their weights; an axis of T or T - 1 may be 1 long.

    A link row has an entry for each node it touches and each order, of one dimension alone:
    forward and backward rows are (T - 1, 2 R, 2, R), central ones (T - 2, 1, 3, R).
    """

    c: Decimals  # (T, Q, V, R)
    d: Decimals  # (T, Q)
    w_equation: Decimals  # (T, Q)
    u: Decimals  # (S, V, Ro)
    w_initial: Decimals  # (S, V, Ro)
    links: list[Decimals]  # forward and backward rows; then central rows, if any
    slopes: list[Decimals]  # their derivatives in the step; in the sum of both for central rows
    w_links: list[Decimals]  # (T - 1), (T - 2)
    n_nodes: int


def _rows(inputs: OdeInputs, disturbance: float) -> _Rows:
    """Write the rows in decimals."""
    n_nodes, n_equations, n_dims, n_orders, n_initial, n_initial_orders = inputs.shape[1:]
    rng = np.random.default_rng(0)

    def disturbed(array: Decimals) -> Decimals:
        if disturbance == 0.0:
            return array
        return array * _to_decimal(1.0 + disturbance * rng.uniform(-1.0, 1.0, array.shape))

    def full(name: str, *shape: int) -> Decimals:
        source = getattr(inputs, name)
        source = np.zeros(1) if source is None else np.asarray(source, dtype=np.float64)
        return np.broadcast_to(np.asarray(_to_decimal(source)), shape)

    steps, w_smooth = (full(name, n_nodes - 1) for name in ("steps", "weight_smooth"))
    constant = bool((steps == steps[:1]).all()) and disturbance == 0.0
    pairs, triples = steps[: 1 if constant else None], (steps[1:] + steps[:-1])
    triples = triples[: 1 if constant else None]
    kept = n_orders - inputs.central
    links, slopes = zip(*(_taylor(s, n_orders, kept) for s in pairs), strict=True)
    all_links, all_slopes, w_links = [np.stack(links)], [np.stack(slopes)], [w_smooth]
    if inputs.central and n_nodes > 2:
        links, slopes = zip(*(_central(h, n_orders) for h in triples), strict=True)
        all_links.append(np.stack(links))
        all_slopes.append(np.stack(slopes))
        w_links.append((w_smooth[1:] + w_smooth[:-1]) / 2)
    initial = (n_initial, n_dims, n_initial_orders)
    return _Rows(
        disturbed(full("coefficients", n_nodes, n_equations, n_dims, n_orders)),
        disturbed(full("rhs", n_nodes, n_equations)),
        full("weight_equation", n_nodes, n_equations),
        disturbed(full("initial", *initial)),
        full("weight_initial", *initial),
        [disturbed(each) for each in all_links],
        all_slopes,
        w_links,
        n_nodes,
    )


def _taylor(s: Decimal, n_orders: int, kept: int) -> tuple[Decimals, Decimals]:
    """Forward and backward rows (2 kept, 2, R) of one step, and their derivatives in it."""
    rows = np.full((2, 2, kept, 2, n_orders), Decimal(0), dtype=object)
    for r in range(kept):
        for sign, start, end in ((1, 0, 1), (-1, 1, 0)):
            entries = [(start, o, Decimal(sign) ** o / factorial(o - r), o) for o in
                       range(r, n_orders)]  # fmt: skip
            for node, order, factor, power in [*entries, (end, r, -(Decimal(sign) ** r), r)]:
                rows[0, start, r, node, order] = factor * s**power
                if power > 0:
                    rows[1, start, r, node, order] = factor * power * s ** (power - 1)
    value, slope = rows.reshape(2, 2 * kept, 2, n_orders)
    return value, slope


def _central(h: Decimal, n_orders: int) -> tuple[Decimals, Decimals]:
    """Central row (1, 3, R) of two steps that sum up to h, and its derivative in h."""
    rows = np.full((2, 1, 3, n_orders), Decimal(0), dtype=object)
    low, high = n_orders - 3, n_orders - 2
    rows[0, 0, (0, 2), n_orders - 2] = h**low, -(h**low)
    rows[1, 0, (0, 2), n_orders - 2] = low * h ** (low - 1), -low * h ** (low - 1)
    rows[0, 0, 1, n_orders - 1] = h**high
    rows[1, 0, 1, n_orders - 1] = high * h ** (high - 1)
    return rows[0], rows[1]


def _eliminate(rows: _Rows) -> list[tuple[Decimals, Decimals]]:
    """Eliminate ``A^T A`` node by node: pivots (m,) and columns of the unit lower triangle."""
    n_dims, n_orders = rows.c.shape[2:]
    m, n_front = n_dims * n_orders, len(rows.links) + 1
    front = _zeros(n_front * m, n_front * m)
    products = [_link_products(link) for link in rows.links]
    factors = []
    for t in range(rows.n_nodes):
        _add_node(rows, t, front[:m, :m])
        for reach, (product, weight) in enumerate(zip(products, rows.w_links, strict=True), 2):
            if t < len(weight):
                blocks = front.reshape(n_front, n_dims, n_orders, n_front, n_dims, n_orders)
                term = product[min(t, len(product) - 1)] * weight[t] ** 2
                for v in range(n_dims):
                    blocks[:reach, v, :, :reach, v, :] += term
        lower = _zeros(m, n_front * m)
        for j in range(m):
            if front[j, j] == 0:
                raise np.linalg.LinAlgError(f"an unknown of node {t} is undetermined by the rows")
            lower[j, j + 1 :] = front[j + 1 :, j] / front[j, j]
            front[j + 1 :, j + 1 :] -= np.multiply.outer(lower[j, j + 1 :], front[j, j + 1 :])
        factors.append((front.diagonal()[:m].copy(), lower))
        rest, front = front[m:, m:], _zeros(n_front * m, n_front * m)
        front[:-m, :-m] = rest
    return factors


def _zeros(*shape: int) -> Decimals:
    return np.full(shape, Decimal(0), dtype=object)


def _link_products(link: Decimals) -> Decimals:
    """Sum over rows of the products of a link's entries: (n, nodes, R, nodes, R)."""
    by_rows = link.swapaxes(0, 1)
    return sum(row[:, :, :, None, None] * row[:, None, None] for row in by_rows)


def _add_node(rows: _Rows, t: int, block: Decimals) -> None:
    """Add the products of the equation and initial rows of node t."""
    for c, w in zip(rows.c[t], rows.w_equation[t], strict=True):
        row = (w * c).ravel()
        block += np.multiply.outer(row, row)
    if t < len(rows.u):
        weights = _zeros(*rows.c.shape[2:])
        weights[:, : rows.u.shape[2]] = rows.w_initial[t] ** 2
        block[np.diag_indices(len(block))] += weights.ravel()


def _right_side(rows: _Rows) -> Decimals:
    """``A^T b`` of shape (T, V, R): links have zeros on the right."""
    weighted = rows.w_equation**2 * rows.d
    out = (weighted[:, :, None, None] * rows.c).sum(axis=1)
    n_initial, _, n_orders = rows.u.shape
    out[:n_initial, :, :n_orders] += rows.w_initial**2 * rows.u
    return out


def _solve(rows: _Rows, factors: list[tuple[Decimals, Decimals]], target: Decimals) -> Decimals:
    """``(A^T A)^-1`` of a target (T, V, R)."""
    m, n_ahead = factors[0][1].shape[0], factors[0][1].shape[1]
    z = np.concatenate([target.ravel(), _zeros(n_ahead)])
    for t, (_, lower) in enumerate(factors):
        for j in range(m):
            at = t * m + j
            z[at + 1 : t * m + n_ahead] -= lower[j, j + 1 :] * z[at]
    for t in reversed(range(len(factors))):
        pivots, lower = factors[t]
        for j in reversed(range(m)):
            at = t * m + j
            z[at] = z[at] / pivots[j] - lower[j, j + 1 :] @ z[at + 1 : t * m + n_ahead]
    return z[: target.size].reshape(target.shape)


def _gradients(rows: _Rows, y: Decimals, a: Decimals) -> dict[str, Decimals]:
    """All gradients, each for every node: the formulas of `docs/adjoint.rst` row by row."""
    w2 = rows.w_equation**2
    ca = (rows.c * a[:, None]).sum(axis=(2, 3))
    rho = rows.d - (rows.c * y[:, None]).sum(axis=(2, 3))
    c_bar = (w2 * rho)[..., None, None] * a[:, None] - (w2 * ca)[..., None, None] * y[:, None]
    n_initial, _, n_orders = rows.u.shape
    start = (slice(n_initial), slice(None), slice(n_orders))
    w_initial_bar = 2 * rows.w_initial * (rows.u - y[start]) * a[start]
    steps_bar, w_smooth_bar = _zeros(rows.n_nodes - 1), _zeros(rows.n_nodes - 1)
    for reach, (link, slope, weight) in enumerate(
        zip(rows.links, rows.slopes, rows.w_links, strict=True), 2
    ):
        ly, la, sy, sa = (_apply(each, x, reach) for each in (link, slope) for x in (y, a))
        s_bar = -(weight**2) * (ly * sa + sy * la).sum(axis=(1, 2))
        w_bar = -2 * weight * (ly * la).sum(axis=(1, 2))
        for late in range(reach - 1):  # a central row has the sum of two steps
            part = slice(late, late + len(weight))
            steps_bar[part] += s_bar
            w_smooth_bar[part] += w_bar / (reach - 1)
    return {
        "coefficients": c_bar,
        "rhs": w2 * ca,
        "initial": rows.w_initial**2 * a[start],
        "steps": steps_bar,
        "weight_equation": 2 * rows.w_equation * rho * ca,
        "weight_initial": w_initial_bar,
        "weight_smooth": w_smooth_bar,
    }


def _apply(link: Decimals, x: Decimals, reach: int) -> Decimals:
    """Apply link rows to all runs of `reach` nodes of x (T, V, R): (n, V, rows)."""
    n = len(x) - reach + 1
    run = np.stack([x[k : k + n] for k in range(reach)], axis=2)
    products = [(row[:, None] * run).sum(axis=(2, 3)) for row in link.swapaxes(0, 1)]
    return np.stack(products, axis=2)


def _collect(bar: Decimals, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Sum over the axes along which an input was broadcast, then round."""
    padded = (1,) * (bar.ndim - len(shape)) + shape
    axes = tuple(i for i, n in enumerate(padded) if n == 1 and bar.shape[i] > 1)
    return np.asarray(bar.sum(axis=axes), dtype=np.float64).reshape(shape)
