"""Monomials and their derivatives at many points: bare arrays, no allocation in the loop."""

from .jit import njit


@njit(nogil=True)
def _power(base, exponent):  # pragma: no cover
    """Base ** exponent for a small non-negative integer exponent."""
    value = 1.0
    for _ in range(exponent):
        value *= base
    return value


@njit(nogil=True)
def monomials(inputs, powers, values):  # pragma: no cover
    """Inputs (n, d), powers (P, d) -> values (n, P)."""
    for k in range(inputs.shape[0]):
        for a in range(powers.shape[0]):
            value = 1.0
            for d in range(powers.shape[1]):
                if powers[a, d]:
                    value *= _power(inputs[k, d], powers[a, d])
            values[k, a] = value


@njit(nogil=True)
def monomial_slopes(inputs, powers, slopes):  # pragma: no cover
    """Inputs (n, d), powers (P, d) -> slopes (n, P, d), the derivative in each input."""
    n_inputs = powers.shape[1]
    for k in range(inputs.shape[0]):
        for a in range(powers.shape[0]):
            for d in range(n_inputs):
                value = float(powers[a, d])
                if value:
                    for e in range(n_inputs):
                        exponent = powers[a, e] - (1 if e == d else 0)
                        if exponent:
                            value *= _power(inputs[k, e], exponent)
                slopes[k, a, d] = value
