"""Adam and L-BFGS over a flat vector."""

import numpy as np
import pytest

from smnn_np.descent import Adam, DivergenceError, adam_epochs, lbfgs
from smnn_np.testing import assert_close

TARGET = np.array([1.0, -2.0, 3.0])


def quadratic(parameters, rows):
    away = parameters - TARGET
    return 0.5 * float(away @ away), away


def make_adam(rate=0.1):
    return Adam(rate, 0.9, 0.999, 1e-8, np.zeros(3), np.zeros(3))


def test_first_steps_of_adam_are_those_of_the_paper():
    adam, parameters = make_adam(), np.zeros(3)
    m = v = np.zeros(3)
    expected = np.zeros(3)
    for t in range(1, 4):
        gradient = expected - TARGET
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        adam.step(parameters, parameters - TARGET)
        # The published algorithm corrects v inside the root, and epsilon is then not scaled.
        expected = expected - 0.1 * m_hat / (np.sqrt(v_hat) + 1e-8)
        assert np.abs(parameters - expected).max() < 1e-6


def test_adam_goes_through_all_samples_in_batches():
    seen = []

    def objective(parameters, rows):
        seen.append(rows.copy())
        return float(len(rows)), np.zeros(3)

    weight = np.arange(1.0, 8.0)
    epochs = adam_epochs(objective, np.zeros(3), make_adam(), weight, 3, np.random.RandomState(0))
    losses = [next(epochs), next(epochs)]
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert sorted(first) == sorted(second) == list(range(7))
    assert (first != second).any()
    shares = [weight[rows].sum() / weight.sum() for rows in seen[:3]]
    assert losses[0] == pytest.approx(np.dot(shares, [3, 3, 1]))


def test_adam_reaches_the_minimum():
    parameters = np.zeros(3)
    epochs = adam_epochs(quadratic, parameters, make_adam(), np.ones(1), 1, None)
    for _, _ in zip(range(500), epochs, strict=False):
        pass
    assert np.abs(parameters - TARGET).max() < 1e-3


@pytest.mark.parametrize("loss", [np.nan, np.inf, 1e9])
def test_adam_notices_divergence(loss):
    losses = iter([1.0, loss])
    epochs = adam_epochs(
        lambda *_: (next(losses), np.zeros(3)), np.zeros(3), make_adam(), np.ones(1), 1, None
    )
    next(epochs)
    with pytest.raises(DivergenceError, match="loss"):
        next(epochs)


def test_lbfgs_reaches_the_minimum_and_says_so():
    parameters = np.zeros(3)
    assert lbfgs(quadratic, parameters, 1, 100, 100, 1e-10, lambda *_: False)
    assert_close(parameters, TARGET)


def test_lbfgs_stops_at_limits_and_on_request():
    def rosenbrock(p, rows):
        away, bend = 1 - p[0], p[1] - p[0] ** 2
        gradient = np.array([-2 * away - 400 * p[0] * bend, 200 * bend])
        return away**2 + 100 * bend**2, gradient

    calls = []
    parameters = np.zeros(2)
    assert not lbfgs(rosenbrock, parameters, 1, 3, 100, 1e-10, lambda *_: calls.append(1))
    assert len(calls) == 3
    parameters = np.zeros(2)
    lbfgs(rosenbrock, parameters, 1, 100, 100, 1e-10, lambda *_: calls.append(1) or True)
    assert len(calls) == 4


def test_lbfgs_gets_past_a_region_without_a_value():
    def walled(p, rows):
        if p[0] > 1.5:
            return np.inf, np.full(1, np.nan)
        return float(np.cosh(5 * (p[0] - 1.4))), 5 * np.sinh(5 * (p - 1.4))

    parameters = np.array([-1.0])
    lbfgs(walled, parameters, 1, 100, 100, 1e-8, lambda *_: False)
    assert abs(parameters[0] - 1.4) < 1e-3
    with pytest.raises(DivergenceError, match="start"):
        lbfgs(walled, np.array([2.0]), 1, 100, 100, 1e-8, lambda *_: False)
