"""A start for the mechanistic network, refined: its trajectories, linearized, fit the data.

The misfit of a trajectory is as stiff in the network's outputs as the solver makes it: along some
combinations of frequency, damping and first values it bends ten thousand times more than along
others. Descent on it creeps along the valley. Linearized around the present outputs p_i of each
sample, with J_i = dz_i / dp_i, it is a quadratic form of a few numbers a sample (Gauss-Newton)::

    1/2 |z_i + J_i dp_i - target_i|^2 = 1/2 dp_i^T (J_i^T J_i) dp_i - dp_i^T J_i^T (target_i - z_i)

and the network is fitted to all of these at once by L-BFGS, which solves no ODE on the way. As with
Gauss-Newton anywhere, this is done a few times, each time around new outputs. So good a descent
follows noise as well: it goes on as long as every fifth sample, left out, gains by it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import array_module, to_numpy
from ._objective import LOSSES, Objective, chunk_size
from .descent import lbfgs
from .network import Perceptron

Array = Any  # of NumPy or CuPy

_N_ROUNDS, _N_ITER = 5, 200
_ENOUGH = 0.9  # of a round's loss: one that leaves more is the last
_MAX_NODES = 2**22  # solved for in a round's derivatives
_MIN_SAMPLES, _MAX_SAMPLES = 64, 4096
_STEP = 1e-6  # of a network's output, for the derivative
_LEFT_OUT, _FEWEST = 5, 25  # every so manieth distinct sample judges; fewer are left alone
_FEWER = 4  # by what the iterations of a round are divided after a failure
_RIDGE = 1e-3  # what a change of the outputs costs


@dataclass(frozen=True)
class LinearFit:
    """Quadratic misfit of trajectories in the change of the network's outputs.

    Attributes
    ----------
    network : Perceptron
    alpha : float
        Strength of the penalty on the network's weights.
    x : array of shape (n, n_features)
    present : array of shape (n, n_outputs)
        Outputs that the trajectories were linearized at.
    gram : array of shape (n, n_outputs, n_outputs)
    target : array of shape (n, n_outputs)
    """

    network: Perceptron
    alpha: float
    x: Array
    present: Array
    gram: Array
    target: Array

    def __call__(self, parameters: Array, rows: NDArray) -> tuple[float, Array]:
        """Loss and gradient over all samples, whatever the rows."""
        change = self.network.forward(parameters, self.x) - self.present
        bent = (self.gram @ change[:, :, None])[:, :, 0]
        loss = float((change * (0.5 * bent - self.target)).sum())
        gradient = self.network.backward(parameters, bent - self.target)
        return loss + self.network.penalize(parameters, gradient, self.alpha), gradient


def start_from_trajectories(objective: Objective, parameters: Array) -> None:
    """Move parameters, in place, round by round, as long as the samples left out gain by it.

    Nothing happens where too few samples are distinct.

    Parameters
    ----------
    objective : Objective
        What will be minimized.
    parameters : array of shape (n_parameters,)
        Of the objective's module.
    """
    chosen, n_iter = _choose(objective), _N_ITER
    _, kind = np.unique(to_numpy(objective.x)[chosen], axis=0, return_inverse=True)
    if kind.max() + 1 < _FEWEST:
        return
    # The same ones in any order, and a repeated sample is all in or all out.
    judge = kind % _LEFT_OUT == _LEFT_OUT // 2
    fitted, judging = chosen[~judge], chosen[judge]
    loss, _ = objective(parameters, judging)
    for _ in range(_N_ROUNDS):
        if not np.isfinite(loss):
            return
        fit, moved = _linearize(objective, parameters, fitted), parameters.copy()
        lbfgs(fit, moved, len(fitted), n_iter, 2 * n_iter, 1e-7, lambda *_: False)
        after, _ = objective(moved, judging)
        if not after < loss:
            n_iter //= _FEWER
            continue
        parameters[:] = moved
        if after > _ENOUGH * loss:
            return
        loss = after


def _choose(objective: Objective) -> NDArray:
    """Choose evenly spread samples, as many as can be afforded."""
    design = objective.design
    n_nodes = design.n_outputs * ((design.n_steps - 1) * design.n_substeps + 1)
    n, most = len(objective.x), max(min(_MAX_NODES // n_nodes, _MAX_SAMPLES), _MIN_SAMPLES)
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)


def _linearize(objective: Objective, parameters: Array, rows: NDArray) -> LinearFit:
    """Draw up the quadratic misfit of some samples around their present outputs."""
    xp = array_module(parameters)
    weight, x = objective.weight[xp.asarray(rows)], objective.x[xp.asarray(rows)]
    present = objective.network.forward(parameters, x).copy()
    n_outputs = present.shape[1]
    gram, target = xp.empty((len(rows), n_outputs, n_outputs)), xp.empty(present.shape)
    z = objective.z[xp.asarray(rows)]
    share = xp.where(xp.isnan(z), 0.0, weight[:, None, None])
    share /= share.sum()
    size = chunk_size(objective.design, objective.design.n_steps, z)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        _form(objective, present[part], z[part], share[part], gram[part], target[part])
    total = float(weight.sum())
    gram += _RIDGE / total * weight[:, None, None] * xp.eye(n_outputs)
    return LinearFit(objective.network, objective.alpha / total, x, present, gram, target)


def _form(
    objective: Objective, raw: Array, z: Array, share: Array, gram: Array, target: Array
) -> None:
    """Fill in J^T J and J^T (z - trajectory), each measurement by its share (n, T, V)."""
    xp, design = array_module(raw), objective.design

    def solve(outputs: Array) -> Array:
        return design.solve(outputs, objective.time, design.n_steps)[0].reshape(len(raw), -1)

    now, seen = solve(raw), (share > 0).reshape(len(raw), -1)
    residual = xp.where(seen, now - z.reshape(now.shape), 0.0)
    slope = LOSSES[objective.loss](residual)[1]
    # What counts less than by its square is one of less weight.
    weight = xp.where(residual == 0.0, 1.0, slope) / xp.where(residual == 0.0, 1.0, residual)
    weight *= share.reshape(now.shape)
    jacobian = xp.empty((*now.shape, raw.shape[1]))
    for k in range(raw.shape[1]):
        moved = raw.copy()
        moved[:, k] += _STEP
        jacobian[:, :, k] = (solve(moved) - now) / _STEP
    weighted = jacobian * weight[:, :, None]
    xp.matmul(xp.swapaxes(weighted, 1, 2), jacobian, out=gram)
    target[:] = -(weighted * residual[:, :, None]).sum(axis=1)
