"""The start by equations, then by linearized trajectories: coefficients, gradients, judgement."""

import numpy as np
import pytest

from smnn_np import _linearized, _start
from smnn_np._linearized import start_from_trajectories
from smnn_np._objective import Objective
from smnn_np._start import EquationFit, start_from_equations
from smnn_np.mechanism import Design
from smnn_np.network import Perceptron
from smnn_np.testing import assert_close, five_point_gradient


def make_design(step, **changes):
    settings = {
        "order": 2, "n_orders": 5, "n_dims": 1, "n_shapes": 1, "coupled": True,
        "learn_step": False, "learn_weights": False, "n_substeps": 1,
    }  # fmt: skip
    return Design(**{**settings, **changes}, step=step)


def waves(step):
    """Return times and y'' + 0.2 y' + 2.25 y = 0.45, a damped wave around 0.2."""
    t = np.concatenate([[0.0], np.cumsum(step)])
    return t, 0.2 + np.exp(-0.1 * t) * np.cos(np.sqrt(2.24) * t)


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("uneven", [False, True])
def test_windows_see_the_equation_of_the_data(missing, uneven, monkeypatch):
    monkeypatch.setattr(_start, "_RIDGE", 1e-12)
    rng = np.random.default_rng(0)
    step = rng.uniform(0.05, 0.15, 100) if uneven else np.full(100, 0.1)
    t, y = waves(step)
    z = y[None, :, None].copy()
    z[0, rng.random(101) < missing] = np.nan
    gram, target = _start._equations(make_design(step), t, z, half=12)
    found = np.linalg.solve(gram, target)[0, 0, :, 0]
    allowed = 0.1 if missing else 0.02 if uneven else 1e-3
    assert np.abs(found - [2.25, 0.2, 0.45]).max() < allowed


@pytest.mark.parametrize(
    "changes",
    [{}, {"n_dims": 2}, {"n_dims": 2, "coupled": False, "n_shapes": 3}, {"order": 1}],
    ids=str,
)
def test_gradient(changes, rng):
    design = make_design(np.full(12, 0.3), **changes)
    network = Perceptron((2, 3, design.n_outputs), "tanh")
    g, w, k = design.part_shapes.initial
    m = design.n_shapes * (w * k + 1)
    root = rng.standard_normal((5, g, m, m))
    fit = EquationFit(
        network, design, 0.1, rng.standard_normal((5, 2)), np.full(5, 0.2),
        root @ np.swapaxes(root, 2, 3), rng.standard_normal((5, g, m, w)),
        rng.standard_normal((5, g, w, k)),
    )  # fmt: skip
    flat = network.start(np.random.RandomState(0)) + 0.3 * rng.standard_normal(network.n_parameters)
    rows = np.arange(5)
    gradient = fit(flat, rows)[1].copy()
    assert_close(gradient, five_point_gradient(lambda p: fit(p, rows)[0], flat))


def make_objective(z, step):
    design = make_design(step)
    network = Perceptron((1, 4, design.n_outputs), "tanh")
    x, weight = np.zeros((len(z), 1)), np.ones(len(z))
    objective = Objective(network, design, 1.0, "squared_error", 1e-6, x, z, weight)
    return objective, network.start(np.random.RandomState(0))


def test_the_start_lowers_the_loss_and_finds_the_equation():
    step = np.full(60, 0.2)
    z = np.tile(waves(step)[1], (3, 1))[:, :, None]
    objective, flat = make_objective(z, step)
    before = objective(flat, np.arange(3))[0]
    start_from_equations(objective, flat)
    assert objective(flat, np.arange(3))[0] < 0.05 * before
    parts = objective.design.cut(objective.network.forward(flat, objective.x))
    assert np.abs(parts.coefficients[0].ravel() - [2.25, 0.2]).max() < 0.1
    assert abs(parts.initial[0, 0, 0, 0] - 1.2) < 0.1


def test_too_few_nodes_leave_the_start_alone():
    objective, flat = make_objective(np.ones((3, 6, 1)), np.full(5, 0.2))
    before = flat.copy()
    start_from_equations(objective, flat)
    assert (flat == before).all()


def frequencies(n, noise=0.0):
    """Return an objective of n damped waves whose frequency is the feature, and parameters."""
    draw, step = np.random.default_rng(0), np.full(40, 0.2)
    t, x = np.concatenate([[0.0], np.cumsum(step)]), np.linspace(-1, 1, n)[:, None]
    z = (np.exp(-0.1 * t) * np.cos((1.5 + 0.3 * x) * t))[:, :, None]
    z += noise * draw.standard_normal(z.shape)
    design = make_design(step)
    x = np.hstack([x, draw.standard_normal((n, 3))])  # three features say nothing
    network = Perceptron((4, 32, design.n_outputs), "tanh")
    objective = Objective(network, design, 1.0, "squared_error", 1e-6, x, z, np.ones(n))
    parameters = network.start(np.random.RandomState(0))
    start_from_equations(objective, parameters)
    return objective, parameters


def test_linearized_trajectories_have_the_gradient_of_true_ones():
    """At the outputs they were linearized at; away from there the gradient is that of the loss."""
    objective, flat = frequencies(7)
    objective.z[2, 5:9] = np.nan
    rows = np.arange(7)
    fit = _linearized._linearize(objective, flat, rows)
    # Its derivatives are differences over a millionth.
    gap = fit(flat, rows)[1] - objective(flat, rows)[1]
    assert np.abs(gap).max() < 1e-4 * np.abs(objective(flat, rows)[1]).max()
    moved = flat + 1e-2 * np.random.default_rng(0).standard_normal(len(flat))
    gradient = fit(moved, rows)[1].copy()
    assert_close(gradient, five_point_gradient(lambda p: fit(p, rows)[0], moved))


def test_linearized_trajectories_go_where_descent_creeps():
    objective, flat = frequencies(60)
    rows = np.arange(60)
    before = objective(flat, rows)[0]
    start_from_trajectories(objective, flat)
    assert objective(flat, rows)[0] < 0.15 * before


def test_samples_left_out_judge_every_round(monkeypatch):
    """A round that fits the others, and them worse, is undone and tried with fewer iterations."""
    objective, flat = frequencies(60)
    before, asked = flat.copy(), []

    def worse(fit, parameters, n_samples, n_iter, *_):
        asked.append((n_samples, n_iter))
        parameters += 0.3

    monkeypatch.setattr(_linearized, "lbfgs", worse)
    start_from_trajectories(objective, flat)
    assert (flat == before).all()
    assert asked[:2] == [(48, 200), (48, 50)]


def test_outliers_are_left_out_of_the_equations():
    draw, step = np.random.default_rng(0), np.full(60, 0.2)
    z = np.tile(waves(step)[1], (3, 1))[:, :, None]
    z += 0.01 * draw.standard_normal(z.shape)
    bad = draw.random(z.shape) < 0.05
    kept = _start._without_outliers(np.where(bad, z + 5.0, z))
    assert np.isnan(kept[bad]).all()
    assert np.isnan(kept[~bad]).mean() < 0.01
