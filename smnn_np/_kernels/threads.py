"""Work shared among threads: kernels release the GIL, so plain Python threads suffice.

Numba's own threading layers are avoided: after OpenMP has run, a fork kills the child, and the
work queue aborts when two Python threads call it at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import count, pairwise
from typing import TypeVar

from numba import config

Part = TypeVar("Part")
Result = TypeVar("Result")


def split(n_blocks: int, fewest: int = 1) -> list[range]:
    """Divide blocks of series among NUMBA_NUM_THREADS threads, or so many that each has enough."""
    n_threads = min(config.NUMBA_NUM_THREADS, n_blocks // fewest)
    return _cut(range(n_blocks), max(n_threads, min(n_blocks, 1)))


def _cut(blocks: range, n_parts: int) -> list[range]:
    """Divide blocks into parts of about one length."""
    edges = [len(blocks) * k // n_parts for k in range(n_parts + 1)]
    return [blocks[first:stop] for first, stop in pairwise(edges)]


def shares(parts: Sequence[range], size: int) -> list[Iterator[tuple[int, range]]]:
    """Each part in numbered pieces of at most `size`, as an iterator for a thread of its own.

    A thread that is through with its part goes on with what is left of the others: one core may be
    slower than another, or have other work.
    """
    numbers = count()
    queues = [
        deque((next(numbers), piece) for piece in _cut(part, -(-len(part) // size)))
        for part in parts
    ]

    def take(number: int) -> Iterator[tuple[int, range]]:
        for queue in [queues[number], *queues]:
            with suppress(IndexError):
                while True:
                    yield queue.popleft()

    return [take(number) for number in range(len(parts))]


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    """Threads that wait for work: to start one takes longer than a small solve."""
    return ThreadPoolExecutor(size, thread_name_prefix="smnn_np")


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def in_parallel(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Apply `work` to every part, each in a thread of its own; the first error is raised.

    The caller's thread takes the first part.
    """
    if len(parts) == 1:
        return [work(parts[0])]
    others = [_pool(config.NUMBA_NUM_THREADS - 1).submit(work, part) for part in parts[1:]]
    try:
        first = work(parts[0])
    finally:
        for other in others:  # they write to arrays that the caller is about to let go
            other.exception()
    return [first, *(other.result() for other in others)]
