"""From Taylor rows to a triangle R that is kept, and solves that can be trusted.

Every solve is ``z = R^-1 R^-T g`` (the semi-normal equations) followed by refinement with the
residual taken on the rows, ``g = A^T (b - A z)``. R comes from Cholesky of the normal matrix
(fast, but its error grows with the square of A's condition number) or from row-sorted Householder
QR of A (accurate on the longest and finest grids). ``"auto"`` tries Cholesky first and believes it
only where refinement proves it: each correction below 0.01 of the one before, the first below 0.01
of the solution, and the predicted remainder at rounding level. All other series are done again by
QR. A milder test is not enough: at 1e6 steps of 1e-5 the corrections of a solution that is wrong
by 100 % still shrink by half each time.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kernels import cpu
from ._validation import OdeInputs, check_right_side
from .taylor import Array, flatten_right_side, taylor_rows

Source = Callable[[NDArray, NDArray, NDArray], None]  # (active, z, out): out = residual at z

CONTRACTION = 0.01  # each correction against the one before, for Cholesky to be believed
REMAINDER = 2.0**-44  # 256 rounding units: what may be left, relative to the largest entry
MAX_CORRECTIONS = 3
FLOOR = 1e-8  # of the largest unknown: what is smaller is not asked for relative accuracy
DIVERGENCE = 0.5  # a QR correction this large, relative to the solution, is no correction


class Factor:
    """Frozen left-hand side of a batch of linear ODEs: factorized once, solved many times.

    Made by `smnn_np.ode_factorize`.

    Attributes
    ----------
    triangle : ndarray of shape (n_series, n_steps, m, (p + 1) m)
        Block rows of R, with ``A^T A = R^T R``, in scaled unknowns.
    by_qr : ndarray of bool, shape (n_series,)
        Series whose R came from QR.

    Notes
    -----
    With ``factorization="auto"`` a later right-hand side may show that Cholesky was not accurate
    enough for a series; its R is then replaced by that of QR.
    """

    def __init__(self, inputs: OdeInputs) -> None:
        self._inputs = inputs
        self.rows = taylor_rows(inputs)
        rows, m = self.rows, self.rows.n_unknowns
        self.triangle = np.empty((rows.n_series, rows.n_nodes, m, (rows.bandwidth + 1) * m))
        self.by_qr = np.zeros(rows.n_series, dtype=bool)
        self._judged = False
        self._lock = threading.RLock()  # a solve may replace R
        everything = np.ones(rows.n_series, dtype=bool)
        if inputs.factorization == "qr":
            self._factor_by_qr(everything)
        else:
            self._factor_by_cholesky(everything)

    def solve(self, rhs: NDArray, initial: NDArray | None = None) -> NDArray:
        """Solve for another right-hand side and other initial values.

        Parameters
        ----------
        rhs : array of shape (..., T|1, Q)
            Right-hand side of the equations; leading axes broadcast to the factor's batch.
        initial : array of shape (..., n_initial_steps|1, V, n_initial_orders) or None
            Initial values; None only if the factor was made without initial rows.

        Returns
        -------
        ndarray of shape (..., T, V, R)
            The solution and its derivatives at every node.

        Raises
        ------
        ValueError
            If a shape does not fit the factor, or a value is not finite.
        numpy.linalg.LinAlgError
            If the system leaves an unknown undetermined to working precision.

        Examples
        --------
        >>> import numpy as np
        >>> import smnn_np as smnn
        >>> factor = smnn.ode_factorize(np.array([[[[1.0, 1.0]]]]), 0.1, n_steps=11)
        >>> factor.solve(np.zeros((1, 1)), [[[1.0]]]).shape
        (11, 1, 2)
        """
        inputs = check_right_side(self._inputs, rhs, initial)
        return self.to_output(self.solve_scaled(*flatten_right_side(inputs)))

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, with a lock of its own."""
        self.__dict__.update(state, _lock=threading.RLock())

    def solve_scaled(self, rhs: Array, initial: Array) -> Array:
        """Least-squares solution in scaled unknowns, (B, T, m)."""

        def residual(active: NDArray, z: NDArray, out: NDArray) -> None:
            cpu.normal_residual(self.rows, rhs, initial, active, z, out)

        z = self._solve(residual)
        if not (self._judged or z.any(axis=(1, 2)).all()):
            self.judge()  # a solution of zeros says nothing about the system
        return z

    def solve_adjoint_scaled(self, y_bar: Array) -> Array:
        """``(A^T A)^-1 y_bar`` in scaled unknowns; y_bar (B, T, m) with respect to y."""
        target = np.empty_like(y_bar)
        cpu.unscale(self.rows, y_bar, target)
        shape = self._inputs.shape
        rhs = np.zeros((1, 1, shape.n_equations))
        initial = np.zeros((1, 1, shape.n_dims, shape.n_initial_orders))

        def residual(active: NDArray, z: NDArray, out: NDArray) -> None:
            cpu.normal_residual(self.rows, rhs, initial, active, z, out)
            cpu.add_active(target, active, out)

        return self._solve(residual)

    def unscale(self, z: Array) -> Array:
        """Derivatives (B, T, m) from scaled unknowns (B, T, m)."""
        y = np.empty_like(z)
        cpu.unscale(self.rows, z, y)
        return y

    def to_output(self, z: Array) -> NDArray:
        """The user's y (*batch, T, V, R), in the user's dtype."""
        shape = self._inputs.shape
        full = (*shape.batch, shape.n_steps, shape.n_dims, shape.n_orders)
        return self.unscale(z).reshape(full).astype(self._inputs.dtype, copy=False)

    def judge(self) -> None:
        """Put every series to the test of a seeded random right-hand side."""
        self._judged = True
        shape = self._inputs.shape
        rng = np.random.default_rng(0)
        rhs = rng.standard_normal((1, shape.n_steps, shape.n_equations))
        initial = rng.standard_normal((1, 1, shape.n_dims, shape.n_initial_orders))
        self.solve_scaled(rhs, initial)

    def _factor_by_cholesky(self, active: NDArray) -> None:
        status = np.full(self.rows.n_series, -1)
        cpu.factor_cholesky(self.rows, active, self.triangle, status)
        failed = status >= 0
        if failed.any() and self._inputs.factorization == "cholesky":
            self._raise_singular(int(np.argmax(failed)), int(status[failed][0]))
        if failed.any():
            self._factor_by_qr(failed)

    def _factor_by_qr(self, active: NDArray) -> None:
        status = np.full(self.rows.n_series, -1)
        cpu.factor_qr(self.rows, active, self.triangle, status)
        failed = status >= 0
        if failed.any():
            self._raise_singular(int(np.argmax(failed)), int(status[failed][0]))
        self.by_qr |= active

    def _solve(self, residual: Source) -> Array:
        """Refined solution; Cholesky's series are judged if the choice was left to us."""
        z = np.zeros((self.rows.n_series, self.rows.n_nodes, self.rows.n_unknowns))
        with self._lock:
            given = self.by_qr | (self._inputs.factorization != "auto")
            rejected = self._solve_judged(residual, z, ~given)
            if rejected.any():
                self._factor_by_qr(rejected)
                z[rejected] = 0.0
            self._solve_refined(residual, z, given | rejected)
        return z

    def _correct(self, residual: Source, z: Array, active: NDArray) -> tuple[Array, Array]:
        """One correction of z in place; returns it and its largest entry per series and unknown."""
        correction = np.empty_like(z)
        residual(active, z, correction)
        cpu.solve_normal(self.triangle, active, correction)
        largest = np.zeros((z.shape[0], z.shape[2]))
        cpu.add_correction(correction, active, z, largest)
        return correction, largest

    def _solve_judged(self, residual: Source, z: Array, active: NDArray) -> NDArray:
        """Cholesky's solution with the corrections that prove it; returns the series to redo."""
        rejected, waiting = np.zeros_like(active), active.copy()
        if not waiting.any():
            return rejected
        _, size = self._correct(residual, z, waiting)
        last = size
        for _ in range(MAX_CORRECTIONS):
            _, now = self._correct(residual, z, waiting)
            ratio = _worst_ratio(now, last)
            proven = ratio * _worst_ratio(now, size) <= REMAINDER
            good = ratio <= CONTRACTION  # False for NaN
            rejected |= waiting & ~good
            waiting &= good & ~proven
            last = now
            if not waiting.any():
                break
        return rejected | waiting

    def _solve_refined(self, residual: Source, z: Array, active: NDArray) -> None:
        """Solution and one refinement, which must not be of the solution's own size."""
        if not active.any():
            return
        _, size = self._correct(residual, z, active)
        correction, now = self._correct(residual, z, active)
        ratio = np.where(active, _worst_ratio(now, size), 0.0)
        lost = ~(ratio <= DIVERGENCE)
        if lost.any():
            b = int(np.argmax(lost))
            self._raise_singular(b, int(np.abs(correction[b]).max(axis=1).argmax()))
        if (ratio > CONTRACTION).any() and self._inputs.factorization == "cholesky":
            warnings.warn(
                f"The solution by Cholesky may have no correct digits: a refinement changed it by "
                f'{ratio.max():.1%}; use factorization="auto" or "qr".',
                RuntimeWarning,
                stacklevel=5,
            )

    def _raise_singular(self, b: int, t: int) -> None:
        shape = self._inputs.shape
        index = tuple(int(i) for i in np.unravel_index(b, shape.batch)) if shape.batch else ()
        series = f" of series {index}" if index else ""
        steps = np.broadcast_to(
            self.rows.steps[min(b, len(self.rows.steps) - 1)], shape.n_steps - 1
        )
        raise np.linalg.LinAlgError(
            f"The system{series} is singular to working precision at step {t} "
            f"(time {steps[:t].sum():.6g} from the first node): its rows leave an unknown "
            f"undetermined; give more equation or initial rows, or larger weights"
            + ("." if self._inputs.factorization != "cholesky" else ', or use factorization="qr".')
        )


def _worst_ratio(now: Array, before: Array) -> Array:
    """Largest ratio over a series' unknowns; 0 where both are zero, NaN where one is."""
    floor = FLOOR * before.max(axis=1, keepdims=True)
    scale = np.maximum(before, floor)
    ratio = np.divide(now, scale, out=np.where(now > 0, np.inf, now), where=scale > 0)
    return ratio.max(axis=1)
