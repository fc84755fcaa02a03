"""Which columns of a linear least-squares problem: stepwise search by the evidence.

A joint fit leaves a quadratic model of its cost in the coefficients of *all* candidate terms: the
triangle R and right-hand side d of their border, cost = |R xi - d|^2. On it a model is tried by
small dense algebra, without touching the record. M candidate terms, k of them in a model.

Minus twice the log of a model's evidence, with a unit Cauchy prior on every coefficient (the fit's
units are such that coefficients are near one) and the odds of its terms among all models of its
size, is

    cost + log det(1 + R_S^T R_S) + 2 sum log(1 + xi^2) + 2 log(e_k(w) / prod_S w).

w is 1/2 for every factor of a term (1 for a constant, 1/4 for x y), e_k the sum of such products
over all models of k terms. With all w = 1 the last term is 2 log binomial(M, k), that of the
extended Bayesian information criterion.

References
----------
Chen and Chen (2008), Extended Bayesian information criteria for model selection with large model
spaces. Biometrika 95, 759-771.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

_MANY = 100  # columns above which a tenth of them is dropped at once
_MAX_MOVES = 100
_N_WEAK = 10  # columns of a model whose removal or exchange is tried
_GAIN = 1e-6  # least improvement of the criterion


@dataclass(frozen=True)
class Odds:
    """How likely models are before any data: a term is half as likely for every factor it has.

    Attributes
    ----------
    weight : ndarray of shape (M,)
        Log weights of the candidates.
    total : ndarray of shape (M + 1,)
        Log of the summed weights of all models of 0 .. M terms.
    """

    weight: np.ndarray
    total: np.ndarray

    @classmethod
    def of(cls, factors: np.ndarray) -> "Odds":
        """Odds of candidates with so many factors (M,)."""
        weight = -np.log(2.0) * np.asarray(factors, dtype=float)
        total = np.full(len(weight) + 1, -np.inf)
        total[0] = 0.0
        for j, each in enumerate(weight):
            total[1 : j + 2] = np.logaddexp(total[1 : j + 2], total[: j + 1] + each)
        return cls(weight, total)

    def cost(self, support: np.ndarray) -> float:
        """Minus twice the log probability of a model among those of its size."""
        return 2.0 * float(self.total[len(support)] - self.weight[support].sum())

    def more(self, n_terms: int) -> np.ndarray:
        """Change of the cost of a model of so many terms that each further one brings (M,)."""
        return 2.0 * (self.total[n_terms + 1] - self.total[n_terms] - self.weight)


def price(xi: np.ndarray, log_information: float, odds: float) -> float:
    """What a model pays for its coefficients xi (k,), see the module's docstring."""
    return log_information + 2.0 * float(np.log1p(xi**2).sum()) + odds


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
    odds : Odds
        Of the M columns.
    """

    triangle: np.ndarray
    rhs: np.ndarray
    odds: Odds

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
        return cost + price(xi, log_information(self.triangle[:, support]), self.odds.cost(support))

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
        cost = -(along**2) / safe + np.log1p(safe) + 2 * np.log1p((along / safe) ** 2)
        if not new.any():
            return np.full(self.n_candidates, np.inf)
        return np.where(new, cost + self.odds.more(len(support)), np.inf)

    def weakest(self, support: np.ndarray) -> np.ndarray:
        """Positions in the support, first the columns that the evidence misses least."""
        xi, std, _ = self.solve(support)
        gain = (xi / std) ** 2 - np.log1p(std**-2) - 2 * np.log1p(xi**2)
        return np.argsort(gain + 2 * self.odds.weight[support])

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
