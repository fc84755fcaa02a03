"""Kernels for nodes of any size, and for central rows: loops over memory.

A series is eliminated node by node on a *front*: the unknowns of nodes t .. t + p, p = 1, or 2
with central rows. The front takes in the rows that start at node t, eliminates the m unknowns of
node t, keeps the m finished rows and moves on by one node. Cholesky holds the normal matrix of the
front, QR a triangle of its rows.
"""

from .cholesky import factor_cholesky
from .gradient import gradients
from .qr import factor_qr
from .scatter import scatter
from .solve import ascend, descend

__all__ = ["ascend", "descend", "factor_cholesky", "factor_qr", "gradients", "scatter"]
