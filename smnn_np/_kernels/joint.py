"""Elimination of a bordered banded least-squares problem, node by node.

Shapes, as on the notation page (``smnn_np/banded.py``): N nodes of V unknowns, N - 1 links of V
rows, p shared parameters. Bare float64 arrays in, bare arrays filled; status -1 means success,
otherwise it is the first node whose unknowns the rows leave undetermined.

Why Householder rows and not the normal matrix: the links carry weights up to 1e8 times those of the
nodes. Squaring that ratio costs all digits of the border; a reflection of rows sorted by decreasing
size is backward stable row by row.
"""

import numpy as np

from .jit import njit
from .reflections import reflect, sort_rows


@njit(nogil=True)
def _load_node(block, weight, rhs, t):  # pragma: no cover
    """Write the rows of node t's measurements below those carried."""
    v, last = weight.shape[1], block.shape[1] - 1
    for i in range(v):
        for c in range(last):
            block[v + i, c] = 0.0
        block[v + i, i] = weight[t, i]
        block[v + i, last] = rhs[t, i]


@njit(nogil=True)
def _load_link(block, left, right, columns, rhs, t):  # pragma: no cover
    """Write the rows of the link from node t to the next below those."""
    v, p = columns.shape[1], columns.shape[2]
    for i in range(v):
        row = 2 * v + i
        for c in range(v):
            block[row, c] = left[t, i, c]
            block[row, v + c] = right[t, i, c]
        for c in range(p):
            block[row, 2 * v + c] = columns[t, i, c]
        block[row, 2 * v + p] = rhs[t, i]


@njit(nogil=True)
def _shift(block, v, n_rows):  # pragma: no cover
    """Drop the rows of the node that is done: the next node takes its columns."""
    for r in range(v, n_rows):
        for c in range(v):
            block[r - v, c] = block[r, v + c]
            block[r - v, v + c] = 0.0
        for c in range(2 * v, block.shape[1]):
            block[r - v, c] = block[r, c]


@njit(nogil=True)
def eliminate(
    node_weight, node_rhs, left, right, columns, link_rhs, kept, border, n_border, carry
):  # pragma: no cover
    """Eliminate the unknowns of a piece's nodes; fill the kept rows, add to the border's rows.

    node_weight, node_rhs (N, V); left, right (L, V, V); columns (L, V, p); link_rhs (L, V); L = N
    where another piece follows, else N - 1. kept (N, V, 2 V + p + 1) receives [triangle, next node,
    parameters, right-hand side], or is (0, ...) where nobody asks for it. border (B, p + 1), B >
    p + 3 V: its first n_border rows, on the parameters alone and right-hand side last, are reduced
    to p + 1 whenever it is full, and at the end. carry (V, 2 V + p + 1): rows on the first node
    from the piece before; receives those for the next. Returns the new n_border, or -1 - t if the
    rows leave node t undetermined.
    """
    n_nodes, v = node_weight.shape
    n_links, p = left.shape[0], columns.shape[2]
    width = 2 * v + p + 1
    block = np.zeros((3 * v, width))
    order, scratch = np.zeros(3 * v), np.zeros(width)
    block[:v] = carry
    for t in range(n_nodes):
        n_rows = 2 * v
        _load_node(block, node_weight, node_rhs, t)
        if t < n_links:
            n_rows = 3 * v
            _load_link(block, left, right, columns, link_rhs, t)
        sort_rows(block, n_rows, 2 * v, order, scratch)
        reflect(block, 0, n_rows, 0, v, scratch)
        for i in range(v):
            if not abs(block[i, i]) > 0.0:
                return -1 - t
        if kept.shape[0]:
            for i in range(v):
                for c in range(width):
                    kept[t, i, c] = block[i, c]
        # What is left is on the next node and the parameters: triangularize, carry, spill.
        _shift(block, v, n_rows)
        n_rows -= v
        sort_rows(block, n_rows, v, order, scratch)
        n_carried = v if t < n_links else 0
        if n_carried:
            reflect(block, 0, n_rows, 0, v, scratch)
        if n_border + n_rows > border.shape[0]:
            reflect(border, 0, n_border, 0, p + 1, scratch)
            n_border = p + 1
        for r in range(n_carried, n_rows):
            for c in range(p + 1):
                border[n_border, c] = block[r, 2 * v + c]
            n_border += 1
    carry[:] = block[:v]
    if n_links < n_nodes:
        reflect(border, 0, n_border, 0, min(p + 1, n_border), scratch)
    return n_border


@njit(nogil=True)
def substitute(kept, parameters, nodes):  # pragma: no cover
    """Back-substitute: kept (N, V, 2 V + p + 1), parameters (p,) -> fills nodes (N, V)."""
    n_nodes, v = nodes.shape
    p = parameters.shape[0]
    for t in range(n_nodes - 1, -1, -1):
        for i in range(v - 1, -1, -1):
            value = kept[t, i, 2 * v + p]
            for c in range(p):
                value -= kept[t, i, 2 * v + c] * parameters[c]
            if t < n_nodes - 1:
                for c in range(v):
                    value -= kept[t, i, v + c] * nodes[t + 1, c]
            for c in range(i + 1, v):
                value -= kept[t, i, c] * nodes[t, c]
            nodes[t, i] = value / kept[t, i, i]
