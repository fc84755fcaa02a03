"""How numbers, names, derivatives and sums are spelt, in plain text and in LaTeX."""

import math
import re

import numpy as np
from numpy.typing import NDArray

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|"
    "rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
_SIGNIFICANT_DIGITS = 6
QUOTE = "'"
_MOST_MARKS = 3  # primes or dots; a higher derivative has its order in brackets


def sum_of_terms(
    terms: list[str], row: NDArray[np.float64], numbers: list[str], space: str = " "
) -> str:
    """Join the non-zero terms of one equation: signs between, the constant as a bare number."""
    text = ""
    for term, value, number in zip(terms, row.tolist(), numbers, strict=True):
        if value == 0:
            continue
        sign = "-" if value < 0 else "+" if text else ""
        text += f" {sign} " if text else sign
        text += number if term == "1" else f"{number}{space}{term}"
    return text or "0"


def plain_number(value: float, std: float = 0.0) -> str:
    """Write as many digits as the error leaves, the shortest text that reads back as them."""
    digits = _SIGNIFICANT_DIGITS
    if math.isfinite(std) and std > 0 and value > 0:
        wanted = math.floor(math.log10(value)) - math.floor(math.log10(std)) + 2
        digits = max(2, min(wanted, digits))
    return repr(float(f"{value:.{digits}g}"))


def number_with_error(value: float, std: float) -> str:
    """Write ``(value ± std)`` with two digits of the error and at most six of the value."""
    if value == 0 or not (math.isfinite(std) and std > 0):
        return plain_number(value)
    largest = max(value, std)
    exponent = math.floor(math.log10(largest))
    if exponent >= _SIGNIFICANT_DIGITS or exponent < -4:
        inner = number_with_error(value / 10.0**exponent, std / 10.0**exponent)
        return f"{inner}e{exponent:+03d}"
    decimals = 1 - math.floor(math.log10(float(f"{std:.1e}")))
    decimals_shown = max(0, min(decimals, _SIGNIFICANT_DIGITS - 1 - exponent))
    rounded = round(value, min(decimals, decimals_shown))
    if decimals > decimals_shown:
        return f"({rounded:.{decimals_shown}f} ± {std:.1e})"
    return f"({rounded:.{decimals_shown}f} ± {round(std, decimals):.{decimals_shown}f})"


def latex_number(number: str) -> str:
    """Set a number, with or without its error, for LaTeX."""
    powers = re.sub(r"e([+-]\d+)", lambda found: f" \\times 10^{{{int(found[1])}}}", number)
    return powers.replace("±", "\\pm")


def latex_name(name: str) -> str:
    """Set a name: a letter in italics, a word upright, Greek as its letter, an index below.

    An index is digits, or one letter after an underscore.
    """
    if name.endswith(QUOTE):
        return latex_rate(name.rstrip(QUOTE), len(name) - len(name.rstrip(QUOTE)))
    pattern = r"(.*?)_?(\d*|(?<=_)[a-z])"
    stem, index = re.fullmatch(pattern, name).groups()  # type: ignore[union-attr]
    if _GREEK.fullmatch(stem):
        stem = f"\\{stem}"
    elif len(stem) > 1:
        stem = f"\\mathrm{{{stem.replace('_', chr(92) + '_')}}}"
    return f"{stem}_{{{index}}}" if index else stem


def plain_rate(name: str, order: int) -> str:
    """Write the derivative of a name: ``x''``, ``x^(4)``."""
    return name + (QUOTE * order if order <= _MOST_MARKS else f"^({order})")


def latex_rate(name: str, order: int) -> str:
    """Set the derivative of a name: with as many dots as its order, or that in brackets."""
    if order > _MOST_MARKS:
        return f"{latex_name(name)}^{{({order})}}"
    return f"\\{'d' * order}ot{{{latex_name(name)}}}" if order else latex_name(name)
