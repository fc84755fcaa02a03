"""Series whose solutions can be written down, with noise: what the papers learn from."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.utils import Bunch


def make_damped_sine(
    n_samples: int = 500,
    step: float = 0.1,
    noise: float = 0.5,
    random_state: int | Generator | None = 0,
) -> Bunch:
    """Make a noisy sine that dies away, noise and all: y = (sin 2 t + noise N) exp(-t / 10).

    Parameters
    ----------
    n_samples : int, default=500
        Number of samples.
    step : float, default=0.1
        Time between samples.
    noise : float, default=0.5
        Standard deviation of the normal noise before it dies away.
    random_state : int, Generator or None, default=0
        Seed of the noise.

    Returns
    -------
    Bunch
        ``t`` (n_samples,), ``y`` (n_samples, 1), ``y_clean``, ``noise_std`` (n_samples, 1) of each
        sample, ``names``, ``units``, ``time_unit``, ``description``; ``coef``, (stiffness,
        damping) of the equation y'' + damping y' + stiffness y = 0 that the sine obeys.

    Examples
    --------
    >>> from smnn_np.datasets import make_damped_sine
    >>> sine = make_damped_sine()
    >>> sine.y.shape, sine.coef.round(2).tolist()
    ((500, 1), [4.01, 0.2])
    """
    t = step * np.arange(n_samples, dtype=np.float64)
    decay = np.exp(-0.1 * t)[:, None]
    clean = np.sin(2.0 * t)[:, None] * decay
    rng = np.random.default_rng(random_state)
    return Bunch(
        t=t,
        y=clean + noise * decay * rng.standard_normal(clean.shape),
        y_clean=clean,
        noise_std=noise * decay,
        names=["y"],
        units=[""],
        time_unit="",
        description=f"Damped sine, {n_samples} samples at step {step:g}, noise {noise:g}",
        coef=np.array([0.1**2 + 2.0**2, 0.2]),
    )


def make_logistic(
    n_trajectories: int = 5000,
    n_samples: int = 60,
    noise: float = 1e-3,
    random_state: int | Generator | None = 0,
) -> Bunch:
    """Make logistic growth x' = r x (1 - x / K), each trajectory with its own r and K.

    r and K are drawn from N(3, 0.5^2), first values from U(0.01, 0.1); time runs from 0 to 3.

    Parameters
    ----------
    n_trajectories : int, default=5000
        Number of trajectories.
    n_samples : int, default=60
        Samples of each.
    noise : float, default=1e-3
        Standard deviation of the normal noise added to each sample.
    random_state : int, Generator or None, default=0
        Seed of parameters, first values and noise.

    Returns
    -------
    Bunch
        ``t`` (n_samples,), ``y`` and ``y_clean`` (n_trajectories, n_samples), ``rate`` and
        ``capacity`` (n_trajectories,), ``noise_std``, ``description``.

    Examples
    --------
    >>> from smnn_np.datasets import make_logistic
    >>> growth = make_logistic(n_trajectories=3)
    >>> growth.y.shape, growth.rate.shape
    ((3, 60), (3,))
    """
    rng = np.random.default_rng(random_state)
    rate, capacity = 3.0 + 0.5 * rng.standard_normal((2, n_trajectories))
    first = rng.uniform(0.01, 0.1, n_trajectories)
    t = np.linspace(0.0, 3.0, n_samples)
    inverse = 1 / capacity[:, None] + (1 / first - 1 / capacity)[:, None] * np.exp(
        -np.outer(rate, t)
    )
    return Bunch(
        t=t,
        y=1 / inverse + noise * rng.standard_normal(inverse.shape),
        y_clean=1 / inverse,
        rate=rate,
        capacity=capacity,
        noise_std=noise,
        description=f"{n_trajectories} runs of logistic growth, noise {noise:g}",
    )


def make_two_body(
    n_samples: int = 400,
    step: float = 0.05,
    noise: float = 0.0,
    random_state: int | Generator | None = 0,
    *,
    eccentricity: float = 0.5,
    strength: float = 1.0,
) -> Bunch:
    """Make a Kepler orbit: the way from one body to another that it circles in a plane.

    The distance r = (x, y) obeys ``r'' = -strength r / |r|^3``; the half axis of the ellipse is 1,
    the period 2 pi / sqrt(strength). The orbit starts where the bodies are closest.

    Parameters
    ----------
    n_samples, step, noise, random_state : int, float, float, int
        As in `make_lorenz`; the defaults span 3.2 periods.
    eccentricity : float, default=0.5
        Of the ellipse, 0 for a circle, below 1.
    strength : float, default=1.0
        Sum of the masses times the constant of gravitation.

    Returns
    -------
    Bunch
        ``t`` (n_samples,), ``y`` (n_samples, 2), ``y_clean``, ``noise_std`` (2,), ``names``,
        ``units``, ``time_unit``, ``description``.

    Examples
    --------
    >>> from smnn_np.datasets import make_two_body
    >>> orbit = make_two_body(eccentricity=0.2)
    >>> orbit.y.shape, orbit.y[0].tolist()
    ((400, 2), [0.8, 0.0])
    """
    t = step * np.arange(n_samples, dtype=np.float64)
    angle = _eccentric_anomaly(np.sqrt(strength) * t, eccentricity)
    flattening = np.sqrt(1.0 - eccentricity**2)
    clean = np.column_stack([np.cos(angle) - eccentricity, flattening * np.sin(angle)])
    noise_std = noise * clean.std(axis=0)
    rng = np.random.default_rng(random_state)
    return Bunch(
        t=t,
        y=clean + noise_std * rng.standard_normal(clean.shape),
        y_clean=clean,
        noise_std=noise_std,
        names=["x", "y"],
        units=["", ""],
        time_unit="",
        description=f"Kepler orbit, {n_samples} samples at step {step:g}, noise {noise:g}",
    )


def _eccentric_anomaly(mean: NDArray[np.float64], eccentricity: float) -> NDArray[np.float64]:
    """Solve Kepler's equation E - e sin E = mean by Newton's method."""
    angle = mean + eccentricity * np.sin(mean)
    for _ in range(30):
        angle -= (angle - eccentricity * np.sin(angle) - mean) / (1 - eccentricity * np.cos(angle))
    return angle
