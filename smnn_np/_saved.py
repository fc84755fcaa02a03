"""Fitted discoverers as JSON: plain text, with a number that says how to read it, and no pickle.

What is written are the measurements on the nodes of the fit and, in the user's units, all models of
the path with their smoothed states: nothing that depends on how a fit is done.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._data import Record
from ._found import Scored
from ._json import pack, unpack
from ._known import scale_candidates
from ._path import ModelPath, PathModel
from ._scaled import ScaledLibrary
from .dynamics import Law
from .formula import check_source, read_formula
from .identify import Problem, Scales
from .library import FormulaLibrary, PolynomialLibrary
from .optimize import JointFit, Measurements
from .text import clean_name

_FORMAT = "smnn_np.SMNNDiscoverer"
_SCHEMA = 1  # raise it when a reader of the number before could not read the file


class SavedMixin(BaseEstimator):
    """Saving and loading of a fitted discoverer."""

    def to_json(self, path: Any = None) -> str:
        """Write the fitted model as text that later versions read, without pickle.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write to as well.

        Returns
        -------
        str
            The text. It holds all models of `path_` and the smoothed states, not the samples.

        Raises
        ------
        ValueError
            If the library is a transformer that is not of this package.
        """
        check_is_fitted(self)
        text = write_json(self)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: Any) -> Self:
        """Read a fitted model that `to_json` wrote.

        Parameters
        ----------
        source : str or os.PathLike
            The text, or the path of a file that holds it.

        Returns
        -------
        SMNNDiscoverer
            The fitted estimator.

        Raises
        ------
        ValueError
            If the text is something else, or of a newer schema.

        Examples
        --------
        >>> import numpy as np
        >>> from smnn_np import SMNNDiscoverer
        >>> t = np.linspace(0, 2, 50)
        >>> text = SMNNDiscoverer().fit(t, np.exp(-t)).to_json()
        >>> SMNNDiscoverer.from_json(text).equations()
        ["x' = -1.0 x"]
        """
        is_text = isinstance(source, str) and source.lstrip().startswith("{")
        text = source if is_text else Path(source).read_text(encoding="utf-8")
        return read_json(text, cls())


def write_json(model: Any) -> str:
    """Write a fitted discoverer."""
    problem = model._problem
    models = zip(model.path_, model._models, strict=True)
    document = {
        "format": _FORMAT,
        "schema": _SCHEMA,
        "version": sys.modules[__package__].__version__,
        "parameters": {name: pack(value, name) for name, value in model.get_params(False).items()},
        "states": list(model.state_names_),
        "inputs": [str(name) for name in getattr(model, "feature_names_in_", [])],
        "n_features_in": int(model.n_features_in_),
        "y_is_1d": bool(model._y_is_1d),
        "library": _pack_library(model._library),
        "record": {name: pack(value, "groups") for name, value in vars(problem.record).items()},
        "scales": {name: pack(value, name) for name, value in vars(problem.scales).items()},
        "path": [_pack_model(*each, problem) for each in models],
        "chosen": model._chosen,
    }
    return json.dumps(document, allow_nan=False)


def read_json(text: str, model: Any) -> Any:
    """Fill an unfitted discoverer with what `write_json` wrote; ValueError if it cannot be read."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no JSON: {error}.") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"this JSON does not hold a fitted {_FORMAT}; write one with to_json.")
    if document["schema"] > _SCHEMA:
        raise ValueError(
            f"this file was written by smnn_np {document['version']} in a newer schema, "
            f"{document['schema']}, than the {_SCHEMA} that is known here; upgrade smnn-np."
        )
    try:
        _fill(model, document)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this file is damaged: {error!r}; write it again with to_json.") from None
    return model


def _fill(model: Any, document: Mapping[str, Any]) -> None:
    """Set the attributes of a fitted model."""
    model.set_params(**{name: unpack(value) for name, value in document["parameters"].items()})
    model.state_names_ = [clean_name(name) for name in document["states"]]
    if document["inputs"]:
        model.feature_names_in_ = np.array(document["inputs"], dtype=object)
    model.n_features_in_, model._y_is_1d = document["n_features_in"], document["y_is_1d"]
    model._library = _unpack_library(document["library"])
    terms = model._library.names(model._input_names())
    model.feature_names_out_ = np.array(terms, dtype=object)
    if isinstance(model._library, PolynomialLibrary):
        model.powers_ = model._library.powers
    record = Record(**{name: unpack(value) for name, value in document["record"].items()})
    scales = Scales(**{name: unpack(value) for name, value in document["scales"].items()})
    model._problem = _problem(record, scales, model._library, model.order)
    fields = PathModel.__dataclass_fields__
    path = [{name: unpack(value) for name, value in each.items()} for each in document["path"]]
    shown = [PathModel(**{name: each[name] for name in fields}) for each in path]
    model.path_ = ModelPath(shown, model.state_names_, model.feature_names_out_)
    model._models = [Scored(_fit(each, model._problem), each["criterion"]) for each in path]
    model._choose(document["chosen"])


def _pack_model(shown: PathModel, model: Scored, problem: Problem) -> dict[str, Any]:
    """Turn a model of the path into text."""
    fit, state = model.fit, problem.scales.state
    values = vars(shown) | {
        "nodes": fit.nodes * state,
        "node_noise": fit.noise * state,
        "slack": fit.slack,
        "loose": fit.loose,
        "term": fit.term,
        "target": fit.target,
        "basis": fit.basis,
    }
    return {name: pack(value, name) for name, value in values.items()}


def _fit(packed: Mapping[str, Any], problem: Problem) -> JointFit:
    """Turn a model of the path into a fit; its costs are not known any more."""
    raw = np.zeros((len(problem.scales.term), len(problem.scales.state)))
    raw[:, problem.targets] = packed["coef"].T
    nodes = packed["nodes"] / problem.scales.state
    return JointFit(
        nodes,
        problem.scales.scaled_xi(raw),
        np.zeros((0, 0)),
        packed["term"].astype(np.int64),
        packed["target"].astype(np.int64),
        packed["node_noise"] / problem.scales.state,
        packed["slack"],
        np.zeros((len(problem.law.step), nodes.shape[1])),
        loose=packed["loose"],
        basis=packed["basis"],
    )


def _problem(record: Record, scales: Scales, library: Any, order: int) -> Problem:
    """Put a problem together again, as far as a fitted law asks for it."""
    n_measured, n_states = record.mean.shape[1], len(scales.state)
    known = np.zeros((n_states, n_states))
    if order == 2:
        known[:n_measured, n_measured:] = np.eye(n_measured)
    input_scale = np.append(scales.state, np.ones(record.controls.shape[1]))
    step = np.where(record.joined, np.diff(record.times) / scales.time, 1.0)
    scaled = ScaledLibrary(library, input_scale, scales.term)
    law = Law(scaled, known, step, record.joined, record.controls)
    spread = scales.state[:n_measured]
    mean, count = np.zeros((2, len(record.times), n_states))
    mean[:, :n_measured], count[:, :n_measured] = record.mean / spread, record.count
    within = np.zeros(n_states)
    within[:n_measured] = record.within / spread**2
    targets = np.arange(n_states - n_measured, n_states)
    every = scale_candidates(None, np.ones((len(scales.term), n_measured)))
    unknown = np.full(n_states, np.nan)
    data = Measurements(mean, count, within)
    return Problem(record, scales, law, data, targets, unknown, every, unknown)


def _pack_library(library: Any) -> dict[str, Any]:
    """Turn a library into text."""
    if isinstance(library, PolynomialLibrary):
        return {"powers": library.powers.tolist(), "n_inputs": library.powers.shape[1]}
    if isinstance(library, FormulaLibrary):
        return {
            "inputs": library.inputs,
            "shown": [str(name) for name in library.shown],
            "sources": library.sources(),
        }
    return pack(library, "library")


def _unpack_library(packed: Mapping[str, Any]) -> Any:
    """Turn text into a library."""
    if "powers" in packed:
        powers = np.array(packed["powers"], dtype=np.int64).reshape(-1, packed["n_inputs"])
        return PolynomialLibrary.of_powers(powers)
    for source in packed["sources"]:  # they will be evaluated: a file is not to be trusted
        check_source(source, len(packed["inputs"]))
    for name in packed["shown"]:
        read_formula(name, packed["inputs"])
    return FormulaLibrary(packed["inputs"], packed["shown"], packed["sources"])
