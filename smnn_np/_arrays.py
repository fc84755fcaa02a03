"""Which arrays the library takes, where they live, and which dtype it gives back.

NumPy's in the memory of the host, CuPy's in that of a GPU, never both in one call. A NumPy function
called with a CuPy array runs CuPy's (``__array_function__``), so that most code need not ask.
"""

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHORT = 4096  # numbers
_OF_THE_HOST = (np.ndarray, float)


def array_module(array: Any) -> ModuleType:
    """Return the module an array is of, numpy or cupy, to make more such arrays with."""
    return import_module(type(array).__module__.partition(".")[0])


def to_numpy(array: Any) -> NDArray:
    """Return an array in the memory of the host, where it is one already without a copy."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def bring_home(*given: Any) -> tuple[Any, ...]:
    """Copy CuPy arrays to the host, for what only the host computes; all else stays as it is."""
    return tuple(to_numpy(each) if is_cupy(each) else each for each in given)


def send_back(result: Any, like: Any) -> Any:
    """Copy a result of the host to the GPU where `like`, from the user, is a CuPy array."""
    return array_module(like).asarray(result) if is_cupy(like) else result


def side_by_side(t: Any, y: Any) -> tuple[Any, Any]:
    """Put both on the GPU if one of them is there."""
    xp = next((array_module(each) for each in (t, y) if is_cupy(each)), None)
    if xp is None or y is None:
        return t, y
    return xp.asarray(t), xp.asarray(y)


def is_cupy(value: Any) -> bool:
    """Whether a value is a CuPy array."""
    return type(value).__module__.partition(".")[0] == "cupy"


def on_gpu(given: Mapping[str, Any], before: bool | None = None) -> bool:
    """Whether a call is one for the GPU: whether its arrays are CuPy's. A mixture is refused.

    Numbers, lists and arrays without axes go with either kind.

    Parameters
    ----------
    given : mapping of str
        The call's arguments by name.
    before : bool, optional
        What was found for an earlier call that this one belongs to.
    """
    if before is None and all(type(each) in _OF_THE_HOST for each in given.values()):
        return False
    kinds = {
        name: not isinstance(value, np.ndarray) and is_cupy(value)
        for name, value in given.items()
        if getattr(value, "ndim", 0) > 0 or is_cupy(value)
    }
    found = set(kinds.values()) | ({before} - {None})
    if len(found) > 1:
        cupy, numpy = (
            next((f"{name} is a {word} array" for name, each in kinds.items() if each is kind),
                 f"{word} arrays came before")
            for kind, word in ((True, "CuPy"), (False, "NumPy"))
        )  # fmt: skip
        raise TypeError(
            f"{cupy}, but {numpy}: one kind is wanted; convert by cupy.asarray or cupy.asnumpy"
        )
    return True in found


def as_float64(name: str, value: Any) -> NDArray[np.float64]:
    """Return ``value`` as a C-contiguous float64 array, without a copy where it is one already.

    A CuPy array stays one. ``name`` is the argument's name, for the error messages.
    """
    if type(value) is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous:
        return value
    if np.ma.isMaskedArray(value):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost: fill the masked entries with "
            f"any finite number and give them weight 0"
        )
    try:
        array = value if is_cupy(value) else np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is ragged, rows of one length are wanted ({error})") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} has dtype {array.dtype}, real numbers are wanted: convert it to float64 first"
        )
    return array_module(array).asarray(array, dtype=np.float64, order="C")


def result_dtype(*arrays: Any) -> np.dtype:
    """Return float32 if every array of floating dtype among ``arrays`` is float32, else float64.

    Whatever carries no floating dtype (numbers, lists, integers, None) has no say.
    """
    dtypes = [np.dtype(array.dtype) for array in arrays if hasattr(array, "dtype")]
    floating = {dtype for dtype in dtypes if dtype.kind == "f"}
    return np.dtype(np.float32 if floating == {np.dtype(np.float32)} else np.float64)


def all_finite(arrays: Sequence[NDArray]) -> list[bool]:
    """Whether each array holds neither NaN nor infinity; a GPU is asked once."""
    if not any(map(is_cupy, arrays)):
        return list(map(is_finite, arrays))
    with np.errstate(all="ignore"):
        sums = np.stack([array.sum(dtype=np.float64) for array in arrays])
    proven = to_numpy(np.isfinite(sums))
    return [bool(known) or is_finite(each) for known, each in zip(proven, arrays, strict=True)]


def is_finite(array: NDArray) -> bool:
    """Whether an array holds neither NaN nor infinity.

    A finite sum proves it in one pass and without an array of flags; only one that is not leads to
    a second look (finite numbers may overflow together). Short arrays take BLAS, which is quicker
    and does not warn; of long ones it would make its own threads, which then spin beside ours.
    """
    if array.size < _SHORT:
        total = np.vdot(array, array)
    else:
        with np.errstate(all="ignore"):
            total = array.sum()
    return math.isfinite(total) or bool(np.isfinite(array).all())


def first_index(flags: NDArray) -> tuple[int, ...]:
    """Return the index of the first true entry, in C order."""
    return tuple(int(i) for i in np.unravel_index(int(flags.argmax()), flags.shape))
