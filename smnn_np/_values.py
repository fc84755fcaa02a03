"""Which values an array may have, and the message about the first that it may not have."""

import numpy as np
from numpy.typing import NDArray

from ._arrays import first_index, is_finite


def check_values(name: str, array: NDArray) -> None:
    """Refuse NaN and infinity, steps that are not > 0, and weights that are not >= 0."""
    if name == "steps":
        _check_finite(name, array, "a finite step is wanted; look for gaps in the times")
        if not array.min() > 0:
            wanted = "every step must be > 0; sort the times and merge repeated ones"
            refuse_where(array <= 0, name, array, wanted)
    elif name.startswith("weight"):
        wanted = "a finite weight >= 0 is wanted; give 0 to leave a row out"
        _check_finite(name, array, wanted)
        if array.min() < 0:
            refuse_where(array < 0, name, array, wanted)
    elif name == "y_bar":
        _check_finite(name, array, "a gradient with respect to y is wanted")
    else:
        _check_finite(name, array, "give the missing value weight 0 and any finite number")


def refuse_where(bad: NDArray, name: str, array: NDArray, wanted: str) -> None:
    """Raise with index and value of the first bad entry, if there is one."""
    if bad.any():
        index = first_index(bad)
        where = str(list(index)) if index else ""
        raise ValueError(f"{name}{where} = {array[index].item()}: {wanted}")


def _check_finite(name: str, array: NDArray, wanted: str) -> None:
    """Refuse NaN and infinity."""
    if not is_finite(array):
        refuse_where(~np.isfinite(array), name, array, wanted)
