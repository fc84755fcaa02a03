"""What the command line says about a fit: lines for people, a dictionary for programs."""

import textwrap
from typing import Any

import numpy as np

from ._series import Series
from .discoverer import SMNNDiscoverer
from .text import format_equations_with_errors

_POOR = 0.5  # R^2 of the smoothed states below which the equations explain little
_GOOD = 0.9  # R^2 of smoothed states above which the trajectory is worth a word


def describe_data(series: Series) -> list[str]:
    """Say where the data come from and how much there is."""
    t = series.inputs[:, 0]
    missing = int(np.isnan(series.states).sum())
    size = f"{len(t)} rows, {_listed('state', series.names)}"
    if series.controls:
        size += f", {_listed('control', series.controls)}"
    if series.groups is not None:
        size += f", {len(np.unique(series.groups))} runs"
    if missing:
        size += f", {missing} of {series.states.size} values missing"
    span = f"time ({series.time_label}) from {t.min():.10g} to {t.max():.10g}"
    return [f"Data: {series.origin[0]}", *(f"  {line}" for line in series.origin[1:]),
            f"  {size}", f"  {span}"]  # fmt: skip


def describe_fit(model: SMNNDiscoverer, best: int, series: Series) -> list[str]:
    """Write equations, path, noise and fit of the model shown; `best` terms is the criterion's."""
    names, shown = series.names, int(np.count_nonzero(model.coef_))
    terms = [str(term) for term in model.feature_names_out_]
    equations = format_equations_with_errors(
        names, terms, model.coef_, model.coef_std_, model.order
    )
    noise = [f"{n} {s:.3g}" for n, s in zip(names, model.noise_std_, strict=True)]
    return [
        "", f"Equations, {shown} term{'s' * (shown != 1)} (coefficient ± standard error)",
        *(f"  {line}" for line in equations),
        "", "Path of models (criterion: minus twice the log evidence, lower is better)",
        *_path_table(model, shown, best),
        *([] if shown == best else ["", *_disagreement(model, shown, best, names, terms)]),
        "", f"Noise (standard deviation): {', '.join(noise)}",
        *_describe_quality(*fit_quality(model, series)),
    ]  # fmt: skip


def summarize(model: SMNNDiscoverer, series: Series) -> dict[str, Any]:
    """Collect the result for JSON; what is not a finite number becomes None."""
    terms = [str(term) for term in model.feature_names_out_]
    return {
        "targets": series.names,
        "terms": terms,
        "coef": _finite(model.coef_),
        "coef_std": _finite(model.coef_std_),
        "noise_std": _finite(model.noise_std_),
        "r2": _finite(fit_quality(model, series)[0]),
        "equations": model.equations(),
        "dropped": _dropped(model, series.names, terms),
    }


def fit_quality(model: SMNNDiscoverer, series: Series) -> tuple[float, float]:
    """R^2 of the smoothed states and of the simulated trajectory."""
    data = (series.inputs, series.states)
    return model.score(*data, groups=series.groups), model.score_simulated(
        *data, groups=series.groups
    )


def _describe_quality(smoothed: float, simulated: float) -> list[str]:
    """Say how well states and trajectory match the data, and what a bad trajectory can mean."""
    blown_up = not np.isfinite(simulated)
    lines = [
        f"R^2 of the smoothed states: {smoothed:.4f}",
        "R^2 of the trajectory simulated from the first state: "
        + ("none, it blows up" if blown_up else f"{simulated:.4f}"),
    ]
    if smoothed < _POOR:
        lines.append(
            "  (these equations explain little: most of the record counts as noise in them;"
        )
        lines.append(
            "  another --degree, further states or a shorter stretch of time may do better)"
        )
    if smoothed > _GOOD and (blown_up or simulated < smoothed - 0.2):
        lines.append(
            "  (the trajectory leaves the data: sooner or later any does if the law is chaotic;"
        )
        lines.append("  if it is not, the law lacks something)")
    return lines


def _path_table(model: SMNNDiscoverer, shown: int, best: int) -> list[str]:
    """Lay out the path as a table, one line a model."""
    lowest = min(record.criterion for record in model.path_)
    choice = "the criterion's choice" if np.isfinite(lowest) else "kept: no model converged"
    lines = [f"  {'terms':>5}  {'criterion':>12}  {'above best':>12}  {'misfit':>12}"]
    for record in model.path_:
        marks = ["shown"] * (record.n_terms == shown)
        marks += [choice] * (record.n_terms == best)
        cells = [f"{record.n_terms:>5}", f"{_short(record.criterion, '.1f'):>12}"]
        cells += [f"{_short(record.criterion - lowest, '.1f'):>12}"]
        cells += [f"{_short(record.misfit, '.4g'):>12}", ", ".join(marks)]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines


def _disagreement(
    model: SMNNDiscoverer, shown: int, best: int, names: list[str], terms: list[str]
) -> list[str]:
    """Say what the criterion chose instead of the model shown, by how much, and why."""
    by_size = {record.n_terms: record for record in model.path_}
    mine, theirs = by_size[shown], by_size[best]
    delta = mine.criterion - theirs.criterion
    more = np.argwhere((theirs.coef != 0) & (mine.coef == 0))
    fewer = np.argwhere((theirs.coef == 0) & (mine.coef != 0))
    change = [f"{terms[j]} in {names[i]}'" for i, j in (more if len(more) else fewer)]
    verdict = f"The criterion chose {best} terms, not {shown}"
    if not np.isfinite(delta):
        return [f"{verdict}: the fit with {shown} terms did not converge, so it has no score."]
    if len(more):
        why = (
            f"it keeps {', '.join(change)}, which explain more than the criterion charges for them"
        )
    else:
        why = f"it leaves out {', '.join(change)}, which explain less than they cost"
    return textwrap.wrap(f"{verdict}, by {delta:.1f} (twice the log of an odds ratio): {why}.", 88)


def _dropped(model: SMNNDiscoverer, names: list[str], terms: list[str]) -> list[dict[str, Any]]:
    """List the terms that are not in the model, with what dropping each won when it fell.

    ``delta_bic`` is the criterion of the last model of the path with the term minus that of the
    next one: above zero the term cost more than it explained. Terms that fell together share it.
    """
    dropped = []
    for before, after in zip(model.path_, model.path_[1:], strict=False):
        fell = (before.coef != 0) & (after.coef == 0) & (model.coef_ == 0)
        delta = _finite(before.criterion - after.criterion)
        dropped += [
            {"target": names[i], "term": terms[j], "delta_bic": delta} for i, j in np.argwhere(fell)
        ]
    return dropped


def _listed(noun: str, names: list[str]) -> str:
    """Count and name things: ``2 states (hare, lynx)``."""
    return f"{len(names)} {noun}{'s' * (len(names) != 1)} ({', '.join(names)})"


def _short(number: float, form: str) -> str:
    """Write a number of the table; a model that did not converge has no criterion."""
    return format(number, form) if np.isfinite(number) else "-"


def _finite(values: Any) -> Any:
    """Turn arrays into lists of floats, with None for what JSON cannot hold."""
    if np.ndim(values):
        return [_finite(value) for value in values]
    return float(values) if np.isfinite(values) else None
