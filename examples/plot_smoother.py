"""
Smooth a noisy series, differentiate it, look ahead
===================================================

A damped oscillation was sampled at irregular times, with noise and a gap. What was the series, what
its slope, and where does it go? And what does a good derivative do for PySINDy?
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from smnn_np import SMNNSmoother, derivative

FULL = "--full" in sys.argv[1:]

# %%
# Samples
# -------
rng = np.random.default_rng(1)
t = np.sort(rng.uniform(0, 16, 2_000 if FULL else 220))
t = t[(t < 7) | (t > 9.5)]
RATE = -0.1 + 2j


def truth(t, r=0):
    """Return the r-th derivative of the series."""
    return (RATE**r * np.exp(RATE * t)).real


y = truth(t) + 0.15 * rng.standard_normal(t.size)

# %%
# Two smoothers
# -------------
#
# As it comes, the smoother assumes nothing but smoothness: a spline, whose order and strength are
# the most likely ones. In the gap and beyond the end its bands open. With learned coefficients it
# finds the equation that the series obeys, and knows where it goes.
spline = SMNNSmoother().fit(t, y)
equation = SMNNSmoother(order=2, coefficients="constant").fit(t, y)
stiffness, damping = equation.coef_[0]
wanted = abs(RATE) ** 2, -2 * RATE.real
print(f"spline of order {spline.order_[0]}; noise {spline.noise_std_[0]:.3f} (true 0.15)")
print(
    f"x'' + {damping:.3f} x' + {stiffness:.3f} x = 0 (true {wanted[1]:.3f}, {wanted[0]:.3f}); "
    f"standard errors {equation.coef_std_[0, 1]:.3f}, {equation.coef_std_[0, 0]:.3f}"
)

# %%
fine = np.linspace(0, 20, 600)
models = {"no equation": (spline, "#ea580c"), "learned equation": (equation, "#1d4ed8")}
figure, axes = plt.subplots(2, 1, figsize=(8, 5.5), sharex=True, layout="constrained")
axes[0].plot(t, y, ".", color="0.6", markersize=4, label="samples")
for r, panel in enumerate(axes):
    panel.plot(fine, truth(fine, r), "k--", linewidth=1, label="truth")
    for name, (model, color) in models.items():
        mean, std = model.predict(fine, derivative=r, return_std=True)
        panel.plot(fine, mean, color=color, linewidth=1.3, label=name)
        panel.fill_between(fine, mean - 1.96 * std, mean + 1.96 * std, color=color, alpha=0.2)
    panel.axvspan(7, 9.5, color="0.9", zorder=-1)
    panel.axvspan(16, 20, color="0.9", zorder=-1)
    panel.set_ylim(-2.6, 2.6)
axes[0].set_ylabel("x")
axes[1].set(xlabel="t", ylabel="x'")
axes[0].legend(ncols=4, loc="upper center", fontsize=9)
plt.show()

# %%
# The bands hold what they promise, in the gap and beyond the end too.
mean, std = equation.predict(fine, derivative=1, return_std=True)
inside = np.mean(np.abs(mean - truth(fine, 1)) < 1.96 * std)
print(f"95 % bands of the slope by the learned equation cover {100 * inside:.0f} % of the truth")

# %%
# A differentiator for PySINDy
# ----------------------------
#
# :func:`smnn_np.derivative` takes columns and returns their slopes: any method that regresses on
# derivatives can use it. Here PySINDy, if it is installed, finds the Lorenz equations from samples
# with noise of 2 % of each state's spread, once with its own finite differences and once with the
# smoother's states and slopes.
from smnn_np.datasets import make_lorenz

lorenz = make_lorenz(n_samples=1000, noise=0.02, random_state=0)
states = derivative(lorenz.y, lorenz.t, 0)
slopes = derivative(lorenz.y, lorenz.t)
x, y, z = lorenz.y_clean.T
exact = np.column_stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
RESULT = float(np.linalg.norm(slopes - exact) / np.linalg.norm(exact))
print(f"relative error of the slopes: {RESULT:.3f}")
try:
    import pysindy as ps
except ImportError:
    print("SKIPPED: PySINDy is not installed (pip install pysindy), so its part does not run.")
else:
    for name, arguments in {
        "finite differences": {"x": lorenz.y},
        "smoother": {"x": states, "x_dot": slopes},
    }.items():
        model = ps.SINDy(
            optimizer=ps.STLSQ(threshold=0.5), feature_library=ps.PolynomialLibrary(degree=2)
        )
        model.fit(t=lorenz.t, feature_names=["x", "y", "z"], **arguments)
        print(f"\nPySINDy, {name}:")
        model.print()
