"""Values that are not looked at before they are used.

To read a large array only to see that its values are finite takes long beside computing with them.
Of the arrays that a solve takes nothing has to be seen: whatever is not finite there spoils the
solution of its series, be it multiplied by a weight of zero, no factorization proves such a
solution, and the last one refuses it. Then is the time to look for the cause. Of the gradients that
are made, each thread looks at those of the series that it has in hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ._arrays import is_cupy, is_finite

LATER = 2**15  # numbers: arrays of fewer are looked at before they are used


class NotFiniteError(Exception):
    """Some value is NaN or infinite; carries the number of its array."""


def look(arrays: Sequence[NDArray], some: NDArray | slice, n_series: int) -> None:
    """Refuse what is not finite among some series' values in arrays (B, ...), if they are large.

    Parameters
    ----------
    arrays : sequence of ndarray
        Those whose first axis is shorter than the batch serve all series: they are passed over.
    some : ndarray of int, or slice
        Which series.
    n_series : int
        Length of the batch.

    Raises
    ------
    NotFiniteError
        If one is NaN or infinite.
    """
    for k, array in enumerate(arrays):
        if is_for_later(array, n_series) and not is_finite(array[some]):
            raise NotFiniteError(k)


def large_of(given: Mapping[str, Any]) -> set[str]:
    """Names of the host's arrays, of those whose values a solve shows to be bad, that are large."""
    named = {name: given.get(name) for name in ("coefficients", "rhs", "initial")}
    large = {name: each for name, each in named.items() if getattr(each, "size", 0) >= LATER}
    return {name for name, each in large.items() if not is_cupy(each)}


def is_for_later(array: NDArray, n_series: int) -> bool:
    """Whether an array (B, ...) is one that `look` looks at."""
    return len(array) == n_series and array.size >= LATER


def slice_of(series: NDArray) -> NDArray | slice:
    """Rising numbers as a slice, if none is missing: a view instead of a copy."""
    if series.size and series[-1] - series[0] + 1 == series.size:
        return slice(series[0], series[-1] + 1)
    return series
