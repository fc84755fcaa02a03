"""Makers of problems with known answers, shared by the benchmarks.

Every benchmark calls its function once in ``setup``, so that compilation is not timed. Peak memory
is that of the whole process, compiler included (some 200 MB): compare differences, not totals.
Times are CPU time (asv reads the name ``timer`` in each file), so that whatever else the machine
does counts little; give BLAS and Numba one thread each, as the Makefile does.
"""

from typing import Any, NamedTuple

import numpy as np

DURATION = 20.0


class Oscillators(NamedTuple):
    """Harmonic oscillators y_v'' + w_v^2 y_v = 0, y_v(0) = 1, y_v'(0) = 0, on [0, DURATION]."""

    arguments: tuple[Any, ...]  # for ode_solve: coefficients, rhs, initial, steps
    exact: np.ndarray  # (batch, T, V): cos(w_v t)


def oscillators(
    n_steps: int, n_dims: int = 1, n_orders: int = 4, batch: int = 1, dtype: str = "float64"
) -> Oscillators:
    """Return a batch of problems, each series with its own frequencies and its own arrays."""
    frequencies = np.linspace(0.8, 1.2, batch * n_dims).reshape(batch, n_dims)
    coefficients = np.zeros((batch, n_steps, n_dims, n_dims, n_orders))
    diagonal = np.arange(n_dims)
    coefficients[:, :, diagonal, diagonal, 0] = frequencies[:, None] ** 2
    coefficients[:, :, diagonal, diagonal, 2] = 1.0
    rhs = np.zeros((batch, n_steps, n_dims))
    initial = np.zeros((batch, 1, n_dims, 2))
    initial[..., 0] = 1.0
    times = np.linspace(0.0, DURATION, n_steps)
    steps = np.full((1, n_steps - 1), DURATION / (n_steps - 1))
    arguments = tuple(each.astype(dtype) for each in (coefficients, rhs, initial, steps))
    return Oscillators(arguments, np.cos(frequencies[:, None] * times[:, None]))
