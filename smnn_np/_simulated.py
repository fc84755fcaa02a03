"""Simulated trajectories of systems whose equations are known term by term."""

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils import Bunch

_Equations = dict[str, dict[str, float]]


def make_lorenz(
    n_samples: int = 1000,
    step: float = 0.01,
    noise: float = 0.0,
    random_state: int | Generator | None = 0,
    *,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
    y0: ArrayLike = (-8.0, 7.0, 27.0),
) -> Bunch:
    """Make a trajectory of the Lorenz system, which is chaotic at the default parameters.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples.
    step : float, default=0.01
        Time between samples.
    noise : float, default=0.0
        Standard deviation of the normal noise added to each state, relative to that of the state.
    random_state : int, Generator or None, default=0
        Seed of the noise.
    sigma, rho, beta : float
        Parameters: x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z.
    y0 : array-like of shape (3,)
        State at time zero.

    Returns
    -------
    Bunch
        ``t`` (n_samples,), ``y`` (n_samples, 3), ``y_clean`` (without the noise), ``noise_std``
        (3,), ``names``, ``units``, ``time_unit``, ``description``; the truth: ``terms`` (names in
        the order of `sklearn.preprocessing.PolynomialFeatures`), ``coef`` (3, n_terms), ``order``.

    Examples
    --------
    >>> from smnn_np.datasets import make_lorenz
    >>> from smnn_np.text import format_equations
    >>> lorenz = make_lorenz(n_samples=50)
    >>> for line in format_equations(lorenz.names, lorenz.terms, lorenz.coef):
    ...     print(line)
    x' = -10.0 x + 10.0 y
    y' = 28.0 x - 1.0 y - 1.0 x z
    z' = -2.66667 z + 1.0 x y
    """
    equations = {
        "x": {"x": -sigma, "y": sigma},
        "y": {"x": rho, "y": -1.0, "x z": -1.0},
        "z": {"x y": 1.0, "z": -beta},
    }
    truth = _polynomial_system(equations, degree=2)
    return _simulated("Lorenz system", truth, y0, n_samples, step, noise, random_state)


def make_lotka_volterra(
    n_samples: int = 200,
    step: float = 0.1,
    noise: float = 0.0,
    random_state: int | Generator | None = 0,
    *,
    growth: float = 0.55,
    predation: float = 0.028,
    death: float = 0.84,
    conversion: float = 0.026,
    y0: ArrayLike = (30.0, 4.0),
) -> Bunch:
    """Make a trajectory of the Lotka-Volterra equations of a prey and its predator.

    Parameters
    ----------
    n_samples, step, noise, random_state : int, float, float, int
        As in `make_lorenz`; the defaults span twenty time units, about two cycles.
    growth, predation, death, conversion : float
        Parameters: prey' = growth prey - predation prey predator,
        predator' = conversion prey predator - death predator.
    y0 : array-like of shape (2,)
        State at time zero.

    Returns
    -------
    Bunch
        As in `make_lorenz`, with two states.

    Examples
    --------
    >>> from smnn_np.datasets import make_lotka_volterra
    >>> series = make_lotka_volterra(noise=0.05)
    >>> series.y.shape, series.terms
    ((200, 2), ['1', 'prey', 'predator', 'prey^2', 'prey predator', 'predator^2'])
    """
    equations = {
        "prey": {"prey": growth, "prey predator": -predation},
        "predator": {"predator": -death, "prey predator": conversion},
    }
    truth = _polynomial_system(equations, degree=2)
    return _simulated("Lotka-Volterra system", truth, y0, n_samples, step, noise, random_state)


def make_damped_oscillator(
    n_samples: int = 400,
    step: float = 0.05,
    noise: float = 0.0,
    random_state: int | Generator | None = 0,
    *,
    stiffness: float = 6.0,
    damping: float = 0.2,
    y0: ArrayLike = (1.0, 0.0),
) -> Bunch:
    """Make the positions of a damped oscillator, an equation of second order.

    Parameters
    ----------
    n_samples, step, noise, random_state : int, float, float, int
        As in `make_lorenz`.
    stiffness, damping : float
        Parameters: x'' = -stiffness x - damping x'.
    y0 : array-like of shape (2,)
        Position and rate at time zero.

    Returns
    -------
    Bunch
        As in `make_lorenz`, with ``y`` and ``y_clean`` (n_samples, 1) the position alone, ``coef``
        (1, 3) for the ``terms`` 1, x and x', and ``order`` 2.

    Examples
    --------
    >>> from smnn_np.datasets import make_damped_oscillator
    >>> series = make_damped_oscillator()
    >>> series.y.shape, series.terms, series.coef.tolist(), series.order
    ((400, 1), ['1', 'x', "x'"], [[0.0, -6.0, -0.2]], 2)
    """
    equations = {"x": {"x'": 1.0}, "x'": {"x": -stiffness, "x'": -damping}}
    truth = _polynomial_system(equations, degree=1)
    series = _simulated("Damped oscillator", truth, y0, n_samples, step, noise, random_state)
    position = {name: series[name][:, :1] for name in ("y", "y_clean")}
    series.update(
        position, noise_std=series.noise_std[:1], names=["x"], units=[""], coef=series.coef[1:]
    )
    return Bunch(**{**series, "order": 2})


def _polynomial_system(equations: _Equations, degree: int) -> Bunch:
    """Lay out equations given term by term as ``coef`` (n_states, n_terms) over all monomials."""
    names = list(equations)
    features = PolynomialFeatures(degree).fit(np.zeros((1, len(names))))
    terms = features.get_feature_names_out(names).tolist()
    coef = np.array(
        [[equation.get(term, 0.0) for term in terms] for equation in equations.values()]
    )
    return Bunch(names=names, terms=terms, coef=coef, powers=features.powers_)


def _simulated(
    title: str,
    truth: Bunch,
    y0: ArrayLike,
    n_samples: int,
    step: float,
    noise: float,
    random_state: int | Generator | None,
) -> Bunch:
    """Integrate a polynomial system to near rounding and add noise."""
    t = step * np.arange(n_samples, dtype=np.float64)
    clean = _integrate(truth.coef, truth.powers, np.asarray(y0, dtype=np.float64), t)
    noise_std = noise * clean.std(axis=0)
    rng = np.random.default_rng(random_state)
    return Bunch(
        t=t,
        y=clean + noise_std * rng.standard_normal(clean.shape),
        y_clean=clean,
        noise_std=noise_std,
        names=truth.names,
        units=[""] * len(truth.names),
        time_unit="",
        description=f"{title}, {n_samples} samples at step {step:g}, noise {noise:g}",
        terms=truth.terms,
        coef=truth.coef,
        order=1,
    )


def _integrate(
    coef: NDArray[np.float64],
    powers: NDArray[np.int64],
    y0: NDArray[np.float64],
    t: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return the trajectory (n_samples, n_states) of y' = coef @ monomials(y)."""
    used = coef.any(axis=0)
    coef, powers = coef[:, used], powers[used]

    def rate(_: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return coef @ np.prod(y**powers, axis=1)

    with np.errstate(over="ignore", invalid="ignore"):  # a trajectory that diverges is named below
        solution = solve_ivp(rate, (t[0], t[-1]), y0, "DOP853", t_eval=t, rtol=1e-12, atol=1e-12)
    if not solution.success:
        raise ValueError(f"y0 = {y0.tolist()} leads to a trajectory that diverges before {t[-1]:g}")
    return solution.y.T
