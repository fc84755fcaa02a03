"""A user's times, states and runs as one sorted record with repeated times merged."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from ._arrays import array_module, bring_home, is_cupy, to_numpy
from ._trajectories import score_r2
from .text import clean_name

_LARGEST = 1e100  # a measurement beyond this, or below its inverse, has no fourth power


class DataWarning(UserWarning):
    """What was passed can be used, with the consequence that the message tells.

    Examples
    --------
    >>> import warnings
    >>> from smnn_np import DataWarning
    >>> warnings.simplefilter("ignore", DataWarning)
    """


@dataclass(frozen=True)
class Record:
    """Distinct times of all runs, one run after the other.

    Attributes
    ----------
    times : ndarray of shape (N,)
        Increasing within a run.
    mean, count : ndarray of shape (N, S)
        Mean and number of the measurements at each time; mean is 0 where there is none.
    within : ndarray of shape (S,)
        Sum of squares of repeated measurements around their means.
    controls : ndarray of shape (N, n_controls)
        Inputs (means over repeated times).
    run : ndarray of shape (N,)
        Index into `labels`.
    labels : ndarray
        Sorted labels of the runs.
    """

    times: np.ndarray
    mean: np.ndarray
    count: np.ndarray
    within: np.ndarray
    controls: np.ndarray
    run: np.ndarray
    labels: np.ndarray

    @property
    def joined(self) -> np.ndarray:
        """Whether two neighbours belong to one run (N - 1,)."""
        return self.run[1:] == self.run[:-1]

    def points(self, order: int) -> np.ndarray:
        """Points [states, rates if order 2, controls] that the record visits (n, n_inputs)."""
        seen = self.count > 0
        typical = (self.mean * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        # Times at which nothing was measured, but an input is known, are not visited in a state.
        some = seen.any(axis=1)
        states = np.where(seen, self.mean, typical)[some]
        times, controls, run = self.times[some], self.controls[some], self.run[some]
        if order == 1:
            return np.concatenate([states, controls], axis=1)
        left = np.flatnonzero(run[1:] == run[:-1])
        rates = np.diff(states, axis=0)[left] / np.diff(times)[left, None]
        return np.concatenate([states[left], rates, controls[left]], axis=1)

    def thin(self, n_pieces: int, length: int) -> "Record":
        """Keep evenly spread stretches of at most `length` nodes, each as a run of its own."""
        starts = np.linspace(0, len(self.times) - length, n_pieces).astype(int)
        index = (starts[:, None] + np.arange(length)).ravel()
        place = np.repeat(np.arange(n_pieces), length)
        # A stretch across the border of two runs is two runs.
        labels, run = np.unique(place * (self.run.max() + 1) + self.run[index], return_inverse=True)
        some = (
            self.mean[index],
            self.count[index],
            self.within * n_pieces * length / len(self.times),
        )
        return Record(self.times[index], *some, self.controls[index], run, labels)

    def insert(self, pieces: np.ndarray) -> "Record":
        """Cut the link i into pieces[i] (N - 1,) equal parts; new nodes have no measurement."""
        pieces = np.where(self.joined, pieces, 1)
        place = np.concatenate([[0], np.cumsum(pieces)])
        index = np.arange(place[-1] + 1)
        position = np.interp(index, place, np.arange(len(place), dtype=float))
        left = np.minimum(position.astype(int), len(place) - 1)
        left[place] = np.arange(len(place))
        mean, count = np.zeros((2, len(index), self.mean.shape[1]))
        mean[place], count[place] = self.mean, self.count
        return Record(
            _between(self.times, position, left),
            mean,
            count,
            self.within,
            _between(self.controls, position, left),
            self.run[left],
            self.labels,
        )


def match_runs(labels: np.ndarray, groups: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Find each row's run among the fitted ones."""
    if groups is None:
        if len(labels) > 1:
            raise ValueError(f"groups is needed: {len(labels)} runs were fitted.")
        return np.zeros(n_rows, dtype=np.int64)
    unknown = sorted(set(groups.tolist()) - set(labels.tolist()))
    if unknown:
        raise ValueError(
            f"groups has {unknown[0]!r}, which is not one of the {len(labels)} fitted runs; "
            "simulate(y0, t) serves new ones."
        )
    return np.searchsorted(labels, groups)


def read_controls(controls: Any, n_rows: int, n_controls: int) -> np.ndarray:
    """Check controls; return (n_rows, n_controls)."""
    if controls is None and n_controls == 0:
        return np.empty((n_rows, 0))
    values = np.asarray(np.nan if controls is None else controls, dtype=np.float64)
    if values.size != n_rows * n_controls or not np.isfinite(values).all():
        raise ValueError(
            f"controls must hold finite numbers of shape ({n_rows}, {n_controls}), "
            f"not {'None' if controls is None else values.shape}."
        )
    return values.reshape(n_rows, n_controls)


def read_points(y: Any, n_states: int) -> np.ndarray:
    """Check points at which a law is evaluated; return (n, n_states)."""
    points = np.asarray(y, dtype=np.float64)
    points = points.reshape(-1, 1) if n_states == 1 and points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] != n_states:
        raise ValueError(
            f"y must have shape (n, {n_states}), one column for each state, not {points.shape}."
        )
    return points


def mean_r2(y: Any, predicted: np.ndarray, sample_weight: Any) -> float:
    """R^2 averaged over states, each over what was measured."""
    (sample_weight,) = bring_home(sample_weight)
    states = read_states(y, len(predicted))
    xp = array_module(states)
    weight = None if sample_weight is None else xp.asarray(np.asarray(sample_weight))
    predicted = to_numpy(predicted) if xp is np else xp.asarray(predicted)
    return score_r2(states, predicted, weight)


def as_columns(t: Any, n_columns: int = 1) -> Any:
    """Turn 1-D times into a column; leave everything else to scikit-learn's checks."""
    keep = hasattr(t, "columns") or hasattr(t, "toarray") or is_cupy(t)
    values = t if keep else np.asarray(t)
    return values.reshape(-1, 1) if n_columns == 1 and values.ndim == 1 else values


def check_kind(t: Any) -> None:
    """Refuse dates and text, which have no unit."""
    if hasattr(t, "toarray"):
        return
    dtypes = t.dtypes if hasattr(t, "columns") else [np.asarray(t).dtype]
    kinds = {getattr(dtype, "kind", "") for dtype in dtypes}
    if kinds == {"O"} and isinstance(next(iter(np.asarray(t).flat), None), date):
        kinds = {"M"}
    if kinds & {"M", "m"}:
        raise ValueError(
            "t holds dates: turn them into numbers, as (t - t[0]) / np.timedelta64(1, 'D') does."
        )
    if kinds & {"U", "S"}:
        raise ValueError("t holds text: turn it into numbers, time first, then the controls.")
    values = np.asarray(t)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0].tolist()
        what = "NaN" if np.isnan(values).any() else "infinity"
        raise ValueError(
            f"Input X contains {what}, first in t{place}: "
            "leave the row out, or fill in the control; only y may have missing values."
        )


def name_states(y: Any, n_states: int) -> list[str]:
    """Names of the states: a DataFrame's columns, else x, y, z, else x0, x1, ..."""
    if hasattr(y, "columns"):
        return [clean_name(str(column)) for column in y.columns]
    return ["x", "y", "z"][:n_states] if n_states <= 3 else [f"x{i}" for i in range(n_states)]


def read_states(y: Any, n_rows: int) -> np.ndarray:
    """Check measured states; return (n, S) float64 with NaN where there is none."""
    if y is None:
        raise ValueError(
            "this SMNNDiscoverer estimator requires y to be passed, but the target y is None."
        )
    try:
        states = y if is_cupy(y) else np.asarray(y)
        if states.dtype.kind == "c":
            raise TypeError
        states = states.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise ValueError(
            "y must hold real numbers (NaN where a sample is missing); turn others into such."
        ) from None
    if states.ndim not in (1, 2) or states.size == 0:
        raise ValueError(f"y must have shape (n,) or (n, n_states), not {states.shape}.")
    if len(states) != n_rows:
        raise ValueError(f"t has {n_rows} rows but y has {len(states)}: they must be as many.")
    states = states.reshape(n_rows, -1)
    if np.isinf(states).any():
        k, s = np.argwhere(np.isinf(states))[0].tolist()
        raise ValueError(
            f"Input y contains infinity, first in row {k}, column {s}; write NaN for "
            "what is missing."
        )
    empty = np.flatnonzero(np.isnan(states).all(axis=0))
    if len(empty):
        raise ValueError(f"column {empty[0]} of y is NaN throughout: leave it out.")
    size = to_numpy(np.nanmax(np.abs(states), axis=0))
    odd = np.flatnonzero((size > _LARGEST) | ((size > 0) & (size < 1 / _LARGEST)))
    if len(odd):
        raise ValueError(
            f"column {odd[0]} of y reaches {size[odd[0]]:.3g}, whose powers overflow or vanish: "
            "choose a unit in which its numbers are near one."
        )
    return states


def read_noise(noise_std: Any, n_states: int) -> np.ndarray | None:
    """Check known noise levels; return (n_states,) or None."""
    if noise_std is None:
        return None
    try:
        noise = np.asarray(noise_std, dtype=np.float64)
        wrong = noise.shape not in ((), (n_states,)) or not (np.isfinite(noise) & (noise > 0)).all()
    except (TypeError, ValueError):
        wrong = True
    if wrong:
        raise ValueError(
            f"noise_std = {noise_std!r}: one number > 0, or one for each of the {n_states} states, "
            "is wanted; None lets the fit estimate it."
        )
    return np.broadcast_to(noise, (n_states,)).copy()


def read_groups(groups: Any, n_rows: int) -> np.ndarray | None:
    """Check the labels of runs; return (n,) or None."""
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(
            f"groups must hold one label for each of the {n_rows} rows of t, not {labels.shape}."
        )
    if labels.dtype.kind == "O":
        kinds = {type(label).__name__ for label in labels.tolist()}
        if len(kinds) > 1:
            raise ValueError(
                f"groups holds labels of several kinds, {' and '.join(sorted(kinds))}: make all of "
                "them strings, or numbers."
            )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        row = int(np.flatnonzero(np.isnan(labels))[0])
        raise ValueError(f"groups[{row}] is NaN: give every row the label of its run.")
    return labels


def build_record(
    t: np.ndarray, y: np.ndarray, groups: np.ndarray | None, weight: np.ndarray | None = None
) -> Record:
    """Sort by run and time, and merge repeated times.

    Parameters
    ----------
    t : ndarray of shape (n, 1 + n_controls)
        Time, then inputs.
    y : ndarray of shape (n, S)
        Measured states; NaN where there is none.
    groups : ndarray of shape (n,) or None
        Labels of the runs.
    weight : ndarray of shape (n,), default=None
        How many measurements a sample counts as; 1 each if None.
    """
    weight = np.ones(len(t)) if weight is None else weight
    # Without inputs a sample with nothing measured says nothing.
    some = (weight > 0) & ((t.shape[1] > 1) | ~np.isnan(y).all(axis=1))
    t, y, weight = t[some], y[some], weight[some]
    groups = None if groups is None else groups[some]
    labels, run = np.unique(np.zeros(len(t)) if groups is None else groups, return_inverse=True)
    order = np.lexsort((t[:, 0], run))
    t, y, run, weight = t[order], y[order], run[order], weight[order]
    new = np.ones(len(t), dtype=bool)
    new[1:] = (np.diff(t[:, 0]) > 0) | (np.diff(run) > 0)
    first = np.flatnonzero(new)
    seen = weight[:, None] * ~np.isnan(y)
    filled = np.where(seen > 0, y, 0.0)
    count = np.add.reduceat(seen, first, axis=0)
    mean = np.add.reduceat(seen * filled, first, axis=0) / np.where(count > 0, count, 1.0)
    owner = np.cumsum(new) - 1
    within = (seen * (filled - mean[owner]) ** 2).sum(axis=0)
    whole = np.add.reduceat(weight, first)[:, None]
    controls = np.add.reduceat(weight[:, None] * t[:, 1:], first, axis=0) / whole
    record = Record(t[first, 0], mean, count, within, controls, run[first], labels)
    if not record.joined.any():
        raise ValueError(
            f"no run has two distinct times (n_samples = {len(t)}): a law needs at least two; "
            "check the first column of t, and groups."
        )
    return record


def _between(values: np.ndarray, position: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Interpolate rows linearly at fractional positions whose left neighbours are given."""
    share = (position - left).reshape(-1, *[1] * (values.ndim - 1))
    right = np.minimum(left + 1, len(values) - 1)
    return values[left] * (1 - share) + values[right] * share
