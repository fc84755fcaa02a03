"""Read a small table of text: CSV columns in, arrays of numbers out, one sentence when it fails.

Plain `csv` is enough for the files the command line meets, so pandas is not needed.
"""

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_DELIMITERS = ",;\t"


class TableError(ValueError):
    """A table that cannot be used; the message is one sentence for the person who wrote it."""


@dataclass(frozen=True)
class Table:
    """Cells of a table as text.

    Attributes
    ----------
    source : str
        File name, for messages.
    titles : tuple of str
        Column titles, in order.
    rows : tuple of tuple of str
        Cells, each row as long as `titles`.
    lines : tuple of int
        Line of the file on which each row ends.
    """

    source: str
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def title(self, wanted: str, option: str) -> str:
        """Return the one title that `wanted` means: exact, or the only one but for case."""
        matches = [title for title in self.titles if title == wanted]
        matches = matches or [t for t in self.titles if t.casefold() == wanted.casefold()]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise TableError(
                f"{option}: column {wanted!r} is ambiguous in {self.source}: it could be any of "
                f"{_quoted(matches)}; rename the columns in the file"
            )
        near = difflib.get_close_matches(wanted, self.titles, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TableError(
            f"{option}: {self.source} has no column {wanted!r}; "
            f"its columns are {_quoted(self.titles)}{hint}"
        )

    def text(self, title: str) -> list[str]:
        """Return the cells of one column."""
        index = self.titles.index(title)
        return [row[index] for row in self.rows]

    def numbers(self, title: str, option: str) -> NDArray[np.float64]:
        """Return one column as float64 (n_rows,), missing cells as NaN."""
        values = np.empty(len(self.rows))
        for i, cell in enumerate(self.text(title)):
            values[i] = self._number(cell, title, option, self.lines[i])
        return values

    def times(self, title: str) -> tuple[NDArray[np.float64], str | None]:
        """Return a column of times (n_rows,) and, if it held dates, the date that is day zero."""
        cells = self.text(title)
        for cell, line in zip(cells, self.lines, strict=True):
            if cell.casefold() in _MISSING:
                raise TableError(
                    f"--time: column {title!r} of {self.source} is empty in line {line}; "
                    "every row needs a time"
                )
        try:
            dates = [_as_utc(cell) for cell in cells if not _is_number(cell)]
        except ValueError:
            dates = []
        if not dates or len(dates) != len(cells):
            return self.numbers(title, "--time"), None
        first = min(dates)
        days = np.array([(date - first).total_seconds() / 86400 for date in dates])
        return days, first.date().isoformat()

    def _number(self, cell: str, title: str, option: str, line: int) -> float:
        """Read one cell: a finite number, or NaN where it is missing."""
        if cell.casefold() in _MISSING:
            return np.nan
        value = float(cell) if _is_number(cell) else np.nan
        if not np.isfinite(value):
            raise TableError(
                f"{option}: column {title!r} of {self.source} has {cell!r} in line {line}; "
                f"wanted a finite number, or nothing where a value is missing"
            )
        return value


def read_table(path: str | Path) -> Table:
    """Read a file of comma-, semicolon- or tab-separated columns with titles in its first line.

    Parameters
    ----------
    path : str or Path
        The file, in UTF-8.

    Returns
    -------
    Table
        The cells, stripped of spaces; empty lines and lines starting with ``#`` are skipped.

    Raises
    ------
    TableError
        If the file cannot be read, has no titles or no rows, or a row of another length.
    """
    source = str(path)
    rows, lines = _split(_read_text(path, source))
    if len(rows) < 2:
        raise TableError(f"{source} holds no data: wanted a line of column titles, then rows")
    titles, *body = rows
    if all(_is_number(title) for title in titles):
        raise TableError(
            f"the first line of {source} holds numbers only; wanted column titles, such as 't,x,y'"
        )
    for row, line in zip(body, lines[1:], strict=True):
        if len(row) != len(titles):
            raise TableError(
                f"line {line} of {source} has {len(row)} cells; wanted {len(titles)}, one for "
                f"each of the columns {_quoted(titles)}"
            )
    return Table(source, titles, tuple(body), tuple(lines[1:]))


def _read_text(path: str | Path, source: str) -> str:
    """Return the text of a file, or say why it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{source} is not a text file in UTF-8; wanted a CSV file") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TableError(f"cannot read {source}: {reason}") from error


def _split(text: str) -> tuple[list[tuple[str, ...]], list[int]]:
    """Split a text into rows of stripped cells and the line each row ends on."""
    kept = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    delimiter = max(_DELIMITERS, key=kept[0].count) if kept else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    rows, lines = [], []
    try:
        for cells in reader:
            row = tuple(cell.strip() for cell in cells)
            if any(row) and not row[0].startswith("#"):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise TableError(f"line {reader.line_num} is no line of a table: {error}") from error
    return rows, lines


def _is_number(cell: str) -> bool:
    """Whether Python reads the cell as a float."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _as_utc(cell: str) -> datetime:
    """Read an ISO 8601 date or time; one without a zone counts as UTC."""
    date = datetime.fromisoformat(cell)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _quoted(names: Sequence[str]) -> str:
    """List names for a message."""
    return ", ".join(repr(name) for name in names)
