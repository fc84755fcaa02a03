"""The kernels of one block, by the type of its rows: unrolled ones or general ones.

Each stub below stands, in compiled code, for the kernel of its name in `unrolled` where the rows
carry their sizes in their type (``rows.sizes``), else for the one in `general`.

Spelled out one by one on purpose. One closure for all of them, taking ``*arguments``, compiles and
gave wrong results now and then once its machine code came from the disk.
"""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from ..jit import njit
from . import general, unrolled
from .general.rows import HELPER


def factorize(rows, listed, block, rhs, initial, target, triangle, by_qr, x, failed):
    """Triangularize the rows if `by_qr` is of length 1, else factorize the normal matrix.

    failed (W,) receives -1 or the node of a bad pivot. Where `begins`, x receives what it would
    from `begin`.
    """


@njit(**HELPER)
def begins(rows, by_qr):
    """Whether a factorization begins to solve: the unrolled Cholesky, while it has its rows."""
    return len(rows.sizes) > 0 and len(by_qr) == 0


def begin(rows, listed, block, rhs, initial, target, triangle, z, start, x):
    """``x = U^-T (target + A^T b)``; z holds zeros. Only unrolled rows gain by it, and have it."""


def descend(rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums):
    """``x = U^-T (target + A^T (b - A z))``; sums (5, W), but the last: squares of residuals."""


def ascend(
    rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size, sums
):
    """Add ``U^-1 D^-1 x`` to z, or to its low half, in the lanes where share (W,) is 1.

    With `fresh`, z is zero: unrolled kernels do not read it, for the general ones it is cleared.
    """


def gradients(rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars):
    """Add the gradients in all inputs to the seven arrays of `bars`."""


def scatter(rows, listed, block, valid, z, start, y, copy):
    """Write the derivatives y (B, T, m) of the valid series, and a copy if it is not empty."""


def _kernels_for(rows: Any) -> Any:
    """The module for a type of rows: it carries its sizes, or it does not."""
    return unrolled if len(rows.types[rows.fields.index("sizes")]) > 0 else general


@overload(factorize, jit_options=HELPER)
def _factorize(  # type: ignore[no-untyped-def]
    rows, listed, block, rhs, initial, target, triangle, by_qr, x, failed
):
    kernels = _kernels_for(rows)
    if len(by_qr):
        factor = kernels.factor_qr
    elif kernels is general:
        factor = general.factor_cholesky
    else:
        return lambda rows, listed, block, rhs, initial, target, triangle, by_qr, x, failed: (
            unrolled.factor_cholesky(
                rows, listed, block, rhs, initial, target, triangle, x, failed
            )
        )  # fmt: skip
    return lambda rows, listed, block, rhs, initial, target, triangle, by_qr, x, failed: factor(
        rows, listed, block, triangle, failed
    )


@overload(begin, jit_options=HELPER)
def _begin(rows, listed, block, rhs, initial, target, triangle, z, start, x):  # type: ignore[no-untyped-def]
    if _kernels_for(rows) is general:
        return lambda rows, listed, block, rhs, initial, target, triangle, z, start, x: None
    return lambda rows, listed, block, rhs, initial, target, triangle, z, start, x: unrolled.begin(
        rows, listed, block, rhs, initial, target, triangle, z, start, x
    )


@overload(descend, jit_options=HELPER)
def _descend(  # type: ignore[no-untyped-def]
    rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums
):
    one = _kernels_for(rows).descend
    return lambda rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums: (  # noqa: E501
        one(rows, listed, block, rhs, initial, target, triangle, z, start, half, parts, x, sums)
    )  # fmt: skip


@overload(ascend, jit_options=HELPER)
def _ascend(  # type: ignore[no-untyped-def]
    rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size, sums
):
    one = _kernels_for(rows).ascend
    return lambda rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size, sums: (  # noqa: E501
        one(
            rows, listed, block, triangle, x, share, z, start, half, parts, fresh, largest, size,
            sums,
        )
    )  # fmt: skip


@overload(gradients, jit_options=HELPER)
def _gradients(  # type: ignore[no-untyped-def]
    rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars
):
    one = _kernels_for(rows).gradients
    return lambda rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars: one(
        rows, listed, block, valid, rhs, initial, y, z, a, start, half, parts, bars
    )


@overload(scatter, jit_options=HELPER)
def _scatter(rows, listed, block, valid, z, start, y, copy):  # type: ignore[no-untyped-def]
    one = _kernels_for(rows).scatter
    return lambda rows, listed, block, valid, z, start, y, copy: one(
        rows, listed, block, valid, z, start, y, copy
    )
