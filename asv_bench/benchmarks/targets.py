"""Our own side of the ratios that `python -m smnn_np.bench` prints, and what long grids cost."""

import time
import warnings
from functools import partial

import numpy as np

import smnn_np as smnn
from smnn_np._cases import CASES, error_of_solution, forward_backward, make_oscillator, make_problem
from smnn_np._measure import interleaved
from smnn_np._resources import bytes_per_step, exponent, growth_times
from smnn_np.bench import Case, lapack_times

timer = time.process_time

SECONDS = 0.2


class _Cases:
    """One long series, and batches such as a network emits."""

    param_names = ("case",)
    params = ([case.label for case in CASES],)
    timeout = 300
    smooth = False

    def setup(self, label):
        """Make the problem; the first call compiles."""
        case = next(case for case in CASES if case.label == label)
        self.problem = make_problem(case._replace(smooth=self.smooth))
        forward_backward(self.problem)

    def time_forward_backward(self, *params):
        forward_backward(self.problem)


class SmoothCases(_Cases):
    """Drifting oscillators on a fine grid."""

    smooth = True


class Cases(_Cases):
    """Noise, and more to know about it than the time."""

    def track_qr_over_cholesky(self, *params):
        """Return the time of "qr" in units of that of "cholesky", forward plus backward."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            names = ("qr", "cholesky")
            runs = {name: partial(forward_backward, self.problem, name) for name in names}
            times = interleaved(runs, SECONDS)
        return times["qr"] / times["cholesky"]

    def track_error(self, *params):
        """Return the error of y against extended precision."""
        return error_of_solution(self.problem)


class LongGrid:
    """y'' + y = 0 on [0, 10], R = 3, on grids where a plain Cholesky loses every digit."""

    param_names = ("step",)
    params = ([1e-4, 1e-5],)
    timeout = 300

    def track_error(self, step):
        """Return the largest error of y by default arguments, discretization included."""
        y = smnn.ode_solve(**make_oscillator(step))
        return float(np.abs(y[:, 0, 0] - np.cos(step * np.arange(len(y)))).max())


def track_banded_over_ours(n_dims):
    """Return the time of LAPACK, given the normal matrix, in units of our whole forward solve."""
    times = lapack_times(Case(1, 10_000, n_dims, n_dims, 3), SECONDS)
    return times["solveh_banded"] / times["cholesky"]


track_banded_over_ours.param_names = ("n_dims",)
track_banded_over_ours.params = ([1, 3],)


def track_bytes_per_step():
    """Return the peak memory per step of one series, V = 1, R = 3, forward plus backward."""
    return bytes_per_step((300_000, 600_000))


track_bytes_per_step.unit = "bytes"
track_bytes_per_step.timeout = 300


def track_growth_exponent(factorization):
    """Return p where the time grows like T^p, forward plus backward: 1 is linear."""
    sizes = (20_000, 100_000, 500_000)
    times = [growth_times([factorization], n_steps, SECONDS)[factorization] for n_steps in sizes]
    return exponent(sizes, times)


track_growth_exponent.unit = "exponent"
track_growth_exponent.param_names = ("factorization",)
track_growth_exponent.params = (["cholesky", "qr"],)
