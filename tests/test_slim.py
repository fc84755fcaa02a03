"""Triangles of which half is made again where it is wanted, as those of long series are."""

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import _group, accuracy, dense, taylor
from smnn_np._systems import Case
from smnn_np.testing import assert_close, random_ode


@pytest.fixture
def groups(monkeypatch):
    """The groups that are made, all of unrolled kernels."""
    made = []

    class Group(_group.Group):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("smnn_np.factorize.Group", Group)
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    return made


def solve(case, factorization):
    """Solution and gradients."""
    y, pullback = smnn.ode_solve_vjp(**case, factorization=factorization)
    return y, *pullback(np.random.default_rng(4).standard_normal(y.shape))


@pytest.mark.parametrize("factorization", ["cholesky", "auto"])
@pytest.mark.parametrize(("batch", "n_dims", "n_orders"), [((), 1, 3), ((), 2, 3), ((6,), 1, 3)])
def test_they_give_what_whole_ones_give(
    groups, monkeypatch, batch, n_dims, n_orders, factorization
):
    sizes = batch, 31, n_dims, n_dims, n_orders, 2
    case = random_ode(np.random.default_rng(3), *sizes, weighted=True)
    whole = solve(case, factorization)
    monkeypatch.setattr(taylor, "SLIM", 0)
    slim = solve(case, factorization)
    assert_close(slim[0], dense.ode_solve(**case))
    for one, two in zip(slim, whole, strict=True):
        assert_close(one, two)
    assert [len(group.rows.slim) for group in groups] == [0, 1]
    m = n_dims * n_orders
    assert groups[1].rows.triangle_size == m * (m + 1) // 2 * len(groups[1].rows.lanes)


def test_those_of_long_series_and_batches_are(groups):
    for batch, n_steps in (((), 100_000), ((4,), 30_000)):
        ones = np.ones((*batch, n_steps, 1, 1, 3))
        zeros = np.zeros((*batch, n_steps, 1))
        smnn.ode_solve(ones, zeros, np.ones((*batch, 1, 1, 2)), 0.1)
        smnn.ode_solve(ones[..., :1000, :, :, :], zeros[..., :1000, :], [[[1.0, 1.0]]], 0.1)
    assert [len(group.rows.slim) for group in groups] == [1, 0, 1, 0]


def test_neither_qr_s_nor_those_to_look_at_are(groups, monkeypatch):
    case = random_ode(np.random.default_rng(3), (), 20)
    given = {name: case[name] for name in ("coefficients", "steps")}
    variances = []
    for limit in (taylor.SLIM, 0):
        monkeypatch.setattr(taylor, "SLIM", limit)
        variances.append(smnn.ode_factorize(**given, n_initial_orders=2).variance())
    np.testing.assert_array_equal(*variances)
    solve(case, "qr")
    assert [group.factorization for group in groups] == ["auto", "auto", "qr"]
    assert not any(group.rows.slim for group in groups)


def test_qr_takes_over_where_they_are_not_believed(groups, monkeypatch):
    monkeypatch.setattr(taylor, "SLIM", 0)
    result = accuracy.measure(Case("oscillatory", 1e-5, 4, 200))
    assert [(g.factorization, len(g.rows.slim)) for g in groups if g.rows.slim] != []
    assert any(g.factorization == "qr" and not g.rows.slim for g in groups)
    assert result.violations() == {}


def test_low_halves_are_as_good(groups, monkeypatch):
    monkeypatch.setattr(taylor, "SLIM", 0)
    result = accuracy.measure(Case("coupled", 1e-2, 3, 60))
    assert result.violations() == {}
    assert any(group._kept for group in groups if group.rows.slim)


@pytest.mark.parametrize("step", [20, 80])
def test_a_singular_step_is_named(monkeypatch, step):
    monkeypatch.setattr(taylor, "SLIM", 0)
    weight = np.ones(100)
    weight[[step - 1, step]] = 0.0
    with pytest.raises(np.linalg.LinAlgError, match=f"step {step} "):
        smnn.ode_solve(
            [[[[1.0, 0.2, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], 0.1, n_steps=101,
            weight_smooth=weight, factorization="cholesky",
        )  # fmt: skip


def test_packing_leaves_no_gap():
    from smnn_np._kernels.packing import place_of_row, row_length

    for slim in (False, True):
        for n_dims, n_orders in ((1, 4), (3, 3)):
            m = n_dims * n_orders
            places = [place_of_row(m, n_orders, k, slim) for k in range(m + 1)]
            lengths = [row_length(m, n_orders, k, slim) for k in range(m)]
            np.testing.assert_array_equal(np.diff(places), lengths)
            assert places[0] == 0
