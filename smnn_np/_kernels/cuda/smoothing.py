"""The smoother's two passes on pieces of series whose ends are known (``elements.py``).

The recursions are those of the host, from ``smooth.py`` and ``backward.py``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import float64

from .._cuda_import import cuda, device
from ..backward import combine, describe, push, retreat
from ..smooth import advance
from .series import Sizes, step_functions


@cache
def smoothing_kernel(sizes: Sizes) -> Any:
    """A thread for each piece: fills mean, std (m, R) and kept (m, S, S + 1) by slot.

    kept: rows on a node from itself and all before it. std is NaN where a state is undetermined.
    """
    order, p, n, varying = sizes.order, sizes.n_effects, sizes.n_states, sizes.varying
    square, corner, table = (order, order), (n, n), (n, n + 1)
    n_block, n_both, n_rows, n_design = order + n + 1, 2 * n, sizes.rows, p + 1
    n_keys = order + n_both
    wide, tall = (n_block, n_block), (n_both, n + 1)
    load_design, load_step = step_functions(sizes)

    @device
    def load_end(ends, at, triangle, rhs):
        for i in range(n):
            for c in range(n):
                triangle[i, c] = ends[at + i * (n + 1) + c]
            rhs[i] = ends[at + i * (n + 1) + n]

    @device
    def forward(series, piece, ends, slot, kept):
        triangle = cuda.local.array(corner, float64)
        rhs = cuda.local.array(n, float64)
        ahead = cuda.local.array(square, float64)
        back = cuda.local.array(square, float64)
        root = cuda.local.array(square, float64)
        block = cuda.local.array(wide, float64)
        keys = cuda.local.array(n_block, float64)
        scratch = cuda.local.array(n_block, float64)
        design = cuda.local.array(n_design, float64)[:p]
        run, low = series.run[piece], series.first[piece]
        load_end(ends, (series.run.shape[0] + piece) * n_rows, triangle, rhs)
        for k in range(low, series.first[piece + 1]):
            load_design(series, k, design)
            if k == low or varying or series.steps[k] != series.steps[k - 1]:
                load_step(series, run, k, ahead, back, root)
            advance(
                triangle, rhs, back, root, series.drives[run], design, series.weight[k],
                series.value[k], block, keys, scratch,
            )  # fmt: skip
            if slot[k] >= 0:
                for i in range(n):
                    for c in range(n):
                        kept[slot[k], i, c] = triangle[i, c]
                    kept[slot[k], i, n] = rhs[i]

    @device
    def meet(here, kept, rows, rhs, own, both, keys, scratch, state, inverse):
        for i in range(n):
            for c in range(n + 1):
                own[i, c] = kept[here, i, c]
        return combine(own, rows, rhs, both, keys, scratch, state, inverse)

    @device
    def write(here, known, mean, std, out):
        for r in range(order):
            out[0, here, r] = mean[r]
            out[1, here, r] = std[r] if known else math.nan

    @device
    def backward(series, piece, ends, slot, kept, out):
        rows = cuda.local.array(corner, float64)
        rhs = cuda.local.array(n, float64)
        ahead = cuda.local.array(square, float64)
        back = cuda.local.array(square, float64)
        root = cuda.local.array(square, float64)
        block = cuda.local.array(wide, float64)
        own = cuda.local.array(table, float64)
        both = cuda.local.array(tall, float64)
        keys = cuda.local.array(n_keys, float64)
        scratch = cuda.local.array(n_block, float64)
        state = cuda.local.array(n, float64)
        inverse = cuda.local.array(corner, float64)
        mean = cuda.local.array(order, float64)
        std = cuda.local.array(order, float64)
        design = cuda.local.array(n_design, float64)[:p]
        run, low, high = series.run[piece], series.first[piece], series.first[piece + 1]
        load_end(ends, piece * n_rows, rows, rhs)
        last = high if high < series.first[series.opening[run + 1]] else high - 1
        for i in range(last + 1 - low):
            k = last - i
            weight, value = 0.0, 0.0  # a sample of the next piece is among the rows
            if k < high:
                load_design(series, k, design)
                weight, value = series.weight[k], series.value[k]
                if slot[k] >= 0:
                    known = meet(slot[k], kept, rows, rhs, own, both, keys, scratch, state, inverse)
                    describe(state, inverse, design, mean, std)
                    write(slot[k], known, mean, std, out)
            if k == low:
                break
            if i == 0 or varying or series.steps[k] != series.steps[k + 1]:
                load_step(series, run, k, ahead, back, root)
            drive = series.drives[run]
            retreat(rows, rhs, root, drive, design, weight, value, block, keys, scratch)
            push(rows, ahead, scratch)

    @cuda.jit
    def kernel(series, ends, slot, kept, out):
        piece = cuda.grid(1)
        if piece < series.run.shape[0]:
            forward(series, piece, ends, slot, kept)
            backward(series, piece, ends, slot, kept, out)

    return kernel
