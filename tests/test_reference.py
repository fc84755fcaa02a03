"""The solver against inputs, outputs and gradients of the published implementation."""

from pathlib import Path

import numpy as np
import pytest

from smnn_np.adjoint import ode_solve_vjp
from smnn_np.ode import ode_solve

CASES = [f"{case:02d}" for case in range(10)]
FACTORIZATIONS = ["auto", "cholesky", "qr"]
GRADIENTS = ["coefficients", "rhs", "initial", "steps"]
# Relative to the largest entry; the published solver itself loses up to 2e-11 of it (case 02).
TOLERANCE = 1e-8


@pytest.fixture(scope="module")
def reference():
    with np.load(Path(__file__).parent / "data" / "reference_cases.npz") as file:
        return {name: file[name] for name in file.files}


def arguments_of(reference, case):
    names = ["coefficients", "rhs", "initial", "steps"]
    arguments = {name: reference[f"{case}/{name}"] for name in names}
    for name in ("n_steps", "n_initial_steps", "central"):
        arguments[name] = reference[f"{case}/{name}"].item()
    weights = zip(("equation", "initial", "smooth"), reference[f"{case}/weights"], strict=True)
    return arguments | {f"weight_{name}": weight for name, weight in weights}


def assert_matches(actual, desired):
    assert actual.shape == desired.shape
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, desired, rtol=0, atol=TOLERANCE * np.abs(desired).max())


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("case", CASES)
def test_solution(reference, case, factorization):
    y = ode_solve(**arguments_of(reference, case), factorization=factorization)
    assert_matches(y, reference[f"{case}/y"])


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("case", CASES)
def test_gradients(reference, case, factorization):
    y, pullback = ode_solve_vjp(**arguments_of(reference, case), factorization=factorization)
    assert_matches(y, reference[f"{case}/y"])
    gradients = pullback(reference[f"{case}/y_bar"])
    for name in GRADIENTS:
        assert_matches(getattr(gradients, name), reference[f"{case}/{name}_bar"])
