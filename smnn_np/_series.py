"""The series of measurements that the command line is asked about: columns chosen and checked."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._table import Table, TableError, read_table
from .datasets import load_chemostat, load_hare_lynx
from .text import clean_name

EXAMPLES = {"hare-lynx": load_hare_lynx, "chemostat": load_chemostat}
_MIN_ROWS = 5


@dataclass(frozen=True)
class Series:
    """What the discoverer is fitted to, and how to speak of it.

    Attributes
    ----------
    inputs : ndarray of shape (n_rows, 1 + n_controls)
        Time, then the controls.
    states : ndarray of shape (n_rows, n_states)
        Measurements, NaN where missing.
    groups : ndarray of shape (n_rows,) or None
        Label of the run of each row.
    names, controls, units : list of str
        Names of the states and of the controls, units of the states (may be empty).
    time_label : str
        Label of the time axis.
    origin : list of str
        Lines that say where the data come from.
    """

    inputs: NDArray[np.float64]
    states: NDArray[np.float64]
    groups: NDArray[np.str_] | None
    names: list[str]
    controls: list[str]
    units: list[str]
    time_label: str
    origin: list[str]


def load_series(arguments: argparse.Namespace) -> Series:
    """Load FILE, or the record that ships under the name of --example.

    Raises
    ------
    TableError
        If the arguments contradict one another or the file does not hold what they name.
    """
    return _example(arguments) if arguments.file is None else _from_file(arguments)


def _example(arguments: argparse.Namespace) -> Series:
    """Load a record that ships."""
    columns = (arguments.time, arguments.states, arguments.groups, arguments.controls)
    if any(columns):
        raise TableError(
            "--time, --states, --controls and --groups name columns of a FILE: give one"
        )
    record = EXAMPLES[arguments.example or "hare-lynx"]()
    origin = [record.description, f"Source: {record.source}"]
    return Series(
        record.t[:, None], record.y, None, record.names, [], record.units, record.time_unit, origin
    )


def _from_file(arguments: argparse.Namespace) -> Series:
    """Read the columns that the arguments name."""
    if arguments.example:
        raise TableError(f"give FILE or --example, not both: {arguments.file}, {arguments.example}")
    table = read_table(arguments.file)
    time, states, controls, groups = _choose_columns(table, arguments)
    t, first_day = table.times(time)
    label = f"days since {first_day}" if first_day else time
    inputs = np.column_stack([t, *(table.numbers(each, "--controls") for each in controls)])
    series = Series(
        inputs=inputs,
        states=np.column_stack([table.numbers(each, "--states") for each in states]),
        groups=np.array(table.text(groups)) if groups else None,
        names=[clean_name(each) for each in states],
        controls=[clean_name(each) for each in controls],
        units=[],
        time_label=label,
        origin=[table.source],
    )
    _check(series, table.source)
    return series


def _choose_columns(
    table: Table, arguments: argparse.Namespace
) -> tuple[str, list[str], list[str], str | None]:
    """Return the titles of time, states, controls and groups."""
    time = table.title(arguments.time, "--time") if arguments.time else table.titles[0]
    controls = [table.title(each, "--controls") for each in _split(arguments.controls)]
    groups = table.title(arguments.groups, "--groups") if arguments.groups else None
    used = [time, *controls, *([groups] if groups else [])]
    if arguments.states:
        states = [table.title(each, "--states") for each in _split(arguments.states)]
    else:
        states = [table.title(each, "--states") for each in table.titles if each not in used]
    if not states:
        raise TableError(f"{table.source} has no column left for --states; its columns: {used}")
    names = [*used, *states]
    twice = [each for each in dict.fromkeys(names) if names.count(each) > 1]
    if twice:
        raise TableError(f"column {twice[0]!r} has two roles among time, states, controls, groups")
    return time, states, controls, groups


def _split(columns: Sequence[str]) -> list[str]:
    """Allow commas as well as spaces between column names."""
    return [name for text in columns for name in text.split(",") if name]


def _check(series: Series, source: str) -> None:
    """Refuse what no model can be fitted to."""
    n_rows = len(series.inputs)
    if n_rows < _MIN_ROWS:
        raise TableError(f"{source} holds {n_rows} rows; wanted at least {_MIN_ROWS}")
    for name, column in zip(series.names, series.states.T, strict=True):
        if np.isnan(column).all():
            raise TableError(f"--states: column {name!r} of {source} holds no number at all")
    for name, column in zip(series.controls, series.inputs.T[1:], strict=True):
        if np.isnan(column).any():
            raise TableError(
                f"--controls: column {name!r} of {source} has a missing value; fill it in, or "
                "leave the row out"
            )
    names = series.names + series.controls
    alike = [name for name in names if names.count(name) > 1]
    if alike:
        raise TableError(f"several columns of {source} read as {alike[0]!r}; rename them")
