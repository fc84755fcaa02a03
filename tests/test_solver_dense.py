"""The fast solver against the dense twin, over every flag, weight and broadcast.

Named corners first, then random combinations of everything. Draws whose rows are ill conditioned
are rejected, so that one tight tolerance holds for all three factorizations.
"""

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import dense
from smnn_np.testing import assert_close, random_ode

FACTORIZATIONS = ["auto", "cholesky", "qr"]
MAX_CONDITION = 1e3

SIZES = {
    "scalar": {},
    "two nodes": {"n_steps": 2},
    "three nodes": {"n_steps": 3, "n_dims": 2, "n_equations": 2},
    "one order": {"n_orders": 1},
    "two orders": {"n_orders": 2, "n_dims": 2},
    "five orders": {"n_orders": 5, "n_steps": 8},
    "fewer equations than dimensions": {"n_dims": 3, "n_equations": 1},
    "as many": {"n_dims": 3, "n_equations": 3},
    "more": {"n_dims": 2, "n_equations": 5, "n_orders": 2},
    "three initial steps": {"n_initial_steps": 3, "n_initial_orders": 1},
    "all initial orders": {"n_initial_steps": 2, "n_initial_orders": 3},
    "initial values everywhere": {"n_initial_steps": 6, "n_dims": 2},
    "no initial values": {"n_initial_orders": 0, "n_dims": 2, "n_equations": 2},
    "long": {"n_steps": 60, "n_dims": 2, "n_equations": 2},
}
BROADCASTS = {
    "batches of rhs and coefficients": {"coefficients": (2, 1, 5, 2, 2, 3), "rhs": (1, 3, 5, 2)},
    "batch of steps": {"steps": (4, 4)},
    "batch of initial": {"initial": (3, 1, 2, 2)},
    "batches of unlike rank": {"coefficients": (5, 2, 2, 3), "rhs": (2, 5, 2), "steps": (3, 2, 4)},
    "batch of a weight": {"weight_smooth": (3, 1)},
    "constant coefficients": {"coefficients": (1, 2, 2, 3)},
    "constant rhs": {"rhs": (1, 2)},
    "constant step": {"steps": (1,)},
    "step is a number": {"steps": ()},
    "all constant": {"coefficients": (1, 2, 2, 3), "rhs": (1, 2), "steps": (1,), "n_steps": 5},
    "one initial row for three nodes": {"initial": (1, 2, 2), "n_initial_steps": 3},
    "weight of each equation": {"weight_equation": (2,)},
    "weight of each node": {"weight_equation": (5, 1), "rhs": (1, 2)},
    "weight of each initial order": {"weight_initial": (2,), "initial": (2, 2, 2)},
    "weight of each initial node": {"weight_initial": (3, 1, 1), "n_initial_steps": 3},
    "weights of each series": {
        "weight_equation": (3, 1, 1),
        "weight_initial": (3, 1, 1, 1),
        "weight_smooth": (3, 1),
    },
}


def assert_like_dense(problem, backend=None, **options):
    given = problem if backend is None else backend.give(problem)
    y = smnn.ode_solve(**given, **options)
    y = y if backend is None else backend.take(y)
    assert_close(y, dense.ode_solve(**problem))
    assert y.flags.c_contiguous


def draw(rng, shapes, zeros=0.0, **options):
    """Draw arrays of these shapes until they make a well-conditioned problem; None if never."""
    for _ in range(100):
        problem = dict(options)
        for name, shape in shapes.items():
            positive = name == "steps" or name.startswith("weight")
            array = rng.uniform(0.3, 1.2, shape) if positive else rng.standard_normal(shape)
            if name.startswith("weight"):
                array = array * (rng.random(shape) >= zeros)
            problem[name] = array
        try:
            rows, _ = dense.ode_rows(**problem)
        except np.linalg.LinAlgError:
            continue
        if np.linalg.cond(rows).max() < MAX_CONDITION:
            return problem
    return None


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("central", [False, True], ids=["ends", "central"])
@pytest.mark.parametrize("sizes", SIZES)
def test_sizes(sizes, central, weighted, factorization, backend):
    central = central and SIZES[sizes].get("n_orders") != 1  # central rows need two orders
    rng = np.random.default_rng(0)
    size = SIZES[sizes]
    if backend.on_gpu and sizes == "long":
        size = size | {"n_steps": 12}  # the simulator takes 10 ms a node
    problem = random_ode(rng, (2,), **size, central=central, weighted=weighted)
    assert_like_dense(problem, backend, factorization=factorization)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("central", [False, True], ids=["ends", "central"])
@pytest.mark.parametrize("case", BROADCASTS)
def test_broadcasts(case, central, factorization, backend):
    full = {"coefficients": (5, 2, 2, 3), "rhs": (5, 2), "initial": (1, 2, 2), "steps": (4,)}
    shapes = full | {k: v for k, v in BROADCASTS[case].items() if isinstance(v, tuple)}
    options = {k: v for k, v in BROADCASTS[case].items() if not isinstance(v, tuple)}
    problem = draw(np.random.default_rng(1), shapes, central=central, **options)
    assert_like_dense(problem, backend, factorization=factorization)


@pytest.mark.parametrize("seed", range(120))
def test_random_combinations(seed):
    """Sizes, axes of length one, batches, weights with zeros, flags: all drawn at once."""
    rng, problem = np.random.default_rng(seed), None
    while problem is None:
        shapes, options = random_options(rng)
        problem = draw(rng, shapes, zeros=0.1, **options)
    for factorization in FACTORIZATIONS:
        assert_like_dense(problem, factorization=factorization)


def random_options(rng):
    """Draw the shape of every array, and all other options."""
    n_steps, n_orders = int(rng.integers(2, 9)), int(rng.integers(1, 6))
    n_dims, n_equations = (int(n) for n in rng.integers(1, 4, 2))
    if n_dims == n_equations == 1:  # compiled for each R, which takes long: SIZES has 1, 3 and 5
        n_orders = 3
    options = {"n_steps": n_steps, "central": bool(n_orders > 1 and rng.random() < 0.5)}
    core = {
        "coefficients": (n_steps, n_equations, n_dims, n_orders),
        "rhs": (n_steps, n_equations),
        "steps": (n_steps - 1,),
        "weight_equation": (n_steps, n_equations),
        "weight_smooth": (n_steps - 1,),
    }
    options["n_initial_steps"] = int(rng.integers(0, min(n_steps, 3) + 1))
    if options["n_initial_steps"] == 0:
        options["initial"] = None
    else:
        n_initial_orders = int(rng.integers(1, n_orders + 1))
        core["initial"] = (options["n_initial_steps"], n_dims, n_initial_orders)
        core["weight_initial"] = core["initial"]
    batch = [(), (3,), (2, 3)][rng.integers(3)]
    return {name: random_shape(rng, name, shape, batch) for name, shape in core.items()}, options


def random_shape(rng, name, core, batch):
    """Set any axis that may broadcast to one, and drop leading axes of the batch."""
    core = list(core)
    if rng.random() < 0.3:
        core[0] = 1
    if name.startswith("weight"):
        core = [1 if rng.random() < 0.3 else length for length in core]
    lead = [1 if rng.random() < 0.4 else length for length in batch]
    return (*lead[rng.integers(len(lead) + 1) :], *core)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
def test_zero_weights_leave_rows_out(factorization, backend):
    rng = np.random.default_rng(2)
    problem = random_ode(rng, (2,), n_dims=2, n_equations=3, n_initial_steps=3, weighted=True)
    problem["weight_equation"][:, [0, 3], 1] = 0.0
    problem["weight_equation"][1, 4, 0] = 0.0
    problem["weight_initial"][:, 1] = 0.0
    problem["weight_initial"][0, 2, 1] = 0.0
    problem["weight_smooth"][1, 2] = 0.0  # nodes 2 and 3 of series 1 know nothing of each other
    assert_like_dense(problem, backend, factorization=factorization)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("central", [False, True], ids=["ends", "central"])
def test_very_uneven_steps(central, factorization, backend):
    problem = random_ode(np.random.default_rng(3), n_steps=8, n_dims=2, n_equations=2)
    problem |= {"steps": 0.4 * 2.0 ** np.array([0, -4, 1, -3, 0, -2, 1]), "central": central}
    assert np.linalg.cond(dense.ode_rows(**problem)[0]) < 100 * MAX_CONDITION
    assert_like_dense(problem, backend, factorization=factorization)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_layout_and_dtype(order, factorization, dtype):
    problem = random_ode(np.random.default_rng(4), (2,), n_dims=2, weighted=True)
    for name, array in problem.items():
        if isinstance(array, np.ndarray):
            problem[name] = np.array(array, dtype=dtype, order=order)
            problem[name].flags.writeable = False
    y = smnn.ode_solve(**problem, factorization=factorization)
    assert y.dtype == dtype
    assert y.flags.writeable
    assert_close(y, dense.ode_solve(**problem))


def test_strided_views_integers_and_lists():
    problem = random_ode(np.random.default_rng(5), n_dims=2)
    y = smnn.ode_solve(**problem)
    wide = np.repeat(problem["coefficients"], 2, axis=0)[::2]
    backwards = problem["rhs"][::-1].copy()[::-1]
    views = problem | {"coefficients": wide, "rhs": backwards, "steps": problem["steps"].tolist()}
    np.testing.assert_array_equal(smnn.ode_solve(**views), y)
    counts = problem | {"rhs": np.arange(6)[:, None], "weight_equation": np.arange(6)[:, None] > 0}
    assert_like_dense(counts)


@pytest.mark.parametrize("factorization", FACTORIZATIONS)
def test_central_rows_reach_across_a_cut(factorization):
    """Three equations serve two pieces of two unknowns each, as a central row ties them."""
    shapes = {"coefficients": (3, 1, 1, 2), "rhs": (3, 1), "steps": (2,)}
    options = {"initial": None, "weight_smooth": [1.0, 0.0], "central": True}
    problem = draw(np.random.default_rng(6), shapes, **options)
    assert_like_dense(problem, factorization=factorization)
    with pytest.raises(np.linalg.LinAlgError, match=r"at least V\*R for each piece = 4"):
        smnn.ode_solve(**problem | {"central": False})
