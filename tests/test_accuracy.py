"""The solver against many digits: a fast part of the sweep, and the twin that judges it."""

import numpy as np
import pytest

from smnn_np import accuracy, dense, exact
from smnn_np._systems import SYSTEMS, Case
from smnn_np.testing import assert_close, random_ode

N_STEPS = 40
# (system, step, R) for which the normal matrix is too ill conditioned for Cholesky.
BEYOND_CHOLESKY = [
    ("oscillatory", 1e-5, 4),
    ("highest", 1e-5, 4),
    ("rough", 1e-5, 3),
    ("coupled", 1e-5, 3),
    ("weighted", 1e-5, 5),
]


@pytest.mark.parametrize("step", [1e-1, 1e-2])
@pytest.mark.parametrize("system", list(SYSTEMS))
def test_default_is_as_accurate_as_qr(system, step):
    result = accuracy.measure(Case(system, step, 3, N_STEPS), limit=True)
    assert result.violations() == {}
    assert result.errors["qr"]["y"] < 10 * result.errors["limit"]["y"] + 1e-15


@pytest.mark.parametrize(("system", "step", "n_orders"), BEYOND_CHOLESKY)
def test_default_is_as_accurate_as_qr_where_cholesky_is_not(system, step, n_orders):
    """Were a wrong Cholesky believed, the first assertion would fail; the second says it is."""
    result = accuracy.measure(Case(system, step, n_orders, N_STEPS))
    assert result.violations() == {}
    assert result.errors["cholesky"]["y"] > 1e3 * result.errors["auto"]["y"]


@pytest.mark.parametrize("system", ["oscillatory", "stiff", "varying", "contradictory"])
def test_float32_is_right_to_its_last_digits(system):
    result = accuracy.measure(Case(system, 1e-2, 3, N_STEPS), "float32")
    assert result.violations() == {}
    assert result.errors["auto"]["y"] < 2 * np.finfo(np.float32).eps


@pytest.mark.parametrize("central", [False, True])
@pytest.mark.parametrize("n_orders", [2, 3, 4])
def test_the_twin_of_many_digits_against_the_dense_twin(n_orders, central):
    case = random_ode(
        np.random.default_rng(n_orders), (), 7, 3, 2, n_orders, 2, weighted=True, central=central
    )
    y, _ = exact.ode_solve_vjp(**case)
    assert_close(y, dense.ode_solve(**case))


def test_more_digits_change_nothing():
    """On one of the worst systems of the sweep: 150 digits are plenty."""
    arguments = Case("highest", 1e-6, 6, N_STEPS).arguments()
    few, many = (accuracy.reference(arguments, digits=digits) for digits in (150, 250))
    assert max(accuracy.errors(few, many).values()) < 1e-15


def test_the_twin_refuses_a_batch_and_a_singular_system():
    case = random_ode(np.random.default_rng(0), (2,))
    with pytest.raises(ValueError, match=r"batch = \(2,\): one series is wanted"):
        exact.ode_solve_vjp(**case)
    free = np.zeros((4, 1, 1, 2))
    free[..., 1] = 1.0  # y' = 0 with no value given
    with pytest.raises(np.linalg.LinAlgError, match="undetermined"):
        exact.ode_solve_vjp(free, np.zeros((4, 1)), np.ones((1, 1, 1)), 0.1, weight_initial=0.0)


def test_a_lost_digit_is_seen():
    """The measure itself: an error of 1e-9 in one gradient, and a refusal."""
    arguments = Case("varying", 0.1, 3, N_STEPS).arguments()
    wanted = accuracy.reference(arguments)
    spoilt = [{**pair, "steps": pair["steps"] * (1 + 1e-9)} for pair in wanted]
    errors = accuracy.errors(spoilt, wanted)
    assert errors["steps"] == pytest.approx(1e-9, rel=1e-3)
    good = dict.fromkeys(accuracy.QUANTITIES, 0.0)
    case = Case("varying", 0.1, 3, N_STEPS)
    result = accuracy.Result(case, "float64", {"qr": good, "auto": errors}, "", np.nan)
    assert list(result.violations()) == ["steps"]
    refused = accuracy.Result(case, "float64", {"qr": good, "auto": None}, "", np.nan)
    assert refused.violations() == {"y": np.inf}


def test_one_unlucky_grid_breaks_no_law_but_many_do(monkeypatch):
    case = Case("varying", 0.1, 3, N_STEPS)
    unlucky = {N_STEPS}

    def measure(case, dtype):
        errors = {way: dict.fromkeys(accuracy.QUANTITIES, 1e-12) for way in ("cholesky", "qr")}
        errors["auto"] = errors["qr"] | ({"rhs": 1e-10} if case.n_steps in unlucky else {})
        return accuracy.Result(case, dtype, errors, "", np.nan)

    monkeypatch.setattr(accuracy, "measure", measure)
    line = accuracy.record(measure(case, "float64"))
    assert (line["beyond"], line["violations"]) == ("rhs 1.0e+02", "")
    unlucky.update(range(N_STEPS + 8))  # eight grids of fifteen
    assert accuracy.record(measure(case, "float64"))["violations"] == "rhs 1.0e+02"


def test_a_grid_of_one_node_is_refused(capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["--n-steps", "1"])
    assert "--n-steps 1: a grid has two nodes at least" in capsys.readouterr().err


@pytest.mark.parametrize("factorization", ["qr", "auto"])
@pytest.mark.parametrize(("system", "step"), [("oscillatory", 1e-5), ("varying", 1e-4)])
def test_links_take_the_difference_of_neighbours_first(system, step, factorization):
    """It is exact; a residual that adds smaller terms before it loses digits of y."""
    arguments = Case(system, step, 3, 200).arguments()
    found = accuracy.solution(arguments, factorization)
    assert accuracy.errors(found, accuracy.reference(arguments))["y"] < 1e-13
