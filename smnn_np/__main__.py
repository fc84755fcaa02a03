"""The command line: ``python -m smnn_np discover [FILE]`` prints the equations behind a table."""

import argparse
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._data import Record
from ._report import describe_data, describe_fit, summarize
from ._series import EXAMPLES, Series, load_series
from ._table import TableError
from .discoverer import SMNNDiscoverer
from .display import DiscoveryDisplay

_QUIET_SECONDS = 3.0
_NO_MATPLOTLIB = (
    "no plot: matplotlib is not installed; install it with: pip install 'smnn-np[plot]'"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 after one sentence on stderr about what is wrong."""
    arguments = _parser().parse_args(argv)
    try:
        _discover(arguments)
    except (ValueError, OSError) as error:
        print(f"smnn_np discover: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(prog="python -m smnn_np", description="Mechanistic models.")
    commands = parser.add_subparsers(dest="command", required=True)
    discover = commands.add_parser(
        "discover",
        help="find the differential equations behind a table of measurements",
        description="Find the differential equations behind a table of measurements, with "
        "standard errors, and the path of models from large to small.",
        epilog="Without FILE the record of hare and lynx pelts that ships is used. In the JSON, "
        "delta_bic is what leaving a term out won (above zero: it cost more than it explained).",
    )
    add = discover.add_argument
    add("file", nargs="?", metavar="FILE", help="CSV with column titles; empty or nan = missing")
    add("--example", choices=EXAMPLES, help="a record that ships, in place of FILE")
    add("--time", metavar="COLUMN", help="numbers or ISO dates; default: the first column")
    add("--states", metavar="COLUMN", nargs="+", help="default: all columns not used otherwise")
    add("--controls", metavar="COLUMN", nargs="+", default=[], help="known inputs, as a force")
    add("--groups", metavar="COLUMN", help="what tells several runs apart")
    add("--degree", type=_positive, default=2, help="highest degree of a term; default: 2")
    add("--terms", type=_positive, metavar="K", help="show the model of the path with K terms")
    add("--plot", metavar="PATH", help="default: discover.png; none: no plot")
    add("--json", metavar="PATH", help="write the result as JSON too; -: on standard output")
    return parser


def _positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _discover(arguments: argparse.Namespace) -> None:
    """Read, fit, print, plot and write. What can be refused is refused before the fit."""
    series = load_series(arguments)
    plot = _plot_path(arguments.plot)
    if arguments.json not in (None, "-"):
        _check_folder("--json", Path(arguments.json))
    out = sys.stderr if arguments.json == "-" else sys.stdout
    print("\n".join(describe_data(series)), file=out, flush=True)
    model = _fit(series, arguments.degree)
    best = int(np.count_nonzero(model.coef_))
    if arguments.terms is not None:
        model = model.select(arguments.terms)
    print("\n".join(describe_fit(model, best, series)), file=out)
    if plot is not None:
        _draw(model, series, plot)
        print(f"\nPlot: {plot}", file=out)
    if arguments.json is not None:
        _write_json(arguments.json, summarize(model, series))


class _LateStream(io.StringIO):
    """Passes on what is written once a while has gone by: only a long run shows its progress."""

    def __init__(self, target: TextIO) -> None:
        super().__init__()
        self._target = target
        self._opens = time.monotonic() + _QUIET_SECONDS

    def write(self, text: str) -> int:
        """Write if it is late enough."""
        if time.monotonic() > self._opens:
            self._target.write(text)
            self._target.flush()
        return len(text)


class _Titled(SMNNDiscoverer):
    """The discoverer, whose names are those of a series: arrays have none."""

    def fit_series(self, series: Series) -> None:
        """Fit under the names of the columns, which warnings speak of too."""
        self._series = series
        self.fit(series.inputs, series.states, groups=series.groups)

    def _read(self, *data: Any) -> Record:
        """Check what was passed, and name the states."""
        record = super()._read(*data)
        self.state_names_ = self._series.names
        return record

    def _input_names(self) -> list[str]:
        """Names of states and controls."""
        return self._series.names + self._series.controls


def _fit(series: Series, degree: int) -> SMNNDiscoverer:
    """Fit; progress and warnings go to stderr."""
    model = _Titled(degree=degree, verbose=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        with redirect_stderr(_LateStream(sys.stderr)):
            model.fit_series(series)
    for warning in caught:
        print(f"smnn_np discover: note: {warning.message}", file=sys.stderr)
    return model


def _plot_path(wanted: str | None) -> Path | None:
    """Return where to draw, or None; say so if matplotlib is missing."""
    if wanted == "none":
        return None
    path = Path(wanted or "discover.png")
    if find_spec("matplotlib") is None:
        print(_NO_MATPLOTLIB, file=sys.stderr)
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    known = FigureCanvasAgg.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in known:
        raise TableError(f"--plot: {path} ends in none of .{', .'.join(sorted(known))}")
    _check_folder("--plot", path)
    return path


def _check_folder(option: str, path: Path) -> None:
    """Refuse a path whose folder is not there, before the fit rather than after it."""
    if not path.parent.is_dir():
        raise TableError(f"{option}: there is no folder {path.parent}; make it first")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise TableError(f"{option}: {path} cannot be written; name a file in a folder of yours")


def _draw(model: SMNNDiscoverer, series: Series, path: Path) -> None:
    """Write the plot without opening a window."""
    import matplotlib

    matplotlib.use("Agg")
    display = DiscoveryDisplay.from_estimator(
        model,
        series.inputs,
        series.states,
        series.groups,
        units=series.units,
        time_label=series.time_label,
    )
    display.figure_.savefig(path)


def _write_json(path: str, summary: dict[str, object]) -> None:
    """Write the summary to a file, or to standard output."""
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
