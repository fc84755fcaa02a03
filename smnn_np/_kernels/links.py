"""The columns of the coefficients in the two-point Hermite link rows."""

from .jit import njit


@njit(nogil=True)
def link_columns(
    step, weight, left, right, left_dot, right_dot, left_jacobian, right_jacobian, term, target, out
):  # pragma: no cover
    """Fill out (L, S, p), the derivative of weight * residual in each active coefficient.

    step, weight (L,); left, right, left_dot, right_dot (L, P): terms at a link's ends and their
    time derivatives; the Jacobians (L, S, S); term, target (p,): which coefficient each column is.
    With f = sum of xi * term on one target: df = term, d(f') = J df + (term)'.
    """
    for i in range(step.shape[0]):
        half = weight[i] * step[i] / 2.0
        twelfth = weight[i] * step[i] * step[i] / 12.0
        for k in range(term.shape[0]):
            a, v = term[k], target[k]
            for u in range(out.shape[1]):
                out[i, u, k] = -twelfth * (
                    left_jacobian[i, u, v] * left[i, a] - right_jacobian[i, u, v] * right[i, a]
                )
            out[i, v, k] -= half * (left[i, a] + right[i, a])
            out[i, v, k] -= twelfth * (left_dot[i, a] - right_dot[i, a])
