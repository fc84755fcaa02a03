"""What a law leaves of the measurements, and whether that persists: noise does not."""

import numpy as np

from ._criterion import FLOOR, leftover
from .identify import Problem
from .optimize import JointFit

_NO_CHANCE = 4.0  # standard deviations of the correlation of two neighbours in noise


def residuals(problem: Problem, fit: JointFit, s: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes where a state was measured, and what a law leaves there, of one measurement's size."""
    data = problem.data
    seen = np.flatnonzero(data.count[:, s])
    return seen, (np.sqrt(data.count[:, s]) * (data.mean[:, s] - fit.nodes[:, s]))[seen]


def persistence(problem: Problem, fit: JointFit, s: int) -> tuple[float, float]:
    """Correlation of neighbouring residuals of a state, and the most of it that noise has.

    What is smaller than the misfit floor of the criterion counts as nothing.
    """
    if leftover(problem, fit)[s] <= FLOOR:
        return 0.0, 0.0
    seen, rest = residuals(problem, fit, s)
    run = problem.record.run[seen]
    pairs = (rest[1:] * rest[:-1])[run[1:] == run[:-1]]
    if not len(pairs):
        return 0.0, 0.0
    return float(pairs.mean() / (rest**2).mean()), _NO_CHANCE / len(pairs) ** 0.5


def persists(problem: Problem, fit: JointFit) -> bool:
    """Whether a law leaves of some measured state what is no noise."""
    measured = np.flatnonzero(problem.data.n_seen > 0)
    found = (persistence(problem, fit, int(s)) for s in measured)
    return any(value > limit for value, limit in found)
