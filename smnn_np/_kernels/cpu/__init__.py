"""Numba kernels of the Taylor system on the CPU.

Contract of every kernel: bare float64 arrays in, results written to the arrays named last, no
allocation inside the loop over nodes, no exception. Unknowns are the scaled jets ``z`` (B, T, m)
of `smnn_np.taylor`, m = V * R, order fastest. ``active`` (B,) names the series to work on.

A series is eliminated node by node on a *front*: the unknowns of nodes t .. t + p, p = 1, or 2
with central rows. The front takes in the rows that start at node t, eliminates the m unknowns of
node t, keeps the m finished rows of the triangle R and moves on by one node. Cholesky holds the
normal matrix of the front, QR its rows; both leave the same R, with ``A^T A = R^T R``:
``triangle`` (B, T, m, (p + 1) m).
"""

from .cholesky import factor_cholesky
from .gradient import row_gradients
from .qr import factor_qr
from .solve import add_active, add_correction, normal_residual, solve_normal, unscale

__all__ = [
    "add_active",
    "add_correction",
    "factor_cholesky",
    "factor_qr",
    "normal_residual",
    "row_gradients",
    "solve_normal",
    "unscale",
]
