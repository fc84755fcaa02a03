"""What a fitted law can be turned into: text, LaTeX, sympy, rates, trajectories."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ._arrays import bring_home, send_back
from ._data import read_controls, read_points
from ._shown import ShownMixin
from .simulate import FittedLaw
from .text import (
    format_equations,
    format_equations_with_errors,
    latex_equations,
    sympy_equations,
)


class EquationsMixin(ShownMixin):
    """Methods of an estimator that has fitted a law."""

    order: int
    state_names_: list[str]
    feature_names_out_: np.ndarray
    coef_: np.ndarray
    coef_std_: np.ndarray
    n_features_in_: int
    _law: FittedLaw
    _y_is_1d: bool
    _fitted_by = "_law"

    def equations(self, errors: bool = False) -> list[str]:
        """Write the equations, as ``x' = -10.0 x + 10.0 y``; right-hand sides parse with sympy.

        Parameters
        ----------
        errors : bool, default=False
            Whether to write the standard error beside each coefficient, for reading: such lines
            do not parse. Without, a coefficient has the digits that its error leaves: two of
            those of the error, at most six.

        Returns
        -------
        list of str
            One equation a state.
        """
        check_is_fitted(self)
        given = self.state_names_, list(self.feature_names_out_), self.coef_
        if errors:
            return format_equations_with_errors(*given, self.coef_std_, self.order)
        return format_equations(*given, self.order, self.coef_std_)

    def to_latex(self) -> list[str]:
        """Write the equations in LaTeX, with the digits that the errors leave.

        Returns
        -------
        list of str
            One equation for each state.
        """
        check_is_fitted(self)
        given = self.state_names_, list(self.feature_names_out_), self.coef_
        return latex_equations(*given, self.order, self.coef_std_)

    def to_sympy(self) -> list[Any]:
        """Return the right-hand sides as sympy expressions, with all digits.

        Returns
        -------
        list of sympy.Expr
            One for each state.
        """
        check_is_fitted(self)
        return sympy_equations(list(self.feature_names_out_), self.coef_)

    def to_function(self) -> Any:
        """Compile the right-hand side.

        Returns
        -------
        callable
            ``rate(t, y)``, or ``rate(t, y, controls)`` where there are controls: y an array
            (n_states,), [x, x'] if ``order=2``; returns the rates (n_states,). It can be pickled,
            handed to ``scipy.integrate.solve_ivp`` and called from code that Numba compiles. Of a
            library of which only values are known it is a plain function.

        Examples
        --------
        >>> import numpy as np
        >>> from smnn_np import SMNNDiscoverer
        >>> t = np.linspace(0, 2, 50)
        >>> rate = SMNNDiscoverer().fit(t, np.exp(-t)).to_function()
        >>> rate(0.0, np.array([2.0])).round(6)
        array([-2.])
        """
        check_is_fitted(self)
        return self._law.function()

    def derivative(self, y: ArrayLike, controls: ArrayLike | None = None) -> np.ndarray:
        """Evaluate the time derivative of states.

        Parameters
        ----------
        y : array-like of shape (n, n_states)
            States; [x, x'] if ``order=2``.
        controls : array-like of shape (n, n_controls), default=None
            Controls at the same instants.

        Returns
        -------
        ndarray of shape (n, n_states)
        """
        check_is_fitted(self)
        home, controls = bring_home(y, controls)
        states = read_points(home, self._law.states.shape[1])
        controls = read_controls(controls, len(states), self.n_features_in_ - 1)
        return send_back(self._law.rate(states, controls), y)

    def simulate(self, y0: ArrayLike, t: ArrayLike, controls: Any = None) -> np.ndarray:
        """Integrate the equations from a first state.

        Parameters
        ----------
        y0 : array-like of shape (n_states,)
            State at ``t[0]``; [x, x'] if ``order=2``.
        t : array-like of shape (m,)
            Increasing times.
        controls : array-like of shape (m, n_controls) or callable, default=None
            Controls at `t`, linear in between, or a function of time that returns them.

        Returns
        -------
        ndarray of shape (m, n_states), or (m,) if `y` was 1-D and ``order=1``

        Raises
        ------
        ValueError
            If the trajectory blows up; the message names time and state.
        """
        check_is_fitted(self)
        home, y0, controls = bring_home(t, y0, controls)
        times = np.asarray(home, dtype=np.float64)
        if times.ndim != 1 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
            raise ValueError("t must be 1-D, finite and increase strictly; sort it first.")
        start = np.asarray(y0, dtype=np.float64).reshape(-1)
        n_states = self._law.states.shape[1]
        if start.shape != (n_states,) or not np.isfinite(start).all():
            raise ValueError(f"y0 must hold {n_states} finite numbers, one a state, not {y0!r}.")
        if not callable(controls):
            controls = read_controls(controls, len(times), self.n_features_in_ - 1)
        path = self._law.integrate(start, times, controls)
        return send_back(path[:, 0] if self._y_is_1d and self.order == 1 else path, t)
