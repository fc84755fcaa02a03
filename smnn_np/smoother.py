"""Measured series smoothed and differentiated, as a scikit-learn estimator: orchestration only."""

import numbers
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ._arrays import array_module, bring_home, is_cupy, side_by_side, to_numpy
from ._asked import cut_runs, pick, read_coefficients, read_stds, read_times
from ._data import as_columns, mean_r2, name_states, read_groups, read_states
from ._linear import SmoothedMixin
from ._marginal import CRITERIA
from ._smoothing import Wish, fit_series
from ._together import predict_series

_MAX_ORDER = 8


class SMNNSmoother(MultiOutputMixin, RegressorMixin, SmoothedMixin):
    """Smooth measured series, and their derivatives, as solutions of a linear ODE.

    Each series is a sample of x plus white noise, and x obeys, with x^(r) its r-th derivative,
    ``x^(R) + c[R-1] x^(R-1) + ... + c[0] x = drive * white noise``. Without coefficients (all c
    zero) x is a smoothing spline of degree 2 R - 1; coefficients, given or learned, say how the
    series moves by itself. The posterior mean and standard deviation of x and its derivatives are
    computed exactly, in time linear in the number of samples; CuPy arrays stay on their GPU.

    Parameters
    ----------
    order : int or "auto", default="auto"
        R, the order of the ODE: derivatives up to R - 1 exist. "auto" is the length of given
        coefficients, 3 with learned ones, else the best of 3, 4 and 5.
    coefficients : array-like of shape (R,), callable, "constant", "varying" or None, default=None
        c[0], ..., c[R-1], or a function of times (n,) that returns them, (R,) or (n, R); learned
        as constants; or learned as functions of time, cubic splines. None for zero.
    n_knots : int, default=5
        Number of knots of varying coefficients: of a line 2, of a parabola 3, of a cubic 4.
    selection : {"marginal_likelihood", "cross_validation"}, default="marginal_likelihood"
        How the strength of the smoothing is found; the second leaves out one sample at a time.
    noise_std : float or array-like of shape (n_series,), default=None
        Standard deviation of the measurements' noise where it is known.
    drive_std : float or array-like of shape (n_series,), default=None
        Density of the driving white noise where it is known, in units of the series over
        time^(R - 1/2).

    Attributes
    ----------
    noise_std_, drive_std_ : ndarray of shape (n_series,)
        The two standard deviations as found or given.
    order_ : ndarray of shape (n_series,), int
        Orders of the ODEs.
    coef_, coef_std_ : ndarray of shape (n_series, R) or (n_series, n_knots, R)
        Learned coefficients and their standard errors; only if some were learned.
    knots_ : ndarray of shape (n_knots,)
        Times of the varying coefficients; only if there are any.
    effects_ : ndarray of shape (n_series, n_runs, n_covariates)
        What a unit of each covariate adds to a series.
    state_names_ : list of str
        Names of the series: the columns of a DataFrame, else x, y, z, else x0, x1, ...
    n_features_in_ : int
        Columns of t: one for time and one for each covariate.

    References
    ----------
    Wahba (1978), Improper priors, spline smoothing and the problem of guarding against model
    errors in regression. J. R. Stat. Soc. B 40, 364-372.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np import SMNNSmoother
    >>> t = np.linspace(0, 6, 200)
    >>> y = np.sin(t) + 0.1 * np.random.default_rng(0).standard_normal(200)
    >>> model = SMNNSmoother().fit(t, y)
    >>> slope, std = model.predict([1.0, 2.0], derivative=1, return_std=True)
    >>> bool(np.all(np.abs(slope - np.cos([1.0, 2.0])) < 3 * std))
    True
    """

    def __init__(
        self,
        order: int | str = "auto",
        coefficients: Any = None,
        n_knots: int = 5,
        selection: str = "marginal_likelihood",
        noise_std: Any = None,
        drive_std: Any = None,
    ) -> None:
        self.order = order
        self.coefficients = coefficients
        self.n_knots = n_knots
        self.selection = selection
        self.noise_std = noise_std
        self.drive_std = drive_std

    def fit(self, t: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Find how strongly to smooth each series, and its coefficients if asked to.

        Parameters
        ----------
        t : array-like of shape (n,) or (n, 1 + n_covariates)
            Times, in any order, then covariates whose effect is added to the series. A repeated
            time is a repeated measurement.
        y : array-like of shape (n,) or (n, n_series)
            Measurements; NaN where a sample is missing. Every column is a series of its own.
        groups : array-like of shape (n,), default=None
            Labels of runs that share coefficients, noise and drive, and nothing else.

        Returns
        -------
        SMNNSmoother
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input cannot be used; the message says what came and what is wanted.
        """
        order, (groups,) = self._check_parameters(), bring_home(groups)
        t, y = side_by_side(t, y)
        inputs = read_times(self, as_columns(t), reset=True)
        if y is None:
            raise ValueError(
                "this SMNNSmoother estimator requires y to be passed, but the target y is None."
            )
        series = read_states(y, len(inputs))
        labels = read_groups(groups, len(inputs))
        self._y_is_1d = np.ndim(y if is_cupy(y) else np.asarray(y)) == 1
        self._labels, run = np.unique(
            np.zeros(len(inputs)) if labels is None else labels, return_inverse=True
        )
        stds = [
            read_stds(name, getattr(self, name), series.shape[1])
            for name in ("noise_std", "drive_std")
        ]
        self._fits = [
            fit_series(
                cut_runs(inputs, series, s, run, self._labels, order),
                Wish(order, self.coefficients, self.n_knots, self.selection, *given),
            )
            for s, *given in zip(range(series.shape[1]), *stds, strict=True)
        ]
        self._describe(name_states(y, series.shape[1]))
        return self

    def predict(
        self,
        t: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        derivative: int = 0,
        return_std: bool = False,
    ) -> Any:
        """Evaluate the smoothed series or a derivative, between the samples and beyond them.

        Parameters
        ----------
        t : array-like of shape (n,) or (n, 1 + n_covariates)
            Times, in any order, and the covariates there.
        groups : array-like of shape (n,), default=None
            Runs; needed if several were fitted.
        derivative : int, default=0
            Which derivative; covariates add to the series itself only.
        return_std : bool, default=False
            Return standard deviations too: those of x, not of new measurements. They include what
            is uncertain about learned coefficients, how varying ones change beyond the samples
            too, and about a drive that may be zero. They are
            as wide as what is smoothed away on this series asks for, unless both noise and drive
            are given: then they are those of the posterior.

        Returns
        -------
        ndarray of shape (n, n_series), or (n,) if `y` was 1-D
            With `return_std`, a tuple of two of these.
        """
        check_is_fitted(self)
        most = int(self.order_.min()) - 1
        if not isinstance(derivative, numbers.Integral) or not 0 <= derivative <= most:
            raise ValueError(
                f"derivative = {derivative!r}: an integer from 0 to order - 1 = {most} is wanted; "
                "fit with a higher order for higher derivatives."
            )
        inputs = read_times(self, as_columns(t, self.n_features_in_), reset=False)
        run = self._find_runs(read_groups(*bring_home(groups), len(inputs)), len(inputs))
        mean, std = array_module(inputs).empty((2, len(inputs), len(self._fits)))
        for r in np.unique(run):
            rows = pick(run, r, inputs)
            asked = (inputs[rows, 0], inputs[rows, 1:], int(derivative))
            for s, *found in predict_series(self._fits, int(r), *asked):
                mean[rows, s], std[rows, s] = found
        if self._y_is_1d:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean

    def score(
        self,
        t: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Coefficient of determination of `predict`, averaged over series; NaN in `y` is left out.

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

    def _check_parameters(self) -> int | None:
        """Check the constructor's arguments; return the order, None to choose."""
        if self.selection not in CRITERIA:
            wanted = " or ".join(f'"{name}"' for name in CRITERIA)
            raise ValueError(f"selection = {self.selection!r}: {wanted} is wanted.")
        if not isinstance(self.n_knots, numbers.Integral) or self.n_knots < 2:
            raise ValueError(
                f"n_knots = {self.n_knots!r}: an integer of 2 or more is wanted; coefficients = "
                '"constant" has no knots.'
            )
        order = None if isinstance(self.order, str) and self.order == "auto" else self.order
        if order is not None and (
            not isinstance(order, numbers.Integral) or not 1 <= order <= _MAX_ORDER
        ):
            raise ValueError(
                f'order = {self.order!r}: "auto" or an integer from 1 to {_MAX_ORDER} is wanted.'
            )
        return self._check_coefficients(None if order is None else int(order))

    def _check_coefficients(self, order: int | None) -> int | None:
        """Check the coefficients; return the order that they leave."""
        if isinstance(self.coefficients, str):
            if self.coefficients not in ("constant", "varying"):
                raise ValueError(
                    f'coefficients = {self.coefficients!r}: "constant", "varying", numbers, a '
                    "function of time or None is wanted."
                )
        elif callable(self.coefficients):
            if order is None:
                return read_coefficients(self.coefficients(np.zeros(1)), None).shape[-1]
        elif self.coefficients is not None:
            values = read_coefficients(self.coefficients, order)
            if values.ndim != 1:
                raise ValueError(
                    f"coefficients has shape {values.shape}, (R,) is wanted; give a function of "
                    "time for coefficients that vary."
                )
            return len(values)
        return order

    def _describe(self, names: list[str]) -> None:
        """Fill the public attributes."""
        fits, self.state_names_ = self._fits, names
        self.order_ = np.array([fit.order for fit in fits])
        self.noise_std_ = np.array([fit.noise for fit in fits])
        self.drive_std_ = np.array([fit.drive for fit in fits])
        self.effects_ = np.stack([fit.effects() for fit in fits])
        for name in ("coef_", "coef_std_", "knots_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        if isinstance(self.coefficients, str):
            knots, *learned = zip(*(fit.coefficients() for fit in fits), strict=True)
            if self.coefficients == "varying":
                self.knots_ = knots[0]
            which = slice(None) if self.coefficients == "varying" else 0
            self.coef_, self.coef_std_ = (np.stack(each)[:, which] for each in learned)

    def _find_runs(self, groups: np.ndarray | None, n_rows: int) -> np.ndarray:
        """Find each row's run among the fitted ones."""
        if groups is None:
            if len(self._labels) > 1:
                raise ValueError(f"groups is needed: {len(self._labels)} runs were fitted.")
            return np.zeros(n_rows, dtype=np.int64)
        unknown = sorted(set(groups.tolist()) - set(self._labels.tolist()))
        if unknown:
            raise ValueError(
                f"groups has {unknown[0]!r}, which is not one of the {len(self._labels)} fitted "
                "runs: fit it too."
            )
        return np.searchsorted(self._labels, groups)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that a smoother in time is no good regressor of unordered features."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


def derivative(
    y: ArrayLike,
    t: ArrayLike,
    derivative: int = 1,
    *,
    return_std: bool = False,
    **parameters: Any,
) -> Any:
    """Differentiate noisy samples at their own times.

    A shortcut for `SMNNSmoother` that serves wherever a differentiator is wanted.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, n_series)
        Samples; NaN where one is missing.
    t : array-like of shape (n,) or float
        Times, or the step between samples.
    derivative : int, default=1
        Which derivative; 0 smooths.
    return_std : bool, default=False
        Return standard deviations too.
    **parameters : dict
        Parameters of `SMNNSmoother`.

    Returns
    -------
    ndarray in the shape of y
        With `return_std`, a tuple of two of these.

    Examples
    --------
    >>> import numpy as np
    >>> import smnn_np as smnn
    >>> t = np.linspace(0, 6, 200)
    >>> y = np.sin(t) + 0.01 * np.random.default_rng(0).standard_normal(200)
    >>> bool(np.std(smnn.derivative(y, t) - np.cos(t)) < 0.01)
    True
    """
    if np.ndim(t) == 0:
        step = float(np.asarray(to_numpy(t), dtype=np.float64))  # None is NaN
        if not step > 0:
            raise ValueError(f"t = {t!r}: times, or a step > 0 between samples, are wanted.")
        t = step * np.arange(len(y))  # type: ignore[arg-type]
    t = to_numpy(t) if not is_cupy(y) else array_module(y).asarray(t)
    smoother = SMNNSmoother(**parameters).fit(t, y)
    return smoother.predict(t, derivative=derivative, return_std=return_std)
