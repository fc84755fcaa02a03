"""Series as solutions of a linear ODE driven by white noise: the exact smoother on runs of samples.

Everything here is in units where a typical step and the spread of the series are one, and relative
to the standard deviation of the noise. The recursions are in ``_kernels/smooth.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType

import numpy as np

from ._arrays import array_module, is_cupy, to_numpy
from ._kernels.backward import backward
from ._kernels.score import score
from ._kernels.smooth import forward
from ._pieces import Pieces

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
    """Nodes of one run, with or without a sample; all on the host or all on a GPU.

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

    def at(self, xp: ModuleType) -> "Run":
        """Move to where a module has its arrays, numpy or cupy."""
        arrays = self.times, self.value, self.weight, self.design
        if xp is array_module(self.times):
            return self
        return Run(*(to_numpy(each) if xp is np else xp.asarray(each) for each in arrays))

    def __getstate__(self) -> dict[str, np.ndarray]:
        """Arrays on the host: a pickle can be read where there is no GPU."""
        return dict(self.at(np).__dict__)

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
        nothing = np.zeros_like(times)
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
        design = array_module(means).ascontiguousarray(means[:, 2:])
        return Run(means[:, 0].copy(), means[:, 1].copy(), np.sqrt(count / usual), design)

    def centre(self, start: float, width: float, slope: np.ndarray) -> "Run":
        """Move the means of stretches, by their slopes (n,), to the middles: an even grid.

        A stretch without samples becomes a node without one.
        """
        cell = np.floor((self.times - start) / width).astype(int)
        xp = array_module(cell)
        middles = start + (xp.arange(int(cell[-1]) + 1) + 0.5) * width
        value, weight = xp.zeros((2, len(middles)))
        design = xp.zeros((len(middles), self.design.shape[1]))
        value[cell] = self.value - slope * (self.times - middles[cell])
        weight[cell], design[cell] = self.weight, self.design
        return Run(middles, value, weight, design)

    def ask(self, times: np.ndarray, design: np.ndarray) -> tuple["Run", np.ndarray, np.ndarray]:
        """Add the nodes that questions need; return the run, slots of nodes, slots of questions.

        A question at the time of a sample needs none, unless it has covariates of its own: an even
        grid stays even.
        """
        xp, n = array_module(times), len(self.times)
        if design.shape[1]:
            run, origin = self.merge(times, design)
            return run, np.where(origin >= n, origin - n, -1), xp.arange(len(times))
        distinct, question = np.unique(times, return_inverse=True)
        place = np.minimum(np.searchsorted(self.times, distinct), n - 1)
        known = self.times[place] == distinct
        run, origin = self.merge(distinct[~known], xp.zeros((len(distinct[~known]), 0)))
        slot = np.full_like(self.times, -1, dtype=np.int64)
        slot[place[known]] = np.flatnonzero(known)
        return run, np.concatenate([slot, np.flatnonzero(~known)])[origin], question

    def refine(self, longest: float) -> tuple["Run", np.ndarray]:
        """Cut steps longer than that into equal ones; return where each node was, as `merge`."""
        steps = np.diff(self.times)
        pieces = np.maximum(np.ceil(steps / longest), 1).astype(int)
        xp, until = array_module(steps), np.cumsum(pieces - 1)
        new = xp.arange(int(until[-1]) if len(until) else 0)
        left = np.searchsorted(until, new, side="right")
        share = (new - (until - (pieces - 1))[left] + 1) / pieces[left]
        times = self.times[left] + share * steps[left]
        return self.merge(times, xp.zeros((len(times), self.design.shape[1])))


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
        coefs = self.law(run.middles())
        return coefs if is_cupy(coefs) else np.array(coefs, order="C")  # writable: compiled once

    def longest_step(self, run: Run) -> float:
        """Longest step that is not long for the coefficients."""
        coefs = np.abs(self.coefs(run))
        powers = 1.0 / (self.order - array_module(coefs).arange(self.order))
        rate = float((coefs**powers).max())
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
    if is_cupy(runs[0].times):
        return _pieces(runs, [model] * len(runs), effect_std).filter()
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
    prior = _prior(run, effect_std)
    return forward(run.steps(), coefs, model.drive, *data, prior, rule, slot, kept)


def _prior(run: Run, effect_std: float | np.ndarray) -> np.ndarray:
    """Weights of the effects around zero (p,)."""
    return np.broadcast_to(1.0 / np.asarray(effect_std), run.design.shape[1:]).copy()


def _pieces(
    runs: Sequence[Run], models: Sequence[Model], effect_std: float | np.ndarray = EFFECT_STD
) -> Pieces:
    """Runs on a GPU, each with a model of one order, as its kernels take them."""
    coefs = [model.coefs(run) for run, model in zip(runs, models, strict=True)]
    rule = _rule(models[0].order, not any(bool(each.any()) for each in coefs))
    drives = [model.drive for model in models]
    return Pieces(runs, coefs, drives, _prior(runs[0], effect_std), rule)


def smooth_run(run: Run, model: Model, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth a run; return mean and standard deviation (m, R) of nodes by slot, -1 for none.

    The standard deviation is relative to that of the noise. Entry 0 includes what covariates do.
    """
    if is_cupy(run.times):
        return smooth_runs([run], [model], [slot])[0]
    n_asked, n_states = int(slot.max()) + 1, model.order + run.design.shape[1]
    coefs = model.coefs(run)
    kept = np.empty((n_asked, n_states, n_states + 1))
    _forward(run, model, coefs, slot, kept)
    mean, std = np.empty((2, n_asked, model.order))
    data = (run.steps(), coefs, model.drive, run.design, run.value, run.weight)
    status = backward(*data, _rule(model.order, not coefs.any()), slot, kept, mean, std)
    return _determined(mean, std, status < 0)


def smooth_runs(
    runs: Sequence[Run], models: Sequence[Model], slots: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Do what `smooth_run` does for several, of one order: all at once on a GPU."""
    if not is_cupy(runs[0].times):
        return [smooth_run(*each) for each in zip(runs, models, slots, strict=True)]
    ends = np.cumsum([int(slot.max()) + 1 for slot in slots]).tolist()
    starts = [0, *ends[:-1]]
    moved = [
        np.where(slot >= 0, slot + start, -1) for slot, start in zip(slots, starts, strict=True)
    ]
    mean, std, _ = _pieces(runs, models).smooth(np.concatenate(moved), ends[-1])
    _determined(mean, std)
    return [(mean[i:j], std[i:j]) for i, j in zip(starts, ends, strict=True)]


def _determined(
    mean: np.ndarray, std: np.ndarray, known: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return them if they are known."""
    if not (known and np.isfinite(std).all()):
        raise UndeterminedError("the samples of a run do not determine its state.")
    return mean, std


def effects(run: Run, model: Model) -> np.ndarray:
    """Effects of the covariates (p,), on the host."""
    n_states = model.order + run.design.shape[1]
    if n_states == model.order:
        return np.zeros(0)
    slot = np.full_like(run.times, -1, dtype=np.int64)
    slot[-1] = 0
    if is_cupy(run.times):
        kept = to_numpy(_pieces([run], [model]).smooth(slot, 1)[2])
    else:
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
