"""Selected entries of ``(A^T A)^-1``, and its determinant, from the triangles of a factorization.

The recursion is that of the module of this name on the CPU's side: with ``G = U_tt^-1`` and
``C = G [U_t,next]`` the covariance of a node with those after it is ``-C W``, its own is
``G D_t^-1 G^T + C W C^T``, where W is the covariance of what a finished row touches. For a chunk
these are the nodes that follow and the separator on its left; the separators themselves come first.
"""

from __future__ import annotations

from functools import cache
from math import log
from typing import Any

from numba import float64

from .._cuda_import import cuda, device
from .entries import first_node, node_scale
from .layout import Sizes
from .work import WorkKernel, with_work

VARIANCE, COVARIANCE, LAGGED = 0, 1, 2  # what is written


@cache
def recursion(m: int, e: int) -> tuple[Any, int]:
    """Function for one step of m unknowns that touch e others, and the size of its work array.

    The work array holds the rows of U (m, m + e), G (m, m), W (e, e), the covariance with the
    others (m, e) and the own one (m, m), in this order.
    """
    n = m + e
    at_g, at_w = m * n, m * n + m * m
    at_cross, at_own = at_w + e * e, at_w + e * e + m * e

    @device
    def step(work, data, at, stride):
        """Fill the last two from the rows of U at `at` and from W."""
        pivots = cuda.local.array(m, float64)
        for i in range(m):
            pivots[i] = data[at]
            for j in range(n):
                work[i * n + j] = data[at + (j - i) * stride] if j > i else 0.0
            at += (n - i) * stride
        for j in range(m):
            for up in range(m):
                i = m - 1 - up
                value = 1.0 if i == j else 0.0
                for k in range(i + 1, m):
                    value -= work[i * n + k] * work[at_g + k * m + j]
                work[at_g + i * m + j] = value
        for j in range(m, n):
            for up in range(m):
                i = m - 1 - up
                for k in range(i + 1, m):
                    work[i * n + j] -= work[i * n + k] * work[k * n + j]
        for i in range(m):
            for j in range(e):
                value = 0.0
                for k in range(e):
                    value -= work[i * n + m + k] * work[at_w + k * e + j]
                work[at_cross + i * e + j] = value
        for i in range(m):
            for j in range(m):
                value = 0.0
                for k in range(max(i, j), m):
                    value += work[at_g + i * m + k] * pivots[k] * work[at_g + j * m + k]
                for k in range(e):
                    value -= work[at_cross + i * e + k] * work[j * n + m + k]
                work[at_own + i * m + j] = value

    return step, at_own + m * m


@cache
def write_function(sizes: Sizes, what: int) -> Any:
    """Function that writes a block of covariances of the derivatives of two nodes."""
    m, n_dims, n_orders = sizes.m, sizes.n_dims, sizes.n_orders

    @device
    def write(out, data, where, b, t, to, work, at, down, right):
        """Write rows `down` apart and columns `right` apart, of node t and, as lagged, of t + 1."""
        near = 1.0 / node_scale(data, where, b, t)
        far = 1.0 / node_scale(data, where, b, t + 1) if what == LAGGED else near
        for v in range(n_dims):
            row = 1.0
            for r in range(n_orders):
                i = v * n_orders + r
                if what == VARIANCE:
                    out[to + i * where.n_series] = row * row * work[at + i * down + i * right]
                else:
                    for u in range(n_dims):
                        column = row
                        for o in range(n_orders):
                            j = u * n_orders + o
                            value = column * work[at + i * down + j * right]
                            out[to + (i * m + j) * where.n_series] = value
                            column *= far
                row *= near

    return write


@cache
def inverse_kernels(sizes: Sizes, what: int) -> tuple[WorkKernel, WorkKernel]:
    """A thread for the separators of each series, then one for each chunk of each series.

    Their last arguments are the output (T, m or m m, B) and a number that is not used. What a chunk
    has to know of its separators goes where factorization left its remains.
    """
    m, w, n_separator, spike = sizes.m, sizes.w, sizes.n_separator, sizes.spike
    size, size_bridge, size_left = sizes.triangle, sizes.bridge, sizes.remains
    n_written = m if what == VARIANCE else m * m
    e = sizes.n - m
    n, n_bridge = m + e, 2 * w
    step, n_work = recursion(m, e)
    step_bridge, n_work_bridge = recursion(w, w)
    at_w = m * n + m * m
    at_cross, at_own = at_w + e * e, at_w + e * e + m * e
    bridge_w = w * n_bridge + w * w
    bridge_cross, bridge_own = bridge_w + w * w, bridge_w + 2 * w * w
    write = write_function(sizes, what)

    @device
    def hand_over(work, data, where, b, k):
        """Give the covariance of separators k and k + 1 to the chunk between them."""
        at = where.remains + (k + 1) * size_left * where.n_series + b
        for i in range(w):
            for j in range(w):
                right = work[bridge_w + i * w + j]
                left, cross = work[bridge_own + i * w + j], work[bridge_cross + j * w + i]
                data[at + (i * 2 * w + j) * where.n_series] = right
                data[at + ((w + i) * 2 * w + w + j) * where.n_series] = left
                data[at + (i * 2 * w + w + j) * where.n_series] = cross
                data[at + ((w + j) * 2 * w + i) * where.n_series] = cross

    @device
    def bridge(work, b, data, where, out, unused):
        if b >= where.n_series:
            return
        stride = where.n_series
        for i in range(w * w):
            work[bridge_w + i] = 0.0
        for back in range(where.n_chunks - 1):
            k = where.n_chunks - 2 - back
            t = first_node(where, k + 1, n_separator) - n_separator
            step_bridge(work, data, where.bridge + k * size_bridge * stride + b, stride)
            hand_over(work, data, where, b, k)
            for each in range(n_separator):
                at = bridge_own + each * m * (w + 1)
                to = (t + each) * n_written * stride + b
                if what != LAGGED:
                    write(out, data, where, b, t + each, to, work, at, w, 1)
                elif each + 1 < n_separator:
                    write(out, data, where, b, t + each, to, work, at + m, w, 1)
            for i in range(w * w):
                work[bridge_w + i] = work[bridge_own + i]
        first = where.remains + b
        for i in range(w):
            for j in range(w):
                data[first + (i * 2 * w + j) * stride] = work[bridge_w + i * w + j]

    @device
    def load_window(work, data, where, b, chunk):
        """Covariance of the separators on the right and on the left; zero where there is none."""
        at = where.remains + chunk * size_left * where.n_series + b
        for i in range(e):
            for j in range(e):
                on_right = i < w and j < w
                known = chunk > 0 or (on_right and where.n_chunks > 1)
                value = data[at + (i * e + j) * where.n_series] if spike and known else 0.0
                work[at_w + i * e + j] = value

    @device
    def move_window(work):
        """The node becomes the first of those that follow."""
        for up in range(w - m):
            i = w - 1 - up
            for side in range(w - m):
                j = w - 1 - side
                work[at_w + i * e + j] = work[at_w + (i - m) * e + j - m]
            for j in range(w, e):
                work[at_w + i * e + j] = work[at_w + j * e + i] = work[at_w + (i - m) * e + j]
        for i in range(m):
            for j in range(m):
                work[at_w + i * e + j] = work[at_own + i * m + j]
            for j in range(m, e):
                value = work[at_cross + i * e + (j - m if j < w else j)]
                work[at_w + i * e + j] = work[at_w + j * e + i] = value

    @device
    def inside(work, thread, data, where, out, unused):
        chunk, b = thread // where.n_series, thread % where.n_series
        if chunk >= where.n_chunks:
            return
        stride = where.n_series
        first = first_node(where, chunk, n_separator)
        last = first_node(where, chunk + 1, n_separator) - n_separator
        load_window(work, data, where, b, chunk)
        for back in range(last - first):
            t = last - 1 - back
            step(work, data, where.triangle + t * size * stride + b, stride)
            to = t * n_written * stride + b
            if what != LAGGED:
                write(out, data, where, b, t, to, work, at_own, m, 1)
            elif t + 1 < where.n_nodes:
                write(out, data, where, b, t, to, work, at_cross, e, 1)
            if what == LAGGED and spike and chunk > 0 and t == first:
                to = (t - 1) * n_written * stride + b
                write(out, data, where, b, t - 1, to, work, at_cross + e - m, 1, e)
            move_window(work)

    return with_work(bridge, n_work_bridge), with_work(inside, n_work)


@cache
def determinant_kernel(sizes: Sizes) -> Any:
    """A thread for each chunk of each series, and one for its separators: (K + 1, B)."""
    m, w, n, n_orders = sizes.m, sizes.w, sizes.n, sizes.n_orders
    n_separator, size, size_bridge = sizes.n_separator, sizes.triangle, sizes.bridge

    @device
    def of_scale(data, where, b, t):
        """Part of the scale of a node's unknowns."""
        total = 0.0
        for i in range(m):
            total += i % n_orders
        return 2.0 * total * log(node_scale(data, where, b, t))

    @device
    def of_pivots(data, at, stride, n_rows, n_columns):
        total = 0.0
        for i in range(n_rows):
            total -= log(data[at])
            at += (n_columns - i) * stride
        return total

    @cuda.jit
    def kernel(data, where, out):
        thread, stride = cuda.grid(1), where.n_series
        chunk, b = thread // stride, thread % stride
        if chunk > where.n_chunks:
            return
        total = 0.0
        if chunk < where.n_chunks:
            first = first_node(where, chunk, n_separator)
            last = first_node(where, chunk + 1, n_separator) - n_separator
            for t in range(first, last):
                total += of_scale(data, where, b, t)
                total += of_pivots(data, where.triangle + t * size * stride + b, stride, m, n)
        else:
            for k in range(where.n_chunks - 1):
                t = first_node(where, k + 1, n_separator) - n_separator
                for i in range(n_separator):
                    total += of_scale(data, where, b, t + i)
                at = where.bridge + k * size_bridge * stride + b
                total += of_pivots(data, at, stride, w, 2 * w)
        out[thread] = total

    return kernel
