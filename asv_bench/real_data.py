"""Laws found in real records beside those believed: one table a record.

    SMNN_NP_DATA=folder python asv_bench/real_data.py

The folder holds the records of its ``real/``; none but hare and lynx and the chemostat may ship.

* spring: motion capture of a mass on a spring, order 2, degree 1.
* hare: pelts of hare and lynx, 21 years, degree 2; every model of the path.
* tanks: two water tanks of which the lower is measured. Eliminating the upper level from
  x1' = -k1 sqrt(x1) + k4 u, x2' = k2 sqrt(x1) - k3 sqrt(x2) leaves, for y = x2,
  y'' = -k1 k2 / 2 - k3 / 2 y' / sqrt(y) + k2^2 k4 / 2 u / (y' + k3 sqrt(y)): of the four constants
  only these three combinations are there. The last term holds k3: the library is made for a k3 and
  the evidence compares several. Where the lower tank overflows (10 V) the law does not hold; the
  record is cut there.
* silverbox: an electronic Duffing oscillator, 131,072 samples with an input, order 2, degree 3. The
  input is band-limited and has few samples a period, and inputs count as straight between times: it
  is resampled five times as fine, with y missing in between. ``--samples`` takes the first of them
  only.
* chemostat: all ten predator-prey runs together, algae and rotifers, degree 2.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares
from scipy.signal import resample
from sklearn.base import BaseEstimator, TransformerMixin

from smnn_np import SMNNDiscoverer

FINER = 5
FEW = 7  # terms of a model that is shown whole
SIMULATED = 2000  # samples


class Tanks(TransformerMixin, BaseEstimator):
    """Terms of the lower of two tanks for one k3: 1, y' / sqrt(y), u / (y' + k3 sqrt(y))."""

    def __init__(self, k3=0.05):
        self.k3 = k3

    def fit(self, points, _=None):
        return self

    def transform(self, points):
        y, rate, u = points.T
        root = np.sqrt(np.abs(y) + 1e-6)
        inflow = rate + self.k3 * root
        inflow = (inflow + np.sqrt(inflow**2 + 1e-5)) / 2  # water does not flow back
        return np.column_stack([np.ones_like(y), rate / root, u / inflow])

    def get_feature_names_out(self, names=None):
        return np.array(["1", "y'/sqrt(y)", "u/(y' + k3 sqrt(y))"], dtype=object)


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fit(model: SMNNDiscoverer, *data, **options) -> SMNNDiscoverer:
    """Fit, say how long it took, and what it warned of."""
    started = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data, **options)
    say(f"{time.process_time() - started:.1f} s CPU; noise {model.noise_std_.round(4)}")
    for warning in caught:
        say(f"warned: {warning.message}")
    return model


def show(model: SMNNDiscoverer, believed: dict[str, float] | None = None) -> None:
    """Write every coefficient with its standard error, and what is believed."""
    believed = believed or {}
    for i, state in enumerate(model.state_names_):
        for j, term in enumerate(model.feature_names_out_):
            value, known = model.coef_[i, j], believed.get(term)
            if value or known is not None:
                text = "" if known is None else f"{known:14.6g} believed"
                std = model.coef_std_[i, j]
                say(f"  {state:8s} {term:22s} {value:14.6g} +- {std:<10.2g} {text}")


def spring(folder: Path, _: argparse.Namespace) -> None:
    """Fit the mass on a spring, and look where the believed law comes from."""
    data = np.genfromtxt(folder / "real_linear_oscillator.csv", delimiter=",", names=True)
    t, x = data["t"], data["x"]
    model = fit(SMNNDiscoverer(degree=1, order=2), t, x)
    show(model, {"1": -0.137, "x": -6.035, "x'": -0.0116})
    say(f"  R^2 simulated {model.score_simulated(t, x):.5f}")
    up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    crossing = t[up] - x[up] * (t[up + 1] - t[up]) / (x[up + 1] - x[up])
    period = np.polyfit(np.arange(len(up)), crossing, 1)[0]
    say(f"  (2 pi / mean period)^2 = {(2 * np.pi / period) ** 2:.4f} by {len(up)} zero crossings")
    # The columns named a and v hold the smoothed second and first derivative, in this order.
    columns = np.column_stack([np.ones_like(x), x, data["v"]])
    law = np.linalg.lstsq(columns, data["a"])[0]
    say(f"  least squares on the smoothed derivatives of the file: 1, x, x' = {law.round(4)}")


def hare(folder: Path, _: argparse.Namespace) -> None:
    """Walk the path of hare and lynx."""
    data = np.genfromtxt(folder / "hare_lynx_1900_1920.csv", delimiter=",", names=True)
    t, y = data["year"], np.column_stack([data["hare_kpelts"], data["lynx_kpelts"]])
    model = fit(SMNNDiscoverer(), t, y)
    best = np.count_nonzero(model.coef_)
    for shown in model.path_:
        model.select(shown.n_terms)
        mark = " <- best" if shown.n_terms == best else ""
        say(
            f"  {shown.n_terms:2d} terms  criterion {shown.criterion:8.2f}  misfit "
            f"{shown.misfit:7.1f}  R^2 simulated {model.score_simulated(t, y):.3f}  "
            f"{'; '.join(model.equations())}{mark}"
        )


def tanks(folder: Path, _: argparse.Namespace) -> None:
    """Fit the lower tank for several k3."""
    data = np.genfromtxt(folder / "cascaded_tanks.csv", delimiter=",", names=True)
    full = data["yEst"] >= 9.99
    run = np.cumsum(np.diff(full, prepend=False) & ~full)
    kept = ~full & (np.bincount(run[~full])[run] > 20)
    inputs = np.column_stack([data["t_s"], data["uEst"]])[kept]
    y, run = data["yEst"][kept], run[kept]
    for k3 in (0.03, 0.04, 0.05, 0.06, 0.08):
        say(f" k3 = {k3}")
        model = fit(SMNNDiscoverer(order=2, library=Tanks(k3)), inputs, y, groups=run)
        show(model, {"y'/sqrt(y)": -k3 / 2})
        criterion = min(shown.criterion for shown in model.path_)
        score = model.score_simulated(inputs, y, groups=run)
        say(f"  criterion {criterion:.1f}, R^2 simulated {score:.3f}")
    constants, score = fit_tanks(data["uEst"], data["yEst"])
    k1, k2, k3, k4 = constants
    say(f" the believed law fitted by its trajectories, overflow included: R^2 {score:.3f}")
    terms = np.array([-k1 * k2 / 2, -k3 / 2, k2**2 * k4 / 2])
    say(f"  k3 = {k3:.4f}; coefficients of the three terms {terms.round(8)}")


def fit_tanks(u: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Constants k1 .. k4 of the believed law by least squares on its trajectory, and its R^2."""

    def trajectory(p: np.ndarray) -> np.ndarray:
        (k1, k2, k3, k4, upper, lower), levels = p.tolist(), []
        for inflow in u.tolist():
            levels.append(lower)
            for _ in range(4):
                high, low = max(upper, 0.0) ** 0.5, max(lower, 0.0) ** 0.5
                upper += k4 * inflow - k1 * high
                lower = min(lower + k2 * high - k3 * low, 10.0)
        return np.array(levels)

    start = [0.05, 0.05, 0.05, 0.05, 5.0, y[0]]
    found = least_squares(lambda p: trajectory(p) - y, start, x_scale=start)
    return found.x[:4], 1 - float((found.fun**2).mean() / y.var())


def silverbox(folder: Path, options: argparse.Namespace) -> None:
    """Fit the electronic Duffing oscillator."""
    with np.load(folder / "silverbox_snls80.npz") as stored:
        n = options.samples
        u, y, rate = stored["u"], stored["y"][:n], float(stored["fs"])
    fine = broken_line(u)[: (n - 1) * FINER + 1]
    states = np.full(len(fine), np.nan)
    states[::FINER] = y
    inputs = np.column_stack([np.arange(len(fine)) / (FINER * rate), fine])
    model = fit(SMNNDiscoverer(degree=3, order=2, verbose=options.verbose), inputs, states)
    show(model)
    # Simulating is slow where an input has a kink at every node: a few thousand samples tell.
    few = slice(0, SIMULATED * FINER)
    say(f"  R^2 simulated {model.score_simulated(inputs[few], states[few]):.6f}")
    for shown in model.path_:
        left = 1e3 * (y - model.select(shown.n_terms).predict(inputs[::FINER])).std()
        say(f" {shown.n_terms:2d} terms leave {left:.4f} mV")
        if shown.n_terms <= FEW:
            show(model)


def broken_line(u: np.ndarray) -> np.ndarray:
    """Resample a band-limited input so that straight lines between the values have its spectrum."""
    return resample(u, len(u) * FINER, window=lambda f: np.sinc(f / FINER) ** -2)


def chemostat(folder: Path, options: argparse.Namespace) -> None:
    """Fit all runs together."""
    path = folder / "chemostat_algae_rotifer_C1_C10.csv"
    rows = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf8")
    t, run = rows["t_days"], rows["experiment"]
    y = np.column_stack([rows["algae_1e6_per_ml"], rows["rotifers_per_ml"]])
    model = fit(SMNNDiscoverer(verbose=options.verbose), t, y, groups=run)
    show(model)
    scores = model.score(t, y, groups=run), model.score_simulated(t, y, groups=run)
    say(f"  R^2 smoothed {scores[0]:.3f}, simulated {scores[1]:.3f}")


RECORDS = {each.__name__: each for each in (spring, hare, tanks, silverbox, chemostat)}


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--names", nargs="+", default=list(RECORDS), choices=list(RECORDS))
    parser.add_argument("--samples", type=int, default=131_072, help="of silverbox")
    parser.add_argument("--verbose", type=int, default=0)
    options = parser.parse_args()
    folder = os.environ.get("SMNN_NP_DATA")
    if not folder or not (Path(folder) / "real").is_dir():
        sys.exit("skipped: set SMNN_NP_DATA to a folder that holds real/")
    for name in options.names:
        say(f"{name}: {RECORDS[name].__doc__}")
        RECORDS[name](Path(folder) / "real", options)


if __name__ == "__main__":
    main()
