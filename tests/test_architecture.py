"""The house rules that a machine can check: one-way imports, small files, a light front door."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import smnn_np

PACKAGE = Path(smnn_np.__file__).parent

# A file imports only from the rows above it; files of one row do not import one another.
# `__init__` is exempt: it is the front door.
ROWS = (
    ("_arrays", "_mapped"),
    ("_memory",),
    ("_determined", "_optional", "_seen", "_shapes", "_values"),
    ("_validation",),
    ("_table",),
    ("banded",),
    ("_kernels",),
    ("taylor",),
    ("dense",),
    ("_twofold",),
    ("_group",),
    ("_derivatives", "_gradients", "border"),
    ("_rules",),
    ("factorize",),
    ("device",),
    ("adjoint",),
    ("ode",),
    ("prior",),
    ("formula",),
    ("library",),
    ("_scaled",),
    ("terms",),
    ("constraints",),
    ("_known",),
    ("dynamics",),
    ("spline",),
    ("_notation",),
    ("text",),
    ("_reading",),
    ("_trajectories",),
    ("_data",),
    ("network",),
    ("mechanism",),
    ("_objective",),
    ("_settings",),
    ("_emitter",),
    ("subset",),
    ("optimize", "descent"),
    ("_start", "_linearized"),
    ("_training",),
    ("_fitting",),
    ("identify",),
    ("_pose",),
    ("_criterion",),
    ("_residuals",),
    ("_found",),
    ("selection",),
    ("compiled",),
    ("simulate",),
    ("_posterior",),
    ("_pieces",),
    ("_driven",),
    ("_asked",),
    ("_marginal",),
    ("_units", "_response", "_cautious"),
    ("_bands",),
    ("_mirror", "_curvature", "_knots"),
    ("_learn",),
    ("_smoothing",),
    ("_together",),
    ("_path",),
    ("_suspicions",),
    ("_progress",),
    ("_json",),
    ("_saved",),
    ("_shown",),
    ("_equations", "_linear"),
    ("discoverer", "regressor", "smoother"),
    ("ensemble", "nonlinear"),
    ("display",),
    ("_closed_forms", "_kdv", "_records", "_simulated"),
    ("datasets",),
    ("testing",),
    ("exact",),
    ("_systems",),
    ("accuracy",),
    ("_measure",),
    ("_cases",),
    ("_ceilings", "_resources", "_rival"),
    ("_gpu",),
    ("bench",),
    ("_series",),
    ("_report",),
    ("__main__",),
)
ROW = {name: number for number, row in enumerate(ROWS) for name in row}
# A library's users may lack these, or not want to wait for them.
OPTIONAL = {"cupy", "matplotlib", "pandas", "sympy", "rich", "torch", "jax"}
MAX_LINES = 350
# Lines of code; docstring, comments and functions inside it do not count.
MAX_FUNCTION = 40
# Kernels that are longer, each with its reason.
LONG_KERNELS = {
    "_kernels/backward.py": {"backward"},  # one loop over nodes on fifteen arrays of scratch
    "_kernels/cpu/general/gradient.py": {"gradients"},  # makes the scratch of all its parts
    "_kernels/cpu/unrolled/gradient.py": {"codegen"},  # writes one loop over time, row by row
    "_kernels/cpu/unrolled/solve.py": {"codegen"},  # the same
}

FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = [path for path in FILES if path != PACKAGE / "__init__.py"]


def name(path: Path) -> str:
    """Return a file's path inside the package, for the report."""
    return path.relative_to(PACKAGE).as_posix()


def room(path: Path) -> str:
    """Return the file's, or its folder's, name in ROWS."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def rooms_imported(source: str, path: Path) -> set[str]:
    """Return the names in ROWS that a file's source imports from, functions included."""
    parents = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            inside = parents[: len(parents) - (node.level - 1)]
            dotted = ".".join([*inside, *([node.module] if node.module else [])])
            names = [dotted] if dotted else [alias.name for alias in node.names]
            found.update(each.split(".")[0] for each in names)
    return found


def imports_at_load(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the top-level packages that are imported when the file is."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from imports_at_load(getattr(node, field, []))


def undocumented(source: str) -> list[str]:
    """Return the public functions, classes and methods that lack a docstring."""

    def walk(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name.startswith("_"):
                continue
            if ast.get_docstring(child) is None:
                yield prefix + child.name
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")

    return list(walk(ast.parse(source), ""))


def lines_of(node: ast.FunctionDef) -> set[int]:
    """Return the numbers of the lines of a function's body."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return set(range(body[0].lineno, body[-1].end_lineno + 1)) if body else set()


def long_functions(source: str) -> set[str]:
    """Return the functions with more lines of code than are read at a glance."""
    lines = [line.strip() for line in source.splitlines()]
    blank = {i for i, line in enumerate(lines, 1) if not line or line.startswith("#")}
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            inner = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef)][1:]
            others = set().union(*(range(each.lineno, each.end_lineno + 1) for each in inner))
            if len(lines_of(node) - others - blank) > MAX_FUNCTION:
                found.add(node.name)
    return found


@pytest.mark.parametrize("path", ROOMS, ids=name)
def test_functions_are_short(path: Path) -> None:
    assert long_functions(path.read_text()) <= LONG_KERNELS.get(name(path), set())


@pytest.mark.parametrize("path", ROOMS, ids=name)
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    assert here in ROW, f"give {name(path)} its place in ROWS"
    for other in rooms_imported(path.read_text(), path) - {here}:
        assert other in ROW, f"{name(path)} imports .{other}, which has no place in ROWS"
        assert ROW[other] < ROW[here], f"{name(path)} imports .{other}, which is not above it"


@pytest.mark.parametrize("path", ROOMS, ids=name)
def test_package_imports_are_relative(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "smnn_np" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.split(".")[0] != "smnn_np"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_optional_packages_are_imported_when_used(path: Path) -> None:
    found = OPTIONAL & set(imports_at_load(ast.parse(path.read_text()).body))
    assert not found, f"import {found} inside the function that uses it"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_are_small_and_documented(path: Path) -> None:
    source = path.read_text()
    n_lines = len(source.splitlines())
    assert n_lines <= MAX_LINES, f"{n_lines} lines: a second concept is hiding in {name(path)}"
    assert ast.get_docstring(ast.parse(source)), f"{name(path)} does not say what lives there"
    assert undocumented(source) == []


def test_the_checks_above_see_what_they_should() -> None:
    inside = PACKAGE / "_kernels" / "cpu.py"
    source = "from ..ode import x\nfrom . import y\ndef f():\n    from ..text import z\n"
    assert rooms_imported(source, inside) == {"ode", "_kernels", "text"}
    assert rooms_imported("from . import display", PACKAGE / "taylor.py") == {"display"}
    lazy = "def f():\n    import cupy\nif TYPE_CHECKING:\n    import pandas\n"
    assert set(imports_at_load(ast.parse(lazy).body)) == set()
    eager = "try:\n    import cupy\nexcept E:\n    import jax.numpy\nclass A:\n    import rich\n"
    assert set(imports_at_load(ast.parse(eager).body)) == {"cupy", "jax", "rich"}
    assert long_functions("def f():\n" + 41 * "    x = 1\n\n    # why\n") == {"f"}
    assert long_functions("def f():\n    'text'\n" + 40 * "    x = 1\n") == set()
    nested = "def f():\n    def g():\n" + 41 * "        x = 1\n" + "    return g\n"
    assert long_functions(nested) == {"g"}
    assert undocumented("class A:\n    'a'\n    def f(self): ...\n    def _g(self): ...") == ["A.f"]


def test_the_solver_needs_neither_scikit_learn_nor_optional_packages() -> None:
    heavy = sorted(OPTIONAL | {"sklearn"})
    script = f"""
import sys
import numpy as np
import smnn_np
smnn_np.ode_solve(np.array([[[[1.0, 1.0]]]]), np.zeros((1, 1)), np.ones((1, 1, 1)), 0.1, n_steps=3)
loaded = [each for each in {heavy} if each in sys.modules]
assert not loaded, f"loaded: {{loaded}}"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_loaded_and_seen() -> None:
    for each in smnn_np.__all__:
        assert getattr(smnn_np, each) is not None
        assert each in dir(smnn_np)
    with pytest.raises(AttributeError, match="no_such_name"):
        smnn_np.no_such_name  # noqa: B018
