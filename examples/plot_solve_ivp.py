"""
Instead of solve_ivp inside curve_fit
=====================================

The usual way to fit an ODE: guess the parameters, integrate with ``solve_ivp``, let ``curve_fit``
reduce the misfit. What changes if states and coefficients are fitted together? Predator and prey,
100 samples, 5 % noise; the form of the equations is known to both, good guesses to neither.
"""

import sys
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import curve_fit

from smnn_np import Constraints, SMNNDiscoverer
from smnn_np.datasets import make_lotka_volterra

N_STARTS = 40 if "--full" in sys.argv[1:] else 6
series = make_lotka_volterra(n_samples=100, step=0.2, noise=0.05)
truth = np.array([0.55, 0.028, 0.84, 0.026])

# %%
# Integrate and compare
# ---------------------


def trajectory(t, *logarithms):
    """Integrate from the first measurement; logarithms keep the parameters positive."""
    growth, predation, death, conversion = np.exp(logarithms)

    def rate(_, y):
        prey, predator = y
        eaten = prey * predator
        return growth * prey - predation * eaten, conversion * eaten - death * predator

    found = solve_ivp(rate, (t[0], t[-1]), series.y[0], t_eval=t, method="LSODA", rtol=1e-6)
    if found.y.shape[1] < len(t):
        raise RuntimeError("the trajectory blew up")
    return found.y.T.ravel()


def shoot(guess):
    """Fit from one guess; return parameters, or None where the fit gives up."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = {"p0": np.log(guess), "bounds": np.log([1e-3, 3.0]), "max_nfev": 50}
            return np.exp(curve_fit(trajectory, series.t, series.y.ravel(), **asked)[0])
    except (RuntimeError, ValueError):
        return None


rng = np.random.default_rng(0)
guesses = truth * 4.0 ** rng.uniform(-1, 1, (N_STARTS, 4))  # up to a factor of four off
begin = time.process_time()
fits = [shoot(guess) for guess in guesses]
seconds_shooting = (time.process_time() - begin) / N_STARTS
errors = [np.inf if fit is None else np.linalg.norm((fit - truth) / truth) / 2 for fit in fits]
found = np.array(errors) < 0.1

# %%
# Fit states and coefficients together
# ------------------------------------
#
# No guess is needed: the states start from smoothed data, the coefficients from a regression on
# them.
known = Constraints(only={"x": ["x", "x y"], "y": ["y", "x y"]}, require=[("*", "x y")])
SMNNDiscoverer(constraints=known).fit(series.t, series.y)  # compiles, where nothing is on disk yet
begin = time.process_time()
model = SMNNDiscoverer(constraints=known).fit(series.t, series.y)
seconds_joint = time.process_time() - begin
terms = list(model.feature_names_out_)
x, y, xy = (terms.index(name) for name in ("x", "y", "x y"))
coef = model.coef_[[0, 0, 1, 1], [x, xy, y, xy]] * [1, -1, -1, 1]
std = model.coef_std_[[0, 0, 1, 1], [x, xy, y, xy]]
RESULT = float(np.linalg.norm((coef - truth) / truth) / 2)

print("\n".join(model.equations(errors=True)))
print(f"shooting: {found.sum()} of {N_STARTS} guesses lead to the law; the others stop elsewhere")
print(f"joint fit: off by {100 * RESULT:.1f} % (root mean square of the four), no guess")
if found.any():
    best = np.min(np.array(errors)[found])
    print(f"shooting, where it succeeds: off by {100 * best:.1f} %")
print(f"CPU time: {seconds_shooting / seconds_joint:.1f} times as long for one guess")

# %%
# Where the guesses lead
# ----------------------
fine = np.linspace(series.t[0], series.t[-1], 400)
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.plot(series.t, series.y[:, 0], ".", color="0.5", label="prey, measured")
label = "integrate and compare, one guess each"
for fit in fits[:10]:
    if fit is not None:
        curve = trajectory(fine, *np.log(fit)).reshape(-1, 2)[:, 0]
        ax.plot(fine, curve, color="#ea580c", alpha=0.6, linewidth=1, label=label)
        label = None
ax.plot(fine, model.predict(fine)[:, 0], color="#1d4ed8", linewidth=2, label="joint fit")
ax.set(xlabel="t", ylabel="prey", ylim=(-5, 1.6 * series.y[:, 0].max()))
ax.legend(loc="upper right", fontsize=9)
plt.show()
