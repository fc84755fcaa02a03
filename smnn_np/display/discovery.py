"""Data, smoothed states and simulated trajectory of a fitted discoverer, panel by panel."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..text import format_equations
from ._axes import MODEL, SIMULATED, dots, explain, limit_height, panels, plain
from ._runs import Run, smooth_states, split_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..discoverer import SMNNDiscoverer

_FINE_POINTS = 1000


@dataclass(frozen=True)
class RunCurves:
    """What is drawn of one run.

    Attributes
    ----------
    label : str
        Title of the run; empty when there is only one.
    t : ndarray of shape (n_samples,)
        Times of the data.
    y : ndarray of shape (n_samples, n_states)
        Data, NaN where missing.
    t_fine : ndarray of shape (n_fine,)
        Times of the two curves.
    smoothed : ndarray of shape (n_fine, n_states)
        The estimator's smoothed states.
    simulated : ndarray of shape (n_fine, n_states)
        The trajectory of the equations from the first smoothed state.
    """

    label: str
    t: NDArray[np.float64]
    y: NDArray[np.float64]
    t_fine: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    simulated: NDArray[np.float64]


class DiscoveryDisplay:
    """Data, smoothed states and simulated trajectory of a fitted discoverer.

    One panel per state and run. Use `from_estimator` to make one.

    Parameters
    ----------
    runs : sequence of RunCurves
        What to draw, one column of panels each.
    names : sequence of str
        Names of the states, one row of panels each.
    units : sequence of str, default=()
        Units of the states, for the axes; empty for none.
    equations : sequence of str, default=()
        One line per state, written above its panels; empty for none.
    time_label : str, default="time"
        Label of the time axes.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_states, n_runs)
        The panels, once drawn.
    figure_ : matplotlib Figure
        The figure that holds them, once drawn.

    See Also
    --------
    smnn_np.SMNNDiscoverer : The estimator that is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np.display import DiscoveryDisplay, RunCurves
    >>> t = np.linspace(0, 1, 5)
    >>> y = np.exp(-t)[:, None]
    >>> display = DiscoveryDisplay([RunCurves("", t, y, t, y, y)], ["x"])
    >>> display.plot().ax_.shape
    (1, 1)
    """

    def __init__(
        self,
        runs: Sequence[RunCurves],
        names: Sequence[str],
        units: Sequence[str] = (),
        equations: Sequence[str] = (),
        time_label: str = "time",
    ) -> None:
        self.runs = runs
        self.names = names
        self.units = units
        self.equations = equations
        self.time_label = time_label

    @classmethod
    def from_estimator(
        cls,
        estimator: "SMNNDiscoverer",
        t: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        units: Sequence[str] = (),
        time_label: str = "time",
        max_runs: int = 3,
        ax: "Axes | Sequence[Axes] | None" = None,
    ) -> "DiscoveryDisplay":
        """Draw a fitted discoverer against the data that it was fitted to.

        Parameters
        ----------
        estimator : SMNNDiscoverer
            Fitted.
        t : array-like of shape (n_samples,) or (n_samples, 1 + n_controls)
            Times, and the controls if there were any, as given to `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_states)
            Data, as given to `fit`.
        groups : array-like of shape (n_samples,), default=None
            The run of each sample, as given to `fit`.
        units : sequence of str, default=()
            Units of the states, for the axes.
        time_label : str, default="time"
            Label of the time axes.
        max_runs : int, default=3
            How many runs to draw, the first ones.
        ax : Axes or sequence of Axes, default=None
            Where to draw: as many as there are states times runs drawn, row by row. None makes
            a figure.

        Returns
        -------
        DiscoveryDisplay
            With `ax_` and `figure_` set.

        Examples
        --------
        >>> from smnn_np import SMNNDiscoverer
        >>> from smnn_np.datasets import make_damped_oscillator
        >>> from smnn_np.display import DiscoveryDisplay
        >>> series = make_damped_oscillator(100)
        >>> model = SMNNDiscoverer(degree=1, order=2).fit(series.t, series.y)
        >>> display = DiscoveryDisplay.from_estimator(model, series.t, series.y)
        >>> display.ax_.shape
        (1, 1)
        """
        parts = split_runs(t, y, groups, max_runs)
        runs = [_curves(estimator, part) for part in parts]
        names = list(estimator.state_names_)
        equations = _short_equations(estimator, names)
        return cls(runs, names, units, equations, time_label).plot(ax)

    def plot(self, ax: "Axes | Sequence[Axes] | None" = None) -> "DiscoveryDisplay":
        """Draw the panels.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            Where to draw: as many as there are states times runs, row by row. None makes a figure.

        Returns
        -------
        DiscoveryDisplay
            Itself, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed; it comes with the extra ``plot``.
        ValueError
            If `ax` is another number of axes than there are panels.
        """
        shape = (len(self.names), len(self.runs))
        self.ax_ = panels(
            ax,
            shape,
            (max(8.0, 4.5 * shape[1]), 0.9 + 2.5 * shape[0]),
            f"{shape[0]} states times {shape[1]} runs",
            sharex="col",
            sharey="row",
        )
        self.figure_ = self.ax_[0, 0].figure
        for i in range(len(self.names)):
            for j, run in enumerate(self.runs):
                _draw_panel(self.ax_[i, j], run, i)
                seen = [each[:, i] for run in self.runs for each in (run.y, run.smoothed)]
                limit_height(self.ax_[i, j], seen)
        self._label_panels()
        handles, _ = self.ax_[0, 0].get_legend_handles_labels()
        scale = max(1.0, 5.0 / handles[0].get_markersize())  # many data are drawn small
        explain(self.figure_, self.ax_[0, 0], ax is None, ncols=3, markerscale=scale)
        return self

    def _label_panels(self) -> None:
        """Write names, units and equations around the panels."""
        for i, name in enumerate(self.names):
            unit = f"\n({self.units[i]})" if len(self.units) and self.units[i] else ""
            self.ax_[i, 0].set_ylabel(name + unit)
            if len(self.equations):
                width = 95 * (1 if len(self.runs) == 1 else 0.5)
                title = textwrap.fill(
                    textwrap.shorten(self.equations[i], 2 * int(width)), int(width)
                )
                self.ax_[i, 0].set_title(title, loc="left", fontsize="small")
        for j, run in enumerate(self.runs):
            self.ax_[-1, j].set_xlabel(f"{self.time_label}, {run.label}".removesuffix(", "))


def _curves(estimator: "SMNNDiscoverer", run: Run) -> RunCurves:
    """Evaluate the two curves of one run on a fine grid."""
    fine = np.unique(np.concatenate([run.t, np.linspace(run.t[0], run.t[-1], _FINE_POINTS)]))
    states = smooth_states(estimator, run, fine)
    controls = run.at(fine)[:, 1:]
    simulated = _simulate(estimator, states[0], fine, controls if controls.size else None)
    return RunCurves(run.title, run.t, run.data, fine, states[:, : run.data.shape[1]], simulated)


def _simulate(
    estimator: "SMNNDiscoverer",
    first: NDArray[np.float64],
    t: NDArray[np.float64],
    controls: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Simulate as far as it goes: a trajectory that blows up is NaN from some time before that."""
    states = np.full((len(t), len(estimator.coef_)), np.nan)
    n = len(t)
    while n > 1:
        try:
            found = estimator.simulate(first, t[:n], None if controls is None else controls[:n])
        except ValueError:
            n = int(0.9 * n)
            continue
        states[:n] = np.reshape(found, (n, -1))[:, : states.shape[1]]
        break
    return states


def _short_equations(estimator: "SMNNDiscoverer", names: list[str]) -> list[str]:
    """Write the equations with three significant digits, for titles."""
    coef = [[float(f"{value:.3g}") for value in row] for row in estimator.coef_]
    terms = [str(term) for term in estimator.feature_names_out_]
    return format_equations(names, terms, coef, estimator.order)


def _draw_panel(ax: "Axes", run: RunCurves, state: int) -> None:
    """Draw data and both curves of one state."""
    dots(ax, run.t, run.y[:, state], label="data", zorder=3)
    ax.plot(run.t_fine, run.smoothed[:, state], color=MODEL, lw=1.8, label="smoothed")
    simulated: dict[str, Any] = {"color": SIMULATED, "lw": 1.5, "ls": (0, (4, 2))}
    ax.plot(
        run.t_fine, run.simulated[:, state], label="simulated from the first state", **simulated
    )
    ax.locator_params(axis="x", steps=[1, 2, 5, 10])
    plain(ax)
