"""Integrate y' = f(y, u(t)) from time to time by an embedded Runge-Kutta method of order eight.

The right-hand side is a compiled function ``rate(inputs, powers, coef, out)`` of the inputs [y, u];
`powers` and `coef` are the data of `polynomial_rate` and mean nothing to others.
"""

import numpy as np

from .jit import njit
from .polynomial import _power

DONE, ESCAPED, TIRED = 0, 1, 2


@njit(nogil=True)
def polynomial_rate(inputs, powers, coef, out):  # pragma: no cover
    """Fill out (S,) with the sum over terms of coef (P, S) times monomials of inputs (D,)."""
    out[:] = 0.0
    for a in range(powers.shape[0]):
        value = 1.0
        for d in range(powers.shape[1]):
            if powers[a, d]:
                value *= _power(inputs[d], powers[a, d])
        for s in range(out.shape[0]):
            out[s] += coef[a, s] * value


@njit(nogil=True)
def _evaluate(rate, powers, coef, y, from_u, to_u, share, inputs, out):  # pragma: no cover
    """Rate at a state (S,) and at controls a share of the way between two knots."""
    n = y.shape[0]
    inputs[:n] = y
    for c in range(from_u.shape[0]):
        inputs[n + c] = from_u[c] + share * (to_u[c] - from_u[c])
    rate(inputs, powers, coef, out)


@njit(nogil=True)
def _stages(
    rate, powers, coef, y, from_u, to_u, start, h, span, a, b, c, k, trial, inputs
):  # pragma: no cover
    """Fill the stages k (n + 1, S) after k[0], and the trial state (S,); the last is its rate."""
    n_stages = a.shape[0]
    for s in range(1, n_stages + 1):
        row = a[s] if s < n_stages else b
        for i in range(y.shape[0]):
            move = 0.0
            for r in range(s):
                move += row[r] * k[r, i]
            trial[i] = y[i] + h * move
        share = (start + (c[s] if s < n_stages else 1.0) * h) / span
        _evaluate(rate, powers, coef, trial, from_u, to_u, share, inputs, k[s])


@njit(nogil=True)
def _error(k, e3, e5, h, y, trial, scale, tolerance):  # pragma: no cover
    """Error of a step in units of the tolerance, from two embedded estimates."""
    fine, coarse = 0.0, 0.0
    n_states = y.shape[0]
    for i in range(n_states):
        by_five, by_three = 0.0, 0.0
        for s in range(k.shape[0]):
            by_five += e5[s] * k[s, i]
            by_three += e3[s] * k[s, i]
        size = tolerance * (scale[i] + max(abs(y[i]), abs(trial[i])))
        fine += (by_five / size) ** 2
        coarse += (by_three / size) ** 2
    if fine == 0.0 and coarse == 0.0:
        return 0.0
    return abs(h) * fine / np.sqrt((fine + 0.01 * coarse) * n_states)


@njit(nogil=True)
def _first_step(y, rate, scale, span):  # pragma: no cover
    """A step, in the direction of the span, over which no state moves by more than a hundredth."""
    speed = 0.0
    for i in range(y.shape[0]):
        speed = max(speed, abs(rate[i]) / (scale[i] + abs(y[i])))
    size = 0.01 / speed if speed > 0 else abs(span)
    return size if span > 0 else -size


@njit(nogil=True)
def integrate(
    rate, powers, coef, times, controls, limit, scale, tolerance, max_steps, a, b, c, e3, e5, out
):  # pragma: no cover
    """Fill out (m, S), whose first row is the start; controls (m, n_controls) are linear between.

    Returns the status, the time reached and the state that went farthest. limit (S,): sizes beyond
    which a state counts as blown up; scale (S,): usual sizes.
    """
    n_states = out.shape[1]
    y, trial = out[0].copy(), np.empty(n_states)
    k, inputs = np.empty((a.shape[0] + 1, n_states)), np.empty(n_states + controls.shape[1])
    _evaluate(rate, powers, coef, y, controls[0], controls[0], 0.0, inputs, k[0])
    h = _first_step(y, k[0], scale, times[-1] - times[0])
    steps = 0
    for m in range(1, times.shape[0]):
        span, done = times[m] - times[m - 1], 0.0
        bent = m > 1 and controls.shape[1] > 0  # the controls have a kink here
        if bent:
            _evaluate(rate, powers, coef, y, controls[m - 1], controls[m], 0.0, inputs, k[0])
        while abs(done) < abs(span):
            last = abs(h) >= abs(span - done) * (1 - 1e-12)
            step = span - done if last else h
            _stages(
                rate, powers, coef, y, controls[m - 1], controls[m], done, step, span,
                a, b, c, k, trial, inputs,
            )  # fmt: skip
            error = _error(k, e3, e5, step, y, trial, scale, tolerance)
            steps += 1
            if error < 1.0:
                done = span if last else done + step
                y[:] = trial
                k[0] = k[-1]
                far, worst = _farthest(y, limit)
                if far > 1.0:
                    return ESCAPED, times[m - 1] + done, worst
                grown = step * min(10.0, 0.9 * max(error, 1e-20) ** -0.125)
                h = grown if not last or abs(grown) < abs(h) else h
            else:
                shrink = 0.9 * error**-0.125 if error < 1e300 else 0.1  # False for NaN
                h = step * max(0.1, shrink)
            now = times[m - 1] + done
            if abs(h) < 1e-14 * max(abs(now), abs(span)):
                return ESCAPED, now, _farthest(y, limit)[1]
            if steps > max_steps:
                return TIRED, now, _farthest(y, limit)[1]
        out[m] = y
    return DONE, times[-1], 0


@njit(nogil=True)
def _farthest(y, limit):  # pragma: no cover
    """Largest state in units of its limit, and which it is."""
    far, worst = 0.0, 0
    for i in range(y.shape[0]):
        if not abs(y[i]) / limit[i] <= far:  # True for NaN
            far, worst = abs(y[i]) / limit[i], i
    return far, worst
