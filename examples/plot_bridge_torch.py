"""
A bridge to PyTorch: the solver as a layer
==========================================

How do I use the solver in a PyTorch model? As an ``autograd.Function`` of a dozen lines: forward is
``ode_solve_vjp``, backward is its pullback. The layer runs on the CPU, in NumPy's memory. Here it
finds the stiffness and the damping of an oscillator from noisy samples.
"""

import matplotlib.pyplot as plt
import numpy as np

import smnn_np as smnn

try:
    import torch
except ImportError:
    torch = None
    print("SKIPPED: PyTorch is not installed (pip install torch), so this example does not run.")
    RESULT = None

# %%
# The layer
# ---------
#
# ``forward`` returns the pullback beside y, and ``setup_context`` keeps it: the factor of the
# forward solve serves the backward pass. Batches need nothing: put them in front of any input. Of
# what is missing here (weights as inputs, second derivatives), the first are three more arguments.
if torch:
    from torch.autograd.function import once_differentiable

    class OdeSolve(torch.autograd.Function):
        """Solve linear ODEs; gradients in coefficients, rhs, initial values and steps."""

        @staticmethod
        def forward(coefficients, rhs, initial, steps, n_steps):
            """Solve; the pullback goes along."""
            arrays = (each.detach().numpy() for each in (coefficients, rhs, initial, steps))
            y, pullback = smnn.ode_solve_vjp(*arrays, n_steps=n_steps)
            return torch.from_numpy(y), pullback

        @staticmethod
        def setup_context(ctx, inputs, output):
            """Keep the pullback."""
            ctx.pullback = output[1]

        @staticmethod
        @once_differentiable
        def backward(ctx, y_bar, _):
            """Pull the gradient back to the four arrays."""
            grads = ctx.pullback(y_bar.numpy())
            given = grads.coefficients, grads.rhs, grads.initial, grads.steps
            return *(torch.from_numpy(each) for each in given), None

    def ode_solve(coefficients, rhs, initial, steps, n_steps=None):
        """Return y of shape (..., T, V, R) as a tensor that gradients flow through."""
        return OdeSolve.apply(coefficients, rhs, initial, steps, n_steps)[0]


# %%
# Its gradients are those of finite differences
# ---------------------------------------------
if torch:
    draw = smnn.testing.random_ode(np.random.default_rng(0), n_steps=4, n_dims=2, n_orders=3)
    problem = [draw[name] for name in ("coefficients", "rhs", "initial", "steps")]
    leaves = [torch.from_numpy(np.array(each)).requires_grad_() for each in problem]
    right = torch.autograd.gradcheck(ode_solve, leaves, rtol=1e-5, atol=1e-7)
    print(f"gradients equal finite differences: {right}")

# %%
# Two parameters of an oscillator
# -------------------------------
if torch:
    t = 0.05 * np.arange(201)
    truth = np.exp(-0.1 * t) * np.cos(np.sqrt(4 - 0.01) * t)
    samples = torch.from_numpy(truth + 0.05 * np.random.default_rng(0).standard_normal(201))
    stiffness = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    damping = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    one, zero = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    start = torch.tensor([[[1.0, -0.1]]], dtype=torch.float64)

    def trajectory():
        """Solve y'' + damping y' + stiffness y = 0, with five orders kept."""
        row = torch.stack([stiffness, damping, one, zero, zero])
        step = torch.tensor([0.05], dtype=torch.float64)
        return ode_solve(row.reshape(1, 1, 1, 5), zero.reshape(1, 1), start, step, 201)[:, 0, 0]

    before = trajectory().detach()
    optimizer = torch.optim.LBFGS([stiffness, damping], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        """Misfit of the samples, with its gradient."""
        optimizer.zero_grad()
        loss = torch.mean((trajectory() - samples) ** 2)
        loss.backward()
        return loss

    optimizer.step(closure)
    print(f"stiffness {stiffness.item():.3f} (true 4), damping {damping.item():.3f} (true 0.2)")
    RESULT = abs(stiffness.item() - 4.0) + abs(damping.item() - 0.2)

    figure, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
    ax.plot(t, samples, ".", color="0.6", label="samples")
    ax.plot(t, before, color="#ea580c", linestyle="--", label="at the start")
    ax.plot(t, trajectory().detach(), color="#1d4ed8", label="fitted through the layer")
    ax.set(xlabel="t", ylabel="y")
    ax.legend(ncols=3, loc="upper right", fontsize=9)
    ax.set_ylim(-1.3, 1.6)
    plt.show()
