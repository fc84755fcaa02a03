"""
Three factorizations on ever finer grids
========================================

Which factorization survives a long fine grid? :math:`y'' + y = 0`, y(0) = 1, y'(0) = 0 on [0, 10],
whose solution is the cosine. ``--full`` adds a million steps of 1e-5.
"""

import sys
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np

import smnn_np as smnn

FULL = "--full" in sys.argv[1:]
STEPS = [1e-2, 1e-3, 1e-4] + ([1e-5] if FULL else [])
FACTORIZATIONS = ["cholesky", "qr", "auto"]

# Plain Cholesky warns when it fails; here it is meant to.
warnings.filterwarnings("ignore", "The solution by Cholesky", RuntimeWarning)


def solve(step, factorization):
    """Return the largest error of y and the seconds that the second of two runs took."""
    n_steps = round(10 / step) + 1
    problem = ([[[[1.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], step)
    for _ in range(2):
        start = time.perf_counter()
        y = smnn.ode_solve(*problem, n_steps=n_steps, factorization=factorization)
        seconds = time.perf_counter() - start
    return np.abs(y[:, 0, 0] - np.cos(step * np.arange(n_steps))).max(), seconds


# %%
# The error of a step is of order step squared (R = 3), so each finer grid should gain two digits.
# The normal matrix, which Cholesky factorizes, loses them again, and then all the others.
errors = {}
print("step     " + "".join(f"{name:>20s}" for name in FACTORIZATIONS))
for step in STEPS:
    results = [solve(step, factorization) for factorization in FACTORIZATIONS]
    errors[step] = [error for error, _ in results]
    print(f"{step:.0e}    " + "".join(f"{e:>11.1e} {s:6.3f} s" for e, s in results))

RESULT = float(errors[STEPS[-1]][-1])

# %%
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
LOOKS = ({"marker": "o"}, {"marker": "s", "lw": 5, "alpha": 0.4}, {"marker": "x", "ls": "--"})
for column, (name, look) in enumerate(zip(FACTORIZATIONS, LOOKS, strict=True)):
    axes.loglog(STEPS, [errors[step][column] for step in STEPS], label=name, **look)
axes.set(xlabel="step", ylabel="largest error of y")
axes.legend()
plt.show()
