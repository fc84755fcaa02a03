"""Kernels whose threads, or warps, need a matrix to work on each.

A thread's small one lives in its own memory, in registers as far as loops are unrolled. Thousands
of large ones would not fit there: they come from CuPy's pool, neighbouring threads side by side.
The matrix of a warp, which is a block of its own, is in shared memory if that holds it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import float64

from .._cuda_import import cuda, launch, launch_blocks, on_device, padded

LOCAL = 24 * 24  # numbers that a thread may have to itself
SHARED = 6144  # numbers that a block may have in shared memory without asking for more


class WorkKernel(NamedTuple):
    """A kernel, and how many numbers each of its threads or warps wants to be given (0: none)."""

    kernel: Any
    size: int
    lanes: int

    def start(self, xp: Any, n_workers: int, *arguments: Any) -> None:
        """Launch it with so many threads or warps; the first argument is an array on the device."""
        work, n_given = arguments[0], padded(n_workers) if self.lanes == 1 else n_workers
        if self.size:
            work = on_device(xp.empty(self.size * n_given))
        if self.lanes == 1:
            launch(self.kernel, n_workers, work, *arguments)
        else:
            launch_blocks(self.kernel, n_workers, self.lanes, work, *arguments)


def with_work(body: Any, size: int = 1, lanes: int = 1) -> WorkKernel:
    """A kernel that runs ``body(work, worker, data, where, first, second)``, work of this size."""

    def local(shared, data, where, first, second):
        work = cuda.local.array(size, float64)
        body(work, cuda.grid(1), data, where, first, second)

    def from_pool(shared, data, where, first, second):
        thread, stride = cuda.grid(1), cuda.gridsize(1)
        work = shared[thread : thread + size * stride : stride]
        body(work, thread, data, where, first, second)

    def shared_by_warp(pool, data, where, first, second):
        work = cuda.shared.array(size, float64)
        body(work, cuda.blockIdx.x, data, where, first, second)

    def warp_from_pool(pool, data, where, first, second):
        at = cuda.blockIdx.x * size
        body(pool[at : at + size], cuda.blockIdx.x, data, where, first, second)

    own, other = (local, from_pool) if lanes == 1 else (shared_by_warp, warp_from_pool)
    small = size <= (LOCAL if lanes == 1 else SHARED)
    return WorkKernel(cuda.jit(own if small else other), 0 if small else size, lanes)
