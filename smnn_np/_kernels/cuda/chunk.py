"""Factorization and substitution of the nodes inside one chunk, by one thread.

A chunk's nodes are eliminated in order. Where there are separators, the finished rows have a spike:
columns of the separator on the left. What is left on both separators goes to the bridge.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import float64

from .._cuda_import import cuda, device
from .cholesky import cholesky_adders
from .entries import first_node
from .front import front_functions
from .layout import Sizes
from .qr import qr_adders
from .residual import residual_adders


class Chunk(NamedTuple):
    """Functions of a kernel that work on one chunk of one series."""

    factor: Any
    descend: Any
    ascend: Any


@cache
def factor_function(sizes: Sizes, by_qr: bool) -> Any:
    """Function that factorizes a chunk and takes the first half of the first solve with it."""
    m, w, near, n = sizes.m, sizes.w, sizes.near, sizes.n
    n_separator, central, spike = sizes.n_separator, sizes.central, sizes.spike
    size, size_left = sizes.triangle, sizes.remains
    make = qr_adders if by_qr else cholesky_adders
    add_node, add_link, add_central = make(sizes, n)
    eliminate, finish, shift = front_functions(m, near, n)

    @device
    def add_left(front, data, where, b, first):
        """Rows that reach into the chunk from the separator on its left."""
        add_link(front, data, where, b, first - 1, near + w - m, 0)
        if central:
            add_central(front, data, where, b, first - 2, near, near + m, 0)
            if first + 1 < where.n_nodes:
                add_central(front, data, where, b, first - 1, near + m, 0, m)

    @device
    def leave(front, v, taken, data, where, b, chunk):
        """Write what is left on the separators: a triangle and v, the right one first."""
        stride = where.n_series
        at = where.remains + chunk * size_left * stride + b
        to = where.carry + chunk * 2 * w * stride + b
        for i in range(2 * w):
            row = i if i < w else i + m
            for j in range(2 * w):
                column = j if j < w else j + m
                data[at + (i * 2 * w + j) * stride] = front[row * n + column] if j >= i else 0.0
            data[at + (4 * w * w + i) * stride] = taken[row]
            data[to + i * stride] = v[row]

    @device
    def factor(front, data, where, b, chunk):
        """Factorize, write ``U^-T A^T b`` to x; returns the node of a bad pivot, or -1."""
        v, taken = cuda.local.array(n, float64), cuda.local.array(n, float64)
        for i in range(n):
            v[i], taken[i] = 0.0, 0.0
            for j in range(n):
                front[i * n + j] = 0.0
        stride, failed = where.n_series, -1.0
        first = first_node(where, chunk, n_separator)
        last = first_node(where, chunk + 1, n_separator) - n_separator
        if spike and chunk > 0:
            add_left(front, data, where, b, first)
        for t in range(first, last):
            add_node(front, v, data, where, b, t, 0)
            if t + 1 < where.n_nodes:
                add_link(front, data, where, b, t, 0, m)
            if central and t + 2 < where.n_nodes:
                add_central(front, data, where, b, t, 0, m, 2 * m)
            at = where.triangle + t * size * stride + b
            to = where.x + t * m * stride + b
            if by_qr:
                good = finish(front, v, data, at, to, stride)
            else:
                good = eliminate(front, v, taken, data, at, to, stride)
            if failed < 0.0 and not good:
                failed = float(t)
            shift(front, v, taken)
        if spike:
            leave(front, v, taken, data, where, b, chunk)
        return failed

    return factor


@cache
def substitution(sizes: Sizes) -> tuple[Any, Any]:
    """Functions for both halves of a solve inside a chunk."""
    m, w, near, n = sizes.m, sizes.w, sizes.near, sizes.n
    n_separator, central, spike = sizes.n_separator, sizes.central, sizes.spike
    size, n_peaks = sizes.triangle, 2 * m
    add_node, add_link, add_central = residual_adders(sizes)

    @device
    def descend(data, where, b, chunk, from_zero):
        """Write ``U^-T (target + A^T (b - A z))`` to x; z counts as zero with `from_zero`."""
        v = cuda.local.array(n, float64)
        for i in range(n):
            v[i] = 0.0
        stride = where.n_series
        first = first_node(where, chunk, n_separator)
        last = first_node(where, chunk + 1, n_separator) - n_separator
        if spike and chunk > 0 and not from_zero:
            add_link(v, data, where, b, first - 1, near + w - m, 0)
            if central:
                add_central(v, data, where, b, first - 2, near, near + m, 0)
                if first + 1 < where.n_nodes:
                    add_central(v, data, where, b, first - 1, near + m, 0, m)
        for t in range(first, last):
            add_node(v, data, where, b, t, 0, from_zero)
            if t + 1 < where.n_nodes and not from_zero:
                add_link(v, data, where, b, t, 0, m)
            if central and t + 2 < where.n_nodes and not from_zero:
                add_central(v, data, where, b, t, 0, m, 2 * m)
            at = where.triangle + t * size * stride + b
            to = where.x + t * m * stride + b
            for k in range(m):
                data[to + k * stride] = v[k]
                for j in range(k + 1, n):
                    v[j] -= data[at + (j - k) * stride] * v[k]
                at += (n - k) * stride
            for i in range(w):
                v[i] = v[i + m]
            for i in range(w, near):
                v[i] = 0.0
        if spike:
            to = where.carry + chunk * 2 * w * stride + b
            for i in range(w):
                data[to + i * stride] = v[i]
                data[to + (w + i) * stride] = v[near + i]

    @device
    def ascend(data, where, b, chunk, from_zero):
        """Add ``U^-1 D^-1 x`` to z, leave it in x, write the largest entries to the peaks."""
        value = cuda.local.array(n, float64)
        peaks = cuda.local.array(n_peaks, float64)
        for i in range(2 * m):
            peaks[i] = 0.0
        stride = where.n_series
        first = first_node(where, chunk, n_separator)
        last = first_node(where, chunk + 1, n_separator) - n_separator
        for i in range(n):
            value[i] = 0.0
        if spike:
            for i in range(w):
                if chunk > 0:
                    k = (first - n_separator) * m + i
                    value[near + i] = data[where.x + k * stride + b]
                if chunk + 1 < where.n_chunks:
                    value[m + i] = data[where.x + (last * m + i) * stride + b]
        for back in range(last - first):
            t = last - 1 - back
            to = where.x + t * m * stride + b
            for i in range(m):
                value[i] = data[to + i * stride]
            at = where.triangle + (t + 1) * size * stride + b
            for up in range(m):
                i = m - 1 - up
                at -= (n - i) * stride
                total = value[i] * data[at]
                for j in range(i + 1, n):
                    total -= data[at + (j - i) * stride] * value[j]
                value[i] = total
                data[to + i * stride] = total
            raise_peaks(value, peaks, data, where.z + t * m * stride + b, stride, from_zero)
            for up in range(w):
                i = w - 1 - up
                value[i + m] = value[i]
        write_peaks(peaks, data, where, b, chunk)

    raise_peaks, write_peaks = peak_functions(m)
    return descend, ascend


@cache
def peak_functions(m: int) -> tuple[Any, Any]:
    """Functions that add a correction to z, and keep the largest entries of both."""

    @device
    def raise_peaks(value, peaks, data, at, stride, from_zero):
        """Add one node's correction; a NaN that comes stays until a number comes."""
        for i in range(m):
            new = value[i] if from_zero else data[at + i * stride] + value[i]
            data[at + i * stride] = new
            if not abs(value[i]) <= peaks[i]:
                peaks[i] = abs(value[i])
            if not abs(new) <= peaks[m + i]:
                peaks[m + i] = abs(new)

    @device
    def write_peaks(peaks, data, where, b, chunk):
        """Write the largest entries of a chunk."""
        for i in range(2 * m):
            data[where.peaks + (chunk * 2 * m + i) * where.n_series + b] = peaks[i]

    return raise_peaks, write_peaks
