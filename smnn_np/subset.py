"""Which columns of a linear least-squares problem: stepwise search by the evidence.

A joint fit leaves a quadratic model of its cost in the coefficients of *all* candidate terms: the
triangle R and right-hand side d of their border, cost = |R xi - d|^2. On it a model is tried by
small dense algebra, without touching the record. M candidate terms, k of them in a model.

Minus twice the log of a model's evidence, with a unit Cauchy prior on every coefficient (the fit's
units are such that coefficients are near one) and all models of one size equally likely, is

    cost + log det(1 + R_S^T R_S) + 2 sum log(1 + xi^2) + 2 log binomial(M, k).

The last term is that of the extended Bayesian information criterion. To it comes the cost of a
model's odds among those of its size: every factor of a term halves them.

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


def log_models(n_candidates: int, n_terms: int) -> float:
    """Log of the number of models with so many of the candidates."""
    rest = gammaln(n_terms + 1) + gammaln(n_candidates - n_terms + 1)
    return float(gammaln(n_candidates + 1) - rest)


@dataclass(frozen=True)
class Odds:
    """How likely models are before any data: a term is half as likely for every factor it has.

    Attributes
    ----------
    weight : ndarray of shape (M,)
        Log weights of the candidates.
    total : ndarray of shape (M + 1,)
        Log of the mean product of weights over all models of 0 .. M terms.
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
        n_terms = np.arange(len(total))
        return cls(weight, total - [log_models(len(weight), int(k)) for k in n_terms])

    def cost(self, support: np.ndarray) -> float:
        """Minus twice the log probability of a model over the mean of those of its size."""
        if self.weight.ndim == 0:
            return 0.0
        return 2.0 * float(self.total[len(support)] - self.weight[support].sum())

    def more(self, n_terms: int) -> np.ndarray:
        """Change of the cost of a model of so many terms that each further one brings (M,)."""
        if self.weight.ndim == 0:
            return self.weight
        step = self.total[min(n_terms + 1, len(self.weight))] - self.total[n_terms]
        return 2.0 * (step - self.weight)

    def worth(self, support: np.ndarray) -> np.ndarray:
        """What the odds of each column of a model add to its worth (k,)."""
        return np.zeros(len(support)) if self.weight.ndim == 0 else 2.0 * self.weight[support]


EVEN = Odds(np.zeros(()), np.zeros(()))  # all models of one size are equally likely


def price(
    xi: np.ndarray, log_information: float, n_candidates: int, rules: Rules | None = None
) -> float:
    """What a model pays for its coefficients xi (k,), see the module's docstring.

    With rules xi are the coefficients along free directions; what is required is no choice.
    """
    prior = 2.0 * float(np.log1p(xi**2).sum())
    n_chosen = len(xi)
    if rules is not None:
        n_required = int(rules.required.sum())
        n_candidates, n_chosen = n_candidates - n_required, max(rules.n_choices - n_required, 0)
    return log_information + prior + 2.0 * log_models(n_candidates, n_chosen)


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
    odds : Odds, default=EVEN
        Of the M columns.
    rules : Rules, default=None
        What is known of the M coefficients.
    """

    triangle: np.ndarray
    rhs: np.ndarray
    odds: Odds = EVEN
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
        paid = price(xi, log_information(self.triangle[:, support]), self.n_candidates)
        return cost + paid + self.odds.cost(support)

    def _score_by_rules(self, support: np.ndarray, rules: Rules) -> float:
        """Score of a model whose coefficients obey rules; infinite if none can."""
        columns = self.triangle[:, support]
        answer = rules.solve(columns, self.rhs)
        if answer is None:
            return np.inf
        cost = float(((columns @ answer.xi - self.rhs) ** 2).sum())
        information = log_information(columns @ answer.basis)
        paid = price(answer.basis.T @ answer.xi, information, self.n_candidates, rules)
        return cost + paid + self.odds.cost(support)

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
        more = log_models(self.n_candidates, len(support) + 1)
        more -= log_models(self.n_candidates, len(support))
        xi = along / safe
        if self.rules is not None:
            xi = np.clip(xi, self.rules.lower, self.rules.upper)
            new &= (xi != 0) & ~self.rules.matrix.any(axis=0)
        cost = xi * (xi * safe - 2 * along) + np.log1p(safe) + 2 * np.log1p(xi**2)
        return np.where(new, cost + 2 * more + self.odds.more(len(support)), np.inf)

    def weakest(self, support: np.ndarray) -> np.ndarray:
        """Positions in the support, first the columns that the evidence misses least."""
        xi, std, _ = self.solve(support)
        if self.rules is not None:
            return self._weakest_by_rules(xi, std, support, self.rules.required[support])
        worth = (xi / std) ** 2 - np.log1p(std**-2) - 2 * np.log1p(xi**2)
        return np.argsort(worth + self.odds.worth(support))

    def _weakest_by_rules(
        self, xi: np.ndarray, std: np.ndarray, support: np.ndarray, required: np.ndarray
    ) -> np.ndarray:
        """Positions: coefficients held at 0, then the weakest, what is required last."""
        free = std > 0
        std = np.where(free, std, 1.0)
        worth = (xi / std) ** 2 - np.log1p(std**-2) - 2 * np.log1p(xi**2)
        worth += self.odds.worth(support)
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
