"""The linear ODEs of a fitted smoother and of a fitted regressor, written out.

Both are ``x^(R) + c_{R-1} x^(R-1) + ... + c_0 x = right-hand side``: with numbers for coefficients
where there are any, else with the names of functions.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._emitter import Emitter
from ._notation import (
    latex_number,
    latex_rate,
    number_with_error,
    plain_rate,
    sum_of_terms,
)
from ._shown import ShownMixin
from ._smoothing import SeriesFit
from .mechanism import Design


class Style(NamedTuple):
    """How to write: plainly or in LaTeX.

    Attributes
    ----------
    rate, indexed : callable
        Derivative r of a name; a name with an index.
    number : callable
        Takes a number, perhaps with its error, as plain text.
    space, comma, dots, inside, noise, total : str
        Between factors; between parts of a line; a range; "is in"; the noise of samples is; the
        sum over all dimensions v.
    """

    rate: Callable[[str, int], str]
    indexed: Callable[[str, str], str]
    number: Callable[[str], str]
    space: str
    comma: str
    dots: str
    inside: str
    noise: str
    total: str


PLAIN = Style(
    rate=plain_rate,
    indexed=lambda name, index: f"{name}_{index}" if index[:1].isalpha() else f"{name}{index}",
    number=str,
    space=" ",
    comma=", ",
    dots="..",
    inside=" in ",
    noise="noise ",
    total="sum_v",
)
LATEX = Style(
    rate=latex_rate,
    indexed=lambda name, index: f"{name}_{{{index}}}" if index else name,
    number=latex_number,
    space="\\, ",
    comma=", \\quad ",
    dots=", \\dots, ",
    inside=" \\in ",
    noise="\\sigma = ",
    total="\\sum_v",
)


def smoothed_line(name: str, fit: SeriesFit, style: Style) -> str:
    """Write the equation of a smoothed series, and how strong its drive and noise are."""
    orders = range(fit.order)
    named = [f"{style.indexed('c', str(r))}(t)" for r in orders]
    coefs, ranges = np.ones(fit.order), []
    if not fit.by_function:
        _, values, std = fit.coefficients()
        if len(values) > 1:
            ends = np.stack([values.min(axis=0), values.max(axis=0)], axis=1)
            spans = [", ".join(_rounded(end, style) for end in pair) for pair in ends]
            ranges = [f"{c}{style.inside}[{span}]" for c, span in zip(named, spans, strict=True)]
        else:
            coefs = values[0]
            pairs = zip(np.abs(coefs).tolist(), std[0].tolist(), strict=True)
            named = [style.number(number_with_error(*pair)) for pair in pairs]
    rates = [style.rate(name, r) for r in range(fit.order + 1)][::-1]
    row, numbers = np.array([1.0, *coefs[::-1]]), ["", *named[::-1]]
    left = sum_of_terms(rates, row, numbers, style.space).removeprefix(style.space)
    strengths = f"q = {_rounded(fit.drive, style)}", f"{style.noise}{_rounded(fit.noise, style)}"
    return style.comma.join([f"{left} = q{style.space}w", *ranges, *strengths])


def _rounded(value: float, style: Style) -> str:
    """Write a number of which no error is known."""
    return style.number(f"{value:.4g}")


def emitted_lines(design: Design, style: Style) -> list[str]:
    """Write the form of the ODEs that a network emits: the equation, initial values, the rest."""
    row = "" if design.n_dims == 1 else "q"
    column = "v" if row and design.coupled else row
    first = [
        f"{style.rate(_dimension(row), r)}(0) = {style.indexed('u', f'{row}{r}')}(x)"
        for r in range(design.order)
    ]
    lines = [_emitted_equation(design, row, column, style), style.comma.join(first)]
    if design.learn_step:
        steps, step = (style.rate(name, 0) for name in ("steps", "step"))
        lines.append(f"{steps} = s(x){style.space}{step}")
    if design.learn_weights:
        weights = [style.rate(name, 0) for name in ("weight_equation", "weight_initial")]
        emitted = [f"{name} = {style.indexed('w', str(i))}(x)" for i, name in enumerate(weights)]
        lines.append(style.comma.join(emitted))
    return lines


def _emitted_equation(design: Design, row: str, column: str, style: Style) -> str:
    """Write the equation of dimension `row`, none where there is but one; it holds `column`."""
    arguments = "(x, t)" if design.n_shapes > 1 else "(x)"
    place = row if row == column else row + column
    named = [style.indexed("c", f"{place}{r}") + arguments for r in range(design.order)]
    lower = [style.rate(_dimension(column), r) for r in range(design.order)]
    highest = style.rate(_dimension(row), design.order)
    terms = [f"{c}{style.space}{rate}" for c, rate in zip(named, lower, strict=True)][::-1]
    if row == column:
        left = " + ".join([highest, *terms])
    else:
        left = f"{highest} + {style.total} ({' + '.join(terms)})"
    line = f"{left} = {style.indexed('d', row)}{arguments}"
    if not row:
        return line
    indices = ", ".join(dict.fromkeys([row, column]))
    return f"{line}{style.comma}{indices} = 0{style.dots}{design.n_dims - 1}"


def _dimension(index: str) -> str:
    """Name a dimension of the trajectories."""
    return f"y_{index}" if index else "y"


class SmoothedMixin(ShownMixin):
    """The equations of a fitted smoother."""

    state_names_: list[str]
    _fits: list[SeriesFit]
    _fitted_by = "noise_std_"

    def equations(self) -> list[str]:
        """Write the equations of the series, as ``x'' + 4.0 x = q w, q = 0.1, noise 0.02``.

        Returns
        -------
        list of str
            One a series: learned coefficients with their standard errors, those that vary with the
            range of their values at the knots; q is the density of the drive w, and "noise" the
            standard deviation of the samples' noise.

        Examples
        --------
        >>> import numpy as np
        >>> from smnn_np import SMNNSmoother
        >>> t = np.linspace(0, 6, 200)
        >>> model = SMNNSmoother(coefficients=[4.0, 0.0], noise_std=0.1, drive_std=0.01)
        >>> model.fit(t, np.sin(2 * t)).equations()
        ["x'' + 4.0 x = q w, q = 0.01, noise 0.1"]
        """
        return self._lines(PLAIN)

    def to_latex(self) -> list[str]:
        """Write the equations in LaTeX.

        Returns
        -------
        list of str
            One a series.
        """
        return self._lines(LATEX)

    def _lines(self, style: Style) -> list[str]:
        """Write one line a series."""
        check_is_fitted(self, self._fitted_by)
        pairs = zip(self.state_names_, self._fits, strict=True)
        return [smoothed_line(name, fit, style) for name, fit in pairs]


class EmittedMixin(ShownMixin):
    """The form of the equations of a fitted regressor."""

    _emitter: Emitter
    _fitted_by = "n_iter_"

    def equations(self) -> list[str]:
        """Write the form of the ODEs that the network emits; `predict_ode` has the numbers.

        Returns
        -------
        list of str
            The equation, such as ``y'' + c1(x) y' + c0(x) y = d(x)`` with x the features; the
            initial values; and steps and weights where they are learned. With several dimensions
            it is that of dimension q, and ``c_qvr`` stands before derivative r of dimension v.

        Examples
        --------
        >>> import numpy as np
        >>> from smnn_np import SMNNRegressor
        >>> X, y = np.linspace(1, 2, 9)[:, None], np.ones((9, 5))
        >>> SMNNRegressor(order=1).fit(X, y).equations()
        ["y' + c0(x) y = d(x)", 'y(0) = u0(x)']
        """
        check_is_fitted(self, self._fitted_by)
        return emitted_lines(self._emitter.design, PLAIN)

    def to_latex(self) -> list[str]:
        """Write the form of the ODEs in LaTeX.

        Returns
        -------
        list of str
            As of `equations`.
        """
        check_is_fitted(self, self._fitted_by)
        return emitted_lines(self._emitter.design, LATEX)
