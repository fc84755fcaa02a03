"""Coefficients of a series' linear ODE, constant or varying in time, by maximum likelihood.

Coefficients are values at knots (``_knots.py``); one knot is a constant. What is maximized is
the marginal likelihood, noise level profiled out, times a wide normal density around zero, which
settles what the data cannot (a mode that they do not show). The *diffuse* likelihood of
``_marginal.py`` will not do here: it rewards coefficients whose solutions die fast, because their
first states matter less. The marginal one divides by the volume of the first states' effects,
|X^T X|^(1/2). All gradients are exact (``_kernels/score.py``).

This likelihood does not know which way time runs: seen backwards a stationary series has the same
autocovariance, and a law whose modes grow by as much as they die. What is left is how likely the
first and the last state are, a chi-square, so of the two the stable law is taken unless growth
does better by more than such luck.

References
----------
Francke, Koopman, de Vos (2010), Likelihood functions for state space models with diffuse initial
conditions. Journal of Time Series Analysis 31, 407-414.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.signal import lombscargle

from ._cautious import expected_drive
from ._curvature import covariance_root
from ._driven import Model, Run, UndeterminedError, score_run, smooth_run
from ._knots import Knots, Onward, shares
from ._marginal import Given, Strength, choose_strength, condense, deviance, profiled, stretches
from ._mirror import growth, mirror

_FEW, _MANY = 1_000, 5_000  # nodes that coefficients are learned from; more add time, little else
_LONGEST_STEP = 8.0  # in typical steps: nodes are inserted in longer gaps
_WORTHLESS = 1e10
_FASTEST = 30.0  # radians a step: faster modes cannot be seen in samples
_WIDTH = 3.0  # standard deviation of scaled coefficients before data
_CHANGE = 1.0  # standard deviation of their change from knot to knot
_STILL = 1e-3  # drive over a whole record that is as good as none
_ROUGH, _FINE = 0.3, 1e-2  # largest entry of a deviance's gradient that is as good as zero
_MAX_ITER = 100
SHIFT = 0.05  # standard errors: how far coefficients are moved to see what depends on them
_GROWTH = 20.0  # deviance by which growth must do better: a last state 4.5 deviations out
_SUDDEN = 1.0  # growth in a typical step
_N_SPECTRUM = 600  # samples at most that a spectrum is taken of


@dataclass(frozen=True)
class Learned:
    """Learned coefficients.

    Attributes
    ----------
    law : Knots
        Normalized coefficients.
    root : ndarray of shape (K R, m)
        Root of their covariance: root root^T, from the curvature of the likelihood at the drive
        that is to be expected.
    drive : float
        The drive that goes with them, relative to the noise.
    """

    law: Knots
    root: np.ndarray
    drive: float

    @property
    def std(self) -> np.ndarray:
        """Standard errors (K, R)."""
        return np.sqrt((self.root**2).sum(axis=1)).reshape(self.law.values.shape)

    def shifted(self) -> Iterator[tuple[Knots, Knots]]:
        """Laws a little, and as much, to either side of this one along each column of the root."""
        for column in SHIFT * self.root.T.reshape(-1, *self.law.values.shape):
            values = self.law.values
            yield Knots(self.law.times, values + column), Knots(self.law.times, values - column)

    def onward(self) -> Iterator[tuple[Onward, Onward]]:
        """Laws that change a little, and as much the other way, beyond their knots.

        Nobody knows how a law goes on. That it changes as it did from knot to knot has, over all
        of these changes, their mean square, with what coefficients did together.
        """
        changes = np.diff(self.law.values, axis=0)
        for change in SHIFT * changes / np.sqrt(max(len(changes), 1)):
            yield Onward(self.law, change), Onward(self.law, -change)


class Problem:
    """The deviance and its gradient as a function of scaled coefficients and log drive.

    Parameters
    ----------
    runs : sequence of Run
    order : int
    knots : ndarray of shape (K,)
    given : Given
    rate : float
        Angular frequency that makes coefficients comparable: c[r] / rate^(R - r).
    """

    def __init__(
        self, runs: Sequence[Run], order: int, knots: np.ndarray, given: Given, rate: float
    ) -> None:
        self.runs, self.order, self.knots, self.given = runs, order, knots, given
        self.scale = rate ** (order - np.arange(order, dtype=float))
        steps = np.concatenate([run.steps()[1:] for run in runs])
        self.longest, self.step = float(steps.max()), float(np.median(steps))
        differences = np.diff(np.eye(len(knots)), axis=0)
        one = np.eye(len(knots)) / _WIDTH**2 + differences.T @ differences / _CHANGE**2
        self.precision = np.kron(one, np.eye(order))
        span = max(float(np.ptp(run.times)) for run in runs)
        self.still = _STILL * span ** (0.5 - order)
        self.silent = [replace(run, value=np.zeros_like(run.value)) for run in runs]

    def model(self, parameters: np.ndarray) -> Model:
        """Model of a point (K R + 1,)."""
        values = parameters[:-1].reshape(len(self.knots), self.order) * self.scale
        return Model(self.order, Knots(self.knots, values), float(np.exp(parameters[-1] / 2)))

    def start(self, values: np.ndarray) -> np.ndarray:
        """Point of constant coefficients (R,) with the drive that suits them."""
        model = Model(self.order, Knots(self.knots, values[None]))
        drive = choose_strength(self.runs, model, self.given, deviance).model.drive
        return np.append(values / self.scale, 2 * np.log(drive))

    def __call__(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and gradient."""
        nothing = np.zeros_like(parameters)
        if not np.abs(parameters[-1]) < 80 or self._too_fast(parameters):
            return _WORTHLESS, nothing
        model = self.model(parameters)
        prior = np.append(self.precision @ parameters[:-1], 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            total, log_determinant, in_total, in_log_determinant = self._sum(self.runs, model)
            _, volume, _, in_volume = self._sum(self.silent, model.at(self.still))
            height, level = profiled(self.runs, model, self.given, total, log_determinant)
            height += float(prior @ parameters) - volume
            in_volume[-1] = 0.0
            gradient = in_total / level + in_log_determinant - in_volume + 2 * prior
        good = np.isfinite(height) and np.isfinite(gradient).all()
        return (height, gradient) if good else (_WORTHLESS, nothing)

    def _too_fast(self, parameters: np.ndarray) -> bool:
        """Whether some mode changes so much in a step that exp(F step) is out of range."""
        values = np.abs(parameters[:-1].reshape(-1, self.order) * self.scale)
        rates = values ** (1.0 / (self.order - np.arange(self.order)))
        return not bool((rates * self.longest < _FASTEST).all())

    def _sum(
        self, runs: Sequence[Run], model: Model
    ) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Sum of squares, log-determinant and their gradients, over runs."""
        totals, gradients = np.zeros(2), np.zeros((2, len(self.knots), self.order))
        in_drive = np.zeros(2)
        for run in runs:
            one = score_run(run, model)
            totals += one.total, one.log_determinant
            of_knots = shares(run.middles(), self.knots)
            for i, each in enumerate((one.of_total, one.of_log_determinant)):
                gradients[i] += of_knots.T @ each[:, :-1]
                in_drive[i] += each[:, -1].sum()
        flat = [
            -2.0 * np.append((gradients[i] * self.scale).ravel(), in_drive[i]) for i in range(2)
        ]
        return float(totals[0]), float(totals[1]), flat[0], flat[1]


Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def learn(runs: Sequence[Run], order: int, knots: np.ndarray, given: Given) -> Learned:
    """Learn coefficients: the constant ones first, from three starts, then those at the knots."""
    plain = choose_strength(runs, Model(order), given, deviance).model
    runs, usual, width = condense(runs, plain, plain.drive ** (1 / order), _FEW)
    if given.noise is not None:
        given = replace(given, noise=given.noise / np.sqrt(usual))
    runs = [run.refine(_LONGEST_STEP * width)[0] for run in stretches(runs, _MANY)]
    peak = _spectral_peak(runs)
    rate = float(np.clip(max(plain.drive ** (1 / order), peak), 1e-6, np.pi))
    problem = Problem(runs, order, knots.mean(keepdims=True), given, rate)
    starts = [np.zeros(order), _oscillator(order, peak), *_regress(runs, order, given)]
    found = [_minimize(problem, problem.start(values), _ROUGH) for values in starts]
    lowest = _minimize(problem, min(found, key=lambda each: each[1])[0])
    best = _prefer_stable(problem, *lowest)
    if len(knots) > 1:
        values = np.repeat(best[:-1][None], len(knots), axis=0).ravel()
        problem = Problem(runs, order, knots, given, rate)
        best = _minimize(problem, np.append(values, best[-1]))[0]
    model = problem.model(best)
    drive = model.drive / float(np.sqrt(usual))  # of samples, not of means
    best[-1] = 2 * np.log(expected_drive(problem.runs, model, given))
    return Learned(model.law, _root(problem, best), drive)  # type: ignore[arg-type]


def _oscillator(order: int, rate: float) -> np.ndarray:
    """Coefficients of an undamped oscillation on top of a polynomial (R,)."""
    values = np.zeros(order)
    values[max(order - 2, 0)] = rate**2 if order > 1 else 0.0
    return values


def _spectral_peak(runs: Sequence[Run]) -> float:
    """Angular frequency where the longest run's spectrum, trend removed, is highest."""
    run = max(runs, key=lambda each: each.n_seen)
    seen = np.flatnonzero(run.weight)
    seen = seen[:: -(-len(seen) // _N_SPECTRUM)]
    times, value = run.times[seen], run.value[seen]
    span = float(np.ptp(times))
    if len(seen) < 8 or not span > 0:
        return 0.0
    place = 2 * (times - times[0]) / span - 1
    trend = np.polynomial.Polynomial.fit(place, value, 1, domain=[-1, 1])
    rates = np.arange(2, max(len(seen), 3)) * np.pi / span
    power = lombscargle(times, value - trend(place), rates)
    return float(rates[int(np.argmax(power))])


def _minimize(
    problem: Objective,
    start: np.ndarray,
    gradient: float = _FINE,
    metric: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """Descend from a start until the gradient is small; return the point and its deviance.

    With a metric, an inverse of second derivatives, even the first step is of the right size.
    """
    if not problem(start)[0] < _WORTHLESS:
        return start, np.inf
    options = {"gtol": gradient, "maxiter": _MAX_ITER, "hess_inv0": metric}
    found = minimize(problem, start, jac=True, method="BFGS", options=options)
    return found.x, float(found.fun)


def _prefer_stable(problem: Problem, point: np.ndarray, height: float) -> np.ndarray:
    """Turn modes that grow into ones that die, one by one, where the data permit it.

    Constant coefficients only. The law must be likely enough, and near a maximum of its own: where
    steps of Newton's size lead back to growth there is none. A mode that grows within a step is
    kept from that: it follows the noise of the last sample.
    """
    for _ in range(problem.order):
        rates = growth(point[:-1] * problem.scale)
        for i in np.argsort(-rates)[: np.count_nonzero(rates)]:
            trial, other, gone = _descend_mirrored(problem, point, rates, i)
            if gone and other < height + _GROWTH:
                point, height = trial, other
                break
        else:
            break
    return point


def _descend_mirrored(
    problem: Problem, point: np.ndarray, rates: np.ndarray, i: int
) -> tuple[np.ndarray, float, bool]:
    """Descend with mode i mirrored; return also whether half its growth is gone at least."""

    def gone(parameters: np.ndarray) -> bool:
        left = growth(parameters[:-1] * problem.scale).sum()
        return bool(rates.sum() - left > rates[i] / 2)

    def held(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        return problem(parameters) if gone(parameters) else (_WORTHLESS, np.zeros_like(parameters))

    mirrored = np.append(mirror(point[:-1] * problem.scale, i) / problem.scale, point[-1])
    root = _metric_root(problem, mirrored, 1)
    metric = root @ root.T / 2
    sudden = rates[i] * problem.step > _SUDDEN
    found = _minimize(held if sudden else problem, mirrored, metric=metric)
    return *found, gone(found[0])


def _regress(runs: Sequence[Run], order: int, given: Given) -> list[np.ndarray]:
    """Regress x^(R) on the lower derivatives of a smoother two orders up; nothing if too few."""
    higher = Model(order + 2)
    try:
        strength: Strength = choose_strength(runs, higher, given, deviance)
        rows, targets = [], []
        for run in runs:
            mean, std = smooth_run(run, strength.model, np.arange(len(run.times)))
            trust = 1.0 / std[:, order]
            rows.append(mean[:, :order] * trust[:, None])
            targets.append(-mean[:, order] * trust)
    except UndeterminedError:
        return []
    a, b = np.concatenate(rows), np.concatenate(targets)
    size = np.maximum(np.linalg.norm(a, axis=0), 1e-300)
    return [np.linalg.lstsq(a / size, b, rcond=1e-8)[0] / size]


def _root(problem: Problem, best: np.ndarray) -> np.ndarray:
    """Root of the coefficients' covariance (K R, K R + 1)."""
    root = _metric_root(problem, best)[:-1]
    return root * np.tile(problem.scale, len(problem.knots))[:, None]


def _metric_root(problem: Problem, point: np.ndarray, n_rounds: int = 5) -> np.ndarray:
    """Root of a point's covariance, as the curvature has it; no wider than before the data."""
    return covariance_root(lambda each: problem(each)[1], point, 1.0 / _WIDTH**2, n_rounds)
