"""Numba kernels of the Taylor system on the CPU.

Contract of every kernel: float64 arrays in, results written to the arrays named last, no
allocation inside the loop over nodes, no exception. A kernel works on blocks first .. last - 1;
a block is W series of `listed` side by side, one per SIMD lane, so that every unknown is W
neighbouring numbers (`lanes`). Unknowns are the scaled jets ``z`` (T, m) of `smnn_np.taylor`,
m = V * R, order fastest.

A series is eliminated node by node on a *front*: the unknowns of nodes t .. t + p, p = 1, or 2
with central rows. The front takes in the rows that start at node t, eliminates the m unknowns of
node t, keeps the m finished rows of the triangle R and moves on by one node. Cholesky holds the
normal matrix of the front, QR its rows; both leave the same R, with ``A^T A = R^T R``:
``triangle`` (block, T, m, (p + 1) m + padding) columns, the diagonal inverted.
"""

from .cholesky import factor_cholesky
from .gradient import row_gradients
from .inverse import log_determinant, selected_inverse
from .qr import factor_qr
from .solve import add_blocks, add_correction, gather, normal_residual, scatter, solve_normal

__all__ = [
    "add_blocks",
    "add_correction",
    "factor_cholesky",
    "factor_qr",
    "gather",
    "log_determinant",
    "normal_residual",
    "row_gradients",
    "scatter",
    "selected_inverse",
    "solve_normal",
]
