"""Gauss-Newton on states and coefficients together: every iteration is one banded elimination."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ._rules import Rules
from .banded import BorderedBands
from .border import Elimination, eliminate_pieces, solve_border
from .dynamics import Law
from .subset import log_information

_MAX_TRIALS = 9
_LEAST_DAMPING = 1e-3
_N_CORRECTIONS = 2
# In units where states, time and terms are near one, coefficients are: a weak prior says so. It
# keeps a fit from explaining one state by a million times the slack of another.
COEFFICIENT_STD = 1e3
_LINEAR = 1e-6  # share of the cost by which a linearized problem errs that is good to the end
_INDIFFERENT = 1e-6  # chi-square below which rounding decides whether a cost falls


@dataclass(frozen=True)
class Measurements:
    """What was measured at the nodes, in scaled units.

    Parameters
    ----------
    mean : ndarray of shape (N, S)
        Mean of the measurements of a state at a node; 0 where there is none.
    count : ndarray of shape (N, S)
        Number of measurements.
    within : ndarray of shape (S,)
        Sum of squares of repeated measurements around their means.
    """

    mean: np.ndarray
    count: np.ndarray
    within: np.ndarray

    @property
    def n_seen(self) -> np.ndarray:
        """Number of measurements of each state (S,)."""
        return self.count.sum(axis=0)

    def squares(self, y: np.ndarray) -> np.ndarray:
        """Sum of squared differences between measurements and nodes, of each state (S,)."""
        return (self.count * (y - self.mean) ** 2).sum(axis=0) + self.within


@dataclass(frozen=True)
class JointFit:
    """States, coefficients and how well they do.

    Attributes
    ----------
    nodes : ndarray of shape (N, S)
    xi : ndarray of shape (P, S)
    covariance : ndarray of shape (p, p)
        Of the active coefficients, for the noise level given.
    term, target : ndarray of shape (p,)
        Library term and state of each active coefficient.
    noise : ndarray of shape (S,)
        Standard deviations assumed for the measurements.
    slack : float
        Allowed misfit of the dynamics: standard deviation per square root of time.
    defect : ndarray of shape (L, S)
        Discretization error subtracted from the links.
    loose : bool
        Whether the law cannot follow the data exactly, and keeps its slack as process noise.
    data_cost, link_cost : float
        Sums of squares of weighted residuals.
    n_iter : int
    converged : bool
    log_information : float
        Log det(1 + F) of the information F on the active coefficients.
    rules : Rules or None
        What is known of the active coefficients.
    basis : ndarray of shape (p, r) or None
        Directions in which the rules leave them free.
    held : ndarray of shape (p,) or None
        Which of them are at a bound.
    """

    nodes: np.ndarray
    xi: np.ndarray
    covariance: np.ndarray
    term: np.ndarray
    target: np.ndarray
    noise: np.ndarray
    slack: float
    defect: np.ndarray
    loose: bool = False
    data_cost: float = np.inf
    link_cost: float = np.inf
    n_iter: int = 0
    converged: bool = False
    log_information: float = np.inf
    rules: Rules | None = None
    basis: np.ndarray | None = None
    held: np.ndarray | None = None

    @property
    def cost(self) -> float:
        """Everything that is minimized."""
        return self.data_cost + self.link_cost + self.prior_cost

    @property
    def prior_cost(self) -> float:
        """Misfit of the coefficients to their prior."""
        return float(((self.active_xi / COEFFICIENT_STD) ** 2).sum())

    @property
    def active_xi(self) -> np.ndarray:
        """Active coefficients (p,)."""
        return self.xi[self.term, self.target]

    @property
    def free_xi(self) -> np.ndarray:
        """Coefficients along the directions that rules leave free (r,)."""
        return self.active_xi if self.basis is None else self.basis.T @ self.active_xi

    @property
    def n_terms(self) -> int:
        """Number of active coefficients."""
        return len(self.term)


def gauss_newton(
    law: Law, data: Measurements, start: JointFit, max_iter: int, tolerance: float
) -> JointFit:
    """Iterate from a start until the cost falls by less than `tolerance` (in units of chi-square).

    Parameters
    ----------
    law, data : Law, Measurements
        The problem.
    start : JointFit
        Nodes, coefficients, active terms, noise, slack and defect to start from.
    max_iter : int
        Largest number of iterations.
    tolerance : float
        Stop when an iteration gains less than this, or than 1e-6 of the cost; or when it comes
        within a tenth of this to the least cost of the linearized problem, for then the next one
        would gain as little.
    """
    fit = replace(_evaluate(law, data, start, start.nodes, start.xi), converged=False)
    damping = 0.0
    for iteration in range(max_iter):
        elimination = eliminate(law, data, fit)
        if elimination is None:
            # Overflowing rows say nothing about the coefficients.
            return replace(fit, covariance=np.diag(np.full(fit.n_terms, 1e30)))
        before, least = fit.cost, _least_cost(data, fit, elimination)
        fit, damping = _damped_step(law, data, fit, elimination, damping)
        done = before - fit.cost < max(tolerance, 1e-6 * fit.cost)
        done |= fit.cost - least < min(0.1 * tolerance, _LINEAR * fit.cost)
        done &= damping == 0.0
        fit = replace(fit, n_iter=iteration + 1, converged=done)
        if done or damping == np.inf:
            break
    return fit


def _least_cost(data: Measurements, fit: JointFit, elimination: Elimination) -> float:
    """Cost at the minimum of the problem linearized at a fit."""
    rows = np.column_stack(_quadratic(elimination, fit.active_xi))
    corner = np.asarray(np.linalg.qr(rows, mode="r"))[-1, -1] if fit.n_terms else 0.0
    repeats = (data.within / fit.noise**2).sum()
    return float(elimination.rest + corner**2 + repeats)


def _damped_step(
    law: Law, data: Measurements, fit: JointFit, elimination: Elimination, damping: float
) -> tuple[JointFit, float]:
    """Raise the damping of the coefficients until the cost falls; lower it for the next step.

    Where no damping helps it is infinite, and the fit stays. Damping costs no new elimination: the
    nodes follow from whatever the coefficients do.
    """
    triangle, rhs = _quadratic(elimination, fit.active_xi)
    fit = _with_uncertainty(fit, triangle, rhs, elimination.border)
    size = np.linalg.norm(triangle, axis=0)
    for _ in range(_MAX_TRIALS):
        damped = np.concatenate([triangle, np.diag(np.sqrt(damping) * size)])
        coefficients = _border_step(fit, damped, np.append(rhs, np.zeros(fit.n_terms)))
        # Where damping of the coefficients alone does not help the whole step is shortened.
        length = min(1.0, np.sqrt(0.1 / damping)) if damping else 1.0
        step = length * elimination.nodes(coefficients)
        trial = _move(law, data, fit, step, length * coefficients)
        if trial is not None:
            lower = damping / 10 if damping > 2 * _LEAST_DAMPING else 0.0
            return trial, lower
        damping = max(10 * damping, _LEAST_DAMPING)
    return fit, np.inf


def _border_step(fit: JointFit, triangle: np.ndarray, rhs: np.ndarray) -> np.ndarray:
    """Step of the coefficients that minimizes |triangle step - rhs| under the rules (p,)."""
    if fit.rules is None:
        return solve_border(triangle, rhs)[0]
    answer = fit.rules.solve(triangle, rhs + triangle @ fit.active_xi)
    return np.zeros(fit.n_terms) if answer is None else answer.xi - fit.active_xi


def _with_uncertainty(
    fit: JointFit, triangle: np.ndarray, rhs: np.ndarray, border: np.ndarray
) -> JointFit:
    """Bring covariance and information up to date: none along directions that are not free."""
    if fit.rules is None:
        _, covariance = solve_border(triangle, rhs)
        return replace(fit, covariance=covariance, log_information=log_information(border))
    answer = fit.rules.solve(triangle, rhs + triangle @ fit.active_xi)
    if answer is None:
        return replace(fit, covariance=np.diag(np.full(fit.n_terms, 1e30)))
    return replace(
        fit,
        covariance=answer.covariance(triangle),
        log_information=log_information(border @ answer.basis),
        basis=answer.basis,
        held=answer.held,
    )


def _move(
    law: Law, data: Measurements, fit: JointFit, step: np.ndarray, coefficients: np.ndarray
) -> JointFit | None:
    """Take a step if the cost falls, at once or after the nodes are drawn back to the law."""
    xi = fit.xi.copy()
    xi[fit.term, fit.target] += coefficients
    trial = _evaluate(law, data, fit, fit.nodes + step, xi)
    if trial.cost <= fit.cost * (1 + 1e-12) + _INDIFFERENT:
        return trial
    none = np.zeros(0, dtype=np.int64)
    for _ in range(_N_CORRECTIONS):
        elimination = eliminate(law, data, replace(trial, term=none, target=none))
        if elimination is None:
            return None
        nodes = trial.nodes + elimination.nodes(np.zeros(0))
        trial = _evaluate(law, data, fit, nodes, xi)
        if trial.cost <= fit.cost * (1 + 1e-12) + _INDIFFERENT:
            return trial
    return None


def link_weight(law: Law, slack: float) -> np.ndarray:
    """Weights of the links (L,): one over the slack times the square root of the length."""
    return np.where(law.joined, 1.0 / (slack * np.sqrt(law.step)), 0.0)


def _evaluate(
    law: Law, data: Measurements, fit: JointFit, nodes: np.ndarray, xi: np.ndarray
) -> JointFit:
    """Cost at given nodes and coefficients."""
    with np.errstate(over="ignore", invalid="ignore"):
        residual = law.residuals(nodes, xi) - fit.defect
        weighted = link_weight(law, fit.slack)[:, None] * residual
        link_cost = float((weighted**2).sum())
        data_cost = float((data.squares(nodes) / fit.noise**2).sum())
    return replace(fit, nodes=nodes, xi=xi, data_cost=data_cost, link_cost=link_cost)


def quadratic_model(
    law: Law, data: Measurements, fit: JointFit, term: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows and right side of the cost in any coefficients at a fit; None where they overflow."""
    elimination = eliminate(law, data, replace(fit, term=term, target=target), keep=False)
    if elimination is None:
        return None
    triangle, rhs = _quadratic(elimination, fit.xi[term, target])
    # In the coefficients themselves, not in their change.
    return triangle, rhs + triangle @ fit.xi[term, target]


def border_triangle(law: Law, data: Measurements, fit: JointFit) -> np.ndarray:
    """Rows (m, p) on a fit's active coefficients alone, their prior included."""
    elimination = eliminate(law, data, fit, keep=False)
    if elimination is None:
        return np.eye(fit.n_terms) / COEFFICIENT_STD
    return _quadratic(elimination, fit.active_xi)[0]


def _quadratic(elimination: Elimination, xi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows, right side of the cost in the step of coefficients that are now xi, prior included."""
    prior = np.eye(len(xi)) / COEFFICIENT_STD
    triangle = np.concatenate([elimination.border, prior])
    return triangle, np.append(elimination.border_rhs, -xi / COEFFICIENT_STD)


def eliminate(law: Law, data: Measurements, fit: JointFit, keep: bool = True) -> Elimination | None:
    """Linearize at a fit and eliminate its nodes; None where the rows overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            elimination = eliminate_pieces(_rows(law, data, fit), len(fit.nodes), keep)
        except OverflowError:
            return None
    return elimination if np.abs(elimination.border).max(initial=0.0) < 1e140 else None


def _rows(law: Law, data: Measurements, fit: JointFit) -> Iterator[BorderedBands]:
    """Linearize at a fit, piece by piece; OverflowError where a row is not finite."""
    law, xi, term = law.on(fit.xi, fit.term)
    for first, stop in law.pieces():
        part, y = law.part(first, stop), fit.nodes[first : stop + 1]
        own = slice(first, stop if stop < len(law.step) else len(fit.nodes))
        node_weight = np.sqrt(data.count[own]) / fit.noise
        # A breath of damping determines what no measurement reaches (an unseen state, a lone node).
        damped = np.sqrt(node_weight**2 + 1e-10)
        node_rhs = node_weight**2 * (data.mean[own] - fit.nodes[own]) / damped
        weight = link_weight(part, fit.slack)
        ends = part.ends(y, xi, curved=True)
        residual = part.residual(y, ends) - fit.defect[first:stop]
        rows = part.link_rows(ends, weight, term, fit.target)
        link = (*rows, -weight[:, None] * residual)
        if not all(np.isfinite(each).all() for each in (*link, node_rhs)):
            raise OverflowError
        yield BorderedBands(damped, node_rhs, *link)
