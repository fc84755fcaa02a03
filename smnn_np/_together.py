"""Prediction of many fitted series: on a GPU, as a batch."""

from collections.abc import Iterator, Sequence

import numpy as np

from ._driven import Run, smooth_runs
from ._smoothing import SeriesFit

_AT_ONCE = 4_000_000  # nodes that are smoothed together: a gigabyte of work space at order 3


def predict_series(
    fits: Sequence[SeriesFit], run: int, t: np.ndarray, covariates: np.ndarray, derivative: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Number, mean and standard deviation of every series; on a GPU many are smoothed at once."""
    for order in sorted({fit.order for fit in fits}):
        alike = [s for s, fit in enumerate(fits) if fit.order == order]
        n_nodes = len(t) + max(len(fits[s].runs[run].times) for s in alike)
        width = max(_AT_ONCE // n_nodes, 1)
        for start in range(0, len(alike), width):
            some = alike[start : start + width]
            asked = [fits[s].ask(run, t, covariates) for s in some]
            smoothed = _smooth([fits[s] for s in some], asked)
            for s, one, found in zip(some, asked, smoothed, strict=True):
                yield s, *fits[s].answer(one, *found, derivative)


def _smooth(
    fits: Sequence[SeriesFit], asked: Sequence[tuple[Run, np.ndarray, np.ndarray]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Means at the strengths, standard deviations at the cautious ones, where those differ."""
    again = [i for i, fit in enumerate(fits) if fit.is_cautious]
    models = [fit.strength.model for fit in fits]
    smoothed = smooth_runs([one[0] for one in asked], models, [one[1] for one in asked])
    if again:
        models = [fits[i].cautious.model for i in again]
        wider = smooth_runs([asked[i][0] for i in again], models, [asked[i][1] for i in again])
        for i, (_, std) in zip(again, wider, strict=True):
            smoothed[i] = smoothed[i][0], std
    return smoothed
