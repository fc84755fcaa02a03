"""Numba CUDA kernels of the Taylor system, over the numbers of an arena (see `layout`).

They do what those of the CPU do. All sizes of a node are compiled in, one set of kernels for each;
loops over the unknowns of a node then have constant bounds and small fronts stay in registers.
"""
