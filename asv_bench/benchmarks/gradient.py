"""Time, peak memory and error of all seven gradients of ``ode_solve_vjp``."""

import time

import numpy as np

import smnn_np as smnn

from . import oscillators

timer = time.process_time


class Gradient:
    """Solution and pullback, over sizes."""

    param_names = ("n_steps", "n_dims", "batch", "dtype")
    params = ([1_000, 10_000], [1, 3], [1, 4], ["float64", "float32"])

    def setup(self, n_steps, n_dims, batch, dtype):
        """Build the problem and compile."""
        self.arguments = oscillators(n_steps, n_dims, 4, batch, dtype).arguments
        self.y_bar = np.random.default_rng(0).standard_normal((batch, n_steps, n_dims, 4))
        self.y_bar = self.y_bar.astype(dtype)
        self.gradients()  # the problem itself: large scalar problems get kernels of their own

    def gradients(self):
        """Return the solution and its gradients."""
        y, pullback = smnn.ode_solve_vjp(*self.arguments)
        return y, pullback(self.y_bar)

    def time_gradients(self, *params):
        self.gradients()

    def peakmem_gradients(self, *params):
        self.gradients()

    def track_error(self, *params):
        """Return the relative defect of y_bar . y = rhs_bar . rhs + initial_bar . initial.

        y is linear in the two right-hand sides, so the identity holds but for rounding.
        """
        y, grads = self.gradients()
        _, rhs, initial, _ = self.arguments
        wide = np.float64
        left = np.sum(self.y_bar * y, dtype=wide)
        right = np.sum(grads.rhs * rhs, dtype=wide) + np.sum(grads.initial * initial, dtype=wide)
        return float(abs(left - right) / np.linalg.norm((self.y_bar * y).astype(wide)))
