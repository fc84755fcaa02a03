"""When a solution is believed: the numbers behind ``factorization="auto"``, for CPU and GPU."""

CONTRACTION = 0.01  # each correction against the one before, for Cholesky to be believed
REMAINDER = 2.0**-46  # 64 rounding units: what may be left, relative to the largest entry
FLOOR = 1e-15  # of the largest unknown: what is smaller is not asked for relative accuracy
STALL = 0.5  # corrections that shrink no faster have nothing more to win
LOST = 0.5  # a last correction this large, relative to the solution: there is no solution
# What may be lost by rounding z to floats, relative to the residual |b - A z| of the equations. It
# is expected to be 2^-54 times the terms of A z, in the root of the sum of squares.
ROUNDING = 2.0**-28
UNIT = 2.0**-54
CONVERGED = 2.0**-36  # |A x| of a low half's last correction x, relative to the smallest residuals
# Verdicts on a solution; another is the node at which it is lost. ROUNDED: good, but twofold its
# gradients would be better.
FINE, REJECTED, ROUNDED = -1, -2, -3
PIVOT = 64 * 2.0**-52  # a pivot of Cholesky smaller than this times m and its entry is noise
