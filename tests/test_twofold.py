"""Gradients on fine grids, where floats alone cannot hold the solutions they are made of."""

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import _group, _twofold, accuracy, taylor
from smnn_np._cases import Case as Benchmark
from smnn_np._cases import make_problem
from smnn_np._kernels import cpu
from smnn_np._systems import Case
from smnn_np.testing import assert_close, random_ode

GRADIENTS = smnn.OdeGradients._fields
N_STEPS = 60
# (system, step, R): all were wrong in half of their digits or in all of them; with several initial
# steps, several dimensions, uneven weights and steps, central rows (general kernels).
FINE_GRIDS = [
    ("oscillatory", 1e-3, 4),
    ("varying", 1e-4, 3),
    ("several_starts", 1e-3, 3),
    ("coupled", 1e-3, 3),
    ("weighted", 1e-3, 3),
    ("rough", 1e-3, 3),
    ("central", 1e-3, 3),
]
# ... in which "auto" was more than ten times as far off as "qr".
AGAINST_THE_LAW = [
    ("stiff", 1e-5, 2), ("stiff", 1e-6, 2), ("stiff", 1e-3, 3), ("stiff", 1e-5, 3),
    ("stiff", 1e-6, 3), ("varying", 1e-6, 3), ("weighted", 1e-6, 3),
]  # fmt: skip


@pytest.fixture
def twofold(monkeypatch):
    """Counts calls for which low halves had been made."""
    calls = []
    original = _twofold._in_halves

    def count(*arguments):
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(_twofold, "_in_halves", count)
    return calls


@pytest.mark.parametrize(("system", "step", "n_orders"), FINE_GRIDS)
def test_gradients_reach_the_limit_of_rounded_rows(system, step, n_orders, twofold):
    result = accuracy.measure(Case(system, step, n_orders, N_STEPS), limit=True)
    assert twofold
    for name in GRADIENTS:
        # 10: on a grid of few nodes one rounding more or less shows.
        limit = 10 * result.errors["limit"][name] + 1e-14
        for way in ("qr", "auto"):
            assert result.errors[way][name] < limit, (way, name)


@pytest.mark.parametrize(("system", "step", "n_orders"), AGAINST_THE_LAW)
def test_the_law_holds_where_it_did_not(system, step, n_orders):
    assert accuracy.measure(Case(system, step, n_orders, 200)).violations() == {}


@pytest.mark.parametrize("sizes", [(1, 500, 1, 3), (16, 50, 1, 3), (64, 10, 1, 5)])
def test_what_floats_hold_has_no_low_half(sizes, twofold):
    """The benchmark's problems: not a number and not an instruction more than before."""
    batch, n_steps, n_dims, n_orders = sizes
    problem = make_problem(Benchmark(batch, n_steps, n_dims, n_dims, n_orders))
    _, pullback = smnn.ode_solve_vjp(*problem.arguments)
    pullback(problem.y_bar)
    assert not twofold


def fine_batch(n_series, n_steps=12):
    """Every second series on a fine grid, the others on a coarse one."""
    case = random_ode(
        np.random.default_rng(6),
        (n_series,),
        n_steps,
        2,
        2,
        3,
        2,
        weighted=True,
        n_initial_orders=2,
    )
    case["coefficients"] = np.where(np.arange(3) == 2, 1.0, case["coefficients"])
    case["steps"] = np.full((n_series, n_steps - 1), 0.1)
    case["steps"][::2] = 1e-3
    return case


@pytest.mark.parametrize("factorization", ["auto", "qr"])
@pytest.mark.parametrize("unrolled", [True, False])
def test_series_of_one_batch_are_told_apart(monkeypatch, unrolled, factorization, twofold):
    """A batch gives what its series give alone: blocks with and without a low half side by side."""
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0 if unrolled else np.inf)
    case = fine_batch(9)
    y, pullback = smnn.ode_solve_vjp(**case, factorization=factorization)
    y_bar = np.random.default_rng(7).standard_normal(y.shape)
    grads = pullback(y_bar)
    assert twofold
    for k in range(9):
        alone = {name: x[k] if np.ndim(x) > 1 else x for name, x in case.items()}
        one, pull = smnn.ode_solve_vjp(**alone, factorization=factorization)
        assert_close(y[k], one)
        for name, found in zip(GRADIENTS, pull(y_bar[k]), strict=True):
            assert_close(getattr(grads, name)[k], found, scale=1e3)


def test_a_pullback_may_be_called_often_on_a_fine_grid():
    """The kept halves of the solution serve every cotangent, after a change to QR too."""
    arguments = Case("varying", 1e-5, 3, N_STEPS).arguments()
    y, pullback = smnn.ode_solve_vjp(**arguments)
    y_bars = np.random.default_rng(8).standard_normal((2, *y.shape))
    first, second, both = (pullback(each) for each in (*y_bars, y_bars.sum(axis=0)))
    for name in ("coefficients", "rhs", "initial", "steps"):
        total = getattr(first, name) + getattr(second, name)
        assert_close(getattr(both, name), total, scale=1e3)


@pytest.mark.parametrize("kept", [False, True])
def test_only_blocks_that_need_it_have_a_low_half(monkeypatch, kept, twofold):
    """One fine series of twenty: its block alone is solved in halves."""
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    monkeypatch.setattr(_group, "KEPT", 2**30 if kept else 0)
    case = fine_batch(20)
    case["steps"] = np.full_like(case["steps"], 0.1)
    case["steps"][17] = 2e-3
    y, pullback = smnn.ode_solve_vjp(**case)
    grads = pullback(np.ones_like(y))
    halved = np.concatenate([solved.series[solved.twofold.places] for _, solved in twofold])
    assert [*halved] == [16, 17, 18, 19]
    for _, solved in twofold:  # its own solution was kept, no other block's
        high, low = solved.twofold.z.reshape(2, -1)
        assert abs(low).max() < 1e-10 * abs(high).max()
    one = {name: x[17] if np.ndim(x) > 1 else x for name, x in case.items()}
    y_one, pull = smnn.ode_solve_vjp(**one)
    for name, found in zip(GRADIENTS, pull(np.ones_like(y_one)), strict=True):
        assert_close(getattr(grads, name)[17], found, scale=1e3)


def test_a_piece_of_one_block_is_factorized_once(monkeypatch, twofold):
    """The solve in halves finds the triangle where the solve before left it."""
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    monkeypatch.setattr(_group, "KEPT", 0)
    monkeypatch.setattr(_group, "CHUNK", 1)
    monkeypatch.setattr(_group, "split", lambda n, fewest: [range(n)])  # to one thread
    factorized, solve_blocks = [], _group.cpu.solve_blocks

    def note(*arguments):
        factorized.append(arguments[4][2])  # `fresh`
        return solve_blocks(*arguments)

    monkeypatch.setattr(_group.cpu, "solve_blocks", note)
    case = fine_batch(8)  # two blocks
    y, pullback = smnn.ode_solve_vjp(**case, factorization="qr")
    pullback(np.ones_like(y))
    assert twofold
    assert sum(factorized) == 4  # two blocks, there and back


def test_low_halves_take_the_triangles_that_are_there(monkeypatch):
    """Those of the first piece are made again, later ones find room; the numbers are the same."""
    monkeypatch.setattr(taylor, "UNROLLED_NODES", 0)
    monkeypatch.setattr(_group, "KEPT", 0)
    monkeypatch.setattr(_group, "CHUNK", 2**10)
    monkeypatch.setattr(_group, "split", lambda n_blocks, fewest: [range(n_blocks)])
    original, made_again = cpu.solve_blocks, []

    def spy(*arguments):
        half, (_, _, fresh, _) = arguments[8], arguments[4]
        if half:
            made_again.append(fresh)
        return original(*arguments)

    monkeypatch.setattr(cpu, "solve_blocks", spy)
    case, found, counted = fine_batch(40), [], []
    for has_room in (_group.Group._has_room, lambda group, triangle, n_blocks: n_blocks == 1):
        monkeypatch.setattr(_group.Group, "_has_room", has_room)
        made_again.clear()
        y, pullback = smnn.ode_solve_vjp(**case, factorization="qr")
        found.append((y, *pullback(np.ones_like(y))))
        counted.append(sum(made_again))
    assert counted[0] == 1 < counted[1]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
