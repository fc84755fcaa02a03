"""Time, peak memory and error of the discoverer on the Lorenz system."""

import numpy as np

import smnn_np as smnn
from smnn_np.datasets import make_lorenz


class Discover:
    """A fit with the default settings: sizes, and noise relative to each state's own spread."""

    param_names = ("n_samples", "noise")
    params = ([250, 1_000], [0.0, 0.1])
    timeout = 300

    def setup(self, n_samples, noise):
        """Make the data and compile."""
        short = make_lorenz(n_samples=100)
        smnn.SMNNDiscoverer(degree=2).fit(short.t, short.y)
        self.lorenz = make_lorenz(n_samples=n_samples, noise=noise, random_state=0)

    def fit(self):
        """Return the fitted estimator."""
        return smnn.SMNNDiscoverer(degree=2).fit(self.lorenz.t, self.lorenz.y)

    def time_fit(self, *params):
        self.fit()

    def peakmem_fit(self, *params):
        self.fit()

    def track_coefficient_error(self, *params):
        """Return the error of the coefficients relative to the truth, in the spectral norm."""
        truth = self.lorenz.coef
        return float(np.linalg.norm(self.fit().coef_ - truth, 2) / np.linalg.norm(truth, 2))

    def track_wrong_terms(self, *params):
        """Return how many terms were found that are not there, or are there and were not found."""
        return int(np.sum((self.fit().coef_ != 0) != (self.lorenz.coef != 0)))
