"""Which terms: a stepwise search over joint fits, every model scored by one criterion.

The criterion is the extended Bayesian information criterion with the noise levels profiled out,

    sum_s n_s log(RSS_s / n_s + floor^2) + K log(n) n / (n - K - 2) + 2 log binomial(M, k),

k coefficients of M candidates, K those and the initial states, n measurements. The factor after
log(n) is the small-sample correction of McQuarrie; the last term is the price of having looked at
that many models of the same size. No threshold is left to choose.

References
----------
Chen and Chen (2008), Extended Bayesian information criteria for model selection with large model
spaces. Biometrika 95, 759-771.
McQuarrie (1999), A small-sample correction for the Schwarz SIC model selection criterion.
Statistics & Probability Letters 44, 79-86.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln

from ._data import Record
from .identify import NEGLIGIBLE, Problem, integral_start, pose, tighten, with_defect
from .library import Library
from .optimize import JointFit, gauss_newton, score_gain

FLOOR = 1e-8  # of a state's spread: rounding, and what is left of the discretization error
_STEADY = 0.05  # relative change of the noise levels
_LONG, _N_STRETCHES = 3000, 4  # samples above which structure is found on stretches
_MAX_ROUNDS = 6
_LOOSER, _N_TIGHTENINGS = 1e4, 4
_WEAK = 3.0  # standard errors below which terms are dropped several at a time
_N_CANDIDATES = 8
_N_FEW = 3  # terms an equation in the second start: from all, nearly dependent terms get stuck
_N_ALTERNATIVES = 3  # terms tried, where no fit settles without the weakest
_GAIN = 1e-3  # least improvement of the criterion
_ENOUGH = 100.0  # a model this much worse than the best ends the path
_HOPELESS = 1000.0  # a model this much worse is not fitted to the end


@dataclass(frozen=True)
class Scored:
    """A settled joint fit and its criterion (infinite where its dynamics are not exact)."""

    fit: JointFit
    criterion: float

    @property
    def n_terms(self) -> int:
        """Number of coefficients."""
        return self.fit.n_terms


def discover(
    record: Record, library: Library, order: int, report: Callable[[str], None]
) -> tuple[Problem, "Path"]:
    """Find the path of laws behind a record.

    In a long record the structure is found on stretches of it, then refitted, and put to the
    test of further terms, on all of it.
    """
    xi = None
    if len(record.times) > _LONG:
        stretches = record.thin(_N_STRETCHES, _LONG // _N_STRETCHES)
        report(f"stretches: {len(stretches.times)} of {len(record.times)} times")
        problem, path = discover(stretches, library, order, report)
        xi = problem.scales.raw_xi(path.best.fit.xi)
    for cautious in (False, True):
        problem, values, slopes = pose(record, library, order, cautious)
        if xi is None:
            start = integral_start(problem, values, slopes)
        else:
            start = problem.scales.scaled_xi(xi)
        n_candidates = len(start) * len(problem.targets)
        report(f"{len(values)} nodes, {np.count_nonzero(start)} of {n_candidates} terms")
        full = tighten(problem, values, start, report)
        if not full.loose:
            break
    path = search(problem, full, Path(report))
    if xi is None:
        report("starting again from few terms")
        limit = path.best.criterion + _HOPELESS
        start = integral_start(problem, values, slopes, _N_FEW)
        few = tighten(problem, values, start, report, lambda fit: criterion(problem, fit) > limit)
        path = path if few.loose else search(problem, few, path)
    return problem, path


def criterion(problem: Problem, fit: JointFit) -> float:
    """Score a fit (see the module's docstring), lower is better; a bound if the links are loose."""
    measured = problem.data.n_seen > 0
    n_seen = problem.data.n_seen[measured]
    squares = problem.data.squares(fit.nodes)[measured]
    if not np.isfinite(squares).all():
        return np.inf
    n_candidates = fit.xi.shape[0] * len(problem.targets)
    misfit = float((n_seen * np.log(squares / n_seen + FLOOR**2)).sum())
    models = gammaln(n_candidates + 1) - gammaln(fit.n_terms + 1)
    models -= gammaln(n_candidates - fit.n_terms + 1)
    n, n_fitted = n_seen.sum(), fit.n_terms + problem.n_initial
    price = n_fitted * np.log(n) * n / max(n - n_fitted - 2, 1.0)
    return misfit + fit.link_cost + fit.prior_cost + price + 2 * float(models)


def noise_levels(problem: Problem, fit: JointFit) -> np.ndarray:
    """Standard deviation of the noise of each state, corrected for what was fitted."""
    data = problem.data
    share = min((fit.n_terms + problem.n_initial) / data.n_seen.sum(), 0.9)
    level = np.sqrt(data.squares(fit.nodes) / np.maximum(data.n_seen, 1) / (1 - share))
    return np.where(data.n_seen > 0, np.maximum(level, FLOOR), fit.noise)


def settle(problem: Problem, start: JointFit, limit: float = np.inf) -> Scored:
    """Fit to convergence; where stiff links stop a far start, loosen them and tighten again.

    A model whose criterion exceeds `limit` even before its dynamics are exact is given up.
    """
    model, bound = _settle_once(problem, start, limit)
    if np.isfinite(model.criterion) or bound > limit or start.loose:
        return model
    fit = replace(start, slack=start.slack * _LOOSER)
    for _ in range(_N_TIGHTENINGS):
        fit = gauss_newton(problem.law, problem.data, fit, max_iter=10, tolerance=0.1)
        if not np.isfinite(fit.cost) or criterion(problem, fit) > limit:
            return model
        fit = replace(fit, slack=fit.slack / 10)
    return _settle_once(problem, fit, limit)[0]


def _settle_once(problem: Problem, fit: JointFit, limit: float) -> tuple[Scored, float]:
    """Fit until the noise levels agree with what they leave; also the last (bound of the) score."""
    # A few iterations tell a lost case, at about one unit of chi-square a measurement.
    fit = gauss_newton(problem.law, problem.data, fit, max_iter=4, tolerance=0.05)
    bound, n_iter = criterion(problem, fit), fit.n_iter
    if bound > limit + problem.data.n_seen.sum():
        return Scored(fit, np.inf), bound
    for _ in range(_MAX_ROUNDS):
        fit = with_defect(problem.law, fit)
        fit = gauss_newton(problem.law, problem.data, fit, max_iter=10, tolerance=0.05)
        n_iter += fit.n_iter
        exact = fit.loose or fit.link_cost < NEGLIGIBLE
        bound = criterion(problem, fit)
        noise, slack = noise_levels(problem, fit), fit.slack
        change = noise / fit.noise
        if bound > limit or (exact and np.abs(np.log(change)).max() < _STEADY):
            break
        # The links must stay exact relative to the noise: their slack follows it.
        if not fit.loose:
            slack = fit.slack * min(float(change.min()), 1.0) * (1.0 if exact else 0.1)
        last, fit = fit, replace(fit, noise=noise, slack=slack)
    else:
        fit = last
    score = bound if fit.loose or fit.link_cost < 10 * NEGLIGIBLE else np.inf
    return Scored(replace(fit, n_iter=n_iter), score), bound


class Path:
    """The best model found of each size."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._by_size: dict[int, Scored] = {}
        self._report = report

    def add(self, model: Scored) -> Scored:
        """Keep a model if it is the best of its size; return it."""
        known = self._by_size.get(model.n_terms)
        if known is None or model.criterion < known.criterion:
            self._by_size[model.n_terms] = model
        self._report(f"{model.n_terms:4d} terms  criterion {model.criterion:.6g}")
        return model

    @property
    def best(self) -> Scored:
        """The model with the lowest criterion; the smallest if none has one."""
        return min(self.models[::-1], key=lambda model: model.criterion)

    @property
    def models(self) -> list[Scored]:
        """All models, the largest first."""
        return [self._by_size[size] for size in sorted(self._by_size, reverse=True)]


def search(problem: Problem, start: JointFit, path: Path) -> Path:
    """Go down from all terms to too few; then add to and drop from the best while that helps."""
    first = settle(problem, start)
    if not np.isfinite(first.criterion):
        loose = replace(start, loose=True, slack=start.slack * _LOOSER)
        first = settle(problem, loose)
    _go_down(problem, path.add(first), path, enough=_ENOUGH)
    improved = True
    while improved:
        improved = False
        best = path.best
        for candidate in _promising(problem, best.fit)[:_N_CANDIDATES]:
            larger = path.add(
                settle(problem, _with(best.fit, *candidate), best.criterion + _HOPELESS)
            )
            _go_down(problem, larger, path, enough=0.0)
            improved = path.best.criterion < best.criterion - _GAIN
            if improved:
                break
    return path


def _go_down(problem: Problem, model: Scored, path: Path, enough: float) -> None:
    """Drop the weakest terms and refit, until the criterion is `enough` above the lowest met."""
    lowest = model.criterion
    while model.n_terms > 1:
        model = path.add(_drop_some(problem, model, path.best.criterion + _HOPELESS))
        if not model.criterion <= lowest + enough or (enough == 0 and model.criterion == np.inf):
            break
        lowest = min(lowest, model.criterion)


def _drop_some(problem: Problem, model: Scored, limit: float) -> Scored:
    """Drop a third of the weak terms, else the weakest; if no fit settles, one that is next."""
    order = np.argsort(significance(model.fit))
    n_drop = max(1, int((significance(model.fit) < _WEAK).sum()) // 3)
    smaller = _drop(problem, model, order[:n_drop], limit)
    if n_drop > 1 and model.criterion < smaller.criterion:
        smaller = _drop(problem, model, order[:1], limit)
    for next_weakest in order[1:_N_ALTERNATIVES]:
        if np.isfinite(smaller.criterion):
            break
        smaller = _drop(problem, model, np.array([next_weakest]), limit)
    return smaller


def significance(fit: JointFit) -> np.ndarray:
    """Absolute coefficients over their standard errors (p,)."""
    return np.abs(fit.active_xi) / np.sqrt(np.diag(fit.covariance))


def _drop(problem: Problem, model: Scored, weakest: np.ndarray, limit: float) -> Scored:
    """Refit without some terms.

    The others first take over what their covariance says: nearly collinear terms have large
    coefficients that cancel, and no iteration would find back from dropping one alone.
    """
    fit = model.fit
    kept = np.setdiff1d(np.arange(fit.n_terms), weakest)
    shared = fit.covariance[np.ix_(kept, weakest)]
    own = fit.covariance[np.ix_(weakest, weakest)]
    values = fit.active_xi
    xi = np.zeros_like(fit.xi)
    xi[fit.term[kept], fit.target[kept]] = (
        values[kept] - shared @ np.linalg.lstsq(own, values[weakest], rcond=None)[0]
    )
    return settle(problem, replace(fit, xi=xi, term=fit.term[kept], target=fit.target[kept]), limit)


def _with(fit: JointFit, term: int, target: int) -> JointFit:
    """Let one more coefficient vary, from zero."""
    return replace(fit, term=np.append(fit.term, term), target=np.append(fit.target, target))


def _promising(problem: Problem, fit: JointFit) -> list[tuple[int, int]]:
    """Terms not in the model whose score test promises more than they cost, the best first."""
    if not np.isfinite(fit.cost):
        return []
    outside = np.ones((fit.xi.shape[0], len(problem.targets)), dtype=bool)
    outside[fit.term, fit.target - problem.targets[0]] = False
    terms, positions = np.nonzero(outside)
    targets = problem.targets[positions]
    wide = replace(fit, term=np.append(fit.term, terms), target=np.append(fit.target, targets))
    gain = score_gain(problem.law, problem.data, wide, fit.n_terms)
    price = float(np.log(problem.data.n_seen.sum()))
    return [(int(terms[j]), int(targets[j])) for j in np.argsort(-gain) if gain[j] > price]
