"""Entries of the Taylor rows of one node, weighted, in scaled unknowns.

An axis of length 1 serves all its indices: every look-up is at ``min(i, n - 1)``.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def node_scale(rows, b, t):
    """Scale of node t: the step after it, for the last node the step before it."""
    steps = rows.steps
    return steps[min(b, steps.shape[0] - 1), min(t, steps.shape[1] - 1)]


@njit(cache=True, nogil=True)
def link_weight(rows, b, t):
    """Weight of the link rows from node t to node t + 1."""
    weight = rows.weight_smooth
    return weight[min(b, weight.shape[0] - 1), min(t, weight.shape[1] - 1)]


@njit(cache=True, nogil=True)
def has_uniform_links(rows):
    """Whether all links of a series are alike, so that their rows are written once."""
    return rows.steps.shape[1] == 1 and rows.weight_smooth.shape[1] == 1


@njit(cache=True, nogil=True)
def fill_links(rows, b, t, near, far):
    """Weighted link rows of one dimension at node t (near) and at node t + 1 (far)."""
    weight = link_weight(rows, b, t)
    ratio = node_scale(rows, b, t) / node_scale(rows, b, t + 1)
    power = weight
    for o in range(near.shape[1]):
        for k in range(near.shape[0]):
            near[k, o] = weight * rows.near[k, o]
            far[k, o] = power * rows.far[k, o]
        power *= ratio


@njit(cache=True, nogil=True)
def fill_central(rows, b, t, central):
    """Unweighted entries of a central row at nodes t, t + 1, t + 2; returns weight and span."""
    n_orders = rows.coefficients.shape[4]
    first, second = node_scale(rows, b, t), node_scale(rows, b, t + 1)
    span = first + second
    central[0] = span ** (n_orders - 3.0) / first ** (n_orders - 2.0)
    central[1] = span ** (n_orders - 2.0) / second ** (n_orders - 1.0)
    central[2] = -(span ** (n_orders - 3.0)) / node_scale(rows, b, t + 2) ** (n_orders - 2.0)
    return 0.5 * (link_weight(rows, b, t) + link_weight(rows, b, t + 1)), span


@njit(cache=True, nogil=True)
def fill_equations(rows, b, t, equations):
    """Weighted equation rows of node t, (Q, m)."""
    c, w = rows.coefficients, rows.weight_equation
    bc, tc = min(b, c.shape[0] - 1), min(t, c.shape[1] - 1)
    bw, tw = min(b, w.shape[0] - 1), min(t, w.shape[1] - 1)
    shrink = 1.0 / node_scale(rows, b, t)
    n_orders = c.shape[4]
    for q in range(c.shape[2]):
        weight = w[bw, tw, min(q, w.shape[2] - 1)]
        for v in range(c.shape[3]):
            power = weight
            for r in range(n_orders):
                equations[q, v * n_orders + r] = power * c[bc, tc, q, v, r]
                power *= shrink


@njit(cache=True, nogil=True)
def initial_weight(rows, b, t, v, r):
    """Weight of the row of an initial value."""
    w = rows.weight_initial
    return w[
        min(b, w.shape[0] - 1),
        min(t, w.shape[1] - 1),
        min(v, w.shape[2] - 1),
        min(r, w.shape[3] - 1),
    ]
