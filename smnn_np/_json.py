"""Values as what JSON holds: arrays, infinities, constraints and ready libraries included."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .constraints import Constraints
from .terms import FormulaTerms, FourierTerms, JoinedTerms, PolynomialTerms, RationalTerms

_TERMS = {
    each.__name__: each
    for each in (FormulaTerms, FourierTerms, JoinedTerms, PolynomialTerms, RationalTerms)
}


def pack(value: Any, name: str) -> Any:
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
        return [pack(each, name) for each in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiubU":
        return {"array": pack(value.ravel().tolist(), name), "shape": list(value.shape)}
    if isinstance(value, np.ndarray):
        return {"array": [pack(each, name) for each in value.ravel()], "shape": list(value.shape)}
    if isinstance(value, Mapping):
        return {"mapping": [[pack(key, name), pack(value[key], name)] for key in value]}
    if isinstance(value, Constraints):
        return {"constraints": {key: pack(each, key) for key, each in vars(value).items() if each}}
    if type(value).__name__ in _TERMS and type(value) is _TERMS[type(value).__name__]:
        parameters = value.get_params(deep=False).items()
        return {
            "terms": type(value).__name__,
            "parameters": {k: pack(v, k) for k, v in parameters},
        }
    raise ValueError(
        f"{name} = {value!r} cannot be written as JSON; use a library of smnn_np (PolynomialTerms, "
        "FormulaTerms, ...), or pickle."
    )


def unpack(value: Any) -> Any:
    """Turn what `pack` made into what it was; sequences are lists."""
    if isinstance(value, list):
        return [unpack(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "array" in value:
        return np.array(unpack(value["array"])).reshape(value["shape"])
    if "mapping" in value:
        return {_key(key): unpack(each) for key, each in value["mapping"]}
    if "constraints" in value:
        return Constraints(**_places(value["constraints"]))
    parameters = {key: unpack(each) for key, each in value["parameters"].items()}
    return _TERMS[value["terms"]](**parameters)


def _places(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the fields of constraints into what their constructor takes."""
    fields = {name: unpack(value) for name, value in packed.items()}
    for name in ("require", "forbid"):
        fields[name] = [tuple(place) for place in fields.get(name, ())]
    return fields


def _key(key: Any) -> Any:
    """Key of a mapping: a name, or the pair of a place."""
    return tuple(key) if isinstance(key, list) else key
