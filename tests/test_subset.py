"""Stepwise search on a quadratic cost: its algebra, and the best subset against trying them all."""

from itertools import combinations, product
from math import comb, log

import numpy as np
import pytest

from smnn_np._rules import Rules
from smnn_np.subset import Odds, Quadratic, log_information


def random_problem(rng, n_candidates, collinear=0.0):
    """Twenty rows a candidate; three columns matter; neighbours may be nearly the same."""
    columns = rng.standard_normal((20 * n_candidates, n_candidates))
    columns[:, 1:] += collinear * columns[:, :-1]
    truth = np.zeros(n_candidates)
    truth[rng.choice(n_candidates, 3, replace=False)] = rng.uniform(0.3, 1.5, 3)
    side = columns @ truth + rng.standard_normal(len(columns))
    basis, triangle = np.linalg.qr(columns)
    return Quadratic(triangle, basis.T @ side, Odds.of(rng.integers(0, 3, n_candidates))), truth


def test_coefficients_and_errors_are_those_of_least_squares():
    quadratic, _ = random_problem(np.random.default_rng(0), 6, collinear=3.0)
    support = np.array([0, 2, 5])
    xi, std, cost = quadratic.solve(support)
    columns = quadratic.triangle[:, support]
    expected, rest, *_ = np.linalg.lstsq(columns, quadratic.rhs)
    np.testing.assert_allclose(xi, expected, rtol=1e-12)
    np.testing.assert_allclose(std**2, np.diag(np.linalg.inv(columns.T @ columns)), rtol=1e-12)
    assert cost == pytest.approx(rest[0], rel=1e-12)


def test_log_information_is_a_determinant_and_survives_a_huge_range():
    triangle = random_problem(np.random.default_rng(1), 5)[0].triangle
    expected = np.linalg.slogdet(np.eye(5) + triangle.T @ triangle)[1]
    assert log_information(triangle) == pytest.approx(expected, rel=1e-12)
    wide = np.diag([1e12, 1e-3])
    assert log_information(wide) == pytest.approx(2 * np.log(1e12), rel=1e-6)


def test_an_addition_changes_the_score_by_what_is_said():
    basis, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((30, 6)))
    quadratic = Quadratic(
        basis * [3.0, 1.0, 0.5, 7.0, 2.0, 4.0],
        np.linspace(-2, 2, 30),
        Odds.of(np.array([0, 1, 1, 2, 2, 2])),
    )
    support = np.array([1, 4])
    change = quadratic.additions(support)
    assert np.isinf(change[support]).all()
    for j in (0, 2, 3, 5):
        expected = quadratic.score(np.append(support, j)) - quadratic.score(support)
        assert change[j] == pytest.approx(expected, rel=1e-9)


def test_odds_are_a_distribution_over_draws_one_by_one():
    factors = np.array([0, 1, 1, 2, 3])
    odds, chance = Odds.of(factors), 0.5**factors / (0.5**factors).sum()
    for k in range(1, 6):
        total = sum(np.exp(-odds.cost(np.array(s)) / 2) for s in combinations(range(5), k))
        differ = [s for s in product(range(5), repeat=k) if len(set(s)) == k]
        expected = sum(np.prod(chance[list(s)]) for s in differ) / 2**k
        assert total == pytest.approx(expected, rel=1e-12)


def test_few_of_many_equal_candidates_pay_as_in_the_extended_criterion_and_a_bit_each():
    odds = Odds.of(np.full(10_000, 2))
    expected = 2 * log(comb(10_000, 7)) + 7 * 2 * np.log(2)
    assert odds.cost(np.arange(7)) == pytest.approx(expected, abs=0.01)


def test_required_columns_are_no_choice_and_tied_ones_share_the_price():
    free = np.full(4, np.inf)
    required = np.array([True, False, False, False])
    rules = Rules(required, -free, free, np.zeros((0, 4)), np.zeros(0))
    odds, fewer = Odds.of(np.array([0, 1, 2, 2]), rules), Odds.of(np.array([1, 2, 2]))
    assert odds.cost(np.array([0])) == 0.0
    assert odds.cost(np.array([0, 1, 3])) == pytest.approx(fewer.cost(np.array([0, 2])))
    assert odds.cost(np.array([0, 2, 3]), 1) == pytest.approx(fewer.cost(np.array([1])))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("collinear", [0.0, 3.0])
def test_the_search_finds_the_best_of_all_subsets(seed, collinear):
    quadratic, truth = random_problem(np.random.default_rng(seed), 8, collinear)
    best = quadratic.best(np.arange(8))
    every = (np.array(s) for k in range(1, 9) for s in combinations(range(8), k))
    lowest = min(quadratic.score(support) for support in every)
    assert quadratic.score(best) == pytest.approx(lowest, abs=1e-9)
    assert set(np.flatnonzero(truth)) <= set(best) or collinear


def test_a_column_twice_is_taken_once():
    quadratic, truth = random_problem(np.random.default_rng(3), 6)
    both = np.hstack([quadratic.triangle, quadratic.triangle])
    prior = 1e-3 * np.eye(12)
    odds = Odds.of(np.zeros(12))
    twice = Quadratic(np.vstack([both, prior]), np.append(quadratic.rhs, np.zeros(12)), odds)
    best = twice.best(np.arange(12))
    assert np.array_equal(np.sort(best % 6), np.flatnonzero(truth))
