"""What the pages claim of the code: messages that it says, rooms that it has."""

import ast
import csv
import re
import runpy
import tomllib
from pathlib import Path

import pytest

import smnn_np

PACKAGE = Path(smnn_np.__file__).parent
DOCS = Path(__file__).parent.parent / "docs"
GAP = "\0"


def sentences(source: str) -> list[str]:
    """Return every string of a source, with a mark where a value is filled in."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else GAP for each in node.values)
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def quoted(page: str) -> list[str]:
    """Return the messages in the first column of the tables below "Messages"."""
    tables = page[page.index(".. _messages:") :]
    cells = re.findall(r"^   \* - ``(.*?)``$", tables, re.MULTILINE | re.DOTALL)
    return [" ".join(cell.split()) for cell in cells]


def says(code: list[str], message: str) -> bool:
    """Whether one string of the code has all pieces of a message, in order."""
    pieces = [re.escape(piece.strip()) for piece in message.split("...") if piece.strip()]
    pattern = re.compile(".*?".join(pieces), re.DOTALL)
    return any(pattern.search(sentence) for sentence in code)


CODE = [each for path in PACKAGE.rglob("*.py") for each in sentences(path.read_text())]
MESSAGES = quoted((DOCS / "troubleshooting.rst").read_text())


def test_troubleshooting_quotes_many_messages() -> None:
    assert len(MESSAGES) > 25


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_says_what_troubleshooting_quotes(message: str) -> None:
    assert says(CODE, message)


def test_a_message_that_the_code_does_not_say_is_found() -> None:
    assert not says(CODE, "every step must be > 0; sort the dates")
    assert not says(CODE, "merge repeated ones ... every step must be > 0")


def test_the_architecture_page_has_every_room_in_order() -> None:
    made = runpy.run_path(str(DOCS / "rooms.py"))
    order = [room for row in made["rows"]() for room in row]
    table = made["table"]()
    assert re.findall(r"^     - ``(\w+)``$", table, re.MULTILINE) == order
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} <= set(order)


def column(table: Path, title: str) -> list[float]:
    """Return the numbers of a column of a table that the benchmark wrote."""
    found, place = [], None
    for cells in csv.reader(line.strip() for line in table.read_text().splitlines()):
        if title in cells:
            place = cells.index(title)
        elif place is not None and len(cells) <= place:
            break
        elif place is not None:
            found.append(float(cells[place].replace(",", "")))
    return found


def test_the_readme_has_the_figures_of_the_tables() -> None:
    text = " ".join((DOCS.parent / "README.md").read_text().split())
    published = column(DOCS / "bench" / "rival.inc", "published / ours")
    extended = column(DOCS / "bench" / "rival.inc", "with extension / ours")
    one, three = column(DOCS / "bench" / "speed.inc", "solveh_banded / cholesky")
    assert len(published) == len(extended) == 10
    assert f"{min(published):.2g} to {max(published):.0f} times as fast" in text
    assert f"{min(extended):.2g} to {max(extended):.0f} with its C++ extension" in text
    assert f"{one:.2g} (V = 1) and {three:.2g} (V = 3) times as fast" in text


def test_the_oldest_packages_are_the_lower_bounds() -> None:
    root = DOCS.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    groups = (extras[name] for name in ("plot", "symbolic", "progress", "test"))
    asked = [*project["dependencies"], *(each for group in groups for each in group)]
    bounds = dict(each.split(">=") for each in asked if ">=" in each)
    workflow = (root / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    pins = dict(re.findall(r'"([\w-]+)==([\d.]+)\.\*"', workflow))
    # A bound of one number, such as numpy>=2, is pinned to the first minor version.
    assert pins == {n: v if "." in v else f"{v}.0" for n, v in bounds.items()}


def test_every_page_can_be_reached() -> None:
    listed = {
        (DOCS / entry[1:] if entry[0] == "/" else page.parent / entry).relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.rst")
        for tree in re.findall(r"\.\. toctree::\n(.*?)(?=\n\S|\Z)", page.read_text(), re.DOTALL)
        for entry in re.findall(r"^   ([\w/]+)$", tree, re.MULTILINE)
    }
    written = [*DOCS.glob("*.rst"), *DOCS.glob("howto/*.rst")]
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in written}
    assert pages - {"index", "sg_execution_times"} <= listed
