"""The bordered banded solver against dense least squares; link rows against differences."""

import numpy as np
import pytest

from smnn_np import dynamics
from smnn_np._scaled import ScaledLibrary
from smnn_np.banded import BorderedBands
from smnn_np.border import eliminate_nodes, eliminate_pieces, solve_border
from smnn_np.dynamics import Law
from smnn_np.library import PolynomialLibrary
from smnn_np.optimize import JointFit, Measurements, gauss_newton


def random_bands(rng, n, v, p, link_scale=1.0):
    links = rng.standard_normal((2, n - 1, v, v)) * link_scale
    return BorderedBands(
        rng.uniform(0.2, 1.0, (n, v)),
        rng.standard_normal((n, v)),
        *links,
        rng.standard_normal((n - 1, v, p)) * link_scale,
        rng.standard_normal((n - 1, v)) * link_scale,
    )


def solve(bands):
    elimination = eliminate_nodes(bands)
    parameters, covariance = solve_border(elimination.border, elimination.border_rhs)
    return elimination.nodes(parameters), parameters, covariance


@pytest.mark.parametrize(
    ("n", "v", "p"), [(1, 2, 0), (2, 1, 1), (9, 3, 4), (30, 2, 7), (150, 2, 70)]
)
@pytest.mark.parametrize("link_scale", [1.0, 1e5])
def test_solution_and_covariance_match_dense_least_squares(n, v, p, link_scale):
    bands = random_bands(np.random.default_rng(n), n, v, p, link_scale)
    matrix, rhs = bands.to_dense()
    expected = np.linalg.lstsq(matrix, rhs)[0]
    nodes, parameters, covariance = solve(bands)
    np.testing.assert_allclose(nodes.ravel(), expected[: n * v], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(parameters, expected[n * v :], rtol=1e-7, atol=1e-8)
    if link_scale == 1.0:
        dense = np.linalg.inv(matrix.T @ matrix)[n * v :, n * v :]
        np.testing.assert_allclose(covariance, dense, rtol=1e-7, atol=1e-10)


def test_log_determinant_is_that_of_the_nodes():
    bands = random_bands(np.random.default_rng(3), 12, 3, 0)
    matrix, _ = bands.to_dense()
    expected = np.linalg.slogdet(matrix.T @ matrix)[1]
    assert eliminate_nodes(bands).log_determinant() == pytest.approx(expected, rel=1e-10)


def test_zero_links_separate_runs():
    bands = random_bands(np.random.default_rng(4), 8, 2, 3)
    for rows in (bands.left, bands.right, bands.columns, bands.link_rhs):
        rows[3] = 0.0
    matrix, rhs = bands.to_dense()
    expected = np.linalg.lstsq(matrix, rhs)[0]
    nodes, parameters, _ = solve(bands)
    np.testing.assert_allclose(np.append(nodes, parameters), expected, rtol=1e-8, atol=1e-9)


def test_an_undetermined_node_is_named():
    bands = random_bands(np.random.default_rng(5), 4, 2, 0)
    for rows in (bands.left, bands.right):
        rows[2] = 0.0
    bands.node_weight[3, 1] = 0.0
    with pytest.raises(np.linalg.LinAlgError, match="node 3 is not determined"):
        eliminate_nodes(bands)


@pytest.fixture
def law():
    rng = np.random.default_rng(0)
    n, n_controls = 6, 1
    library = PolynomialLibrary(3, 2)
    scaled = ScaledLibrary(library, np.array([1.0, 2.0, 0.5]), np.full(len(library.powers), 1.5))
    known = np.array([[0.0, 1.0], [0.0, 0.0]])
    joined = np.array([True, True, False, True, True])
    step = rng.uniform(0.1, 0.3, n - 1)
    return Law(scaled, known, step, joined, rng.standard_normal((n, n_controls)))


def test_link_rows_are_the_derivatives_of_the_residual(law):
    rng = np.random.default_rng(1)
    y, xi = rng.standard_normal((6, 2)), rng.standard_normal((10, 2))
    term, target = np.array([1, 4, 0, 9]), np.array([0, 1, 1, 0])
    weight = np.where(law.joined, rng.uniform(1, 2, 5), 0.0)
    left, right, columns = law.link_rows(law.ends(y, xi, curved=True), weight, term, target)

    def residual(nodes, coefficients):
        return weight[:, None] * law.residual(nodes, law.ends(nodes, coefficients))

    step = 1e-5
    for k in range(len(term)):
        shift = np.zeros_like(xi)
        shift[term[k], target[k]] = step
        slope = (residual(y, xi + shift) - residual(y, xi - shift)) / (2 * step)
        np.testing.assert_allclose(columns[:, :, k], slope, atol=1e-8)
    for s in range(2):
        for even in (True, False):
            shift = np.zeros_like(y)
            shift[0 if even else 1 :: 2, s] = step
            slope = (residual(y + shift, xi) - residual(y - shift, xi)) / (2 * step)
            moved = np.where(
                (np.arange(5) % 2 == 0)[:, None] == even, left[:, :, s], right[:, :, s]
            )
            np.testing.assert_allclose(moved, slope, atol=1e-5)


def test_defect_is_what_an_exact_trajectory_leaves():
    n, rate = 5, -0.8
    library = ScaledLibrary(PolynomialLibrary(1, 1), np.ones(1), np.ones(2))
    joined = np.ones(n - 1, dtype=bool)
    law = Law(library, np.zeros((1, 1)), np.full(n - 1, 0.5), joined, np.empty((n, 0)))
    y = np.exp(rate * 0.5 * np.arange(n))[:, None]
    xi = np.array([[0.0], [rate]])
    residual = law.residual(y, law.ends(y, xi))
    assert np.abs(residual).max() > 1e-7
    np.testing.assert_allclose(law.defect(y, xi, 1e-10), residual, atol=1e-9)


def test_stiff_links_are_crossed_in_as_many_steps_as_they_take():
    """One link in a hundred decays to e^-20: it alone is cut into shorter steps."""
    n = 101
    library = ScaledLibrary(PolynomialLibrary(1, 1), np.ones(1), np.ones(2))
    step = np.where(np.arange(n - 1) == 40, 20.0, 0.2)
    law = Law(library, np.zeros((1, 1)), step, np.ones(n - 1, dtype=bool), np.empty((n, 0)))
    start, xi = np.full((n - 1, 1), 0.01), np.array([[0.0], [-1.0]])
    arrival = law._arrival(start, xi, 1e-9)
    np.testing.assert_allclose(arrival, start * np.exp(-step[:, None]), atol=1e-9)


def test_an_iteration_that_keeps_its_promise_is_the_last(law):
    """A linear problem is solved in one iteration, and no second one is needed to see it."""
    rng = np.random.default_rng(3)
    y, xi = rng.standard_normal((6, 2)), np.zeros((10, 2))
    data = Measurements(y + 0.1, np.ones((6, 2)), np.full(2, 0.3))
    term, target = np.array([0, 0]), np.array([0, 1])  # constants only
    noise, empty = np.full(2, 0.1), np.zeros((0, 0))
    start = JointFit(y, xi, empty, term, target, noise, 1.0, np.zeros((5, 2)))
    fit = gauss_newton(law, data, start, 10, 0.05)
    assert fit.converged
    assert fit.n_iter == 1
    again = gauss_newton(law, data, fit, 1, 0.05)
    np.testing.assert_allclose(again.active_xi, fit.active_xi, atol=1e-6)


def test_link_residual_falls_with_the_fifth_power_of_the_step():
    library = ScaledLibrary(PolynomialLibrary(1, 1), np.ones(1), np.ones(2))
    xi = np.array([[0.0], [1.0]])
    sizes = []
    for h in (0.2, 0.1):
        law = Law(library, np.zeros((1, 1)), np.array([h]), np.array([True]), np.empty((2, 0)))
        y = np.exp([[0.0], [h]])
        sizes.append(abs(law.residual(y, law.ends(y, xi))[0, 0]))
    assert np.log2(sizes[0] / sizes[1]) == pytest.approx(5.0, abs=0.2)


def test_pieces_give_what_one_piece_gives(law, monkeypatch):
    """Rows made three links at a time: the same border, nodes, residuals and defects."""
    rng = np.random.default_rng(2)
    y, xi = rng.standard_normal((6, 2)), 0.1 * rng.standard_normal((10, 2))
    data = Measurements(y + 0.1, np.ones((6, 2)), np.zeros(2))
    term, target = np.array([1, 4, 0]), np.array([0, 1, 1])
    noise, empty = np.full(2, 0.1), np.zeros((0, 0))
    start = JointFit(y, xi, empty, term, target, noise, 1.0, np.zeros((5, 2)))
    whole = gauss_newton(law, data, start, 2, 0.0)
    defects = law.defects(y, xi, 1e-10)
    monkeypatch.setattr(dynamics, "_PIECE", 3)
    parts = gauss_newton(law, data, start, 2, 0.0)
    # The differencing step of the second Jacobian follows the piece.
    np.testing.assert_allclose(parts.nodes, whole.nodes, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-6)
    np.testing.assert_allclose(law.defects(y, xi, 1e-10), defects, atol=1e-10)


def test_the_border_is_the_same_however_often_it_is_reduced():
    """Without the kept rows, and with far more rows than its buffer holds."""
    bands = random_bands(np.random.default_rng(6), 200, 2, 3)
    matrix, _ = bands.to_dense()
    found = eliminate_pieces([bands], 200, keep=False)
    assert found.kept.shape[0] == 0
    schur = np.linalg.inv(np.linalg.inv(matrix.T @ matrix)[400:, 400:])
    np.testing.assert_allclose(found.border.T @ found.border, schur, rtol=1e-9, atol=1e-9)
