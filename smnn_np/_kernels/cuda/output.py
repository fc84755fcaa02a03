"""From scaled unknowns to the caller's array."""

from __future__ import annotations

from functools import cache
from typing import Any

from .._cuda_import import cuda
from .entries import node_scale


@cache
def derivatives_kernel(n_dims: int, n_orders: int) -> Any:
    """A thread for each node of each series, nodes of one series side by side."""
    m = n_dims * n_orders

    @cuda.jit
    def kernel(data, where, out):
        thread = cuda.grid(1)
        b, t = thread // where.n_nodes, thread % where.n_nodes
        if b >= where.n_series:
            return
        inverse = 1.0 / node_scale(data, where, b, t)
        for v in range(n_dims):
            power = 1.0
            for r in range(n_orders):
                i = v * n_orders + r
                out[thread * m + i] = power * data[where.z + (t * m + i) * where.n_series + b]
                power *= inverse

    return kernel
