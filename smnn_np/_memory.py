"""Arrays in memory that is used again.

The first touch of each page of fresh memory costs more than what the solver computes in it, and a
loop that trains or optimizes asks for the same sizes again and again. So the newest blocks of
memory are remembered: one whose array and views are all gone, so that nobody else refers to it,
serves the next array of about its size. Arrays start at a cache line, so that SIMD loads never
straddle two. Large blocks are the system's while they wait, should it need them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from math import prod

import numpy as np

from ._mapped import Array, Mapping, most_numbers

LEAST = 2**10  # numbers; smaller arrays get memory that malloc has at hand
LARGE = 2**20  # numbers; from here on to map pages and to give them back takes no time to speak of
MOST = 2**23  # numbers in smaller blocks that are remembered in all, in use or not ...
_MANY = 32  # ... and blocks, through which every call looks
_SPARE = 0.25  # by how much a block may be too large
_LINE = 8  # numbers


class _Block:
    """Memory for numbers from malloc, where its first cache line begins, who had it last."""

    __slots__ = ("_first", "numbers", "size", "thread")
    clear = False  # nobody knows what is in it

    def __init__(self, size: int) -> None:
        self.numbers = np.empty(size + _LINE)
        self._first, self.size, self.thread = _line_of(self.numbers), size, 0

    def is_free(self) -> bool:
        """Whether nobody else holds it, or a view of it."""
        return _n_references(self) == _ALONE

    def lend(self, size: int) -> Array:
        """So many numbers of it."""
        return self.numbers[self._first : self._first + size]


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


_ALONE = _n_references(_Block(0))


class _Pool:
    """Blocks of memory for arrays of some sizes, that which was given last at the end.

    Parameters
    ----------
    make : callable
        Makes a block of so many numbers.
    most : int
        Numbers that are remembered in all, in use or not.
    """

    def __init__(self, make: Callable[[int], _Block | Mapping], most: int) -> None:
        self._make, self.most = make, most
        self._blocks: list[_Block | Mapping] = []
        self._busy = False
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock)

    def take(self, size: int) -> tuple[Array, bool]:
        """Return memory for `size` numbers, of a block that is free or fresh, and if it is zeros.

        Blocks that this thread had come first: they may still be in its core's cache. What is in
        the cache of another core is as slow to come by as fresh memory.
        """
        with self._lock:
            if self._busy:  # called by the garbage collector in the midst of what follows
                return np.empty(size), False
            self._busy = True
            try:
                here = threading.get_ident()
                block = self._free(size, here) or self._fresh(size)
                block.thread, clear = here, block.clear
                self._blocks.append(block)
                return block.lend(size), clear
            finally:
                self._busy = False

    def _free(self, size: int, here: int) -> _Block | Mapping | None:
        """Take out a free block of `size` numbers or somewhat more."""
        most, chosen = (1 + _SPARE) * size, -1
        for k in range(len(self._blocks) - 1, -1, -1):
            block = self._blocks[k]
            fits = size <= block.size <= most and (block.thread == here or chosen < 0)
            if fits and block.is_free():
                chosen = k
                if block.thread == here:
                    break
        return self._blocks.pop(chosen) if chosen >= 0 else None

    def _fresh(self, size: int) -> _Block | Mapping:
        """New memory; the oldest blocks make room, and all of them if there is no other."""
        while self._blocks and (self.size() + size > self.most or len(self._blocks) >= _MANY):
            del self._blocks[0]
        try:
            return self._make(size)
        except MemoryError:
            self._blocks.clear()
            return self._make(size)

    def size(self) -> int:
        """Numbers in all blocks."""
        return sum(block.size for block in self._blocks)

    def _unlock(self) -> None:
        """In a forked child, whose parent's other threads are gone."""
        self._lock, self._busy = threading.RLock(), False


POOL = _Pool(_Block, MOST)
LARGE_POOL = _Pool(Mapping, most_numbers())


def _pool_for(size: int) -> _Pool | None:
    """Who remembers memory of this size, if anybody does."""
    if LARGE <= size <= LARGE_POOL.most:
        return LARGE_POOL
    return POOL if LEAST <= size < POOL.most else None


def empty(shape: int | tuple[int, ...]) -> Array:
    """As numpy.empty."""
    size = shape if isinstance(shape, int) else prod(shape)
    if size < LEAST:
        return np.empty(shape)
    pool = _pool_for(size)
    numbers = pool.take(size)[0] if pool else _from_line(np.empty(size + _LINE), size)
    return numbers.reshape(shape)


def zeros(shape: int | tuple[int, ...]) -> Array:
    """As numpy.zeros: fresh memory is zero, and its pages are better touched by all threads."""
    size = shape if isinstance(shape, int) else prod(shape)
    if size < LEAST:
        return np.zeros(shape)
    pool = _pool_for(size)
    numbers, clear = pool.take(size) if pool else (_from_line(np.zeros(size + _LINE), size), True)
    if not clear:
        numbers.fill(0.0)
    return numbers.reshape(shape)
