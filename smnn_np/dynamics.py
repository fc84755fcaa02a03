"""Rows that tie neighbouring nodes to a law y' = Theta(y, u) Xi + y B^T: two-point Hermite links.

Letters beyond the notation page (``banded.py``): S states at a node (V there), P library terms,
D = S + controls inputs of the library, L = N - 1 links, h (L,) their lengths. A link's residual is

    c = y1 - y0 - h/2 (f0 + f1) - h^2/12 (f0' - f1'),      f' = J f + (df/du) u',

of fourth order in h. ``B`` holds what is known, such as x' = v of a second-order law. ``defect`` is
the residual that an exact trajectory would have; subtracting it removes the discretization error.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import DOP853 as _RULE

from ._kernels.links import link_columns
from ._scaled import ScaledLibrary

_PIECE = 10_000  # links whose rows are in memory at a time
_MAX_DOUBLINGS = 6  # of the Runge-Kutta steps within a link, when its defect is measured
_NO_TERM = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class End:
    """What one end of every link contributes: rates, their derivatives, Jacobians, terms."""

    rate: np.ndarray  # (L, S)
    second: np.ndarray  # (L, S), the derivative of the rate along the flow
    jacobian: np.ndarray  # (L, S, S)
    second_jacobian: np.ndarray  # (L, S, S)
    terms: np.ndarray  # (L, P)
    terms_dot: np.ndarray  # (L, P)

    def part(self, rows: slice) -> "End":
        """Return some of the rows."""
        return End(*(each[rows] for each in vars(self).values()))


@dataclass(frozen=True)
class _Point:
    """What does not depend on the side from which a link meets a node."""

    inputs: np.ndarray  # (n, D)
    terms: np.ndarray  # (n, P)
    slopes: np.ndarray  # (n, P, D)
    rate: np.ndarray  # (n, S)
    gradient: np.ndarray  # (n, S, D)

    def part(self, rows: slice) -> "_Point":
        """Return some of the rows."""
        return _Point(*(each[rows] for each in vars(self).values()))


@dataclass(frozen=True)
class Law:
    """A library, the known linear part and the inputs at the nodes, all in scaled units.

    Parameters
    ----------
    library : ScaledLibrary
        Candidate terms of [states, controls].
    known : ndarray of shape (S, S)
        The known linear part B.
    step : ndarray of shape (L,)
        Lengths of the links.
    joined : ndarray of shape (L,), bool
        False where a link would join two runs.
    controls : ndarray of shape (N, n_controls)
        Inputs at the nodes, linear in between.
    """

    library: ScaledLibrary
    known: np.ndarray
    step: np.ndarray
    joined: np.ndarray
    controls: np.ndarray

    @property
    def control_rate(self) -> np.ndarray:
        """Slope of the inputs along each link (L, n_controls)."""
        return np.diff(self.controls, axis=0) * (self.joined / self.step)[:, None]

    def part(self, first: int, stop: int) -> "Law":
        """Return the law on the links first .. stop - 1."""
        links = slice(first, stop)
        controls = self.controls[first : stop + 1]
        return Law(self.library, self.known, self.step[links], self.joined[links], controls)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Cut the links into pieces whose rows fit into memory: first and stop of each."""
        n_links = len(self.step)
        for first in range(0, max(n_links, 1), _PIECE):
            yield first, min(first + _PIECE, n_links)

    def on(self, xi: np.ndarray, term: np.ndarray) -> tuple["Law", np.ndarray, np.ndarray]:
        """Leave out the terms that neither xi (P, S) nor the list of terms needs.

        Returns the law on what is left, its xi, and the place of each listed term.
        """
        used = np.union1d(np.flatnonzero(xi.any(axis=1)), term)
        law = replace(self, library=self.library.take(used))
        return law, xi[used], np.searchsorted(used, term)

    def residuals(self, y: np.ndarray, xi: np.ndarray) -> np.ndarray:
        """Residual of every link for nodes y (N, S): (L, S), piece by piece."""
        law, xi, _ = self.on(xi, _NO_TERM)
        parts = []
        for first, stop in self.pieces():
            part, nodes = law.part(first, stop), y[first : stop + 1]
            parts.append(part.residual(nodes, part.ends(nodes, xi)))
        return np.concatenate(parts)

    def defects(self, y: np.ndarray, xi: np.ndarray, tolerance: float) -> np.ndarray:
        """Defect of every link for nodes y (N, S): (L, S), piece by piece."""
        law, xi, _ = self.on(xi, _NO_TERM)
        parts = [
            law.part(first, stop).defect(y[first : stop + 1], xi, tolerance)
            for first, stop in self.pieces()
        ]
        return np.concatenate(parts)

    def rate(self, states: np.ndarray, controls: np.ndarray, xi: np.ndarray) -> np.ndarray:
        """Right-hand side at points (n, S), (n, n_controls) for xi (P, S): (n, S)."""
        inputs = np.concatenate([states, controls], axis=1)
        return self.library.values(inputs) @ xi + states @ self.known.T

    def _gradient(self, slopes: np.ndarray, xi: np.ndarray) -> np.ndarray:
        """Contract term slopes (n, P, D) with xi, add the known part: (n, S, D)."""
        gradient = np.matmul(xi.T, slopes)
        gradient[:, :, : len(self.known)] += self.known
        return gradient

    def ends(self, y: np.ndarray, xi: np.ndarray, curved: bool = False) -> tuple[End, End]:
        """Evaluate the left and right ends of all links for nodes y (N, S).

        `curved` asks for the second Jacobian and the terms' time derivatives as well.
        """
        point = self._point(y, self.controls, xi)
        slope = self.control_rate
        if not slope.shape[1]:  # a node's two sides are the same
            both = self._end(point, np.zeros((len(y), 0)), xi, curved)
            return both.part(slice(0, -1)), both.part(slice(1, None))
        left, right = point.part(slice(0, -1)), point.part(slice(1, None))
        return self._end(left, slope, xi, curved), self._end(right, slope, xi, curved)

    def _point(self, y: np.ndarray, controls: np.ndarray, xi: np.ndarray) -> "_Point":
        """Evaluate terms, their slopes, the rate and its gradient at nodes y (n, S)."""
        inputs = np.concatenate([y, controls], axis=1)
        terms, slopes = self.library.values(inputs), self.library.jacobian(inputs)
        rate = terms @ xi + y @ self.known.T
        return _Point(inputs, terms, slopes, rate, self._gradient(slopes, xi))

    def _end(self, point: "_Point", slope: np.ndarray, xi: np.ndarray, curved: bool) -> End:
        """Evaluate points as ends of links on which the inputs have a slope (n, n_controls)."""
        n_states = xi.shape[1]
        velocity = np.concatenate([point.rate, slope], axis=1)
        second = np.einsum("nsd,nd->ns", point.gradient, velocity)
        jacobian = point.gradient[:, :, :n_states]
        if not curved:
            return End(point.rate, second, jacobian, jacobian, point.terms, point.terms)
        # d(f')/dy = J J + the derivative of the gradient along the flow, differenced in time.
        tiny = 1e-6 / (1.0 + np.abs(velocity).max(initial=0.0))
        ahead = self._gradient(self.library.jacobian(point.inputs + tiny * velocity), xi)
        bent = (ahead - point.gradient)[:, :, :n_states] / tiny
        terms_dot = np.einsum("npd,nd->np", point.slopes, velocity)
        bend = jacobian @ jacobian + bent
        return End(point.rate, second, jacobian, bend, point.terms, terms_dot)

    def residual(self, y: np.ndarray, ends: tuple[End, End]) -> np.ndarray:
        """Residual of every link (L, S); zero between runs."""
        left, right = ends
        half, twelfth = self.step[:, None] / 2, self.step[:, None] ** 2 / 12
        gap = np.diff(y, axis=0) - half * (left.rate + right.rate)
        return np.where(self.joined[:, None], gap - twelfth * (left.second - right.second), 0.0)

    def link_rows(
        self, ends: tuple[End, End], weight: np.ndarray, term: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives of weight * residual in left nodes, right nodes and active coefficients."""
        left, right = ends
        n_states = left.rate.shape[1]
        half, twelfth = self.step[:, None, None] / 2, self.step[:, None, None] ** 2 / 12
        unit, scale = np.eye(n_states), weight[:, None, None]
        by_left = scale * (-unit - half * left.jacobian - twelfth * left.second_jacobian)
        by_right = scale * (unit - half * right.jacobian + twelfth * right.second_jacobian)
        columns = np.empty((len(self.step), n_states, len(term)))
        jacobians = (np.ascontiguousarray(left.jacobian), np.ascontiguousarray(right.jacobian))
        terms = (left.terms, right.terms, left.terms_dot, right.terms_dot)
        link_columns(self.step, weight, *terms, *jacobians, term, target, columns)
        return by_left, by_right, columns

    def defect(self, y: np.ndarray, xi: np.ndarray, tolerance: float) -> np.ndarray:
        """Residual of a trajectory started at each left node, accurate to `tolerance`: (L, S)."""
        with np.errstate(over="ignore", invalid="ignore"):
            arrival = self._arrival(y[:-1], xi, tolerance)
            both = np.concatenate([y[:-1], arrival])
            controls = np.concatenate([self.controls[:-1], self.controls[1:]])
            point, slope = self._point(both, controls, xi), np.tile(self.control_rate, (2, 1))
            end, n = self._end(point, slope, xi, curved=False), len(arrival)
            half, twelfth = self.step[:, None] / 2, self.step[:, None] ** 2 / 12
            defect = arrival - y[:-1] - half * (end.rate[:n] + end.rate[n:])
            defect -= twelfth * (end.second[:n] - end.second[n:])
        # More than a state's own spread is no correction of a link, but a flow that blows up.
        good = self.joined & (np.abs(defect) < 1.0).all(axis=1)
        return np.where(good[:, None], defect, 0.0)

    def _arrival(self, start: np.ndarray, xi: np.ndarray, tolerance: float) -> np.ndarray:
        """Carry the left nodes (L, S) to the ends of their links; shorter steps where it takes."""
        arrival, left = start.copy(), np.flatnonzero(self.joined)
        for doubling in range(_MAX_DOUBLINGS):
            arrival[left], error = self._flow(left, start[left], xi, 2**doubling)
            left = left[~(error < tolerance)]
            if not len(left):
                break
        return arrival

    def _flow(
        self, links: np.ndarray, state: np.ndarray, xi: np.ndarray, n_steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cross some links in Runge-Kutta steps of order eight: states (l, S), errors (l,)."""
        h, slope = self.step[links, None] / n_steps, self.control_rate[links]
        controls = self.controls[links]
        rates = np.empty((_RULE.n_stages + 1, *state.shape))
        error = np.zeros(len(links))
        for step in range(n_steps):
            for stage, shares in enumerate(_RULE.A):
                along = np.tensordot(shares[:stage], rates[:stage], 1)
                now = controls + slope * h * (step + _RULE.C[stage])
                rates[stage] = self.rate(state + h * along, now, xi)
            state = state + h * np.tensordot(_RULE.B, rates[:-1], 1)
            rates[-1] = self.rate(state, controls + slope * h * (step + 1), xi)
            error += _step_error(h, rates)
        return state, error


def _step_error(h: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Estimate the error of a step of order eight from its errors of orders five and three (l,)."""
    fifth, third = (np.tensordot(shares, rates, 1) for shares in (_RULE.E5, _RULE.E3))
    fifth, third = (fifth**2).sum(axis=1), (third**2).sum(axis=1)
    whole = fifth + 0.01 * third
    return np.abs(h[:, 0]) * fifth / np.sqrt(np.where(whole > 0, whole, 1.0))
