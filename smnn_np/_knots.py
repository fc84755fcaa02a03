"""Coefficients that vary in time: cubic splines through their values at knots.

Laws change smoothly: between knots h apart a curve with the second derivative c'' leaves a straight
line by up to h^2 c'' / 8, a cubic spline by terms in h^4. What a law misses the bands do not know
where the noise hides it, and it shifts the highest derivative in every draw of the noise alike. The
outermost two pieces are one cubic (not-a-knot), so that no bend is taken from the ends; through
three knots runs a parabola, through two a line.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from ._arrays import array_module


@dataclass(frozen=True)
class Knots:
    """Coefficients that are cubic splines through their values at knots: a law.

    Attributes
    ----------
    times : ndarray of shape (K,)
        Increasing.
    values : ndarray of shape (K, R)
        Coefficients there.
    """

    times: np.ndarray
    values: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Coefficients at instants (n, R), or (1, R) of a constant."""
        if len(self.times) == 1:
            return self.values
        return shares(times, self.times) @ array_module(times).asarray(self.values)

    def ends_within(self, times: np.ndarray) -> bool:
        """Whether some of increasing instants lie beyond the knots."""
        return bool(times[0] < self.times[0] or times[-1] > self.times[-1])


@dataclass(frozen=True)
class Onward:
    """A law that goes on changing where its knots end, before the first and after the last.

    Attributes
    ----------
    law : Knots
        Two knots at least, as far apart as any other two.
    change : ndarray of shape (R,)
        Of the coefficients, in as much time as from knot to knot.
    """

    law: Knots
    change: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Coefficients at instants (n, R)."""
        xp, knots = array_module(times), self.law.times
        away = abs(times - times.clip(knots[0], knots[-1])) / (knots[1] - knots[0])
        return self.law(times) + away[:, None] * xp.asarray(self.change)


def shares(times: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Share of each knot's value at instants (n, K); beyond the knots that of the nearest."""
    xp = array_module(times)
    if len(knots) == 1:
        return 1.0 + xp.zeros((len(times), 1))
    cubics = xp.asarray(_cubics(tuple(knots.tolist())))
    inside, starts = times.clip(knots[0], knots[-1]), xp.asarray(knots[:-1])
    piece = np.searchsorted(starts[1:], inside, side="right")
    since = (inside - starts[piece])[:, None]
    third, second, first, value = cubics[:, piece]
    return ((third * since + second) * since + first) * since + value


@lru_cache
def _cubics(knots: tuple[float, ...]) -> np.ndarray:
    """Powers, the third first, of every knot's share of each piece (4, K - 1, K)."""
    return np.asarray(CubicSpline(knots, np.eye(len(knots))).c)
