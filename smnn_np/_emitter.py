"""Features to trajectories, in the user's units: network, design and units in one value."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._objective import Objective, chunk_size
from ._trajectories import Samples, Units
from .mechanism import Design, Mechanism
from .network import Perceptron


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

    def features(self, X: NDArray) -> NDArray:
        """Bring features (n, n_features) to the network's units."""
        return (X - self.units.x_mean) / self.units.x_scale

    def objective(self, samples: Samples, loss: str, alpha: float) -> Objective:
        """Loss of the trajectories of these samples."""
        x, z = self.features(samples.X), (samples.y - self.units.y_mean) / self.units.y_scale
        shared = (self.network, self.design, self.units.time, loss, alpha)
        return Objective(*shared, x, z, samples.weight)

    def trajectories(self, parameters: NDArray, X: NDArray, n_steps: int) -> NDArray:
        """Trajectories (n, n_steps, V) of features (n, n_features), chunk by chunk.

        Raises OverflowError where one is not finite.
        """
        # Never fewer nodes than the fit had: the start of a trajectory does not depend on n_steps.
        length = max(n_steps, self.design.n_steps)
        x, size = self.features(X), chunk_size(self.design, length)
        y = np.empty((len(x), n_steps, self.design.n_dims))
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            raw = self.network.forward(parameters, x[part])
            z = self.design.solve(raw, self.units.time, length)[0][:, :n_steps]
            y[part] = z * self.units.y_scale + self.units.y_mean
        bad = ~np.isfinite(y).all(axis=2)
        if bad.any():
            sample, node = np.argwhere(bad)[0]
            raise OverflowError(
                f"the trajectory of sample {sample} overflows at node {node}: ask for fewer "
                f"n_steps, or for features nearer to those of the fit"
            )
        return y

    def mechanism(self, parameters: NDArray, X: NDArray, n_steps: int) -> Mechanism:
        """ODEs of features (n, n_features), in the user's units."""
        raw = self.network.forward(parameters, self.features(X))
        return self.design.describe(raw, self.units, n_steps)
