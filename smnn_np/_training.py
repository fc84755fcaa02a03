"""When a fit of the mechanistic network is over, and what is kept of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Progress:
    """The course of a fit: one call after each iteration.

    Attributes
    ----------
    tol, patience : float
        Stop after more than `patience` iterations in a row, none better by `tol`.
    score : callable or None
        Score of parameters on held-out samples; what is watched if given, else the loss.
    report : callable
        Takes a line for the user.
    losses, scores : list of float
        The curves so far.
    best_loss, best_score : float
    best_parameters : ndarray or None
        Where the watched number was best.
    stopped : bool
        Whether it was time to stop.
    """

    tol: float
    patience: float
    score: Callable[[NDArray], float] | None
    report: Callable[[int, str], None]
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float = -np.inf
    best_parameters: NDArray | None = None
    stopped: bool = False
    n_idle: int = 0

    def __call__(self, parameters: NDArray, loss: float) -> bool:
        """Take note of an iteration; return whether to stop."""
        self.losses.append(float(loss))
        if self.score is None:
            gain, better = self.best_loss - loss, loss < self.best_loss
        else:
            self.scores.append(self.score(parameters))
            gain = self.scores[-1] - self.best_score
            better = gain > 0
            self.best_score = max(self.best_score, self.scores[-1])
        self.best_loss = min(self.best_loss, float(loss))
        if better:
            self.best_parameters = parameters.copy()
        self.n_idle = 0 if gain > self.tol else self.n_idle + 1
        self.stopped = self.n_idle > self.patience
        words = f"loss {loss:.6g}"
        if self.scores:
            words += f", validation R^2 {self.scores[-1]:.6f}"
        self.report(len(self.losses), words)
        return self.stopped
