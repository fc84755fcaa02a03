"""Prediction of many fitted series: on a GPU, as a batch."""

from collections.abc import Iterator, Sequence

import numpy as np

from ._driven import smooth_runs
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
            models = [fits[s].strength.model for s in some]
            runs, slots = [each[0] for each in asked], [each[1] for each in asked]
            for s, one, found in zip(some, asked, smooth_runs(runs, models, slots), strict=True):
                yield s, *fits[s].answer(one, found, derivative)
