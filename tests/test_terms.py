"""Formulas and ready libraries: what they say is what they evaluate, and laws are found in them."""

import pickle

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks

from smnn_np import (
    FormulaTerms,
    FourierTerms,
    PolynomialTerms,
    RationalTerms,
    SMNNDiscoverer,
)
from smnn_np.formula import FUNCTIONS, differentiate, read_formula
from smnn_np.library import PolynomialLibrary, TransformerLibrary, build_library

NAMES = ["x", "y", "x'"]
FORMULAS = {
    "x^2 y": lambda x, y, v: x**2 * y,
    "2x (1+y)": lambda x, y, v: 2 * x * (1 + y),
    "x/(0.5 + x)": lambda x, y, v: x / (0.5 + x),
    "-x^2": lambda x, y, v: -(x**2),
    "x y^-1": lambda x, y, v: x / y,
    "1/x/y": lambda x, y, v: 1 / x / y,
    "x - (y - x)": lambda x, y, v: x - (y - x),
    "exp(-k x^2/2) x'": lambda x, y, v: np.exp(-0.7 * x**2 / 2) * v,
    "sqrt(1 + x^2) tanh(x y)": lambda x, y, v: np.sqrt(1 + x**2) * np.tanh(x * y),
    "atan(x) log(2+y^2)": lambda x, y, v: np.arctan(x) * np.log(2 + y**2),
    "(1+x^2)^y": lambda x, y, v: (1 + x**2) ** y,
    "abs(x) x'": lambda x, y, v: np.abs(x) * v,
    "sin(2x) cos(y)^3 - sinh(x)/cosh(y)": lambda x, y, v: (
        np.sin(2 * x) * np.cos(y) ** 3 - np.sinh(x) / np.cosh(y)
    ),
}


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(0.3, 1.5, (7, 3))


def differences(function, points, step=1e-3):
    """Five-point differences (n, n_terms, n_inputs)."""
    slopes = []
    for shift in step * np.eye(points.shape[1]):
        near = function(points + shift) - function(points - shift)
        far = function(points + 2 * shift) - function(points - 2 * shift)
        slopes.append((8 * near - far) / (12 * step))
    return np.stack(slopes, axis=2)


def test_formulas_mean_what_they_say(points):
    library = FormulaTerms(list(FORMULAS), parameters={"k": 0.7}).bind(NAMES)
    expected = np.column_stack([each(*points.T) for each in FORMULAS.values()])
    np.testing.assert_allclose(library.values(points), expected, rtol=1e-13)
    np.testing.assert_allclose(
        library.jacobian(points), differences(library.values, points), rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_derivative(name, points):
    library = FormulaTerms([f"{name}(x y)"]).bind(NAMES)
    expected = differences(library.values, points, 1e-4)
    np.testing.assert_allclose(library.jacobian(points), expected, rtol=1e-7, atol=1e-9)


def test_factors_of_formulas_are_counted_as_those_of_monomials():
    monomials = PolynomialTerms(3).bind(NAMES)
    written = FormulaTerms(monomials.names(NAMES)).bind(NAMES)
    np.testing.assert_array_equal(written.factors, monomials.factors)
    joined = (PolynomialTerms(1, include_bias=False) + FourierTerms()).bind(["x"])
    np.testing.assert_array_equal(joined.factors, [1, 2, 2])
    counts = {
        "-2 x": 1, "x y/3": 2, "sin(2 x)": 2, "abs(x) x": 3, "1/x": 2, "1 + x": 2,
        "x/(0.5 + x)": 4, "1/(1 + exp(-x))": 4, "x^2/(1 + x^2)": 6, "sqrt(x)": 2, "x^0.5": 2,
        "x^y": 3, "(x y)^2": 4,
    }  # fmt: skip
    library = FormulaTerms(list(counts)).bind(NAMES)
    np.testing.assert_array_equal(library.factors, list(counts.values()))
    np.testing.assert_array_equal(library.take(np.array([9, 3])).factors, [2, 3])


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("x +", "cannot be read; write it as"),
        ("q x", "speaks of 'q', which is no input, parameter or function; known are x, y, x'"),
        ("sin x", "speaks of 'sin'"),
        ("x; y", "cannot be read from '; y' on"),
        ("__import__('os')", "cannot be read from"),
        ("sin(x, y)", "is not arithmetic"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_formula_is_refused(formula, message):
    with pytest.raises(ValueError, match=message):
        read_formula(formula, NAMES)


def test_what_does_not_depend_on_an_input_has_slope_zero():
    assert differentiate(read_formula("sin(y)^2 + 3", NAMES), "v0") == "0"


LIBRARIES = [
    PolynomialTerms(3),
    PolynomialTerms(2, include_bias=False, interaction_only=True),
    FourierTerms(2, frequency=0.5),
    RationalTerms(["1 + x0^2", "k + x1"], parameters={"k": 2.0}),
    RationalTerms(["2 + x0"], degree=2, include_bias=True),
    PolynomialTerms(1) + FourierTerms() + FormulaTerms(["{}", "x0 abs(x1)"]),
]


@pytest.mark.parametrize("terms", LIBRARIES, ids=repr)
def test_ready_libraries_are_transformers(terms, points):
    fitted = clone(terms).fit(points)
    names, values = fitted.get_feature_names_out(), fitted.transform(points)
    assert values.shape == (7, len(names)) == (7, len(set(names)))
    # A name is a formula of what the column holds.
    again = FormulaTerms(names).fit(points).transform(points)
    np.testing.assert_allclose(values, again, rtol=1e-12)
    np.testing.assert_allclose(
        fitted.jacobian(points), differences(fitted.transform, points), rtol=1e-7, atol=1e-8
    )
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(points), values)


def test_polynomials_are_those_of_scikit_learn(points):
    for options in ({}, {"include_bias": False}, {"interaction_only": True}):
        expected = PolynomialFeatures(3, **options).fit(points)
        fitted = PolynomialTerms(3, **options).fit(points)
        np.testing.assert_allclose(fitted.transform(points), expected.transform(points))
        assert list(fitted.get_feature_names_out()) == list(expected.get_feature_names_out())


@parametrize_with_checks([PolynomialTerms(2), FourierTerms(2), FormulaTerms(["{}", "sin({})"])])
def test_scikit_learn_check(estimator, check):
    check(estimator)


class WithJacobian(TransformerMixin, BaseEstimator):
    """The square of the first column, with its Jacobian."""

    def __init__(self, wrong=False):
        self.wrong = wrong

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X[:, :1] ** 2

    def get_feature_names_out(self, input_features=None):
        return np.array([f"{input_features[0]}^2"])

    def jacobian(self, X):
        if self.wrong:
            return np.zeros(3)
        return np.stack([2 * X[:, :1], *[0 * X[:, :1]] * (X.shape[1] - 1)], axis=2)


def test_a_transformer_may_supply_its_jacobian(points):
    library = build_library(WithJacobian(), 2, points)
    assert isinstance(library, TransformerLibrary)
    np.testing.assert_array_equal(library.jacobian(points)[:, 0, 0], 2 * points[:, 0])
    assert np.isnan(library.jacobian(np.full((1, 3), np.inf))).all()
    with pytest.raises(ValueError, match=r"Jacobian of library has shape \(3,\).*leave the method"):
        build_library(WithJacobian(wrong=True), 2, points).jacobian(points)


def test_polynomial_features_get_the_exact_jacobian(points):
    assert isinstance(build_library(PolynomialFeatures(2), 2, points), PolynomialLibrary)
    pipeline = make_pipeline(FunctionTransformer(feature_names_out="one-to-one"))
    assert isinstance(build_library(pipeline, 2, points), TransformerLibrary)


def test_a_saturating_law_is_found():
    t = np.linspace(0, 6, 80)
    y = solve_ivp(lambda _, s: -2 * s / (0.5 + s), (0, 6), [3.0], t_eval=t, rtol=1e-9).y.T
    y += 0.01 * np.random.default_rng(0).standard_normal(y.shape)
    library = PolynomialTerms(2) + RationalTerms(["0.5 + x"])
    model = SMNNDiscoverer(library=library).fit(t, y)
    (term,) = np.flatnonzero(model.coef_[0])
    assert model.feature_names_out_[term] == "x/(0.5 + x)"
    assert model.coef_[0, term] == pytest.approx(-2, abs=0.05)
    assert model.equations()[0].endswith(" x/(0.5 + x)")
    (expression,) = model.to_sympy()
    assert float(expression.subs("x", 1.5)) == pytest.approx(0.75 * model.coef_[0, term])


def test_a_pendulum_is_found_among_sines():
    t = np.linspace(0, 10, 150)
    x = solve_ivp(lambda _, s: [s[1], -2 * np.sin(s[0])], (0, 10), [2.0, 0.0], t_eval=t).y[0]
    x += 0.01 * np.random.default_rng(0).standard_normal(150)
    library = PolynomialTerms(3) + FormulaTerms(["sin(x)", "cos(x)"])
    model = SMNNDiscoverer(library=library, order=2).fit(t, x)
    (term,) = np.flatnonzero(model.coef_[0])
    assert model.feature_names_out_[term] == "sin(x)"
