"""What a law's smoother lets through, frequency by frequency.

With constant coefficients, P(s) = s^R + c[R-1] s^(R-1) + ... + c[0], drive q and h the time between
samples of unit noise, the spectrum of x is 1 / u times that of the noise, and of what goes in

    H = 1 / (1 + u),   u = h |P(i rate)|^2 / q^2

comes through. Coefficients that vary are taken as constant around some instants, and what is found
there is averaged. Where all c are zero, u = (rate / cut-off)^(2R) and every integral below is
Euler's beta function; else they are sums over frequencies that lie close where u may be small or
sharp, at the natural frequencies of the law, and reach as far as the slowest integrand does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._arrays import array_module, to_numpy
from ._driven import Model, Run

_N_INSTANTS = 9  # at which varying coefficients are looked at
_NEAREST, _FARTHEST = 1e-9, 60.0  # to a natural frequency, in fastest rates; decades of u
_PER_DECADE = 16  # frequencies
_MOST = 0.9


@dataclass(frozen=True)
class Response:
    """A law's frequencies, on both sides of zero, at some instants.

    Attributes
    ----------
    rate, cell, u : ndarray of shape (T, m)
        Angular frequencies, what each counts in an integral, and u there.
    """

    rate: np.ndarray
    cell: np.ndarray
    u: np.ndarray

    def lost(self, derivative: int, passes: int, fall: float | np.ndarray) -> np.ndarray:
        """Loss by one more smoothing after `passes`, in posterior variances; shape of `fall`.

        Of a series with the spectrum 1 / u^(1 + fall) of the noise's: 0 is the model's own, and -1
        the noise itself.
        """
        weight = self.rate ** (2 * derivative) * self.cell
        variance = (weight / (1.0 + self.u)).sum(axis=1)
        weight = weight * (1.0 + self.u) ** (-2.0 - 2.0 * passes) / variance[:, None]
        each = [(weight * self.u ** (1.0 - one)).sum(axis=1).mean() for one in np.ravel(fall)]
        return np.reshape(each, np.shape(fall))

    @property
    def cutoff(self) -> float:
        """Frequency below which most of what is not known of x lies."""
        right = np.s_[:, self.rate.shape[1] // 2 :]
        part = np.cumsum((self.cell / (1.0 + self.u))[right], axis=1)
        return float(self.rate[right][part < _MOST * part[:, -1:]].max())


def respond(runs: Sequence[Run], model: Model) -> Response:
    """Find the frequencies and u of a model on runs of samples."""
    coefs = model.coefs(runs[0])
    if len(coefs) > 1:
        xp = array_module(coefs)
        coefs = xp.concatenate([model.coefs(run) for run in runs])
        coefs = coefs[xp.asarray(np.linspace(0, len(coefs) - 1, _N_INSTANTS).astype(int))]
    coefs = to_numpy(coefs)
    span = sum(float(np.ptp(run.times)) for run in runs)
    density = model.drive**2 * sum(run.n_seen for run in runs) / span
    rate = np.stack([_frequencies(each, density) for each in coefs])
    cell = np.zeros_like(rate)
    cell[:, 1:-1] = 0.5 * (rate[:, 2:] - rate[:, :-2])
    powers = (1j * rate[:, :, None]) ** np.arange(model.order)
    response = (1j * rate) ** model.order + np.einsum("tmr,tr->tm", powers, coefs)
    return Response(rate, cell, np.abs(response) ** 2 / density)


def _frequencies(coefs: np.ndarray, density: float) -> np.ndarray:
    """Frequencies around every natural one of coefficients (R,), close by and far off (m,)."""
    order = len(coefs)
    natural = np.roots(np.append(1.0, coefs[::-1]))
    fastest = max(float(np.abs(natural).max()), density ** (0.5 / order))
    nearest, farthest = np.log10(_NEAREST), _FARTHEST / (2 * order)
    away = fastest * np.logspace(nearest, farthest, int(_PER_DECADE * (farthest - nearest)))
    return np.sort((natural.imag[:, None] + np.concatenate([-away, away])).ravel())
