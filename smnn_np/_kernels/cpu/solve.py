"""Solves with a finished R, residuals of the rows, and the way back to unscaled unknowns."""

from __future__ import annotations

import numpy as np
from numba import njit

from .rows import (
    fill_central,
    fill_equations,
    fill_links,
    has_uniform_links,
    initial_weight,
    node_scale,
)


@njit(cache=True, nogil=True)
def solve_normal(triangle, active, x):
    """Solve ``R^T R z = x`` in place; x (B, T, m)."""
    n_nodes, m, n = triangle.shape[1:]
    for b in range(triangle.shape[0]):
        if not active[b]:
            continue
        for t in range(n_nodes):
            for i in range(m):
                x[b, t, i] /= triangle[b, t, i, i]
                value = x[b, t, i]
                for j in range(i + 1, m):
                    x[b, t, j] -= triangle[b, t, i, j] * value
                for k in range(1, min(n // m, n_nodes - t)):
                    for j in range(m):
                        x[b, t + k, j] -= triangle[b, t, i, k * m + j] * value
        for t in range(n_nodes - 1, -1, -1):
            for i in range(m - 1, -1, -1):
                value = x[b, t, i]
                for j in range(i + 1, m):
                    value -= triangle[b, t, i, j] * x[b, t, j]
                for k in range(1, min(n // m, n_nodes - t)):
                    for j in range(m):
                        value -= triangle[b, t, i, k * m + j] * x[b, t + k, j]
                x[b, t, i] = value / triangle[b, t, i, i]


@njit(cache=True, nogil=True)
def _add_node_residual(rows, rhs, initial, b, t, equations, z, out):
    """Add ``A^T (b - A z)`` of the equation and initial rows of node t to out (m,)."""
    n_orders = rows.coefficients.shape[4]
    w = rows.weight_equation
    fill_equations(rows, b, t, equations)
    for q in range(equations.shape[0]):
        weight = w[min(b, w.shape[0] - 1), min(t, w.shape[1] - 1), min(q, w.shape[2] - 1)]
        rest = weight * rhs[min(b, rhs.shape[0] - 1), min(t, rhs.shape[1] - 1), q]
        for i in range(equations.shape[1]):
            rest -= equations[q, i] * z[i]
        for i in range(equations.shape[1]):
            out[i] += equations[q, i] * rest
    if t >= rows.n_initial_steps:
        return
    u = initial[min(b, initial.shape[0] - 1), min(t, initial.shape[1] - 1)]
    for v in range(rows.coefficients.shape[3]):
        for r in range(rows.n_initial_orders):
            weight = initial_weight(rows, b, t, v, r)
            entry = weight / node_scale(rows, b, t) ** r
            at = v * n_orders + r
            out[at] += entry * (weight * u[v, r] - entry * z[at])


@njit(cache=True, nogil=True)
def _add_link_residual(near, far, n_dims, z, z_next, out, out_next):
    """Add ``A^T (b - A z)`` of the link rows between two nodes."""
    n_links, n_orders = near.shape
    for v in range(n_dims):
        at = v * n_orders
        for k in range(n_links):
            rest = 0.0
            for o in range(n_orders):
                rest -= near[k, o] * z[at + o] + far[k, o] * z_next[at + o]
            for o in range(n_orders):
                out[at + o] += near[k, o] * rest
                out_next[at + o] += far[k, o] * rest


@njit(cache=True, nogil=True)
def _add_central_residual(rows, b, t, central, z, out):
    """Add ``A^T (b - A z)`` of the central rows around node t + 1; z, out (T, m)."""
    n_orders = rows.coefficients.shape[4]
    weight, _ = fill_central(rows, b, t, central)
    for v in range(rows.coefficients.shape[3]):
        low, high = v * n_orders + n_orders - 2, v * n_orders + n_orders - 1
        rest = central[0] * z[t, low] + central[1] * z[t + 1, high] + central[2] * z[t + 2, low]
        rest *= -weight * weight
        out[t, low] += central[0] * rest
        out[t + 1, high] += central[1] * rest
        out[t + 2, low] += central[2] * rest


@njit(cache=True, nogil=True)
def normal_residual(rows, rhs, initial, active, z, out):
    """``A^T (b - A z)``: the right side of the normal equations where z = 0; out (B, T, m)."""
    n_dims = rows.coefficients.shape[3]
    central = np.zeros(3)
    equations = np.zeros((rows.coefficients.shape[2], z.shape[2]))
    near, far = np.zeros(rows.near.shape), np.zeros(rows.far.shape)
    for b in range(z.shape[0]):
        if not active[b]:
            continue
        out[b] = 0.0
        for t in range(rows.n_nodes):
            _add_node_residual(rows, rhs, initial, b, t, equations, z[b, t], out[b, t])
            if t + 1 < rows.n_nodes:
                if t == 0 or not has_uniform_links(rows):
                    fill_links(rows, b, t, near, far)
                _add_link_residual(
                    near, far, n_dims, z[b, t], z[b, t + 1], out[b, t], out[b, t + 1]
                )
            if rows.central and t + 2 < rows.n_nodes:
                _add_central_residual(rows, b, t, central, z[b], out[b])


@njit(cache=True, nogil=True)
def add_correction(correction, active, z, largest):
    """Add a correction to z; largest (B, m) holds its largest entry per unknown, NaN included."""
    for b in range(z.shape[0]):
        if not active[b]:
            continue
        largest[b] = 0.0
        for t in range(z.shape[1]):
            for i in range(z.shape[2]):
                z[b, t, i] += correction[b, t, i]
                size = abs(correction[b, t, i])
                if not (size <= largest[b, i]):
                    largest[b, i] = size


@njit(cache=True, nogil=True)
def unscale(rows, z, y):
    """``y[.., r] = z[.., r] / k_t^r``: from scaled unknowns to derivatives, (B, T, m) both.

    The same map takes a gradient with respect to y to one with respect to z.
    """
    n_orders = rows.coefficients.shape[4]
    for b in range(z.shape[0]):
        for t in range(z.shape[1]):
            shrink = 1.0 / node_scale(rows, b, t)
            for v in range(z.shape[2] // n_orders):
                power = 1.0
                for r in range(n_orders):
                    y[b, t, v * n_orders + r] = power * z[b, t, v * n_orders + r]
                    power *= shrink


@njit(cache=True, nogil=True)
def add_active(values, active, out):
    """Add to the active series, (B, T, m) both."""
    for b in range(out.shape[0]):
        if active[b]:
            for t in range(out.shape[1]):
                for i in range(out.shape[2]):
                    out[b, t, i] += values[b, t, i]
