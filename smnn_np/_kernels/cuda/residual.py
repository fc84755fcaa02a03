"""``A^T (b - A z)`` of the Taylor rows, into the right side of a front."""

from __future__ import annotations

from functools import cache

from numba import float64

from .._cuda_import import cuda, device
from .cholesky import Adders
from .entries import entries, link_weight, node_scale, place, tables
from .lanes import lane_functions
from .layout import Sizes


@cache
def residual_adders(sizes: Sizes) -> Adders:
    """Functions of a kernel that add to v, given where a node's unknowns start in it."""
    (n_equations, n_dims, n_orders), m = sizes[:3], sizes.m
    n_entries, lanes = n_equations * m, sizes.lanes
    lane, sync = lane_functions(lanes)
    n_kept = n_orders - 1 if sizes.central else n_orders
    fill_equations, fill_ratio, fill_central = entries(sizes)
    plus, minus, *_ = tables(n_orders, sizes.central)

    @device
    def add_node(v, data, where, b, t, base, from_zero):
        """Equation rows, initial rows and target of node t."""
        first, weights = lane(), cuda.local.array(n_equations, float64)
        line = cuda.local.array(n_entries, float64)
        z = cuda.local.array(m, float64)
        stride = where.n_series
        inverse = 1.0 / node_scale(data, where, b, t)
        for i in range(m):
            z[i] = 0.0 if from_zero else data[where.z + (t * m + i) * stride + b]
        fill_equations(data, where, b, t, inverse, weights, line)
        for q in range(n_equations):
            rest = weights[q] * data[place(where.rhs, t, q, b)]
            for i in range(m):
                rest -= line[q * m + i] * z[i]
            for i in range(first, m, lanes):
                v[base + i] += rest * line[q * m + i]
        sync()
        for v_ in range(first, n_dims, lanes):
            power = 1.0
            for r in range(n_orders):
                i = v_ * n_orders + r
                v[base + i] += power * data[place(where.target, t, i, b)]
                if t < where.n_initial_steps and r < where.n_initial_orders:
                    k = v_ * where.n_initial_orders + r
                    weight = data[place(where.weight_initial, t, k, b)]
                    entry = weight * power
                    rest = weight * data[place(where.initial, t, k, b)] - entry * z[i]
                    v[base + i] += entry * rest
                power *= inverse
        sync()

    @device
    def add_link(v, data, where, b, t, near, far):
        """Link rows from node t to the next."""
        ratio = cuda.local.array(n_orders, float64)
        here, after = cuda.local.array(n_orders, float64), cuda.local.array(n_orders, float64)
        pull = cuda.local.array(n_orders, float64)
        factors, signed = cuda.const.array_like(plus), cuda.const.array_like(minus)
        fill_ratio(data, where, b, t, ratio)
        stride, weight = where.n_series, link_weight(data, where, b, t)
        for v_ in range(lane(), n_dims, lanes):
            at = where.z + (t * m + v_ * n_orders) * stride + b
            for o in range(n_orders):
                here[o] = data[at + o * stride]
                after[o] = ratio[o] * data[at + (m + o) * stride]
                pull[o] = 0.0
            for r in range(n_kept):
                forward, backward = -after[r], -here[r]
                for o in range(r, n_orders):
                    forward += factors[o - r] * here[o]
                    backward += signed[o - r] * after[o]
                forward *= -weight * weight
                backward *= -weight * weight
                for o in range(r, n_orders):
                    v[near + v_ * n_orders + o] += factors[o - r] * forward
                    pull[o] += signed[o - r] * backward
                v[near + v_ * n_orders + r] -= backward
                pull[r] -= forward
            for o in range(n_orders):
                v[far + v_ * n_orders + o] += ratio[o] * pull[o]
        sync()

    @device
    def add_central(v, data, where, b, t, first, second, third):
        """Central rows around node t + 1."""
        central = cuda.local.array(3, float64)
        stride = where.n_series
        weight = fill_central(data, where, b, t, central)
        for v_ in range(lane(), n_dims, lanes):
            shift = v_ * n_orders + n_orders - 2
            at = where.z + (t * m + shift) * stride + b
            rest = central[0] * data[at] + central[1] * data[at + (m + 1) * stride]
            rest = -weight * weight * (rest + central[2] * data[at + 2 * m * stride])
            v[first + shift] += central[0] * rest
            v[second + shift + 1] += central[1] * rest
            v[third + shift] += central[2] * rest
        sync()

    return Adders(add_node, add_link, add_central)
