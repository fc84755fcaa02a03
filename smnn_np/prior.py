"""The Taylor rows alone, as a prior: the determinant that a marginal likelihood needs.

Taylor rows without equations leave polynomials of degree R - 1 undetermined, V R directions in all:
their normal matrix is singular, and what takes the place of its determinant is the product of its
nonzero eigenvalues, the pseudo-determinant.

For a matrix M with null space spanned by the columns of Z, and rows C such that C Z is square,
``det(M + C^T C) = pdet(M) det(C Z)^2 / det(Z^T Z)``. Here C picks the first node, and Z holds the
jets that follow from unit jets there: ``C Z = I``, so that one factor with unit initial rows gives
the left side in linear time.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import on_gpu
from ._validation import check_prior
from .ode import ode_factorize


def taylor_logdet(
    steps: ArrayLike,
    n_dims: int,
    n_orders: int,
    *,
    n_steps: int | None = None,
    weight_smooth: ArrayLike = 1.0,
) -> NDArray:
    """Logarithm of the pseudo-determinant of ``A^T A``, A the forward and backward Taylor rows.

    Parameters
    ----------
    steps : array of shape (..., T-1|1) or float
        Steps between nodes, in units of time, > 0.
    n_dims, n_orders : int
        V and R.
    n_steps : int, optional
        Number of nodes T; by default the length of `steps` plus 1.
    weight_smooth : float or array of shape (..., T-1|1), default=1.0
        Weight of the rows of each step, > 0.

    Returns
    -------
    ndarray of shape (...)
        Sum of the logarithms of the nonzero eigenvalues, one for each series.

    Raises
    ------
    TypeError, ValueError
        If an input has the wrong kind, shape or value; a weight of 0 too, because the grid would
        fall into pieces.

    See Also
    --------
    Factor.logdet : The same for a system that determines all unknowns.

    Notes
    -----
    A row's weight being one over its standard deviation, the log marginal likelihood of data that
    enter through equation rows is, up to a constant, ``(taylor_logdet(...) - factor.logdet()) / 2``
    minus half the sum of squares, plus the logarithms of the equations' weights.

    Examples
    --------
    >>> import smnn_np as smnn
    >>> print(f"{smnn.taylor_logdet(0.1, 1, 2, n_steps=11):.4f}")
    -25.0662
    """
    on_gpu({"steps": steps, "weight_smooth": weight_smooth}, before=False)  # the host computes it
    check_prior(n_dims, n_orders, weight_smooth)
    factor = ode_factorize(
        np.zeros((1, 1, n_dims, n_orders)), steps, n_steps=n_steps, n_initial_orders=n_orders,
        weight_equation=0.0, weight_smooth=weight_smooth, factorization="qr",
    )  # fmt: skip
    logdet, rows = factor.logdet(), factor.rows
    gram = np.broadcast_to(_log_gram(rows.steps, rows.n_nodes, n_orders), rows.n_series)
    return (logdet + n_dims * gram.reshape(np.shape(logdet)))[()]


def _log_gram(steps: NDArray, n_nodes: int, n_orders: int) -> NDArray:
    """``log det Z^T Z`` of one dimension for every series (B,), in units of the whole span."""
    widths = np.broadcast_to(steps, (len(steps), n_nodes - 1))
    times = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(widths, axis=1)], axis=1)
    span = times[:, -1]
    jets = np.zeros((len(steps), n_nodes, n_orders, n_orders))
    for r in range(n_orders):
        for o in range(r, n_orders):
            power = times ** (o - r) / factorial(o - r)
            jets[:, :, r, o] = power * span[:, None] ** -o
    gram = np.einsum("btro,btrp->bop", jets, jets)
    return np.linalg.slogdet(gram)[1] + 2.0 * np.log(span) * sum(range(n_orders))
