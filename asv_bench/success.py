"""How often the discoverer succeeds on small, coarse and broken records: one table, one picture.

    python asv_bench/success.py --results success.jsonl --plot success.png

Five systems, the true degree given, all else the default. Around a record of 5 periods with 50
samples each and 5 % noise one thing is changed at a time: samples a period, periods, noise, values
missing at random, a fifth of the record without samples, noise of 1 and 20 % by turns of states.
"exact" is the share of fits with exactly the true terms, "< 10 %" that of fits whose coefficients
err by less than 10 % in the spectral norm.

Where PySINDy is installed (``pip install pysindy``) it is run beside: sequential thresholding on
smoothed differences (strong form) and on weak-form integrals, the threshold and the column scaling
picked by an oracle that knows the truth, for each column of the table by its own measure. Missing
values are interpolated for it (it takes none); a record with a gap is given to it as two runs.

Every fit is appended to the results file as one line, and what is there already is not run again.
"""

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

from smnn_np import SMNNDiscoverer
from smnn_np.library import PolynomialLibrary

try:
    import pysindy
except ImportError:
    pysindy = None

THRESHOLDS = np.geomspace(1e-3, 3.0, 16)
OURS, STRONG, WEAK = "smnn_np", "PySINDy", "PySINDy weak"


@dataclass(frozen=True)
class System:
    """Terms of each equation by exponents, a first state and the (mean) period."""

    equations: tuple[dict[tuple[int, ...], float], ...]
    start: tuple[float, ...]
    period: float

    @property
    def degree(self) -> int:
        """Highest degree of a term."""
        return max(sum(powers) for terms in self.equations for powers in terms)

    def coefficients(self) -> np.ndarray:
        """Coefficients (S, P) in the order of the polynomial library."""
        powers = PolynomialLibrary(len(self.start), self.degree).powers.tolist()
        return np.array([[terms.get(tuple(p), 0.0) for p in powers] for terms in self.equations])

    def trajectory(self, t: np.ndarray) -> np.ndarray:
        """States (n, S) at times (n,), to ten digits."""
        library, truth = PolynomialLibrary(len(self.start), self.degree), self.coefficients().T
        options = {"t_eval": t, "rtol": 1e-10, "atol": 1e-10}
        return solve_ivp(
            lambda _, y: library.values(y[None])[0] @ truth, (0, t[-1]), self.start, **options
        ).y.T


SYSTEMS = {
    "Lorenz": System(
        ({(1, 0, 0): -10, (0, 1, 0): 10}, {(1, 0, 0): 28, (1, 0, 1): -1, (0, 1, 0): -1},
         {(1, 1, 0): 1, (0, 0, 1): -8 / 3}),
        (-8.0, 7.0, 27.0), 0.75,
    ),
    "Lotka-Volterra": System(
        ({(1, 0): 1.0, (1, 1): -1.0}, {(1, 1): 1.0, (0, 1): -1.0}), (2.0, 0.5), 6.8,
    ),
    "van der Pol": System(
        ({(0, 1): 1.0}, {(1, 0): -1.0, (0, 1): 1.0, (2, 1): -1.0}), (2.0, 0.0), 6.66,
    ),
    "Roessler": System(
        ({(0, 1, 0): -1.0, (0, 0, 1): -1.0}, {(1, 0, 0): 1.0, (0, 1, 0): 0.2},
         {(0, 0, 0): 0.2, (1, 0, 1): 1.0, (0, 0, 1): -5.7}),
        (2.0, -6.0, 0.05), 5.9,
    ),
    "damped oscillator": System(
        ({(0, 1): 1.0}, {(1, 0): -2.0, (0, 1): -0.1}), (2.0, 0.0), 4.45,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What a record is like; `what` is changed, the rest is the default."""

    what: str
    label: str
    per_period: int = 50
    periods: int = 5
    noise: float = 0.05
    missing: float = 0.0
    gap: bool = False
    unequal: bool = False

    def record(self, system: System, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Times (n,) and noisy states (n, S), NaN where missing."""
        n = self.per_period * self.periods
        t = np.arange(n + 1) * (system.period / self.per_period)
        clean = system.trajectory(t)
        rng = np.random.default_rng([seed, n, int(1000 * self.noise)])
        level = np.full(clean.shape[1], self.noise)
        if self.unequal:
            level = np.where(np.arange(len(level)) % 2 == seed % 2, 0.01, 0.2)
        y = clean + level * clean.std(axis=0) * rng.standard_normal(clean.shape)
        y[rng.random(y.shape) < self.missing] = np.nan
        if self.gap:
            y[int(0.4 * n) + 1 : n - int(0.4 * n)] = np.nan
        return t, y


BASE = Setting("", "")
SETTINGS = [
    *(
        replace(BASE, what="samples a period", label=str(k), per_period=k)
        for k in (100, 50, 20, 10)
    ),
    *(replace(BASE, what="periods", label=str(k), periods=k) for k in (10, 5, 2, 1)),
    *(
        replace(BASE, what="noise", label=f"{v:.0%}", noise=v)
        for v in (0.0, 0.01, 0.05, 0.1, 0.2, 0.4)
    ),
    replace(BASE, what="broken", label="30 % missing", missing=0.3),
    replace(BASE, what="broken", label="a gap", gap=True),
    replace(BASE, what="broken", label="1 and 20 % noise", unequal=True),
]  # fmt: skip


def distance(coef: np.ndarray, truth: np.ndarray) -> tuple[bool, float]:
    """Whether exactly the true terms are there, and the error in the spectral norm."""
    error = np.linalg.norm(coef - truth, 2) / np.linalg.norm(truth, 2)
    return bool(np.array_equal(coef != 0, truth != 0)), float(error)


def run_ours(system: System, t: np.ndarray, y: np.ndarray) -> tuple[bool, bool, float]:
    """Fit with the defaults: exact, below 10 %, error."""
    model = SMNNDiscoverer(degree=system.degree).fit(t, y)
    exact, error = distance(model.coef_, system.coefficients())
    return exact, error < 0.1, error


def runs_of(t: np.ndarray, y: np.ndarray, gap: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Records without NaN for PySINDy: interpolated, or cut at a gap into two of equal length."""
    seen = ~np.isnan(y)
    if gap:
        first, last = np.flatnonzero(~seen.all(axis=1))[[0, -1]]
        length = min(first, len(t) - last - 1)
        pieces = slice(first - length, first), slice(last + 1, last + 1 + length)
        return [(t[:length] - t[0], y[piece]) for piece in pieces]
    filled = [np.interp(t, t[ok], column[ok]) for column, ok in zip(y.T, seen.T, strict=True)]
    return [(t, np.stack(filled, axis=1))]


def run_pysindy(
    system: System, runs: list[tuple[np.ndarray, np.ndarray]], weak: bool
) -> tuple[bool, bool, float]:
    """Best of all thresholds and column scalings: exact, below 10 %, least error."""
    truth, results = system.coefficients(), []
    times, states = [run[0] for run in runs], [run[1] for run in runs]
    polynomials = pysindy.PolynomialLibrary(degree=system.degree)
    library = polynomials
    if weak:
        np.random.seed(0)  # noqa: NPY002 - it draws its windows from the global state
        library = pysindy.WeakPDELibrary(
            function_library=polynomials, spatiotemporal_grid=times[0], K=200, p=4,
            H_xt=[min(system.period / 4, (times[0][-1] - times[0][0]) / 8)],
        )  # fmt: skip
    for normal in (False, True):
        for threshold in THRESHOLDS:
            model = pysindy.SINDy(
                optimizer=pysindy.STLSQ(threshold=threshold, alpha=1e-8, normalize_columns=normal),
                feature_library=library,
                differentiation_method=pysindy.SmoothedFiniteDifference(),
            )
            model.fit(states, t=times)
            coef = np.asarray(model.coefficients())
            results.append(distance(coef, truth))
    least = min(error for _, error in results)
    return any(exact for exact, _ in results), least < 0.1, least


def run_one(setting: Setting, name: str, seed: int, method: str) -> dict:
    """Fit one record by one method; return what is to be kept."""
    system = SYSTEMS[name]
    t, y = setting.record(system, seed)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == OURS:
            exact, close, error = run_ours(system, t, y)
        else:
            try:
                runs = runs_of(t, y, setting.gap)
                exact, close, error = run_pysindy(system, runs, method == WEAK)
            except (ValueError, np.linalg.LinAlgError) as failure:
                say(f"{method} refuses {name}, {setting.what} {setting.label}: {failure}")
                exact, close, error = False, False, np.inf
    return {
        "what": setting.what, "label": setting.label, "system": name, "seed": seed,
        "method": method, "exact": exact, "close": close, "error": error,
        "cpu": round(time.process_time() - started, 2),
    }  # fmt: skip


def key_of(row: dict) -> tuple:
    """Identify a fit."""
    return tuple(row[k] for k in ("what", "label", "system", "seed", "method"))


def shares(rows: list[dict], setting: Setting, method: str) -> tuple[float, float] | None:
    """Shares of exact and of close fits; None where nothing was run."""
    own = [
        (row["exact"], row["close"])
        for row in rows
        if (row["what"], row["label"], row["method"]) == (setting.what, setting.label, method)
    ]
    return tuple(np.mean(own, axis=0)) if own else None


def table(rows: list[dict], methods: list[str]) -> str:
    """Write exact / under 10 % of every setting and method."""
    lines = [f"{'':18s} {'':17s}" + "".join(f"{method:>16s}" for method in methods)]
    for setting in SETTINGS:
        cells = []
        for method in methods:
            both = shares(rows, setting, method)
            cells.append("-" if both is None else f"{both[0]:.0%} / {both[1]:.0%}")
        head = f"{setting.what:18s} {setting.label:17s}"
        lines.append(head + "".join(f"{cell:>16s}" for cell in cells))
    return "\n".join(lines)


def plot(rows: list[dict], methods: list[str], path: Path) -> None:
    """Draw the shares against what was changed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    whats = list(dict.fromkeys(setting.what for setting in SETTINGS))
    figure, axes = plt.subplots(2, 4, figsize=(11, 5), sharey=True, layout="constrained")
    colors = dict(zip((OURS, STRONG, WEAK), ("tab:blue", "tab:orange", "tab:green"), strict=True))
    for i, measure in enumerate(("exactly the true terms", "coefficients within 10 %")):
        for j, what in enumerate(whats):
            own, axis = [s for s in SETTINGS if s.what == what], axes[i, j]
            for k, method in enumerate(methods):
                both = [shares(rows, setting, method) for setting in own]
                values = [np.nan if pair is None else 100 * pair[i] for pair in both]
                place = np.arange(len(own))
                if what == "broken":
                    axis.bar(place + 0.27 * (k - 1), values, 0.25, color=colors[method])
                else:
                    axis.plot(place, values, "o-", color=colors[method], label=method)
            labels = ["\n".join(s.label.rsplit(" ", 1)) for s in own]
            axis.set_xticks(np.arange(len(own)), labels)
            axis.set_ylim(-3, 103)
            axis.grid(alpha=0.3)
            if i == 1:
                axis.set_xlabel("" if what == "broken" else what)
        axes[i, 0].set_ylabel(f"{measure}\n(% of fits)")
    axes[0, 1].legend(loc="lower left")
    figure.savefig(path, dpi=110)


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what is asked for and not there yet; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("success.jsonl"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--names", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--what", nargs="+", default=list({s.what: 0 for s in SETTINGS}))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--table", action="store_true", help="print the table, run nothing")
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {key_of(row): row for row in map(json.loads, lines)}
    methods = [OURS, STRONG, WEAK] if pysindy else [OURS]
    if not pysindy:
        say("PySINDy is not installed: its columns are left out (pip install pysindy)")
    jobs = (
        (setting, name, seed, method)
        for setting in SETTINGS
        for name in options.names
        for seed in range(options.seeds)
        for method in methods
        if setting.what in options.what and not options.table
    )
    for setting, name, seed, method in jobs:
        key = (setting.what, setting.label, name, seed, method)
        if key not in done:
            done[key] = row = run_one(setting, name, seed, method)
            with options.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            say(" ".join(map(str, row.values())))
    there = {row["method"] for row in done.values()}
    methods = [method for method in (OURS, STRONG, WEAK) if method in there]
    say(table(list(done.values()), methods))
    if options.plot:
        plot(list(done.values()), methods, options.plot)


if __name__ == "__main__":
    main()
