"""The solver among threads and processes: same bits, safe after a fork."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numba import config
from numpy.typing import NDArray

import smnn_np as smnn
from smnn_np import _group
from smnn_np._cases import Case, make_problem
from smnn_np._kernels.threads import in_parallel, shares
from smnn_np.testing import assert_close, random_ode

SMOOTH = [[[[1.0, 0.0, 1.0]]]]  # y'' + y = 0, coarse enough for Cholesky, or fine: for QR
IMPORT = """
import json, sys
from numba.core import event
with event.install_recorder("numba:compile") as compiled:
    import smnn_np
    smnn_np.ode_solve, smnn_np.ode_solve_vjp, smnn_np.ode_factorize
    solver_alone = "sklearn" not in sys.modules
    smnn_np.SMNNDiscoverer
print(json.dumps({"compiled": len(compiled.buffer), "solver_alone": solver_alone}))
"""
# Solves, reports what that took, then solves again in a forked child.
PROBE = """
import hashlib, json, os, sys, threading
import numpy as np
from numba.core import event
import smnn_np as smnn
sys.path.insert(0, {tests!r})
from test_processes import batch

started = []
start = threading.Thread.start
threading.Thread.start = lambda self: (started.append(self), start(self))[1]

def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

def solve():
    y, pullback = smnn.ode_solve_vjp(**batch())
    return y, pullback(np.ones_like(y))

with event.install_recorder("numba:compile") as compiled:
    y, grads = solve()
bits = {{"y": digest(y)}} | {{name: digest(x) for name, x in grads._asdict().items()}}
report = {{"compiled": len(compiled.buffer), "threads": len(started), "bits": bits,
           "steps": grads.steps.tolist()}}
child = os.fork()
if child == 0:
    again, other = solve()
    os._exit(digest(again) != bits["y"] or digest(other.rhs) != bits["rhs"])
report["fork"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(report))
"""


def batch() -> dict[str, Any]:
    """Return sixteen series that share their steps."""
    rng = np.random.default_rng(0)
    problem = random_ode(rng, (16,), n_steps=12, n_equations=2, n_dims=2, weighted=True)
    return {**problem, "steps": problem["steps"][0]}


def run(script: str, **environment: str) -> dict[str, Any]:
    """Run a script in a new process and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def gradients(case: dict[str, Any]) -> list[np.ndarray]:
    """Return the solution and all gradients of its sum."""
    y, pullback = smnn.ode_solve_vjp(**case)
    return [y, *pullback(np.ones_like(y))]


def assert_same(some: list[np.ndarray], others: list[np.ndarray]) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_compiles_at_import(tmp_path: Path) -> None:
    report = run(IMPORT, NUMBA_CACHE_DIR=str(tmp_path))
    assert report == {"compiled": 0, "solver_alone": True}
    assert not list(tmp_path.rglob("*.nb?"))


@pytest.fixture(scope="module")
def probes() -> dict[int, dict[str, Any]]:
    """Return reports of new processes with one thread and with two, the kernels on disk."""
    gradients(batch())
    script = PROBE.format(tests=str(Path(__file__).parent))
    return {n: run(script, NUMBA_NUM_THREADS=str(n)) for n in (1, 2)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
class TestNewProcess:
    def test_compiled_code_is_kept_on_disk(self, probes) -> None:
        assert [probe["compiled"] for probe in probes.values()] == [0, 0]

    def test_solves_after_a_fork(self, probes) -> None:
        assert [probe["fork"] for probe in probes.values()] == [0, 0]

    def test_as_many_threads_as_asked_for(self, probes) -> None:
        assert probes[1]["threads"] == 0
        assert probes[2]["threads"] > 0

    def test_bits_do_not_depend_on_the_number_of_threads(self, probes) -> None:
        """But for the gradient of the shared steps: each thread sums up its own series."""
        one, two = probes[1]["bits"], probes[2]["bits"]
        assert {name for name in one if one[name] != two[name]} <= {"steps"}
        assert_close(probes[1]["steps"], probes[2]["steps"])


def test_eight_threads_agree_with_one() -> None:
    cases = [
        random_ode(np.random.default_rng(seed), (4,), n_steps=20, n_equations=2, n_dims=2)
        for seed in range(24)
    ]
    alone = [gradients(case) for case in cases]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone, pool.map(gradients, cases), strict=True):
            assert_same(one, other)


@pytest.mark.parametrize("step", [0.1, 1e-4])
def test_threads_share_a_pullback(step: float) -> None:
    y, pullback = smnn.ode_solve_vjp(SMOOTH, [[0.0]], [[[1.0, 0.0]]], step, n_steps=2_000)
    bars = list(np.random.default_rng(1).standard_normal((16, *y.shape)))
    alone = [list(pullback(bar)) for bar in bars]
    y, pullback = smnn.ode_solve_vjp(SMOOTH, [[0.0]], [[[1.0, 0.0]]], step, n_steps=2_000)
    with ThreadPoolExecutor(8) as pool:  # the first of them may decide for QR
        for one, other in zip(alone, pool.map(pullback, bars), strict=True):
            assert_same(one, list(other))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib_agrees_with_serial(backend: str) -> None:
    rng = np.random.default_rng(2)
    cases = [random_ode(rng, (4,), n_steps=12, n_equations=2, n_dims=2) for _ in range(4)]
    solve = joblib.delayed(smnn.ode_solve)
    found = joblib.Parallel(n_jobs=2, backend=backend)(solve(**case) for case in cases)
    assert_same(found, [smnn.ode_solve(**case) for case in cases])


def test_a_factor_travels_to_another_process() -> None:
    factor = smnn.ode_factorize(SMOOTH, 0.1, n_steps=50)
    starts = np.random.default_rng(3).standard_normal((2, 1, 1, 2))
    solve = joblib.delayed(factor.solve)
    found = joblib.Parallel(n_jobs=2, backend="loky")(solve([[0.0]], start) for start in starts)
    assert_same(found, [factor.solve([[0.0]], start) for start in starts])


def test_threads_take_what_others_have_not_begun() -> None:
    slow, quick = shares([range(3), range(3, 10)], 2)
    assert next(slow) == (0, range(1))
    mine, theirs = [range(3, 4), range(4, 6), range(6, 8), range(8, 10)], range(1, 3)
    assert list(quick) == [*enumerate(mine, start=2), (1, theirs)]
    assert list(slow) == []


@pytest.mark.parametrize(
    ("case", "n_parts"), [(Case(64, 30, 1, 1, 3), 1), (Case(256, 30, 1, 1, 3), 2)]
)
def test_a_batch_too_small_to_share_stays_with_its_thread(
    case: Case, n_parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To wake up another thread takes longer than its half of the work."""
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 2)
    found = []

    def note(work: Callable[[Any], Any], parts: list[Any]) -> list[Any]:
        found.append(len(parts))
        return in_parallel(work, parts)

    monkeypatch.setattr(_group, "in_parallel", note)
    smnn.ode_solve(*make_problem(case).arguments)
    assert found == [n_parts]


def test_which_thread_was_faster_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over series have the same bits whoever computes what, here all of it one thread."""
    monkeypatch.setattr(_group, "CHUNK", 0)
    problem = make_problem(Case(256, 30, 1, 1, 3))
    steps = np.float64(0.1)

    def gradients() -> tuple[NDArray, ...]:
        _, pullback = smnn.ode_solve_vjp(*problem.arguments[:3], steps, n_steps=30)
        return pullback(problem.y_bar)

    first = gradients()

    def all_alone(parts: list[range], size: int) -> list[Iterator[tuple[int, range]]]:
        pieces = [piece for share in shares(parts, size) for piece in share]
        return [iter(pieces[::-1] if k == 0 else []) for k in range(len(parts))]

    monkeypatch.setattr(_group, "shares", all_alone)
    for one, other in zip(first, gradients(), strict=True):
        np.testing.assert_array_equal(one, other)
