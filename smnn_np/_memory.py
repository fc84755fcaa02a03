"""Arrays in memory that is used again.

The first touch of each page of fresh memory costs more than what the solver computes in it, and a
loop that trains or optimizes asks for the same sizes again and again. So the memory of large arrays
is not given back at once: some of it waits for the next array of about that size. It starts at a
cache line, so that SIMD loads never straddle two, and so do arrays that are too large to wait.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST = 2**17  # bytes; smaller arrays get memory that malloc has at hand
MOST = 2**26  # bytes that may wait in all
_SPARE = 0.25  # by how much a block may be too large
_LINE = 64  # bytes
_FLOAT64 = np.dtype(np.float64).str


class _Waiting(NamedTuple):
    """Memory that waits, the thread that it comes from, and how many bytes it is."""

    block: NDArray[np.uint8]
    thread: int
    size: int


class _Pool:
    """Blocks of memory that wait, the newest last."""

    def __init__(self) -> None:
        self._blocks: deque[_Waiting] = deque()
        self._lock = threading.Lock()  # of those who take blocks out
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock)

    def take(self, size: int) -> NDArray[np.uint8]:
        """Return a block of `size` bytes or somewhat more, of those that wait the newest.

        Those of this thread come first: they may still be in its core's cache. What is in the cache
        of another core is as slow to come by as fresh memory.
        """
        here, most, chosen, mine = threading.get_ident(), (1 + _SPARE) * size, -1, False
        with self._lock:
            # A list: to make a tuple may start the garbage collector, which gives, in its midst.
            for k, (_, thread, there) in enumerate(list(self._blocks)):
                if size <= there <= most and (thread == here or chosen < 0 or not mine):
                    chosen, mine = k, thread == here
            if chosen >= 0:
                block = self._blocks[chosen].block
                del self._blocks[chosen]
                return block
        return np.empty(size, dtype=np.uint8)

    def give(self, block: NDArray[np.uint8]) -> None:
        """Let a block wait; the oldest make room.

        The garbage collector may call this in the midst of anything, `take` too: it must not wait.
        """
        self._blocks.append(_Waiting(block, threading.get_ident(), block.size))
        if self.waiting() > MOST and self._lock.acquire(blocking=False):
            while self.waiting() > MOST:
                self._blocks.popleft()
            self._lock.release()

    def waiting(self) -> int:
        """Bytes that wait."""
        return sum(size for _, _, size in list(self._blocks))

    def _unlock(self) -> None:
        """In a forked child, whose parent's other threads are gone."""
        self._lock = threading.Lock()


POOL = _Pool()


class _Lease:
    """The memory of one array, which goes back with the array's last view."""

    def __init__(self, shape: tuple[int, ...], n_bytes: int) -> None:
        self._pool, self._block = POOL, POOL.take(n_bytes + _LINE)
        first = self._block.__array_interface__["data"][0]
        self.__array_interface__ = {
            "shape": shape, "typestr": _FLOAT64,
            "data": (first + -first % _LINE, False), "version": 3,
        }  # fmt: skip

    def __del__(self) -> None:
        self._pool.give(self._block)


def empty(shape: int | tuple[int, ...]) -> Array:
    """As numpy.empty."""
    return _array(shape, np.empty)


def zeros(shape: int | tuple[int, ...]) -> Array:
    """As numpy.zeros: fresh memory is zero, and its pages are better touched by all threads."""
    return _array(shape, np.zeros)


def _array(shape: int | tuple[int, ...], make: Callable[..., Array]) -> Array:
    """As numpy's `make`, from memory that waits, or from the start of a cache line on at least."""
    shape = shape if isinstance(shape, tuple) else (shape,)
    size = prod(shape)
    if 8 * size < LEAST:
        return make(shape)
    if 8 * size >= MOST:
        numbers = make(size + _LINE // 8)
        first = -numbers.__array_interface__["data"][0] % _LINE // 8
        return numbers[first : first + size].reshape(shape)
    array: Array = np.asarray(_Lease(shape, 8 * size))
    if make is np.zeros:
        array.fill(0.0)
    return array
