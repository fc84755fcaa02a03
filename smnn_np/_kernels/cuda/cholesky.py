"""Rows of the Taylor system into a front of their normal matrix."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import float64

from .._cuda_import import cuda, device
from .entries import entries, link_weight, node_scale, place, tables
from .lanes import lane_functions
from .layout import Sizes


class Adders(NamedTuple):
    """Functions of a kernel that take rows into a front; the same for Cholesky and QR.

    QR has the row that it rotates in `line` (n,).
    """

    add_node: Any
    add_link: Any
    add_central: Any


@cache
def cholesky_adders(sizes: Sizes, n: int) -> Adders:
    """Functions for a front of n unknowns, which add to its normal matrix and right side."""
    (n_equations, n_dims, n_orders), m = sizes[:3], sizes.m
    n_entries, lanes = n_equations * m, sizes.lanes
    lane, sync = lane_functions(lanes)
    square, own = n_orders * n_orders, entries(sizes)
    fill_equations, fill_ratio, fill_central = own
    products = tables(n_orders, sizes.central).products

    @device
    def add_node(front, v, unused, data, where, b, t, base):
        """Equation rows, initial rows and target of node t, whose unknowns start at `base`."""
        first, weights = lane(), cuda.local.array(n_equations, float64)
        line = cuda.local.array(n_entries, float64)
        inverse = 1.0 / node_scale(data, where, b, t)
        fill_equations(data, where, b, t, inverse, weights, line)
        for q in range(n_equations):
            rest = weights[q] * data[place(where.rhs, t, q, b)]
            for i in range(first, m, lanes):
                v[base + i] += line[q * m + i] * rest
            for i in range(m):
                entry = line[q * m + i]
                for j in range(i + first, m, lanes):
                    front[(base + i) * n + base + j] += entry * line[q * m + j]
        sync()
        for v_ in range(first, n_dims, lanes):
            power = 1.0
            for r in range(n_orders):
                i = base + v_ * n_orders + r
                v[i] += power * data[place(where.target, t, v_ * n_orders + r, b)]
                if t < where.n_initial_steps and r < where.n_initial_orders:
                    k = v_ * where.n_initial_orders + r
                    weight = data[place(where.weight_initial, t, k, b)]
                    entry = weight * power
                    front[i * n + i] += entry * entry
                    v[i] += entry * weight * data[place(where.initial, t, k, b)]
                power *= inverse
        sync()

    @device
    def add_link(front, unused, data, where, b, t, near, far):
        """Link rows from node t, whose unknowns start at `near`, to the next one's at `far`."""
        ratio = cuda.local.array(n_orders, float64)
        fill_ratio(data, where, b, t, ratio)
        weight = link_weight(data, where, b, t)
        table = cuda.const.array_like(products)
        for v_ in range(lane(), n_dims, lanes):
            for i in range(n_orders):
                here, there = near + v_ * n_orders + i, far + v_ * n_orders + i
                own = weight * weight
                grown = own * ratio[i]
                for j in range(n_orders):
                    k, to = i * n_orders + j, far + v_ * n_orders + j
                    if j >= i:
                        front[here * n + here + j - i] += own * table[k]
                        front[there * n + to] += grown * ratio[j] * table[2 * square + k]
                    cross = own * ratio[j] * table[square + k]
                    if near < far:
                        front[here * n + to] += cross
                    else:
                        front[to * n + here] += cross
        sync()

    @device
    def add_central(front, unused, data, where, b, t, first, second, third):
        """Central rows around node t + 1, given where its and its neighbours' unknowns start."""
        central = cuda.local.array(3, float64)
        weight = fill_central(data, where, b, t, central)
        for v_ in range(lane(), n_dims, lanes):
            shift = v_ * n_orders + n_orders - 2
            for i in range(3):
                row = (first if i == 0 else (second + 1 if i == 1 else third)) + shift
                for j in range(3):
                    column = (first if j == 0 else (second + 1 if j == 1 else third)) + shift
                    if row <= column:
                        front[row * n + column] += weight * weight * central[i] * central[j]
        sync()

    return Adders(add_node, add_link, add_central)
