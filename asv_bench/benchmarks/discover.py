"""The discoverer's search: time and growth on long records, terms and errors on small ones."""

import time
import warnings

import numpy as np
from scipy.integrate import solve_ivp

import smnn_np as smnn
from smnn_np.datasets import make_lorenz

timer = time.process_time

# right-hand side, first state, end, samples, degree
SYSTEMS = {
    "Lotka-Volterra": (
        lambda t, s: [s[0] - s[0] * s[1], s[0] * s[1] - s[1]], [2, 0.5], 14.0, 100, 2,
    ),
    "van der Pol": (
        lambda t, s: [s[1], (1 - s[0] ** 2) * s[1] - s[0]], [1, 0], 14.0, 200, 3,
    ),
    "Roessler": (
        lambda t, s: [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)],
        [1, 1, 1], 40.0, 600, 2,
    ),
    "Lorenz": (
        lambda t, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]],
        [-8, 7, 27], 8.0, 500, 2,
    ),
}  # fmt: skip
NOISES = (0.01, 0.1)


def warm():
    """Compile."""
    short = make_lorenz(n_samples=100)
    smnn.SMNNDiscoverer(degree=2).fit(short.t, short.y)


class LongLorenz:
    """Long records of the Lorenz system, 10,000 samples, clean and with noise."""

    param_names = ("noise",)
    params = ([0.0, 0.05],)
    timeout = 300
    number = 1

    def setup(self, noise):
        """Make the data and compile."""
        warm()
        self.lorenz = make_lorenz(n_samples=10_000, noise=noise, random_state=0)

    def time_fit(self, *params):
        smnn.SMNNDiscoverer(degree=2).fit(self.lorenz.t, self.lorenz.y)

    def peakmem_fit(self, *params):
        smnn.SMNNDiscoverer(degree=2).fit(self.lorenz.t, self.lorenz.y)


def track_microseconds_per_sample():
    """Return the CPU time that a further sample costs, from 5,000 to 20,000 samples, degree 3."""
    warm()
    sizes, seconds = (5_000, 20_000), []
    long = make_lorenz(n_samples=sizes[-1], noise=0.01, random_state=0)
    for n in sizes:
        start = time.process_time()
        smnn.SMNNDiscoverer(degree=3).fit(long.t[:n], long.y[:n])
        seconds.append(time.process_time() - start)
    return 1e6 * (seconds[1] - seconds[0]) / (sizes[1] - sizes[0])


track_microseconds_per_sample.unit = "microseconds"
track_microseconds_per_sample.timeout = 300


class Accuracy:
    """Small systems at two levels of noise, relative to each state's spread."""

    param_names = ("system", "noise")
    params = (list(SYSTEMS), list(NOISES))
    timeout = 300

    def setup(self, system, noise):
        """Fit, and find the true coefficients in the order of the library's."""
        rate, start, end, n, degree = SYSTEMS[system]
        t = np.linspace(0, end, n)
        y = solve_ivp(rate, (0, end), start, t_eval=t, rtol=1e-10, atol=1e-10).y.T
        y = y + noise * y.std(axis=0) * np.random.default_rng(0).standard_normal(y.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model = smnn.SMNNDiscoverer(degree=degree).fit(t, y)
        points = np.random.default_rng(0).uniform(-2, 2, (200, len(start)))
        terms = np.prod(points[:, None, :] ** self.model.powers_, axis=2)
        truth = np.linalg.lstsq(terms, np.array([rate(0.0, point) for point in points]))[0].T
        self.truth = np.where(np.abs(truth) > 1e-9, truth, 0.0)

    def track_wrong_terms(self, *params):
        """Return how many terms were found that are not there, or are there and were not found."""
        return int(np.sum((self.model.coef_ != 0) != (self.truth != 0)))

    def track_coefficient_error(self, *params):
        """Return the error of the coefficients relative to the truth, in the spectral norm."""
        away = np.linalg.norm(self.model.coef_ - self.truth, 2)
        return float(away / np.linalg.norm(self.truth, 2))
