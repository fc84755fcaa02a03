"""Vector operations on flat float64 arrays, written straight in LLVM.

The kernels work on several series side by side: every unknown is a *column* of W neighbouring
numbers, one per lane, and a *row* is a run of columns. LLVM cannot know that two rows of one array
do not overlap and so would not vectorize these loops by itself. Here a column is one vector
register and the multiplier of a row operation is loaded once.

A tuple's length is part of its type, so ``lanes`` (a tuple of length W) makes W a constant of the
compiled code. With W = 1 a row may instead be taken ``width`` columns at a time: the operation then
covers ``ceil(count / width) * width`` columns, and the caller sees to it that the surplus is
harmless. Products may be contracted to fused multiply-adds where the machine has them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_CONTRACT = ("contract",)
LINE = 8  # numbers in a line of the cache
TILE_ROWS = 3


def _vector(width: int) -> ir.Type:
    """Type of `width` numbers side by side."""
    return ir.VectorType(ir.DoubleType(), width) if width > 1 else ir.DoubleType()


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any, width: int) -> Any:
    """Address of `width` numbers of a flat array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), _vector(width).as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(pointer, align=8)


def _splat(builder: Any, scalar: Any, width: int) -> Any:
    """The same number in every place of a vector."""
    one = builder.insert_element(
        ir.Constant(_vector(width), ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
    )
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(one, one, mask)


def _columns(builder: Any, count: Any, step: int) -> Any:
    """How many operations of `step` columns cover `count` columns."""
    if step == 1:
        return count
    kind = count.type
    rounded = builder.add(count, ir.Constant(kind, step - 1))
    return builder.sdiv(rounded, ir.Constant(kind, step))


def _row_operation(combine: Callable[..., Any]) -> Any:
    """Make ``op(dst, o, mult, i, src, j, count, lanes, width)``: a multiple of a row to a row."""

    @intrinsic
    def operation(typingctx, dst, o, mult, i, src, j, count, lanes, width):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = len(lanes), len(width)
        intp = types.intp
        signature = types.void(dst, intp, mult, intp, src, intp, intp, lanes, width)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kinds = signature.args
            factor = _load(builder, _pointer(context, builder, kinds[2], args[2], args[3], n_lanes))
            if n_lanes < n_wide:
                factor = _splat(builder, factor, n_wide)
            total = _columns(builder, args[6], n_wide // n_lanes)
            with cgutils.for_range(builder, total) as loop:
                shift = builder.mul(loop.index, ir.Constant(loop.index.type, n_wide))
                here = builder.add(args[1], shift)
                there = builder.add(args[5], shift)
                target = _pointer(context, builder, kinds[0], args[0], here, n_wide)
                source = _pointer(context, builder, kinds[4], args[4], there, n_wide)
                product = builder.fmul(factor, _load(builder, source), flags=_CONTRACT)
                value = combine(builder, lambda: _load(builder, target), product)
                builder.store(value, target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return operation


row_add = _row_operation(lambda b, old, product: b.fadd(old(), product, flags=_CONTRACT))
row_sub = _row_operation(lambda b, old, product: b.fsub(old(), product, flags=_CONTRACT))
row_set = _row_operation(lambda b, old, product: product)


def tile_vectors(n_lanes: int, n_wide: int) -> int:
    """How many vectors of a row a tile has."""
    return 4 if n_lanes == n_wide else 2


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
            return _pointer(context, builder, signature.args[which], args[which], at, width)

        tile, start = [], args[1]
        for _ in range(TILE_ROWS):
            targets = [place(0, plus(start, k * n_wide), n_wide) for k in range(n_vectors)]
            values = (_load(builder, target) for target in targets)
            totals = [cgutils.alloca_once_value(builder, value) for value in values]
            tile.append(list(zip(targets, totals, strict=True)))
            start = builder.add(start, args[2])
        with cgutils.for_range(builder, args[9]) as loop:
            shift = builder.mul(loop.index, args[8])
            from_left, from_right = builder.add(args[6], shift), builder.add(args[7], shift)
            at = builder.mul(loop.index, ir.Constant(loop.index.type, n_lanes))
            mult = _load(builder, place(3, builder.add(args[4], at), n_lanes))
            columns = [
                _load(builder, place(5, plus(from_right, k * n_wide), n_wide))
                for k in range(n_vectors)
            ]
            for row, totals in enumerate(tile):
                entry = _load(builder, place(5, plus(from_left, row * n_lanes), n_lanes))
                factor = builder.fmul(mult, entry)
                if n_lanes < n_wide:
                    factor = _splat(builder, factor, n_wide)
                for column, (_, total) in zip(columns, totals, strict=True):
                    product = builder.fmul(factor, column, flags=_CONTRACT)
                    rest = builder.fsub(builder.load(total), product, flags=_CONTRACT)
                    builder.store(rest, total)
        for target, total in chain.from_iterable(tile):
            builder.store(builder.load(total), target, align=8)
        return context.get_dummy_value()

    return signature, codegen


def _dot_operation(term: Callable[..., Any]) -> Any:
    """Make ``op(dst, o, a, i, b, j, count, lanes, width)``: a sum over columns, one per lane."""

    @intrinsic
    def operation(typingctx, dst, o, a, i, b, j, count, lanes, width):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = len(lanes), len(width)
        intp = types.intp
        signature = types.void(dst, intp, a, intp, b, intp, intp, lanes, width)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kinds = signature.args
            kind = _vector(n_wide)
            zeros = [0.0] * n_wide if n_wide > 1 else 0.0
            total = cgutils.alloca_once_value(builder, ir.Constant(kind, zeros))
            steps = _columns(builder, args[6], n_wide // n_lanes)
            with cgutils.for_range(builder, steps) as loop:
                shift = builder.mul(loop.index, ir.Constant(loop.index.type, n_wide))
                pair = []
                for which in (2, 4):
                    at = builder.add(args[which + 1], shift)
                    place = _pointer(context, builder, kinds[which], args[which], at, n_wide)
                    pair.append(_load(builder, place))
                product = term(builder, builder.fmul(*pair, flags=_CONTRACT))
                builder.store(builder.fadd(builder.load(total), product, flags=_CONTRACT), total)
            value = builder.load(total)
            if n_lanes < n_wide:
                parts = [
                    builder.extract_element(value, ir.Constant(ir.IntType(32), k))
                    for k in range(n_wide)
                ]
                value = parts[0]
                for part in parts[1:]:
                    value = builder.fadd(value, part)
            target = _pointer(context, builder, kinds[0], args[0], args[1], n_lanes)
            builder.store(builder.fsub(_load(builder, target), value), target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return operation


# dst[o] -= sum of a[i + .] b[j + .]; dst[o] -= sum of their squares
row_dot = _dot_operation(lambda b, product: product)
row_dot_squares = _dot_operation(lambda b, product: b.fmul(product, product, flags=_CONTRACT))


@intrinsic
def row_inverse(typingctx, dst, o, src, j, lanes):  # type: ignore[no-untyped-def]
    """``dst[o] = 1 / src[j]`` for one column."""
    intp = types.intp
    signature = types.void(dst, intp, src, intp, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        n_lanes, kinds = len(lanes), signature.args
        target, source = (
            _pointer(context, builder, kinds[k], args[k], args[k + 1], n_lanes) for k in (0, 2)
        )
        one = ir.Constant(_vector(n_lanes), [1.0] * n_lanes if n_lanes > 1 else 1.0)
        builder.store(builder.fdiv(one, _load(builder, source)), target, align=8)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_gather(typingctx, dst, o, mult, i, src, starts, shift, count, lanes):  # type: ignore[no-untyped-def]
    """``dst[o + .] = mult[i + .] src``, for each lane from number ``starts[lane] + shift`` on."""
    n_lanes = len(lanes)
    intp = types.intp
    signature = types.void(dst, intp, mult, intp, src, starts, intp, intp, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kinds = signature.args
        starts = context.make_array(kinds[5])(context, builder, args[5]).data
        source = context.make_array(kinds[4])(context, builder, args[4]).data
        bases = []
        for lane in range(n_lanes):
            start = builder.load(builder.gep(starts, [ir.Constant(args[6].type, lane)]))
            bases.append(builder.gep(source, [builder.add(start, args[6])]))
        with cgutils.for_range(builder, args[7]) as loop:
            at = builder.mul(loop.index, ir.Constant(loop.index.type, n_lanes))
            value = builder.load(builder.gep(bases[0], [loop.index]))
            if n_lanes > 1:
                numbers = [value, *(builder.load(builder.gep(b, [loop.index])) for b in bases[1:])]
                value = ir.Constant(_vector(n_lanes), ir.Undefined)
                for lane, number in enumerate(numbers):
                    where = ir.Constant(ir.IntType(32), lane)
                    value = builder.insert_element(value, number, where)
            factor, target = (
                _pointer(context, builder, kinds[k], args[k], builder.add(args[k + 1], at), n_lanes)
                for k in (2, 0)
            )
            builder.store(builder.fmul(_load(builder, factor), value), target, align=8)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_prefetch(typingctx, array, o, count, lanes):  # type: ignore[no-untyped-def]
    """Have `count` columns on their way to the cache, to be written."""
    intp = types.intp
    signature = types.void(array, intp, intp, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kind, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        flags = [ir.Constant(kind, k) for k in (1, 3, 1)]  # to write, near, data
        function = ir.FunctionType(ir.VoidType(), [pointer, kind, kind, kind])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], function)
        with cgutils.for_range(builder, _columns(builder, args[2], LINE // len(lanes))) as loop:
            at = builder.add(args[1], builder.mul(loop.index, ir.Constant(loop.index.type, LINE)))
            place = _pointer(context, builder, signature.args[0], args[0], at, 1)
            builder.call(prefetch, [builder.bitcast(place, pointer), *flags])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_multiply(typingctx, dst, o, a, i, b, j, count, lanes):  # type: ignore[no-untyped-def]
    """``dst = a * b`` entry by entry over `count` columns."""
    n_lanes = len(lanes)
    intp = types.intp
    signature = types.void(dst, intp, a, intp, b, intp, intp, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kinds = signature.args
        with cgutils.for_range(builder, args[6]) as loop:
            shift = builder.mul(loop.index, ir.Constant(loop.index.type, n_lanes))
            places = [
                _pointer(
                    context, builder, kinds[k], args[k], builder.add(args[k + 1], shift), n_lanes
                )
                for k in (0, 2, 4)
            ]
            product = builder.fmul(_load(builder, places[1]), _load(builder, places[2]))
            builder.store(product, places[0], align=8)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_rotate(typingctx, dst, o, src, j, cosine, sine, count, lanes, width):  # type: ignore[no-untyped-def]
    """``dst, src = cosine dst + sine src, cosine src - sine dst`` over `count` columns."""
    n_lanes, n_wide = len(lanes), len(width)
    intp = types.intp
    signature = types.void(dst, intp, src, intp, cosine, sine, intp, lanes, width)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kinds, zero = signature.args, ir.Constant(ir.IntType(64), 0)
        turn = []
        for which in (4, 5):
            place = _pointer(context, builder, kinds[which], args[which], zero, n_lanes)
            factor = _load(builder, place)
            turn.append(_splat(builder, factor, n_wide) if n_lanes < n_wide else factor)
        with cgutils.for_range(builder, _columns(builder, args[6], n_wide // n_lanes)) as loop:
            shift = builder.mul(loop.index, ir.Constant(loop.index.type, n_wide))
            places = [
                _pointer(
                    context, builder, kinds[k], args[k], builder.add(args[k + 1], shift), n_wide
                )
                for k in (0, 2)
            ]
            above, below = (_load(builder, place) for place in places)
            for place, one, two, combine in (
                (places[0], above, below, builder.fadd),
                (places[1], below, above, builder.fsub),
            ):
                products = [
                    builder.fmul(factor, value, flags=_CONTRACT)
                    for factor, value in zip(turn, (one, two), strict=True)
                ]
                builder.store(combine(*products, flags=_CONTRACT), place, align=8)
        return context.get_dummy_value()

    return signature, codegen
