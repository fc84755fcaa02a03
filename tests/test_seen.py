"""Large arrays, whose values are looked at when a solve fails: refused as small ones are."""

import re

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import _gradients, _group
from smnn_np._cases import Case, make_problem
from smnn_np._seen import LATER
from smnn_np._validation import check_ode

N_SERIES, N_STEPS, N_GIVEN = 700, 50, 24
BAD = {
    "coefficients": (N_SERIES - 1, 3, 0, 0, 2),
    "rhs": (N_SERIES - 1, N_STEPS - 1, 0),
    "initial": (N_SERIES - 2, N_GIVEN - 1, 0, 1),
    "steps": (N_SERIES - 1, N_STEPS - 2),
}


def large() -> dict:
    """Arguments of a solve, each array large."""
    problem = make_problem(Case(N_SERIES, N_STEPS, 1, 1, 3))
    names = ("coefficients", "rhs", "initial", "steps")
    given = dict(zip(names, problem.arguments, strict=True))
    given["initial"] = np.repeat(given["initial"], N_GIVEN, axis=1)
    assert all(given[name].size >= LATER for name in BAD)
    return given


def spoilt(name: str, value: float) -> dict:
    """The same with one bad entry."""
    given = large()
    given[name] = given[name].copy()
    given[name][BAD[name]] = value
    return given


@pytest.mark.parametrize("factorization", ["auto", "cholesky", "qr"])
@pytest.mark.parametrize("door", [smnn.ode_solve, smnn.ode_solve_vjp])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_in_the_same_words(name, value, door, factorization):
    given = spoilt(name, value)
    with pytest.raises(ValueError, match=re.escape(f"{name}{list(BAD[name])} = {value}")) as late:
        door(**given, factorization=factorization)
    with pytest.raises(ValueError, match=name) as early:
        check_ode(
            **given, n_steps=None, n_initial_steps=None, central=False, factorization="auto",
            weight_equation=1.0, weight_initial=1.0, weight_smooth=1.0,
        )  # fmt: skip
    assert str(late.value) == str(early.value)


@pytest.mark.parametrize("factorization", ["auto", "cholesky", "qr"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("name", ["coefficients", "rhs", "y_bar"])
@pytest.mark.parametrize(
    "case",
    [
        Case(1, 4 * LATER, 1, 1, 2),  # from both ends
        Case(12, 400, 7, 7, 3),  # general kernels, series side by side
        Case(1, 5000, 7, 7, 3),  # one alone
        Case(40, 500, 2, 2, 3),
    ],
    ids=lambda case: case.label,
)
def test_no_kernel_makes_a_number_of_what_is_none(case, name, value, factorization):
    """Not even where it has a weight of zero, or where time runs backwards."""
    *arguments, y_bar = make_problem(case)
    given = dict(zip(("coefficients", "rhs", "initial", "steps"), arguments, strict=True))
    at = (case.batch - 1, case.n_steps - 2)
    weight = np.ones((1, case.n_steps, 1))
    weight[0, at[1]] = 0.0
    array = {**given, "y_bar": y_bar}[name]
    array[at] = value
    assert array.size >= LATER
    with pytest.raises(ValueError, match=rf"{name}\[{at[0]}, {at[1]}, .*\] = {value}"):
        smnn.ode_solve_vjp(**given, weight_equation=weight, factorization=factorization)[1](y_bar)


@pytest.mark.parametrize("factorization", ["auto", "qr"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -0.1])
@pytest.mark.parametrize(("n_series", "n_dims"), [(1, 1), (8, 1), (12, 7), (1, 7)])
def test_no_kernel_takes_a_bad_step(n_series, n_dims, value, factorization):
    steps = np.full((n_series, 2 * LATER // n_series), 0.1)
    steps[-1, -3] = value
    coefficients = np.random.default_rng(0).standard_normal((1, n_dims, n_dims, 2))
    where = rf"steps\[{n_series - 1}, {steps.shape[1] - 3}\] = {value}: "
    with pytest.raises(ValueError, match=where):
        smnn.ode_solve(
            coefficients, np.ones((1, n_dims)), np.ones((1, n_dims, 1)), steps,
            factorization=factorization,
        )  # fmt: skip


def test_what_all_series_share_is_looked_at_too():
    coefficients = np.ones((1, LATER, 1, 1, 1))
    coefficients[0, -1] = np.nan
    with pytest.raises(ValueError, match=rf"coefficients\[0, {LATER - 1}, 0, 0, 0\] = nan"):
        smnn.ode_solve(coefficients, np.ones((2, LATER, 1)), None, 0.1)


def test_a_bad_gradient_in_y_is_refused():
    y, pullback = smnn.ode_solve_vjp(**large())
    y_bar = np.ones_like(y)
    y_bar[N_SERIES - 1, 7, 0, 1] = np.inf
    with pytest.raises(ValueError, match=re.escape(f"y_bar[{N_SERIES - 1}, 7, 0, 1] = inf")):
        pullback(y_bar)


def test_an_overflow_names_the_gradient():
    given = large()
    given["rhs"][-1] *= 1e160
    y, pullback = smnn.ode_solve_vjp(**given)
    with pytest.raises(OverflowError, match="The gradient of coefficients overflows"):
        pullback(np.full_like(y, 1e160))


def test_an_overflow_of_what_series_share_is_named():
    rhs = np.full((5, 4, 1), 1e160)
    y, pullback = smnn.ode_solve_vjp(np.ones((1, 1, 1, 2)), rhs, None, 0.1)
    with pytest.raises(OverflowError, match="The gradient of coefficients overflows"):
        pullback(np.full_like(y, 1e160))


def test_a_pullback_that_failed_may_be_called_again():
    """What it refuses must not change what it knows of the series."""
    y, pullback = smnn.ode_solve_vjp(**large())
    before = pullback(np.ones_like(y))
    with pytest.raises((OverflowError, np.linalg.LinAlgError)):
        pullback(np.full_like(y, 1e308))
    for one, other in zip(before, pullback(np.ones_like(y)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_few_sums_wait(monkeypatch):
    """What series share takes the memory of a few pieces, however many there are."""
    monkeypatch.setattr(_group, "CHUNK", 0)
    most = []
    merge = _gradients.Gradients._merge

    def merge_and_count(self, group, number, sums):
        merge(self, group, number, sums)
        most.append(len(self._sums[group]))

    monkeypatch.setattr(_gradients.Gradients, "_merge", merge_and_count)
    problem = make_problem(Case(1024, 10, 1, 1, 3))
    y, pullback = smnn.ode_solve_vjp(*problem.arguments[:3], 0.1, n_steps=10)
    pullback(np.ones_like(y))
    assert len(most) == 1024 // 4
    assert max(most) < 32
