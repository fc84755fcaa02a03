"""Kernels whose threads need a matrix to work on each.

A small one lives in the thread's own memory, in registers as far as loops are unrolled. Thousands
of large ones would not fit there: they come from CuPy's pool, neighbouring threads side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import float64

from .._cuda_import import cuda, launch, on_device, padded

LOCAL = 24 * 24  # numbers that a thread may have to itself


class WorkKernel(NamedTuple):
    """A kernel, and how many numbers each of its threads wants to be given (0: none)."""

    kernel: Any
    size: int

    def start(self, xp: Any, n_threads: int, *arguments: Any) -> None:
        """Launch it; the first argument is an array on the device."""
        work = arguments[0]
        if self.size:
            work = on_device(xp.empty(self.size * padded(n_threads)))
        launch(self.kernel, n_threads, work, *arguments)


def with_work(body: Any, size: int = 1) -> WorkKernel:
    """A kernel that runs ``body(work, thread, data, where, first, second)``, work of this size."""

    def local(shared, data, where, first, second):
        work = cuda.local.array(size, float64)
        body(work, cuda.grid(1), data, where, first, second)

    def from_pool(shared, data, where, first, second):
        thread, stride = cuda.grid(1), cuda.gridsize(1)
        work = shared[thread : thread + size * stride : stride]
        body(work, thread, data, where, first, second)

    small = size <= LOCAL
    return WorkKernel(cuda.jit(local if small else from_pool), 0 if small else size)
