"""
Papers 5: sea-surface temperature, four years ahead
===================================================

What can a linear ODE say about the tropical Pacific 208 weeks from now that the season alone does
not? El Niño cannot be foreseen for so long, so the answer can only be: something in the first
months. It is measured against what anybody would do first.
"""

import sys
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import t as student

from smnn_np import SMNNSmoother
from smnn_np.datasets import load_nino

FULL = "--full" in sys.argv[1:]

# %%
# Weekly temperatures of four regions
# -----------------------------------
#
# From each origin 208 weeks are forecast with what was known then. The last origin is 208 weeks
# before the end of the record; the others lie 208 weeks apart, so that no two forecasts share a
# week. But they all start in August, from where El Niño is easiest to follow; the full setting
# starts one every 26 weeks, 57 in all, and is the fairer measure.
record = load_nino()
t, temperature = record.t, record.y
HORIZON, YEAR = 208, 365.2425 / 7
blocks = len(t) - HORIZON * np.arange(1, 9)
origins = np.arange(blocks[0], blocks[-1] - 1, -26) if FULL else blocks


def harmonics(t):
    """Return the season at times t (n,), as two harmonics: (n, 4)."""
    angle = 2 * np.pi * t[:, None] / YEAR * np.array([1, 2])
    return np.column_stack([np.cos(angle), np.sin(angle)])


# %%
# Two rivals
# ----------
#
# The climatology, a constant and two harmonics fitted anew at each origin; and the year before,
# over and over.


def climatology(origin):
    known, ahead = t[:origin], t[origin : origin + HORIZON]
    design = [np.column_stack([np.ones_like(each), harmonics(each)]) for each in (known, ahead)]
    effects = np.linalg.lstsq(design[0], temperature[:origin], rcond=None)[0]
    return design[1] @ effects


def seasonal_naive(origin):
    return temperature[origin - 52 : origin][np.arange(HORIZON) % 52]


# %%
# A driven linear ODE whose memory has seasons
# ---------------------------------------------
#
# The anomaly x of a region relaxes, x' + c(t) x = driving noise, and the season is added to it:
# two harmonics as covariates. How fast it relaxes depends on the time of the year,
# c = (1 + a cos(w t - p)) / tau: in northern autumn and winter anomalies last or grow, in spring
# they are lost. :class:`smnn_np.SMNNSmoother` takes c as a function of time, estimates the season,
# the noise of the measurements and the strength of the driving, and follows the equation beyond the
# last sample.
#
# The numbers tau, a and p of a region are those of a table that would have served best before the
# origin: of the forecasts x(t) exp(-integral of c) of x(t + k), k up to 208 weeks, they make the
# mean square error least. A constant c, a = 0, stands in the table too.
W, N_SEASONS = 2 * np.pi / YEAR, 13
LAWS = np.array(
    [
        (tau, a, p)
        for tau in np.arange(7.5, 60.0, 5.0)
        for a in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
        for p in np.arange(12 if a else 1) * np.pi / 6
    ]
)
weeks = np.arange(1, HORIZON + 1)


def decays():
    """Return by how much each law lets anomalies of each season decay: (n_laws, 13, HORIZON)."""
    tau, a, p = LAWS.T[:, :, None, None]
    start = (np.arange(N_SEASONS)[:, None] + 0.5) * YEAR / N_SEASONS
    swing = np.sin(W * (start + weeks) - p) - np.sin(W * start - p)
    return np.exp(-(weeks + a / W * swing) / tau)


DECAYS = decays()


def choose_laws(origin):
    """Return tau, a and p of each region (4, 3), from the anomalies before the origin."""
    season = np.column_stack([np.ones(origin), harmonics(t[:origin])])
    effects = np.linalg.lstsq(season, temperature[:origin], rcond=None)[0]
    x = temperature[:origin] - season @ effects
    now = x[: origin - HORIZON]
    future = np.lib.stride_tricks.sliding_window_view(x[1:], HORIZON, axis=0)  # (n, 4, HORIZON)
    which = (t[: len(now)] % YEAR * N_SEASONS / YEAR).astype(int)
    chosen = [which == each for each in range(N_SEASONS)]
    power = np.array([(now[rows] ** 2).mean(axis=0) for rows in chosen])
    product = np.array([(now[rows, :, None] * future[rows]).mean(axis=0) for rows in chosen])
    square = (DECAYS**2).sum(axis=2) @ power
    square -= 2 * np.einsum("lsk,srk->lr", DECAYS, product, optimize=True)
    return LAWS[square.argmin(axis=0)]


INPUTS = np.column_stack([t, harmonics(t)])


def smoothers(origin, stds):
    """Yield the smoother of each region, fitted to what was known at the origin, and its mean."""
    for region, (tau, a, p) in enumerate(choose_laws(origin)):
        model = SMNNSmoother(
            coefficients=lambda t, tau=tau, a=a, p=p: (1 + a * np.cos(W * t - p))[:, None] / tau,
            **stds[region],
        )
        known = temperature[:origin, region]
        yield model.fit(INPUTS[:origin], known - known.mean()), known.mean()


# %%
# Noise and driving are estimated once, from what was known at the first origin, and kept.
start = perf_counter()
STDS = [
    {"noise_std": model.noise_std_, "drive_std": model.drive_std_}
    for model, _ in smoothers(origins.min(), [{}] * 4)
]


def relaxation(origin):
    """Return forecast and standard deviation (HORIZON, 4), the latter of a measurement."""
    means, stds = [], []
    for model, level in smoothers(origin, STDS):
        ahead, spread = model.predict(INPUTS[origin : origin + HORIZON], return_std=True)
        means.append(ahead + level)
        stds.append(np.hypot(spread, model.noise_std_))
    return np.stack(means, axis=1), np.stack(stds, axis=1)


# %%
# Scores
# ------
#
# The skill of a forecast is what share of the climatology's mean square error it saves. Each origin
# has one skill, the mean of its regions. The interval is Student's, from eight spans of 208 weeks,
# each the mean of the origins in it.


def mean_square(forecast, origin):
    return ((forecast - temperature[origin : origin + HORIZON]) ** 2).mean(axis=0)


forecasts = {origin: relaxation(origin) for origin in origins}
squares = {
    "climatology": np.array([mean_square(climatology(o), o) for o in origins]),
    "year before": np.array([mean_square(seasonal_naive(o), o) for o in origins]),
    "relaxation": np.array([mean_square(forecasts[o][0], o) for o in origins]),
}
inside = np.mean(
    [np.abs(m - temperature[o : o + HORIZON]) < 1.96 * s for o, (m, s) in forecasts.items()]
)
print(f"{len(origins)} forecasts of four regions in {perf_counter() - start:.1f} s")
print("root mean square error, deg C, mean over origins:")
for name, square in squares.items():
    rows = np.sqrt(square)
    print(f"  {name:12s}", *(f"{value:.2f}" for value in rows.mean(axis=0)), end="")
    print("   last origin:", *(f"{value:.2f}" for value in rows[0]))
span = (blocks[0] - origins) // HORIZON
interval = {}
for name in ("relaxation", "year before"):
    skill = (1 - squares[name] / squares["climatology"]).mean(axis=1)
    by_span = np.array([skill[span == each].mean() for each in np.unique(span)])
    error = by_span.std(ddof=1) / np.sqrt(len(by_span)) * student.ppf(0.975, len(by_span) - 1)
    interval[name] = by_span.mean(), error
    print(f"skill of {name}: {by_span.mean():.3f} +- {error:.3f} (95 %)")
    print("  by span, the latest first:", *(f"{value:.2f}" for value in by_span))
print(f"95 % bands hold {100 * inside:.0f} % of the measurements")
RESULT = float(1 - interval["relaxation"][0])

# %%
# The gain is all in the first half year; then the forecast is the climatology. Regions that drive
# each other and trends were tried on the same origins and are worse than a constant memory.
figure, axes = plt.subplots(2, 1, figsize=(8, 6.4), layout="constrained")
origin, region = origins[0], 2
mean, std = forecasts[origin]
past = slice(origin - 104, origin)
ahead = slice(origin, origin + HORIZON)
axes[0].plot(t[past] - origin, temperature[past, region], color="0.6")
axes[0].plot(t[ahead] - origin, temperature[ahead, region], color="0.6", label="measured")
axes[0].plot(t[ahead] - origin, climatology(origin)[:, region], "C1--", label="climatology")
axes[0].plot(t[ahead] - origin, mean[:, region], "C0", label="forecast, 95 % band")
band = mean[:, region] - 1.96 * std[:, region], mean[:, region] + 1.96 * std[:, region]
axes[0].fill_between(t[ahead] - origin, *band, color="C0", alpha=0.15)
axes[0].axvline(0, color="k", linewidth=0.8)
axes[0].set(
    title=f"Region Niño 3.4, forecast of {record.dates[origin]}",
    xlabel="weeks from the origin",
    ylabel="deg C",
)
axes[0].legend(ncols=3, fontsize=9, loc="lower right")
for name, color in (("climatology", "C1"), ("relaxation", "C0"), ("year before", "C3")):
    make = {"climatology": climatology, "year before": seasonal_naive}
    by_week = [
        ((make[name](o) if name in make else forecasts[o][0]) - temperature[o : o + HORIZON]) ** 2
        for o in origins
    ]
    curve = np.sqrt(np.mean(by_week, axis=(0, 2)))
    smooth = np.convolve(curve, np.ones(9) / 9, "valid")
    style = "--" if name == "climatology" else "-"
    axes[1].plot(weeks[4:-4], smooth, style, color=color, label=name, zorder=3 - len(style))
axes[1].set(
    title="All origins and regions, means of nine weeks",
    xlabel="weeks from the origin",
    ylabel="RMS error, deg C",
    ylim=(0, None),
)
axes[1].legend(ncols=3, fontsize=9, loc="lower right")
plt.show()
