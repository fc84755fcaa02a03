"""Four displays of one fitted discoverer, for the page "Plots"."""

import matplotlib.pyplot as plt
import numpy as np

from smnn_np import SMNNDiscoverer
from smnn_np.datasets import load_hare_lynx
from smnn_np.display import CoefficientDisplay, PathDisplay, PhaseDisplay, TrajectoryDisplay

record = load_hare_lynx()
model = SMNNDiscoverer().fit(record.t, record.y).select(4)
ahead = np.linspace(record.t[0], record.t[-1] + 10, 500)

figure = plt.figure(figsize=(12, 7.5), layout="constrained")
left, right = figure.subfigures(1, 2)
top, bottom = left.subfigures(2, 1, height_ratios=(3, 2))
PathDisplay.from_estimator(model, ax=top.subplots())
CoefficientDisplay.from_estimator(model, ax=bottom.subplots(1, 2))
top, bottom = right.subfigures(2, 1, height_ratios=(2, 3))
TrajectoryDisplay.from_estimator(
    model, record.t, record.y, times=ahead, time_label="year", ax=top.subplots(2, sharex=True)
)
PhaseDisplay.from_estimator(model, record.t, record.y, ax=bottom.subplots())
