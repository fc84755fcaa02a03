"""How unrolled kernels pack the rows of the triangle U of a node, one after the other.

A row goes from its pivot to the last unknown that it can reach: at the next node these are those of
its own dimension and of earlier ones (see `cpu.general.rows.row_end`). Slim rows end with the node.
"""

from __future__ import annotations


def row_length(m: int, n_orders: int, k: int, slim: bool = False) -> int:
    """Numbers of row k of a node of m unknowns, its pivot included."""
    return m - k + (0 if slim else n_orders * (k // n_orders + 1))


def place_of_row(m: int, n_orders: int, k: int, slim: bool = False) -> int:
    """How many numbers stand before row k: the sum of the lengths of the rows before it."""
    v, r = k // n_orders, k % n_orders
    far = 0 if slim else n_orders * (v + 1) * (n_orders * v + 2 * r) // 2
    return k * m - k * (k - 1) // 2 + far
