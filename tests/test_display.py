"""The display: which panels there are, what is in them and how they are labelled."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from smnn_np.display import DiscoveryDisplay, RunCurves


class Decay:
    """Stands in for a fitted discoverer: x' = -x, y' = -2 y; "smoothing" adds 0.01."""

    order = 1
    coef_ = np.array([[-1.00004, 0.0], [0.0, -2.0]])
    feature_names_out_ = np.array(["x", "y"])

    state_names_ = ("x", "y")

    def predict(self, t, groups=None):
        return np.exp(-np.outer(t[:, 0], [1, 2])) + 0.01

    def simulate(self, y0, t, controls=None):
        return y0 * np.exp(-np.outer(t - t[0], [1, 2]))


class Spring:
    """Stands in for a fitted discoverer of second order with a control: x'' = -x + u."""

    order = 2
    coef_ = np.array([[-1.0, 0.0, 1.0]])
    feature_names_out_ = np.array(["x", "x'", "u"])
    seen = None

    state_names_ = ("x",)

    def predict(self, t, groups=None):
        return np.sin(t[:, 0])  # a 1-D y comes back 1-D

    def simulate(self, y0, t, controls=None):
        self.seen = y0, controls
        return np.sin(t)


T = np.linspace(0, 2, 21)
Y = np.exp(-np.outer(T, [1, 2]))


@pytest.fixture(autouse=True)
def closed_figures():
    """Leave no figure open."""
    yield
    plt.close("all")


def lines(ax):
    """Return the lines of a panel by their label."""
    return {line.get_label(): line for line in ax.get_lines()}


def test_panels_hold_data_and_both_curves():
    data = Y.copy()
    data[3, 0] = np.nan
    display = DiscoveryDisplay.from_estimator(Decay(), T, data, units=["m", ""], time_label="t (s)")
    assert display.ax_.shape == (2, 1)
    for i, ax in enumerate(display.ax_[:, 0]):
        drawn = lines(ax)
        assert list(drawn) == ["data", "smoothed", "simulated from the first state"]
        np.testing.assert_array_equal(drawn["data"].get_ydata(), data[:, i])
        fine, smoothed = drawn["smoothed"].get_data()
        np.testing.assert_allclose(smoothed, np.exp(-fine * (i + 1)) + 0.01)
        simulated = drawn["simulated from the first state"].get_ydata()
        np.testing.assert_allclose(simulated, 1.01 * np.exp(-fine * (i + 1)))
        assert set(T) <= set(fine)
    assert [ax.get_ylabel() for ax in display.ax_[:, 0]] == ["x\n(m)", "y"]
    assert display.ax_[1, 0].get_xlabel() == "t (s)"
    assert display.ax_[0, 0].get_title(loc="left") == "x' = -1.0 x"
    assert len(display.figure_.legends) == 1


def test_unsorted_times_are_sorted():
    shuffled = np.random.default_rng(0).permutation(len(T))
    display = DiscoveryDisplay.from_estimator(Decay(), T[shuffled], Y[shuffled])
    t, y = lines(display.ax_[0, 0])["data"].get_data()
    np.testing.assert_array_equal(t, T)
    np.testing.assert_array_equal(y, Y[:, 0])


def test_second_order_starts_from_state_and_rate_with_controls_between_samples():
    model = Spring()
    inputs = np.column_stack([T, T**2])
    display = DiscoveryDisplay.from_estimator(model, inputs, np.sin(T))
    assert display.ax_.shape == (1, 1)
    first, controls = model.seen
    np.testing.assert_allclose(first, [0.0, 1.0], atol=1e-4)
    fine = lines(display.ax_[0, 0])["smoothed"].get_xdata()
    np.testing.assert_allclose(controls, np.interp(fine, T, T**2)[:, None])


def test_runs_stand_side_by_side_up_to_a_number():
    t, y = np.tile(T, 5), np.tile(Y, (5, 1))
    groups = np.repeat(["e", "d", "c", "b", "a"], len(T))
    display = DiscoveryDisplay.from_estimator(Decay(), t, y, groups, max_runs=2)
    assert display.ax_.shape == (2, 2)
    assert [ax.get_xlabel() for ax in display.ax_[1]] == ["time, run e", "time, run d"]


def test_a_trajectory_that_runs_away_does_not_flatten_the_data():
    run = RunCurves("", T, Y, T, Y, np.exp(5 * np.outer(T, [1, 2])))
    display = DiscoveryDisplay([run], ["x", "y"]).plot()
    low, high = display.ax_[0, 0].get_ylim()
    assert -0.5 < low < Y[:, 0].min()
    assert Y[:, 0].max() < high < 1.5


def test_a_trajectory_that_blows_up_is_drawn_as_far_as_it_goes():
    class Explosion(Decay):
        def simulate(self, y0, t, controls=None):
            if t[-1] > 1.5:
                raise ValueError("the trajectory blows up")
            return super().simulate(y0, t)

    display = DiscoveryDisplay.from_estimator(Explosion(), T, Y)
    t, y = lines(display.ax_[0, 0])["simulated from the first state"].get_data()
    assert 0.7 < t[np.isfinite(y)].max() <= 1.5


def test_given_axes_are_used():
    figure, axes = plt.subplots(2)
    display = DiscoveryDisplay.from_estimator(Decay(), T, Y, ax=axes)
    assert display.figure_ is figure
    assert display.ax_[1, 0] is axes[1]
    assert axes[0].get_legend() is not None
    with pytest.raises(ValueError, match="ax holds 1 axes; wanted 2: 2 states times 1 runs"):
        display.plot(ax=axes[0])


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    run = RunCurves("", T, Y, T, Y, Y)
    with pytest.raises(ImportError, match=r"pip install 'smnn-np\[plot\]'"):
        DiscoveryDisplay([run], ["x", "y"]).plot()
