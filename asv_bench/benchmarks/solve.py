"""Time, peak memory and error of ``ode_solve`` over every size that matters."""

import time
import warnings

import numpy as np

import smnn_np as smnn

from . import oscillators

timer = time.process_time


class _Solve:
    """What is measured; each subclass says over which sizes."""

    def setup(self, *params):
        """Build the problem from one combination of parameters and compile."""
        sizes = dict(zip(self.param_names, params, strict=True))
        self.factorization = sizes.pop("factorization", "auto")
        self.problem = oscillators(**{"n_steps": 2_000, **sizes})
        self.solve()  # the problem itself: large scalar problems get kernels of their own

    def solve(self):
        """Return the solution (batch, T, V, R)."""
        with warnings.catch_warnings():
            # Plain Cholesky says that it fails on the fine grid; its error is on record here.
            warnings.filterwarnings("ignore", "The solution by Cholesky", RuntimeWarning)
            return smnn.ode_solve(*self.problem.arguments, factorization=self.factorization)

    def time_solve(self, *params):
        self.solve()

    def peakmem_solve(self, *params):
        self.solve()

    def track_error(self, *params):
        """Return the largest error of the states: of discretization, then of rounding."""
        return float(np.abs(self.solve()[..., 0] - self.problem.exact).max())


class OverSteps(_Solve):
    """Longer and finer grids; float64, one series."""

    param_names = ("n_steps", "factorization")
    params = ([1_000, 100_000], ["auto", "cholesky", "qr"])


class OverBlocks(_Solve):
    """Larger blocks: V dimensions of R orders."""

    param_names = ("n_dims", "n_orders")
    params = ([1, 4], [3, 6])


class OverBatch(_Solve):
    """More series, and the smaller dtype."""

    param_names = ("batch", "dtype")
    params = ([1, 32], ["float64", "float32"])
