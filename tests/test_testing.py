"""The helpers that other tests lean on must themselves see what is wrong."""

import numpy as np
import pytest

from smnn_np import dense
from smnn_np._arrays import as_float64, result_dtype
from smnn_np.testing import (
    assert_close,
    dot_product_gap,
    five_point_gradient,
    random_ode,
    tolerance,
)


def test_assert_close_is_relative_to_the_largest_entry(dtype):
    desired = np.array([1.0, 1e3], dtype=dtype)
    allowed = tolerance(dtype) * 1e3
    assert_close(desired + np.array([0.5 * allowed, 0.0], dtype=dtype), desired)
    wrong = desired + np.array([2.0 * allowed, 0.0], dtype=dtype)
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 2"):
        assert_close(wrong, desired)
    assert_close(wrong, desired, scale=4)


@pytest.mark.parametrize(
    ("actual", "words"),
    [([1.0], r"shape \(1,\), \(2,\) is wanted"), ([np.nan, 1.0], "not finite")],
)
def test_assert_close_sees_shapes_and_nan(actual, words):
    with pytest.raises(AssertionError, match=words):
        assert_close(actual, [np.nan if "finite" in words else 1.0, 1.0])


def test_tolerance_of_other_dtypes_is_refused():
    with pytest.raises(ValueError, match="dtype = int64: float64 or float32 is wanted"):
        tolerance(np.int64)


def test_five_point_gradient_is_exact_on_quartics():
    rng = np.random.default_rng(0)
    x, factors = rng.standard_normal((2, 3, 2))
    gradient = five_point_gradient(lambda x: np.sum(factors * x**4), x, step=0.5)
    np.testing.assert_allclose(gradient, 4 * factors * x**3, rtol=0, atol=1e-13)


def test_dot_product_gap_measures_the_fault():
    rng = np.random.default_rng(1)
    matrix, y_bar = rng.standard_normal((4, 3)), rng.standard_normal(4)
    x, direction = rng.standard_normal((2, 3))

    def gap(x_bar):
        return dot_product_gap(lambda x: matrix @ x**2, x_bar, x, direction, y_bar)

    x_bar = 2 * x * (matrix.T @ y_bar)
    assert gap(x_bar) < 1e-11
    assert 1e-7 < gap(x_bar * (1 + 1e-6)) < 1e-5
    assert gap(np.zeros(3)) > 0.1


def test_random_ode_is_well_conditioned_and_repeats():
    first, second = (
        random_ode(np.random.default_rng(2), (2, 3), n_dims=2, weighted=True) for _ in range(2)
    )
    assert np.linalg.cond(dense.ode_rows(**first)[0]).max() <= 1e3
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_random_ode_gives_up_with_a_remedy():
    with pytest.raises(
        RuntimeError, match=r"condition number above 1\.5: add equations or initial"
    ):
        random_ode(np.random.default_rng(3), max_condition=1.5)


SINGLE, DOUBLE = np.ones(2, np.float32), np.ones(2)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ((SINGLE, 0.5, None, [1.0], np.arange(2)), np.float32),
        ((SINGLE, DOUBLE), np.float64),
        ((SINGLE, np.float64(0.5)), np.float64),
        ((np.arange(2), 1.0), np.float64),
        ((np.ones(2, np.float16),), np.float64),
        ((), np.float64),
    ],
)
def test_dtype_of_the_result(arrays, expected):
    assert result_dtype(*arrays) == expected


def test_float64_arrays_are_not_copied_and_others_are():
    assert as_float64("x", DOUBLE) is DOUBLE
    for value in (SINGLE, [1, 1], np.ones(2, bool), np.ones(2, np.uint8), np.ones(4)[::2]):
        array = as_float64("x", value)
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, DOUBLE)
    assert as_float64("x", 2).shape == ()
