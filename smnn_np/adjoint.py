"""Gradients through the least-squares solve, derived by hand.

The solution ``y = argmin |A y - b|`` satisfies ``A^T (b - A y) = 0``. Differentiating, with the
residual ``r = b - A y``::

    A^T A dy = dA^T r + A^T (db - dA y)

For a scalar of y with gradient ``y_bar`` put ``a = (A^T A)^-1 y_bar``. Then::

    y_bar . dy = a . (dA^T r) + (A a) . (db - dA y)

    b_bar = A a
    A_bar = r a^T - (A a) y^T

so that one more solve with the same R gives the gradient in every entry of A and b, evaluated
only where A has entries. Each entry is a product of a weight w and a function of an input:

* equation row ``w (c . y) = w d``, with ``rho = d - c . y``:
  ``c_bar = w^2 (rho a - (c . a) y)``, ``d_bar = w^2 (c . a)``;
* initial row ``w y = w u``: ``u_bar = w^2 a``;
* link row ``w (l(s) . y) = 0``: ``s_bar = -w^2 [(l . y)(l' . a) + (l' . y)(l . a)]``, where l' is
  the derivative of the row in the step;
* any row, with unweighted residual rho: ``w_bar = 2 w rho (l . a)``.

`smnn_np._kernels` runs these lines node by node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import all_finite, is_cupy
from ._gradients import NotFiniteError
from ._validation import OdeInputs, check_cotangent, check_ode
from ._values import check_values
from .device import factor_of
from .factorize import Factor
from .taylor import Array


class OdeGradients(NamedTuple):
    """Gradients of a scalar with respect to the inputs of `ode_solve`, each in its input's shape.

    Attributes
    ----------
    coefficients, rhs, initial, steps : ndarray
        Gradients with respect to the arrays; ``initial`` is None if there were no initial values.
    weight_equation, weight_initial, weight_smooth : ndarray
        Gradients with respect to the weights; shape () for a plain number.
    """

    coefficients: NDArray
    rhs: NDArray
    initial: NDArray | None
    steps: NDArray
    weight_equation: NDArray
    weight_initial: NDArray
    weight_smooth: NDArray


Pullback = Callable[[ArrayLike], OdeGradients]

_CORE_AXES = (4, 2, 3, 1, 2, 3, 1)  # axes of each input that are not the batch's


def ode_solve_vjp(
    coefficients: ArrayLike,
    rhs: ArrayLike,
    initial: ArrayLike | None,
    steps: ArrayLike,
    *,
    n_steps: int | None = None,
    n_initial_steps: int | None = None,
    weight_equation: ArrayLike = 1.0,
    weight_initial: ArrayLike = 1.0,
    weight_smooth: ArrayLike = 1.0,
    central: bool = False,
    factorization: str = "auto",
) -> tuple[NDArray, Pullback]:
    """Solve linear ODEs and return the vector-Jacobian product of the solution.

    Parameters
    ----------
    coefficients : array of shape (..., T|1, Q, V, R)
        Coefficient of derivative r of dimension v in equation q at node t.
    rhs : array of shape (..., T|1, Q)
        Right-hand side of the equations.
    initial : array of shape (..., n_initial_steps|1, V, n_initial_orders) or None
        Values and derivatives at the first nodes.
    steps : array of shape (..., T-1|1) or float
        Steps between nodes, in units of time, > 0.
    n_steps : int, optional
        Number of nodes T; by default the longest of `coefficients`, `rhs` and `steps` + 1.
    n_initial_steps : int, optional
        Number of nodes with initial values; by default the length of `initial`.
    weight_equation, weight_initial, weight_smooth : float or array, default=1.0
        Weights of the rows, broadcast against `rhs`, `initial` and `steps`; 0 leaves a row out.
    central : bool, default=False
        Replace the smoothness rows of the highest order by central differences.
    factorization : {"auto", "cholesky", "qr"}, default="auto"
        How the system is factorized; see `ode_solve`.

    Returns
    -------
    y : ndarray of shape (..., T, V, R)
        The solution and its derivatives, as from `ode_solve`.
    pullback : callable
        ``pullback(y_bar)`` takes the gradient of a scalar with respect to y, in y's shape, and
        returns `OdeGradients`. It may be called often; the factorization is shared.

    Raises
    ------
    TypeError, ValueError
        If an input has the wrong kind, shape or value.
    numpy.linalg.LinAlgError
        If the system leaves an unknown undetermined to working precision.
    OverflowError
        If a gradient is too large for a float; raised by the pullback.

    See Also
    --------
    ode_solve : The solution alone.

    Examples
    --------
    How does the end of y' = -y, y(0) = 1 depend on y(0)? (It is exp(-1) times y(0).)

    >>> import numpy as np
    >>> import smnn_np as smnn
    >>> y, pullback = smnn.ode_solve_vjp(
    ...     [[[[1.0, 1.0]]]], [[0.0]], [[[1.0]]], 0.001, n_steps=1001)
    >>> y_bar = np.zeros_like(y)
    >>> y_bar[-1, 0, 0] = 1.0
    >>> print(f"{pullback(y_bar).initial.item():.4f}")
    0.3679
    """
    inputs = check_ode(
        coefficients,
        rhs,
        initial,
        steps,
        n_steps=n_steps,
        n_initial_steps=n_initial_steps,
        weight_equation=weight_equation,
        weight_initial=weight_initial,
        weight_smooth=weight_smooth,
        central=central,
        factorization=factorization,
        later=True,
    )
    arguments: tuple[Any, ...] = (
        coefficients, rhs, initial, steps, weight_equation, weight_initial, weight_smooth,
    )  # fmt: skip
    shapes = [
        () if each is None else each.shape if is_cupy(each) else np.shape(each)
        for each in arguments
    ]
    factor = factor_of(inputs, keep=None)
    right_side = factor.right_side(inputs)
    solution, copy = factor.solve_to_pull(*right_side)  # the caller may write to what he gets

    def pullback(y_bar: ArrayLike) -> OdeGradients:
        """Gradients of a scalar with respect to all inputs, given that with respect to y."""
        cotangent = check_cotangent(y_bar, inputs.shape, inputs.on_gpu, later=True)
        return _gradients(factor, cotangent, right_side, solution, inputs, shapes)

    return factor.to_output(copy), pullback


def _gradients(
    factor: Factor,
    cotangent: Array,
    right_side: tuple[Array, Array],
    solution: Array,
    inputs: OdeInputs,
    shapes: list[tuple[int, ...]],
) -> OdeGradients:
    """Pull y_bar back, and give each gradient its input's shape and dtype."""
    try:
        total = factor.pull(cotangent.reshape(solution.shape), right_side, solution)
    except np.linalg.LinAlgError:
        check_values("y_bar", cotangent)
        raise
    except NotFiniteError as error:
        raise _overflow(OdeGradients._fields[error.args[0]]) from None
    sources = (
        inputs.coefficients, inputs.rhs, inputs.initial, inputs.steps,
        inputs.weight_equation, inputs.weight_initial, inputs.weight_smooth,
    )  # fmt: skip
    collected = [
        bar if source is None else _collect(bar, source, inputs, n_core)
        for bar, source, n_core in zip(total, sources, _CORE_AXES, strict=True)
    ]
    unseen = {
        name: each
        for name, each, bar in zip(OdeGradients._fields, collected, total, strict=True)
        if each is not bar or inputs.on_gpu
    }
    for name, finite in zip(unseen, all_finite(list(unseen.values())), strict=True):
        if not finite:
            raise _overflow(name)
    gradients: list[Any] = [
        None if source is None else each.reshape(shape)
        for each, source, shape in zip(collected, sources, shapes, strict=True)
    ]
    return OdeGradients(*gradients)


def _overflow(name: str) -> OverflowError:
    """What to say of a gradient that is not finite."""
    return OverflowError(
        f"The gradient of {name} overflows: choose units in which steps, coefficients and "
        f"weights are of a common size."
    )


def _collect(bar: Array, source: NDArray, inputs: OdeInputs, n_core: int) -> NDArray:
    """Sum a gradient over the batch axes along which its input was broadcast."""
    batch = inputs.shape.batch
    lead = source.shape[: source.ndim - n_core]
    if bar.shape[0] > 1 and lead != batch:
        bar = bar.reshape(batch + bar.shape[1:])
        padded = (1,) * (len(batch) - len(lead)) + lead
        axes = tuple(i for i, (n, m) in enumerate(zip(padded, batch, strict=True)) if n < m)
        bar = bar.sum(axis=axes, keepdims=True)
    return bar.astype(inputs.dtype, copy=False)
