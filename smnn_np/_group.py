"""Series factorized in the same way, and solves whose accuracy is known.

Every solve is ``z = R^-1 R^-T g`` (the semi-normal equations) followed by refinement with the
residual taken on the rows, ``g = A^T (b - A z)``. How much a refinement changes the solution is
the evidence on which a factorization is believed or not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ._kernels import cpu
from .taylor import Array, TaylorRows

CONTRACTION = 0.01  # each correction against the one before, for Cholesky to be believed
REMAINDER = 2.0**-44  # 256 rounding units: what may be left, relative to the largest entry
MAX_CHOLESKY, MAX_QR = 3, 8  # corrections
FLOOR = 1e-8  # of the largest unknown: what is smaller is not asked for relative accuracy
STALL = 0.5  # corrections that shrink no faster have nothing more to win
LOST = 0.5  # a last correction this large, relative to the solution: there is no solution

Source = Callable[[Array, Array], None]  # (z, out): out = residual A^T (b - A z) of the blocks


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
        Blocks of R, flat.
    """

    def __init__(self, rows: TaylorRows, series: NDArray, by_qr: bool) -> None:
        self.rows, self.series, self.by_qr = rows, series, by_qr
        self.valid = np.ones(len(series), dtype=bool)
        n_lanes = len(rows.lanes)
        self.n_blocks = -(-len(series) // n_lanes)
        # Row operations of a single series may touch a few numbers beyond the last node.
        self.stride = rows.n_nodes * rows.n_unknowns * n_lanes + len(rows.width)
        self.triangle = np.zeros(
            self.n_blocks * rows.n_nodes * rows.triangle_size + len(rows.width)
        )
        self.status = np.full(len(series), -1)
        kernel = cpu.factor_qr if by_qr else cpu.factor_cholesky
        kernel(rows, series, 0, self.n_blocks, self.triangle, self.status)

    def zeros(self) -> Array:
        """Unknowns of all blocks, flat."""
        return np.zeros(self.n_blocks * self.stride)

    def gather(self, y: Array, *, is_gradient: bool) -> Array:
        """Bring derivatives (B, T, m), or a gradient with respect to them, into blocks."""
        z = self.zeros()
        cpu.gather(self.rows, self.series, 0, self.n_blocks, self.stride, is_gradient, y, z)
        return z

    def scatter(self, z: Array, y: Array) -> None:
        """Write the valid series' derivatives to y (B, T, m)."""
        cpu.scatter(self.rows, self.series, self.valid, 0, self.n_blocks, self.stride, z, y)

    def residual(self, rhs: Array, initial: Array, z: Array, out: Array) -> None:
        """``A^T (b - A z)`` of the blocks."""
        blocks = (0, self.n_blocks)
        cpu.normal_residual(self.rows, self.series, *blocks, rhs, initial, self.stride, z, out)

    def add_gradients(
        self, right_side: tuple[Array, Array], y: Array, a: Array, bars: tuple[Array, ...]
    ) -> None:
        """Add the gradients in all inputs, given y (B, T, m) and the blocks of the adjoint."""
        z, blocks = self.gather(y, is_gradient=False), (0, self.n_blocks)
        cpu.row_gradients(
            self.rows, self.series, self.valid, *blocks, *right_side, self.stride, z, a, bars
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

    def correct(
        self, residual: Source, z: Array, work: Array, active: NDArray
    ) -> tuple[Array, Array]:
        """One correction of z in place; returns its largest entries and those of z, (n, m)."""
        rows, blocks = self.rows, (0, self.n_blocks)
        residual(z, work)
        cpu.solve_normal(rows, self.triangle, *blocks, self.stride, work)
        n_lanes, m = len(rows.lanes), rows.n_unknowns
        largest, size = np.empty((2, self.n_blocks * m * n_lanes))
        cpu.add_correction(rows, active, *blocks, self.stride, work, z, largest, size)
        by_series = [
            columns.reshape(self.n_blocks, m, n_lanes).swapaxes(1, 2).reshape(-1, m)
            for columns in (largest, size)
        ]
        return by_series[0][: len(self.series)], by_series[1][: len(self.series)]

    def solve_judged(self, residual: Source, z: Array) -> NDArray:
        """Corrections until the solution is proven; returns the mask of series where it is not."""
        rejected, waiting = self.valid & (self.status >= 0), self.valid & (self.status < 0)
        work = np.empty_like(z)
        last, _ = self.correct(residual, z, work, waiting)
        for _ in range(MAX_CHOLESKY):
            now, size = self.correct(residual, z, work, waiting)
            ratio = _worst_ratio(now, last, FLOOR)
            good = ratio <= CONTRACTION  # False for NaN
            rejected |= waiting & ~good
            waiting &= good & ~(ratio * _worst_ratio(now, size, FLOOR) <= REMAINDER)
            last = now
            if not waiting.any():
                break
        return rejected | waiting

    def solve_refined(self, residual: Source, z: Array, max_corrections: int) -> float:
        """Corrections until none is left to make, or until they no longer shrink.

        Even a good R may give a first solution that is far off, because ``A^T b`` has lost digits;
        each correction then wins many back. Corrections that stay as large as the solution mean
        that the rows do not determine it.

        Returns the largest last correction of an unknown, relative to its size.
        """
        waiting, work = self.valid.copy(), np.empty_like(z)
        left = np.zeros(len(self.series))
        last, _ = self.correct(residual, z, work, waiting)
        earlier = np.full_like(last, np.inf)
        for _ in range(max_corrections):
            now, size = self.correct(residual, z, work, waiting)
            ratio = _worst_ratio(now, last, FLOOR)
            left[waiting] = _worst_ratio(now, size, 1.0)[waiting]
            # A correction that undoes one that was far off is as large: compare every other one.
            waiting &= _worst_ratio(now, earlier, 1.0) <= STALL
            relative = _worst_ratio(now, size, FLOOR)
            waiting &= ~(ratio * relative <= REMAINDER)
            earlier, last = last, now
            if not waiting.any():
                break
        lost = self.valid & ~(left <= LOST)
        if lost.any():
            raise SingularError(*self._place(int(np.argmax(lost)), work))
        return float(relative[self.valid].max(initial=0.0))

    def check_status(self) -> None:
        """Raise for the first series with an unusable pivot."""
        failed = self.valid & (self.status >= 0)
        if failed.any():
            k = int(np.argmax(failed))
            raise SingularError(int(self.series[k]), int(self.status[k]))

    def _place(self, k: int, correction: Array) -> tuple[int, int]:
        """Series number and node of the largest correction of the k-th series."""
        rows, n_lanes = self.rows, len(self.rows.lanes)
        block = correction[(k // n_lanes) * self.stride :]
        nodes = block[: rows.n_nodes * rows.n_unknowns * n_lanes].reshape(rows.n_nodes, -1, n_lanes)
        return int(self.series[k]), int(np.abs(nodes[:, :, k % n_lanes]).max(axis=1).argmax())


def _worst_ratio(now: Array, before: Array, floor: float) -> Array:
    """Largest ratio over a series' unknowns, each against no less than `floor` of the largest.

    0 where both are zero; NaN where one is.
    """
    scale = np.maximum(before, floor * before.max(axis=1, keepdims=True))
    ratio = np.divide(now, scale, out=np.where(now > 0, np.inf, now), where=scale > 0)
    return ratio.max(axis=1)
