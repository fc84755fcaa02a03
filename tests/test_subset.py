"""Stepwise search on a quadratic cost: its algebra, and the best subset against trying them all."""

from itertools import combinations

import numpy as np
import pytest

from smnn_np.subset import Odds, Quadratic, log_information, log_models


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


def test_equal_odds_count_the_models_of_one_size():
    odds = Odds.of(np.full(30, 2))
    assert log_models(30, 7) == pytest.approx(np.log(2035800))
    assert odds.cost(np.arange(7)) == pytest.approx(0.0, abs=1e-9)
    assert odds.cost(np.arange(30)) == pytest.approx(0.0, abs=1e-9)


def test_odds_are_a_distribution_and_halve_with_every_factor():
    odds = Odds.of(np.array([0, 1, 1, 2, 3]))
    for k in range(6):
        every = [np.array(s, dtype=int) for s in combinations(range(5), k)]
        assert np.mean([np.exp(-odds.cost(s) / 2) for s in every]) == pytest.approx(1.0)
    ratio = np.exp(-0.5 * (odds.cost(np.array([0, 4])) - odds.cost(np.array([0, 1]))))
    assert ratio == pytest.approx(0.25)


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
