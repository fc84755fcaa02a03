"""Coefficients between their knots and beyond them."""

import numpy as np
import pytest

from smnn_np._knots import Knots, Onward, shares
from smnn_np.testing import assert_close

TIMES = np.linspace(-1.0, 4.0, 61)


@pytest.mark.parametrize(("n_knots", "degree"), [(1, 0), (2, 1), (3, 2), (4, 3), (7, 3)])
def test_polynomials_up_to_cubics_are_laws(n_knots, degree, rng):
    knots = np.linspace(-1.0, 4.0, n_knots)
    cubics = rng.standard_normal((degree + 1, 3))
    law = Knots(knots, np.polynomial.polynomial.polyval(knots, cubics).T)
    wanted = np.polynomial.polynomial.polyval(TIMES, cubics).T
    assert_close(law(TIMES), wanted if n_knots > 1 else wanted[:1], scale=100)


@pytest.mark.parametrize("n_knots", [1, 2, 3, 6])
def test_shares_are_all_of_a_knot_at_it_and_beyond(n_knots):
    knots = np.linspace(0.0, 3.0, n_knots)
    assert_close(shares(knots, knots), np.eye(n_knots))
    beyond = shares(np.array([-5.0, 3.0 + 1e-9, 50.0]), knots)
    assert_close(beyond, np.eye(n_knots)[[0, -1, -1]])
    assert_close(shares(TIMES, knots).sum(axis=1), np.ones(len(TIMES)), scale=10)


def test_laws_bend_nowhere_suddenly(rng):
    """Straight lines between values have another slope on the other side of a knot."""
    law, knots, step = Knots(np.arange(6.0), rng.standard_normal((6, 1))), np.arange(1.0, 5.0), 1e-5
    before, after = law(knots) - law(knots - step), law(knots + step) - law(knots)
    np.testing.assert_allclose(after / step, before / step, atol=1e-3)


def test_a_law_may_go_on_changing_beyond_its_knots(rng):
    law, change = Knots(np.array([1.0, 3.0]), rng.standard_normal((2, 2))), np.array([4.0, -1.0])
    times, away = np.array([0.0, 1.0, 2.0, 3.0, 7.0]), np.array([0.5, 0.0, 0.0, 0.0, 2.0])
    assert_close(Onward(law, change)(times), law(times) + away[:, None] * change, scale=10)


@pytest.mark.parametrize(
    ("times", "wanted"), [([1.0, 3.0], False), ([0.9, 2.0], True), ([2.0, 3.1], True)]
)
def test_where_knots_end(times, wanted):
    assert Knots(np.array([1.0, 3.0]), np.zeros((2, 1))).ends_within(np.array(times)) == wanted
