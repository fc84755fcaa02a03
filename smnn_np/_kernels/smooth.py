"""Smoothing of one series by a linear ODE driven by white noise: the pass from the left.

State of a node: (x, x', ..., x^(R-1)), then p constants (effects of covariates). Both passes carry
rows ``triangle @ state = rhs`` of unit variance, what the samples so far say (square-root
information form): no rows at all is exact ignorance, and a step of length zero, a missing sample or
a noise-free one are no special cases. The pass from the right is in ``backward.py``; a node's
smoothed state combines what comes from both sides.

Shapes: R orders, p covariates, S = R + p; n nodes, `steps` (n,) into each node (the first is not
used); coefs (1 | n, R): c in x^(R) + c[R-1] x^(R-1) + ... + c[0] x = drive * white noise, constant
along a step. Everything is relative to the standard deviation of the measurements' noise.
"""

import math

import numpy as np

from .jit import njit
from .reflections import reflect, sort_rows
from .transition import transition

_FROZEN = 1e-13  # relative change of a triangle below which it counts as steady


@njit(nogil=True)
def load_noise(block, order):  # pragma: no cover
    """Write the rows of the driving noise on top: unit weight, value zero."""
    for i in range(order):
        for c in range(block.shape[1]):
            block[i, c] = 1.0 if i == c else 0.0


@njit(nogil=True)
def load_sample(block, row, order, design, weight, value):  # pragma: no cover
    """Write the row of a sample of x + design . effects."""
    width = block.shape[1]
    for c in range(width):
        block[row, c] = 0.0
    block[row, order] = weight
    for j in range(design.shape[0]):
        block[row, 2 * order + j] = weight * design[j]
    block[row, width - 1] = weight * value


@njit(nogil=True)
def advance(
    triangle, rhs, back, root, drive, design, weight, value, block, keys, scratch
):  # pragma: no cover
    """Step to the next node and take in its sample; return log-determinant and left-over.

    Columns of the block: noise (R), state (S), right-hand side.
    """
    order, n_states = back.shape[0], triangle.shape[0]
    n_rows = order + n_states + 1
    load_noise(block, order)
    for i in range(n_states):
        row = order + i
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += triangle[i, k] * back[k, c]
            block[row, order + c] = total
        for c in range(order, n_states):
            block[row, order + c] = triangle[i, c]
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += block[row, order + k] * root[k, c]
            block[row, c] = -drive * total
        block[row, order + n_states] = rhs[i]
    load_sample(block, n_rows - 1, order, design, weight, value)
    sort_rows(block, n_rows, order + n_states, keys, scratch)
    reflect(block, 0, n_rows, 0, order + n_states, scratch)
    log_determinant = 0.0
    for i in range(order):
        log_determinant += 2.0 * math.log(abs(block[i, i]))
    for i in range(n_states):
        sign = -1.0 if block[order + i, order + i] < 0.0 else 1.0  # or a steady state would blink
        for c in range(n_states):
            triangle[i, c] = sign * block[order + i, order + c]
        rhs[i] = sign * block[order + i, order + n_states]
    return log_determinant, block[n_rows - 1, order + n_states]


@njit(nogil=True)
def _steady_gain(
    triangle, back, root, drive, design, weight, block, keys, scratch, gain
):  # pragma: no cover
    """Fill gain (S + 1, S + 1): what a step makes of (right-hand side, sample), unit by unit."""
    n_states = triangle.shape[0]
    for j in range(n_states + 1):
        same, unit = triangle.copy(), np.zeros(n_states)
        if j < n_states:
            unit[j] = 1.0
        value = 1.0 if j == n_states else 0.0
        _, left = advance(
            same, unit, back, root, drive, design, weight, value, block, keys, scratch
        )
        gain[:n_states, j] = unit
        gain[n_states, j] = left


@njit(nogil=True)
def coast(rhs, gain, value, scratch):  # pragma: no cover
    """Step with a known gain: the triangle stays as it is."""
    n_states = rhs.shape[0]
    for i in range(n_states + 1):
        total = gain[i, n_states] * value
        for c in range(n_states):
            total += gain[i, c] * rhs[c]
        scratch[i] = total
    rhs[:] = scratch[:n_states]
    return scratch[n_states]


@njit(nogil=True)
def unchanged(triangle, before):  # pragma: no cover
    """Whether two triangles agree, column by column, up to the signs of their rows."""
    for c in range(triangle.shape[0]):
        size, gap = 0.0, 0.0
        for i in range(c + 1):
            size = max(size, abs(triangle[i, c]))
            gap = max(gap, abs(triangle[i, c] - before[i, c]))
        if not gap <= _FROZEN * size:
            return False
    return True


@njit(nogil=True)
def forward(
    steps, coefs, drive, design, value, weight, prior, rule, slot, kept
):  # pragma: no cover
    """Run through the nodes; return sum of squares and log-determinant.

    design (n, p); value, weight (n,), weight 0 where nothing is measured; prior (p,): weights of
    the effects around zero; rule (2, G): points and shares of a quadrature. Where slot[k] >= 0 the
    node's rows, its own sample included, are written to kept[slot[k]] (S, S + 1). With every
    sample noise-free relative to `drive` this is the restricted likelihood, the first state flat.
    """
    n, order, n_states = steps.shape[0], coefs.shape[1], coefs.shape[1] + prior.shape[0]
    triangle, rhs = np.zeros((n_states, n_states)), np.zeros(n_states)
    before = np.zeros((n_states, n_states))
    for j in range(prior.shape[0]):
        triangle[order + j, order + j] = prior[j]
    ahead, back, root = np.empty((order, order)), np.empty((order, order)), np.empty((order, order))
    block = np.empty((order + n_states + 1, order + n_states + 1))
    keys, scratch = np.empty(block.shape[0]), np.empty(block.shape[0])
    gain = np.empty((n_states + 1, n_states + 1))
    total, log_determinant, gained = 0.0, 0.0, 0.0
    steady = False
    for k in range(n):
        step = steps[k] if k > 0 else 0.0
        fresh = k < 2 or coefs.shape[0] > 1 or step != steps[k - 1]
        if k < 2 or fresh:
            transition(coefs[min(k, coefs.shape[0] - 1)], step, rule[0], rule[1], ahead, back, root)
        steady = steady and not fresh and weight[k] == weight[k - 1]
        if not steady:
            before[:] = triangle
            gained, left = advance(
                triangle, rhs, back, root, drive, design[k], weight[k], value[k],
                block, keys, scratch,
            )  # fmt: skip
            if prior.shape[0] == 0 and not fresh and unchanged(triangle, before):
                steady = True
                _steady_gain(
                    triangle, back, root, drive, design[k], weight[k], block, keys, scratch, gain
                )
        else:
            left = coast(rhs, gain, value[k], scratch)
        total += left * left
        log_determinant += gained
        if slot[k] >= 0:
            kept[slot[k], :, :n_states] = triangle
            kept[slot[k], :, n_states] = rhs
        if k + 1 < n and coefs.shape[0] > 0:
            # The flat state is that of the first node: its volume shrinks on the way.
            log_determinant -= 2.0 * coefs[min(k + 1, coefs.shape[0] - 1), order - 1] * steps[k + 1]
    for i in range(n_states):
        log_determinant += 2.0 * math.log(abs(triangle[i, i]))
    return total, log_determinant
