"""The Taylor rows between two nodes of one dimension, for unit weight and equal steps.

In scaled unknowns (`smnn_np.taylor`) they are numbers, which kernels may have compiled in.
"""

from __future__ import annotations

from functools import cache
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def factorials(n_orders: int) -> tuple[list[float], list[float]]:
    """``1 / k!`` and ``(-1)^k / k!``: entries of the forward and of the backward rows."""
    plus = [1.0 / factorial(k) for k in range(n_orders)]
    return plus, [(-1.0) ** k * each for k, each in enumerate(plus)]


@cache
def unit_link(n_orders: int, central: bool = False) -> tuple[Array, Array]:
    """Forward and backward rows of one dimension, in scaled unknowns.

    Parameters
    ----------
    n_orders : int
        Number of orders R in the jet.
    central : bool
        Whether the rows of order R - 1 are left to the central rows.

    Returns
    -------
    near, far : ndarray of shape (L, R)
        Entries at node t and at node t + 1, for unit weight and equal steps; L = 2 R, or 2 R - 2
        with central rows.
    """
    plus, minus = factorials(n_orders)
    above = np.subtract.outer(-np.arange(n_orders), -np.arange(n_orders))  # o - r
    taylor, inverse = (
        np.where(above >= 0, np.array(table)[np.abs(above)], 0.0) for table in (plus, minus)
    )
    kept, unit = n_orders - central, np.eye(n_orders)
    near = np.concatenate([taylor[:kept], -unit[:kept]])
    return near, np.concatenate([-unit[:kept], inverse[:kept]])


@cache
def link_products(n_orders: int, central: bool = False) -> Array:
    """Normal products (3, R, R) of the rows of `unit_link`: near-near, near-far, far-far."""
    near, far = unit_link(n_orders, central)
    return np.stack([near.T @ near, near.T @ far, far.T @ far])


@cache
def link_triangle(n_orders: int) -> tuple[Array, Array]:
    """Rotate the 2 R rows of `unit_link` into R rows: upper triangles (R, R), near and far.

    With E the Taylor matrix, the forward rows are ``(E, -I)`` and the backward rows
    ``-E^-1 (E, -I)``, so that all 2 R rows have rank R. Their near parts have the normal matrix
    ``E^T E + I = N^T N``; the rows ``(N, -N E^-1)`` have the same normal matrix as all of them.
    """
    near, far = unit_link(n_orders)
    taylor, inverse = near[:n_orders], far[n_orders:]
    upper: Any = np.linalg.cholesky(taylor.T @ taylor + np.eye(n_orders)).T
    return upper, -upper @ inverse
