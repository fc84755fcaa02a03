"""How strongly to smooth: by the restricted (marginal) likelihood or by leaving one sample out.

One number decides, the drive, written as a cut-off: the angular frequency, in radians a step, above
which a series counts as noise. Noise and drive follow from it, unless one of them is given.

References
----------
Chung, Rabe-Hesketh, Dorie, Gelman, Liu (2013), A nondegenerate penalized likelihood estimator for
variance parameters in multilevel models. Psychometrika 78, 685-709.
Wahba (1978), Improper priors, spline smoothing and the problem of guarding against model errors in
regression. J. R. Stat. Soc. B 40, 364-372.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from ._arrays import array_module
from ._driven import Model, Run, UndeterminedError, filter_runs, smooth_run

_LEVEL_FLOOR = 1e-24  # variance of noise, in squared spreads of a series, that is rounding
_ROUNDED_SHARE = 1e-7  # what a sample leaves to the others, below which it is mostly rounding
_DECADES_A_CELL = 0.35
_HIGHEST, _LARGEST_DRIVE = 2.0, 9.0  # decades: of the cut-off, of the drive
_PRECISION = 0.02  # decades of the cut-off
MANY = 5_000  # samples beyond which the coarse search looks at stretches
_N_STRETCHES = 8
_FLAT = 0.25  # radians at the cut-off over which a series is as good as straight


@dataclass(frozen=True)
class Given:
    """What the user fixes, in normalized units; None where it is to be found.

    Attributes
    ----------
    noise, drive : float or None
        Standard deviation of the noise, density of the driving noise.
    """

    noise: float | None = None
    drive: float | None = None

    def level(self, ratio: float, free: float) -> float:
        """Noise variance: as given, as the given drive has it at this ratio, or else `free`."""
        if self.noise is not None:
            return self.noise**2
        if self.drive is not None:
            return (self.drive / ratio) ** 2
        return max(free, _LEVEL_FLOOR)


@dataclass(frozen=True)
class Strength:
    """A chosen strength.

    Attributes
    ----------
    model : Model
        With its drive relative to the noise.
    noise : float
        Standard deviation of the noise.
    height : float
        What was minimized: the deviance, or the mean square of left-out residuals.
    """

    model: Model
    noise: float
    height: float


Criterion = Callable[[Sequence[Run], Model, Given], tuple[float, float]]


def n_free(runs: Sequence[Run], order: int) -> int:
    """Samples beyond those that fix the first states."""
    return sum(run.n_seen for run in runs) - order * len(runs)


def deviance(runs: Sequence[Run], model: Model, given: Given) -> tuple[float, float]:
    """Minus twice the log restricted likelihood, and the noise variance it is taken at."""
    return profiled(runs, model, given, *filter_runs(runs, model))


def profiled(
    runs: Sequence[Run], model: Model, given: Given, total: float, log_determinant: float
) -> tuple[float, float]:
    """Deviance and noise variance from what the filter summed up.

    As if the noise's standard deviation had a density in proportion to itself near zero: without it
    a record too short to show its noise has none at the maximum, and bands of no width.
    """
    free = n_free(runs, model.order)
    if given.noise is None and free > 1:
        free -= 1
    level = given.level(model.drive, total / max(free, 1))
    height = free * np.log(2 * np.pi * level) + log_determinant + total / level
    return (float(height) if np.isfinite(height) else np.inf), level


def left_out(runs: Sequence[Run], model: Model, given: Given) -> tuple[float, float]:
    """Mean square of the residuals of samples left out one by one, and the noise variance."""
    squares = residual = freedom = 0.0
    for run in runs:
        seen = run.weight > 0
        mean, std = smooth_run(run, model, np.where(seen, np.cumsum(seen) - 1, -1))
        rest = run.value[seen] - mean[:, 0]
        share = np.maximum(1.0 - std[:, 0] ** 2, 1e-12)
        if np.median(share) < _ROUNDED_SHARE:
            return np.inf, given.level(model.drive, 0.0)
        squares += float(((rest / share) ** 2).sum())
        residual, freedom = residual + float((rest**2).sum()), freedom + float(share.sum())
    level = given.level(model.drive, residual / max(freedom, 1e-9))
    return squares / sum(run.n_seen for run in runs), level


CRITERIA: dict[str, Criterion] = {"marginal_likelihood": deviance, "cross_validation": left_out}


def choose_strength(
    runs: Sequence[Run],
    model: Model,
    given: Given,
    criterion: Criterion,
    near: float | None = None,
) -> Strength:
    """Find the drive that a criterion likes best, walking down from `near` if that is given.

    The criterion may have several valleys: a grid over all cut-offs that make a difference finds
    the lowest. Of a long record the grid sees stretches only; the last steps see all of it.
    """
    order = model.order
    if given.noise is not None and given.drive is not None:
        return evaluate(runs, model.at(given.drive / given.noise), given, criterion)

    def height(cutoff: float, some: Sequence[Run]) -> float:
        try:
            return criterion(some, model.at(10.0 ** (order * cutoff)), given)[0]
        except UndeterminedError:
            return np.inf

    few = stretches(runs, MANY)
    if count_nodes(runs) <= MANY:
        runs = few  # on the host, where they fit the caches
    if near is None:
        grid = _cutoffs(runs, order)
        heights = np.array([height(each, few) for each in grid])
        best = float(grid[int(np.argmin(heights))])
    else:
        best = float(np.log10(near)) / order
    if near is None and few is runs:
        bounds = (best - _DECADES_A_CELL, best + _DECADES_A_CELL)
        options = {"xatol": _PRECISION}
        found = minimize_scalar(
            height, args=(runs,), bounds=bounds, method="bounded", options=options
        )
        best = float(found.x) if found.fun <= heights.min() else best
    else:
        best = _descend(lambda each: height(each, runs), best)
    return evaluate(runs, model.at(10.0 ** (order * best)), given, criterion)


def evaluate(runs: Sequence[Run], model: Model, given: Given, criterion: Criterion) -> Strength:
    """Take a model's drive for the strength; find the noise that goes with it."""
    height, level = criterion(runs, model, given)
    return Strength(model, float(np.sqrt(level)), height)


def _cutoffs(runs: Sequence[Run], order: int) -> np.ndarray:
    """Grid of log10 of cut-offs, from a polynomial over the whole span to interpolation."""
    span = max(float(np.ptp(run.times)) for run in runs)
    top = min(_HIGHEST, _LARGEST_DRIVE / order)
    bottom = min(-0.5 - np.log10(max(span, 1.0)), top - 1.0)
    return np.arange(bottom, top + _DECADES_A_CELL, _DECADES_A_CELL)


def _descend(height: Callable[[float], float], best: float) -> float:
    """Walk downhill on an even grid, then to the vertex of the parabola through three points."""
    cell = _DECADES_A_CELL / 2
    left, middle, right = (height(best + cell * side) for side in (-1, 0, 1))
    for _ in range(40):
        if middle <= min(left, right):
            break
        side = -1 if left < right else 1
        best += side * cell
        ahead = height(best + side * cell)
        left, middle, right = (ahead, left, middle) if side < 0 else (middle, right, ahead)
    bend = left + right - 2 * middle
    return best + 0.5 * cell * (left - right) / bend if np.isfinite(bend) and bend > 0 else best


def stretches(runs: Sequence[Run], most: int) -> Sequence[Run]:
    """Return the runs, or evenly spread stretches of them with `most` nodes or so in all.

    On the host, wherever the runs are: going through so few over and over is nothing for a GPU.
    """
    n_nodes = count_nodes(runs)
    if n_nodes <= most:
        return [run.at(np) for run in runs]
    pieces = []
    for run in runs:
        n = len(run.times)
        share = most * n // (n_nodes * _N_STRETCHES)
        if share < 50:
            pieces.append(run.at(np))
            continue
        for start in np.linspace(0, n - share, _N_STRETCHES).astype(int):
            part = slice(start, start + share)
            arrays = run.times, run.value, run.weight, run.design
            pieces.append(Run(*(each[part] for each in arrays)).at(np))
    return pieces


def count_nodes(runs: Sequence[Run]) -> int:
    """Nodes of all runs."""
    return sum(len(run.times) for run in runs)


def condense(
    runs: Sequence[Run], model: Model, cutoff: float, least: int
) -> tuple[Sequence[Run], float, float]:
    """Average samples that are much denser than the series moves, down to `least` even nodes.

    How fast the series moves is told by the cut-off of `model`. Returns the runs, how many samples
    a mean usually holds (their weights are relative to it), and the typical step.
    """
    n_nodes = count_nodes(runs)
    span = sum(float(np.ptp(run.times)) for run in runs)
    width = min(_FLAT / cutoff, span / least)
    usual = n_nodes * width / span if span > 0 else 0.0
    if usual < 2.0:
        return runs, 1.0, 1.0
    model, condensed = model.at(model.drive * float(np.sqrt(usual))), []
    for run in runs:
        means = run.average(width, usual)
        everywhere = array_module(means.times).arange(len(means.times))
        mean, _ = smooth_run(means, model, everywhere)
        slope = mean[:, 1] if model.order > 1 else np.zeros_like(means.times)
        condensed.append(means.centre(float(run.times[0]), width, slope))
    return condensed, usual, width
