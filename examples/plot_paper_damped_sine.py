"""
Papers 2: a noisy sine that dies away
=====================================

Mechanistic networks were first shown on 500 noisy samples of a damped sine: an ODE of second order
whose coefficients and steps are all free is fitted through its solution. What does that fit learn,
and what do fewer unknowns learn?
"""

import sys
from time import process_time

import matplotlib.pyplot as plt
import numpy as np

import smnn_np as smnn
from smnn_np.datasets import make_damped_sine

FULL = "--full" in sys.argv[1:]
N_EPOCHS = 500

# %%
# As in the papers
# ----------------
#
# :math:`c_2(t) y'' + c_1(t) y' + c_0(t) y = 1` with three free numbers at each node, a free step
# after each, and no initial values: 1,999 unknowns for 500 samples. Adam with rate 0.01 goes down
# the gradient of the sum of squares, which :func:`smnn_np.ode_solve_vjp` gives.


def fit_everything(sine, seed=0):
    """Return loss and squared distance to the clean sine of each epoch; the last y and steps."""
    n = len(sine.t)
    parameters = np.random.default_rng(seed).random(3 * n + n - 1)
    parameters[3 * n :] = np.log(0.1 / 0.9)  # a logistic function of it is the step
    first, second = np.zeros_like(parameters), np.zeros_like(parameters)
    losses, distances = [], []
    for epoch in range(1, N_EPOCHS + 1):
        coefficients = parameters[: 3 * n].reshape(n, 1, 1, 3)
        steps = 1 / (1 + np.exp(-parameters[3 * n :]))
        y, pullback = smnn.ode_solve_vjp(coefficients, np.ones((n, 1)), None, steps)
        residual = y[:, :, 0] - sine.y
        losses.append((residual**2).sum())
        distances.append(((y[:, :, 0] - sine.y_clean) ** 2).sum())
        y_bar = np.zeros_like(y)
        y_bar[:, :, 0] = 2 * residual
        bar = pullback(y_bar)
        gradient = np.append(bar.coefficients.ravel(), bar.steps * steps * (1 - steps))
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        root = np.sqrt(second / (1 - 0.999**epoch)) + 1e-8
        parameters -= 0.01 * first / (1 - 0.9**epoch) / root
    return losses, distances, y[:, 0, 0], steps


# %%
# Fewer unknowns
# --------------
#
# :class:`smnn_np.SMNNSmoother` fits an ODE of second order with coefficients that are splines
# through five knots, or constant, and weighs by likelihood what the equation does not explain. The
# highest derivative has coefficient one, and the steps are those of the samples: what a free step
# can say, a coefficient can say too.
MODELS = {
    "coefficients at five knots": {"order": 2, "coefficients": "varying"},
    "constant coefficients": {"order": 2, "coefficients": "constant"},
    "no equation": {},
}


def squares(fitted, sine):
    """Return the sums of squared distances to the samples and to the clean sine."""
    return np.array([((fitted - each[:, 0]) ** 2).sum() for each in (sine.y, sine.y_clean)])


scores, seconds = {"all free, last epoch": [], "all free, best epoch": []}, {}
for seed in range(20 if FULL else 2):
    sine = make_damped_sine(random_state=seed)
    start = process_time()
    losses, distances, free, free_steps = fit_everything(sine)
    seconds["all free, last epoch"] = process_time() - start
    best = int(np.argmin(distances))
    scores["all free, last epoch"].append([losses[-1], distances[-1]])
    scores["all free, best epoch"].append([losses[best], distances[best]])
    for name, settings in MODELS.items():
        start = process_time()
        model = smnn.SMNNSmoother(**settings).fit(sine.t, sine.y[:, 0])
        fitted = model.predict(sine.t)
        seconds[name] = process_time() - start
        scores.setdefault(name, []).append(squares(fitted, sine))
        if name == "constant coefficients":
            constant, coef, coef_std = fitted, model.coef_[0], model.coef_std_[0]

noise = squares(sine.y_clean[:, 0], sine)[0]
print(f"sum of squares of the noise itself (last draw): {noise:.2f}")
print(f"medians of {len(scores['no equation'])} draws:")
for name, rows in scores.items():
    data, clean = np.median(rows, axis=0)
    time = f"{seconds[name]:.2f} s" if name in seconds else ""
    print(f"  {name:27s} to the samples {data:5.2f}   to the clean sine {clean:6.3f}   {time}")
low, high = np.quantile(free_steps, [0.05, 0.95])
print(f"steps of the free fit: 0.1 at first, in the end {low:.3f} to {high:.3f} (5 to 95 %)")
print(f"y'' + ({coef[1]:.3f} +- {coef_std[1]:.3f}) y' + ({coef[0]:.3f} +- {coef_std[0]:.3f}) y = 0")
print("truth: {1:.3f} and {0:.3f}".format(*sine.coef))
RESULT = float(np.sqrt(np.median(scores["constant coefficients"], axis=0)[1] / len(sine.t)))

# %%
# The free fit goes below the noise: it has learned some of it. Its distance to the clean sine is
# least before the last epoch, and an equation with two unknowns comes many times closer.
figure, axes = plt.subplots(2, 1, figsize=(8, 6.6), layout="constrained")
axes[0].plot(sine.t, sine.y, ".", color="0.7", markersize=4, label="samples")
axes[0].plot(sine.t, free, color="C1", linewidth=1, label="all free")
axes[0].plot(sine.t, constant, color="C0", label="constant coefficients")
axes[0].plot(sine.t, sine.y_clean, "k--", linewidth=0.8, label="clean sine")
axes[0].set(xlabel="t", ylabel="y", xlim=(0, 25), title="One draw, its first half")
axes[0].legend(ncols=4, fontsize=9, loc="lower right")
epochs = np.arange(1, N_EPOCHS + 1)
axes[1].loglog(epochs, losses, color="C1", label="all free: to the samples (its loss)")
axes[1].loglog(epochs, distances, color="C3", label="all free: to the clean sine")
axes[1].axhline(noise, color="0.5", linestyle="--", label="the noise itself")
reached = squares(constant, sine)[1]
axes[1].axhline(reached, color="C0", label="constant coefficients: to the clean sine")
axes[1].set(xlabel="epoch", ylabel="sum of squared distances", title="Training of the free fit")
axes[1].legend(fontsize=9)
plt.show()
