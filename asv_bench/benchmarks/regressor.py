"""Seconds per epoch of the mechanistic network, and the share of them spent in the solver."""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import smnn_np as smnn

timer = time.process_time

STEP = 0.25


def damped(n_samples, n_steps, n_dims):
    """Return features and trajectories (n, T, V) of damped oscillators with random frequencies."""
    rng = np.random.default_rng(0)
    omega = rng.uniform(1.0, 2.0, (n_samples, 1, n_dims))
    t = STEP * np.arange(n_steps)[:, None]
    return omega[:, 0], np.exp(-0.05 * t) * np.cos(omega * t)


class Epoch:
    """One epoch of Adam in batches of 200, in its default settings."""

    param_names = ("n_samples", "n_steps", "n_dims")
    params = ([1_000], [50], [1, 2])
    timeout = 300

    def setup(self, *params):
        """Make the data, choose the start and compile."""
        self.X, self.y = damped(*params)
        self.model = smnn.SMNNRegressor(step=STEP, random_state=0)
        self.model.partial_fit(self.X, self.y)

    def time_epoch(self, *params):
        self.model.partial_fit(self.X, self.y)

    def peakmem_epoch(self, *params):
        self.model.partial_fit(self.X, self.y)

    def track_share_of_solver(self, *params):
        """Return the share of an epoch's time spent in the solver and its adjoint."""
        shares = []
        for _ in range(5):
            start = time.perf_counter()
            self.model.partial_fit(self.X, self.y)
            shares.append(self.model._seconds_in_solver / (time.perf_counter() - start))
        return float(np.median(shares))


class Fit:
    """A whole fit, and how far off its continuation is."""

    param_names = ("solver",)
    params = (["adam", "lbfgs"],)
    timeout = 300

    def setup(self, solver):
        """Make the data and compile."""
        X, y = damped(400, 81, 1)
        self.X, self.y, self.new, self.wanted = X[:300], y[:300, :41], X[300:], y[300:, 41:]
        self.model = smnn.SMNNRegressor(step=STEP, solver=solver, max_iter=100, random_state=0)
        self.fit()

    def fit(self):
        """Fit, converged or not."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self.model.fit(self.X, self.y)

    def time_fit(self, solver):
        self.fit()

    def track_error_beyond(self, solver):
        """Return the error on new samples beyond the trained span, relative to their spread."""
        got = self.model.predict(self.new, n_steps=81)[:, 41:]
        return float(np.sqrt(np.mean((got - self.wanted) ** 2)) / np.std(self.wanted))
