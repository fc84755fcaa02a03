"""How wide a smoother's bands have to be on the series at hand: smoothing what was smoothed.

The error of a smoothed value is noise that came through plus what was smoothed away. With
x^(R) = drive * white noise and the spectrum H = 1 / (1 + u) of what comes through, u = (frequency /
cut-off)^(2R), their shares of the posterior variance of the r-th derivative are, with
a = (2r + 1) / (2R) and B Euler's beta function::

    noise: integral u^(a-1) H^2 / integral u^(a-1) H = B(a, 2 - a) / B(a, 1 - a) = 1 - a
    smoothed away: integral u^a H^2 / integral u^(a-1) H = a

The second one is what the model expects. A series that is smoother than that, as analytic
functions are, loses nearly nothing, and its bands are too wide by 1 / sqrt(1 - a): 10 % for y, 41 %
for y' and 145 % for y'' where R = 3. One with corners loses more. How much is seen when what was
smoothed is smoothed once more: it loses again, of the posterior variance the shares::

    noise: B(a + 2, 2 - a) / B(a, 1 - a)        series: surprise * B(a + 1, 3 - a) / B(a, 1 - a)

which is solved for the surprise; 1 for a draw from the model, 0 for the smoothest of series.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import beta

from ._driven import Run, smooth_run
from ._marginal import MANY, Strength, condense, stretches

_USUAL = 2.0  # what the model's own expectation counts, in degrees of freedom of the series
_DENSE, _SPARSE = 0.3, 0.5  # degrees of freedom a sample: up to which all this holds, and from
# which on nothing of it, because the samples are further apart than what was smoothed away


def widths(order: int, surprise: float) -> np.ndarray:
    """Factors (R,) of posterior standard deviations of x, x', ... at a surprise."""
    share = (2.0 * np.arange(order) + 1.0) / (2.0 * order)
    return np.sqrt(1.0 - share + share * surprise)


def measure_surprise(runs: Sequence[Run], strength: Strength) -> float:
    """Find what smoothing takes away from a series, relative to what the model expects.

    Parameters
    ----------
    runs : sequence of Run
        Samples.
    strength : Strength
        Of x^(R) = white noise, as it was found for them.
    """
    runs, usual, _ = condense(runs, strength.model, MANY)
    model = strength.model.at(strength.model.drive * np.sqrt(usual))
    order, r = model.order, min(1, model.order - 1)
    squares, freedom, n_nodes = 0.0, 0.0, 0
    for run in stretches(runs, MANY):
        slot = np.arange(len(run.times))
        mean, std = smooth_run(run, model, slot)
        twice = smooth_run(replace(run, value=mean[:, 0].copy()), model, slot)[0]
        gap = (twice[:, r] - mean[:, r]) / (std[:, r] * strength.noise / np.sqrt(usual))
        squares += float(gap @ gap)
        freedom += float(((run.weight * std[:, 0]) ** 2).sum())
        n_nodes += run.n_seen
    a = (2.0 * r + 1.0) / (2.0 * order)
    noise, series = beta(a + 2, 2 - a), beta(a + 1, 3 - a)
    found = (squares / n_nodes * beta(a, 1 - a) - noise) / series
    found = (freedom * max(found, 0.0) + _USUAL) / (freedom + _USUAL)
    trust = np.clip((_SPARSE - freedom / n_nodes) / (_SPARSE - _DENSE), 0.0, 1.0)
    return float(1.0 + trust * (found - 1.0))
