"""Gradient of a smoother's likelihood in the coefficients and the drive, step by step.

Reverse mode through the predictions: with rows ``D p = d`` on a predicted state p, its sample and
all later ones taken in, and the smoothed state before the step (mean m, covariance W W^T),
the gradient in a shift of p is r = D^T (d - D A m), and those in the transition A and in the
noise's covariance Q are r m^T / level - D^T D A W W^T and (r r^T / level - N) / 2, with
N = D^T D - (D^T D A W)(D^T D A W)^T. The diffuse start needs no extra care.
Shapes and arguments are those of ``smooth.py``.
"""

import numpy as np

from .backward import combine, push, retreat
from .jit import njit
from .transition import transition, transition_tangents


@njit(nogil=True)
def score(
    steps, coefs, drive, design, value, weight, rule, kept, of_squares, of_determinant
):  # pragma: no cover
    """Fill the gradients (n, R + 1) in each step's coefficients and in log(drive^2).

    kept (n, S, S + 1): what `forward` wrote at every node. Both gradients are halves, with the
    sign of a log-likelihood: that of the sum of squares, and that of the log-determinant. They
    are NaN if some state is undetermined.
    """
    n, order, n_states = steps.shape[0], coefs.shape[1], kept.shape[1]
    rows, rhs = np.zeros((n_states, n_states)), np.zeros(n_states)
    ahead, back, root = np.empty((order, order)), np.empty((order, order)), np.empty((order, order))
    d_ahead, d_noise = np.empty((order, order, order)), np.empty((order, order, order))
    noise, pull = np.empty((order, order)), np.empty(order)
    cross, information = np.empty((order, order)), np.empty((order, order))
    block = np.empty((order + n_states + 1, order + n_states + 1))
    both = np.empty((2 * n_states, n_states + 1))
    keys, scratch = np.empty(2 * n_states + 1), np.empty(block.shape[1])
    state, inverse = np.empty(n_states), np.empty((n_states, n_states))
    predicted, target = np.empty((n_states, n_states)), np.empty(n_states)
    of_squares[:] = 0.0
    of_determinant[:] = 0.0
    for k in range(n - 1, 0, -1):
        coef = coefs[min(k, coefs.shape[0] - 1)]
        if k == n - 1 or coefs.shape[0] > 1 or steps[k] != steps[k + 1]:
            transition(coef, steps[k], rule[0], rule[1], ahead, back, root)
            transition_tangents(coef, steps[k], rule[0], rule[1], d_ahead, d_noise)
            noise[:] = root @ root.T
        retreat(rows, rhs, root, drive, design[k], weight[k], value[k], block, keys, scratch)
        predicted[:] = rows
        target[:] = rhs
        push(rows, ahead, scratch)
        if not combine(kept[k - 1], rows, rhs, both, keys, scratch, state, inverse):
            of_determinant[:] = np.nan
            return
        _sensitivities(predicted, target, rows, state, inverse, pull, cross, information)
        _accumulate(
            pull, state, cross, information, d_ahead, d_noise, noise, drive,
            of_squares[k], of_determinant[k],
        )  # fmt: skip


@njit(nogil=True)
def _accumulate(
    pull, state, cross, information, d_ahead, d_noise, noise, drive, of_squares, of_determinant
):  # pragma: no cover
    """Add what a step's sensitivities mean for its coefficients and the drive (R + 1,)."""
    order, squared = pull.shape[0], drive * drive
    for r in range(order):
        for c in range(order):
            outer = 0.5 * squared * pull[r] * pull[c]
            spread = -0.5 * squared * information[r, c]
            for a in range(order):
                of_squares[a] += pull[r] * state[c] * d_ahead[a, r, c]
                of_squares[a] += outer * d_noise[a, r, c]
                of_determinant[a] += spread * d_noise[a, r, c]
                of_determinant[a] -= cross[r, c] * d_ahead[a, r, c]
            of_squares[order] += outer * noise[r, c]
            of_determinant[order] += spread * noise[r, c]


@njit(nogil=True)
def _sensitivities(
    predicted, target, rows, state, inverse, pull, cross, information
):  # pragma: no cover
    """Fill r (R,), D^T D A W W^T and N (R, R); predicted, target: D, d; rows: D A."""
    order, n_states = pull.shape[0], state.shape[0]
    spread = rows @ inverse
    seen = predicted.T @ spread  # D^T D A W
    full = seen @ inverse.T
    for r in range(order):
        total = 0.0
        for i in range(n_states):
            rest = target[i]
            for c in range(n_states):
                rest -= rows[i, c] * state[c]
            total += predicted[i, r] * rest
        pull[r] = total
        for c in range(order):
            cross[r, c] = full[r, c]
            total = 0.0
            for i in range(n_states):
                total += predicted[i, r] * predicted[i, c] - seen[r, i] * seen[c, i]
            information[r, c] = total
