"""How often 95 % intervals hold the truth, over many draws of the noise: one table.

    python asv_bench/calibration.py --draws 200

Five small systems, every fit with the defaults. "exact" is the share of draws with exactly the true
terms; "covered" counts these draws, "least" and "most" are those of single coefficients, "of all"
counts every draw, a true coefficient that was not found being not covered. "ratio" is the median of
the estimated noise over the true one. "inside" and "beyond" count states under the bands of
``predict(t, return_std=True)``, over all draws: at the samples and in the middle between them, and
in the quarter of the span that follows it.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator

import numpy as np
from scipy.integrate import solve_ivp

from smnn_np import SMNNDiscoverer

# name: right-hand side, first state, end, samples, noise (share of each state's spread), degree
SYSTEMS = {
    "logistic growth": (lambda t, s: [1.2 * s[0] - 0.6 * s[0] ** 2], [0.1], 8.0, 60, 0.05, 2),
    "damped oscillator": (lambda t, s: [s[1], -2 * s[0] - 0.3 * s[1]], [2, 0], 10.0, 100, 0.05, 2),
    "Lotka-Volterra": (
        lambda t, s: [s[0] - s[0] * s[1], s[0] * s[1] - s[1]], [2, 0.5], 14.0, 100, 0.05, 2,
    ),
    "van der Pol": (
        lambda t, s: [s[1], (1 - s[0] ** 2) * s[1] - s[0]], [1, 0], 14.0, 200, 0.05, 3,
    ),
    "Lorenz": (
        lambda t, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]],
        [-8, 7, 27], 4.0, 250, 0.05, 2,
    ),
}  # fmt: skip


def true_coefficients(rate, model: SMNNDiscoverer) -> np.ndarray:
    """Coefficients of a polynomial right-hand side, by a fit without noise at random points."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-2, 2, (200, model.powers_.shape[1]))
    terms = np.prod(points[:, None, :] ** model.powers_, axis=2)
    rates = np.array([rate(0.0, point) for point in points])
    truth = np.linalg.lstsq(terms, rates)[0].T
    return np.where(np.abs(truth) > 1e-9, truth, 0.0)


def noisy_records(name: str, n_draws: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield times, noise levels and noisy states of one system."""
    rate, start, end, n, level, _ = SYSTEMS[name]
    t = np.linspace(0, end, n)
    clean = solve_ivp(rate, (0, end), start, t_eval=t, rtol=1e-10, atol=1e-10).y.T
    noise = level * clean.std(axis=0)
    for draw in range(n_draws):
        rng = np.random.default_rng(draw)
        yield t, noise, clean + noise * rng.standard_normal(clean.shape)


def true_states(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Times and states inside the span, samples and middles, and in the quarter beyond it."""
    rate, start, end, n, _, _ = SYSTEMS[name]
    inside = np.linspace(0, end, 2 * n - 1)
    beyond = end + (inside[1:] - inside[0])[: n // 2]
    times = np.concatenate([inside, beyond])
    states = solve_ivp(rate, (0, times[-1]), start, t_eval=times, rtol=1e-10, atol=1e-10).y.T
    cut = len(inside)
    return {"inside": (inside, states[:cut]), "beyond": (beyond, states[cut:])}


def calibrate(name: str, n_draws: int) -> str:
    """Fit one system for every draw of the noise; return a row of the table."""
    rate, n, level, degree = (SYSTEMS[name][k] for k in (0, 3, 4, 5))
    wanted = true_states(name)
    covered, exact, ratio = [], [], []
    held: dict[str, list[float]] = {part: [] for part in wanted}
    for t, noise, y in noisy_records(name, n_draws):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SMNNDiscoverer(degree=degree).fit(t, y)
        truth = true_coefficients(rate, model)
        there = truth != 0
        away = np.abs(model.coef_ - truth)[there]
        covered.append(away <= 1.96 * model.coef_std_[there])
        exact.append(np.array_equal(model.coef_ != 0, there))
        ratio.append(model.noise_std_ / noise)
        for part, (times, states) in wanted.items():
            held[part].append(share_held(model, times, states))
    share = np.array(covered)[exact].mean(axis=0)
    return (
        f"{name:18s} {n:7d} {level:6.0%} {np.mean(exact):6.0%} {share.mean():8.1%} "
        f"{share.min():8.1%} {share.max():8.1%} {np.mean(covered):8.1%} {np.median(ratio):6.3f} "
        f"{np.mean(held['inside']):8.1%} {np.mean(held['beyond']):8.1%}"
    )


def share_held(model: SMNNDiscoverer, times: np.ndarray, states: np.ndarray) -> float:
    """Share of true states inside the 95 % bands; none where the prediction blows up."""
    try:
        mean, std = model.predict(times, return_std=True)
    except ValueError:
        return 0.0
    away = np.abs(mean - states.reshape(mean.shape))
    return float((away <= 1.96 * std).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--names", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    options = parser.parse_args()
    heads = ("system", "samples", "noise", "exact", "covered", "least", "most", "of all", "ratio")
    heads += ("inside", "beyond")
    form = "{:18s} {:>7s} {:>6s} {:>6s} {:>8s} {:>8s} {:>8s} {:>8s} {:>6s} {:>8s} {:>8s}\n"
    sys.stdout.write(form.format(*heads))
    for name in options.names:
        sys.stdout.write(calibrate(name, options.draws) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
