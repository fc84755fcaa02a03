"""The path of models as a table: one row a size, the largest first."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._found import Scored
from ._optional import import_optional
from .identify import Problem

_SHOWN = 3  # changes of one model that the printed table names


@dataclass(frozen=True)
class PathModel:
    """One model of the path, in the user's units.

    Attributes
    ----------
    n_terms : int
        Number of coefficients, fixed ones included.
    coef, coef_std : ndarray of shape (n_targets, n_terms of the library)
        Coefficients, 0 where a term is not in the model, and their standard errors (0 for a fixed
        coefficient, NaN for one at its bound).
    criterion : float
        Minus twice the log evidence; infinite if the fit did not converge.
    misfit : float
        Sum of squared residuals in units of the noise that was estimated without a model: about
        the number of measurements for a model that explains the data.
    noise_std : ndarray of shape (n_targets,)
        Standard deviation of the measurements around the model.
    converged : bool
    """

    n_terms: int
    coef: np.ndarray
    coef_std: np.ndarray
    criterion: float
    misfit: float
    noise_std: np.ndarray
    converged: bool


class ModelPath(list[PathModel]):
    """A list of `PathModel` that shows itself as a table.

    Parameters
    ----------
    models : iterable of PathModel
        The models, the largest first.
    targets, terms : list of str
        Names of the states and of the library's terms.
    """

    def __init__(self, models: Any = (), targets: Any = (), terms: Any = ()) -> None:
        super().__init__(models)
        self.targets, self.terms = list(targets), [str(term) for term in terms]

    def table(self) -> dict[str, list[Any]]:
        """Columns of the table: size, criterion, difference to the best, misfit, what is lost.

        Returns
        -------
        dict of str to list
        """
        best = min((model.criterion for model in self), default=np.inf)
        above = [
            model.criterion - best if np.isfinite(model.criterion) else np.inf for model in self
        ]
        return {
            "n_terms": [model.n_terms for model in self],
            "criterion": [model.criterion for model in self],
            "above_best": above,
            "misfit": [model.misfit for model in self],
            "converged": [model.converged for model in self],
            "loses": [self._change(i, 1) for i in range(len(self))],
            "gains": [self._change(i, -1) for i in range(len(self))],
        }

    def to_frame(self) -> Any:
        """Return the table as a DataFrame with one row a model.

        Returns
        -------
        pandas.DataFrame
            Columns as in `table`; the index is the number of terms.
        """
        pandas = import_optional("pandas", "pandas")
        return pandas.DataFrame(self.table()).set_index("n_terms")

    def __repr__(self) -> str:
        rows = self._rows()
        width = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join([cell.rjust(w) for cell, w in zip(row, width, strict=False)] + row[4:])
            for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        cells = ["<th>" + "</th><th>".join(head) + "</th>"]
        cells += ["<td>" + "</td><td>".join(row) + "</td>" for row in rows]
        return "<table><tr>" + "</tr><tr>".join(cells) + "</tr></table>"

    def _rows(self) -> list[list[str]]:
        """Title and rows of the table as text."""
        columns = self.table()
        rows = [["terms", "criterion", "above best", "misfit", "change from the row above"]]
        for i in range(len(self)):
            numbers = [columns[name][i] for name in ("criterion", "above_best", "misfit")]
            text = [f"{number:.4g}" if np.isfinite(number) else "-" for number in numbers]
            change = [f"- {each}" for each in columns["loses"][i]]
            change += [f"+ {each}" for each in columns["gains"][i]]
            more = [f"and {len(change) - _SHOWN} more"] if len(change) > _SHOWN + 1 else []
            change = change[:_SHOWN] + more if more else change
            rows.append([str(columns["n_terms"][i]), *text, ", ".join(change)])
        return rows

    def _change(self, i: int, sign: int) -> list[str]:
        """Terms that the model above has and this has not; with sign -1 the other way round."""
        if i == 0:
            return []
        had, has = self[i - 1].coef != 0, self[i].coef != 0
        gone = had & ~has if sign > 0 else has & ~had
        return [f"{self.terms[j]} in {self.targets[s]}'" for s, j in np.argwhere(gone)]


def describe(problem: Problem, model: Scored) -> PathModel:
    """Turn a scored fit into the user's units."""
    fit, targets, scales = model.fit, problem.targets, problem.scales
    std = np.zeros_like(fit.xi)
    std[fit.term, fit.target] = np.sqrt(np.diag(fit.covariance))
    if fit.held is not None:
        std[fit.term[fit.held], fit.target[fit.held]] = np.nan
    seen = slice(0, len(targets))
    squares = problem.data.squares(fit.nodes)[seen]
    return PathModel(
        fit.n_terms + int(np.count_nonzero(problem.candidates.fixed)),
        scales.raw_xi(fit.xi)[:, targets].T,
        scales.raw_xi(std)[:, targets].T,
        model.criterion,
        float((squares / problem.noise[seen] ** 2).sum()),
        fit.noise[seen] * scales.state[seen],
        bool(np.isfinite(model.criterion) and not fit.loose),
    )
