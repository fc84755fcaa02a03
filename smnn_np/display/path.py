"""The path of models of a fitted discoverer: what each term more is worth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ._axes import DATA, MODEL, SIMULATED, panels, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..discoverer import SMNNDiscoverer

_CLOSE = 10.0  # differences of the criterion below this are drawn to scale
_MOST_LABELS = 15


class PathDisplay:
    """Criterion against number of terms, over the path of a fitted discoverer.

    The criterion is minus twice the logarithm of the evidence, above that of the best model: the
    lower the better, and a difference below about 6 is no strong preference. Above 10 the axis is
    logarithmic. Models that did not converge are missing. What is lost from a model to the next
    smaller one stands above the smaller one.

    Parameters
    ----------
    n_terms : array-like of shape (n_models,)
        Sizes of the models.
    criterion : array-like of shape (n_models,)
        Their criteria; those that are not finite are left out.
    selected : int, default=None
        The size that is in use.
    changes : sequence of str, default=()
        What each model lost, in words; empty for none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel, once drawn.
    figure_ : matplotlib Figure
        The figure that holds it, once drawn.

    See Also
    --------
    smnn_np.SMNNDiscoverer.select : Switch to the model of another size.

    Examples
    --------
    >>> from smnn_np.display import PathDisplay
    >>> display = PathDisplay([4, 3, 2], [12.0, 8.5, 310.0], selected=3)
    >>> display.plot().ax_.get_xlabel()
    'number of terms'
    """

    def __init__(
        self,
        n_terms: ArrayLike,
        criterion: ArrayLike,
        selected: int | None = None,
        changes: Sequence[str] = (),
    ) -> None:
        self.n_terms = n_terms
        self.criterion = criterion
        self.selected = selected
        self.changes = changes

    @classmethod
    def from_estimator(
        cls, estimator: "SMNNDiscoverer", *, ax: "Axes | None" = None
    ) -> "PathDisplay":
        """Draw the path of a fitted discoverer.

        Parameters
        ----------
        estimator : SMNNDiscoverer
            Fitted.
        ax : Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        PathDisplay
            With `ax_` and `figure_` set.

        Examples
        --------
        >>> from smnn_np import SMNNDiscoverer
        >>> from smnn_np.datasets import make_damped_oscillator
        >>> from smnn_np.display import PathDisplay
        >>> series = make_damped_oscillator(100, noise=0.02)
        >>> model = SMNNDiscoverer(degree=1, order=2).fit(series.t, series.y)
        >>> PathDisplay.from_estimator(model).selected
        2
        """
        table = estimator.path_.table()
        changes = [
            _change(lost, won) for lost, won in zip(table["loses"], table["gains"], strict=True)
        ]
        selected = _selected_size(estimator)
        return cls(table["n_terms"], table["criterion"], selected, changes).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> "PathDisplay":
        """Draw the path.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        PathDisplay
            Itself, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed; it comes with the extra ``plot``.
        ValueError
            If `ax` is more than one, or no model has a finite criterion.
        """
        sizes, criterion = np.asarray(self.n_terms), np.asarray(self.criterion, dtype=np.float64)
        shown = np.flatnonzero(np.isfinite(criterion)).tolist()
        if not shown:
            raise ValueError(
                "no model of the path has a finite criterion: there is nothing to draw"
            )
        above = criterion[shown] - criterion[shown].min()
        self.ax_ = panels(ax, (1, 1), (8.0, 4.5), "one panel")[0, 0]
        self.figure_ = self.ax_.figure
        self.ax_.plot(sizes[shown], above, "o-", color=MODEL, ms=5, lw=1.3, zorder=3)
        self._mark_selected(sizes[shown], above)
        labelled = len(self.changes) > 0 and len(shown) <= _MOST_LABELS
        if labelled:
            self._label_changes(sizes[shown], above, [self.changes[i] for i in shown])
        self._dress((20.0 if labelled else 6.0) * max(above.max(), _CLOSE))
        return self

    def _mark_selected(self, sizes: np.ndarray, above: np.ndarray) -> None:
        """Ring the model in use."""
        chosen = sizes == self.selected
        label = f"selected: {self.selected} terms"
        look = {"ls": "none", "marker": "o", "ms": 12, "mfc": "none", "mec": SIMULATED, "mew": 2}
        if chosen.any():
            self.ax_.plot(sizes[chosen], above[chosen], label=label, zorder=4, **look)
            # Above the panel, where no label of a model can reach it.
            style = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
            self.ax_.legend(frameon=False, **style)

    def _label_changes(self, sizes: np.ndarray, above: np.ndarray, changes: list[str]) -> None:
        """Write what each model lost above it."""
        for size, height, change in zip(sizes, above, changes, strict=True):
            look = {"fontsize": "x-small", "color": DATA, "rotation": 90, "ha": "center"}
            offset = {"xytext": (0, 10), "textcoords": "offset points", "va": "bottom"}
            self.ax_.annotate(change, (size, height), **offset, **look)

    def _dress(self, top: float) -> None:
        """Axes up to a criterion that leaves room for labels, and their names."""
        from matplotlib.ticker import MaxNLocator

        self.ax_.set_yscale("symlog", linthresh=_CLOSE, linscale=1.0)
        self.ax_.set_ylim(-1.0, top)
        self.ax_.axhline(0.0, color=DATA, lw=0.8)
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.ax_.set_xlabel("number of terms")
        self.ax_.set_ylabel("criterion above the best")
        plain(self.ax_)


def _selected_size(estimator: "SMNNDiscoverer") -> int | None:
    """Size of the model of the path whose coefficients are in use."""
    for model in estimator.path_:
        if np.array_equal(model.coef, estimator.coef_):
            return model.n_terms
    return None


def _change(lost: Sequence[str], won: Sequence[str]) -> str:
    """Say what a model lost and won beside the next larger one."""
    words = [f"\N{MINUS SIGN} {each}" for each in lost] + [f"+ {each}" for each in won]
    return ", ".join(words[:2]) + (", ..." if len(words) > 2 else "")
