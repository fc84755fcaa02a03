"""Records that ship with the package, and seeded makers of series whose equations are known.

Everything returns a `sklearn.utils.Bunch` with a ``description``. A single series has ``t``
(n_samples,), ``y`` (n_samples, n_states), ``names`` (of the states), ``units`` (of the states) and
``time_unit``.
"""

from ._closed_forms import make_damped_sine, make_logistic, make_two_body
from ._kdv import make_kdv
from ._records import load_chemostat, load_hare_lynx, load_nino
from ._simulated import make_damped_oscillator, make_lorenz, make_lotka_volterra

__all__ = [
    "load_chemostat",
    "load_hare_lynx",
    "load_nino",
    "make_damped_oscillator",
    "make_damped_sine",
    "make_kdv",
    "make_logistic",
    "make_lorenz",
    "make_lotka_volterra",
    "make_two_body",
]
