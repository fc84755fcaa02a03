"""Givens rotations of a row into a triangle of rows, lane by lane and without square roots.

A row stands for ``weight^1/2 entries``, and those of a triangle begin with 1: then ``U^T D U`` has
the weights in D and the entries in U, and a rotation takes one division (W. M. Gentleman, Least
squares computations by Givens transformations without square roots, 1973).

Rotations are accurate row by row whatever the sizes and the order of the rows (see `general.qr`):
nothing needs to be sorted.
"""

from __future__ import annotations

from typing import Any

from .staged import Lanes, Machine, Number, is_one, is_zero


class Held:
    """A row of a triangle, from its pivot on.

    Its first entry is not 1 only where it has met no other row yet: to make it so would take a
    division. `inverse` is that of the weight, once two rows have met.
    """

    def __init__(self, weight: Number, entries: list[Number]) -> None:
        self.weight, self.entries, self.inverse = weight, entries, weight

    def rotate(
        self, machine: Machine, weight: Number, row: list[Number]
    ) -> tuple[Number, list[Number]]:
        """Rotate another row into this one; return what is left of it, without its first entry.

        With weights w here and v there, entries a and b, and first entries h and x,

            w' = w h^2 + v x^2,   a' = (w h a + v x b) / w',   v' = w v / w',   b' = h b - x a:

        ``w' a' a'^T + v' b' b'^T`` is ``w a a^T + v b b^T``. Where h is 1, a' is also
        ``a + (v x / w') b'``, which takes one operation less, but keeps the errors of a where w is
        tiny beside ``v x^2``.
        """
        lead, others = self.entries[0], self.entries[1:]
        pull = weight * row[0]
        total = self.weight * lead * lead + pull * row[0]
        some, inverse = machine.compare(">", total, 0.0), 1.0 / total
        # Where both begin with nothing, the other row goes on as it is.
        ratio = machine.select(some, self.weight * inverse, 1.0)
        take = machine.select(some, pull * inverse, 0.0)
        if not is_one(lead):
            total = self._or_lost(machine, some, total)
            lead = machine.select(some, lead, 1.0)
        keep = ratio * lead
        left = [lead * b - row[0] * a for a, b in zip(others, row[1:], strict=True)]
        others = [keep * a + take * b for a, b in zip(others, row[1:], strict=True)]
        self.weight, self.entries, self.inverse = total, [1.0, *others], inverse
        return weight * ratio, left

    def close(self) -> None:
        """Let the first entry be 1: of the last row, which meets no other."""
        (lead,) = self.entries
        self.weight, self.entries = self.weight * lead * lead, [1.0]

    def _or_lost(self, machine: Machine, some: Any, total: Lanes) -> Lanes:
        """NaN in place of a weight 0 if this row knows of later unknowns: it cannot be kept.

        Only rounding to exactly 0 brings that about.
        """
        builder = machine.builder
        lost = builder.and_(builder.not_(some), machine.compare(">", self.weight, 0.0))
        return machine.select(lost, float("nan"), total)


def merge(machine: Machine, front: list[Held], weight: Number, row: list[Number]) -> None:
    """Rotate one more row into a triangle; the row is used up."""
    for k, held in enumerate(front):
        if is_zero(row[k]):
            continue
        if is_zero(held.weight):
            front[k] = Held(weight, row[k:])
            return
        weight, row[k + 1 :] = held.rotate(machine, weight, row[k:])
