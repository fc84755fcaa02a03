r"""Equations as text: plain lines, lines with standard errors, LaTeX and sympy.

One grammar serves every function here. A *target* is the name of a state (``x``, ``hare``). A
*term* is a product of factors separated by spaces (``1``, ``x``, ``x^2 y``, ``hare lynx``,
``x sin(y)``); an apostrophe marks a rate (``x'``). ``coef`` has one row per target and one column
per term, and a coefficient that is exactly zero is a term that is not in the equation.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._notation import (
    QUOTE,
    latex_name,
    latex_number,
    latex_rate,
    number_with_error,
    plain_number,
    sum_of_terms,
)
from ._optional import import_optional

_TOKEN = re.compile(r"(?P<call>[^\W\d]\w*)(?=\()|(?P<name>[^\W\d]\w*'*)|\^(?P<power>-?\d+)")


def clean_name(name: str) -> str:
    """Turn any column title into a name that can stand in an equation.

    Parameters
    ----------
    name : str
        A title such as ``"algae (1e6/ml)"``.

    Returns
    -------
    str
        The title with every run of characters other than letters, digits and underscores replaced
        by one underscore, and a leading underscore where it would start with a digit.

    Examples
    --------
    >>> from smnn_np.text import clean_name
    >>> clean_name("algae (1e6/ml)")
    'algae_1e6_ml'
    """
    cleaned = re.sub(r"\W+", "_", name.strip()).strip("_")
    return cleaned if cleaned and not cleaned[0].isdigit() else f"_{cleaned}"


def format_equations(
    targets: list[str],
    terms: list[str],
    coef: ArrayLike,
    order: int = 1,
    coef_std: ArrayLike | None = None,
) -> list[str]:
    """Write one line per target, such as ``x' = -10.0 x + 10.0 y``.

    Parameters
    ----------
    targets : list of str
        Names of the states, one per row of `coef`.
    terms : list of str
        Names of the candidate terms, one per column of `coef`.
    coef : array-like of shape (n_targets, n_terms)
        Coefficients; exact zeros are left out.
    order : int, default=1
        Order of the derivative on the left-hand side.
    coef_std : array-like of shape (n_targets, n_terms), default=None
        Standard errors. Two of their digits are written, but never less than two nor more than
        six digits of a coefficient; six without them.

    Returns
    -------
    list of str
        The lines. Each right-hand side parses with sympy's ``implicit_multiplication`` and
        ``convert_xor``; a rate ``x'`` is written ``x_dot`` there, and an empty one is ``0``.

    Raises
    ------
    ValueError
        If the shape of `coef` is not (number of targets, number of terms).

    Examples
    --------
    >>> from smnn_np.text import format_equations
    >>> format_equations(["x", "z"], ["1", "x", "x z"], [[0, -10, 0], [0.5, 0, 1 / 3]])
    ["x' = -10.0 x", "z' = 0.5 + 0.333333 x z"]
    >>> format_equations(["x"], ["x"], [[1.23456]], coef_std=[[0.012]])
    ["x' = 1.235 x"]
    """
    matrix = _as_matrix("coef", coef, targets, terms)
    errors = _errors(coef_std, targets, terms)
    written = [_parseable(term) for term in terms]
    return [
        f"{target}{QUOTE * order} = {sum_of_terms(written, row, _plain_numbers(row, row_std))}"
        for target, row, row_std in zip(targets, matrix, errors, strict=True)
    ]


def format_equations_with_errors(
    targets: list[str], terms: list[str], coef: ArrayLike, coef_std: ArrayLike, order: int = 1
) -> list[str]:
    """Write one line per target with the standard error beside each coefficient.

    Parameters
    ----------
    targets, terms, coef, order : list of str, list of str, array-like, int
        As in `format_equations`.
    coef_std : array-like of shape (n_targets, n_terms)
        Standard errors. They decide how many digits are written: two of the error. Where one is
        zero or not finite the coefficient stands alone.

    Returns
    -------
    list of str
        The lines, for reading (not for parsing).

    Raises
    ------
    ValueError
        If the shape of `coef` or `coef_std` is not (number of targets, number of terms).

    Examples
    --------
    >>> from smnn_np.text import format_equations_with_errors
    >>> lines = format_equations_with_errors(
    ...     ["hare"], ["hare", "hare lynx"], [[0.54792, -0.02831]], [[0.0123, 0.00071]]
    ... )
    >>> print(lines[0])
    hare' = (0.548 ± 0.012) hare - (0.02831 ± 0.00071) hare lynx
    """
    matrix = _as_matrix("coef", coef, targets, terms)
    errors = _as_matrix("coef_std", coef_std, targets, terms)
    lines = []
    for target, row, row_std in zip(targets, matrix, errors, strict=True):
        pairs = zip(row.tolist(), row_std.tolist(), strict=True)
        numbers = [number_with_error(abs(value), std) for value, std in pairs]
        lines.append(f"{target}{QUOTE * order} = {sum_of_terms(terms, row, numbers)}")
    return lines


def latex_equations(
    targets: list[str],
    terms: list[str],
    coef: ArrayLike,
    order: int = 1,
    coef_std: ArrayLike | None = None,
) -> list[str]:
    r"""Write one LaTeX formula per target, without dollar signs.

    Parameters
    ----------
    targets, terms, coef, order, coef_std : list of str, list of str, array-like, int, array-like
        As in `format_equations`. Names of several letters are set upright, ``x0`` becomes
        :math:`x_{0}`, and Greek names become letters.

    Returns
    -------
    list of str
        The formulas.

    Examples
    --------
    >>> from smnn_np.text import latex_equations
    >>> print(latex_equations(["x"], ["x", "x^2 hare"], [[-1, 0.25]])[0])
    \dot{x} = -1.0\, x + 0.25\, x^{2}\, \mathrm{hare}
    """
    matrix = _as_matrix("coef", coef, targets, terms)
    errors = _errors(coef_std, targets, terms)
    written = [_latex_term(term) for term in terms]
    lines = []
    for target, row, row_std in zip(targets, matrix, errors, strict=True):
        numbers = [latex_number(number) for number in _plain_numbers(row, row_std)]
        right = sum_of_terms(written, row, numbers, space="\\, ")
        lines.append(f"{latex_rate(target, order)} = {right}")
    return lines


def sympy_equations(terms: list[str], coef: ArrayLike) -> list[Any]:
    """Build the right-hand sides as sympy expressions with their coefficients in full precision.

    Every name becomes an explicit symbol, so that states called ``I``, ``S``, ``E`` or
    ``lambda`` mean themselves; a rate ``x'`` becomes the symbol ``x_dot``.

    Parameters
    ----------
    terms : list of str
        Names of the candidate terms, one per column of `coef`.
    coef : array-like of shape (n_targets, n_terms)
        Coefficients; exact zeros are left out.

    Returns
    -------
    list of sympy.Expr
        One expression per row of `coef`.

    Raises
    ------
    ImportError
        If sympy is not installed; it comes with the extra ``symbolic``.

    Examples
    --------
    >>> from smnn_np.text import sympy_equations
    >>> sympy_equations(["S", "S I"], [[0, -0.5]])
    [-0.5*I*S]
    """
    sympy = import_optional("sympy", "'smnn-np[symbolic]'")
    matrix = _as_matrix("coef", coef, None, terms)
    products = [_sympy_product(term) if matrix[:, j].any() else 0 for j, term in enumerate(terms)]
    return [
        sympy.Add(*(sympy.Float(float(c)) * p for c, p in zip(row, products, strict=True) if c))
        for row in matrix
    ]


def _as_matrix(
    name: str, values: ArrayLike, targets: list[str] | None, terms: list[str]
) -> NDArray[np.float64]:
    """Return `values` as a float array (n_targets, n_terms), or say which shape is wanted."""
    matrix = np.asarray(values, dtype=np.float64)
    rows = len(targets) if targets is not None else matrix.shape[0] if matrix.ndim == 2 else None
    if matrix.ndim != 2 or matrix.shape != (rows, len(terms)):
        wanted = f"({'n_targets' if rows is None else rows}, {len(terms)})"
        raise ValueError(
            f"{name} has shape {matrix.shape}; wanted {wanted}: a row per target, a column per term"
        )
    return matrix


def _errors(
    coef_std: ArrayLike | None, targets: list[str], terms: list[str]
) -> NDArray[np.float64]:
    """Return standard errors as a matrix: zeros where there are none."""
    none = np.zeros((len(targets), len(terms)))
    return none if coef_std is None else _as_matrix("coef_std", coef_std, targets, terms)


def _plain_numbers(row: NDArray[np.float64], row_std: NDArray[np.float64]) -> list[str]:
    """Write the magnitude of every coefficient of one equation."""
    pairs = zip(row.tolist(), row_std.tolist(), strict=True)
    return [plain_number(abs(value), std) for value, std in pairs]


def _parseable(term: str) -> str:
    """Spell rates so that a parser reads them as names: ``x'`` becomes ``x_dot``."""
    return term.replace(QUOTE, "_dot")


def _latex_term(term: str) -> str:
    """Set one term: names, powers and function calls."""

    def replace(match: re.Match[str]) -> str:
        if match["call"]:
            return f"\\operatorname{{{match['call']}}}"
        return f"^{{{match['power']}}}" if match["power"] else latex_name(match["name"])

    return _TOKEN.sub(replace, term).replace(" ", "\\, ")


def _sympy_product(term: str) -> Any:
    """Parse one term; every name is aliased, so that sympy and Python cannot claim it."""
    import sympy
    from sympy.parsing import sympy_parser

    symbols: dict[str, Any] = {}

    def replace(match: re.Match[str]) -> str:
        if not match["name"]:
            return match[0]
        alias = f"_name_{len(symbols)}"
        symbols[alias] = sympy.Symbol(_parseable(match["name"]))
        return alias

    text = _TOKEN.sub(replace, term)
    rules = (
        *sympy_parser.standard_transformations,
        sympy_parser.convert_xor,
        sympy_parser.implicit_multiplication,
    )
    return sympy_parser.parse_expr(text, local_dict=symbols, transformations=rules)
