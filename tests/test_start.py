"""The start by equations: right in the coefficients, and in its gradient."""

import numpy as np
import pytest

from smnn_np import _start
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
