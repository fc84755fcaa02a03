"""Models that a search has met: the best of each size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .identify import Problem, quadratic_around
from .optimize import JointFit
from .subset import Quadratic


@dataclass(frozen=True)
class Scored:
    """A settled joint fit and its criterion (infinite where its dynamics are not exact)."""

    fit: JointFit
    criterion: float

    @property
    def n_terms(self) -> int:
        """Number of coefficients."""
        return self.fit.n_terms

    @property
    def exact(self) -> bool:
        """Whether the dynamics hold exactly."""
        return not self.fit.loose and bool(np.isfinite(self.criterion))

    @property
    def rank(self) -> tuple[bool, float]:
        """What models are compared by: an exact one is better than any with process noise."""
        return not self.exact, self.criterion


class Path:
    """The best model found of each size.

    Attributes
    ----------
    follows : bool
        Whether the best law is exact and leaves little more noise than smoothing without a law,
        or explains the states and was found twice.
    interrupted : bool
        Whether the search was stopped before its end.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._by_size: dict[int, Scored] = {}
        self.report = report
        self.follows = self.interrupted = False
        self._quadratic: tuple[JointFit, Quadratic | None] | None = None

    def quadratic(self, problem: Problem, fit: JointFit) -> Quadratic | None:
        """Return the quadratic model in all candidates around a fit; the last one is kept."""
        if self._quadratic is None or self._quadratic[0] is not fit:
            self._quadratic = (fit, quadratic_around(problem, fit))
        return self._quadratic[1]

    def add(self, model: Scored) -> Scored:
        """Keep a model if it is the best of its size; return it."""
        self._keep(model)
        self.report(f"{model.n_terms:4d} terms  criterion {model.criterion:.6g}")
        return model

    def take(self, other: "Path") -> None:
        """Keep what is better on another path of the same problem."""
        for model in other.models:
            self._keep(model)

    def _keep(self, model: Scored) -> None:
        """Keep a model if it is the best of its size."""
        known = self._by_size.get(model.n_terms)
        if known is None or model.rank < known.rank:
            self._by_size[model.n_terms] = model

    def replace(self, model: Scored) -> None:
        """Put a model in the place of the one of its size."""
        self._by_size[model.n_terms] = model

    @property
    def best(self) -> Scored:
        """The exact model with the lowest criterion, else any; the smallest if none has one."""
        return min(self.models[::-1], key=lambda model: model.rank)

    @property
    def exact(self) -> bool:
        """Whether a law was met whose dynamics hold exactly."""
        return any(model.exact for model in self.models)

    @property
    def models(self) -> list[Scored]:
        """All models, the largest first."""
        return [self._by_size[size] for size in sorted(self._by_size, reverse=True)]
