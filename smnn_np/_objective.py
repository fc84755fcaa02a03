"""What the mechanistic network minimizes: misfit of trajectories and size of weights, by chunks.

The arrays may be NumPy's or CuPy's; all of an objective are of one module, that of the parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import array_module, is_cupy
from .mechanism import Design
from .network import Perceptron

Array = Any  # of NumPy or CuPy

# Floats that one chunk of series may hold inside the solver: 64 MB, or 1 GB on a GPU, which wants
# more series at once.
_CHUNK_FLOATS, _CHUNK_FLOATS_ON_GPU = 2**23, 2**27
_HUBER = 0.1  # residual beyond which that loss is linear, in units of the targets' spread


def _squared(residual: Array) -> tuple[Array, Array]:
    """Half the square, and its derivative."""
    return 0.5 * residual**2, residual


def _huber(residual: Array) -> tuple[Array, Array]:
    """Half the square up to a tenth of the targets' spread, linear beyond."""
    inside = residual.clip(-_HUBER, _HUBER)
    return inside * (residual - 0.5 * inside), inside


LOSSES: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "squared_error": _squared,
    "huber": _huber,
}


@dataclass
class Objective:
    """Loss of a network's trajectories, in units where targets have spread one.

    Attributes
    ----------
    network, design : Perceptron, Design
    time : float
        The mechanism's unit of time.
    loss : {"squared_error", "huber"}
    alpha : float
        Strength of the penalty on the squares of the weights.
    x : array of shape (n, n_features)
    z : array of shape (n, T, V)
        Targets, NaN where missing.
    weight : array of shape (n,)
    seconds_in_solver : float
        Time spent in `Design.solve` and its pullback, for the benchmarks.
    """

    network: Perceptron
    design: Design
    time: float
    loss: str
    alpha: float
    x: Array
    z: Array
    weight: Array
    seconds_in_solver: float = 0.0

    def __call__(self, parameters: Array, rows: NDArray) -> tuple[float, Array]:
        """Mean loss over what was measured in these rows, plus penalty, and the gradient.

        The loss is infinite where a trajectory is not finite or cannot be solved for.
        """
        xp = array_module(parameters)
        rows = xp.asarray(rows)
        weight = self.weight[rows]
        share = xp.where(xp.isnan(self.z[rows]), 0.0, weight[:, None, None])
        share /= share.sum()
        total, gradient = 0.0, xp.zeros_like(parameters)
        size = chunk_size(self.design, self.design.n_steps, parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                try:
                    value, chunk = self._chunk(parameters, rows[part], share[part])
                except (ArithmeticError, np.linalg.LinAlgError):
                    return np.inf, gradient
                total += value
                gradient += chunk
            strength = self.alpha / float(weight.sum())
            value = self.network.penalize(parameters, gradient, strength)
        return (total + value if xp.isfinite(gradient).all() else np.inf), gradient

    def _chunk(self, parameters: Array, rows: Array, share: Array) -> tuple[float, Array]:
        """Loss and gradient of a few rows; `share` (n, T, V) is what each measurement counts."""
        xp = array_module(parameters)
        raw = self.network.forward(parameters, self.x[rows])
        if not xp.isfinite(raw).all():
            raise OverflowError("the network's outputs overflow")
        before = perf_counter()
        z, pullback = self.design.solve(raw, self.time, self.design.n_steps)
        self.seconds_in_solver += perf_counter() - before
        residual = xp.where(share > 0, z - self.z[rows], 0.0)
        value, slope = LOSSES[self.loss](residual)
        before = perf_counter()
        raw_bar = pullback(share * slope)
        self.seconds_in_solver += perf_counter() - before
        return float((share * value).sum()), self.network.backward(parameters, raw_bar)


def chunk_size(design: Design, n_steps: int, like: Array) -> int:
    """Return the number of samples whose solution fits the memory that one chunk may take."""
    most = _CHUNK_FLOATS_ON_GPU if is_cupy(like) else _CHUNK_FLOATS
    width = design.n_dims if design.coupled else 1
    n_nodes = (n_steps - 1) * design.n_substeps + 1
    floats = n_nodes * design.n_dims * design.n_orders * (4 * width * design.n_orders + 4)
    return max(1, most // floats)
