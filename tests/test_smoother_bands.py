"""Which order a series has, and how wide its bands are: against dense algebra, and by counting."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.signal import lfilter
from scipy.special import beta

from smnn_np import SMNNSmoother
from smnn_np._bands import measure_losses, spectrum, widths
from smnn_np._driven import Model, Run, smooth_run
from smnn_np._knots import Knots
from smnn_np._marginal import Given, Strength, choose_strength, condense, deviance
from smnn_np._response import respond
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


def plain(order, drive=0.1):
    return respond([run_of(np.arange(500.0), np.zeros(500))], Model(order, drive=drive))


def of_law(*coefs, drive=0.1):
    return Model(len(coefs), Knots(np.zeros(1), np.array([coefs])), drive)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("fall", [-1.0, -0.1, 0.0, 0.3])
def test_losses_without_coefficients_are_beta_functions(order, fall):
    for r in range(order):
        a = (2 * r + 1) / (2 * order)
        b = a - fall
        for passes in (0, 1, 2):
            if b < min(2 * passes + 1, 0.95 + 2 * passes):
                wanted = beta(b + 1, 2 * passes + 1 - b) / beta(a, 1 - a)
                got = plain(order).lost(r, passes, fall)
                np.testing.assert_allclose(got, wanted, rtol=0.01)


@pytest.mark.parametrize("coefs", [(0.04, 0.02), (0.0, 0.5, 0.1), (-0.01, 0.3)])
def test_losses_of_a_law_are_integrals_over_its_spectrum(coefs):
    """Frequencies by another variable and another rule, u by complex roots."""
    model = of_law(*coefs)
    response = respond([run_of(np.arange(500.0), np.zeros(500))], model)
    roots = np.roots([1.0, *coefs[::-1]])

    def integral(r, power, passes):
        def at(log_rate):
            rate = np.exp(log_rate)
            u = np.prod(np.abs(1j * rate - roots)) ** 2 / (model.drive**2 * 500 / 499)
            return rate ** (2 * r + 1) * u**power / (1 + u) ** passes

        peaks = np.log(np.unique(np.abs(roots.imag[roots.imag > 0])))
        return quad(at, -30, 15, limit=5000, points=peaks)[0]

    for r in range(2):
        for passes, fall in ((0, 0.0), (1, 0.4), (2, -1.0)):
            wanted = integral(r, 1 - fall, 2 + 2 * passes) / integral(r, 0, 1)
            np.testing.assert_allclose(response.lost(r, passes, fall), wanted, rtol=0.01)


@pytest.mark.parametrize("coefs", [(0.0, 0.0, 0.0), (0.04, 0.02), (0.0, 0.09, 0.1)])
def test_losses_are_those_of_the_smoother(coefs):
    """What a unit of noise in the middle becomes: rows of the smoothing matrix, all alike there."""
    n, model = 801, of_law(*coefs, drive=0.3)
    run, slot = run_of(np.arange(float(n)), np.eye(n)[n // 2]), np.arange(n)
    response = respond([run], model)
    once, std = smooth_run(run, model, slot)
    twice = smooth_run(run_of(run.times, once[:, 0]), model, slot)[0]
    for r in range(2):
        variance = std[n // 2, r] ** 2
        # What comes through has variance 1 - a, what goes when it is smoothed again the next loss.
        through = (once[:, r] ** 2).sum() / variance
        again = ((twice - once)[:, r] ** 2).sum() / variance
        np.testing.assert_allclose(1 - response.lost(r, 0, 0.0), through, rtol=0.03)
        np.testing.assert_allclose(response.lost(r, 1, -1.0), again, rtol=0.03)


@pytest.mark.parametrize("fall", [-0.2, 0.0, 0.6])
@pytest.mark.parametrize("coefs", [(0.0,), (0.0, 0.0, 0.0), (0.04, 0.02), (0.3, 0.0, 0.5, 0.1)])
def test_a_spectrum_is_found_from_its_losses(coefs, fall):
    response = respond([run_of(np.arange(500.0), np.zeros(500))], of_law(*coefs))
    r = min(1, len(coefs) - 1)
    losses = np.array([2.5 * response.lost(r, passes, fall) for passes in (1, 2)])
    np.testing.assert_allclose(spectrum(response, r, losses), [2.5, fall], atol=0.01)


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


def test_a_draw_from_a_driven_oscillator_keeps_its_bands():
    step, decay, rate, inside, found = 0.25, 0.1, 1.5, [], []
    pole = np.exp((-decay + 1j * rate) * step)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        kicks = rng.standard_normal(1600)
        x = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], kicks)[200::2]
        noisy = x + 0.3 * x.std() * rng.standard_normal(700)
        t = 2 * step * np.arange(700)
        model = SMNNSmoother(coefficients=[rate**2 + decay**2, 2 * decay]).fit(t, noisy)
        mean, std = model.predict(t, return_std=True)
        inside.append(np.mean(abs(mean - x) < 1.96 * std))
        found.append(model._fits[0].width)
    assert 0.92 < np.mean(inside) < 0.97
    np.testing.assert_allclose(np.mean(found, axis=0), 1.0, atol=0.1)


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
    assert np.all(covered < 0.99)


def chirp(t):
    phase, rate = t + 0.15 * t**2, 1 + 0.3 * t
    sine, cosine = np.sin(phase), np.cos(phase)
    return sine, rate * cosine, 0.3 * cosine - rate**2 * sine


@pytest.mark.parametrize("truth", [chirp, bump])
def test_bands_cover_where_the_given_law_does_not_hold(truth):
    """An oscillation plus a constant: the posterior's own bands of y'' cover 99.5 and 99.8 %."""
    wanted = truth(T)
    inside = []
    for seed in range(12):
        noise = 0.1 * np.std(wanted[0]) * np.random.default_rng(seed).standard_normal(T.size)
        model = SMNNSmoother(coefficients=[0.0, 6.0, 0.0]).fit(T, wanted[0] + noise)
        pairs = [model.predict(T, derivative=r, return_std=True) for r in range(3)]
        inside.append(
            [np.mean(abs(m - w) < 1.96 * s) for (m, s), w in zip(pairs, wanted, strict=True)]
        )
    covered = np.mean(inside, axis=0)
    assert np.all(covered > 0.90)
    assert np.all(covered < 0.99)


def test_bands_of_a_learned_law_are_the_posteriors_only_where_it_holds():
    found = []
    for truth in (smooth, chirp):
        wanted = truth(T)[0]
        y = wanted + 0.1 * np.std(wanted) * np.random.default_rng(0).standard_normal(T.size)
        found.append(SMNNSmoother(order=3, coefficients="constant").fit(T, y)._fits[0].width)
    np.testing.assert_array_equal(found[0], 1.0)
    assert np.all(found[1] < [0.98, 0.9, 0.8])


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
    (means,), usual, width = condense(runs, model, model.drive ** (1 / 3), 100)
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


@pytest.mark.parametrize("model", [Model(3), of_law(4.0, 0.2), of_law(0.0, 4.0, 0.5)])
def test_losses_of_dense_samples_are_measured_on_means(rng, monkeypatch, model):
    n = 8_000
    t = np.linspace(0, 60, n)
    runs = [run_of(t, np.sin(t) + 0.5 * np.sin(1.7 * t) + 0.3 * rng.standard_normal(n))]
    strength = choose_strength(runs, model, Given(), deviance)
    response = respond(runs, strength.model)
    nodes = []
    monkeypatch.setattr(
        "smnn_np._bands.stretches", lambda runs, _: nodes.append(len(runs[0].times)) or runs
    )
    losses = []
    for least in (300, n):
        monkeypatch.setattr("smnn_np._bands.MANY", least)
        losses.append(measure_losses(runs, strength, response)[:2])
    assert nodes[0] < n / 2
    assert nodes[1] == n
    noise = [response.lost(1, passes, -1.0) for passes in (1, 2)]
    np.testing.assert_allclose(losses[0][0], losses[1][0], atol=0.05 * noise[0])
    assert losses[0][1] == pytest.approx(losses[1][1], rel=0.02)
