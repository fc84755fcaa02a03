"""Systems that are hard in different ways, each for any step and number of orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Arguments = dict[str, Any]
Maker = Callable[[float, int, int], Arguments]


def _scalar(terms: Sequence[Any], n_orders: int, n_steps: int) -> NDArray:
    """Coefficients of one scalar equation from those of y, y', y'', ...; 0 for the rest."""
    coefficients = np.zeros((n_steps if any(np.ndim(x) for x in terms) else 1, 1, 1, n_orders))
    for r, term in enumerate(terms[:n_orders]):
        coefficients[:, 0, 0, r] = term
    return coefficients


def _problem(coefficients: NDArray, rhs: NDArray, initial: NDArray, step: float) -> Arguments:
    """Arguments of which all but the coefficients are written out: gradients are by node."""
    n_steps = len(rhs)
    return {
        "coefficients": coefficients, "rhs": rhs, "initial": initial,
        "steps": np.full(n_steps - 1, step), "weight_equation": np.ones(rhs.shape),
        "weight_initial": np.ones(initial.shape), "weight_smooth": np.ones(n_steps - 1),
    }  # fmt: skip


def oscillatory(step: float, n_orders: int, n_steps: int) -> Arguments:
    """The oscillator y'' + y = 0; as two equations of first order, x' = v, v' = -x, if R = 2."""
    if n_orders == 2:
        coefficients = np.zeros((1, 2, 2, 2))
        coefficients[0, (0, 1), (0, 1), 1] = 1.0
        coefficients[0, (0, 1), (1, 0), 0] = -1.0, 1.0
        return _problem(coefficients, np.zeros((n_steps, 2)), np.array([[[1.0], [0.0]]]), step)
    coefficients = _scalar([1.0, 0.0, 1.0], n_orders, n_steps)
    return _problem(coefficients, np.zeros((n_steps, 1)), np.array([[[1.0, 0.0]]]), step)


def stiff(step: float, n_orders: int, n_steps: int) -> Arguments:
    """A fast decay: y' = -1e4 (y - cos t), y(0) = 0."""
    rhs = 1e4 * np.cos(step * np.arange(n_steps))[:, None]
    return _problem(_scalar([1e4, 1.0], n_orders, n_steps), rhs, np.zeros((1, 1, 1)), step)


def varying(step: float, n_orders: int, n_steps: int) -> Arguments:
    """In time: (2 + cos t) y'' + sin(3 t) y' + (1 + t) y = exp(-t); no y'' if R = 2."""
    t = step * np.arange(n_steps)
    terms = [1 + t, 1.5 + np.sin(3 * t)] if n_orders == 2 else [1 + t, np.sin(3 * t), 2 + np.cos(t)]
    initial = np.ones((1, 1, len(terms) - 1))
    return _problem(_scalar(terms, n_orders, n_steps), np.exp(-t)[:, None], initial, step)


def highest(step: float, n_orders: int, n_steps: int) -> Arguments:
    """An equation for the highest derivative: y^(R-1) + 0.1 y' + (1 + sin(t) / 2) y = 1."""
    t = step * np.arange(n_steps)
    coefficients = _scalar([1 + np.sin(t) / 2, 0.1], n_orders, n_steps)
    coefficients[..., -1] += 1.0
    return _problem(coefficients, np.ones((n_steps, 1)), np.ones((1, 1, n_orders - 1)), step)


def rough(step: float, n_orders: int, n_steps: int) -> Arguments:
    """Standard normal coefficients, right-hand side and initial values."""
    rng = np.random.default_rng(0)
    coefficients = rng.standard_normal((n_steps, 1, 1, n_orders))
    rhs, initial = rng.standard_normal((n_steps, 1)), rng.standard_normal((1, 1, n_orders - 1))
    return _problem(coefficients, rhs, initial, step)


def several_starts(step: float, n_orders: int, n_steps: int) -> Arguments:
    """The oscillator with initial values at five nodes that contradict one another."""
    arguments = oscillatory(step, n_orders, n_steps)
    initial = arguments["initial"]
    noise = np.random.default_rng(1).standard_normal((5, *initial.shape[1:]))
    return {**arguments, "initial": initial + 0.1 * noise, "weight_initial": np.ones(noise.shape)}


def contradictory(step: float, n_orders: int, n_steps: int) -> Arguments:
    """Three equations at every node for one unknown function, at odds with one another."""
    rng = np.random.default_rng(2)
    coefficients = np.zeros((n_steps, 3, 1, n_orders))
    coefficients[..., 0] = 1 + 0.1 * rng.standard_normal((n_steps, 3, 1))
    coefficients[..., min(2, n_orders - 1)] = 1.0
    rhs = rng.standard_normal((n_steps, 3))
    return _problem(coefficients, rhs, np.ones((1, 1, min(2, n_orders - 1))), step)


def coupled(step: float, n_orders: int, n_steps: int) -> Arguments:
    """Three coupled oscillators with damping; of first order, with a dense matrix, if R = 2."""
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((3, 3))
    coefficients = np.zeros((1, 3, 3, n_orders))
    coefficients[0, ..., 0] = matrix @ matrix.T + np.eye(3)
    coefficients[0, ..., 1] = 0.1 * np.eye(3)
    coefficients[0, ..., min(2, n_orders - 1)] = np.eye(3)
    initial = rng.standard_normal((1, 3, min(2, n_orders - 1)))
    return _problem(coefficients, np.ones((n_steps, 3)), initial, step)


def weighted(step: float, n_orders: int, n_steps: int) -> Arguments:
    """The time-varying system on uneven steps, with uneven weights from 0.1 to 10."""
    rng = np.random.default_rng(4)
    arguments = varying(step, n_orders, n_steps)
    arguments["steps"] = step * rng.uniform(0.5, 1.5, n_steps - 1)
    arguments["weight_equation"] = 10 ** rng.uniform(-1, 1, (n_steps, 1))
    arguments["weight_smooth"] = 10 ** rng.uniform(-1, 1, n_steps - 1)
    return arguments


def central(step: float, n_orders: int, n_steps: int) -> Arguments:
    """The oscillator with central rows for the highest order."""
    return {**oscillatory(step, n_orders, n_steps), "central": True}


SYSTEMS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        oscillatory, stiff, varying, highest, rough, several_starts, contradictory, coupled,
        weighted, central,
    )
}  # fmt: skip


class Case(NamedTuple):
    """One system of the sweep."""

    system: str
    step: float
    n_orders: int
    n_steps: int

    def arguments(self, dtype: str = "float64") -> Arguments:
        """Return the arguments of ``ode_solve_vjp``, arrays rounded to dtype."""
        arguments = SYSTEMS[self.system](self.step, self.n_orders, self.n_steps)
        return {
            name: value.astype(dtype) if isinstance(value, np.ndarray) else value
            for name, value in arguments.items()
        }
