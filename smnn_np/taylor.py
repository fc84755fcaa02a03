"""Rows of the Taylor system: one linear ODE on a time grid as least squares, banded in time.

Unknown is the jet ``y[t, v, r]``: the r-th derivative of dimension v at node t. With ``s`` the
step from node t to node t + 1, the rows of one series are

========  ====================================================================================
equation  ``sum_vr c[t, q, v, r] y[t, v, r] = d[t, q]``
initial   ``y[t, v, r] = u[t, v, r]``
forward   ``sum_{o>=r} s^o / (o-r)! y[t, v, o] - s^r y[t+1, v, r] = 0``
backward  ``sum_{o>=r} (-s)^o / (o-r)! y[t+1, v, o] - (-s)^r y[t, v, r] = 0``
central   ``h^(R-3) (y[t, v, R-2] - y[t+2, v, R-2]) + h^(R-2) y[t+1, v, R-1] = 0``
========  ====================================================================================

each multiplied by its weight, with ``h = s_t + s_{t+1}``; central rows replace the forward and
backward rows of order R - 1. The kernels work on *scaled* unknowns
``z[t, v, r] = k_t^r y[t, v, r]``, where the scale ``k_t`` of a node is the step that follows it (the last node takes the step before
it). Forward and backward rows then have constant coefficients at node t, and at node t + 1 the
constants times ``(s_t / k_{t+1})^o``: two small tables, `near` and `far`, describe every link.
Without this scaling the columns differ by powers of the step and small steps lose all digits.
"""

from __future__ import annotations

from math import factorial, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._validation import OdeInputs

Array = NDArray[np.float64]


class TaylorRows(NamedTuple):
    """Left side of a batch of Taylor systems, as the kernels take it.

    B series, T nodes, Q equations, V dimensions, R orders, S initial steps of P orders. An axis
    of B, T or T - 1 may have length 1 instead: the same value for all (index ``min(i, n - 1)``).
    All arrays are C-contiguous, read-only float64.
    """

    coefficients: Array  # (B, T, Q, V, R)
    steps: Array  # (B, T - 1)
    weight_equation: Array  # (B, T, Q)
    weight_initial: Array  # (B, S, V, P)
    weight_smooth: Array  # (B, T - 1)
    near: Array  # (L, R) entries of the L link rows of one dimension at node t
    far: Array  # (L, R) the same at node t + 1
    n_series: int
    n_nodes: int
    n_initial_steps: int
    n_initial_orders: int
    central: bool

    @property
    def n_unknowns(self) -> int:
        """Unknowns per node, V * R."""
        return self.coefficients.shape[3] * self.coefficients.shape[4]

    @property
    def bandwidth(self) -> int:
        """How many following nodes a row may touch: 1, or 2 with central rows."""
        return 2 if self.central else 1


def link_tables(n_orders: int, central: bool) -> tuple[Array, Array]:
    """Coefficients of the forward, then the backward rows of one dimension, unknowns scaled.

    Parameters
    ----------
    n_orders : int
        Number of orders R in the jet.
    central : bool
        Whether the rows of order R - 1 are left to the central rows.

    Returns
    -------
    near, far : ndarray of shape (n_links, n_orders)
        Entries at node t and at node t + 1.
    """
    kept = n_orders - 1 if central else n_orders
    near = np.zeros((2, kept, n_orders))
    far = np.zeros((2, kept, n_orders))
    for r in range(kept):
        for o in range(r, n_orders):
            near[0, r, o] = 1.0 / factorial(o - r)
            far[1, r, o] = (-1.0) ** o / factorial(o - r)
        far[0, r, r] = -1.0
        near[1, r, r] = -((-1.0) ** r)
    return near.reshape(2 * kept, n_orders), far.reshape(2 * kept, n_orders)


def flatten_batch(array: Array, batch: tuple[int, ...], n_core: int) -> Array:
    """Leading dimensions to one: the product of `batch`, or 1 where all series share the values."""
    lead, core = array.shape[: array.ndim - n_core], array.shape[array.ndim - n_core :]
    if prod(lead) != 1 and lead != batch:
        array = np.broadcast_to(array, batch + core)
        lead = batch
    flat = np.ascontiguousarray(array).reshape((prod(lead), *core)).view()
    flat.flags.writeable = False  # one array type for every caller: one compilation
    return flat


def flatten_right_side(inputs: OdeInputs) -> tuple[Array, Array]:
    """Right-hand side (B|1, T|1, Q) and initial values (B|1, S|1, V, P), batch flattened."""
    shape = inputs.shape
    rhs = np.zeros((1, shape.n_equations)) if inputs.rhs is None else inputs.rhs
    initial = inputs.initial
    if initial is None:
        initial = np.zeros((1, shape.n_dims, shape.n_initial_orders))
    return flatten_batch(rhs, shape.batch, 2), flatten_batch(initial, shape.batch, 3)


def taylor_rows(inputs: OdeInputs) -> TaylorRows:
    """Lay validated inputs out for the kernels, sharing memory where it can."""
    shape = inputs.shape
    near, far = link_tables(shape.n_orders, inputs.central)
    return TaylorRows(
        flatten_batch(inputs.coefficients, shape.batch, 4),
        flatten_batch(inputs.steps, shape.batch, 1),
        flatten_batch(inputs.weight_equation, shape.batch, 2),
        flatten_batch(inputs.weight_initial, shape.batch, 3),
        flatten_batch(inputs.weight_smooth, shape.batch, 1),
        near,
        far,
        prod(shape.batch),
        shape.n_steps,
        shape.n_initial_steps,
        shape.n_initial_orders,
        inputs.central,
    )
