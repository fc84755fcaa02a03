"""Numba kernels of the Taylor system on the CPU.

Contract of every kernel: float64 arrays in, results written to the arrays named last, no
allocation inside the loop over nodes, no exception. A kernel works on the series in `listed`,
block by block: W series side by side, one per SIMD lane, so that every unknown is W neighbouring
numbers. Unknowns are the scaled jets ``z`` (T, m) of `smnn_np.taylor`, m = V * R, order fastest.

Both factorizations, Cholesky of the normal matrix and QR of the rows, leave the same
``A^T A = U^T D U`` with U unit upper triangular: ``triangle`` (block, T, m, n + padding) columns
(in unrolled kernels each row from its pivot on only, one after the other, and of slim ones within
its own node only, see `unrolled.triangle`),
n the unknowns that a finished row may touch, with D^-1 on the diagonal.
"""

from ..trust import CONTRACTION, FINE, REJECTED, ROUNDED, ROUNDING
from .blocks import solve_blocks
from .inverse import log_determinant, selected_inverse
from .results import Task, gather_blocks, gradient_blocks

__all__ = [
    "CONTRACTION",
    "FINE",
    "REJECTED",
    "ROUNDED",
    "ROUNDING",
    "Task",
    "gather_blocks",
    "gradient_blocks",
    "log_determinant",
    "selected_inverse",
    "solve_blocks",
]
