"""Fitted discoverers as JSON: plain text, with a number that says how to read it, and no pickle."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._path import ModelPath, PathModel
from .constraints import Constraints
from .library import FormulaLibrary, PolynomialLibrary
from .simulate import Nodes
from .terms import FormulaTerms, FourierTerms, JoinedTerms, PolynomialTerms, RationalTerms

_FORMAT = "smnn_np.SMNNDiscoverer"
_SCHEMA = 1  # raise it when a reader of the number before could not read the file
_TERMS = {
    each.__name__: each
    for each in (FormulaTerms, FourierTerms, JoinedTerms, PolynomialTerms, RationalTerms)
}
_FIELDS = ("n_terms", "coef", "coef_std", "criterion", "misfit", "noise_std", "converged", "states")


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
    document = {
        "format": _FORMAT,
        "schema": _SCHEMA,
        "version": sys.modules[__package__].__version__,
        "parameters": {name: _pack(value, name) for name, value in model.get_params(False).items()},
        "states": list(model.state_names_),
        "terms": [str(term) for term in model.feature_names_out_],
        "inputs": [str(name) for name in getattr(model, "feature_names_in_", [])],
        "n_features_in": int(model.n_features_in_),
        "y_is_1d": bool(model._y_is_1d),
        "library": _pack_library(model._library),
        "nodes": {name: _pack(value, "groups") for name, value in vars(model._at).items()},
        "path": [
            {name: _pack(getattr(each, name), name) for name in _FIELDS} for each in model.path_
        ],
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
    model.set_params(**{name: _unpack(value) for name, value in document["parameters"].items()})
    model.state_names_ = document["states"]
    model.feature_names_out_ = np.array(document["terms"], dtype=object)
    if document["inputs"]:
        model.feature_names_in_ = np.array(document["inputs"], dtype=object)
    model.n_features_in_, model._y_is_1d = document["n_features_in"], document["y_is_1d"]
    model._library = _unpack_library(document["library"])
    if isinstance(model._library, PolynomialLibrary):
        model.powers_ = model._library.powers
    model._at = Nodes(**{name: _unpack(value) for name, value in document["nodes"].items()})
    path = [
        PathModel(**{name: _unpack(each[name]) for name in _FIELDS}) for each in document["path"]
    ]
    model.path_ = ModelPath(path, model.state_names_, model.feature_names_out_)
    model._choose(document["chosen"])


def _pack(value: Any, name: str) -> Any:
    """Turn a value into what JSON holds; what it does not hold stands in a {"kind": value}."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.floating | np.integer | np.bool_):
        number = value.item() if isinstance(value, np.generic) else value
        return (
            number
            if not isinstance(number, float) or np.isfinite(number)
            else {"float": repr(number)}
        )
    if isinstance(value, list | tuple):
        return [_pack(each, name) for each in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiubU":
        return {"array": _pack(value.ravel().tolist(), name), "shape": list(value.shape)}
    if isinstance(value, np.ndarray):
        return {"array": [_pack(each, name) for each in value.ravel()], "shape": list(value.shape)}
    if isinstance(value, Mapping):
        return {"mapping": [[_pack(key, name), _pack(value[key], name)] for key in value]}
    if isinstance(value, Constraints):
        return {"constraints": {key: _pack(each, key) for key, each in vars(value).items() if each}}
    if type(value).__name__ in _TERMS and type(value) is _TERMS[type(value).__name__]:
        parameters = value.get_params(deep=False).items()
        return {
            "terms": type(value).__name__,
            "parameters": {k: _pack(v, k) for k, v in parameters},
        }
    raise ValueError(
        f"{name} = {value!r} cannot be written as JSON; use a library of smnn_np (PolynomialTerms, "
        "FormulaTerms, ...), or pickle."
    )


def _unpack(value: Any) -> Any:
    """Turn what `_pack` made into what it was; sequences are lists."""
    if isinstance(value, list):
        return [_unpack(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "array" in value:
        return np.array(_unpack(value["array"])).reshape(value["shape"])
    if "mapping" in value:
        return {_key(key): _unpack(each) for key, each in value["mapping"]}
    if "constraints" in value:
        return Constraints(**_places(value["constraints"]))
    parameters = {key: _unpack(each) for key, each in value["parameters"].items()}
    return _TERMS[value["terms"]](**parameters)


def _places(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the fields of constraints into what their constructor takes."""
    fields = {name: _unpack(value) for name, value in packed.items()}
    for name in ("require", "forbid"):
        fields[name] = [tuple(place) for place in fields.get(name, ())]
    return fields


def _key(key: Any) -> Any:
    """Key of a mapping: a name, or the pair of a place."""
    return tuple(key) if isinstance(key, list) else key


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
    return _pack(library, "library")


def _unpack_library(packed: Mapping[str, Any]) -> Any:
    """Turn text into a library."""
    if "powers" in packed:
        powers = np.array(packed["powers"], dtype=np.int64).reshape(-1, packed["n_inputs"])
        return PolynomialLibrary.of_powers(powers)
    return FormulaLibrary(packed["inputs"], packed["shown"], packed["sources"])
