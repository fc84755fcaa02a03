"""Modes of a linear ODE with constant coefficients: which grow, and the law with one reversed."""

import numpy as np


def modes(coefs: np.ndarray) -> np.ndarray:
    """Roots of the characteristic polynomial of coefficients c[0], ..., c[R-1] (R,)."""
    return np.roots(np.append(1.0, coefs[::-1]))


def growth(coefs: np.ndarray) -> np.ndarray:
    """Rates at which modes grow (R,); zero of those that do not, and of one of each pair."""
    roots = modes(coefs)
    return np.where(roots.imag >= 0, np.maximum(roots.real, 0.0), 0.0)


def mirror(coefs: np.ndarray, i: int) -> np.ndarray:
    """Coefficients (R,) with mode i, and its conjugate, reversed in time: the same spectrum."""
    roots = modes(coefs)
    pair = (roots == roots[i]) | (roots == roots[i].conjugate())
    return np.poly(np.where(pair, -roots.conjugate(), roots)).real[:0:-1]
