"""
Discover the Lorenz equations from noisy samples
================================================

What does :class:`smnn_np.SMNNDiscoverer` make of samples of a chaotic system with 5 % noise, when
told nothing but that the right-hand sides are quadratic?
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import smnn_np as smnn
from smnn_np.datasets import make_lorenz

FULL = "--full" in sys.argv[1:]

# %%
# The data
# --------
#
# Samples 0.01 apart, each state with normal noise of 5 % of its own standard deviation.
lorenz = make_lorenz(n_samples=10_000 if FULL else 1_000, step=0.01, noise=0.05, random_state=0)

# %%
# The fit
# -------
#
# There is no threshold to choose. The noise level is estimated from the data, and every
# coefficient comes with its standard error.
model = smnn.SMNNDiscoverer(degree=2).fit(lorenz.t, lorenz.y)
print("\n".join(model.equations()))
print("noise, estimated:", model.noise_std_.round(3), " true:", lorenz.noise_std.round(3))

# %%
# Beside the truth, with the errors in units of the standard error:
for target, name in enumerate(lorenz.names):
    for term in np.flatnonzero(lorenz.coef[target]):
        true, found = lorenz.coef[target, term], model.coef_[target, term]
        std = model.coef_std_[target, term]
        print(f"{name}'  {lorenz.terms[term]:4s} true {true:8.3f}  found {found:8.3f} +- {std:.3f}")

RESULT = float(np.linalg.norm(model.coef_ - lorenz.coef, 2) / np.linalg.norm(lorenz.coef, 2))
print(f"relative error of all coefficients: {RESULT:.1e}")

# %%
# The states between the samples, and the noise they came with:
shown = slice(0, 200)
figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
axes.plot(lorenz.t[shown], lorenz.y[shown, 0], ".", color="0.7", label="samples of x")
axes.plot(lorenz.t[shown], model.predict(lorenz.t)[shown, 0], label="smoothed")
axes.plot(lorenz.t[shown], lorenz.y_clean[shown, 0], "--", label="truth")
axes.set(xlabel="t", ylabel="x")
axes.legend()
plt.show()
