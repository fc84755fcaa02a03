"""Notation page: a least-squares problem banded in time, with shared parameters as its border.

======== ======================================================================================
letter   meaning
======== ======================================================================================
N        nodes in time
V        unknowns at a node
p        parameters shared by all nodes (the border); may be 0
t        node; the link t joins nodes t and t + 1
======== ======================================================================================

The unknowns are the nodes ``y`` (N, V) and the parameters ``xi`` (p,). The rows are

- node rows: ``node_weight[t, v] * y[t, v] = node_rhs[t, v]``;
- link rows: ``left[t] @ y[t] + right[t] @ y[t + 1] + columns[t] @ xi = link_rhs[t]``.

A link of zeros separates two runs. A node row of weight zero is a missing measurement.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BorderedBands:
    """Rows of a bordered banded least-squares problem (letters above).

    Parameters
    ----------
    node_weight, node_rhs : ndarray of shape (N, V)
        Square roots of the weights, and right-hand sides already multiplied by them.
    left, right : ndarray of shape (N - 1, V, V)
        Coefficients of a link's two nodes.
    columns : ndarray of shape (N - 1, V, p)
        Coefficients of the parameters.
    link_rhs : ndarray of shape (N - 1, V)
        Right-hand sides of the links.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np.banded import BorderedBands
    >>> one = np.ones((1, 1, 1))
    >>> bands = BorderedBands(np.ones((2, 1)), np.ones((2, 1)), -one, one, one, np.zeros((1, 1)))
    >>> bands.to_dense()[0]
    array([[ 1.,  0.,  0.],
           [ 0.,  1.,  0.],
           [-1.,  1.,  1.]])
    """

    node_weight: np.ndarray
    node_rhs: np.ndarray
    left: np.ndarray
    right: np.ndarray
    columns: np.ndarray
    link_rhs: np.ndarray

    def to_dense(self) -> tuple[np.ndarray, np.ndarray]:
        """Write the rows as one dense system: A ((2 N - 1) V, N V + p) and b ((2 N - 1) V,)."""
        n, v = self.node_weight.shape
        p = self.columns.shape[2]
        matrix = np.zeros(((2 * n - 1) * v, n * v + p))
        np.fill_diagonal(matrix[: n * v, : n * v], self.node_weight.ravel())
        for t in range(n - 1):
            rows = slice((n + t) * v, (n + t + 1) * v)
            matrix[rows, t * v : (t + 1) * v] = self.left[t]
            matrix[rows, (t + 1) * v : (t + 2) * v] = self.right[t]
            matrix[rows, n * v :] = self.columns[t]
        return matrix, np.concatenate([self.node_rhs.ravel(), self.link_rhs.ravel()])
