"""Householder reflections of rows; sorted by size beforehand, small rows keep their digits."""

import math

from .jit import njit


@njit(nogil=True)
def sort_rows(block, n_rows, n_key, order, scratch):  # pragma: no cover
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
def reflect(block, first, n_rows, start, n_pivots, scratch):  # pragma: no cover
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
        norm *= math.sqrt(total)
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
