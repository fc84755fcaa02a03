"""How wide a smoother's bands have to be on the series at hand: smoothing what was smoothed.

The error of a smoothed value is noise that came through plus what was smoothed away. With
x^(R) = drive * white noise and the spectrum H = 1 / (1 + u) of what comes through, u = (frequency /
cut-off)^(2R), their shares of the posterior variance of the r-th derivative are, with
a = (2r + 1) / (2R) and B Euler's beta function::

    noise: integral u^(a-1) H^2 / integral u^(a-1) H = B(a, 2 - a) / B(a, 1 - a) = 1 - a
    smoothed away: integral u^a H^2 / integral u^(a-1) H = a

The second one is what the model expects, in which the spectrum of x falls off as 1 / u. A series
that is smoother than that, as analytic functions are, loses nearly nothing, and its bands are too
wide by 1 / sqrt(1 - a): 10 % for y, 41 % for y' and 145 % for y'' where R = 3. One with corners
loses more. How much is seen when what was smoothed is smoothed once more, and that once more: it
loses again. Of a spectrum height / u^(1 + fall) the shares are, with b = a - fall::

    lost at first: height B(b + 1, 1 - b) / B(a, 1 - a)
    second loss: [height B(b + 1, 3 - b) + B(a + 2, 2 - a)] / B(a, 1 - a), noise the last term
    third loss: [height B(b + 1, 5 - b) + B(a + 2, 4 - a)] / B(a, 1 - a)

The ratio of the last two, 20 / ((4 - b) (3 - b)), gives the fall, either of them the height, and
these the first loss of every derivative.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import beta

from ._driven import Run, smooth_run
from ._marginal import MANY, Strength, condense, stretches

_USUAL = 4.0  # what the model's own expectation counts, in degrees of freedom of the series
_DENSE, _SPARSE = 0.3, 0.5  # degrees of freedom a sample: up to which all this holds, and from
# which on nothing of it, because the samples are further apart than what was smoothed away
_SLOWEST, _FASTEST = -0.5, 0.9  # fall of a spectrum beyond that of the model
_ROUGHEST = 0.9  # b up to which a derivative's first loss is taken: at 1 it is infinite


def widths(runs: Sequence[Run], strength: Strength) -> np.ndarray:
    """Factors (R,) of posterior standard deviations of x, x', ..., as this series needs them.

    Parameters
    ----------
    runs : sequence of Run
        Samples.
    strength : Strength
        Of x^(R) = white noise, as it was found for them.
    """
    again, freedom, n_nodes = measure_losses(runs, strength)
    order = strength.model.order
    share = shares(order)
    # Polynomials of degree R - 1 are never smoothed away, so they say nothing.
    telling = max(freedom - order * len(runs), 0.0)
    expected = second_and_third(share, 1.0, 0.0)[:, _told(order)]
    found = (telling * np.maximum(again, 0.0) + _USUAL * expected) / (telling + _USUAL)
    lost = first_loss(share, *spectrum(share[_told(order)], *found))
    trust = np.clip((_SPARSE - freedom / n_nodes) / (_SPARSE - _DENSE), 0.0, 1.0)
    return np.asarray(np.sqrt(1.0 - share + share + trust * (lost - share)))


def shares(order: int) -> np.ndarray:
    """Share a of the posterior variance of x, x', ... that is smoothed away in the model (R,)."""
    return (2.0 * np.arange(order) + 1.0) / (2.0 * order)


def _told(order: int) -> int:
    """Derivative whose losses are measured: x itself hardly loses, higher ones are noise."""
    return min(1, order - 1)


def second_and_third(share: np.ndarray, height: float, fall: float) -> np.ndarray:
    """Second and third loss of a spectrum, without noise, in posterior variances (2, R)."""
    b = share - fall
    losses = np.stack([beta(b + 1, 3 - b), beta(b + 1, 5 - b)])
    return np.asarray(height * losses / beta(share, 1 - share))


def spectrum(share: float, second: float, third: float) -> tuple[float, float]:
    """Height and fall of the spectrum that has these losses in one derivative."""
    b = 3.5 - 0.5 * np.sqrt(1.0 + 80.0 * third / second)
    fall = float(np.clip(share - b, _SLOWEST, _FASTEST))
    return float(second / second_and_third(np.asarray(share), 1.0, fall)[0]), fall


def first_loss(share: np.ndarray, height: float, fall: float) -> np.ndarray:
    """What smoothing took away of each derivative, in posterior variances (R,)."""
    b = np.minimum(share - fall, np.maximum(share, _ROUGHEST))
    return np.asarray(height * beta(b + 1, 1 - b) / beta(share, 1 - share))


def measure_losses(runs: Sequence[Run], strength: Strength) -> tuple[np.ndarray, float, int]:
    """Smooth twice more; return both losses (2,), noise taken off, degrees of freedom, samples."""
    runs, usual, _ = condense(runs, strength.model, MANY)
    model = strength.model.at(strength.model.drive * np.sqrt(usual))
    r = _told(model.order)
    squares, freedom, n_nodes = np.zeros(2), 0.0, 0
    for run in stretches(runs, MANY):
        slot = np.arange(len(run.times))
        smooth, std = smooth_run(run, model, slot)
        scale = std[:, r] * strength.noise / np.sqrt(usual)
        for i in range(2):
            again = smooth_run(replace(run, value=smooth[:, 0].copy()), model, slot)[0]
            squares[i] += float((((again - smooth)[:, r] / scale) ** 2).sum())
            smooth = again
        freedom += float(((run.weight * std[:, 0]) ** 2).sum())
        n_nodes += run.n_seen
    a = shares(model.order)[r]
    noise = np.array([beta(a + 2, 2 - a), beta(a + 2, 4 - a)]) / beta(a, 1 - a)
    return squares / n_nodes - noise, freedom, n_nodes
