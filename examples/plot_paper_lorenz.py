"""
Papers 3: the Lorenz equations, discovered and trained
======================================================

The papers find the Lorenz equations by training a network through the solver.
:class:`smnn_np.SMNNDiscoverer` finds them by least squares over states and coefficients together.
Here both find them in the same clean trajectory: how well, and how fast?
"""

import sys
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import PolynomialFeatures

import smnn_np as smnn
from smnn_np.datasets import make_lorenz

FULL = "--full" in sys.argv[1:]

# %%
# By the discoverer
# -----------------
#
# From more and more of the samples: it has no long training to show a loss of.
N_SAMPLES, STEP = 10_000 if FULL else 1_000, 0.01
lorenz = make_lorenz(N_SAMPLES, STEP, y0=(1.0, 1.0, 1.0))


def relative_error(coef):
    return float(np.linalg.norm(coef - lorenz.coef, 2) / np.linalg.norm(lorenz.coef, 2))


smnn.SMNNDiscoverer().fit(lorenz.t[:100], lorenz.y[:100])  # compiles
counts = [n for n in (100, 300, 1_000, 3_000, 10_000) if n <= N_SAMPLES]
seconds_discovered, errors_discovered = [], []
for n in counts:
    start = process_time()
    discovered = smnn.SMNNDiscoverer().fit(lorenz.t[:n], lorenz.y[:n])
    seconds_discovered.append(process_time() - start)
    errors_discovered.append(relative_error(discovered.coef_))
    print(
        f"discoverer, {n} samples: {seconds_discovered[-1]:.1f} s of CPU, "
        f"relative error {errors_discovered[-1]:.1e}"
    )
print("\n".join(discovered.equations()))

# %%
# By training through the solver
# ------------------------------
#
# As in the papers: a network reads a piece of 50 samples and writes the states s of its nodes. With
# them the right-hand sides of x' = Theta(s) xi are known, Theta the ten monomials of degree up to
# two, and :func:`smnn_np.ode_solve_vjp` solves for x. The loss asks x to be near the data and the
# states to be near x. After each cycle of training small coefficients are set to zero, and stay
# there.
#
# Some things are done otherwise. The network adds to the identity, so that states start as the
# data. It has one hidden layer of 64, not two of 1,024. And the coefficients are not written by a
# second network: they are numbers, in units in which the terms that an equation still has are
# uncorrelated, so that Adam need not follow long narrow valleys. Small is a term that makes up less
# than 5 % of its equation; the papers ask whether the number is below 0.1, whatever the units.
PIECE, N_ORDERS, THRESHOLD = 50, 4, 0.05
N_CYCLES, N_ITERATIONS, BATCH = (5, 400, 64) if FULL else (4, 200, 32)
scale = lorenz.y.std(axis=0)
data = lorenz.y / scale
terms = PolynomialFeatures(2).fit(data)
powers = terms.powers_
rng = np.random.default_rng(0)
derivative = np.zeros((1, 1, 1, N_ORDERS))
derivative[..., 1] = 1.0
network = {
    "in": rng.standard_normal((PIECE * 3, 64)) / np.sqrt(PIECE * 3),
    "bias": np.zeros(64),
    "out": np.zeros((64, PIECE * 3)),
}
active = np.ones((3, len(powers)), dtype=bool)


def slopes_of_terms(states, bar):
    """Pull the gradient bar (n, n_terms) of the terms back to states (n, 3)."""
    back = np.zeros_like(states)
    for v in range(3):
        lowered = powers - np.eye(3, dtype=int)[v]
        value = powers[:, v] * np.prod(states[:, None] ** np.maximum(lowered, 0), axis=2)
        back[:, v] = (bar * value).sum(axis=1)
    return back


def units():
    """Return, for each equation, the map (n_terms, n_active) from uncorrelated coefficients."""
    values = terms.transform(data)
    maps = []
    for row in active:
        triangle = np.linalg.qr(values[:, row] / np.sqrt(len(values)), mode="r")
        maps.append(np.zeros((len(row), row.sum())))
        maps[-1][row] = np.linalg.inv(triangle)
    return maps


def loss_and_gradients(pieces, xi):
    """Return the loss, and its gradients in the network and in xi (n_terms, 3)."""
    flat = pieces.reshape(len(pieces), -1)
    hidden = np.tanh(flat @ network["in"] + network["bias"])
    states = (flat + hidden @ network["out"]).reshape(pieces.shape)
    theta = terms.transform(states.reshape(-1, 3))
    rhs = np.swapaxes((theta @ xi).reshape(pieces.shape), 1, 2)[..., None]
    first = states[:, 0][..., None, None, None]
    y, pullback = smnn.ode_solve_vjp(derivative, rhs, first, STEP)
    x = np.swapaxes(y[..., 0, 0], 1, 2)
    to_data, to_states = (x - pieces) / x.size, (x - states) / x.size
    loss = 0.5 * x.size * ((to_data**2).sum() + (to_states**2).sum())
    y_bar = np.zeros_like(y)
    y_bar[..., 0, 0] = np.swapaxes(to_data + to_states, 1, 2)
    bar = pullback(y_bar)
    rhs_bar = np.swapaxes(bar.rhs[..., 0], 1, 2).reshape(-1, 3)
    states_bar = slopes_of_terms(states.reshape(-1, 3), rhs_bar @ xi.T).reshape(states.shape)
    states_bar -= to_states
    states_bar[:, 0] += bar.initial[..., 0, 0, 0]
    out_bar = states_bar.reshape(flat.shape)
    hidden_bar = (out_bar @ network["out"].T) * (1 - hidden**2)
    gradients = {
        "in": flat.T @ hidden_bar,
        "bias": hidden_bar.sum(axis=0),
        "out": hidden.T @ out_bar,
    }
    return loss, gradients, theta.T @ rhs_bar


class Adam:
    """One array's moving averages."""

    def __init__(self, rate):
        self.rate, self.first, self.second, self.n = rate, 0.0, 0.0, 0

    def step(self, gradient, rate):
        """Return by how much to go down."""
        self.n += 1
        self.first += 0.1 * (gradient - self.first)
        self.second += 0.01 * (gradient**2 - self.second)
        size = np.sqrt(self.second / (1 - 0.99**self.n)) + 1e-12
        return self.rate * rate * self.first / (1 - 0.9**self.n) / size


start = process_time()
losses, errors = [], []
unit = np.array([np.prod(scale**row) for row in powers])
xi = np.zeros((len(powers), 3))
for _ in range(N_CYCLES):
    maps = units()
    free = [np.linalg.lstsq(each, xi[:, v], rcond=None)[0] for v, each in enumerate(maps)]
    adams = [Adam(1.0) for _ in free]
    net_adams = {name: Adam(1e-4) for name in network}
    for iteration in range(N_ITERATIONS):
        xi = np.column_stack([each @ eta for each, eta in zip(maps, free, strict=True)])
        chosen = rng.integers(N_SAMPLES - PIECE + 1, size=BATCH)
        pieces = data[chosen[:, None] + np.arange(PIECE)]
        loss, gradients, xi_bar = loss_and_gradients(pieces, xi)
        fall = 0.001 ** (iteration / N_ITERATIONS)
        for v, each in enumerate(maps):
            free[v] = free[v] - adams[v].step(each.T @ xi_bar[:, v], fall)
        for name, gradient in gradients.items():
            network[name] -= net_adams[name].step(gradient, fall)
        losses.append(loss)
        errors.append(relative_error((xi * scale / unit[:, None]).T))
    values = terms.transform(data)
    share = np.abs(xi) * np.sqrt((values**2).mean(axis=0))[:, None]
    active &= (share > THRESHOLD * np.sqrt(((values @ xi) ** 2).mean(axis=0))).T
    xi = np.where(active.T, xi, 0.0)
trained = (xi * scale / unit[:, None]).T
seconds = process_time() - start
print(f"\ntrained: {seconds:.1f} s of CPU, relative error {relative_error(trained):.1e}")
for name, row in zip(lorenz.names, trained, strict=True):
    found = (f"{c:+.3f} {term}" for c, term in zip(row, lorenz.terms, strict=True) if c)
    print(f"{name}' =", " ".join(found))
print("the right terms:", bool(((trained != 0) == (lorenz.coef != 0)).all()))
RESULT = max(errors_discovered[-1], relative_error(trained))

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
axes[0].semilogy(losses, linewidth=0.8)
axes[0].set(xlabel="iteration", ylabel="loss, in units of the data's spread")
for cycle in range(1, N_CYCLES):
    axes[0].axvline(cycle * N_ITERATIONS, color="0.8", zorder=0)
axes[0].set_title("Training; grey: thresholds", fontsize="medium")
spent = np.linspace(0, seconds, len(errors))
axes[1].loglog(spent[1:], errors[1:], label="trained, by iteration")
axes[1].loglog(
    seconds_discovered,
    errors_discovered,
    "o-",
    label=f"discovered, {counts[0]} to {counts[-1]} samples",
)
axes[1].set(xlabel="seconds of CPU", ylabel="relative error of the coefficients", ylim=(1e-14, 1e4))
axes[1].set_title("Both, against time", fontsize="medium")
axes[1].legend(fontsize=9, loc="upper left")
plt.show()
