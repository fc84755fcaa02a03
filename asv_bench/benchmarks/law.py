"""Time of a fitted law's right-hand side and trajectories."""

import time

import numpy as np

import smnn_np as smnn
from smnn_np.datasets import make_lorenz

timer = time.process_time


class Law:
    """The Lorenz equations as they are found from clean samples."""

    timeout = 300

    def setup(self):
        """Fit and compile."""
        lorenz = make_lorenz(n_samples=250)
        self.model = smnn.SMNNDiscoverer(degree=2).fit(lorenz.t, lorenz.y)
        self.rate, self.state = self.model.to_function(), lorenz.y[0].copy()
        self.times = np.linspace(0.0, 5.0, 500)
        self.rate(0.0, self.state)
        self.model.simulate(self.state, self.times)

    def time_thousand_rates(self):
        for _ in range(1000):
            self.rate(0.0, self.state)

    def time_trajectory(self):
        self.model.simulate(self.state, self.times)

    def time_json(self):
        smnn.SMNNDiscoverer.from_json(self.model.to_json())
