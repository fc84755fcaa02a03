"""Score the discoverer on polynomial chaotic systems with noise: one table.

    SMNN_NP_DATA=folder python asv_bench/chaotic_systems.py --results results.jsonl

The folder holds ``systems_dev.npz``: for each system NAME/t (n,), NAME/y (n, V), NAME/exponents
(P, V), NAME/coefficients (P, V), so that y' = (prod y^exponents) @ coefficients. Noise of a level
times each state's spread is added with the seed ``[0, int(1000 * level)]``; the true degree is
given, everything else is the default. Counted are the systems with exactly the true terms, and
those whose coefficients err by less than 10 % in the spectral norm.

A fit takes about a second. Every fit is appended to the results file as one line, and what is there
already is not run again. ``--every 3 --first 1`` runs a third, ``--names`` some.
"""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from smnn_np import SMNNDiscoverer

FILE = "systems_dev.npz"
LEVELS = (0.0, 0.01, 0.05, 0.1)


def load_systems(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Read the systems of a file: name -> arrays t, y, exponents, coefficients."""
    with np.load(path) as stored:
        names = sorted({key.split("/")[0] for key in stored.files})
        parts = ("t", "y", "exponents", "coefficients")
        return {name: {part: stored[f"{name}/{part}"] for part in parts} for name in names}


def add_noise(y: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    """Add Gaussian noise, relative to each state's own spread."""
    rng = np.random.default_rng([seed, int(1000 * level)])
    return y + level * y.std(axis=0) * rng.standard_normal(y.shape)


def true_coefficients(system: dict[str, np.ndarray], powers: np.ndarray) -> np.ndarray:
    """Coefficients (V, n_terms) in the order of a library's exponents."""
    place = {tuple(row): k for k, row in enumerate(powers.tolist())}
    truth = np.zeros((system["y"].shape[1], len(powers)))
    for row, values in zip(system["exponents"].tolist(), system["coefficients"], strict=True):
        truth[:, place[tuple(int(e) for e in row)]] = values
    return truth


def run_one(name: str, system: dict[str, np.ndarray], level: float, seed: int) -> dict:
    """Fit one system at one noise level; return what is to be kept."""
    noisy = add_noise(system["y"], level, seed)
    degree = int(system["exponents"].sum(axis=1).max())
    start, start_cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SMNNDiscoverer(degree=degree).fit(system["t"], noisy)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    truth = true_coefficients(system, model.powers_)
    found, there = model.coef_ != 0, truth != 0
    noise = level * system["y"].std(axis=0)
    return {
        "system": name,
        "level": level,
        "seed": seed,
        "error": float(np.linalg.norm(model.coef_ - truth, 2) / np.linalg.norm(truth, 2)),
        "extra": int((found & ~there).sum()),
        "missing": int((there & ~found).sum()),
        "noise_ratio": (model.noise_std_ / noise).round(3).tolist() if level else None,
        "equations": model.equations(),
        "seconds": round(seconds, 2),
        "cpu": round(cpu, 2),
    }


def read_results(path: Path) -> dict[tuple[str, float, int], dict]:
    """Read what has been run: (system, level, seed) -> result."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["system"], row["level"], row["seed"]): row for row in rows}


def table(rows: list[dict]) -> str:
    """Write exact / under 10 % / median error for every noise level."""
    lines = [f"{'noise':>6} {'systems':>8} {'exact':>6} {'< 10 %':>7} {'median':>9} {'CPU s':>7}"]
    for level in sorted({row["level"] for row in rows}):
        some = [row for row in rows if row["level"] == level]
        errors = np.array([row["error"] for row in some])
        exact = sum(row["extra"] + row["missing"] == 0 for row in some)
        cpu = sum(row["cpu"] for row in some)
        lines.append(
            f"{level:6.0%} {len(some):8d} {exact:6d} {(errors < 0.1).sum():7d} "
            f"{np.median(errors):9.1e} {cpu:7.0f}"
        )
    return "\n".join(lines)


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what is asked for and not there yet; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("chaotic_systems.jsonl"))
    parser.add_argument("--levels", type=float, nargs="+", default=LEVELS)
    parser.add_argument("--every", type=int, default=1, help="run every k-th system")
    parser.add_argument("--first", type=int, default=0, help="the first of these")
    parser.add_argument("--names", nargs="+", help="run these systems only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print the table, run nothing")
    options = parser.parse_args()
    done = read_results(options.results)
    if not options.table:
        folder = os.environ.get("SMNN_NP_DATA")
        if not folder or not (Path(folder) / FILE).exists():
            sys.exit(f"skipped: set SMNN_NP_DATA to a folder that holds {FILE}")
        systems = load_systems(Path(folder) / FILE)
        names = options.names or list(systems)[options.first :: options.every]
        for level in options.levels:
            for name in names:
                key = (name, level, options.seed)
                if key in done:
                    continue
                done[key] = run_one(name, systems[name], level, options.seed)
                with options.results.open("a") as file:
                    file.write(json.dumps(done[key]) + "\n")
                row = done[key]
                say(
                    f"{name:20s} {level:4.0%}  error {row['error']:.1e}  extra {row['extra']} "
                    f"missing {row['missing']}  {row['cpu']:.1f} s CPU"
                )
    if done:
        say(table(list(done.values())))


if __name__ == "__main__":
    main()
