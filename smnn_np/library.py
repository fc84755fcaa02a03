"""Candidate terms of a right-hand side: values, Jacobians, names.

A library is any object with ``names(inputs)``, ``values(points)`` and ``jacobian(points)``. Points
are (n, n_inputs), values (n, n_terms), Jacobians (n, n_terms, n_inputs). Those that can be compiled
and saved also have ``sources()``, their terms as Python expressions in v0, v1, ...; the others are
transformers of which only values are known.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import PolynomialFeatures

from ._kernels.polynomial import monomial_slopes, monomials
from .formula import FUNCTIONS, count_factors, differentiate, read_formula

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


class SourceLibrary(Library, Protocol):
    """A library whose terms are known as formulas, not only as values."""

    def sources(self) -> list[str]:
        """Terms as Python expressions in v0, v1, ..."""


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
        self.powers = graded_powers(n_inputs, degree)

    @classmethod
    def of_powers(cls, powers: np.ndarray) -> "PolynomialLibrary":
        """Make a library of monomials with given exponents (n_terms, n_inputs)."""
        library = cls.__new__(cls)
        library.powers = np.ascontiguousarray(powers, dtype=np.int64)
        return library

    def sources(self) -> list[str]:
        """Terms as Python expressions."""
        inputs = [f"v{d}" for d in range(self.powers.shape[1])]
        return ["*".join("*".join([v] * p) for v, p in zip(inputs, row, strict=True) if p) or "1.0"
                for row in self.powers.tolist()]  # fmt: skip

    @property
    def factors(self) -> np.ndarray:
        """Number of factors of each term, its degree (n_terms,)."""
        return self.powers.sum(axis=1)

    def take(self, terms: np.ndarray) -> "PolynomialLibrary":
        """Return the library of some of the terms."""
        some = copy(self)
        some.powers = self.powers[terms]
        return some

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Write each term with the names of the inputs; the constant is "1"."""
        return [_monomial_name(row, inputs) for row in self.powers]

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


class FormulaLibrary:
    """Terms given as formulas; their Jacobian is exact.

    Parameters
    ----------
    inputs : sequence of str
        Names of the inputs.
    shown : sequence of str
        Names of the terms.
    sources : sequence of str
        The terms as `formula.read_formula` makes them.
    """

    def __init__(self, inputs: Sequence[str], shown: Sequence[str], sources: Sequence[str]) -> None:
        self.inputs, self.shown, self._sources = list(inputs), list(shown), list(sources)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("inputs", "shown", "_sources")}

    def sources(self) -> list[str]:
        """Terms as Python expressions."""
        return self._sources

    @property
    def factors(self) -> np.ndarray:
        """Number of factors of each term (n_terms,), see `formula.count_factors`."""
        return np.array([count_factors(source) for source in self._sources], dtype=int)

    def take(self, terms: np.ndarray) -> "FormulaLibrary":
        """Return the library of some of the terms."""
        shown, sources = ([each[k] for k in terms] for each in (self.shown, self._sources))
        return FormulaLibrary(self.inputs, shown, sources)

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Names of the terms: they are written in the names that they were made with."""
        return self.shown

    def values(self, points: np.ndarray) -> np.ndarray:
        """Evaluate every term: points (n, n_inputs) -> (n, n_terms); NaN where undefined."""
        values = np.empty((len(points), len(self._sources)))
        with np.errstate(all="ignore"):
            for place, column in enumerate(self._compiled(*points.T)):
                values[:, place] = column
        return values

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Differentiate every term: points (n, n_inputs) -> (n, n_terms, n_inputs)."""
        slopes = np.zeros((len(points), len(self._sources), points.shape[1]))
        places, compiled = self._slopes
        with np.errstate(all="ignore"):
            for (term, d), column in zip(places, compiled(*points.T), strict=True):
                slopes[:, term, d] = column
        return slopes

    @cached_property
    def _compiled(self) -> Any:
        return _compile(self._sources, len(self.inputs))

    @cached_property
    def _slopes(self) -> tuple[list[tuple[int, int]], Any]:
        """Places (term, input) of the slopes that do not vanish, and what evaluates them."""
        found = {
            (term, d): differentiate(source, f"v{d}")
            for term, source in enumerate(self._sources)
            for d in range(len(self.inputs))
        }
        found = {place: slope for place, slope in found.items() if slope != "0"}
        return list(found), _compile(list(found.values()), len(self.inputs))


def _compile(sources: list[str], n_inputs: int) -> Any:
    """Make one function of v0, v1, ... that returns a tuple of columns."""
    numpy_names = {"atan": "arctan"}
    scope = {name: getattr(np, numpy_names.get(name, name)) for name in FUNCTIONS}
    inputs = ", ".join(f"v{d}" for d in range(n_inputs))
    return eval(f"lambda {inputs}: ({', '.join(sources)}{',' if sources else ''})", scope)


class TransformerLibrary:
    """A fitted scikit-learn transformer as a library.

    Its Jacobian is what its method ``jacobian(points)`` returns, if it has one, else differenced.

    Parameters
    ----------
    transformer : object
        Fitted, with ``transform(points)`` and ``get_feature_names_out(input_features)``.
    """

    def __init__(self, transformer: object) -> None:
        self.transformer = transformer
        self._terms: slice | np.ndarray = slice(None)

    @property
    def factors(self) -> np.ndarray:
        """Degrees (n_terms,) where the transformer tells exponents, else one number for all."""
        powers = getattr(self.transformer, "powers_", None)
        return np.zeros(1) if powers is None else np.asarray(powers).sum(axis=1)[self._terms]

    def take(self, terms: np.ndarray) -> "TransformerLibrary":
        """Return the library of some of the terms; all are evaluated nevertheless."""
        some = copy(self)
        some._terms = terms if isinstance(self._terms, slice) else self._terms[terms]
        return some

    def names(self, inputs: Sequence[str]) -> list[str]:
        """Return the transformer's own names of its outputs."""
        names = self.transformer.get_feature_names_out(list(inputs))  # type: ignore[attr-defined]
        return [str(name) for name in np.array(names, dtype=object)[self._terms]]

    def values(self, points: np.ndarray) -> np.ndarray:
        """Transform the points: (n, n_inputs) -> (n, n_terms); NaN where a trial flow blew up."""
        finite = (np.abs(points) < _BLOWN_UP).all(axis=1)
        # Transformers refuse what is not finite, and zero points: let one harmless point stand in.
        harmless = np.where(finite[:, None], points, 0.0)
        values = np.asarray(self.transformer.transform(harmless), dtype=np.float64)  # type: ignore[attr-defined]
        return np.where(finite[:, None], values[:, self._terms], np.nan)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Ask the transformer, or difference it: (n, n_inputs) -> (n, n_terms, n_inputs)."""
        if hasattr(self.transformer, "jacobian"):
            return self._given_jacobian(points)
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

    def _given_jacobian(self, points: np.ndarray) -> np.ndarray:
        """Ask the transformer for its Jacobian; NaN where a trial flow blew up."""
        finite = (np.abs(points) < _BLOWN_UP).all(axis=1)
        slopes = np.array(self.transformer.jacobian(np.where(finite[:, None], points, 0.0)))  # type: ignore[attr-defined]
        wanted = (len(points), self.values(points[:1]).shape[1], points.shape[1])
        if slopes.shape != wanted:
            raise ValueError(
                f"the Jacobian of library has shape {slopes.shape}; (n, n_terms, n_inputs) = "
                f"{wanted} is wanted; leave the method out to have it differenced."
            )
        slopes[~finite] = np.nan
        return slopes.astype(np.float64)


def bind_formulas(
    terms: Iterable[str], inputs: Sequence[str], parameters: Mapping[str, float] | None
) -> FormulaLibrary:
    """Read formulas for inputs of given names; ``{}`` stands for each of them in turn."""
    if isinstance(terms, str):
        raise ValueError(f"terms must be a list of formulas, not the string {terms!r}.")
    found: dict[str, str] = {}
    for term in terms:
        for each in [term.replace("{}", name) for name in inputs] if "{}" in term else [term]:
            source = read_formula(each, inputs, parameters)
            found.setdefault(_with_numbers(each, inputs, parameters or {}), source)
    return FormulaLibrary(inputs, list(found), list(found.values()))


def _with_numbers(term: str, inputs: Sequence[str], parameters: Mapping[str, float]) -> str:
    """Write a term with the values of its parameters, six digits each."""

    def number(match: re.Match[str]) -> str:
        name = match[0]
        if name in inputs or name not in parameters:
            return name
        return f"{parameters[name]:.6g}" if parameters[name] >= 0 else f"({parameters[name]:.6g})"

    return re.sub(r"[^\W\d]\w*'*", number, term)


def build_library(
    transformer: Any, degree: int, points: np.ndarray, inputs: Sequence[str] | None = None
) -> Library:
    """Build the polynomials of a degree, or fit a scikit-learn transformer to points (n, D)."""
    n_inputs = points.shape[1]
    if transformer is not None:
        if hasattr(transformer, "bind") and inputs is not None:
            return transformer.bind(inputs)
        wanted = ("fit", "transform", "get_feature_names_out")
        missing = [name for name in wanted if not hasattr(transformer, name)]
        if missing:
            raise ValueError(
                f"library must be a transformer with {', '.join(wanted)}; {transformer!r} lacks "
                f"{', '.join(missing)}."
            )
        fitted = clone(transformer).fit(points)
        if type(transformer) is PolynomialFeatures:
            return PolynomialLibrary.of_powers(fitted.powers_)
        return TransformerLibrary(fitted)
    check_degree(degree, n_inputs)
    return PolynomialLibrary(n_inputs, int(degree))


def check_degree(degree: Any, n_inputs: int) -> None:
    """Refuse a degree that is none, or makes too many terms."""
    if not isinstance(degree, Integral) or degree < 0:
        raise ValueError(f"degree must be a whole number of at least 0, not {degree!r}.")
    n_terms = comb(n_inputs + int(degree), int(degree))
    if n_terms > _MAX_TERMS:
        raise ValueError(
            f"degree = {degree} makes {n_terms} candidate terms of {n_inputs} inputs, more than "
            f"{_MAX_TERMS}; lower the degree, or leave out inputs."
        )


def graded_powers(n_inputs: int, degree: int) -> np.ndarray:
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
