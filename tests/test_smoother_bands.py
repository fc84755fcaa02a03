"""Which order a series has, and how wide its bands are: against dense algebra, and by counting."""

import numpy as np
import pytest
from scipy.integrate import quad

from smnn_np import SMNNSmoother
from smnn_np._bands import first_loss, second_and_third, shares, spectrum, widths
from smnn_np._driven import Model, Run, smooth_run
from smnn_np._marginal import Given, Strength, choose_strength, condense, deviance
from smnn_np._smoothing import comparable

T = np.linspace(0, 10, 400)


def run_of(t, y):
    return Run(t, y, np.ones(len(t)), np.empty((len(t), 0)))


def integrated_noise(rng, n, order, drive):
    """Exact draw of x^(R) = drive * white noise at unit steps, all derivatives (n, R)."""
    # Cells much finer than the steps: sums of white noise, repeatedly integrated.
    fine = 50
    x = np.zeros((n, order))
    state = np.zeros(order)
    for k in range(1, n):
        for kick in rng.standard_normal(fine):
            state[:-1] += state[1:] / fine
            state[-1] += drive * kick / np.sqrt(fine)
        x[k] = state
    return x


def dense_deviance(t, y, noise, drive, order, top):
    """Minus twice the log density of what no polynomial of degree below `top` touches."""
    place = 2 * (t - t[0]) / np.ptp(t) - 1
    polynomials = np.polynomial.legendre.legvander(place, top - 1)
    contrasts = np.linalg.qr(polynomials, mode="complete")[0][:, top:]
    points, shares = np.polynomial.legendre.leggauss(order)
    low = np.minimum.outer(t, t) - t[0]
    covariance = np.zeros_like(low)
    for point, share in zip((points + 1) / 2, shares / 2, strict=True):
        u = low * point
        ages = np.multiply.outer(t - t[0], np.ones(len(t))) - u
        covariance += share * low * (ages * ages.T) ** (order - 1)
    covariance *= (drive / np.prod(np.arange(1.0, order))) ** 2
    inside = contrasts.T @ (covariance + noise**2 * np.eye(len(t))) @ contrasts
    rest = contrasts.T @ y
    return np.linalg.slogdet(inside)[1] + rest @ np.linalg.solve(inside, rest)


def test_orders_are_compared_by_the_same_contrasts_of_the_samples(rng):
    t = np.sort(rng.uniform(0, 40, 60))
    y = np.sin(t / 5) + 0.3 * rng.standard_normal(60)
    got, wanted = [], []
    for order, drive in ((2, 3.0), (3, 3.0), (4, 2.0), (5, 1.0)):
        strength = Strength(Model(order, drive=drive / 0.3), 0.3, 0.0)
        got.append(comparable([run_of(t, y)], strength, 5))
        wanted.append(dense_deviance(t, y, 0.3, drive, order, 5))
    # All but one number, the same for all orders. Dense condition numbers reach 1e10.
    np.testing.assert_allclose(np.diff(got), np.diff(wanted), atol=1e-3)


@pytest.mark.parametrize(("order", "fall"), [(2, 0.0), (3, 0.0), (3, 0.3), (4, -0.1)])
def test_losses_are_integrals_over_a_spectrum(order, fall):
    for r, a in enumerate(shares(order)):
        if a - fall > 0.9:
            continue

        def share(passes, a=a):
            """Smoothed `passes` times, then lost: x = u^-(1 + fall), in posterior variances."""
            lost = quad(
                lambda v: v ** (a - fall) / (1 + v) ** (2 + 2 * passes), 0, np.inf, limit=500
            )[0]
            return lost / quad(lambda v: v ** (a - 1) / (1 + v), 0, np.inf, limit=500)[0]

        one, (two, three) = (
            first_loss(shares(order), 1.0, fall),
            second_and_third(shares(order), 1.0, fall),
        )
        np.testing.assert_allclose([one[r], two[r], three[r]], [share(0), share(1), share(2)], 1e-4)


def test_the_model_is_smoothed_by_its_own_share():
    np.testing.assert_allclose(first_loss(shares(3), 1.0, 0.0), [1 / 6, 1 / 2, 5 / 6])


@pytest.mark.parametrize("fall", [-0.3, 0.0, 0.6])
def test_a_spectrum_is_found_from_its_losses(fall):
    for order in (1, 3, 5):
        r = min(1, order - 1)
        losses = second_and_third(shares(order), 2.5, fall)[:, r]
        np.testing.assert_allclose(spectrum(shares(order)[r], *losses), [2.5, fall], atol=1e-9)


@pytest.mark.parametrize("order", [2, 3])
def test_a_draw_from_the_model_keeps_its_bands(order):
    rng, found = np.random.default_rng(0), []
    for _ in range(6):
        x = integrated_noise(rng, 600, order, 0.3**order)[:, 0]
        runs = [run_of(np.arange(600.0), x + rng.standard_normal(600))]
        strength = choose_strength(runs, Model(order), Given(), deviance)
        found.append(widths(runs, strength)[:2])
    # Of one draw 0.2 off, more often down: what is measured is the height and the fall.
    np.testing.assert_allclose(np.mean(found, axis=0), 1.0, atol=0.2)


def smooth(t):
    return np.sin(3 * t), 3 * np.cos(3 * t), -9 * np.sin(3 * t)


def steps(t):
    inner, first, second = 4 * np.sin(1.5 * t), 6 * np.cos(1.5 * t), -9 * np.sin(1.5 * t)
    value = np.tanh(inner)
    slope = 1 - value**2
    return value, slope * first, slope * second - 2 * value * slope * first**2


def bump(t):
    z = (t - 5) / 0.6
    height = np.exp(-(z**2) / 2)
    return height + 0.2 * t, -z * height / 0.6 + 0.2, (z**2 - 1) * height / 0.36


CASES = [(smooth, 0.1), (bump, 0.1), (bump, 0.3), (steps, 0.1), (steps, 0.3)]


@pytest.mark.parametrize(("truth", "share"), CASES)
def test_bands_cover_fixed_functions_and_their_derivatives(truth, share):
    """The posterior's own cover 98, 100, 100 % of the first and 93, 84, 87 % of the last."""
    wanted = truth(T)
    inside = []
    for seed in range(12):
        noise = share * np.std(wanted[0]) * np.random.default_rng(seed).standard_normal(T.size)
        model = SMNNSmoother().fit(T, wanted[0] + noise)
        pairs = [model.predict(T, derivative=r, return_std=True) for r in range(3)]
        inside.append(
            [np.mean(abs(m - w) < 1.96 * s) for (m, s), w in zip(pairs, wanted, strict=True)]
        )
    covered = np.mean(inside, axis=0)
    assert np.all(covered > 0.90)
    assert np.all(covered < 0.985)


def test_rough_series_keep_the_bands_of_the_model(rng):
    """Samples further apart than what is smoothed away say nothing about it."""
    x = np.cumsum(3 * rng.standard_normal(200))
    runs = [run_of(np.arange(200.0), x + rng.standard_normal(200))]
    strength = choose_strength(runs, Model(1), Given(), deviance)
    assert (widths(runs, strength) == 1.0).all()


def test_means_of_dense_samples_lose_nothing(rng):
    t = np.sort(rng.uniform(0, 60, 12_000))
    runs = [run_of(t, np.sin(t) + 0.3 * rng.standard_normal(t.size))]
    model = choose_strength(runs, Model(3), Given(), deviance).model
    (means,), usual, width = condense(runs, model, 100)
    assert len(means.times) < 1_500
    np.testing.assert_allclose(np.diff(means.times), width)
    run, slot, _ = runs[0].ask(means.times, np.empty((len(means.times), 0)))
    wanted, std = smooth_run(run, model, slot)
    got, few_std = smooth_run(
        means, model.at(model.drive * np.sqrt(usual)), np.arange(len(means.times))
    )
    for r in range(2):
        gap = (got[:, r] - wanted[:, r]) / (0.3 * std[:, r])
        assert np.mean(gap**2) < 0.02  # of the variance that there is anyway
        inner = slice(3, -3)  # the last stretch may hold few samples
        ratio = few_std[inner, r] / np.sqrt(usual) / std[inner, r]
        np.testing.assert_allclose(ratio, 1.0, rtol=0.02)
