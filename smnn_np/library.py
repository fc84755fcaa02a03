"""Candidate terms of a right-hand side: values, Jacobians, names.

A library is any object with ``names(inputs)``, ``values(points)`` and ``jacobian(points)``;
``PolynomialLibrary`` is the one that ships. Points are (n, n_inputs), values (n, n_terms),
Jacobians (n, n_terms, n_inputs).
"""

from collections.abc import Sequence
from copy import copy
from itertools import combinations_with_replacement
from math import comb
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone

from ._kernels.polynomial import monomial_slopes, monomials

_BLOWN_UP = 1e100
_MAX_TERMS = 5000


class Library(Protocol):
    """What the discoverer asks of a library."""

    @property
    def factors(self) -> np.ndarray:
        """Number of factors of each term (n_terms,), or one for all (1,): fewer are likelier."""

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Names of the terms."""

    def values(self, points: np.ndarray) -> np.ndarray:
        """Values (n, n_terms) at points (n, n_inputs)."""

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Slopes (n, n_terms, n_inputs) at points (n, n_inputs)."""

    def take(self, terms: np.ndarray) -> "Library":
        """Return the library of some of the terms."""


class PolynomialLibrary:
    """All monomials of the inputs up to a degree.

    Parameters
    ----------
    n_inputs : int
        Number of inputs: the states, then the controls.
    degree : int, default=2
        Highest total degree.

    Attributes
    ----------
    powers : ndarray of shape (n_terms, n_inputs), int64
        Exponents of each term, in the order of scikit-learn's ``PolynomialFeatures``.

    Examples
    --------
    >>> from smnn_np.library import PolynomialLibrary
    >>> PolynomialLibrary(2, degree=2).names(["x", "y"])
    ['1', 'x', 'y', 'x^2', 'x y', 'y^2']
    """

    def __init__(self, n_inputs: int, degree: int = 2) -> None:
        self.powers = _graded_powers(n_inputs, degree)

    def take(self, terms: np.ndarray) -> "PolynomialLibrary":
        """Return the library of some of the terms."""
        some = copy(self)
        some.powers = self.powers[terms]
        return some

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Write each term with the names of the inputs; the constant is "1"."""
        return [_monomial_name(row, inputs) for row in self.powers]

    @property
    def factors(self) -> np.ndarray:
        """Number of factors of each term, its degree (n_terms,)."""
        return self.powers.sum(axis=1)

    def values(self, points: np.ndarray) -> np.ndarray:
        """Evaluate every term: points (n, n_inputs) -> (n, n_terms)."""
        values = np.empty((len(points), len(self.powers)))
        monomials(np.ascontiguousarray(points, dtype=np.float64), self.powers, values)
        return values

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Differentiate every term: points (n, n_inputs) -> (n, n_terms, n_inputs)."""
        slopes = np.empty((len(points), *self.powers.shape))
        monomial_slopes(np.ascontiguousarray(points, dtype=np.float64), self.powers, slopes)
        return slopes


class TransformerLibrary:
    """A fitted scikit-learn transformer as a library; its Jacobian by central differences.

    Parameters
    ----------
    transformer : object
        Fitted, with ``transform(points)`` and ``get_feature_names_out(input_features)``.
    """

    def __init__(self, transformer: object) -> None:
        self.transformer = transformer
        self._terms: slice | np.ndarray = slice(None)

    def take(self, terms: np.ndarray) -> "TransformerLibrary":
        """Return the library of some of the terms; all are evaluated nevertheless."""
        some = copy(self)
        some._terms = terms if isinstance(self._terms, slice) else self._terms[terms]
        return some

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Return the transformer's own names of its outputs."""
        names = self.transformer.get_feature_names_out(list(inputs))  # type: ignore[attr-defined]
        return [str(name) for name in np.array(names, dtype=object)[self._terms]]

    @property
    def factors(self) -> np.ndarray:
        """Degrees (n_terms,) where the transformer tells exponents, else one number for all."""
        powers = getattr(self.transformer, "powers_", None)
        return np.zeros(1) if powers is None else np.asarray(powers).sum(axis=1)[self._terms]

    def values(self, points: np.ndarray) -> np.ndarray:
        """Transform the points: (n, n_inputs) -> (n, n_terms); NaN where a trial flow blew up."""
        finite = (np.abs(points) < _BLOWN_UP).all(axis=1)
        # Transformers refuse what is not finite, and zero points: let one harmless point stand in.
        harmless = np.where(finite[:, None], points, 0.0)
        values = np.asarray(self.transformer.transform(harmless), dtype=np.float64)  # type: ignore[attr-defined]
        return np.where(finite[:, None], values[:, self._terms], np.nan)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Difference the transform: (n, n_inputs) -> (n, n_terms, n_inputs)."""
        # The cube root of the rounding error balances it against the truncation error.
        step = np.finfo(np.float64).eps ** (1 / 3) * (
            np.abs(points).max(axis=0, initial=0.0) + 1e-12
        )
        slopes = []
        for d in range(points.shape[1]):
            shift = np.zeros(points.shape[1])
            shift[d] = step[d]
            slopes.append(
                (self.values(points + shift) - self.values(points - shift)) / (2 * step[d])
            )
        return np.stack(slopes, axis=2)


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

    def take(self, terms: np.ndarray) -> "ScaledLibrary":
        """Return the library of some of the terms."""
        return ScaledLibrary(self.library.take(terms), self.input_scale, self.term_scale[terms])

    @property
    def factors(self) -> np.ndarray:
        """Number of factors of each term (n_terms,)."""
        return np.broadcast_to(self.library.factors, self.term_scale.shape)

    def values(self, points: np.ndarray) -> np.ndarray:
        """Evaluate every scaled term: (n, n_inputs) -> (n, n_terms)."""
        values = self.library.values(points * self.input_scale)
        return np.divide(values, self.term_scale, out=values)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Differentiate every scaled term: (n, n_inputs) -> (n, n_terms, n_inputs)."""
        slopes = self.library.jacobian(points * self.input_scale)
        return np.multiply(slopes, self._slope_scale, out=slopes)


def build_library(transformer: Any, degree: int, points: np.ndarray) -> Library:
    """Build the polynomials of a degree, or fit a scikit-learn transformer to points (n, D)."""
    n_inputs = points.shape[1]
    if transformer is not None:
        wanted = ("fit", "transform", "get_feature_names_out")
        missing = [name for name in wanted if not hasattr(transformer, name)]
        if missing:
            raise ValueError(
                f"library must be a transformer with {', '.join(wanted)}; {transformer!r} lacks "
                f"{', '.join(missing)}."
            )
        return TransformerLibrary(clone(transformer).fit(points))
    if not isinstance(degree, Integral) or degree < 0:
        raise ValueError(f"degree must be a whole number of at least 0, not {degree!r}.")
    n_terms = comb(n_inputs + int(degree), int(degree))
    if n_terms > _MAX_TERMS:
        raise ValueError(
            f"degree = {degree} makes {n_terms} candidate terms of {n_inputs} inputs, more than "
            f"{_MAX_TERMS}; lower the degree, or leave out inputs."
        )
    return PolynomialLibrary(n_inputs, int(degree))


def _graded_powers(n_inputs: int, degree: int) -> np.ndarray:
    """Exponents of all monomials up to the degree, by degree, then lexicographically."""
    rows = [
        np.bincount(np.array(chosen, dtype=np.int64), minlength=n_inputs)
        for total in range(degree + 1)
        for chosen in combinations_with_replacement(range(n_inputs), total)
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, n_inputs)


def _monomial_name(powers: np.ndarray, inputs: Sequence[str]) -> str:
    """Write one monomial, as ``x^2 y``."""
    parts = [
        name if power == 1 else f"{name}^{power}"
        for name, power in zip(inputs, powers, strict=True)
        if power
    ]
    return " ".join(parts) or "1"
