"""What looks wrong in a record and its candidate terms: one sentence each, with the consequence."""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import qr
from scipy.special import ndtri

from ._criterion import FLOOR, leftover
from ._data import Record
from ._residuals import persistence, residuals
from .identify import Problem
from .library import Library
from .optimize import JointFit

_SHORTEST, _LONGEST = 1e-100, 1e100  # spans of time whose powers neither vanish nor overflow
_ALIKE = 1e-10  # share of a column that others do not explain: it depends on them
_MOST_TERMS, _MOST_ROWS = 400, 2000  # looked at for dependence
_NAMED = 6
_TOO_LITTLE = 2.0  # times the given noise: what a law leaves is more than that
_CHANCE = 1e-4  # that of all residuals of noise one is as far off as what is warned of


def check_times(record: Record) -> None:
    """Refuse a unit of time in which steps vanish or overflow."""
    step = np.diff(record.times)[record.joined]
    if step.min() < _SHORTEST or step.max() > _LONGEST:
        raise ValueError(
            f"times differ by {step.min():.3g} to {step.max():.3g}, whose powers vanish or "
            "overflow: choose a unit of time in which the steps are near one."
        )


def check_values(values: np.ndarray, points: np.ndarray, terms: Sequence[str]) -> None:
    """Refuse a library whose terms (n, P) are not finite at the measured points."""
    bad = ~np.isfinite(values)
    if bad.any():
        row, term = np.argwhere(bad)[0]
        where = ", ".join(f"{number:.4g}" for number in points[row])
        raise ValueError(
            f"the library's term {terms[term]!r} is {values[row, term]} at the measured point "
            f"({where}): leave it out, or write it so that it is finite wherever the states go."
        )


def suspicions(
    record: Record, library: Library, order: int, names: Sequence[str], terms: Sequence[str]
) -> list[str]:
    """List what a fit goes through but the user should know; values must be finite."""
    points = record.points(order)
    values = library.values(points)
    check_values(values, points, terms)
    n_states = record.mean.shape[1]
    found = _still(record, names[:n_states])
    found += _same(record, names[:n_states])
    fewest = int((record.count > 0).sum(axis=0).min())
    if fewest < values.shape[1]:
        found.append(
            f"a state has {fewest} distinct measurements for {values.shape[1]} candidate terms an "
            "equation: other laws may explain them as well; lower the degree, or measure more."
        )
    elif not found:  # else it is said already
        found += _dependent(values, terms)
    return found


def too_noisy(left: np.ndarray, given: np.ndarray, names: Sequence[str]) -> list[str]:
    """Say which states differ from the law by more than the noise that was given."""
    return [
        f"noise_std says {noise:.3g} for {name}, but the law leaves {size:.3g}: the standard "
        "errors are too small, or the law lacks something."
        for name, size, noise in zip(names, left, given, strict=True)
        if size > _TOO_LITTLE * noise
    ]


def no_noise(problem: Problem, fit: JointFit, names: Sequence[str]) -> list[str]:
    """Say of which states a law leaves something that is no noise: it persists, or is far off.

    Less than the misfit floor of the criterion counts as nothing. With process noise the states
    follow whatever was measured: then this says nothing.
    """
    left = leftover(problem, fit)
    looked_at = [] if fit.loose else [s for s in range(len(names)) if left[s] > FLOOR]
    found = [
        _persists(problem, fit, s, names[s], float(left[s]))
        or _stands_out(problem, fit, s, names[s])
        for s in looked_at
    ]
    return [sentence for sentence in found if sentence]


def _persists(problem: Problem, fit: JointFit, s: int, name: str, left: float) -> str:
    """Say so where neighbouring residuals are more alike than those of noise."""
    correlation, limit = persistence(problem, fit, s)
    if correlation <= limit:
        return ""
    percent = float(f"{100 * left:.2g}")
    return (
        f"the law leaves {percent:g} % of the spread of {name}, and that is no "
        f"noise: from sample to sample it persists with a correlation of {correlation:.2f} "
        f"(noise: below {limit:.2f}). The standard errors are too small, and the law lacks "
        "something: try a higher degree, another library or order, or measure the state or "
        "input that is missing."
    )


def _stands_out(problem: Problem, fit: JointFit, s: int, name: str) -> str:
    """Say so where one residual is larger than any that noise has."""
    seen, rest = residuals(problem, fit, s)
    size, limit = float(np.sqrt((rest**2).mean())), -float(ndtri(_CHANCE / (2 * len(rest))))
    worst = int(np.argmax(np.abs(rest)))
    if not np.abs(rest[worst]) > limit * size:
        return ""
    return (
        f"a sample of {name}, at t = {problem.record.times[seen[worst]]:.6g}, is "
        f"{np.abs(rest[worst]) / size:.1f} standard deviations of the noise from the law (noise: "
        f"below {limit:.1f}). It is an outlier or noisier than the others (sample_weight says how "
        "much a sample counts, 0 leaves it out), or the samples are too coarse for a jump there, "
        "and the law may be wrong: measure more."
    )


def _still(record: Record, names: Sequence[str]) -> list[str]:
    """Name states that do not vary."""
    found = []
    for mean, count, name in zip(record.mean.T, record.count.T, names, strict=True):
        seen = mean[count > 0]
        if len(seen) > 1 and np.ptp(seen) <= 1e-12 * np.abs(seen).max():
            found.append(
                f"the state {name} does not vary: its terms cannot be told from those without it; "
                "leave it out."
            )
    return found


def _same(record: Record, names: Sequence[str]) -> list[str]:
    """Name pairs of states that are the same up to a factor."""
    whole = (record.count > 0).all(axis=1)
    columns = record.mean[whole]
    size = np.linalg.norm(columns, axis=0)
    if len(columns) < 3 or not size.all():
        return []
    units = columns / size
    alike = np.abs(units.T @ units) > 1 - 1e-14
    return [
        f"the states {names[i]} and {names[j]} are the same up to a factor: terms of one cannot be "
        "told from those of the other; leave one out."
        for i, j in np.argwhere(np.triu(alike, 1))
        if np.linalg.norm(units[:, i] - units[:, j] * np.sign(units[:, i] @ units[:, j])) < 1e-10
    ]


def _dependent(values: np.ndarray, terms: Sequence[str]) -> list[str]:
    """Name the terms of one exact linear dependence."""
    if values.shape[1] > _MOST_TERMS:
        return []
    rows = values[:: max(1, len(values) // _MOST_ROWS)]
    size = np.linalg.norm(rows, axis=0)
    vanishing = [terms[j] for j in np.flatnonzero(size == 0).tolist()]
    if vanishing:
        return [f"the candidate terms {_listed(vanishing)} vanish on all data: they are not tried."]
    triangle, order = qr(rows / size, mode="r", pivoting=True)
    left = np.abs(np.diag(triangle))
    rank = int((left > _ALIKE * left[0]).sum())
    if rank == values.shape[1]:
        return []
    share = np.linalg.solve(triangle[:rank, :rank], triangle[:rank, rank])
    others = order[:rank][np.abs(share) > 1e-6 * np.abs(share).max()]
    places: list[int] = sorted([int(order[rank]), *others.tolist()])
    some = [terms[j] for j in places]
    return [
        f"the candidate terms {_listed(some)} are linearly dependent on these data: a law can be "
        "written in several ways, and one of them is shown; forbid terms, or vary the states more."
    ]


def _listed(terms: Sequence[str]) -> str:
    """Name a few terms."""
    more = f" and {len(terms) - _NAMED} more" if len(terms) > _NAMED else ""
    return ", ".join(terms[:_NAMED]) + more
