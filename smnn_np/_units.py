"""Scales in which a typical step and the spread of a series are one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._arrays import array_module, to_numpy
from ._driven import Run


@dataclass(frozen=True)
class Units:
    """Scales between a user's numbers and normalized ones.

    Attributes
    ----------
    origin, time : float
        Zero of time, and a typical step.
    level, spread : float
        Zero and scale of the series.
    effect_level, effect_spread : ndarray of shape (p,)
        Zero and scale of the covariates.
    """

    origin: float
    time: float
    level: float
    spread: float
    effect_level: np.ndarray
    effect_spread: np.ndarray

    def normalize(self, run: Run) -> Run:
        """Express a run in normalized units."""
        value = (run.value - self.level) / self.spread
        return Run(self.times(run.times), value, run.weight, self.design(run.design))

    def times(self, t: np.ndarray) -> np.ndarray:
        """Normalize times."""
        return (t - self.origin) / self.time

    def design(self, covariates: np.ndarray) -> np.ndarray:
        """Normalize covariates."""
        if not covariates.shape[1]:
            return covariates
        xp = array_module(covariates)
        scaled = (covariates - xp.asarray(self.effect_level)) / xp.asarray(self.effect_spread)
        return xp.ascontiguousarray(scaled)

    def powers(self, order: int) -> np.ndarray:
        """Factors from normalized coefficients c[r] to the user's (R,)."""
        return self.time ** (np.arange(order, dtype=float) - order)


def choose_units(runs: Sequence[Run], plain: bool) -> Units:
    """Choose units; zero stays zero where coefficients give it a meaning."""
    steps = np.concatenate([np.diff(run.times) for run in runs])
    steps = steps[steps > 0]
    values = np.concatenate([run.value for run in runs])
    covariates = np.concatenate([run.design for run in runs])
    level = float(values.mean()) if plain else 0.0
    spread = float(np.sqrt(np.mean((values - level) ** 2)))
    n_covariates = covariates.shape[1]
    effect_spread = to_numpy(covariates.std(axis=0)) if n_covariates else np.ones(0)
    return Units(
        origin=min(float(run.times[0]) for run in runs),
        time=float(np.median(steps)) if len(steps) else 1.0,
        level=level,
        spread=spread if spread > 0 else 1.0,
        effect_level=to_numpy(covariates.mean(axis=0))
        if plain and n_covariates
        else np.zeros(n_covariates),
        effect_spread=np.where(effect_spread > 0, effect_spread, 1.0),
    )
