"""What only the GPU's side has: time in chunks, memory, arrays of two kinds, code for a device.

The bodies of many tests in other files run there too, by the fixture `backend`. Without a GPU
Numba's simulator runs the kernels as Python, and a strict stand-in takes CuPy's place.
"""

import os
import pickle
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import _cases, _gpu, _rival, bench, dense, device
from smnn_np._kernels import _cuda_import
from smnn_np._kernels.cuda import work
from smnn_np.testing import assert_close, random_ode

HERE = Path(__file__).parent
CHUNKED = {
    "scalar": {"n_steps": 14},
    "systems": {"batch": (2,), "n_steps": 12, "n_dims": 2, "n_equations": 2, "weighted": True},
    "central": {"batch": (2,), "n_steps": 13, "n_orders": 3, "central": True},
    "initial values across a cut": {
        "n_steps": 11, "n_dims": 2, "n_equations": 3, "n_initial_steps": 6, "central": True,
        "weighted": True,
    },
    "one order": {"n_steps": 9, "n_orders": 1},
}  # fmt: skip


def draw(sizes):
    return random_ode(np.random.default_rng(0), **CHUNKED[sizes])


@pytest.fixture(params=[2, 3])
def chunks(request, monkeypatch):
    """Cut time into so many chunks, however few nodes there are."""
    monkeypatch.setattr(device, "choose_chunks", lambda *sizes: request.param)


@pytest.mark.parametrize("factorization", ["auto", "qr"])
@pytest.mark.parametrize("sizes", CHUNKED)
def test_chunks_in_time_change_nothing(sizes, factorization, gpu, chunks):
    case = draw(sizes)
    y, pullback = smnn.ode_solve_vjp(**gpu.give(case), factorization=factorization)
    assert_close(gpu.take(y), dense.ode_solve(**case))
    _, pullback_here = smnn.ode_solve_vjp(**case)
    y_bar = np.random.default_rng(1).standard_normal(y.shape)
    for there, here in zip(pullback(gpu.give(y_bar)), pullback_here(y_bar), strict=True):
        assert_close(gpu.take(there), here)


@pytest.mark.parametrize("factorization", ["auto", "qr"])
@pytest.mark.parametrize("sizes", CHUNKED)
def test_chunks_in_time_leave_the_inverse_alone(sizes, factorization, gpu, chunks):
    case = draw(sizes)
    left = {name: each for name, each in case.items() if name not in ("rhs", "initial")}
    left["n_initial_steps"], _, left["n_initial_orders"] = case["initial"].shape[-3:]
    here = smnn.ode_factorize(**left)
    there = smnn.ode_factorize(**gpu.give(left), factorization=factorization)
    assert_close(there.logdet().get(), here.logdet())
    assert_close(gpu.take(there.variance()), here.variance())
    for lag in (0, 1):
        assert_close(gpu.take(there.covariance(lag)), here.covariance(lag))
    y = there.solve(gpu.give(case["rhs"]), gpu.give(case["initial"]))
    assert_close(gpu.take(y), here.solve(case["rhs"], case["initial"]))


def share_memory(monkeypatch):
    """Give all simulated threads of a block the same shared array.

    The simulator looks whether there is one, and makes it, without a lock: two threads that come
    at once work on an array each. It tells arrays by the line that asks; here that is one line for
    all, and no kernel asks for a second array.
    """
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    alone, lock = FakeCUDAShared.array, threading.Lock()

    def array(self, shape, dtype):
        with lock:
            return alone(self, shape, dtype)

    monkeypatch.setattr(FakeCUDAShared, "array", array)


@pytest.fixture
def warps(monkeypatch):
    """Let the threads of a warp share a series; two in the simulator, where each costs time."""
    lanes = 2 if _cuda_import.SIMULATED else _cuda_import.WARP
    monkeypatch.setattr(device, "choose_lanes", lambda m: lanes)
    if _cuda_import.SIMULATED:
        share_memory(monkeypatch)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # the simulator polls its threads, and keeps them from running
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize(
    ("factorization", "n_chunks", "sizes"),
    [
        (
            "cholesky",
            1,
            {"batch": (2,), "n_steps": 3, "n_dims": 2, "n_equations": 2, "n_orders": 2},
        ),
        ("cholesky", 2, {"n_steps": 4, "n_dims": 2, "n_orders": 2}),
        ("cholesky", 2, {"n_steps": 5, "n_orders": 2, "central": True, "weighted": True}),
        ("qr", 1, {"n_steps": 3, "n_dims": 2, "n_orders": 2}),
        ("qr", 2, {"n_steps": 5, "n_orders": 2, "central": True, "weighted": True}),
    ],
)
def test_a_warp_for_each_series_changes_nothing(
    factorization, n_chunks, sizes, gpu, warps, monkeypatch
):
    monkeypatch.setattr(device, "choose_chunks", lambda *sizes: n_chunks)
    case = random_ode(np.random.default_rng(0), **sizes)
    y, pullback = smnn.ode_solve_vjp(**gpu.give(case), factorization=factorization)
    assert_close(gpu.take(y), dense.ode_solve(**case))
    y_bar = gpu.give(np.random.default_rng(1).standard_normal(y.shape))
    together = pullback(y_bar)
    monkeypatch.setattr(device, "choose_lanes", lambda m: 1)
    alone = smnn.ode_solve_vjp(**gpu.give(case), factorization=factorization)[1](y_bar)
    for there, here in zip(together, alone, strict=True):
        assert_close(gpu.take(there), here.get())


def test_a_warp_tells_which_of_its_nodes_is_singular(gpu, warps):
    """Equations see the first of two dimensions only: what is missing shows at the last node."""
    coefficients = np.zeros((2, 3, 2, 2, 2))
    coefficients[...] = np.eye(2)[:, :, None] + 0.5
    coefficients[1, :, :, 1] = 0.0
    with pytest.raises(np.linalg.LinAlgError, match=r"series \(1,\).*at step 2.*undetermined"):
        smnn.ode_solve(
            gpu.give(coefficients), gpu.give(np.ones((3, 2))), None, 0.1, factorization="cholesky"
        )


def test_lanes_are_chosen_from_the_unknowns_of_a_node():
    assert device.choose_lanes(12) == 1
    assert device.choose_lanes(13) == _cuda_import.WARP


def test_a_chunk_that_is_singular_names_its_step(gpu, chunks):
    weights = np.ones(11)
    weights[8] = 0.0
    with pytest.raises(np.linalg.LinAlgError, match=r"at step (8|9|1\d) .*undetermined"):
        smnn.ode_solve(
            gpu.give(np.ones((12, 1, 1, 3))), [[1.0]], [[[1.0, 0.0]]], 0.1,
            weight_smooth=gpu.give(weights),
            weight_equation=gpu.give(np.where(np.arange(12) < 9, 1.0, 0.0)[:, None]),
        )  # fmt: skip


@pytest.mark.parametrize("n_chunks", [1, 8])
def test_auto_falls_back_series_by_series(n_chunks, gpu, monkeypatch):
    """Where Cholesky has no digits, QR must have been asked, and only there."""
    monkeypatch.setattr(device, "choose_chunks", lambda *sizes: n_chunks)
    steps = gpu.give(np.array([[0.1], [1e-7]]))
    arguments = ([[[[1.0, 0.0, 1.0]]]], steps)
    factor = smnn.ode_factorize(*arguments, n_steps=120)
    y = gpu.take(factor.solve([[0.0]], [[[1.0, 0.0]]]))
    assert gpu.take(factor.by_qr).tolist() == [False, True]
    here = smnn.ode_factorize(arguments[0], steps.get(), n_steps=120)
    assert_close(y, here.solve([[0.0]], [[[1.0, 0.0]]]))


def test_chunks_are_chosen_from_batch_nodes_and_device(monkeypatch):
    monkeypatch.setattr(_cuda_import, "n_multiprocessors", lambda: 132)
    assert device.choose_chunks(1, 1_000_000) == 1000
    assert device.choose_chunks(64, 1_000_000) == 264
    assert device.choose_chunks(64, 1000) == 31
    assert device.choose_chunks(64, 1000, 32) == 16
    assert device.choose_chunks(65536, 200) == device.choose_chunks(1, 50) == 1


def test_sums_over_runs_of_nodes(gpu, monkeypatch):
    """A gradient in what all nodes share is summed run by run."""
    monkeypatch.setattr(device.DeviceFactor, "_run", lambda self: 3)
    case = random_ode(np.random.default_rng(2), (2,), n_steps=8, n_dims=2, central=True)
    case["coefficients"] = case["coefficients"][:, :1]
    case["steps"] = np.array([0.3])
    y, pullback = smnn.ode_solve_vjp(**gpu.give(case))
    _, pullback_here = smnn.ode_solve_vjp(**case)
    y_bar = np.random.default_rng(1).standard_normal(y.shape)
    for there, here in zip(pullback(gpu.give(y_bar)), pullback_here(y_bar), strict=True):
        assert_close(gpu.take(there), here)


class LittleMemory:
    """A pool that has no room for large arrays."""

    def __init__(self, xp, most):
        self._empty, self._most = xp.empty, most

    def __call__(self, shape, **options):
        if np.prod(shape) > self._most:
            raise MemoryError("out of memory")
        return self._empty(shape, **options)


def test_a_batch_too_large_is_solved_in_pieces(gpu, monkeypatch):
    case = random_ode(np.random.default_rng(3), (7,), n_steps=5)
    monkeypatch.setattr(gpu.xp, "empty", LittleMemory(gpu.xp, 700))
    assert_close(gpu.take(smnn.ode_solve(**gpu.give(case))), dense.ode_solve(**case))


def test_so_it_is_if_the_matrices_of_the_threads_do_not_fit(gpu, monkeypatch):
    case = random_ode(np.random.default_rng(3), (3,), n_steps=3, n_dims=3, n_orders=5)
    monkeypatch.setattr(device, "choose_lanes", lambda m: 1)
    most = 2 * 30**2 + 10  # of fronts of 30 unknowns
    start, sizes = work.WorkKernel.start, []

    def little(self, xp, n_threads, *arguments):
        if self.size * n_threads > most:
            raise MemoryError("out of memory")
        sizes.append(n_threads)
        start(self, xp, n_threads, *arguments)

    monkeypatch.setattr(work.WorkKernel, "start", little)
    assert_close(gpu.take(smnn.ode_solve(**gpu.give(case))), dense.ode_solve(**case))
    assert sizes == [2, 1]


@pytest.mark.skipif(not _cuda_import.SIMULATED, reason="watches the stand-in")
@pytest.mark.parametrize("n_chunks", [1, 2])
def test_the_host_waits_for_the_device_as_often_whatever_the_size(n_chunks, gpu, monkeypatch):
    """For: inputs, failures, zeros; then for y_bar, failures, gradients."""
    monkeypatch.setattr(device, "choose_chunks", lambda *sizes: n_chunks)
    waits = []
    for name in ("get", "item", "__bool__", "__float__", "__int__"):
        ask = getattr(gpu.xp.ndarray, name)
        monkeypatch.setattr(gpu.xp.ndarray, name, lambda *a, f=ask: waits.append(1) or f(*a))
    for batch, n_steps in (((1,), 4), ((5,), 7)):
        case = random_ode(np.random.default_rng(3), batch, n_steps=n_steps)
        waits.clear()
        y, pullback = smnn.ode_solve_vjp(**gpu.give(case))
        assert len(waits) == 3
        pullback(y)
        assert len(waits) == 6


def test_kernels_are_started_on_the_stream_of_the_caller(gpu, monkeypatch):
    """Not the simulator's way to start one, which knows no streams."""
    started = []

    class Kernel:
        def __getitem__(self, configuration):
            return lambda *arguments: started.append((configuration, arguments))

    monkeypatch.setattr(_cuda_import, "SIMULATED", False)

    def stream(pointer):
        return "stream", pointer

    monkeypatch.setattr(_cuda_import.cuda, "external_stream", stream, raising=False)
    monkeypatch.setattr(gpu.xp.cuda, "get_current_stream", lambda: SimpleNamespace(ptr=77))
    _cuda_import.launch(Kernel(), 5, "numbers")
    n_blocks = -(-5 // _cuda_import.THREADS_PER_BLOCK)
    configuration = (n_blocks, _cuda_import.THREADS_PER_BLOCK, ("stream", 77))
    assert started == [(configuration, ("numbers",))]


def test_too_little_memory_says_how_much_is_wanted(gpu, monkeypatch):
    case = gpu.give(random_ode(np.random.default_rng(3), (7,), n_steps=5))
    monkeypatch.setattr(gpu.xp, "empty", LittleMemory(gpu.xp, 110))
    for solve in (smnn.ode_solve, smnn.ode_solve_vjp):
        with pytest.raises(MemoryError, match=r"no \d\S* GB free that the \d series of 5 nodes"):
            solve(**case)


def test_arrays_of_two_kinds_are_refused_by_name(gpu):
    case = random_ode(np.random.default_rng(4), n_steps=5)
    there = gpu.give(case)
    words = "rhs is a CuPy array, but coefficients is a NumPy array: one kind is wanted"
    with pytest.raises(TypeError, match=words):
        smnn.ode_solve(**case | {"rhs": there["rhs"]})
    factor = smnn.ode_factorize(there["coefficients"], there["steps"])
    words = "CuPy arrays came before, but rhs is a NumPy array"
    with pytest.raises(TypeError, match=words):
        factor.solve(case["rhs"], [[[1.0, 0.0]]])
    y, pullback = smnn.ode_solve_vjp(**there)
    with pytest.raises(TypeError, match="CuPy arrays came before, but y_bar is a NumPy array"):
        pullback(y.get())
    y, pullback = smnn.ode_solve_vjp(**case)
    with pytest.raises(TypeError, match="y_bar is a CuPy array, but NumPy arrays came before"):
        pullback(gpu.give(y))
    with pytest.raises(TypeError, match="steps is a CuPy array, but NumPy arrays came before"):
        smnn.taylor_logdet(there["steps"], 1, 2)


@pytest.mark.parametrize(
    ("name", "index", "value", "words"),
    [
        ("coefficients", (2, 0, 0, 1), np.nan, r"coefficients\[2, 0, 0, 1\] = nan"),
        ("steps", (3,), -1.0, r"steps\[3\] = -1.0: every step must be > 0"),
        ("weight_smooth", (1,), np.inf, r"weight_smooth\[1\] = inf: a finite weight >= 0"),
    ],
)
def test_bad_numbers_are_named_there_too(name, index, value, words, gpu):
    case = random_ode(np.random.default_rng(5), n_steps=6, weighted=True)
    case[name][index] = value
    with pytest.raises(ValueError, match=words):
        smnn.ode_solve(**gpu.give(case))


def test_without_numba_cuda_it_says_what_to_install(gpu, monkeypatch):
    case = gpu.give(random_ode(np.random.default_rng(6), n_steps=5))
    monkeypatch.setattr(_cuda_import, "SIMULATED", False)
    monkeypatch.setattr(_cuda_import, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'numba-cuda, .* pip install "smnn-np\[cuda12\]"'):
        smnn.ode_solve(**case)


def test_a_factor_there_is_not_pickled(gpu):
    factor = smnn.ode_factorize(gpu.give(np.ones((5, 1, 1, 2))), 0.1)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(factor)


def test_the_benchmark_shows_one_table(gpu, capsys):
    assert bench.main(["--quick", "--gpu"]) == 0
    assert _gpu.device_name() in capsys.readouterr().out
    (table,) = _gpu.gpu(quick=True)
    assert [len(row) for row in table.rows] == [len(table.columns)] * len(_gpu.QUICK_CASES)
    for row in table.rows:
        values = dict(zip(table.columns, row, strict=True))
        assert values["error of y"] < 1e-9
        assert values["error of gradients"] < 1e-9


@pytest.mark.skipif(not _cuda_import.SIMULATED, reason="there is a GPU")
def test_the_benchmark_without_a_gpu_is_one_sentence(capsys):
    assert bench.main(["--gpu"]) == 0
    said = capsys.readouterr().out
    assert "Not measured: a GPU, CuPy and numba-cuda are wanted" in said
    assert 'pip install "smnn-np[cuda12]"' in said


def test_the_published_code_runs_beside_ours_on_the_gpu(gpu, monkeypatch, tmp_path):
    """On the same numbers, a long series cut short, and waited for; else the note says why not."""
    (tmp_path / "smnn.py").write_text("def ode_forward(*leaves): return leaves")
    monkeypatch.setattr(_rival, "find_spec", lambda name: name == "torch")
    monkeypatch.setattr(_gpu, "N_STEPS_OF_RIVAL", 5)
    calls = []

    class Tensor:
        def __init__(self, array):
            self.array = array

        def cuda(self):
            return self

        def requires_grad_(self):
            return self

    def grad(y, leaves, y_bar):
        calls.append([each.array for each in (*y, y_bar)])

    there = SimpleNamespace(is_available=lambda: True, synchronize=lambda: calls.append("wait"))
    torch = SimpleNamespace(
        from_numpy=Tensor, autograd=SimpleNamespace(grad=grad), cuda=there
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(_gpu, "QUICK_CASES", _gpu.QUICK_CASES[:1])
    (table,) = _gpu.gpu(True, str(tmp_path))
    assert dict(zip(table.columns, table.rows[0], strict=True))["published / ours"] > 0
    assert "with CUDA graphs" in table.note
    assert calls[1::2] == ["wait"] * (len(calls) // 2)
    problem = _cases.make_problem(_gpu.QUICK_CASES[0][0])
    for mine, whole in zip(calls[0], problem, strict=True):
        assert (mine == whole[:, : mine.shape[1]]).all()
    assert [each.shape[1] for each in calls[0]] == [5, 5, 1, 4, 5]
    there.is_available = lambda: False
    (table,) = _gpu.gpu(True, str(tmp_path))
    assert table.rows[0][-2:] == [None, None]
    assert "skipped, torch finds no GPU" in table.note


@pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs numba-cuda and its compiler")
@pytest.mark.parametrize(
    ("sizes", "count"), [("1 1 2 1", 22), ("9 9 3 0", 22), ("3 0 0", 3), ("5 2 1", 3)]
)
def test_every_kernel_compiles_for_a_device(sizes, count):
    """To PTX, without a device: types agree, and nothing is used that only Python has."""
    script = [sys.executable, str(HERE / "compile_kernels.py"), *sizes.split()]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}
    done = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{count} kernels\n"


@pytest.mark.device
@pytest.mark.skipif(_cuda_import.SIMULATED, reason="needs a GPU")
@pytest.mark.parametrize(
    "sizes",
    [
        {"batch": (512,), "n_steps": 50},
        {"batch": (2,), "n_steps": 5000},
        {"batch": (64,), "n_steps": 300, "n_dims": 3, "n_equations": 3},
        {"batch": (3,), "n_steps": 200, "n_dims": 10, "n_equations": 10},
        {"batch": (16,), "n_steps": 300, "n_dims": 2, "n_equations": 2, "central": True},
    ],
)
def test_large_problems_on_a_device_are_solved_as_here(sizes, gpu):
    case = random_ode(np.random.default_rng(7), **sizes, max_condition=np.inf)
    y, pullback = smnn.ode_solve_vjp(**gpu.give(case))
    y_here, pullback_here = smnn.ode_solve_vjp(**case)
    assert_close(gpu.take(y), y_here)
    y_bar = np.random.default_rng(1).standard_normal(y_here.shape)
    for there, here in zip(pullback(gpu.give(y_bar)), pullback_here(y_bar), strict=True):
        assert_close(gpu.take(there), here, scale=10)  # sums of up to a million terms
