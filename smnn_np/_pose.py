"""From a record to a problem: nodes, scales, and states to start from."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ._data import Record
from ._known import Known, scale_candidates
from ._scaled import ScaledLibrary
from .dynamics import Law
from .identify import Problem, Scales
from .library import Library
from .optimize import Measurements
from .spline import smooth

_MAX_PIECES = 16
_STEPS_PER_UNIT = 6.0


def smooth_record(
    record: Record, guess: str, noise: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth every state on its own: values, slopes (N, S) and noise levels (S,)."""
    given = [None] * record.mean.shape[1] if noise is None else noise
    splines = [
        smooth(record.times, mean, count, record.joined, guess, std)
        for mean, count, std in zip(record.mean.T, record.count.T, given, strict=True)
    ]
    values = np.stack([spline.value for spline in splines], axis=1)
    slopes = np.stack([spline.slope for spline in splines], axis=1)
    return values, slopes, np.array([spline.noise_std for spline in splines])


def pose(
    record: Record, library: Library, order: int, guess: str, given: Known
) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Scale a record and choose its nodes: the problem, starting states and slopes."""
    record, smoothed, spread, time = _on_nodes(record, guess, given.noise)
    start = _scaled(record, smoothed, spread, time)
    if order == 2:
        start = _with_velocities(start, record, time)
    n_states = len(start.scale)
    targets = np.arange(n_states - len(spread), n_states)
    law = _law(record, library, start, time)
    scales = Scales(start.scale, time, law.library.term_scale)
    unit = scales.raw_xi(np.ones((len(scales.term), n_states)))[:, targets]
    chosen = scale_candidates(given.structure, unit)
    noise = np.maximum(start.noise, 1e-9)
    told = np.full(n_states, np.nan)
    if given.noise is not None:
        told[: len(spread)] = noise[: len(spread)]
    problem = Problem(record, scales, law, start.data, targets, noise, chosen, told)
    return problem, start.values, start.slopes


@dataclass(frozen=True)
class _Start:
    """States on the nodes in scaled units, as smoothing without a law gives them."""

    values: np.ndarray  # (N, S)
    slopes: np.ndarray  # (N, S)
    noise: np.ndarray  # (S,)
    data: Measurements
    scale: np.ndarray  # (S,), in the user's units
    known: np.ndarray  # (S, S), the known linear part


def _on_nodes(
    record: Record, guess: str, noise: np.ndarray | None
) -> tuple[Record, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, float]:
    """Smooth, and insert nodes where samples are far apart; also spreads (S,) and unit of time."""
    smoothed = smooth_record(record, guess, noise)
    columns = zip(record.mean.T, record.count.T > 0, strict=True)
    spread = np.array([_spread(mean[seen]) for mean, seen in columns])
    speed = np.sqrt(np.mean((smoothed[1] / spread) ** 2))
    time = 1.0 / max(float(speed), 1e-3 / (np.ptp(record.times) or 1.0))
    step = np.where(record.joined, np.diff(record.times), 0.0)
    pieces = np.clip(np.ceil(step / time * _STEPS_PER_UNIT), 1, _MAX_PIECES).astype(int)
    if (pieces > 1).any():
        record = record.insert(pieces)
        smoothed = smooth_record(record, guess, noise)
    return record, smoothed, spread, time


def _scaled(
    record: Record,
    smoothed: tuple[np.ndarray, np.ndarray, np.ndarray],
    spread: np.ndarray,
    time: float,
) -> _Start:
    """Divide by the spreads and the unit of time; of a first-order law nothing is known."""
    values, slopes, noise = smoothed
    data = Measurements(record.mean / spread, record.count, record.within / spread**2)
    known = np.zeros((len(spread), len(spread)))
    return _Start(values / spread, slopes / spread * time, noise / spread, data, spread, known)


def _law(record: Record, library: Library, start: _Start, time: float) -> Law:
    """Scale the candidate terms by their size along the starting states."""
    input_scale = np.append(start.scale, np.ones(record.controls.shape[1]))
    inputs = np.concatenate([start.values, record.controls], axis=1)
    raw = library.values(inputs * input_scale)
    term_scale = np.sqrt(np.mean(raw**2, axis=0))
    term_scale = np.where(term_scale > 0, term_scale, 1.0)
    return Law(
        ScaledLibrary(library, input_scale, term_scale),
        start.known,
        np.where(record.joined, np.diff(record.times) / time, 1.0),
        record.joined,
        record.controls,
    )


def _with_velocities(start: _Start, record: Record, time: float) -> _Start:
    """Append slopes as states that nobody measured: x' = v is known; theirs are differenced."""
    slopes, n = start.slopes, len(start.scale)
    bend = np.zeros_like(slopes)
    edges = np.flatnonzero(np.concatenate([[True], ~record.joined, [True]]))
    for first, stop in pairwise(edges):
        if stop - first > 1:
            times = record.times[first:stop] / time
            bend[first:stop] = np.gradient(slopes[first:stop], times, axis=0)
    mean, count = (np.pad(each, ((0, 0), (0, n))) for each in (start.data.mean, start.data.count))
    return _Start(
        np.concatenate([start.values, slopes], axis=1),
        np.concatenate([slopes, bend], axis=1),
        np.append(start.noise, np.ones(n)),
        Measurements(mean, count, np.append(start.data.within, np.zeros(n))),
        np.append(start.scale, start.scale / time),
        np.eye(2 * n, k=n),
    )


def _spread(values: np.ndarray) -> float:
    """Spread of a state; its size where it does not vary; one where it is zero."""
    spread = float(np.std(values)) if len(values) else 0.0
    size = float(np.abs(values).max(initial=0.0))
    return spread if spread > 1e-12 * size else (size or 1.0)
