"""What is known of the equations beforehand, in the names that equations are written with."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Place = tuple[str, str]  # a state and a term
_ANY = "*"


class Constraints:
    """Known structure: terms forced in or out, fixed, bounded or tied coefficients.

    A coefficient is named by a pair (state, term), such as ``("x", "x y")`` for the coefficient of
    ``x y`` in the equation of x (``"x'"`` and ``"x''"`` may be written too); the order of a term's
    factors does not matter, and ``"*"`` stands for any state or any term. Where two pairs of
    `bounds` name one coefficient the later holds.

    Parameters
    ----------
    require : iterable of (state, term), default=()
        Terms that are in every model, whatever the evidence says. For what a textbook is sure of.
    forbid : iterable of (state, term), default=()
        Terms that are in none.
    only : mapping of state to terms, default=None
        The only candidates of a state's equation: a library of its own for each equation.
    fixed : mapping of (state, term) to float, default=None
        Coefficients that are known; they are in every model, with a standard error of 0.
    bounds : mapping of (state, term) to (low, high), default=None
        Least and largest values, None where there is none. A bound that excludes 0 forces the term
        in. A coefficient that ends at its bound has no standard error: it is NaN.
    equalities : iterable of (mapping of (state, term) to float, float), default=()
        Linear equations: the sum of factor times coefficient is the number.

    See Also
    --------
    energy_preserving : The equalities of products that exchange energy and make none.

    Examples
    --------
    What one state loses the other gains, and nothing grows by itself:

    >>> import numpy as np
    >>> from smnn_np import Constraints, SMNNDiscoverer
    >>> t = np.linspace(0, 5, 100)
    >>> y = np.column_stack([np.exp(-t), 1.5 - np.exp(-t)])
    >>> y += 0.02 * np.random.default_rng(0).standard_normal(y.shape)
    >>> known = Constraints(
    ...     bounds={("x", "x"): (None, 0.0)},
    ...     equalities=[({("x", "x"): 1.0, ("y", "x"): 1.0}, 0.0)],
    ...     only={"x": ["x"], "y": ["x", "y"]},
    ... )
    >>> model = SMNNDiscoverer(degree=1, constraints=known).fit(t, y)
    >>> bool(abs(model.coef_[0, 1] + model.coef_[1, 1]) < 1e-12)
    True
    """

    def __init__(
        self,
        *,
        require: Iterable[Place] = (),
        forbid: Iterable[Place] = (),
        only: Mapping[str, Iterable[str]] | None = None,
        fixed: Mapping[Place, float] | None = None,
        bounds: Mapping[Place, tuple[float | None, float | None]] | None = None,
        equalities: Iterable[tuple[Mapping[Place, float], float]] = (),
    ) -> None:
        self.require = list(require)
        self.forbid = list(forbid)
        self.only = {state: list(terms) for state, terms in (only or {}).items()}
        self.fixed = dict(fixed or {})
        self.bounds = {
            place: tuple(pair) if isinstance(pair, list) else pair
            for place, pair in (bounds or {}).items()
        }
        self.equalities = [(dict(factors), number) for factors, number in equalities]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value)
        return f"Constraints({given})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraints) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def energy_preserving(
    states: Sequence[str], degree: int = 2
) -> list[tuple[dict[Place, float], float]]:
    """Write the equalities by which products of states exchange energy but make none.

    The energy is half the sum of the squares of the states. Its rate through the terms of one
    degree is a polynomial of the next; all of its coefficients must vanish. Quadratic terms of
    fluids obey this.

    Parameters
    ----------
    states : sequence of str
        Names of the states, as in the equations.
    degree : int, default=2
        Degree of the terms that preserve energy.

    Returns
    -------
    list of (dict of (state, term) to float, float)
        For ``Constraints(equalities=...)``.

    Examples
    --------
    >>> from smnn_np import energy_preserving
    >>> for factors, number in energy_preserving(["x", "y"]):
    ...     print(factors, "=", number)
    {('x', 'x^2'): 1.0} = 0.0
    {('x', 'x y'): 1.0, ('y', 'x^2'): 1.0} = 0.0
    {('x', 'y^2'): 1.0, ('y', 'x y'): 1.0} = 0.0
    {('y', 'y^2'): 1.0} = 0.0
    """
    from .library import PolynomialLibrary

    library = PolynomialLibrary(len(states), degree)
    terms = dict(zip(map(tuple, library.powers.tolist()), library.names(states), strict=True))
    rows = []
    for product in PolynomialLibrary(len(states), degree + 1).powers.tolist():
        if sum(product) != degree + 1:
            continue
        row = {}
        for s, state in enumerate(states):
            left = tuple(power - (i == s) for i, power in enumerate(product))
            if min(left) >= 0:
                row[state, terms[left]] = 1.0
        rows.append((row, 0.0))
    return rows


@dataclass(frozen=True)
class Structure:
    """Constraints on the coefficients (P, T) of P terms in T equations, in the user's units.

    Attributes
    ----------
    allowed, required : ndarray of shape (P, T), bool
    fixed : ndarray of shape (P, T)
        Known coefficients, NaN where none is.
    lower, upper : ndarray of shape (P, T)
    matrix, rhs : ndarray of shape (E, P, T), (E,)
    """

    allowed: np.ndarray
    required: np.ndarray
    fixed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    matrix: np.ndarray
    rhs: np.ndarray


def read_constraints(constraints: Any, states: Sequence[str], terms: Sequence[str]) -> Structure:
    """Find the places that constraints speak of; ValueError where there is none."""
    if not isinstance(constraints, Constraints):
        raise ValueError(
            f"constraints must be a smnn_np.Constraints or None, not {constraints!r}; write "
            "Constraints(require=..., forbid=..., fixed=..., bounds=..., equalities=...)."
        )
    find = _Finder(states, terms)
    shape = (len(terms), len(states))
    allowed, required = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
    fixed, lower, upper = np.full(shape, np.nan), np.full(shape, -np.inf), np.full(shape, np.inf)
    for state, some in constraints.only.items():
        column = find.state(state)
        allowed[:, column] = False
        for term in some:
            allowed[find.place((state, term))] = True
    for place in constraints.forbid:
        allowed[find.place(place)] = False
    for place in constraints.require:
        required[find.place(place)] = True
    for place, number in constraints.fixed.items():
        fixed[find.place(place)] = _number(number, f"fixed[{place!r}]")
    for place, pair in constraints.bounds.items():
        where = find.place(place)
        lower[where], upper[where] = _pair(pair, place)
    matrix = np.zeros((len(constraints.equalities), *shape))
    rhs = np.zeros(len(matrix))
    for row, (factors, number) in enumerate(constraints.equalities):
        for place, factor in factors.items():
            matrix[row][find.place(place)] += _number(factor, f"equalities[{row}]")
        rhs[row] = _number(number, f"equalities[{row}]")
    required |= (lower > 0) | (upper < 0)
    structure = Structure(allowed, required, fixed, lower, upper, matrix, rhs)
    _refuse_contradictions(structure, states, terms)
    return structure


class _Finder:
    """Looks up pairs of names among states and terms."""

    def __init__(self, states: Sequence[str], terms: Sequence[str]) -> None:
        self._states = list(states)
        self._terms = [_sorted_factors(term) for term in terms]
        self._shown = list(terms)

    def state(self, name: str) -> slice | int:
        """Index of a state, or all of them."""
        if name == _ANY:
            return slice(None)
        if name.rstrip("'") not in self._states:
            raise ValueError(
                f"constraints speak of a state {name!r}; the states are {', '.join(self._states)}."
            )
        return self._states.index(name.rstrip("'"))

    def place(self, pair: Any) -> tuple[slice | int, slice | int]:
        """Indices of a pair among (terms, states)."""
        if not (
            isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(p, str) for p in pair)
        ):
            raise ValueError(f"constraints name coefficients by (state, term), not {pair!r}.")
        state, term = pair
        column = self.state(state)
        if term == _ANY:
            return slice(None), column
        wanted = _sorted_factors(term)
        if wanted not in self._terms:
            near = difflib.get_close_matches(term, self._shown, 3, 0.0)
            raise ValueError(
                f"constraints speak of a term {term!r}, which is not in the library; "
                f"its terms are such as {', '.join(near)}."
            )
        return self._terms.index(wanted), column


def _sorted_factors(term: str) -> tuple[str, ...]:
    """Factors of a term in an order of their own: ``y x`` is ``x y``."""
    return tuple(sorted(term.split()))


def _number(value: Any, what: str) -> float:
    """Read a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"constraints: {what} holds {value!r}; a finite number is wanted.")
    return number


def _pair(pair: Any, place: Place) -> tuple[float, float]:
    """Read two bounds."""
    try:
        low, high = pair
        bounds = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
    except (TypeError, ValueError):
        bounds = (np.nan, np.nan)
    if not bounds[0] < bounds[1]:
        raise ValueError(
            f"constraints: bounds[{place!r}] = {pair!r}; a pair (low, high) with low < high is "
            "wanted, None where there is no bound; use fixed for a known value."
        )
    return bounds


def _refuse_contradictions(
    structure: Structure, states: Sequence[str], terms: Sequence[str]
) -> None:
    """Refuse what is both in and out, and fixed values outside their bounds."""
    known = ~np.isnan(structure.fixed)
    value = np.where(known, structure.fixed, 0.0)
    outside = known & ((value < structure.lower) | (value > structure.upper))
    for bad, what in (
        ((structure.required | known) & ~structure.allowed, "forced in and left out"),
        (outside, "fixed outside its bounds"),
    ):
        if bad.any():
            term, state = np.argwhere(bad)[0]
            raise ValueError(
                f"constraints contradict each other: the coefficient of {terms[term]} in "
                f"{states[state]}' is {what}; drop one of the two."
            )
