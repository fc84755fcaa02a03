"""Fitted laws in the user's units: rates, trajectories, states smoothed or simulated."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from ._data import Record
from .compiled import DONE, ESCAPED, compile_function, compiled_rate, follow
from .identify import Problem
from .library import Library
from .optimize import JointFit

_TOLERANCE = 1e-9
_MAX_EVALUATIONS = 30_000  # about half a second
_BLOWN_UP = 1e6  # times its usual size


Controls = np.ndarray | Callable[[float], np.ndarray]


@dataclass(frozen=True)
class FittedLaw:
    """A law and the smoothed states it was found with.

    Attributes
    ----------
    library : Library
    coef : ndarray of shape (P, S)
        Coefficients of all states; of a second-order law only the velocities have any.
    known : ndarray of shape (S, S)
        The known linear part.
    record : Record
        Nodes and runs.
    states : ndarray of shape (N, S)
        Smoothed states at the nodes.
    names : list of str
        Names of the states.
    problem, fit : Problem, JointFit
        What it was found from, in scaled units.
    """

    library: Library
    coef: np.ndarray
    known: np.ndarray
    record: Record
    states: np.ndarray
    names: list[str]
    problem: Problem
    fit: JointFit

    def rate(self, states: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """Right-hand side at states (n, S) and controls (n, n_controls)."""
        inputs = np.concatenate([states, controls], axis=1)
        return self.library.values(inputs) @ self.coef + states @ self.known.T

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_compiled"}

    @property
    def n_controls(self) -> int:
        """Number of controls."""
        return self.record.controls.shape[1]

    @cached_property
    def _compiled(self) -> tuple[Any, np.ndarray, np.ndarray] | None:
        """Right-hand side for the compiled integrator; None where terms are only values."""
        n_inputs = len(self.names) + self.n_controls
        return compiled_rate(self.library, self.coef, self.known, n_inputs)

    def function(self) -> Any:
        """Right-hand side as a function (t, y) or (t, y, controls), compiled where it can be."""
        if not hasattr(self.library, "sources"):
            return PlainRate(self)
        n_inputs = len(self.names) + self.n_controls
        return compile_function(self.library.sources(), self.coef, self.known, n_inputs)

    def integrate(self, start: np.ndarray, times: np.ndarray, controls: Controls) -> np.ndarray:
        """Integrate from a state (S,) along times (m,); controls (m, n_controls), or called."""
        scale = np.maximum(np.abs(self.states).max(axis=0), np.finfo(float).tiny)
        if len(times) > 1 and not callable(controls) and self._compiled is not None:
            limit = _BLOWN_UP * np.maximum(scale, np.abs(start))
            given = start, times, controls, scale, limit, _TOLERANCE
            path, status, reached, state = follow(self._compiled, *given)
            if status == DONE:
                return path
            if status == ESCAPED:
                raise TrajectoryError(_blow_up(reached, self.names[state]))
        # Stiff equations, controls that are called, and terms that are only values.
        return integrate(self._rate_in_time(times, controls), start, times, scale, self.names)

    def _rate_in_time(
        self, times: np.ndarray, controls: Controls
    ) -> Callable[[float, np.ndarray], np.ndarray]:
        """Right-hand side at a time and a state (S,)."""
        order = np.argsort(times)

        def control_at(t: float) -> np.ndarray:
            if callable(controls):
                return np.asarray(controls(t), dtype=np.float64).reshape(self.n_controls)
            return np.array([np.interp(t, times[order], u[order]) for u in controls.T])

        def rate(t: float, y: np.ndarray) -> np.ndarray:
            return self.rate(y[None], control_at(t)[None])[0]

        return rate

    def predict_run(self, run: int, inputs: np.ndarray) -> np.ndarray:
        """States of one run at inputs (m, 1 + n_controls): (m, S)."""
        nodes = np.flatnonzero(self.record.run == run)
        times, states = self.record.times[nodes], self.states[nodes]
        slopes = self.rate(states, self.record.controls[nodes])
        wanted = inputs[:, 0]
        predicted = hermite(times, states, slopes, np.clip(wanted, times[0], times[-1]))
        for beyond, edge in ((wanted > times[-1], -1), (wanted < times[0], 0)):
            if beyond.any():
                first = np.append(times[edge], self.record.controls[nodes[edge]])
                path = self.follow(states[edge], np.vstack([first, inputs[beyond]]))
                predicted[beyond] = path[1:]
        return predicted

    def simulate_run(self, run: int, inputs: np.ndarray) -> np.ndarray:
        """Trajectory of one run from its state at the first of the inputs (m, 1 + n_controls)."""
        first = inputs[[np.argmin(inputs[:, 0])]]
        start = self.predict_run(run, first)[0]
        return self.follow(start, np.vstack([first, inputs]))[1:]

    def follow(self, start: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Integrate from the first of the inputs to all others, which lie on one side of it."""
        times, place = np.unique(inputs[:, 0], return_inverse=True)
        controls = np.empty((len(times), inputs.shape[1] - 1))
        controls[place] = inputs[:, 1:]
        if times[0] < inputs[0, 0]:
            return self.integrate(start, times[::-1], controls[::-1])[::-1][place]
        return self.integrate(start, times, controls)[place]


class PlainRate:
    """The rate of a law whose terms are only values, as a function of (t, y[, controls])."""

    def __init__(self, law: FittedLaw) -> None:
        self._law = law

    def __call__(self, t: float, y: np.ndarray, controls: Any = ()) -> np.ndarray:
        """Rates (S,) at a state (S,); a law in time has none of its own."""
        state = np.asarray(y, dtype=np.float64)[None]
        return self._law.rate(state, np.asarray(controls, dtype=np.float64).reshape(1, -1))[0]


class TrajectoryError(ValueError):
    """A simulated trajectory blew up or did not get on."""


class _OutOfBudget(Exception):
    """The integrator asked for more right-hand sides than it may."""


def integrate(
    rate: Callable[[float, np.ndarray], np.ndarray],
    start: np.ndarray,
    times: np.ndarray,
    scale: np.ndarray,
    names: list[str],
) -> np.ndarray:
    """Integrate ``y' = rate(t, y)`` from `start` at ``times[0]``.

    Parameters
    ----------
    rate : callable
        Right-hand side: (t, y (S,)) -> (S,).
    start : ndarray of shape (S,)
        State at the first time.
    times : ndarray of shape (m,)
        Increasing or decreasing.
    scale : ndarray of shape (S,)
        Usual sizes of the states: a million times as much counts as a blow-up.
    names : list of str
        Names of the states, for the message.

    Returns
    -------
    ndarray of shape (m, S)

    Raises
    ------
    TrajectoryError
        If the trajectory blows up or does not get on; the message names time and state.
    """
    if len(times) == 1:
        return start[None, :].copy()
    limit = _BLOWN_UP * np.maximum(scale, np.abs(start))
    budget = _MAX_EVALUATIONS + 200 * len(times)
    last = [float(times[0]), 0]

    def counted(t: float, y: np.ndarray) -> np.ndarray:
        last[1] += 1
        if last[1] > budget:
            raise _OutOfBudget
        last[0] = t
        return rate(t, y)

    def escaped(t: float, y: np.ndarray) -> float:
        farthest = float(np.max(np.abs(y) / limit))
        return 1.0 - farthest if np.isfinite(farthest) else -1.0

    escaped.terminal = True  # type: ignore[attr-defined]
    options = {"rtol": _TOLERANCE, "atol": _TOLERANCE * scale, "events": escaped}
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = solve_ivp(
                counted, (times[0], times[-1]), start, t_eval=times, method="LSODA", **options
            )
    except _OutOfBudget:
        raise TrajectoryError(
            f"the simulated trajectory does not get beyond t = {last[0]:.6g}: {budget} evaluations "
            "of the equations were not enough; simulate a shorter span, or choose another model "
            "of the path with select(k)."
        ) from None
    if found.status == 0 and found.y.shape[1] == len(times) and np.isfinite(found.y).all():
        return found.y.T
    where, state = _escape(found, last[0], limit)
    raise TrajectoryError(_blow_up(where, names[state]))


def _blow_up(where: float, state: str) -> str:
    """Say where a trajectory blew up."""
    return (
        f"the simulated trajectory blows up at t = {where:.6g}: the state {state} leaves "
        "a million times its usual size; simulate a shorter span, or choose another model of the "
        "path with select(k)."
    )


def _escape(found: object, reached: float, limit: np.ndarray) -> tuple[float, int]:
    """Time of a blow-up and the state that went farthest."""
    if len(found.t_events[0]):  # type: ignore[attr-defined]
        y = found.y_events[0][-1]  # type: ignore[attr-defined]
        return float(found.t_events[0][-1]), int(np.argmax(np.abs(y) / limit))  # type: ignore[attr-defined]
    y = found.y[:, -1] if found.y.shape[1] else np.zeros(len(limit))  # type: ignore[attr-defined]
    return reached, int(np.argmax(np.abs(y) / limit))


def hermite(
    times: np.ndarray, values: np.ndarray, slopes: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Interpolate nodes (N, S) with slopes (N, S) by cubic pieces at wanted times inside (m, S)."""
    if len(times) == 1:
        return np.repeat(values, len(wanted), axis=0)
    i = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(times) - 2)
    h = (times[i + 1] - times[i])[:, None]
    u = (wanted - times[i])[:, None] / h
    rise = values[i + 1] - values[i]
    bend = (1 - u) * (slopes[i] * h - rise) - u * (slopes[i + 1] * h - rise)
    return values[i] + u * rise + u * (1 - u) * bend


def fitted_law(problem: Problem, fit: JointFit, library: Library, names: list[str]) -> FittedLaw:
    """Build the law of a fit, with its smoothed states, in the user's units."""
    scales = problem.scales
    known = problem.law.known * (scales.state / scales.time)[:, None] / scales.state
    states = fit.nodes * scales.state
    record, coef = problem.record, scales.raw_xi(fit.xi)
    return FittedLaw(library, coef, known, record, states, names, problem, fit)
