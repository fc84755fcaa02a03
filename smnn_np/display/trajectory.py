"""Predicted trajectories, with bands where the estimator knows them, and the data beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ._axes import CURVES, dots, explain, panels, plain
from ._runs import Run, split_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FINE_POINTS = 600


@dataclass(frozen=True)
class Curve:
    """One trajectory and its data.

    Attributes
    ----------
    label : str
        For the legend; empty when there is only one.
    t : ndarray of shape (n,)
        Times of the prediction.
    mean : ndarray of shape (n, n_dims)
        The prediction.
    std : ndarray of shape (n, n_dims) or None
        Its standard deviations, if they are known.
    t_data : ndarray of shape (n_samples,)
        Times of the data.
    y_data : ndarray of shape (n_samples, n_dims)
        Data, NaN where missing; empty for none.
    """

    label: str
    t: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64] | None
    t_data: NDArray[np.float64]
    y_data: NDArray[np.float64]


class TrajectoryDisplay:
    """Predictions over time, with bands, and the data beside them; one panel for each dimension.

    For `SMNNSmoother` and `SMNNDiscoverer` the curves are the runs, with bands of the states (not
    of new measurements). For `SMNNRegressor` they are the samples, and there are no bands.

    Parameters
    ----------
    curves : sequence of Curve
        What to draw.
    names : sequence of str
        Names of the dimensions, one panel each.
    level : float, default=0.95
        Probability of the bands.
    time_label : str, default="time"
        Label of the time axis.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_dims,)
        The panels, once drawn.
    figure_ : matplotlib Figure
        The figure that holds them, once drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np.display import Curve, TrajectoryDisplay
    >>> t = np.linspace(0, 1, 5)
    >>> curve = Curve("", t, np.exp(-t)[:, None], 0.1 + 0 * t[:, None], t, np.exp(-t)[:, None])
    >>> TrajectoryDisplay([curve], ["x"]).plot().ax_.shape
    (1,)
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        names: Sequence[str],
        level: float = 0.95,
        time_label: str = "time",
    ) -> None:
        self.curves = curves
        self.names = names
        self.level = level
        self.time_label = time_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        times: ArrayLike | None = None,
        derivative: int = 0,
        n_steps: int | None = None,
        level: float = 0.95,
        time_label: str = "time",
        max_curves: int = 5,
        ax: "Axes | Sequence[Axes] | None" = None,
    ) -> "TrajectoryDisplay":
        """Draw what a fitted estimator predicts.

        Parameters
        ----------
        estimator : SMNNSmoother, SMNNDiscoverer or SMNNRegressor
            Fitted.
        X : array-like
            Times (n_samples,) and controls or covariates, as given to `fit`; for SMNNRegressor the
            features of the samples.
        y : array-like
            Data, as given to `fit`.
        groups : array-like of shape (n_samples,), default=None
            The run of each sample, as given to `fit`; not for SMNNRegressor.
        times : array-like of shape (n,), default=None
            Where to draw the curves of a smoother or discoverer, beyond the span too; None for the
            span of each run. Controls and covariates are joined by straight lines and held beyond.
        derivative : int, default=0
            Which derivative of a smoother to draw; above 0 without the data.
        n_steps : int, default=None
            Number of nodes for SMNNRegressor, beyond the trained span too.
        level : float, default=0.95
            Probability of the bands.
        time_label : str, default="time"
            Label of the time axis.
        max_curves : int, default=5
            How many runs or samples to draw, the first ones.
        ax : Axes or sequence of Axes, default=None
            Where to draw: one for each dimension. None makes a figure.

        Returns
        -------
        TrajectoryDisplay
            With `ax_` and `figure_` set.

        Examples
        --------
        >>> import numpy as np
        >>> from smnn_np import SMNNSmoother
        >>> from smnn_np.display import TrajectoryDisplay
        >>> t = np.linspace(0, 6, 100)
        >>> y = np.sin(t) + 0.1 * np.random.default_rng(0).standard_normal(100)
        >>> model = SMNNSmoother().fit(t, y)
        >>> display = TrajectoryDisplay.from_estimator(model, t, y, times=np.linspace(0, 8, 200))
        >>> display.ax_[0].get_xlabel()
        'time'
        """
        if hasattr(estimator, "predict_ode"):
            curves = _sample_curves(estimator, X, y, n_steps, max_curves)
        else:
            runs = split_runs(X, y, groups, max_curves)
            curves = [_run_curve(estimator, run, times, derivative) for run in runs]
        names = _names(estimator, curves[0].mean.shape[1], derivative)
        return cls(curves, names, level, time_label).plot(ax)

    def plot(self, ax: "Axes | Sequence[Axes] | None" = None) -> "TrajectoryDisplay":
        """Draw the panels.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            Where to draw: one for each dimension. None makes a figure.

        Returns
        -------
        TrajectoryDisplay
            Itself, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed; it comes with the extra ``plot``.
        ValueError
            If `ax` is another number of axes than there are dimensions.
        """
        n = len(self.names)
        meaning = f"one for each of {n} dimensions"
        self.ax_ = panels(ax, (n, 1), (8.0, 0.9 + 2.5 * n), meaning, sharex=True)[:, 0]
        self.figure_ = self.ax_[0].figure
        for d, (panel, name) in enumerate(zip(self.ax_, self.names, strict=True)):
            for i, curve in enumerate(self.curves):
                self._draw(panel, curve, d, CURVES[i % len(CURVES)])
            panel.set_ylabel(name)
            plain(panel)
        self.ax_[-1].set_xlabel(self.time_label)
        explain(self.figure_, self.ax_[0], ax is None, ncols=5)
        return self

    def _draw(self, ax: "Axes", curve: Curve, d: int, color: str) -> None:
        """Draw one dimension of one curve."""
        alone = len(self.curves) == 1
        look = {} if alone else {"color": color}
        if len(curve.y_data):
            label = "data" if alone else None
            dots(ax, curve.t_data, curve.y_data[:, d], label=label, **look)
        mean = curve.mean[:, d]
        ax.plot(curve.t, mean, color=color, lw=1.6, label=curve.label or "predicted")
        if curve.std is not None:
            half = ndtri(0.5 + self.level / 2) * curve.std[:, d]
            label = f"{100 * self.level:g} % band" if alone else None
            band = {"color": color, "alpha": 0.2, "lw": 0, "label": label}
            ax.fill_between(curve.t, mean - half, mean + half, **band)


def _run_curve(estimator: Any, run: Run, times: ArrayLike | None, derivative: int) -> Curve:
    """Predict one run where it is asked for."""
    even = np.linspace(run.t[0], run.t[-1], _FINE_POINTS)
    fine = even if times is None else np.asarray(times, dtype=np.float64)
    asked = {"derivative": derivative} if derivative else {}
    groups = run.groups(len(fine))
    found = estimator.predict(run.at(fine), groups=groups, return_std=True, **asked)
    mean, std = (each.reshape(len(fine), -1) for each in found)
    return Curve(run.title, fine, mean, std, run.t, run.data[:0] if derivative else run.data)


def _sample_curves(
    estimator: Any, X: ArrayLike, y: ArrayLike, n_steps: int | None, most: int
) -> list[Curve]:
    """Predict the first samples of a regressor."""
    n_dims = estimator.n_dims_
    features = np.asarray(X)[:most]
    length = n_steps or estimator.n_steps_
    predicted = estimator.predict(features, n_steps=length).reshape(len(features), length, n_dims)
    data = np.asarray(y, dtype=np.float64)[:most].reshape(len(features), -1, n_dims)
    if data.shape[1] == 1:  # the target was the value at the second node alone
        data = np.concatenate([np.full_like(data, np.nan), data], axis=1)
    t = _node_times(estimator.step, max(length, data.shape[1]))
    pairs = zip(predicted, data, strict=True)
    return [
        Curve(f"sample {i}", t[:length], mean, None, t[: len(each)], each)
        for i, (mean, each) in enumerate(pairs)
    ]


def _node_times(step: ArrayLike, length: int) -> NDArray[np.float64]:
    """Times of so many nodes; the last step repeats."""
    steps = np.atleast_1d(np.asarray(step, dtype=np.float64))
    steps = np.concatenate([steps, np.full(max(length - 1 - len(steps), 0), steps[-1])])
    return np.concatenate([[0.0], np.cumsum(steps[: length - 1])])


def _names(estimator: Any, n_dims: int, derivative: int) -> list[str]:
    """Names of the panels: the states', or y, or y0, y1, ..., with a mark for each derivative."""
    names = list(getattr(estimator, "state_names_", ()))
    plain_names = ["y"] if n_dims == 1 else [f"y{d}" for d in range(n_dims)]
    return [name + "'" * derivative for name in names or plain_names]
