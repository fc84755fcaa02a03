"""The kernels of one block, by the type of its rows: unrolled ones or general ones.

Each name below stands, in compiled code, for the kernel of that name in `unrolled` where the rows
carry their sizes in their type (``rows.sizes``), else for the one in `general`; there stand the
arguments and what is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.extending import overload

from . import general, unrolled

OPTIONS = {"nogil": True, "error_model": "numpy"}  # what calls them is kept on disk


def _by_type_of_rows(name: str) -> Callable[..., None]:
    """What compiled code may call: the kernel of this name that fits its first argument."""

    def kernel(rows: Any, *arguments: Any) -> None:
        raise NotImplementedError(f"{name} is for compiled code")

    @overload(kernel, jit_options=OPTIONS)
    def choose(rows: Any, *arguments: Any) -> Callable[..., None]:
        sizes = rows.types[rows.fields.index("sizes")]
        chosen = getattr(unrolled if len(sizes) > 0 else general, name)

        def call(rows: Any, *arguments: Any) -> None:
            chosen(rows, *arguments)

        return call

    return kernel


factor_cholesky = _by_type_of_rows("factor_cholesky")
factor_qr = _by_type_of_rows("factor_qr")
begin = _by_type_of_rows("begin")
descend = _by_type_of_rows("descend")
ascend = _by_type_of_rows("ascend")
gradients = _by_type_of_rows("gradients")
