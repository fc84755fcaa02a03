"""Compile every GPU kernel to PTX, where there is no GPU: ``compile_kernels.py Q V R CENTRAL``
for those of the solver, ``compile_kernels.py R P VARYING`` for those of the smoother.

Prints how many there were. With a fifth argument, a folder, the PTX is written there, for
``ptxas -v -arch=sm_90`` to say how many registers each kernel takes.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numba.cuda.dispatcher
from numba import cuda, float64, int64, typeof, void
from numba import types as numba_types

from smnn_np._kernels.cuda import elements, gradient, inverse, output, series, smoothing, solve
from smnn_np._kernels.cuda.arena import INPUTS, ZERO, Space, _bars, _parts
from smnn_np._kernels.cuda.layout import Sizes, Where
from smnn_np.device import choose_lanes

CAPABILITY = (9, 0)
# Device functions are compiled for the current device, which there is none.
numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=CAPABILITY)
DATA = float64[::1]


def kernels(n_equations, n_dims, n_orders, central):
    """Yield the name, kernel and types of every kernel for nodes of these sizes."""
    for spike in (False, True):
        lanes = choose_lanes(n_dims * n_orders)
        sizes = Sizes(n_equations, n_dims, n_orders, bool(central), spike, lanes)
        counts = {"n_series": 2, "n_nodes": 9, "n_chunks": 1 + spike}
        counts |= {"n_initial_steps": 1, "n_initial_orders": 1}
        where = Where(**dict.fromkeys(INPUTS, ZERO), **counts, **_parts(Space(), sizes, counts))
        here = typeof(where)
        solving = {"series": {q: solve.series_kernel(sizes, q, not q) for q in (False, True)}}
        if spike:
            both = [solve.chunk_kernels(sizes, q, not q) for q in (False, True)]
            solving = {name: [getattr(each, name) for each in both] for name in both[0]._fields}
        for name, pair in solving.items():
            for by_qr in (False, True):
                kernel = pair[by_qr].kernel
                yield f"{name}_{'qr' if by_qr else 'cholesky'}", kernel, (
                    DATA, DATA, here, int64, int64,
                )  # fmt: skip
        bridge, inside = inverse.inverse_kernels(sizes, inverse.COVARIANCE)
        for name, each in {"bridge": bridge, "inside": inside}.items():
            if spike or name == "inside":
                types = (DATA, DATA, here, DATA, int64)
                yield f"inverse_{name}_{spike}", each.kernel, types
        yield f"determinant_{spike}", inverse.determinant_kernel(sizes), (DATA, here, DATA)
    bars = typeof(_bars(where, sizes, 1)[0])
    types = (DATA, DATA, here, bars)
    yield "gradient", gradient.gradient_kernel(sizes), types
    yield "initial_gradient", gradient.initial_gradient_kernel(sizes), types
    yield "derivatives", output.derivatives_kernel(n_dims, n_orders), (DATA, here, DATA)


def smoothing_kernels(order, n_effects, varying):
    """Yield the same of the smoother's kernels."""
    sizes = series.Sizes(order, n_effects, order + 7 * varying, bool(varying))
    types = [DATA] * 8 + [int64[::1]] * 3
    batch = numba_types.NamedTuple(types, series.Series)
    table, flat = float64[:, ::1], float64[:, :, ::1]
    yield "element", elements.element_kernel(sizes), (batch, DATA, int64)
    yield "chain", elements.chain_kernel(sizes), (batch, DATA, DATA, table, int64)
    yield "smoothing", smoothing.smoothing_kernel(sizes), (batch, DATA, int64[::1], flat, flat)


def main(*arguments):
    """Compile them all: with four sizes those of the solver, with three those of the smoother."""
    folder, n_kernels = Path(arguments[4]) if len(arguments) > 4 else None, 0
    every = kernels if len(arguments) > 3 else smoothing_kernels
    for name, kernel, types in every(*map(int, arguments[:4])):
        ptx, _ = cuda.compile_ptx(kernel.py_func, void(*types), cc=CAPABILITY)
        n_kernels += 1
        if folder:
            (folder / f"{name}.ptx").write_text(ptx)
    sys.stdout.write(f"{n_kernels} kernels\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
