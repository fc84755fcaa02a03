"""Targets of the mechanistic network: read trajectories, put them in units where they are near 1.

A target is a trajectory of T samples in V dimensions. One sample alone is the value at the second
of two nodes: features say where things start, the target what became of them after one step.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_consistent_length


@dataclass(frozen=True)
class Trajectories:
    """Targets, and the shape in which they came.

    Attributes
    ----------
    values : ndarray of shape (n, T, V)
        In the user's units; NaN where missing.
    n_axes : int
        Axes of the target as it came: 1, 2 or 3.
    single : bool
        Whether one node came, the second of two.
    """

    values: NDArray
    n_axes: int
    single: bool


class Samples(NamedTuple):
    """What counts of the input: no sample without weight or without any value.

    Attributes
    ----------
    X : ndarray of shape (n, n_features)
    y : ndarray of shape (n, T, V)
        NaN where missing.
    weight : ndarray of shape (n,)
    """

    X: NDArray
    y: NDArray
    weight: NDArray

    def take(self, rows: NDArray) -> "Samples":
        """Return some of the samples."""
        return Samples(self.X[rows], self.y[rows], self.weight[rows])


@dataclass(frozen=True)
class Units:
    """Affine units of features, states and time.

    Attributes
    ----------
    x_mean, x_scale : ndarray of shape (n_features,)
    y_mean, y_scale : ndarray of shape (V,)
    time : float
        One unit of the mechanism's time, in the user's.
    """

    x_mean: NDArray
    x_scale: NDArray
    y_mean: NDArray
    y_scale: NDArray
    time: float


def read_trajectories(y: Any, X: NDArray, n_dims: int | None, name: str) -> Trajectories:
    """Check targets of shape (n,), (n, T V) or (n, T, V) and return them as (n, T, V)."""
    if y is None:
        raise ValueError(f"This {name} estimator requires y to be passed, but the target y is None")
    array = check_array(
        y, ensure_2d=False, allow_nd=True, ensure_all_finite="allow-nan", dtype=np.float64,
        input_name="y",
    )  # fmt: skip
    check_consistent_length(X, array)
    if array.ndim > 3 or array.ndim == 0:
        raise ValueError(
            f"y has {array.ndim} axes: (n_samples,), (n_samples, n_steps * n_dims) or "
            f"(n_samples, n_steps, n_dims) is wanted"
        )
    values = _split_steps(array, n_dims)
    single = values.shape[1] == 1
    if single:
        values = np.concatenate([np.full_like(values, np.nan), values], axis=1)
    return Trajectories(values, array.ndim, single)


def _split_steps(array: NDArray, n_dims: int | None) -> NDArray:
    """Give targets the shape (n, T, V)."""
    if array.ndim == 3:
        if n_dims not in (None, array.shape[2]):
            raise ValueError(
                f"y has shape {array.shape}, so n_dims = {array.shape[2]}, but n_dims = {n_dims} "
                f"was given: leave n_dims at None for a 3-D y"
            )
        return array
    columns, n_dims = array.reshape(len(array), -1), n_dims or 1
    if columns.shape[1] % n_dims:
        raise ValueError(
            f"y has {columns.shape[1]} columns, a multiple of n_dims = {n_dims} is wanted: the "
            f"columns are all dimensions of the first node, then of the second, and so on"
        )
    return columns.reshape(len(array), -1, n_dims)


def shape_like(predicted: NDArray, n_axes: int, single: bool) -> NDArray:
    """Give predictions (n, T, V) the shape of the target; only the second node if it was alone."""
    if single:
        predicted = predicted[:, 1:]
    if n_axes == 3:
        return predicted
    flat = predicted.reshape(len(predicted), -1)
    return flat[:, 0] if n_axes == 1 and flat.shape[1] == 1 else flat


def measure_units(samples: Samples, step: NDArray) -> Units:
    """Find units in which features and targets have mean 0 and spread 1, and change at rate 1.

    ``step`` (T - 1,) holds the steps between the nodes.
    """
    X, y, weight = samples
    x_mean = np.average(X, axis=0, weights=weight)
    x_scale = np.sqrt(np.average((X - x_mean) ** 2, axis=0, weights=weight))
    share = np.where(np.isnan(y), 0.0, weight[:, None, None])
    total = share.sum(axis=(0, 1))
    filled = np.nan_to_num(y, nan=0.0)
    y_mean = (share * filled).sum(axis=(0, 1)) / np.where(total > 0, total, 1.0)
    square = (share * (filled - y_mean) ** 2).sum(axis=(0, 1)) / np.where(total > 0, total, 1.0)
    y_scale = _nonzero(np.sqrt(square), y_mean)
    z = (y - y_mean) / y_scale
    return Units(x_mean, _nonzero(x_scale, x_mean), y_mean, y_scale, _time_unit(z, weight, step))


def _nonzero(scale: NDArray, mean: NDArray) -> NDArray:
    """Replace the spread of what does not vary, rounding aside, by one."""
    return np.where(scale > 1e-12 * np.abs(mean), np.where(scale > 0, scale, 1.0), 1.0)


def _time_unit(z: NDArray, weight: NDArray, step: NDArray) -> float:
    """Time in which the trajectories change by as much as they vary: 1 / omega if they oscillate.

    At least a step, at most the whole duration.
    """
    n_seen = np.maximum((~np.isnan(z)).sum(axis=1, keepdims=True), 1)
    z = z - np.nan_to_num(z, nan=0.0).sum(axis=1, keepdims=True) / n_seen
    rate = np.diff(z, axis=1) / step[:, None]
    size = _mean_square(z, weight)
    speed = _mean_square(rate, weight)
    duration = float(step.sum())
    if not (size > 0 and speed > 0):
        return duration
    return float(np.clip(np.sqrt(size / speed), step.mean(), duration))


def _mean_square(values: NDArray, weight: NDArray) -> float:
    """Weighted mean of squares over all that is not missing; 0 if all is."""
    share = np.where(np.isnan(values), 0.0, weight[:, None, None])
    total = share.sum()
    return float((share * np.nan_to_num(values, nan=0.0) ** 2).sum() / total) if total else 0.0


def score_r2(y: NDArray, predicted: NDArray, weight: NDArray | None) -> float:
    """R^2 averaged over the columns, each over what was measured.

    Parameters
    ----------
    y, predicted : ndarray of shape (n, ...)
        NaN in y where missing; a column with fewer than two measurements does not count.
    weight : ndarray of shape (n,) or None
    """
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    if not np.isnan(y).any():
        return float(r2_score(y, predicted, sample_weight=weight))
    scores = []
    for column in range(y.shape[1]):
        seen = ~np.isnan(y[:, column])
        if seen.sum() > 1:
            share = None if weight is None else weight[seen]
            scores.append(r2_score(y[seen, column], predicted[seen, column], sample_weight=share))
    if not scores:
        raise ValueError("no column of y has two measurements: R^2 needs at least two.")
    return float(np.mean(scores))
