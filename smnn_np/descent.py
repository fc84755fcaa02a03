"""Minimize over a flat parameter vector: Adam in mini-batches, L-BFGS over all of it.

Adam's arrays may be NumPy's or CuPy's. SciPy's L-BFGS works on the host, the function that it
calls wherever the parameters are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ._arrays import array_module, to_numpy

Array = Any  # of NumPy or CuPy
# Loss and gradient at parameters, over the samples of these numbers.
Objective = Callable[[Array, NDArray], tuple[float, Array]]

# A loss so many times the first one is no detour.
_DIVERGED = 1e6


class DivergenceError(FloatingPointError):
    """The loss left all bounds, or is not a number."""


@dataclass
class Adam:
    """The moving averages of Adam, and its constants.

    Attributes
    ----------
    rate, beta_1, beta_2, epsilon : float
        Step length, decay of the two averages, and what keeps the division from zero.
    first, second : array of shape (n_parameters,)
        Averages of the gradient and of its square.
    n_steps : int
        Steps taken.
    asked : float
        The rate that was asked for last; `rate` may be slower by now.
    """

    rate: float
    beta_1: float
    beta_2: float
    epsilon: float
    first: Array
    second: Array
    n_steps: int = 0
    asked: float = 0.0

    def step(self, parameters: Array, gradient: Array) -> None:
        """Move the parameters, in place."""
        self.n_steps += 1
        self.first *= self.beta_1
        self.first += (1.0 - self.beta_1) * gradient
        self.second *= self.beta_2
        self.second += (1.0 - self.beta_2) * gradient**2
        correction = (1.0 - self.beta_2**self.n_steps) ** 0.5 / (1.0 - self.beta_1**self.n_steps)
        parameters -= self.rate * correction * self.first / (self.second**0.5 + self.epsilon)

    def moved(self, convert: Callable[[Array], Array]) -> "Adam":
        """The same with arrays of the host or of a device, to which `convert` brings them."""
        return replace(self, first=convert(self.first), second=convert(self.second))

    def follow(self, rate: float) -> None:
        """Go on at the rate that is asked for, if it is another one than before."""
        if rate != self.asked:
            self.rate = self.asked = rate

    def slow_down(self, factor: float) -> None:
        """Take smaller steps from here on, without the momentum of the larger ones."""
        self.rate /= factor
        self.first[:] = 0.0


def adam_epochs(
    objective: Objective,
    parameters: Array,
    state: Adam,
    weight: NDArray,
    batch_size: int,
    rng: np.random.RandomState | None,
) -> Iterator[float]:
    """Go through all samples again and again, moving the parameters in place.

    Parameters
    ----------
    objective : callable
        Loss and gradient over some of the samples.
    parameters : array of shape (n_parameters,)
        Where to start; changed in place.
    state : Adam
        Changed in place too.
    weight : ndarray of shape (n,)
        What each sample counts in an epoch's loss.
    batch_size : int
        Samples a step.
    rng : numpy.random.RandomState or None
        Shuffles the samples before each epoch; None for no shuffling.

    Yields
    ------
    float
        Mean loss of each epoch, every batch at the parameters it met.

    Raises
    ------
    DivergenceError
        If the loss is not finite, or exceeds the first one a millionfold.
    """
    order, ceiling = np.arange(len(weight)), np.inf
    while True:
        if rng is not None:
            rng.shuffle(order)
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            loss, gradient = objective(parameters, rows)
            if not loss < ceiling:
                raise DivergenceError(f"loss {loss:.3g}")
            ceiling = min(ceiling, _DIVERGED * (loss + 1.0))
            state.step(parameters, gradient)
            total += loss * weight[rows].sum()
        yield total / weight.sum()


def lbfgs(
    objective: Objective,
    parameters: Array,
    n_samples: int,
    max_iter: int,
    max_fun: int,
    tolerance: float,
    after: Callable[[Array, float], bool],
) -> bool:
    """Minimize over all samples by SciPy's L-BFGS, moving the parameters in place.

    Parameters
    ----------
    objective, parameters
        As for `adam_epochs`.
    n_samples : int
        Number of samples.
    max_iter, max_fun : int
        Largest numbers of iterations and of evaluations.
    tolerance : float
        Stop when the largest entry of the gradient is below it.
    after : callable
        Called with parameters and loss after each iteration; True stops.

    Returns
    -------
    bool
        Whether it stopped by itself, not at a limit.

    Raises
    ------
    DivergenceError
        If the loss is not finite at the start.
    """
    xp, rows, best = array_module(parameters), np.arange(n_samples), [np.inf]

    def evaluate(flat: NDArray) -> tuple[float, NDArray]:
        loss, gradient = objective(xp.asarray(flat), rows)
        if np.isfinite(loss):
            best[0] = min(best[0], loss)
            return loss, to_numpy(gradient).astype(np.float64)
        if not np.isfinite(best[0]):
            raise DivergenceError("loss not finite at the start")
        # Too long a trial step: a loss far above the best makes the line search shorten it.
        return 1e3 * (best[0] + 1.0), np.zeros_like(flat)

    def watch(intermediate_result: Any) -> None:
        parameters[:] = xp.asarray(intermediate_result.x)
        if after(parameters, float(intermediate_result.fun)):
            raise StopIteration

    options = {"maxiter": max_iter, "maxfun": max_fun, "gtol": tolerance, "ftol": 1e-12}
    start = to_numpy(parameters).astype(np.float64)
    found = minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options, callback=watch)
    parameters[:] = xp.asarray(found.x)
    return found.status != 1
