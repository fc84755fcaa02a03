"""Ready libraries of candidate terms, as scikit-learn transformers that can be added.

They may stand wherever a transformer may; in ``SMNNDiscoverer(library=...)`` they also have exact
Jacobians, names in the user's variables, and can be compiled and saved.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .library import (
    FormulaLibrary,
    PolynomialLibrary,
    SourceLibrary,
    bind_formulas,
    graded_powers,
)


class CandidateTerms(TransformerMixin, BaseEstimator):
    """What ready libraries have in common: ``+`` joins two of them."""

    def bind(self, inputs: Sequence[str]) -> SourceLibrary:
        """Make the library for inputs of given names.

        Parameters
        ----------
        inputs : sequence of str
            Names of the inputs: states, then controls.

        Returns
        -------
        SourceLibrary
            What the discoverer works with.
        """
        return self._bind(inputs)

    def _bind(self, inputs: Sequence[str]) -> SourceLibrary:
        """Write the terms as formulas of the inputs: what a library of one's own says."""
        raise NotImplementedError

    def __add__(self, other: "CandidateTerms") -> "JoinedTerms":
        return JoinedTerms([self, other])

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the number and the names of the inputs.

        Parameters
        ----------
        X : array-like of shape (n, n_inputs)
            Points; the names are the columns' of a DataFrame, else x0, x1, ...
        y : None
            Ignored.

        Returns
        -------
        CandidateTerms
            This transformer.
        """
        validate_data(self, X, dtype=np.float64)
        self._bound = self.bind(self._names(None))
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Evaluate the terms.

        Parameters
        ----------
        X : array-like of shape (n, n_inputs)
            Points.

        Returns
        -------
        ndarray of shape (n, n_terms)
        """
        check_is_fitted(self, "_bound")
        return self._bound.values(validate_data(self, X, dtype=np.float64, reset=False))

    def jacobian(self, X: ArrayLike) -> np.ndarray:
        """Differentiate the terms.

        Parameters
        ----------
        X : array-like of shape (n, n_inputs)
            Points.

        Returns
        -------
        ndarray of shape (n, n_terms, n_inputs)
        """
        check_is_fitted(self, "_bound")
        return self._bound.jacobian(validate_data(self, X, dtype=np.float64, reset=False))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Write the terms.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the inputs; those of `fit` by default.

        Returns
        -------
        ndarray of shape (n_terms,), str
        """
        check_is_fitted(self, "_bound")
        names = self._names(input_features)
        return np.array(self.bind(names).names(names), dtype=object)

    def _names(self, given: Any) -> list[str]:
        """Names of the inputs."""
        if given is not None:
            return [str(name) for name in given]
        own = getattr(self, "feature_names_in_", None)
        return (
            [f"x{i}" for i in range(self.n_features_in_)] if own is None else [str(n) for n in own]
        )


class PolynomialTerms(CandidateTerms):
    """Monomials.

    Parameters
    ----------
    degree : int, default=2
        Highest degree.
    include_bias : bool, default=True
        Whether there is a constant term.
    interaction_only : bool, default=False
        Whether to leave out powers of one input.

    Examples
    --------
    >>> from smnn_np import PolynomialTerms
    >>> terms = PolynomialTerms(degree=2, include_bias=False)
    >>> list(terms.fit([[0.0, 1.0]]).get_feature_names_out(["x", "y"]))
    ['x', 'y', 'x^2', 'x y', 'y^2']
    """

    def __init__(
        self, degree: int = 2, include_bias: bool = True, interaction_only: bool = False
    ) -> None:
        self.degree = degree
        self.include_bias = include_bias
        self.interaction_only = interaction_only

    def _bind(self, inputs: Sequence[str]) -> PolynomialLibrary:
        powers = graded_powers(len(inputs), self.degree)
        kept = np.ones(len(powers), dtype=bool)
        if self.interaction_only:
            kept &= powers.max(axis=1, initial=0) <= 1
        if not self.include_bias:
            kept &= powers.any(axis=1)
        return PolynomialLibrary.of_powers(powers[kept])


class FormulaTerms(CandidateTerms):
    """Any terms, written as formulas.

    Parameters
    ----------
    terms : iterable of str
        Such as ``"x^2 y"``, ``"sin(2 x)"``, ``"x/(k + x)"``: arithmetic of the inputs' names,
        numbers, parameters and sin, cos, tan, exp, log, sqrt, abs, sign, sinh, cosh, tanh, atan.
        ``{}`` stands for each input in turn: ``"sin({})"`` is a term of every input. Where inputs
        have no names they are x0, x1, ...
    parameters : mapping of str to float, default=None
        Values of the other names in the formulas. `profile` finds a nonlinear parameter.

    See Also
    --------
    profile : The likeliest value of a parameter.

    Examples
    --------
    >>> from smnn_np import FormulaTerms
    >>> terms = FormulaTerms(["1", "{}", "exp(-k x)"], parameters={"k": 0.5})
    >>> terms.bind(["x", "y"]).names(["x", "y"])
    ['1', 'x', 'y', 'exp(-0.5 x)']
    """

    def __init__(self, terms: Iterable[str], parameters: Mapping[str, float] | None = None) -> None:
        self.terms = terms
        self.parameters = parameters

    def _bind(self, inputs: Sequence[str]) -> FormulaLibrary:
        return bind_formulas(self.terms, inputs, self.parameters)


class FourierTerms(CandidateTerms):
    """Sines and cosines of multiples of every input.

    Parameters
    ----------
    n_frequencies : int, default=1
        Number of multiples.
    frequency : float, default=1.0
        The lowest one, in radians per unit of the inputs.

    Examples
    --------
    >>> from smnn_np import FourierTerms
    >>> list(FourierTerms(2).fit([[0.0]]).get_feature_names_out(["x"]))
    ['sin(x)', 'cos(x)', 'sin(2 x)', 'cos(2 x)']
    """

    def __init__(self, n_frequencies: int = 1, frequency: float = 1.0) -> None:
        self.n_frequencies = n_frequencies
        self.frequency = frequency

    def _bind(self, inputs: Sequence[str]) -> FormulaLibrary:
        terms = []
        for k in range(1, self.n_frequencies + 1):
            number = float(f"{k * self.frequency:.15g}")
            factor = "" if number == 1 else f"{int(number) if number == int(number) else number} "
            terms += [f"{call}({factor}{{}})" for call in ("sin", "cos")]
        return bind_formulas(terms, inputs, None)


class RationalTerms(CandidateTerms):
    """Monomials over given denominators, for saturation and other rational laws.

    A law with an unknown denominator, as implicit methods look for, is found by giving the
    denominator a parameter and letting `profile` find that.

    Parameters
    ----------
    denominators : iterable of str
        Formulas such as ``"1 + x"`` or ``"k + x^2"``.
    degree : int, default=1
        Highest degree of the numerators.
    parameters : mapping of str to float, default=None
        Values of other names in the denominators.
    include_bias : bool, default=False
        Whether a constant is a numerator too. Beside a constant term and x/(k + x) it says nothing
        new: 1 = k/(k + x) + x/(k + x).

    Examples
    --------
    >>> from smnn_np import PolynomialTerms, RationalTerms
    >>> terms = PolynomialTerms(1) + RationalTerms(["0.3 + x"])
    >>> terms.bind(["x"]).names(["x"])
    ['1', 'x', 'x/(0.3 + x)']
    """

    def __init__(
        self,
        denominators: Iterable[str],
        degree: int = 1,
        parameters: Mapping[str, float] | None = None,
        include_bias: bool = False,
    ) -> None:
        self.denominators = denominators
        self.degree = degree
        self.parameters = parameters
        self.include_bias = include_bias

    def _bind(self, inputs: Sequence[str]) -> FormulaLibrary:
        powers = graded_powers(len(inputs), self.degree)
        kept = powers if self.include_bias else powers[powers.any(axis=1)]
        numerators = PolynomialLibrary.of_powers(kept).names(inputs)
        terms = [f"{top}/({bottom})" for bottom in self.denominators for top in numerators]
        return bind_formulas(terms, inputs, self.parameters)


class JoinedTerms(CandidateTerms):
    """Several libraries one after the other; what two of them have counts once.

    Parameters
    ----------
    parts : sequence of CandidateTerms
        The libraries; ``a + b`` is ``JoinedTerms([a, b])``.

    Examples
    --------
    >>> from smnn_np import FourierTerms, PolynomialTerms
    >>> terms = PolynomialTerms(1) + FourierTerms()
    >>> list(terms.fit([[0.0]]).get_feature_names_out(["x"]))
    ['1', 'x', 'sin(x)', 'cos(x)']
    """

    def __init__(self, parts: Sequence[CandidateTerms]) -> None:
        self.parts = parts

    def _bind(self, inputs: Sequence[str]) -> FormulaLibrary:
        found: dict[str, str] = {}
        for part in self.parts:
            library = part.bind(inputs)
            for name, source in zip(library.names(inputs), library.sources(), strict=True):
                found.setdefault(name, source)
        return FormulaLibrary(inputs, list(found), list(found.values()))
