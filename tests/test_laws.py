"""Laws that any right solver obeys, whatever its numbers."""

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np.testing import assert_close, random_ode

CENTRAL = pytest.mark.parametrize("central", [False, True])


def make(seed, **options):
    """A well-conditioned problem with several of everything."""
    sizes = {"batch": (2,), "n_steps": 8, "n_equations": 2, "n_dims": 2, "n_orders": 3}
    case = random_ode(np.random.default_rng(seed), **{**sizes, **options})
    return {name: value for name, value in case.items() if name != "central"}


def split(case):
    """Arguments of ode_solve: the four arrays, and the rest."""
    names = ("coefficients", "rhs", "initial", "steps")
    return [case[name] for name in names], {k: v for k, v in case.items() if k not in names}


def test_time_unit():
    """In units of time k times longer, steps shrink by k and derivative r grows by k^r.

    Taylor rows do not notice. (Central rows would: they carry a power of time.)
    """
    (c, d, u, s), rest = split(make(0))
    k = 4.0
    powers = k ** np.arange(3)
    y = smnn.ode_solve(c, d, u, s, **rest)
    n = u.shape[-1]
    other = smnn.ode_solve(
        c / powers, d, u * powers[:n], s / k, weight_initial=1 / powers[:n], **rest
    )
    assert_close(other / powers, y)


@CENTRAL
def test_linearity(central):
    (c, d, u, s), rest = split(make(1))
    y = smnn.ode_solve(c, d, u, s, central=central, **rest)
    assert_close(smnn.ode_solve(c, -3 * d, -3 * u, s, central=central, **rest), -3 * y)


@CENTRAL
def test_permuted_dimensions_equations_and_series(central):
    (c, d, u, s), rest = split(make(2))
    y = smnn.ode_solve(c, d, u, s, central=central, **rest)
    flip = slice(None, None, -1)
    permuted = smnn.ode_solve(
        c[flip][..., flip, flip, :], d[flip][..., flip], u[flip][..., flip, :],
        s[flip] if s.shape[0] == 2 else s, central=central, **rest,
    )  # fmt: skip
    assert_close(permuted[flip][..., flip, :], y)


@CENTRAL
def test_time_shift(central):
    """A grid cut off its first nodes, started from the full solution's jet, goes on as before.

    Only where all rows hold exactly: here the solution is a polynomial below the order.
    """
    t = np.array([0.0, 0.3, 0.5, 1.1, 1.2, 1.9])
    y_true = np.stack([1 + 2 * t - t**2, 2 - 2 * t, np.full_like(t, -2.0)], -1)[:, None]
    c = np.random.default_rng(3).standard_normal((6, 1, 1, 3))
    d = np.einsum("tqvr,tvr->tq", c, y_true)
    late = smnn.ode_solve(c[2:], d[2:], y_true[2:3], np.diff(t)[2:], central=False)
    whole = smnn.ode_solve(c, d, y_true[:1], np.diff(t), central=False)
    assert_close(late, whole[2:])
    if central:
        even = np.arange(6) * 0.25
        y_even = np.stack([1 + 2 * even - even**2, 2 - 2 * even, np.full_like(even, -2.0)], -1)
        d_even = np.einsum("tqvr,tvr->tq", c, y_even[:, None])
        y = smnn.ode_solve(c, d_even, y_even[:1, None], 0.25, central=True)
        assert_close(y, y_even[:, None])


@pytest.mark.parametrize("factorization", ["auto", "cholesky", "qr"])
@pytest.mark.parametrize("n_orders", [1, 2, 3, 4, 5, 6])
def test_polynomials_below_the_order_are_exact(n_orders, factorization):
    """Forward and backward Taylor rows hold exactly for degree < R on any grid."""
    rng = np.random.default_rng(n_orders)
    t = np.concatenate([[0.0], np.cumsum(rng.uniform(0.05, 0.5, 10))])
    polynomial = np.polynomial.Polynomial(rng.standard_normal(n_orders))
    jet = [polynomial.deriv(r)(t) if r else polynomial(t) for r in range(n_orders)]
    y_true = np.stack(jet, -1)[:, None]
    c = rng.standard_normal((11, 1, 1, n_orders))
    d = np.einsum("tqvr,tvr->tq", c, y_true)
    y = smnn.ode_solve(c, d, y_true[:1], np.diff(t), factorization=factorization)
    assert_close(y, y_true, scale=100)  # the jet's condition number grows with R


def test_duplicated_equation_is_doubled_squared_weight():
    (c, d, u, s), rest = split(make(4))
    twice = smnn.ode_solve(np.concatenate([c, c], -3), np.concatenate([d, d], -1), u, s, **rest)
    assert_close(smnn.ode_solve(c, d, u, s, weight_equation=np.sqrt(2.0), **rest), twice)


def test_duplicated_initial_value_is_doubled_squared_weight():
    """Two contradictory starts count as their mean with twice the squared weight."""
    (c, d, u, s), rest = split(make(5, n_initial_orders=1))
    extra = np.zeros_like(c[..., :1, :, :])
    extra[..., 0, 0, 0] = 1.0  # as an equation at node 0: y[0, 0, 0] = 7
    weight = np.ones((8, 3))
    weight[1:, 2] = 0.0
    both = smnn.ode_solve(
        np.concatenate([c, np.broadcast_to(extra, (*c.shape[:-3], 1, 2, 3))], -3),
        np.concatenate([d, np.full((*d.shape[:-1], 1), 7.0)], -1),
        u, s, weight_equation=weight, **rest,
    )  # fmt: skip
    mean, strong = u.copy(), np.ones(u.shape[-2:])
    mean[..., 0, 0] = (u[..., 0, 0] + 7.0) / 2
    strong[0, 0] = np.sqrt(2.0)
    assert_close(smnn.ode_solve(c, d, mean, s, weight_initial=strong, **rest), both)


@CENTRAL
def test_weights_count_only_relative_to_each_other(central):
    (c, d, u, s), rest = split(make(6))
    y = smnn.ode_solve(c, d, u, s, central=central, **rest)
    tripled = smnn.ode_solve(
        c, d, u, s, central=central, weight_equation=3.0, weight_initial=3.0, weight_smooth=3.0,
        **rest,
    )  # fmt: skip
    assert_close(tripled, y)


def test_row_weight_is_a_factor_of_the_row():
    (c, d, u, s), rest = split(make(7))
    weight = np.random.default_rng(0).uniform(0.5, 2.0, (8, 2))
    scaled = smnn.ode_solve(c * weight[..., None, None], d * weight, u, s, **rest)
    assert_close(smnn.ode_solve(c, d, u, s, weight_equation=weight, **rest), scaled)


def test_batch_is_series_by_series():
    (c, d, u, s), rest = split(make(8, batch=(3,)))
    y = smnn.ode_solve(c, d, u, s, **rest)
    for b in range(3):
        one = smnn.ode_solve(c[b], d[b], u[b], s[b] if s.ndim > 1 else s, **rest)
        np.testing.assert_array_equal(one, y[b])
