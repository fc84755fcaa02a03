"""A piece of a series summed up by its *element*, so that pieces can be filtered side by side.

Notation and shapes are those of ``smooth.py``. Given the state a at one end of a piece, its anchor,
and the effects b of covariates, the state at the other end is ``x = mapping (a, b, 1) + root v``
with v standard normal, and rows ``seen (a, b) = rhs`` of unit variance, the last column of `seen`,
hold what the samples say of a and b. An element starts from x = a exactly, hence not as rows but as
a root of a covariance; a step of length zero is no special case. Rows on the far state then become
rows on the anchor without a matrix being inverted, so that they may determine nothing yet. Time may
run either way. Nothing is allocated here: a GPU's threads call it.

References
----------
Särkkä, García-Fernández (2021), Temporal parallelization of Bayesian smoothers. IEEE Transactions
on Automatic Control 66, 299-306.
"""

import math

from .jit import njit
from .reflections import reflect, sort_rows


@njit(nogil=True)
def open_element(mapping, root, seen):  # pragma: no cover
    """Start at the anchor: mapping (R, S + 1), root (R, R), seen (S + 1, S + 1)."""
    for r in range(mapping.shape[0]):
        for c in range(mapping.shape[1]):
            mapping[r, c] = 1.0 if r == c else 0.0
        for c in range(root.shape[1]):
            root[r, c] = 0.0
    for i in range(seen.shape[0]):
        for c in range(seen.shape[1]):
            seen[i, c] = 0.0


@njit(nogil=True)
def take_sample(mapping, root, seen, design, weight, value, keys, scratch):  # pragma: no cover
    """Take in a sample of x + design . b; return log-determinant and left-over.

    Its prediction error, divided by its standard deviation, is a row on the anchor (last of seen);
    mean and root follow by Kalman's and Potter's formulas.
    """
    order, n = root.shape[0], mapping.shape[1] - 1
    if weight == 0.0:
        return 0.0, 0.0
    spread = 1.0
    for c in range(order):
        spread += (weight * root[0, c]) ** 2
    deviation = math.sqrt(spread)
    for j in range(n):
        coef = mapping[0, j] + (design[j - order] if j >= order else 0.0)
        seen[n, j] = weight * coef / deviation
    seen[n, n] = weight * (value - mapping[0, n]) / deviation
    for up in range(order):
        r = order - 1 - up  # the first row last: the others need it
        shared = 0.0
        for c in range(order):
            shared += root[r, c] * root[0, c]
        shared *= weight
        for j in range(n):
            mapping[r, j] -= shared / deviation * seen[n, j]
        mapping[r, n] += shared / deviation * seen[n, n]
        for c in range(order):
            if r > 0:
                root[r, c] -= weight * shared * root[0, c] / (spread + deviation)
            else:
                root[r, c] /= deviation  # the same without loss of digits
    sort_rows(seen, n + 1, n, keys, scratch)
    reflect(seen, 0, n + 1, 0, n, scratch)
    return math.log(spread), seen[n, n]


@njit(nogil=True)
def take_step(mapping, root, move, noise, pair, scratch):  # pragma: no cover
    """Step to x = move x + noise u, u standard normal; pair (2 R, R) is scratch."""
    order = root.shape[0]
    for r in range(order):
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += move[r, k] * root[k, c]
            pair[c, r] = total
            pair[order + c, r] = noise[r, c]
    reflect(pair, 0, 2 * order, 0, order, scratch)
    for r in range(order):
        for c in range(order):
            root[r, c] = pair[c, r] if c <= r else 0.0
    for j in range(mapping.shape[1]):
        for r in range(order):
            scratch[r] = mapping[r, j]
        for r in range(order):
            total = 0.0
            for k in range(order):
                total += move[r, k] * scratch[k]
            mapping[r, j] = total


@njit(nogil=True)
def cross(rows, mapping, root, seen, block, keys, scratch):  # pragma: no cover
    """Turn rows (S, S + 1) on the far state and the effects into rows on the anchor and them.

    Return log-determinant and sum of squares of what is left over. block (R + 2 S, R + S + 1) has
    columns for v, anchor and effects, right-hand side.
    """
    order, n = root.shape[0], rows.shape[0]
    for i in range(order):
        for c in range(order + n + 1):
            block[i, c] = 1.0 if i == c else 0.0
    for i in range(n):
        near, far = order + i, order + n + i
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += rows[i, k] * root[k, c]
            block[near, c] = 0.0
            block[far, c] = total
        for j in range(n + 1):
            total = 0.0
            for k in range(order):
                total += rows[i, k] * mapping[k, j]
            block[near, order + j] = seen[i, j]
            if j == n:
                total = rows[i, n] - total
            elif j >= order:
                total += rows[i, j]
            block[far, order + j] = total
    n_rows = order + 2 * n
    sort_rows(block, n_rows, order + n, keys, scratch)
    reflect(block, 0, n_rows, 0, order + n, scratch)
    log_determinant, squares = 0.0, 0.0
    for i in range(order):
        log_determinant += 2.0 * math.log(abs(block[i, i]))
    for i in range(n):
        for j in range(n + 1):
            rows[i, j] = block[order + i, order + j]
        squares += block[order + n + i, order + n] ** 2
    return log_determinant, squares
