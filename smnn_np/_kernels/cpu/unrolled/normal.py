"""Rows of the normal matrix of a node, made one by one."""

from __future__ import annotations

from ...unit_link import link_products
from .problem import Problem
from .staged import Lanes, Matrix, Number, State, powers

NEAR, CROSS, FAR = range(3)  # blocks of the links from a node: at it, between the two, at the next


def link_product(p: Problem, block: int, square: Number, i: int, j: int) -> Number:
    """Product of two columns of the links from a node, in the unit of either."""
    (v, r), (u, s) = divmod(i, p.n_orders), divmod(j, p.n_orders)
    return square * float(link_products(p.n_orders)[block, r, s]) if v == u else 0.0


def cross_row(p: Problem, square: Number, grown: list[Number], i: int) -> list[Number]:
    """Row i (m,) of the block between two nodes; `grown` are powers of the steps' ratio."""
    columns = range(p.m)
    return [link_product(p, CROSS, square, i, j) * grown[j % p.n_orders] for j in columns]


class Normal:
    """What is left of the normal matrix at a node, when those before it are eliminated.

    Parameters
    ----------
    p : Problem
    front : list of list of State
        Upper triangle that the nodes before it have left.
    equations : list of list of Lanes
        Weighted rows of the node, (Q, m).
    weight, ratio : Lanes
        Of the links to the next node.
    """

    def __init__(
        self, p: Problem, front: list[list[State]], equations: Matrix, weight: Number, ratio: Lanes
    ) -> None:
        self.p, self._front, self._equations = p, front, equations
        self._square, self._grown = weight * weight, powers(ratio, 2 * p.n_orders - 1)

    def row(self, i: int) -> list[Number]:
        """Row i from the diagonal to the last unknown of the next node."""
        row = []
        for j in range(i, self.p.m):
            value = link_product(self.p, NEAR, self._square, i, j)
            for line in self._equations:
                value = value + line[i] * line[j]
            # The front comes last: it waits for the pivots of the node before.
            row.append(value + self._front[i][j - i].get())
        return row + cross_row(self.p, self._square, self._grown, i)

    def far(self, i: int) -> list[Number]:
        """Row i of the next node from the diagonal on: what the links add to it."""
        return [
            link_product(self.p, FAR, self._square, i, j)
            * self._grown[i % self.p.n_orders + j % self.p.n_orders]
            for j in range(i, self.p.m)
        ]
