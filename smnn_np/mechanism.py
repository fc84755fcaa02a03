"""From the network's outputs to a linear ODE that always has a solution, and back with gradients.

The equation of dimension q is solved for its highest derivative, of order K, so that the network
cannot emit a singular one::

    y_q^(K) + sum_v,r<K c_qvr(t) y_v^(r) = d_q(t)        y_v^(r)(0) = u_vr  (r < K)

All zeros are the equation y^(K) = 0. What varies in time is a sum of Legendre polynomials over the
trained span, held beyond it. Steps and weights are exponentials of bounded outputs. One row of
outputs, with B polynomials and the V dimensions in G groups of W that are coupled (G or W is 1)::

    [ coefficients B G W W K | rhs B G W | initial G W K | log step 1|0 | log weights 2|0 ]

Rows of outputs may be NumPy's or CuPy's: everything stays with their module.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._arrays import array_module
from ._trajectories import Units
from .adjoint import OdeGradients, ode_solve_vjp

Array = Any  # of NumPy or CuPy

_LARGEST_LOG = 2.0  # learned steps and weights stay within a factor of e^2 of where they start


class Mechanism(NamedTuple):
    """The ODEs that a fitted regressor emits, in the units of its targets.

    ``ode_solve(*mechanism, n_steps=...)`` solves them. It weighs equations and Taylor expansions in
    these units, `predict` in those of the training: on a grid that is coarse for the coefficients,
    where not all rows can hold, the two differ, and what was trained is `predict`.

    Attributes
    ----------
    coefficients : ndarray of shape (n_samples, T|1, n_dims, n_dims, n_orders)
        Coefficient of derivative r of dimension v in equation q; 1 for the highest derivative of
        dimension q, 0 for the orders that are kept for accuracy alone.
    rhs : ndarray of shape (n_samples, T|1, n_dims)
        Right-hand sides.
    initial : ndarray of shape (n_samples, 1, n_dims, order)
        Values and derivatives at the first node.
    steps : ndarray of shape (n_samples, T-1|1)
        Steps between the nodes.
    """

    coefficients: NDArray
    rhs: NDArray
    initial: NDArray
    steps: NDArray


class Parts(NamedTuple):
    """The network's outputs, cut up; views of the array that they were cut from.

    Attributes
    ----------
    coefficients : ndarray of shape (n, B, G, W, W, K)
    rhs : ndarray of shape (n, B, G, W)
    initial : ndarray of shape (n, G, W, K)
    log_step : ndarray of shape (n, 1) or (n, 0)
    log_weights : ndarray of shape (n, 2) or (n, 0)
        Of the equation and the initial rows.
    """

    coefficients: NDArray
    rhs: NDArray
    initial: NDArray
    log_step: NDArray
    log_weights: NDArray


@dataclass(frozen=True)
class Design:
    """What kind of ODE the network emits, and on which grid it is solved.

    Parameters
    ----------
    order, n_orders, n_dims : int
        K, R and V.
    n_shapes : int
        B, polynomials in time; 1 for equations that do not vary.
    coupled : bool
        Whether an equation may hold all dimensions, not its own alone.
    learn_step, learn_weights : bool
        Whether the network emits them.
    n_substeps : int
        Steps of the solver for each step between samples.
    step : ndarray of shape (T - 1,)
        Steps between the samples.
    """

    order: int
    n_orders: int
    n_dims: int
    n_shapes: int
    coupled: bool
    learn_step: bool
    learn_weights: bool
    n_substeps: int
    step: NDArray

    @property
    def n_steps(self) -> int:
        """Number of samples T of a trained trajectory."""
        return len(self.step) + 1

    @property
    def part_shapes(self) -> Parts:
        """Shapes of the parts of one row of outputs."""
        k, b = self.order, self.n_shapes
        g, w = (1, self.n_dims) if self.coupled else (self.n_dims, 1)
        n_logs = (int(self.learn_step),), (2 * int(self.learn_weights),)
        return Parts((b, g, w, w, k), (b, g, w), (g, w, k), *n_logs)  # type: ignore[arg-type]

    @property
    def n_outputs(self) -> int:
        """Length of one row of outputs."""
        return sum(math.prod(shape) for shape in self.part_shapes)

    def cut(self, raw: Array) -> Parts:
        """Cut rows of outputs (n, n_outputs) into views of their parts."""
        parts, start = [], 0
        for shape in self.part_shapes:
            end = start + math.prod(shape)
            parts.append(raw[:, start:end].reshape(len(raw), *shape))
            start = end
        return Parts(*parts)

    def grid(self, n_steps: int) -> NDArray:
        """Steps of the solver for so many samples; beyond the trained ones the last one repeats."""
        beyond = np.full(max(n_steps - self.n_steps, 0), self.step[-1])
        step = np.concatenate([self.step, beyond])[: n_steps - 1]
        return np.repeat(step / self.n_substeps, self.n_substeps)

    def basis(self, grid: NDArray) -> NDArray:
        """Legendre polynomials at the nodes (T, B), or (1, 1) for equations that do not vary."""
        if self.n_shapes == 1:
            return np.ones((1, 1))
        times = np.concatenate([[0.0], np.cumsum(grid)])
        scaled = np.minimum(2.0 * times / self.step.sum() - 1.0, 1.0)
        return np.polynomial.legendre.legvander(scaled, self.n_shapes - 1)

    def solve(
        self, raw: Array, time: float, n_steps: int
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Solve the ODEs that rows of outputs stand for.

        Parameters
        ----------
        raw : array of shape (n, n_outputs)
        time : float
            The mechanism's unit of time, in the units of the step.
        n_steps : int
            Number of samples T.

        Returns
        -------
        y : array of shape (n, T, V)
            Values at the samples.
        pullback : callable
            Turns the gradient of a scalar in y into that in `raw`.
        """
        xp, parts, grid = array_module(raw), self.cut(raw), self.grid(n_steps)
        basis = xp.asarray(self.basis(grid))
        ode = self._ode(parts, basis, xp.asarray(grid / time))
        jets, pull_ode = ode_solve_vjp(**ode, n_steps=len(grid) + 1)  # (n, G, T, W, R)
        # Axes (n, T, G, W) of a view are dimensions in their order.
        values = xp.moveaxis(jets[:, :, :: self.n_substeps, :, 0], 2, 1)

        def pullback(y_bar: Array) -> Array:
            jets_bar = xp.zeros_like(jets)
            spread = xp.moveaxis(y_bar.reshape(values.shape), 1, 2)
            jets_bar[:, :, :: self.n_substeps, :, 0] = spread
            return self._gather(pull_ode(jets_bar), parts, basis, ode)

        return values.reshape(len(raw), n_steps, self.n_dims), pullback

    def _ode(self, parts: Parts, basis: Array, grid: Array) -> dict[str, Any]:
        """Arguments of the solver, with the batch (n, G): groups are series of their own."""
        xp = array_module(grid)
        lower = xp.einsum("tb,nbgqvr->ngtqvr", basis, parts.coefficients)
        ode: dict[str, Any] = {
            "coefficients": self.complete(lower),
            "rhs": xp.einsum("tb,nbgq->ngtq", basis, parts.rhs),
            "initial": parts.initial[:, :, None],
            "steps": grid[None, None],
        }
        if self.learn_step:
            ode["steps"] = ode["steps"] * xp.exp(_bound(parts.log_step))[:, None]
        if self.learn_weights:
            weights = xp.exp(_bound(parts.log_weights))
            ode["weight_equation"] = weights[:, 0].reshape(-1, 1, 1, 1)
            ode["weight_initial"] = weights[:, 1].reshape(-1, 1, 1, 1, 1)
        return ode

    def complete(self, lower: Array) -> Array:
        """Add 1 for the highest derivative, and zeros up to R: (..., W, W, K) to (..., W, W, R)."""
        coefficients = array_module(lower).zeros((*lower.shape[:-1], self.n_orders))
        coefficients[..., : self.order] = lower
        for q in range(lower.shape[-2]):
            coefficients[..., q, q, self.order] = 1.0
        return coefficients

    def _gather(self, bar: OdeGradients, parts: Parts, basis: Array, ode: dict[str, Any]) -> Array:
        """Turn gradients in the solver's arguments into those in the rows of outputs."""
        xp = array_module(basis)
        raw_bar = xp.empty((len(parts.rhs), self.n_outputs))
        into = self.cut(raw_bar)
        lower = bar.coefficients[..., : self.order]
        into.coefficients[:] = xp.einsum("tb,ngtqvr->nbgqvr", basis, lower)
        into.rhs[:] = xp.einsum("tb,ngtq->nbgq", basis, bar.rhs)
        if bar.initial is not None:  # the solver's None is for systems without initial rows
            into.initial[:] = bar.initial[:, :, 0]
        if self.learn_step:
            scaled = (bar.steps * ode["steps"]).sum(axis=(1, 2))[:, None]
            into.log_step[:] = scaled * _slope(parts.log_step)
        if self.learn_weights:
            bars = zip((bar.weight_equation, bar.weight_initial),
                       (ode["weight_equation"], ode["weight_initial"]), strict=True)  # fmt: skip
            scaled = xp.stack([(b * w).reshape(len(raw_bar)) for b, w in bars], axis=1)
            into.log_weights[:] = scaled * _slope(parts.log_weights)
        return raw_bar

    def describe(self, raw: Array, units: Units, n_steps: int) -> Mechanism:
        """Write rows of outputs as ODEs in the user's units, all dimensions in one."""
        xp, parts, grid = array_module(raw), self.cut(raw), self.grid(n_steps)
        basis, n, v = xp.asarray(self.basis(grid)), len(raw), self.n_dims
        grid, mean, scale = (xp.asarray(each) for each in (grid, units.y_mean, units.y_scale))
        emitted = xp.einsum("tb,nbgqvr->ntgqvr", basis, parts.coefficients)
        lower = xp.zeros((n, len(basis), v, v, self.order))
        if self.coupled:
            lower[:] = emitted[:, :, 0]
        else:
            own = xp.arange(v)
            lower[..., own, own, :] = emitted[..., 0, 0, :]
        powers = xp.asarray(units.time ** -np.arange(self.order + 1.0))
        # z = (y - mean) / scale in the time t / unit: multiply row q by scale_q / unit^K.
        ratio = scale[:, None] / scale
        lower = lower * ratio[..., None] * powers[:0:-1]
        rhs = xp.einsum("tb,nbv->ntv", basis, parts.rhs.reshape(n, -1, v)) * scale
        rhs = rhs * powers[-1] + lower[..., 0] @ mean
        initial = parts.initial.reshape(n, 1, v, -1) * scale[:, None] * powers[:-1]
        initial[..., 0] += mean
        steps = grid * xp.exp(_bound(parts.log_step)) if self.learn_step else xp.tile(grid, (n, 1))
        return Mechanism(self.complete(lower), rhs, initial, steps)


def _bound(log: Array) -> Array:
    """Keep a logarithm inside its bounds, smoothly."""
    return _LARGEST_LOG * array_module(log).tanh(log / _LARGEST_LOG)


def _slope(log: Array) -> Array:
    """Return the derivative of `_bound`."""
    return 1.0 - array_module(log).tanh(log / _LARGEST_LOG) ** 2
