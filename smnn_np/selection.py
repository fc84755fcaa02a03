"""Which terms: a walk over joint fits, each the best by the quadratic model of the one before.

Models are compared by their criterion (``_criterion.py``). No threshold is left to choose.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ._criterion import FLOOR, criterion, leftover, noise_levels
from ._data import Record
from ._found import Path, Scored
from ._known import Known
from ._pose import pose
from ._residuals import persists
from .identify import (
    TIGHTEST,
    Problem,
    integral_start,
    restrict,
    support_of,
    tighten,
    with_defect,
)
from .library import Library
from .optimize import JointFit, gauss_newton
from .subset import Quadratic

_STEADY = 0.05  # relative change of the noise levels
_LONG, _N_STRETCHES = 3000, 4  # samples above which structure is found on stretches
_MAX_ROUNDS = 6
_LOOSER, _N_TIGHTENINGS = 1e4, 4
_N_CANDIDATES = 8
ROUNDING = 1e-8  # of a state's spread: the least noise that a chosen law is fitted with
_EXPLAINED = 0.3  # of a state's spread: less noise means that the law explains the state
_FOLLOWS = 3.0  # times the noise without a law: more is not the same signal
_CLOSE = 10.0  # a change that the quadratic model likes less than this is tried
_GAIN = 1e-3  # least improvement of the criterion
_ENOUGH = 100.0, 0.1  # a model this much worse than the best ends the path: or a measurement
_HOPELESS = 1000.0  # a model this much worse is not fitted to the end
NO_LAW = (
    "no candidate law follows the data: its trajectories are not to be trusted; "
    "try another degree, or more samples a period."
)


def discover(
    record: Record, library: Library, order: int, given: Known, report: Callable[[str], None]
) -> tuple[Problem, Path]:
    """Find the path of laws behind a record.

    In a long record the structure is found on stretches of it, then refitted, and put to the
    test of further terms, on all of it.
    """
    xi, hurry = None, False
    if len(record.times) > _LONG:
        stretches = record.thin(_N_STRETCHES, _LONG // _N_STRETCHES)
        report(f"stretches: {len(stretches.times)} of {len(record.times)} times")
        problem, path = discover(stretches, library, order, given, report)
        xi, hurry = problem.scales.raw_xi(path.best.fit.xi), path.interrupted
    found: list[tuple[Problem, Path]] = []
    for guess in ("robust", "likely", "cautious"):
        try:
            found.append(_attempt(record, library, order, given, guess, xi, report, hurry))
        except KeyboardInterrupt:
            if not found:
                raise
            found[-1][1].interrupted = True
        if found[-1][1].follows or found[-1][1].interrupted or given.noise is not None:
            break
    problem, path = min(found, key=lambda pair: pair[1].best.rank)
    path.follows = _explains(problem, path) or any(other.follows for _, other in found)
    _polish(problem, path)
    return problem, path


def _polish(problem: Problem, path: Path) -> None:
    """Refit the best model to the last digits, where its noise was kept at the floor."""
    best = path.best
    if best.exact and (best.fit.noise <= FLOOR).any():
        fine = settle(problem, best.fit, floor=ROUNDING)
        if fine.exact:
            path.replace(replace(best, fit=fine.fit))


def _attempt(
    record: Record,
    library: Library,
    order: int,
    given: Known,
    guess: str,
    xi: np.ndarray | None,
    report: Callable[[str], None],
    hurry: bool = False,
) -> tuple[Problem, Path]:
    """Search from one guess of the noise, or from coefficients in the user's units.

    An interruption ends it with what was found. In a hurry the terms given are fitted, no more.
    """
    problem, values, slopes = pose(record, library, order, guess, given)
    start = integral_start(problem, values, slopes) if xi is None else problem.scales.scaled_xi(xi)
    report(f"{guess} noise: {len(values)} nodes, {np.count_nonzero(start)} terms")
    path = Path(report)
    path.interrupted = hurry
    try:
        _explore(problem, values, start, path, xi is None)
    except KeyboardInterrupt:
        if not path.models:
            raise
        path.interrupted = True
    return problem, path


def _explore(
    problem: Problem, values: np.ndarray, start: np.ndarray, path: Path, anew: bool
) -> None:
    """Search, fill the path, and say whether its law follows the data."""
    report = path.report
    stride = 10.0 if anew else 1000.0  # a law that is known already is near
    if path.interrupted:
        path.add(settle(problem, tighten(problem, values, start, report, False, stride)))
        return
    # Where choosing anew at every slack finds no exact law, keeping all terms may.
    for prune in (True, False) if anew else (False,):
        before = path.best if path.models else None
        trial = Path(report)
        try:
            search(problem, tighten(problem, values, start, report, prune, stride), trial)
        finally:
            path.take(trial)
        # Two starts may share one wrong end: what it leaves is no noise.
        twice = before is not None and _same(trial.best, before)
        sure = not anew or (twice and not persists(problem, path.best.fit))
        path.follows = _follows(problem, path) or (sure and _explains(problem, path))
        if path.follows:
            break
    if anew:
        _widen(problem, path)


def _follows(problem: Problem, path: Path) -> bool:
    """Whether the best law is exact and leaves little more noise than smoothing without a law."""
    seen = problem.data.n_seen > 0
    known, left = problem.noise[seen], leftover(problem, path.best.fit)[seen]
    return path.exact and bool((left < _FOLLOWS * known + FLOOR).all())


def _explains(problem: Problem, path: Path) -> bool:
    """Whether the best law is exact and leaves a small part of the states' spread.

    A smoother that interpolates coarse samples has no noise to compare with: then the spread is
    the measure.
    """
    left = leftover(problem, path.best.fit)[problem.data.n_seen > 0]
    return path.exact and bool((left < _EXPLAINED).all())


def _same(model: Scored, other: Scored) -> bool:
    """Whether two searches ended in one law: another start would hardly find a better one."""
    first, second = ({*zip(m.fit.term, m.fit.target, strict=True)} for m in (model, other))
    return first == second and abs(model.criterion - other.criterion) < _CLOSE


def _widen(problem: Problem, path: Path) -> None:
    """Put the model of all candidates on the path, to show what dropping terms has gained."""
    best, n_candidates = path.best, len(problem.candidates.index)
    if not best.exact or 2 * (n_candidates + problem.n_initial) > problem.data.n_seen.sum():
        return
    quadratic = path.quadratic(problem, best.fit)
    every = None if quadratic is None else quadratic.closed(np.arange(n_candidates))
    if quadratic is not None and every is not None:
        start = restrict(problem, best.fit, quadratic, every)
        path.add(settle(problem, start, best.criterion + _HOPELESS))


def settle(
    problem: Problem, start: JointFit, limit: float = np.inf, floor: float = FLOOR
) -> Scored:
    """Fit to convergence; where stiff links stop a far start, loosen them and tighten again.

    A model whose criterion exceeds `limit` even before its dynamics are exact is given up.
    """
    model, bound = _settle_once(problem, start, limit, floor)
    if np.isfinite(model.criterion) or bound > limit or start.loose:
        return model
    fit = replace(start, slack=start.slack * _LOOSER)
    for _ in range(_N_TIGHTENINGS):
        fit = gauss_newton(problem.law, problem.data, fit, max_iter=10, tolerance=0.1)
        if not np.isfinite(fit.cost) or criterion(problem, fit) > limit:
            return model
        fit = replace(fit, slack=fit.slack / 10, converged=False)
    return _settle_once(problem, fit, limit, floor)[0]


def _settle_once(
    problem: Problem, fit: JointFit, limit: float, floor: float
) -> tuple[Scored, float]:
    """Fit until the noise levels agree with what they leave; also the last (bound of the) score."""
    # A few iterations tell a lost case, at about one unit of chi-square a measurement.
    if not fit.converged:
        fit = gauss_newton(problem.law, problem.data, fit, max_iter=4, tolerance=0.05)
    bound, n_iter = criterion(problem, fit), fit.n_iter
    if bound > limit + problem.data.n_seen.sum():
        return Scored(fit, np.inf), bound
    for _ in range(_MAX_ROUNDS):
        fit = with_defect(problem.law, fit)
        fit = gauss_newton(problem.law, problem.data, fit, max_iter=10, tolerance=0.05)
        n_iter += fit.n_iter
        exact = fit.loose or fit.link_cost < problem.negligible or fit.slack <= TIGHTEST
        bound = criterion(problem, fit)
        noise = fit.noise if fit.loose else noise_levels(problem, fit, floor)
        slack = fit.slack
        change = noise / fit.noise
        if bound > limit or (exact and np.abs(np.log(change)).max() < _STEADY):
            break
        if not exact:
            slack = max(slack / 10, TIGHTEST)
        last, fit = fit, replace(fit, noise=noise, slack=slack)
    else:
        fit = last
    settled = exact or fit.link_cost < 10 * problem.negligible
    score = bound if settled else np.inf
    return Scored(replace(fit, n_iter=n_iter), score), bound


def search(problem: Problem, start: JointFit, path: Path) -> Path:
    """Improve a start step by step; where no law is exact, with process noise."""
    if not start.loose:
        _improve(problem, path.add(settle(problem, start)), path)
    if not path.exact:
        slack = start.slack * (1.0 if start.loose else _LOOSER)
        loose = replace(start, loose=True, slack=slack, converged=False)
        _improve(problem, path.add(settle(problem, loose)), path)
        firm = settle(problem, replace(path.best.fit, loose=False))
        if firm.exact:
            _improve(problem, path.add(firm), path)
    best = None
    while path.best is not best:
        best = path.best
        _go_down(problem, best, path)
        if path.best is not best:
            _improve(problem, path.best, path)
    return path


def _improve(problem: Problem, model: Scored | None, path: Path) -> None:
    """Walk from model to better model."""
    while model is not None:
        model = _walk(problem, model, path)


def _walk(problem: Problem, model: Scored, path: Path) -> Scored | None:
    """Find a better model: the one that the quadratic model likes best, or a single change."""
    quadratic = path.quadratic(problem, model.fit)
    if quadratic is None:
        return None
    limit = path.best.criterion + _HOPELESS
    support = support_of(problem, model.fit)
    goal = quadratic.best(support)
    going = _order_of_leaving(quadratic, np.union1d(support, goal), goal)
    n_leaving = len(going)
    while set(goal) != set(support):
        trial = path.add(settle(problem, restrict(problem, model.fit, quadratic, goal), limit))
        if trial.exact > model.exact or trial.criterion < model.criterion - _GAIN:
            return trial
        n_leaving //= 2
        if not n_leaving:
            break
        closer = quadratic.closed(np.setdiff1d(np.union1d(support, goal), going[:n_leaving]))
        if closer is None:
            break
        goal = closer
    if not np.isfinite(model.criterion):
        return None
    for move in _single_moves(quadratic, support)[:_N_CANDIDATES]:
        trial = path.add(settle(problem, restrict(problem, model.fit, quadratic, move), limit))
        if trial.exact > model.exact or trial.criterion < model.criterion - _GAIN:
            return trial
    return None


def _single_moves(quadratic: Quadratic, support: np.ndarray) -> list[np.ndarray]:
    """Supports with one column more or less that lose little by the quadratic model."""
    now = quadratic.score(support)
    moves = quadratic.moves(support)
    scores = np.array([quadratic.score(move) for move in moves])
    return [moves[i] for i in np.argsort(scores) if scores[i] < now + _CLOSE]


def _order_of_leaving(quadratic: Quadratic, support: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Columns of a support that are not in the goal, the weakest first."""
    order = []
    while len(support) > len(goal):
        weakest = support[quadratic.weakest(support)]
        leaves = weakest[~np.isin(weakest, goal)][0]
        order.append(leaves)
        support = support[support != leaves]
    return np.array(order, dtype=np.int64)


def _go_down(problem: Problem, model: Scored, path: Path) -> None:
    """Fit the best models with ever fewer terms, until the criterion is `_ENOUGH` too high.

    In many samples single terms are worth thousands: the law that is nearly as good shall be seen.

    In a long record a fit that fails is dear: the quadratic model must see a chance.
    """
    n_seen = float(problem.data.n_seen.sum())
    enough = max(_ENOUGH[0], _ENOUGH[1] * n_seen)
    while model.n_terms > 1 and model.criterion <= path.best.criterion + enough:
        quadratic = path.quadratic(problem, model.fit)
        support = support_of(problem, model.fit)
        smaller = None if quadratic is None else quadratic.shrunk(support)
        if quadratic is None or smaller is None:
            break
        loss = quadratic.score(smaller) - quadratic.score(support)
        if len(problem.record.times) > _LONG and loss > n_seen:
            break
        start = restrict(problem, model.fit, quadratic, smaller)
        model = path.add(settle(problem, start, path.best.criterion + _HOPELESS))
