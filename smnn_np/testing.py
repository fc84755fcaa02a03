"""Helpers to test solvers and gradients with: tolerances, differences, random problems.

They serve the tests of this package and those of whoever builds on it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .dense import ode_rows

# Allowed error relative to the largest entry, for problems as well conditioned as `random_ode`'s.
_TOLERANCES = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-5}


def tolerance(dtype: DTypeLike) -> float:
    """Return the error to allow relative to the largest entry.

    The numbers suit well-conditioned problems such as those of `random_ode`: a thousandfold of
    rounding or more, far below what a wrong term would do.

    Parameters
    ----------
    dtype : dtype_like
        float64 or float32.

    Returns
    -------
    float
        The tolerance.

    Raises
    ------
    ValueError
        For any other dtype.

    Examples
    --------
    >>> from smnn_np.testing import tolerance
    >>> tolerance("float64"), tolerance("float32")
    (1e-09, 1e-05)
    """
    try:
        return _TOLERANCES[np.dtype(dtype)]
    except KeyError:
        raise ValueError(f"dtype = {np.dtype(dtype)}: float64 or float32 is wanted") from None


def assert_close(
    actual: ArrayLike, desired: ArrayLike, *, scale: float = 1.0, dtype: DTypeLike | None = None
) -> None:
    """Assert that two arrays agree in shape and, relative to the largest entry, in values.

    Parameters
    ----------
    actual, desired : array_like of one shape
        The result, and what it should be.
    scale : float, default=1
        Factor on the tolerance. Give a reason beside any value above 1.
    dtype : dtype_like, optional
        The dtype whose `tolerance` holds; the coarser of the two arrays' if None.

    Raises
    ------
    AssertionError
        If the shapes differ, an entry is not finite, or the error is too large.

    Examples
    --------
    >>> from smnn_np.testing import assert_close
    >>> assert_close([1.0, 100.0], [1.0 + 1e-8, 100.0])
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    if dtype is None:
        single = np.float32 in (actual.dtype, desired.dtype)
        dtype = np.float32 if single else np.float64
    allowed = scale * tolerance(dtype) * np.max(np.abs(desired), initial=0.0)
    assert actual.shape == desired.shape, f"shape {actual.shape}, {desired.shape} is wanted"
    assert np.isfinite(actual).all(), "an entry is not finite"
    np.testing.assert_allclose(actual, desired, rtol=0, atol=allowed)


def five_point_gradient(
    function: Callable[[NDArray], float], x: ArrayLike, step: float = 1e-3
) -> NDArray:
    """Differentiate a function of an array by central five-point differences.

    The error is of the order step^4 times the fifth derivative, plus rounding over step.

    Parameters
    ----------
    function : callable
        Takes an array like `x`, returns a number.
    x : array_like
        Where to differentiate. It is not changed.
    step : float, default=1e-3
        Distance between the five points, in the units of `x`.

    Returns
    -------
    ndarray of float64, in the shape of x
        The gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np.testing import five_point_gradient
    >>> gradient = five_point_gradient(lambda x: np.sum(x**3), [1.0, 2.0])
    >>> np.round(gradient, 6).tolist()
    [3.0, 12.0]
    """
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        direction = np.zeros_like(x)
        direction[index] = 1.0
        gradient[index] = _directional(function, x, direction, step)
    return gradient


def dot_product_gap(
    function: Callable[[NDArray], NDArray],
    x_bar: ArrayLike,
    x: ArrayLike,
    direction: ArrayLike,
    y_bar: ArrayLike,
    step: float = 1e-3,
) -> float:
    """Measure how far a pullback is from the transpose of the derivative.

    With J the derivative of `function` at `x`, ``<J direction, y_bar>`` must equal
    ``<direction, J^T y_bar>``. J is applied by five-point differences: exactly, but for rounding,
    where `function` is a polynomial of degree four or less in `x`.

    Parameters
    ----------
    function : callable
        Takes an array like `x`, returns an array like `y_bar`.
    x_bar : array_like, in the shape of x
        What the pullback under test returned for `y_bar` at `x`: J^T y_bar.
    x, direction : array_like of one shape
        Where to differentiate, and which way to go.
    y_bar : array_like, in the shape of function(x)
        The cotangent.
    step : float, default=1e-3
        Distance between the five points, in units of `direction`.

    Returns
    -------
    float
        The difference of the two products, relative to the larger of both summed without signs.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np.testing import dot_product_gap
    >>> matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> y_bar = np.array([1.0, -1.0])
    >>> x, direction = np.ones(2), np.array([0.5, 2.0])
    >>> dot_product_gap(lambda x: matrix @ x, matrix.T @ y_bar, x, direction, y_bar) < 1e-11
    True
    >>> dot_product_gap(lambda x: matrix @ x, matrix @ y_bar, x, direction, y_bar) < 1e-11
    False
    """
    x, direction, x_bar, y_bar = (
        np.asarray(array, dtype=np.float64) for array in (x, direction, x_bar, y_bar)
    )
    forward = _directional(function, x, direction, step) * y_bar
    backward = direction * x_bar
    scale = max(np.abs(forward).sum(), np.abs(backward).sum())
    return float(abs(forward.sum() - backward.sum()) / scale) if scale > 0 else 0.0


def random_ode(
    rng: np.random.Generator,
    batch: tuple[int, ...] = (),
    n_steps: int = 6,
    n_equations: int = 1,
    n_dims: int = 1,
    n_orders: int = 3,
    n_initial_steps: int = 1,
    n_initial_orders: int | None = None,
    *,
    central: bool = False,
    weighted: bool = False,
    max_condition: float = 1e3,
) -> dict[str, Any]:
    """Draw a linear ODE that is well conditioned, on a nonuniform grid.

    Series whose rows have a condition number above `max_condition` are drawn again, so that
    tight tolerances are honest.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    batch : tuple of int
        Leading dimensions.
    n_steps, n_equations, n_dims, n_orders, n_initial_steps : int
        T, Q, V, R and S.
    n_initial_orders : int, optional
        Orders with initial values, R - 1 (at least 1) if None; 0 for no initial values.
    central : bool
        Use central rows.
    weighted : bool
        Draw weights for every row too; they are all 1 otherwise.
    max_condition : float
        Largest condition number of the rows of a series.

    Returns
    -------
    dict
        Keyword arguments for `smnn_np.ode_solve`: coefficients ``(*batch, T, Q, V, R)``, rhs
        ``(*batch, T, Q)``, initial ``(*batch, S, V, Ro)`` or None, steps ``(*batch, T-1)``, central
        and, if `weighted`, weight_equation, weight_initial and weight_smooth in the shapes of
        rhs, initial and steps. All arrays are float64.

    Raises
    ------
    RuntimeError
        If 1,000 draws of one series were all ill conditioned.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np import dense
    >>> from smnn_np.testing import random_ode
    >>> problem = random_ode(np.random.default_rng(0), batch=(2,), n_steps=5)
    >>> dense.ode_solve(**problem).shape
    (2, 5, 1, 3)
    """
    if n_initial_orders is None:
        n_initial_orders = max(n_orders - 1, 1)
    shapes = {
        "coefficients": (n_steps, n_equations, n_dims, n_orders),
        "rhs": (n_steps, n_equations),
        "initial": (n_initial_steps, n_dims, n_initial_orders),
        "steps": (n_steps - 1,),
    }
    if weighted:
        weighs = {"weight_equation": "rhs", "weight_initial": "initial", "weight_smooth": "steps"}
        shapes |= {weight: shapes[name] for weight, name in weighs.items()}
    if n_initial_orders == 0:
        shapes = {name: shape for name, shape in shapes.items() if "initial" not in name}
    problem: dict[str, Any] = {name: np.empty(batch + shape) for name, shape in shapes.items()}
    for index in np.ndindex(*batch):
        series = _draw_series(rng, shapes, central, max_condition)
        for name, array in series.items():
            problem[name][index] = array
    return {"initial": None, **problem, "central": central}


def _draw_series(
    rng: np.random.Generator,
    shapes: dict[str, tuple[int, ...]],
    central: bool,
    max_condition: float,
) -> dict[str, NDArray]:
    """Draw one series until its rows are well conditioned."""
    for _ in range(1000):
        series = {name: _draw(rng, name, shape) for name, shape in shapes.items()}
        arguments: dict[str, Any] = {"initial": None, **series}
        a, _ = ode_rows(**arguments, central=central)
        if np.linalg.cond(a) <= max_condition:
            return series
    raise RuntimeError(
        f"1,000 draws had a condition number above {max_condition:g}: add equations or initial "
        f"values, or raise max_condition"
    )


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> NDArray:
    """Draw steps and weights uniformly and away from zero, all else from a normal distribution."""
    if name == "steps":
        return rng.uniform(0.2, 0.6, shape)
    if name.startswith("weight"):
        return rng.uniform(0.5, 2.0, shape)
    return rng.standard_normal(shape)


def _directional(
    function: Callable[[NDArray], Any], x: NDArray, direction: NDArray, step: float
) -> Any:
    """Differentiate along a direction by the central five-point formula."""
    far = function(x - 2 * step * direction) - function(x + 2 * step * direction)
    near = function(x + step * direction) - function(x - step * direction)
    return (far + 8.0 * near) / (12.0 * step)
