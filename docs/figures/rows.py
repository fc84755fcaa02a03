"""The rows of a small problem and its normal matrix, for the page "Notation"."""

import matplotlib.pyplot as plt
import numpy as np

from smnn_np import dense

T, R = 5, 3
KINDS = {"equation": "#1d4ed8", "initial": "#047857", "Taylor": "#ea580c"}
A, _ = dense.ode_rows([[[[1.0, 0.5, 1.0]]]], np.zeros((T, 1)), np.ones((1, 1, 2)), 1.0)
kinds = np.repeat(list(KINDS), [T, 2, 2 * R * (T - 1)])
# Node by node: the rows of a node, then those of the step that follows it.
node = np.concatenate([np.arange(T), np.zeros(2), np.repeat(np.arange(T - 1) + 0.5, 2 * R)])
order = np.argsort(node, kind="stable")
A, kinds = A[order], kinds[order]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5), layout="constrained")
for kind, color in KINDS.items():
    rows, columns = np.nonzero(A * (kinds == kind)[:, None])
    left.scatter(columns, rows, 22, color, "s", label=kind)
rows, columns = np.nonzero(A.T @ A)
right.scatter(columns, rows, 40, "0.45", "s")
left.set_title("rows A: a node meets its neighbours only", fontsize="medium")
right.set_title("normal matrix $A^T A$: block tridiagonal", fontsize="medium")
for ax, n_rows in ((left, len(A)), (right, T * R)):
    ax.set(xlim=(-0.7, T * R - 0.3), ylim=(n_rows - 0.3, -0.7), yticks=[])
    ax.set_xticks(R * np.arange(T) + (R - 1) / 2, [f"node {t}" for t in range(T)])
    ax.tick_params(length=0)
    for t in range(1, T):
        ax.axvline(R * t - 0.5, color="0.8", lw=0.8, zorder=0)
left.legend(loc="upper right", frameon=False)
