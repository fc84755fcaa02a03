"""What a law leaves: noise, or something that it lacks; and inputs at times without samples."""

import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from smnn_np import DataWarning, SMNNDiscoverer
from smnn_np._data import build_record
from smnn_np._suspicions import suspicions
from smnn_np.library import build_library
from smnn_np.spline import _stretches


def trajectory(rate, start, t):
    return solve_ivp(rate, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-10).y.T


def cubic_oscillator(noise):
    """x'' = -x - 0.3 x^3: a linear law leaves what the cubic term does to phase and form."""
    t = np.linspace(0, 30, 300)
    x = trajectory(lambda _, s: [s[1], -s[0] - 0.3 * s[0] ** 3], [1.0, 0.0], t)[:, 0]
    return t, x + noise * np.random.default_rng(0).standard_normal(len(t))


def test_a_law_that_lacks_a_term_is_told():
    with pytest.warns(DataWarning, match=r"% of the spread of x, and that is no noise"):
        SMNNDiscoverer(degree=1, order=2).fit(*cubic_oscillator(0.005))


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.3])
def test_noise_is_not_complained_of(noise):
    """However much of it, and not of a simulation's own errors either."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        SMNNDiscoverer(degree=3, order=2).fit(*cubic_oscillator(noise))


def test_an_outlier_is_told_and_can_be_left_out():
    t, x = cubic_oscillator(0.005)
    x[100] += 0.05
    with pytest.warns(
        DataWarning, match=rf"a sample of x, at t = {t[100]:.6g}, is \d\.\d standard"
    ):
        SMNNDiscoverer(degree=3, order=2).fit(t, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        SMNNDiscoverer(degree=3, order=2).fit(t, x, sample_weight=np.arange(300) != 100)


def measured_at_every_fifth(n):
    """An input at n times, the state at every fifth of them."""
    t = 0.04 * np.arange(n)
    x = np.sin(t) + 0.5 * np.sin(1.7 * t) + 0.2 * np.cos(0.6 * t)
    inputs = np.column_stack([t, np.cos(0.4 * t)])
    return inputs, np.where(np.arange(n) % 5 == 0, x, np.nan)


def test_points_are_where_something_was_measured():
    inputs, x = measured_at_every_fifth(1000)
    points = build_record(inputs, x[:, None], None).points(2)
    seen = np.flatnonzero(~np.isnan(x))
    np.testing.assert_allclose(points[:, 0], x[seen[:-1]])
    np.testing.assert_allclose(points[:, 1], np.diff(x[seen]) / np.diff(inputs[seen, 0]))


def test_times_without_samples_make_no_terms_dependent():
    """With states filled in between every rate was a multiple of the state."""
    inputs, x = measured_at_every_fifth(10_001)
    record, names = build_record(inputs, x[:, None], None), ["x", "x_dot", "u0"]
    library = build_library(None, 3, record.points(2))
    assert suspicions(record, library, 2, names, library.names(names)) == []


def test_a_long_sparse_record_is_smoothed_by_stretches():
    """Noise and roughness of 50,000 nodes, one of five measured, come from 10,000 of them."""
    weight = (np.arange(50_000) % 5 == 0).astype(float)
    some = _stretches(np.ones(49_999), np.zeros(50_000), weight, np.ones(49_999, dtype=bool))
    assert (some[2] > 0).sum() == 2000
    assert len(some[1]) == 10_000


def test_many_samples_show_the_law_that_is_nearly_as_good():
    """Two weak dampings are worth over a hundred each; the path goes on below them."""
    t, a = np.linspace(0, 60, 1500), 1.3

    def rate(_, s):
        return [s[1], -s[0] - 0.0012 * s[1], a * s[3], -a * s[2] - 0.0012 * s[3]]

    y = trajectory(rate, [1.5, 0.0, 1.5, 0.0], t)
    y += 0.05 * np.random.default_rng(0).standard_normal(y.shape)
    path = SMNNDiscoverer(degree=1).fit(t, y).path_
    above = dict(zip(path.table()["n_terms"], path.table()["above_best"], strict=True))
    assert above[6] == 0
    assert above[5] > 100
    assert above[4] > 200
