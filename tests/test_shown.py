"""What fitted smoothers and regressors show of their equations: print, LaTeX, notebooks."""

import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from smnn_np import SMNNRegressor, SMNNSmoother

T = np.linspace(0, 6, 60)
Y = np.sin(2 * T) + 0.05 * np.random.default_rng(0).standard_normal(60)
KNOWN = {"noise_std": 0.05, "drive_std": 1e-7}


def smoothed(coefficients=None, y=Y, **parameters):
    return SMNNSmoother(coefficients=coefficients, **{**KNOWN, **parameters}).fit(T, y)


def emitted(n_dims=1, **parameters):
    """Fit a regressor for a moment: the form of its equations is that of any other."""
    X = np.linspace(1, 2, 4)[:, None]
    y = np.cos(X[:, None] * np.linspace(0, 1, 6)[None, :, None] + np.arange(n_dims))
    model = SMNNRegressor(max_iter=1, hidden_layer_sizes=2, start="zero", **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.fixture(scope="module")
def learned():
    return smoothed("constant", order=2, drive_std=None, noise_std=None)


class TestSmoother:
    @pytest.mark.parametrize(("order", "left"), [(1, "x'"), (3, "x'''"), (4, "x^(4)")])
    def test_a_spline_has_no_coefficients(self, order, left):
        model = smoothed(order=order, drive_std=12.0)
        assert model.equations() == [f"{left} = q w, q = 12, noise 0.05"]
        dots = {1: r"\dot{x} = ", 3: r"\dddot{x} = ", 4: "x^{(4)} = "}
        assert model.to_latex()[0].startswith(dots[order])

    def test_given_coefficients_with_their_signs(self):
        model = smoothed([4.0, -0.5, 0.0])
        assert model.equations() == ["x''' - 0.5 x' + 4.0 x = q w, q = 1e-07, noise 0.05"]
        assert model.to_latex() == [
            r"\dddot{x} - 0.5\, \dot{x} + 4.0\, x = q\, w"
            r", \quad q = 1 \times 10^{-7}, \quad \sigma = 0.05"
        ]

    def test_learned_coefficients_have_their_errors(self, learned):
        (line,), numbers = learned.equations(), r"\((\S+) ± (\S+)\)"
        form = rf"x'' [+-] {numbers} x' \+ {numbers} x = q w, q = (\S+), noise (\S+)"
        found = [float(each) for each in re.fullmatch(form, line).groups()]
        assert found[2:4] == pytest.approx([learned.coef_[0, 0], learned.coef_std_[0, 0]], rel=0.05)
        assert found[:2] == pytest.approx(
            [abs(learned.coef_[0, 1]), learned.coef_std_[0, 1]], rel=0.05
        )
        assert found[4:] == pytest.approx([learned.drive_std_[0], learned.noise_std_[0]], rel=1e-3)
        assert learned.to_latex()[0].count(r"\pm") == 2

    def test_varying_coefficients_are_named_with_their_range(self):
        model = smoothed("varying", order=1, n_knots=2, noise_std=None, drive_std=None)
        (line,) = model.equations()
        low, high = np.sort(model.coef_[0, :, 0])
        assert line.startswith(f"x' + c0(t) x = q w, c0(t) in [{low:.4g}, {high:.4g}], q = ")
        assert r"\dot{x} + c_{0}(t)\, x = q\, w, \quad c_{0}(t) \in [" in model.to_latex()[0]

    def test_functions_are_named(self):
        model = smoothed(lambda t: np.stack([4.0 + 0 * t, 0 * t], axis=-1))
        assert model.equations() == ["x'' + c1(t) x' + c0(t) x = q w, q = 1e-07, noise 0.05"]

    def test_a_line_a_series_with_the_names_of_the_table(self):
        pandas = pytest.importorskip("pandas")
        two = smoothed(y=np.c_[Y, Y], order=2, noise_std=[0.1, 0.2])
        assert [line.split(" = ")[0] for line in two.equations()] == ["x''", "y''"]
        assert [line.split()[-1] for line in two.equations()] == ["0.1", "0.2"]
        named = smoothed(y=pandas.DataFrame({"wind speed": Y}), order=2)
        assert named.state_names_ == ["wind_speed"]
        assert named.equations()[0].startswith("wind_speed'' = ")


class TestRegressor:
    def test_one_dimension(self):
        model = emitted()
        assert model.equations() == [
            "y'' + c1(x) y' + c0(x) y = d(x)",
            "y(0) = u0(x), y'(0) = u1(x)",
        ]
        assert model.to_latex() == [
            r"\ddot{y} + c_{1}(x)\, \dot{y} + c_{0}(x)\, y = d(x)",
            r"y(0) = u_{0}(x), \quad \dot{y}(0) = u_{1}(x)",
        ]

    def test_what_varies_in_time(self):
        first, _ = emitted(order=1, time_varying=True).equations()
        assert first == "y' + c0(x, t) y = d(x, t)"

    def test_coupled_dimensions(self):
        model = emitted(3)
        assert model.equations() == [
            "y_q'' + sum_v (c_qv1(x) y_v' + c_qv0(x) y_v) = d_q(x), q, v = 0..2",
            "y_q(0) = u_q0(x), y_q'(0) = u_q1(x)",
        ]
        assert model.to_latex()[0] == (
            r"\ddot{y_{q}} + \sum_v (c_{qv1}(x)\, \dot{y_{v}} + c_{qv0}(x)\, y_{v}) = d_{q}(x)"
            r", \quad q, v = 0, \dots, 2"
        )

    def test_independent_dimensions(self):
        first, _ = emitted(2, coupled=False).equations()
        assert first == "y_q'' + c_q1(x) y_q' + c_q0(x) y_q = d_q(x), q = 0..1"

    def test_learned_steps_and_weights(self):
        lines = emitted(learn_step=True, learn_weights=True).equations()
        assert lines[2:] == [
            "steps = s(x) step",
            "weight_equation = w0(x), weight_initial = w1(x)",
        ]


@pytest.mark.parametrize("make", [lambda: smoothed([4.0, 0.0]), emitted], ids=["smoother", "net"])
class TestBoth:
    def test_print_shows_the_equations_and_repr_does_not(self, make):
        model = make()
        assert str(model).split("\n")[-len(model.equations()) :] == model.equations()
        assert str(model).startswith(repr(model))
        assert "''" not in repr(model)

    def test_notebooks_show_them_in_latex(self, make):
        model = make()
        html, shown = model._repr_html_(), model._repr_mimebundle_()
        assert r"$$\begin{aligned} \ddot{" in html
        assert html.count("&= ") == len(model.to_latex())
        assert "sk-top-container" in html  # scikit-learn's diagram
        assert shown["text/plain"] == str(model)
        assert shown["text/html"].count("aligned") == 2

    def test_unfitted_estimators_show_what_they_did(self, make):
        model = type(make())()
        assert str(model) == repr(model)
        assert "aligned" not in model._repr_html_()
        for ask in (model.equations, model.to_latex):
            with pytest.raises(NotFittedError):
                ask()
