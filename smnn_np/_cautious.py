"""The drive that bands are taken at: what is to be expected of it, not what is likeliest.

Where a law alone describes the samples, the likeliest drive is nearly zero, and bands taken there
claim that the law holds exactly. All that the samples say is that a much larger drive would show.
Near zero the deviance is even in the drive, so that with s how far the drive d can rise from the
likeliest one q until the deviance has risen by one, the likelihood is about that of

    exp(-(d - q)^2 / (2 s^2)),   d > 0.

Times a density that is flat in d^(1/R), the cut-off frequency, as nobody knows one from another,
this is the density of the drive after the data. A little drive adds to variances in proportion to
d^2, so their expectation is the variance at the root mean square of d: s / sqrt(R) where q = 0,
and q itself where it is well known. Means stay those of the likeliest drive.

Drives are absolute here: where the noise is nearly zero only its ratio to the drive is unknown.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from ._driven import Model, Run
from ._marginal import MANY, Given, count_nodes, deviance, stretches

_KNOWN = 3.0  # standard deviations from zero, beyond which a drive is its own expectation
_WIDEST = 5.0  # standard deviations over which one is looked for
_MOST = 9.0  # decades: whatever the samples are, they are followed
_PRECISION = 0.02  # decades
_N_CUTOFFS = 400


def expected_drive(runs: Sequence[Run], model: Model, given: Given) -> float:
    """Drive to take bands at, relative to the noise; the model's own if given or well known.

    Parameters
    ----------
    runs : sequence of Run
        Samples, with nodes as close as the model's law needs.
    model : Model
        With the likeliest drive.
    given : Given
    """
    if given.drive is not None:
        return model.drive
    if count_nodes(runs) <= MANY:
        runs = stretches(runs, MANY)  # on the host
    least, level = deviance(runs, model, given)

    def excess(decades: float) -> float:
        return deviance(runs, model.at(10.0**decades), given)[0] - least - 1.0

    here = np.log10(model.drive)
    if excess(here + np.log10(1.0 + 1.0 / _KNOWN)) >= 0.0:
        return model.drive
    upper = here + 1.0
    while excess(upper) < 0.0:
        upper += 1.0
        if upper > _MOST:
            return model.drive
    risen = 10.0 ** brentq(excess, upper - 1.0, upper, xtol=_PRECISION)
    noise = np.sqrt(deviance(runs, model.at(risen), given)[1] / level)
    std = risen * noise - model.drive
    if std * _KNOWN <= model.drive:
        return model.drive
    return max(model.drive, rms_drive(model.drive, std, model.order))


def rms_drive(drive: float, std: float, order: int) -> float:
    """Root mean square, normal but cut off at zero and times a density flat in drive^(1/order)."""
    cutoffs = np.linspace(0.0, (drive + _WIDEST * std) ** (1.0 / order), _N_CUTOFFS)
    squares = cutoffs ** (2 * order)
    density = np.exp(-0.5 * ((np.sqrt(squares) - drive) / std) ** 2)
    return float(np.sqrt((density * squares).sum() / density.sum()))
