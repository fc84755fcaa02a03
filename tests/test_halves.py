"""One series from both its ends to the middle, against the dense twin and one end to the other."""

import re

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import dense, factorize, taylor
from smnn_np.testing import assert_close, random_ode


def solve(case, factorization="auto"):
    """Solution and gradients."""
    y, pullback = smnn.ode_solve_vjp(**case, factorization=factorization)
    return y, pullback(np.random.default_rng(4).standard_normal(y.shape))


def from_one_end(monkeypatch):
    """Have every series worked on from its first node to its last."""
    original = taylor.taylor_rows
    monkeypatch.setattr(factorize, "taylor_rows", lambda inputs, halve: original(inputs))


@pytest.mark.parametrize("factorization", ["cholesky", "qr", "auto"])
@pytest.mark.parametrize("n_steps", [6, 7, 30, 31])
def test_halves_give_what_the_dense_twin_gives(monkeypatch, n_steps, factorization):
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    case = random_ode(np.random.default_rng(3), (), n_steps, 1, 1, 3, 1, weighted=True)
    y, grads = solve(case, factorization)
    assert_close(y, dense.ode_solve(**case))
    from_one_end(monkeypatch)
    y_serial, serial = solve(case, factorization)
    assert_close(y, y_serial)
    for one, two in zip(grads, serial, strict=True):
        assert_close(one, two)


@pytest.mark.parametrize("n_steps", [40, 41])
def test_halves_of_several_series_dimensions_and_initial_steps(monkeypatch, n_steps):
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    case = random_ode(np.random.default_rng(5), (3,), n_steps, 2, 2, 3, 3, weighted=True)
    y, grads = solve(case)
    assert_close(y, dense.ode_solve(**case))
    from_one_end(monkeypatch)
    for one, two in zip(grads, solve(case)[1], strict=True):
        assert_close(one, two)


def test_what_all_nodes_share_gets_the_sum_of_both_halves(monkeypatch):
    case = {
        "coefficients": np.array([[[[1.0, 0.2, 1.0]]]]), "rhs": np.array([[0.3]]),
        "initial": np.array([[[1.0, 0.0]]]), "steps": np.array([0.05]), "n_steps": 200,
        "weight_equation": 2.0, "weight_smooth": 3.0,
    }  # fmt: skip
    grads = solve(case)[1]
    from_one_end(monkeypatch)
    for one, two in zip(grads, solve(case)[1], strict=True):
        assert_close(one, two)


@pytest.mark.parametrize("factorization", ["cholesky", "qr"])
@pytest.mark.parametrize("step", [20, 80])
def test_a_singular_step_is_named_in_either_half(step, factorization):
    weight = np.ones(100)
    weight[[step - 1, step]] = 0.0  # no link on either side, and one equation for three unknowns
    with pytest.raises(np.linalg.LinAlgError, match=f"step {step} "):
        smnn.ode_solve(
            [[[[1.0, 0.2, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], 0.1, n_steps=101,
            weight_smooth=weight, factorization=factorization,
        )  # fmt: skip


def test_a_factor_that_is_kept_for_inspection_is_whole():
    factor = smnn.ode_factorize([[[[1.0, 1.0]]]], 0.1, n_steps=11)
    assert len(factor.rows.ends) == 1


@pytest.mark.parametrize("cut", [10, 30])
def test_corrections_that_stay_large_name_a_node_that_hangs_in_the_air(cut):
    """No pivot is zero, but what follows a link of nearly no weight is anything."""
    n_steps, rng = 40, np.random.default_rng(0)
    coefficients = rng.standard_normal((n_steps, 1, 1, 3))
    coefficients[cut + 1 :] = [0.0, 0.0, 1.0]
    weight = np.ones(n_steps - 1)
    weight[cut] = 1e-30
    with pytest.raises(np.linalg.LinAlgError, match="undetermined") as caught:
        smnn.ode_solve(
            coefficients, rng.standard_normal((n_steps, 1)), np.ones((1, 1, 2)), 0.1,
            weight_smooth=weight, factorization="qr",
        )  # fmt: skip
    step = int(re.search(r"at step (\d+)", str(caught.value))[1])
    assert cut < step < n_steps
