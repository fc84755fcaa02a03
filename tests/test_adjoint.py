"""Gradients by hand against five-point differences of the dense twin and of the solver."""

import itertools

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import dense
from smnn_np.testing import assert_close, dot_product_gap, five_point_gradient, random_ode

INPUTS = smnn.OdeGradients._fields
SIZES = {  # Q below, at and above V; several initial steps; R from 2 up
    "one series": {"batch": (), "n_steps": 6, "n_equations": 1, "n_dims": 1, "n_orders": 3},
    "two nodes": {"batch": (2,), "n_steps": 2, "n_equations": 2, "n_dims": 2, "n_orders": 2},
    "few equations": {"batch": (2,), "n_steps": 5, "n_equations": 1, "n_dims": 2, "n_orders": 2},
    "many equations": {
        "batch": (), "n_steps": 5, "n_equations": 3, "n_dims": 2, "n_orders": 3,
        "n_initial_steps": 2, "n_initial_orders": 3,
    },
}  # fmt: skip


def make(sizes, central, seed=0):
    """A weighted problem: every weight is an array, so every gradient has its full shape."""
    return random_ode(np.random.default_rng(seed), **SIZES[sizes], central=central, weighted=True)


def solve(case, name=None, value=None, solver=dense.ode_solve, **options):
    """The solution with one input replaced."""
    return solver(**{**case, **({} if name is None else {name: value})}, **options)


@pytest.mark.parametrize("central", [False, True])
@pytest.mark.parametrize("sizes", list(SIZES))
def test_every_input_against_differences_of_the_dense_twin(sizes, central, backend):
    case = make(sizes, central)
    y, pullback = smnn.ode_solve_vjp(**backend.give(case))
    y_bar = np.random.default_rng(1).standard_normal(y.shape)
    grads = smnn.OdeGradients(*map(backend.take, pullback(backend.give(y_bar))))
    for name in INPUTS:
        wanted = five_point_gradient(
            lambda x, name=name: float((solve(case, name, x) * y_bar).sum()), case[name]
        )
        assert_close(getattr(grads, name), wanted, scale=100)  # differences carry step^4 error


@pytest.mark.parametrize("factorization", ["auto", "cholesky", "qr"])
@pytest.mark.parametrize("name", ["rhs", "initial"])
def test_linear_inputs_are_transposes_to_rounding(name, factorization):
    case = make("many equations", True)
    y, pullback = smnn.ode_solve_vjp(**case, factorization=factorization)
    rng = np.random.default_rng(2)
    y_bar = rng.standard_normal(y.shape)
    direction = rng.standard_normal(case[name].shape)
    gap = dot_product_gap(
        lambda x: solve(case, name, x, smnn.ode_solve, factorization=factorization),
        getattr(pullback(y_bar), name), case[name], direction, y_bar, step=1.0,
    )  # fmt: skip
    assert gap < 1e-13


@pytest.mark.parametrize("factorization", ["cholesky", "qr"])
@pytest.mark.parametrize("name", INPUTS)
def test_single_output_entries(name, factorization):
    """Every input against three single entries of y, so that no wrong term hides in a sum."""
    case = make("few equations", False, seed=3)
    y, pullback = smnn.ode_solve_vjp(**case, factorization=factorization)
    for entry in [(0, 0, 0, 0), (1, 2, 1, 1), (1, 4, 0, 1)]:
        y_bar = np.zeros_like(y)
        y_bar[entry] = 1.0
        wanted = five_point_gradient(
            lambda x, entry=entry: solve(case, name, x, smnn.ode_solve)[entry], case[name]
        )
        assert_close(getattr(pullback(y_bar), name), wanted, scale=100)


BROADCAST = {
    "coefficients": [(1, 2, 2, 3), (5, 2, 2, 3), (3, 1, 1, 2, 2, 3), (3, 1, 5, 2, 2, 3)],
    "rhs": [(1, 2), (5, 2), (2, 5, 2), (3, 2, 1, 2)],
    "initial": [(1, 2, 2), (3, 1, 1, 2, 2), (1, 2, 1, 2, 2)],
    "steps": [(), (1,), (4,), (3, 1, 1), (3, 2, 4)],
    "weight_equation": [(), (2,), (5, 1), (3, 1, 1, 2)],
    "weight_initial": [(), (1, 2, 1), (2, 1, 1, 2)],
    "weight_smooth": [(), (4,), (2, 1), (3, 1, 4)],
}


@pytest.mark.parametrize(
    ("name", "shape"), [(n, s) for n, shapes in BROADCAST.items() for s in shapes]
)
def test_gradient_of_a_broadcast_input_is_the_sum_over_its_copies(name, shape, backend):
    """In a batch (3, 2): the gradient of the input written out, summed back to its shape."""
    case = random_ode(
        np.random.default_rng(4), batch=(3, 2), n_steps=5, n_equations=2, n_dims=2, weighted=True
    )
    full = case[name].shape if name != "weight_equation" else (3, 2, 5, 2)
    values = np.random.default_rng(5).uniform(0.5, 1.0, shape)
    small, large = {**case, name: values}, {**case, name: np.broadcast_to(values, full).copy()}
    y, pullback = smnn.ode_solve_vjp(**backend.give(small))
    y_large, pullback_large = smnn.ode_solve_vjp(**large)
    assert_close(backend.take(y), y_large)
    y_bar = np.random.default_rng(6).standard_normal(y.shape)
    grads = smnn.OdeGradients(*map(backend.take, pullback(backend.give(y_bar))))
    grads_large = pullback_large(y_bar)
    for other in INPUTS:
        wanted = getattr(grads_large, other)
        if other == name:
            padded = (1,) * (wanted.ndim - len(shape)) + shape
            axes = tuple(i for i, n in enumerate(padded) if n == 1 and wanted.shape[i] > 1)
            wanted = wanted.sum(axis=axes).reshape(shape)
        assert getattr(grads, other).shape == wanted.shape
        assert_close(getattr(grads, other), wanted)


def test_no_initial_values_no_gradient(backend):
    case = random_ode(np.random.default_rng(7), n_equations=3, n_dims=1)
    case["initial"] = None
    y, pullback = smnn.ode_solve_vjp(**backend.give(case))
    assert pullback(backend.give(np.ones(y.shape))).initial is None


def test_plain_numbers_have_gradients_of_shape_nothing(backend):
    case = random_ode(np.random.default_rng(8))
    case["steps"] = 0.4
    y, pullback = smnn.ode_solve_vjp(**backend.give(case), weight_equation=2.0)
    grads = pullback(backend.give(np.ones(y.shape)))
    assert grads.weight_equation.shape == grads.weight_smooth.shape == grads.steps.shape == ()


def test_common_weight_has_no_effect_so_its_gradient_is_zero():
    """Euler: the solution is homogeneous of degree 0 in the three weights together."""
    case = make("many equations", True, seed=9)
    y, pullback = smnn.ode_solve_vjp(**case)
    grads = pullback(np.random.default_rng(0).standard_normal(y.shape))
    names = ("weight_equation", "weight_initial", "weight_smooth")
    parts = [(getattr(grads, name) * case[name]).sum() for name in names]
    assert abs(sum(parts)) < 1e-12 * max(abs(part) for part in parts)


def test_pullback_is_linear_and_may_be_called_often():
    case = make("one series", False)
    y, pullback = smnn.ode_solve_vjp(**case)
    first = pullback(np.ones_like(y))
    pullback(np.random.default_rng(0).standard_normal(y.shape))
    for again, before in zip(pullback(np.ones_like(y)), first, strict=True):
        np.testing.assert_array_equal(again, before)
    for doubled, before in zip(pullback(2 * np.ones_like(y)), first, strict=True):
        assert_close(doubled, 2 * before)


@pytest.mark.parametrize("factorization", ["auto", "qr"])
def test_gradients_on_a_fine_grid(factorization):
    """y'' + k y = 0 on [0, 10], step 1e-3: dy(10)/dk = -10 sin(10) / 2 at k = 1."""
    y, pullback = smnn.ode_solve_vjp(
        [[[[1.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], 1e-3, n_steps=10_001,
        factorization=factorization,
    )  # fmt: skip
    y_bar = np.zeros_like(y)
    y_bar[-1, 0, 0] = 1.0
    k_bar = pullback(y_bar).coefficients[0, 0, 0, 0]
    assert k_bar == pytest.approx(-5.0 * np.sin(10.0), rel=5e-5)  # discretization: 1e-5


def test_wrong_cotangent_is_refused():
    y, pullback = smnn.ode_solve_vjp(**random_ode(np.random.default_rng(10)))
    with pytest.raises(ValueError, match="y_bar has shape"):
        pullback(y[1:])
    y[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"y_bar\[0, 0, 0\] = nan"):
        pullback(y)


def test_overflowing_gradient_is_loud():
    y, pullback = smnn.ode_solve_vjp(
        [[[[1.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], 1e300, n_steps=11
    )
    assert np.isfinite(y).all()
    with pytest.raises(OverflowError, match=r"The gradient of .* overflows"):
        pullback(np.ones_like(y))


def test_all_seven_inputs_are_covered():
    """The list above is that of the solver's signature."""
    assert list(itertools.islice(INPUTS, 4)) == ["coefficients", "rhs", "initial", "steps"]
    assert len(INPUTS) == 7
