"""
Tell a fit what is known
========================

Three waves exchange energy through products, lose a little each, and one of them is driven by a
known force. How much does it help :class:`smnn_np.SMNNDiscoverer` to be told what physics says
beforehand: that the products make no energy, that every wave loses some, and where the force acts?
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import smnn_np as smnn

FULL = "--full" in sys.argv[1:]
warnings.simplefilter("ignore", UserWarning)

# %%
# A short, noisy record
# ---------------------
#
# x' = y z - 0.1 x + u, y' = -2 x z - 0.2 y, z' = x y - 0.1 z: the coefficients of the products add
# up to zero. The force u is a column of the input beside the times.
TRUTH = {("x", "y z"): 1.0, ("x", "x"): -0.1, ("x", "u0"): 1.0, ("y", "x z"): -2.0,
         ("y", "y"): -0.2, ("z", "x y"): 1.0, ("z", "z"): -0.1}  # fmt: skip


def force(t):
    return 0.5 * np.sin(0.7 * t)


def waves(t, s):
    x, y, z = s
    return [y * z - 0.1 * x + force(t), -2 * x * z - 0.2 * y, x * y - 0.1 * z]


N_SAMPLES, NOISE, END = (200, 0.15, 16.0) if FULL else (80, 0.15, 8.0)
t = np.linspace(0, END, N_SAMPLES)
later = np.linspace(0, 2 * END, 300)
clean = solve_ivp(waves, (0, later[-1]), [0.5, 1.5, 1.0], dense_output=True, rtol=1e-9).sol
samples = clean(t).T + NOISE * np.random.default_rng(1).standard_normal((N_SAMPLES, 3))
inputs = np.column_stack([t, force(t)])

# %%
# Without and with what is known
# ------------------------------
#
# Products with the force are left out in both cases; what else is known is one value,
# ``Constraints``. It is respected by the search, the fit and the standard errors.
states = ["1", "x", "y", "z", "x^2", "x y", "x z", "y^2", "y z", "z^2"]
library = smnn.FormulaTerms([*states, "u0"])
known = smnn.Constraints(
    fixed={("x", "u0"): 1.0},
    forbid=[("y", "u0"), ("z", "u0"), ("*", "1")],
    require=[(state, state) for state in "xyz"],
    bounds={(state, state): (None, 0.0) for state in "xyz"},
    equalities=smnn.energy_preserving(["x", "y", "z"]),
)
free = smnn.SMNNDiscoverer(library=library).fit(inputs, samples)
told = smnn.SMNNDiscoverer(library=library, constraints=known).fit(inputs, samples)
for name, model in (("told nothing", free), ("told", told)):
    print(name, *model.equations(errors=True), sep="\n  ")

# %%
# The path of models obeys the constraints as well:
print(told.path_)


# %%
# Errors of all coefficients, relative to the truth in the spectral norm:
def matrix(model):
    """Return the true coefficients in the places of the model's."""
    terms = list(model.feature_names_out_)
    truth = np.zeros_like(model.coef_)
    for (state, term), value in TRUTH.items():
        truth["xyz".index(state), terms.index(term)] = value
    return truth


def error(model):
    truth = matrix(model)
    return float(np.linalg.norm(model.coef_ - truth, 2) / np.linalg.norm(truth, 2))


RESULT = error(told)
print(f"told nothing: {error(free):.3f}, told: {RESULT:.3f}")

# %%
# Where the record ends, what was known carries on:
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
truth = matrix(told)
shown = np.argwhere((truth != 0) | (free.coef_ != 0) | (told.coef_ != 0))
labels = [f"{told.feature_names_out_[a]} in {'xyz'[s]}'" for s, a in shown]
rows = np.arange(len(shown))
left.plot(truth[tuple(shown.T)], rows, "k|", ms=14, mew=2, label="truth")
for model, shift, color, name in ((free, 0.15, "C1", "told nothing"), (told, -0.15, "C0", "told")):
    std = np.nan_to_num(model.coef_std_[tuple(shown.T)])
    left.errorbar(model.coef_[tuple(shown.T)], rows + shift, xerr=2 * std, fmt="o", ms=4,
                  color=color, label=name)  # fmt: skip
left.set_yticks(rows, labels)
left.invert_yaxis()
left.set(xlabel="coefficient, two standard errors")
left.legend()

right.plot(t, samples[:, 0], ".", color="0.7", label="samples of x")
right.plot(later, clean(later)[0], "k", lw=1, label="truth")
for model, color, name in ((free, "C1", "told nothing"), (told, "C0", "told")):
    first = model.predict(inputs[:1])[0]
    try:
        path = model.simulate(first, later, force(later)[:, None])
    except ValueError as problem:
        print(name, problem)
        continue
    right.plot(later, path[:, 0], "--", color=color, label=f"simulated, {name}")
right.axvline(END, color="0.8", lw=1)
right.set(xlabel="t", ylabel="x", ylim=(-1, 2.5))
right.legend(fontsize="small")
plt.show()
