"""Series factorized in the same way, and solves whose accuracy is known.

Every solve is ``z = U^-1 D^-1 U^-T g`` followed by refinement with the residual taken on the rows,
``g = A^T (b - A z)``. How much a refinement changes the solution is the evidence on which a
factorization is believed or not (`smnn_np._kernels.cpu.blocks`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._kernels import cpu
from .taylor import Array, TaylorRows

MAX_PROOF, MAX_QR = 3, 8  # corrections

RightSide = tuple[Array, Array, Array]  # rhs, initial, and what is added to A^T b, (B|1, T|1, m)


class SingularError(Exception):
    """Some rows leave an unknown undetermined; carries the series and the node."""


class Group:
    """Series factorized in the same way: the state that the kernels work on.

    Attributes
    ----------
    series : ndarray of int, shape (n,)
        Which series, W to a block.
    valid : ndarray of bool, shape (n,)
        Those not handed on to another group.
    triangle : ndarray
        Blocks of U and D^-1, flat.
    """

    def __init__(self, rows: TaylorRows, series: NDArray, by_qr: bool) -> None:
        self.rows, self.series, self.by_qr = rows, series, by_qr
        self.n_blocks = -(-len(series) // len(rows.lanes))
        # Row operations of a single series may touch a few numbers beyond the last node.
        self.triangle = np.zeros(
            self.n_blocks * rows.n_nodes * rows.triangle_size + len(rows.width)
        )
        self.status = np.full(len(series), -1)
        kernel = cpu.qr_blocks if by_qr else cpu.cholesky_blocks
        kernel(rows, series, 0, self.n_blocks, self.triangle, self.status)
        self.valid = np.ones(len(series), dtype=bool)

    def scatter(self, z: Array, y: Array) -> None:
        """Write the valid series' derivatives to y (B, T, m)."""
        cpu.scatter_blocks(self.rows, self.series, self.valid, 0, self.n_blocks, z, y)

    def add_gradients(
        self, right_side: tuple[Array, Array], y: Array, a: Array, bars: tuple[Array, ...]
    ) -> None:
        """Add the gradients in all inputs, given y (B, T, m) and the blocks of the adjoint."""
        cpu.gradient_blocks(
            self.rows, self.series, self.valid, 0, self.n_blocks, *right_side, y, a, bars
        )

    def invert(self, variance: Array, covariance: Array, lagged: Array) -> None:
        """Write entries of ``(A^T A)^-1`` to those outputs that are not empty."""
        cpu.selected_inverse(
            self.rows, self.series, self.valid, 0, self.n_blocks, self.triangle,
            variance, covariance, lagged,
        )  # fmt: skip

    def log_determinant(self, out: Array) -> None:
        """Write ``log det A^T A`` of the valid series to out (B,)."""
        cpu.log_determinant(
            self.rows, self.series, self.valid, 0, self.n_blocks, self.triangle, out
        )

    def prove(self, right_side: RightSide) -> tuple[Array, NDArray]:
        """Unknowns of all blocks, corrected until proven; the mask of series where they are not."""
        sound = self.valid & (self.status < 0)
        z, verdict, _ = self._solve(right_side, sound, True, MAX_PROOF)
        return z, self.valid & ((verdict == cpu.REJECTED) | ~sound)

    def refine(self, right_side: RightSide, n_corrections: int) -> tuple[Array, float]:
        """Unknowns of all blocks, corrected until nothing is left to win, and the last change."""
        z, verdict, left = self._solve(right_side, self.valid, False, n_corrections)
        lost = self.valid & (verdict >= 0)
        if lost.any():
            k = int(np.argmax(lost))
            raise SingularError(int(self.series[k]), int(verdict[k]))
        return z, float(left[self.valid].max(initial=0.0))

    def check_status(self) -> None:
        """Raise for the first series with an unusable pivot."""
        failed = self.status >= 0
        if failed.any():
            k = int(np.argmax(failed))
            raise SingularError(int(self.series[k]), int(self.status[k]))

    def _solve(
        self, right_side: RightSide, wanted: NDArray, prove: bool, n_corrections: int
    ) -> tuple[Array, NDArray, Array]:
        rows, n_lanes = self.rows, len(self.rows.lanes)
        stride = rows.n_nodes * rows.n_unknowns * n_lanes + len(rows.width)
        z, left = np.zeros(self.n_blocks * stride), np.zeros(len(self.series))
        verdict = np.full(len(self.series), cpu.FINE)
        cpu.solve_blocks(
            rows, self.series, wanted, 0, self.n_blocks, right_side, self.triangle,
            prove, n_corrections, z, verdict, left,
        )  # fmt: skip
        return z, verdict, left
