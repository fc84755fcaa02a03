"""How the threads that share a series divide its work: all of a warp for larger nodes, else one.

Loops over unknowns or dimensions go from ``lane()`` in steps of the number of lanes: from 0 in
steps of 1 where a thread is alone. Every function that fills what others read ends with ``sync()``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .._cuda_import import cuda, device


@cache
def lane_functions(lanes: int) -> tuple[Any, Any]:
    """Functions of a kernel: the number of this thread among its series', and wait for them all."""

    @device
    def first():
        return 0

    @device
    def go_on():
        return

    @device
    def lane():
        return cuda.threadIdx.x

    @device
    def sync():
        cuda.syncthreads()

    return (first, go_on) if lanes == 1 else (lane, sync)
