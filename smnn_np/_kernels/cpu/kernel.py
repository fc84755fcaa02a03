"""The kernels of one block, by the type of its rows: unrolled ones or general ones.

Each stub below stands, in compiled code, for the kernel of its name in `unrolled` where the rows
carry their sizes in their type (``rows.sizes``), else for the one in `general`.

Spelled out one by one on purpose. One closure for all of them, taking ``*arguments``, compiles and
gave wrong results now and then once its machine code came from the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.extending import overload

from . import general, unrolled

OPTIONS = {"nogil": True, "error_model": "numpy"}  # what calls them is kept on disk


def factor_cholesky(rows, listed, block, triangle, failed):
    """Factorize the normal matrix; failed (W,) receives -1 or the node of a bad pivot."""


def factor_qr(rows, listed, block, triangle, failed):
    """Triangularize the rows; failed (W,) receives -1 or the node of an unusable pivot."""


def begin(rows, listed, block, rhs, initial, target, triangle, z, start, x):
    """``x = U^-T (target + A^T b)``; z holds zeros."""


def descend(rows, listed, block, rhs, initial, target, triangle, z, start, x):
    """``x = U^-T (target + A^T (b - A z))``."""


def ascend(rows, listed, block, triangle, x, share, z, start, largest, size):
    """Add ``U^-1 D^-1 x`` to z in the lanes where share (W,) is 1."""


def gradients(rows, listed, block, valid, rhs, initial, y, a, start, bars):
    """Add the gradients in all inputs to the seven arrays of `bars`."""


def _choose(rows: Any, name: str) -> Callable[..., None]:
    """The kernel for a type of rows."""
    sizes = rows.types[rows.fields.index("sizes")]
    return getattr(unrolled if len(sizes) > 0 else general, name)


@overload(factor_cholesky, jit_options=OPTIONS)
def _factor_cholesky(rows, listed, block, triangle, failed):  # type: ignore[no-untyped-def]
    kernel = _choose(rows, "factor_cholesky")
    return lambda rows, listed, block, triangle, failed: kernel(
        rows, listed, block, triangle, failed
    )


@overload(factor_qr, jit_options=OPTIONS)
def _factor_qr(rows, listed, block, triangle, failed):  # type: ignore[no-untyped-def]
    kernel = _choose(rows, "factor_qr")
    return lambda rows, listed, block, triangle, failed: kernel(
        rows, listed, block, triangle, failed
    )


@overload(begin, jit_options=OPTIONS)
def _begin(  # type: ignore[no-untyped-def]
    rows, listed, block, rhs, initial, target, triangle, z, start, x
):
    kernel = _choose(rows, "begin")
    return lambda rows, listed, block, rhs, initial, target, triangle, z, start, x: kernel(
        rows, listed, block, rhs, initial, target, triangle, z, start, x
    )


@overload(descend, jit_options=OPTIONS)
def _descend(  # type: ignore[no-untyped-def]
    rows, listed, block, rhs, initial, target, triangle, z, start, x
):
    kernel = _choose(rows, "descend")
    return lambda rows, listed, block, rhs, initial, target, triangle, z, start, x: kernel(
        rows, listed, block, rhs, initial, target, triangle, z, start, x
    )


@overload(ascend, jit_options=OPTIONS)
def _ascend(  # type: ignore[no-untyped-def]
    rows, listed, block, triangle, x, share, z, start, largest, size
):
    kernel = _choose(rows, "ascend")
    return lambda rows, listed, block, triangle, x, share, z, start, largest, size: kernel(
        rows, listed, block, triangle, x, share, z, start, largest, size
    )


@overload(gradients, jit_options=OPTIONS)
def _gradients(  # type: ignore[no-untyped-def]
    rows, listed, block, valid, rhs, initial, y, a, start, bars
):
    kernel = _choose(rows, "gradients")
    return lambda rows, listed, block, valid, rhs, initial, y, a, start, bars: kernel(
        rows, listed, block, valid, rhs, initial, y, a, start, bars
    )
