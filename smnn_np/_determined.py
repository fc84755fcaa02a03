"""Whether a system has as many rows as unknowns, told from its weights before it is solved."""

import math

import numpy as np
from numpy.typing import NDArray

from ._arrays import first_index, to_numpy


def check_determined(
    weights: tuple[NDArray, NDArray, NDArray], lengths: tuple[int, ...], central: bool
) -> None:
    """Refuse a series with fewer rows than smoothness leaves unknowns free.

    The Taylor rows of one step have rank V R: backward is exp(-s N), N nilpotent, the inverse of
    forward. A step of weight 0 thus frees V R more, unless a central row reaches across it.

    Parameters
    ----------
    weights : tuple of ndarray
        Those of equation, initial and Taylor rows.
    lengths : tuple of int
        n_steps, n_equations, n_dims, n_orders, n_initial_steps, n_initial_orders.
    central : bool
        Whether there are central rows.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a series has too few rows.
    """
    n_steps, n_equations, n_dims, n_orders, n_initial, n_initial_orders = lengths
    full = n_steps * n_equations + n_initial * n_dims * n_initial_orders
    if full >= n_dims * n_orders and all(map(_are_positive, weights)):
        return
    equation, initial, smooth = weights
    rows = _count_nonzero(equation, (n_steps, n_equations))
    rows = rows + _count_nonzero(initial, (n_initial, n_dims, n_initial_orders))
    n_cuts = n_steps - 1 - _count_nonzero(smooth, (n_steps - 1,))
    free = n_dims * n_orders * (1 + n_cuts * (not central))
    short = np.asarray(rows < free)
    if short.any():
        index = first_index(short)
        n_rows, n_free = (np.broadcast_to(count, short.shape)[index] for count in (rows, free))
        series = f" in series {index}" if index else ""
        name = "V*R" if n_free == n_dims * n_orders else "V*R for each piece"
        raise np.linalg.LinAlgError(
            f"system leaves some unknown undetermined{series}: {n_rows} equation and initial rows "
            f"with nonzero weight, at least {name} = {n_free} are wanted; add equations or "
            f"initial values"
        )


def _are_positive(weight: NDArray) -> bool:
    """Whether all entries are; a number is looked at without a reduction."""
    return bool((weight.item() if weight.size == 1 else weight.min()) > 0)


def _count_nonzero(weight: NDArray, core: tuple[int, ...]) -> NDArray:
    """Count nonzero entries of a weight broadcast to ``(..., *core)``, in time of its own size."""
    own = weight.shape[-len(core) :]
    repeats = math.prod(n for n, m in zip(core, own, strict=True) if m == 1)
    return to_numpy(np.count_nonzero(weight, axis=tuple(range(-len(core), 0)))) * repeats
