"""The triangle U of a node, and D^-1, as they are stored.

A row of U has a part at its own node and one at the next. A slim triangle has the first alone:
with N the normal matrix of two neighbours, which comes from the links between them, elimination
leaves ``U' = D^-1 U^-T N`` for the second, U here being the first. It is made by the very
operations by which elimination makes it. QR's cannot be slim: that it knows U' better than the
normal matrix does is the point of it.
"""

from __future__ import annotations

from typing import Any

from ...packing import place_of_row, row_length
from .normal import cross_row
from .problem import Problem
from .staged import Lanes, Matrix, Number, is_zero, powers

Link = tuple[Lanes, Lanes]  # weight, and the ratio s_t / k_{t+1}


def triangle_at(p: Problem, t: Any) -> Any:
    """Offset of the triangle of node t."""
    return p.times(t, place_of_row(p.m, p.n_orders, p.m, p.is_slim) * p.n_lanes)


def store_row(p: Problem, triangle: Any, at: Any, k: int, unit: list[Number], inverse: Number):
    """Write row k of the unit triangle from its diagonal on, the inverse pivot on the diagonal."""
    sizes = p.m, p.n_orders, k, p.is_slim
    first, length = place_of_row(*sizes), row_length(*sizes)
    assert p.is_slim or all(map(is_zero, unit[length - 1 :]))
    for j, value in enumerate([inverse, *unit[: length - 1]]):
        p.machine.store(value, triangle, p.plus(at, (first + j) * p.n_lanes))


def load_triangle(p: Problem, data: Any, t: Any, link: Link) -> tuple[Matrix, list[Lanes]]:
    """Rows of U after the diagonal (m, 2 m - k - 1), and D^-1 (m,), of node t."""
    rows, inverses, at = [], [], triangle_at(p, t)
    for k in range(p.m):
        sizes = p.m, p.n_orders, k, p.is_slim
        first, length = place_of_row(*sizes), row_length(*sizes)
        entries: list[Number] = [
            p.machine.load(data, p.plus(at, (first + j) * p.n_lanes)) for j in range(length)
        ]
        inverses.append(entries[0])
        rows.append(entries[1:] + [0.0] * (2 * p.m - k - length))
    if p.is_slim:
        _fill_far(p, rows, inverses, link)
    return rows, inverses


def _fill_far(p: Problem, rows: Matrix, inverses: list[Lanes], link: Link) -> None:
    """Make the part of U at the next node."""
    weight, ratio = link
    square, grown = weight * weight, powers(ratio, p.n_orders)
    cross = [cross_row(p, square, grown, k) for k in range(p.m)]
    for k in range(p.m):
        rows[k][p.m - k - 1 :] = [value * inverses[k] for value in cross[k]]
        for i in range(k + 1, p.m):
            factor = rows[k][i - k - 1]
            cross[i] = [a - factor * b for a, b in zip(cross[i], cross[k], strict=True)]
