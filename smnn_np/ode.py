"""The array-level door: solve or factorize linear ODEs on a time grid."""

from __future__ import annotations

from numpy.typing import ArrayLike, NDArray

from ._validation import check_left_side, check_ode
from .device import factor_of
from .factorize import Factor


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
    """Solve linear ODEs on a time grid, as one least-squares problem banded in time.

    At every node t and for every equation q, ``sum_vr c[t, q, v, r] y[t, v, r] = d[t, q]``, where
    ``y[t, v, r]`` is the r-th derivative of dimension v. Nodes are tied together by Taylor
    expansions. Time and memory are linear in the number of nodes.

    Parameters
    ----------
    coefficients : array of shape (..., T|1, Q, V, R)
        Coefficient of derivative r of dimension v in equation q at node t.
    rhs : array of shape (..., T|1, Q)
        Right-hand side of the equations.
    initial : array of shape (..., n_initial_steps|1, V, n_initial_orders) or None
        Values and derivatives at the first nodes; None for none at all.
    steps : array of shape (..., T-1|1) or float
        Steps between nodes, in units of time, > 0.
    n_steps : int, optional
        Number of nodes T; by default the longest of `coefficients`, `rhs` and `steps` + 1.
    n_initial_steps : int, optional
        Number of nodes with initial values; by default the length of `initial`.
    weight_equation : float or array of shape (..., T|1, Q|1), default=1.0
        Weight of the equation rows. Residuals are multiplied by it; 0 leaves a row out.
    weight_initial : float or array of shape (..., n_initial_steps|1, V|1, n_initial_orders|1), \
default=1.0
        Weight of the initial rows. A missing value has weight 0 and any finite value.
    weight_smooth : float or array of shape (..., T-1|1), default=1.0
        Weight of the Taylor rows of each step; a central row takes the mean of its two steps.
    central : bool, default=False
        Replace the smoothness rows of the highest order by central differences over two steps.
    factorization : {"auto", "cholesky", "qr"}, default="auto"
        ``"cholesky"`` factorizes the normal matrix: fast, and useless on long fine grids.
        ``"qr"`` factorizes the rows: accurate everywhere, a few times slower. ``"auto"`` tries
        Cholesky and redoes by QR each series for which it is not proven accurate.

    Returns
    -------
    ndarray of shape (..., T, V, R)
        The solution and its derivatives at every node: float32 if all arrays were, else float64.
        (The computation is in float64.)

    Raises
    ------
    TypeError, ValueError
        If an input has the wrong kind, shape or value.
    numpy.linalg.LinAlgError
        If the system leaves an unknown undetermined to working precision.

    See Also
    --------
    ode_solve_vjp : The same with gradients.
    ode_factorize : Factorize once, solve for many right-hand sides.

    Notes
    -----
    Leading axes are a batch and broadcast; so does a time axis of length 1.

    References
    ----------
    .. [1] J. Chen, D. Yao, A. Pervez, D. Alistarh, F. Locatello. "Scalable Mechanistic Neural
       Networks". ICLR 2025. arXiv:2410.06074.

    Examples
    --------
    The harmonic oscillator y'' + y = 0 with y(0) = 1 and y'(0) = 0:

    >>> import numpy as np
    >>> import smnn_np as smnn
    >>> y = smnn.ode_solve([[[[1.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], 1e-3, n_steps=1001)
    >>> y.shape
    (1001, 1, 3)
    >>> bool(abs(y[-1, 0, 0] - np.cos(1.0)) < 1e-5)
    True
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
    factor = factor_of(inputs, keep=False)
    return factor.to_output(factor.solve_rows(*factor.right_side(inputs)))


def ode_factorize(
    coefficients: ArrayLike,
    steps: ArrayLike,
    *,
    n_steps: int | None = None,
    n_initial_steps: int = 1,
    n_initial_orders: int | None = None,
    weight_equation: ArrayLike = 1.0,
    weight_initial: ArrayLike = 1.0,
    weight_smooth: ArrayLike = 1.0,
    central: bool = False,
    factorization: str = "auto",
) -> Factor:
    """Factorize the left-hand side of linear ODEs, to solve for many right-hand sides.

    Parameters
    ----------
    coefficients : array of shape (..., T|1, Q, V, R)
        Coefficient of derivative r of dimension v in equation q at node t.
    steps : array of shape (..., T-1|1) or float
        Steps between nodes, in units of time, > 0.
    n_steps : int, optional
        Number of nodes T; by default the longer of `coefficients` and `steps` + 1.
    n_initial_steps : int, default=1
        Number of nodes with initial values; 0 for none.
    n_initial_orders : int, optional
        Number of derivatives given at those nodes; by default R - 1.
    weight_equation, weight_initial, weight_smooth : float or array, default=1.0
        Weights of the rows, as in `ode_solve`.
    central : bool, default=False
        Replace the smoothness rows of the highest order by central differences.
    factorization : {"auto", "cholesky", "qr"}, default="auto"
        As in `ode_solve`; ``"auto"`` decides by a seeded random right-hand side, and again at
        each solve.

    Returns
    -------
    Factor
        With ``solve(rhs, initial)``.

    Raises
    ------
    TypeError, ValueError
        If an input has the wrong kind, shape or value.
    numpy.linalg.LinAlgError
        If the system leaves an unknown undetermined to working precision.

    See Also
    --------
    ode_solve : Factorize and solve in one call.

    Examples
    --------
    >>> import numpy as np
    >>> import smnn_np as smnn
    >>> factor = smnn.ode_factorize([[[[1.0, 0.0, 1.0]]]], 1e-3, n_steps=1001)
    >>> y = factor.solve([[0.0]], [[[0.0, 1.0]]])
    >>> bool(abs(y[-1, 0, 0] - np.sin(1.0)) < 1e-5)
    True
    """
    inputs = check_left_side(
        coefficients,
        steps,
        n_steps=n_steps,
        n_initial_steps=n_initial_steps,
        n_initial_orders=n_initial_orders,
        weight_equation=weight_equation,
        weight_initial=weight_initial,
        weight_smooth=weight_smooth,
        central=central,
        factorization=factorization,
    )
    factor = factor_of(inputs)
    factor.judge()
    return factor
