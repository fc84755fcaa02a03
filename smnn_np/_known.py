"""What a fit is told beforehand, and what that makes of its candidates."""

from dataclasses import dataclass

import numpy as np

from ._rules import Rules
from .constraints import Structure


@dataclass(frozen=True)
class Known:
    """What the user knows, in the user's units; None where nothing is.

    Attributes
    ----------
    noise : ndarray of shape (n_measured,) or None
        Standard deviation of each measured state's noise.
    structure : Structure or None
    """

    noise: np.ndarray | None = None
    structure: Structure | None = None


@dataclass(frozen=True)
class Candidates:
    """Coefficients that a model may have, in the units of the fit; P terms in T equations.

    Attributes
    ----------
    index : ndarray of shape (M,)
        Increasing places of the candidates in the raveled (P, T).
    fixed : ndarray of shape (P, T)
        Values of the coefficients that are known, else 0.
    rules : Rules or None
        What is known of the candidates' values.
    """

    index: np.ndarray
    fixed: np.ndarray
    rules: Rules | None = None

    def support(self, place: np.ndarray) -> np.ndarray:
        """Positions among the candidates of places in the raveled (P, T)."""
        return np.searchsorted(self.index, place)


def scale_candidates(structure: Structure | None, unit: np.ndarray) -> Candidates:
    """Turn constraints into rules; a coefficient is `unit` (P, T) times that of the fit."""
    if structure is None:
        return Candidates(np.arange(unit.size), np.zeros(unit.shape))
    known = ~np.isnan(structure.fixed)
    fixed = np.where(known, structure.fixed, 0.0) / unit
    index = np.flatnonzero(structure.allowed & ~known)
    matrix = (structure.matrix * unit).reshape(-1, unit.size)
    rhs = structure.rhs - matrix @ fixed.ravel()
    matrix = matrix[:, index]
    size = np.abs(matrix).max(axis=1, initial=0.0)
    size = np.where(size > 0, size, np.abs(rhs) + 1.0)
    required = structure.required.ravel()[index]
    lower, upper = ((b / unit).ravel()[index] for b in (structure.lower, structure.upper))
    rules = Rules(required, lower, upper, matrix / size[:, None], rhs / size)
    if not (required.any() or np.isfinite(lower).any() or np.isfinite(upper).any() or len(rhs)):
        return Candidates(index, fixed)
    _refuse_the_impossible(rules)
    return Candidates(index, fixed, rules)


def _refuse_the_impossible(rules: Rules) -> None:
    """Refuse bounds and equalities that no coefficients obey."""
    if rules.nearest(np.zeros(len(rules.lower))) is None:
        raise ValueError(
            "constraints contradict each other: no coefficients obey all bounds and equalities at "
            "once; drop some."
        )
