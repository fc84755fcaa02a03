"""What the mechanistic network is fitted to, checked where it is: NumPy's arrays and all that turns
into them by scikit-learn's checks, CuPy's on their device.

scikit-learn sees the shape of a CuPy array, in an array of zeros that takes no memory, so that both
kinds are refused with the same words; its numbers are looked at on the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    validate_data,
)

from ._arrays import array_module, as_float64, first_index, is_cupy, is_finite, to_numpy

Array = Any  # of NumPy or CuPy


def read_features(estimator: Any, X: Any, *, reset: bool) -> Array:
    """Check features and return them as (n, n_features)."""
    checked = validate_data(estimator, shadow(X), dtype=np.float64, reset=reset)
    if not is_cupy(X):
        return checked
    array = as_float64("X", X)
    if not is_finite(array):
        _refuse("X", array, ~np.isfinite(array), "leave the sample out, or fill the value in")
    return array


def read_target(y: Any, X: Array) -> Array:
    """Check targets with as many samples as X and return them as numbers, NaN where missing."""
    options = {"ensure_2d": False, "allow_nd": True, "ensure_all_finite": "allow-nan"}
    checked = check_array(shadow(y), **options, dtype=np.float64, input_name="y")
    check_consistent_length(shadow(X), checked)
    if not is_cupy(y):
        return checked
    array = as_float64("y", y)
    bad = np.isinf(array)
    if bad.any():
        _refuse("y", array, bad, "write NaN for what is missing")
    return array


def read_weight(sample_weight: Any, X: Array) -> Array:
    """Check the samples' weights and return them (n,), 1 each for None."""
    given = to_numpy(sample_weight) if is_cupy(sample_weight) else sample_weight
    options = {"dtype": np.float64, "ensure_non_negative": True}
    return array_module(X).asarray(_check_sample_weight(given, shadow(X), **options))


def shadow(array: Any) -> Any:
    """Zeros in the shape of a CuPy array; everything else as it is."""
    return np.broadcast_to(np.zeros(()), array.shape) if is_cupy(array) else array


def _refuse(name: str, array: Array, bad: NDArray, remedy: str) -> None:
    """Raise with index and value of the first bad entry."""
    index = first_index(bad)
    raise ValueError(f"{name}{list(index)} = {array[index].item()}: {remedy}")
