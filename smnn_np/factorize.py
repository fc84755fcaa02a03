"""From Taylor rows to a triangle that is kept, and solves that can be trusted.

``A^T A = U^T D U`` comes from Cholesky of the normal matrix (fast, but its error grows with the
square of A's condition number) or from Givens QR of A (accurate on the longest and finest grids).
``"auto"`` tries Cholesky first and believes it only where refinement proves it: each
correction below 0.01 of the one before, the first below 0.01 of the solution, and the predicted
remainder at rounding level. All other series are done again by QR. A milder test is not enough: at
1e6 steps of 1e-5 the corrections of a solution that is wrong by 100 % still shrink by half each
time.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import to_numpy
from ._derivatives import Derivatives
from ._gradients import Gradients
from ._group import Group, RightSide, SingularError, Use
from ._kernels import cpu
from ._validation import OdeInputs, check_right_side, check_unseen
from .taylor import Array, flatten_right_side, read_only, taylor_rows, zero_right_side


class Factor:
    """Frozen left-hand side of a batch of linear ODEs: factorized once, solved many times.

    Made by `smnn_np.ode_factorize`.

    Notes
    -----
    With ``factorization="auto"`` a later right-hand side may show that Cholesky was not accurate
    enough for a series; its R is then replaced by that of QR. A factor may be shared by threads.
    """

    def __init__(self, inputs: OdeInputs, keep: bool | None = True) -> None:
        self._inputs = inputs
        self.rows = taylor_rows(inputs, halve=keep is not True)
        self._judged = False
        self._lock = threading.RLock()  # a solve may replace a group
        series = np.arange(self.rows.n_series)
        self._groups = [Group(self.rows, series, inputs.factorization, keep)]

    @property
    def by_qr(self) -> NDArray:
        """Which series are factorized by QR: bool, in the batch's shape."""
        flags = np.zeros(self.rows.n_series, dtype=bool)
        for group in self._groups:
            flags[group.series[group.valid]] = group.factorization == "qr"
        return flags.reshape(self._inputs.shape.batch)

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
        return self.to_output(self.solve_rows(*self.right_side(inputs)), inputs.dtype)

    def logdet(self) -> NDArray:
        """Logarithm of the determinant of the normal matrix ``A^T A``, one for each series.

        Returns
        -------
        ndarray of shape (...)
            In the batch's shape.

        Notes
        -----
        Where the weights are one over standard deviations, ``-logdet() / 2`` is the log of the
        volume of the posterior, up to a constant: what a marginal likelihood needs.

        Examples
        --------
        >>> import smnn_np as smnn
        >>> factor = smnn.ode_factorize([[[[1.0, 1.0]]]], 0.1, n_steps=11)
        >>> print(f"{factor.logdet():.4f}")
        8.5002
        """
        return self._log_determinants().reshape(self._inputs.shape.batch)[()]

    def variance(self) -> NDArray:
        """Diagonal of ``(A^T A)^-1``, in linear time.

        Returns
        -------
        ndarray of shape (..., T, V, R)
            The variance of y if every weight is one over the standard deviation of its row, and
            rows err independently. With other weights it is no variance.

        See Also
        --------
        covariance : The blocks around the diagonal.

        Examples
        --------
        An initial value known to 0.1, and a law that holds nearly exactly: y' = -y keeps
        exp(-2 t) of the variance.

        >>> import smnn_np as smnn
        >>> factor = smnn.ode_factorize(
        ...     [[[[1.0, 1.0, 0.0, 0.0]]]], 0.01, n_steps=101, n_initial_orders=1,
        ...     weight_initial=10.0, weight_equation=1e6, weight_smooth=1e6)
        >>> print(f"{factor.variance()[-1, 0, 0]:.6f}")
        0.001353
        """
        shape = self._inputs.shape
        jet = (shape.n_dims, shape.n_orders)
        return self._variances().reshape(*shape.batch, shape.n_steps, *jet)

    def covariance(self, lag: int = 0) -> NDArray:
        """Blocks of ``(A^T A)^-1``, in linear time.

        Parameters
        ----------
        lag : {0, 1}, default=0
            0 for the covariances within each node, 1 for those of each node with the next.

        Returns
        -------
        ndarray of shape (..., T - lag, V, R, V, R)
            The covariance of ``y[t]`` and ``y[t + lag]`` if every weight is one over the standard
            deviation of its row, and rows err independently. With other weights it is none.

        Raises
        ------
        ValueError
            If `lag` is neither 0 nor 1.

        See Also
        --------
        variance : The diagonal alone.

        Examples
        --------
        >>> import smnn_np as smnn
        >>> factor = smnn.ode_factorize([[[[1.0, 1.0]]]], 0.1, n_steps=11)
        >>> factor.covariance().shape, factor.covariance(lag=1).shape
        ((11, 1, 2, 1, 2), (10, 1, 2, 1, 2))
        """
        if lag not in (0, 1):
            raise ValueError(f"lag = {lag!r}: 0 (within a node) or 1 (with the next) is wanted")
        shape = self._inputs.shape
        jet = (shape.n_dims, shape.n_orders)
        return self._covariances(lag).reshape(*shape.batch, shape.n_steps - lag, *jet, *jet)

    def _log_determinants(self) -> Array:
        """Log of the determinant of ``A^T A`` of every series, (B,)."""
        out = np.empty(self.rows.n_series)
        for group in self._groups:
            group.log_determinant(out)
        return out

    def _variances(self) -> Array:
        """Diagonal of ``(A^T A)^-1`` (B, T, m)."""
        rows = self.rows
        variance = np.empty((rows.n_series, rows.n_nodes, rows.n_unknowns))
        nothing = np.empty((0, 0, 0, 0))
        for group in self._groups:
            group.invert(variance, nothing, nothing)
        return variance

    def _covariances(self, lag: int) -> Array:
        """Blocks of ``(A^T A)^-1`` of nodes and those `lag` later, (B, T - lag, m, m)."""
        rows, m = self.rows, self.rows.n_unknowns
        blocks = np.empty((rows.n_series, rows.n_nodes - lag, m, m))
        nothing, none = np.empty((0, 0, 0)), np.empty((0, 0, 0, 0))
        pair = (none, blocks) if lag else (blocks, none)
        for group in self._groups:
            group.invert(nothing, *pair)
        return blocks

    def right_side(self, inputs: OdeInputs) -> tuple[Array, Array]:
        """Right-hand side and initial values, laid out as the other methods take them."""
        return flatten_right_side(inputs)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, with a lock of its own."""
        self.__dict__.update(state, _lock=threading.RLock())

    def solve_rows(self, rhs: Array, initial: Array) -> Array:
        """Least-squares solution y (B, T, m) for right sides laid out by `flatten_right_side`."""
        return self._solve_into(rhs, initial, twice=False)[0]

    def solve_to_pull(self, rhs: Array, initial: Array) -> tuple[Array, Array]:
        """The same for `pull`, and a copy to give away; what `pull` needs beyond y is kept."""
        return self._solve_into(rhs, initial, twice=True)

    def _solve_into(self, rhs: Array, initial: Array, twice: bool) -> tuple[Array, Array]:
        """Write the solution to an array and, if it is wanted twice, to its copy."""
        derivatives = Derivatives(self.rows, self._nothing, twice)
        self._solve((rhs, initial, self._nothing[2]), derivatives, keep=twice)
        # A solution of zeros says nothing about the system; one that was corrected is none.
        corrected = all(group.corrected for group in self._groups)
        if not (self._judged or corrected or derivatives.y.any(axis=(1, 2)).all()):
            self.judge()
        return derivatives.y, derivatives.copy

    def pull(self, y_bar: Array, right_side: tuple[Array, Array], y: Array) -> tuple[Array, ...]:
        """Gradients in all inputs, given that in y.

        Parameters
        ----------
        y_bar : ndarray of shape (B, T, m)
            The gradient in y.
        right_side : tuple of ndarray
            What `solve_to_pull` took.
        y : ndarray of shape (B, T, m)
            What it returned.

        Returns
        -------
        tuple of ndarray
            Seven arrays of the inputs' shapes, with the batch flattened.

        Raises
        ------
        NotFiniteError
            If a gradient is NaN or infinite.
        """
        gradients = Gradients(self.rows, right_side, y)
        # a = (A^T A)^-1 y_bar
        adjoint = (*self._nothing[:2], read_only(y_bar))
        origin = *right_side, self._nothing[2]
        self._solve(adjoint, gradients, origin=origin)
        return gradients.total()

    def to_output(self, y: Array, dtype: np.dtype | None = None) -> NDArray:
        """Give y (B, T, m) the user's shape and dtype."""
        shape = self._inputs.shape
        full = (*shape.batch, shape.n_steps, shape.n_dims, shape.n_orders)
        return y.astype(dtype or self._inputs.dtype, copy=False).reshape(full)

    def judge(self) -> None:
        """Put every series to the test of a seeded random right-hand side."""
        self._judged = True
        shape = self._inputs.shape
        rng = np.random.default_rng(0)
        rhs = rng.standard_normal((1, shape.n_steps, shape.n_equations))
        initial = rng.standard_normal((1, 1, shape.n_dims, shape.n_initial_orders))
        self.solve_rows(read_only(rhs), read_only(initial))

    @property
    def _nothing(self) -> RightSide:
        """A right side of zeros."""
        return zero_right_side(self._inputs.shape[2:])

    def _solve(
        self, right_side: RightSide, use: Use, keep: bool = False,
        origin: RightSide | None = None,
    ) -> None:  # fmt: skip
        """Solve for all series; where the choice is ours, those not proven again by QR.

        Groups made on the way first keep the solution for `origin`, where that is given: then
        gradients are wanted.
        """
        twofold = keep or origin is not None
        with self._lock, self._explained():
            for group in list(self._groups):
                rejected = group.solve(right_side, use, twofold, keep)
                if self._inputs.factorization == "cholesky":
                    self._warn_of(float(group.left.max()))
                if rejected.size:
                    again = Group(self.rows, group.series[rejected], "qr", group.keep)
                    if origin is not None:
                        again.solve(origin, self._unused, twofold, keep=True)
                    again.solve(right_side, use, twofold, keep)
                    group.valid[rejected] = False  # not before: QR may refuse them, and raise
                    self._groups = [each for each in (*self._groups, again) if each.valid.any()]

    @property
    def _unused(self) -> Derivatives:
        """What keeps nothing of a solution but its low halves."""
        return Derivatives(self.rows, self._nothing, None)

    def _warn_of(self, refinement: float) -> None:
        if refinement > cpu.CONTRACTION:
            warnings.warn(
                f"The solution by Cholesky may have no correct digits: a refinement changed it by "
                f'{refinement:.1%}; use factorization="auto" or "qr".',
                RuntimeWarning,
                stacklevel=2,
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in one sentence which series is singular, and where."""
        try:
            yield
        except SingularError as error:
            check_unseen(self._inputs)
            b, t = error.args
            shape, steps = self._inputs.shape, to_numpy(self._inputs.steps)
            index = tuple(int(i) for i in np.unravel_index(b, shape.batch)) if shape.batch else ()
            time = np.broadcast_to(steps, (*shape.batch, shape.n_steps - 1))[index][:t].sum()
            remedy = '; or use factorization="qr"' * (self._inputs.factorization == "cholesky")
            raise np.linalg.LinAlgError(
                f"The system{f' of series {index}' if index else ''} is singular to working "
                f"precision at step {t} (time {time:.6g} from the first node): its rows leave an "
                f"unknown undetermined, or their numbers overflow; give more equation or initial "
                f"rows, or weights and units of a common size{remedy}."
            ) from None
