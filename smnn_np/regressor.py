"""The mechanistic neural network as a scikit-learn regressor: orchestration only."""

import sys
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._objective import Objective, trajectories
from ._settings import check_settings, hidden_sizes, read_step
from ._start import start_from_equations
from ._trajectories import Trajectories, measure_units, read_trajectories, score_r2, shape_like
from .descent import Adam, DivergenceError, adam_epochs, lbfgs
from .mechanism import Design, Mechanism
from .network import Perceptron

_TIME_VARYING_DEGREE = 3
_EXTRA_ORDERS = 3


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
        n_substeps: int = 1,
        start: str = "equations",
        loss: str = "squared_error",
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
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
        """Fit."""
        check_settings(self.get_params(deep=False))
        again = self.warm_start and hasattr(self, "n_iter_")
        X, data, weight = self._read(X, y, sample_weight, reset=not again)
        held = None
        if self.early_stopping:
            X, data, weight, held = self._hold_out(X, data, weight)
        ...
