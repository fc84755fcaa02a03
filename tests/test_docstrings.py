"""Public docstrings: their parameters are those of the signature, and their examples exist.

The examples themselves run as doctests, which pytest collects from the package.
"""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import smnn_np

# Modules whose public functions users call by module, beside the names of the front door.
OPEN_MODULES = ("datasets", "display", "testing")
# No docstring; parameters missing, unknown or out of order; no type or no description of one;
# no word on what is returned; no summary.
ERRORS = {"GL08", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01", "SS01"}
# Values that only the library makes: no user calls their constructor. Those with fields document
# them as attributes.
RESULTS = {
    "smnn_np.Bootstrap",
    "smnn_np.Profile",
    "smnn_np.Factor",
    "smnn_np.Mechanism",
    "smnn_np.OdeGradients",
    "smnn_np.display.Curve",
    "smnn_np.display.RunCurves",
}
# What the factor offers to other files of the package, on flat arrays.
INTERNAL = {
    f"smnn_np.Factor.{name}"
    for name in (
        "judge",
        "pull",
        "right_side",
        "solve_adjoint",
        "solve_rows",
        "solve_to_pull",
        "to_output",
    )
}


def public_objects() -> Iterator[str]:
    """Yield the full name of every public function and class."""
    for name in smnn_np.__all__:
        if callable(getattr(smnn_np, name)):
            yield f"smnn_np.{name}"
    for module_name in OPEN_MODULES:
        module = importlib.import_module(f"smnn_np.{module_name}")
        for name, value in vars(module).items():
            # Some modules only gather: what they offer is written elsewhere in the package.
            at_home = getattr(value, "__module__", None) == module.__name__
            offered = at_home and not name.startswith("_")
            if callable(value) and (offered or name in getattr(module, "__all__", ())):
                yield f"{module.__name__}.{name}"


def resolve(full_name: str) -> Any:
    """Return the object of a dotted name."""
    module_name, _, name = full_name.rpartition(".")
    return getattr(importlib.import_module(module_name), name)


def public_methods() -> Iterator[str]:
    """Yield the methods that the public classes define, or inherit inside the package."""
    for full_name in OBJECTS:
        value = resolve(full_name)
        if inspect.isclass(value):
            own = (each for each in value.__mro__ if each.__module__.startswith("smnn_np"))
            for name in {name for each in own for name in vars(each)}:
                if inspect.isroutine(getattr(value, name)) and not name.startswith("_"):
                    yield f"{full_name}.{name}"


OBJECTS = sorted(set(public_objects()))
METHODS = sorted(set(public_methods()) - INTERNAL)


def complaints(full_name: str) -> list[str]:
    """Return what numpydoc finds wrong, of the kinds that matter here."""
    found = validate(full_name)["errors"]
    wanted = ERRORS - {"PR01"} if full_name in RESULTS else ERRORS
    return [f"{code}: {text}" for code, text in found if code in wanted]


def attributes(text: str) -> set[str]:
    """Return the names that a docstring's section Attributes describes."""
    entries = NumpyDocString(text)["Attributes"]
    return {name.strip() for entry in entries for name in entry.name.split(",")}


@pytest.mark.parametrize("full_name", OBJECTS + METHODS)
def test_docstring_matches_signature(full_name: str) -> None:
    assert complaints(full_name) == []


@pytest.mark.parametrize("full_name", sorted(RESULTS & set(OBJECTS)))
def test_result_documents_its_fields(full_name: str) -> None:
    value = resolve(full_name)
    fields = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", ())
    assert attributes(inspect.getdoc(value) or "") >= set(fields)


@pytest.mark.parametrize("full_name", sorted(set(OBJECTS) - RESULTS))
def test_docstring_has_an_example(full_name: str) -> None:
    text = inspect.getdoc(resolve(full_name)) or ""
    assert doctest.DocTestParser().get_examples(text), "no example with >>> in the docstring"


def test_the_reference_lists_every_public_object() -> None:
    page = (Path(__file__).parent.parent / "docs" / "api.rst").read_text()
    listed = re.findall(r"^   ([\w.]+)$", page, re.MULTILINE)
    assert {f"smnn_np.{name}" for name in listed} >= set(OBJECTS)


def test_a_wrong_docstring_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def scale(factor: float) -> float:
        """Scale.

        Parameters
        ----------
        faktor : float
            A number.
        """
        return factor

    monkeypatch.setattr(smnn_np, "scale", scale, raising=False)
    codes = {complaint[:4] for complaint in complaints("smnn_np.scale")}
    assert {"PR01", "PR02"} <= codes
