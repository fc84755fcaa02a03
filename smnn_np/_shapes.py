"""Shapes of the solver's arrays, checked against each other; what agreed once is remembered."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Shapes = dict[str, tuple[int, ...]]

# Trailing axes of every array; "|1" marks those that broadcast, as the leading ones (batch) do.
AXES = {
    "coefficients": ("n_steps|1", "n_equations", "n_dims", "n_orders"),
    "rhs": ("n_steps|1", "n_equations"),
    "initial": ("n_initial_steps|1", "n_dims", "n_initial_orders"),
    "steps": ("n_steps-1|1",),
    "weight_equation": ("n_steps|1", "n_equations|1"),
    "weight_initial": ("n_initial_steps|1", "n_dims|1", "n_initial_orders|1"),
    "weight_smooth": ("n_steps-1|1",),
}


class OdeShape(NamedTuple):
    """The lengths of every axis: ``y`` has shape ``(*batch, n_steps, n_dims, n_orders)``."""

    batch: tuple[int, ...]
    n_steps: int
    n_equations: int
    n_dims: int
    n_orders: int
    n_initial_steps: int
    n_initial_orders: int


@lru_cache(maxsize=256)
def agree(
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    n_steps: int | None,
    n_initial_rows: tuple[int, int],
) -> OdeShape:
    """Find the lengths of all axes, or refuse what does not fit.

    Parameters
    ----------
    shapes : tuple of (str, tuple of int)
        Arrays by name.
    n_steps : int or None
        If it was given.
    n_initial_rows : tuple of int
        Steps and orders with initial values.
    """
    given = dict(shapes)
    n_equations, n_dims, n_orders = given["coefficients"][-3:]
    length, source = _count_steps(given, n_steps)
    shape = OdeShape((), length, n_equations, n_dims, n_orders, *n_initial_rows)
    _check_initial_rows(shape)
    check_axes(given, shape, f"coefficients has shape {given['coefficients']} and {source}")
    return shape._replace(batch=_common_batch(given))


def _count_steps(shapes: Shapes, n_steps: int | None) -> tuple[int, str]:
    """Return the number of nodes and the words that say where it comes from."""
    if n_steps is not None:
        length, source = n_steps, f"n_steps = {n_steps} was given"
    else:
        axes = {"coefficients": -4, "rhs": -2, "steps": -1}
        lengths = {name: shapes[name][axis] for name, axis in axes.items() if name in shapes}
        lengths["steps"] += lengths["steps"] > 1  # one step serves any number of nodes
        longest = max(lengths, key=lambda name: lengths[name])
        length = lengths[longest]
        source = f"n_steps = {length} is that of {longest} with shape {shapes[longest]}"
        if length == 1:
            raise ValueError(
                f"n_steps is None, but {', '.join(lengths)} each have length 1 in time and serve "
                f"any number of nodes: give n_steps"
            )
    if length < 2:
        raise ValueError(f"n_steps = {length}: at least two nodes are wanted")
    return length, source


def _check_initial_rows(shape: OdeShape) -> None:
    """Refuse more initial rows than y has entries."""
    for small, large in (("n_initial_steps", "n_steps"), ("n_initial_orders", "n_orders")):
        came, most = getattr(shape, small), getattr(shape, large)
        if came > most:
            raise ValueError(f"{small} = {came}: at most {large} = {most} is wanted")


def check_axes(shapes: Shapes, shape: OdeShape, reason: str) -> None:
    """Check the trailing axes against the lengths of the call."""
    lengths = dict(zip(OdeShape._fields[1:], shape[1:], strict=True))
    lengths["n_steps-1"] = shape.n_steps - 1
    allowed: dict[str, tuple[int, ...]] = {axis: (n,) for axis, n in lengths.items()}
    allowed.update({f"{axis}|1": (n, 1) for axis, n in lengths.items()})
    for name, came in shapes.items():
        axes = AXES[name]
        for axis, n in zip(axes, came[-len(axes) :], strict=True):
            if n not in allowed[axis]:
                numbers = ", ".join("|".join(map(str, dict.fromkeys(allowed[a]))) for a in axes)
                raise ValueError(
                    f"{name} has shape {came}, (..., {', '.join(axes)}) = (..., {numbers}) "
                    f"is wanted, because {reason}"
                )


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the common shape, None where there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _common_batch(shapes: Shapes) -> tuple[int, ...]:
    """Broadcast the leading axes."""
    batches = {name: shape[: -len(AXES[name])] for name, shape in shapes.items()}
    if not any(batches.values()):
        return ()
    common = broadcast(*batches.values())
    if common is None:  # shapes that agree in pairs agree all together
        pairs = itertools.combinations(batches, 2)
        one, two = next(p for p in pairs if broadcast(batches[p[0]], batches[p[1]]) is None)
        raise ValueError(
            f"{one} of shape {shapes[one]} and {two} of shape {shapes[two]} do not "
            f"broadcast: the batches {batches[one]} and {batches[two]} must agree axis by axis, "
            f"or be 1"
        )
    return common
