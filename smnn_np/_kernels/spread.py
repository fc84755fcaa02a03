"""Uncertainty carried from node to node: factors of covariances, never their differences."""

import numpy as np

from .jit import njit
from .reflections import reflect


@njit(nogil=True)
def carry_spread(gain, shock, push, own, shared):  # pragma: no cover
    """Carry a spread along a chain: next = gain @ last + shock @ (new noise) + push @ (shared).

    gain, shock (n, V, V), push (n, V, q). own (n + 1, V, V) and shared (n + 1, V, q): factors of
    the part of each node's covariance that is the chain's own, and of the part that comes from q
    shared variables, unit normal; entry 0 is given, the others are filled.
    """
    n, v, q = push.shape
    block = np.empty((2 * v, v))
    scratch = np.empty(v)
    for t in range(n):
        # The columns of [gain @ own, shock] are made v by reflecting its transpose.
        for i in range(v):
            for c in range(v):
                total = 0.0
                for k in range(v):
                    total += gain[t, i, k] * own[t, k, c]
                block[c, i] = total
                block[v + c, i] = shock[t, i, c]
            for c in range(q):
                total = push[t, i, c]
                for k in range(v):
                    total += gain[t, i, k] * shared[t, k, c]
                shared[t + 1, i, c] = total
        reflect(block, 0, 2 * v, 0, v, scratch)
        for i in range(v):
            for c in range(v):
                own[t + 1, i, c] = block[c, i]
