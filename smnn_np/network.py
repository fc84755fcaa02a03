"""The multilayer perceptron that emits equations: forward, backward, one allocation.

All parameters are one flat vector, layer by layer the weights ``W`` (inputs, outputs) and then the
biases ``b`` (outputs,). A layer is ``a_next = f(a W + b)``, the last one without f. With the
gradient ``delta`` of a scalar in ``a W + b``::

    W_bar = a^T delta        b_bar = sum over rows of delta
    a_bar = delta W^T        delta of the layer before = a_bar f'(.), f' from the value of f alone

The arrays may be NumPy's or CuPy's: whatever is allocated is made by the module of the input.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._arrays import array_module

Array = Any  # of NumPy or CuPy

_START_OF_LAST = 0.1  # the last layer starts near zero: equations start the same for all samples


class Activation(NamedTuple):
    """An activation, in place.

    ``value(xp, z)`` turns z into f(z); ``pull(xp, a, a_bar)`` multiplies a_bar by f', which it
    knows from a = f(z).
    """

    value: Callable[[Any, Array], None]
    pull: Callable[[Any, Array, Array], None]


def _identity(xp: Any, *arrays: Array) -> None:
    """The value: f(z) = z."""


def _relu(xp: Any, z: Array) -> None:
    """The value: f(z) = max(z, 0)."""
    xp.maximum(z, 0.0, out=z)


def _pull_relu(xp: Any, a: Array, a_bar: Array) -> None:
    """Its derivative: f' = 1 where a > 0."""
    a_bar *= a > 0.0


def _tanh(xp: Any, z: Array) -> None:
    """The value: f(z) = tanh z."""
    xp.tanh(z, out=z)


def _pull_tanh(xp: Any, a: Array, a_bar: Array) -> None:
    """Its derivative: f' = 1 - a^2."""
    a_bar *= 1.0 - a * a


def _logistic(xp: Any, z: Array) -> None:
    """The value: f(z) = 1 / (1 + exp(-z)), by tanh, which does not overflow."""
    z *= 0.5
    xp.tanh(z, out=z)
    z += 1.0
    z *= 0.5


def _pull_logistic(xp: Any, a: Array, a_bar: Array) -> None:
    """Its derivative: f' = a (1 - a)."""
    a_bar *= a * (1.0 - a)


ACTIVATIONS = {
    "identity": Activation(_identity, _identity),
    "logistic": Activation(_logistic, _pull_logistic),
    "relu": Activation(_relu, _pull_relu),
    "tanh": Activation(_tanh, _pull_tanh),
}


class Perceptron:
    """Values and gradients of a perceptron, in work space of its own.

    Parameters
    ----------
    sizes : sequence of int
        Length of the input, of every hidden layer, of the output.
    activation : {"identity", "logistic", "relu", "tanh"}
        Of the hidden layers.
    """

    def __init__(self, sizes: Sequence[int], activation: str) -> None:
        self.sizes = tuple(sizes)
        self.activation = activation
        self._f = ACTIVATIONS[activation]
        self._shapes = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.n_parameters = sum((n + 1) * m for n, m in self._shapes)
        self._capacity, self._home = 0, type(None)

    def start(self, rng: np.random.RandomState) -> NDArray:
        """Draw parameters by Glorot's rule, those of the last layer small: flat, on the host."""
        flat = np.zeros(self.n_parameters)
        factor = 2.0 if self.activation == "logistic" else 6.0
        for layer, (weight, bias) in enumerate(self.layers(flat)):
            bound = np.sqrt(factor / sum(weight.shape))
            weight[:] = rng.uniform(-bound, bound, weight.shape)
            if layer + 1 < len(self._shapes):
                bias[:] = rng.uniform(-bound, bound, bias.shape)
            else:
                weight *= _START_OF_LAST
        return flat

    def layers(self, flat: Array) -> list[tuple[Array, Array]]:
        """Return views (W, b) of a flat vector, layer by layer."""
        views, start = [], 0
        for n, m in self._shapes:
            middle, end = start + n * m, start + (n + 1) * m
            views.append((flat[start:middle].reshape(n, m), flat[middle:end]))
            start = end
        return views

    def forward(self, flat: Array, x: Array) -> Array:
        """Evaluate the outputs (n, n_outputs) of rows x (n, n_inputs).

        The result is a view of the work space, good until the next call.
        """
        xp = array_module(flat)
        self._reserve(len(x), flat)
        self._values = [x]
        for (weight, bias), room in zip(self.layers(flat), self._rooms, strict=True):
            out = room[: len(x)]
            xp.matmul(self._values[-1], weight, out=out)
            out += bias
            self._values.append(out)
            if len(self._values) <= len(self._shapes):
                self._f.value(xp, out)
        return out

    def backward(self, flat: Array, out_bar: Array) -> Array:
        """Return the gradient in the parameters, after `forward` of the same parameters.

        The result is a view of the work space, good until the next call.
        """
        xp = array_module(flat)
        delta = out_bar
        steps = zip(self.layers(flat), self.layers(self._gradient), self._values[:-1], strict=True)
        for layer, ((weight, _), (weight_bar, bias_bar), a) in reversed(list(enumerate(steps))):
            xp.matmul(a.T, delta, out=weight_bar)
            xp.sum(delta, axis=0, out=bias_bar)
            if layer > 0:
                below = self._deltas[layer - 1][: len(a)]
                xp.matmul(delta, weight.T, out=below)
                self._f.pull(xp, a, below)
                delta = below
        return self._gradient

    def penalize(self, flat: Array, gradient: Array, strength: float) -> float:
        """Half `strength` times the squares of the weights, not the biases; add its gradient."""
        square = 0.0
        layers = zip(self.layers(flat), self.layers(gradient), strict=True)
        for (weight, _), (weight_bar, _) in layers:
            square += float((weight * weight).sum())
            weight_bar += strength * weight
        return 0.5 * strength * square

    def _reserve(self, n_rows: int, like: Array) -> None:
        """Allocate, once for the largest number of rows, all that forward and backward write.

        Where rows come from another device than those before, anew.
        """
        if n_rows <= self._capacity and self._home is type(like):
            return
        values, deltas = self.sizes[1:], self.sizes[1:-1]
        pool = array_module(like).empty(
            self.n_parameters + n_rows * sum(values + deltas), dtype=like.dtype
        )
        self._gradient, rooms, start = pool[: self.n_parameters], [], self.n_parameters
        for width in values + deltas:
            rooms.append(pool[start : start + n_rows * width].reshape(n_rows, width))
            start += n_rows * width
        self._rooms, self._deltas = rooms[: len(values)], rooms[len(values) :]
        self._capacity, self._home = n_rows, type(like)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the work space out of a pickle."""
        names = ("sizes", "activation", "_f", "_shapes", "n_parameters")
        return {**{name: self.__dict__[name] for name in names}, "_capacity": 0, "_home": None}
