"""How a fitted estimator shows its equations: in `print`, in terminals, in notebooks."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import estimator_html_repr


class ShownMixin(BaseEstimator):
    """Shows the equations of a fitted estimator; before the fit, what scikit-learn shows."""

    _fitted_by: str  # the attribute that a fit leaves and that the equations are written from

    def equations(self) -> list[str]:
        """Write the equations as lines of plain text.

        Returns
        -------
        list of str
        """
        raise NotImplementedError

    def to_latex(self) -> list[str]:
        """Write the equations in LaTeX.

        Returns
        -------
        list of str
        """
        raise NotImplementedError

    def __str__(self) -> str:
        lines = self.equations() if hasattr(self, self._fitted_by) else []
        return "\n".join([repr(self), *lines])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Show in IPython's terminal what `print` shows."""
        shown = {**super()._repr_mimebundle_(**kwargs), "text/plain": str(self)}
        return {**shown, "text/html": self._html_repr()} if "text/html" in shown else shown

    def _repr_html_inner(self) -> str:
        """Show the same in other notebooks; scikit-learn 1.6 asks here, not at `_html_repr`."""
        return self._html_repr()

    def _html_repr(self) -> str:
        """Show the equations above scikit-learn's diagram of the parameters."""
        known = hasattr(BaseEstimator, "_html_repr")  # from scikit-learn 1.7 on
        diagram = super()._html_repr() if known else estimator_html_repr(self)
        if not hasattr(self, self._fitted_by):
            return diagram
        lines = r" \\ ".join(line.replace(" = ", " &= ", 1) for line in self.to_latex())
        return f"<div>$$\\begin{{aligned}} {lines} \\end{{aligned}}$$</div>{diagram}"
