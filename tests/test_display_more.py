"""The displays of paths, coefficients, trajectories and phase portraits: what they draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from smnn_np._path import ModelPath, PathModel
from smnn_np.display import CoefficientDisplay, PathDisplay, PhaseDisplay, TrajectoryDisplay

T = np.linspace(0, 2, 21)
Y = np.exp(-np.outer(T, [1, 2]))


def model_of(coef, criterion):
    """Return one model of a path."""
    coef = np.array(coef, dtype=float)
    fields = PathModel.__dataclass_fields__
    rest = {
        "coef_std": 0.1 * np.abs(coef),
        "misfit": 1.0,
        "converged": bool(np.isfinite(criterion)),
    }
    rest |= {"noise_std": np.ones(2), "states": None}
    known = {name: value for name, value in rest.items() if name in fields}
    return PathModel(np.count_nonzero(coef), coef, criterion=criterion, **known)


class Decay:
    """Stands in for a fitted discoverer: x' = -x + u0, y' = -2 y; its bands are 0.1 wide."""

    order = 1
    coef_ = np.array([[0.0, -1.0, 0.0], [0.5, 0.0, -2.0]])
    coef_std_ = np.array([[0.0, 0.1, 0.0], [np.nan, 0.0, 0.3]])
    feature_names_out_ = np.array(["1", "x", "y"])
    state_names_ = ("x", "y")
    path_ = ModelPath(
        [
            model_of([[1, -1, 0], [0.5, 0, -2]], 9.0),
            model_of([[0, -1, 0], [0.5, 0, -2]], 4.0),
            model_of([[0, -1, 0], [0, 0, -2]], 300.0),
            model_of([[0, 0, 0], [0, 0, -2]], np.inf),
        ],
        ("x", "y"),
        feature_names_out_,
    )

    def predict(self, t, groups=None, return_std=False):
        states = np.exp(-np.outer(t[:, 0], [1, 2]))
        return (states, 0.1 + 0 * states) if return_std else states

    def derivative(self, y, controls=None):
        return y * [-1, -2] + (0 if controls is None else controls[:, :1] * [1, 0])


class Spring:
    """Stands in for a fitted discoverer of second order: x'' = -x; and for a smoother of x."""

    order = 2
    state_names_ = ("x",)

    def predict(self, t, groups=None, return_std=False, derivative=0):
        mean = np.sin(t[:, 0] + derivative * np.pi / 2)
        return (mean, np.full_like(mean, 0.2)) if return_std else mean

    def derivative(self, y, controls=None):
        return np.column_stack([y[:, 1], -y[:, 0]])


class Waves:
    """Stands in for a fitted regressor of two dimensions on three nodes."""

    n_dims_, n_steps_, step = 2, 3, np.array([0.5, 1.0])

    def predict(self, X, n_steps=None):
        return np.repeat(np.arange(2.0 * n_steps)[None], len(X), axis=0)

    def predict_ode(self, X):
        """Only a regressor has this."""


@pytest.fixture(autouse=True)
def closed_figures():
    """Leave no figure open."""
    yield
    plt.close("all")


def lines(ax):
    """Return the lines of a panel by their label."""
    return {line.get_label(): line for line in ax.get_lines()}


def test_path_is_drawn_above_its_best_without_what_has_not_converged():
    display = PathDisplay.from_estimator(Decay())
    assert display.selected == 3
    path, ring = display.ax_.get_lines()[:2]
    np.testing.assert_array_equal(path.get_xdata(), [4, 3, 2])
    np.testing.assert_array_equal(path.get_ydata(), [5.0, 0.0, 296.0])
    assert ring.get_label() == "selected: 3 terms"
    np.testing.assert_array_equal(ring.get_data(), [[3], [0]])
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == ["", "\N{MINUS SIGN} 1 in x'", "\N{MINUS SIGN} 1 in y'"]


def test_a_path_without_any_good_model_is_refused():
    with pytest.raises(ValueError, match="no model of the path has a finite criterion"):
        PathDisplay([3, 2], [np.inf, np.nan]).plot()


def test_coefficients_are_bars_with_intervals_where_there_are_any():
    display = CoefficientDisplay.from_estimator(Decay(), level=0.95)
    x, y = display.ax_
    assert [x.get_title(loc="left"), y.get_title(loc="left")] == ["x'", "y'"]
    assert [bar.get_width() for bar in y.patches] == [0.5, -2.0]
    assert [label.get_text() for label in y.get_yticklabels()] == ["1", "y"]
    assert [text.get_text() for text in y.texts] == ["0.5", "-2 ± 0.59"]
    (segment,) = x.collections[0].get_segments()
    assert_allclose(segment[:, 0], [-1 - 0.19599640, -1 + 0.19599640])
    assert x.get_xlabel() == "coefficient, 95 % interval"


def test_bands_have_the_width_of_their_level_and_go_as_far_as_asked():
    ahead = np.linspace(0, 3, 7)
    display = TrajectoryDisplay.from_estimator(Decay(), T, Y, times=ahead, level=0.5)
    assert [ax.get_ylabel() for ax in display.ax_] == ["x", "y"]
    drawn = lines(display.ax_[1])
    np.testing.assert_array_equal(drawn["data"].get_ydata(), Y[:, 1])
    np.testing.assert_array_equal(drawn["predicted"].get_xdata(), ahead)
    outline = display.ax_[1].collections[0].get_paths()[0].vertices
    at_end = outline[outline[:, 0] == 3.0, 1]
    assert_allclose(np.ptp(at_end), 2 * 0.67448975 * 0.1)
    legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert legend == ["data", "predicted", "50 % band"]


def test_a_derivative_is_drawn_without_the_data():
    display = TrajectoryDisplay.from_estimator(Spring(), T, np.sin(T), derivative=1)
    drawn = lines(display.ax_[0])
    assert "data" not in drawn
    t, slope = drawn["predicted"].get_data()
    assert_allclose(slope, np.cos(t), rtol=1e-12, atol=1e-12)
    assert display.ax_[0].get_ylabel() == "x'"


def test_runs_are_curves_of_one_panel_up_to_a_number():
    t, y = np.tile(T, 3), np.tile(Y, (3, 1))
    groups = np.repeat(["c", "a", "b"], len(T))
    display = TrajectoryDisplay.from_estimator(Decay(), t, y, groups, max_curves=2)
    assert [curve.label for curve in display.curves] == ["run c", "run a"]
    assert len(display.curves[0].t_data) == len(T)


def test_a_regressor_draws_samples_at_their_nodes_and_beyond():
    y = np.arange(12.0).reshape(2, 6)
    display = TrajectoryDisplay.from_estimator(Waves(), [[0.0], [1.0]], y, n_steps=5)
    assert display.ax_.shape == (2,)
    drawn = lines(display.ax_[1])
    np.testing.assert_array_equal(drawn["sample 0"].get_xdata(), [0, 0.5, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(drawn["sample 0"].get_ydata(), [1, 3, 5, 7, 9])
    np.testing.assert_array_equal(display.curves[1].y_data, y[1].reshape(3, 2))
    assert display.curves[0].std is None


def test_phase_portrait_holds_other_states_and_controls_at_their_means():
    inputs = np.column_stack([T, 3 + 0 * T])
    display = PhaseDisplay.from_estimator(Decay(), inputs, Y)
    (x, y), field = display.grid, display.field
    assert_allclose(field[:, :, 0], np.broadcast_to(3 - x, field.shape[:2]), rtol=1e-12)
    assert_allclose(field[:, :, 1], np.broadcast_to(-2 * y[:, None], field.shape[:2]), rtol=1e-12)
    assert display.held == "controls at their means"
    drawn = lines(display.ax_)
    np.testing.assert_array_equal(drawn["data"].get_data(), Y.T)
    assert drawn["smoothed"].get_xdata()[-1] == np.exp(-2.0)


def test_phase_portrait_of_second_order_has_the_velocity_on_its_other_axis():
    display = PhaseDisplay.from_estimator(Spring(), T, np.sin(T))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x", "x'")
    curve = display.smoothed[0]
    assert_allclose(curve[:, 1] ** 2 + curve[:, 0] ** 2, np.ones(len(curve)), rtol=1e-4)
    assert "data" not in lines(display.ax_)
    with pytest.raises(ValueError, match="two different numbers from 0 to 1 are wanted"):
        PhaseDisplay.from_estimator(Spring(), T, np.sin(T), states=(0, 2))


def test_given_axes_are_used_and_a_wrong_number_refused():
    figure, axes = plt.subplots(1, 2)
    display = CoefficientDisplay.from_estimator(Decay(), ax=axes)
    assert display.figure_ is figure
    assert TrajectoryDisplay.from_estimator(Decay(), T, Y, ax=axes).ax_[1] is axes[1]
    assert axes[0].get_legend() is not None
    assert PathDisplay.from_estimator(Decay(), ax=axes[0]).ax_ is axes[0]
    assert PhaseDisplay.from_estimator(Decay(), T, Y, ax=axes[1]).ax_ is axes[1]
    for display_class in (PathDisplay, CoefficientDisplay):
        with pytest.raises(ValueError, match="ax holds 3 axes; wanted"):
            display_class.from_estimator(Decay(), ax=[axes[0]] * 3)
