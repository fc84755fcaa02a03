"""Series factorized in the same way, and solves whose accuracy is known.

Every solve is ``z = U^-1 D^-1 U^-T g`` followed by refinement with the residual taken on the rows,
``g = A^T (b - A z)``. How much a refinement changes the solution is the evidence on which a
factorization is believed or not (`smnn_np._kernels.cpu.blocks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._kernels import cpu
from ._kernels.threads import in_parallel, shares, split
from ._memory import empty, zeros
from ._seen import look, slice_of
from ._twofold import Solved, Twofold, parts_of
from .taylor import Array, TaylorRows

N_CORRECTIONS = {"auto": 3, "cholesky": 1, "qr": 8}
KEPT = 2**17  # numbers of triangles that a thread keeps: more would leave the cache
CHUNK = 2**16  # unknowns that are worked on at once, for the same reason

RightSide = tuple[Array, Array, Array]  # rhs, initial, and what is added to A^T b, (B|1, T|1, m)
Use = Callable[[Solved], None]


class SingularError(Exception):
    """Some rows leave an unknown undetermined; carries the series and the node."""


class Outcome(NamedTuple):
    """What the kernels say of each series: see `cpu.solve_blocks`."""

    status: NDArray
    verdict: NDArray
    left: NDArray

    def of(self, places: slice | NDArray) -> Outcome:
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
    change : float
        By how much the last correction of the last solve changed a solution, relative to it.
    """

    def __init__(
        self, rows: TaylorRows, series: NDArray, factorization: str, keep: bool | None = True
    ) -> None:
        self.rows, self.series, self.factorization = rows, series, factorization
        self.valid = np.ones(len(series), dtype=bool)
        self.change = 0.0
        self._parts = split(-(-len(series) // rows.n_abreast))
        self._chunk = max(1, CHUNK // self._stride)  # blocks
        self._apart = rows.length * rows.triangle_size  # numbers from one triangle to the next
        few = len(self._parts[-1]) <= max(1, KEPT // self._apart)
        self.keep = few if keep is None else keep
        self._status = np.full(len(series), -1)
        self._factorized = False
        self._kept: dict[int, Twofold] = {}  # by first block
        self._triangle = self._allocate(self._parts[-1].stop if self.keep else 0)

    def solve(
        self, right_side: RightSide, use: Use, twofold: bool = False, keep: bool = False,
        look_at: Sequence[Array] = (),
    ) -> NDArray:  # fmt: skip
        """Solve for all series, hand over the solutions, return which were not proven (n,).

        With `twofold`, solutions whose gradients need a low half get one. With `keep`, these are
        kept, to be handed over beside later solutions. In the arrays `look_at`, NaN and infinity
        are refused.
        """
        n = len(self.series)
        outcome = Outcome(self._status, np.full(n, cpu.FINE), np.zeros(n))

        size = min(self._chunk, max(map(len, self._parts)))
        share = shares(self._parts, size)

        def work(number: int) -> None:
            z, x = empty(size * self._stride), zeros(self._stride)
            room = self._allocate(0 if self.keep else 1)
            for piece, blocks in share[number]:
                first, some = blocks.start, self._of_series(blocks)
                if look_at:
                    look(look_at, slice_of(self.series[some]), self.rows.n_series)
                its = outcome.of(some)
                kept = None if keep else self._kept.get(first)
                if twofold and kept:  # half a gradient in two halves is of no use
                    its.verdict[kept.places[kept.needed]] = cpu.ROUNDED
                triangle = self._of_blocks(blocks) if self.keep else room
                halves = self._refine(some, right_side, triangle, x, z, twofold, its)
                wanted = self._sound(some) & (its.verdict == cpu.FINE)
                use(Solved(id(self), piece, self.series[some], wanted, z, halves, kept))
                if keep and halves:
                    self._kept[first] = halves

        in_parallel(work, range(len(self._parts)))
        self._factorized = self.keep
        self.change = float(outcome.left.max())
        broken = self.valid & (self._status >= 0)
        if self.factorization == "auto":
            return broken | (outcome.verdict == cpu.REJECTED)
        self._refuse(broken, self._status)
        self._refuse(outcome.verdict >= 0, outcome.verdict)
        return broken

    def _refine(
        self, some: slice, right_side: RightSide, triangle: Array, x: Array, z: Array,
        twofold: bool, outcome: Outcome,
    ) -> Twofold | None:  # fmt: skip
        """Solve for some series, factorized on the way; give those a low half that need it."""
        rows, name = self.rows, self.factorization
        rounding = cpu.ROUNDING if twofold and name != "cholesky" else np.inf
        how = name == "auto", N_CORRECTIONS[name], rounding
        # Whether a second run finds the triangles of the first: room is for one block at least.
        held = self.keep or some.stop - some.start <= rows.n_abreast

        def run(listed: NDArray, sound: NDArray, z: Array, half: int, outcome: Outcome) -> int:
            fresh = not (self._factorized or (held and half))
            left_side = triangle, self._apart * self.keep, fresh, (0,) * (name == "qr")
            parts = parts_of(rows, half > 0)
            return cpu.solve_blocks(
                rows, listed, sound, right_side, left_side, x, how, z, half, parts, *outcome
            )

        series, sound = self.series[some], self._sound(some)
        if not run(series, sound, z, 0, outcome):
            return None
        needed = outcome.verdict == cpu.ROUNDED
        blocks = self._blocks_of(needed)
        places = blocks[:, None] * rows.n_abreast + np.arange(rows.n_abreast)
        places = places[places < len(needed)]
        high = z.reshape(-1, self._stride)[blocks].ravel()
        halves = Twofold(np.concatenate([high, np.zeros(len(high))]), places, needed[places])
        run(series[places], sound[places], halves.z, len(high), outcome.of(places))
        outcome.verdict[needed] = cpu.FINE
        return halves

    def _blocks_of(self, needed: NDArray) -> NDArray:
        """Blocks with a series that needs a low half; all of them where triangles are kept."""
        if self.keep:
            return np.arange(-(-len(needed) // self.rows.n_abreast))
        starts = np.arange(0, len(needed), self.rows.n_abreast)
        return np.flatnonzero(np.logical_or.reduceat(needed, starts))

    def invert(self, variance: Array, covariance: Array, lagged: Array) -> None:
        """Write entries of ``(A^T A)^-1`` to those outputs that are not empty."""
        self._inspect(cpu.selected_inverse, variance, covariance, lagged)

    def log_determinant(self, out: Array) -> None:
        """Write ``log det A^T A`` of the valid series to out (B,)."""
        self._inspect(cpu.log_determinant, out)

    @property
    def _stride(self) -> int:
        """Numbers of a block of unknowns; row operations may touch a few beyond the last node."""
        rows = self.rows
        return rows.length * rows.n_unknowns * len(rows.lanes) + len(rows.width)

    def _sound(self, some: slice) -> NDArray:
        """Which of some series can be solved for, as far as is known."""
        return self.valid[some] & (self._status[some] < 0)

    def _allocate(self, n_blocks: int) -> Array:
        """Room for the triangles of some blocks."""
        rows = self.rows
        size = n_blocks * self._apart + len(rows.width)
        # General kernels read a few numbers that none of them has written.
        return empty(size) if rows.sizes else zeros(size)

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
