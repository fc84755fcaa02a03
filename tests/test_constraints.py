"""Known structure: least squares under rules, and laws whose search, fit and errors obey it."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import lsq_linear, minimize
from sklearn.base import clone

from smnn_np import Constraints, SMNNDiscoverer, energy_preserving
from smnn_np._rules import Rules


def rules_of(k, required=(), lower=-np.inf, upper=np.inf, matrix=(), rhs=()):
    """Make rules for k coefficients."""
    forced = np.isin(np.arange(k), required)
    bounds = np.broadcast_to(lower, k), np.broadcast_to(upper, k)
    return Rules(forced, *bounds, np.reshape(matrix, (-1, k)).astype(float), np.array(rhs, float))


class TestRules:
    @pytest.mark.parametrize("seed", range(5))
    def test_bounds_alone_agree_with_scipy(self, seed):
        rng = np.random.default_rng(seed)
        triangle, rhs = rng.standard_normal((9, 6)), rng.standard_normal(9)
        low, high = -rng.uniform(0, 0.5, 6), rng.uniform(0, 0.5, 6)
        answer = rules_of(6, lower=low, upper=high).solve(triangle, rhs)
        expected = lsq_linear(triangle, rhs, (low, high), method="bvls", tol=1e-14).x
        np.testing.assert_allclose(answer.xi, expected, atol=1e-10)
        np.testing.assert_array_equal(answer.held, (expected == low) | (expected == high))

    @pytest.mark.parametrize("seed", range(5))
    def test_bounds_and_equalities_beat_every_other_solver(self, seed):
        rng = np.random.default_rng(seed)
        triangle, rhs = rng.standard_normal((9, 6)), rng.standard_normal(9)
        matrix, side = rng.standard_normal((2, 6)), rng.standard_normal(2) * 0.2
        rules = rules_of(6, lower=-0.4, upper=0.4, matrix=matrix, rhs=side)
        answer = rules.solve(triangle, rhs)
        np.testing.assert_allclose(matrix @ answer.xi, side, atol=1e-12)
        assert np.abs(answer.xi).max() <= 0.4

        def cost(xi):
            return float(((triangle @ xi - rhs) ** 2).sum())

        equal = {"type": "eq", "fun": lambda xi: matrix @ xi - side}
        other = minimize(
            cost, answer.xi * 0, bounds=[(-0.4, 0.4)] * 6, constraints=equal, tol=1e-12
        )
        assert cost(answer.xi) <= cost(other.x) + 1e-9
        # No variance across an equality, none at a bound.
        covariance = answer.covariance(triangle)
        np.testing.assert_allclose(matrix @ covariance, 0, atol=1e-12)
        assert not covariance[answer.held].any()

    def test_what_equalities_force_to_zero_leaves_a_model(self):
        rules = rules_of(4, matrix=[[1, 1, 0, 0]], rhs=[0])
        np.testing.assert_array_equal(rules.closed(np.array([0, 2])), [2])
        np.testing.assert_array_equal(rules.closed(np.array([0, 1, 3])), [0, 1, 3])
        assert rules_of(3, matrix=[[1, 1, 0]], rhs=[1]).closed(np.array([2])) is None
        assert rules_of(3, required=[1]).closed(np.array([0, 2])) is None

    def test_a_model_is_completed_by_as_few_columns_as_will_do(self):
        rules = rules_of(5, matrix=[[1, 1, 1, 0, 0]], rhs=[0])
        dislike = np.array([0, 0.9, 0.1, 0, 0])
        np.testing.assert_array_equal(rules.completed(np.array([4]), 0, dislike), [0, 2, 4])
        np.testing.assert_array_equal(rules.completed(np.array([1]), 0, dislike), [0, 1])
        np.testing.assert_array_equal(rules.completed(np.array([4]), 3, dislike), [3, 4])


@pytest.fixture(scope="module")
def prey():
    """x' = x - x y, y' = x y - 0.5 y, with 3 % noise."""
    t = np.linspace(0, 12, 120)
    y = solve_ivp(lambda _, s: [s[0] - s[0] * s[1], s[0] * s[1] - 0.5 * s[1]], (0, 12),
                  [1.0, 0.5], t_eval=t, rtol=1e-9, atol=1e-9).y.T  # fmt: skip
    return t, y + 0.03 * np.random.default_rng(1).standard_normal(y.shape)


@pytest.fixture(scope="module")
def free(prey):
    return SMNNDiscoverer().fit(*prey)


def fit(prey, **constraints):
    return SMNNDiscoverer(constraints=Constraints(**constraints)).fit(*prey)


def value(model, state, term, attribute="coef_"):
    row = model.state_names_.index(state)
    return getattr(model, attribute)[row, list(model.feature_names_out_).index(term)]


def on_path(model, state, term):
    """Coefficients of a term in all models of the path."""
    row, column = model.state_names_.index(state), list(model.feature_names_out_).index(term)
    return np.array([each.coef[row, column] for each in model.path_])


class TestLaws:
    def test_required_terms_are_in_every_model(self, prey):
        model = fit(prey, require=[("x", "y^2"), ("y'", "1")])
        assert (on_path(model, "x", "y^2") != 0).all()
        assert (on_path(model, "y", "1") != 0).all()
        assert value(model, "x", "y^2", "coef_std_") > 0

    def test_forbidden_terms_are_in_none(self, prey):
        model = fit(prey, forbid=[("x", "x^2"), ("*", "1")])
        for state, term in (("x", "x^2"), ("x", "1"), ("y", "1")):  # the largest model has the rest
            assert not on_path(model, state, term).any()

    def test_each_equation_may_have_its_own_library(self, prey):
        model = fit(prey, only={"x": ["x", "y x"], "y": ["y", "x y", "x^2"]})
        for state, terms in (("x", {"x", "x y"}), ("y", {"y", "x y", "x^2"})):
            for term in set(model.feature_names_out_) - terms:
                assert not on_path(model, state, term).any()
        assert value(model, "x", "x y") == pytest.approx(-1, abs=0.1)

    def test_fixed_coefficients_stay_and_the_rest_is_fitted(self, prey):
        model = fit(prey, fixed={("x", "x"): 1.0, ("x", "x y"): -1.0})
        np.testing.assert_allclose(on_path(model, "x", "x"), 1.0, rtol=1e-12)
        assert value(model, "x", "x y", "coef_std_") == 0
        assert value(model, "y", "x y") == pytest.approx(1, abs=0.05)
        assert [each.n_terms for each in model.path_] == [
            np.count_nonzero(each.coef) for each in model.path_
        ]

    def test_what_is_known_shrinks_the_errors_of_the_rest(self, prey, free):
        told = fit(prey, fixed={("x", "x"): 1.0})
        before = value(free, "x", "x y", "coef_std_")
        assert value(told, "x", "x y", "coef_std_") < 0.9 * before

    def test_a_coefficient_at_its_bound_has_no_standard_error(self, prey):
        bounds = {("x", "x"): (None, 0.8), ("y", "y"): (-2, 0)}
        model = fit(prey, bounds=bounds, only={"x": ["x", "x y"]})
        assert value(model, "x", "x") == pytest.approx(0.8, rel=1e-12)
        assert np.isnan(value(model, "x", "x", "coef_std_"))
        assert -2 < value(model, "y", "y") < 0 < value(model, "y", "y", "coef_std_")
        assert "x' = 0.8 x" in model.equations()[0]

    def test_bands_of_a_held_coefficient_are_those_of_a_fixed_one(self, prey):
        only = {"x": ["x", "x y"], "y": ["y", "x y"]}
        held = Constraints(bounds={("x", "x"): (None, 0.8)}, only=only)
        fixed = Constraints(fixed={("x", "x"): 0.8}, only=only)
        std = [
            SMNNDiscoverer(noise_std=0.05, constraints=known)
            .fit(*prey)
            .predict(np.linspace(0, 16, 30), return_std=True)[1]
            for known in (held, fixed)
        ]
        np.testing.assert_allclose(std[0], std[1], rtol=0.05)  # 0.5 without

    def test_signs_hold_on_the_whole_path(self, prey, free):
        model = fit(prey, bounds={("y", "*"): (0, None), ("y", "y"): (None, 0)})
        below = np.arange(len(model.feature_names_out_)) == list(model.feature_names_out_).index(
            "y"
        )
        for each in model.path_:
            assert (each.coef[1, below] <= 0).all()
            assert (each.coef[1, ~below] >= 0).all()
        assert (free.path_[0].coef[1, ~below] < 0).any()  # without, signs are as they please

    def test_equalities_hold_on_the_whole_path(self, prey, free):
        tied = {("x", "x y"): 1.0, ("y", "x y"): 1.0}
        model = fit(prey, equalities=[(tied, 0.0)])
        gain, loss = on_path(model, "y", "x y"), on_path(model, "x", "x y")
        np.testing.assert_allclose(gain, -loss, rtol=1e-9, atol=1e-12)
        assert value(model, "x", "x y", "coef_std_") == pytest.approx(
            value(model, "y", "x y", "coef_std_"), rel=1e-9
        )
        assert value(model, "x", "x y", "coef_std_") < value(free, "x", "x y", "coef_std_")

    def test_an_equality_with_a_number_forces_a_term_in(self, prey):
        model = fit(prey, equalities=[({("x", "x"): 2.0}, 2.2)])
        np.testing.assert_allclose(on_path(model, "x", "x"), 1.1, rtol=1e-9)

    def test_units_do_not_matter(self, prey):
        t, y = prey
        known = {"equalities": [({("x", "x"): 1.0}, 0.9)], "bounds": {("y", "y"): (-0.4, None)}}
        model = fit(prey, **known)
        scaled = fit((t, y * 1e3), **known)
        np.testing.assert_allclose(
            value(scaled, "y", "x y") * 1e3, value(model, "y", "x y"), rtol=1e-3
        )
        assert value(scaled, "y", "y") == pytest.approx(-0.4, rel=1e-12)
        assert value(model, "y", "y") == pytest.approx(-0.4, rel=1e-12)

    def test_second_order(self):
        t = np.linspace(0, 12, 150)
        x = np.exp(-0.05 * t) * np.cos(t) + 0.01 * np.random.default_rng(0).standard_normal(150)
        known = Constraints(fixed={("x''", "x"): -1.0025}, bounds={("x", "x'"): (None, 0)})
        model = SMNNDiscoverer(order=2, constraints=known).fit(t, x)
        assert value(model, "x", "x") == pytest.approx(-1.0025)
        assert value(model, "x", "x'") == pytest.approx(-0.1, abs=0.01)


def test_energy_is_conserved_by_quadratic_terms():
    rows = energy_preserving(["x", "y", "z"])
    states = dict(zip("xyz", np.random.default_rng(0).standard_normal(3), strict=True))

    def product(term):
        return np.prod([states[f[0]] ** int(f[2:] or 1) for f in term.split()])

    assert ({("x", "y z"): 1.0, ("y", "x z"): 1.0, ("z", "x y"): 1.0}, 0.0) in rows
    # One equality a monomial of degree 3, each of the same monomial throughout.
    assert len(rows) == 10
    for factors, _ in rows:
        assert len({round(states[s] * product(term), 12) for s, term in factors}) == 1


def test_constraints_are_a_value():
    known = Constraints(fixed={("x", "x"): 1.0}, require=[("x", "1")])
    model = SMNNDiscoverer(constraints=known)
    assert clone(model).get_params()["constraints"] == known != Constraints()
    assert repr(known) == "Constraints(require=[('x', '1')], fixed={('x', 'x'): 1.0})"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fixed": {("q", "x"): 1.0}}, "speak of a state 'q'; the states are x, y"),
        ({"forbid": [("x", "x y z")]}, "a term 'x y z', which is not in the library.* such as"),
        ({"forbid": ["x"]}, r"name coefficients by \(state, term\), not 'x'"),
        ({"fixed": {("x", "x"): "a"}}, "holds 'a'; a finite number is wanted"),
        ({"bounds": {("x", "x"): (1, 0)}}, "low < high is wanted"),
        ({"forbid": [("x", "x")], "require": [("x", "x")]}, "x in x' is forced in and left out"),
        ({"fixed": {("x", "x"): 3.0}, "bounds": {("x", "x"): (0, 1)}}, "fixed outside its bounds"),
        ({"equalities": [({("x", "x"): 1}, 2)], "bounds": {("x", "x"): (0, 1)}},
         "no coefficients obey all bounds and equalities"),
    ],
)  # fmt: skip
def test_constraints_that_cannot_be_are_refused(prey, wrong, message):
    with pytest.raises(ValueError, match=message):
        fit(prey, **wrong)


def test_something_else_is_refused(prey):
    with pytest.raises(ValueError, match=r"constraints must be a smnn_np\.Constraints or None"):
        SMNNDiscoverer(constraints={"forbid": []}).fit(*prey)
