"""predict(return_std=True): the joint posterior of the nodes, and its spread beyond the span."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import block_diag

from smnn_np import Constraints, SMNNDiscoverer
from smnn_np._kernels.spread import carry_spread
from smnn_np._posterior import _Spread
from smnn_np.optimize import _rows, border_triangle

FAR = 14.0


def van_der_pol(_, s):
    return [s[1], (1 - s[0] ** 2) * s[1] - s[0]]


@pytest.fixture(scope="module")
def fitted():
    """A fit to 0 .. 10, and the true states up to FAR."""
    t = np.linspace(0, 10, 120)
    sol = solve_ivp(van_der_pol, (0, FAR), [1.0, 0.0], dense_output=True, rtol=1e-10, atol=1e-10)
    y = sol.sol(t).T + 0.05 * np.random.default_rng(0).standard_normal((120, 2))
    return SMNNDiscoverer(degree=3).fit(t, y), t, sol.sol


def dense_root(model):
    """Root of the joint covariance of all nodes and coefficients, from the dense rows."""
    problem, fit = model._law.problem, model._law.fit
    (bands,) = _rows(problem.law, problem.data, fit)
    matrix, _ = bands.to_dense()
    prior = np.eye(matrix.shape[1])[-fit.n_terms :] / 1e3
    return np.linalg.inv(np.linalg.qr(np.vstack([matrix, prior]), mode="r"))


def test_nodes_have_the_std_of_the_inverted_normal_matrix(fitted):
    model, t, _ = fitted
    mean, std = model.predict(t, return_std=True)
    np.testing.assert_array_equal(mean, model.predict(t))
    # The links weigh 1e6 times as much as the samples: the dense inverse has six digits left.
    root = dense_root(model)[: std.size]
    expected = np.linalg.norm(root, axis=1).reshape(std.shape) * model._law.problem.scales.state
    np.testing.assert_allclose(std, expected, rtol=1e-5)


def test_between_nodes_and_past_the_edge_the_std_goes_on_smoothly(fitted):
    model, t, _ = fitted
    around = np.concatenate(
        [t[-2] + np.array([0.02, 0.05]), t[-1] + np.array([-1e-4, 0.0, 1e-4]), [10.03]]
    )
    std = model.predict(around, return_std=True)[1]
    slope = np.diff(std, axis=0) / np.diff(around)[:, None]
    assert np.abs(np.diff(slope, axis=0)).max() < 0.3 * np.abs(slope).max()
    before = model.predict([-1e-6, 0.0], return_std=True)[1]
    np.testing.assert_allclose(before[0], before[1], rtol=1e-4)


def test_beyond_the_span_it_is_the_flow_of_draws_from_the_posterior(fitted):
    """Differences of trajectories in first state and coefficients, both ways in time."""
    model, t, _ = fitted
    problem, p = model._law.problem, model._law.fit.n_terms
    root = dense_root(model)
    for edge, later in ((-1, np.array([10.5, 12.0, FAR])), (0, np.array([-0.3, -0.6]))):
        rows = 2 * (len(t) - 1 if edge else 0) + np.arange(2)
        joint = root[np.append(rows, np.arange(-p, 0))]
        scale = block_diag(np.diag(problem.scales.state), np.eye(p))
        jacobian = flow_jacobian(model, t[edge], later)
        expected = np.linalg.norm(jacobian @ scale @ joint, axis=2)
        found = model.predict(later, return_std=True)[1]
        # The links' slack, 3e-4 per square root of time, adds half a percent.
        np.testing.assert_allclose(found, expected, rtol=1e-2)


def flow_jacobian(model, start, later):
    """Derivatives (m, S, S + p) of states at later times in the edge and scaled coefficients."""
    law = model._law
    scales, fit = law.problem.scales, law.fit
    edge = law.states[-1 if later[0] > start else 0]

    def end(change):
        xi = fit.xi.copy()
        xi[fit.term, fit.target] += change[2:]
        coef = scales.raw_xi(xi)
        found = solve_ivp(
            lambda _, s: law.library.values(s[None])[0] @ coef, (start, later[-1]),
            edge + change[:2], t_eval=later, rtol=1e-11, atol=1e-11,
        )  # fmt: skip
        return found.y.T

    steps = 1e-5 * np.eye(2 + fit.n_terms)
    return np.stack([(end(step) - end(-step)) / 2e-5 for step in steps], axis=2)


@pytest.mark.parametrize("where", ["inside", "beyond"])
def test_bands_hold_the_truth(where):
    """A quick look; asv_bench/calibration.py counts 200 draws."""
    t, covered = np.linspace(0, 10, 80), []
    wanted = np.linspace(0.03, 9.9, 40) if where == "inside" else np.linspace(10.1, 13, 10)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y = np.column_stack([np.cos(t), -np.sin(t)]) + 0.05 * rng.standard_normal((80, 2))
        mean, std = SMNNDiscoverer(degree=1).fit(t, y).predict(wanted, return_std=True)
        truth = np.column_stack([np.cos(wanted), -np.sin(wanted)])
        covered.append(np.abs(mean - truth) <= 1.96 * std)
    assert 0.8 <= np.mean(covered) <= 1.0


def test_shapes_runs_controls_and_second_order():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 8, 100)
    u = np.sin(1.7 * t)
    rate = lambda s, y: [y[1], -y[0] - 0.2 * y[1] + np.interp(s, t, u)]  # noqa: E731
    x = solve_ivp(rate, (0, 8), [1.0, 0.0], t_eval=t, rtol=1e-8, atol=1e-8).y[0]
    x = np.append(x + 0.01 * rng.standard_normal(100), x[:60] + 0.05 * rng.standard_normal(60))
    inputs = np.column_stack([np.append(t, t[:60]), np.append(u, u[:60])])
    runs = np.repeat(["a", "b"], [100, 60])
    model = SMNNDiscoverer(order=2, degree=1).fit(inputs, x, groups=runs)
    mean, std = model.predict(inputs, runs, return_std=True)
    assert mean.shape == std.shape == (160,)
    np.testing.assert_array_equal(mean, model.predict(inputs, runs))
    assert std.min() > 0
    assert std.max() < 0.1
    shuffled = rng.permutation(160)
    again = model.predict(inputs[shuffled], runs[shuffled], return_std=True)[1]
    np.testing.assert_allclose(again, std[shuffled], rtol=1e-6)
    alone = model.predict(inputs[150:151], runs[150:151], return_std=True)[1]
    np.testing.assert_allclose(alone, std[150:151], rtol=1e-6)


def test_what_is_fixed_beforehand_is_not_uncertain():
    t = np.linspace(0, 6, 60)
    y = np.column_stack([np.cos(t), -np.sin(t)])
    y += 0.05 * np.random.default_rng(0).standard_normal(y.shape)
    one_frequency = Constraints(equalities=[({("x", "y"): 1, ("y", "x"): 1}, 0)])
    every = {("x", "y"): 1.0, ("y", "x"): -1.0}
    known = Constraints(fixed=every, only={"x": ["y"], "y": ["x"]})
    size = []
    for given in (None, one_frequency, known):
        model = SMNNDiscoverer(degree=1, constraints=given).fit(t, y)
        std = model.predict([6.0, 20.0], return_std=True)[1]
        size.append(np.linalg.norm(std, axis=1))
    free, bound, certain = size
    assert bound[1] < 0.98 * free[1]
    # A rotation keeps the uncertainty of where it starts; the links' slack adds two percent.
    assert certain[1] == pytest.approx(certain[0], rel=5e-2)


def test_a_gap_has_wide_bands_and_a_law_with_slack_wider_ones():
    t = np.linspace(0, 10, 100)
    kept = (t < 4) | (t > 6)
    y = np.column_stack([np.cos(t), -np.sin(t)])
    y += 0.05 * np.random.default_rng(0).standard_normal(y.shape)
    model = SMNNDiscoverer(degree=1).fit(t[kept], y[kept])
    exact = model.predict(t, return_std=True)[1]
    assert (exact < 0.03).all()
    law = model._law
    loose = type(law.fit)(**{**vars(law.fit), "slack": 0.2, "loose": True})
    model._law = type(law)(**{**vars(law), "fit": loose})
    wide = model.predict(t, return_std=True)[1]
    assert (wide > exact).all()
    assert wide[50].min() > 1.5 * wide[20].max()
    beyond = model.predict([10.0, 12.0], return_std=True)[1]
    assert (beyond[1] > 1.5 * beyond[0]).all()


def test_a_spread_that_overflows_is_infinite_and_not_a_number():
    n = 400
    own, shared = np.zeros((n + 1, 1, 1)), np.zeros((n + 1, 1, 0))
    own[0] = 1.0
    carry_spread(np.full((n, 1, 1), 10.0), np.zeros((n, 1, 1)), np.zeros((n, 1, 0)), own, shared)
    std = _Spread(own, shared).std
    assert np.isinf(std[-1, 0])
    assert not np.isnan(std).any()


def test_the_border_alone_gives_the_standard_errors_of_the_fit(fitted):
    model, _, _ = fitted
    problem, fit = model._law.problem, model._law.fit
    triangle = border_triangle(problem.law, problem.data, fit)
    covariance = np.linalg.inv(triangle.T @ triangle)
    np.testing.assert_allclose(covariance, fit.covariance, rtol=1e-2)
