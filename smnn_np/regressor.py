"""The mechanistic neural network as a scikit-learn regressor: orchestration only."""

import warnings
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._arrays import on_gpu
from ._fitting import FittingMixin
from ._linear import EmittedMixin
from ._reading import read_features
from ._settings import check_length
from ._training import new_adam
from ._trajectories import score_trajectories, shape_like
from .mechanism import Mechanism


class SMNNRegressor(FittingMixin, MultiOutputMixin, RegressorMixin, EmittedMixin):
    """Mechanistic neural network: features -> perceptron -> linear ODE -> trajectory.

    A perceptron turns the features of a sample into a linear ODE: coefficients, right-hand side and
    initial values. `ode_solve` turns that into a trajectory. Both are trained together, through the
    hand-derived adjoint of the solver. Features and targets are scaled to mean 0 and spread 1, time
    to the pace of the targets, so that the defaults suit data of any scale. CuPy arrays stay on
    their GPU: it trains there, and predicts where the features are, whatever it was fitted to.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(64, 64)
        Sizes of the hidden layers.
    activation : {"identity", "logistic", "tanh", "relu"}, default="tanh"
        Of the hidden layers.
    order : int, default=2
        Order of the ODE.
    n_dims : int, default=None
        Number of dimensions of a trajectory: how the columns of a 2-D y are divided. None for
        the last axis of a 3-D y, 1 otherwise.
    step : float or array of shape (n_steps - 1,), default=1.0
        Time between nodes.
    learn_step : bool, default=False
        Whether the network stretches the time of each sample, by a factor of at most e^2.
    time_varying : bool or int, default=False
        Degree of polynomials in time by which coefficients and right-hand sides vary; True for 3.
    coupled : bool, default=True
        Whether the equation of one dimension holds the others too.
    learn_weights : bool, default=False
        Whether the network weighs equations and initial values against smoothness.
    n_orders : int, default=None
        Derivatives kept at each node, R; None for order + 3.
    n_substeps : int or "auto", default="auto"
        Steps of the solver for each step between nodes; "auto" by the pace of the targets.
    start : {"equations", "zero"}, default="equations"
        Whether to fit equations, then linearized trajectories, to the data before descending, or
        to start near y^(order) = 0.
    loss : {"squared_error", "huber"}, default="squared_error"
        Half the mean square, or that up to a tenth of the targets' spread and linear beyond.
    solver : {"adam", "lbfgs"}, default="adam"
        How to descend. "lbfgs" goes further on up to some thousand samples.
    alpha : float, default=1e-4
        Strength of the penalty on the squares of the network's weights.
    batch_size : int or "auto", default="auto"
        Samples in a batch of Adam; "auto" for 200 or all, whichever is less.
    learning_rate : {"constant", "adaptive"}, default="adaptive"
        Where Adam stalls, "adaptive" goes back to the best weights and on with a fifth of the rate,
        down to a 1/625 of the first one.
    learning_rate_init : float, default=1e-3
        Adam's learning rate; between calls of `partial_fit` it may be changed, by `set_params`.
    max_iter : int, default=200
        Largest number of iterations; for Adam, of epochs.
    shuffle : bool, default=True
        Whether Adam shuffles the samples before each epoch.
    random_state : int, RandomState or None, default=None
        Seed of first weights, shuffling and early stopping.
    tol : float, default=1e-5
        What counts as an improvement (Adam), or as a gradient of zero (L-BFGS).
    verbose : int, default=0
        k > 0 writes a line to stderr every k iterations.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and units of the last one.
    early_stopping : bool, default=False
        Whether to stop by the score of samples held out, and return to the weights best there.
    validation_fraction : float, default=0.1
        Share of the samples to hold out.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Adam's constants.
    n_iter_no_change : int, default=10
        Iterations without an improvement after which Adam stalls or stops.
    max_fun : int, default=15000
        Largest number of evaluations of L-BFGS.

    Attributes
    ----------
    n_iter_ : int
        Iterations of the last fit.
    loss_, best_loss_ : float
        Last and best of `loss_curve_`; the best is None with early stopping.
    loss_curve_ : list of float
        Loss of each iteration, in units of the targets' spread.
    validation_scores_ : list of float
        R^2 of the samples held out; None without early stopping.
    best_validation_score_ : float
        The best of them.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of the network's layers, on the host.
    n_steps_, n_dims_ : int
        Nodes and dimensions of a trajectory.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X had names.

    References
    ----------
    Pervez, Locatello, Gavves (2024), Mechanistic Neural Networks for Scientific Machine Learning,
    ICML. Chen, Yao, Pervez, Alistarh, Locatello (2025), Scalable Mechanistic Neural Networks, ICLR.

    Examples
    --------
    Oscillators of three frequencies, learned from one period and continued for another:

    >>> import numpy as np
    >>> from smnn_np import SMNNRegressor
    >>> frequency, t = np.array([[0.9], [1.0], [1.1]]), np.linspace(0, 12, 61)
    >>> y = np.cos(frequency * t)
    >>> model = SMNNRegressor(step=0.2, solver="lbfgs", random_state=0).fit(frequency, y[:, :31])
    >>> model.predict(frequency, n_steps=61).shape
    (3, 61)
    >>> bool(abs(model.predict(frequency, n_steps=61) - y).max() < 0.1)
    True
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
            The fitted estimator; after Ctrl-C with the best weights it had met, and a warning.

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
        features = read_features(self, X, reset=False)
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
        features = read_features(self, X, reset=False)
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
        on_gpu({"X": X, "y": y, "sample_weight": sample_weight})  # refuses a mixture
        name = type(self).__name__
        return score_trajectories(y, self.predict(X), sample_weight, self.n_dims_, name)
