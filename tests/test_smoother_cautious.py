"""The drive that bands are taken at: against integrals over all drives, and by counting."""

import numpy as np
import pytest

from smnn_np import SMNNSmoother, derivative
from smnn_np._cautious import expected_drive, rms_drive
from smnn_np._driven import Model, Run, smooth_run
from smnn_np._knots import Knots
from smnn_np._marginal import Given, choose_strength, deviance

T = np.linspace(0, 10, 400)


def run_of(t, y):
    return Run(t, y, np.ones(len(t)), np.empty((len(t), 0)))


def oscillation(rate, seed, share=0.1):
    y = np.sin(rate * T)
    return y + share * y.std() * np.random.default_rng(seed).standard_normal(len(T))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_rms_of_a_drive_that_may_be_zero(order):
    """The square over 2 std^2 has a gamma density: of mean 1 / (2 R)."""
    assert rms_drive(0.0, 3.0, order) == pytest.approx(3.0 / np.sqrt(order), rel=0.01)
    assert rms_drive(1e-9, 3.0, order) == pytest.approx(3.0 / np.sqrt(order), rel=0.01)


def test_rms_of_a_drive_that_is_well_known():
    assert rms_drive(2.0, 0.02, 1) == pytest.approx(np.hypot(2.0, 0.02), rel=1e-6)


@pytest.mark.parametrize("given", [Given(), Given(noise=0.1 * np.sqrt(0.5))])
def test_bands_are_those_expected_over_all_drives(given):
    """Variances averaged over drives with their likelihood and a density flat in the cut-off."""
    law = Knots(np.zeros(1), np.array([[9.0, 0.0]]))
    runs, slot = [run_of(T, oscillation(3.0, 1))], np.arange(len(T))
    likeliest = choose_strength(runs, Model(2, law), given, deviance)
    drives = 10.0 ** np.arange(-6.0, 3.0, 0.1)
    likelihood, variances = [], []
    for drive in drives:
        height, level = deviance(runs, likeliest.model.at(drive), given)
        likelihood.append(np.exp(-0.5 * (height - likeliest.height)))
        std = smooth_run(runs[0], likeliest.model.at(drive), slot)[1]
        variances.append(std**2 * level)
    weight = np.array(likelihood) * drives**0.5
    wanted = np.tensordot(weight / weight.sum(), variances, 1)
    drive = expected_drive(runs, likeliest.model, given)
    level = deviance(runs, likeliest.model.at(drive), given)[1]
    got = smooth_run(runs[0], likeliest.model.at(drive), slot)[1] ** 2 * level
    assert drive > 100 * likeliest.model.drive
    np.testing.assert_allclose(np.sqrt(got), np.sqrt(wanted), rtol=0.15)
    assert np.median(smooth_run(runs[0], likeliest.model, slot)[1] ** 2 * level / wanted) < 0.8


def test_a_drive_that_is_known_or_given_stays(rng):
    walk = np.cumsum(rng.standard_normal(500))
    runs = [run_of(np.arange(500.0), walk + rng.standard_normal(500))]
    model = choose_strength(runs, Model(1), Given(), deviance).model
    assert expected_drive(runs, model, Given()) == model.drive
    still = Model(2, Knots(np.zeros(1), np.array([[9.0, 0.0]])), 1e-6)
    assert expected_drive([run_of(T, oscillation(3.0, 1))], still, Given()) > 1e-4
    given = Given(noise=0.07, drive=7e-8)
    assert expected_drive([run_of(T, oscillation(3.0, 1))], still, given) == 1e-6


def test_noise_that_may_be_zero_is_no_doubt_about_the_drive(rng):
    """The ratio of the two is unknown by decades; the bands are not to lose their noise by it."""
    runs = [run_of(np.arange(500.0), np.cumsum(rng.standard_normal(500)))]
    model = choose_strength(runs, Model(1), Given(), deviance).model
    least = deviance(runs, model, Given())[0]
    assert deviance(runs, model.at(2 * model.drive), Given())[0] < least + 1
    assert expected_drive(runs, model, Given()) == model.drive


def test_bands_allow_for_a_law_that_misses_by_less_than_the_noise_shows():
    """A frequency 0.1 % off: without a drive 89 % are covered."""
    inside = []
    for seed in range(16):
        model = SMNNSmoother(coefficients=[9.0 * 1.002, 0.0]).fit(T, oscillation(3.0, seed))
        mean, std = model.predict(T, return_std=True)
        inside.append(np.mean(np.abs(mean - np.sin(3 * T)) < 1.96 * std))
    assert 0.91 < np.mean(inside) < 0.98


def test_means_are_those_of_the_likeliest_drive():
    y = oscillation(3.0, 1)
    model = SMNNSmoother(coefficients=[9.0, 0.0]).fit(T, y)
    fit = model._fits[0]
    assert fit.cautious.model.drive > 10 * fit.strength.model.drive
    parameters = {"noise_std": model.noise_std_[0], "drive_std": model.drive_std_[0]}
    wanted = derivative(y, T, 0, coefficients=[9.0, 0.0], **parameters)
    np.testing.assert_allclose(model.predict(T), wanted, atol=1e-9)


def test_series_are_doubted_one_by_one(rng):
    """A known drive between two that are doubted: as each by itself."""
    walk = rng.standard_normal(400).cumsum()
    y = np.column_stack([oscillation(3.0, 1), walk, oscillation(3.0, 2, 0.3)])
    both = SMNNSmoother(coefficients=[9.0, 0.0]).fit(T, y).predict(T, return_std=True)
    for s in range(3):
        model = SMNNSmoother(coefficients=[9.0, 0.0]).fit(T, y[:, s])
        assert model._fits[0].is_cautious == (s != 1)
        for got, wanted in zip(both, model.predict(T, return_std=True), strict=True):
            np.testing.assert_allclose(got[:, s], wanted, rtol=1e-9)
