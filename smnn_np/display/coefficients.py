"""Coefficients of a fitted discoverer as bars with their uncertainties."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from ._axes import MODEL, panels, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..discoverer import SMNNDiscoverer


class CoefficientDisplay:
    """Coefficients as bars with their confidence intervals, one panel for each equation.

    Terms with coefficient 0 are left out. A known coefficient has no interval; neither has one at
    its bound.

    Parameters
    ----------
    coef : array-like of shape (n_targets, n_terms)
        Coefficients.
    coef_std : array-like of shape (n_targets, n_terms)
        Their standard errors; 0 or NaN for none.
    terms : sequence of str
        Names of the terms.
    targets : sequence of str
        Names of the left-hand sides.
    level : float, default=0.95
        Probability of the intervals.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_targets,)
        The panels, once drawn.
    figure_ : matplotlib Figure
        The figure that holds them, once drawn.

    Examples
    --------
    >>> from smnn_np.display import CoefficientDisplay
    >>> display = CoefficientDisplay([[1.0, 0.0, -2.0]], [[0.1, 0, 0.2]], ["1", "x", "y"], ["x'"])
    >>> [label.get_text() for label in display.plot().ax_[0].get_yticklabels()]
    ['1', 'y']
    """

    def __init__(
        self,
        coef: ArrayLike,
        coef_std: ArrayLike,
        terms: Sequence[str],
        targets: Sequence[str],
        level: float = 0.95,
    ) -> None:
        self.coef = coef
        self.coef_std = coef_std
        self.terms = terms
        self.targets = targets
        self.level = level

    @classmethod
    def from_estimator(
        cls,
        estimator: "SMNNDiscoverer",
        *,
        level: float = 0.95,
        ax: "Axes | Sequence[Axes] | None" = None,
    ) -> "CoefficientDisplay":
        """Draw the coefficients of a fitted discoverer.

        Parameters
        ----------
        estimator : SMNNDiscoverer
            Fitted.
        level : float, default=0.95
            Probability of the intervals.
        ax : Axes or sequence of Axes, default=None
            Where to draw: one for each equation. None makes a figure.

        Returns
        -------
        CoefficientDisplay
            With `ax_` and `figure_` set.

        Examples
        --------
        >>> from smnn_np import SMNNDiscoverer
        >>> from smnn_np.datasets import make_damped_oscillator
        >>> from smnn_np.display import CoefficientDisplay
        >>> series = make_damped_oscillator(100, noise=0.02)
        >>> model = SMNNDiscoverer(degree=1, order=2).fit(series.t, series.y)
        >>> CoefficientDisplay.from_estimator(model).ax_.shape
        (1,)
        """
        targets = [name + "'" * estimator.order for name in estimator.state_names_]
        terms = [str(term) for term in estimator.feature_names_out_]
        return cls(estimator.coef_, estimator.coef_std_, terms, targets, level).plot(ax)

    def plot(self, ax: "Axes | Sequence[Axes] | None" = None) -> "CoefficientDisplay":
        """Draw the bars.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            Where to draw: one for each equation. None makes a figure.

        Returns
        -------
        CoefficientDisplay
            Itself, with `ax_` and `figure_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed; it comes with the extra ``plot``.
        ValueError
            If `ax` is another number of axes than there are equations.
        """
        coef, std = np.asarray(self.coef), np.asarray(self.coef_std)
        n = len(self.targets)
        most = max(1, np.count_nonzero(coef, axis=1).max())
        size = (max(6.0, 3.8 * n), 1.2 + 0.42 * most)
        self.ax_ = panels(ax, (1, n), size, f"one for each of {n} equations")[0]
        self.figure_ = self.ax_[0].figure
        for panel, target, row, error in zip(self.ax_, self.targets, coef, std, strict=True):
            used = np.flatnonzero(row).tolist()
            self._draw(panel, [self.terms[j] for j in used], row[used], error[used])
            panel.set_title(target, loc="left", fontsize="medium")
        self.ax_[0].set_ylabel("term")
        return self

    def _draw(self, ax: "Axes", terms: list[str], coef: np.ndarray, std: np.ndarray) -> None:
        """Draw one equation: its first term on top, the numbers to the right of the bars."""
        rows = np.arange(len(terms))
        half = ndtri(0.5 + self.level / 2) * np.where(std > 0, std, np.nan)
        ax.barh(rows, coef, height=0.6, color=MODEL, alpha=0.75)
        ax.errorbar(coef, rows, xerr=half, fmt="none", ecolor="black", elinewidth=1.5, capsize=4)
        for row, value, width in zip(rows, coef, half, strict=True):
            text = f"{value:.4g}" + (f" ± {width:.2g}" if np.isfinite(width) else "")
            place = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": "small"}
            ax.text(1.02, row, text, **place)
        ax.set_yticks(rows, terms)
        ax.invert_yaxis()
        ax.axvline(0.0, color="black", lw=0.8)
        ax.set_xlabel(f"coefficient, {100 * self.level:g} % interval")
        plain(ax, "x")
