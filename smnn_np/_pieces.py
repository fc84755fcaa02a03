"""Smoothing of series on the GPU that holds their samples: runs in pieces, a thread for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._arrays import array_module, to_numpy
from .device import choose_chunks

Array = Any  # of CuPy
Run = Any  # of `_driven`, with such arrays


class Pieces:
    """Runs on the device, cut, with what is assumed of them.

    Parameters
    ----------
    runs : sequence of Run
        With CuPy arrays.
    coefs : sequence of array of shape (1|n, R)
        Coefficients of each run's steps.
    drives : sequence of float
        One a run.
    prior : ndarray of shape (p,)
        Weights of the effects around zero.
    rule : ndarray of shape (2, G)
        Points and shares of a quadrature.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        coefs: Sequence[Array],
        drives: Sequence[float],
        prior: np.ndarray,
        rule: np.ndarray,
    ) -> None:
        from ._kernels._cuda_import import on_device, require_numba_cuda
        from ._kernels.cuda.series import Series, Sizes

        require_numba_cuda()
        self._xp = array_module(runs[0].times)
        lengths = np.array([len(run.times) for run in runs])
        varying = any(len(each) > 1 for each in coefs)
        if varying:
            shapes = [(n, each.shape[1]) for n, each in zip(lengths.tolist(), coefs, strict=True)]
            coefs = [np.broadcast_to(*pair) for pair in zip(coefs, shapes, strict=True)]
        self.sizes = Sizes(coefs[0].shape[1], len(prior), rule.shape[1], varying)
        first, run, opening = cut(lengths, choose_chunks(len(runs), int(lengths.mean())))
        arrays = Series(
            steps=self._join([each.steps() for each in runs]),
            value=self._join([each.value for each in runs]),
            weight=self._join([each.weight for each in runs]),
            design=self._join([each.design for each in runs]),
            coefs=self._join(coefs),
            drives=np.array(drives),
            prior=prior if len(prior) else np.zeros(1),
            rule=rule.ravel(),
            first=first,
            run=run,
            opening=opening,
        )
        self._series = Series(*(on_device(self._xp.asarray(array)) for array in arrays))
        self._n_pieces, self._n_runs = len(run), len(runs)

    def filter(self) -> tuple[float, float]:
        """Sum of squares and log-determinant of the restricted likelihood, over all runs."""
        _, sums = self._chain(1)
        total, log_determinant = to_numpy(sums.sum(axis=0)).tolist()
        return total, log_determinant

    def smooth(self, slot: Array, n_asked: int) -> tuple[Array, Array, Array]:
        """Mean and standard deviation (m, R) of nodes by slot, -1 for none, and rows on them.

        The rows (m, S, S + 1) are those from a node itself and all before it. The standard
        deviation is NaN where the samples leave a state undetermined.
        """
        from ._kernels._cuda_import import launch, on_device
        from ._kernels.cuda.smoothing import smoothing_kernel

        n, order, empty = self.sizes.n_states, self.sizes.order, self._xp.empty
        ends, _ = self._chain(2)
        kept, out = empty((max(n_asked, 1), n, n + 1)), empty((2, n_asked, order))
        found = map(on_device, (ends, slot, kept, out))
        if n_asked:
            launch(smoothing_kernel(self.sizes), self._n_pieces, self._series, *found)
        return out[0], out[1], kept

    def _chain(self, n_directions: int) -> tuple[Array, Array]:
        """Rows on the ends of all pieces, and sums (n_runs, 2)."""
        from ._kernels._cuda_import import launch, on_device
        from ._kernels.cuda.elements import chain_kernel, element_kernel

        n_elements = n_directions * self._n_pieces
        elements = on_device(self._xp.empty(n_elements * self.sizes.element))
        ends = self._xp.empty(n_elements * self.sizes.rows)
        sums = self._xp.empty((self._n_runs, 2))
        launch(element_kernel(self.sizes), n_elements, self._series, elements, n_directions)
        chain = self._series, elements, on_device(ends), on_device(sums), n_directions
        launch(chain_kernel(self.sizes), n_directions * self._n_runs, *chain)
        return ends, sums

    def _join(self, arrays: Sequence[Array]) -> Array:
        """One flat array after the other; never without a number, which has no address."""
        flat = [self._xp.asarray(array).reshape(-1) for array in arrays]
        joined = np.concatenate(flat) if len(flat) > 1 else self._xp.ascontiguousarray(flat[0])
        return joined if len(joined) else self._xp.zeros(1)


def cut(lengths: np.ndarray, n_pieces: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut runs into about so many pieces each, all about as long.

    Returns
    -------
    first : ndarray of shape (K + 1,)
        Where pieces begin.
    run : ndarray of shape (K,)
        The run of each piece.
    opening : ndarray of shape (n_runs + 1,)
        First piece of each run.
    """
    longest = -(-int(lengths.sum()) // (len(lengths) * n_pieces))
    n_each = -(-lengths // longest)
    opening = np.concatenate([[0], np.cumsum(n_each)])
    run = np.repeat(np.arange(len(lengths)), n_each)
    place = np.arange(len(run)) - opening[run]
    start = np.concatenate([[0], np.cumsum(lengths)])
    first = start[run] + place * lengths[run] // n_each[run]
    return np.append(first, start[-1]), run, opening
