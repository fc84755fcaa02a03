"""Which columns of a linear least-squares problem: stepwise search by the evidence.

A joint fit leaves a quadratic model of its cost in the coefficients of *all* candidate terms: the
triangle R and right-hand side d of their border, cost = |R xi - d|^2. On it a model is tried by
small dense algebra, without touching the record. M candidate terms, k of them in a model.

Minus twice the log of a model's evidence, with a unit Cauchy prior on every coefficient (the fit's
units are such that coefficients are near one) and all models of one size equally likely, is

    cost + log det(1 + R_S^T R_S) + 2 sum log(1 + xi^2) + 2 log binomial(M, k).

The last term is that of the extended Bayesian information criterion.

References
----------
Chen and Chen (2008), Extended Bayesian information criteria for model selection with large model
spaces. Biometrika 95, 759-771.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

_MANY = 100  # columns above which a tenth of them is dropped at once
_MAX_MOVES = 100
_N_WEAK = 10  # columns of a model whose removal or exchange is tried
_GAIN = 1e-6  # least improvement of the criterion


def log_models(n_candidates: int, n_terms: int) -> float:
    """Log of the number of models with so many of the candidates."""
    rest = gammaln(n_terms + 1) + gammaln(n_candidates - n_terms + 1)
    return float(gammaln(n_candidates + 1) - rest)


def price(xi: np.ndarray, log_information: float, n_candidates: int) -> float:
    """What a model pays for its coefficients xi (k,), see the module's docstring."""
    prior = 2.0 * float(np.log1p(xi**2).sum())
    return log_information + prior + 2.0 * log_models(n_candidates, len(xi))


def log_information(triangle: np.ndarray) -> float:
    """Log det(1 + R^T R), accurate where R^T R itself would lose all digits."""
    k = triangle.shape[1]
    stacked = np.linalg.qr(np.concatenate([triangle, np.eye(k)]), mode="r")
    return 2.0 * float(np.log(np.abs(np.diag(stacked))).sum())


@dataclass(frozen=True)
class Quadratic:
    """The cost |R xi - d|^2 of coefficients.

    Parameters
    ----------
    triangle : ndarray of shape (m, M)
    rhs : ndarray of shape (m,)
    """

    triangle: np.ndarray
    rhs: np.ndarray

    @property
    def n_candidates(self) -> int:
        """Number of columns."""
        return self.triangle.shape[1]

    def solve(self, support: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Coefficients (k,), their standard errors (k,) and the cost with some columns alone."""
        columns = self.triangle[:, support]
        scale = np.linalg.norm(columns, axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        basis, triangle = np.linalg.qr(columns / scale)
        # A column that the others say already gets no share, and an endless standard error.
        lost = np.abs(np.diag(triangle)) < 1e-14
        triangle[lost, lost] = 1e-14
        inverse = solve_triangular(triangle, np.eye(len(support))) / scale[:, None]
        left = basis.T @ self.rhs
        rest = self.rhs - basis @ left
        return inverse @ left, np.sqrt((inverse**2).sum(axis=1)), float(rest @ rest)

    def score(self, support: np.ndarray) -> float:
        """Minus twice the log evidence of a model, up to a constant."""
        xi, _, cost = self.solve(support)
        return cost + price(xi, log_information(self.triangle[:, support]), self.n_candidates)

    def additions(self, support: np.ndarray) -> np.ndarray:
        """Change of the score that each further column brings (M,); infinite for those inside."""
        columns = self.triangle[:, support]
        scale = np.linalg.norm(columns, axis=0)
        basis, _ = np.linalg.qr(columns / np.where(scale > 0, scale, 1.0))
        rest = self.triangle - basis @ (basis.T @ self.triangle)
        left = self.rhs - basis @ (basis.T @ self.rhs)
        before, size = (self.triangle**2).sum(axis=0), (rest**2).sum(axis=0)
        new = size > 1e-12 * before
        new[support] = False
        along = rest.T @ left
        safe = np.where(new, size, 1.0)
        more = log_models(self.n_candidates, len(support) + 1)
        more -= log_models(self.n_candidates, len(support))
        cost = -(along**2) / safe + np.log1p(safe) + 2 * np.log1p((along / safe) ** 2)
        return np.where(new, cost + 2 * more, np.inf)

    def weakest(self, support: np.ndarray) -> np.ndarray:
        """Positions in the support, first the columns that the evidence misses least."""
        xi, std, _ = self.solve(support)
        return np.argsort((xi / std) ** 2 - np.log1p(std**-2) - 2 * np.log1p(xi**2))

    def descend(self, support: np.ndarray) -> list[np.ndarray]:
        """Nested supports, from all of the given columns to one: the weakest goes first."""
        nested = [support]
        while len(support) > 1:
            n_drop = max(1, len(support) // 10) if len(support) > _MANY else 1
            support = np.delete(support, self.weakest(support)[:n_drop])
            nested.append(support)
        return nested

    def improve(self, support: np.ndarray) -> np.ndarray:
        """Add, drop and exchange columns while that raises the evidence."""
        best = self.score(support)
        for _ in range(_MAX_MOVES):
            moves = self.moves(support)
            scores = [self.score(move) for move in moves]
            if not scores or min(scores) > best - _GAIN:
                break
            best, support = min(scores), moves[int(np.argmin(scores))]
        return support

    def exchange(self, support: np.ndarray) -> np.ndarray:
        """Exchange columns, as many as there are, while that raises the evidence."""
        best = self.score(support)
        for _ in range(_MAX_MOVES):
            moves = [move for move in self.moves(support) if len(move) == len(support)]
            scores = [self.score(move) for move in moves]
            if not scores or min(scores) > best - _GAIN:
                break
            best, support = min(scores), moves[int(np.argmin(scores))]
        return support

    def moves(self, support: np.ndarray) -> list[np.ndarray]:
        """List the best addition, and for weak columns their removals and best exchanges."""
        moves = []
        change = self.additions(support)
        if np.isfinite(change.min(initial=np.inf)):
            moves.append(np.append(support, np.argmin(change)))
        for position in self.weakest(support)[:_N_WEAK] if len(support) > 1 else ():
            smaller = np.delete(support, position)
            change = self.additions(smaller)
            change[support[position]] = np.inf
            moves.append(smaller)
            if np.isfinite(change.min(initial=np.inf)):
                moves.append(np.append(smaller, np.argmin(change)))
        return moves

    def best(self, support: np.ndarray) -> np.ndarray:
        """Find the support of the highest evidence: down from all columns, and from the given."""
        starts = (np.arange(self.n_candidates), support)
        ends = [self.improve(min(self.descend(start), key=self.score)) for start in starts]
        return min(ends, key=self.score)
