"""What the displays share: colours, panels of our own or given ones, a plain look."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import import_optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA, MODEL, SIMULATED = "#6b7280", "#1d4ed8", "#ea580c"
# Told apart by colour-blind readers too, and in grey.
CURVES = ("#1d4ed8", "#ea580c", "#047857", "#a21caf", "#78350f")


def panels(
    ax: "Axes | Sequence[Axes] | None",
    shape: tuple[int, int],
    size: tuple[float, float],
    meaning: str,
    **sharing: Any,
) -> NDArray[np.object_]:
    """Make a figure of so many rows and columns of panels, or arrange those that were given.

    Parameters
    ----------
    ax : Axes or sequence of Axes or None
        What the user gave.
    shape : (int, int)
        Rows and columns of panels.
    size : (float, float)
        Width and height of a figure of our own, in inches.
    meaning : str
        What the panels stand for, for the message.
    **sharing
        For `Figure.subplots`.

    Returns
    -------
    ndarray of Axes of that shape
    """
    if ax is not None:
        given = np.array(ax, dtype=object).ravel()
        if given.size != shape[0] * shape[1]:
            raise ValueError(f"ax holds {given.size} axes; wanted {shape[0] * shape[1]}: {meaning}")
        return given.reshape(shape)
    pyplot = import_optional("matplotlib.pyplot", "'smnn-np[plot]'")
    figure = pyplot.figure(figsize=size, dpi=120, layout="constrained")
    return figure.subplots(*shape, squeeze=False, **sharing)


def plain(ax: "Axes", grid: str = "both") -> None:
    """Leave away what tells nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, alpha=0.25, lw=0.6)
    ax.set_axisbelow(True)


def dots(ax: "Axes", t: NDArray, y: NDArray, **style: Any) -> None:
    """Draw samples, the smaller the more there are."""
    size = float(np.clip(60 / np.sqrt(max(len(t), 1)), 1.5, 6.0))
    look = {"ls": "none", "marker": "o", "ms": size, "mew": 0, "color": DATA, "alpha": 0.7}
    ax.plot(t, y, **{**look, **style})


def explain(figure: Any, ax: "Axes", own: bool, **style: Any) -> None:
    """Explain the lines of a panel once: above all panels of a figure of our own, else in it."""
    lines = ax.get_legend_handles_labels()
    if own:
        style = {"loc": "outside upper right", "frameon": False, **style}
        figure.legend(*lines, fontsize="small", **style)
    else:
        style.pop("ncols", None)
        ax.legend(*lines, fontsize="small", **style)


def limit_height(ax: "Axes", seen: Sequence[NDArray]) -> None:
    """Fit the panel to what is given: whatever runs away from it is cut off."""
    values = np.concatenate([np.ravel(each) for each in seen])
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.1 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)
