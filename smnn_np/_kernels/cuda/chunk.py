"""Factorization and substitution of the nodes inside one chunk, by one thread or one warp.

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
from .lanes import lane_functions
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
    make, lanes = qr_adders if by_qr else cholesky_adders, sizes.lanes
    add_node, add_link, add_central = make(sizes, n)
    eliminate, finish, shift = front_functions(m, near, n, lanes)
    lane, sync = lane_functions(lanes)

    @device
    def add_left(front, line, data, where, b, first):
        """Rows that reach into the chunk from the separator on its left."""
        add_link(front, line, data, where, b, first - 1, near + w - m, 0)
        if central:
            add_central(front, line, data, where, b, first - 2, near, near + m, 0)
            if first + 1 < where.n_nodes:
                add_central(front, line, data, where, b, first - 1, near + m, 0, m)

    @device
    def leave(front, v, taken, data, where, b, chunk):
        """Write what is left on the separators: a triangle and v, the right one first."""
        stride = where.n_series
        at = where.remains + chunk * size_left * stride + b
        to = where.carry + chunk * 2 * w * stride + b
        for i in range(2 * w):
            row = i if i < w else i + m
            for j in range(lane(), 2 * w, lanes):
                column = j if j < w else j + m
                data[at + (i * 2 * w + j) * stride] = front[row * n + column] if j >= i else 0.0
            if lane() == 0:
                data[at + (4 * w * w + i) * stride] = taken[row]
                data[to + i * stride] = v[row]

    @device
    def factor(front, v, taken, line, data, where, b, chunk):
        """Factorize, write ``U^-T A^T b`` to x; returns the node of a bad pivot, or -1."""
        for i in range(n):
            for j in range(lane(), n, lanes):
                front[i * n + j] = 0.0
        for i in range(lane(), n, lanes):
            v[i], taken[i] = 0.0, 0.0
        sync()
        stride, failed = where.n_series, -1.0
        first = first_node(where, chunk, n_separator)
        last = first_node(where, chunk + 1, n_separator) - n_separator
        if spike and chunk > 0:
            add_left(front, line, data, where, b, first)
        for t in range(first, last):
            add_node(front, v, line, data, where, b, t, 0)
            if t + 1 < where.n_nodes:
                add_link(front, line, data, where, b, t, 0, m)
            if central and t + 2 < where.n_nodes:
                add_central(front, line, data, where, b, t, 0, m, 2 * m)
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

    return with_vectors(factor, n, lanes)


@cache
def with_vectors(factor: Any, n: int, lanes: int) -> Any:
    """``factor(work, data, where, b, ...)`` from one that is given a front (n, n) and vectors.

    A thread that is alone has the vectors to itself; a warp shares them, after the front.
    """

    @device
    def alone(work, data, where, b, chunk):
        v, taken = cuda.local.array(n, float64), cuda.local.array(n, float64)
        line = cuda.local.array(n, float64)
        return factor(work, v, taken, line, data, where, b, chunk)

    @device
    def together(work, data, where, b, chunk):
        at = n * n
        v, taken, line = work[at : at + n], work[at + n : at + 2 * n], work[at + 2 * n : at + 3 * n]
        return factor(work[:at], v, taken, line, data, where, b, chunk)

    return alone if lanes == 1 else together


def work_size(n: int, m: int, lanes: int) -> int:
    """Numbers of a front of n unknowns and what else a warp shares: three vectors and 2 m peaks."""
    return n * n if lanes == 1 else n * n + 3 * n + 2 * m


@cache
def substitution(sizes: Sizes) -> tuple[Any, Any]:
    """Functions for both halves of a solve inside a chunk."""
    m, w, near, n = sizes.m, sizes.w, sizes.near, sizes.n
    n_separator, central, spike = sizes.n_separator, sizes.central, sizes.spike
    size, lanes = sizes.triangle, sizes.lanes
    add_node, add_link, add_central = residual_adders(sizes)
    substitute, (lane, sync) = back_function(m, n, lanes), lane_functions(lanes)

    @device
    def descend(v, data, where, b, chunk, from_zero):
        """Write ``U^-T (target + A^T (b - A z))`` to x; z counts as zero with `from_zero`."""
        for i in range(lane(), n, lanes):
            v[i] = 0.0
        sync()
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
                if lane() == 0:
                    data[to + k * stride] = v[k]
                for j in range(k + 1 + lane(), n, lanes):
                    v[j] -= data[at + (j - k) * stride] * v[k]
                at += (n - k) * stride
                sync()
            for node in range(n_separator):
                for i in range(lane(), m, lanes):
                    v[node * m + i] = v[(node + 1) * m + i]
                sync()
            for i in range(w + lane(), near, lanes):
                v[i] = 0.0
            sync()
        if spike:
            to = where.carry + chunk * 2 * w * stride + b
            for i in range(lane(), w, lanes):
                data[to + i * stride] = v[i]
                data[to + (w + i) * stride] = v[near + i]

    @device
    def ascend(value, peaks, data, where, b, chunk, from_zero):
        """Add ``U^-1 D^-1 x`` to z, leave it in x, write the largest entries to the peaks."""
        for i in range(lane(), 2 * m, lanes):
            peaks[i] = 0.0
        stride = where.n_series
        first = first_node(where, chunk, n_separator)
        last = first_node(where, chunk + 1, n_separator) - n_separator
        for i in range(lane(), n, lanes):
            value[i] = 0.0
        sync()
        if spike:
            for i in range(lane(), w, lanes):
                if chunk > 0:
                    k = (first - n_separator) * m + i
                    value[near + i] = data[where.x + k * stride + b]
                if chunk + 1 < where.n_chunks:
                    value[m + i] = data[where.x + (last * m + i) * stride + b]
        for back in range(last - first):
            t = last - 1 - back
            at, to = where.triangle + t * size * stride + b, where.x + t * m * stride + b
            sync()
            substitute(value, data, at, to, stride)
            raise_peaks(value, peaks, data, where.z + t * m * stride + b, stride, from_zero)
            for up in range(n_separator):
                node = n_separator - 1 - up
                for i in range(lane(), m, lanes):
                    value[(node + 1) * m + i] = value[node * m + i]
                sync()
        write_peaks(peaks, data, where, b, chunk)

    raise_peaks, write_peaks = peak_functions(m, lanes)
    return with_vector(descend, ascend, n, m, lanes)


@cache
def with_vector(descend: Any, ascend: Any, n: int, m: int, lanes: int) -> tuple[Any, Any]:
    """Both halves of a solve, given work space in place of a vector (n,) and peaks (2 m,)."""
    n_peaks = 2 * m

    @device
    def down_alone(work, data, where, b, chunk, from_zero):
        descend(cuda.local.array(n, float64), data, where, b, chunk, from_zero)

    @device
    def up_alone(work, data, where, b, chunk, from_zero):
        value, peaks = cuda.local.array(n, float64), cuda.local.array(n_peaks, float64)
        ascend(value, peaks, data, where, b, chunk, from_zero)

    @device
    def down_together(work, data, where, b, chunk, from_zero):
        at = n * n
        descend(work[at : at + n], data, where, b, chunk, from_zero)

    @device
    def up_together(work, data, where, b, chunk, from_zero):
        at, peaks = n * n, n * n + 3 * n
        value = work[at : at + n]
        ascend(value, work[peaks : peaks + n_peaks], data, where, b, chunk, from_zero)

    return (down_alone, up_alone) if lanes == 1 else (down_together, up_together)


@cache
def back_function(m: int, n: int, lanes: int) -> Any:
    """Function that finds the first m of n values, given the others, from m finished rows."""
    lane, sync = lane_functions(lanes)

    @device
    def alone(value, data, at, to, stride):
        """Solve with D and U of a node or separator at `at`, and x at `to`, which is replaced."""
        for i in range(m):
            value[i] = data[to + i * stride]
        at += (m * n - m * (m - 1) // 2) * stride
        for up in range(m):
            i = m - 1 - up
            at -= (n - i) * stride
            total = value[i] * data[at]
            for j in range(i + 1, n):
                total -= data[at + (j - i) * stride] * value[j]
            value[i] = total
            data[to + i * stride] = total

    @device
    def together(value, data, at, to, stride):
        """The same, the known values in all rows at once and then column by column."""
        for i in range(lane(), m, lanes):
            row = at + (i * n - i * (i - 1) // 2) * stride
            total = data[to + i * stride] * data[row]
            for j in range(m, n):
                total -= data[row + (j - i) * stride] * value[j]
            value[i] = total
        sync()
        for up in range(m):
            i = m - 1 - up
            for k in range(lane(), i, lanes):
                row = at + (k * n - k * (k - 1) // 2) * stride
                value[k] -= data[row + (i - k) * stride] * value[i]
            sync()
        for i in range(lane(), m, lanes):
            data[to + i * stride] = value[i]

    return alone if lanes == 1 else together


@cache
def peak_functions(m: int, lanes: int) -> tuple[Any, Any]:
    """Functions that add a correction to z, and keep the largest entries of both."""
    lane, sync = lane_functions(lanes)

    @device
    def raise_peaks(value, peaks, data, at, stride, from_zero):
        """Add one node's correction; a NaN that comes stays until a number comes."""
        for i in range(lane(), m, lanes):
            new = value[i] if from_zero else data[at + i * stride] + value[i]
            data[at + i * stride] = new
            if not abs(value[i]) <= peaks[i]:
                peaks[i] = abs(value[i])
            if not abs(new) <= peaks[m + i]:
                peaks[m + i] = abs(new)
        sync()

    @device
    def write_peaks(peaks, data, where, b, chunk):
        """Write the largest entries of a chunk."""
        for i in range(lane(), 2 * m, lanes):
            data[where.peaks + (chunk * 2 * m + i) * where.n_series + b] = peaks[i]

    return raise_peaks, write_peaks
