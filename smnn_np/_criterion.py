"""What models are compared by: minus twice the log of their evidence, noise levels profiled out.

    sum_s n_s log(RSS_s / n_s + floor^2) + (price(xi, F) + odds + K0 log(n)) n / (n - K - 2),

price and odds as in ``subset.py``, F the information on the k coefficients, K0 initial states,
K = K0 + k, n measurements. The last factor is the small-sample correction of McQuarrie. Where the
noise of a state is given its part is RSS / noise^2.

References
----------
McQuarrie (1999), A small-sample correction for the Schwarz SIC model selection criterion.
Statistics & Probability Letters 44, 79-86.
"""

import numpy as np

from .identify import Problem, support_of
from .optimize import JointFit
from .subset import price

FLOOR = 1e-4  # of a state's spread: errors of a simulation or of 13 bits are worth no term


def criterion(problem: Problem, fit: JointFit) -> float:
    """Score a fit (see the module's docstring), lower is better; a bound if the links are loose."""
    measured = problem.data.n_seen > 0
    n_seen = problem.data.n_seen[measured]
    squares = problem.data.squares(fit.nodes)[measured]
    if not np.isfinite(squares).all():
        return np.inf
    given = problem.given_noise[measured]
    known = np.square(np.where(np.isnan(given), 1.0, np.maximum(given, FLOOR)))
    estimated = n_seen * np.log(squares / n_seen + FLOOR**2)
    misfit = float(np.where(np.isnan(given), estimated, squares / known).sum())
    # With process noise, states that follow any data are no proof that these have no noise.
    misfit = fit.data_cost if fit.loose else misfit
    n, n_fitted = n_seen.sum(), len(fit.free_xi) + problem.n_initial
    n_tied = 0 if fit.rules is None else fit.rules.n_tied
    paid = price(fit.free_xi, fit.log_information) + problem.n_initial * np.log(n)
    paid += problem.odds.cost(support_of(problem, fit), n_tied)
    return misfit + fit.link_cost + fit.prior_cost + paid * n / max(n - n_fitted - 2, 1.0)


def noise_levels(problem: Problem, fit: JointFit, floor: float = FLOOR) -> np.ndarray:
    """Standard deviation of the noise of each state: as given, or as the fit leaves it."""
    given = problem.given_noise
    return np.where(np.isnan(given), np.maximum(leftover(problem, fit), floor), given)


def leftover(problem: Problem, fit: JointFit) -> np.ndarray:
    """Size of what a fit leaves of each state's measurements, corrected for what was fitted."""
    data = problem.data
    share = min((len(fit.free_xi) + problem.n_initial) / data.n_seen.sum(), 0.9)
    level = np.sqrt(data.squares(fit.nodes) / np.maximum(data.n_seen, 1) / (1 - share))
    return np.where(data.n_seen > 0, level, fit.noise)
