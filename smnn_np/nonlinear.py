"""The likeliest value of a nonlinear parameter: fit after fit along it, by the evidence."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from sklearn.base import clone

_WIDE = 10.0  # ratio of the bounds from which on the parameter is searched on a log scale


@dataclass(frozen=True)
class Profile:
    """The evidence along a parameter.

    Attributes
    ----------
    parameter : str
        Its name.
    values, criteria : ndarray of shape (n,)
        Values tried, increasing, and minus twice the log evidence of the best law of each; infinite
        where no law follows the data.
    best : float
        The value of the lowest criterion.
    std : float
        Its standard error, from the curvature there; NaN where the values tried do not tell.
    estimator : SMNNDiscoverer
        Fitted with the best value.
    """

    parameter: str
    values: np.ndarray
    criteria: np.ndarray
    best: float
    std: float
    estimator: Any


def profile(
    estimator: Any,
    t: ArrayLike,
    y: ArrayLike,
    parameter: str,
    bounds: tuple[float, float],
    *,
    n_values: int = 9,
    **fit_params: Any,
) -> Profile:
    """Find the value of a parameter that makes the best law the likeliest.

    Parameters
    ----------
    estimator : SMNNDiscoverer
        It is cloned, not changed.
    t, y : array-like
        As in ``SMNNDiscoverer.fit``.
    parameter : str
        Name of a number in the ``parameters`` of the library or of one of its parts, such as k in
        ``FormulaTerms(["exp(-k x)"], parameters={"k": 1})``, or a parameter in scikit-learn's
        notation, such as ``library__frequency``.
    bounds : tuple of float
        Least and largest value. The law must hold well at none of the values tried first: choose
        bounds such that `n_values` between them come near the best.
    n_values : int, default=9
        Number of values tried before the best is refined.
    **fit_params
        Passed to ``fit``: groups, sample_weight.

    Returns
    -------
    Profile

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.integrate import solve_ivp
    >>> from smnn_np import FormulaTerms, SMNNDiscoverer, profile
    >>> t = np.linspace(0, 6, 60)
    >>> y = solve_ivp(lambda t, x: -x / (0.5 + x), (0, 6), [3.0], t_eval=t, rtol=1e-8).y[0]
    >>> y += 0.01 * np.random.default_rng(0).standard_normal(60)
    >>> library = FormulaTerms(["1", "x", "x/(k + x)"], parameters={"k": 1.0})
    >>> found = profile(SMNNDiscoverer(library=library), t, y, "k", (0.2, 1.0), n_values=4)
    >>> abs(found.best - 0.5) < 3 * found.std < 0.3
    True
    """
    low, high = map(float, bounds)
    if not low < high:
        raise ValueError(f"bounds = {bounds!r}: a pair (low, high) with low < high is wanted.")
    log = low > 0 and high / low >= _WIDE
    tried: dict[float, tuple[float, Any]] = {}

    def evaluate(place: float) -> float:
        value = float(np.exp(place)) if log else float(place)
        if value not in tried:
            tried[value] = _fit(estimator, parameter, value, t, y, fit_params)
        return tried[value][0]

    first, last = (np.log(low), np.log(high)) if log else (low, high)
    grid = np.linspace(first, last, n_values)
    heights = np.array([evaluate(place) for place in grid])
    if not np.isfinite(heights).any():
        raise ValueError(
            f"no value of {parameter} between {low:g} and {high:g} makes a law that follows the "
            "data: try other bounds or more values, or another library."
        )
    best = int(np.argmin(heights))
    around = grid[max(best - 1, 0)], grid[min(best + 1, n_values - 1)]
    options = {"xatol": 1e-2 * (around[1] - around[0]), "maxiter": 8}
    minimize_scalar(
        lambda place: min(evaluate(place), 1e300), bounds=around, method="bounded", options=options
    )
    values = np.array(sorted(tried))
    criteria = np.array([tried[value][0] for value in values])
    chosen = float(values[np.argmin(criteria)])
    std = _curvature_std(values, criteria)
    return Profile(parameter, values, criteria, chosen, std, tried[chosen][1])


def _fit(
    estimator: Any, parameter: str, value: float, t: Any, y: Any, fit_params: dict[str, Any]
) -> tuple[float, Any]:
    """Fit with one value: the criterion of the best law and the fitted estimator."""
    model = clone(estimator)
    if "__" in parameter:
        model.set_params(**{parameter: value})
    elif not _set(model.library, parameter, value):
        raise ValueError(
            f"parameter = {parameter!r} is in no parameters of library = {model.library!r}; "
            f"write {parameter} into a formula and give it a value there."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit(t, y, **fit_params)
    found = [each.criterion for each in model.path_ if each.converged]
    return min(found, default=np.inf), model


def _set(library: Any, parameter: str, value: float) -> bool:
    """Set a parameter wherever a library has it; whether it does."""
    parts = [_set(part, parameter, value) for part in getattr(library, "parts", ())]
    own = getattr(library, "parameters", None) or {}
    if parameter in own:
        library.parameters = {**own, parameter: value}
    return parameter in own or any(parts)


def _curvature_std(values: np.ndarray, criteria: np.ndarray) -> float:
    """Standard error from a parabola through the values near the lowest criterion."""
    near = np.flatnonzero(criteria < criteria.min() + 10.0)
    if len(near) < 3:
        near = np.argsort(criteria)[:3]
    near = near[np.isfinite(criteria[near])]
    center = values[np.argmin(criteria)]
    width = np.ptp(values[near])
    if len(near) < 3 or width == 0:
        return np.nan
    bend = np.polyfit((values[near] - center) / width, criteria[near], 2)[0]
    return float(width / np.sqrt(bend)) if bend > 0 else np.nan
