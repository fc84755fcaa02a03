"""
Papers 6: parameters of logistic growth, and an orbit
=====================================================

Five thousand noisy trajectories of logistic growth, each with a rate and a capacity of its own: can
they be recovered, and the trajectories foretold? And what does a noisy orbit say about gravitation?
"""

import sys
import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import FunctionTransformer

import smnn_np as smnn
from smnn_np.datasets import make_logistic, make_two_body

FULL = "--full" in sys.argv[1:]

# %%
# Logistic growth is a linear ODE
# -------------------------------
#
# :math:`x' = r x (1 - x / K)`, 60 samples with noise of 0.001. In :math:`z = 1 / x` the equation is
# :math:`z' + r z = r / K`: linear, for the solver as it is. What is unknown of a trajectory, r,
# 1 / K and z(0), follows from least squares by Gauss and Newton. The sensitivities of z solve the
# same left-hand side, so that :func:`smnn_np.ode_factorize` factorizes once and
# solves for z and its three sensitivities: for all trajectories in one call.
growth = make_logistic(5_000 if FULL else 500)
STEP = growth.t[1]
N_ORDERS = 5


def unit(n, order):
    """Return coefficients (n, 1, 1, 1, R) of one derivative."""
    coefficients = np.zeros((n, 1, 1, 1, N_ORDERS))
    coefficients[..., order] = 1.0
    return coefficients


def model(parameters, n_samples):
    """Return x (n, T) of log r, log 1/K, log z(0) (n, 3), and its sensitivities (n, T, 3)."""
    rate, inverse, first = np.exp(parameters.T)[:, :, None]  # (n, 1) each
    n = len(parameters)
    left = unit(n, 1) + rate[..., None, None, None] * unit(n, 0)
    factor = smnn.ode_factorize(left, STEP, n_steps=n_samples, n_initial_orders=1)

    def solve(rhs, start):
        rhs = np.broadcast_to(rhs, (n, n_samples))[..., None]
        return factor.solve(rhs, np.broadcast_to(start, (n, 1))[..., None, None])[:, :, 0, 0]

    z = solve(rate * inverse, first)
    by_log = [
        rate * solve(inverse - z, 0.0),
        inverse * solve(rate, 0.0),
        first * solve(0.0, 1.0),
    ]
    return 1 / z, -np.stack(by_log, axis=2) / z[..., None] ** 2


def fit(y, n_iter=12):
    """Return parameters (n, 3) of trajectories y (n, T), and their standard errors."""
    n = len(y)
    start = [np.full(n, 3.0), 1 / np.maximum(y.max(axis=1), 0.5), 1 / np.maximum(y[:, 0], 1e-3)]
    parameters = np.log(np.stack(start, axis=1))
    for _ in range(n_iter):
        x, slope = model(parameters, y.shape[1])
        gram = np.swapaxes(slope, 1, 2) @ slope
        step = np.linalg.solve(gram, np.swapaxes(slope, 1, 2) @ (y - x)[..., None])[..., 0]
        parameters += np.clip(step, -0.5, 0.5)
    std = growth.noise_std * np.sqrt(np.linalg.inv(gram)[:, range(3), range(3)])
    return parameters, std


truth = np.log(np.stack([growth.rate, growth.capacity], axis=1))
fit(growth.y[:5])  # compiles
start = perf_counter()
parameters, std = fit(growth.y)
seconds = perf_counter() - start
found = parameters[:, :2] * [1, -1]
errors = np.sqrt(np.mean((found - truth) ** 2, axis=0))
inside = np.mean(np.abs(found - truth) < 1.96 * std[:, :2], axis=0)
print(f"{len(growth.y)} trajectories in {seconds:.1f} s")
print(f"relative error, RMS: rate {errors[0]:.1e}, capacity {errors[1]:.1e}")
print(f"95 % intervals cover {100 * inside[0]:.1f} % and {100 * inside[1]:.1f} %")

# %%
# Half of a trajectory, up to t = 1.5, foretells the other half:
half = growth.y.shape[1] // 2
early = fit(growth.y[:, :half])[0]
foretold = model(early, growth.y.shape[1])[0]
ahead = np.abs(foretold - growth.y_clean)[:, half:].max(axis=1) / growth.capacity
print(f"from half: largest error ahead, share of K, median {np.median(ahead):.1e}")

# %%
# A network that reads the trajectory and emits the equation of z does it without iterations for new
# trajectories, but not as well: its loss is in 1 / x, where the start of a trajectory weighs most,
# and it says little about K.
warnings.simplefilter("ignore", ConvergenceWarning)
network = smnn.SMNNRegressor(
    order=1, step=STEP, solver="lbfgs", max_iter=300 if FULL else 50, random_state=0
)
n_trained = 1_000 if FULL else 200
network.fit(growth.y[:n_trained], 1 / np.maximum(growth.y[:n_trained], 2e-3))
emitted = network.predict_ode(growth.y[n_trained:])
rate, rhs = emitted.coefficients[:, 0, 0, 0, 0], emitted.rhs[:, 0, 0]
by_network = np.array([rate, rate / rhs]) / [growth.rate[n_trained:], growth.capacity[n_trained:]]
medians = np.median(np.abs(by_network - 1), axis=1)
print(f"network, median relative error: rate {medians[0]:.1e}, capacity {medians[1]:.1e}")

# %%
# An orbit
# --------
#
# The way r = (x, y) from one body to another, 3.2 periods of an ellipse, with noise of 1 %. The
# candidates for x'' and y'' are the coordinates, alone and over powers of the distance, and the
# velocities (a drag): 12 for each.


def central(points):
    """Return forces along the line between the bodies, and drag, at points [x, y, x', y']."""
    distance = np.hypot(points[:, 0], points[:, 1])[:, None] + 1e-12
    forces = [points[:, :2] / distance**power for power in range(5)]
    return np.hstack([*forces, points[:, 2:]])


def central_names(transformer, inputs):
    names = [f"{x}/r^{power}" if power else x for power in range(5) for x in ("x", "y")]
    return np.array([*names, "x'", "y'"], dtype=object)


library = FunctionTransformer(central, feature_names_out=central_names)
orbit = make_two_body(noise=0.01)
start = perf_counter()
law = smnn.SMNNDiscoverer(library=library, order=2).fit(orbit.t, orbit.y)
print("\n" + "\n".join(law.equations()), f"  ({perf_counter() - start:.1f} s)")
gravity = [law.coef_[0, 6], law.coef_[1, 7]]
print(f"strength {gravity[0]:.4f} and {gravity[1]:.4f} +- {law.coef_std_[0, 6]:.4f} (true -1)")
longer = make_two_body(n_samples=1_660)
predicted = law.predict(longer.t)
distance = np.linalg.norm(predicted - longer.y, axis=1)
print(f"10 periods later the body is predicted with an error of {distance[400:].max():.3f}")
RESULT = float(max(*errors, *np.abs(np.array(gravity) + 1)))

# %%
figure, axes = plt.subplot_mosaic(
    [["growth", "parameters"], ["orbit", "time"]], figsize=(9, 7.2), layout="constrained"
)
chosen = np.argsort(growth.rate)[[5, len(growth.rate) // 2, -5]]
for place, sample in enumerate(chosen):
    axes["growth"].plot(growth.t[:half], growth.y[sample, :half], ".", color=f"C{place}")
    axes["growth"].plot(growth.t, growth.y_clean[sample], color="0.75", linewidth=4, zorder=0)
    axes["growth"].plot(growth.t, foretold[sample], color=f"C{place}", linewidth=1.2)
axes["growth"].set(xlabel="t", ylabel="x", title="Samples, and what they foretell; grey: truth")
for place, name in enumerate(("rate", "capacity")):
    relative = np.sort(np.abs(np.expm1(found - truth)[:, place]))
    share = np.arange(1, len(relative) + 1) / len(relative)
    axes["parameters"].semilogx(relative, share, label=f"{name}, least squares", color=f"C{place}")
    relative = np.sort(np.abs(by_network[place] - 1))
    share = np.arange(1, len(relative) + 1) / len(relative)
    axes["parameters"].semilogx(relative, share, "--", label=f"{name}, network", color=f"C{place}")
axes["parameters"].set(
    xlabel="relative error", ylabel="share of trajectories below", xlim=(1e-6, 1)
)
axes["parameters"].legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
axes["orbit"].plot(*longer.y.T, color="0.75", linewidth=4)
axes["orbit"].plot(*orbit.y.T, ".", markersize=4, label="samples")
axes["orbit"].plot(*predicted[400:].T, linewidth=0.8, label="predicted, ten periods")
axes["orbit"].plot(0, 0, "ko")
axes["orbit"].set(xlabel="x", ylabel="y", aspect="equal", title="Orbit; grey: truth")
axes["orbit"].legend(fontsize=8, loc="center", bbox_to_anchor=(0.4, 0.5))
axes["time"].semilogy(longer.t / (2 * np.pi), distance + 1e-6)
axes["time"].axvspan(0, orbit.t[-1] / (2 * np.pi), color="0.92", zorder=0)
axes["time"].text(0.1, 0.5, "samples", color="0.4", fontsize=8)
axes["time"].set(
    xlabel="periods",
    ylabel="distance, in half axes",
    title="From the true place",
    ylim=(1e-5, 1),
)
plt.show()
