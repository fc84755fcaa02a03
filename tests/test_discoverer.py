"""SMNNDiscoverer: recovery, laws that the result must obey, predictions, errors by text."""

import pickle

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from smnn_np import SMNNDiscoverer

LORENZ_TERMS = {(0, "x"): -10, (0, "y"): 10, (1, "x"): 28, (1, "y"): -1, (1, "x z"): -1,
                (2, "x y"): 1, (2, "z"): -8 / 3}  # fmt: skip


def lorenz(t, state):
    x, y, z = state
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]


def trajectory(rate, start, t):
    return solve_ivp(rate, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-10).y.T


def found_terms(model):
    terms = model.feature_names_out_
    return {(int(i), terms[j]): model.coef_[i, j] for i, j in np.argwhere(model.coef_)}


@pytest.fixture(scope="module")
def oscillator():
    """A noisy damped oscillator: x' = y, y' = -2 x - 0.3 y."""
    t = np.linspace(0, 10, 120)
    y = trajectory(lambda _, s: [s[1], -2 * s[0] - 0.3 * s[1]], [2.0, 0.0], t)
    return t, y + 0.02 * np.random.default_rng(0).standard_normal(y.shape)


@pytest.fixture(scope="module")
def fitted(oscillator):
    return SMNNDiscoverer().fit(*oscillator)


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 1e-6), (0.05, 0.02), (0.1, 0.04)])
def test_lorenz_is_recovered(noise, tolerance):
    t = 0.01 * np.arange(1000)
    y = trajectory(lorenz, [-8.0, 7.0, 27.0], t)
    y += noise * y.std(axis=0) * np.random.default_rng(0).standard_normal(y.shape)
    model = SMNNDiscoverer().fit(t, y)
    found = found_terms(model)
    assert found.keys() == LORENZ_TERMS.keys()
    for key, value in LORENZ_TERMS.items():
        assert found[key] == pytest.approx(
            value, rel=max(tolerance, 0.1 * (key == (1, "y")) * noise * 10)
        )
    if noise:
        np.testing.assert_allclose(model.noise_std_, noise * y.std(axis=0), rtol=0.1)


def test_a_long_record_uses_all_its_samples():
    t = 0.01 * np.arange(3500)
    y = trajectory(lorenz, [-8.0, 7.0, 27.0], t)
    model = SMNNDiscoverer().fit(t, y)
    found = found_terms(model)
    assert found.keys() == LORENZ_TERMS.keys()
    assert max(abs(found[k] - v) for k, v in LORENZ_TERMS.items()) < 1e-3
    assert len(model.predict(t)) == len(t)


def test_the_oscillator_is_recovered_within_its_errors(fitted):
    expected = {(0, "y"): 1.0, (1, "x"): -2.0, (1, "y"): -0.3}
    found = found_terms(fitted)
    assert found.keys() == expected.keys()
    names = list(fitted.feature_names_out_)
    for (i, name), value in expected.items():
        error = fitted.coef_std_[i, names.index(name)]
        assert abs(found[i, name] - value) < 4 * error < 0.1
    np.testing.assert_allclose(fitted.noise_std_, 0.02, rtol=0.2)


def test_missing_values_unsorted_and_repeated_times():
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 10, 300))
    y = trajectory(lambda _, s: [s[1], -2 * s[0]], [1.0, 0.0], t)
    t, y = np.append(t, t[::5]), np.vstack([y, y[::5]])
    y = y + 0.01 * rng.standard_normal(y.shape)
    y[rng.random(y.shape) < 0.3] = np.nan
    order = rng.permutation(len(t))
    model = SMNNDiscoverer().fit(t[order], y[order])
    assert found_terms(model).keys() == {(0, "y"), (1, "x")}
    assert np.isfinite(model.predict(t)).all()


def test_second_order():
    t = np.linspace(0, 12, 150)
    x = trajectory(lambda _, s: [s[1], -s[0] - s[0] ** 3 - 0.1 * s[1]], [1.5, 0.0], t)[:, 0]
    x += 0.005 * np.random.default_rng(0).standard_normal(len(t))
    model = SMNNDiscoverer(degree=3, order=2).fit(t, x)
    found = found_terms(model)
    assert found.keys() == {(0, "x"), (0, "x'"), (0, "x^3")}
    assert found[0, "x^3"] == pytest.approx(-1, abs=0.1)
    assert model.predict(t).shape == t.shape
    assert model.simulate([1.5, 0.0], t).shape == (len(t), 2)
    assert model.score_simulated(t, x) > 0.99


def test_controls_enter_the_library():
    t = np.linspace(0, 20, 400)
    u = np.sin(1.3 * t) + 0.5 * np.cos(0.4 * t)
    y = trajectory(lambda s, x: [-0.5 * x[0] + 2 * np.interp(s, t, u)], [1.0], t)
    y += 0.01 * np.random.default_rng(0).standard_normal(y.shape)
    model = SMNNDiscoverer().fit(np.column_stack([t, u]), y)
    found = found_terms(model)
    assert found.keys() == {(0, "x"), (0, "u0")}
    by_array = model.simulate([1.0], t, u[:, None])
    by_function = model.simulate([1.0], t, lambda s: [np.interp(s, t, u)])
    np.testing.assert_allclose(by_array, by_function, atol=1e-6)
    np.testing.assert_allclose(by_array, y, atol=0.1)


def test_runs_are_fitted_together_and_kept_apart():
    t = np.linspace(0, 4, 60)
    runs = [trajectory(lambda _, s: [-s[0] * s[1], s[0] * s[1] - s[1]], y0, t)
            for y0 in ([2.0, 0.3], [1.5, 1.0])]  # fmt: skip
    y = np.vstack(runs) + 0.005 * np.random.default_rng(0).standard_normal((120, 2))
    times, groups = np.tile(t, 2), np.repeat(["a", "b"], 60)
    model = SMNNDiscoverer().fit(times, y, groups=groups)
    assert found_terms(model).keys() == {(0, "x y"), (1, "x y"), (1, "y")}
    np.testing.assert_allclose(model.predict(times, groups), y, atol=0.05)
    with pytest.raises(ValueError, match="groups is needed: 2 runs were fitted"):
        model.predict(times)
    with pytest.raises(ValueError, match="groups has 'c', which is not one of the 2 fitted runs"):
        model.predict(t, np.full(60, "c"))


class TestLaws:
    def test_time_shift_changes_nothing(self, oscillator, fitted):
        t, y = oscillator
        shifted = SMNNDiscoverer().fit(t + 1000.0, y)
        np.testing.assert_allclose(shifted.coef_, fitted.coef_, rtol=1e-4, atol=1e-8)

    def test_scaling_time_and_states_scales_coefficients(self, oscillator, fitted):
        t, y = oscillator
        model = SMNNDiscoverer().fit(60.0 * t, y * [1e3, 1e-3])
        scale = np.array([1e3, 1e-3])
        inputs = np.prod(scale**fitted.powers_, axis=1)
        expected = fitted.coef_ * scale[:, None] / inputs / 60.0
        np.testing.assert_allclose(model.coef_, expected, rtol=1e-3, atol=1e-12)

    def test_permuting_states_permutes_equations(self, oscillator, fitted):
        t, y = oscillator
        model = SMNNDiscoverer().fit(t, y[:, ::-1])
        columns = [int(np.flatnonzero((fitted.powers_ == row[::-1]).all(axis=1))[0])
                   for row in fitted.powers_]  # fmt: skip
        np.testing.assert_allclose(model.coef_[::-1][:, columns], fitted.coef_, rtol=1e-3)

    def test_order_of_samples_does_not_matter(self, oscillator, fitted):
        t, y = oscillator
        order = np.random.default_rng(0).permutation(len(t))
        model = SMNNDiscoverer().fit(t[order], y[order])
        np.testing.assert_allclose(model.coef_, fitted.coef_, rtol=1e-12)

    def test_a_missing_sample_is_a_removed_one(self, oscillator):
        t, y = oscillator
        holes = y.copy()
        holes[10:14] = np.nan
        kept = np.delete(np.arange(len(t)), np.arange(10, 14))
        model = SMNNDiscoverer().fit(t, holes)
        expected = SMNNDiscoverer().fit(t[kept], y[kept])
        np.testing.assert_array_equal(model.coef_, expected.coef_)

    def test_duplicated_samples_shrink_the_errors(self, oscillator, fitted):
        t, y = oscillator
        model = SMNNDiscoverer().fit(np.tile(t, 2), np.tile(y, (2, 1)))
        shown = fitted.coef_ != 0
        np.testing.assert_allclose(model.coef_[shown], fitted.coef_[shown], rtol=5e-3)
        ratio = model.coef_std_[shown] / fitted.coef_std_[shown]
        np.testing.assert_allclose(ratio, np.sqrt(0.5), rtol=0.1)


def test_select_walks_the_path(oscillator):
    model = SMNNDiscoverer().fit(*oscillator)
    best = model.coef_.copy()
    sizes = [record.n_terms for record in model.path_]
    assert sizes == sorted(sizes, reverse=True)
    assert model.select(sizes[0]) is model
    assert np.count_nonzero(model.coef_) == sizes[0]
    assert np.array_equal(model.select(3).coef_, best)
    with pytest.raises(ValueError, match=r"k = 99: the path has models with .* terms; choose one"):
        model.select(99)


def test_equations_parse(fitted):
    sympy = pytest.importorskip("sympy")
    for line, row in zip(fitted.equations(), fitted.coef_, strict=True):
        left, right = line.split(" = ")
        assert left in ("x'", "y'")
        assert len(fitted.to_sympy()) == 2
        values = [float(n) for n in row[row != 0]]
        atoms = sympy.sympify(right.replace("^", "**").replace(" x", "*x").replace(" y", "*y"))
        assert len(atoms.free_symbols) == len(values)


class TestPrediction:
    def test_smooth_inside_simulated_beyond(self, oscillator, fitted):
        t, y = oscillator
        assert fitted.score(t, y) > 0.99
        assert fitted.score_simulated(t, y) > 0.99
        later = np.linspace(10, 14, 9)
        truth = trajectory(lambda _, s: [s[1], -2 * s[0] - 0.3 * s[1]], [2.0, 0.0],
                           np.append(0, later))[1:]  # fmt: skip
        np.testing.assert_allclose(fitted.predict(later), truth, atol=0.02)
        np.testing.assert_allclose(fitted.predict([[-1e-6]]), fitted.predict([[0.0]]), atol=1e-4)

    def test_order_and_subsets_do_not_matter(self, fitted):
        t = np.linspace(-0.5, 12, 40)
        whole = fitted.predict(t)
        order = np.random.default_rng(0).permutation(40)
        np.testing.assert_allclose(fitted.predict(t[order]), whole[order], atol=1e-6)
        np.testing.assert_allclose(fitted.predict(t[5:6]), whole[5:6], atol=1e-6)

    def test_derivative_is_the_slope_of_a_simulation(self, fitted):
        t = np.linspace(0, 2, 2001)
        path = fitted.simulate([1.0, 0.5], t)
        slope = np.gradient(path, t, axis=0)
        np.testing.assert_allclose(fitted.derivative(path)[1:-1], slope[1:-1], atol=1e-5)

    def test_rank_of_y_is_kept(self):
        t = np.linspace(0, 3, 50)
        y = np.exp(-t)
        assert SMNNDiscoverer().fit(t, y).predict(t).shape == (50,)
        assert SMNNDiscoverer().fit(t, y[:, None]).predict(t).shape == (50, 1)

    def test_a_blow_up_is_loud(self):
        t = np.linspace(0, 0.8, 60)
        model = SMNNDiscoverer().fit(t, 1 / (1 - t))
        with pytest.raises(ValueError, match=r"blows up at t = .*the state x|does not get beyond"):
            model.simulate([1.0], [0.0, 5.0])
        with pytest.raises(ValueError, match="trajectory"):
            model.predict([0.5, 3.0])


class TestContract:
    def test_refit_is_a_fresh_fit(self, oscillator, fitted):
        t, y = oscillator
        with pytest.warns(ConvergenceWarning, match="no candidate law"):
            model = SMNNDiscoverer().fit(t[:50], y[:50, 0])  # x alone obeys no first-order law
        model.fit(t, y)
        np.testing.assert_array_equal(model.coef_, fitted.coef_)

    def test_inputs_are_not_changed(self, oscillator):
        t, y = (a.copy() for a in oscillator)
        t.flags.writeable = y.flags.writeable = False
        SMNNDiscoverer().fit(t[::-1], y[::-1])

    def test_clone_and_pickle(self, oscillator, fitted):
        t, _ = oscillator
        assert clone(fitted).get_params() == fitted.get_params()
        copy = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(copy.predict(t), fitted.predict(t))

    def test_names_of_a_dataframe(self, oscillator):
        pandas = pytest.importorskip("pandas")
        t, y = oscillator
        frame = pandas.DataFrame(y, columns=["prey (g)", "hunter"])
        model = SMNNDiscoverer(degree=1).fit(t, frame)
        assert model.equations()[0].startswith("prey_g' = ")
        assert list(model.feature_names_out_) == ["1", "prey_g", "hunter"]

    def test_a_transformer_is_a_library(self, oscillator, fitted):
        from sklearn.preprocessing import PolynomialFeatures

        model = SMNNDiscoverer(library=PolynomialFeatures(2)).fit(*oscillator)
        np.testing.assert_allclose(model.coef_, fitted.coef_, rtol=1e-3)

    def test_verbose_writes_to_stderr(self, oscillator, capsys):
        SMNNDiscoverer(verbose=1).fit(*oscillator)
        assert "[SMNNDiscoverer]" in capsys.readouterr().err


class TestErrors:
    t = np.linspace(0, 1, 8)

    def test_arguments(self):
        with pytest.raises(ValueError, match="order must be 1 or 2, not 3"):
            SMNNDiscoverer(order=3).fit(self.t, self.t)
        with pytest.raises(ValueError, match="degree must be a whole number"):
            SMNNDiscoverer(degree=-1).fit(self.t, self.t)

    def test_data(self):
        fit = SMNNDiscoverer().fit
        with pytest.raises(ValueError, match="t has 8 rows but y has 7"):
            fit(self.t, self.t[:7])
        with pytest.raises(ValueError, match="column 1 of y is NaN throughout: leave it out"):
            fit(self.t, np.column_stack([self.t, np.full(8, np.nan)]))
        with pytest.raises(ValueError, match="Input y contains infinity, first in row 2, column 0"):
            fit(self.t, np.where(np.arange(8) == 2, np.inf, 1.0))
        with pytest.raises(ValueError, match="y must hold real numbers"):
            fit(self.t, ["a"] * 8)
        with pytest.raises(ValueError, match="y must have shape"):
            fit(self.t, np.zeros((8, 2, 2)))
        with pytest.raises(ValueError, match="one label for each of the 8 rows"):
            fit(self.t, self.t, groups=[1, 2])
        with pytest.raises(ValueError, match="no run has two distinct times"):
            fit(np.zeros(8), self.t)

    def test_use(self, fitted):
        with pytest.raises(ValueError, match="y0 must hold 2 finite numbers"):
            fitted.simulate([1.0], self.t)
        with pytest.raises(ValueError, match="t must be 1-D, finite and increase strictly"):
            fitted.simulate([1.0, 0.0], self.t[::-1])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.01, 0.05])
@pytest.mark.parametrize("degree", [1, 2])
def test_circle_is_recovered_from_short_noisy_records(degree, noise, seed):
    """x' = y, y' = -x on one circle: x^2 + y^2 = 1 makes the candidates nearly dependent.

    Without a prior on the coefficients y shrank into the slack, x' = 1e16 y; without a second
    start the search got stuck among all 12 terms.
    """
    t = 0.1 * np.arange(60)
    y = np.column_stack([np.cos(t), -np.sin(t)])
    y += noise * np.random.default_rng(seed).standard_normal(y.shape)
    found = found_terms(SMNNDiscoverer(degree=degree).fit(t, y))
    assert set(found) == {(0, "y"), (1, "x")}
    assert found[0, "y"] == pytest.approx(1, abs=5 * noise)
    assert found[1, "x"] == pytest.approx(-1, abs=5 * noise)


def test_rounded_data_are_data_with_noise():
    """Four decimals: the noise is that of rounding, 1e-4 / sqrt(12), and the law is exact."""
    t = 0.1 * np.arange(100)
    y = np.round(np.column_stack([np.cos(t), np.sin(t)]), 4)
    model = SMNNDiscoverer().fit(t, y)
    assert set(found_terms(model)) == {(0, "y"), (1, "x")}
    np.testing.assert_allclose(model.noise_std_, 1e-4 / np.sqrt(12), rtol=0.15)


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_absurd_units_are_refused(oscillator, size):
    t, y = oscillator
    with pytest.raises(ValueError, match=r"column 0 of y reaches .* choose a unit"):
        SMNNDiscoverer().fit(t, y * size)


def test_derivative_refuses_the_wrong_number_of_states(fitted):
    with pytest.raises(ValueError, match=r"y must have shape \(n, 2\).*not \(4, 3\)"):
        fitted.derivative(np.ones((4, 3)))
