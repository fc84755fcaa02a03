"""Samples as the displays take them: run by run, sorted by time, and curves between them."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ..discoverer import SMNNDiscoverer


class Run(NamedTuple):
    """The samples of one run, sorted by time."""

    label: Any  # None where there is but one run
    inputs: NDArray[np.float64]  # (n_samples, 1 + n_controls): time, controls
    data: NDArray[np.float64]  # (n_samples, n_dims), NaN where missing

    @property
    def t(self) -> NDArray[np.float64]:
        """Times of the samples (n_samples,)."""
        return self.inputs[:, 0]

    @property
    def title(self) -> str:
        """What the run is called; empty where there is but one."""
        return "" if self.label is None else f"run {self.label}"

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times and the controls then, which are joined by straight lines and held beyond."""
        controls = [np.interp(times, self.t, column) for column in self.inputs.T[1:]]
        return np.column_stack([times, *controls])

    def groups(self, n: int) -> NDArray | None:
        """Return the argument ``groups`` of a prediction at so many times."""
        return None if self.label is None else np.full(n, self.label)


def split_runs(
    X: ArrayLike, y: ArrayLike, groups: ArrayLike | None, most: int | None = None
) -> list[Run]:
    """Sort the arguments of `fit` into runs, in the order in which they first appear.

    Parameters
    ----------
    X : array-like of shape (n_samples,) or (n_samples, 1 + n_controls)
        Times and controls.
    y : array-like of shape (n_samples,) or (n_samples, n_dims)
        Data.
    groups : array-like of shape (n_samples,) or None
        The run of each sample.
    most : int, default=None
        How many runs to keep, the first ones; None for all.

    Returns
    -------
    list of Run
    """
    inputs = np.asarray(X, dtype=np.float64)
    inputs = inputs.reshape(len(inputs), -1)
    data = np.asarray(y, dtype=np.float64).reshape(len(inputs), -1)
    labels = np.asarray([None] * len(inputs) if groups is None else groups)
    order = np.argsort(inputs[:, 0], kind="stable")
    runs = []
    for label in list(dict.fromkeys(labels.tolist()))[:most]:
        rows = order[labels[order] == label]
        runs.append(Run(label, inputs[rows], data[rows]))
    return runs


def smooth_states(
    estimator: "SMNNDiscoverer", run: Run, fine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the smoothed states of a run at given times; of ``order=2`` velocities come last.

    Parameters
    ----------
    estimator : SMNNDiscoverer
        Fitted.
    run : Run
        The run.
    fine : ndarray of shape (n,)
        Times.

    Returns
    -------
    ndarray of shape (n, n_dims) or (n, 2 n_dims)
    """
    found = estimator.predict(run.at(fine), groups=run.groups(len(fine)))
    states = np.reshape(found, (len(fine), -1))
    if estimator.order == 1:
        return states
    return np.hstack([states, np.gradient(states, fine, axis=0, edge_order=2)])
