"""Shipped records and made series: sizes, values, and truths that hold."""

import numpy as np
import pytest

from smnn_np import datasets

MAKERS = [datasets.make_lorenz, datasets.make_lotka_volterra, datasets.make_damped_oscillator]


def test_hare_lynx():
    record = datasets.load_hare_lynx()
    np.testing.assert_array_equal(record.t, np.arange(1900, 1921))
    assert record.y.shape == (21, 2)
    assert record.names == ["hare", "lynx"]
    np.testing.assert_array_equal(record.y[[0, -1]], [[30.0, 4.0], [24.7, 8.6]])
    assert "Hewitt" in record.source


def test_chemostat():
    record = datasets.load_chemostat()
    assert record.y.shape == (366, 2)
    assert record.names == ["algae", "rotifers"]
    assert np.isnan(record.y).sum() == 14
    np.testing.assert_array_equal(record.y[1], [0.83, 5.42])
    assert np.all(np.diff(record.t) > 0)
    assert "CC BY 4.0" in record.source
    assert sum(len(datasets.load_chemostat(f"C{i}").t) for i in range(1, 11)) == 1953


def test_unknown_run_is_named():
    with pytest.raises(ValueError, match=r"run is 'D1'; wanted one of C1, C2, .*, C9, C10"):
        datasets.load_chemostat("D1")


def test_nino():
    record = datasets.load_nino()
    assert record.y.shape == (2346, 4)
    np.testing.assert_array_equal(
        record.y[[0, -1]], [[20.6, 24.8, 26.5, 28.3], [25, 28.4, 29.6, 29.7]]
    )
    weeks = np.diff(np.array(record.dates, dtype="datetime64[D]")).astype(int)
    np.testing.assert_array_equal(weeks, 7)
    assert "public domain" in record.source


@pytest.mark.parametrize("make", MAKERS)
def test_made_series_obey_their_equations(make):
    # Central differences of the first states at a small step against coef @ terms.
    step = 1e-4
    series = make(n_samples=50, step=step)
    names = series.names + [f"{name}'" for name in series.names] * (series.order - 1)
    states = series.y_clean
    if series.order == 2:
        states = np.column_stack([states, np.gradient(states[:, 0], step)])
    values = dict(zip(names, states.T, strict=True))
    terms = np.array([np.prod([_factor(f, values) for f in t.split()], 0) for t in series.terms])
    rate = np.gradient(states[:, -len(series.names) :], step, axis=0)[2:-2]
    wanted = (series.coef @ terms).T[2:-2]
    np.testing.assert_allclose(rate, wanted, rtol=1e-3, atol=2e-3)


def _factor(factor, values):
    """Value of one factor of a term, such as ``x^2``."""
    name, _, power = factor.partition("^")
    return np.ones(50) if name == "1" else values[name] ** int(power or 1)


def test_the_integration_is_tight():
    series = datasets.make_damped_oscillator(n_samples=200, stiffness=6.0, damping=0.2)
    decay, pulse = 0.1, np.sqrt(6.0 - 0.01)
    phase = pulse * series.t
    exact = np.exp(-decay * series.t) * (np.cos(phase) + decay / pulse * np.sin(phase))
    np.testing.assert_allclose(series.y[:, 0], exact, atol=1e-10)


@pytest.mark.parametrize("make", MAKERS)
def test_noise_is_seeded_and_relative(make):
    series = make(n_samples=3000, step=0.01, noise=0.1, random_state=3)
    np.testing.assert_array_equal(series.y, make(3000, 0.01, 0.1, 3).y)
    assert not np.array_equal(series.y, make(3000, 0.01, 0.1, 4).y)
    np.testing.assert_allclose(series.noise_std, 0.1 * series.y_clean.std(axis=0))
    spread = (series.y - series.y_clean).std(axis=0)
    np.testing.assert_allclose(spread, series.noise_std, rtol=0.06)
    np.testing.assert_array_equal(make(10).y, make(10).y_clean)


def test_terms_are_in_the_order_of_polynomial_features():
    series = datasets.make_lorenz(n_samples=5)
    assert series.terms == ["1", "x", "y", "z", "x^2", "x y", "x z", "y^2", "y z", "z^2"]
    x, y, z = series.coef
    np.testing.assert_array_equal(x, [0, -10, 10, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(y, [0, 28, -1, 0, 0, 0, -1, 0, 0, 0])
    np.testing.assert_array_equal(z, [0, 0, 0, -8 / 3, 0, 1, 0, 0, 0, 0])


def test_a_diverging_start_is_refused():
    with pytest.raises(ValueError, match=r"y0 = .* diverges"):
        datasets.make_lotka_volterra(predation=-0.03)


def test_kdv_waves_obey_their_equation():
    # Central differences in time against spectral derivatives in space.
    waves = datasets.make_kdv(2, random_state=5, n_points=512, n_frames=5001, n_kept=3)
    before, u, after = np.moveaxis(waves.u, 1, 0)
    wave = 2j * np.pi / waves.length[:, None] * np.arange(257)
    derivative = [np.fft.irfft(wave**r * np.fft.rfft(u), 512) for r in (1, 3)]
    rate = (after - before) / (2 * waves.step[:, None])
    wanted = -u * derivative[0] - derivative[1]
    np.testing.assert_allclose(rate, wanted, atol=2e-3 * np.abs(wanted).max())


def test_kdv_waves_keep_what_they_must():
    waves = datasets.make_kdv(4, random_state=1)
    assert waves.u.shape == (4, 140, 256)
    assert np.all((waves.length > 115.2) & (waves.length < 140.8))
    assert np.all((waves.step > 45 / 249) & (waves.step < 55 / 249))
    power = (waves.u**2).sum(axis=2)
    np.testing.assert_allclose(power, power[:, :1].repeat(140, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(waves.u, datasets.make_kdv(4, random_state=1).u)
    assert not np.array_equal(waves.u, datasets.make_kdv(4, random_state=2).u)


def test_damped_sine_obeys_its_equation():
    sine = datasets.make_damped_sine(n_samples=2000, step=1e-3, noise=0.5)
    y = sine.y_clean[:, 0]
    slope, bend = np.gradient(y, 1e-3), np.gradient(np.gradient(y, 1e-3), 1e-3)
    stiffness, damping = sine.coef
    np.testing.assert_allclose((bend + damping * slope + stiffness * y)[2:-2], 0, atol=1e-4)
    scaled = (sine.y - sine.y_clean) / sine.noise_std
    np.testing.assert_allclose(scaled.std(), 1, rtol=0.05)
    np.testing.assert_allclose(sine.noise_std[1000], 0.5 * np.exp(-0.1))


def test_logistic_growth_obeys_its_equation():
    growth = datasets.make_logistic(50, n_samples=3001, random_state=2)
    x, rate, capacity = growth.y_clean, growth.rate[:, None], growth.capacity[:, None]
    slope = np.gradient(x, growth.t, axis=1)[:, 1:-1]
    np.testing.assert_allclose(slope, (rate * x * (1 - x / capacity))[:, 1:-1], atol=1e-4)
    assert np.all((x[:, 0] > 0.01) & (x[:, 0] < 0.1))
    np.testing.assert_allclose((growth.y - x).std(), 1e-3, rtol=0.02)


def test_orbit_obeys_gravitation():
    step = 1e-3
    orbit = datasets.make_two_body(7000, step, eccentricity=0.6, strength=2.0)
    place = orbit.y_clean
    distance = np.linalg.norm(place, axis=1, keepdims=True)
    pull = np.diff(place, 2, axis=0) / step**2
    np.testing.assert_allclose(pull, (-2.0 * place / distance**3)[1:-1], atol=1e-3 * pull.max())
    period = 2 * np.pi / np.sqrt(2.0)
    np.testing.assert_allclose(place[round(period / step)], place[0], atol=2e-3)
