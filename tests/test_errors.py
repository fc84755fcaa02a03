"""Bad input gets one clear sentence: the argument's name, what came, what is wanted."""

import re
from contextlib import contextmanager

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import dense
from smnn_np._validation import check_cotangent, check_left_side, check_ode, check_right_side

N_STEPS, N_EQUATIONS, N_DIMS, N_ORDERS = 5, 1, 2, 3


def good():
    """Return arguments that are right; each test spoils one."""
    rng = np.random.default_rng(0)
    return {
        "coefficients": rng.standard_normal((N_STEPS, N_EQUATIONS, N_DIMS, N_ORDERS)),
        "rhs": rng.standard_normal((N_STEPS, N_EQUATIONS)),
        "initial": rng.standard_normal((1, N_DIMS, N_ORDERS - 1)),
        "steps": np.full(N_STEPS - 1, 0.1),
        "n_steps": None,
        "n_initial_steps": None,
        "weight_equation": 1.0,
        "weight_initial": 1.0,
        "weight_smooth": 1.0,
        "central": False,
        "factorization": "auto",
    }


def with_entry(shape, index, value):
    """Return an array of ones with one other entry."""
    array = np.ones(shape)
    array[index] = value
    return array


class FakeCuPyArray:
    """Stands in for cupy.ndarray, which is known by its module."""

    ndim, dtype = 1, np.dtype(np.float64)


FakeCuPyArray.__module__ = "cupy"

MISSING = "give the missing value weight 0 and any finite number"
NONNEGATIVE = "a finite weight >= 0 is wanted; give 0 to leave a row out"

# The words of the message (" ~ " stands for anything) and what is spoiled to see them.
VALUE_ERRORS = {
    # ranks
    "coefficients has shape (1, 2, 3), at least the axes (..., n_steps|1, n_equations, n_dims, ": {
        "coefficients": np.ones((1, 2, 3))
    },
    "rhs has shape (5,), at least the axes (..., n_steps|1, n_equations) are wanted": {
        "rhs": np.ones(5)
    },
    "rhs has shape (), at least the axes": {"rhs": 1.0},
    "initial has shape (2, 2), at least the axes (..., n_initial_steps|1, n_dims, n_initial_ord": {
        "initial": np.ones((2, 2))
    },
    "rhs is ragged, rows of one length are wanted": {"rhs": [[1.0], [1.0, 2.0]]},
    # axes that do not fit
    "rhs has shape (4, 1), (..., n_steps|1, n_equations) = (..., 5|1, 1) is wanted, because ~ "
    "coefficients has shape (5, 1, 2, 3) and n_steps = 5 is that of coefficients with shape (5": {
        "rhs": np.ones((4, 1))
    },
    "rhs has shape (5, 2), (..., n_steps|1, n_equations) = (..., 5|1, 1)": {"rhs": np.ones((5, 2))},
    "steps has shape (3,), (..., n_steps-1|1) = (..., 4|1) is wanted": {"steps": np.ones(3)},
    "coefficients has shape ~ (..., 6|1, 1, 2, 3) ~ n_steps = 6 is that of steps with shape (5,)": {
        "steps": np.ones(5)
    },
    "coefficients has shape (5, 1, 2, 3), ~ (..., 7|1, 1, 2, 3) ~ n_steps = 7 was given": {
        "n_steps": 7
    },
    "initial has shape (1, 3, 2), (..., n_initial_steps|1, n_dims, n_initial_orders) = (..., 1, ": {
        "initial": np.ones((1, 3, 2))
    },
    "n_initial_orders = 4: at most n_orders = 3 is wanted": {"initial": np.ones((1, 2, 4))},
    "n_initial_steps = 6: at most n_steps = 5 is wanted": {"initial": np.ones((6, 2, 1))},
    "initial has shape (2, 2, 1), ~ = (..., 3|1, 2, 1) is wanted": {
        "initial": np.ones((2, 2, 1)),
        "n_initial_steps": 3,
    },
    "n_initial_steps = 2, but initial is None: give both, or initial=None alone": {
        "initial": None,
        "n_initial_steps": 2,
    },
    "n_initial_steps = 0, but initial has shape (1, 2, 2): give both, or": {"n_initial_steps": 0},
    "weight_equation has shape (5, 2), (..., n_steps|1, n_equations|1) = (..., 5|1, 1) is wanted": {
        "weight_equation": np.ones((5, 2))
    },
    "weight_initial has shape (2, 1, 1), ~ n_initial_orders|1) = (..., 1, 2|1, 2|1) is wanted": {
        "weight_initial": np.ones((2, 1, 1))
    },
    "weight_smooth has shape (5,), (..., n_steps-1|1) = (..., 4|1) is wanted": {
        "weight_smooth": np.ones(5)
    },
    "rhs of shape (3, 5, 1) and steps of shape (2, 4) do not broadcast: the batches (3,) and (2": {
        "rhs": np.ones((3, 5, 1)),
        "steps": np.ones((2, 4)),
    },
    "rhs of shape (3, 5, 1) and weight_smooth of shape (2, 1) do not broadcast": {
        "rhs": np.ones((3, 5, 1)),
        "weight_smooth": np.ones((2, 1)),
    },
    # values
    "steps[2] = 0.0: every step must be > 0; sort the times and merge repeated ones": {
        "steps": with_entry(4, 2, 0.0)
    },
    "steps = -0.5: every step must be > 0": {"steps": -0.5},
    "steps[1, 3] = nan: a finite step is wanted": {"steps": with_entry((2, 4), (1, 3), np.nan)},
    f"coefficients[1, 0, 1, 2] = nan: {MISSING}": {
        "coefficients": with_entry((5, 1, 2, 3), (1, 0, 1, 2), np.nan)
    },
    f"rhs[3, 0] = nan: {MISSING}": {"rhs": with_entry((5, 1), (3, 0), np.nan)},
    f"rhs[4, 0] = -inf: {MISSING}": {"rhs": with_entry((5, 1), (4, 0), -np.inf)},
    f"initial[0, 1, 0] = nan: {MISSING}": {"initial": with_entry((1, 2, 2), (0, 1, 0), np.nan)},
    f"weight_equation = nan: {NONNEGATIVE}": {"weight_equation": np.nan},
    f"weight_equation[1, 0] = -2.0: {NONNEGATIVE}": {
        "weight_equation": with_entry((5, 1), (1, 0), -2.0)
    },
    f"weight_initial = -1.0: {NONNEGATIVE}": {"weight_initial": -1.0},
    f"weight_smooth[3] = inf: {NONNEGATIVE}": {"weight_smooth": with_entry(4, 3, np.inf)},
    # lengths and flags
    "n_steps is None, but coefficients, rhs, steps each have length 1 in time and serve any num": {
        "coefficients": np.ones((1, 1, 2, 3)),
        "rhs": np.ones((1, 1)),
        "steps": 0.1,
    },
    "n_steps = 1: at least two nodes are wanted": {"n_steps": 1},
    "n_steps = True: an integer >= 0 is wanted": {"n_steps": True},
    "n_steps = -5: an integer >= 0 is wanted": {"n_steps": -5},
    "coefficients has shape (5, 1, 0, 3), no axis may be empty": {
        "coefficients": np.ones((5, 1, 0, 3))
    },
    "rhs has shape (0, 5, 1), no axis may be empty": {"rhs": np.ones((0, 5, 1))},
    "initial has shape (1, 2, 0), no axis may be empty; pass None for no initial values": {
        "initial": np.ones((1, 2, 0))
    },
    "central = True needs n_orders >= 2, but coefficients has n_orders = 1: pass central=False": {
        "coefficients": np.ones((5, 1, 2, 1)),
        "central": True,
    },
    'factorization = \'lu\': one of "auto", "cholesky", "qr" is wanted': {"factorization": "lu"},
    "factorization = ['qr']: one of": {"factorization": ["qr"]},
}
TYPE_ERRORS = {
    "coefficients has dtype complex128, real numbers are wanted": {
        "coefficients": np.ones((5, 1, 2, 3), complex)
    },
    "rhs has dtype <U1, real numbers are wanted": {"rhs": [["a"]] * 5},
    "rhs has dtype object, real numbers are wanted": {"rhs": None},
    "rhs is a masked array, ~ fill the masked entries with any finite number and give them w": {
        "rhs": np.ma.masked_equal(np.ones((5, 1)), 1)
    },
    "initial is a CuPy array, but coefficients is a NumPy array: one kind is wanted; convert by ": {
        "initial": FakeCuPyArray()
    },
    "n_steps = 5.0: an integer >= 0 is wanted": {"n_steps": 5.0},
    "n_initial_steps = '1': an integer >= 0 is wanted": {"n_initial_steps": "1"},
    "central = 1: True or False is wanted": {"central": 1},
}
UNDETERMINED = "system leaves some unknown undetermined"
TOO_FEW_ROWS = {
    f"{UNDETERMINED}: 5 equation and initial rows with nonzero weight, at least V*R = 6 are "
    "wanted; add equations or initial values": {"initial": None},
    f"{UNDETERMINED} in series (1,): 4 equation and initial rows": {
        "weight_equation": with_entry((3, 5, 1), 1, 0.0)
    },
    f"{UNDETERMINED}: 4 equation and initial rows": {"weight_equation": 0.0},
    f"{UNDETERMINED}: 9 equation ~ at least V*R for each piece = 12 are wanted": {
        "weight_smooth": with_entry(4, 2, 0.0)
    },
}
BAD = [
    (error, words, changes)
    for error, table in (
        (ValueError, VALUE_ERRORS),
        (TypeError, TYPE_ERRORS),
        (np.linalg.LinAlgError, TOO_FEW_ROWS),
    )
    for words, changes in table.items()
]


@contextmanager
def refused(error, words):
    """Expect an error of exactly this kind with these words; " ~ " stands for anything."""
    with pytest.raises(error, match=".*".join(map(re.escape, words.split(" ~ ")))) as caught:
        yield
    assert caught.type is error


ODE_DOORS = {
    "check": check_ode,
    "fast": smnn.ode_solve,
    "vjp": smnn.ode_solve_vjp,
    "dense": dense.ode_solve,
}


@pytest.mark.parametrize("door", ODE_DOORS)
def test_good_input_passes(door):
    ODE_DOORS[door](**good())


@pytest.mark.parametrize("door", ODE_DOORS)
@pytest.mark.parametrize(("error", "words", "changes"), BAD)
def test_bad_input_is_refused(error, words, changes, door):
    with refused(error, words):
        ODE_DOORS[door](**(good() | changes))


@pytest.mark.parametrize(("error", "words", "changes"), BAD)
def test_message_is_one_sentence(error, words, changes):
    with pytest.raises(error) as caught:
        check_ode(**(good() | changes))
    message = str(caught.value)
    assert "\n" not in message
    assert not message.endswith(".")
    assert len(message) < 300


def left_side():
    arguments = good()
    return {name: value for name, value in arguments.items() if name not in ("rhs", "initial")} | {
        "n_initial_steps": 1,
        "n_initial_orders": None,
    }


BAD_LEFT = [
    (ValueError, "coefficients has shape (3,), at least the axes", {"coefficients": np.ones(3)}),
    (
        ValueError,
        "n_steps is None, but coefficients, steps each have length 1 in time",
        {"coefficients": np.ones((1, 1, 2, 3)), "steps": 0.1},
    ),
    (ValueError, "n_initial_orders = 4: at most n_orders = 3 is wanted", {"n_initial_orders": 4}),
    (TypeError, "n_initial_steps = None: an integer >= 0 is wanted", {"n_initial_steps": None}),
    (np.linalg.LinAlgError, f"{UNDETERMINED}: 5 equation and initial rows", {"n_initial_steps": 0}),
    (np.linalg.LinAlgError, f"{UNDETERMINED}: 5 equation and initial", {"n_initial_orders": 0}),
]


@pytest.mark.parametrize("door", [check_left_side, smnn.ode_factorize])
@pytest.mark.parametrize(("error", "words", "changes"), BAD_LEFT)
def test_bad_left_side_is_refused(error, words, changes, door):
    door(**left_side())
    with refused(error, words):
        door(**(left_side() | changes))


BAD_RIGHT = {
    f"rhs[2, 0] = nan: {MISSING}": {"rhs": with_entry((5, 1), (2, 0), np.nan)},
    "rhs has shape (4, 1), ~ = (..., 5|1, 1) is wanted, because the factor was made so": {
        "rhs": np.ones((4, 1))
    },
    "rhs has shape (3, 5, 1), whose batch (3,) does not broadcast to the factor's batch ()": {
        "rhs": np.ones((3, 5, 1))
    },
    "initial is None, but the factor has n_initial_steps = 1: give initial values where it has": {
        "initial": None
    },
    "initial has shape (1, 2, 3), ~ = (..., 1, 2, 2) is wanted": {"initial": np.ones((1, 2, 3))},
}


def solve_again(**right):
    return smnn.ode_factorize(**left_side()).solve(**right)


def check_again(**right):
    return check_right_side(check_left_side(**left_side()), **right)


@pytest.mark.parametrize("door", [check_again, solve_again])
@pytest.mark.parametrize("words", BAD_RIGHT)
def test_bad_right_side_is_refused(words, door):
    right = {name: good()[name] for name in ("rhs", "initial")}
    door(**right)
    with refused(ValueError, words):
        door(**(right | BAD_RIGHT[words]))


def test_initial_values_for_a_factor_without_initial_rows_are_refused():
    changes = {"coefficients": np.ones((5, 2, 2, 3)), "n_initial_steps": 0}
    inputs = check_left_side(**(left_side() | changes))
    with refused(ValueError, "initial is given, but the factor has n_initial_steps = 0: ~ None"):
        check_right_side(inputs, np.ones((5, 2)), np.ones((1, 2, 2)))


def test_no_initial_orders_means_no_initial_rows():
    changes = {"coefficients": np.ones((5, 2, 2, 3)), "n_initial_orders": 0}
    inputs = check_left_side(**(left_side() | changes))
    assert check_right_side(inputs, np.ones((5, 2)), None).initial is None


@pytest.mark.parametrize(("left", "right"), [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_dtype_of_a_factor_and_its_right_side(left, right):
    arguments = left_side()
    for name in ("coefficients", "steps"):
        arguments[name] = arguments[name].astype(left)
    both = {name: good()[name].astype(right) for name in ("rhs", "initial")}
    inputs = check_right_side(check_left_side(**arguments), **both)
    assert inputs.dtype == np.result_type(left, right)


def test_flags_of_numpy_become_those_of_python():
    assert check_ode(**(good() | {"central": np.True_})).central is True
    assert type(check_ode(**(good() | {"n_steps": np.array(5)})).shape.n_steps) is int


BAD_COTANGENTS = [
    (ValueError, "y_bar has shape (5, 2), the shape of y is wanted: (5, 2, 3)", np.ones((5, 2))),
    (ValueError, "y_bar[4, 1, 2] = nan: ", with_entry((5, 2, 3), (4, 1, 2), np.nan)),
    (TypeError, "y_bar has dtype complex128, real numbers", np.ones((5, 2, 3), complex)),
]


@pytest.mark.parametrize(("error", "words", "y_bar"), BAD_COTANGENTS)
def test_bad_cotangent_is_refused(error, words, y_bar):
    _, pullback = smnn.ode_solve_vjp(**good())
    for door in (pullback, lambda y_bar: check_cotangent(y_bar, check_ode(**good()).shape)):
        with refused(error, words):
            door(y_bar)
