"""How fast and how accurate the solver is on this machine: ``python -m smnn_np.bench``.

Sections are named by flags; without one it is the table of speed. What is measured, and what the
figures were on one machine, is on the page "Performance" of the documentation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ._cases import (
    CASES,
    QUICK_CASES,
    Case,
    banded_matrix,
    error_of_solution,
    forward,
    forward_backward,
    make_problem,
    normal_matrix,
    share_by_qr,
)
from ._ceilings import limits
from ._gpu import gpu
from ._measure import Cell, Table, conditions, interleaved, n_threads
from ._resources import first, growth, memory
from ._rival import compare
from ._validation import FACTORIZATIONS

Timed = Callable[[], object]


def speed(quick: bool) -> list[Table]:
    """Times of the five cases, noise and smooth, against QR, LAPACK and an empty call."""
    columns = (
        "batch x T", "forward: auto", "cholesky", "qr", "both: auto", "both: cholesky", "both: qr",
        "qr / cholesky", "redone by QR", "error of y",
    )  # fmt: skip
    rows = [_speed_row(case, 0.005 if quick else 1.0) for case in _with_smooth(quick)]
    note = (
        "Both: forward plus backward, all gradients; the ratio is of these. Redone by QR: share "
        'of the series. Error: of "auto" on the first two series, against extended precision, '
        "relative to the largest entry."
    )
    times = Table("Time per step and series, ns", columns, rows, note)
    return [times, against_lapack(quick), overhead(quick)]


def _with_smooth(quick: bool) -> list[Case]:
    """The five cases, then their smooth variants."""
    cases = QUICK_CASES if quick else CASES
    return [case._replace(smooth=smooth) for smooth in (False, True) for case in cases]


def _speed_row(case: Case, seconds: float) -> list[Cell]:
    """One case: every factorization, forward and both ways."""
    problem = make_problem(case)
    functions: dict[tuple[Callable, str], Timed] = {
        (call, name): partial(call, problem, name)
        for call in (forward, forward_backward)
        for name in FACTORIZATIONS
    }
    times = interleaved(functions, seconds)
    ratio = times[forward_backward, "qr"] / times[forward_backward, "cholesky"]
    ns = [1e9 * each / case.n_unknowns for each in times.values()]
    return [case.label, *ns, ratio, f"{share_by_qr(problem):.1%}", error_of_solution(problem)]


def against_lapack(quick: bool) -> Table:
    """Our whole forward solve beside LAPACK's on the ready-made normal matrix."""
    columns = ("batch x T", "auto", "cholesky", "solveh_banded", "solveh_banded / cholesky")
    rows: list[list[Cell]] = []
    for n_dims in (1, 3):
        case = Case(1, 500 if quick else 10_000, n_dims, n_dims, 3)
        ns = lapack_times(case, 0.005 if quick else 1.0)
        rows.append([case.label, *ns.values(), ns["solveh_banded"] / ns["cholesky"]])
    title = "Forward solve of one series beside SciPy's solveh_banded (LAPACK), ns per step"
    note = (
        "LAPACK is given the normal matrix ready-made; our times include its assembly. Both on one "
        "thread: with more, BLAS is slower on so narrow a band."
    )
    return Table(title, columns, rows, note)


def lapack_times(case: Case, seconds: float) -> dict[str, float]:
    """Nanoseconds per step of "auto", "cholesky" and solveh_banded, each on one thread."""
    from scipy.linalg import solveh_banded
    from threadpoolctl import threadpool_limits

    problem = make_problem(case)
    banded, right = banded_matrix(normal_matrix(problem))
    functions: dict[str, Timed] = {
        "auto": partial(forward, problem, "auto"),
        "cholesky": partial(forward, problem, "cholesky"),
        "solveh_banded": partial(solveh_banded, banded, right),
    }
    with threadpool_limits(1):  # what one series takes of ours, and BLAS's best
        times = interleaved(functions, seconds)
    return {name: 1e9 * each / case.n_steps for name, each in times.items()}


def overhead(quick: bool) -> Table:
    """What a call costs before there is anything to compute."""
    problem = make_problem(Case(1, 2, 1, 1, 3))
    functions: dict[str, Timed] = {
        "forward": partial(forward, problem),
        "forward plus backward": partial(forward_backward, problem),
    }
    times = interleaved(functions, 0.01 if quick else 1.0)
    rows: list[list[Cell]] = [[name, 1e6 * each] for name, each in times.items()]
    return Table("A call with two nodes, us", ("call", "us"), rows)


SECTIONS: dict[str, Callable[[bool], list[Table]]] = {
    "speed": speed,
    "growth": growth,
    "memory": memory,
    "limits": limits,
    "first": first,
    "gpu": gpu,
}
HELP = {
    "speed": "the five cases by every factorization, beside LAPACK (the default)",
    "growth": "time per step from 10,000 to 10,000,000 steps",
    "memory": "peak memory per step, in fresh processes",
    "limits": "the machine's own ceilings, and how near each case comes to them",
    "first": "time to the first result in a new process, with and without Numba's cache",
    "gpu": "forward plus backward on a GPU, and the share of its copy bandwidth",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 after one sentence on stderr about what is wrong."""
    from threadpoolctl import threadpool_limits

    arguments = _parser().parse_args(argv)
    try:
        _check_paths(arguments)
    except OSError as error:
        print(f"smnn_np.bench: {error}", file=sys.stderr)
        return 2
    where = conditions()
    print("\n".join(f"{name:10} {value}" for name, value in where.items()))
    report: dict[str, list[Table]] = {}
    with warnings.catch_warnings(), threadpool_limits(n_threads()):
        # Plain Cholesky may say that it is not accurate here; the errors are in the table.
        warnings.simplefilter("ignore", RuntimeWarning)
        for name, section in _chosen(arguments).items():
            print(f"\n== {name}", flush=True)
            start = time.perf_counter()
            report[name] = section(arguments.quick)
            for table in report[name]:
                print(f"\n{table.to_text()}", flush=True)
            print(f"\n({time.perf_counter() - start:.0f} s)", flush=True)
    _write(arguments, where, report)
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m smnn_np.bench",
        description="Measure the solver on this machine. Threads: as NUMBA_NUM_THREADS says.",
    )
    add = parser.add_argument
    for name in SECTIONS:
        add(f"--{name}", action="store_true", help=HELP[name])
    add("--all", action="store_true", help="all of these")
    add(
        "--rival",
        metavar="FOLDER",
        help="a checkout of IST-DASLab/ScalableMNN, to run its PyTorch code beside ours; with its "
        "compiled extension too if that is installed; with --gpu on the GPU, with its CUDA graphs",
    )
    add("--quick", action="store_true", help="small sizes: does it run? The figures mean nothing")
    add("--json", metavar="FILE", type=Path, help="write all numbers to FILE")
    add("--rst", metavar="FOLDER", type=Path, help="write a page part for each section to FOLDER")
    return parser


def _check_paths(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be written, before the measurements rather than after them."""
    file, folder = arguments.json, arguments.rst
    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise OSError(f"--json: {file} cannot be written; name a file in a folder that exists")
    if folder is not None and not folder.is_dir():
        raise OSError(f"--rst: there is no folder {folder}; make it first")


def _chosen(arguments: argparse.Namespace) -> dict[str, Callable[[bool], list[Table]]]:
    """The sections to run, in order."""
    chosen = {name: SECTIONS[name] for name in SECTIONS if vars(arguments)[name] or arguments.all}
    folder = arguments.rival
    if folder is not None and "gpu" in chosen:
        chosen["gpu"] = partial(gpu, rival=folder)
    if folder is not None and list(chosen) != ["gpu"]:

        def rival(quick: bool) -> list[Table]:
            return [compare(folder, _with_smooth(quick), 0.005 if quick else 2.0)]

        chosen["rival"] = rival
    return chosen or {"speed": speed}


def _write(
    arguments: argparse.Namespace, where: dict[str, str], report: dict[str, list[Table]]
) -> None:
    """Write the files that were asked for."""
    if arguments.json is not None:
        sections = {name: [table._asdict() for table in each] for name, each in report.items()}
        whole = {"conditions": where, "quick": arguments.quick, "sections": sections}
        arguments.json.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", "utf-8")
    if arguments.rst is not None:
        measured = f"Measured {where['date']} on: {where['processor']}. {where['threads']}. "
        measured += f"{where['system']}, {where['versions']}.\n"
        for name, tables in report.items():
            parts = [*(table.to_rst() for table in tables), measured]
            (arguments.rst / f"{name}.inc").write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
