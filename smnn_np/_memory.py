"""Arrays in memory that is used again.

The first touch of each page of fresh memory costs more than what the solver computes in it, and a
loop that trains or optimizes asks for the same sizes again and again. So the newest blocks of
memory are remembered: one whose array and views are all gone, so that nobody else refers to it,
serves the next array of about its size. Arrays start at a cache line, so that SIMD loads never
straddle two.
"""

from __future__ import annotations

import os
import sys
import threading
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST = 2**10  # numbers; smaller arrays get memory that malloc has at hand
MOST = 2**23  # numbers that are remembered in all, in use or not ...
_MANY = 32  # ... and blocks, through which every call looks
_SPARE = 0.25  # by how much a block may be too large
_LINE = 8  # numbers


class _Block(NamedTuple):
    """Memory, where its first cache line begins, its size from there, who had it last."""

    numbers: Array
    first: int
    size: int
    thread: int


def _n_references(block: _Block) -> int:
    """How many hold the memory of a block, or a view of it."""
    return sys.getrefcount(block.numbers)


def _line_of(numbers: Array) -> int:
    """Where the first cache line of an array begins."""
    return -(numbers.ctypes.data // 8) % _LINE


def _from_line(numbers: Array, size: int) -> Array:
    """So many numbers from the first cache line on."""
    first = _line_of(numbers)
    return numbers[first : first + size]


_ALONE = _n_references(_Block(np.empty(0), 0, 0, 0))


class _Pool:
    """Blocks of memory, that which was given last at the end."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._busy = False
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock)

    def take(self, size: int) -> Array:
        """Return memory for `size` numbers: of a block that is free, or fresh.

        Blocks that this thread had come first: they may still be in its core's cache. What is in
        the cache of another core is as slow to come by as fresh memory.
        """
        with self._lock:
            if self._busy:  # called by the garbage collector in the midst of what follows
                return np.empty(size)
            self._busy = True
            try:
                here = threading.get_ident()
                block = self._free(size, here) or self._fresh(size, here)
                self._blocks.append(block if block.thread == here else block._replace(thread=here))
                return block.numbers[block.first : block.first + size]
            finally:
                self._busy = False

    def _free(self, size: int, here: int) -> _Block | None:
        """Take out a free block of `size` numbers or somewhat more."""
        most, chosen = (1 + _SPARE) * size, -1
        for k in range(len(self._blocks) - 1, -1, -1):
            block = self._blocks[k]
            fits = size <= block.size <= most and (block.thread == here or chosen < 0)
            if fits and _n_references(block) == _ALONE:
                chosen = k
                if block.thread == here:
                    break
        return self._blocks.pop(chosen) if chosen >= 0 else None

    def _fresh(self, size: int, here: int) -> _Block:
        """New memory; the oldest blocks make room."""
        while self._blocks and (self.size() + size > MOST or len(self._blocks) >= _MANY):
            del self._blocks[0]
        numbers = np.empty(size + _LINE)
        return _Block(numbers, _line_of(numbers), size, here)

    def size(self) -> int:
        """Numbers in all blocks."""
        return sum(block.size for block in self._blocks)

    def _unlock(self) -> None:
        """In a forked child, whose parent's other threads are gone."""
        self._lock, self._busy = threading.RLock(), False


POOL = _Pool()


def empty(shape: int | tuple[int, ...]) -> Array:
    """As numpy.empty."""
    size = shape if isinstance(shape, int) else prod(shape)
    if size < LEAST:
        return np.empty(shape)
    numbers = POOL.take(size) if size < MOST else _from_line(np.empty(size + _LINE), size)
    return numbers.reshape(shape)


def zeros(shape: int | tuple[int, ...]) -> Array:
    """As numpy.zeros: fresh memory is zero, and its pages are better touched by all threads."""
    size = shape if isinstance(shape, int) else prod(shape)
    if size < LEAST:
        return np.zeros(shape)
    if size >= MOST:
        return _from_line(np.zeros(size + _LINE), size).reshape(shape)
    array = empty(shape)
    array.fill(0.0)
    return array
