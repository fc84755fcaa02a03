"""Rows that tie neighbouring nodes to a law y' = Theta(y, u) Xi + y B^T: two-point Hermite links.

Letters beyond the notation page (``banded.py``): S states at a node (V there), P library terms,
D = S + controls inputs of the library, L = N - 1 links, h (L,) their lengths. A link's residual is

    c = y1 - y0 - h/2 (f0 + f1) - h^2/12 (f0' - f1'),      f' = J f + (df/du) u',

of fourth order in h. ``B`` holds what is known, such as x' = v of a second-order law. ``defect`` is
the residual that an exact trajectory would have; subtracting it removes the discretization error.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ._kernels.links import link_columns
from .library import ScaledLibrary

_PIECE = 10_000  # links whose rows are in memory at a time
_MAX_DOUBLINGS = 6  # of the Runge-Kutta steps within a link, when its defect is measured


@dataclass(frozen=True)
class End:
    """What one end of every link contributes: rates, their derivatives, Jacobians, terms."""

    rate: np.ndarray  # (L, S)
    second: np.ndarray  # (L, S), the derivative of the rate along the flow
    jacobian: np.ndarray  # (L, S, S)
    second_jacobian: np.ndarray  # (L, S, S)
    terms: np.ndarray  # (L, P)
    terms_dot: np.ndarray  # (L, P)


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

    def residuals(self, y: np.ndarray, xi: np.ndarray) -> np.ndarray:
        """Residual of every link for nodes y (N, S): (L, S), piece by piece."""
        parts = []
        for first, stop in self.pieces():
            part, nodes = self.part(first, stop), y[first : stop + 1]
            parts.append(part.residual(nodes, part.ends(nodes, xi)))
        return np.concatenate(parts)

    def defects(self, y: np.ndarray, xi: np.ndarray, tolerance: float) -> np.ndarray:
        """Defect of every link for nodes y (N, S): (L, S), piece by piece."""
        parts = [
            self.part(first, stop).defect(y[first : stop + 1], xi, tolerance)
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

    def end(self, y: np.ndarray, controls: np.ndarray, xi: np.ndarray, curved: bool) -> End:
        """Evaluate one end of the links; `curved` asks for the second Jacobian as well."""
        n_states = y.shape[1]
        inputs = np.concatenate([y, controls], axis=1)
        terms, slopes = self.library.values(inputs), self.library.jacobian(inputs)
        rate = terms @ xi + y @ self.known.T
        velocity = np.concatenate([rate, self.control_rate], axis=1)
        gradient = self._gradient(slopes, xi)
        second = np.einsum("nsd,nd->ns", gradient, velocity)
        jacobian = gradient[:, :, :n_states]
        if not curved:
            return End(rate, second, jacobian, jacobian, terms, terms)
        # d(f')/dy = J J + the derivative of the gradient along the flow, differenced in time.
        tiny = 1e-6 / (1.0 + np.abs(velocity).max(initial=0.0))
        ahead = self._gradient(self.library.jacobian(inputs + tiny * velocity), xi)
        bent = (ahead - gradient)[:, :, :n_states] / tiny
        terms_dot = np.einsum("npd,nd->np", slopes, velocity)
        return End(rate, second, jacobian, jacobian @ jacobian + bent, terms, terms_dot)

    def ends(self, y: np.ndarray, xi: np.ndarray, curved: bool = False) -> tuple[End, End]:
        """Evaluate the left and right ends of all links for nodes y (N, S)."""
        left = self.end(y[:-1], self.controls[:-1], xi, curved)
        return left, self.end(y[1:], self.controls[1:], xi, curved)

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
            arrival = self._flow(y, xi, 1)
            for doubling in range(1, _MAX_DOUBLINGS):
                before, arrival = arrival, self._flow(y, xi, 2**doubling)
                # Fourth order: the finer of two results errs by a fifteenth of their difference.
                change = np.abs(arrival - before)[self.joined] / 15
                if np.nanmax(change, initial=0.0) < tolerance:
                    break
            left = self.end(y[:-1], self.controls[:-1], xi, curved=False)
            right = self.end(arrival, self.controls[1:], xi, curved=False)
            half, twelfth = self.step[:, None] / 2, self.step[:, None] ** 2 / 12
            defect = arrival - y[:-1] - half * (left.rate + right.rate)
            defect -= twelfth * (left.second - right.second)
        # More than a state's own spread is no correction of a link, but a flow that blows up.
        good = self.joined & (np.abs(defect) < 1.0).all(axis=1)
        return np.where(good[:, None], defect, 0.0)

    def _flow(self, y: np.ndarray, xi: np.ndarray, n_steps: int) -> np.ndarray:
        """Carry every left node to the end of its link by classical Runge-Kutta steps: (L, S)."""
        state, slope, h = y[:-1], self.control_rate, self.step[:, None] / n_steps
        for k in range(n_steps):
            start, middle, end = (self.controls[:-1] + slope * h * (k + c) for c in (0.0, 0.5, 1.0))
            k1 = self.rate(state, start, xi)
            k2 = self.rate(state + h / 2 * k1, middle, xi)
            k3 = self.rate(state + h / 2 * k2, middle, xi)
            k4 = self.rate(state + h * k3, end, xi)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return state
