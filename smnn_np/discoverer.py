"""Governing equations from measurements, as a scikit-learn estimator: orchestration only."""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from ._data import (
    as_columns,
    build_record,
    match_runs,
    mean_r2,
    name_states,
    read_controls,
    read_groups,
    read_points,
    read_states,
)
from ._posterior import spread_run
from .library import PolynomialLibrary, build_library
from .selection import NO_LAW, discover
from .simulate import TrajectoryError, describe, fitted_law
from .text import clean_name, format_equations, latex_equations, sympy_equations


class SMNNDiscoverer(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Find the equations y' = f(y, u) behind measured time series.

    States at all times and coefficients are fitted together (joint smoothing and identification);
    terms are chosen by one criterion, the evidence, over a stepwise path of models. The noise
    level is estimated. No threshold is left to choose.

    Parameters
    ----------
    degree : int, default=2
        Highest degree of the polynomial candidate terms.
    library : transformer, default=None
        Candidate terms of [states, controls] instead of polynomials: a scikit-learn transformer
        with ``get_feature_names_out``. It is fitted to the measured states and controls.
    order : {1, 2}, default=1
        Order of the equations; 2 finds x'' = f(x, x', u) from measured x.
    verbose : int, default=0
        1 writes a line to stderr for every stage of the fit.

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
    path_ : list of PathModel
        The best model found of each size, the largest first.
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
        self, degree: int = 2, library: Any = None, order: int = 1, verbose: int = 0
    ) -> None:
        self.degree = degree
        self.library = library
        self.order = order
        self.verbose = verbose

    def fit(self, t: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
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

        Returns
        -------
        SMNNDiscoverer

        Raises
        ------
        ValueError
            If the input cannot be used; the message says what came and what is wanted.
        """
        if self.order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, not {self.order!r}.")
        inputs = validate_data(self, as_columns(t), dtype=np.float64)
        states = read_states(y, len(inputs))
        record = build_record(inputs, states, read_groups(groups, len(inputs)))
        self._y_is_1d = np.asarray(y).ndim == 1
        self.state_names_ = name_states(y, states.shape[1])
        self._library = build_library(self.library, self.degree, record.points(self.order))
        self.feature_names_out_ = np.array(self._library.names(self._input_names()), dtype=object)
        if isinstance(self._library, PolynomialLibrary):
            self.powers_ = self._library.powers
        self._problem, path = discover(record, self._library, self.order, self._report)
        self._models = path.models
        self.path_ = [describe(self._problem, model) for model in self._models]
        self._choose(path.best.n_terms)
        if not path.follows:
            warnings.warn(NO_LAW, ConvergenceWarning, stacklevel=2)
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
        self._choose(k)
        return self

    def equations(self) -> list[str]:
        """Write the equations, as ``x' = -10.0 x + 10.0 y``; right-hand sides parse with sympy.

        Returns
        -------
        list of str
            One equation a state.
        """
        check_is_fitted(self)
        terms = list(self.feature_names_out_)
        return format_equations(self.state_names_, terms, self.coef_, self.order)

    def to_latex(self) -> list[str]:
        """Write the equations in LaTeX.

        Returns
        -------
        list of str
            One equation for each state.
        """
        check_is_fitted(self)
        terms = list(self.feature_names_out_)
        return latex_equations(self.state_names_, terms, self.coef_, self.order)

    def to_sympy(self) -> list[Any]:
        """Return the right-hand sides as sympy expressions.

        Returns
        -------
        list of sympy.Expr
            One for each state.
        """
        check_is_fitted(self)
        return sympy_equations(list(self.feature_names_out_), self.coef_)

    def derivative(self, y: ArrayLike, controls: ArrayLike | None = None) -> np.ndarray:
        """Evaluate the time derivative of states.

        Parameters
        ----------
        y : array-like of shape (n, n_states)
            States; [x, x'] if ``order=2``.
        controls : array-like of shape (n, n_controls), default=None
            Controls at the same instants.

        Returns
        -------
        ndarray of shape (n, n_states)
        """
        check_is_fitted(self)
        states = read_points(y, self._law.states.shape[1])
        return self._law.rate(states, read_controls(controls, len(states), self.n_features_in_ - 1))

    def simulate(self, y0: ArrayLike, t: ArrayLike, controls: Any = None) -> np.ndarray:
        """Integrate the equations from a first state.

        Parameters
        ----------
        y0 : array-like of shape (n_states,)
            State at ``t[0]``; [x, x'] if ``order=2``.
        t : array-like of shape (m,)
            Increasing times.
        controls : array-like of shape (m, n_controls) or callable, default=None
            Controls at `t`, linear in between, or a function of time that returns them.

        Returns
        -------
        ndarray of shape (m, n_states), or (m,) if `y` was 1-D and ``order=1``

        Raises
        ------
        ValueError
            If the trajectory blows up; the message names time and state.
        """
        check_is_fitted(self)
        times = np.asarray(t, dtype=np.float64)
        if times.ndim != 1 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
            raise ValueError("t must be 1-D, finite and increase strictly; sort it first.")
        start = np.asarray(y0, dtype=np.float64).reshape(-1)
        n_states = self._law.states.shape[1]
        if start.shape != (n_states,) or not np.isfinite(start).all():
            raise ValueError(f"y0 must hold {n_states} finite numbers, one a state, not {y0!r}.")
        if not callable(controls):
            controls = read_controls(controls, len(times), self.n_features_in_ - 1)
        path = self._law.integrate(start, times, times, controls)
        return path[:, 0] if self._y_is_1d and self.order == 1 else path

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
        t = as_columns(t, self.n_features_in_)
        inputs = validate_data(self, t, dtype=np.float64, reset=False)
        run = match_runs(self._law.record.labels, read_groups(groups, len(inputs)), len(inputs))
        states = np.empty((len(inputs), len(self.state_names_)))
        for r in np.unique(run):
            rows = np.flatnonzero(run == r)
            states[rows] = evaluate(int(r), inputs[rows])[:, : states.shape[1]]
        return states[:, 0] if self._y_is_1d else states

    def _input_names(self) -> list[str]:
        """Names of the library's inputs: states, velocities, controls."""
        names = list(self.state_names_)
        if self.order == 2:
            names += [f"{name}'" for name in names]
        plain = ["t", *(f"u{i}" for i in range(self.n_features_in_ - 1))]
        given = getattr(self, "feature_names_in_", plain)
        return names + [clean_name(str(name)) for name in given[1:]]

    def _choose(self, n_terms: int) -> None:
        """Make the path's model with so many terms the fitted one."""
        position = [model.n_terms for model in self.path_].index(n_terms)
        shown, fit = self.path_[position], self._models[position].fit
        self.coef_, self.coef_std_ = shown.coef.copy(), shown.coef_std.copy()
        self.noise_std_ = shown.noise_std.copy()
        names = self._input_names()[: fit.nodes.shape[1]]
        self._law = fitted_law(self._problem, fit, self._library, names)

    def _report(self, line: str) -> None:
        """Write a stage of the fit to stderr, if asked to."""
        if self.verbose:
            sys.stderr.write(f"[SMNNDiscoverer] {line}\n")
            sys.stderr.flush()

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that a law in time is no good regressor of unordered features."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
