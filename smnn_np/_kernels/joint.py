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


@njit(nogil=True)
def _sort_rows(block, n_rows, n_key, order, scratch):  # pragma: no cover
    """Sort the first rows of block in place, by falling max-norm of their first n_key columns."""
    n_columns = block.shape[1]
    for r in range(n_rows):
        size = 0.0
        for c in range(n_key):
            size = max(size, abs(block[r, c]))
        position = r
        while position > 0 and order[position - 1] < size:
            position -= 1
        if position < r:
            for c in range(n_columns):
                scratch[c] = block[r, c]
            for q in range(r, position, -1):
                order[q] = order[q - 1]
                for c in range(n_columns):
                    block[q, c] = block[q - 1, c]
            for c in range(n_columns):
                block[position, c] = scratch[c]
        order[position] = size


@njit(nogil=True)
def _reflect(block, first, n_rows, start, n_pivots, scratch):  # pragma: no cover
    """Triangularize columns start .. start + n_pivots - 1 of rows first .. n_rows - 1."""
    for j in range(n_pivots):
        pivot, column = first + j, start + j
        norm = 0.0
        for r in range(pivot, n_rows):
            norm = max(norm, abs(block[r, column]))
        if norm == 0.0:
            continue
        total = 0.0
        for r in range(pivot, n_rows):
            total += (block[r, column] / norm) ** 2
        norm *= np.sqrt(total)
        alpha = -norm if block[pivot, column] > 0.0 else norm
        head = block[pivot, column] - alpha
        for r in range(pivot + 1, n_rows):
            block[r, column] /= head
        # v = (1, block[r] / head); beta = -head / alpha makes I - beta v v^T orthogonal.
        _apply(block, pivot, n_rows, column, -head / alpha, scratch)
        block[pivot, column] = alpha


@njit(nogil=True)
def _apply(block, pivot, n_rows, column, beta, scratch):  # pragma: no cover
    """Reflect the columns right of `column`, which holds v below its leading 1; clear it.

    Two rows at a time: the short loops over columns are mostly entries and exits.
    """
    n_columns = block.shape[1]
    odd = (n_rows - pivot) % 2 == 0
    for c in range(column + 1, n_columns):
        scratch[c] = block[pivot, c]
    for r in range(pivot + 1, n_rows - 1, 2):
        one, two = block[r, column], block[r + 1, column]
        if one != 0.0 or two != 0.0:
            for c in range(column + 1, n_columns):
                scratch[c] += one * block[r, c] + two * block[r + 1, c]
    if odd:
        one = block[n_rows - 1, column]
        for c in range(column + 1, n_columns):
            scratch[c] += one * block[n_rows - 1, c]
    for c in range(column + 1, n_columns):
        scratch[c] *= beta
        block[pivot, c] -= scratch[c]
    for r in range(pivot + 1, n_rows - 1, 2):
        one, two = block[r, column], block[r + 1, column]
        if one != 0.0 or two != 0.0:
            for c in range(column + 1, n_columns):
                block[r, c] -= one * scratch[c]
                block[r + 1, c] -= two * scratch[c]
        block[r, column] = block[r + 1, column] = 0.0
    if odd:
        one = block[n_rows - 1, column]
        for c in range(column + 1, n_columns):
            block[n_rows - 1, c] -= one * scratch[c]
        block[n_rows - 1, column] = 0.0


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
        _sort_rows(block, n_rows, 2 * v, order, scratch)
        _reflect(block, 0, n_rows, 0, v, scratch)
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
        _sort_rows(block, n_rows, v, order, scratch)
        n_carried = v if t < n_links else 0
        if n_carried:
            _reflect(block, 0, n_rows, 0, v, scratch)
        if n_border + n_rows > border.shape[0]:
            _reflect(border, 0, n_border, 0, p + 1, scratch)
            n_border = p + 1
        for r in range(n_carried, n_rows):
            for c in range(p + 1):
                border[n_border, c] = block[r, 2 * v + c]
            n_border += 1
    carry[:] = block[:v]
    if n_links < n_nodes:
        _reflect(border, 0, n_border, 0, min(p + 1, n_border), scratch)
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
