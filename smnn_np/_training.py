"""When a fit of the mechanistic network is over, and what is kept of it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._arrays import array_module, to_numpy
from ._objective import Objective
from .descent import Adam, DivergenceError, adam_epochs, lbfgs

Array = Any  # of NumPy or CuPy

_BATCH = 200
_SLOWER = 5.0  # what the adaptive learning rate is divided by
_LEAST_RATE = 5e-3  # a share of the first learning rate: below it the fit is over


@dataclass
class Progress:
    """The course of a fit: one call after each iteration.

    Attributes
    ----------
    tol, patience : float
        Stop after more than `patience` iterations in a row, none better by `tol`; infinite for
        an optimizer that knows itself when to stop.
    score : callable or None
        Score of parameters on held-out samples; what is watched if given, else the loss.
    report : callable
        Takes a line for the user.
    losses, scores : list of float
        The curves so far.
    best_loss, best_score : float
        Of the curves.
    kept : float
        What was watched, at its best so far, the start included: minus the loss, or the score.
    best_parameters : ndarray or None
        Where that was.
    stopped : bool
        Whether it was time to stop.
    """

    tol: float
    patience: float
    score: Callable[[Array], float] | None
    report: Callable[[int, str], None]
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float = -np.inf
    kept: float = -np.inf
    best_parameters: Array | None = None
    stopped: bool = False
    n_idle: int = 0

    def __call__(self, parameters: Array, loss: float, met: Array | None = None) -> bool:
        """Take note of an iteration; return whether to stop.

        The loss is that at the parameters `met`, where they are not the present ones.
        """
        self.losses.append(float(loss))
        self.best_loss = min(self.best_loss, float(loss))
        worth = -float(loss)
        if self.score is not None:
            worth, met = self.score(parameters), None
            self.scores.append(worth)
            self.best_score = max(self.best_score, worth)
        gain = worth - self.kept
        if gain > 0:
            self.keep(parameters if met is None else met, worth)
        self.n_idle = 0 if gain > self.tol else self.n_idle + 1
        self.stopped = self.n_idle > self.patience
        words = f"loss {loss:.6g}"
        if self.scores:
            words += f", validation R^2 {self.scores[-1]:.6f}"
        self.report(len(self.losses), words)
        return self.stopped

    def keep(self, parameters: Array, worth: float) -> None:
        """Take a copy of the best parameters so far."""
        self.kept, self.best_parameters = worth, parameters.copy()

    def begin(self, parameters: Array, objective: Objective, batch: int) -> None:
        """Measure what later iterations have to surpass: a good start is not to be lost."""
        if self.score is not None:
            worth = self.score(parameters)
        else:
            # In batches, as an epoch's loss: the penalty counts in each of them.
            weight, total = to_numpy(objective.weight), 0.0
            for start in range(0, len(weight), batch):
                rows = np.arange(start, min(start + batch, len(weight)))
                total += objective(parameters, rows)[0] * float(weight[rows].sum())
            worth = -total / float(weight.sum())
        if worth > self.kept:
            self.keep(parameters, worth)

    def go_back(self, parameters: Array) -> None:
        """Put the best parameters in the place of others, in place, and be patient anew."""
        if self.best_parameters is not None:
            parameters[:] = self.best_parameters
        self.n_idle, self.stopped = 0, False


def new_adam(settings: Any, parameters: Array) -> Adam:
    """Adam before its first step."""
    zeros = array_module(parameters).zeros_like(parameters)
    constants = (settings.learning_rate_init, settings.beta_1, settings.beta_2, settings.epsilon)
    return Adam(*constants, zeros, zeros.copy(), asked=settings.learning_rate_init)


def descend(
    settings: Any,
    objective: Objective,
    parameters: Array,
    adam: Adam,
    rng: np.random.RandomState,
    progress: Progress,
    max_iter: int,
) -> None:
    """Move parameters, in place, until progress says stop or `max_iter` iterations are done.

    Where held-out samples are watched, and where the fit diverges or is interrupted, the best
    parameters remain.

    Parameters
    ----------
    settings : SMNNRegressor
        Its parameters say how.
    objective, parameters, adam, rng, progress, max_iter
        What to minimize, from where, with which state.
    """
    start = parameters.copy()
    try:
        if max_iter > 1:
            progress.begin(parameters, objective, _batch_size(settings, objective))
        if settings.solver == "lbfgs":
            limits = (max_iter, settings.max_fun, settings.tol)
            ended = lbfgs(objective, parameters, len(objective.x), *limits, progress)
            progress.stopped = progress.stopped or ended
        else:
            _descend_by_adam(settings, objective, parameters, adam, rng, progress, max_iter)
    except KeyboardInterrupt:
        progress.stopped = True
        _restore(parameters, progress, start)
        warnings.warn(
            f"the fit was interrupted in iteration {len(progress.losses) + 1}: the best weights "
            f"so far are kept; warm_start=True goes on from them",
            stacklevel=4,
        )
    except DivergenceError as error:
        _restore(parameters, progress, start)
        raise FloatingPointError(
            f"the fit diverged in iteration {len(progress.losses) + 1} ({error}) with solver = "
            f"{settings.solver!r}, learning_rate_init = {settings.learning_rate_init}: lower "
            f"learning_rate_init or shorten the trajectories; the best weights so far are kept"
        ) from None
    if progress.score is not None and progress.best_parameters is not None:
        parameters[:] = progress.best_parameters


def _batch_size(settings: Any, objective: Objective) -> int:
    """Samples of a step: all of them for L-BFGS."""
    if settings.solver == "lbfgs":
        return len(objective.x)
    return _BATCH if settings.batch_size == "auto" else int(settings.batch_size)


def _restore(parameters: Array, progress: Progress, start: Array) -> None:
    """Put the best parameters that were met, or else the first ones, in the place of others."""
    best = progress.best_parameters
    parameters[:] = start if best is None else best


def _descend_by_adam(
    settings: Any,
    objective: Objective,
    parameters: Array,
    adam: Adam,
    rng: np.random.RandomState,
    progress: Progress,
    max_iter: int,
) -> None:
    """Run epochs of Adam; where they no longer help, go back to the best and take smaller steps."""
    batch = _batch_size(settings, objective)
    shuffler = rng if settings.shuffle else None
    weight = to_numpy(objective.weight)
    epochs = adam_epochs(objective, parameters, adam, weight, batch, shuffler)
    adaptive, met = settings.learning_rate == "adaptive", parameters.copy()
    for _, loss in zip(range(max_iter), epochs, strict=False):
        stop = progress(parameters, loss, met)
        if stop and (not adaptive or adam.rate < _LEAST_RATE * settings.learning_rate_init):
            break
        if stop:
            progress.go_back(parameters)
            adam.slow_down(_SLOWER)
        met[:] = parameters
    if adaptive and max_iter > 1 and progress.n_idle > 0 and progress.best_parameters is not None:
        parameters[:] = progress.best_parameters
