"""Right-hand sides as compiled code, and trajectories along them."""

import math
from typing import Any

import numba
import numpy as np
from scipy.integrate import DOP853

from ._kernels.trajectory import DONE, ESCAPED, integrate, polynomial_rate
from .formula import FUNCTIONS
from .library import Library, PolynomialLibrary

_NAMES = ("A", "B", "C", "E3", "E5")
_TABLEAU = tuple(np.ascontiguousarray(getattr(DOP853, name)) for name in _NAMES)
_SIGNATURE = "void(float64[::1], int64[:, ::1], float64[:, ::1], float64[::1])"
_NANOSECONDS = 1e8  # of integration before it counts as hopeless
_MATH = {name: getattr(math, name) for name in FUNCTIONS if hasattr(math, name)} | {"np": np}


def compile_function(sources: list[str], coef: np.ndarray, known: np.ndarray, n_inputs: int) -> Any:
    """Compile ``rate(t, y)``, or ``rate(t, y, controls)``, from the terms of a law.

    Parameters
    ----------
    sources : list of str
        The terms as Python expressions in v0, v1, ...
    coef : ndarray of shape (P, S)
    known : ndarray of shape (S, S)
        The known linear part.
    n_inputs : int
        States and controls.
    """
    n_states = len(known)
    head = "def rate(t, y, controls):" if n_inputs > n_states else "def rate(t, y):"
    lines = [head, *(f"    v{i} = y[{i}]" for i in range(n_states))]
    lines += [f"    v{i} = controls[{i - n_states}]" for i in range(n_states, n_inputs)]
    lines += [f"    out = np.empty({n_states})", *_body(sources, coef, known), "    return out"]
    return numba.njit(nogil=True)(_define("\n".join(lines)))


def compiled_rate(
    library: Library, coef: np.ndarray, known: np.ndarray, n_inputs: int
) -> tuple[Any, np.ndarray, np.ndarray] | None:
    """Return what the integrator calls, with its powers and coefficients; None if it cannot be."""
    if isinstance(library, PolynomialLibrary):
        used = coef.any(axis=1)
        own, other = np.nonzero(known)
        linear = np.zeros((len(own), n_inputs), dtype=np.int64)
        linear[np.arange(len(own)), other] = 1
        values = np.zeros((len(own), len(known)))
        values[np.arange(len(own)), own] = known[own, other]
        powers = np.concatenate([library.powers[used], linear])
        return _polynomial(), powers, np.ascontiguousarray(np.concatenate([coef[used], values]))
    if not hasattr(library, "sources"):
        return None
    lines = ["def rate(inputs, powers, coef, out):"]
    lines += [f"    v{i} = inputs[{i}]" for i in range(n_inputs)]
    lines += _body(library.sources(), coef, known)
    function = numba.cfunc(_SIGNATURE)(_define("\n".join(lines)))
    return function, np.zeros((len(coef), n_inputs), dtype=np.int64), np.zeros((1, 1))


_SHARED: list[Any] = []


def _polynomial() -> Any:
    """Return the rate of any polynomial law, compiled once a process."""
    if not _SHARED:

        def rate(inputs, powers, coef, out):  # type: ignore[no-untyped-def]
            polynomial_rate(inputs, powers, coef, out)

        _SHARED.append(numba.cfunc(_SIGNATURE)(rate))
    return _SHARED[0]


def follow(
    rate: tuple[Any, np.ndarray, np.ndarray],
    start: np.ndarray,
    times: np.ndarray,
    controls: np.ndarray,
    scale: np.ndarray,
    limit: np.ndarray,
    tolerance: float,
) -> tuple[np.ndarray, int, float, int]:
    """Integrate along times (m,); controls (m, n_controls) are linear between them.

    Returns
    -------
    ndarray of shape (m, S), int, float, int
        States; 0 if done, 1 if a state blew up, 2 if the equations are too stiff; the time reached
        and the state that went farthest.
    """
    function, powers, coef = rate
    out = np.empty((len(times), len(start)))
    out[0] = start
    work = 12 * (20 + 3 * powers.size + coef.size)
    max_steps = int(max(2000, _NANOSECONDS / work)) + 2 * len(times)
    given = (times, controls, limit, scale)
    columns = [np.ascontiguousarray(each, dtype=np.float64) for each in given]
    found = integrate(function, powers, coef, *columns, tolerance, max_steps, *_TABLEAU, out)
    return out, *found


def _body(sources: list[str], coef: np.ndarray, known: np.ndarray) -> list[str]:
    """Write the lines that fill out[0], out[1], ..."""
    used = np.flatnonzero(coef.any(axis=1))
    lines = [f"    p{a} = {sources[a]}" for a in used]
    for s in range(len(known)):
        parts = [f"{known[s, i]!r} * v{i}" for i in np.flatnonzero(known[s])]
        parts += [f"{coef[a, s]!r} * p{a}" for a in used if coef[a, s]]
        lines.append(f"    out[{s}] = {' + '.join(parts) or '0.0'}".replace("np.float64", ""))
    return lines


def _define(source: str) -> Any:
    """Make a function of its source."""
    scope: dict[str, Any] = dict(_MATH)
    exec(source.replace("sign(", "np.sign("), scope)
    return scope["rate"]


__all__ = ["DONE", "ESCAPED", "compile_function", "compiled_rate", "follow"]
