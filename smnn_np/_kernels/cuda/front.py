"""The front of an elimination: what is known of the unknowns that rows still touch.

An upper triangle (n, n), flat, of the normal matrix (Cholesky) or of the rows (QR), with a right
side v (n,) beside it. The first unknowns are eliminated, then the front moves on.
"""

from __future__ import annotations

from functools import cache
from math import inf
from typing import Any, NamedTuple

from .._cuda_import import device
from ..trust import PIVOT
from .lanes import lane_functions


class Front(NamedTuple):
    """Functions of a kernel that work on a front."""

    eliminate: Any
    finish: Any
    shift: Any


@cache
def front_functions(m: int, near: int, n: int, lanes: int) -> Front:
    """Functions for a front of n unknowns: m leave, m new ones become the last of the first `near`.

    The unknowns after the first `near` stay where they are.
    """
    lane, sync = lane_functions(lanes)

    @device
    def eliminate(front, v, taken, data, at, to, stride):
        """Write D^-1 and U of ``U^T D U`` to `at`, and ``U^-T v`` to `to`; whether pivots are good.

        A pivot is noise where it is tiny beside its entry in the normal matrix: the diagonal of the
        front and what eliminations have `taken` (n,) from it.
        """
        first, good = lane(), True
        for k in range(first, n, lanes):
            taken[k] += front[k * n + k]
        sync()
        for k in range(m):
            pivot = front[k * n + k]
            good = good and (pivot > m * PIVOT * taken[k]) and (pivot < inf)
            inverse = 1.0 / pivot
            if first == 0:
                data[at] = inverse
                data[to + k * stride] = v[k]
            for i in range(k + 1 + first, n, lanes):
                factor = front[k * n + i] * inverse
                data[at + (i - k) * stride] = factor
                v[i] -= factor * v[k]
            for i in range(k + 1, n):
                factor = front[k * n + i] * inverse
                for j in range(i + first, n, lanes):
                    front[i * n + j] -= factor * front[k * n + j]
            at += (n - k) * stride
            sync()
        for k in range(m + first, n, lanes):
            taken[k] -= front[k * n + k]
        sync()
        return good

    @device
    def finish(front, v, data, at, to, stride):
        """The same for ``R = D^1/2 U``, a front of rows."""
        first, good = lane(), True
        for k in range(m):
            pivot = front[k * n + k]
            good = good and pivot != 0.0 and abs(pivot) < inf
            inverse = 1.0 / pivot
            if first == 0:
                data[at] = inverse * inverse
                data[to + k * stride] = v[k]
            for i in range(k + 1 + first, n, lanes):
                factor = front[k * n + i] * inverse
                data[at + (i - k) * stride] = factor
                v[i] -= factor * v[k]
            at += (n - k) * stride
            sync()
        return good

    @device
    def shift(front, v, taken):
        """Drop the first m unknowns and make room for as many."""
        first = lane()
        for i in range(near - m):
            for j in range(i + first, near - m, lanes):
                front[i * n + j] = front[(i + m) * n + j + m]
            for j in range(near - m + first, near, lanes):
                front[i * n + j] = 0.0
            for j in range(near + first, n, lanes):
                front[i * n + j] = front[(i + m) * n + j]
            if first == 0:
                v[i], taken[i] = v[i + m], taken[i + m]
            sync()
        for i in range(near - m, near):
            for j in range(i + first, n, lanes):
                front[i * n + j] = 0.0
            if first == 0:
                v[i], taken[i] = 0.0, 0.0
        sync()

    return Front(eliminate, finish, shift)
