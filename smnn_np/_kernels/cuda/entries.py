"""Entries of the Taylor rows of one node of one series, in scaled unknowns."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .._cuda_import import device
from ..unit_link import factorials, link_products, link_triangle, unit_link
from .layout import Sizes


@device
def place(view, t, k, b):
    """Where an input's entry k at node t of series b is."""
    return view.base + t * view.t + k * view.k + b * view.b


@device
def node_scale(data, where, b, t):
    """Scale of node t: the step after it, for the last node the step before it."""
    return data[place(where.steps, min(t, where.n_nodes - 2), 0, b)]


@device
def link_weight(data, where, b, t):
    """Weight of the link rows from node t to node t + 1."""
    return data[place(where.weight_smooth, t, 0, b)]


@device
def first_node(where, chunk, n_separator):
    """First node inside a chunk; after the last chunk, T plus the length of a separator."""
    inside = where.n_nodes - (where.n_chunks - 1) * n_separator
    return chunk * inside // where.n_chunks + chunk * n_separator


class Tables(NamedTuple):
    """Constants of a unit link, flat."""

    plus: Any  # (R,) 1 / k!
    minus: Any  # (R,) (-1)^k / k!
    products: Any  # (3, R, R) normal products: near-near, near-far, far-far
    rows: Any  # (L, 2, R) rows with these normal products, entries at both nodes


@cache
def tables(n_orders: int, central: bool) -> Tables:
    """Constants of the link rows."""
    near, far = unit_link(n_orders, central) if central else link_triangle(n_orders)
    plus, minus = (np.array(each) for each in factorials(n_orders))
    rows = np.stack([near, far], axis=1)
    return Tables(plus, minus, link_products(n_orders, central).ravel(), rows.ravel())


class Entries(NamedTuple):
    """Functions of a kernel that fill work arrays of one thread."""

    fill_equations: Any
    fill_ratio: Any
    fill_central: Any


@cache
def entries(sizes: Sizes) -> Entries:
    """The functions for these sizes."""
    (n_equations, n_dims, n_orders), m = sizes[:3], sizes.m

    @device
    def fill_equations(data, where, b, t, inverse, weights, line):
        """Weighted rows (Q, m) of node t and their weights (Q,), given the inverse of its scale."""
        for q in range(n_equations):
            weight = data[place(where.weight_equation, t, q, b)]
            weights[q] = weight
            for v in range(n_dims):
                power = weight
                for r in range(n_orders):
                    k = q * m + v * n_orders + r
                    line[k] = power * data[place(where.coefficients, t, k, b)]
                    power *= inverse

    @device
    def fill_ratio(data, where, b, t, ratio):
        """Powers ``(s_t / k_{t+1})^r`` (R,) of the link from node t."""
        quotient = node_scale(data, where, b, t) / node_scale(data, where, b, t + 1)
        power = 1.0
        for r in range(n_orders):
            ratio[r] = power
            power *= quotient

    @device
    def fill_central(data, where, b, t, central):
        """Unweighted entries of a central row at nodes t, t + 1, t + 2; returns its weight."""
        first, second = node_scale(data, where, b, t), node_scale(data, where, b, t + 1)
        third, span, middle = node_scale(data, where, b, t + 2), first + second, 1.0 / second
        low, high = 1.0, 1.0
        for _ in range(n_orders - 2):
            low *= span / first
            middle *= span / second
            high *= span / third
        central[0], central[1], central[2] = low / span, middle, -high / span
        return 0.5 * (link_weight(data, where, b, t) + link_weight(data, where, b, t + 1))

    return Entries(fill_equations, fill_ratio, fill_central)
