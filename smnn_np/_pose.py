"""From a record to a problem: nodes, scales, and states to start from."""

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
    values, slopes, noise = smooth_record(record, guess, given.noise)
    columns = zip(record.mean.T, record.count.T > 0, strict=True)
    spread = np.array([_spread(mean[seen]) for mean, seen in columns])
    speed = np.sqrt(np.mean((slopes / spread) ** 2))
    time = 1.0 / max(float(speed), 1e-3 / (np.ptp(record.times) or 1.0))
    step = np.where(record.joined, np.diff(record.times), 0.0)
    pieces = np.clip(np.ceil(step / time * _STEPS_PER_UNIT), 1, _MAX_PIECES).astype(int)
    if (pieces > 1).any():
        record = record.insert(pieces)
        values, slopes, noise = smooth_record(record, guess, given.noise)
    values, slopes, noise = values / spread, slopes / spread * time, noise / spread
    n_states = values.shape[1]
    known = np.zeros((order * n_states, order * n_states))
    mean, count, within = record.mean / spread, record.count, record.within / spread**2
    state_scale = spread
    if order == 2:
        known[:n_states, n_states:] = np.eye(n_states)
        values, slopes = _with_velocities(values, slopes, record, time)
        mean, count = (np.concatenate([a, np.zeros_like(a)], axis=1) for a in (mean, count))
        within, noise = np.append(within, np.zeros(n_states)), np.append(noise, np.ones(n_states))
        state_scale = np.append(spread, spread / time)
    law = _law(record, library, values, state_scale, time, known)
    scales = Scales(state_scale, time, law.library.term_scale)
    targets = np.arange((order - 1) * n_states, order * n_states)
    noise = np.maximum(noise, 1e-9)
    unit = scales.raw_xi(np.ones((len(scales.term), len(state_scale))))[:, targets]
    told = np.full(len(state_scale), np.nan if given.noise is None else 0.0)
    told[n_states:] = np.nan
    told += noise
    chosen = scale_candidates(given.structure, unit)
    data = Measurements(mean, count, within)
    problem = Problem(record, scales, law, data, targets, noise, chosen, told)
    return problem, values, slopes


def _law(
    record: Record,
    library: Library,
    values: np.ndarray,
    state_scale: np.ndarray,
    time: float,
    known: np.ndarray,
) -> Law:
    """Scale the candidate terms by their size along the starting states."""
    input_scale = np.append(state_scale, np.ones(record.controls.shape[1]))
    inputs = np.concatenate([values, record.controls], axis=1)
    raw = library.values(inputs * input_scale)
    term_scale = np.sqrt(np.mean(raw**2, axis=0))
    term_scale = np.where(term_scale > 0, term_scale, 1.0)
    return Law(
        ScaledLibrary(library, input_scale, term_scale),
        known,
        np.where(record.joined, np.diff(record.times) / time, 1.0),
        record.joined,
        record.controls,
    )


def _with_velocities(
    values: np.ndarray, slopes: np.ndarray, record: Record, time: float
) -> tuple[np.ndarray, np.ndarray]:
    """Append slopes as states; their slopes are differenced."""
    bend = np.zeros_like(slopes)
    edges = np.flatnonzero(np.concatenate([[True], ~record.joined, [True]]))
    for start, stop in pairwise(edges):
        if stop - start > 1:
            bend[start:stop] = np.gradient(
                slopes[start:stop], record.times[start:stop] / time, axis=0
            )
    return np.concatenate([values, slopes], axis=1), np.concatenate([slopes, bend], axis=1)


def _spread(values: np.ndarray) -> float:
    """Spread of a state; its size where it does not vary; one where it is zero."""
    spread = float(np.std(values)) if len(values) else 0.0
    size = float(np.abs(values).max(initial=0.0))
    return spread if spread > 1e-12 * size else (size or 1.0)
