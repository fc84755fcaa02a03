"""Error of y, y', y'' by SMNNSmoother and by three others, as one table.

Not a benchmark of asv. Run it by hand from the root of the repository::

    python asv_bench/smoothers.py [--rst FILE]

The rivals are given what no user has: the Savitzky-Golay filter its best window, the Kalman
smoother its best process noise, for each derivative of each draw, picked with the truth in hand,
and the latter the true noise level.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.signal import savgol_filter

from smnn_np import SMNNSmoother

N_SAMPLES, SPAN, N_SEEDS = 400, 10.0, 10
NOISES = (0.01, 0.1, 0.3)  # relative to the spread of the series
WINDOWS = np.unique(np.geomspace(7, 251, 24).astype(int) // 2 * 2 + 1)
DRIVES = np.geomspace(1e-2, 1e4, 25)  # of the constant-acceleration model, relative to the spread


@dataclass(frozen=True)
class Signal:
    """A function of time with its first two derivatives."""

    name: str
    order: int  # of the equation that it is said to obey where coefficients are learned
    values: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def oscillation(t):
    """Damped oscillation: the real part of exp(s t)."""
    s = -0.15 + 3j
    return tuple((s**r * np.exp(s * t)).real for r in range(3))


def two_tones(t):
    """Sum of two sines."""
    return tuple(
        sum(a * (1j * w) ** r * np.exp(1j * w * t) for a, w in ((1.0, 1.3), (0.5, 4.1))).real
        for r in range(3)
    )


def chirp(t):
    """Sine of a growing frequency."""
    phase, rate = t + 0.15 * t**2, 1 + 0.3 * t
    sine, cosine = np.sin(phase), np.cos(phase)
    return sine, rate * cosine, 0.3 * cosine - rate**2 * sine


def bump(t):
    """Bump on a slope."""
    z = (t - 5) / 0.6
    height = np.exp(-(z**2) / 2)
    return height + 0.2 * t, -z * height / 0.6 + 0.2, (z**2 - 1) * height / 0.36


def square_wave(t):
    """Steps rounded by tanh(4 sin)."""
    w = 1.5
    inner, first, second = 4 * np.sin(w * t), 4 * w * np.cos(w * t), -4 * w**2 * np.sin(w * t)
    value = np.tanh(inner)
    slope = 1 - value**2
    return value, slope * first, slope * second - 2 * value * slope * first**2


SIGNALS = (
    Signal("damped oscillation", 3, oscillation),
    Signal("two tones", 4, two_tones),
    Signal("chirp", 3, chirp),
    Signal("bump on a slope", 3, bump),
    Signal("rounded steps", 3, square_wave),
)
Estimates = list[np.ndarray]  # of y, y', y''


def default(t, y, truth, noise, order) -> Estimates:
    """SMNNSmoother() as it comes."""
    model = SMNNSmoother().fit(t, y)
    return [model.predict(t, derivative=r) for r in range(3)]


def learned(t, y, truth, noise, order) -> Estimates:
    """Learned constants."""
    model = SMNNSmoother(order=order, coefficients="constant").fit(t, y)
    return [model.predict(t, derivative=r) for r in range(3)]


def varying(t, y, truth, noise, order) -> Estimates:
    """Learned coefficients, varying in time."""
    model = SMNNSmoother(order=3, coefficients="varying", n_knots=4).fit(t, y)
    return [model.predict(t, derivative=r) for r in range(3)]


def spline(t, y, truth, noise, order) -> Estimates:
    """SciPy's cubic smoothing spline, smoothing by generalized cross-validation."""
    fitted = make_smoothing_spline(t, y)
    return [fitted(t, nu=r) for r in range(3)]


def savitzky_golay(t, y, truth, noise, order) -> Estimates:
    """Degree 4, the best window of each derivative known beforehand."""
    tried = [
        [savgol_filter(y, int(w), 4, deriv=r, delta=t[1] - t[0]) for r in range(3)] for w in WINDOWS
    ]
    return best_of(tried, truth)


def kalman(t, y, truth, noise, order) -> Estimates:
    """Constant-acceleration model, noise level and best process noise known beforehand.

    It is the smoother of order 3 with both densities given; ``tests/test_smoother.py`` compares
    that with dense algebra.
    """
    tried = []
    for drive in DRIVES * np.std(truth[0]):
        model = SMNNSmoother(order=3, noise_std=noise, drive_std=drive).fit(t, y)
        tried.append([model.predict(t, derivative=r) for r in range(3)])
    return best_of(tried, truth)


def best_of(tried: list[Estimates], truth: Estimates) -> Estimates:
    """Pick, for each derivative, the estimate that errs least."""
    return [min((each[r] for each in tried), key=lambda e: error(e, truth[r])) for r in range(3)]


METHODS = {
    "SMNNSmoother()": default,
    "constant coefficients": learned,
    "varying coefficients": varying,
    "make_smoothing_spline": spline,
    "Savitzky-Golay, oracle": savitzky_golay,
    "Kalman CA, oracle": kalman,
}


def error(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square error, relative to the truth's spread."""
    return float(np.sqrt(np.mean((estimate - truth) ** 2)) / np.std(truth))


def errors() -> Iterator[tuple[str, float, dict[str, np.ndarray]]]:
    """Yield, for each signal and noise, every method's median errors in % (3,)."""
    t = np.linspace(0, SPAN, N_SAMPLES)
    for signal in SIGNALS:
        truth = list(signal.values(t))
        for relative in NOISES:
            noise = relative * float(np.std(truth[0]))
            found: dict[str, list[list[float]]] = {name: [] for name in METHODS}
            for seed in range(N_SEEDS):
                y = truth[0] + noise * np.random.default_rng(seed).standard_normal(N_SAMPLES)
                for name, method in METHODS.items():
                    estimates = method(t, y, truth, noise, signal.order)
                    pairs = zip(estimates, truth, strict=True)
                    found[name].append([error(*pair) for pair in pairs])
            yield signal.name, relative, {k: 100 * np.median(v, axis=0) for k, v in found.items()}


def to_rst(rows: list[tuple[str, float, dict[str, np.ndarray]]]) -> str:
    """Write the table, the least error of each row and derivative in bold."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: smoother-table", ""]
    head = ["Signal", "Noise", *METHODS]
    lines += [f"   {'* -' if i == 0 else '  -'} {each}" for i, each in enumerate(head)]
    for name, relative, row in rows:
        least = np.min([*row.values()], axis=0)
        cells = [name, f"{100 * relative:.0f} %"]
        for values in row.values():
            marked = [
                f"**{v:.2g}**" if v <= 1.005 * best else f"{v:.2g}"
                for v, best in zip(values, least, strict=True)
            ]
            cells.append(", ".join(marked))
        lines += [f"   {'* -' if i == 0 else '  -'} {each}" for i, each in enumerate(cells)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rst", type=Path, help="write the table here")
    arguments = parser.parse_args()
    rows = []
    for name, relative, row in errors():
        rows.append((name, relative, row))
        shown = "; ".join(f"{k} {' '.join(f'{v:.2f}' for v in each)}" for k, each in row.items())
        print(f"{name}, {100 * relative:.0f} %: {shown}", flush=True)  # noqa: T201
    if arguments.rst:
        arguments.rst.write_text(to_rst(rows))


if __name__ == "__main__":
    main()
