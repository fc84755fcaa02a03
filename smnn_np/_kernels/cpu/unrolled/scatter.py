"""Derivatives of one solved block, written to the user's own arrays, with all sizes compiled in."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .arrays import Input
from .problem import Problem, Scale
from .solve import load_node
from .staged import Lanes


@intrinsic
def scatter(typingctx, rows, listed, block, valid, z, start, y, copy):  # type: ignore[no-untyped-def]
    """Write the derivatives y (B, T, m) of the valid series, and a copy if it is not empty."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        p = Problem(context, builder, signature.args, args)
        wanted, z_data, scale = p.valid(valid, args[3]), p.data(z, args[4]), Scale(p)
        own, other = p.array(y, args[6]), p.array(copy, args[7])
        twice = builder.icmp_signed(">", other.shape[0], p.machine.integer(0))
        with p.machine.loop(p.n_nodes) as t:
            shrink, _ = scale.advance(t)
            node = load_node(p, z_data, args[5], t)
            values = [z * s for z, s in zip(node, shrink, strict=True)]
            for lane in range(p.n_lanes):
                with builder.if_then(_is_own(p, wanted, lane, t)):
                    _write(own, t, lane, values)
                    with builder.if_then(twice):
                        _write(other, t, lane, values)
        return context.get_dummy_value()

    return types.void(rows, listed, block, valid, z, start, y, copy), codegen


def _is_own(p: Problem, wanted: Any, lane: int, t: Any) -> Any:
    """Whether a lane has a node t that no other lane has, and is wanted."""
    builder = p.machine.builder
    own = builder.extract_element(wanted, ir.Constant(ir.IntType(32), lane))
    if p.n_ends == 2 and lane == 1:
        own = builder.and_(own, builder.and_(p.begun(t), p.has_next(t)))
    return own


def _write(array: Input, t: Any, lane: int, values: list[Lanes]) -> None:
    """Write one lane's numbers (m,) of node t, two by two."""
    machine, builder, m = array.machine, array.machine.builder, len(values)
    row = array.row(t)
    place = builder.gep(array.pointers[lane], [row[lane % len(row)]])
    for k in range(0, m - 1, 2):
        pair = machine.pairs_of(values[k], values[k + 1])[lane]
        builder.store(pair, machine.pair_at(place, machine.integer(k)), align=8)
    if m % 2:
        last = builder.extract_element(values[-1].ir, ir.Constant(ir.IntType(32), lane))
        builder.store(last, builder.gep(place, [machine.integer(m - 1)]))
