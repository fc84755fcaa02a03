"""What the machine can do at most, measured; and what a solve asks of it, counted.

The counts are those of the least work that the method needs: structural zeros skipped, every
number moved once per sweep. A case can then be said to be near one of four limits: arithmetic,
memory, the chain of operations that must wait for one another, or the cost of a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ._cases import CASES, QUICK_CASES, Case, forward_backward, make_problem
from ._measure import Cell, Table, interleaved, n_threads

Kernel = Callable[..., Any]
# Bytes of both arrays of a copy: such as fit the second, the third and no level of the caches.
COPY_SIZES = {"L2": 2**19, "L3": 2**23, "memory": 2**29}
HOLDS = {"L2": 2**20, "L3": 2**24}  # bytes of data up to which a copy of that size speaks for it
DEGREE = 32  # of the polynomial whose evaluation is nothing but fused multiply-adds
SWEEPS = 8  # over the triangle: two for each of four solves, refinements included


class Ceilings(NamedTuple):
    """Measured limits, of all threads together but for the latencies."""

    flops: float  # per second
    copy: dict[str, float]  # bytes per second, read and written, by size
    latency: dict[str, float]  # seconds from operand to result of fma, div


class Counts(NamedTuple):
    """What one step of one series asks for, forward plus backward."""

    flops: float
    data_bytes: float  # inputs read, outputs and gradients written
    triangle_bytes: float  # the factor's size
    chain: dict[str, int]  # operations that wait for one another when a series is alone

    @property
    def n_bytes(self) -> float:
        """All bytes moved: the factor is written in the first sweep and read in the others."""
        return self.data_bytes + SWEEPS * self.triangle_bytes


def measure_ceilings(n_threads: int, quick: bool = False) -> Ceilings:
    """Measure by small kernels, compiled here and now."""
    copy, horner, chains = _kernels()
    seconds = 0.02 if quick else 0.3
    sizes = {name: min(size, 2**23) if quick else size for name, size in COPY_SIZES.items()}
    rates = {}
    for name, size in sizes.items():
        pairs = [(np.ones(size // 16), np.ones(size // 16)) for _ in range(n_threads)]
        rates[name] = n_threads * size / _seconds_a_pass(copy, pairs, seconds)
    x = [(np.full(1024, 0.5), np.empty(1024)) for _ in range(n_threads)]
    flops = n_threads * 2 * DEGREE * 1024 / _seconds_a_pass(horner, x, seconds)
    value = [(np.full(1, 1.5), np.empty(1))]
    latency = {name: _seconds_a_pass(each, value, seconds) for name, each in chains.items()}
    return Ceilings(flops, rates, latency)


def _seconds_a_pass(kernel: Kernel, arrays: Sequence[tuple], seconds: float) -> float:
    """Best time of one pass of a kernel, run by as many threads as there are pairs of arrays.

    The time is that of the processor: ceilings hold for a machine that does nothing else.
    """

    def run(n_passes: int) -> float:
        def timed(pair: tuple) -> float:
            start = time.thread_time()
            kernel(*pair, n_passes)
            return time.thread_time() - start

        return max(pool.map(timed, arrays))

    with ThreadPoolExecutor(len(arrays)) as pool:
        run(1)
        n_passes = 1
        while (spent := run(n_passes)) < seconds / 5:
            n_passes = max(2 * n_passes, int(n_passes * seconds / 5 / max(spent, 1e-6)))
        return min(spent, *(run(n_passes) for _ in range(4))) / n_passes


def _kernels() -> tuple[Kernel, Kernel, dict[str, Kernel]]:
    """Compile the kernels: a copy, a polynomial, and two chains."""
    from numba import njit

    compiled = njit(nogil=True)

    @compiled
    def copy(source: Any, target: Any, n_passes: int) -> None:
        for k in range(n_passes):
            for i in range(source.size):
                target[i] = source[i] + k  # k: or else the passes were one

    @njit(nogil=True, fastmath={"contract"})
    def horner(x: Any, out: Any, n_passes: int) -> None:
        for k in range(n_passes):
            for i in range(x.size):
                value = float(k)
                for _ in range(DEGREE):
                    value = value * x[i] + 0.5
                out[i] = value

    @njit(nogil=True, fastmath={"contract"})
    def fma(value: Any, out: Any, n_passes: int) -> None:
        x = value[0]
        for _ in range(n_passes):
            x = x * 0.5 + value[0]
        out[0] = x

    @compiled
    def divide(value: Any, out: Any, n_passes: int) -> None:
        x = value[0] + 0.1
        for _ in range(n_passes):
            x = value[0] / x
        out[0] = x

    return copy, horner, {"fma": fma, "div": divide}


def count(case: Case) -> Counts:
    """Count a Cholesky factorization, two solves, a refinement of each and all gradients."""
    q, v, r = case.n_equations, case.n_dims, case.n_orders
    m = v * r
    coupling = sum(r * (m - r * k) for k in range(v))  # entries of R beside the diagonal block
    triangle = m * (m + 1) // 2 + coupling
    assembly = q * m * (m + 1) + 2 * q * m + 2 * v * r * r
    left = [m - r * k for k in range(v)]  # rows below the first of each dimension
    eliminate = m**3 / 3 + sum(r * n * n for n in left)
    eliminate += sum(2 * n * (k * r * r + r * (r + 1) / 2) for k, n in enumerate(left))
    sweep = m * m + 2 * coupling
    residual = 4 * q * m + 4 * v * r * (r + 3)
    gradients = 8 * q * m + 8 * v * r * (r + 1)
    flops = assembly + eliminate + SWEEPS * sweep + 2 * residual + gradients
    numbers = q * m + q + 1  # coefficients, right-hand side, step; then their gradients
    chain = {"div": m, "fma": 2 * m + (SWEEPS - 1) * m}  # the first sweep goes beside the pivots
    return Counts(flops, 8 * (2 * numbers + 2 * m), 8 * triangle, chain)


def limits(quick: bool) -> list[Table]:
    """The machine's ceilings, and how near each case comes to the one that binds it."""
    ceilings = measure_ceilings(n_threads(), quick)
    call = make_problem(Case(1, 2, 1, 1, 3))
    empty = interleaved({"": partial(forward_backward, call)}, 0.01 if quick else 0.5)[""]
    rows = [
        _limit_row(case, ceilings, empty, 0.01 if quick else 1.0)
        for case in (QUICK_CASES if quick else CASES)
    ]
    columns = (
        "batch x T", "measured", "arithmetic", "memory", "chain", "call", "binds", "measured / it",
        "flops", "bytes",
    )  # fmt: skip
    title = "Least time that the machine allows, ns per step and series, forward plus backward"
    note = (
        "arithmetic: counted flops at the measured peak. memory: counted bytes at the measured "
        "bandwidth of the caches that hold them. chain (batch of one): operations "
        "that wait for one another, at their measured latencies, from both ends on two threads. "
        "call: that of a call with two nodes, shared by all steps. flops, bytes: counted."
    )
    return [_ceiling_table(ceilings), Table(title, columns, rows, note)]


def _ceiling_table(ceilings: Ceilings) -> Table:
    """The ceilings as a table."""
    rows: list[list[Cell]] = [["fused multiply-adds, Gflop/s", ceilings.flops / 1e9]]
    rows += [[f"copy within {at}, GB/s", rate / 1e9] for at, rate in ceilings.copy.items()]
    rows += [[f"latency of {name}, ns", 1e9 * each] for name, each in ceilings.latency.items()]
    title = f"This machine's ceilings ({n_threads()} threads; latencies: one)"
    return Table(title, ("ceiling", "measured"), rows, "A copy's bytes are those read and written.")


def _limit_row(case: Case, ceilings: Ceilings, empty: float, seconds: float) -> list[Cell]:
    """Four bounds of a case, which is the largest, and how far the time is above it."""
    problem = make_problem(case)
    time = interleaved({"": partial(forward_backward, problem)}, seconds)[""] / case.n_unknowns
    bounds = lower_bounds(case, ceilings, empty)
    binds = max(bounds, key=lambda name: bounds[name])
    counts = count(case)
    shown: list[Cell] = [
        1e9 * bounds[name] if name in bounds else None
        for name in ("arithmetic", "memory", "chain", "call")
    ]
    ratio = time / bounds[binds]
    return [case.label, 1e9 * time, *shown, binds, ratio, counts.flops, counts.n_bytes]


def lower_bounds(case: Case, ceilings: Ceilings, empty: float) -> dict[str, float]:
    """Least seconds per step and series by each limit that holds for the case."""
    counts = count(case)
    # Between forward and backward the factors of all series wait; else one series can be finished
    # before the next is begun.
    kept = counts.data_bytes + 2 * counts.triangle_bytes
    slow = ceilings.copy[_level(case.n_unknowns * kept)]
    fast = ceilings.copy[_level(case.n_steps * counts.triangle_bytes)]
    bounds = {
        "arithmetic": counts.flops / ceilings.flops,
        "memory": kept / slow + (counts.n_bytes - kept) / fast,
        "call": empty / case.n_unknowns,
    }
    if case.batch == 1:
        wait = sum(n * ceilings.latency[name] for name, n in counts.chain.items())
        bounds["chain"] = wait / 2  # from both ends at once
    return bounds


def _level(size: float) -> str:
    """The nearest memory that holds so many bytes."""
    return next((at for at, limit in HOLDS.items() if size <= limit), "memory")
