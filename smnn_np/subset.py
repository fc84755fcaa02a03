"""Which columns of a linear least-squares problem: stepwise search by the evidence.

A joint fit leaves a quadratic model of its cost in the coefficients of *all* candidate terms: the
triangle R and right-hand side d of their border, cost = |R xi - d|^2. On it a model is tried by
small dense algebra, without touching the record. M candidate terms, k of them in a model.

Minus twice the log of a model's evidence, with a unit Cauchy prior on every coefficient (the fit's
units are such that coefficients are near one), is

    cost + log det(1 + R_S^T R_S) + 2 sum log(1 + xi^2) + 2 sum log(2 W / w_j) - 2 log k!.

The last two are the price of the choice. A law is written term by term: a fair coin says whether
another one follows, and term j is drawn with the chance w_j / W, halved by every factor that it
has, W the sum over the candidates. k! orders of drawing write one law. For k far below M this is
the price of the extended Bayesian information criterion, 2 log binomial(M, k), and a bit a term;
but there the only law of all candidates is free, and here it is unlikely: M draws rarely differ.

References
----------
Chen and Chen (2008), Extended Bayesian information criteria for model selection with large model
spaces. Biometrika 95, 759-771.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from ._rules import Rules

_MANY = 100  # columns above which a tenth of them is dropped at once
_MAX_MOVES = 100
_N_WEAK = 10  # columns of a model whose removal or exchange is tried
_N_COUPLED = 20  # columns of equalities whose addition is tried
_GAIN = 1e-6  # least improvement of the criterion


@dataclass(frozen=True)
class Odds:
    """How likely models are before any data, see the module's docstring.

    Attributes
    ----------
    surprise : ndarray of shape (M,)
        Log of 2 W / w_j; 0 for what is required, which is not drawn.
    drawn : ndarray of shape (M,), bool
        Whether a candidate is a choice.
    """

    surprise: np.ndarray
    drawn: np.ndarray

    @classmethod
    def of(cls, factors: np.ndarray, rules: Rules | None = None) -> "Odds":
        """Odds of candidates with so many factors (M,)."""
        weight = 0.5 ** np.asarray(factors, dtype=float)
        drawn = np.ones(len(weight), dtype=bool) if rules is None else ~rules.required
        return cls(np.where(drawn, np.log(2 * weight[drawn].sum() / weight), 0.0), drawn)

    def cost(self, support: np.ndarray, n_tied: int = 0) -> float:
        """Minus twice the log probability of a model, n_tied columns of which equalities give."""
        n_drawn = int(self.drawn[support].sum())
        if n_drawn <= n_tied:
            return 0.0
        total = float(self.surprise[support].sum()) * (n_drawn - n_tied) / n_drawn
        return 2.0 * (total - float(gammaln(n_drawn - n_tied + 1)))

    def more(self, support: np.ndarray) -> np.ndarray:
        """Change of the cost of a model that each further column brings (M,)."""
        return 2.0 * (self.surprise - np.log(self.drawn[support].sum() + 1))


def price(xi: np.ndarray, log_information: float) -> float:
    """What a model pays for its coefficients xi (k,): those along free directions, with rules."""
    return log_information + 2.0 * float(np.log1p(xi**2).sum())


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
    rules : Rules, default=None
        What is known of the M coefficients.
    """

    triangle: np.ndarray
    rhs: np.ndarray
    odds: Odds
    rules: Rules | None = None

    @property
    def n_candidates(self) -> int:
        """Number of columns."""
        return self.triangle.shape[1]

    def solve(self, support: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Coefficients (k,), their standard errors (k,) and the cost with some columns alone."""
        columns = self.triangle[:, support]
        if self.rules is not None:
            answer = self.rules.part(support).solve(columns, self.rhs)
            if answer is None:
                return np.zeros(len(support)), np.ones(len(support)), np.inf
            std = np.sqrt(np.diag(answer.covariance(columns)))
            return answer.xi, std, float(((columns @ answer.xi - self.rhs) ** 2).sum())
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
        if self.rules is not None:
            return self._score_by_rules(support, self.rules.part(support))
        xi, _, cost = self.solve(support)
        paid = price(xi, log_information(self.triangle[:, support]))
        return cost + paid + self.odds.cost(support)

    def _score_by_rules(self, support: np.ndarray, rules: Rules) -> float:
        """Score of a model whose coefficients obey rules; infinite if none can."""
        columns = self.triangle[:, support]
        answer = rules.solve(columns, self.rhs)
        if answer is None:
            return np.inf
        cost = float(((columns @ answer.xi - self.rhs) ** 2).sum())
        information = log_information(columns @ answer.basis)
        paid = price(answer.basis.T @ answer.xi, information)
        return cost + paid + self.odds.cost(support, rules.n_tied)

    def _taken(self, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Orthonormal directions (m, r) that a model explains, and what it leaves (m,)."""
        columns, shift = self.triangle[:, support], self.rhs
        if self.rules is not None:
            answer = self.rules.part(support).solve(columns, self.rhs)
            if answer is not None:
                shift = self.rhs - columns @ answer.xi
                columns = columns @ answer.basis
        scale = np.linalg.norm(columns, axis=0)
        basis, _ = np.linalg.qr(columns / np.where(scale > 0, scale, 1.0))
        return basis, shift - basis @ (basis.T @ shift)

    def additions(self, support: np.ndarray) -> np.ndarray:
        """Change of the score that each further column brings (M,); infinite for those inside."""
        basis, left = self._taken(support)
        rest = self.triangle - basis @ (basis.T @ self.triangle)
        before, size = (self.triangle**2).sum(axis=0), (rest**2).sum(axis=0)
        new = size > 1e-12 * before
        new[support] = False
        along = rest.T @ left
        safe = np.where(new, size, 1.0)
        xi = along / safe
        if self.rules is not None:
            xi = np.clip(xi, self.rules.lower, self.rules.upper)
            new &= (xi != 0) & ~self.rules.matrix.any(axis=0)
        cost = xi * (xi * safe - 2 * along) + np.log1p(safe) + 2 * np.log1p(xi**2)
        return np.where(new, cost + self.odds.more(support), np.inf)

    def weakest(self, support: np.ndarray) -> np.ndarray:
        """Positions in the support, first the columns that the evidence misses least."""
        xi, std, _ = self.solve(support)
        if self.rules is not None:
            return self._weakest_by_rules(xi, std, support, self.rules.required[support])
        worth = (xi / std) ** 2 - np.log1p(std**-2) - 2 * np.log1p(xi**2)
        return np.argsort(worth - 2 * self.odds.surprise[support])

    def _weakest_by_rules(
        self, xi: np.ndarray, std: np.ndarray, support: np.ndarray, required: np.ndarray
    ) -> np.ndarray:
        """Positions: coefficients held at 0, then the weakest, what is required last."""
        free = std > 0
        std = np.where(free, std, 1.0)
        worth = (xi / std) ** 2 - np.log1p(std**-2) - 2 * np.log1p(xi**2)
        worth -= 2 * self.odds.surprise[support]
        worth = np.where(free, worth, np.where(xi == 0, -np.inf, 0.0))
        return np.argsort(np.where(required, np.inf, worth))

    def without(self, support: np.ndarray, positions: np.ndarray | int) -> np.ndarray | None:
        """Support without columns, and those that must go with them; None if the rules forbid."""
        smaller = np.delete(support, positions)
        return smaller if self.rules is None else self.rules.closed(smaller)

    def descend(self, support: np.ndarray) -> list[np.ndarray]:
        """Nested supports, from all of the given columns to one: the weakest goes first."""
        nested = [support]
        while len(support) > 1:
            n_drop = max(1, len(support) // 10) if len(support) > _MANY else 1
            smaller = self._first_that_may_go(support, n_drop)
            if smaller is None or not len(smaller):
                break
            support = smaller
            nested.append(support)
        return nested

    def _first_that_may_go(self, support: np.ndarray, n_drop: int) -> np.ndarray | None:
        """Drop the weakest columns, or the weakest one that the rules let go; None if none."""
        weakest = self.weakest(support)
        smaller = self.without(support, weakest[:n_drop])
        if smaller is not None:
            return smaller
        fewer = (self.without(support, position) for position in weakest)
        return next((each for each in fewer if each is not None), None)

    def shrunk(self, support: np.ndarray) -> np.ndarray | None:
        """Best support with a column less, by exchanges; None if the rules let none go."""
        smaller = self._first_that_may_go(support, 1)
        return None if smaller is None or not len(smaller) else self.exchange(smaller)

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
        if self.rules is not None:
            moves += self._coupled_additions(support, self.rules)
        for position in self.weakest(support)[:_N_WEAK] if len(support) > 1 else ():
            smaller = self.without(support, position)
            if smaller is None or not len(smaller):
                continue
            change = self.additions(smaller)
            change[np.setdiff1d(support, smaller)] = np.inf
            moves.append(smaller)
            if np.isfinite(change.min(initial=np.inf)):
                moves.append(np.append(smaller, np.argmin(change)))
        return moves

    def _coupled_additions(self, support: np.ndarray, rules: Rules) -> list[np.ndarray]:
        """Supports with a column that equalities couple to others, and the others it needs."""
        coupled = np.setdiff1d(np.flatnonzero(rules.matrix.any(axis=0)), support)
        _, left = self._taken(support)
        pull = np.abs(self.triangle.T @ left)
        pull /= np.maximum(np.linalg.norm(self.triangle, axis=0), 1e-300)
        dislike = 1.0 - pull / max(pull.max(initial=0.0), 1e-300)
        likely = coupled[np.argsort(dislike[coupled])][:_N_COUPLED]
        return [rules.completed(support, int(column), dislike) for column in likely]

    def closed(self, support: np.ndarray) -> np.ndarray | None:
        """Support without what the rules force to zero; None where no model has it."""
        return support if self.rules is None else self.rules.closed(support)

    def best(self, support: np.ndarray) -> np.ndarray:
        """Find the support of the highest evidence: down from all columns, and from the given."""
        every = self.closed(np.arange(self.n_candidates))
        starts = (support if every is None else every, support)
        ends = [self.improve(min(self.descend(start), key=self.score)) for start in starts]
        return min(ends, key=self.score)
