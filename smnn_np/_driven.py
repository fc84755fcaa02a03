"""Series as solutions of a linear ODE driven by white noise: the exact smoother on runs of samples.

Everything here is in units where a typical step and the spread of the series are one, and relative
to the standard deviation of the noise. The recursions are in ``_kernels/smooth.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ._kernels.backward import backward
from ._kernels.score import score
from ._kernels.smooth import forward

_EXTRA_POINTS = 7  # beyond the Gauss points that integrate polynomials exactly
_SAME_STEP = 1e-9
_LONGEST = 20.0  # steps times rate, beyond which nodes are inserted
# Effects of covariates of unit spread, relative to a series of unit spread.
EFFECT_STD = 1e3

# Coefficients at instants (n,): (n, R), or (1, R) where they are constant.
Law = Callable[[np.ndarray], np.ndarray]


class UndeterminedError(ValueError):
    """A run has too few samples for its state to be determined."""


@dataclass(frozen=True)
class Run:
    """Nodes of one run, with or without a sample.

    Attributes
    ----------
    times : ndarray of shape (n,)
        In increasing order; a repeated time is a repeated measurement.
    value, weight : ndarray of shape (n,)
        Sample, and 1 where there is one, else 0.
    design : ndarray of shape (n, p)
        Covariates at the nodes.
    """

    times: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    design: np.ndarray

    @property
    def n_seen(self) -> int:
        """Number of samples."""
        return int(np.count_nonzero(self.weight))

    def steps(self) -> np.ndarray:
        """Steps into each node (n,); those of an even grid are one number but for rounding."""
        steps = np.diff(self.times, prepend=self.times[:1])
        inner = steps[1:]
        if len(inner) and np.ptp(inner) <= _SAME_STEP * inner[0]:
            steps[1:] = inner.mean()
        return steps

    def middles(self) -> np.ndarray:
        """Instant in the middle of the step into each node (n,)."""
        return self.times - 0.5 * self.steps()

    def merge(self, times: np.ndarray, design: np.ndarray) -> tuple["Run", np.ndarray]:
        """Add nodes without samples; return where each node was: old ones first, then the new."""
        origin = np.argsort(np.concatenate([self.times, times]), kind="stable")
        nothing = np.zeros(len(times))
        run = Run(
            np.concatenate([self.times, times])[origin],
            np.concatenate([self.value, nothing])[origin],
            np.concatenate([self.weight, nothing])[origin],
            np.concatenate([self.design, design])[origin],
        )
        return run, origin

    def average(self, width: float, usual: float) -> "Run":
        """Replace the samples in each stretch of time of that width by their mean.

        The weight of a mean is relative to one of a `usual` number of samples.
        """
        cell = np.floor((self.times - self.times[0]) / width)
        first = np.flatnonzero(np.diff(cell, prepend=-1.0))
        count = np.diff(np.append(first, len(cell))).astype(float)
        columns = np.column_stack([self.times, self.value, self.design])
        means = np.add.reduceat(columns, first, axis=0) / count[:, None]
        design = np.ascontiguousarray(means[:, 2:])
        return Run(means[:, 0].copy(), means[:, 1].copy(), np.sqrt(count / usual), design)

    def centre(self, start: float, width: float, slope: np.ndarray) -> "Run":
        """Move the means of stretches, by their slopes (n,), to the middles: an even grid.

        A stretch without samples becomes a node without one.
        """
        cell = np.floor((self.times - start) / width).astype(int)
        middles = start + (np.arange(cell[-1] + 1) + 0.5) * width
        value, weight = np.zeros((2, len(middles)))
        design = np.zeros((len(middles), self.design.shape[1]))
        value[cell] = self.value - slope * (self.times - middles[cell])
        weight[cell], design[cell] = self.weight, self.design
        return Run(middles, value, weight, design)

    def ask(self, times: np.ndarray, design: np.ndarray) -> tuple["Run", np.ndarray, np.ndarray]:
        """Add the nodes that questions need; return the run, slots of nodes, slots of questions.

        A question at the time of a sample needs none, unless it has covariates of its own: an even
        grid stays even.
        """
        n = len(self.times)
        if design.shape[1]:
            run, origin = self.merge(times, design)
            return run, np.where(origin >= n, origin - n, -1), np.arange(len(times))
        distinct, question = np.unique(times, return_inverse=True)
        place = np.minimum(np.searchsorted(self.times, distinct), n - 1)
        known = self.times[place] == distinct
        run, origin = self.merge(distinct[~known], np.zeros((np.count_nonzero(~known), 0)))
        slot = np.full(n, -1)
        slot[place[known]] = np.flatnonzero(known)
        return run, np.concatenate([slot, np.flatnonzero(~known)])[origin], question

    def refine(self, longest: float) -> tuple["Run", np.ndarray]:
        """Cut steps longer than that into equal ones; return where each node was, as `merge`."""
        steps = np.diff(self.times)
        pieces = np.maximum(np.ceil(steps / longest), 1).astype(int)
        left = np.repeat(np.arange(len(steps)), pieces - 1)
        first = np.cumsum(pieces - 1) - (pieces - 1)
        share = (np.arange(len(left)) - first[left] + 1) / pieces[left]
        times = self.times[left] + share * steps[left]
        return self.merge(times, np.zeros((len(times), self.design.shape[1])))


@dataclass(frozen=True)
class Model:
    """What is assumed of a series.

    Attributes
    ----------
    order : int
        R, the order of the ODE.
    law : callable
        Coefficients at instants; None for none at all, x^(R) = drive * white noise.
    drive : float
        Density of the white noise, relative to the standard deviation of the measurements' noise.
    """

    order: int
    law: Law | None = None
    drive: float = 1.0

    def coefs(self, run: Run) -> np.ndarray:
        """Coefficients of each step (n | 1, R)."""
        if self.law is None:
            return np.zeros((1, self.order))
        return np.array(self.law(run.middles()), order="C")  # writable: one compilation

    def longest_step(self, run: Run) -> float:
        """Longest step that is not long for the coefficients."""
        powers = 1.0 / (self.order - np.arange(self.order))
        rate = float((np.abs(self.coefs(run)) ** powers).max())
        return _LONGEST / rate if rate > 0 else np.inf

    def at(self, drive: float) -> "Model":
        """Replace the drive."""
        return replace(self, drive=drive)


@lru_cache
def _rule(order: int, plain: bool) -> np.ndarray:
    """Gauss-Legendre points and shares on (0, 1) (2, G); as few as suffice for no coefficients."""
    n_points = order + (0 if plain else _EXTRA_POINTS)
    points, shares = np.polynomial.legendre.leggauss(n_points)
    return np.stack([(points + 1) / 2, shares / 2])


def filter_runs(
    runs: Sequence[Run], model: Model, effect_std: float | np.ndarray = EFFECT_STD
) -> tuple[float, float]:
    """Sum of squares and log-determinant of the restricted likelihood, over all runs.

    Effects of covariates are normal with standard deviations `effect_std`, infinite for unknown.
    """
    total = log_determinant = 0.0
    for run in runs:
        coefs = model.coefs(run)
        nowhere = np.full(len(run.times), -1)
        kept = np.empty((0, 0, 0))
        one = _forward(run, model, coefs, nowhere, kept, effect_std)
        total, log_determinant = total + one[0], log_determinant + one[1]
    return total, log_determinant


def _forward(
    run: Run,
    model: Model,
    coefs: np.ndarray,
    slot: np.ndarray,
    kept: np.ndarray,
    effect_std: float | np.ndarray = EFFECT_STD,
) -> tuple[float, float]:
    """Filter one run; write what its nodes with a slot know into kept."""
    rule = _rule(model.order, not coefs.any())
    data = (run.design, run.value, run.weight)
    prior = np.broadcast_to(1.0 / np.asarray(effect_std), run.design.shape[1:]).copy()
    return forward(run.steps(), coefs, model.drive, *data, prior, rule, slot, kept)


def smooth_run(run: Run, model: Model, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth a run; return mean and standard deviation (m, R) of nodes by slot, -1 for none.

    The standard deviation is relative to that of the noise. Entry 0 includes what covariates do.
    """
    n_asked, n_states = slot.max(initial=-1) + 1, model.order + run.design.shape[1]
    coefs = model.coefs(run)
    kept = np.empty((n_asked, n_states, n_states + 1))
    _forward(run, model, coefs, slot, kept)
    mean, std = np.empty((2, n_asked, model.order))
    data = (run.steps(), coefs, model.drive, run.design, run.value, run.weight)
    status = backward(*data, _rule(model.order, not coefs.any()), slot, kept, mean, std)
    if status >= 0 or not np.isfinite(std).all():
        raise UndeterminedError("the samples of a run do not determine its state.")
    return mean, std


def effects(run: Run, model: Model) -> np.ndarray:
    """Effects of the covariates (p,)."""
    n_states = model.order + run.design.shape[1]
    slot = np.full(len(run.times), -1)
    slot[-1] = 0
    kept = np.empty((1, n_states, n_states + 1))
    _forward(run, model, model.coefs(run), slot, kept)
    rows = kept[0, model.order :]
    return np.linalg.solve(rows[:, model.order : n_states], rows[:, n_states])


@dataclass(frozen=True)
class Score:
    """Sum of squares and log-determinant of a run with half their gradients, signs reversed.

    Attributes
    ----------
    total, log_determinant : float
    of_total, of_log_determinant : ndarray of shape (n, R + 1)
        In the coefficients of the step into each node, and in the logarithm of the squared drive.
    """

    total: float
    log_determinant: float
    of_total: np.ndarray
    of_log_determinant: np.ndarray


def score_run(run: Run, model: Model) -> Score:
    """Differentiate what `filter_runs` computes of one run."""
    n, n_states = len(run.times), model.order + run.design.shape[1]
    coefs = model.coefs(run)
    kept = np.empty((n, n_states, n_states + 1))
    totals = _forward(run, model, coefs, np.arange(n), kept)
    gradients = np.empty((2, n, model.order + 1))
    data = (run.steps(), coefs, model.drive, run.design, run.value, run.weight)
    score(*data, _rule(model.order, False), kept, *gradients)
    return Score(*totals, *gradients)
