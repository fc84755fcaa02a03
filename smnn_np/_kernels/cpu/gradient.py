"""Gradients of a scalar with respect to every input of the Taylor rows, in one sweep over nodes.

With ``r = b - A y`` and ``a = (A^T A)^-1 y_bar`` the gradients in the rows are ``b_bar = A a`` and
``A_bar = r a^T - (A a) y^T`` (derived in `smnn_np.adjoint`), needed only where A has entries.
Each gradient is added to an array of its input's own shape, so that axes of length 1 collect.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .rows import fill_central, initial_weight, link_weight, node_scale


@njit(cache=True, nogil=True)
def _add_equation_gradient(rows, rhs, b, t, y, a, c_bar, d_bar, w_bar):
    """Equation rows of node t: residual ``rho = d - c.y``, weighted by w."""
    c, w = rows.coefficients, rows.weight_equation
    bc, tc = min(b, c.shape[0] - 1), min(t, c.shape[1] - 1)
    bd, td = min(b, rhs.shape[0] - 1), min(t, rhs.shape[1] - 1)
    bw, tw = min(b, w.shape[0] - 1), min(t, w.shape[1] - 1)
    n_orders = c.shape[4]
    for q in range(c.shape[2]):
        qw = min(q, w.shape[2] - 1)
        weight = w[bw, tw, qw]
        rho, c_a = rhs[bd, td, q], 0.0
        for v in range(c.shape[3]):
            for r in range(n_orders):
                rho -= c[bc, tc, q, v, r] * y[v * n_orders + r]
                c_a += c[bc, tc, q, v, r] * a[v * n_orders + r]
        square = weight * weight
        for v in range(c.shape[3]):
            for r in range(n_orders):
                at = v * n_orders + r
                c_bar[bc, tc, q, v, r] += square * (rho * a[at] - c_a * y[at])
        d_bar[bd, td, q] += square * c_a
        w_bar[bw, tw, qw] += 2.0 * weight * rho * c_a


@njit(cache=True, nogil=True)
def _add_initial_gradient(rows, initial, b, t, y, a, u_bar, w_bar):
    """Initial rows of node t: residual ``u - y``."""
    bu, tu = min(b, initial.shape[0] - 1), min(t, initial.shape[1] - 1)
    n_orders = rows.coefficients.shape[4]
    shape = w_bar.shape
    for v in range(initial.shape[2]):
        for r in range(initial.shape[3]):
            at = v * n_orders + r
            weight = initial_weight(rows, b, t, v, r)
            u_bar[bu, tu, v, r] += weight * weight * a[at]
            bw, tw = min(b, shape[0] - 1), min(t, shape[1] - 1)
            vw, rw = min(v, shape[2] - 1), min(r, shape[3] - 1)
            w_bar[bw, tw, vw, rw] += 2.0 * weight * (initial[bu, tu, v, r] - y[at]) * a[at]


@njit(cache=True, nogil=True)
def _add_link_gradient(rows, b, t, y, y_next, a, a_next, s_bar, w_bar):
    """Forward and backward rows: both factors of ``(row.y)(row.a)`` move with the step.

    An entry of order o at either node carries ``s^o``; its derivative is ``o / s`` times itself.
    """
    n_links, n_orders = rows.near.shape
    step, weight = node_scale(rows, b, t), link_weight(rows, b, t)
    step_sum, weight_sum = 0.0, 0.0
    for v in range(rows.coefficients.shape[3]):
        at = v * n_orders
        for k in range(n_links):
            row_y, row_a, slope_y, slope_a = 0.0, 0.0, 0.0, 0.0
            power = 1.0
            for o in range(n_orders):
                near, far = power * rows.near[k, o], power * rows.far[k, o]
                term_y = near * y[at + o] + far * y_next[at + o]
                term_a = near * a[at + o] + far * a_next[at + o]
                row_y += term_y
                row_a += term_a
                slope_y += o * term_y
                slope_a += o * term_a
                power *= step
            step_sum += row_y * slope_a + slope_y * row_a
            weight_sum += row_y * row_a
    s_bar[min(b, s_bar.shape[0] - 1), min(t, s_bar.shape[1] - 1)] -= (
        weight * weight * step_sum / step
    )
    w_bar[min(b, w_bar.shape[0] - 1), min(t, w_bar.shape[1] - 1)] -= 2.0 * weight * weight_sum


@njit(cache=True, nogil=True)
def _add_central_gradient(rows, b, t, central, y, a, s_bar, w_bar):
    """Central rows around node t + 1 move with the sum of two steps and the mean of two weights."""
    n_orders = rows.coefficients.shape[4]
    weight, span = fill_central(rows, b, t, central)
    outer = span ** (n_orders - 3.0)
    inner = span ** (n_orders - 2.0)
    step_sum, weight_sum = 0.0, 0.0
    for v in range(rows.coefficients.shape[3]):
        low, high = v * n_orders + n_orders - 2, v * n_orders + n_orders - 1
        outer_y, inner_y = outer * (y[t, low] - y[t + 2, low]), inner * y[t + 1, high]
        outer_a, inner_a = outer * (a[t, low] - a[t + 2, low]), inner * a[t + 1, high]
        row_y, row_a = outer_y + inner_y, outer_a + inner_a
        slope_y = (n_orders - 3.0) * outer_y + (n_orders - 2.0) * inner_y
        slope_a = (n_orders - 3.0) * outer_a + (n_orders - 2.0) * inner_a
        step_sum += row_y * slope_a + slope_y * row_a
        weight_sum += row_y * row_a
    for k in range(2):
        s_bar[min(b, s_bar.shape[0] - 1), min(t + k, s_bar.shape[1] - 1)] -= (
            weight * weight * step_sum / span
        )
        w_bar[min(b, w_bar.shape[0] - 1), min(t + k, w_bar.shape[1] - 1)] -= weight * weight_sum


@njit(cache=True, nogil=True)
def row_gradients(
    rows, rhs, initial, y, a, c_bar, d_bar, u_bar, s_bar, w_eq_bar, w_in_bar, w_sm_bar
):
    """Add all seven gradients, given the solution y and the adjoint a, both unscaled (B, T, m)."""
    central = np.zeros(3)
    for b in range(y.shape[0]):
        for t in range(y.shape[1]):
            _add_equation_gradient(rows, rhs, b, t, y[b, t], a[b, t], c_bar, d_bar, w_eq_bar)
            if t < rows.n_initial_steps:
                _add_initial_gradient(rows, initial, b, t, y[b, t], a[b, t], u_bar, w_in_bar)
            if t + 1 < rows.n_nodes:
                _add_link_gradient(
                    rows, b, t, y[b, t], y[b, t + 1], a[b, t], a[b, t + 1], s_bar, w_sm_bar
                )
            if rows.central and t + 2 < rows.n_nodes:
                _add_central_gradient(rows, b, t, central, y[b], a[b], s_bar, w_sm_bar)
