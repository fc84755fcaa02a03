"""Error of y, y', y'' by SMNNSmoother and by three others, and how much its bands cover.

Not a benchmark of asv. Run it by hand from the root of the repository::

    python asv_bench/smoothers.py [--rst FOLDER]

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

N_SAMPLES, SPAN = 400, 10.0
AHEAD = SPAN + SPAN / N_SAMPLES * np.arange(1, N_SAMPLES // 5 + 1)  # of forecasts
N_DRAWS = 5  # of noise
# Of which the bands are counted.
N_COVERED = {"SMNNSmoother()": 20, "constant coefficients": 20, "varying coefficients": 8}
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
# Of y, y', y''; a smoother with bands returns their standard deviations too, and forecasts.
Estimates = list[np.ndarray]


def default(t, y, truth, noise, order) -> tuple[Estimates, Estimates]:
    """SMNNSmoother() as it comes."""
    return with_bands(SMNNSmoother(), t, y)


def learned(t, y, truth, noise, order) -> tuple[Estimates, Estimates]:
    """Learned constants."""
    return with_bands(SMNNSmoother(order=order, coefficients="constant"), t, y)


def varying(t, y, truth, noise, order) -> tuple[Estimates, Estimates]:
    """Learned coefficients, varying in time."""
    return with_bands(SMNNSmoother(order=3, coefficients="varying", n_knots=4), t, y)


def with_bands(model, t, y) -> tuple[Estimates, Estimates]:
    """Fit; return three derivatives and their standard deviations, on the samples and beyond."""
    model.fit(t, y)
    asked = np.concatenate([t, AHEAD])
    pairs = [model.predict(asked, derivative=r, return_std=True) for r in range(3)]
    return [mean for mean, _ in pairs], [std for _, std in pairs]


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


def coverage(estimate: np.ndarray, std: np.ndarray, truth: np.ndarray) -> float:
    """Share of the truth inside 95 % bands."""
    return float(np.mean(np.abs(estimate - truth) < 1.96 * std))


# Signal, noise, errors, coverage along the samples and beyond them.
Row = tuple[str, float, dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]


def rows() -> Iterator[Row]:
    """Yield, for each signal and noise, median errors in % and mean coverage in %, (3,) each."""
    t = np.linspace(0, SPAN, N_SAMPLES)
    for signal in SIGNALS:
        truth, later = list(signal.values(t)), signal.values(AHEAD)
        for relative in NOISES:
            noise = relative * float(np.std(truth[0]))
            found: dict[str, list[list[float]]] = {name: [] for name in METHODS}
            covered: dict[str, list[list[float]]] = {name: [] for name in N_COVERED}
            ahead: dict[str, list[list[float]]] = {name: [] for name in N_COVERED}
            for seed in range(max(N_COVERED.values())):
                y = truth[0] + noise * np.random.default_rng(seed).standard_normal(N_SAMPLES)
                for name, method in METHODS.items():
                    if seed >= N_COVERED.get(name, N_DRAWS):
                        continue
                    estimates = method(t, y, truth, noise, signal.order)
                    if isinstance(estimates, tuple):
                        now = [[each[:N_SAMPLES] for each in part] for part in estimates]
                        then = [[each[N_SAMPLES:] for each in part] for part in estimates]
                        covered[name].append([*map(coverage, *now, truth)])
                        ahead[name].append([*map(coverage, *then, later)])
                        estimates = now[0]
                    if seed < N_DRAWS:
                        found[name].append([*map(error, estimates, truth)])
            yield (
                signal.name,
                relative,
                {name: 100 * np.median(each, axis=0) for name, each in found.items()},
                {name: 100 * np.mean(each, axis=0) for name, each in covered.items()},
                {name: 100 * np.mean(each, axis=0) for name, each in ahead.items()},
            )


def to_rst(lines: list[list[str]]) -> str:
    """Write a table, the first line its head."""
    out = [".. list-table::", "   :header-rows: 1", ""]
    for line in lines:
        out += [f"   {'* -' if i == 0 else '  -'} {each}" for i, each in enumerate(line)]
    return "\n".join(out) + "\n"


def error_lines(found: list[Row]) -> list[list[str]]:
    """Errors, the least of each row and derivative in bold."""
    lines = [["Signal", "Noise", *METHODS]]
    for name, relative, row, *_ in found:
        least = np.min([*row.values()], axis=0)
        line = [name, f"{100 * relative:.0f} %"]
        for values in row.values():
            marked = [
                f"**{v:.2g}**" if v <= 1.005 * best else f"{v:.2g}"
                for v, best in zip(values, least, strict=True)
            ]
            line.append(", ".join(marked))
        lines.append(line)
    return lines


def coverage_lines(found: list[Row], column: int) -> list[list[str]]:
    """Coverage of the methods that have bands: what stands in that column of a row."""
    lines = [["Signal", "Noise", *N_COVERED]]
    for row in found:
        cells = [", ".join(f"{v:.0f}" for v in values) for values in row[column].values()]
        lines.append([row[0], f"{100 * row[1]:.0f} %", *cells])
    return lines


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rst", type=Path, help="write the tables into this folder")
    arguments = parser.parse_args()
    found = []
    for row in rows():
        found.append(row)
        shown = "; ".join(f"{k} {' '.join(f'{v:.2f}' for v in each)}" for k, each in row[2].items())
        inside, ahead = (
            "; ".join(" ".join(f"{v:.0f}" for v in each) for each in part.values())
            for part in row[3:]
        )
        line = f"{row[0]}, {100 * row[1]:.0f} %: {shown} | covered {inside} | ahead {ahead}"
        print(line, flush=True)  # noqa: T201
        if arguments.rst:
            tables = {
                "errors": error_lines(found),
                "coverage": coverage_lines(found, 3),
                "forecasts": coverage_lines(found, 4),
            }
            arguments.rst.mkdir(exist_ok=True)
            for name, lines in tables.items():
                (arguments.rst / f"smoother_{name}.txt").write_text(to_rst(lines))


if __name__ == "__main__":
    main()
