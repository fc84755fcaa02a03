"""Which terms survive when the data are drawn again: a bootstrap over runs or blocks of time."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import check_random_state

from ._arrays import bring_home
from ._data import as_columns, read_groups, read_states
from ._optional import import_optional

_MANY_RUNS = 5  # as many, and whole runs are drawn


@dataclass(frozen=True)
class Bootstrap:
    """Coefficients of fits to data drawn again.

    Attributes
    ----------
    coef : ndarray of shape (n_draws, n_targets, n_terms)
        Coefficients of every draw, 0 where a term was not chosen.
    targets, terms : list of str
        Names of the states and of the terms.
    n_failed : int
        Draws that could not be fitted, which are left out.
    """

    coef: np.ndarray
    targets: list[str]
    terms: list[str]
    n_failed: int

    @property
    def inclusion(self) -> np.ndarray:
        """Share of the draws in which a term was chosen (n_targets, n_terms)."""
        return np.mean(self.coef != 0, axis=0)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation over the draws that have a term; NaN where fewer than two have."""
        with_it = np.where(self.coef != 0, self.coef, np.nan)
        few = (self.coef != 0).sum(axis=0) < 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # empty slices
            return np.where(few, np.nan, np.nanstd(with_it, axis=0, ddof=1))

    def table(self) -> dict[str, list[Any]]:
        """Columns: state, term, inclusion, median, standard deviation, of terms ever chosen.

        Returns
        -------
        dict of str to list
        """
        share = self.inclusion
        places = np.argwhere(share > 0).tolist()
        places = sorted(places, key=lambda place: (place[0], -share[place[0], place[1]]))
        chosen = [self.coef[:, s, a][self.coef[:, s, a] != 0] for s, a in places]
        return {
            "state": [self.targets[s] for s, _ in places],
            "term": [self.terms[a] for _, a in places],
            "inclusion": [float(self.inclusion[s, a]) for s, a in places],
            "median": [float(np.median(each)) for each in chosen],
            "std": [float(self.std[s, a]) for s, a in places],
        }

    def to_frame(self) -> Any:
        """Return the table as a DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row for each term that was ever chosen.
        """
        return import_optional("pandas", "pandas").DataFrame(self.table())

    def __repr__(self) -> str:
        columns = self.table()
        rows = [["state", "term", "inclusion", "median", "std"]]
        for state, term, share, *numbers in zip(*columns.values(), strict=True):
            rows.append([state, term, f"{share:.2f}", *(f"{each:.3g}" for each in numbers)])
        width = [max(len(row[i]) for row in rows) for i in range(5)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, width, strict=True)).rstrip()
            for row in rows
        )


def bootstrap(
    estimator: Any,
    t: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_draws: int = 20,
    n_blocks: int | None = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Bootstrap:
    """Fit to data drawn again, to see which terms depend on a few of the samples.

    Runs, or blocks of time, are drawn with replacement; one that is drawn twice weighs twice.

    Parameters
    ----------
    estimator : SMNNDiscoverer
        It is cloned, not fitted.
    t, y : array-like
        As in ``SMNNDiscoverer.fit``.
    groups : array-like of shape (n,), default=None
        Labels of the runs.
    n_draws : int, default=20
        Number of fits; more where inclusion probabilities near one half matter.
    n_blocks : int, default=None
        Blocks of equal numbers of samples that every run is cut into. By default whole runs are
        drawn if there are five or more, and else ten blocks a run. Blocks should be longer than
        the noise's memory, and short enough that the law bridges a missing one.
    n_jobs : int, default=None
        Number of processes, as joblib takes it.
    random_state : int, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    Bootstrap
        Inclusion probabilities and spread of all coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> from smnn_np import SMNNDiscoverer, bootstrap
    >>> t = np.linspace(0, 4, 80)
    >>> y = np.exp(-t) + 0.01 * np.random.default_rng(0).standard_normal(80)
    >>> found = bootstrap(SMNNDiscoverer(), t, y, n_draws=5, random_state=0)
    >>> bool(found.inclusion[0, found.terms.index("x")] > 0.5)
    True
    """
    t, y, groups = bring_home(t, y, groups)
    columns = as_columns(t)
    times = np.asarray(columns, dtype=np.float64)[:, 0]
    read_states(y, len(times))
    labels = read_groups(groups, len(times))
    block = _blocks(times, labels, n_blocks)
    rng = check_random_state(random_state)
    n = block.max() + 1
    drawn = [np.bincount(rng.randint(n, size=n), minlength=n)[block] for _ in range(n_draws)]
    fits = Parallel(n_jobs=n_jobs)(
        delayed(_fit)(clone(estimator), columns, y, labels, 1.0 * weight) for weight in drawn
    )
    good = [each for each in fits if each is not None]
    if not good:
        raise ValueError(
            f"none of the {n_draws} draws could be fitted: n_blocks = {n_blocks} leaves too few "
            "samples; draw more, smaller blocks."
        )
    _, states, terms = good[0]
    coef = np.stack([each[0] for each in good])
    return Bootstrap(coef, states, terms, len(fits) - len(good))


def _blocks(times: np.ndarray, labels: np.ndarray | None, n_blocks: int | None) -> np.ndarray:
    """Number of the block of each sample."""
    runs = np.zeros(len(times), dtype=np.int64)
    if labels is not None:
        _, runs = np.unique(labels, return_inverse=True)
    n_runs = int(runs.max()) + 1
    if n_blocks is None:
        n_blocks = 1 if n_runs >= _MANY_RUNS else 10
    if n_blocks * n_runs < 2:
        raise ValueError(f"n_blocks = {n_blocks}: with one run at least two blocks are needed.")
    block = np.empty(len(times), dtype=np.int64)
    for run in range(n_runs):
        rows = np.flatnonzero(runs == run)
        rows = rows[np.argsort(times[rows], kind="stable")]
        block[rows] = run * n_blocks + np.arange(len(rows)) * n_blocks // len(rows)
    return np.unique(block, return_inverse=True)[1]


def _fit(
    estimator: Any, t: Any, y: Any, groups: Any, weight: np.ndarray
) -> tuple[np.ndarray, list[str], list[str]] | None:
    """Fit one draw; None if it cannot be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            estimator.fit(t, y, groups=groups, sample_weight=weight)
        except ValueError:
            return None
    terms = [str(term) for term in estimator.feature_names_out_]
    return estimator.coef_, list(estimator.state_names_), terms
