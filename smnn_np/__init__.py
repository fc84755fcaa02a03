"""Scalable Mechanistic Neural Networks for NumPy, SciPy and scikit-learn.

A linear ODE on a time grid is one least-squares problem, banded in time and solved in linear time
and memory, with gradients from hand-derived adjoints. On it stands the discovery of governing
equations from data. Names are loaded when first used: the solver does not import scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._data import DataWarning
    from .adjoint import OdeGradients, ode_solve_vjp
    from .constraints import Constraints, energy_preserving
    from .discoverer import SMNNDiscoverer
    from .ensemble import Bootstrap, bootstrap
    from .factorize import Factor
    from .mechanism import Mechanism
    from .nonlinear import Profile, profile
    from .ode import ode_factorize, ode_solve
    from .prior import taylor_logdet
    from .regressor import SMNNRegressor
    from .smoother import SMNNSmoother, derivative
    from .terms import FormulaTerms, FourierTerms, JoinedTerms, PolynomialTerms, RationalTerms

__version__ = "0.1.0"

_HOME = {
    "Bootstrap": "ensemble",
    "Constraints": "constraints",
    "DataWarning": "_data",
    "Factor": "factorize",
    "FormulaTerms": "terms",
    "FourierTerms": "terms",
    "JoinedTerms": "terms",
    "Mechanism": "mechanism",
    "OdeGradients": "adjoint",
    "PolynomialTerms": "terms",
    "Profile": "nonlinear",
    "RationalTerms": "terms",
    "SMNNDiscoverer": "discoverer",
    "SMNNRegressor": "regressor",
    "SMNNSmoother": "smoother",
    "bootstrap": "ensemble",
    "derivative": "smoother",
    "energy_preserving": "constraints",
    "ode_factorize": "ode",
    "ode_solve": "ode",
    "ode_solve_vjp": "adjoint",
    "profile": "nonlinear",
    "taylor_logdet": "prior",
}

__all__ = [
    "Bootstrap",
    "Constraints",
    "DataWarning",
    "Factor",
    "FormulaTerms",
    "FourierTerms",
    "JoinedTerms",
    "Mechanism",
    "OdeGradients",
    "PolynomialTerms",
    "Profile",
    "RationalTerms",
    "SMNNDiscoverer",
    "SMNNRegressor",
    "SMNNSmoother",
    "__version__",
    "bootstrap",
    "derivative",
    "energy_preserving",
    "ode_factorize",
    "ode_solve",
    "ode_solve_vjp",
    "profile",
    "taylor_logdet",
]


def __getattr__(name: str) -> Any:
    """Load a public name, or a submodule, when it is first asked for."""
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in ("datasets", "dense", "display", "exact", "testing"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted(__all__)
