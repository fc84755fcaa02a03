"""Smoothing of one measured series by the most likely quintic smoothing spline.

The spline is the posterior mean of a three-fold integrated Wiener process, which is a bordered
banded problem with the unknowns (x, x', x'') at each node and no border. Smoothness and noise level
come from the restricted likelihood: nothing is left to choose.

References
----------
Wahba (1978), Improper priors, spline smoothing and the problem of guarding against model errors in
regression. J. R. Stat. Soc. B 40, 364-372.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from .banded import BorderedBands
from .border import Elimination, eliminate_nodes

# Covariance of the process over a unit step, and its inverse Cholesky factor.
_UNIT = np.array([[1 / 20, 1 / 8, 1 / 6], [1 / 8, 1 / 3, 1 / 2], [1 / 6, 1 / 2, 1.0]])
_WHITEN = np.linalg.inv(np.linalg.cholesky(_UNIT))
_LOG_RATIO_RANGE = (-20.0, 13.0)
_MEDIAN_OF_NORMAL = 0.6745  # of the absolute value, at unit standard deviation
_LONG = 4000  # nodes above which stretches choose roughness and noise
_N_STRETCHES, _LENGTH = 4, 500  # samples in each
_AS_LIKELY = 4.0  # difference in deviance at two standard deviations


@dataclass(frozen=True)
class Spline:
    """A smoothed series at its nodes: value and slope (N,), and the standard deviation of noise."""

    value: np.ndarray
    slope: np.ndarray
    noise_std: float


def smooth(
    times: np.ndarray,
    measured: np.ndarray,
    count: np.ndarray,
    joined: np.ndarray,
    guess: str = "likely",
    noise_std: float | None = None,
) -> Spline:
    """Smooth one series on its nodes.

    Parameters
    ----------
    times, measured : ndarray of shape (N,)
        Nodes and the mean of the measurements there (ignored where `count` is 0).
    count : ndarray of shape (N,)
        Number of measurements at each node. The noise is read from the means alone: repeated
        measurements that agree exactly are more often copies than proof that there is no noise.
    joined : ndarray of shape (N - 1,), bool
        Whether two neighbours belong to one run.
    guess : {"likely", "robust", "cautious"}
        The likeliest noise; no more of it than half of the third differences show; the largest
        that the likelihood allows.
    noise_std : float, default=None
        The noise, where it is known; then `guess` says nothing.
    """
    seen = count > 0
    spread = float(np.std(measured[seen])) or 1.0
    offset = float(np.mean(measured[seen]))
    target = np.where(seen, (measured - offset) / spread, 0.0)
    step = np.where(joined, np.diff(times), 1.0)
    unit = float(np.median(step[joined])) if joined.any() else 1.0
    problem = (step / unit, target, np.sqrt(count), joined)
    given = None if noise_std is None else max(noise_std / spread, 1e-13)
    ceiling = _difference_noise(times, target, seen, joined) if guess == "robust" else np.inf
    deviance = _deviance(_stretches(*problem), given, ceiling)
    log_ratio = _likeliest(deviance, guess == "cautious" and given is None)
    elimination = _eliminate(*problem, log_ratio)
    nodes = elimination.nodes(np.zeros(0))
    n_free = _n_free(np.sqrt(count), joined)
    noise = float(np.sqrt(elimination.rest / n_free)) if given is None else given
    return Spline(nodes[:, 0] * spread + offset, nodes[:, 1] * spread / unit, noise * spread)


def _deviance(
    series: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    given: float | None,
    ceiling: float,
) -> Callable[[float], float]:
    """Minus twice the log restricted likelihood of a log ratio of process to noise variance."""
    n_free = _n_free(series[2], series[3])
    n_links = int(series[3].sum())

    def deviance(log_ratio: float) -> float:
        elimination = _eliminate(*series, log_ratio)
        log_prior = 3 * n_links * log_ratio * np.log(10.0)
        if given is not None:
            # In units of its variance the process is 10^log_ratio times as strong as the noise.
            return elimination.rest / given**2 + elimination.log_determinant() + log_prior
        level = max(elimination.rest / n_free, 1e-26)
        if level > ceiling**2:
            return 1e9 * (1 + np.log(level / ceiling**2))
        return n_free * np.log(level) + elimination.log_determinant() + log_prior

    return deviance


def _n_free(weight: np.ndarray, joined: np.ndarray) -> int:
    """Samples less the up to three that fix value, slope and bend of each run."""
    run = np.concatenate([[0], np.cumsum(~joined)])
    n_seen = np.bincount(run[weight > 0])
    return max(int((n_seen - np.minimum(n_seen, 3)).sum()), 1)


def _stretches(
    step: np.ndarray, target: np.ndarray, weight: np.ndarray, joined: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Keep four stretches of a long record: they tell roughness and noise well enough."""
    length = -(-_LENGTH * len(target) // max(int(np.count_nonzero(weight)), 1))
    if len(target) <= max(_LONG, _N_STRETCHES * length):
        return step, target, weight, joined
    starts = np.linspace(0, len(target) - length, _N_STRETCHES).astype(int)
    index = (starts[:, None] + np.arange(length)).ravel()
    if np.count_nonzero(weight[index]) < _N_STRETCHES * _LENGTH // 2:
        return step, target, weight, joined
    joined = joined[np.minimum(index, len(joined) - 1)]
    joined[length - 1 :: length] = False
    step = np.where(joined, step[np.minimum(index, len(step) - 1)], 1.0)
    return step[:-1], target[index], weight[index], joined[:-1]


def _difference_noise(
    times: np.ndarray, measured: np.ndarray, seen: np.ndarray, joined: np.ndarray
) -> float:
    """Noise that explains the median third difference: bursts of a signal do not count.

    The likelihood takes a signal for evenly rough; rare bursts of a quiet one pass for noise.
    """
    t, y = times[seen], measured[seen]
    run = np.concatenate([[0], np.cumsum(~joined)])[seen]
    m = len(t) - 3
    parts = np.stack([t[i : m + i] for i in range(4)]) if m > 0 else np.ones((4, 0))
    # Weights of the divided difference, which a parabola passes.
    apart = parts[:, None] - parts[None] + np.eye(4)[:, :, None]
    weight = 1.0 / apart.prod(axis=1)
    weight /= np.sqrt((weight**2).sum(axis=0))
    difference = (weight * np.stack([y[i : max(m, 0) + i] for i in range(4)])).sum(axis=0)
    whole = run[3:] == run[:-3]
    if not whole.any():
        return np.inf
    return max(float(np.median(np.abs(difference[whole]))) / _MEDIAN_OF_NORMAL, 1e-9)


def _likeliest(deviance: Callable[[float], float], cautious: bool) -> float:
    """Find the minimum, or the largest noise that is as likely to two standard deviations.

    Once the noise is far below what the process does in one step the likelihood is flat: the exact
    place of a minimum there says nothing, and a noisy series may be interpolated.
    """
    grid = np.arange(_LOG_RATIO_RANGE[0], _LOG_RATIO_RANGE[1], 1.5)
    heights = np.array([deviance(g) for g in grid])
    if cautious:
        return float(grid[np.argmax(heights <= heights.min() + _AS_LIKELY)])
    best = float(grid[np.argmin(heights)])
    bounds = (best - 1.5, best + 1.5)
    found = minimize_scalar(deviance, bounds=bounds, method="bounded", options={"xatol": 0.1})
    return float(found.x)


def _eliminate(
    step: np.ndarray, target: np.ndarray, weight: np.ndarray, joined: np.ndarray, log_ratio: float
) -> Elimination:
    """Eliminate for one ratio of process intensity to noise variance (per unit step)."""
    n = len(target)
    size = step[:, None] ** np.array([2.5, 1.5, 0.5]) * 10.0 ** (log_ratio / 2)
    whiten = np.where(joined[:, None, None], _WHITEN / size[:, None, :], 0.0)
    forward = np.zeros((n - 1, 3, 3))
    forward[:, [0, 1, 2], [0, 1, 2]] = 1.0
    forward[:, [0, 1], [1, 2]] = step[:, None]
    forward[:, 0, 2] = step**2 / 2
    node_weight = np.full((n, 3), 1e-9)  # determines the slopes of a run of one or two samples
    node_weight[:, 0] += weight
    node_rhs = np.zeros((n, 3))
    node_rhs[:, 0] = weight * target
    nothing = np.zeros((n - 1, 3, 0))
    return eliminate_nodes(
        BorderedBands(
            node_weight, node_rhs, -whiten @ forward, whiten, nothing, np.zeros((n - 1, 3))
        )
    )
