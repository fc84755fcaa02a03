"""Features to trajectories, in the user's units: network, design and units in one value.

Everything happens where the features are, on the host or on a GPU; parameters and units come there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._arrays import array_module, to_numpy
from ._objective import Objective, chunk_size
from ._trajectories import Samples, Units
from .mechanism import Design, Mechanism
from .network import Perceptron

Array = Any  # of NumPy or CuPy


@dataclass(frozen=True)
class Emitter:
    """What turns features into ODEs, all but the parameters.

    Attributes
    ----------
    network : Perceptron
    design : Design
    units : Units
    """

    network: Perceptron
    design: Design
    units: Units

    def features(self, X: Array) -> Array:
        """Bring features (n, n_features) to the network's units."""
        asarray = array_module(X).asarray
        return (X - asarray(self.units.x_mean)) / asarray(self.units.x_scale)

    def objective(self, samples: Samples, loss: str, alpha: float) -> Objective:
        """Loss of the trajectories of these samples."""
        asarray = array_module(samples.y).asarray
        z = (samples.y - asarray(self.units.y_mean)) / asarray(self.units.y_scale)
        x = self.features(samples.X)
        shared = (self.network, self.design, self.units.time, loss, alpha)
        return Objective(*shared, x, z, samples.weight)

    def trajectories(self, parameters: Array, X: Array, n_steps: int) -> Array:
        """Trajectories (n, n_steps, V) of features (n, n_features), chunk by chunk.

        Raises OverflowError where one is not finite.
        """
        # Never fewer nodes than the fit had: the start of a trajectory does not depend on n_steps.
        length = max(n_steps, self.design.n_steps)
        x, size = self.features(X), chunk_size(self.design, length, X)
        xp = array_module(X)
        parameters = xp.asarray(parameters)
        scale, mean = xp.asarray(self.units.y_scale), xp.asarray(self.units.y_mean)
        y = xp.empty((len(x), n_steps, self.design.n_dims))
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            raw = self.network.forward(parameters, x[part])
            z = self.design.solve(raw, self.units.time, length)[0][:, :n_steps]
            y[part] = z * scale + mean
        bad = ~np.isfinite(y).all(axis=2)
        if bad.any():
            sample, node = np.argwhere(to_numpy(bad))[0]
            raise OverflowError(
                f"the trajectory of sample {sample} overflows at node {node}: ask for fewer "
                f"n_steps, or for features nearer to those of the fit"
            )
        return y

    def mechanism(self, parameters: Array, X: Array, n_steps: int) -> Mechanism:
        """ODEs of features (n, n_features), in the user's units."""
        raw = self.network.forward(array_module(X).asarray(parameters), self.features(X))
        return self.design.describe(raw, self.units, n_steps)
