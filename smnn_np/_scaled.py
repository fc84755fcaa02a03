"""Candidate terms in units in which every number of a fit is near one."""

import numpy as np

from .library import Library

_MOST_KEPT = 32  # parts of a library; formulas are compiled anew for each


class ScaledLibrary:
    """A library in scaled inputs and terms: term_a(inputs * input_scale) / term_scale_a.

    Keeps every number of the fit near one whatever the units, for any library.
    """

    def __init__(
        self,
        library: Library,
        input_scale: np.ndarray,
        term_scale: np.ndarray,
    ) -> None:
        self.library = library
        self.input_scale = input_scale
        self.term_scale = term_scale
        self._slope_scale = input_scale / term_scale[:, None]
        self._taken: dict[bytes, ScaledLibrary] = {}

    @property
    def factors(self) -> np.ndarray:
        """Number of factors of each term (n_terms,)."""
        return np.broadcast_to(self.library.factors, self.term_scale.shape)

    def take(self, terms: np.ndarray) -> "ScaledLibrary":
        """Return the library of some of the terms; the last ones asked for are kept."""
        if len(terms) == len(self.term_scale):
            return self
        key = terms.tobytes()
        if key not in self._taken:
            if len(self._taken) >= _MOST_KEPT:
                self._taken.clear()
            some = self.library.take(terms)
            self._taken[key] = ScaledLibrary(some, self.input_scale, self.term_scale[terms])
        return self._taken[key]

    def values(self, points: np.ndarray) -> np.ndarray:
        """Evaluate every scaled term: (n, n_inputs) -> (n, n_terms)."""
        values = self.library.values(points * self.input_scale)
        return np.divide(values, self.term_scale, out=values)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Differentiate every scaled term: (n, n_inputs) -> (n, n_terms, n_inputs)."""
        slopes = self.library.jacobian(points * self.input_scale)
        return np.multiply(slopes, self._slope_scale, out=slopes)
