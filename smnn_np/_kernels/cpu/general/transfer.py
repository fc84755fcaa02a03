"""Columns from and to arrays in which every series has its own place, written straight in LLVM."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .lanes import columns, load, pointer, vector

LINE = 8  # numbers in a line of the cache


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
                value = ir.Constant(vector(n_lanes), ir.Undefined)
                for lane, number in enumerate(numbers):
                    where = ir.Constant(ir.IntType(32), lane)
                    value = builder.insert_element(value, number, where)
            factor, target = (
                pointer(context, builder, kinds[k], args[k], builder.add(args[k + 1], at), n_lanes)
                for k in (2, 0)
            )
            builder.store(builder.fmul(load(builder, factor), value), target, align=8)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_scatter_add(typingctx, dst, starts, shift, spare, mult, i, src, j, count, lanes):  # type: ignore[no-untyped-def]
    """Add ``mult[i + .] src[j + .]`` to dst, for each lane from number ``starts[lane] + shift`` on.

    Lanes may start at the same number. What those with a negative start have goes to `spare`.
    """
    n_lanes = len(lanes)
    intp = types.intp
    places = (dst, starts, intp, spare, mult, intp, src, intp, intp)
    signature = types.void(*places, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kinds = signature.args
        target, starts, elsewhere = (
            context.make_array(kinds[k])(context, builder, args[k]).data for k in (0, 1, 3)
        )
        bases, zero = [], ir.Constant(args[2].type, 0)
        for lane in range(n_lanes):
            start = builder.load(builder.gep(starts, [ir.Constant(args[2].type, lane)]))
            wanted = builder.icmp_signed(">=", start, zero)
            there = builder.gep(target, [builder.add(start, args[2])])
            bases.append(builder.select(wanted, there, elsewhere))
        with cgutils.for_range(builder, args[8]) as loop:
            at = builder.mul(loop.index, ir.Constant(loop.index.type, n_lanes))
            factors = (
                pointer(context, builder, kinds[k], args[k], builder.add(args[k + 1], at), n_lanes)
                for k in (4, 6)
            )
            product = builder.fmul(*(load(builder, factor) for factor in factors))
            for lane, base in enumerate(bases):
                number = product
                if n_lanes > 1:
                    where = ir.Constant(ir.IntType(32), lane)
                    number = builder.extract_element(product, where)
                place = builder.gep(base, [loop.index])
                builder.store(builder.fadd(builder.load(place), number), place)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_prefetch(typingctx, array, o, count, lanes):  # type: ignore[no-untyped-def]
    """Have `count` columns on their way to the cache, to be written."""
    intp = types.intp
    signature = types.void(array, intp, intp, lanes)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kind, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        flags = [ir.Constant(kind, k) for k in (1, 3, 1)]  # to write, near, data
        function = ir.FunctionType(ir.VoidType(), [byte, kind, kind, kind])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], function)
        with cgutils.for_range(builder, columns(builder, args[2], LINE // len(lanes))) as loop:
            at = builder.add(args[1], builder.mul(loop.index, ir.Constant(loop.index.type, LINE)))
            place = pointer(context, builder, signature.args[0], args[0], at, 1)
            builder.call(prefetch, [builder.bitcast(place, byte), *flags])
        return context.get_dummy_value()

    return signature, codegen
