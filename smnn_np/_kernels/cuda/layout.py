"""What is compiled into a kernel, and where in the arena its numbers are.

All numbers of a batch live in one flat float64 array, the arena: a kernel then takes one array, and
starting it costs little. Everything that has an entry k at a node t for a series b is stored as
(t, k, b): threads that work on neighbouring series read neighbouring numbers. Axes along which an
input is the same for all have stride 0.

The T nodes are cut into chunks with a separator between any two, one node, or two with central
rows: chunk k has the nodes from `first` to before `last` inside. With one chunk there are no
separators.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple


class View(NamedTuple):
    """Where an input is: entry k at node t of series b is number ``base + t*_t + k*_k + b*_b``."""

    base: int
    t: int
    k: int
    b: int


class Where(NamedTuple):
    """Places in the arena, and sizes that need not be compiled in."""

    coefficients: View  # (T|1, Q V R, B|1)
    rhs: View  # (T|1, Q, B|1)
    initial: View  # (S|1, V P, B|1)
    steps: View  # (T-1|1, 1, B|1)
    weight_equation: View  # (T|1, Q, B|1)
    weight_initial: View  # (S|1, V P, B|1)
    weight_smooth: View  # (T-1|1, 1, B|1)
    target: View  # (T|1, m, B|1) what is added to A^T b
    n_series: int
    n_nodes: int
    n_chunks: int
    n_initial_steps: int
    n_initial_orders: int
    z: int  # (T, m, B) solution, in scaled unknowns
    x: int  # (T, m, B) work space of a solve
    triangle: int  # (T, Sizes.triangle, B)
    bridge: int  # (K-1, Sizes.bridge, B) triangle of the separators
    remains: int  # (K, Sizes.remains, B) what a chunk's elimination leaves on its separators
    carry: int  # (K, 2 w, B) the same of a right side
    failures: int  # (K, B) node of a bad pivot, or -1
    peaks: int  # (K+1, 2 m, B) largest entries of correction and solution
    norms: int  # (4, m, B) largest entries: of three corrections, and of the solution
    state: int  # (B,) one of the states in `verdict`
    failed: int  # (B,) node of a bad pivot, or -1
    verdict: int  # (B,) FINE, REJECTED, or the node at which the solution is lost
    left: int  # (B,) the last correction relative to the solution
    share: int  # (B,) whether the solve goes on


class Bar(NamedTuple):
    """Where the gradient of an input goes: entry k, for each node or summed over a run of nodes."""

    base: int
    t: int
    k: int
    summed: int  # whether the input has one entry for all nodes


class Bars(NamedTuple):
    """Places of the gradients, of what they are made from, and how the nodes are shared out."""

    coefficients: Bar
    rhs: Bar
    steps: Bar
    weight_equation: Bar
    weight_smooth: Bar
    initial: View  # added to by one thread for each series
    weight_initial: View
    y: int  # (T, m, B) the solution's derivatives
    a: int  # (T, m, B) the adjoint solution, in scaled unknowns
    run: int  # nodes of a run
    n_runs: int


class _Sizes(NamedTuple):
    n_equations: int
    n_dims: int
    n_orders: int
    central: bool
    spike: bool  # whether there are separators
    lanes: int = 1  # threads that share a series, or a chunk of one


class Sizes(_Sizes):
    """What is compiled into a kernel."""

    @cached_property
    def m(self) -> int:
        """Unknowns of a node."""
        return self.n_dims * self.n_orders

    @cached_property
    def n_separator(self) -> int:
        """Nodes of a separator: all but the first of those that a row may touch."""
        return 2 if self.central else 1

    @cached_property
    def w(self) -> int:
        """Unknowns of a separator."""
        return self.n_separator * self.m

    @cached_property
    def near(self) -> int:
        """Unknowns of the nodes that a row may touch."""
        return self.m + self.w

    @cached_property
    def n(self) -> int:
        """Unknowns of a front: those nodes, and the separator on the left of the chunk."""
        return self.near + (self.w if self.spike else 0)

    @cached_property
    def triangle(self) -> int:
        """Numbers of U and D^-1 at a node."""
        return packed(self.m, self.n)

    @cached_property
    def bridge(self) -> int:
        """Numbers of U and D^-1 at a separator."""
        return packed(self.w, 2 * self.w)

    @cached_property
    def remains(self) -> int:
        """Numbers that a chunk leaves on its two separators: a square and what was taken."""
        return 2 * self.w * (2 * self.w + 1)


def packed(n_rows: int, n_columns: int) -> int:
    """Numbers of the first rows of an upper triangle."""
    return n_rows * n_columns - n_rows * (n_rows - 1) // 2
