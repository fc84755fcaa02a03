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
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_CONTRACT = ("contract",)


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


def _tile_operation(combine: Callable[..., Any]) -> Any:
    """Make ``op(dst, o, apart, factors, f, source, s, step, depth, lanes, width)``.

    It combines `TILE_ROWS` rows of dst, so far `apart`, over as many columns as a tile has, with
    ``sum_k factors[f + k step + row] source[s + k step + column]``, k < depth, and holds them in
    registers meanwhile: an entry is loaded and stored once for all k.
    """

    @intrinsic
    def operation(typingctx, dst, o, apart, factors, f, source, s, step, depth, lanes, width):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = len(lanes), len(width)
        intp = types.intp
        signature = types.void(
            dst, intp, intp, factors, intp, source, intp, intp, intp, lanes, width
        )
        n_vectors = tile_vectors(n_lanes, n_wide)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kinds = signature.args

            def place(which, offset, shift, width):  # type: ignore[no-untyped-def]
                at = builder.add(offset, ir.Constant(offset.type, shift))
                return _pointer(context, builder, kinds[which], args[which], at, width)

            held = []
            for row in range(TILE_ROWS):
                start = builder.add(args[1], builder.mul(args[2], ir.Constant(args[2].type, row)))
                for k in range(n_vectors):
                    target = place(0, start, k * n_wide, n_wide)
                    held.append((target, cgutils.alloca_once_value(builder, _load(builder, target))))
            with cgutils.for_range(builder, args[8]) as loop:
                shift = builder.mul(loop.index, args[7])
                left, right = builder.add(args[4], shift), builder.add(args[6], shift)
                scalars = [
                    _load(builder, place(3, left, row * n_lanes, n_lanes))
                    for row in range(TILE_ROWS)
                ]
                if n_lanes < n_wide:
                    scalars = [_splat(builder, each, n_wide) for each in scalars]
                for k in range(n_vectors):
                    column = _load(builder, place(5, right, k * n_wide, n_wide))
                    for row, factor in enumerate(scalars):
                        _, total = held[row * n_vectors + k]
                        product = builder.fmul(factor, column, flags=_CONTRACT)
                        builder.store(combine(builder, builder.load(total), product), total)
            for target, total in held:
                builder.store(builder.load(total), target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return operation


TILE_ROWS = 3


def tile_vectors(n_lanes: int, n_wide: int) -> int:
    """How many vectors of a row a tile has."""
    return 4 if n_lanes == n_wide else 2


tile_add = _tile_operation(lambda b, old, product: b.fadd(old, product, flags=_CONTRACT))
tile_sub = _tile_operation(lambda b, old, product: b.fsub(old, product, flags=_CONTRACT))


@intrinsic
def row_dot(typingctx, dst, o, a, i, b, j, count, lanes, width):  # type: ignore[no-untyped-def]
    """``dst[o] -= sum over columns of a[i + .] b[j + .]``, one sum per lane."""
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
            product = builder.fmul(*pair, flags=_CONTRACT)
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
