"""Series as the smoother's kernels take them, and what is compiled in.

Runs lie one after the other in flat arrays and are cut into pieces, a thread for each.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import float64

from .._cuda_import import cuda, device
from ..transition import fill_transition


class Series(NamedTuple):
    """Nodes of all runs on the device, one run after the other, and how they are cut.

    Attributes
    ----------
    steps, value, weight : array of shape (n,)
        As in ``smooth.py``.
    design : array of shape (n p,) or (1,)
        Covariates, those of a node side by side.
    coefs : array of shape (n R,) or (n_runs R,)
        Coefficients of each step, or of each run.
    drives : array of shape (n_runs,)
    prior : array of shape (p,) or (1,)
        Weights of the effects around zero.
    rule : array of shape (2 G,)
        Points and shares of a quadrature.
    first : array of shape (K + 1,), int
        Where pieces begin.
    run : array of shape (K,), int
        Run of each piece.
    opening : array of shape (n_runs + 1,), int
        First piece of each run.
    """

    steps: Any
    value: Any
    weight: Any
    design: Any
    coefs: Any
    drives: Any
    prior: Any
    rule: Any
    first: Any
    run: Any
    opening: Any


class Sizes(NamedTuple):
    """What is compiled in.

    Attributes
    ----------
    order, n_effects, n_points : int
        R, p and G.
    varying : bool
        Whether every step has coefficients of its own.
    """

    order: int
    n_effects: int
    n_points: int
    varying: bool

    @property
    def n_states(self) -> int:
        """S."""
        return self.order + self.n_effects

    @property
    def rows(self) -> int:
        """Numbers in rows on a state."""
        return self.n_states * (self.n_states + 1)

    @property
    def element(self) -> int:
        """Numbers in an element: mapping, root, rows, log-determinant, sum of squares."""
        return self.order * (self.n_states + 1 + self.order) + self.rows + 2


@cache
def step_functions(sizes: Sizes) -> tuple[Any, Any]:
    """Functions that load a node's covariates, and fill the transition into a node."""
    order, p, g, varying = sizes
    impulses, pairs, both = (g, order + 1), (2 * order, order), (2, order)

    @device
    def load_design(series, k, design):
        for j in range(p):
            design[j] = series.design[k * p + j]

    @device
    def load_step(series, run, k, ahead, back, root):
        points = cuda.local.array(g, float64)
        shares = cuda.local.array(g, float64)
        coef = cuda.local.array(order, float64)
        vectors = cuda.local.array(both, float64)
        impulse = cuda.local.array(impulses, float64)
        pair = cuda.local.array(pairs, float64)
        for i in range(g):
            points[i], shares[i] = series.rule[i], series.rule[g + i]
        for r in range(order):
            coef[r] = series.coefs[(k if varying else run) * order + r]
        step = series.steps[k]
        fill_transition(coef, step, points, shares, ahead, back, root, impulse, pair, vectors)

    return load_design, load_step
