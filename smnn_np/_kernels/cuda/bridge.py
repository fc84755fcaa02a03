"""The system of the separators: what the chunks leave, and the rows inside separators.

One thread or warp per series goes from separator to separator. A separator's w unknowns are
eliminated as a node's are, the next separator being the next node.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import float64

from .._cuda_import import cuda, device
from .cholesky import cholesky_adders
from .chunk import back_function, peak_functions, with_vector, with_vectors
from .entries import first_node
from .front import front_functions
from .lanes import lane_functions
from .layout import Sizes
from .qr import merge_function, qr_adders
from .residual import residual_adders


@cache
def take_functions(sizes: Sizes, by_qr: bool) -> tuple[Any, Any]:
    """Functions that take what a chunk left into a front of the separators on both its sides."""
    w, n, size, lanes = sizes.w, 2 * sizes.w, sizes.remains, sizes.lanes
    merge, (lane, sync) = merge_function(n, lanes), lane_functions(lanes)

    @device
    def take_products(front, taken, line, data, where, b, chunk, left, right):
        """Add normal products; `left` and `right` are where the separators' unknowns start."""
        stride = where.n_series
        at = where.remains + chunk * size * stride + b
        for i in range(n):
            row = right + i if i < w else left + i - w
            if (i < w and right >= 0) or (i >= w and left >= 0):
                if lane() == 0:
                    taken[row] += data[at + (n * n + i) * stride]
                for j in range(i + lane(), n, lanes):
                    column = right + j if j < w else left + j - w
                    if j < w or left >= 0:
                        value = data[at + (i * n + j) * stride]
                        front[min(row, column) * n + max(row, column)] += value
        sync()

    @device
    def take_rows(front, taken, line, data, where, b, chunk, left, right):
        """Rotate the rows of a triangle into the front."""
        stride = where.n_series
        at = where.remains + chunk * size * stride + b
        for i in range(n):
            for j in range(lane(), n, lanes):
                line[j] = 0.0
            sync()
            for j in range(i + lane(), n, lanes):
                if j < w and right >= 0:
                    line[right + j] = data[at + (i * n + j) * stride]
                if j >= w and left >= 0:
                    line[left + j - w] = data[at + (i * n + j) * stride]
            sync()
            merge(front, line, 0, n)

    @device
    def take_carry(v, data, where, b, chunk, left, right):
        """The same for the right side."""
        at = where.carry + chunk * n * where.n_series + b
        for i in range(lane(), w, lanes):
            if right >= 0:
                v[right + i] += data[at + i * where.n_series]
            if left >= 0:
                v[left + i] += data[at + (w + i) * where.n_series]
        sync()

    return take_rows if by_qr else take_products, take_carry


@cache
def factor_bridge(sizes: Sizes, by_qr: bool) -> Any:
    """Function that factorizes the separators' system of a series, as `chunk` does a chunk."""
    m, w, n, n_separator = sizes.m, sizes.w, 2 * sizes.w, sizes.n_separator
    size, lanes = sizes.bridge, sizes.lanes
    lane, sync = lane_functions(lanes)
    take, take_carry = take_functions(sizes, by_qr)
    add_node, add_link, _ = (qr_adders if by_qr else cholesky_adders)(sizes, n)
    eliminate, finish, shift = front_functions(w, n, n, lanes)

    @device
    def factor(front, v, taken, line, data, where, b, unused):
        """Factorize, write ``U^-T A^T b`` to x; returns the node of a bad pivot, or -1."""
        for i in range(n):
            for j in range(lane(), n, lanes):
                front[i * n + j] = 0.0
        for i in range(lane(), n, lanes):
            v[i], taken[i] = 0.0, 0.0
        sync()
        stride, failed = where.n_series, -1.0
        take(front, taken, line, data, where, b, 0, -1, 0)
        take_carry(v, data, where, b, 0, -1, 0)
        for k in range(where.n_chunks - 1):
            t = first_node(where, k + 1, n_separator) - n_separator
            take(front, taken, line, data, where, b, k + 1, 0, w)
            take_carry(v, data, where, b, k + 1, 0, w)
            for i in range(n_separator):
                add_node(front, v, line, data, where, b, t + i, i * m)
            if n_separator == 2:
                add_link(front, line, data, where, b, t, 0, m)
            at = where.bridge + k * size * stride + b
            to = where.x + t * m * stride + b
            if by_qr:
                good = finish(front, v, data, at, to, stride)
            else:
                good = eliminate(front, v, taken, data, at, to, stride)
            if failed < 0.0 and not good:
                failed = float(t)
            shift(front, v, taken)
        return failed

    return with_vectors(factor, n, lanes)


@cache
def bridge_substitution(sizes: Sizes) -> tuple[Any, Any]:
    """Functions for both halves of a solve with the separators' system."""
    m, w, n, n_separator = sizes.m, sizes.w, 2 * sizes.w, sizes.n_separator
    size, lanes = sizes.bridge, sizes.lanes
    substitute, (lane, sync) = back_function(w, n, lanes), lane_functions(lanes)
    _, take_carry = take_functions(sizes, False)
    add_node, add_link, _ = residual_adders(sizes)
    raise_peaks, write_peaks = peak_functions(m, lanes)

    @device
    def descend(v, data, where, b, unused, from_zero):
        """Write ``U^-T (target + A^T (b - A z))`` of the separators to x."""
        stride = where.n_series
        for i in range(lane(), n, lanes):
            v[i] = 0.0
        sync()
        take_carry(v, data, where, b, 0, -1, 0)
        for k in range(where.n_chunks - 1):
            t = first_node(where, k + 1, n_separator) - n_separator
            take_carry(v, data, where, b, k + 1, 0, w)
            for i in range(n_separator):
                add_node(v, data, where, b, t + i, i * m, from_zero)
            if n_separator == 2 and not from_zero:
                add_link(v, data, where, b, t, 0, m)
            at = where.bridge + k * size * stride + b
            for i in range(w):
                if lane() == 0:
                    data[where.x + (t * m + i) * stride + b] = v[i]
                for j in range(i + 1 + lane(), n, lanes):
                    v[j] -= data[at + (j - i) * stride] * v[i]
                at += (n - i) * stride
                sync()
            for i in range(lane(), w, lanes):
                v[i], v[w + i] = v[w + i], 0.0
            sync()

    @device
    def ascend(value, peaks, data, where, b, unused, from_zero):
        """Add ``U^-1 D^-1 x`` to z at the separators, leave it in x."""
        node, stride = cuda.local.array(m, float64), where.n_series
        for i in range(lane(), n, lanes):
            value[i] = 0.0
        for i in range(lane(), 2 * m, lanes):
            peaks[i] = 0.0
        sync()
        for back in range(where.n_chunks - 1):
            k = where.n_chunks - 2 - back
            t = first_node(where, k + 1, n_separator) - n_separator
            at, to = where.bridge + k * size * stride + b, where.x + t * m * stride + b
            substitute(value, data, at, to, stride)
            for each in range(n_separator):
                for i in range(lane(), m, lanes):
                    node[i] = value[each * m + i]
                to = where.z + (t + each) * m * stride + b
                raise_peaks(node, peaks, data, to, stride, from_zero)
            for i in range(lane(), w, lanes):
                value[w + i] = value[i]
            sync()
        write_peaks(peaks, data, where, b, where.n_chunks)

    return with_vector(descend, ascend, n, m, lanes)
