"""When a solution is believed: the numbers behind ``factorization="auto"``, for CPU and GPU."""

CONTRACTION = 0.01  # each correction against the one before, for Cholesky to be believed
REMAINDER = 2.0**-46  # 64 rounding units: what may be left, relative to the largest entry
FLOOR = 1e-15  # of the largest unknown: what is smaller is not asked for relative accuracy
STALL = 0.5  # corrections that shrink no faster have nothing more to win
LOST = 0.5  # a last correction this large, relative to the solution: there is no solution
FINE, REJECTED = -1, -2  # verdicts on a solution; another is the node at which it is lost
PIVOT = 64 * 2.0**-52  # a pivot of Cholesky smaller than this times m and its entry is noise
