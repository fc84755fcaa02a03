"""Governing equations from measurements, as a scikit-learn estimator: orchestration only."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._arrays import bring_home, send_back
from ._criterion import leftover
from ._data import (
    DataWarning,
    Record,
    as_columns,
    build_record,
    check_kind,
    match_runs,
    mean_r2,
    name_states,
    read_groups,
    read_noise,
    read_states,
)
from ._equations import EquationsMixin
from ._known import Known
from ._path import ModelPath, describe
from ._posterior import spread_run
from ._progress import CALLER, INTERRUPTED, CallbackSupportMixin, Progress, with_callbacks
from ._saved import SavedMixin
from ._suspicions import check_times, no_noise, suspicions, too_noisy
from .constraints import Constraints, read_constraints
from .library import PolynomialLibrary, build_library, check_degree
from .selection import NO_LAW, discover
from .simulate import TrajectoryError, fitted_law
from .text import clean_name


class SMNNDiscoverer(
    CallbackSupportMixin, MultiOutputMixin, RegressorMixin, EquationsMixin, SavedMixin
):
    """Find the equations y' = f(y, u) behind measured time series.

    States at all times and coefficients are fitted together (joint smoothing and identification);
    terms are chosen by one criterion, the evidence, over a stepwise path of models. The noise
    level is estimated. No threshold is left to choose.

    Parameters
    ----------
    degree : int, default=2
        Highest degree of the polynomial candidate terms.
    library : transformer, default=None
        Candidate terms of [states, controls] instead of polynomials: `PolynomialTerms`,
        `FourierTerms`, `RationalTerms`, `FormulaTerms`, a sum of them, or any scikit-learn
        transformer with ``get_feature_names_out``. A transformer is fitted to the measured states
        and controls; its derivatives are differenced unless it has a method ``jacobian(X)`` that
        returns them, (n, n_terms, n_inputs).
    order : {1, 2}, default=1
        Order of the equations; 2 finds x'' = f(x, x', u) from measured x.
    constraints : Constraints, default=None
        What is known of the equations: terms forced in or out, fixed or bounded coefficients,
        linear equalities. The search, the fit, the standard errors and all models of `path_`
        obey it.
    noise_std : float or array-like of shape (n_states,), default=None
        Standard deviation of the noise of all states, or of each, where it is known. By default
        it is estimated: give it where samples are so few that it cannot be, or where the law
        found leaves noise that you know to be too little or too much.
    verbose : int, default=0
        1 writes a line to stderr for every stage of the fit, to watch a long one. With
        scikit-learn 1.9 ``set_callbacks(ProgressBar())`` shows its stages instead. Ctrl-C ends a
        fit with the best model so far.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_terms)
        Coefficients of the chosen model, 0 where a term is not in the equation.
    coef_std_ : ndarray of shape (n_targets, n_terms)
        Standard errors.
    feature_names_out_ : ndarray of shape (n_terms,), str
        Names of the terms.
    powers_ : ndarray of shape (n_terms, n_inputs)
        Exponents of the terms (polynomial library only).
    noise_std_ : ndarray of shape (n_targets,)
        Standard deviation of the noise of each state.
    path_ : ModelPath, a list of PathModel
        The best model found of each size, the largest first; printed it is a table, and
        ``path_.to_frame()`` is one for pandas.
    state_names_ : list of str
        Names of the states: columns of a DataFrame `y`, else x, y, z or x0, x1, ...
    n_features_in_ : int
        One for time and one for each control.

    References
    ----------
    Chen, Yao, Pervez, Alistarh, Locatello (2025), Scalable Mechanistic Neural Networks, ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np import SMNNDiscoverer
    >>> t = np.linspace(0, 6, 200)
    >>> model = SMNNDiscoverer(degree=1).fit(t, np.column_stack([np.cos(2 * t), np.sin(2 * t)]))
    >>> model.equations()
    ["x' = -2.0 y", "y' = 2.0 x"]
    """

    def __init__(
        self,
        degree: int = 2,
        library: Any = None,
        order: int = 1,
        constraints: Constraints | None = None,
        noise_std: ArrayLike | None = None,
        verbose: int = 0,
    ) -> None:
        self.degree = degree
        self.library = library
        self.order = order
        self.constraints = constraints
        self.noise_std = noise_std
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        t: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Find the equations.

        Parameters
        ----------
        t : array-like of shape (n,) or (n, 1 + n_controls)
            Times, in any order, then controls (linear between the times). Repeated times are
            repeated measurements.
        y : array-like of shape (n,) or (n, n_states)
            Measured states; NaN where a sample is missing.
        groups : array-like of shape (n,), default=None
            Labels of the runs; no law ties one run to another.
        sample_weight : array-like of shape (n,), default=None
            How many measurements a sample counts as: a weight of 2 is the same sample twice, 0
            leaves it out. For samples of unequal noise give weights in proportion to one over its
            variance, one on average.

        Returns
        -------
        SMNNDiscoverer

        Raises
        ------
        ValueError
            If the input cannot be used; the message says what came and what is wanted.
        """
        record = self._read(t, y, groups, sample_weight)
        given = self._name(record)
        progress = Progress(self, t, y)
        self._problem, path = discover(record, self._library, self.order, given, progress)
        progress.end()
        self._models = path.models
        shown = (describe(self._problem, model) for model in self._models)
        self.path_ = ModelPath(shown, self.state_names_, self.feature_names_out_)
        self._choose([model is path.best for model in self._models].index(True))
        if path.interrupted or not path.follows:
            message = INTERRUPTED if path.interrupted else NO_LAW
            warnings.warn(message, ConvergenceWarning, stacklevel=CALLER)
        for sentence in self._misfit(given):
            warnings.warn(sentence, DataWarning, stacklevel=CALLER)
        return self

    def select(self, k: int) -> Self:
        """Switch to the model of the path with k terms.

        Parameters
        ----------
        k : int
            Number of terms; the sizes on the path are ``[m.n_terms for m in model.path_]``.

        Returns
        -------
        SMNNDiscoverer
            This estimator, with all fitted attributes those of that model.
        """
        check_is_fitted(self)
        sizes = [model.n_terms for model in self.path_]
        if k not in sizes:
            listed = ", ".join(map(str, sizes))
            raise ValueError(f"k = {k!r}: the path has models with {listed} terms; choose one.")
        self._choose(sizes.index(k))
        return self

    def predict(
        self, t: ArrayLike, groups: ArrayLike | None = None, return_std: bool = False
    ) -> Any:
        """Evaluate the states: smoothed inside the fitted span, simulated beyond it.

        Parameters
        ----------
        t : array-like of shape (n,) or (n, 1 + n_controls)
            Times, in any order, and the controls there.
        groups : array-like of shape (n,), default=None
            Runs; needed if several were fitted.
        return_std : bool, default=False
            Return standard deviations too: of the states, given the terms, not of new
            measurements; beyond the span by the linearized equations.

        Returns
        -------
        ndarray of shape (n, n_states), or (n,) if `y` was 1-D; with `return_std` a tuple of two
        """
        check_is_fitted(self)
        parts = (self._law.predict_run, partial(spread_run, self._law))[: 1 + return_std]
        found = tuple(self._by_run(part, t, groups) for part in parts)
        return found if return_std else found[0]

    def score(
        self,
        t: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Coefficient of determination of `predict`, averaged over states; NaN in `y` is left out.

        Parameters
        ----------
        t, y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n,), default=None
            Weights of the samples.
        groups : array-like of shape (n,), default=None
            Labels of the runs, as in `fit`.

        Returns
        -------
        float
        """
        return mean_r2(y, self.predict(t, groups), sample_weight)

    def score_simulated(self, t: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> float:
        """R^2 of the trajectory simulated from the first smoothed state of each run.

        Parameters
        ----------
        t, y, groups : array-like
            As in `fit`, inside the fitted span.

        Returns
        -------
        float
            Minus infinity if the trajectory blows up.
        """
        check_is_fitted(self)
        try:
            return mean_r2(y, self._by_run(self._law.simulate_run, t, groups), None)
        except TrajectoryError:
            return -np.inf

    def _by_run(
        self, evaluate: Callable[[int, np.ndarray], np.ndarray], t: ArrayLike, groups: Any
    ) -> np.ndarray:
        """Evaluate the measured states run by run: (n, n_targets), or (n,) if `y` was 1-D."""
        home, groups = bring_home(t, groups)
        columns = as_columns(home, self.n_features_in_)
        inputs = validate_data(self, columns, dtype=np.float64, reset=False)
        run = match_runs(self._law.record.labels, read_groups(groups, len(inputs)), len(inputs))
        states = np.empty((len(inputs), len(self.state_names_)))
        for r in np.unique(run):
            rows = np.flatnonzero(run == r)
            states[rows] = evaluate(int(r), inputs[rows])[:, : states.shape[1]]
        return send_back(states[:, 0] if self._y_is_1d else states, t)

    def _read(self, t: Any, y: Any, groups: Any, sample_weight: Any) -> Record:
        """Check what was passed, and put it in order."""
        if self.order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, not {self.order!r}.")
        t, y, groups, sample_weight = bring_home(t, y, groups, sample_weight)
        check_kind(t)
        inputs = validate_data(self, as_columns(t), dtype=np.float64)
        states = read_states(y, len(inputs))
        if self.library is None:  # before much is done with a million columns
            check_degree(self.degree, self.order * states.shape[1] + inputs.shape[1] - 1)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, inputs, ensure_non_negative=True)
        record = build_record(inputs, states, read_groups(groups, len(inputs)), weight)
        check_times(record)
        self._y_is_1d = np.asarray(y).ndim == 1
        self.state_names_ = name_states(y, states.shape[1])
        return record

    def _name(self, record: Record) -> Known:
        """Build the library, warn of what cannot be told apart, read what is known."""
        names = self._input_names()
        points = record.points(self.order)
        self._library = build_library(self.library, self.degree, points, names)
        terms = self._library.names(names)
        self.feature_names_out_ = np.array(terms, dtype=object)
        if isinstance(self._library, PolynomialLibrary):
            self.powers_ = self._library.powers
        noise = read_noise(self.noise_std, len(self.state_names_))
        structure = None
        if self.constraints is not None:
            structure = read_constraints(self.constraints, self.state_names_, terms)
        for sentence in suspicions(record, self._library, self.order, names, terms):
            warnings.warn(sentence, DataWarning, stacklevel=CALLER + 1)
        return Known(noise, structure)

    def _input_names(self) -> list[str]:
        """Names of the library's inputs: states, velocities, controls."""
        names = list(self.state_names_)
        if self.order == 2:
            names += [f"{name}'" for name in names]
        plain = ["t", *(f"u{i}" for i in range(self.n_features_in_ - 1))]
        given = getattr(self, "feature_names_in_", plain)
        return names + [clean_name(str(name)) for name in given[1:]]

    def _choose(self, position: int) -> None:
        """Make a model of the path the fitted one."""
        shown, fit = self.path_[position], self._models[position].fit
        self._chosen = position
        self.coef_, self.coef_std_ = shown.coef.copy(), shown.coef_std.copy()
        self.noise_std_ = shown.noise_std.copy()
        names = self._input_names()[: fit.nodes.shape[1]]
        self._law = fitted_law(self._problem, fit, self._library, names)

    def _misfit(self, given: Known) -> list[str]:
        """Say where the law leaves more than noise: than was given, or than looks like noise."""
        if given.noise is None:
            return no_noise(self._problem, self._law.fit, self.state_names_)
        left = leftover(self._problem, self._law.fit) * self._problem.scales.state
        return too_noisy(left[: len(given.noise)], given.noise, self.state_names_)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that a law in time is no good regressor of unordered features."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
