"""Time, peak memory and error of the smoother on 100,000 samples."""

import numpy as np

import smnn_np as smnn


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
