"""Kernels with all sizes compiled in against the general ones and the dense twin.

Small problems of several dimensions take the general kernels; here they are made to take both.
"""

from fractions import Fraction

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import dense, taylor
from smnn_np._kernels.cpu.unrolled.rotations import Held
from smnn_np.testing import assert_close, random_ode

SHAPES = {
    "one series": ((), 9, 2, 3, 2),  # batch, steps, equations, dims, orders
    "full lanes and a rest": ((9,), 7, 3, 2, 2),
}


def make(shape):
    batch, n_steps, n_equations, n_dims, n_orders = SHAPES[shape]
    return random_ode(
        np.random.default_rng(3), batch, n_steps, n_equations, n_dims, n_orders, 2, weighted=True
    )


def solve(monkeypatch, case, unrolled, factorization):
    """Solution and gradients by one set of kernels."""
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0 if unrolled else np.inf)
    y, pullback = smnn.ode_solve_vjp(**case, factorization=factorization)
    return y, pullback(np.random.default_rng(4).standard_normal(y.shape))


@pytest.mark.parametrize("factorization", ["cholesky", "qr"])
@pytest.mark.parametrize("shape", list(SHAPES))
def test_both_sets_of_kernels_agree(monkeypatch, shape, factorization):
    case = make(shape)
    y, grads = solve(monkeypatch, case, True, factorization)
    assert_close(y, dense.ode_solve(**case))
    y_general, general = solve(monkeypatch, case, False, factorization)
    assert_close(y, y_general)
    for name, one, two in zip(grads._fields, grads, general, strict=True):
        np.testing.assert_array_equal(one.shape, two.shape, err_msg=name)
        assert_close(one, two)


@pytest.mark.parametrize("factorization", ["cholesky", "qr"])
def test_determinant_and_variance_from_either_triangle(monkeypatch, factorization):
    case = make("one series")
    shared = {k: v for k, v in case.items() if k not in ("rhs", "initial")}
    found = []
    for least in (0, np.inf):
        monkeypatch.setattr(taylor, "UNROLLED_NODES", least)
        factor = smnn.ode_factorize(
            **shared, n_steps=9, n_initial_steps=2, n_initial_orders=1,
            factorization=factorization,
        )  # fmt: skip
        found.append((factor.logdet(), factor.covariance(lag=1)))
    for one, two in zip(*found, strict=True):
        assert_close(one, two)


def test_rows_that_begin_with_zeros_go_on_to_later_unknowns(monkeypatch):
    """y'' = f where nothing is known of y and y' as yet; series with other zeros beside it."""
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    rng = np.random.default_rng(5)
    coefficients = rng.standard_normal((5, 6, 1, 1, 3))
    coefficients[0, :, ..., :2] = 0.0
    coefficients[1, :3, ..., 0] = 0.0
    coefficients[2, 0] = 0.0
    case = {
        "coefficients": coefficients,
        "rhs": rng.standard_normal((5, 6, 1)),
        "initial": rng.standard_normal((5, 6, 1, 1)),
        "steps": 0.5,
        "weight_initial": (np.arange(6) >= 2).astype(float)[:, None, None],
    }
    for first in (0, 4):  # four lanes abreast, and one series in two
        some = case | {k: case[k][first:] for k in ("coefficients", "rhs", "initial")}
        assert_close(smnn.ode_solve(**some, factorization="qr"), dense.ode_solve(**some))


class _Numbers:
    """Stands for the machine: one number instead of lanes."""

    compare = staticmethod(lambda how, left, right: left > right)
    select = staticmethod(lambda condition, yes, no: yes if condition else no)


def test_a_large_row_is_not_spoilt_by_what_it_replaces():
    """A row of weight 1e-30 and entries of 1e20 leaves no rounding errors of its own size."""
    weight, entry, first, other = (np.longdouble(x) for x in (1e-30, 1e20, 3.0, 0.7))
    held = Held(weight, [1.0, entry])
    left_weight, (left,) = held.rotate(_Numbers(), np.longdouble(1.0), [first, other])
    w, a, x, b = (Fraction(*each.as_integer_ratio()) for each in (weight, entry, first, other))
    total = w + x * x
    wanted = [total, (w * a + x * b) / total, w / total, b - x * a]
    found = [held.weight, held.entries[1], left_weight, left]
    for one, two in zip(found, wanted, strict=True):
        error = float(abs(Fraction(*one.as_integer_ratio()) / two - 1))
        assert error < 4 * float(np.finfo(np.longdouble).eps)


@pytest.mark.parametrize("factorization", ["cholesky", "qr"])
@pytest.mark.parametrize("central", [False, True])
@pytest.mark.parametrize(("n_dims", "n_orders"), [(2, 2), (3, 3), (5, 3), (4, 4)])
def test_series_side_by_side_agree_with_each_alone(
    monkeypatch, n_dims, n_orders, central, factorization
):
    """Nodes whose unknowns fill tiles, and that do not; eight series at once, and a rest."""
    case = random_ode(
        np.random.default_rng(5), (11,), 6, n_dims, n_dims, n_orders, 2, weighted=True
    )
    case |= {"central": central, "factorization": factorization}
    monkeypatch.setattr(taylor, "UNROLLED_UNKNOWNS", 0)
    found = []
    for least in (0, np.inf):
        monkeypatch.setattr(taylor, "UNROLLED_NODES", least)
        y, pullback = smnn.ode_solve_vjp(**case)
        found.append((y, *pullback(np.random.default_rng(4).standard_normal(y.shape))))
    for one, two in zip(*found, strict=True):
        assert_close(one, two)
    del case["factorization"]
    assert_close(found[0][0], dense.ode_solve(**case))


def test_large_problems_take_the_unrolled_kernels():
    """What the threshold is for: the same law on many nodes changes kernels, not results."""
    case = make("one series")
    assert taylor.UNROLLED_NODES > 9
    few = smnn.ode_factorize(case["coefficients"], case["steps"], n_initial_orders=2)
    assert few.rows.sizes == ()
    scalar = smnn.ode_factorize([[[[1.0, 1.0]]]], 0.1, n_steps=3)
    assert [len(each) for each in scalar.rows.sizes] == [1, 1, 2]
