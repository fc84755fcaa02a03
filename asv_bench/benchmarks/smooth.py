"""The smoother on 100,000 samples: time, memory, error, coverage; learned coefficients."""

import time

import numpy as np

import smnn_np as smnn

timer = time.process_time


class Smooth:
    """A sine with noise of a fifth of its height, evenly sampled or not."""

    param_names = ("grid",)
    params = (["even", "uneven"],)
    timeout = 300

    def setup(self, grid):
        """Make the data, compile, and fit once to predict from."""
        rng = np.random.default_rng(0)
        n = 100_000
        t = np.arange(n) * 0.01
        self.t = t if grid == "even" else np.sort(rng.uniform(0, t[-1], n))
        self.y = np.sin(self.t) + 0.2 * rng.standard_normal(n)
        self.model = smnn.SMNNSmoother(order=3).fit(self.t, self.y)
        self.model.predict(self.t[:200])

    def time_fit(self, *params):
        self.model.fit(self.t, self.y)

    def peakmem_fit(self, *params):
        self.model.fit(self.t, self.y)

    def time_predict(self, *params):
        self.model.predict(self.t, return_std=True)

    def track_error_of_slope(self, *params):
        """Return the root mean square error of the slope."""
        slope = self.model.predict(self.t, derivative=1)
        return float(np.sqrt(np.mean((slope - np.cos(self.t)) ** 2)))

    def track_cover_of_slope(self, *params):
        """Return the share of the slope inside 95 % bands."""
        slope, std = self.model.predict(self.t, derivative=1, return_std=True)
        return float(np.mean(np.abs(slope - np.cos(self.t)) < 1.96 * std))


class Learn:
    """Two learned constants of a damped oscillation, 20,000 uneven samples."""

    timeout = 300

    def setup(self):
        """Make the data and compile."""
        rng = np.random.default_rng(0)
        self.t = np.sort(rng.uniform(0, 60, 20_000))
        clean = np.exp(-0.02 * self.t) * np.cos(self.t)
        self.y = clean + 0.3 * rng.standard_normal(self.t.size)
        self.model = smnn.SMNNSmoother(order=2, coefficients="constant")
        self.model.fit(self.t[::100], self.y[::100])

    def time_learn(self):
        self.model.fit(self.t, self.y)

    def track_error_of_coefficients(self):
        """Return the largest error of the two coefficients."""
        self.model.fit(self.t, self.y)
        return float(np.max(np.abs(self.model.coef_[0] - [1.0004, 0.04])))
