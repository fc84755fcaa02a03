"""
Learn an equation from features, and go on where the data end
=============================================================

Can a network that was trained on short records say what happens later? A perceptron that maps
features to a whole trajectory cannot: it has no output for a later time.
:class:`smnn_np.SMNNRegressor` maps them to a differential equation, which goes on.
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

import smnn_np as smnn

FULL = "--full" in sys.argv[1:]

# %%
# Damped oscillators
# ------------------
#
# Each sample is an oscillator :math:`y'' + 2 \gamma y' + \omega^2 y = 0` released from a height.
# Its features are :math:`\omega`, :math:`\gamma` and the height; its target is a noisy record of
# the first ten units of time, one to three periods, with one value in ten missing.
STEP, N_TRAINED, N_SHOWN = 0.25, 41, 121
t = STEP * np.arange(N_SHOWN)


def oscillators(n, rng):
    """Return features (n, 3) and exact trajectories (n, N_SHOWN)."""
    omega, gamma, height = rng.uniform(1, 2, n), rng.uniform(0.02, 0.15, n), rng.uniform(0.5, 2, n)
    ringing = np.sqrt(omega**2 - gamma**2)[:, None]
    wave = np.cos(ringing * t) + gamma[:, None] / ringing * np.sin(ringing * t)
    return np.column_stack([omega, gamma, height]), height[:, None] * np.exp(
        -gamma[:, None] * t
    ) * wave


rng = np.random.default_rng(0)
X, exact = oscillators(2_000 if FULL else 300, rng)
y = exact[:, :N_TRAINED] + 0.05 * rng.standard_normal((len(X), N_TRAINED))
y[rng.random(y.shape) < 0.1] = np.nan
X_test, exact_test = oscillators(100, rng)

# %%
# Fit, and predict three times as far
# -----------------------------------
# 300 iterations are enough here; the minimum to the last digit is noise.
warnings.simplefilter("ignore", ConvergenceWarning)
model = smnn.SMNNRegressor(step=STEP, solver="lbfgs", max_iter=300, alpha=0.1, random_state=0)
model.fit(X, y)
predicted = model.predict(X_test, n_steps=N_SHOWN)


def relative_error(got, wanted):
    """Return the root mean square error as a share of the spread."""
    return float(np.sqrt(np.mean((got - wanted) ** 2)) / np.std(wanted))


inside = relative_error(predicted[:, :N_TRAINED], exact_test[:, :N_TRAINED])
RESULT = relative_error(predicted[:, N_TRAINED:], exact_test[:, N_TRAINED:])
print(f"{model.n_iter_} iterations, last loss {model.loss_:.2g}")
print(f"new oscillators, relative error: {inside:.3f} in the trained span, {RESULT:.3f} beyond it")

# %%
# The equations, to look at
# -------------------------
#
# :meth:`~smnn_np.SMNNRegressor.predict_ode` returns what the network emitted, in the units of the
# data. Nobody told it that the features are a frequency and a damping.
mechanism = model.predict_ode(X_test)
stiffness, damping = mechanism.coefficients[:, 0, 0, 0, :2].T

figure, axes = plt.subplot_mosaic(
    [["path", "path"], ["stiffness", "damping"]],
    figsize=(8, 6.5),
    height_ratios=[1.1, 1],
    layout="constrained",
)
chosen = np.argsort(X_test[:, 0])[[10, 50, 90]]
for place, sample in enumerate(chosen):
    color = f"C{place}"
    axes["path"].plot(t, exact_test[sample] - 4 * place, color="0.75", linewidth=4)
    axes["path"].plot(t, predicted[sample] - 4 * place, color=color, linewidth=1.3)
    label = rf"$\omega$ = {X_test[sample, 0]:.2f}"
    axes["path"].text(t[-1] + 0.5, -4 * place, label, color=color, va="center")
axes["path"].axvspan(0, t[N_TRAINED - 1], color="0.95", zorder=0)
axes["path"].text(0.2, 2.2, "span of the training data", fontsize="small", color="0.4")
axes["path"].set(xlabel="t", yticks=[], xlim=(0, t[-1] + 5), ylim=(-10.5, 3))
axes["path"].set_title("New oscillators: exact (grey) and predicted", fontsize="medium")
for name, true, got in (
    ("stiffness", X_test[:, 0] ** 2, stiffness),
    ("damping", 2 * X_test[:, 1], damping),
):
    ends = [true.min(), true.max()]
    axes[name].plot(ends, ends, color="0.75", linewidth=4)
    axes[name].plot(true, got, ".", markersize=4)
    axes[name].set(xlabel=f"true {name}", ylabel=f"{name} in the emitted ODE")
plt.show()
