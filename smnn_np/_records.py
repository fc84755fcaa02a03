"""Records that ship with the package, with their sources."""

from importlib.resources import as_file, files

import numpy as np
from sklearn.utils import Bunch

from ._table import Table, read_table

_CHEMOSTAT_SOURCE = (
    "Blasius, Rudolf, Weithoff, Gaedke and Fussmann, Nature 577, 226-230 (2020), "
    "doi:10.1038/s41586-019-1857-0; CC BY 4.0"
)
_HARE_LYNX_SOURCE = "Hudson's Bay Company fur returns, after Hewitt (1921); public facts"
_NINO_SOURCE = "NOAA, weekly sea-surface temperatures; a work of the US government, public domain"


def load_hare_lynx() -> Bunch:
    """Load the Hudson's Bay Company record of hare and lynx pelts, 1900 to 1920.

    Returns
    -------
    Bunch
        ``t`` (21,): calendar years; ``y`` (21, 2): thousands of pelts a year, hare and lynx;
        ``names``, ``units``, ``time_unit``, ``description``, ``source``.

    References
    ----------
    C. G. Hewitt, *The Conservation of the Wild Life of Canada*, Scribner, 1921.

    Examples
    --------
    >>> from smnn_np.datasets import load_hare_lynx
    >>> record = load_hare_lynx()
    >>> record.y.shape, record.names, float(record.t[0])
    ((21, 2), ['hare', 'lynx'], 1900.0)
    """
    table = _read_shipped("hare_lynx_1900_1920.csv")
    return Bunch(
        t=table.numbers("year", "year"),
        y=np.column_stack([table.numbers(name, name) for name in ("hare", "lynx")]),
        names=["hare", "lynx"],
        units=["thousand pelts", "thousand pelts"],
        time_unit="year",
        description="Hudson Bay hare and lynx pelts, 1900 to 1920",
        source=_HARE_LYNX_SOURCE,
    )


def load_chemostat(run: str = "C1") -> Bunch:
    """Load one run of a predator-prey experiment with algae and rotifers in a chemostat.

    Parameters
    ----------
    run : {"C1", "C2", ..., "C10"}, default="C1"
        Name of the run. C1 is the longest: 366 samples in 374 days.

    Returns
    -------
    Bunch
        ``t`` (n_samples,): days; ``y`` (n_samples, 2): algae (10^6 cells per ml) and rotifers
        (individuals per ml), NaN where a value is missing; ``names``, ``units``, ``time_unit``,
        ``description``, ``source`` (the attribution that the licence CC BY 4.0 asks for).

    Raises
    ------
    ValueError
        If there is no run of that name.

    References
    ----------
    B. Blasius, L. Rudolf, G. Weithoff, U. Gaedke and G. F. Fussmann, "Long-term cyclic persistence
    in an experimental predator-prey system", Nature 577, 226-230 (2020).

    Examples
    --------
    >>> from smnn_np.datasets import load_chemostat
    >>> record = load_chemostat("C1")
    >>> record.y.shape, record.names
    ((366, 2), ['algae', 'rotifers'])
    """
    table = _read_shipped("chemostat.csv")
    runs = table.text("run")
    chosen = np.array(runs) == run
    if not chosen.any():
        known = ", ".join(sorted(set(runs), key=lambda name: int(name[1:])))
        raise ValueError(f"run is {run!r}; wanted one of {known}")
    names = ["algae", "rotifers"]
    return Bunch(
        t=table.numbers("day", "day")[chosen],
        y=np.column_stack([table.numbers(name, name)[chosen] for name in names]),
        names=names,
        units=["10^6 cells/ml", "1/ml"],
        time_unit="day",
        description=f"Algae and rotifers in a chemostat, run {run}",
        source=_CHEMOSTAT_SOURCE,
    )


def load_nino() -> Bunch:
    """Load weekly temperatures of the sea surface in the four Nino regions, 1981 to 2026.

    Returns
    -------
    Bunch
        ``t`` (2346,): weeks from 2 September 1981, without a gap; ``y`` (2346, 4): degrees Celsius
        in the regions 1+2, 3, 3.4 and 4, from the coast of Peru to the west; ``dates``, a list of
        str; ``names``, ``units``, ``time_unit``, ``description``, ``source``.

    Examples
    --------
    >>> from smnn_np.datasets import load_nino
    >>> record = load_nino()
    >>> record.y.shape, record.dates[0], record.names
    ((2346, 4), '1981-09-02', ['nino12', 'nino3', 'nino34', 'nino4'])
    """
    table = _read_shipped("nino_weekly.csv")
    names = ["nino12", "nino3", "nino34", "nino4"]
    return Bunch(
        t=np.arange(float(len(table.rows))),
        y=np.column_stack([table.numbers(name, name) for name in names]),
        dates=table.text("date"),
        names=names,
        units=["deg C"] * 4,
        time_unit="week",
        description="Sea-surface temperature in four Nino regions, weekly, 1981 to 2026",
        source=_NINO_SOURCE,
    )


def _read_shipped(name: str) -> Table:
    """Read one of the tables in the package's own data folder."""
    with as_file(files(__package__) / "data" / name) as path:
        return read_table(path)
