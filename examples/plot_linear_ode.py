"""
Solve a linear ODE, and fit one through its solution
====================================================

How accurate is :func:`smnn_np.ode_solve` on a grid, and how does one fit an equation's coefficients
through the solver? A forced, damped oscillator has a closed form to compare with.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import smnn_np as smnn

FULL = "--full" in sys.argv[1:]

# %%
# The oscillator
# --------------
#
# :math:`y'' + 2 \gamma y' + \omega^2 y = \cos \Omega t`, at rest in the beginning. The solution is
# the steady oscillation plus a transient that cancels it at t = 0.
GAMMA, OMEGA, DRIVE = 0.1, 1.5, 1.0
STEP = 0.02
t = STEP * np.arange(20_001 if FULL else 2_001)


def exact(t):
    """Return the solution at times t (n,)."""
    steady = 1 / (OMEGA**2 - DRIVE**2 + 2j * GAMMA * DRIVE)  # y = Re(steady e^(i DRIVE t))
    ringing = np.sqrt(OMEGA**2 - GAMMA**2)
    cosine = -steady.real
    sine = (GAMMA * cosine + DRIVE * steady.imag) / ringing
    transient = np.exp(-GAMMA * t) * (cosine * np.cos(ringing * t) + sine * np.sin(ringing * t))
    return (steady * np.exp(1j * DRIVE * t)).real + transient


def coefficients(damping, stiffness, n_orders):
    """Return the equation's coefficients, one per derivative: shape (T|1, Q, V, R)."""
    return np.array([stiffness, damping, 1.0] + [0.0] * (n_orders - 3)).reshape(1, 1, 1, n_orders)


# %%
# The solver keeps R derivatives at each node and ties the nodes together by Taylor expansions: the
# more derivatives, the smaller the error of a step.
rhs = np.cos(DRIVE * t)[:, None]
at_rest = np.zeros((1, 1, 2))
errors = {}
for n_orders in (3, 4, 5):
    y = smnn.ode_solve(coefficients(2 * GAMMA, OMEGA**2, n_orders), rhs, at_rest, STEP)
    errors[n_orders] = np.abs(y[:, 0, 0] - exact(t)).max()
    print(f"{n_orders} derivatives kept: largest error {errors[n_orders]:.1e}")

# %%
# Fit damping and stiffness
# -------------------------
#
# The loss is the mean squared distance to noisy data. :func:`smnn_np.ode_solve_vjp` returns the
# solution and a pullback; the pullback turns the loss's gradient in y into the gradient in every
# input. Any optimizer can take it from there.
data = exact(t) + 0.01 * np.random.default_rng(0).standard_normal(t.size)


def loss_and_gradient(parameters):
    """Return the loss and its gradient in (damping, stiffness)."""
    y, pullback = smnn.ode_solve_vjp(coefficients(*parameters, n_orders=5), rhs, at_rest, STEP)
    residual = y[:, 0, 0] - data
    y_bar = np.zeros_like(y)
    y_bar[:, 0, 0] = 2 * residual / t.size
    stiffness_bar, damping_bar = pullback(y_bar).coefficients[0, 0, 0, :2]
    return np.mean(residual**2), np.array([damping_bar, stiffness_bar])


start = (0.5, 1.5)
fit = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-12})
truth = np.array([2 * GAMMA, OMEGA**2])
RESULT = float(np.abs(fit.x / truth - 1).max())
print(f"damping {fit.x[0]:.4f} (true {truth[0]}), stiffness {fit.x[1]:.4f} (true {truth[1]})")
print(f"{fit.nfev} solves with gradients; largest relative error {RESULT:.1e}")

# %%
fitted = smnn.ode_solve(coefficients(*fit.x, n_orders=5), rhs, at_rest, STEP)
figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
axes.plot(t[:2001], data[:2001], ".", color="0.45", markersize=4, label="data")
axes.plot(t[:2001], fitted[:2001, 0, 0], label="fitted equation")
axes.set(xlabel="t", ylabel="y")
axes.legend()
plt.show()
