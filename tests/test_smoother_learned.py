"""Learned coefficients of the smoother, the gradient they are found with, and error texts."""

import re

import numpy as np
import pytest
from scipy.signal import lfilter

from smnn_np import SMNNSmoother
from smnn_np._driven import Model, Run, filter_runs, score_run
from smnn_np._knots import Knots
from smnn_np._learn import Problem
from smnn_np._marginal import Given
from smnn_np.testing import assert_close, five_point_gradient


def make_run(rng, n=30, n_covariates=0):
    """Return a run with a repeated, a missing and a lonely sample."""
    steps = rng.uniform(0.3, 1.2, n)
    steps[7], steps[12] = 0.0, 6.0
    weight = np.ones(n)
    weight[[3, 12]] = 0.0
    return Run(
        np.cumsum(steps), rng.standard_normal(n), weight, rng.standard_normal((n, n_covariates))
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("n_knots", [1, 3])
def test_gradient_of_what_learning_minimizes(rng, order, n_knots):
    runs = [make_run(rng), make_run(rng, n=20)]
    problem = Problem(runs, order, np.linspace(2.0, 15.0, n_knots), Given(), rate=0.7)
    point = np.append(rng.uniform(0.2, 1.0, n_knots * order), -1.0)
    wanted = five_point_gradient(lambda each: problem(each)[0], point)
    # Differences of a number near 100 over steps of 1e-3.
    assert_close(problem(point)[1], wanted, scale=100)


@pytest.mark.parametrize("coefs", [(9.0, 2.0), (0.0, 0.0)])
def test_gradient_with_covariates_and_long_steps(rng, coefs):
    run, knots = make_run(rng, n_covariates=2), np.array([5.0])

    def height(point):
        model = Model(2, Knots(knots, point[None, :2]), float(np.exp(point[2] / 2)))
        total, log_determinant = filter_runs([run], model)
        return -0.5 * (total / 0.7 + log_determinant)

    point = np.array([*coefs, 0.5])  # steps of up to 18 radians: doubled five times
    one = score_run(run, Model(2, Knots(knots, point[None, :2]), float(np.exp(point[2] / 2))))
    gradient = (one.of_total / 0.7 + one.of_log_determinant).sum(axis=0)
    assert_close(gradient, five_point_gradient(height, point), scale=100)  # as above


@pytest.mark.parametrize("noise", [1e-3, 0.1])
def test_an_oscillation_is_recognized(noise):
    t = np.linspace(0, 20, 150)
    y = np.exp(-0.1 * t) * np.cos(3 * t)
    noisy = y + noise * np.random.default_rng(0).standard_normal(t.size)
    model = SMNNSmoother(order=2, coefficients="constant").fit(t, noisy)
    gap = np.abs(model.coef_[0] - [9.01, 0.2])
    assert np.all(gap < 4 * model.coef_std_[0])
    assert np.all(model.coef_std_[0] < [8.0 * noise, 0.5 * noise])
    ahead = np.linspace(20, 24, 40)
    mean, std = model.predict(ahead, return_std=True)
    # One draw, errors that rise and fall together: 3.5 standard deviations, not a share of them.
    assert np.all(np.abs(mean - np.exp(-0.1 * ahead) * np.cos(3 * ahead)) < 3.5 * std)
    assert std.max() < 2 * noise


def relax(rate, n, seed):
    """Return a stationary relaxation process of unit variance, sampled with 10 % noise."""
    draw, kept = np.random.default_rng(seed), np.exp(-rate)
    drive = np.sqrt(1 - kept**2) * draw.standard_normal(n)
    drive[0] = draw.standard_normal()
    return lfilter([1.0], [1.0, -kept], drive) + 0.1 * draw.standard_normal(n)


@pytest.mark.parametrize("order", [1, 2])
def test_a_relaxation_is_not_learned_backwards(order):
    """Both directions of time have one autocovariance; half of these series were learned wrong."""
    n, rate, slowest = 600, 0.0513, []
    for seed in range(6):
        y = relax(rate, n, seed)
        model = SMNNSmoother(order=order, coefficients="constant").fit(np.arange(n), y)
        roots = np.roots(np.append(1.0, model.coef_[0, ::-1]))
        assert roots.real.max() < 0
        slowest.append(-roots.real.max())
        if order == 1:
            assert abs(model.coef_[0, 0] - rate) < 3 * model.coef_std_[0, 0]
        assert abs(model.predict([n + 300.0])[0]) < 0.01
    # A rate is known to sqrt(2 rate / n) = 0.013 from n samples, six of them to 0.0053.
    assert abs(np.mean(slowest) - rate) < 3 * np.sqrt(2 * rate / n / 6)


def test_a_driven_oscillator_is_not_learned_backwards():
    step, decay, rate = 0.25, 0.1, 1.5
    pole = np.exp((-decay + 1j * rate) * step)
    for seed in range(4):
        draw = np.random.default_rng(seed)
        x = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], draw.standard_normal(1200))[200:]
        t, y = step * np.arange(1000), x + 0.05 * x.std() * draw.standard_normal(1000)
        model = SMNNSmoother(order=2, coefficients="constant").fit(t, y)
        gap = np.abs(model.coef_[0] - [rate**2 + decay**2, 2 * decay])
        assert np.all(gap < 3.5 * model.coef_std_[0])
        assert model.coef_std_[0, 1] < 0.1  # so it dies: 0.2 are more than two of these


def test_growth_that_is_seen_is_kept():
    t, draw = np.linspace(0, 3, 60), np.random.default_rng(0)
    # The last of these is 60 % of the spread, and the drive that it may hide counts too.
    for noise in (0.01, 0.3, 3.0):
        y = np.exp(t) + noise * draw.standard_normal(60)
        model = SMNNSmoother(order=1, coefficients="constant").fit(t, y)
        assert abs(model.coef_[0, 0] + 1) < 4 * model.coef_std_[0, 0] < 0.8
    t = np.linspace(0, 20, 150)
    y = np.exp(0.1 * t) * np.cos(3 * t) + 0.1 * draw.standard_normal(150)
    model = SMNNSmoother(order=2, coefficients="constant").fit(t, y)
    assert abs(model.coef_[0, 1] + 0.2) < 4 * model.coef_std_[0, 1] < 0.01


def test_a_mode_that_no_sample_shows_does_not_grow():
    """One that explodes after the last sample took 12 of 30 forecasts to more than two."""
    t, ahead = np.linspace(0, 20, 150), np.linspace(20, 25, 20)
    for seed in range(8):
        y = np.cos(3 * t) + 0.1 * np.random.default_rng(seed).standard_normal(150)
        model = SMNNSmoother(order=3, coefficients="constant").fit(t, y)
        assert np.abs(model.predict(ahead) - np.cos(3 * ahead)).max() < 0.4


def test_bands_know_that_coefficients_are_learned():
    """Where the series is going, over draws: without that knowledge 54 % are covered."""
    t, ahead = np.linspace(0, 20, 100), np.array([21.0, 22.0, 25.0])
    inside = []
    for seed in range(16):
        y = np.exp(-0.05 * t) * np.cos(3 * t) + 0.1 * np.random.default_rng(seed).standard_normal(
            100
        )
        model = SMNNSmoother(order=2, coefficients="constant").fit(t, y)
        mean, std = model.predict(ahead, return_std=True)
        inside.append(np.abs(mean - np.exp(-0.05 * ahead) * np.cos(3 * ahead)) < 1.96 * std)
    assert 0.8 < np.mean(inside) <= 1.0


def test_coefficients_of_a_dense_record_are_learned_from_means():
    t = np.sort(np.random.default_rng(0).uniform(0, 60, 20_000))
    y = np.exp(-0.02 * t) * np.cos(t) + 0.3 * np.random.default_rng(1).standard_normal(t.size)
    model = SMNNSmoother(order=2, coefficients="constant", noise_std=0.3).fit(t, y)
    np.testing.assert_allclose(model.coef_[0], [1.0004, 0.04], atol=0.004)
    assert np.all(np.abs(model.coef_[0] - [1.0004, 0.04]) < 4 * model.coef_std_[0])


def test_a_changing_frequency_is_followed():
    t = np.linspace(0, 20, 250)
    y = np.sin(t + 0.05 * t**2) + 0.1 * np.random.default_rng(1).standard_normal(t.size)
    model = SMNNSmoother(order=2, coefficients="varying", n_knots=3).fit(t, y)
    assert model.coef_.shape == (1, 3, 2)
    np.testing.assert_allclose(model.knots_, [0, 10, 20])
    np.testing.assert_allclose(np.sqrt(model.coef_[0, :, 0]), [1.0, 2.0, 3.0], rtol=0.2)
    fixed = SMNNSmoother(order=2, coefficients="constant").fit(t, y)
    truth = np.sin(t + 0.05 * t**2)
    errors = [np.std(each.predict(t) - truth) for each in (model, fixed)]
    assert errors[0] < 0.8 * errors[1]


def test_a_law_that_bends_is_followed_and_not_believed_beyond_the_samples():
    """x'' - 0.3 / rate x' + rate^2 x = 0: straight lines between knots err twice as much in x'.

    Bands that take the law to stay as it is at the last knot cover 22 % of what follows.
    """
    t, ahead = np.linspace(0, 10, 200), np.linspace(10, 12, 20)[1:]

    def truth(t):
        phase, rate = t + 0.15 * t**2, 1 + 0.3 * t
        return np.sin(phase), rate * np.cos(phase)

    errors, inside = [], []
    for seed in range(4):
        y = truth(t)[0] + 0.02 * np.random.default_rng(seed).standard_normal(200)
        model = SMNNSmoother(order=2, coefficients="varying", n_knots=3).fit(t, y)
        errors.append(np.std(model.predict(t, derivative=1) - truth(t)[1]) / np.std(truth(t)[1]))
        for r in range(2):
            mean, std = model.predict(ahead, derivative=r, return_std=True)
            inside.append(np.abs(mean - truth(ahead)[r]) < 1.96 * std)
    assert np.mean(errors) < 0.008
    assert np.mean(inside) > 0.7


def test_given_coefficients_may_vary():
    t = np.linspace(0, 20, 250)
    phase = t + 0.05 * t**2
    y = np.cos(phase) / np.sqrt(1 + 0.1 * t)
    noisy = y + 0.2 * np.random.default_rng(2).standard_normal(t.size)
    model = SMNNSmoother(
        coefficients=lambda t: np.column_stack([(1 + 0.1 * t) ** 2, np.zeros_like(t)])
    ).fit(t, noisy)
    plain = SMNNSmoother().fit(t, noisy)
    errors = [np.std(each.predict(t) - y) for each in (model, plain)]
    assert errors[0] < 0.6 * errors[1]


T = np.linspace(0, 1, 12)
Y = np.sin(T)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"order": 0}, 'order = 0: "auto" or an integer from 1 to 8 is wanted.'),
        ({"order": 2.5}, "order = 2.5: "),
        ({"selection": "aic"}, 'selection = \'aic\': "marginal_likelihood" or "cross_validation"'),
        ({"n_knots": 1}, "n_knots = 1: an integer of 2 or more is wanted"),
        ({"coefficients": "free"}, 'coefficients = \'free\': "constant", "varying", numbers, a'),
        ({"coefficients": [1.0], "order": 2}, "coefficients must be R = 2 finite numbers"),
        ({"coefficients": [[1.0, 2.0]]}, "coefficients has shape (1, 2), (R,) is wanted"),
        ({"coefficients": [np.nan]}, "coefficients must be R finite numbers c[0], ..., c[R-1]"),
        ({"noise_std": 0.0}, "noise_std = 0.0: a positive number, or one for each of the 1 series"),
        ({"drive_std": [1.0, 2.0]}, "drive_std = [1.0, 2.0]: a positive number"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SMNNSmoother(**parameters).fit(T, Y)


def test_too_few_samples_are_named():
    with pytest.raises(ValueError, match="column 0 of y has samples at 2 distinct times"):
        SMNNSmoother(order=3).fit([0.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="has 3 samples, all of which an ODE of order 3 follows"):
        SMNNSmoother(order=3).fit([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="column 0 of y of run 'b' has samples at 1 distinct"):
        SMNNSmoother(order=2).fit(T, Y, groups=np.array(["a"] * 11 + ["b"]))
    assert SMNNSmoother().fit([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]).order_ == [2]


def test_times_that_are_none_are_named():
    bad = np.where(T[4] == T, np.nan, T)
    words = "t is nan in row 4, column 0 (1 entries are NaN or infinite): finite times are wanted"
    with pytest.raises(ValueError, match=re.escape(words)):
        SMNNSmoother().fit(bad, Y)
    model = SMNNSmoother(order=3).fit(np.column_stack([T, T**2]), Y)
    words = "t is inf in row 1, column 1 (1 entries are NaN or infinite): finite covariates"
    with pytest.raises(ValueError, match=re.escape(words)):
        model.predict([[0.0, 1.0], [0.5, np.inf]])


def test_wrong_questions_are_named():
    model = SMNNSmoother(order=3).fit(T, Y)
    with pytest.raises(ValueError, match="derivative = 3: an integer from 0 to order - 1 = 2 is"):
        model.predict(T, derivative=3)
    with pytest.raises(ValueError, match="groups has 'c', which is not one of the 2 fitted runs"):
        SMNNSmoother(order=2).fit(T, Y, groups=["a", "b"] * 6).predict(T, groups=["c"] * 12)
    with pytest.raises(ValueError, match="groups is needed: 2 runs were fitted"):
        SMNNSmoother(order=2).fit(T, Y, groups=["a", "b"] * 6).predict(T)


def test_standard_errors_follow_the_noise():
    """What little noise leaves is known to 1e-7 of what is fast: one step for all found it lost."""
    t = np.linspace(0, 10, 400)
    law, sines = np.array([(1.3 * 4.1) ** 2, 0.0, 1.3**2 + 4.1**2, 0.0]), (1.3, 4.1)
    truth = np.sin(sines[0] * t) + 0.5 * np.sin(sines[1] * t)
    for noise in (1e-3, 1e-1):
        y = truth + noise * np.random.default_rng(0).standard_normal(400)
        model = SMNNSmoother(order=4, coefficients="constant").fit(t, y)
        assert np.all(np.abs(model.coef_[0] - law) < 4 * model.coef_std_[0])
        assert np.all(model.coef_std_[0] < 4 * noise * np.array([1.0, 0.6, 0.3, 0.1]))
        mean, std = model.predict(t, derivative=2, return_std=True)
        wanted = -sum(a * w**2 * np.sin(w * t) for a, w in zip((1.0, 0.5), sines, strict=True))
        assert np.median(np.abs(mean - wanted)) < np.median(std) < 30 * noise


def test_a_refit_forgets_what_was_learned(rng):
    t = np.linspace(0.0, 12.0, 80)
    model = SMNNSmoother(order=2, coefficients="constant").fit(t, np.sin(2 * t))
    assert model.coef_.shape == model.coef_std_.shape == (1, 2)
    model.set_params(coefficients="varying", n_knots=3).fit(t, np.sin(2 * t))
    assert model.coef_.shape == model.coef_std_.shape == (1, 3, 2)
    model.set_params(coefficients=None).fit(t, np.sin(2 * t) + 0.1 * rng.standard_normal(80))
    assert not {"coef_", "coef_std_", "knots_"} & vars(model).keys()
