"""Series factorized in the same way, and solves whose accuracy is known.

Every solve is ``z = U^-1 D^-1 U^-T g`` followed by refinement with the residual taken on the rows,
``g = A^T (b - A z)``. How much a refinement changes the solution is the evidence on which a
factorization is believed or not (`smnn_np._kernels.cpu.verdict`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ._kernels import cpu
from ._kernels.threads import in_parallel, shares, split
from ._memory import empty, zeros
from ._twofold import Solved, Twofold, parts_of
from .taylor import Array, TaylorRows

N_CORRECTIONS = {"auto": 3, "cholesky": 1, "qr": 8}
KEPT = 2**17  # numbers of triangles that a thread keeps: more would leave the cache
FEWEST = 2**15  # ... that unrolled kernels make sooner than another thread wakes up
CHUNK = 2**16  # unknowns that are worked on at once, for the same reason

_NOBODY = np.empty(0, dtype=np.int64)

RightSide = tuple[Array, Array, Array]  # rhs, initial, and what is added to A^T b, (B|1, T|1, m)


class Use(Protocol):
    """What solutions are for."""

    def task(self) -> cpu.Task:
        """What is to be made of the solutions of a piece, as soon as they are there."""

    def finish(self, solved: Solved) -> None:
        """Do what is left to do for a piece."""


def _all(n: int, value: int) -> NDArray:
    """As numpy.full, in less time."""
    array = np.empty(n, dtype=np.int64)
    array.fill(value)
    return array


class SingularError(Exception):
    """Some rows leave an unknown undetermined; carries the series and the node."""


class Outcome(NamedTuple):
    """What the kernels say of each series: see `cpu.solve_blocks`."""

    status: NDArray
    verdict: NDArray
    left: NDArray
    wanted: NDArray

    def of(self, places: slice) -> Outcome:
        """The same of some series."""
        return Outcome(*(each[places] for each in self))


class Group:
    """Series factorized in the same way: the state that the kernels work on.

    Parameters
    ----------
    rows : TaylorRows
        The left side.
    series : ndarray of int, shape (n,)
        Which series, W to a block.
    factorization : {"auto", "cholesky", "qr"}
        Cholesky that must prove itself, Cholesky, or QR.
    keep : bool or None
        Whether the triangle is kept for later solves, or made anew for each. None: it is where a
        thread has one chunk, so that the memory is needed anyway. Else to factorize again is
        faster than to write triangles to memory, fresh memory above all, and to read them back.

    Attributes
    ----------
    valid : ndarray of bool, shape (n,)
        Those not handed on to another group.
    left : ndarray of shape (n,)
        By how much the last correction of the last solve changed a solution, relative to it.
    """

    def __init__(
        self, rows: TaylorRows, series: NDArray, factorization: str, keep: bool | None = True
    ) -> None:
        if factorization != "qr" and keep is not True:  # who keeps U may want to look at it
            rows = rows.slimmed()
        self.rows, self.series, self.factorization = rows, series, factorization
        self.valid = np.ones(len(series), dtype=bool)
        self.left = np.zeros(len(series))
        # Numbers of a block of unknowns; row operations may touch a few beyond the last node.
        self._stride = rows.length * rows.n_unknowns * len(rows.lanes) + len(rows.width)
        self._chunk = max(1, CHUNK // self._stride)  # blocks
        self._apart = rows.length * rows.triangle_size  # numbers from one triangle to the next
        fewest = -(-FEWEST // self._apart) if rows.sizes else 1
        self._parts = split(-(-len(series) // rows.n_abreast), fewest)
        few = len(self._parts[-1]) <= max(1, KEPT // self._apart)
        self.keep = few if keep is None else keep
        self._status = _all(len(series), -1)
        self._factorized = False
        self._kept: dict[int, Twofold] = {}  # by first block
        self._triangle = self._allocate(self._parts[-1].stop if self.keep else 0)

    def solve(
        self, right_side: RightSide, use: Use, twofold: bool = False, keep: bool = False,
    ) -> NDArray:  # fmt: skip
        """Solve for all series, use the solutions, return where those stand that were not proven.

        With `twofold`, solutions whose gradients need a low half get one. With `keep`, these are
        kept, to be handed over beside later solutions.
        """
        n = len(self.series)
        outcome = Outcome(self._status, _all(n, cpu.FINE), np.zeros(n), np.zeros(n, dtype=bool))
        size = min(self._chunk, max(map(len, self._parts)))
        share = shares(self._parts, size)

        def work(number: int) -> None:
            unknowns = empty((size + 1) * self._stride)
            z, x = unknowns[: -self._stride], unknowns[-self._stride :]
            room, halves = self._allocate(0 if self.keep else 1), None
            for piece, blocks in share[number]:
                first, some = blocks.start, self._of_series(blocks)
                its, task = outcome.of(some), use.task()
                kept = None if keep else self._kept.get(first)
                if twofold and kept:  # half a gradient in two halves is of no use
                    its.verdict[kept.places[kept.needed]] = cpu.ROUNDED
                # One piece with low halves is seldom alone: from now on QR has room for all the
                # triangles of a piece, so that a second run need not make them again. Those of
                # Cholesky are made as fast as they are read.
                again = (halves or kept) and self.factorization == "qr"
                if again and not (self.keep or self._has_room(room, size)):
                    room = self._allocate(size)
                triangle = self._of_blocks(blocks) if self.keep else room
                halves = self._refine(some, right_side, triangle, x, z, twofold, task, its)
                use.finish(
                    Solved(id(self), piece, task, self.series[some], its.wanted, halves, kept)
                )
                if keep and halves:
                    self._kept[first] = halves

        in_parallel(work, range(len(self._parts)))
        self._factorized = self.keep
        self.left = outcome.left
        if np.count_nonzero(outcome.wanted) == n:
            return _NOBODY
        broken = self.valid & (self._status >= 0)
        if self.factorization == "auto":
            return np.flatnonzero(broken | (outcome.verdict == cpu.REJECTED))
        self._refuse(broken, self._status)
        self._refuse(outcome.verdict >= 0, outcome.verdict)
        return _NOBODY

    def _refine(
        self, some: slice, right_side: RightSide, triangle: Array, x: Array, z: Array,
        twofold: bool, task: cpu.Task, outcome: Outcome,
    ) -> Twofold | None:  # fmt: skip
        """Solve for some series, factorized on the way; give those a low half that need it."""
        rows, name = self.rows, self.factorization
        rounding = cpu.ROUNDING if twofold and name != "cholesky" else np.inf
        how = name == "auto", N_CORRECTIONS[name], rounding
        series, valid = self.series[some], self.valid[some]
        # Whether a second run finds the triangles of the first.
        held = self._has_room(triangle, -(-len(series) // rows.n_abreast))

        def run(z: Array, half: int) -> int:
            fresh = not (self._factorized or (held and half))
            left_side = triangle, self._apart * held, fresh, (0,) * (name == "qr")
            parts = parts_of(rows, half > 0)
            return cpu.solve_blocks(
                rows, series, valid, right_side, left_side, x, how, z, half, parts, task, *outcome
            )

        n_kept = run(z, 0)
        if not n_kept:
            return None
        needed = outcome.verdict == cpu.ROUNDED
        n_high = n_kept * self._stride
        halves = empty(2 * n_high)
        halves[:n_high], halves[n_high:] = z[:n_high], 0.0
        run(halves, n_high)
        outcome.verdict[needed] = cpu.FINE
        places = self._places(needed)
        return Twofold(halves, places, needed[places])

    def _places(self, needed: NDArray) -> NDArray:
        """Places of all series of the blocks with one that is `needed`."""
        starts = np.arange(0, len(needed), self.rows.n_abreast)
        blocks = np.flatnonzero(np.logical_or.reduceat(needed, starts))
        places = blocks[:, None] * self.rows.n_abreast + np.arange(self.rows.n_abreast)
        return places[places < len(needed)]

    @property
    def corrected(self) -> bool:
        """Whether the last solve changed every solution by a correction."""
        return bool(np.count_nonzero(self.left) >= np.count_nonzero(self.valid))

    def invert(self, variance: Array, covariance: Array, lagged: Array) -> None:
        """Write entries of ``(A^T A)^-1`` to those outputs that are not empty."""
        self._inspect(cpu.selected_inverse, variance, covariance, lagged)

    def log_determinant(self, out: Array) -> None:
        """Write ``log det A^T A`` of the valid series to out (B,)."""
        self._inspect(cpu.log_determinant, out)

    def _allocate(self, n_blocks: int) -> Array:
        """Room for the triangles of some blocks."""
        rows = self.rows
        size = n_blocks * self._apart + len(rows.width)
        # With more columns at once than lanes, a few numbers are read that nobody has written.
        return empty(size) if len(rows.width) == len(rows.lanes) else zeros(size)

    def _has_room(self, triangle: Array, n_blocks: int) -> bool:
        """Whether the triangles of so many blocks have room."""
        return len(triangle) >= n_blocks * self._apart + len(self.rows.width)

    def _of_series(self, blocks: range) -> slice:
        """Places of the series of some blocks."""
        return slice(blocks.start * self.rows.n_abreast, blocks.stop * self.rows.n_abreast)

    def _of_blocks(self, blocks: range) -> Array:
        """The kept triangles of some blocks."""
        start, stop = blocks.start * self._apart, blocks.stop * self._apart
        return self._triangle[start : stop + len(self.rows.width)]

    def _inspect(self, kernel: Callable[..., None], *outputs: Array) -> None:
        """Run a kernel on the triangles of all series."""

        def work(part: range) -> None:
            some, triangle = self._of_series(part), self._of_blocks(part)
            kernel(self.rows, self.series[some], self.valid[some], triangle, *outputs)

        in_parallel(work, self._parts)

    def _refuse(self, bad: NDArray, node: NDArray) -> None:
        """Raise for the first bad series, if there is one."""
        if bad.any():
            k = int(np.argmax(bad))
            raise SingularError(int(self.series[k]), int(node[k]))
