"""A start for the mechanistic network: fit its equations to the data before any is solved.

The misfit of a trajectory has many minima in the frequency of an oscillation: a wave that is half
a period late at its end gains nothing by a small change. The misfit of the *equation* has none of
this, as it is linear in what the network emits. With a smooth window phi, derivatives move from
the data to it by partial integration (weak form), so that noise is averaged, not differentiated::

    int phi (y^(K) + sum c_r y^(r) - d) = int (-1)^K phi^(K) y + sum c_r (-1)^r int phi^(r) y - d

(with int phi = 1). For each sample that is a Gram matrix over all its windows, and the network is
fitted to all of them at once by L-BFGS. First values come from a polynomial through the first
nodes.
"""

import warnings
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import array_module, to_numpy
from ._objective import Objective
from .descent import lbfgs
from .mechanism import Design
from .network import Perceptron

Array = Any  # of NumPy or CuPy

_MAX_WINDOWS = 200
_MIN_SAMPLES, _MAX_SAMPLES = 64, 4096
_MAX_FLOATS = 2**23  # 64 MB
_N_ITER = 200
_RIDGE = 1e-4
_LEAST_SEEN = 0.6  # share of a window's nodes without which it does not count
_FAR, _FAR_AT_LEAST = 6.0, 0.3  # typical distances, spreads: what is an outlier
_HALF_WIDTH = 1.5  # of a window, in units of the mechanism's time


@dataclass(frozen=True)
class EquationFit:
    """Quadratic misfit of equations and first values in the network's outputs.

    Attributes
    ----------
    network, design : Perceptron, Design
    alpha : float
        Strength of the penalty on the network's weights, for each sample.
    x : array of shape (n, n_features)
    weight : array of shape (n,)
        Sum 1.
    gram : array of shape (n, G, M, M)
        Of the terms of an equation: B W K coefficients, then B right-hand sides.
    target : array of shape (n, G, M, W)
    first : array of shape (n, G, W, K)
        First values and derivatives.
    """

    network: Perceptron
    design: Design
    alpha: float
    x: Array
    weight: Array
    gram: Array
    target: Array
    first: Array

    def __call__(self, parameters: Array, rows: NDArray) -> tuple[float, Array]:
        """Loss and gradient over all samples, whatever the rows."""
        xp = array_module(parameters)
        raw = self.network.forward(parameters, self.x)
        raw_bar = xp.zeros_like(raw)
        parts, into = self.design.cut(raw), self.design.cut(raw_bar)
        n_shapes = self.design.n_shapes
        # (n, B, G, q, v, r) to (n, G, M, q), M = B v r
        coefficients = xp.moveaxis(parts.coefficients, 3, -1)
        shape = coefficients.shape
        moved = xp.moveaxis(coefficients, 2, 1).reshape(shape[0], shape[2], -1, shape[-1])
        unknown = xp.concatenate([moved, xp.moveaxis(parts.rhs, 2, 1)], axis=2)
        slope = self.gram @ unknown
        share = self.weight[:, None, None, None]
        loss = (share * unknown * (0.5 * slope - self.target)).sum()
        slope = share * (slope - self.target)
        back = slope[:, :, :-n_shapes].reshape(shape[0], shape[2], shape[1], *shape[3:])
        into.coefficients[:] = xp.moveaxis(xp.moveaxis(back, 1, 2), -1, 3)
        into.rhs[:] = xp.moveaxis(slope[:, :, -n_shapes:], 1, 2)
        away = parts.initial - self.first
        into.initial[:] = share * away
        loss += 0.5 * (share * away**2).sum()
        gradient = self.network.backward(parameters, raw_bar)
        penalty = self.network.penalize(parameters, gradient, self.alpha)
        return float(loss) + penalty, gradient


def start_from_equations(objective: Objective, parameters: Array) -> None:
    """Move parameters, in place, to where the equations fit the data, if that lowers the loss.

    Nothing happens where there are too few nodes to tell.

    Parameters
    ----------
    objective : Objective
        What will be minimized.
    parameters : array of shape (n_parameters,)
        Of the objective's module; the equations themselves are drawn up on the host.
    """
    design, time = objective.design, objective.time
    half = int(np.ceil(_HALF_WIDTH * time / design.step.mean()))
    half = min(max(half, design.order + 1), (design.n_steps - 1) // 2)
    if half <= design.order:
        return
    # A few thousand samples, evenly spread, tell enough and fit in memory.
    g, w, k = design.part_shapes.initial
    floats = _MAX_WINDOWS * g * (w * (k + 1) + design.n_shapes * (w * k + 1))
    most = min(len(objective.x), _MAX_SAMPLES, max(_MAX_FLOATS // floats, _MIN_SAMPLES))
    chosen = np.linspace(0, len(objective.x) - 1, most).astype(np.int64)
    asarray = array_module(parameters).asarray
    rows = asarray(chosen)
    x, z, weight = (to_numpy(each[rows]) for each in (objective.x, objective.z, objective.weight))
    if objective.loss == "huber":
        z = _without_outliers(z)
    times = np.concatenate([[0.0], np.cumsum(design.step)]) / time
    total = weight.sum()
    arrays = (
        x, weight / total, *_equations(design, times, z, half),
        _first_values(design, times, z, half),
    )  # fmt: skip
    alpha = objective.alpha / float(total)
    fit = EquationFit(objective.network, design, alpha, *(asarray(each) for each in arrays))
    moved = parameters.copy()
    lbfgs(fit, moved, len(chosen), _N_ITER, 2 * _N_ITER, 1e-6, lambda *_: False)
    if objective(moved, chosen)[0] < objective(parameters, chosen)[0]:
        parameters[:] = moved


def _equations(design: Design, times: NDArray, z: NDArray, half: int) -> tuple[NDArray, NDArray]:
    """Gram matrices of the equations' terms (n, G, M, M) and their targets (n, G, M, W)."""
    centres, maps = _windows(times, half, design.order)
    g, w, _ = design.part_shapes.initial
    inside = (maps[0] != 0.0).astype(float)
    share = inside / inside.sum(axis=1, keepdims=True) @ ~np.isnan(z)
    whole = (share.reshape(len(z), -1, g, w) >= _LEAST_SEEN).all(axis=3)
    moments = maps.reshape(-1, len(times)) @ _fill_gaps(times, z)
    moments = moments.reshape(len(z), design.order + 1, -1, g, w)
    moments = np.moveaxis(moments, (1, 3), (4, 1)) * np.moveaxis(whole, 2, 1)[..., None, None]
    basis = design.basis(design.step)
    basis = np.broadcast_to(
        basis if len(basis) == 1 else basis[centres], (len(centres), design.n_shapes)
    )
    known = moments[..., : design.order].reshape(*moments.shape[:3], -1)
    terms = np.einsum("jb,ngjm->ngjbm", basis, known).reshape(*known.shape[:3], -1)
    ones = basis * np.moveaxis(whole, 2, 1)[..., None]
    terms = np.concatenate([terms, -ones], axis=3)
    n_whole = np.maximum(whole.sum(axis=1), 1)[..., None, None]
    gram = np.swapaxes(terms, 2, 3) @ terms / n_whole
    gram += _RIDGE * np.eye(gram.shape[-1])
    return gram, -np.swapaxes(terms, 2, 3) @ moments[..., -1] / n_whole


def _without_outliers(z: NDArray) -> NDArray:
    """Leave out what is far from the median of its five neighbours: equations are least squares."""
    around = np.pad(z, ((0, 0), (2, 2), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(around, 5, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # five missing ones have no median
        away = np.abs(z - np.nanmedian(windows, axis=-1))
        usual = np.nanmedian(away, axis=(0, 1))
    return np.where(away > np.maximum(_FAR * usual, _FAR_AT_LEAST), np.nan, z)


def _fill_gaps(times: NDArray, z: NDArray) -> NDArray:
    """Join what was seen by straight lines; good enough for a start."""
    filled = z.copy()
    for sample, dim in np.argwhere(np.isnan(z).any(axis=1)):
        series = z[sample, :, dim]
        seen = ~np.isnan(series)
        filled[sample, :, dim] = np.interp(times, times[seen], series[seen]) if seen.any() else 0.0
    return filled


def _windows(times: NDArray, half: int, order: int) -> tuple[NDArray, NDArray]:
    """Centres (J,) of windows, and the maps (K + 1, J, T) to integrals with their derivatives."""
    n_nodes = len(times)
    stride = max(1, half // 4, -(-(n_nodes - 2 * half) // _MAX_WINDOWS))
    centres = np.arange(half, n_nodes - half, stride)
    bump = np.polynomial.Polynomial([1.0, 0.0, -1.0]) ** (order + 2)
    maps = np.zeros((order + 1, len(centres), n_nodes))
    for j, centre in enumerate(centres):
        nodes = slice(centre - half, centre + half + 1)
        t = times[nodes]
        width = 0.5 * (t[-1] - t[0])
        s = (t - t[0]) / width - 1.0
        trapezoid = 0.5 * (np.diff(t, prepend=t[0]) + np.diff(t, append=t[-1]))
        area = trapezoid @ bump(s)
        for r in range(order + 1):
            phi = bump.deriv(r)(s) / width**r if r else bump(s)
            maps[r, j, nodes] = (-1) ** r * trapezoid * phi / area
    return centres, maps


def _first_values(design: Design, times: NDArray, z: NDArray, half: int) -> NDArray:
    """Values and derivatives at the first node (n, G, W, K), by a polynomial for each sample."""
    g, w, k = design.part_shapes.initial
    n_nodes = min(design.n_steps, max(half + 1, k + 2))
    length = times[n_nodes - 1]
    powers = (times[:n_nodes, None] / length) ** np.arange(k + 2)
    seen = (~np.isnan(z[:, :n_nodes])).astype(float)
    gram = np.einsum("tp,ntv,tq->nvpq", powers, seen, powers) + _RIDGE * np.eye(k + 2)
    right = np.einsum("tp,ntv->nvp", powers, np.nan_to_num(z[:, :n_nodes], nan=0.0))
    taylor = np.linalg.solve(gram, right[..., None])[..., :k, 0]
    taylor *= [factorial(r) / length**r for r in range(k)]
    return taylor.reshape(len(z), g, w, k)
