"""Phase portrait of a fitted discoverer: its vector field, the data and the smoothed states."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._axes import DATA, MODEL, dots, explain, panels, plain
from ._runs import Run, smooth_states, split_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..discoverer import SMNNDiscoverer

_FINE_POINTS = 1000
_GRID = 25
_MARGIN = 0.12


class PhaseDisplay:
    """Two states against each other, on the stream lines of the fitted equations.

    Further states, and controls, are held at their means: with more than two states the stream
    lines are those of one slice, and the data need not follow them.

    Parameters
    ----------
    grid : tuple of two ndarrays (n_x,), (n_y,)
        Where the field is known.
    field : ndarray of shape (n_y, n_x, 2)
        Rates of the two states there.
    data : sequence of ndarray (n_samples, 2)
        Data of each run, NaN where missing; empty arrays for none.
    smoothed : sequence of ndarray (n_fine, 2)
        Smoothed states of each run.
    names : tuple of two str
        Names of the two states.
    held : str, default=""
        What is held, and where, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel, once drawn.
    figure_ : matplotlib Figure
        The figure that holds it, once drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np.display import PhaseDisplay
    >>> x = np.linspace(-1, 1, 9)
    >>> field = np.stack(np.meshgrid(x, x), axis=-1)[:, :, ::-1] * [1.0, -1.0]
    >>> circle = np.column_stack([np.sin(3 * x), np.cos(3 * x)])
    >>> display = PhaseDisplay((x, x), field, [circle], [circle], ("x", "y"))
    >>> display.plot().ax_.get_ylabel()
    'y'
    """

    def __init__(
        self,
        grid: tuple[NDArray, NDArray],
        field: NDArray,
        data: Sequence[NDArray],
        smoothed: Sequence[NDArray],
        names: tuple[str, str],
        held: str = "",
    ) -> None:
        self.grid = grid
        self.field = field
        self.data = data
        self.smoothed = smoothed
        self.names = names
        self.held = held

    @classmethod
    def from_estimator(
        cls,
        estimator: "SMNNDiscoverer",
        t: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        states: tuple[int, int] = (0, 1),
        ax: "Axes | None" = None,
    ) -> "PhaseDisplay":
        """Draw the phase portrait of a fitted discoverer.

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
        states : (int, int), default=(0, 1)
            Which two states to draw; of ``order=2`` the velocities count on, after the states.
        ax : Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        PhaseDisplay
            With `ax_` and `figure_` set.

        Examples
        --------
        >>> from smnn_np import SMNNDiscoverer
        >>> from smnn_np.datasets import make_lotka_volterra
        >>> from smnn_np.display import PhaseDisplay
        >>> series = make_lotka_volterra(noise=0.02)
        >>> model = SMNNDiscoverer().fit(series.t, series.y)
        >>> display = PhaseDisplay.from_estimator(model, series.t, series.y)
        >>> display.ax_.get_xlabel()
        'x'
        """
        names = list(estimator.state_names_)
        names += [name + "'" for name in names] if estimator.order == 2 else []
        if not all(0 <= s < len(names) for s in states) or len(set(states)) != 2:
            raise ValueError(
                f"states = {states!r}: two different numbers from 0 to {len(names) - 1} are "
                f"wanted; the states are {', '.join(names)}"
            )
        parts = split_runs(t, y, groups)
        runs = [_curves(estimator, part, len(names)) for part in parts]
        every = np.concatenate([smoothed for _, smoothed in runs])
        middle = every.mean(axis=0)
        controls = np.concatenate([part.inputs for part in parts])[:, 1:].mean(axis=0)
        seen = np.concatenate([every, *(samples for samples, _ in runs)])
        pair = list(states)
        grid, field = _field(estimator, pair, middle, controls, seen)
        held = [f"{names[s]} = {middle[s]:.3g}" for s in range(len(names)) if s not in states]
        held += ["controls at their means"] if len(controls) else []
        samples, curves = ([part[:, pair] for part in parts] for parts in zip(*runs, strict=True))
        labels = (names[pair[0]], names[pair[1]])
        return cls(grid, field, samples, curves, labels, ", ".join(held)).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> "PhaseDisplay":
        """Draw the portrait.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        PhaseDisplay
            Itself, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed; it comes with the extra ``plot``.
        """
        self.ax_ = panels(ax, (1, 1), (6.5, 5.5), "one panel")[0, 0]
        self.figure_ = self.ax_.figure
        look = {"color": "#9ca3af", "linewidth": 0.7, "density": 1.1, "arrowsize": 0.8}
        self.ax_.streamplot(*self.grid, self.field[:, :, 0], self.field[:, :, 1], **look)
        for i, (data, smoothed) in enumerate(zip(self.data, self.smoothed, strict=True)):
            label = ("data", "smoothed") if i == 0 else (None, None)
            if np.isfinite(data).all(axis=1).any():
                dots(self.ax_, *data.T, label=label[0], color=DATA, alpha=0.9, zorder=3)
            self.ax_.plot(*smoothed.T, color=MODEL, lw=1.6, label=label[1], zorder=4)
        self.ax_.set(xlabel=self.names[0], ylabel=self.names[1])
        if self.held:
            self.ax_.set_title(f"field at {self.held}", loc="left", fontsize="small")
        look = {"ncols": 2} if ax is None else {"loc": "upper right"}
        explain(self.figure_, self.ax_, ax is None, **look)
        plain(self.ax_)
        self.ax_.grid(False)
        return self


def _curves(estimator: "SMNNDiscoverer", run: Run, n_states: int) -> tuple[NDArray, NDArray]:
    """All states of a run: samples (n, n_states), unknown ones NaN, and the smooth curve."""
    unknown = np.full((len(run.data), n_states - run.data.shape[1]), np.nan)
    smoothed = smooth_states(estimator, run, np.linspace(run.t[0], run.t[-1], _FINE_POINTS))
    return np.hstack([run.data, unknown]), smoothed


def _field(
    estimator: "SMNNDiscoverer",
    pair: list[int],
    middle: NDArray,
    controls: NDArray,
    seen: NDArray,
) -> tuple[tuple[NDArray, NDArray], NDArray]:
    """Rates of two states on a grid over what was seen; all else is held."""
    low, high = np.nanmin(seen[:, pair], axis=0), np.nanmax(seen[:, pair], axis=0)
    margin = _MARGIN * np.where(high > low, high - low, 1.0)
    x, y = (np.linspace(*each, _GRID) for each in zip(low - margin, high + margin, strict=True))
    points = np.tile(middle, (_GRID * _GRID, 1))
    points[:, pair] = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    held = np.tile(controls, (len(points), 1)) if len(controls) else None
    rates = estimator.derivative(points, held)[:, pair]
    return (x, y), rates.reshape(_GRID, _GRID, 2)
