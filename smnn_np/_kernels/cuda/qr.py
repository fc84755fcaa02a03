"""Rows of the Taylor system into a front that is the triangle of a QR factorization.

By Givens rotations, row by row as they come: accurate whatever the sizes of the rows and their
order (see the module of this name on the CPU's side). The right side is that of the normal
equations, as for Cholesky.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import Any

from numba import float64

from .._cuda_import import cuda, device
from .cholesky import Adders
from .entries import entries, link_weight, node_scale, place, tables
from .lanes import lane_functions
from .layout import Sizes


@cache
def merge_function(n: int, lanes: int) -> Any:
    """Function that rotates a row into a front of n unknowns."""
    lane, sync = lane_functions(lanes)

    @device
    def merge(front, line, first, last):
        """Take in columns `first` to before `last` of a row, which is used up."""
        for k in range(first, last):
            above, below = front[k * n + k], line[k]
            square = above * above + below * below
            sync()
            if square > 0.0:
                inverse = 1.0 / sqrt(square)
                cosine, sine = above * inverse, below * inverse
                for j in range(k + lane(), last, lanes):
                    upper, lower = front[k * n + j], line[j]
                    front[k * n + j] = cosine * upper + sine * lower
                    line[j] = cosine * lower - sine * upper
            sync()

    return merge


@cache
def qr_adders(sizes: Sizes, n: int) -> Adders:
    """Functions for a front of n unknowns, which rotate rows into it."""
    (n_equations, n_dims, n_orders), m = sizes[:3], sizes.m
    n_entries, lanes = n_equations * m, sizes.lanes
    lane, sync = lane_functions(lanes)
    fill_equations, fill_ratio, fill_central = entries(sizes)
    merge, rows = merge_function(n, lanes), tables(n_orders, sizes.central).rows
    n_rows = len(rows) // (2 * n_orders)

    @device
    def add_node(front, v, line, data, where, b, t, base):
        """Equation rows, initial rows and target of node t, whose unknowns start at `base`."""
        first, weights = lane(), cuda.local.array(n_equations, float64)
        equations = cuda.local.array(n_entries, float64)
        inverse = 1.0 / node_scale(data, where, b, t)
        for v_ in range(n_dims):
            power = 1.0
            for r in range(n_orders):
                i = base + v_ * n_orders + r
                if first == 0:
                    v[i] += power * data[place(where.target, t, v_ * n_orders + r, b)]
                if t < where.n_initial_steps and r < where.n_initial_orders:
                    k = v_ * where.n_initial_orders + r
                    weight = data[place(where.weight_initial, t, k, b)]
                    if first == 0:
                        v[i] += power * weight * weight * data[place(where.initial, t, k, b)]
                    for j in range(i + first, n, lanes):
                        line[j] = weight * power if j == i else 0.0
                    sync()
                    merge(front, line, i, n)
                power *= inverse
        sync()
        fill_equations(data, where, b, t, inverse, weights, equations)
        for q in range(n_equations):
            rest = weights[q] * data[place(where.rhs, t, q, b)]
            for i in range(first, n, lanes):
                line[i] = 0.0
            sync()
            for i in range(first, m, lanes):
                line[base + i] = equations[q * m + i]
                v[base + i] += rest * equations[q * m + i]
            sync()
            merge(front, line, base, n)

    @device
    def add_link(front, line, data, where, b, t, near, far):
        """Link rows from node t, whose unknowns start at `near`, to the next one's at `far`."""
        ratio = cuda.local.array(n_orders, float64)
        fill_ratio(data, where, b, t, ratio)
        weight = link_weight(data, where, b, t)
        table = cuda.const.array_like(rows)
        for v_ in range(n_dims):
            first = min(near, far) + v_ * n_orders
            for row in range(n_rows):
                for j in range(lane(), n, lanes):
                    line[j] = 0.0
                sync()
                for o in range(lane(), n_orders, lanes):
                    k = 2 * row * n_orders + o
                    line[near + v_ * n_orders + o] = weight * table[k]
                    line[far + v_ * n_orders + o] = weight * ratio[o] * table[k + n_orders]
                sync()
                merge(front, line, first, n)

    @device
    def add_central(front, line, data, where, b, t, first, second, third):
        """Central rows around node t + 1, given where its and its neighbours' unknowns start."""
        central = cuda.local.array(3, float64)
        weight = fill_central(data, where, b, t, central)
        for v_ in range(n_dims):
            shift = v_ * n_orders + n_orders - 2
            for j in range(lane(), n, lanes):
                line[j] = 0.0
            sync()
            if lane() == 0:
                line[first + shift] = weight * central[0]
                line[second + shift + 1] = weight * central[1]
                line[third + shift] = weight * central[2]
            sync()
            merge(front, line, min(first, second, third) + v_ * n_orders, n)

    return Adders(add_node, add_link, add_central)
