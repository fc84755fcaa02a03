"""The one look that every array gets before it is used."""

import numpy as np
import pytest

from smnn_np._arrays import is_finite

SIZES = [10, 100_000]  # one that BLAS looks at, and one that it would share among its threads


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", SIZES)
def test_one_bad_number_is_seen_wherever_it_is(size):
    array = np.ones(size)
    assert is_finite(array)
    for bad in (np.nan, np.inf, -np.inf):
        array[size // 2] = bad
        assert not is_finite(array)
    array[:2] = np.inf, -np.inf
    assert not is_finite(array)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", SIZES)
def test_numbers_whose_sum_overflows_are_finite(size):
    assert is_finite(np.full(size, 1e308))
    assert is_finite(np.full((size, 2), 1e308, order="F"))


def test_long_arrays_are_not_given_to_blas(monkeypatch):
    """Its threads would spin beside the solver's, and halve the speed of batches."""
    monkeypatch.setattr(np, "vdot", lambda *_: pytest.fail("a long array went to BLAS"))
    assert is_finite(np.ones(SIZES[1]))
