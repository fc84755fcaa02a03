"""Exact transition over a step of x^(R) + c[R-1] x^(R-1) + ... + c[0] x = unit white noise.

The state is (x, x', ..., x^(R-1)), F its companion matrix, c constant along the step. The noise's
covariance is an integral of outer products, so that a quadrature's weighted vectors are a root of
it: with R Gauss points exact for c = 0, to rounding with a few more otherwise. Long steps are
doubled up from short ones. Bare float64 arrays in, bare arrays filled.
"""

import math

import numpy as np

from .jit import njit
from .reflections import reflect

MAX_TERMS = 60


@njit(nogil=True)
def _reduced_step(coef, step):  # pragma: no cover
    """Halve a step until the Taylor series converges fast; return it and how often."""
    order = coef.shape[0]
    rate = 0.0
    for r in range(order):
        rate = max(rate, abs(coef[r]) ** (1.0 / (order - r)))
    n_doublings = 0
    while step * rate > 1.0 and n_doublings < 64:
        step *= 0.5
        n_doublings += 1
    return step, n_doublings


@njit(nogil=True)
def transition(coef, step, points, shares, ahead, back, root):  # pragma: no cover
    """Fill ahead = exp(F step), back = exp(-F step) and root with root root^T = covariance.

    points, shares (G,): Gauss-Legendre rule on (0, 1); G = R says that coef is 0. All outputs
    (R, R).
    """
    order, n_points = coef.shape[0], points.shape[0]
    impulse, pair = np.empty((n_points, order + 1)), np.empty((2 * order, order))
    fill_transition(
        coef, step, points, shares, ahead, back, root, impulse, pair, np.empty((2, order))
    )


@njit(nogil=True)
def fill_transition(
    coef, step, points, shares, ahead, back, root, impulse, pair, vectors
):  # pragma: no cover
    """Do what `transition` does, on scratch impulse (G, R + 1), pair (2 R, R), vectors (2, R).

    Nothing is allocated, so that a GPU's threads may call it. In z_r = step^r x_r the companion
    matrix has entries of one size.
    """
    order, n_points = coef.shape[0], points.shape[0]
    for r in range(order):
        for c in range(order):
            ahead[r, c] = back[r, c] = 1.0 if r == c else 0.0
            root[r, c] = 0.0
    if step == 0.0:
        return
    if n_points == order:
        _integrate(step, points, shares, ahead, back, root)
        return
    step, n_doublings = _reduced_step(coef, step)
    for r in range(order):
        vectors[0, r] = -coef[r] * step ** (order - r)
    _add_series(points, shares, ahead, back, impulse, pair, vectors[0])
    reflect(impulse[:, :order], 0, n_points, 0, order, vectors[1])
    for r in range(order):
        for c in range(order):
            ahead[r, c] *= step ** (c - r)
            back[r, c] *= step ** (c - r)
            root[r, c] = impulse[c, r] * step ** (order - 0.5 - r)
    for _ in range(n_doublings):
        _double(ahead, back, root, pair, vectors[1])


@njit(nogil=True)
def _add_series(points, shares, ahead, back, impulse, pair, last):  # pragma: no cover
    """Add up the Taylor series of exp(+-M) and of the impulse response at a rule's points.

    M is the companion matrix with the row `last`; the last column of `impulse` holds the powers.
    """
    order, n_points = last.shape[0], points.shape[0]
    for g in range(n_points):
        impulse[g, order] = math.sqrt(shares[g])
        for r in range(order):
            impulse[g, r] = impulse[g, order] if r == order - 1 else 0.0
    term, following = pair[:order], pair[order:]
    for r in range(order):
        for c in range(order):
            term[r, c] = ahead[r, c]
    sign = 1.0
    for j in range(1, MAX_TERMS):
        size = _times_companion(last, term, 1.0 / j, following)
        term, following = following, term
        sign = -sign
        for g in range(n_points):
            impulse[g, order] *= points[g]
        for r in range(order):
            for c in range(order):
                ahead[r, c] += term[r, c]
                back[r, c] += sign * term[r, c]
            for g in range(n_points):
                impulse[g, r] += impulse[g, order] * term[r, order - 1]
        if size < 1e-18:
            break


@njit(nogil=True)
def _integrate(step, points, shares, ahead, back, root):  # pragma: no cover
    """Fill the transition of x^(R) = white noise, whose impulse response is a power of time."""
    order = points.shape[0]
    for r in range(order):
        term = 1.0
        for c in range(r + 1, order):
            term *= step / (c - r)
            ahead[r, c] = term
            back[r, c] = term if (c - r) % 2 == 0 else -term
    for g in range(order):
        term = math.sqrt(shares[g] * step)
        for r in range(order - 1, -1, -1):
            root[r, g] = term
            term *= step * points[g] / (order - r)


@njit(nogil=True)
def _times_companion(last, term, factor, out):  # pragma: no cover
    """Fill out = factor * companion(last) @ term; return its largest entry."""
    order = last.shape[0]
    size = 0.0
    for c in range(order):
        total = 0.0
        for r in range(order):
            total += last[r] * term[r, c]
            if r > 0:
                out[r - 1, c] = factor * term[r, c]
        out[order - 1, c] = factor * total
        for r in range(order):
            size = max(size, abs(out[r, c]))
    return size


@njit(nogil=True)
def _double(ahead, back, root, pair, vector):  # pragma: no cover
    """Go from a step to one of twice its length, in place."""
    order = ahead.shape[0]
    for r in range(order):
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += ahead[r, k] * root[k, c]
            pair[c, r] = root[r, c]
            pair[order + c, r] = total
    reflect(pair, 0, 2 * order, 0, order, vector)
    for r in range(order):
        for c in range(order):
            root[r, c] = pair[c, r]
    _square(ahead, pair)
    _square(back, pair)


@njit(nogil=True)
def _square(matrix, scratch):  # pragma: no cover
    """Multiply a matrix by itself, in place."""
    order = matrix.shape[0]
    for r in range(order):
        for c in range(order):
            total = 0.0
            for k in range(order):
                total += matrix[r, k] * matrix[k, c]
            scratch[r, c] = total
    for r in range(order):
        for c in range(order):
            matrix[r, c] = scratch[r, c]


@njit(nogil=True)
def transition_tangents(coef, step, points, shares, d_ahead, d_noise):  # pragma: no cover
    """Fill d_ahead, d_noise (R, R, R): derivatives of exp(F step) and of its noise's covariance.

    The first axis is the coefficient.
    """
    order, n_points = coef.shape[0], points.shape[0]
    d_ahead[:] = 0.0
    d_noise[:] = 0.0
    if step == 0.0:
        return
    step, n_doublings = _reduced_step(coef, step)
    ahead, noise = np.eye(order), np.zeros((order, order))
    impulse, d_impulse = np.zeros((n_points, order)), np.zeros((order, n_points, order))
    impulse[:, order - 1] = 1.0
    _tangent_series(coef, step, points, ahead, d_ahead, impulse, d_impulse)
    for r in range(order):
        for c in range(order):
            scale = step ** (2 * order - 1.0 - r - c)
            ahead[r, c] *= step ** (c - r)
            for g in range(n_points):
                noise[r, c] += scale * shares[g] * impulse[g, r] * impulse[g, c]
            for a in range(order):
                d_ahead[a, r, c] *= step ** (c - r)
                for g in range(n_points):
                    cross = d_impulse[a, g, r] * impulse[g, c] + impulse[g, r] * d_impulse[a, g, c]
                    d_noise[a, r, c] += scale * shares[g] * cross
    for _ in range(n_doublings):
        for a in range(order):
            moved = d_ahead[a] @ noise @ ahead.T
            d_noise[a] += moved + moved.T + ahead @ d_noise[a] @ ahead.T
            d_ahead[a] = d_ahead[a] @ ahead + ahead @ d_ahead[a]
        noise += ahead @ noise @ ahead.T
        ahead = ahead @ ahead


@njit(nogil=True)
def _tangent_series(coef, step, points, ahead, d_ahead, impulse, d_impulse):  # pragma: no cover
    """Add up the Taylor series of exp(s M) and of its derivatives, M in units of the step."""
    order, n_points = coef.shape[0], points.shape[0]
    last, shrink, power = np.empty(order), np.empty(order), np.ones(n_points)
    for r in range(order):
        shrink[r] = step ** (order - r)
        last[r] = -coef[r] * shrink[r]
    term, following = np.eye(order), np.empty((order, order))
    d_term, d_following = np.zeros((order, order, order)), np.empty((order, order, order))
    for j in range(1, MAX_TERMS):
        size = _times_companion(last, term, 1.0 / j, following)
        for a in range(order):
            _times_companion(last, d_term[a], 1.0 / j, d_following[a])
            for c in range(order):
                d_following[a, order - 1, c] -= shrink[a] * term[a, c] / j
        term, following = following, term
        d_term, d_following = d_following, d_term
        power *= points
        for r in range(order):
            for c in range(order):
                ahead[r, c] += term[r, c]
            for g in range(n_points):
                impulse[g, r] += power[g] * term[r, order - 1]
            for a in range(order):
                for c in range(order):
                    d_ahead[a, r, c] += d_term[a, r, c]
                    size = max(size, abs(d_term[a, r, c]))
                for g in range(n_points):
                    d_impulse[a, g, r] += power[g] * d_term[a, r, order - 1]
        if size < 1e-18:
            break
