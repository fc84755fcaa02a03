"""R of the Taylor rows by Cholesky of the normal matrix, front by front."""

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

EPSILON = 2.0**-52


@njit(cache=True, nogil=True)
def _add_normal_products(rows, b, t, equations, near, far, central, front):
    """Add the normal products of all rows that start at node t to the upper half of the front."""
    n_orders = near.shape[1]
    m = equations.shape[1]
    for q in range(equations.shape[0]):
        for i in range(m):
            for j in range(i, m):
                front[i, j] += equations[q, i] * equations[q, j]
    for v in range(m // n_orders):
        at = v * n_orders
        if t < rows.n_initial_steps:
            for r in range(rows.n_initial_orders):
                entry = initial_weight(rows, b, t, v, r) / node_scale(rows, b, t) ** r
                front[at + r, at + r] += entry * entry
        if t + 1 < rows.n_nodes:
            for k in range(near.shape[0]):
                for i in range(n_orders):
                    for j in range(n_orders):
                        front[at + i, m + at + j] += near[k, i] * far[k, j]
                    for j in range(i, n_orders):
                        front[at + i, at + j] += near[k, i] * near[k, j]
                        front[m + at + i, m + at + j] += far[k, i] * far[k, j]
        if rows.central and t + 2 < rows.n_nodes:
            weight, _ = fill_central(rows, b, t, central)
            for i in range(3):
                row = i * m + at + n_orders - (1 if i == 1 else 2)
                for j in range(i, 3):
                    column = j * m + at + n_orders - (1 if j == 1 else 2)
                    front[row, column] += weight * weight * central[i] * central[j]


@njit(cache=True, nogil=True)
def _eliminate_cholesky(front, m):
    """Right-looking Cholesky of the first m unknowns of the front; False at a bad pivot."""
    n = front.shape[0]
    diagonal = np.empty(m)
    for i in range(m):
        diagonal[i] = front[i, i]
    for k in range(m):
        pivot = front[k, k]
        if not (pivot > m * EPSILON * diagonal[k] and pivot < np.inf):
            return False
        root = np.sqrt(pivot)
        front[k, k] = root
        for j in range(k + 1, n):
            front[k, j] /= root
        for i in range(k + 1, n):
            factor = front[k, i]
            if factor != 0.0:
                for j in range(i, n):
                    front[i, j] -= factor * front[k, j]
    return True


@njit(cache=True, nogil=True)
def _shift_front(front, m):
    """Drop the first m rows and columns of the front and make room for a new node."""
    n = front.shape[0]
    for i in range(n):
        for j in range(i, n):
            inside = i + m < n and j + m < n
            front[i, j] = front[i + m, j + m] if inside else 0.0


@njit(cache=True, nogil=True)
def factor_cholesky(rows, active, triangle, status):
    """R by Cholesky of the normal matrix; status (B,) is -1 or the node of a bad pivot."""
    n_nodes, m, n = triangle.shape[1:]
    front, central = np.zeros((n, n)), np.zeros(3)
    equations = np.zeros((rows.coefficients.shape[2], m))
    near, far = np.zeros(rows.near.shape), np.zeros(rows.far.shape)
    for b in range(triangle.shape[0]):
        if not active[b]:
            continue
        status[b] = -1
        front[:] = 0.0
        for t in range(n_nodes):
            if t + 1 < n_nodes and (t == 0 or not has_uniform_links(rows)):
                fill_links(rows, b, t, near, far)
            fill_equations(rows, b, t, equations)
            _add_normal_products(rows, b, t, equations, near, far, central, front)
            if not _eliminate_cholesky(front, m):
                status[b] = t
                break
            for i in range(m):
                for j in range(n):
                    triangle[b, t, i, j] = front[i, j] if j >= i else 0.0
            _shift_front(front, m)
