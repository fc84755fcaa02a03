"""The table of rooms on the page "Architecture", made from the test of one-way imports."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """.. list-table::
   :header-rows: 1
   :widths: 8 24 68

   * - row
     - room
     - what lives there
"""


def rows() -> tuple[tuple[str, ...], ...]:
    """Read ROWS of tests/test_architecture.py: a room imports from the rows above its own."""
    source = (ROOT / "tests" / "test_architecture.py").read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROWS":
            return ast.literal_eval(node.value)
    raise ValueError("tests/test_architecture.py has no ROWS: name the list of rooms so")


def first_words(room: str) -> str:
    """Return the first line of the docstring of a file, or of a folder's ``__init__``."""
    path = ROOT / "smnn_np" / f"{room}.py"
    path = path if path.exists() else ROOT / "smnn_np" / room / "__init__.py"
    return (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]


def table() -> str:
    """Write the rooms, row by row, as a list table."""
    lines = [
        f"   * - {number}\n     - ``{room}``\n     - {first_words(room)}"
        for number, row in enumerate(rows(), start=1)
        for room in row
    ]
    return HEAD + "\n".join(lines) + "\n"
