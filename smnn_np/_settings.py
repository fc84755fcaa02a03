"""What the mechanistic network's constructor takes: one sentence where a value cannot be."""

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._objective import LOSSES
from ._trajectories import Samples, Units, measure_units
from .mechanism import Design
from .network import ACTIVATIONS

_DEGREE = 3  # of a polynomial in time, where time_varying is True
_EXTRA_ORDERS = 3  # derivatives kept for accuracy
_FINE = 0.2  # longest automatic step, in units of the mechanism's time

Rule = tuple[Callable[[Any], bool], str]


def check_settings(settings: dict[str, Any]) -> None:
    """Refuse the first parameter of the constructor that cannot be used."""
    for name, (accepts, wanted) in RULES.items():
        if not accepts(settings[name]):
            error = ValueError if isinstance(settings[name], _kinds(name)) else TypeError
            raise error(f"{name} = {settings[name]!r}: {wanted} is wanted")
    if settings["n_orders"] is not None and settings["n_orders"] <= settings["order"]:
        raise ValueError(
            f"n_orders = {settings['n_orders']} keeps too few derivatives for order = "
            f"{settings['order']}: at least order + 1 is wanted, or None for order + 3"
        )


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the sizes of the hidden layers as a list; one number is one layer."""
    return [int(n) for n in np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=np.int64))]


def read_step(step: Any, n_steps: int) -> NDArray:
    """Return the steps (n_steps - 1,) between nodes, from one number or from all of them."""
    steps = np.asarray(step, dtype=np.float64)
    if steps.ndim and steps.shape != (n_steps - 1,):
        raise ValueError(
            f"step has shape {steps.shape}, one number or shape ({n_steps - 1},) is wanted, "
            f"because y has {n_steps} nodes"
        )
    return np.array(np.broadcast_to(steps, (n_steps - 1,)))


def new_design(settings: Any, samples: Samples) -> tuple[Design, Units]:
    """Turn the constructor's parameters into a design for these samples, and their units."""
    varying, order, (_, n_steps, n_dims) = settings.time_varying, settings.order, samples.y.shape
    degree = int(varying) if not isinstance(varying, bool | np.bool_) else _DEGREE * int(varying)
    step = read_step(settings.step, n_steps)
    units = measure_units(samples, step)
    n_substeps = settings.n_substeps
    if n_substeps == "auto":
        # Two nodes, or constants, tell nothing of the speed.
        n_substeps = int(np.ceil(step.max() / (_FINE * units.time))) if n_steps > 2 else 1
    # A series is determined by K initial values and one equation a node.
    most = order + (n_steps - 1) * n_substeps + 1
    n_orders = settings.n_orders or min(order + _EXTRA_ORDERS, most)
    if n_orders > most:
        raise ValueError(
            f"n_orders = {n_orders}, but y has {n_steps} nodes, which determine {most} orders at "
            f"most: lower n_orders or raise n_substeps"
        )
    return Design(
        order=order,
        n_orders=n_orders,
        n_dims=n_dims,
        n_shapes=degree + 1,
        coupled=settings.coupled or n_dims == 1,
        learn_step=settings.learn_step,
        learn_weights=settings.learn_weights,
        n_substeps=n_substeps,
        step=step,
    ), units


def check_length(n_steps: Any, trained: int) -> int:
    """Return how many nodes are asked for; None for as many as were trained on."""
    if n_steps is None:
        return trained
    if not _is_integer(n_steps):
        raise TypeError(f"n_steps = {n_steps!r}: an integer >= 2 or None is wanted")
    if n_steps < 2:
        raise ValueError(f"n_steps = {n_steps}: an integer >= 2 or None is wanted")
    return int(n_steps)


def _is_number(value: Any) -> bool:
    """Whether a value is a finite real number."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool | np.bool_)
        and math.isfinite(value)
    )


def _is_integer(value: Any) -> bool:
    """Whether a value is an integer."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def _one_of(names: Iterable[str]) -> Rule:
    """Accept one of some words."""
    words = tuple(names)
    listed = ", ".join(f'"{word}"' for word in words)
    return lambda value: isinstance(value, str) and value in words, f"one of {listed}"


def _number(low: float, high: float = np.inf, *, open_low: bool = False) -> Rule:
    """Accept a number from `low`, or above it, and below `high`."""
    words = f"a number {'>' if open_low else '>='} {low:g}"
    words += f" and < {high:g}" if np.isfinite(high) else ""
    return lambda x: _is_number(x) and low <= x < high and not (open_low and x == low), words


def _integer(low: int, or_none: bool = False) -> Rule:
    """Accept an integer from `low`, perhaps None."""
    words = f"an integer >= {low}{' or None' if or_none else ''}"
    return lambda x: (or_none and x is None) or (_is_integer(x) and x >= low), words


_FLAG: Rule = (lambda value: isinstance(value, bool | np.bool_), "True or False")


def _are_sizes(value: Any) -> bool:
    """Whether a value is a layer's size or a sequence of them."""
    sizes = np.asarray(value).ravel().tolist() if np.ndim(value) < 2 else [0]
    return all(_is_integer(size) and size > 0 for size in sizes)


def _are_steps(value: Any) -> bool:
    """Whether a value is a step or a sequence of them."""
    try:
        steps = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    positive = np.isfinite(steps).all() and (steps > 0).all()
    return steps.ndim < 2 and steps.size > 0 and bool(positive)


RULES: dict[str, Rule] = {
    "hidden_layer_sizes": (_are_sizes, "an integer > 0 or a sequence of them"),
    "activation": _one_of(ACTIVATIONS),
    "order": _integer(1),
    "n_dims": _integer(1, or_none=True),
    "step": (_are_steps, "a number > 0 or a 1-D array of them"),
    "learn_step": _FLAG,
    "time_varying": (
        lambda x: isinstance(x, bool | np.bool_) or (_is_integer(x) and x >= 0),
        "True, False or an integer >= 0, the degree in time,",
    ),
    "coupled": _FLAG,
    "learn_weights": _FLAG,
    "n_orders": _integer(2, or_none=True),
    "n_substeps": (
        lambda x: (isinstance(x, str) and x == "auto") or (_is_integer(x) and x > 0),
        'an integer > 0 or "auto"',
    ),
    "start": _one_of(("equations", "zero")),
    "loss": _one_of(LOSSES),
    "solver": _one_of(("adam", "lbfgs")),
    "alpha": _number(0),
    "batch_size": (
        lambda x: (isinstance(x, str) and x == "auto") or (_is_integer(x) and x > 0),
        'an integer > 0 or "auto"',
    ),
    "learning_rate": _one_of(("constant", "adaptive")),
    "learning_rate_init": _number(0, open_low=True),
    "max_iter": _integer(1),
    "shuffle": _FLAG,
    "tol": _number(0),
    "verbose": (lambda x: isinstance(x, bool | np.bool_) or (_is_integer(x) and x >= 0),
                "an integer >= 0"),
    "warm_start": _FLAG,
    "early_stopping": _FLAG,
    "validation_fraction": _number(0, 1, open_low=True),
    "beta_1": _number(0, 1),
    "beta_2": _number(0, 1),
    "epsilon": _number(0, open_low=True),
    "n_iter_no_change": (
        lambda x: (_is_number(x) and x >= 1) or x == np.inf, "a number >= 1"
    ),
    "max_fun": _integer(1),
}  # fmt: skip


def _kinds(name: str) -> tuple[type, ...]:
    """Types of which a parameter has good values: a wrong one of those is a ValueError."""
    words = ("activation", "start", "loss", "solver", "learning_rate")
    return (str,) if name in words else (numbers.Real, str, list, tuple, np.ndarray)
