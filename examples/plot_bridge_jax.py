"""
A bridge to JAX: the solver under jit, grad and vmap
====================================================

How do I use the solver in a JAX program? As a ``custom_vjp`` around ``pure_callback``: JAX calls
back into NumPy, and the gradient is that of ``ode_solve_vjp``. ``jit``, ``grad`` and ``vmap`` work;
forward mode (``jvp``, ``jacfwd``) does not, since JAX allows a function only one of the two rules.
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import smnn_np as smnn

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None
    print("SKIPPED: JAX is not installed (pip install jax), so this example does not run.")
    RESULT = None

# %%
# The function
# ------------
#
# The callback gets NumPy arrays and must return NumPy arrays of the shape and type that were
# announced; JAX itself may not be called inside it. A pullback is no array, so it cannot wait for
# the backward pass: that one solves again. Under ``vmap`` the batch axis comes in front, where the
# solver expects it.
if jax:
    jax.config.update("jax_enable_x64", True)  # else JAX makes float32 of everything

    def shape_of_y(coefficients, rhs, initial, steps, n_steps):
        """Announce y, of shape (..., T, V, R)."""
        given = zip((coefficients, rhs, initial, steps), (4, 2, 3, 1), strict=True)
        batch = np.broadcast_shapes(*(each.shape[: each.ndim - axes] for each, axes in given))
        return jax.ShapeDtypeStruct((*batch, n_steps, *coefficients.shape[-2:]), jnp.float64)

    @partial(jax.custom_vjp, nondiff_argnums=(4,))
    def ode_solve(coefficients, rhs, initial, steps, n_steps):
        """Return y of shape (..., T, V, R)."""

        def solve(*inputs):
            return smnn.ode_solve(*map(np.asarray, inputs), n_steps=n_steps)

        inputs = coefficients, rhs, initial, steps
        announced = shape_of_y(*inputs, n_steps)
        return jax.pure_callback(solve, announced, *inputs, vmap_method="broadcast_all")

    def forward(coefficients, rhs, initial, steps, n_steps):
        """Keep the inputs for the backward pass."""
        inputs = coefficients, rhs, initial, steps
        return ode_solve(*inputs, n_steps), inputs

    def backward(n_steps, inputs, y_bar):
        """Return the gradients of the four inputs."""

        def differentiate(y_bar, *inputs):
            _, pullback = smnn.ode_solve_vjp(*map(np.asarray, inputs), n_steps=n_steps)
            return tuple(pullback(np.asarray(y_bar))[:4])

        announced = tuple(jax.ShapeDtypeStruct(each.shape, each.dtype) for each in inputs)
        return jax.pure_callback(
            differentiate, announced, y_bar, *inputs, vmap_method="broadcast_all"
        )

    ode_solve.defvjp(forward, backward)

# %%
# Its gradients are those of finite differences, under jit and vmap too
# ---------------------------------------------------------------------
if jax:
    draw = smnn.testing.random_ode(np.random.default_rng(0), n_steps=4, n_dims=2, n_orders=3)
    problem = [jnp.array(draw[name]) for name in ("coefficients", "rhs", "initial", "steps")]

    def total(stretch):
        """Sum y after stretching all coefficients."""
        return jnp.sum(ode_solve(stretch * problem[0], *problem[1:], 4) ** 2)

    points = jnp.linspace(0.9, 1.1, 5)
    slopes = jax.jit(jax.vmap(jax.grad(total)))(points)
    differences = [
        smnn.testing.five_point_gradient(lambda x: float(total(x[0])), np.array([point]))[0]
        for point in points
    ]
    error = np.abs(slopes - np.array(differences)).max() / np.abs(slopes).max()
    print(f"largest relative difference: {error:.1e}")

# %%
# Two parameters of an oscillator
# -------------------------------
if jax:
    t = 0.05 * np.arange(201)
    truth = np.exp(-0.1 * t) * np.cos(np.sqrt(4 - 0.01) * t)
    samples = truth + 0.05 * np.random.default_rng(0).standard_normal(201)

    def trajectory(parameters):
        """Solve y'' + damping y' + stiffness y = 0, with five orders kept."""
        row = jnp.array([parameters[0], parameters[1], 1.0, 0.0, 0.0]).reshape(1, 1, 1, 5)
        start = jnp.array([[[1.0, -0.1]]])
        return ode_solve(row, jnp.zeros((1, 1)), start, jnp.array([0.05]), 201)[:, 0, 0]

    def loss(parameters):
        """Misfit of the samples."""
        return jnp.mean((trajectory(parameters) - samples) ** 2)

    start = np.array([3.0, 0.0])
    found = minimize(jax.jit(jax.value_and_grad(loss)), start, jac=True, method="L-BFGS-B").x
    print(f"stiffness {found[0]:.3f} (true 4), damping {found[1]:.3f} (true 0.2)")
    RESULT = float(abs(found[0] - 4.0) + abs(found[1] - 0.2))

    figure, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
    ax.plot(t, samples, ".", color="0.6", label="samples")
    ax.plot(t, trajectory(start), color="#ea580c", linestyle="--", label="at the start")
    ax.plot(t, trajectory(found), color="#1d4ed8", label="fitted through the callback")
    ax.set(xlabel="t", ylabel="y")
    ax.legend(ncols=3, loc="upper right", fontsize=9)
    ax.set_ylim(-1.3, 1.6)
    plt.show()
