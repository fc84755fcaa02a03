"""What a fit of the mechanistic network consists of: read, begin, watch, descend."""

import sys
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ._arrays import array_module, on_gpu, to_numpy
from ._emitter import Emitter
from ._linearized import start_from_trajectories
from ._reading import read_features, read_weight
from ._settings import check_settings, hidden_sizes, new_design
from ._start import start_from_equations
from ._training import Progress, descend
from ._trajectories import Samples, read_trajectories, score_r2
from .network import Perceptron


class FittingMixin:
    """The inside of `SMNNRegressor.fit` and `partial_fit`."""

    @property
    def coefs_(self: Any) -> list[NDArray]:
        """Weights of the network's layers."""
        return [weight for weight, _ in self._emitter.network.layers(self._parameters)]

    @property
    def intercepts_(self: Any) -> list[NDArray]:
        """Biases of the network's layers."""
        return [bias for _, bias in self._emitter.network.layers(self._parameters)]

    def _read(self: Any, X: Any, y: Any, sample_weight: Any, first: bool) -> Samples:
        """Check all of the input and return what counts of it."""
        check_settings(self.get_params(deep=False))
        on_gpu({"X": X, "y": y, "sample_weight": sample_weight})  # refuses a mixture
        X = read_features(self, X, reset=first)
        data = read_trajectories(y, X, self.n_dims, type(self).__name__)
        weight = read_weight(sample_weight, X)
        shape = data.values.shape[1:]
        if not first and shape != (self.n_steps_, self.n_dims_):
            raise ValueError(
                f"y has n_steps, n_dims = {shape}, but {(self.n_steps_, self.n_dims_)} were fitted "
                f"before: give the same, or start afresh with warm_start=False"
            )
        self._n_axes, self._single = data.n_axes, data.single
        counts = (weight > 0) & ~np.isnan(data.values).all(axis=(1, 2))
        if not counts.any():
            raise ValueError(
                "y has no value that counts: every sample is NaN throughout or has sample_weight 0"
            )
        return Samples(X, data.values, weight).take(counts)

    def _hold_out(self: Any, samples: Samples) -> tuple[Samples, Samples]:
        """Put samples aside for early stopping."""
        rows, held = train_test_split(
            np.arange(len(samples.X)), test_size=self.validation_fraction, random_state=self._rng
        )
        return samples.take(rows), samples.take(held)

    def _begin(self: Any, samples: Samples) -> None:
        """Choose units, design and first parameters."""
        self.n_steps_, self.n_dims_ = samples.y.shape[1:]
        design, units = new_design(self, samples)
        sizes = [samples.X.shape[1], *hidden_sizes(self.hidden_layer_sizes), design.n_outputs]
        network = Perceptron(sizes, self.activation)
        self._emitter = Emitter(network, design, units)
        self._parameters = network.start(self._rng)
        if self.start == "equations":
            objective = self._emitter.objective(samples, self.loss, self.alpha)
            parameters = array_module(samples.X).asarray(self._parameters)
            start_from_equations(objective, parameters)
            start_from_trajectories(objective, parameters)
            self._parameters = to_numpy(parameters)

    def _new_progress(self: Any, held: Samples | None, again: bool) -> Progress:
        """Watch the loss, or the score of what was held out."""

        def score(parameters: Any, held: Samples) -> float:
            try:
                predicted = self._emitter.trajectories(parameters, held.X, self.n_steps_)
            except (ArithmeticError, np.linalg.LinAlgError):
                return -np.inf
            return score_r2(held.y, predicted, held.weight)

        watched = None if held is None else partial(score, held=held)
        patience = np.inf if self.solver == "lbfgs" and held is None else self.n_iter_no_change
        progress = Progress(self.tol, patience, watched, self._report)
        if again:
            progress.losses = self.loss_curve_
        return progress

    def _descend(self: Any, samples: Samples, progress: Progress, max_iter: int) -> None:
        """Go down, keep what is good, and set the attributes that tell of it.

        That happens where the samples are. What is kept is NumPy's: a fitted model can be pickled
        and predicts on any device.
        """
        n_before = len(progress.losses)
        objective = self._emitter.objective(samples, self.loss, self.alpha)
        asarray = array_module(samples.X).asarray
        parameters, adam = asarray(self._parameters), self._adam.moved(asarray)
        adam.follow(self.learning_rate_init)
        try:
            descend(self, objective, parameters, adam, self._rng, progress, max_iter)
        finally:
            self._parameters, self._adam = to_numpy(parameters), adam.moved(to_numpy)
            self.n_iter_ = len(progress.losses) - n_before
            self.loss_curve_ = progress.losses
            watched = progress.score is not None
            self.loss_ = progress.losses[-1] if progress.losses else np.inf
            self.best_loss_ = None if watched else progress.best_loss
            self.validation_scores_ = progress.scores if watched else None
            self.best_validation_score_ = progress.best_score if watched else None
            self._seconds_in_solver = objective.seconds_in_solver

    def _report(self: Any, iteration: int, words: str) -> None:
        """Write an iteration to stderr, if asked to."""
        if self.verbose and iteration % int(self.verbose) == 0:
            sys.stderr.write(f"[SMNNRegressor] iteration {iteration}: {words}\n")
            sys.stderr.flush()
