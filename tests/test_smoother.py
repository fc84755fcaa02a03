"""The smoother: laws it must obey, an exact oracle, what its bands promise."""

import numpy as np
import pytest
from scipy.linalg import expm

import smnn_np as smnn
from smnn_np import SMNNSmoother
from smnn_np._driven import Model, Run
from smnn_np._marginal import Given, left_out
from smnn_np.testing import assert_close

ORDERS = 1, 2, 3, 4


def draw(rng, n=40):
    """Return irregular times, some repeated, and a noisy series."""
    t = np.sort(rng.uniform(0, 10, n))
    t[5] = t[4]
    return t, np.sin(t) + 0.2 * rng.standard_normal(n)


def gram(one, two, order):
    """Covariance of an integrated Wiener process of that order, from zero: independent code.

    The integral of (s - u)_+^(R-1) (t - u)_+^(R-1) / (R-1)!^2 over u, by exact quadrature.
    """
    points, shares = np.polynomial.legendre.leggauss(order)
    low, high = np.minimum.outer(one, two), np.maximum.outer(one, two)
    total = np.zeros_like(low)
    for point, share in zip((points + 1) / 2, shares / 2, strict=True):
        u = low * point
        total += share * low * ((low - u) * (high - u)) ** (order - 1)
    return total / float(np.prod(np.arange(1, order))) ** 2


def oracle(t, y, noise, drive, order, asked):
    """Posterior mean and std at `asked` by dense Gaussian-process algebra, flat polynomials."""
    origin = min(t.min(), asked.min())
    s, a = t - origin, asked - origin
    h, g = np.vander(s, order, increasing=True), np.vander(a, order, increasing=True)
    k = drive**2 * gram(s, s, order) + noise**2 * np.eye(len(t))
    cross = drive**2 * gram(a, s, order)
    inverse = np.linalg.inv(k)
    information = h.T @ inverse @ h
    beta = np.linalg.solve(information, h.T @ inverse @ y)
    rest = g - cross @ inverse @ h
    mean = g @ beta + cross @ inverse @ (y - h @ beta)
    covariance = drive**2 * gram(a, a, order) - cross @ inverse @ cross.T
    covariance += rest @ np.linalg.solve(information, rest.T)
    return mean, np.sqrt(np.diag(covariance))


def dense_smoother(t, y, noise, drive, coefs):
    """Posterior of all states of a linear ODE driven by white noise, by one dense least squares."""
    order, n = len(coefs), len(t)
    f = np.diag(np.ones(order - 1), 1)
    f[-1] = -np.asarray(coefs)
    rows = [np.eye(n * order)[::order] / noise]
    for k in range(n - 1):
        van_loan = np.zeros((2 * order, 2 * order))
        van_loan[:order, :order], van_loan[order:, order:] = -f, f.T
        van_loan[order - 1, 2 * order - 1] = drive**2
        van_loan = expm(van_loan * (t[k + 1] - t[k]))
        ahead = van_loan[order:, order:].T
        whiten = np.linalg.inv(np.linalg.cholesky(ahead @ van_loan[:order, order:]))
        link = np.zeros((order, n * order))
        link[:, k * order : (k + 1) * order] = -whiten @ ahead
        link[:, (k + 1) * order : (k + 2) * order] = whiten
        rows.append(link)
    inverse = np.linalg.pinv(np.concatenate(rows), rcond=1e-14)
    std = np.sqrt((inverse**2).sum(axis=1))
    return (inverse[:, :n] @ (y / noise)).reshape(n, order), std.reshape(n, order)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_posterior_is_that_of_the_gaussian_process(rng, order):
    t, y = draw(rng)
    asked = np.concatenate([t[::3], np.linspace(-1.0, 11.5, 30)])
    model = SMNNSmoother(order=order, noise_std=0.2, drive_std=0.7).fit(t, y)
    mean, std = model.predict(asked, return_std=True)
    wanted = oracle(t, y, 0.2, 0.7, order, asked)
    # The oracle inverts a matrix of condition 1e6 or more.
    assert_close(mean, wanted[0], scale=1e3)
    assert_close(std, wanted[1], scale=1e3)


@pytest.mark.parametrize("coefs", [(2.0, 0.3), (0.0, 4.0, 0.1), (-0.2,), (0.0,) * 4])
def test_states_are_those_of_the_driven_equation(rng, coefs):
    t = np.cumsum(rng.uniform(0.3, 1.5, 15))
    y = np.sin(t) + 0.2 * rng.standard_normal(15)
    model = SMNNSmoother(coefficients=coefs, noise_std=0.2, drive_std=0.7).fit(t, y)
    wanted = dense_smoother(t, y, 0.2, 0.7, coefs)
    for r in range(len(coefs)):
        mean, std = model.predict(t, derivative=r, return_std=True)
        assert_close(mean, wanted[0][:, r], scale=1e3)
        assert_close(std, wanted[1][:, r], scale=1e3)


@pytest.mark.parametrize("order", ORDERS)
def test_a_polynomial_is_its_own_smoother(rng, order):
    t, _ = draw(rng)
    p = np.polynomial.Polynomial(rng.standard_normal(order), domain=[0, 10], window=[-1, 1])
    model = SMNNSmoother(order=order).fit(t, p(t))
    asked = np.linspace(-2, 12, 50)
    for r in range(order):
        mean, std = model.predict(asked, derivative=r, return_std=True)
        np.testing.assert_allclose(mean, p.deriv(r)(asked) if r else p(asked), atol=1e-8)
        assert np.all(std < 1e-6)


def test_a_solution_of_the_given_equation_is_its_own_smoother(rng):
    t, _ = draw(rng)
    decay = np.exp(-0.3 * t) * np.cos(2 * t)
    roots = np.array([-0.3 + 2j, -0.3 - 2j])
    coefs = np.poly(roots).real[:0:-1]
    model = SMNNSmoother(coefficients=coefs).fit(t, decay)
    asked = np.linspace(-1, 15, 60)
    mean = model.predict(asked)
    np.testing.assert_allclose(mean, np.exp(-0.3 * asked) * np.cos(2 * asked), atol=1e-8)


@pytest.mark.parametrize("coefficients", [None, (4.0, 0.1)])
@pytest.mark.parametrize("selection", ["marginal_likelihood", "cross_validation"])
def test_shifts_and_units_make_no_difference(rng, coefficients, selection):
    t, y = draw(rng)
    plain = coefficients is None
    shift, scale, stretch, lift = 1000.0, 1e5, 3e-4, 7.0 if plain else 0.0
    model = SMNNSmoother(order=3 if plain else 2, coefficients=coefficients, selection=selection)
    wanted, wanted_std = model.fit(t, y).predict(t, derivative=1, return_std=True)
    if not plain:
        coefficients = np.array(coefficients) * stretch ** np.array([-2.0, -1.0])
    other = SMNNSmoother(order=model.order, coefficients=coefficients, selection=selection)
    other.fit(shift + stretch * t, lift + scale * y)
    mean, std = other.predict(shift + stretch * t, derivative=1, return_std=True)
    # A minimum is found to the square root of rounding, on times rounded by the shift.
    np.testing.assert_allclose(mean * stretch / scale, wanted, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(std * stretch / scale, wanted_std, rtol=1e-4)


def test_repeated_samples_are_worth_their_mean(rng):
    t = np.sort(rng.uniform(0, 10, 20))
    y = np.sin(t) + 0.1 * rng.standard_normal((4, 20))
    repeated = SMNNSmoother(order=3, noise_std=0.1, drive_std=1.0).fit(np.tile(t, 4), y.ravel())
    averaged = SMNNSmoother(order=3, noise_std=0.05, drive_std=1.0).fit(t, y.mean(axis=0))
    for one, two in zip(
        repeated.predict(t, return_std=True), averaged.predict(t, return_std=True), strict=True
    ):
        assert_close(one, two)


@pytest.mark.parametrize("selection", ["marginal_likelihood", "cross_validation"])
def test_a_missing_sample_is_no_sample(rng, selection):
    t, y = draw(rng)
    y[[0, 7, 8, 20, 39]] = np.nan
    seen = ~np.isnan(y)
    one = SMNNSmoother(order=3, selection=selection).fit(t, y)
    two = SMNNSmoother(order=3, selection=selection).fit(t[seen], y[seen])
    assert one.noise_std_ == pytest.approx(two.noise_std_, rel=1e-5)
    np.testing.assert_allclose(one.predict(t), two.predict(t), rtol=1e-4)


def test_the_order_of_samples_and_of_questions_makes_no_difference(rng):
    t, y = draw(rng)
    order = rng.permutation(len(t))
    model = SMNNSmoother(order=3).fit(t, y)
    other = SMNNSmoother(order=3).fit(t[order], y[order])
    # Two repeated samples may change places, and with them the rounding.
    np.testing.assert_allclose(other.predict(t[order]), model.predict(t)[order], rtol=1e-4)


def test_a_question_at_a_sample_is_answered_as_one_beside_it(rng):
    t, y = draw(rng)
    model = SMNNSmoother(order=3).fit(t, y)
    asked = np.concatenate([t[10:5:-1], t[8:12], [3.3]])
    for one, two in zip(
        model.predict(asked, return_std=True),
        model.predict(asked + 1e-9, return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, atol=1e-7)


def test_columns_are_series_of_their_own_and_runs_share_the_strength(rng):
    t, y = draw(rng)
    z = np.column_stack([y, 100 * np.cos(t) + rng.standard_normal(len(t))])
    both = SMNNSmoother().fit(t, z)
    alone = SMNNSmoother().fit(t, z[:, 1])
    np.testing.assert_array_equal(both.predict(t)[:, 1], alone.predict(t))
    groups = np.where(np.arange(len(t)) % 2, "b", "a")
    runs = SMNNSmoother(order=3).fit(t, y, groups)
    part = groups == "b"
    fixed = SMNNSmoother(order=3, noise_std=runs.noise_std_[0], drive_std=runs.drive_std_[0]).fit(
        t[part], y[part]
    )
    assert_close(runs.predict(t[part], groups[part]), fixed.predict(t[part]))


def test_covariates_add_to_the_series(rng):
    t = np.linspace(0, 10, 200)
    u = rng.standard_normal((200, 2))
    y = np.sin(t) + u @ [2.0, -0.5] + 0.05 * rng.standard_normal(200)
    model = SMNNSmoother().fit(np.column_stack([t, u]), y)
    np.testing.assert_allclose(model.effects_, [[[2.0, -0.5]]], atol=0.03)
    without = model.predict(np.column_stack([t, np.zeros((200, 2))]))
    np.testing.assert_allclose(without, np.sin(t), atol=0.1)


def test_bands_cover_what_they_promise():
    """Over draws of the process itself, strength found from the data."""
    rng = np.random.default_rng(3)
    t = np.linspace(0, 20, 200)
    root = np.linalg.cholesky(gram(t[1:], t[1:], 3) + 1e-10 * np.eye(199))
    inside = []
    for _ in range(40):
        x = np.append(0.0, 0.5 * root @ rng.standard_normal(199))
        model = SMNNSmoother(order=3).fit(t, x + 0.3 * rng.standard_normal(200))
        mean, std = model.predict(t, return_std=True)
        inside.append(np.mean(np.abs(mean - x) < 1.96 * std))
    assert 0.90 < np.mean(inside) < 0.98


def test_noise_and_drive_are_found():
    rng = np.random.default_rng(5)
    t = np.arange(1, 2001) * 0.1
    x = 0.4 * np.cumsum(np.sqrt(0.1) * rng.standard_normal(2000))
    model = SMNNSmoother(order=1).fit(t, x + 0.2 * rng.standard_normal(2000))
    assert model.noise_std_[0] == pytest.approx(0.2, rel=0.1)
    assert model.drive_std_[0] == pytest.approx(0.4, rel=0.1)


def test_long_even_records_coast_to_the_same_answer(rng):
    """The steady shortcut of the filter against the step by step one, reached by uneven steps."""
    t = np.arange(3000.0)
    y = np.sin(t / 50) + 0.3 * rng.standard_normal(3000)
    uneven = t + 1e-7 * rng.uniform(size=3000)
    for order in (2, 3):
        given = {"order": order, "noise_std": 0.3, "drive_std": 0.1**order}
        one = SMNNSmoother(**given).fit(t, y).predict(t, return_std=True)
        two = SMNNSmoother(**given).fit(uneven, y).predict(uneven, return_std=True)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_derivative_differentiates_columns(rng):
    t = np.linspace(0, 6, 200)
    y = np.column_stack([np.sin(t), np.cos(t)]) + 0.01 * rng.standard_normal((200, 2))
    slope, std = smnn.derivative(y, t, return_std=True)
    np.testing.assert_allclose(slope, np.column_stack([np.cos(t), -np.sin(t)]), atol=0.05)
    assert std.shape == (200, 2)
    np.testing.assert_allclose(smnn.derivative(y, t[1]), slope, rtol=1e-4, atol=1e-6)


def test_cross_validation_leaves_out_one_by_one(rng):
    t, y = draw(rng, n=15)
    given = {"order": 2, "noise_std": 0.2, "drive_std": 0.7}
    rests = [
        y[k] - SMNNSmoother(**given).fit(np.delete(t, k), np.delete(y, k)).predict(t[[k]])[0]
        for k in range(15)
    ]
    run = Run(t, y, np.ones(15), np.empty((15, 0)))
    height, level = left_out([run], Model(2, drive=0.7 / 0.2), Given(noise=0.2))
    assert_close(height, np.mean(np.square(rests)))
    assert level == pytest.approx(0.04)


def test_short_records_keep_some_noise():
    """At the maximum of the likelihood itself nearly none of these has any: bands of no width."""
    inside = []
    for n, order in ((10, 3), (20, 2), (20, 3), (40, 2)):
        t = np.linspace(0, 6, n)
        for seed in range(8):
            truth = np.sin(2 * t + seed)
            y = truth + 0.007 * np.random.default_rng(seed).standard_normal(n)
            model = SMNNSmoother(order=order).fit(t, y)
            assert model.noise_std_[0] > 1e-4
            mean, std = model.predict(t, return_std=True)
            inside.append(np.mean(np.abs(mean - truth) < 1.96 * std))
    assert np.mean(inside) > 0.75


def test_complex_samples_are_refused():
    with pytest.raises(ValueError, match="y must hold real numbers"):
        SMNNSmoother().fit(np.arange(9.0), 1j * np.arange(9.0))


@pytest.mark.parametrize("t", [None, 0.0, -0.1, np.nan])
def test_derivative_says_what_a_step_is(t):
    with pytest.raises(ValueError, match="times, or a step > 0 between samples, are wanted"):
        smnn.derivative(np.sin(np.arange(50) / 10), t)
