"""How sharp a maximum is in every direction, from differences of the gradient.

A law that one linear equation describes well is known to 1e-7 of what is fast for the series in one
direction and not at all in another. No one step suits both: in coordinates that the curvature found
so far makes alike, steps are a share of a standard deviation each, and it is found again.
"""

from collections.abc import Callable

import numpy as np

_FIRST_STEP = 1e-4
_STEP = 0.1  # standard deviations
_LONGEST = 1e-3  # no step is longer, in the coordinates as they come: curvature is local
_ALIKE = 0.3  # by how much the curvature found again may differ


def covariance_root(
    gradient: Callable[[np.ndarray], np.ndarray],
    point: np.ndarray,
    floor: float,
    n_rounds: int = 5,
) -> np.ndarray:
    """Root W (n, n) of a covariance W W^T, the inverse of a deviance's half second derivatives.

    Parameters
    ----------
    gradient : callable
        Of the deviance.
    point : ndarray of shape (n,)
        Where.
    floor : float
        Least curvature in any direction: what is known without data.
    n_rounds : int
        How often it is found again at most; one will do for the first step of a descent.
    """
    root, step = np.eye(len(point)), np.full(len(point), _FIRST_STEP)
    for _ in range(n_rounds):
        curvature = _half_second_derivatives(gradient, point, root * step) / np.outer(step, step)
        values, vectors = np.linalg.eigh(curvature)
        turned = root @ vectors
        # Downhill from a saddle its bend says how far, whatever its sign.
        values = np.maximum(np.abs(values), floor * (turned**2).sum(axis=0))
        root = turned / np.sqrt(values)
        if np.abs(np.log(values)).max() < _ALIKE:
            break
        step = np.minimum(_STEP, _LONGEST / np.abs(root).max(axis=0))
    return root


def _half_second_derivatives(
    gradient: Callable[[np.ndarray], np.ndarray], point: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Half the second derivatives (n, n) along the columns of `steps`, times their lengths."""
    rows = [gradient(point + step) - gradient(point - step) for step in steps.T]
    curvature = np.array(rows) @ steps / 2
    return np.asarray(curvature + curvature.T) / 4
