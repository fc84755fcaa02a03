"""Equations as text: what is printed reads back as what was fitted."""

import sys

import numpy as np
import pytest
import sympy
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)

from smnn_np import text

RULES = (*standard_transformations, implicit_multiplication, convert_xor)


def right_side(line: str) -> sympy.Expr:
    """Parse what stands right of the equals sign, as a reader would with sympy."""
    return parse_expr(line.split(" = ")[1], transformations=RULES)


def test_lorenz_reads_as_in_a_textbook():
    terms = ["1", "x", "y", "z", "x y", "x z"]
    coef = [[0, -10, 10, 0, 0, 0], [0, 28, -1, 0, 0, -1], [0, 0, 0, -8 / 3, 1, 0]]
    assert text.format_equations(["x", "y", "z"], terms, coef) == [
        "x' = -10.0 x + 10.0 y",
        "y' = 28.0 x - 1.0 y - 1.0 x z",
        "z' = -2.66667 z + 1.0 x y",
    ]


def test_empty_constant_and_second_order():
    assert text.format_equations(["x"], ["1", "x"], [[0, 0]]) == ["x' = 0"]
    assert text.format_equations(["x"], ["1", "x"], [[-0.5, 2]], order=2) == ["x'' = -0.5 + 2.0 x"]
    assert text.format_equations(["x"], ["x", "x'"], [[-6, 0.1]], 2) == ["x'' = -6.0 x + 0.1 x_dot"]


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.00000000001, "1.0"), (0.1 + 0.2, "0.3"), (1 / 3, "0.333333"), (1e-7, "1e-07"),
     (123456789.0, "123457000.0"), (2.5e22, "2.5e+22"), (28, "28.0")],
)  # fmt: skip
def test_numbers_are_short(value, written):
    assert text.format_equations(["x"], ["x"], [[value]]) == [f"x' = {written} x"]


def test_right_sides_parse_with_sympy(rng):
    terms = ["1", "hare", "lynx", "hare lynx", "hare^2", "hare^2 lynx", "hare sin(lynx)"]
    hare, lynx = sympy.symbols("hare lynx")
    meaning = [1, hare, lynx, hare * lynx, hare**2, hare**2 * lynx, hare * sympy.sin(lynx)]
    coef = rng.standard_normal((3, 7)) * 10.0 ** rng.integers(-9, 9, (3, 7))
    coef[1, ::2] = 0
    at = {hare: 1.7, lynx: -0.6}
    lines = text.format_equations(["a", "b", "c"], terms, coef)
    for line, row in zip(lines, coef, strict=True):
        wanted = sum(c * term for c, term in zip(row, meaning, strict=True)).subs(at)
        assert float(right_side(line).subs(at)) == pytest.approx(float(wanted), rel=1e-4)


def test_rates_on_the_right_parse():
    (line,) = text.format_equations(["x"], ["x'^3", "x x'"], [[2.0, -1.5]], order=2)
    x, rate = sympy.symbols("x x_dot")
    assert right_side(line) == 2.0 * rate**3 - 1.5 * x * rate


@pytest.mark.parametrize(
    ("value", "std", "written"),
    [
        (0.54792, 0.0123, "(0.548 ± 0.012)"),
        (0.02831, 0.00071, "(0.02831 ± 0.00071)"),
        (2.0, 0.0996, "(2.00 ± 0.10)"),
        (24931, 1234, "(24900 ± 1200)"),
        (10.0, 2.13e-9, "(10.0000 ± 2.1e-09)"),
        (3.2e8, 1e6, "(3.200 ± 0.010)e+08"),
        (2.5e-9, 3e-10, "(2.50 ± 0.30)e-09"),
        (0.1, 5.0, "(0.1 ± 5.0)"),
        (7.0, 0.0, "7.0"),
        (7.0, np.nan, "7.0"),
    ],
)
def test_the_error_decides_the_digits(value, std, written):
    (line,) = text.format_equations_with_errors(["x"], ["x"], [[-value]], [[std]])
    assert line == f"x' = -{written} x"


def test_errors_beside_every_term():
    lines = text.format_equations_with_errors(
        ["x"], ["1", "x", "x'"], [[1.5, 0, -2]], [[0.1, 0.3, 0.02]], order=2
    )
    assert lines == ["x'' = (1.50 ± 0.10) - (2.000 ± 0.020) x'"]


def test_latex():
    terms = ["1", "x0^12", "hare_count theta", "x'", "x sin(y)"]
    (line,) = text.latex_equations(["x0"], terms, [[2, -1e-7, 0.5, 3, 1]], order=2)
    assert line == (
        r"\ddot{x_{0}} = 2.0 - 1 \times 10^{-7}\, x_{0}^{12} + 0.5\, \mathrm{hare\_count}\, \theta"
        r" + 3.0\, \dot{x} + 1.0\, x\, \operatorname{sin}(y)"
    )


def test_latex_of_a_name_with_a_letter_below():
    (line,) = text.latex_equations(["y_q"], ["y_q", "hare_count_v", "y_qv"], [[1, 2, 3]])
    right = r"1.0\, y_{q} + 2.0\, \mathrm{hare\_count}_{v} + 3.0\, \mathrm{y\_qv}"
    assert line == rf"\dot{{y_{{q}}}} = {right}"


def test_sympy_keeps_full_precision_and_every_name():
    names = ["S", "I", "E", "N", "lambda", "beta", "hare", "x'"]
    symbols = [sympy.Symbol(name.replace("'", "_dot")) for name in names]
    terms = [*names, "S I", "lambda^2 E", "beta exp(S)"]
    coef = np.pi * np.arange(1, 12)
    (expression,) = text.sympy_equations(terms, coef[None])
    products = [*symbols, symbols[0] * symbols[1], symbols[4] ** 2 * symbols[2]]
    products.append(symbols[5] * sympy.exp(symbols[0]))
    assert expression.free_symbols == set(symbols)
    for c, product in zip(coef, products, strict=True):
        assert float(expression.as_coefficients_dict()[product]) == c
    assert text.sympy_equations(["x"], [[0.0]]) == [0]


def test_without_sympy_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"pip install 'smnn-np\[symbolic\]'"):
        text.sympy_equations(["x"], [[1.0]])


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"coef has shape \(1, 3\); wanted \(1, 2\)"):
        text.format_equations(["x"], ["1", "x"], [[1, 2, 3]])
    with pytest.raises(ValueError, match=r"coef_std has shape \(2,\); wanted \(1, 2\)"):
        text.format_equations_with_errors(["x"], ["1", "x"], [[1, 2]], [1, 2])
    with pytest.raises(ValueError, match=r"coef has shape \(1, 3\); wanted \(1, 1\)"):
        text.sympy_equations(["x"], [[1, 2, 3]])


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("hare", "hare"),
        ("algae (1e6/ml)", "algae_1e6_ml"),
        ("2nd", "_2nd"),
        ("%", "_"),
        ("x'", "x"),
    ],
)
def test_any_title_becomes_a_name(title, name):
    assert text.clean_name(title) == name
    assert name.isidentifier()
