"""How accurate the solver is: a sweep of systems, steps and orders against many digits.

``python -m smnn_np.accuracy`` measures the error of y and of all gradients with each
factorization, counts how often ``"auto"`` falls back to QR and what that costs, and prints or
writes tables. Those of the docs page "Accuracy" are made by
``python -m smnn_np.accuracy --limit --tables docs/accuracy``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import exact
from ._systems import SYSTEMS, Arguments, Case
from .adjoint import OdeGradients, ode_solve_vjp

STEPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
ORDERS = (2, 3, 4, 5, 6)
FACTORIZATIONS = ("cholesky", "qr", "auto")
QUANTITIES = ("y", *OdeGradients._fields)
FACTOR = 10.0  # "auto" is to be within this of "qr", ...
FLOOR = 16.0  # ... where errors of so many rounding units count as none
# The last rounding errors of one grid are chance: a case beyond is judged by the medians of grids
# with so many steps more.
NEIGHBOURS = range(15)
COST_STEPS = 5_000

# Tables of the docs: the worst of these quantities.
TABLES = {"y": ["y"], "gradients": ["coefficients", "rhs", "initial", "steps"]}

Errors = dict[str, float]


def cotangents(shape: tuple[int, ...]) -> list[NDArray]:
    """Two gradients of a scalar in y: noise in every entry, and the last value alone."""
    noise = np.random.default_rng(5).standard_normal(shape).astype(np.float32).astype(np.float64)
    end = np.zeros(shape)
    end[-1, :, 0] = 1.0
    return [noise, end]


def reference(arguments: Arguments, **options: Any) -> list[dict[str, NDArray]]:
    """Solution and gradients in many digits, for each cotangent."""
    y, pullback = exact.ode_solve_vjp(**arguments, **options)
    return [{"y": y, **pullback(y_bar)} for y_bar in cotangents(y.shape)]


def solution(arguments: Arguments, factorization: str) -> list[dict[str, NDArray]]:
    """Solution and gradients of the solver under test, for each cotangent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Cholesky says that it fails
        y, pullback = ode_solve_vjp(**arguments, factorization=factorization)
        bars = [pullback(y_bar.astype(y.dtype)) for y_bar in cotangents(y.shape)]
    return [{"y": y, **bar._asdict()} for bar in bars]


def errors(found: list[dict[str, NDArray]], wanted: list[dict[str, NDArray]]) -> Errors:
    """Largest error of each quantity relative to its largest entry, y order by order."""
    worst = dict.fromkeys(QUANTITIES, 0.0)
    for one, other in zip(found, wanted, strict=True):
        for name in QUANTITIES:
            if name == "y":
                orders = range(one["y"].shape[-1])
                pairs = [(one["y"][..., r], other["y"][..., r]) for r in orders]
            else:
                pairs = [(one[name], other[name])]
            worst[name] = max(worst[name], *(_relative(*pair) for pair in pairs))
    return worst


def _relative(found: NDArray, wanted: NDArray) -> float:
    """Largest error against the largest entry; entries that are all zero are compared as such."""
    error = np.abs(found.astype(np.float64) - wanted).max(initial=0.0)
    size = np.abs(wanted).max(initial=0.0)
    return float(error / size) if size > 0 else float(error)


class Result(NamedTuple):
    """What the sweep found for one case."""

    case: Case
    dtype: str
    errors: dict[str, Errors | None]  # by factorization, and "limit"; None where refused
    fallback: str  # which of "auto"'s two solves have QR's bits: "", "y", "adjoint", "both"
    cost: float  # CPU time of "auto" in units of that of "qr", 5,000 nodes, where it fell back

    def ratios(self) -> Errors:
        """Errors of "auto" in units of those of "qr", or of the floor where that is larger."""
        auto, qr = self.errors["auto"], self.errors["qr"]
        if auto is None or qr is None:
            return {"y": 1.0 if auto == qr else np.inf}
        floor = FLOOR * float(np.finfo(self.dtype).eps)
        return {name: auto[name] / max(qr[name], floor) for name in QUANTITIES}

    def violations(self, useful: float = 0.1) -> Errors:
        """Ratios above the law, of quantities in which QR still has a digit."""
        qr = self.errors["qr"] or {}
        ratios = self.ratios().items()
        return {k: ratio for k, ratio in ratios if ratio > FACTOR and qr.get(k, 0.0) < useful}


def measure(
    case: Case,
    dtype: str = "float64",
    *,
    limit: bool = False,
    timed: bool = False,
    folder: Path | None = None,
) -> Result:
    """Solve one case in every way and compare with many digits."""
    arguments = case.arguments(dtype)
    wanted = _remembered(folder, arguments, {})
    found: dict[str, Errors | None] = {}
    bits: dict[str, tuple[bytes, ...]] = {}
    for name in FACTORIZATIONS:
        try:
            pairs = solution(arguments, name)
        except (np.linalg.LinAlgError, OverflowError):
            found[name], bits[name] = None, (b"", b"")
            continue
        found[name] = errors(pairs, wanted)
        bits[name] = tuple(b"".join(x[key].tobytes() for x in pairs) for key in ("y", "rhs"))
    if limit:
        unit = float(np.finfo(np.float64).eps) / 2
        found["limit"] = errors(_remembered(folder, arguments, {"disturbance": unit}), wanted)
    same = [one == other for one, other in zip(bits["auto"], bits["qr"], strict=True)]
    if bits["auto"] == bits["cholesky"]:
        same = [False, False]  # small cases where the two agree to the last bit
    fallback = {(0, 0): "", (1, 0): "y", (0, 1): "adjoint", (1, 1): "both"}[same[0], same[1]]
    cost = np.nan
    if timed and fallback:
        long = case._replace(n_steps=COST_STEPS).arguments(dtype)
        cost = _seconds(long, "auto") / _seconds(long, "qr")
    return Result(case, dtype, found, fallback, cost)


def typical(case: Case, dtype: str = "float64") -> Result:
    """Median errors of a case on grids of about as many steps."""
    grids = [measure(case._replace(n_steps=case.n_steps + k), dtype) for k in NEIGHBOURS]
    medians: dict[str, Errors | None] = dict.fromkeys(FACTORIZATIONS)
    for way in FACTORIZATIONS:
        found = [each for grid in grids if (each := grid.errors[way]) is not None]
        if len(found) == len(grids):
            medians[way] = {k: float(np.median([each[k] for each in found])) for k in QUANTITIES}
    return Result(case, dtype, medians, "", np.nan)


def _seconds(arguments: Arguments, factorization: str, repeats: int = 3) -> float:
    """Least time of a solution with one gradient; NaN where refused."""
    best = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(repeats):
            start = time.process_time()
            try:
                y, pullback = ode_solve_vjp(**arguments, factorization=factorization)
                pullback(cotangents(y.shape)[0].astype(y.dtype))
            except (np.linalg.LinAlgError, OverflowError):
                return np.nan
            best = min(best, time.process_time() - start)
    return best


def _remembered(
    folder: Path | None, arguments: Arguments, options: dict[str, float]
) -> list[dict[str, NDArray]]:
    """The reference, from `folder` if it was computed before."""
    if folder is None:
        return reference(arguments, **options)
    key = hashlib.sha256(repr(sorted(options.items())).encode())
    for name, value in sorted(arguments.items()):
        array = np.asarray(value)
        key.update(f"{name} {array.shape} {array.dtype}".encode())
        key.update(array.tobytes())
    path = folder / f"{key.hexdigest()[:24]}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pairs = reference(arguments, **options)
        flat = {f"{i} {name}": x for i, pair in enumerate(pairs) for name, x in pair.items()}
        np.savez(path, **flat)  # type: ignore[arg-type]
    with np.load(path) as file:
        return [{name: file[f"{i} {name}"] for name in QUANTITIES} for i in range(2)]


def _number(value: float) -> str:
    return f"{value:.1e}"


def record(result: Result) -> dict[str, str]:
    """One line of the table in csv."""
    case = result.case
    line = {
        "system": case.system, "step": f"{case.step:.0e}", "R": str(case.n_orders),
        "T": str(case.n_steps), "dtype": result.dtype, "fallback": result.fallback,
        "cost": f"{result.cost:.2f}",
    }  # fmt: skip
    for way, errors_of_way in result.errors.items():
        for name in QUANTITIES:
            line[f"{way} {name}"] = (
                "refused" if errors_of_way is None else _number(errors_of_way[name])
            )
    line["worst ratio"] = _number(max(result.ratios().values()))
    line["beyond"] = _listed(result.violations())
    line["violations"] = _listed(typical(case, result.dtype).violations()) if line["beyond"] else ""
    return line


def _listed(ratios: Errors) -> str:
    return "; ".join(f"{name} {_number(ratio)}" for name, ratio in ratios.items())


def cases(systems: Sequence[str], orders: Sequence[int], n_steps: int) -> Iterator[Case]:
    """All cases of the sweep, system by system."""
    for system in systems:
        for n_orders in orders:
            for step in STEPS:
                yield Case(system, step, n_orders, n_steps)


def write_tables(folder: Path, lines: list[dict[str, str]]) -> None:
    """Write all errors, and the tables of the docs page made of them."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "all.csv", lines)
    for name, quantities in TABLES.items():
        table: dict[tuple[str, ...], dict[str, str]] = {}
        for line in lines:
            key = {"system": line["system"], "R": line["R"]}
            row = table.setdefault(tuple(key.values()), key)
            ways = [way for way in ("qr", "auto", "limit") if f"{way} y" in line]
            cells = [_worst([line[f"{way} {each}"] for each in quantities]) for way in ways]
            row[f"step {line['step']}"] = " / ".join(cells)
        _write(folder / f"{name}.csv", list(table.values()))
    by_system: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        by_system.setdefault(line["system"], []).append(line)
    _write(folder / "summary.csv", [_summary(*item) for item in by_system.items()])


def _worst(cells: list[str]) -> str:
    """The largest error, without a sign of its exponent's length."""
    return "refused" if "refused" in cells else f"{max(map(float, cells)):.0e}"


def _summary(system: str, lines: list[dict[str, str]]) -> dict[str, str]:
    """One system: how often "auto" falls back, what it costs, what it loses."""
    costs = [float(line["cost"]) for line in lines if line["fallback"] and line["cost"] != "nan"]
    return {
        "system": system,
        "cases": str(len(lines)),
        "fall back": str(sum(bool(line["fallback"]) for line in lines)),
        "time of auto / qr": f"{np.median(costs):.2f}" if costs else "",
        "refused": str(sum(line["auto y"] == "refused" for line in lines)),
        "beyond 10 x": str(sum(bool(line["beyond"]) for line in lines)),
        "in the median": str(sum(bool(line["violations"]) for line in lines)),
    }


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sweep; returns 1 if a case breaks the law in the median of its grids, else 0."""
    parser = argparse.ArgumentParser(prog="python -m smnn_np.accuracy", description=__doc__)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--orders", nargs="+", type=int, default=list(ORDERS), help="R")
    parser.add_argument("--n-steps", type=int, default=200, help="nodes of each grid")
    parser.add_argument("--dtype", default="float64", choices=["float64", "float32"])
    parser.add_argument("--limit", action="store_true", help="disturb the rows by rounding too")
    parser.add_argument("--csv", type=Path, help="write all errors to this file")
    parser.add_argument("--tables", type=Path, help="write the tables of the docs to this folder")
    parser.add_argument("--cache", type=Path, help="keep the references in this folder")
    options = parser.parse_args(argv)
    if options.n_steps < 2:
        parser.error(f"--n-steps {options.n_steps}: a grid has two nodes at least")
    lines = []
    for case in cases(options.systems, options.orders, options.n_steps):
        result = measure(case, options.dtype, limit=options.limit, timed=True, folder=options.cache)
        lines.append(record(result))
        print(_sentence(result, lines[-1]), flush=True)
    if options.csv:
        _write(options.csv, lines)
    if options.tables:
        write_tables(options.tables, lines)
    names = ("fallback", "beyond", "violations")
    fell, beyond, bad = (sum(bool(line[name]) for line in lines) for name in names)
    print(
        f"{len(lines)} cases, {fell} with a fallback, {beyond} beyond ten times QR's error on one "
        f"grid, {bad} of them in the median of {len(NEIGHBOURS)} grids."
    )
    return int(bad > 0)


def _sentence(result: Result, line: dict[str, str]) -> str:
    """One case for the terminal: y and the worst gradient of each way."""
    parts = []
    for way, found in result.errors.items():
        if found is None:
            parts.append(f"{way} refused        ")
        else:
            worst = max(found[name] for name in QUANTITIES[1:])
            parts.append(f"{way} {_number(found['y'])} {_number(worst)}")
    head = f"{line['system']:14} s {line['step']} R {line['R']} T {line['T']}"
    note = f"   beyond QR: {line['beyond']}" if line["beyond"] else ""
    note += f"; AGAINST THE LAW: {line['violations']}" if line["violations"] else ""
    return f"{head}  {'  '.join(parts)}  {line['fallback']:7}{note}"


if __name__ == "__main__":
    sys.exit(main())
