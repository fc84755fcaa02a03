"""Measure: interleaved times, fresh processes, the machine's name; and tables to print it all.

Nothing here imports Numba: fresh processes load this file before they start to measure.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

SLICE = 0.05  # seconds: so long one function runs before the next has its turn
PACKAGES = ("smnn-np", "numpy", "scipy", "numba", "torch")

Cell = str | float | int | None
Key = TypeVar("Key", bound=Hashable)


class Table(NamedTuple):
    """Numbers to show. None is a number that does not exist, shown as a dash."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]
    note: str = ""

    def cells(self) -> list[list[str]]:
        """Column titles and rows as text."""
        return [list(self.columns), *([show(cell) for cell in row] for row in self.rows)]

    def to_text(self) -> str:
        """Aligned columns, the first to the left and the others to the right."""
        cells = self.cells() if self.rows else []
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for row in cells:
            first, *others = (
                text.ljust(width) if k == 0 else text.rjust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join([first, *others]).rstrip())
        return "\n".join([self.title, *lines, *([self.note] if self.note else [])])

    def to_rst(self) -> str:
        """The same for the documentation."""
        lines = [f".. csv-table:: {self.title}", "   :header-rows: 1", ""]
        lines += ["   " + ",".join(f'"{text}"' for text in row) for row in self.cells()]
        if not self.rows:
            lines = [f"**{self.title}**"]
        return "\n".join([*lines, "", self.note, ""])


def show(cell: Cell) -> str:
    """A cell as text: three digits of a number."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or 100 <= abs(cell) < 1e6:
        return f"{cell:,.0f}"
    return f"{cell:.3g}"


def interleaved(functions: Mapping[Key, Callable[[], object]], seconds: float) -> dict[Key, float]:
    """Median seconds of a call of each function, taking turns so that all see the same machine.

    Each is called once before, so that nothing is compiled while the clock runs. In every round
    each has a call that does not count, so that the threads of the one before have gone to sleep
    and memory and caches are its own, and then at least one call and `SLICE` seconds. There are
    rounds until `seconds` have passed for each function, and at least three.
    """
    for function in functions.values():
        function()
    times: dict[Key, list[float]] = {name: [] for name in functions}
    start, n_rounds = time.perf_counter(), 0
    while n_rounds < 3 or time.perf_counter() - start < seconds * len(functions):
        for name, function in functions.items():
            function()
            turn = time.perf_counter()
            while True:
                before = time.perf_counter()
                function()
                after = time.perf_counter()
                times[name].append(after - before)
                if after - turn >= min(SLICE, seconds / 3):
                    break
        n_rounds += 1
    return {name: statistics.median(each) for name, each in times.items()}


def fresh_process(code: str, **environment: str) -> Any:
    """Run Python code in a process of its own; it prints its result as JSON on the last line."""
    folder = str(Path(__file__).parents[1])
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"a measuring process failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def reset_peak_memory() -> None:
    """Let the peak start again from what is in use now, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def n_threads() -> int:
    """Threads that the solver uses: NUMBA_NUM_THREADS, by default the number of cores."""
    from numba import config

    return int(config.NUMBA_NUM_THREADS)


def conditions() -> dict[str, str]:
    """What the figures depend on: machine, threads and versions."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "threads": f"NUMBA_NUM_THREADS = {n_threads()}, and as many for BLAS and torch",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": ", ".join(map(_versioned, PACKAGES)),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _versioned(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
