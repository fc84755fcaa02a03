"""How wide a smoother's bands have to be on the series at hand: smoothing what was smoothed.

The error of a smoothed value is noise that came through plus what was smoothed away. With the law
P(d/dt) x = drive * white noise and H = 1 / (1 + u) of each frequency coming through
(``_response.py``), their shares of the posterior variance of the r-th derivative are::

    noise:         integral rate^2r H^2 / integral rate^2r H = 1 - a
    smoothed away: integral rate^2r (1 - H)^2 / u / integral rate^2r H = a

because (1 - H)^2 / u = H (1 - H); without coefficients a = (2r + 1) / (2R). The second one is what
the model expects, in which the spectrum of x falls off as 1 / u. A series that is smoother than
that, as analytic functions are, loses nearly nothing, and its bands are too wide by
1 / sqrt(1 - a): without coefficients 10 % for y, 41 % for y' and 145 % for y'' where R = 3. One
with corners loses more. How much is seen when what was smoothed is smoothed once more, and that
once more: it loses again. Of a spectrum height / u^(1 + fall) the losses are, divided by integral
rate^2r H::

    lost at first: integral rate^2r (1 - H)^2 height / u^(1 + fall)
    second loss:   integral rate^2r (1 - H)^2 H^2 [height / u^(1 + fall) + 1], noise the last term
    third loss:    integral rate^2r (1 - H)^2 H^4 [height / u^(1 + fall) + 1]

The ratio of the last two, noise taken off, gives the fall, either of them the height, and these the
first loss L of every derivative. Solutions of the law itself are never smoothed away, so R degrees
of freedom say nothing, and one more went into the strength. The others are believed against the
model's own expectation, which counts as a half::

    variance = posterior variance * (1 + telling / (telling + 1/2) * (L - a))

Where there are none, as where a law that was learned describes all there is, the bands stay those
of the posterior.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ._driven import Run, smooth_run
from ._marginal import MANY, Strength, condense, stretches
from ._response import Response, respond

_USUAL = 0.5  # what the model's own expectation counts, in degrees of freedom of the series
_DENSE, _SPARSE = 0.3, 0.5  # degrees of freedom a sample: up to which all this holds, and from
# which on nothing of it, because the samples are further apart than what was smoothed away
_FALLS = np.linspace(-0.25, 0.9, 24)  # of a spectrum beyond that of the model
_HIGHEST = 10.0  # height: near 1 at the cut-off, where the strength was chosen
_ROUGHEST = 0.9  # exponent up to which a derivative's first loss is taken: at 1 it is infinite
_NOISE = -1.0  # its fall


def widths(runs: Sequence[Run], strength: Strength) -> np.ndarray:
    """Factors (R,) of posterior standard deviations of x, x', ..., as this series needs them.

    Parameters
    ----------
    runs : sequence of Run
        Samples.
    strength : Strength
        As it was found for them, of any law.
    """
    order, response = strength.model.order, respond(runs, strength.model)
    losses, freedom, n_nodes = measure_losses(runs, strength, response)
    telling = freedom - order * len(runs) - 1.0
    if telling <= 0.0:
        return np.ones(order)
    expected = np.array([response.lost(r, 0, 0.0) for r in range(order)])
    lost = first_losses(response, order, *spectrum(response, _told(order), losses))
    trust = np.clip((_SPARSE - freedom / n_nodes) / (_SPARSE - _DENSE), 0.0, 1.0)
    weight = trust * telling / (telling + _USUAL)
    return np.asarray(np.sqrt(1.0 + weight * (lost - expected)))


def _told(order: int) -> int:
    """Derivative whose losses are measured: x itself hardly loses, higher ones are noise."""
    return min(1, order - 1)


def spectrum(response: Response, derivative: int, losses: np.ndarray) -> tuple[float, float]:
    """Height and fall of the spectrum with these second and third losses of one derivative."""
    if losses[0] <= 0:
        return 0.0, 0.0
    second, third = (response.lost(derivative, passes, _FALLS) for passes in (1, 2))
    fall = float(np.interp(losses[1] / losses[0], third / second, _FALLS))
    height = float(losses[0] / np.interp(fall, _FALLS, second))
    return min(height, _HIGHEST), fall


def first_losses(response: Response, order: int, height: float, fall: float) -> np.ndarray:
    """What smoothing took away of each derivative, in posterior variances (R,)."""
    share = (2.0 * np.arange(order) + 1.0) / (2.0 * order)  # far off, where u = rate^2R
    falls = np.maximum(fall, np.minimum(share - _ROUGHEST, 0.0))
    return height * np.array([response.lost(r, 0, falls[r]) for r in range(order)])


def measure_losses(
    runs: Sequence[Run], strength: Strength, response: Response
) -> tuple[np.ndarray, float, int]:
    """Smooth twice more; return both losses (2,), noise taken off, degrees of freedom, samples."""
    model = strength.model
    runs, usual, _ = condense(runs, model, response.cutoff, MANY)
    model = model.at(model.drive * np.sqrt(usual))
    r = _told(model.order)
    squares, freedom, n_nodes = np.zeros(2), 0.0, 0
    for run in stretches([run.refine(model.longest_step(run))[0] for run in runs], MANY):
        slot, seen = np.arange(len(run.times)), run.weight > 0
        smooth, std = smooth_run(run, model, slot)
        scale = std[:, r] * strength.noise / np.sqrt(usual)
        for i in range(2):
            again = smooth_run(replace(run, value=smooth[:, 0].copy()), model, slot)[0]
            squares[i] += float((((again - smooth)[:, r] / scale)[seen] ** 2).sum())
            smooth = again
        freedom += float(((run.weight * std[:, 0]) ** 2).sum())
        n_nodes += run.n_seen
    noise = np.array([response.lost(r, passes, _NOISE) for passes in (1, 2)])
    return squares / n_nodes - noise, freedom, n_nodes
