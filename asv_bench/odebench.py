"""Score the discoverer on ODEBench: one table.

    SMNN_NP_DATA=folder python asv_bench/odebench.py --sigma 0 0.05 --drop 0 0.5

The folder holds ``odebench/odebench_even.json``. Protocol of the ODEFormer paper: noise
x (1 + sigma N(0, 1)), half of the points dropped or none; fit to the first initial condition;
integrate from the smoothed first state (reconstruction) and from the second initial condition
(generalization); counted is the share with a variance-weighted R^2 above 0.9 on the clean
trajectory. One library for all equations: ``SMNNDiscoverer(library=WIDE)``, or, with
``--polynomial``, the polynomials of degree 3.
"""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import r2_score

from smnn_np import FormulaTerms, PolynomialTerms, SMNNDiscoverer

FILE = Path("odebench", "odebench_even.json")
ENOUGH = 0.9
# Polynomials of degree 3; sin, cos, |x| x, a saturation and a sigmoid of each input.
OTHERS = ["sin({})", "cos({})", "abs({}) {}", "{}^2/(1 + {}^2)", "1/(1 + exp(-{}))"]
WIDE = PolynomialTerms(3) + FormulaTerms(OTHERS)


def r2(truth: np.ndarray, model: SMNNDiscoverer, start: np.ndarray, t: np.ndarray) -> float:
    """R^2 of a trajectory; minus infinity where it blows up."""
    try:
        path = model.simulate(start, t).reshape(truth.shape)
    except ValueError:
        return -np.inf
    return float(r2_score(truth, path, multioutput="variance_weighted"))


def run_one(ode: dict, sigma: float, drop: float, library) -> tuple[float, float, list[str]]:
    """Fit one equation; R^2 of reconstruction and generalization, and what was found."""
    first, second = (
        (np.array(s["t"]), np.array(s["y"]).T, np.array(i))
        for s, i in zip(ode["solutions"], ode["init"], strict=True)
    )
    t, clean, _ = first
    rng = np.random.default_rng([ode["id"], int(1000 * sigma), int(100 * drop)])
    y = clean * (1 + sigma * rng.standard_normal(clean.shape))
    kept = np.sort(rng.permutation(len(t))[: round(len(t) * (1 - drop))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SMNNDiscoverer(degree=3, library=library).fit(t[kept], y[kept])
        try:
            start = model.predict(t[:1])[0]
        except ValueError:  # the law blows up on the way from the first sample that was kept
            start = np.full(clean.shape[1], np.nan)
        return (
            r2(clean, model, start, t),
            r2(second[1], model, second[2], second[0]),
            model.equations(),
        )


def main() -> None:
    """Run what is asked for; print a row for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.0, 0.05])
    parser.add_argument("--drop", type=float, nargs="+", default=[0.0, 0.5])
    parser.add_argument("--every", type=int, default=1, help="run every k-th equation")
    parser.add_argument("--polynomial", action="store_true")
    parser.add_argument("--show", action="store_true", help="print every equation found")
    options = parser.parse_args()
    folder = os.environ.get("SMNN_NP_DATA")
    if not folder or not (Path(folder) / FILE).exists():
        sys.exit(f"skipped: set SMNN_NP_DATA to a folder that holds {FILE}")
    odes = json.loads((Path(folder) / FILE).read_text())[:: options.every]
    say = sys.stdout.write
    say(" sigma  drop  equations  reconstruction  generalization  CPU s\n")
    for sigma in options.sigma:
        for drop in options.drop:
            started, scores = time.process_time(), []
            for ode in odes:
                *both, found = run_one(ode, sigma, drop, None if options.polynomial else WIDE)
                scores.append(both)
                if options.show:
                    say(f"{ode['id']:3d} {both[0]:8.3f} {both[1]:8.3f}  {'; '.join(found)}\n")
                    sys.stdout.flush()
            share = (np.array(scores) > ENOUGH).mean(axis=0)
            say(
                f"{sigma:6.2f} {drop:5.0%} {len(odes):10d} {share[0]:15.0%} {share[1]:15.0%} "
                f"{time.process_time() - started:6.0f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
