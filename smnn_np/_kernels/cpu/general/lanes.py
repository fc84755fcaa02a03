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

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

CONTRACT = ("contract",)


def vector(width: int) -> ir.Type:
    """Type of `width` numbers side by side."""
    return ir.VectorType(ir.DoubleType(), width) if width > 1 else ir.DoubleType()


def pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any, width: int) -> Any:
    """Address of `width` numbers of a flat array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector(width).as_pointer())


def load(builder: Any, place: Any) -> Any:
    """Numbers at an address."""
    return builder.load(place, align=8)


def splat(builder: Any, scalar: Any, width: int) -> Any:
    """The same number in every place of a vector."""
    one = builder.insert_element(
        ir.Constant(vector(width), ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
    )
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(one, one, mask)


def columns(builder: Any, count: Any, step: int) -> Any:
    """How many operations of `step` columns cover `count` columns."""
    if step == 1:
        return count
    kind = count.type
    rounded = builder.add(count, ir.Constant(kind, step - 1))
    return builder.sdiv(rounded, ir.Constant(kind, step))


@contextmanager
def _each_column(
    context: Any, builder: Any, kinds: Any, args: Any, which: Sequence[int], widths: tuple[int, int]
) -> Iterator[list[Any]]:
    """Body of a loop over ``args[6]`` columns, `widths[1]` numbers at a time; yields addresses.

    Those of the arrays among the arguments that are at `which`, each followed by its offset.
    """
    n_lanes, n_wide = widths
    with cgutils.for_range(builder, columns(builder, args[6], n_wide // n_lanes)) as loop:
        shift = builder.mul(loop.index, ir.Constant(loop.index.type, n_wide))
        yield [
            pointer(context, builder, kinds[k], args[k], builder.add(args[k + 1], shift), n_wide)
            for k in which
        ]


def _row_operation(combine: Callable[..., Any]) -> Any:
    """Make ``op(dst, o, mult, i, src, j, count, lanes, width)``: a multiple of a row to a row."""

    @intrinsic
    def operation(typingctx, dst, o, mult, i, src, j, count, lanes, width):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = len(lanes), len(width)
        intp = types.intp
        signature = types.void(dst, intp, mult, intp, src, intp, intp, lanes, width)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kinds = signature.args
            factor = load(builder, pointer(context, builder, kinds[2], args[2], args[3], n_lanes))
            if n_lanes < n_wide:
                factor = splat(builder, factor, n_wide)
            widths = n_lanes, n_wide
            with _each_column(context, builder, kinds, args, (0, 4), widths) as (target, source):
                product = builder.fmul(factor, load(builder, source), flags=CONTRACT)
                value = combine(builder, lambda: load(builder, target), product)
                builder.store(value, target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return operation


row_add = _row_operation(lambda b, old, product: b.fadd(old(), product, flags=CONTRACT))
row_sub = _row_operation(lambda b, old, product: b.fsub(old(), product, flags=CONTRACT))
row_set = _row_operation(lambda b, old, product: product)


def _dot_operation(term: Callable[..., Any], change: Callable[..., Any]) -> Any:
    """Make ``op(dst, o, a, i, b, j, count, lanes, width)``: a sum over columns, one per lane."""

    @intrinsic
    def operation(typingctx, dst, o, a, i, b, j, count, lanes, width):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = len(lanes), len(width)
        intp = types.intp
        signature = types.void(dst, intp, a, intp, b, intp, intp, lanes, width)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kinds = signature.args
            kind = vector(n_wide)
            zeros = [0.0] * n_wide if n_wide > 1 else 0.0
            total = cgutils.alloca_once_value(builder, ir.Constant(kind, zeros))
            widths = n_lanes, n_wide
            with _each_column(context, builder, kinds, args, (2, 4), widths) as places:
                pair = [load(builder, place) for place in places]
                product = term(builder, builder.fmul(*pair, flags=CONTRACT))
                builder.store(builder.fadd(builder.load(total), product, flags=CONTRACT), total)
            value = builder.load(total)
            if n_lanes < n_wide:
                parts = [
                    builder.extract_element(value, ir.Constant(ir.IntType(32), k))
                    for k in range(n_wide)
                ]
                value = parts[0]
                for part in parts[1:]:
                    value = builder.fadd(value, part)
            target = pointer(context, builder, kinds[0], args[0], args[1], n_lanes)
            builder.store(change(builder, load(builder, target), value), target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return operation


# ``dst[o] -= sum a[i + .] b[j + .]`` and ``dst[o] += sum (a[i + .] b[j + .])^2``
row_dot = _dot_operation(lambda b, product: product, lambda b, old, total: b.fsub(old, total))
row_squares = _dot_operation(
    lambda b, product: b.fmul(product, product, flags=CONTRACT),
    lambda b, old, total: b.fadd(old, total),
)


@intrinsic
def row_inverse(typingctx, dst, o, src, j, lanes):  # type: ignore[no-untyped-def]
    """``dst[o] = 1 / src[j]`` for one column."""
    intp = types.intp
    signature = types.void(dst, intp, src, intp, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        n_lanes, kinds = len(lanes), signature.args
        target, source = (
            pointer(context, builder, kinds[k], args[k], args[k + 1], n_lanes) for k in (0, 2)
        )
        one = ir.Constant(vector(n_lanes), [1.0] * n_lanes if n_lanes > 1 else 1.0)
        builder.store(builder.fdiv(one, load(builder, source)), target, align=8)
        return context.get_dummy_value()

    return signature, codegen


def _product_operation(combine: Callable[..., Any]) -> Any:
    """Make ``op(dst, o, a, i, b, j, count, lanes, width)``: products entry by entry, to a row."""

    @intrinsic
    def operation(typingctx, dst, o, a, i, b, j, count, lanes, width):  # type: ignore[no-untyped-def]
        n_lanes, n_wide = len(lanes), len(width)
        intp = types.intp
        signature = types.void(dst, intp, a, intp, b, intp, intp, lanes, width)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kinds, widths = signature.args, (n_lanes, n_wide)
            with _each_column(context, builder, kinds, args, (0, 2, 4), widths) as places:
                target, one, two = places
                factors = load(builder, one), load(builder, two)
                value = combine(builder, lambda: load(builder, target), factors)
                builder.store(value, target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return operation


row_multiply = _product_operation(lambda b, old, factors: b.fmul(*factors))
row_multiply_add = _product_operation(
    lambda b, old, factors: b.fadd(old(), b.fmul(*factors, flags=CONTRACT), flags=CONTRACT)
)


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
            place = pointer(context, builder, kinds[which], args[which], zero, n_lanes)
            factor = load(builder, place)
            turn.append(splat(builder, factor, n_wide) if n_lanes < n_wide else factor)
        widths = n_lanes, n_wide
        with _each_column(context, builder, kinds, args, (0, 2), widths) as places:
            above, below = (load(builder, place) for place in places)
            for place, one, two, combine in (
                (places[0], above, below, builder.fadd),
                (places[1], below, above, builder.fsub),
            ):
                products = [
                    builder.fmul(factor, value, flags=CONTRACT)
                    for factor, value in zip(turn, (one, two), strict=True)
                ]
                builder.store(combine(*products, flags=CONTRACT), place, align=8)
        return context.get_dummy_value()

    return signature, codegen
