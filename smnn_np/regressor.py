"""The mechanistic neural network as a scikit-learn regressor: orchestration only."""

import sys
import warnings
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._emitter import Emitter
from ._settings import check_length, check_settings, hidden_sizes, new_design
from ._start import start_from_equations
from ._training import Progress, descend, new_adam
from ._trajectories import Samples, read_trajectories, score_r2, shape_like
from .mechanism import Mechanism
from .network import Perceptron


class SMNNRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Mechanistic neural network: features -> perceptron -> linear ODE -> trajectory.

    DOC
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (64, 64),
        activation: str = "tanh",
        *,
        order: int = 2,
        n_dims: int | None = None,
        step: Any = 1.0,
        learn_step: bool = False,
        time_varying: bool | int = False,
        coupled: bool = True,
        learn_weights: bool = False,
        n_orders: int | None = None,
        n_substeps: int | str = "auto",
        start: str = "equations",
        loss: str = "squared_error",
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate: str = "adaptive",
        learning_rate_init: float = 1e-3,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-5,
        verbose: int = 0,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.order = order
        self.n_dims = n_dims
        self.step = step
        self.learn_step = learn_step
        self.time_varying = time_varying
        self.coupled = coupled
        self.learn_weights = learn_weights
        self.n_orders = n_orders
        self.n_substeps = n_substeps
        self.start = start
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the network to trajectories.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples, n_steps * n_dims), (n_samples, n_steps, n_dims) or \
(n_samples,)
            Trajectories, in C order of (n_steps, n_dims), the first node included; NaN where a
            value is missing. One value a sample is that at the second of two nodes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        SMNNRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If the input cannot be used; the message says what came and what is wanted.
        FloatingPointError
            If the fit diverges. The estimator then has the best weights it had met.
        """
        again = self.warm_start and hasattr(self, "n_iter_")
        samples = self._read(X, y, sample_weight, first=not again)
        if not again:
            self._rng = check_random_state(self.random_state)
        held = None
        if self.early_stopping:
            samples, held = self._hold_out(samples)
        if not again:
            self._begin(samples)
        progress = self._new_progress(held, again)
        self._adam = new_adam(self, self._parameters)
        self._descend(samples, progress, self.max_iter)
        if not progress.stopped and self.n_iter_ >= self.max_iter:
            warnings.warn(
                f"the fit has not converged in max_iter = {self.max_iter} iterations: raise "
                f"max_iter, or set tol higher",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    @available_if(lambda self: self.solver == "adam")
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Go once through these samples, from where the last call stopped; ``solver="adam"`` only.

        The first call decides on units and on the start, so give it samples that are typical.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As in `fit`.

        Returns
        -------
        SMNNRegressor
            This estimator.

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As in `fit`.
        """
        first = not hasattr(self, "n_iter_")
        samples = self._read(X, y, sample_weight, first=first)
        if self.early_stopping:
            raise ValueError(
                "early_stopping = True does not go with partial_fit, which holds no samples out: "
                "set it to False"
            )
        if first:
            self._rng = check_random_state(self.random_state)
            self._begin(samples)
            self._adam = new_adam(self, self._parameters)
        self._descend(samples, self._new_progress(None, not first), 1)
        return self

    def predict(self, X: ArrayLike, n_steps: int | None = None) -> NDArray:
        """Trajectories of the ODEs that the features lead to.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        n_steps : int, default=None
            Number of nodes, fewer or more than were trained on; None for as many. Beyond, the last
            step repeats, and what varies in time stays as it was at the end.

        Returns
        -------
        ndarray of shape (n_samples, n_steps * n_dims), (n_samples, n_steps, n_dims) or (n_samples,)
            In the shape of the targets that were fitted.

        Raises
        ------
        ValueError
            If the input cannot be used.
        OverflowError
            If a trajectory exceeds what a float can hold.
        """
        check_is_fitted(self, "n_iter_")
        features = validate_data(self, X, dtype=np.float64, reset=False)
        length = check_length(n_steps, self.n_steps_)
        values = self._emitter.trajectories(self._parameters, features, length)
        return shape_like(values, self._n_axes, self._single and n_steps is None)

    def predict_ode(self, X: ArrayLike, n_steps: int | None = None) -> Mechanism:
        """The ODEs that the features lead to, in the units of the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        n_steps : int, default=None
            Number of nodes, as in `predict`.

        Returns
        -------
        Mechanism
            ``(coefficients, rhs, initial, steps)``, the arguments of `ode_solve`.
        """
        check_is_fitted(self, "n_iter_")
        features = validate_data(self, X, dtype=np.float64, reset=False)
        length = check_length(n_steps, self.n_steps_)
        return self._emitter.mechanism(self._parameters, features, length)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination of `predict`, averaged over the columns of y.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As in `fit`; NaN in y is left out.

        Returns
        -------
        float
        """
        predicted = self.predict(X)
        n_dims = self.n_dims_ if np.ndim(y) == 2 else None
        target = read_trajectories(y, predicted, n_dims, type(self).__name__)
        weight = None if sample_weight is None else np.asarray(sample_weight)
        shaped = shape_like(target.values, target.n_axes, target.single)
        return score_r2(shaped, predicted, weight)

    @property
    def coefs_(self) -> list[NDArray]:
        """Weights of the network's layers."""
        return [weight for weight, _ in self._emitter.network.layers(self._parameters)]

    @property
    def intercepts_(self) -> list[NDArray]:
        """Biases of the network's layers."""
        return [bias for _, bias in self._emitter.network.layers(self._parameters)]

    def _read(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Samples:
        """Check all of the input and return what counts of it."""
        check_settings(self.get_params(deep=False))
        X = validate_data(self, X, dtype=np.float64, reset=first)
        data = read_trajectories(y, X, self.n_dims, type(self).__name__)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
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

    def _hold_out(self, samples: Samples) -> tuple[Samples, Samples]:
        """Put samples aside for early stopping."""
        rows, held = train_test_split(
            np.arange(len(samples.X)), test_size=self.validation_fraction, random_state=self._rng
        )
        return samples.take(rows), samples.take(held)

    def _begin(self, samples: Samples) -> None:
        """Choose units, design and first parameters."""
        self.n_steps_, self.n_dims_ = samples.y.shape[1:]
        design, units = new_design(self, samples)
        sizes = [samples.X.shape[1], *hidden_sizes(self.hidden_layer_sizes), design.n_outputs]
        network = Perceptron(sizes, self.activation)
        self._emitter = Emitter(network, design, units)
        self._parameters = network.start(self._rng)
        if self.start == "equations":
            objective = self._emitter.objective(samples, self.loss, self.alpha)
            start_from_equations(objective, self._parameters)

    def _new_progress(self, held: Samples | None, again: bool) -> Progress:
        """Watch the loss, or the score of what was held out."""

        def score(parameters: NDArray, held: Samples) -> float:
            predicted = self._emitter.trajectories(parameters, held.X, self.n_steps_)
            return score_r2(held.y, predicted, held.weight)

        watched = None if held is None else partial(score, held=held)
        patience = np.inf if self.solver == "lbfgs" and held is None else self.n_iter_no_change
        progress = Progress(self.tol, patience, watched, self._report)
        if again:
            progress.losses = self.loss_curve_
        return progress

    def _descend(self, samples: Samples, progress: Progress, max_iter: int) -> None:
        """Go down, keep what is good, and set the attributes that tell of it."""
        n_before = len(progress.losses)
        objective = self._emitter.objective(samples, self.loss, self.alpha)
        try:
            descend(self, objective, self._parameters, self._adam, self._rng, progress, max_iter)
        finally:
            self.n_iter_ = len(progress.losses) - n_before
            self.loss_curve_ = progress.losses
            watched = progress.score is not None
            self.loss_ = progress.losses[-1] if progress.losses else np.inf
            self.best_loss_ = None if watched else progress.best_loss
            self.validation_scores_ = progress.scores if watched else None
            self.best_validation_score_ = progress.best_score if watched else None
            self._seconds_in_solver = objective.seconds_in_solver

    def _report(self, iteration: int, words: str) -> None:
        """Write an iteration to stderr, if asked to."""
        if self.verbose and iteration % int(self.verbose) == 0:
            sys.stderr.write(f"[SMNNRegressor] iteration {iteration}: {words}\n")
            sys.stderr.flush()
