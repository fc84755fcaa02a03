"""What every test may ask for. Nothing heavy here: it is loaded before any test runs."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib: no window opens

import numpy as np
import pytest


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> type[np.floating]:
    """Return each of the two precisions that the library computes in."""
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that starts from the same seed in every test."""
    return np.random.default_rng(20250424)
