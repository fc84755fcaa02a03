"""The solver through its public door: accuracy on fine grids, factors, arrays, loud failure."""

import threading

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import smnn_np as smnn
from smnn_np import dense
from smnn_np._kernels import cpu
from smnn_np.testing import assert_close, random_ode

HARMONIC = [[[[1.0, 0.0, 1.0]]]]  # y'' + y = 0
START = [[[1.0, 0.0]]]


def harmonic_error(step, n_steps, **options):
    """Largest error of y against cos."""
    y = smnn.ode_solve(HARMONIC, [[0.0]], START, step, n_steps=n_steps, **options)
    return np.abs(y[:, 0, 0] - np.cos(step * np.arange(n_steps))).max()


def test_default_is_accurate_on_a_million_fine_steps():
    assert harmonic_error(1e-5, 1_000_001) < 1e-6  # 1.2e-9 when written


def test_plain_cholesky_is_useless_on_fine_grids_and_says_so():
    """Why "auto" exists: were this test to fail, the fallback would be dead weight."""
    with pytest.warns(RuntimeWarning, match=r'digits.*factorization="auto"'):
        assert harmonic_error(1e-4, 100_001, factorization="cholesky") > 0.1


def test_auto_keeps_cholesky_where_it_is_proven_and_falls_back_where_not():
    easy = smnn.ode_factorize(HARMONIC, 0.1, n_steps=101)
    hard = smnn.ode_factorize(HARMONIC, 1e-4, n_steps=100_001)
    assert not easy.by_qr.any()
    assert hard.by_qr.all()


def test_the_judgement_of_a_factor_needs_no_compilation_of_its_own():
    """Arrays that may be written have a type of their own: nobody gives such to the kernels."""
    smnn.ode_factorize(HARMONIC, 0.1, n_steps=5).solve([[0.0]], START)
    right_sides = [signature[3] for signature in cpu.solve_blocks.signatures]
    assert right_sides
    assert not [each for side in right_sides for each in side.types if each.mutable]


@pytest.mark.parametrize("factorization", ["auto", "qr"])
def test_a_solution_of_zeros_does_not_hide_what_is_undetermined(factorization):
    """Equations of the last series are one and the same, but for rounding no pivot is zero."""
    coefficients = np.random.default_rng(0).standard_normal((3, 1, 2, 2, 2))
    coefficients[2, :, 1] = coefficients[2, :, 0]
    with pytest.raises(np.linalg.LinAlgError, match=r"series \(2,\) is singular"):
        smnn.ode_solve(
            coefficients, np.zeros((1, 2)), None, 0.1, n_steps=6, factorization=factorization
        )


def test_auto_falls_back_series_by_series():
    steps = np.array([[0.1], [1e-4], [0.1]])
    y = smnn.ode_solve(HARMONIC, [[0.0]], START, steps, n_steps=20_001)
    factor = smnn.ode_factorize(HARMONIC, steps, n_steps=20_001)
    assert factor.by_qr.tolist() == [False, True, False]
    alone = smnn.ode_solve(HARMONIC, [[0.0]], START, steps[1], n_steps=20_001)
    np.testing.assert_array_equal(y[1], alone)


@pytest.mark.parametrize("factorization", ["auto", "cholesky", "qr"])
def test_factor_solves_as_ode_solve_does(factorization, backend):
    case = random_ode(np.random.default_rng(3), batch=(4,), n_steps=9, n_dims=2, n_equations=2)
    y = smnn.ode_solve(**case, factorization=factorization)
    there = backend.give(case)
    factor = smnn.ode_factorize(
        there["coefficients"], there["steps"], n_steps=9, factorization=factorization
    )
    assert_close(backend.take(factor.solve(there["rhs"], there["initial"])), y)
    assert_close(backend.take(factor.solve(2 * there["rhs"], 2 * there["initial"])), 2 * y)


def test_factor_without_initial_rows(backend):
    coefficients, rhs = np.ones((6, 2, 1, 2)), np.arange(12.0).reshape(6, 2)
    coefficients[:, 1, 0, 1] = -1.0
    factor = smnn.ode_factorize(backend.give(coefficients), 0.5, n_initial_steps=0)
    y = backend.take(factor.solve(backend.give(rhs)))
    assert_close(y, smnn.ode_solve(coefficients, rhs, None, 0.5))


def test_layouts_and_read_only_inputs_change_nothing():
    case = random_ode(np.random.default_rng(4), batch=(3,), n_steps=7, n_dims=2, n_equations=3)
    y = smnn.ode_solve(**case)
    fortran = {k: np.asfortranarray(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
    before = {k: v.copy() for k, v in fortran.items() if isinstance(v, np.ndarray)}
    for array in fortran.values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    np.testing.assert_array_equal(smnn.ode_solve(**fortran), y)
    for name, copy in before.items():
        np.testing.assert_array_equal(fortran[name], copy)


def test_float32_in_float32_out(backend):
    case = random_ode(np.random.default_rng(5), n_steps=8)
    small = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in case.items()}
    y, pullback = smnn.ode_solve_vjp(**backend.give(small))
    grads = pullback(backend.give(np.ones(y.shape, np.float32)))
    assert y.dtype == grads.coefficients.dtype == grads.steps.dtype == np.float32
    assert_close(backend.take(y), smnn.ode_solve(**case), dtype=np.float32)


def test_the_output_may_be_overwritten_without_harm_to_the_pullback():
    case = random_ode(np.random.default_rng(6), n_steps=8)
    y, pullback = smnn.ode_solve_vjp(**case)
    y_bar = np.ones_like(y)
    before = pullback(y_bar).coefficients
    y[:] = 0.0
    np.testing.assert_array_equal(pullback(y_bar).coefficients, before)


@pytest.mark.parametrize("factorization", ["auto", "cholesky", "qr"])
def test_singular_block_names_step_and_series(factorization, backend):
    """Series 1 loses its links at step 3: node 4 and what follows hang in the air."""
    weights = np.ones((2, 7))
    weights[1, 3] = 0.0
    with pytest.raises(np.linalg.LinAlgError, match=r"series \(1,\).*at step \d.*undetermined"):
        smnn.ode_solve(
            backend.give(np.ones((2, 8, 1, 1, 3))),
            backend.give(np.ones((8, 1))),
            START,
            0.1,
            weight_smooth=backend.give(weights),
            weight_equation=backend.give(np.where(np.arange(8) < 5, 1.0, 0.0)[:, None]),
            factorization=factorization,
        )


@pytest.mark.parametrize("factorization", ["auto", "qr"])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_unknown_that_no_row_determines_is_refused(factorization, level, backend):
    """Two dimensions, equations that only see the first: also with zeros on the right."""
    coefficients = np.zeros((9, 2, 2, 3))
    coefficients[:, :, 0] = np.random.default_rng(0).standard_normal((9, 2, 3))
    coefficients, rhs = backend.give(coefficients), backend.give(np.full((9, 2), level))
    with pytest.raises(np.linalg.LinAlgError, match="undetermined"):
        smnn.ode_solve(coefficients, rhs, None, 0.1, factorization=factorization)


def test_missing_value_has_weight_zero():
    case = random_ode(np.random.default_rng(7), n_steps=8, n_initial_orders=2)
    case["initial"] = np.concatenate([case["initial"]] * 3, axis=-3)
    weight = np.ones(case["initial"].shape)
    weight[1] = 0.0
    y = smnn.ode_solve(**case, weight_initial=weight)
    case["initial"][1] = 1e6
    assert_close(smnn.ode_solve(**case, weight_initial=weight), y)
    assert_close(y, dense.ode_solve(**case, weight_initial=weight))


def test_threads_share_a_factor_and_agree_with_one():
    factor = smnn.ode_factorize(HARMONIC, np.array([[0.1], [1e-4]]), n_steps=5_000)
    rng = np.random.default_rng(8)
    starts = rng.standard_normal((8, 1, 1, 2))
    alone = [factor.solve([[0.0]], start) for start in starts]
    together = [None] * len(starts)

    def work(i):
        together[i] = factor.solve([[0.0]], starts[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(starts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("factorization", ["auto", "qr"])
def test_high_orders_on_fine_grids_are_solved_not_called_singular(factorization):
    """A third-order ODE with R = 4: the first solution with R alone is off by hundreds.

    Before corrections were compared with those two before, this was called singular.
    """
    t = 1e-3 * np.arange(5_000)
    coefficients = np.zeros((5_000, 1, 1, 4))
    coefficients[:, 0, 0, 0] = 1 + np.sin(t) / 2
    coefficients[..., 1], coefficients[..., 3] = 0.1, 1.0
    y = smnn.ode_solve(
        coefficients, np.ones((5_000, 1)), np.ones((1, 1, 3)), 1e-3, factorization=factorization
    )

    def rate(t, y):
        return [y[1], y[2], 1 - 0.1 * y[1] - (1 + np.sin(t) / 2) * y[0]]

    exact = solve_ivp(rate, (0, t[-1]), np.ones(3), t_eval=t, rtol=1e-10, atol=1e-10).y[0]
    assert np.abs(y[:, 0, 0] - exact).max() < 1e-4 * np.abs(exact).max()
