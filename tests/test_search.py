"""What the search must survive: bursts, coarse samples, simulated data, dependent terms."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from smnn_np import SMNNDiscoverer
from smnn_np._data import build_record
from smnn_np._known import Known
from smnn_np.library import PolynomialLibrary
from smnn_np.selection import _attempt
from smnn_np.spline import smooth


def found_terms(model):
    terms = model.feature_names_out_
    return {(int(i), terms[j]) for i, j in np.argwhere(model.coef_)}


def trajectory(rate, start, t):
    return solve_ivp(rate, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-10).y.T


def test_rare_bursts_do_not_pass_for_noise():
    """The likelihood alone calls a quiet signal with two bursts all noise."""
    t = np.arange(1000.0)
    y = 10 * np.exp(-(((t - 300) / 1.2) ** 2)) - 8 * np.exp(-(((t - 700) / 1.0) ** 2))
    y += 0.01 * np.random.default_rng(0).standard_normal(len(t))
    ones = np.ones(len(t))
    arguments = (t, y, ones, np.ones(len(t) - 1, dtype=bool))
    assert smooth(*arguments, guess="likely").noise_std > 0.1
    assert smooth(*arguments, guess="robust").noise_std == pytest.approx(0.01, rel=0.25)


def test_a_law_with_bursts_between_coarse_samples():
    """Liu and Chen's system: in a burst a state goes to ten spreads and back in two samples."""
    t = np.linspace(0, 28, 350)

    def rate(_, s):
        return [0.4 * s[0] + s[1] * s[2], -12 * s[1] - s[0] * s[2], -5 * s[2] - s[0] * s[1]]

    y = trajectory(rate, [4.0, 0.5, 1.0], t)
    y += 0.01 * y.std(axis=0) * np.random.default_rng(0).standard_normal(y.shape)
    model = SMNNDiscoverer().fit(t, y)
    expected = {(0, "x"), (0, "y z"), (1, "y"), (1, "x z"), (2, "z"), (2, "x y")}
    assert found_terms(model) == expected
    assert model.coef_[1, list(model.feature_names_out_).index("y")] == pytest.approx(-12, rel=0.02)


def drifting_oscillator():
    """A simulation that errs by 1e-5, smoothly: not noise, and no law either."""
    t = np.linspace(0, 10, 300)
    y = np.column_stack([np.cos(2 * t), -2 * np.sin(2 * t)])
    return t, y * (1 + 1e-5 * np.sin(0.7 * t))[:, None]


def test_errors_of_a_simulation_are_worth_no_term():
    model = SMNNDiscoverer(degree=3).fit(*drifting_oscillator())
    assert found_terms(model) == {(0, "y"), (1, "x")}


def test_stiff_kinetics_with_sixty_nearly_dependent_terms():
    """Two states hardly vary: their monomials are nearly multiples of each other."""
    t = np.linspace(0, 7, 700)

    def rate(_, s):
        x, y, z = s
        return [0.745 + 0.298 * z - x * y**2 - x, 77 * (x + x * y**2 - y), y - z]

    y = trajectory(rate, [0.15, 0.6, 0.7], t)
    y += 0.005 * y.std(axis=0) * np.random.default_rng(0).standard_normal(y.shape)
    model = SMNNDiscoverer(degree=3).fit(t, y)
    truth = {(0, "1"), (0, "z"), (0, "x y^2"), (0, "x"), (1, "x"), (1, "x y^2"), (1, "y"),
             (2, "y"), (2, "z")}  # fmt: skip
    assert found_terms(model) == truth


@pytest.mark.parametrize("length", [30, 10])
def test_short_runs_leave_their_noise_visible(length):
    """Each run has a value, a slope and a bend of its own; without that count the noise was 0."""
    t = np.arange(300.0)
    y = np.sin(t * 2 * np.pi / 12) + 0.1 * np.random.default_rng(0).standard_normal(300)
    joined = np.arange(1, 300) % length != 0
    for guess in ("likely", "robust"):
        assert smooth(t, y, np.ones(300), joined, guess).noise_std == pytest.approx(0.1, rel=0.15)


def test_a_simple_explanation_wins_over_one_with_more_factors():
    """Roessler's 0.2 and 0.037 x do equally well in noise: the constant is likelier before."""
    t = 0.295 * np.arange(101)

    def rate(_, s):
        return [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)]

    y = trajectory(rate, [2.0, -6.0, 0.05], t)
    y += 0.05 * y.std(axis=0) * np.random.default_rng([0, 100, 50]).standard_normal(y.shape)
    truth = {(0, "y"), (0, "z"), (1, "x"), (1, "y"), (2, "1"), (2, "z"), (2, "x z")}
    assert found_terms(SMNNDiscoverer().fit(t, y)) == truth


def test_a_law_found_twice_that_leaves_more_than_noise_is_not_the_end():
    """Roessler's z is quiet but for bursts: both starts from its first noise share a wrong end."""
    t = np.arange(251) * (5.9 / 50)

    def rate(_, s):
        return [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[0] * s[2] - 5.7 * s[2]]

    y = trajectory(rate, [2.0, -6.0, 0.05], t)
    noise = np.array([0.01, 0.2, 0.01]) * y.std(axis=0)
    y += noise * np.random.default_rng([0, 250, 50]).standard_normal(y.shape)
    record = build_record(t[:, None], y, None, None)
    _, path = _attempt(record, PolynomialLibrary(3, 2), 1, Known(None, None), "robust", None, str)
    assert path.exact
    assert not path.follows
