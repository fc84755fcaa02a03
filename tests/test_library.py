"""Candidate terms: order, names, values, and Jacobians against five-point differences."""

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

from smnn_np._scaled import ScaledLibrary
from smnn_np.library import (
    FormulaLibrary,
    PolynomialLibrary,
    TransformerLibrary,
    build_library,
)


def five_point(function, points, step=1e-3):
    slopes = []
    for d in range(points.shape[1]):
        shift = np.zeros(points.shape[1])
        shift[d] = step
        near = function(points + shift) - function(points - shift)
        far = function(points + 2 * shift) - function(points - 2 * shift)
        slopes.append((8 * near - far) / (12 * step))
    return np.stack(slopes, axis=2)


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(-1.5, 1.5, (7, 3))


@pytest.mark.parametrize("degree", [0, 1, 2, 4])
def test_powers_and_values_are_those_of_polynomial_features(points, degree):
    expected = PolynomialFeatures(degree).fit(points)
    library = PolynomialLibrary(3, degree)
    np.testing.assert_array_equal(library.powers, expected.powers_)
    np.testing.assert_allclose(library.values(points), expected.transform(points), rtol=1e-13)
    assert library.names(["a", "b", "c"]) == list(expected.get_feature_names_out(["a", "b", "c"]))


def libraries():
    transformer = PolynomialFeatures(3).fit(np.zeros((1, 3)))
    polynomial = PolynomialLibrary(3, 3)
    scale = np.linspace(0.5, 2.0, len(polynomial.powers))
    return [
        polynomial,
        TransformerLibrary(transformer),
        ScaledLibrary(polynomial, np.array([2.0, 0.5, 1.5]), scale),
    ]


@pytest.mark.parametrize("library", libraries(), ids=lambda each: type(each).__name__)
def test_jacobian_matches_five_point_differences(points, library):
    expected = five_point(library.values, points)
    np.testing.assert_allclose(library.jacobian(points), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    "library",
    [*libraries(), FormulaLibrary(["x", "y", "z"], list("abcd"), ["v0", "sin(v1)", "v0*v2", "v2"])],
    ids=lambda each: type(each).__name__,
)
def test_part_of_a_library_is_some_of_its_columns(points, library):
    some = np.array([1, 3])
    part = library.take(some)
    np.testing.assert_array_equal(part.values(points), library.values(points)[:, some])
    np.testing.assert_allclose(part.jacobian(points), library.jacobian(points)[:, some], rtol=1e-9)
    last = part.take(np.array([1]))
    np.testing.assert_array_equal(last.values(points), library.values(points)[:, [3]])


def test_jacobian_at_zero_is_finite():
    slopes = PolynomialLibrary(2, 3).jacobian(np.zeros((1, 2)))
    assert np.isfinite(slopes).all()
    assert np.count_nonzero(slopes) == 2


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"degree must be .* at least 0, not 1\.5"):
        build_library(None, 1.5, np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"candidate terms of 300 inputs.*lower the degree"):
        build_library(None, 2, np.zeros((1, 300)))
    with pytest.raises(ValueError, match="library must be a transformer"):
        build_library("poly", 2, np.zeros((1, 2)))


def test_a_transformer_sees_the_points_it_is_fitted_to_and_no_blown_up_ones():
    points = np.linspace(-3.0, 5.0, 20)[:, None]
    library = build_library(SplineTransformer(4), 2, points)
    inside = library.values(points)
    np.testing.assert_allclose(inside.sum(axis=1), 1.0)  # splines are a partition of unity there
    blown = library.values(np.array([[np.nan], [np.inf], [0.0]]))
    assert np.isnan(blown[:2]).all()
    assert np.isfinite(blown[2]).all()
