"""Plots of fitted estimators, in the style of scikit-learn's Display classes.

One class a question, each with `from_estimator` and `plot`; matplotlib is imported when a plot is
drawn, never when the package is.
"""

from .coefficients import CoefficientDisplay
from .discovery import DiscoveryDisplay, RunCurves
from .path import PathDisplay
from .phase import PhaseDisplay
from .trajectory import Curve, TrajectoryDisplay

__all__ = [
    "CoefficientDisplay",
    "Curve",
    "DiscoveryDisplay",
    "PathDisplay",
    "PhaseDisplay",
    "RunCurves",
    "TrajectoryDisplay",
]
