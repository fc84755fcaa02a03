"""Kernels with all sizes compiled in, for small nodes: straight-line SIMD code.

They do what the kernels of `general` do, with the loops over the unknowns of a node unrolled at
compile time and structural zeros left out. They compile in a second or two, and run several times
faster.
"""

from .factor import factor_cholesky, factor_qr
from .gradient import gradients
from .scatter import scatter
from .solve import ascend, begin, descend

__all__ = ["ascend", "begin", "descend", "factor_cholesky", "factor_qr", "gradients", "scatter"]
