"""The plain twin of the solver: every row written out, then least squares on the dense matrix.

Slow on purpose. It shares no line with the fast solver but the input checks, so that each tests
the other; use it to see what is solved, and for small problems only (memory grows with the
square of the number of nodes).
"""

from collections.abc import Iterator, Mapping
from itertools import chain, product
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._shapes import OdeShape
from ._validation import OdeInputs, check_ode

# One row of A as {(node, dimension, order): factor}, its right-hand side, and its weight.
_Row = tuple[Mapping[Any, Any], Any, Any]


class _Series(NamedTuple):
    """One series of the batch, every array broadcast to its full shape."""

    coefficients: NDArray  # (T, Q, V, R)
    rhs: NDArray  # (T, Q)
    initial: NDArray  # (S, V, Ro)
    steps: NDArray  # (T-1,)
    weight_equation: NDArray  # (T, Q)
    weight_initial: NDArray  # (S, V, Ro)
    weight_smooth: NDArray  # (T-1,)
    shape: OdeShape
    central: bool


def ode_solve(
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
) -> NDArray:
    """Solve a linear ODE as dense least squares; the arguments are those of `smnn_np.ode_solve`.

    Parameters
    ----------
    coefficients : array_like, shape (..., T|1, Q, V, R)
        Factor of the r-th derivative of dimension v in equation q at node t.
    rhs : array_like, shape (..., T|1, Q)
        Right-hand sides of the equations.
    initial : array_like, shape (..., S|1, V, Ro), or None
        Values of the first Ro orders at the first S nodes; None for no initial rows.
    steps : array_like, shape (..., T-1|1), or float
        Distances between neighbouring nodes, in the unit of time.
    n_steps : int, optional
        T, the number of nodes; the longest of coefficients, rhs and steps + 1 if None.
    n_initial_steps : int, optional
        S, the number of nodes with initial values; that of `initial` if None.
    weight_equation, weight_initial, weight_smooth : array_like or float
        Factors of the residuals, broadcast against rhs, initial and steps. Zero drops a row.
    central : bool
        Use central rows in place of the forward and backward rows of the highest order.
    factorization : {"auto", "cholesky", "qr"}
        Checked and then ignored: the twin always calls `numpy.linalg.lstsq`.

    Returns
    -------
    ndarray, shape (..., T, V, R)
        The derivatives of order 0 to R - 1 of every dimension at every node; float32 if every
        array among the arguments is float32, else float64.

    Raises
    ------
    ValueError
        If the arguments are wrong or do not fit together.
    numpy.linalg.LinAlgError
        If the rows leave some unknown undetermined.

    See Also
    --------
    smnn_np.ode_solve : the fast solver.

    Examples
    --------
    y'' = 1 with y(0) = y'(0) = 0 is a parabola, which Taylor rows of three orders hold exactly.

    >>> import numpy as np
    >>> from smnn_np import dense
    >>> coefficients = np.array([[[[0.0, 0.0, 1.0]]]])
    >>> y = dense.ode_solve(coefficients, [[1.0]], [[[0.0, 0.0]]], 0.5, n_steps=5)
    >>> np.round(y[:, 0, 0], 6).tolist()
    [0.0, 0.125, 0.5, 1.125, 2.0]
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
    )
    shape = inputs.shape
    y = np.empty((*shape.batch, shape.n_steps, shape.n_dims, shape.n_orders), inputs.dtype)
    for index in np.ndindex(*shape.batch):
        a, b = _rows_of_series(_series(inputs, index))
        y[index] = _least_squares(a, b, index).reshape(y.shape[-3:])
    return y


def ode_rows(
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
) -> tuple[NDArray, NDArray]:
    """Write the weighted rows of the least-squares problem min ``||A y - b||``.

    Parameters
    ----------
    coefficients, rhs, initial, steps, n_steps, n_initial_steps, weight_equation, \
weight_initial, weight_smooth, central
        As in `ode_solve`.

    Returns
    -------
    A : ndarray of float64, shape (..., n_rows, T * V * R)
        The rows: equations (node by node, equation by equation), initial values (node,
        dimension, order), then for each step forward (dimension, order) and backward rows, and
        at last the central rows. The columns are the entries of y of shape (T, V, R) in C order.
    b : ndarray of float64, shape (..., n_rows)
        Their right-hand sides.

    Raises
    ------
    ValueError
        If the arguments are wrong or do not fit together.

    Examples
    --------
    Two nodes of one dimension and one order, one equation y = 3 at each:

    >>> from smnn_np import dense
    >>> A, b = dense.ode_rows([[[[1.0]]]], [[3.0], [3.0]], None, 0.1)
    >>> A.tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]
    >>> b.tolist()
    [3.0, 3.0, 0.0, 0.0]
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
        factorization="auto",
    )
    batch = inputs.shape.batch
    systems = [_rows_of_series(_series(inputs, index)) for index in np.ndindex(*batch)]
    a, b = (np.stack(parts) for parts in zip(*systems, strict=True))
    return a.reshape(*batch, *a.shape[1:]), b.reshape(*batch, *b.shape[1:])


def _series(inputs: OdeInputs, index: tuple[int, ...]) -> _Series:
    """Take one series out of the batch."""
    batch, n_steps, n_equations, n_dims, n_orders, n_initial_steps, n_initial_orders = inputs.shape
    cores = {
        "coefficients": (n_steps, n_equations, n_dims, n_orders),
        "rhs": (n_steps, n_equations),
        "initial": (n_initial_steps, n_dims, n_initial_orders),
        "steps": (n_steps - 1,),
        "weight_equation": (n_steps, n_equations),
        "weight_initial": (n_initial_steps, n_dims, n_initial_orders),
        "weight_smooth": (n_steps - 1,),
    }
    arrays = {name: getattr(inputs, name) for name in cores}
    if inputs.initial is None:
        arrays["initial"] = np.zeros(cores["initial"])
    full = {name: np.broadcast_to(arrays[name], batch + core) for name, core in cores.items()}
    one = {name: array[index] for name, array in full.items()}
    return _Series(**one, shape=inputs.shape, central=inputs.central)


def _rows_of_series(series: _Series) -> tuple[NDArray, NDArray]:
    """Write A and b of one series."""
    groups = [_equation_rows(series), _initial_rows(series), _taylor_rows(series)]
    if series.central:
        groups.append(_central_rows(series))
    rows = list(chain(*groups))
    shape = series.shape
    a = np.zeros((len(rows), shape.n_steps, shape.n_dims, shape.n_orders))
    b = np.zeros(len(rows))
    for i, (factors, value, weight) in enumerate(rows):
        for entry, factor in factors.items():
            a[i][entry] = weight * factor
        b[i] = weight * value
    return a.reshape(len(rows), -1), b


def _equation_rows(series: _Series) -> Iterator[_Row]:
    """Write sum over v, r of c[t, q, v, r] y[t, v, r] = d[t, q]."""
    for t, q in np.ndindex(series.rhs.shape):
        c = series.coefficients[t, q]
        factors = {(t, v, r): c[v, r] for v, r in np.ndindex(c.shape)}
        yield factors, series.rhs[t, q], series.weight_equation[t, q]


def _initial_rows(series: _Series) -> Iterator[_Row]:
    """Write y[t, v, r] = u[t, v, r]."""
    for entry in np.ndindex(series.initial.shape):
        yield {entry: 1.0}, series.initial[entry], series.weight_initial[entry]


def _taylor_rows(series: _Series) -> Iterator[_Row]:
    """Write h^r (sum over o >= r of h^(o-r) / (o-r)! y[start, v, o] - y[end, v, r]) = 0.

    Forward rows start at the earlier node with h = s, backward rows at the later with h = -s.
    Central rows replace both at the highest order.
    """
    n_orders = series.shape.n_orders
    orders = range(n_orders - 1 if series.central else n_orders)
    for t, s in enumerate(series.steps):
        for start, end, h in ((t, t + 1, s), (t + 1, t, -s)):
            for v, r in product(range(series.shape.n_dims), orders):
                factors = {
                    (start, v, o): h**r * h ** (o - r) / factorial(o - r)
                    for o in range(r, n_orders)
                }
                factors[end, v, r] = -(h**r)
                yield factors, 0.0, series.weight_smooth[t]


def _central_rows(series: _Series) -> Iterator[_Row]:
    """Write h^(R-3) (y[t, v, R-2] - y[t+2, v, R-2]) + h^(R-2) y[t+1, v, R-1] = 0, h both steps."""
    last = series.shape.n_orders - 1
    for t in range(series.shape.n_steps - 2):
        h = series.steps[t] + series.steps[t + 1]
        weight = (series.weight_smooth[t] + series.weight_smooth[t + 1]) / 2
        for v in range(series.shape.n_dims):
            factors = {
                (t, v, last - 1): h ** (last - 2),
                (t + 2, v, last - 1): -(h ** (last - 2)),
                (t + 1, v, last): h ** (last - 1),
            }
            yield factors, 0.0, weight


def _least_squares(a: NDArray, b: NDArray, index: tuple[int, ...]) -> NDArray:
    """Minimize ``||a y - b||`` with columns scaled to length 1, so that the rank can be trusted."""
    length = np.linalg.norm(a, axis=0)
    length[length == 0] = 1.0
    z, _, rank, _ = np.linalg.lstsq(a / length, b, rcond=None)
    if rank < len(z):
        series = f" of series {index}" if index else ""
        raise np.linalg.LinAlgError(
            f"system leaves some unknown undetermined: the rows{series} have rank {rank}, "
            f"{len(z)} is wanted for n_steps * n_dims * n_orders unknowns; add equations or "
            f"initial values"
        )
    return z / length
