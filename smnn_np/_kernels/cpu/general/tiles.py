"""Sums of products of rows, a tile at a time, written straight in LLVM.

A row operation of `lanes` loads and stores a number for each multiply-add. Here the numbers of a
few rows and columns stay in registers while the products of many rows are taken from them.
"""

from __future__ import annotations

from functools import cache
from itertools import chain

from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from .lanes import CONTRACT, load, pointer, splat

TILE_ROWS = 3


@cache
def _features() -> str:
    """What Numba compiles for; it takes milliseconds to ask."""
    return get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES


def tile_vectors(n_lanes: int, n_wide: int) -> int:
    """How many vectors of a row a tile has: as many as registers hold, fewer for a lone series."""
    return 4 if n_lanes == n_wide and "+avx512f" in _features() else 2


@intrinsic
def tile_sub(typingctx, dst, o, apart, mults, i, src, left, right, step, depth, lanes, width):  # type: ignore[no-untyped-def]
    """``dst[row, column] -= sum_k mults[k] src[k, left + row] src[k, right + column]``, k < depth.

    The rows of dst are so far `apart`, those of src a `step`. `TILE_ROWS` rows of dst by as many
    columns as `tile_vectors` are in registers meanwhile: an entry is loaded and stored once.
    """
    n_lanes, n_wide, n_vectors = len(lanes), len(width), tile_vectors(len(lanes), len(width))
    intp = types.intp
    places = (dst, intp, intp, mults, intp, src, intp, intp, intp, intp)
    signature = types.void(*places, lanes, width)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def plus(number, times):  # type: ignore[no-untyped-def]
            return builder.add(number, ir.Constant(number.type, times))

        def place(which, at, width):  # type: ignore[no-untyped-def]
            return pointer(context, builder, signature.args[which], args[which], at, width)

        tile, start = [], args[1]
        for _ in range(TILE_ROWS):
            targets = [place(0, plus(start, k * n_wide), n_wide) for k in range(n_vectors)]
            values = (load(builder, target) for target in targets)
            totals = [cgutils.alloca_once_value(builder, value) for value in values]
            tile.append(list(zip(targets, totals, strict=True)))
            start = builder.add(start, args[2])
        with cgutils.for_range(builder, args[9]) as loop:
            shift = builder.mul(loop.index, args[8])
            from_left, from_right = builder.add(args[6], shift), builder.add(args[7], shift)
            at = builder.mul(loop.index, ir.Constant(loop.index.type, n_lanes))
            mult = load(builder, place(3, builder.add(args[4], at), n_lanes))
            columns = [
                load(builder, place(5, plus(from_right, k * n_wide), n_wide))
                for k in range(n_vectors)
            ]
            for row, totals in enumerate(tile):
                entry = load(builder, place(5, plus(from_left, row * n_lanes), n_lanes))
                factor = builder.fmul(mult, entry)
                if n_lanes < n_wide:
                    factor = splat(builder, factor, n_wide)
                for column, (_, total) in zip(columns, totals, strict=True):
                    product = builder.fmul(factor, column, flags=CONTRACT)
                    rest = builder.fsub(builder.load(total), product, flags=CONTRACT)
                    builder.store(rest, total)
        for target, total in chain.from_iterable(tile):
            builder.store(builder.load(total), target, align=8)
        return context.get_dummy_value()

    return signature, codegen
