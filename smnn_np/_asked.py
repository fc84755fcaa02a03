"""What a user hands to the smoother, checked: series cut into runs, coefficients, deviations."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ._arrays import array_module, as_float64, is_cupy
from ._driven import Run
from ._reading import shadow


def cut_runs(
    inputs: np.ndarray,
    series: np.ndarray,
    column: int,
    run: np.ndarray,
    labels: np.ndarray,
    order: int | None,
) -> list[Run]:
    """Sort one series into runs; refuse those that leave a state undetermined.

    Parameters
    ----------
    inputs : array of shape (n, 1 + p)
        Times, then covariates; of NumPy or CuPy, as `series`.
    series : ndarray of shape (n, S)
        Measurements, NaN where there is none.
    column : int
        Which series.
    run : ndarray of shape (n,)
        Index into labels, on the host.
    labels : ndarray
        Names of the runs.
    order : int or None
        Order of the ODE; None to choose.
    """
    runs = []
    for r, label in enumerate(labels):
        rows = pick(run, r, inputs)
        rows = rows[~np.isnan(series[rows, column])]
        rows = rows[np.argsort(inputs[rows, 0], kind="stable")]
        n_distinct = len(np.unique(inputs[rows, 0]))
        if n_distinct < (order or 2):
            where = f" of run {str(label)!r}" if len(labels) > 1 else ""
            raise ValueError(
                f"column {column} of y{where} has samples at {n_distinct} distinct times "
                f"(n_samples = {len(rows)}): at least {order or 2} are wanted for an ODE of "
                f"order {order or 1}; leave the run out or lower the order."
            )
        design = array_module(inputs).ascontiguousarray(inputs[rows, 1:])
        times = inputs[rows, 0]
        runs.append(Run(times, series[rows, column], np.ones_like(times), design))
    n_samples = sum(one.n_seen for one in runs)
    if order is not None and n_samples <= order * len(runs):
        raise ValueError(
            f"column {column} of y has {n_samples} samples, all of which an ODE of order {order} "
            "follows exactly: give more of them, or lower the order."
        )
    return runs


def pick(run: np.ndarray, r: int, inputs: Any) -> Any:
    """Rows of run r, to index arrays that are where the inputs are."""
    xp = array_module(inputs)
    return xp.arange(len(run)) if not run.any() else xp.asarray(np.flatnonzero(run == r))


def read_times(estimator: Any, columns: Any, reset: bool) -> Any:
    """Check times and covariates, as scikit-learn does, but with our own words for NaN."""
    options = {"dtype": np.float64, "ensure_all_finite": False, "reset": reset}
    checked = validate_data(estimator, shadow(columns), **options)
    return check_finite(as_float64("t", columns) if is_cupy(columns) else checked)


def check_finite(inputs: np.ndarray) -> np.ndarray:
    """Refuse NaN and infinity among times and covariates (n, 1 + p); return them."""
    bad = np.argwhere(~np.isfinite(inputs))
    if len(bad):
        row, column = bad[0].tolist()
        what = "times" if column == 0 else "covariates"
        raise ValueError(
            f"t is {inputs[row, column].item()} in row {row}, column {column} ({len(bad)} entries "
            f"are NaN or infinite): finite {what} are wanted; leave such rows out (a sample that "
            "is missing is a NaN in y)."
        )
    return inputs


def read_coefficients(values: Any, order: int | None) -> np.ndarray:
    """Check what a function of time returned, or numbers; return (..., R)."""
    array = values if is_cupy(values) else np.asarray(values, dtype=np.float64)
    wrong = array.ndim not in (1, 2) or array.shape[-1] == 0
    if wrong or (order is not None and array.shape[-1] != order) or not np.isfinite(array).all():
        wanted = "R" if order is None else f"R = {order}"
        raise ValueError(
            f"coefficients must be {wanted} finite numbers c[0], ..., c[R-1], those of "
            f"x^(R) + c[R-1] x^(R-1) + ... + c[0] x, not of shape {array.shape}: {array!r}."
        )
    return array


def read_stds(name: str, value: Any, n_series: int) -> list[float | None]:
    """Check a standard deviation, one for all series or one for each."""
    if value is None:
        return [None] * n_series
    try:
        array = np.broadcast_to(np.asarray(value, dtype=np.float64), (n_series,))
    except (TypeError, ValueError):
        array = np.zeros(1)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(
            f"{name} = {value!r}: a positive number, or one for each of the {n_series} series, "
            "is wanted; None finds it."
        )
    return [float(each) for each in array]
