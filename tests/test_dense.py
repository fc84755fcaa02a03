"""The plain twin against rows typed out by hand, the published solver, and the laws of its flags.

All else is compared with the twin, so nothing here may lean on the fast solver.
"""

from pathlib import Path

import numpy as np
import pytest

from smnn_np import dense
from smnn_np.testing import assert_close, random_ode

CASES = [f"{case:02d}" for case in range(10)]


@pytest.fixture(scope="module")
def reference():
    with np.load(Path(__file__).parent / "data" / "reference_cases.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("case", CASES)
def test_solution_matches_the_published_solver(reference, case):
    case = {name[3:]: array for name, array in reference.items() if name.startswith(case)}
    weights = zip(("equation", "initial", "smooth"), case["weights"], strict=True)
    y = dense.ode_solve(
        case["coefficients"],
        case["rhs"],
        case["initial"],
        case["steps"],
        n_steps=case["n_steps"].item(),
        n_initial_steps=case["n_initial_steps"].item(),
        central=case["central"].item(),
        **{f"weight_{name}": weight for name, weight in weights},
    )
    assert y.shape == case["y"].shape
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=1e-8 * np.abs(case["y"]).max())


def test_rows_of_two_nodes_typed_out():
    """One dimension, three orders, step 2, weights 10 (equation), 100 (initial), 3 (smooth)."""
    A, b = dense.ode_rows(
        [[[[5.0, 6.0, 7.0]]], [[[8.0, 9.0, 10.0]]]],
        [[1.0], [2.0]],
        [[[3.0, 4.0]]],
        [2.0],
        weight_equation=10.0,
        weight_initial=100.0,
        weight_smooth=3.0,
    )
    # Columns: y, y', y'' at node 0, then at node 1.
    expected = [
        [50, 60, 70, 0, 0, 0],
        [0, 0, 0, 80, 90, 100],
        [100, 0, 0, 0, 0, 0],
        [0, 100, 0, 0, 0, 0],
        [3, 6, 6, -3, 0, 0],  # y0 + 2 y0' + 2 y0'' = y1
        [0, 6, 12, 0, -6, 0],  # 2 (y0' + 2 y0'' = y1')
        [0, 0, 12, 0, 0, -12],  # 4 (y0'' = y1'')
        [-3, 0, 0, 3, -6, 6],  # y1 - 2 y1' + 2 y1'' = y0
        [0, 6, 0, 0, -6, 12],  # -2 (y1' - 2 y1'' = y0')
        [0, 0, -12, 0, 0, 12],  # 4 (y1'' = y0'')
    ]
    np.testing.assert_array_equal(A, expected)
    np.testing.assert_array_equal(b, [10, 20, 300, 400, 0, 0, 0, 0, 0, 0])


def test_central_rows_typed_out():
    """Steps 1 and 3 with weights 2 and 4; the rows of y'' give way to one central row."""
    A, b = dense.ode_rows(
        [[[[1.0, 0.0, 0.0]]]], [[1.0]], None, [1.0, 3.0], weight_smooth=[2.0, 4.0], central=True
    )
    expected = [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 0, 0],
        [2, 2, 1, -2, 0, 0, 0, 0, 0],
        [0, 2, 2, 0, -2, 0, 0, 0, 0],
        [-2, 0, 0, 2, -2, 1, 0, 0, 0],
        [0, 2, 0, 0, -2, 2, 0, 0, 0],
        [0, 0, 0, 4, 12, 18, -4, 0, 0],
        [0, 0, 0, 0, 12, 36, 0, -12, 0],
        [0, 0, 0, -4, 0, 0, 4, -12, 18],
        [0, 0, 0, 0, 12, 0, 0, -12, 36],
        [0, 3, 0, 0, 0, 12, 0, -3, 0],  # 3 (y0' - y2' + 4 y1'')
    ]
    np.testing.assert_array_equal(A, expected)
    np.testing.assert_array_equal(b, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])


def test_central_rows_of_two_orders_divide_by_the_step():
    A, _ = dense.ode_rows([[[[1.0, 0.0]]]], [[1.0]], None, [1.0, 3.0], central=True)
    np.testing.assert_array_equal(A[-1], [0.25, 0, 0, 1, -0.25, 0])


def test_dimensions_and_equations_are_ordered_as_documented():
    coefficients = np.arange(1.0, 13.0).reshape(1, 3, 2, 2)
    A, b = dense.ode_rows(coefficients, [[1.0, 2.0, 3.0]], np.ones((2, 2, 1)), 1.0, n_steps=2)
    np.testing.assert_array_equal(A[1], [5, 6, 7, 8, 0, 0, 0, 0])
    np.testing.assert_array_equal(A[5], [0, 0, 0, 0, 9, 10, 11, 12])
    np.testing.assert_array_equal(np.argmax(A[6:10], axis=1), [0, 2, 4, 6])
    np.testing.assert_array_equal(
        A[10:14, :4], [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(b, [1, 2, 3, 1, 2, 3, 1, 1, 1, 1] + 8 * [0])


@pytest.mark.parametrize("central", [False, True])
def test_solution_minimizes_the_rows(central):
    problem = random_ode(np.random.default_rng(1), (2,), n_dims=2, central=central, weighted=True)
    y = dense.ode_solve(**problem)
    A, b = dense.ode_rows(**problem)
    residual = b - np.einsum("nij,nj->ni", A, y.reshape(2, -1))
    gradient = np.einsum("nij,ni->nj", A, residual)
    assert np.abs(gradient).max() < 1e-10 * np.abs(A).max() * np.abs(b).max()
    assert np.abs(residual).max() > 1e-3  # the rows do disagree, so that weights matter


def test_broadcast_arguments_equal_full_ones():
    rng = np.random.default_rng(2)
    coefficients, rhs = rng.standard_normal((2, 1, 1, 2, 2, 3)), rng.standard_normal((3, 5, 2))
    initial, weight = rng.standard_normal((1, 2, 2)), rng.uniform(0.5, 2, (5, 1))
    y = dense.ode_solve(coefficients, rhs, initial, 0.3, n_initial_steps=2, weight_equation=weight)
    full = dense.ode_solve(
        np.tile(coefficients, (1, 3, 5, 1, 1, 1)),
        np.tile(rhs, (2, 1, 1, 1)),
        np.tile(initial, (2, 3, 2, 1, 1)),
        np.full((2, 3, 4), 0.3),
        n_steps=5,
        weight_equation=np.tile(weight, (2, 3, 1, 2)),
        weight_initial=np.ones((2, 3, 2, 2, 2)),
        weight_smooth=np.ones((2, 3, 4)),
    )
    assert y.shape == (2, 3, 5, 2, 3)
    assert_close(y, full)


def test_weight_zero_drops_a_row():
    problem = random_ode(np.random.default_rng(3), n_equations=2)
    weight = np.ones((6, 2))
    weight[2, 1] = 0.0
    y = dense.ode_solve(**problem, weight_equation=weight)
    problem["rhs"][2, 1] = 1e6
    assert_close(dense.ode_solve(**problem, weight_equation=weight), y)
    A, _ = dense.ode_rows(**problem, weight_equation=weight)
    assert not A[5].any()


def test_columns_of_very_different_size_are_solved():
    """In microseconds or in seconds, the solution is the same; plain lstsq sees no full rank."""
    problem = random_ode(np.random.default_rng(5), n_orders=4)
    y = dense.ode_solve(**problem)
    unit = 1e-6 ** np.arange(4)
    problem["coefficients"] *= unit
    problem["initial"] /= unit[:3]
    problem["steps"] *= 1e-6
    A, _ = dense.ode_rows(**problem, weight_initial=unit[:3])
    assert np.linalg.matrix_rank(A) < A.shape[1]
    assert_close(dense.ode_solve(**problem, weight_initial=unit[:3]) * unit, y)


def test_float32_in_float32_out():
    problem = random_ode(np.random.default_rng(4))
    single = {
        name: value if name == "central" else np.float32(value) for name, value in problem.items()
    }
    y = dense.ode_solve(**single)
    assert y.dtype == np.float32
    assert_close(y, dense.ode_solve(**problem))


def test_rank_deficient_rows_are_refused_with_the_series():
    coefficients = np.zeros((2, 1, 1, 1, 3))
    coefficients[0] = 1.0  # the second series knows nothing but 0 = 0
    with pytest.raises(
        np.linalg.LinAlgError, match=r"rows of series \(1,\) have rank 12, 15 is wanted"
    ):
        dense.ode_solve(coefficients, [[0.0]], None, 0.1, n_steps=5)
