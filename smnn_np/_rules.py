"""Linear least squares under what is known of the coefficients: bounds and linear equalities.

All numbers are in the units of the fit. M candidates, k of them in a model. Equalities couple
candidates: a model without one of two coefficients that must agree has neither, so a model is
*closed* before it is fitted.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import linprog

from .border import solve_border

_TINY = 1e-10  # of numbers near one: what counts as zero, or as agreeing
_INSIDE = 1e-3  # weight, in the choice of what completes a model, of what is in it already


@dataclass(frozen=True)
class Answer:
    """The least squares' solution.

    Attributes
    ----------
    xi : ndarray of shape (k,)
    basis : ndarray of shape (k, r)
        Orthonormal directions in which the rules leave it free.
    held : ndarray of shape (k,), bool
        Coefficients that are at a bound.
    """

    xi: np.ndarray
    basis: np.ndarray
    held: np.ndarray

    def covariance(self, triangle: np.ndarray) -> np.ndarray:
        """Covariance of the coefficients (k, k): none in directions that are not free."""
        free = triangle @ self.basis
        return self.basis @ solve_border(free, np.zeros(len(free)))[1] @ self.basis.T


@dataclass(frozen=True)
class Rules:
    """What is known of some coefficients.

    Attributes
    ----------
    required : ndarray of shape (k,), bool
        Whether a model must have it.
    lower, upper : ndarray of shape (k,)
        Bounds, infinite where there is none.
    matrix, rhs : ndarray of shape (E, k), (E,)
        Equalities: matrix @ xi = rhs.
    """

    required: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    matrix: np.ndarray
    rhs: np.ndarray

    def part(self, support: np.ndarray) -> "Rules":
        """Return the rules of a model that has these columns alone."""
        bounds = self.lower[support], self.upper[support]
        return Rules(self.required[support], *bounds, self.matrix[:, support], self.rhs)

    @property
    def n_tied(self) -> int:
        """Number of coefficients that follow from the others by the equalities."""
        return int(np.linalg.matrix_rank(self.matrix, tol=_TINY)) if self.matrix.size else 0

    def closed(self, support: np.ndarray) -> np.ndarray | None:
        """Support without the columns that equalities then force to zero; None if there is none.

        There is none where a required column is missing or the equalities have no solution.
        """
        missing = self.required.copy()
        missing[support] = False
        if missing.any():
            return None
        matrix = self.matrix[:, support]
        one = np.linalg.lstsq(matrix, self.rhs)[0] if len(self.rhs) else np.zeros(len(support))
        if np.abs(matrix @ one - self.rhs).max(initial=0.0) > 1e-8:
            return None
        zero = (np.abs(_free(matrix)).max(axis=1, initial=0.0) < _TINY) & (np.abs(one) < _TINY)
        return support[~zero | self.required[support]]

    def completed(self, support: np.ndarray, column: int, dislike: np.ndarray) -> np.ndarray:
        """Support with a column and the fewest others that let it differ from zero.

        `dislike` (M,) says which others to avoid; numbers near one.
        """
        coupled = np.flatnonzero(self.matrix.any(axis=0))
        if column not in coupled:
            return np.union1d(support, [column])
        place = np.searchsorted(coupled, column)
        weight = np.where(np.isin(coupled, support), _INSIDE, 1.0 + dislike[coupled])
        rows = np.vstack([self.matrix[:, coupled], np.eye(len(coupled))[place]])
        side = np.append(np.zeros(len(self.rhs)), 1.0)
        found = linprog(np.tile(weight, 2), A_eq=np.hstack([rows, -rows]), b_eq=side)
        if found.x is None:
            return support
        direction = found.x[: len(coupled)] - found.x[len(coupled) :]
        return np.union1d(support, coupled[np.abs(direction) > _TINY])

    def nearest(self, xi: np.ndarray) -> np.ndarray | None:
        """Coefficients that obey the rules, near the given ones; None if there are none."""
        inside = np.clip(xi, self.lower, self.upper)
        if np.abs(self.matrix @ inside - self.rhs).max(initial=0.0) < _TINY:
            return inside
        k = len(xi)
        cost, eye = np.append(np.zeros(k), np.ones(k)), np.eye(k)
        found = linprog(
            cost,
            A_ub=np.block([[eye, -eye], [-eye, -eye]]),
            b_ub=np.append(xi, -xi),
            A_eq=np.hstack([self.matrix, np.zeros_like(self.matrix)]),
            b_eq=self.rhs,
            bounds=[*zip(self.lower, self.upper, strict=True), *[(0, None)] * k],
        )
        return None if found.x is None else np.clip(found.x[:k], self.lower, self.upper)

    def solve(self, triangle: np.ndarray, rhs: np.ndarray) -> Answer | None:
        """Minimize |triangle xi - rhs| under the rules by active sets; None if nothing obeys."""
        k = triangle.shape[1]
        held = np.zeros(k, dtype=bool)
        one = np.linalg.lstsq(self.matrix, self.rhs)[0] if len(self.rhs) else np.zeros(k)
        step, basis = _step(triangle, rhs - triangle @ one, self.matrix, ~held)
        guess = one + step
        xi = self.nearest(guess)
        if xi is None:
            return None
        if np.abs(xi - guess).max(initial=0.0) < _TINY:
            return Answer(xi, basis, held)
        held = (xi <= self.lower) | (xi >= self.upper)
        for _ in range(10 * k + 20):
            step, basis = _step(triangle, rhs - triangle @ xi, self.matrix, ~held)
            length, blocking = self._room(xi, step)
            xi = xi + length * step
            if length < 1.0:
                xi[blocking] = (self.upper if step[blocking] > 0 else self.lower)[blocking]
                held[blocking] = True
                continue
            pull = self._pull(triangle, rhs, xi, held)
            if pull.max(initial=0.0) <= 0:
                break
            held[np.argmax(pull)] = False
        return Answer(xi, basis, held)

    def _room(self, xi: np.ndarray, step: np.ndarray) -> tuple[float, int]:
        """Share of a step that the bounds allow, at most one, and the bound that stops it."""
        bound = np.where(step > 0, self.upper, self.lower)
        moving = np.abs(step) > 1e-14
        share = np.full(len(xi), np.inf)
        share[moving] = np.maximum((bound - xi)[moving] / step[moving], 0.0)
        blocking = int(np.argmin(share)) if len(share) else 0
        return min(1.0, float(share.min(initial=np.inf))), blocking

    def _pull(
        self, triangle: np.ndarray, rhs: np.ndarray, xi: np.ndarray, held: np.ndarray
    ) -> np.ndarray:
        """How strongly the cost pulls held coefficients away from their bounds (k,)."""
        rest = triangle @ xi - rhs
        slope = triangle.T @ rest
        if len(self.rhs):
            slope -= self.matrix.T @ np.linalg.lstsq(self.matrix[:, ~held].T, slope[~held])[0]
        size = np.maximum(np.linalg.norm(triangle, axis=0), 1e-300)
        inward = np.where(xi <= self.lower, -slope, slope) / size
        return np.where(held, inward - 1e-9 * (np.linalg.norm(rhs) + 1e-300), 0.0)


def _free(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal basis (k, r) of what the equalities leave free."""
    return null_space(matrix, rcond=_TINY) if matrix.any() else np.eye(matrix.shape[1])


def _step(
    triangle: np.ndarray, rest: np.ndarray, matrix: np.ndarray, moving: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Best step (k,) of the moving coefficients that keeps the equalities, and its basis."""
    basis = np.zeros((len(moving), 0))
    if moving.any():
        own = _free(matrix[:, moving])
        basis = np.zeros((len(moving), own.shape[1]))
        basis[moving] = own
    return basis @ solve_border(triangle @ basis, rest)[0], basis
