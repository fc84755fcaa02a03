"""Determinant and selected inverse of the normal matrix against the dense twin's rows."""

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np.dense import ode_rows
from smnn_np.testing import assert_close, random_ode

SIZES = {
    "one series": {"n_steps": 6},
    "two nodes": {"n_steps": 2, "n_dims": 2, "n_equations": 2, "n_orders": 2},
    "batch": {"batch": (3,), "n_steps": 5, "n_dims": 2, "n_equations": 2},
    "full lanes": {"batch": (2, 5), "n_steps": 4, "n_dims": 1},
    "wide": {"n_steps": 5, "n_dims": 3, "n_equations": 3},
}


def make(sizes, central, factorization, backend):
    """A problem, its factor and the dense normal matrix of every series."""
    case = random_ode(np.random.default_rng(0), **SIZES[sizes], weighted=True, central=central)
    shared = {k: v for k, v in case.items() if k not in ("rhs", "initial")}
    factor = smnn.ode_factorize(
        **backend.give(shared), n_steps=SIZES[sizes]["n_steps"], factorization=factorization
    )
    batch = SIZES[sizes].get("batch", ())
    normal = {}
    for index in np.ndindex(batch):
        one = {k: v[index] if isinstance(v, np.ndarray) and batch else v for k, v in case.items()}
        a, _ = ode_rows(**one)
        normal[index] = a.T @ a
    return factor, normal


@pytest.mark.parametrize("factorization", ["cholesky", "qr", "auto"])
@pytest.mark.parametrize("central", [False, True])
@pytest.mark.parametrize("sizes", list(SIZES))
def test_against_the_dense_inverse(sizes, central, factorization, backend):
    factor, normal = make(sizes, central, factorization, backend)
    found = factor.variance(), factor.covariance(), factor.covariance(lag=1)
    variance, covariance, lagged = map(backend.take, found)
    logdet = backend.take(factor.logdet()) if variance.ndim > 3 else {(): float(factor.logdet())}
    n_steps, n_dims, n_orders = variance.shape[-3:]
    m = n_dims * n_orders
    for index, matrix in normal.items():
        inverse = np.linalg.inv(matrix)
        blocks = inverse.reshape(n_steps, m, n_steps, m).swapaxes(1, 2)
        assert_close(logdet[index], np.linalg.slogdet(matrix)[1])
        assert_close(variance[index].ravel(), np.diag(inverse))
        nodes = np.arange(n_steps)
        wanted = blocks[nodes, nodes]
        assert_close(covariance[index].reshape(n_steps, m, m), wanted)
        wanted = blocks[nodes[:-1], nodes[1:]]
        assert_close(lagged[index].reshape(n_steps - 1, m, m), wanted)


def test_exact_law_carries_the_initial_variance():
    """y'' + y = 0 known nearly exactly, y(0) to 0.1, y'(0) to 0.2: .01 cos^2 t + .04 sin^2 t."""
    factor = smnn.ode_factorize(
        [[[[1.0, 0.0, 1.0, 0.0, 0.0]]]], 1e-2, n_steps=501, n_initial_orders=2,
        weight_equation=1e7, weight_smooth=1e7, weight_initial=[[[10.0, 5.0]]],
    )  # fmt: skip
    t = np.arange(501) * 1e-2
    wanted = 0.01 * np.cos(t) ** 2 + 0.04 * np.sin(t) ** 2
    np.testing.assert_allclose(factor.variance()[:, 0, 0], wanted, rtol=1e-3)


def test_wrong_lag_is_refused():
    factor = smnn.ode_factorize([[[[1.0, 1.0]]]], 0.1, n_steps=4)
    with pytest.raises(ValueError, match=r"lag = 2: 0 .* or 1 .* is wanted"):
        factor.covariance(lag=2)


@pytest.mark.parametrize(("n_steps", "n_dims", "n_orders"), [(2, 1, 3), (6, 1, 3), (5, 2, 2)])
def test_pseudo_determinant_against_eigenvalues(n_steps, n_dims, n_orders):
    """Taylor rows alone leave V R directions free."""
    rng = np.random.default_rng(0)
    steps, weights = rng.uniform(0.5, 1.5, (2, 3, n_steps - 1))
    sizes = {"n_dims": n_dims, "n_orders": n_orders, "n_steps": n_steps}
    logdet = smnn.taylor_logdet(steps, **sizes, weight_smooth=weights)
    free = n_dims * n_orders
    for b in range(3):
        a, _ = ode_rows(
            np.zeros((1, 1, n_dims, n_orders)), np.zeros((1, 1)), np.zeros((1, n_dims, n_orders)),
            steps[b], n_steps=n_steps, weight_equation=0.0, weight_smooth=weights[b],
        )  # fmt: skip
        normal = a.T @ a
        normal[np.arange(free), np.arange(free)] -= 1.0  # without the initial rows
        values = np.linalg.eigvalsh(normal)
        assert values[free - 1] < 1e-12 < values[free]
        assert_close(logdet[b], np.log(values[free:]).sum())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_dims": 0}, "n_dims = 0: an integer >= 1 is wanted"),
        ({"n_orders": 1.5}, "n_orders = 1.5: an integer >= 0 is wanted"),
        ({"weight_smooth": [1.0, 0.0, 1.0]}, r"weight_smooth\[1\] = 0.0: a weight > 0 is wanted"),
        ({"steps": [0.1, -0.1, 0.1]}, r"steps\[1\] = -0.1: every step must be > 0"),
    ],
)
def test_bad_priors_are_refused(change, words):
    given = {"steps": [0.1, 0.1, 0.1], "n_dims": 1, "n_orders": 2, **change}
    with pytest.raises((TypeError, ValueError), match=words):
        smnn.taylor_logdet(**given)
