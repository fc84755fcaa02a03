"""From a record to a converged joint fit of all candidate terms: smooth, start, tighten."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from ._data import Record
from .dynamics import Law
from .library import Library, ScaledLibrary
from .optimize import JointFit, Measurements, gauss_newton, quadratic_model
from .spline import smooth
from .subset import Odds, Quadratic

_NEGLIGIBLE = (0.1, 1e-6)  # chi-square of the links that counts as none: at least, a measurement
TIGHTEST = 1e-13  # slack below which the links would measure their own rounding
_MAX_STAGES = 14
_MAX_PIECES = 16
_STEPS_PER_UNIT = 6.0


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
    """

    record: Record
    scales: Scales
    law: Law
    data: Measurements
    targets: np.ndarray
    noise: np.ndarray

    @property
    def n_initial(self) -> int:
        """Number of initial states of all runs."""
        return self.data.mean.shape[1] * (1 + int((~self.law.joined).sum()))

    @cached_property
    def odds(self) -> Odds:
        """How likely models are before any data."""
        return Odds.of(self.law.library.factors[candidates(self)[0]])

    @property
    def negligible(self) -> float:
        """Chi-square of the links at which the dynamics count as exact."""
        return max(_NEGLIGIBLE[0], _NEGLIGIBLE[1] * float(self.data.n_seen.sum()))


def smooth_record(record: Record, guess: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth every state on its own: values, slopes (N, S) and noise levels (S,)."""
    n_states = record.mean.shape[1]
    columns = [(record.mean[:, s], record.count[:, s]) for s in range(n_states)]
    splines = [smooth(record.times, *columns[s], record.joined, guess) for s in range(n_states)]
    values = np.stack([spline.value for spline in splines], axis=1)
    slopes = np.stack([spline.slope for spline in splines], axis=1)
    return values, slopes, np.array([spline.noise_std for spline in splines])


def pose(
    record: Record, library: Library, order: int, guess: str
) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Scale a record and choose its nodes: the problem, starting states and slopes."""
    values, slopes, noise = smooth_record(record, guess)
    spread = np.array(
        [_spread(record.mean[:, s][record.count[:, s] > 0]) for s in range(values.shape[1])]
    )
    speed = np.sqrt(np.mean((slopes / spread) ** 2))
    span = np.ptp(record.times) or 1.0
    time = 1.0 / max(float(speed), 1e-3 / span)
    step = np.where(record.joined, np.diff(record.times), 0.0)
    pieces = np.clip(np.ceil(step / time * _STEPS_PER_UNIT), 1, _MAX_PIECES).astype(int)
    if (pieces > 1).any():
        record = record.insert(pieces)
        values, slopes, noise = smooth_record(record, guess)
    values, slopes, noise = values / spread, slopes / spread * time, noise / spread
    n_states = values.shape[1]
    known = np.zeros((order * n_states, order * n_states))
    mean, count, within = record.mean / spread, record.count, record.within / spread**2
    state_scale = spread
    if order == 2:
        known[:n_states, n_states:] = np.eye(n_states)
        values, slopes = _with_velocities(values, slopes, record, time)
        mean, count = (np.concatenate([a, np.zeros_like(a)], axis=1) for a in (mean, count))
        within, noise = np.append(within, np.zeros(n_states)), np.append(noise, np.ones(n_states))
        state_scale = np.append(spread, spread / time)
    input_scale = np.append(state_scale, np.ones(record.controls.shape[1]))
    inputs = np.concatenate([values, record.controls], axis=1)
    raw = library.values(inputs * input_scale)
    term_scale = np.sqrt(np.mean(raw**2, axis=0))
    term_scale = np.where(term_scale > 0, term_scale, 1.0)
    law = Law(
        ScaledLibrary(library, input_scale, term_scale),
        known,
        np.where(record.joined, np.diff(record.times) / time, 1.0),
        record.joined,
        record.controls,
    )
    scales = Scales(state_scale, time, term_scale)
    targets = np.arange((order - 1) * n_states, order * n_states)
    floor = 1e-9
    problem = Problem(
        record, scales, law, Measurements(mean, count, within), targets, np.maximum(noise, floor)
    )
    return problem, values, slopes


def _with_velocities(
    values: np.ndarray, slopes: np.ndarray, record: Record, time: float
) -> tuple[np.ndarray, np.ndarray]:
    """Append slopes as states; their slopes are differenced."""
    bend = np.zeros_like(slopes)
    edges = np.flatnonzero(np.concatenate([[True], ~record.joined, [True]]))
    for start, stop in pairwise(edges):
        if stop - start > 1:
            bend[start:stop] = np.gradient(
                slopes[start:stop], record.times[start:stop] / time, axis=0
            )
    return np.concatenate([values, slopes], axis=1), np.concatenate([slopes, bend], axis=1)


def _spread(values: np.ndarray) -> float:
    """Spread of a state; its size where it does not vary; one where it is zero."""
    spread = float(np.std(values)) if len(values) else 0.0
    size = float(np.abs(values).max(initial=0.0))
    return spread if spread > 1e-12 * size else (size or 1.0)


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
        n_seen = int(problem.data.n_seen[position])
        xi[:, s] = _select_columns(rows, sides[:, s], n_most or max(1, int(2 * n_seen**0.5)))
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
        fit = replace(fit, slack=slack, noise=np.maximum(fit.noise, level))
    return replace(good or fit, loose=True)


def _loosest(problem: Problem, values: np.ndarray, xi: np.ndarray) -> JointFit:
    """Start of a fit whose slack is what the smoothed states leave."""
    law = problem.law
    term, position = np.nonzero(xi[:, problem.targets])
    residual = law.residuals(values, xi)
    slack = float(np.sqrt(np.mean(residual**2 / law.step[:, None]))) if len(residual) else 1.0
    defect = np.zeros((len(law.step), values.shape[1]))
    active = (term, problem.targets[position])
    return JointFit(values, xi, np.zeros((0, 0)), *active, problem.noise, max(slack, 1e-9), defect)


def candidates(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Term and target of every candidate coefficient (M,)."""
    n_terms = len(problem.scales.term)
    terms, positions = np.divmod(np.arange(n_terms * len(problem.targets)), len(problem.targets))
    return terms, problem.targets[positions]


def support_of(problem: Problem, fit: JointFit) -> np.ndarray:
    """Indices of a fit's coefficients among the candidates (k,)."""
    return fit.term * len(problem.targets) + fit.target - problem.targets[0]


def pruned(problem: Problem, fit: JointFit) -> JointFit:
    """Take the terms that the quadratic model of the cost around a fit likes best."""
    quadratic = quadratic_model(problem.law, problem.data, fit, *candidates(problem))
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
    xi[terms, targets] = quadratic.solve(support)[0]
    return replace(fit, xi=xi, term=terms, target=targets)


def with_defect(law: Law, fit: JointFit) -> JointFit:
    """Bring the discretization error up to date, to a thousandth of the noise."""
    tolerance = max(1e-3 * float(fit.noise.min()), 1e-13)
    return replace(fit, defect=law.defects(fit.nodes, fit.xi, tolerance))
