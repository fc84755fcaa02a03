"""From a problem to a converged joint fit of all candidate terms: start, tighten, restrict."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ._data import Record
from ._known import Candidates
from .dynamics import Law
from .optimize import JointFit, Measurements, gauss_newton, quadratic_model
from .subset import Odds, Quadratic

_NEGLIGIBLE = (0.1, 1e-6)  # chi-square of the links that counts as none: at least, a measurement
TIGHTEST = 1e-13  # slack below which the links would measure their own rounding
_MAX_STAGES = 14


@dataclass(frozen=True)
class Scales:
    """Units in which every number of the fit is near one: states (S,), time, terms (P,)."""

    state: np.ndarray
    time: float
    term: np.ndarray

    def raw_xi(self, xi: np.ndarray) -> np.ndarray:
        """Coefficients (P, S) in the user's units."""
        return xi * self.state / self.time / self.term[:, None]

    def scaled_xi(self, raw: np.ndarray) -> np.ndarray:
        """Coefficients (P, S) in the units of the fit."""
        return raw / self.state * self.time * self.term[:, None]


@dataclass(frozen=True)
class Problem:
    """A record on its nodes, in scaled units, with the law's known parts and candidates.

    Attributes
    ----------
    record : Record
        In the user's units.
    scales : Scales
    law : Law
    data : Measurements
    targets : ndarray
        Indices of the states whose equations are sought.
    noise : ndarray of shape (S,)
        Noise levels found without a law.
    candidates : Candidates
    given_noise : ndarray of shape (S,)
        Noise levels that were given, NaN where none was.
    """

    record: Record
    scales: Scales
    law: Law
    data: Measurements
    targets: np.ndarray
    noise: np.ndarray
    candidates: Candidates
    given_noise: np.ndarray

    @property
    def n_initial(self) -> int:
        """Number of initial states of all runs."""
        return self.data.mean.shape[1] * (1 + int((~self.law.joined).sum()))

    @cached_property
    def odds(self) -> Odds:
        """How likely models are before any data."""
        return Odds.of(self.law.library.factors[candidates(self)[0]], self.candidates.rules)

    @property
    def negligible(self) -> float:
        """Chi-square of the links at which the dynamics count as exact."""
        return max(_NEGLIGIBLE[0], _NEGLIGIBLE[1] * float(self.data.n_seen.sum()))


def integral_start(
    problem: Problem, values: np.ndarray, slopes: np.ndarray, n_most: int | None = None
) -> np.ndarray:
    """Coefficients (P, S) by regression of increments on integrals of the terms.

    At most `n_most` terms an equation, by default as many as the measurements may determine.
    """
    law = problem.law
    inputs = np.concatenate([values, law.controls], axis=1)
    terms, jacobian = law.library.values(inputs), law.library.jacobian(inputs)
    xi = np.zeros((terms.shape[1], values.shape[1]))
    velocity = np.concatenate([slopes[:-1], law.control_rate], axis=1)
    dot0 = np.einsum("npd,nd->np", jacobian[:-1], velocity)
    velocity = np.concatenate([slopes[1:], law.control_rate], axis=1)
    dot1 = np.einsum("npd,nd->np", jacobian[1:], velocity)
    h = law.step[:, None]
    pieces = h / 2 * (terms[1:] + terms[:-1]) + h**2 / 12 * (dot0 - dot1)
    gaps = np.diff(values, axis=0)
    rows, sides = _windows(pieces, gaps, law, duration=0.5)
    for position, s in enumerate(problem.targets):
        n_most_here = n_most or max(1, int(2 * int(problem.data.n_seen[position]) ** 0.5))
        fixed = problem.candidates.fixed[:, position]
        mine = problem.candidates.index % len(problem.targets) == position
        allowed = problem.candidates.index[mine] // len(problem.targets)
        side = sides[:, s] - rows @ fixed
        xi[:, s] = fixed
        xi[allowed, s] = _select_columns(rows[:, allowed], side, n_most_here)
    return xi


def _windows(
    pieces: np.ndarray, gaps: np.ndarray, law: Law, duration: float
) -> tuple[np.ndarray, np.ndarray]:
    """Add up neighbouring links of one run into overlapping windows of about one duration."""
    typical = float(np.median(law.step[law.joined])) if law.joined.any() else 1.0
    width = int(np.clip(round(duration / typical), 1, max(1, len(law.step) // 4)))
    total = np.concatenate([np.zeros((1, pieces.shape[1])), np.cumsum(pieces, axis=0)])
    climb = np.concatenate([np.zeros((1, gaps.shape[1])), np.cumsum(gaps, axis=0)])
    broken = np.concatenate([[0], np.cumsum(~law.joined)])
    whole = broken[width:] == broken[:-width]
    return (total[width:] - total[:-width])[whole], (climb[width:] - climb[:-width])[whole]


def _select_columns(rows: np.ndarray, side: np.ndarray, n_most: int) -> np.ndarray:
    """Least squares; with more terms than the data can determine, a forward selection."""
    n_terms = rows.shape[1]
    scale = np.linalg.norm(rows, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    rows = rows / scale
    if n_terms > n_most:
        chosen = _forward(rows, side, n_most)
    else:
        chosen = np.arange(n_terms)
    xi = np.zeros(n_terms)
    part = rows[:, chosen]
    gram = part.T @ part + 1e-10 * np.eye(len(chosen))
    xi[chosen] = np.linalg.solve(gram, part.T @ side)
    return xi / scale


def _forward(rows: np.ndarray, side: np.ndarray, n_most: int) -> np.ndarray:
    """Orthogonal forward selection: the column that explains most of what is left, n_most times."""
    left, rest = side.copy(), rows.copy()
    chosen: list[int] = []
    for _ in range(min(n_most, len(side))):
        size = np.linalg.norm(rest, axis=0)
        gain = np.where(size > 1e-6, np.abs(rest.T @ left) / np.maximum(size, 1e-6), -1.0)
        gain[chosen] = -1.0
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(best)
        unit = rest[:, best] / size[best]
        left -= unit * (unit @ left)
        rest -= np.outer(unit, unit @ rest)
    return np.array(sorted(chosen), dtype=np.int64)


def tighten(
    problem: Problem,
    values: np.ndarray,
    xi: np.ndarray,
    report: Callable[[str], None],
    prune: bool = False,
    stride: float = 10.0,
) -> JointFit:
    """Joint fit of all chosen terms; the slack of the dynamics falls until they count as exact.

    It falls by the factor `stride`. With `prune` the terms are chosen anew at each slack: those
    that the evidence, given that slack, wants. Where no such law follows the data the tightest
    slack that did is kept, as process noise.
    """
    law, data = problem.law, problem.data
    fit = _loosest(problem, values, xi)
    n_seen = float(data.n_seen.sum())
    good: JointFit | None = None
    for _ in range(_MAX_STAGES):
        fit = gauss_newton(law, data, with_defect(law, fit), max_iter=15, tolerance=0.1)
        if prune:
            fit = gauss_newton(law, data, pruned(problem, fit), max_iter=15, tolerance=0.1)
        report(
            f"slack {fit.slack:.1e}  {fit.n_terms} terms  misfit {fit.data_cost:.6g}  "
            f"links {fit.link_cost:.3g}"
        )
        if fit.link_cost < problem.negligible or fit.slack <= TIGHTEST:
            return fit
        if good is not None and not fit.converged and not fit.link_cost < n_seen:
            return replace(good, loose=True)
        good = fit
        # Without a law a spiky signal may have passed for one without noise.
        level = np.sqrt(data.squares(fit.nodes) / np.maximum(data.n_seen, 1))
        slack = max(fit.slack / stride, TIGHTEST)
        noise = np.where(np.isnan(problem.given_noise), np.maximum(fit.noise, level), fit.noise)
        fit = replace(fit, slack=slack, noise=noise)
    return replace(good or fit, loose=True)


def _loosest(problem: Problem, values: np.ndarray, xi: np.ndarray) -> JointFit:
    """Start of a fit whose slack is what the smoothed states leave."""
    law, xi = problem.law, xi.copy()
    support = np.flatnonzero(xi[:, problem.targets].ravel()[problem.candidates.index])
    rules = problem.candidates.rules
    if rules is not None:
        support = np.union1d(support, np.flatnonzero(rules.required))
        every = np.arange(len(rules.lower))
        whole = [rules.closed(some) for some in (support, every)]
        support = next((each for each in whole if each is not None), every)
        rules = rules.part(support)
    term, target = (part[support] for part in candidates(problem))
    start = xi[term, target] if rules is None else rules.nearest(xi[term, target])
    xi[:, problem.targets] = problem.candidates.fixed
    xi[term, target] = 0.0 if start is None else start
    residual = law.residuals(values, xi)
    slack = float(np.sqrt(np.mean(residual**2 / law.step[:, None]))) if len(residual) else 1.0
    defect = np.zeros((len(law.step), values.shape[1]))
    some = (values, xi, np.zeros((0, 0)), term, target, problem.noise, max(slack, 1e-9), defect)
    return JointFit(*some, rules=rules)


def candidates(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Term and target of every candidate coefficient (M,)."""
    terms, positions = np.divmod(problem.candidates.index, len(problem.targets))
    return terms, problem.targets[positions]


def support_of(problem: Problem, fit: JointFit) -> np.ndarray:
    """Indices of a fit's coefficients among the candidates (k,)."""
    place = fit.term * len(problem.targets) + fit.target - problem.targets[0]
    return problem.candidates.support(place)


def quadratic_around(problem: Problem, fit: JointFit) -> Quadratic | None:
    """Quadratic model of the cost in the coefficients of all candidates around a fit."""
    found = quadratic_model(problem.law, problem.data, fit, *candidates(problem))
    return found and Quadratic(*found, problem.odds, problem.candidates.rules)


def pruned(problem: Problem, fit: JointFit) -> JointFit:
    """Take the terms that the quadratic model of the cost around a fit likes best."""
    quadratic = quadratic_around(problem, fit)
    if quadratic is None:
        return fit
    return restrict(problem, fit, quadratic, quadratic.best(support_of(problem, fit)))


def restrict(
    problem: Problem, fit: JointFit, quadratic: Quadratic, support: np.ndarray
) -> JointFit:
    """Start of a fit with other terms: their coefficients are those of the quadratic model.

    Nearly collinear terms have large coefficients that cancel, and no iteration would find back
    from dropping one alone.
    """
    support = np.sort(support)
    terms, targets = (part[support] for part in candidates(problem))
    xi = np.zeros_like(fit.xi)
    xi[:, problem.targets] = problem.candidates.fixed
    xi[terms, targets] = quadratic.solve(support)[0]
    rules = None if quadratic.rules is None else quadratic.rules.part(support)
    fit = replace(fit, xi=xi, term=terms, target=targets, rules=rules)
    return replace(fit, basis=None, held=None, converged=False)


def with_defect(law: Law, fit: JointFit) -> JointFit:
    """Bring the discretization error up to date, to a thousandth of the noise."""
    tolerance = max(1e-3 * float(fit.noise.min()), 1e-13)
    return replace(fit, defect=law.defects(fit.nodes, fit.xi, tolerance))
