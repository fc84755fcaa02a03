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
``z[t, v, r] = k_t^r y[t, v, r]``, where the scale ``k_t`` of a node is the step that follows it
(the last node takes the step before it). Forward and backward rows then have the constant
coefficients ``1 / k!`` at node t, and the same times ``(s_t / k_{t+1})^o`` at node t + 1.
Without this scaling the columns differ by powers of the step and small steps lose all digits.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._kernels.packing import place_of_row
from ._kernels.unit_link import factorials, link_products, link_triangle, unit_link
from ._validation import OdeInputs

Array = NDArray[np.float64]

LANES = 4  # series side by side in unrolled kernels: one AVX2 register, measured best
GENERAL_LANES = 8  # ... and in general ones, which then load a multiplier half as often
WIDTH = 4  # columns at once for a single series of many unknowns
UNROLLED_UNKNOWNS = 12  # nodes of so many unknowns get kernels with all sizes compiled in ...
UNROLLED_NODES = 2_000  # ... for so many nodes that it pays; a scalar equation always
SLIM = 1_300_000  # unrolled triangles of so many numbers are slim


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
    factorials: Array  # (2, R) 1 / k! and (-1)^k / k!
    link_products: Array  # (3, R, R) normal products of a unit link, see `link_products`
    link_rows: Array  # (L, 2, R) rows of a unit link at its two nodes, see `link_rows`
    n_series: int
    n_nodes: int
    n_initial_steps: int
    n_initial_orders: int
    nodes: tuple[int, ...]  # its length: nodes that a row may touch, 3 with central rows, else 2
    uniform: bool  # all links of a series are alike; only general kernels ask
    lanes: tuple[int, ...]  # its length W: series side by side in one SIMD register, or ...
    ends: tuple[int, ...]  # its length 2: the two halves of one series, from its ends, else 1
    length: int  # nodes of a lane: n_nodes, or those of a half, the middle node included
    width: tuple[int, ...]  # its length: numbers that a row operation takes at once
    sizes: tuple[tuple[int, ...], ...]  # lengths Q, V, R where they are compiled in, else ()
    plain: tuple[int, ...]  # its length 1: unrolled, weights of equations and of links are numbers
    slim: tuple[int, ...]  # its length 1: unrolled, half of U is made again where it is wanted

    @property
    def n_unknowns(self) -> int:
        """Unknowns per node, V * R."""
        return self.coefficients.shape[3] * self.coefficients.shape[4]

    @property
    def n_abreast(self) -> int:
        """Series of a block."""
        return len(self.lanes) // len(self.ends)

    def slimmed(self) -> TaylorRows:
        """The same, with slim triangles where these pay: only Cholesky's may be.

        Half of U follows from the other half and from the links between nodes
        (`cpu.unrolled.triangle`). To make it again takes less time than to read it from memory,
        but more than to read it from a cache.
        """
        pays = self.sizes and self.length * self.triangle_size >= SLIM
        return self._replace(slim=(0,)) if pays else self

    @property
    def triangle_size(self) -> int:
        """Numbers of R per node of a block."""
        m, n_lanes = self.n_unknowns, len(self.lanes)
        if self.sizes:
            return place_of_row(m, self.coefficients.shape[4], m, bool(self.slim)) * n_lanes
        far, surplus = m * (len(self.nodes) - 1), len(self.width) // n_lanes - 1
        return m * (far + self.coefficients.shape[4] + surplus) * n_lanes


@cache
def _link_tables(n_orders: int, central: bool) -> tuple[Array, Array, Array]:
    """What the general kernels need to know of a unit link."""
    near, far = unit_link(n_orders, central) if central else link_triangle(n_orders)
    tables = np.array(factorials(n_orders)), link_products(n_orders, central)
    return *tables, np.stack([near, far], axis=1)


def flatten_batch(array: Array, batch: tuple[int, ...], n_core: int) -> Array:
    """Leading dimensions to one: the product of `batch`, or 1 where all series share the values."""
    n_lead = array.ndim - n_core
    lead, core = array.shape[:n_lead], array.shape[n_lead:]
    if lead != batch and prod(lead) != 1:
        array = np.ascontiguousarray(np.broadcast_to(array, batch + core))
        lead = batch
    return read_only(array.reshape((prod(lead), *core)))


def read_only(array: Array) -> Array:
    """A view that cannot be written: one array type for every caller, hence one compilation."""
    view = array.view()
    view.flags.writeable = False
    return view


def flatten_right_side(inputs: OdeInputs) -> tuple[Array, Array]:
    """Right-hand side (B|1, T|1, Q) and initial values (B|1, S|1, V, P), batch flattened."""
    shape = inputs.shape
    rhs = np.zeros((1, shape.n_equations)) if inputs.rhs is None else inputs.rhs
    initial = inputs.initial
    if initial is None:
        initial = np.zeros((1, shape.n_dims, shape.n_initial_orders))
    return flatten_batch(rhs, shape.batch, 2), flatten_batch(initial, shape.batch, 3)


@cache
def zero_right_side(lengths: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """A right side of zeros, of shapes that serve every series and node."""
    n_equations, n_dims, n_orders, _, n_initial_orders = lengths
    shapes = (1, 1, n_equations), (1, 1, n_dims, n_initial_orders), (1, 1, n_dims * n_orders)
    rhs, initial, target = (read_only(np.zeros(shape)) for shape in shapes)
    return rhs, initial, target


def taylor_rows(inputs: OdeInputs, halve: bool = False) -> TaylorRows:
    """Lay validated inputs out for the kernels, sharing memory where it can.

    With `halve`, a few long series may be worked on from both ends.
    """
    shape, central = inputs.shape, inputs.central
    n_series, n_orders = prod(shape.batch), shape.n_orders
    steps = flatten_batch(inputs.steps, shape.batch, 1)
    weight_smooth = flatten_batch(inputs.weight_smooth, shape.batch, 1)
    n_equations, n_dims, n_unknowns = shape.n_equations, shape.n_dims, shape.n_dims * n_orders
    small = max(n_unknowns, n_equations) <= UNROLLED_UNKNOWNS and not central
    scalar = n_equations == n_dims == 1
    many = n_series * shape.n_steps >= UNROLLED_NODES
    unrolled = small and (scalar or many)
    abreast = LANES if unrolled else GENERAL_LANES
    n_lanes = abreast if n_series >= abreast and (unrolled or many) else 1
    n_ends = 1
    if halve and unrolled and n_lanes == 1 and shape.n_steps >= 4 + 2 * shape.n_initial_steps:
        n_lanes = n_ends = 2
    wide = not unrolled and n_lanes == 1
    weight_equation = flatten_batch(inputs.weight_equation, shape.batch, 2)
    plain = unrolled and weight_equation.size == weight_smooth.size == 1
    return TaylorRows(
        flatten_batch(inputs.coefficients, shape.batch, 4),
        steps,
        weight_equation,
        flatten_batch(inputs.weight_initial, shape.batch, 3),
        weight_smooth,
        *_link_tables(n_orders, central),
        n_series,
        shape.n_steps,
        shape.n_initial_steps,
        shape.n_initial_orders,
        (0,) * (3 if central else 2),
        not unrolled and _is_constant(steps) and _is_constant(weight_smooth),
        (0,) * n_lanes,
        (0,) * n_ends,
        shape.n_steps // n_ends + n_ends - 1,
        (0,) * (WIDTH if wide else n_lanes),
        tuple((0,) * n for n in (n_equations, n_dims, n_orders)) if unrolled else (),
        (0,) * plain,
        (),
    )


def _is_constant(values: Array) -> bool:
    """Whether every series has the same value at all times."""
    return bool((values == values[:, :1]).all())
