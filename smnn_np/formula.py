"""Terms as formulas: read, differentiated, and turned into Python source.

The grammar is that of the names of terms: ``x^2 y``, ``sin(2 x)``, ``x/(0.5 + x)``, ``x'``. A blank
or nothing between two factors multiplies. Input i is called ``v{i}`` in the source made here.
"""

import ast
import re
from collections.abc import Mapping, Sequence

# What may be called, with the derivative in its argument u.
FUNCTIONS = {
    "sin": "cos({u})",
    "cos": "-sin({u})",
    "tan": "1 + tan({u})**2",
    "exp": "exp({u})",
    "log": "1/({u})",
    "sqrt": "0.5/sqrt({u})",
    "abs": "sign({u})",
    "sign": "0",
    "sinh": "cosh({u})",
    "cosh": "sinh({u})",
    "tanh": "1 - tanh({u})**2",
    "atan": "1/(1 + ({u})**2)",
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*'*)"
    r"|(?P<operator>\*\*|[-+*/^(),]))"
)
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


def read_formula(
    formula: str, inputs: Sequence[str], parameters: Mapping[str, float] | None = None
) -> str:
    """Turn a formula into Python source in v0, v1, ...; parameters become numbers.

    Parameters
    ----------
    formula : str
        Such as ``x/(k + x)``.
    inputs : sequence of str
        Names of the inputs.
    parameters : mapping of str to float, default=None
        Values of other names.

    Returns
    -------
    str
        An expression that `ast` reads.

    Raises
    ------
    ValueError
        If the formula cannot be read; the message says where.

    Examples
    --------
    >>> from smnn_np.formula import read_formula
    >>> read_formula("x'^2 exp(-k x)", ["x", "x'"], {"k": 0.5})
    'v1 ** 2 * exp(-0.5 * v0)'
    """
    parts, before = [], ""
    tokens = _tokens(formula)
    for (kind, text), (_, behind) in zip(tokens, [*tokens[1:], ("", "")], strict=False):
        after_factor = before in ("number", "factor", ")")
        if after_factor and (kind in ("number", "name") or text == "("):
            parts.append("*")
        before = kind if kind != "operator" else text
        if kind == "name" and text in FUNCTIONS and text not in inputs and behind == "(":
            before = "function"
        elif kind == "name":
            text, before = _value_of(text, formula, inputs, parameters or {}), "factor"
        parts.append("**" if text == "^" else text)
    try:
        tree = ast.parse("".join(parts) or "?", mode="eval")
    except SyntaxError:
        raise ValueError(
            f"the term {formula!r} cannot be read; write it as x^2 y or x/(1 + x)."
        ) from None
    _check(tree.body, formula)
    return ast.unparse(tree)


def differentiate(source: str, name: str) -> str:
    """Differentiate a source of `read_formula` in one of its names; "0" where it vanishes.

    Parameters
    ----------
    source : str
        An expression.
    name : str
        ``v0`` or another input.

    Returns
    -------
    str
        The derivative, as an expression.

    Examples
    --------
    >>> from smnn_np.formula import differentiate
    >>> differentiate("sin(2 * v0)", "v0")
    '2 * cos(2 * v0)'
    """
    slope = _slope(ast.parse(source, mode="eval").body, name)
    return ast.unparse(ast.parse(slope, mode="eval"))


def count_factors(source: str) -> int:
    """Count what a source of `read_formula` is written with, as a monomial's degree does.

    An input counts once, a power as often as it says; so do a function, a sum or difference, a
    division by what is no number, and a power that is no whole number.

    Parameters
    ----------
    source : str
        An expression.

    Returns
    -------
    int

    Examples
    --------
    >>> from smnn_np.formula import count_factors
    >>> [count_factors(source) for source in ("1", "2 * v0 ** 2 * v1", "sin(v0)", "v0 / (1 + v0)")]
    [0, 3, 2, 4]
    """
    return _factors(ast.parse(source, mode="eval").body)


def check_source(source: str, n_inputs: int) -> None:
    """Refuse a source that `read_formula` cannot have made: it will be evaluated.

    Parameters
    ----------
    source : str
        An expression in v0, v1, ...
    n_inputs : int
        Number of inputs.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        body = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"{source!r} is no expression.") from None
    _check(body, source)
    called = {id(each.func) for each in ast.walk(body) if isinstance(each, ast.Call)}
    inputs = {f"v{d}" for d in range(n_inputs)}
    for each in ast.walk(body):
        known = FUNCTIONS if id(each) in called else inputs
        if isinstance(each, ast.Name) and each.id not in known:
            raise ValueError(f"{source!r} speaks of {each.id!r}, which is no input or function.")


def _tokens(formula: str) -> list[tuple[str, str]]:
    """Cut a formula into (kind, text)."""
    tokens, place = [], 0
    formula = formula.rstrip()
    while place < len(formula):
        match = _TOKEN.match(formula, place)
        if match is None:
            raise ValueError(f"the term {formula!r} cannot be read from {formula[place:]!r} on.")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        place = match.end()
    return tokens


def _value_of(
    name: str, formula: str, inputs: Sequence[str], parameters: Mapping[str, float]
) -> str:
    """Source of a name: an input, or a parameter's number."""
    if name in inputs:
        return f"v{list(inputs).index(name)}"
    if name in parameters:
        return f"({float(parameters[name])!r})"
    known = [*inputs, *parameters]
    raise ValueError(
        f"the term {formula!r} speaks of {name!r}, which is no input, parameter or function; "
        f"known are {', '.join(known)} and {', '.join(FUNCTIONS)}."
    )


def _check(node: ast.AST, formula: str) -> None:
    """Refuse what is not arithmetic, or calls a function with more than one argument."""
    allowed = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.Load)
    allowed += (*_BINARY, ast.USub, ast.UAdd)  # type: ignore[assignment]
    for each in ast.walk(node):
        fine = isinstance(each, allowed)
        if isinstance(each, ast.Call):
            fine = isinstance(each.func, ast.Name) and len(each.args) == 1 and not each.keywords
        if isinstance(each, ast.Constant):
            fine = isinstance(each.value, int | float)
        if not fine:
            raise ValueError(f"the term {formula!r} cannot be read; it is not arithmetic.")


def _factors(node: ast.expr) -> int:
    """Number of factors of a node."""
    if isinstance(node, ast.Constant):
        return 0
    if isinstance(node, ast.Name):
        return 1
    if isinstance(node, ast.UnaryOp):
        return _factors(node.operand)
    if isinstance(node, ast.Call):
        return 1 + _factors(node.args[0])
    assert isinstance(node, ast.BinOp)
    left, right = _factors(node.left), _factors(node.right)
    if isinstance(node.op, ast.Pow):
        times = float(ast.unparse(node.right)) if isinstance(node.right, ast.Constant) else 0.5
        return left * int(times) if times.is_integer() else 1 + left + right
    free = isinstance(node.op, ast.Mult) or (isinstance(node.op, ast.Div) and not right)
    return left + right + (0 if free else 1)


def _slope(node: ast.expr, name: str) -> str:
    """Derivative of a node as text."""
    if isinstance(node, ast.Constant):
        return "0"
    if isinstance(node, ast.Name):
        return "1" if node.id == name else "0"
    if isinstance(node, ast.UnaryOp):
        sign = "-" if isinstance(node.op, ast.USub) else ""
        inner = _slope(node.operand, name)
        return "0" if inner == "0" else f"{sign}({inner})"
    if isinstance(node, ast.Call):
        u, inner = ast.unparse(node.args[0]), _slope(node.args[0], name)
        outer = FUNCTIONS[node.func.id]  # type: ignore[attr-defined]
        return _product(inner, f"({outer.format(u=u)})")
    assert isinstance(node, ast.BinOp)
    a, b = f"({ast.unparse(node.left)})", f"({ast.unparse(node.right)})"
    da, db = _slope(node.left, name), _slope(node.right, name)
    if isinstance(node.op, ast.Add):
        return _sum(da, db)
    if isinstance(node.op, ast.Sub):
        return _sum(da, "0" if db == "0" else f"-({db})")
    if isinstance(node.op, ast.Mult):
        return _sum(_product(da, b), _product(db, a))
    if isinstance(node.op, ast.Div):
        return _sum(_product(da, f"1/{b}"), _product(db, f"(-{a}/{b}**2)"))
    if db == "0":
        return _product(da, f"{b}*{a}**({b}-1)")
    return _sum(_product(da, f"{b}*{a}**({b}-1)"), _product(db, f"log({a})*{a}**{b}"))


def _product(slope: str, factor: str) -> str:
    """Product of a derivative and a factor."""
    if slope == "0" or factor in ("0", "(0)"):
        return "0"
    return factor if slope == "1" else f"({slope})*{factor}"


def _sum(a: str, b: str) -> str:
    """Sum of two derivatives."""
    return b if a == "0" else a if b == "0" else f"{a} + {b}"
