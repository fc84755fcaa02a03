"""Every check on user input, and every message about it.

The checks return what the code below works on, so that nothing further down checks again.
A message is one sentence: the argument's name, what came, what is wanted, and the remedy.
"""

import operator
from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_float64, is_cupy, on_gpu, result_dtype, to_numpy
from ._determined import check_determined
from ._seen import LATER, large_of
from ._shapes import AXES, OdeShape, agree, broadcast, check_axes
from ._values import check_values, refuse_where

FACTORIZATIONS = ("auto", "cholesky", "qr")

# Arguments that may also be plain numbers, or arrays of fewer axes.
_NUMBERS_WELCOME = ("steps", "weight_equation", "weight_initial", "weight_smooth")


class OdeInputs(NamedTuple):
    """Checked input of the solver: C-contiguous float64 arrays, none broadcast yet.

    T, Q, V, R are n_steps, n_equations, n_dims, n_orders; S and Ro the initial steps and orders.
    """

    coefficients: NDArray  # (..., T|1, Q, V, R)
    rhs: NDArray | None  # (..., T|1, Q)
    initial: NDArray | None  # (..., S|1, V, Ro)
    steps: NDArray  # (..., T-1|1)
    weight_equation: NDArray  # (..., T|1, Q|1)
    weight_initial: NDArray  # (..., S|1, V|1, Ro|1)
    weight_smooth: NDArray  # (..., T-1|1)
    shape: OdeShape
    central: bool
    factorization: str
    dtype: np.dtype  # of the result
    on_gpu: bool  # some arrays are CuPy's, the others are those of numbers and lists
    unseen: tuple[str, ...] = ()  # arrays that may hold NaN or infinity: see `_seen`


def check_ode(
    coefficients: Any,
    rhs: Any,
    initial: Any,
    steps: Any,
    *,
    n_steps: Any,
    n_initial_steps: Any,
    central: Any,
    factorization: Any,
    later: bool = False,
    **weights: Any,
) -> OdeInputs:
    """Check all that `ode_solve` and `ode_solve_vjp` take, the three weights by keyword.

    With `later`, values of large arrays are left unseen: `check_unseen` if a solve fails.
    """
    given = {"coefficients": coefficients, "rhs": rhs, "steps": steps, **weights}
    if initial is not None:
        given["initial"] = initial
    flags = {"central": central, "factorization": factorization, "on_gpu": on_gpu(given)}
    unseen = large_of(given) if later else set()
    arrays = _read_arrays(given, unseen)
    n_rows = _initial_rows_of(arrays.get("initial"), n_initial_steps)
    dtype = result_dtype(*given.values())
    inputs = _check_system(arrays, n_steps, n_rows, dtype=dtype, **flags)
    return inputs._replace(unseen=tuple(unseen))


def check_left_side(
    coefficients: Any,
    steps: Any,
    *,
    n_steps: Any,
    n_initial_steps: Any,
    n_initial_orders: Any,
    central: Any,
    factorization: Any,
    **weights: Any,
) -> OdeInputs:
    """Check all that `ode_factorize` takes; rhs and initial of the result are None."""
    given = {"coefficients": coefficients, "steps": steps, **weights}
    flags = {"central": central, "factorization": factorization, "on_gpu": on_gpu(given)}
    arrays = _read_arrays(given)
    if n_initial_orders is None:
        n_initial_orders = arrays["coefficients"].shape[-1] - 1
    counts = {"n_initial_steps": n_initial_steps, "n_initial_orders": n_initial_orders}
    n_rows = tuple(_read_count(name, value) for name, value in counts.items())
    n_rows = n_rows if all(n_rows) else (0, 0)
    return _check_system(arrays, n_steps, n_rows, dtype=result_dtype(*given.values()), **flags)


def check_right_side(inputs: OdeInputs, rhs: Any, initial: Any) -> OdeInputs:
    """Check ``Factor.solve(rhs, initial)`` and return ``inputs`` with both filled in."""
    shape = inputs.shape
    if (initial is None) != (shape.n_initial_steps == 0):
        came = "None" if initial is None else "given"
        raise ValueError(
            f"initial is {came}, but the factor has n_initial_steps = {shape.n_initial_steps}: "
            f"give initial values where it has initial rows, None where it has none"
        )
    given = {"rhs": rhs} if initial is None else {"rhs": rhs, "initial": initial}
    on_gpu(given, inputs.on_gpu)
    arrays = _read_arrays(given)
    check_axes(
        {name: array.shape for name, array in arrays.items()}, shape, "the factor was made so"
    )
    for name, array in arrays.items():
        batch = array.shape[: -len(AXES[name])]
        if broadcast(batch, shape.batch) != shape.batch:
            raise ValueError(
                f"{name} has shape {array.shape}, whose batch {batch} does not broadcast to the "
                f"factor's batch {shape.batch}: factorize with coefficients of the larger batch"
            )
    dtype = result_dtype(np.empty(0, inputs.dtype), *given.values())
    return inputs._replace(rhs=arrays["rhs"], initial=arrays.get("initial"), dtype=dtype)


def check_prior(n_dims: Any, n_orders: Any, weight_smooth: Any) -> None:
    """Check what `taylor_logdet` asks beyond `ode_factorize`: sizes, and no weight of 0."""
    for name, value in {"n_dims": n_dims, "n_orders": n_orders}.items():
        if _read_count(name, value) == 0:
            raise ValueError(f"{name} = 0: an integer >= 1 is wanted")
    weights = _read_array("weight_smooth", weight_smooth)
    refuse_where(weights == 0, "weight_smooth", weights, "a weight > 0 is wanted, or two grids")


def check_unseen(inputs: OdeInputs) -> None:
    """Look for NaN and infinity in what has not been looked at."""
    for name in inputs.unseen:
        check_values(name, getattr(inputs, name))


def check_cotangent(y_bar: Any, shape: OdeShape, gpu: bool = False, later: bool = False) -> NDArray:
    """Check the argument of a pullback: it has exactly the shape of ``y``, and lives with it.

    With `later`, the values of a large one are left unseen.
    """
    on_gpu({"y_bar": y_bar}, before=gpu)
    y_bar_array = as_float64("y_bar", y_bar)
    wanted = (*shape.batch, shape.n_steps, shape.n_dims, shape.n_orders)
    if y_bar_array.shape != wanted:
        raise ValueError(
            f"y_bar has shape {y_bar_array.shape}, the shape of y is wanted: {wanted}; "
            f"use numpy.broadcast_to if one value serves for all"
        )
    if not (later and y_bar_array.size >= LATER and not gpu):
        check_values("y_bar", y_bar_array)
    return y_bar_array


def _read_arrays(given: dict[str, Any], unseen: Collection[str] = ()) -> dict[str, NDArray]:
    """Check all of each array that can be said without the others.

    A GPU is asked once whether all values are good; only where they are not it is asked again, by
    the checks that name the first bad one.
    """
    sound = {}
    for name, value in given.items():
        if is_cupy(value) and value.dtype.kind in "iuf" and value.size:
            sound[name] = np.isfinite(value.sum(dtype=np.float64))
            if name == "steps" or name.startswith("weight"):
                least = value.min()
                sound[name] &= least > 0 if name == "steps" else least >= 0
    flags = to_numpy(np.stack(list(sound.values()))) if sound else ()
    proven = {name for name, flag in zip(sound, flags, strict=True) if flag} | set(unseen)
    return {name: _read_array(name, value, name in proven) for name, value in given.items()}


def _read_array(name: str, value: Any, proven: bool = False) -> NDArray:
    """Check one array: kind, rank and, unless they are proven to be good, values."""
    axes = AXES[name]
    if type(value) is float and 0 < value < np.inf and name in _NUMBERS_WELCOME:
        return _number(value, len(axes))
    array = as_float64(name, value)
    if array.ndim < len(axes) and name not in _NUMBERS_WELCOME:
        wanted = f"(..., {', '.join(axes)})"
        raise ValueError(f"{name} has shape {array.shape}, at least the axes {wanted} are wanted")
    if array.size == 0:
        hint = "; pass None for no initial values" if name == "initial" else ""
        raise ValueError(f"{name} has shape {array.shape}, no axis may be empty{hint}")
    if not proven:
        check_values(name, array)
    return array.reshape((1,) * (len(axes) - array.ndim) + array.shape)


@lru_cache(maxsize=64)
def _number(value: float, n_axes: int) -> NDArray:
    """A number as an array; the same one for the same number, hence not to be written to."""
    array = np.full((1,) * n_axes, value)
    array.flags.writeable = False
    return array


def _read_count(name: str, value: Any) -> int:
    """Return a non-negative integer."""
    try:
        count = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = -1
    if count < 0:
        error = ValueError if isinstance(value, int | np.integer) else TypeError
        raise error(f"{name} = {value!r}: an integer >= 0 is wanted")
    return count


def _initial_rows_of(initial: NDArray | None, n_initial_steps: Any) -> tuple[int, ...]:
    """Return how many steps and orders have an initial row, (0, 0) without initial values."""
    count = None if n_initial_steps is None else _read_count("n_initial_steps", n_initial_steps)
    if count is not None and (count == 0) != (initial is None):
        came = "is None" if initial is None else f"has shape {initial.shape}"
        raise ValueError(
            f"n_initial_steps = {count}, but initial {came}: give both, or initial=None alone for "
            f"no initial rows"
        )
    return (0, 0) if initial is None else (count or initial.shape[-3], initial.shape[-1])


def _check_system(
    arrays: dict[str, NDArray], n_steps: Any, n_initial_rows: tuple[int, ...], **flags: Any
) -> OdeInputs:
    """Check the arrays against each other, the flags, and that there are enough rows."""
    n_steps = None if n_steps is None else _read_count("n_steps", n_steps)
    _check_flags(flags["central"], flags["factorization"], arrays["coefficients"].shape[-1])
    shapes = tuple((name, array.shape) for name, array in arrays.items())
    shape = agree(shapes, n_steps, n_initial_rows)
    fields: dict[str, Any] = {"rhs": None, "initial": None, **arrays, **flags}
    inputs = OdeInputs(**{**fields, "central": bool(flags["central"])}, shape=shape)
    weights = inputs.weight_equation, inputs.weight_initial, inputs.weight_smooth
    check_determined(weights, shape[1:], inputs.central)
    return inputs


def _check_flags(central: Any, factorization: Any, n_orders: int) -> None:
    """Check central and factorization."""
    if not isinstance(central, bool | np.bool_):
        raise TypeError(f"central = {central!r}: True or False is wanted")
    if central and n_orders < 2:
        raise ValueError(
            f"central = True needs n_orders >= 2, but coefficients has n_orders = {n_orders}: "
            f"pass central=False or coefficients of a higher order"
        )
    if not (isinstance(factorization, str) and factorization in FACTORIZATIONS):
        wanted = ", ".join(f'"{name}"' for name in FACTORIZATIONS)
        raise ValueError(f"factorization = {factorization!r}: one of {wanted} is wanted")
