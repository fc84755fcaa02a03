"""Observed order of accuracy: halving the step divides the error by 2^order."""

import numpy as np
import pytest

import smnn_np as smnn


def slope(errors):
    """Mean order over successive halvings."""
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:])).mean()


def solve(coefficients, rhs, initial, n_steps, **options):
    """Errors are measured on [0, 1]."""
    return smnn.ode_solve(
        coefficients, rhs, initial, 1.0 / (n_steps - 1), n_steps=n_steps, **options
    )


@pytest.mark.parametrize("factorization", ["auto", "qr"])
@pytest.mark.parametrize(("n_orders", "order"), [(3, 2), (4, 2), (5, 4), (6, 4)])
def test_harmonic_oscillator(n_orders, order, factorization):
    """Forward and backward rows cancel each other's odd error term: even orders only."""
    coefficients = np.zeros((1, 1, 1, n_orders))
    coefficients[0, 0, 0, [0, 2]] = 9.0, 1.0
    errors = []
    for n_steps in (65, 129, 257, 513):
        y = solve(coefficients, [[0.0]], [[[1.0, 0.0]]], n_steps, factorization=factorization)
        errors.append(np.abs(y[:, 0, 0] - np.cos(np.linspace(0.0, 3.0, n_steps))).max())
    assert slope(errors) == pytest.approx(order, abs=0.15)


def test_central_rows_are_of_second_order():
    errors = []
    for n_steps in (33, 65, 129, 257):
        y = solve([[[[9.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], n_steps, central=True)
        errors.append(abs(y[-1, 0, 0] - np.cos(3.0)))
    assert slope(errors) == pytest.approx(2.0, abs=0.15)


def test_time_varying_forced_system():
    """Two coupled equations y1' = y2, y2' = -y1 + 2 cos t on a grid that is not uniform."""
    errors = []
    for n_steps in (41, 81, 161, 321):
        t = np.linspace(0.0, 1.0, n_steps) ** 1.5
        coefficients = np.zeros((n_steps, 2, 2, 3))
        coefficients[:, 0, 0, 1], coefficients[:, 0, 1, 0] = 1.0, -1.0
        coefficients[:, 1, 1, 1], coefficients[:, 1, 0, 0] = 1.0, 1.0
        rhs = np.stack([np.zeros(n_steps), 2 * np.cos(t)], -1)
        y = smnn.ode_solve(coefficients, rhs, np.zeros((1, 2, 1)), np.diff(t))
        errors.append(np.abs(y[:, 0, 0] - t * np.sin(t)).max())
    assert slope(errors) == pytest.approx(2.0, abs=0.3)
