"""The factor of a batch whose arrays are on a GPU, and the choice between it and the host's.

The same algorithms as on the host, with other kernels (`smnn_np._kernels.cuda`): each series is
factorized, solved and judged on the device, and the host asks once whether all went well. Work
space comes from CuPy's pool.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import array_module, is_cupy, to_numpy
from ._group import N_CORRECTIONS, SingularError
from ._validation import OdeInputs
from .factorize import Factor

if TYPE_CHECKING:
    from ._kernels.cuda.arena import Arena

Array = Any  # of CuPy

FEWEST_CHUNKS = 8  # chunks cost three to four times the work of a series in one piece
THREADS = 128  # threads of one multiprocessor that hide one another's waiting
GRADIENT_THREADS = 2048  # threads that a multiprocessor holds at once
_N_CORE = {  # axes of an input after the batch
    "coefficients": 4, "rhs": 2, "initial": 3, "steps": 1,
    "weight_equation": 2, "weight_initial": 3, "weight_smooth": 1,
}  # fmt: skip
# Takes an arena that holds a solution, and the series that it has.
Use = Callable[["Arena", slice], None]


def factor_of(inputs: OdeInputs, keep: bool | None = True) -> Factor:
    """The factor of checked inputs, on the host or on the GPU, where they are."""
    return DeviceFactor(inputs, keep) if inputs.on_gpu else Factor(inputs, keep)


class DeviceFactor(Factor):
    """A factor on the GPU; all that is public is as on the host.

    Without `keep` the batch may be worked through in pieces, where memory is short.
    """

    def __init__(self, inputs: OdeInputs, keep: bool | None = True) -> None:
        from ._kernels._cuda_import import require_numba_cuda

        require_numba_cuda()
        self._inputs = inputs
        self._judged = False
        self._lock = threading.RLock()
        self._xp = next(array_module(array) for array in inputs if is_cupy(array))
        self._n_series = prod(inputs.shape.batch)
        self._flat = {name: self._flatten(name, getattr(inputs, name)) for name in _N_CORE}
        self._with_target = keep is None  # a pullback's right side
        everything = slice(0, self._n_series)
        self._arena = None if keep is False else self._make_arena(everything)

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a factor on the GPU cannot be pickled: pickle what it was made from")

    @property
    def by_qr(self) -> Array:
        """Which series are factorized by QR: bool, in the batch's shape."""
        from ._kernels.cuda.verdict import QR_WANTED

        assert self._arena is not None
        return (self._arena.states()[0] >= QR_WANTED).reshape(self._inputs.shape.batch)

    def right_side(self, inputs: OdeInputs) -> tuple[Array, Array]:
        """Right-hand side and initial values, batch flattened; None for none."""
        return self._flatten("rhs", inputs.rhs), self._flatten("initial", inputs.initial)

    def solve_to_pull(self, rhs: Array, initial: Array) -> tuple[Array, Array]:
        """Least-squares solution y (B, T, m), and a copy of it to give away."""
        y = self.solve_rows(rhs, initial)
        return y, y.copy()

    def solve_rows(self, rhs: Array, initial: Array) -> Array:
        """Least-squares solution y (B, T, m)."""
        shape = self._inputs.shape
        m = shape.n_dims * shape.n_orders
        y = self._xp.empty((self._n_series, shape.n_steps, m))

        def write(arena: Arena, series: slice) -> None:
            arena.write_derivatives(y[series])

        self._solve_all({"rhs": rhs, "initial": initial}, write)
        if not (self._judged or y[:, 0].any(axis=1).all() or y.any(axis=(1, 2)).all()):
            self.judge()  # a solution of zeros says nothing about the system
        return y

    def pull(self, y_bar: Array, right_side: tuple[Array, Array], y: Array) -> tuple[Array, ...]:
        """Gradients in all inputs, given that in y."""
        sources = {**self._flat, "rhs": right_side[0], "initial": right_side[1]}
        found = {}

        def add(arena: Arena, series: slice) -> None:
            for name in ("rhs", "initial"):
                self._fill(arena, name, sources[name], series)
            found.update(arena.gradients(y[series], self._run()))

        self._solve_all({"target": y_bar}, add)  # a = (A^T A)^-1 y_bar
        return tuple(
            self._xp.zeros(0)
            if sources[name] is None
            else self._collect(name, found[name], sources[name])
            for name in _N_CORE
        )

    def _log_determinants(self) -> Array:
        """Log of the determinant of ``A^T A`` of every series, (B,)."""
        assert self._arena is not None
        return self._arena.log_determinants()

    def _variances(self) -> Array:
        """Diagonal of ``(A^T A)^-1`` (B, T, m)."""
        return self._invert(0)

    def _covariances(self, lag: int) -> Array:
        """Blocks of ``(A^T A)^-1`` of nodes and those `lag` later, (B, T - lag, m m)."""
        return self._invert(1 + lag)

    def _invert(self, what: int) -> Array:
        assert self._arena is not None
        with self._lock:
            entries = self._arena.invert(what)
        return self._xp.ascontiguousarray(self._xp.moveaxis(entries, -1, 0))

    def _flatten(self, name: str, array: Array | None) -> Array | None:
        """Leading dimensions to one: that of the batch, or 1 where all series share the values."""
        if array is None:
            return None
        batch, n_core = self._inputs.shape.batch, _N_CORE[name]
        lead, core = array.shape[: array.ndim - n_core], array.shape[array.ndim - n_core :]
        if prod(lead) != 1 and lead != batch:
            array, lead = np.broadcast_to(array, batch + core), batch
        return array.reshape((prod(lead), *core))

    def _core(self, name: str) -> tuple[int, ...]:
        """Lengths of an input's axes after time, as the kernels read it."""
        shape = self._inputs.shape
        jet = (shape.n_dims, shape.n_orders)
        return {
            "coefficients": (shape.n_equations, *jet),
            "rhs": (shape.n_equations,),
            "weight_equation": (shape.n_equations,),
            "initial": (shape.n_dims, shape.n_initial_orders),
            "weight_initial": (shape.n_dims, shape.n_initial_orders),
            "target": (prod(jet),),
        }.get(name, ())

    def _make_arena(self, series: slice) -> Arena:
        """An arena for some series, with the left side laid out."""
        from ._kernels.cuda.arena import Arena
        from ._kernels.cuda.layout import Sizes

        shape, n = self._inputs.shape, series.stop - series.start
        n_chunks = choose_chunks(n, shape.n_steps)
        sizes = Sizes(*shape[2:5], self._inputs.central, n_chunks > 1)
        counts = {
            "n_series": n,
            "n_nodes": shape.n_steps,
            "n_chunks": n_chunks,
            "n_initial_steps": shape.n_initial_steps,
            "n_initial_orders": shape.n_initial_orders,
        }
        arena = Arena(self._xp, sizes, counts, self._lengths(n))
        arena.start(self._inputs.factorization == "qr")
        for name, source in self._flat.items():
            if self._inputs.rhs is not None or name not in ("rhs", "initial"):
                self._fill(arena, name, source, series)
        return arena

    def _lengths(self, n: int) -> dict[str, tuple[int, int, int]]:
        """Nodes, entries and series of all inputs, for n series."""
        shape = self._inputs.shape
        # A later right side may be as large as this, also the one that judges.
        n_later = n if self._inputs.rhs is None else 1
        lengths = {
            "rhs": (shape.n_steps, shape.n_equations, n_later),
            "initial": (shape.n_initial_steps, prod(self._core("initial")), n_later),
        }
        for name, source in self._flat.items():
            if source is not None:
                own = (source.shape[1], prod(self._core(name)), min(len(source), n))
                lengths[name] = tuple(map(max, own, lengths.get(name, own)))
        if self._with_target:
            lengths["target"] = (shape.n_steps, prod(self._core("target")), n)
        return lengths

    def _fill(self, arena: Arena, name: str, source: Array | None, series: slice) -> None:
        """Lay out an input of some series."""
        if source is not None:
            arena.fill(name, source[series] if len(source) > 1 else source, self._core(name))

    def _solve_all(self, right_side: dict[str, Array | None], use: Use) -> None:
        """Solve for all series, and hand over what holds the solutions."""

        def work(arena: Arena, series: slice) -> None:
            for name, source in right_side.items():
                self._fill(arena, name, source, series)
            self._solve_for(arena, series, "target" in right_side)
            use(arena, series)

        with self._lock, self._explained():
            if self._arena is not None:
                work(self._arena, slice(0, self._n_series))
            else:
                self._in_pieces(work)

    def _in_pieces(self, work: Use) -> None:
        """Work through the batch with an arena for as many series as memory allows."""
        first, size = 0, self._n_series
        while first < self._n_series:
            series = slice(first, min(first + size, self._n_series))
            try:
                work(self._make_arena(series), series)  # nothing holds it when the next is made
            except MemoryError:
                if size == 1:
                    raise
                size = -(-size // 2)
            else:
                first = series.stop

    def _solve_for(self, arena: Arena, series: slice, adjoint: bool) -> None:
        """Solve by the factorization that was asked for; what is not proven, by QR."""
        from ._kernels.cuda.verdict import QR_WANTED

        asked = self._inputs.factorization
        if asked != "qr":
            arena.solve(False, asked == "auto", N_CORRECTIONS[asked], adjoint)
            state, left = self._inspect(arena, series)
            if asked == "cholesky":
                self._warn_of(left)
            if state < QR_WANTED:
                return
        arena.solve(True, False, N_CORRECTIONS["qr"], adjoint)
        self._inspect(arena, series)

    def _inspect(self, arena: Arena, series: slice) -> tuple[float, float]:
        """Ask the device whether all went well; returns the last state and the worst correction."""
        states = arena.states()
        state, failed, verdict, left = to_numpy(states[:4].max(axis=1))
        for which, worst in ((1, failed), (2, verdict)):
            if worst >= 0.0:
                nodes = to_numpy(states[which])
                k = int(np.argmax(nodes >= 0.0))
                raise SingularError(series.start + k, int(nodes[k]))
        return float(state), float(left)

    def _run(self) -> int:
        """Nodes whose gradients one thread sums up, where inputs are the same at all nodes."""
        from ._kernels._cuda_import import n_multiprocessors

        sources = (source for source in self._flat.values() if source is not None)
        if all(source.shape[1] > 1 for source in sources):
            return 1
        n_threads = n_multiprocessors() * GRADIENT_THREADS
        return max(1, self._n_series * self._inputs.shape.n_steps // n_threads)

    def _collect(self, name: str, bar: Array, source: Array) -> Array:
        """Give a gradient (T|1, k, B) the shape of its flattened input (B|1, T|1, ...)."""
        if len(source) == 1:
            bar = bar.sum(axis=-1, keepdims=True)
        bar = self._xp.moveaxis(bar.reshape(len(bar), *self._core(name), bar.shape[-1]), -1, 0)
        axes = tuple(i for i, n in enumerate(source.shape) if n == 1 != bar.shape[i])
        return self._xp.ascontiguousarray(bar.sum(axis=axes, keepdims=True) if axes else bar)


def choose_chunks(n_series: int, n_nodes: int) -> int:
    """Into how many chunks time is cut: one for a large batch, else enough to fill the device."""
    from ._kernels._cuda_import import n_multiprocessors

    n_chunks = min(n_multiprocessors() * THREADS // n_series, isqrt(n_nodes))
    return n_chunks if n_chunks >= FEWEST_CHUNKS else 1
