"""Work shared among threads: kernels release the GIL, so plain Python threads suffice.

Numba's own threading layers are avoided: after OpenMP has run, a fork kills the child, and the
work queue aborts when two Python threads call it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from numba import config

Part = TypeVar("Part")
Result = TypeVar("Result")


def split(n_blocks: int) -> list[range]:
    """Divide blocks of series among NUMBA_NUM_THREADS threads."""
    n_parts = min(config.NUMBA_NUM_THREADS, n_blocks)
    edges = [n_blocks * k // n_parts for k in range(n_parts + 1)]
    return [range(*pair) for pair in pairwise(edges)]


def in_parallel(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Apply `work` to every part, each in a thread of its own; the first error is raised."""
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(len(parts) - 1) as pool:
        others = [pool.submit(work, part) for part in parts[1:]]
        return [work(parts[0]), *(other.result() for other in others)]
