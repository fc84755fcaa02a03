"""The arena of some series: laid out, filled with inputs, and worked on by the kernels."""

from __future__ import annotations

from math import prod
from typing import Any

from ..._arrays import is_cupy
from .._cuda_import import launch, on_device
from .gradient import gradient_kernel, initial_gradient_kernel
from .inverse import LAGGED, VARIANCE, determinant_kernel, inverse_kernels
from .layout import Bar, Bars, Sizes, View, Where
from .output import derivatives_kernel
from .solve import chunk_kernels, series_kernel
from .verdict import CHOLESKY_WANTED, QR_WANTED

Array = Any  # of CuPy

INPUTS = (
    "coefficients", "rhs", "initial", "steps",
    "weight_equation", "weight_initial", "weight_smooth", "target",
)  # fmt: skip


class Space:
    """Counts the numbers of an arena while its parts are given their places."""

    def __init__(self) -> None:
        self.used = 1  # number 0 stands for whatever is zero everywhere

    def take(self, *shape: int) -> int:
        """Place of a part of this shape."""
        first = self.used
        self.used += prod(shape)
        return first

    def view(self, n_times: int, n_entries: int, n_series: int) -> View:
        """Place of an input of shape (n_times, n_entries, n_series); lengths of 1 broadcast."""
        base = self.take(n_times, n_entries, n_series)
        in_time = n_entries * n_series if n_times > 1 else 0
        return View(base, in_time, n_series, 1 if n_series > 1 else 0)


ZERO = View(0, 0, 0, 0)


class Arena:
    """The numbers of some series in one array, and the work on them.

    Parameters
    ----------
    xp : module
        CuPy, or what stands in for it.
    sizes : Sizes
        What is compiled in.
    where : dict
        The fields of `Where` that are counts.
    lengths : dict
        For each input that is not zero everywhere: nodes, entries, and series it has at most.
    """

    def __init__(
        self, xp: Any, sizes: Sizes, where: dict[str, Any], lengths: dict[str, tuple[int, int, int]]
    ) -> None:
        self.sizes, self._xp, self._room = sizes, xp, {n: prod(lengths[n]) for n in lengths}
        space = Space()
        views: dict[str, Any] = dict.fromkeys(INPUTS, ZERO)
        views |= {name: space.view(*lengths[name]) for name in lengths}
        self.where = Where(**views, **where, **_parts(space, sizes, where))
        self._array = _allocate(xp, space.used, self.where)
        self._data = on_device(self._array)
        self._array[0] = 0.0

    def fill(self, name: str, source: Array, core: tuple[int, ...]) -> None:
        """Lay out an input of shape (B|1, T|1, ...), of which the last axes broadcast to `core`."""
        n_series, n_times = source.shape[:2]
        base = getattr(self.where, name).base
        assert n_times * prod(core) * n_series <= self._room[name]
        part = self._array[base : base + n_times * prod(core) * n_series]
        if source.size == 1 and not is_cupy(source):
            part.fill(source.item())  # a number from the host is no transfer
        else:
            there = self._xp.asarray(source)
            part.reshape(n_times, *core, n_series)[...] = self._xp.moveaxis(there, 0, -1)
        in_time = prod(core) * n_series if n_times > 1 else 0
        view = View(base, in_time, n_series, 1 if n_series > 1 else 0)
        changed: dict[str, Any] = {name: view}
        self.where = self.where._replace(**changed)

    def start(self, by_qr: bool) -> None:
        """Forget what was factorized."""
        states = self.states()
        states[0], states[1] = QR_WANTED if by_qr else CHOLESKY_WANTED, -1.0

    def solve(self, by_qr: bool, prove: bool, n_corrections: int, adjoint: bool) -> None:
        """Factorize what is not, solve, refine; series in another state are left alone.

        With `adjoint` the right side is the target alone, else it is without it.
        """
        zeros: dict[str, Any] = {"rhs": ZERO, "initial": ZERO} if adjoint else {"target": ZERO}
        where, xp = self.where._replace(**zeros), self._xp
        if where.n_chunks == 1:
            kernel = series_kernel(self.sizes, by_qr, prove)
            kernel.start(xp, where.n_series, self._data, where, 0, n_corrections)
            return
        kernels, n_all = chunk_kernels(self.sizes, by_qr, prove), where.n_series * where.n_chunks
        threads = (where.n_series, n_all, where.n_series, n_all, where.n_series, where.n_series)
        begin, *each, end = zip(kernels, threads, strict=True)

        def start(step: Any, correction: int) -> None:
            kernel, n_threads = step
            kernel.start(xp, n_threads, self._data, where, correction, n_corrections)

        start(begin, 0)
        # All corrections are queued, and those that no series wants return at once: to ask the
        # device first would empty its queue.
        for correction in range(n_corrections + 1):
            for step in each:
                start(step, correction)
        start(end, n_corrections)

    def states(self) -> Array:
        """State, node of a bad pivot, verdict, last correction and share of each series, (5, B)."""
        first, n = self.where.state, self.where.n_series
        return self._array[first : first + 5 * n].reshape(5, n)

    def write_derivatives(self, out: Array) -> None:
        """Write y (B, T, m), contiguous."""
        n_dims, n_orders = self.sizes.n_dims, self.sizes.n_orders
        n_threads = self.where.n_series * self.where.n_nodes
        kernel = derivatives_kernel(n_dims, n_orders)
        launch(kernel, n_threads, self._data, self.where, on_device(out.reshape(-1)))

    def log_determinants(self) -> Array:
        """``log det A^T A`` of every series, (B,)."""
        where = self.where
        out = self._xp.empty((where.n_chunks + 1) * where.n_series)
        kernel = determinant_kernel(self.sizes)
        launch(kernel, len(out), self._data, where, on_device(out))
        return out.reshape(-1, where.n_series).sum(axis=0)

    def invert(self, what: int) -> Array:
        """Variances or blocks of ``(A^T A)^-1``, (T or T - 1, m or m m, B)."""
        where, m = self.where, self.sizes.m
        n_nodes, n_written = where.n_nodes - (what == LAGGED), m if what == VARIANCE else m * m
        out = self._xp.empty((n_nodes, n_written, where.n_series))
        bridge, inside = inverse_kernels(self.sizes, what)
        flat = on_device(out.reshape(-1))
        if self.sizes.spike:
            bridge.start(self._xp, where.n_series, self._data, where, flat, 0)
        n_threads = where.n_series * where.n_chunks
        inside.start(self._xp, n_threads, self._data, where, flat, 0)
        return out

    def gradients(self, y: Array, run: int) -> dict[str, Array]:
        """Gradients by input, (T|1, k, B) each, given y (B, T, m) and after a solve for a.

        Work space of the solve receives y.
        """
        where, xp = self.where, self._xp
        n = where.n_nodes * self.sizes.m * where.n_series
        shape = (where.n_nodes, self.sizes.m, where.n_series)
        self._array[where.x : where.x + n].reshape(shape)[...] = xp.moveaxis(y, 0, -1)
        bars, space, shapes = _bars(where, self.sizes, run)
        total = xp.zeros(space.used)
        out = on_device(total)
        for kernel, n_threads in (
            (gradient_kernel(self.sizes), bars.n_runs * where.n_series),
            (initial_gradient_kernel(self.sizes), where.n_series),
        ):
            launch(kernel, n_threads, self._data, out, where, bars)
        found = {}
        for name, shape in shapes.items():
            bar = getattr(bars, name)
            part = total[bar.base : bar.base + prod(shape)].reshape(shape)
            summed = isinstance(bar, Bar) and bar.summed
            found[name] = part.sum(axis=0, keepdims=True) if summed else part
        return found


def _allocate(xp: Any, n_numbers: int, where: Where) -> Array:
    """Memory for an arena, or a sentence that says how much of it there should be."""
    try:
        return xp.empty(n_numbers)
    except MemoryError as error:
        raise MemoryError(
            f"the GPU has no {8e-9 * n_numbers:.3g} GB free that the {where.n_series} series of "
            f"{where.n_nodes} nodes want as work space: solve for fewer series at once, or free "
            f"CuPy's pool by cupy.get_default_memory_pool().free_all_blocks()"
        ) from error


def _parts(space: Space, sizes: Sizes, where: dict[str, int]) -> dict[str, Any]:
    """Places of all that is not an input."""
    n, n_nodes, n_chunks = where["n_series"], where["n_nodes"], where["n_chunks"]
    m, w, n_bridges = sizes.m, sizes.w, n_chunks - 1
    on_separators = n_chunks if sizes.spike else 0
    parts = {
        "z": space.take(n_nodes, m, n),
        "x": space.take(n_nodes, m, n),
        "triangle": space.take(n_nodes, sizes.triangle, n),
        "bridge": space.take(n_bridges, sizes.bridge, n),
        "remains": space.take(on_separators, sizes.remains, n),
        "carry": space.take(on_separators, 2 * w, n),
        "failures": space.take(on_separators, n),
        "peaks": space.take(n_chunks + 1, 2 * m, n),
        "norms": space.take(4, m, n),
    }
    parts |= {name: space.take(n) for name in ("state", "failed", "verdict", "left", "share")}
    return parts


def _bars(
    where: Where, sizes: Sizes, run: int
) -> tuple[Bars, Space, dict[str, tuple[int, int, int]]]:
    """Places and shapes of the gradients."""
    n, n_runs, space = where.n_series, -(-where.n_nodes // run), Space()
    entries = {
        "coefficients": sizes.n_equations * sizes.m,
        "rhs": sizes.n_equations,
        "steps": 1,
        "weight_equation": sizes.n_equations,
        "weight_smooth": 1,
    }
    shapes, bars = {}, dict[str, Any]()
    for name, k in entries.items():
        summed = getattr(where, name).t == 0
        last = name in ("steps", "weight_smooth")
        shapes[name] = (n_runs if summed else where.n_nodes - last, k, n)
        bars[name] = Bar(space.take(*shapes[name]), k * n, n, int(summed))
    views = dict[str, Any]()
    for name in ("initial", "weight_initial"):
        k, many = sizes.n_dims * where.n_initial_orders, getattr(where, name).t > 0
        shapes[name] = (where.n_initial_steps if many else 1, k, n)
        views[name] = View(space.take(*shapes[name]), k * n if many else 0, n, 1)
    return Bars(**bars, **views, y=where.x, a=where.z, run=run, n_runs=n_runs), space, shapes
