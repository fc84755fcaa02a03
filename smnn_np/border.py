"""Solve a bordered banded least-squares problem: parameters first, then the nodes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ._kernels.joint import eliminate, substitute
from .banded import BorderedBands

_ROWS_AT_ONCE = 3  # times the parameters: rows collected before the border's triangle is renewed
_WIDE = 64  # parameters from which LAPACK renews it: five times as fast, but dear to call
_LOST = 3e-13  # share of the largest singular value below which a direction is not determined


@dataclass(frozen=True)
class Elimination:
    """What is left when every node is eliminated.

    Attributes
    ----------
    kept : ndarray of shape (N, V, 2 V + p + 1), or (0, V, 2 V + p + 1)
        The triangular rows of the nodes, if they were asked for.
    border : ndarray of shape (p, p)
        Triangle of the rows on the parameters alone; its Gram matrix is the Schur complement.
    border_rhs : ndarray of shape (p,)
        Right-hand sides of those rows.
    rest : float
        Sum of squares that no node and no parameter removes.
    """

    kept: np.ndarray
    border: np.ndarray
    border_rhs: np.ndarray
    rest: float

    def nodes(self, parameters: np.ndarray) -> np.ndarray:
        """Substitute back for given parameters (p,): the nodes (N, V)."""
        nodes = np.empty(self.kept.shape[:2])
        substitute(self.kept, np.ascontiguousarray(parameters), nodes)
        return nodes

    def log_determinant(self) -> float:
        """Log-determinant of the nodes' normal matrix (parameters held fixed)."""
        return 2.0 * float(np.log(np.abs(np.einsum("tii->ti", self.kept_triangles()))).sum())

    def kept_triangles(self) -> np.ndarray:
        """Return the diagonal blocks (N, V, V)."""
        return self.kept[:, :, : self.kept.shape[1]]


def eliminate_nodes(bands: BorderedBands) -> Elimination:
    """Eliminate the nodes; raises LinAlgError naming a node that the rows leave undetermined."""
    return eliminate_pieces([bands], len(bands.node_weight))


def eliminate_pieces(
    pieces: Iterable[BorderedBands], n_nodes: int, keep: bool = True
) -> Elimination:
    """Eliminate the nodes of pieces that follow each other.

    A piece has as many links as nodes, the last of them to the next piece; the last piece has one
    link less. Pieces are made when they are needed; without `keep` memory does not grow with them.
    """
    n_border, first = 0, 0
    kept = border = carry = np.zeros((0, 0, 0))
    for bands in _cut(pieces):
        n, v = bands.node_weight.shape
        p = bands.columns.shape[2]
        if first == 0:
            kept = np.zeros((n_nodes if keep else 0, v, 2 * v + p + 1))
            border = np.zeros((max(_ROWS_AT_ONCE * (p + 1), p + 1 + 3 * v), p + 1))
            carry = np.zeros((v, 2 * v + p + 1))
        rows = (bands.node_weight, bands.node_rhs, bands.left, bands.right, bands.columns)
        here = kept[first : first + n] if keep else kept
        n_border = eliminate(*rows, bands.link_rhs, here, border, n_border, carry)
        if n_border < 0:
            raise np.linalg.LinAlgError(
                f"node {first - 1 - n_border} is not determined by its rows."
            )
        first += n
        p = border.shape[1] - 1
        if p >= _WIDE and n_border > p + 1:
            border[: p + 1] = np.linalg.qr(border[:n_border], mode="r")
            n_border = p + 1
    p = border.shape[1] - 1
    return Elimination(kept, border[:p, :p], border[:p, p], float(border[p, p] ** 2))


def _cut(pieces: Iterable[BorderedBands]) -> Iterator[BorderedBands]:
    """Cut pieces with a wide border so that one does not fill it; the last has a single node.

    Parts are views. What the last leaves is renewed in the loop over nodes, so it shall be little.
    """
    for bands in pieces:
        n, v = bands.node_weight.shape
        p = bands.columns.shape[2]
        if p < _WIDE:
            yield bands
            continue
        length = max((_ROWS_AT_ONCE - 1) * (p + 1) // v - 2, 1)
        edges = [*range(0, n - 1, length), n - 1, n]
        for start, stop in pairwise(edges):
            yield BorderedBands(*(rows[start:stop] for rows in vars(bands).values()))


def solve_border(triangle: np.ndarray, rhs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve min |triangle x - rhs| for (p,): the parameters and their covariance.

    Columns are scaled to one; directions that rounding drowns are not determined by the data, and
    stay where they are.
    """
    if not triangle.shape[1]:
        return np.zeros(0), np.zeros((0, 0))
    left, inverse, right, kept = _directions(triangle)
    parameters = right @ np.where(kept, inverse * (left.T @ rhs), 0.0)
    root = right * inverse
    return parameters, root @ root.T


def inverse_root(triangle: np.ndarray) -> np.ndarray:
    """Root W of the parameters' covariance W @ W.T (p, p)."""
    if not triangle.shape[1]:
        return np.zeros((0, 0))
    _, inverse, right, _ = _directions(triangle)
    return right * inverse


def _directions(triangle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Singular vectors U, standard deviations along them, V in the parameters, and which count."""
    scale = np.linalg.norm(triangle, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    left, values, right = np.linalg.svd(triangle / scale, full_matrices=False)
    kept = values > _LOST * values[0]
    # An undetermined direction has no finite variance: give it one far above any coefficient.
    inverse = 1.0 / np.where(kept, values, _LOST * values[0])
    return left, inverse, right.T / scale[:, None], kept
