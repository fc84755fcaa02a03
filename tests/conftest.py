"""What every test may ask for. Nothing heavy here: it is loaded before any test runs."""

import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib: no window opens


def _has_gpu() -> bool:
    try:
        import cupy
    except ImportError:
        return False
    return cupy.is_available()


collect_ignore = ["compile_kernels.py"]  # a program, run by a test
HAS_GPU = _has_gpu()
if not HAS_GPU:  # before anything imports Numba: the GPU's kernels then run as Python
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> type[np.floating]:
    """Return each of the two precisions that the library computes in."""
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that starts from the same seed in every test."""
    return np.random.default_rng(20250424)


class Backend:
    """Where a test computes: gives arrays there, takes results back."""

    def __init__(self, name, xp):
        self.name, self.xp, self.on_gpu = name, xp, name != "cpu"

    def give(self, value):
        """Move an array, or the arrays of a dictionary."""
        if isinstance(value, dict):
            return {key: self.give(each) for key, each in value.items()}
        return self.xp.asarray(value) if isinstance(value, np.ndarray) else value

    def take(self, array):
        """Return an array that has to be here as a NumPy array."""
        assert type(array).__module__ == self.xp.__name__
        return array.get() if self.on_gpu else array


def _load(name):
    """Load a helper that lies beside this file."""
    place = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, place)
    helper = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helper)
    return helper


def _gpu(monkeypatch) -> Backend:
    if HAS_GPU:
        import cupy

        return Backend("gpu", cupy)
    pytest.importorskip("numba.cuda.simulator", reason="this Numba has no CUDA simulator")
    cupy = _load("cupy_stand_in").make_module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return Backend("gpu", cupy)


@pytest.fixture
def gpu(monkeypatch) -> Backend:
    """Return the GPU, or Numba's simulator of one with a stand-in for CuPy."""
    return _gpu(monkeypatch)


@pytest.fixture(params=["cpu", "gpu"])
def backend(request: pytest.FixtureRequest, monkeypatch) -> Backend:
    """Return each place where the library computes."""
    return Backend("cpu", np) if request.param == "cpu" else _gpu(monkeypatch)
