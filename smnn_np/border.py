"""Solve a bordered banded least-squares problem: parameters first, then the nodes."""

from dataclasses import dataclass

import numpy as np

from ._kernels.joint import eliminate, substitute
from .banded import BorderedBands


@dataclass(frozen=True)
class Elimination:
    """What is left when every node is eliminated.

    Attributes
    ----------
    kept : ndarray of shape (N, V, 2 V + p + 1)
        The triangular rows of the nodes.
    border : ndarray of shape (N V, p)
        Rows on the parameters alone; their Gram matrix is the Schur complement.
    border_rhs : ndarray of shape (N V,)
        Right-hand sides of those rows.
    """

    kept: np.ndarray
    border: np.ndarray
    border_rhs: np.ndarray

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
    n, v = bands.node_weight.shape
    p = bands.columns.shape[2]
    kept = np.zeros((n, v, 2 * v + p + 1))
    border = np.zeros((n, v, p + 1))
    rows = (bands.node_weight, bands.node_rhs, bands.left, bands.right, bands.columns)
    status = eliminate(*rows, bands.link_rhs, kept, border)
    if status >= 0:
        raise np.linalg.LinAlgError(f"node {status} is not determined by its rows.")
    return Elimination(kept, border[:, :, :p].reshape(n * v, p), border[:, :, p].ravel())


def solve_border(gram: np.ndarray, rhs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve the Schur complement gram (p, p) for (p,): the parameters and their covariance.

    Columns are scaled to one; directions with less than 1e-13 of the information of the best
    are not determined by the data, and stay where they are.
    """
    if not len(rhs):
        return np.zeros(0), np.zeros((0, 0))
    scale = np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(gram / scale[:, None] / scale)
    kept = values > 1e-13 * values[-1]
    inverse = np.where(kept, 1.0, 0.0) / np.where(kept, values, 1.0)
    parameters = vectors @ (inverse * (vectors.T @ (rhs / scale))) / scale
    # An undetermined direction has no finite variance: give it one far above any coefficient.
    variance = np.where(kept, inverse, 1e13 / values[-1])
    return parameters, (vectors * variance) @ vectors.T / scale[:, None] / scale
