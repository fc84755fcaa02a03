"""The only place that imports Numba's CUDA: how kernels are declared and started.

Without a GPU, Numba's simulator (``NUMBA_ENABLE_CUDASIM=1`` before Numba is imported) runs the
kernels as Python, one thread after the other; the tests do so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numba.cuda
import numpy as np
from numba import config

SIMULATED = bool(config.ENABLE_CUDASIM)
# The simulator runs one thread after the other, and threads that wait for one another slowly.
THREADS_PER_BLOCK, WARP = (1, 3) if SIMULATED else (128, 32)


class _Simulated:
    """The module `cuda` as a simulated kernel has to see it, also from the functions it calls.

    The simulator's own way, to exchange the module when a function is called and put it back when
    it ends, fails where the threads of a block run side by side.
    """

    def __getattr__(self, name: str) -> Any:
        from numba.cuda.simulator import kernel

        return getattr(kernel._get_kernel_context() or numba.cuda, name)


cuda: Any = _Simulated() if SIMULATED else numba.cuda


def require_numba_cuda() -> None:
    """Refuse to go on with what Numba itself brings: deprecated, and no longer mended."""
    if not SIMULATED and find_spec("numba_cuda") is None:
        raise ImportError(
            "CuPy arrays are solved by kernels that need numba-cuda, which is not installed: "
            'pip install "smnn-np[cuda12]" (or cuda13, as your driver), or pass NumPy arrays'
        )


def device(function: Callable[..., Any]) -> Any:
    """Declare a function that kernels call, compiled into them."""
    return function if SIMULATED else cuda.jit(device=True, forceinline=True)(function)


def on_device(array: Any) -> Any:
    """A CuPy array as Numba takes it, without waiting for the work that fills it."""
    if SIMULATED:  # what stands in for CuPy has its memory on the host
        shown = {"__array_interface__": array.__cuda_array_interface__, "owner": array}
        return np.asarray(SimpleNamespace(**shown))
    return cuda.as_cuda_array(array, sync=False)


def padded(n_threads: int) -> int:
    """Threads that are started where so many are wanted."""
    return -(-n_threads // THREADS_PER_BLOCK) * THREADS_PER_BLOCK


def launch(kernel: Any, n_threads: int, *arguments: Any) -> None:
    """Start a kernel with at least so many threads on the caller's CuPy stream."""
    launch_blocks(kernel, padded(n_threads) // THREADS_PER_BLOCK, THREADS_PER_BLOCK, *arguments)


def launch_blocks(kernel: Any, n_blocks: int, n_threads: int, *arguments: Any) -> None:
    """Start a kernel with blocks of so many threads each."""
    if SIMULATED:
        with warnings.catch_warnings():  # a device divides by zero without a word
            warnings.simplefilter("ignore", RuntimeWarning)
            kernel[n_blocks, n_threads](*arguments)
        return
    import cupy

    _configured(kernel, n_blocks, n_threads, cupy.cuda.get_current_stream().ptr)(*arguments)


@lru_cache(maxsize=1024)
def _configured(kernel: Any, n_blocks: int, n_threads: int, stream: int) -> Any:
    """A kernel ready to be called; made once, for that takes longer than a small kernel."""
    with warnings.catch_warnings():  # that there are few blocks is no news
        warnings.filterwarnings("ignore", message="Grid size")
        return kernel[n_blocks, n_threads, cuda.external_stream(stream)]


def n_multiprocessors() -> int:
    """Multiprocessors of the current GPU."""
    return 1 if SIMULATED else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)
