"""Time and memory of the discoverer on long records of the Lorenz system: one table.

    python asv_bench/long_records.py --samples 10000 100000 1000000 --degree 3 --noise 0.01

Samples are 0.01 apart; noise is relative to each state's spread. "error" is that of all
coefficients in the spectral norm; "wrong" counts terms too many or too few. Seconds are CPU time
of a warm fit. "peak" is the process's resident memory at its highest, before the fit and after;
give the sizes in rising order.
"""

import argparse
import resource
import sys
import time

import numpy as np

from smnn_np import SMNNDiscoverer
from smnn_np.datasets import make_lorenz
from smnn_np.library import PolynomialLibrary

FORM = "{:>9} {:>7} {:>7} {:>8} {:>8} {:>8} {:>7} {:>9} {:>6}\n"


def peak() -> float:
    """Highest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def true_coefficients(degree: int) -> np.ndarray:
    """Coefficients of the Lorenz system in the order of the library's terms."""
    names = PolynomialLibrary(3, degree).names(["x", "y", "z"])
    lorenz = make_lorenz(n_samples=2)
    truth = np.zeros((3, len(names)))
    truth[:, [names.index(name) for name in lorenz.terms]] = lorenz.coef
    return truth


def measure(n_samples: int, degree: int, noise: float) -> str:
    """Fit one record; return a row of the table."""
    data = make_lorenz(n_samples=n_samples, noise=noise, random_state=0)
    before = peak()
    wall, cpu = time.perf_counter(), time.process_time()
    model = SMNNDiscoverer(degree=degree).fit(data.t, data.y)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    truth = true_coefficients(degree)
    error = np.linalg.norm(model.coef_ - truth, 2) / np.linalg.norm(truth, 2)
    wrong = int(((model.coef_ != 0) != (truth != 0)).sum())
    each = f"{1e6 * cpu / n_samples:.0f} us"
    memory = f"{before:.0f}", f"{peak():.0f}"
    row = n_samples, f"{noise:.0%}", f"{cpu:.1f}", f"{wall:.1f}", each, *memory, f"{error:.1e}"
    return FORM.format(*row, wrong)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--degree", type=int, default=3)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01])
    options = parser.parse_args()
    measure(100, options.degree, 0.0)  # compile
    heads = "samples", "noise", "CPU s", "wall s", "each", "MB before", "peak", "error", "wrong"
    sys.stdout.write(FORM.format(*heads))
    for n_samples in options.samples:
        for noise in options.noise:
            sys.stdout.write(measure(n_samples, options.degree, noise))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
