"""Records that ship with the package, and seeded makers of series whose equations are known.

Everything returns a `sklearn.utils.Bunch` with a ``description``. A single series has ``t``
(n_samples,), ``y`` (n_samples, n_states), ``names`` (of the states), ``units`` (of the states) and
``time_unit``.
"""

from ._kdv import make_kdv
from ._records import load_chemostat, load_hare_lynx, load_nino
from ._simulated import make_damped_oscillator, make_lorenz, make_lotka_volterra

__all__ = [
    "load_chemostat",
    "load_hare_lynx",
    "load_nino",
    "make_damped_oscillator",
    "make_kdv",
    "make_lorenz",
    "make_lotka_volterra",
]
