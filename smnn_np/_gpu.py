"""Speed on a GPU: forward plus backward, against what its memory can do at most."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._cases import Case, Problem, forward_backward, make_problem
from ._measure import Cell, Table, interleaved
from ._rival import with_graphs

Array = Any  # of CuPy

# What a network emits, one long series, a batch that fills the device, and how often the last is
# repeated to fill its memory.
CASES = (
    (Case(8192, 10, 1, 1, 5), 1),
    (Case(1536, 50, 1, 1, 3), 1),
    (Case(1, 1_000_000, 1, 1, 3), 1),
    (Case(64, 1000, 3, 3, 3), 1),
    (Case(16, 1000, 10, 10, 3), 1),
    (Case(65536, 200, 1, 1, 3), 1),
    (Case(65536, 200, 1, 1, 3), 8),
)
QUICK_CASES = ((Case(4, 6, 1, 1, 3), 1), (Case(2, 4, 1, 1, 2), 2))
N_CHECKED = 4  # series whose numbers are compared with the CPU's
N_STEPS_OF_RIVAL = 1000  # every step is a node of its graph: a million would take it hours
COLUMNS = (
    "batch x T", "seconds", "ns per step and series", "GB moved", "of copy bandwidth",
    "error of y", "error of gradients", "published, ns", "published / ours",
)  # fmt: skip


def gpu(quick: bool, rival: str | None = None) -> list[Table]:
    """One table of the GPU, or one sentence where there is none.

    With the folder `rival` the published code runs beside ours, with its CUDA graphs.
    """
    name = device_name()
    if name is None:
        note = (
            "Not measured: a GPU, CuPy and numba-cuda are wanted, and not all are here; with the "
            'driver in place: pip install "smnn-np[cuda12]" (or cuda13).'
        )
        return [Table("Forward plus backward on a GPU", (), [], note)]
    seconds = 0.005 if quick else 2.0
    rate = copy_rate(10_000 if quick else 2**27, seconds)
    cases = QUICK_CASES if quick else CASES
    rows = [_row(case, repeats, rate, seconds, rival) for case, repeats in cases]
    note = (
        f"Copy bandwidth, read and written: {1e-9 * rate:,.0f} GB/s. Moved: inputs, results and "
        f"gradients once, the factor once each way; what the algorithm moves beyond that counts as "
        f"lost. Errors: largest difference from the CPU on {N_CHECKED} series, relative to the "
        f"largest entry. {_about(rival)}"
    )
    return [Table(f"Forward plus backward on {name}, float64", COLUMNS, rows, note)]


def device_name() -> str | None:
    """The GPU's name, or None where something is missing."""
    from ._kernels import _cuda_import

    try:
        import cupy

        _cuda_import.require_numba_cuda()
    except ImportError:
        return None
    if not cupy.is_available():
        return None
    number = cupy.cuda.runtime.getDevice()
    return str(cupy.cuda.runtime.getDeviceProperties(number)["name"].decode())


def copy_rate(n_numbers: int, seconds: float) -> float:
    """Bytes read and written in a second by a copy within the GPU's memory."""
    import cupy

    source, target = cupy.zeros(n_numbers), cupy.empty(n_numbers)

    def copy() -> None:
        target[...] = source
        cupy.cuda.get_current_stream().synchronize()

    return 16 * n_numbers / interleaved({"copy": copy}, seconds)["copy"]


def bytes_moved(case: Case) -> int:
    """Inputs, results and gradients once, the factor once each way."""
    m = case.n_dims * case.n_orders
    entries = case.n_equations * (m + 1) + 1  # coefficients, right-hand side, step
    factor = m * 2 * m - m * (m - 1) // 2
    return 8 * case.n_unknowns * (2 * entries + 2 * m + 2 * factor)


def _about(rival: str | None) -> str:
    """What the columns of the published code hold."""
    if rival is None:
        return "Published: not run; --rival FOLDER names its checkout."
    found = with_graphs(rival, make_problem(Case(1, 4, 1, 1, 3)))
    if isinstance(found, str):
        return f"Published: skipped, {found}"
    return (
        f"Published: its PyTorch code with CUDA graphs, run right after ours on the same problem, "
        f"of which it gets at most {N_STEPS_OF_RIVAL:,} steps; per step and series."
    )


def _beside(rival: str | None, host: Problem, seconds: float) -> float | None:
    """Seconds per step and series of the published code; None where it cannot run."""
    problem = Problem(*(array[:, :N_STEPS_OF_RIVAL] for array in host))
    if problem.steps.shape[1] == N_STEPS_OF_RIVAL:  # one less than there are nodes
        problem = problem._replace(steps=problem.steps[:, :-1])
    run = None if rival is None else with_graphs(rival, problem)
    if run is None or isinstance(run, str):
        return None
    return interleaved({"run": run}, seconds)["run"] / problem.rhs[..., 0].size


def _row(
    case: Case, repeats: int, rate: float, seconds: float, rival: str | None = None
) -> list[Cell]:
    """Times and errors of one case."""
    import cupy

    host = make_problem(case)
    published = _beside(rival, host, seconds) if repeats == 1 else None
    there = Problem(*(_repeat(cupy.asarray(array), repeats) for array in host))
    case = case._replace(batch=case.batch * repeats)

    def run() -> None:
        forward_backward(there)
        cupy.cuda.get_current_stream().synchronize()

    time = interleaved({"run": run}, seconds)["run"]
    moved = bytes_moved(case)
    share = f"{moved / time / rate:.0%}"
    ours = time / case.n_unknowns
    cells = [case.label, time, 1e9 * ours, 1e-9 * moved, share, *_errors(host)]
    return [*cells, *((1e9 * published, published / ours) if published else (None, None))]


def _repeat(array: Array, repeats: int) -> Array:
    """The batch so many times over."""
    import cupy

    return cupy.concatenate([array] * repeats)


def _errors(host: Problem) -> tuple[float, float]:
    """Largest relative differences of y and of a gradient from the CPU's, on the first series."""
    import cupy

    few = Problem(*(array[:N_CHECKED] for array in host))
    here: Any = forward_backward(few)
    there: Any = forward_backward(Problem(*map(cupy.asarray, few)))
    y = _difference(there[0], here[0])
    gradients = map(_difference, there[1], here[1])
    return y, max(gradients)


def _difference(there: Array, here: np.ndarray) -> float:
    return float(np.abs(there.get() - here).max() / np.abs(here).max())
