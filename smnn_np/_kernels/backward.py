"""Smoothing of one series, the pass from the right: rows on a state from later samples.

Notation and shapes are those of ``smooth.py``. A node's state solves the rows of both sides
together; the inverse of their triangle is a root of its covariance.
"""

import math

import numpy as np

from .jit import njit
from .reflections import reflect, sort_rows
from .smooth import coast, load_noise, load_sample, unchanged
from .transition import transition


@njit(nogil=True)
def retreat(
    rows, rhs, root, drive, design, weight, value, block, keys, scratch
):  # pragma: no cover
    """Take in a node's sample and its step's noise: rows on the state that the step predicted.

    Columns of the block: noise (R), predicted state (S), right-hand side.
    """
    order, n_states = root.shape[0], rows.shape[0]
    n_rows = order + n_states + 1
    load_noise(block, order)
    for i in range(n_states):
        for c in range(n_states):
            block[order + i, order + c] = rows[i, c]
        block[order + i, order + n_states] = rhs[i]
    load_sample(block, n_rows - 1, order, design, weight, value)
    for row in range(order, n_rows):
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += block[row, order + k] * root[k, c]
            block[row, c] = drive * total
    sort_rows(block, n_rows, order + n_states, keys, scratch)
    reflect(block, 0, n_rows, 0, order + n_states, scratch)
    for i in range(n_states):
        sign = -1.0 if block[order + i, order + i] < 0.0 else 1.0  # or a steady state would blink
        for c in range(n_states):
            rows[i, c] = sign * block[order + i, order + c]
        rhs[i] = sign * block[order + i, order + n_states]


@njit(nogil=True)
def push(rows, ahead, scratch):  # pragma: no cover
    """Turn rows on the predicted state into rows on the state before the step, in place."""
    order = ahead.shape[0]
    for i in range(rows.shape[0]):
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += rows[i, k] * ahead[k, c]
            scratch[c] = total
        for c in range(order):
            rows[i, c] = scratch[c]


@njit(nogil=True)
def combine(kept, rows, rhs, both, keys, scratch, state, inverse):  # pragma: no cover
    """Solve for a state from the rows of both sides; inverse inverse^T is its covariance."""
    n = rows.shape[0]
    for i in range(n):
        for c in range(n):
            both[i, c] = kept[i, c]
            both[n + i, c] = rows[i, c]
            inverse[i, c] = 0.0
        both[i, n] = kept[i, n]
        both[n + i, n] = rhs[i]
    sort_rows(both, 2 * n, n, keys, scratch)
    reflect(both, 0, 2 * n, 0, n, scratch)
    for i in range(n - 1, -1, -1):
        if not abs(both[i, i]) > 0.0:
            return False
        total = both[i, n]
        for c in range(i + 1, n):
            total -= both[i, c] * state[c]
        state[i] = total / both[i, i]
        inverse[i, i] = 1.0 / both[i, i]
        for j in range(i + 1, n):
            total = 0.0
            for c in range(i + 1, j + 1):
                total -= both[i, c] * inverse[c, j]
            inverse[i, j] = total / both[i, i]
    return True


@njit(nogil=True)
def describe(state, inverse, design, mean, std):  # pragma: no cover
    """Fill mean, std (R,) of a node from its state and the root of its covariance."""
    order, n_states = mean.shape[0], state.shape[0]
    for r in range(order):
        mean[r] = state[r]
        variance = 0.0
        for c in range(n_states):
            entry = inverse[r, c]
            if r == 0:
                for j in range(n_states - order):
                    entry += design[j] * inverse[order + j, c]
            variance += entry * entry
        std[r] = math.sqrt(variance)
    for j in range(n_states - order):
        mean[0] += design[j] * state[order + j]


@njit(nogil=True)
def _steady_gains(
    kept, rows, root, drive, design, weight, block, both, keys, scratch, through, joint
):  # pragma: no cover
    """Fill what a step and a node make of right-hand sides, unit by unit, all rows being steady.

    through (S + 1, S + 1): of (right-hand side, sample) by `retreat`, its last row unused;
    joint (S, 2 S): of both sides by `combine`.
    """
    n = rows.shape[0]
    same, unit = np.empty((n, n)), np.empty(n)
    state, inverse, left = np.empty(n), np.empty((n, n)), np.empty((n, n + 1))
    through[n] = 0.0
    for j in range(n + 1):
        unit[:] = 0.0
        if j < n:
            unit[j] = 1.0
        same[:] = rows
        value = 1.0 if j == n else 0.0
        retreat(same, unit, root, drive, design, weight, value, block, keys, scratch)
        through[:n, j] = unit
    for j in range(2 * n):
        left[:] = kept
        left[:, n] = 0.0
        unit[:] = 0.0
        if j < n:
            left[j, n] = 1.0
        else:
            unit[j - n] = 1.0
        combine(left, rows, unit, both, keys, scratch, state, inverse)
        joint[:, j] = state


@njit(nogil=True)
def _same_triangle(kept, reference):  # pragma: no cover
    """Whether two nodes' rows differ in their right-hand sides only."""
    n = kept.shape[0]
    for i in range(n):
        for c in range(n):
            if kept[i, c] != reference[i, c]:
                return False
    return True


@njit(nogil=True)
def _join(kept, rhs, joint, mean):  # pragma: no cover
    """Fill mean (R,) of a node where both sides are steady."""
    n = rhs.shape[0]
    for r in range(mean.shape[0]):
        total = 0.0
        for c in range(n):
            total += joint[r, c] * kept[c, n] + joint[r, n + c] * rhs[c]
        mean[r] = total


@njit(nogil=True)
def backward(
    steps, coefs, drive, design, value, weight, rule, slot, kept, mean, std
):  # pragma: no cover
    """Run back through the nodes; fill mean, std (m, R) where slot[k] >= 0. Return a status.

    Entry 0 is x + design . effects, entry r > 0 the derivative x^(r). `kept` is what `forward`
    wrote. The status is -1 for success, else a node whose state the samples leave undetermined.
    """
    n, order, n_states = steps.shape[0], coefs.shape[1], kept.shape[1]
    rows, rhs = np.zeros((n_states, n_states)), np.zeros(n_states)
    before, reference = np.zeros((n_states, n_states)), np.zeros((n_states, n_states + 1))
    ahead, back, root = np.empty((order, order)), np.empty((order, order)), np.empty((order, order))
    block = np.empty((order + n_states + 1, order + n_states + 1))
    both = np.empty((2 * n_states, n_states + 1))
    keys, scratch = np.empty(2 * n_states + 1), np.empty(block.shape[1])
    state, inverse = np.empty(n_states), np.empty((n_states, n_states))
    through, joint = np.empty((n_states + 1, n_states + 1)), np.empty((n_states, 2 * n_states))
    simple = n_states == order and coefs.shape[0] == 1
    steady, solved, last = False, False, -1
    for k in range(n - 1, -1, -1):
        here = slot[k]
        if here >= 0:
            if solved and _same_triangle(kept[here], reference):
                _join(kept[here], rhs, joint, mean[here])
                std[here] = std[last]
            else:
                if not combine(kept[here], rows, rhs, both, keys, scratch, state, inverse):
                    return k
                describe(state, inverse, design[k], mean[here], std[here])
                if steady and k > 0:
                    _steady_gains(
                        kept[here], rows, root, drive, design[k], weight[k + 1],
                        block, both, keys, scratch, through, joint,
                    )  # fmt: skip
                    reference[:] = kept[here]
                    solved, last = True, here
        if k == 0:
            break
        fresh = k == n - 1 or coefs.shape[0] > 1 or steps[k] != steps[k + 1]
        if fresh:
            coef = coefs[min(k, coefs.shape[0] - 1)]
            transition(coef, steps[k], rule[0], rule[1], ahead, back, root)
        if fresh or k == n - 1 or weight[k] != weight[k + 1]:
            steady = solved = False
        if solved:
            coast(rhs, through, value[k], scratch)
            continue
        before[:] = rows
        retreat(rows, rhs, root, drive, design[k], weight[k], value[k], block, keys, scratch)
        push(rows, ahead, scratch)
        steady = simple and not fresh and unchanged(rows, before)
    return -1
