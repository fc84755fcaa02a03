"""Whether a solution is proven, refined to the end, or lost; decided on the device.

The tests are those of `smnn_np._kernels.cpu.verdict`, series by series.
"""

from __future__ import annotations

from functools import cache
from math import inf, isnan
from typing import Any

from .._cuda_import import device
from ..trust import CONTRACTION, FINE, FLOOR, LOST, REJECTED, REMAINDER, STALL
from .layout import Sizes

# States of a series: which factorization it has, or waits for.
CHOLESKY_WANTED, BY_CHOLESKY, QR_WANTED, BY_QR = 0.0, 1.0, 2.0, 3.0


@cache
def worst_ratio_function(m: int) -> Any:
    """Function that compares largest entries (m,) with others, unknown by unknown."""

    @device
    def worst_ratio(data, now, before, floor, stride):
        """Largest ratio, each against no less than `floor` of the largest.

        0 where both are zero; NaN where one is.
        """
        largest, worst = 0.0, 0.0
        for i in range(m):
            if data[before + i * stride] > largest:
                largest = data[before + i * stride]
        for i in range(m):
            scale = floor * largest
            if data[before + i * stride] > scale:
                scale = data[before + i * stride]
            top = data[now + i * stride]
            if scale > 0.0:
                ratio = top / scale
            elif top > 0.0:
                ratio = inf
            else:
                ratio = top
            if isnan(ratio):
                worst = ratio
            if ratio > worst:
                worst = ratio
        return worst

    return worst_ratio


@cache
def verdict_function(sizes: Sizes, prove: bool) -> Any:
    """Function that takes in a correction's peaks and decides how the solve goes on."""
    m, spike = sizes.m, sizes.spike
    worst_ratio = worst_ratio_function(m)

    @device
    def gather(data, where, b, now):
        """Largest entries over all chunks: of the correction to norm `now`, of z to norm 3."""
        stride = where.n_series
        n_parts = where.n_chunks + 1 if spike else 1
        for i in range(2 * m):
            top = 0.0
            for k in range(n_parts):
                value = data[where.peaks + (k * 2 * m + i) * stride + b]
                if not value <= top:
                    top = value
            place = now * m + i if i < m else 2 * m + i
            data[where.norms + place * stride + b] = top

    @device
    def worst_node(data, where, b):
        """Node of the largest entry of x."""
        worst, node = -1.0, 0
        for k in range(where.n_nodes):
            for i in range(m):
                value = abs(data[where.x + (k * m + i) * where.n_series + b])
                if value > worst or isnan(value):
                    worst, node = value, k
        return float(node)

    @device
    def judge(data, where, b, correction, n_corrections):
        """Decide after a correction; the 0th is the first solution."""
        stride, norm = where.n_series, where.norms + b
        now = norm + (correction + 2) % 3 * m * stride
        before = norm + (correction + 1) % 3 * m * stride
        earlier, size = norm + correction % 3 * m * stride, norm + 3 * m * stride
        gather(data, where, b, (correction + 2) % 3)
        if correction == 0:
            return
        ratio = worst_ratio(data, now, before, FLOOR, stride)
        left = worst_ratio(data, now, size, FLOOR, stride)
        data[where.left + b] = left
        done = ratio * left <= REMAINDER
        if prove:
            good = ratio <= CONTRACTION
            done = done and good
            lost = not good or (correction == n_corrections and not done)
            data[where.verdict + b] = REJECTED if lost else FINE
        else:
            # A correction that undoes one that was far off is as large: compare every other one.
            lost = not worst_ratio(data, now, earlier, 1.0, stride) <= STALL
            done = done or lost or correction == n_corrections
            if done and not worst_ratio(data, now, size, 1.0, stride) <= LOST:
                data[where.verdict + b] = worst_node(data, where, b)
        if done or lost:
            data[where.share + b] = 0.0

    @device
    def open_solve(data, where, b):
        """Forget earlier corrections."""
        for i in range(3 * m):
            data[where.norms + i * where.n_series + b] = inf
        data[where.share + b], data[where.verdict + b], data[where.left + b] = 1.0, FINE, 0.0

    return open_solve, judge
