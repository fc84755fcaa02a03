"""What every test may ask for. Nothing heavy here: it is loaded before any test runs."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib: no window opens


def _has_gpu() -> bool:
    try:
        import cupy
    except ImportError:
        return False
    return cupy.is_available()


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


def _gpu(monkeypatch) -> Backend:
    if HAS_GPU:
        import cupy

        return Backend("gpu", cupy)
    pytest.importorskip("numba.cuda.simulator", reason="this Numba has no CUDA simulator")
    place = Path(__file__).with_name("cupy_stand_in.py")
    spec = importlib.util.spec_from_file_location("cupy_stand_in", place)
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    cupy = stand_in.make_module()
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


class Foreign(np.ndarray):
    """An array that refuses to meet NumPy's own, as a CuPy array does."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return foreign_call(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return foreign_call(func, args, kwargs)

    def get(self):
        """Return the array on the host."""
        return np.array(self.view(np.ndarray))


def foreign_call(function, args, kwargs):
    """Call NumPy's function with foreign arrays alone; the result is one too."""
    result = function(*bare(args), **bare(kwargs))
    if kwargs.get("out") is not None:
        return kwargs["out"][0] if isinstance(kwargs["out"], tuple) else kwargs["out"]
    return result.view(Foreign) if isinstance(result, np.ndarray) else result


def bare(value):
    """Return NumPy's view of foreign arrays, wherever they are; refuse NumPy's own with axes."""
    if isinstance(value, tuple | list):
        return type(value)(bare(each) for each in value)
    if isinstance(value, dict):
        return {name: bare(each) for name, each in value.items()}
    if isinstance(value, Foreign):
        return value.view(np.ndarray)
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a NumPy array meets a foreign one")
    return value


@pytest.fixture
def foreign(monkeypatch):
    """Return a module of foreign arrays, NumPy's functions under another name."""
    module = ModuleType("foreign_arrays")
    for name in ("einsum", "exp", "isfinite", "isnan", "matmul", "maximum", "moveaxis", "stack"):
        setattr(module, name, getattr(np, name))
    for name in ("concatenate", "sum", "tanh", "where", "zeros_like"):
        setattr(module, name, getattr(np, name))
    module.empty = lambda shape, dtype=float: np.empty(shape, dtype).view(Foreign)
    module.zeros = lambda shape, dtype=float: np.zeros(shape, dtype).view(Foreign)
    module.asarray = lambda array: np.asarray(array).view(Foreign)
    module.Foreign = Foreign
    monkeypatch.setitem(sys.modules, "foreign_arrays", module)
    monkeypatch.setattr(Foreign, "__module__", "foreign_arrays")
    return module
