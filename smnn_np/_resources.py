"""What a long series costs: growth of the time, peak memory, and time to the first result."""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ._cases import CASES, QUICK_CASES, Case, forward_backward, make_problem
from ._measure import Cell, Table, fresh_process, interleaved, peak_memory, reset_peak_memory
from ._validation import FACTORIZATIONS


def growth(quick: bool) -> list[Table]:
    """Time per step as the series gets longer, and the exponent of T in the time."""
    sizes = (1_000, 3_000, 10_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    names = ("cholesky", "qr")
    times = [growth_times(names, n_steps, 0.005 if quick else 2.0) for n_steps in sizes]
    rows: list[list[Cell]] = [
        [f"T = {n_steps:,}", *(1e9 * each[name] / n_steps for name in names)]
        for n_steps, each in zip(sizes, times, strict=True)
    ]
    exponents = [exponent(sizes, [each[name] for each in times]) for name in names]
    rows.append(["exponent of T", *exponents])
    title = "One series, V = 1, R = 3, forward plus backward: ns per step"
    note = "Exponent: slope of the logarithm of the time against that of T. 1 is linear."
    return [Table(title, ("steps", *names), rows, note)]


def growth_times(names: Sequence[str], n_steps: int, seconds: float) -> dict[str, float]:
    """Seconds of forward plus backward of one long series, for each factorization."""
    problem = make_problem(Case(1, n_steps, 1, 1, 3))
    return interleaved({name: partial(forward_backward, problem, name) for name in names}, seconds)


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Slope of log time against log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def memory(quick: bool) -> list[Table]:
    """Peak memory per step."""
    sizes = (100_000, 200_000) if quick else (1_000_000, 3_000_000)
    names = FACTORIZATIONS[:1] if quick else FACTORIZATIONS
    title = "Peak memory of one series, V = 1, R = 3, forward plus backward: bytes per step"
    if sys.platform == "win32":
        return [Table(title, (), [], "Skipped: peaks are read on Linux and macOS.")]
    rows: list[list[Cell]] = [[name, bytes_per_step(sizes, name)] for name in names]
    note = (
        f"Inputs, outputs and gradients included. Difference of the peaks of two fresh processes, "
        f"of {sizes[0]:,} and {sizes[1]:,} steps, divided by the difference of the steps."
    )
    return [Table(title, ("factorization", "bytes"), rows, note)]


def bytes_per_step(sizes: tuple[int, int] = (1_000_000, 3_000_000), name: str = "auto") -> float:
    """Peak resident bytes per step, forward plus backward, from two fresh processes."""
    code = "from smnn_np._resources import peak_of_a_run; print(peak_of_a_run({}, {!r}))"
    small, large = (fresh_process(code.format(n_steps, name)) for n_steps in sizes)
    return (large - small) / (sizes[1] - sizes[0])


def peak_of_a_run(n_steps: int, factorization: str) -> int:
    """Peak memory of this process while it makes, solves and differentiates one problem."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        # Compile the same kernels first: a compiler's peak is not the solver's.
        forward_backward(make_problem(Case(1, min(n_steps, 20_000), 1, 1, 3)), factorization)
        reset_peak_memory()
        problem = make_problem(Case(1, n_steps, 1, 1, 3))
        result = forward_backward(problem, factorization)
    peak = peak_memory()
    del result
    return peak


_FIRST = """
import json, time
clock = [time.perf_counter()]
import numba
clock.append(time.perf_counter())
import smnn_np
smnn_np.ode_solve_vjp
clock.append(time.perf_counter())
from smnn_np._cases import Case, forward_backward, make_problem
problem = make_problem(Case(*{case}))
for _ in range(2):
    before = time.perf_counter()
    forward_backward(problem)
    clock.append(time.perf_counter() - before)
print(json.dumps([clock[1] - clock[0], clock[2] - clock[1], *clock[3:]]))
"""


def first(quick: bool) -> list[Table]:
    """Time to the first result in a new process."""
    columns = (
        "batch x T", "import numba", "import the solver", "first call, compiling",
        "first call, cached", "second call",
    )  # fmt: skip
    if quick:  # compiling takes long
        rows = [first_times(QUICK_CASES[0], compiling=False)]
    else:
        rows = [first_times(case) for case in CASES]
    title = "Time to the first result in a new process, forward plus backward: seconds"
    return [Table(title, columns, rows, "Compiling: with an empty cache of Numba.")]


def first_times(case: Case, *, compiling: bool = True) -> list[Cell]:
    """Seconds of imports and first calls, with a cache that is empty and then full."""
    code = _FIRST.format(case=tuple(case))
    if not compiling:  # whatever cache there is
        warm = fresh_process(code)
        return [case.label, *warm[:2], None, *warm[2:]]
    with tempfile.TemporaryDirectory() as folder:  # a copy without what is compiled already
        package, bare = Path(__file__).parent, shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, Path(folder) / package.name, ignore=bare)
        settings = {"PYTHONPATH": folder, "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": ""}
        cold, warm = (fresh_process(code, **settings) for _ in range(2))
    return [case.label, *warm[:2], cold[2], *warm[2:]]
