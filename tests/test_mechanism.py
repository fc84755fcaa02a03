"""From outputs to ODEs: gradients of the whole network, units, well-posed by construction."""

from dataclasses import replace

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import SMNNRegressor, mechanism
from smnn_np._objective import Objective
from smnn_np._start import start_from_equations
from smnn_np._training import Progress, descend, new_adam
from smnn_np._trajectories import Units
from smnn_np.adjoint import OdeGradients
from smnn_np.mechanism import Design
from smnn_np.network import Perceptron
from smnn_np.testing import assert_close, five_point_gradient

# Five-point differences of a loss that solves ODEs: their own error is near 1e-9.
DIFFERENCES = 100.0

BASE = {
    "order": 2, "n_orders": 4, "n_dims": 2, "n_shapes": 1, "coupled": True, "learn_step": False,
    "learn_weights": False, "n_substeps": 1,
}  # fmt: skip
OPTIONS = {
    "plain": {},
    "first order": {"order": 1, "n_orders": 3},
    "third order": {"order": 3, "n_orders": 5},
    "independent": {"coupled": False},
    "time-varying": {"n_shapes": 3},
    "independent and time-varying": {"coupled": False, "n_shapes": 2},
    "learned step": {"learn_step": True},
    "learned weights": {"learn_weights": True},
    "substeps": {"n_substeps": 3, "n_shapes": 2},
    "all": {"coupled": False, "n_shapes": 2, "learn_step": True, "learn_weights": True,
            "n_substeps": 2},
    "all, coupled": {"n_shapes": 2, "learn_step": True, "learn_weights": True},
}  # fmt: skip


def make_objective(rng, loss="squared_error", activation="tanh", **changes):
    """A network that emits ODEs, far from its start, and parameters."""
    design = Design(**{**BASE, **changes}, step=rng.uniform(0.2, 0.5, 5))
    network = Perceptron((3, 4, design.n_outputs), activation)
    flat = network.start(np.random.RandomState(0))
    flat = flat + 0.2 * rng.standard_normal(flat.shape)
    z = rng.standard_normal((4, 6, 2))
    z[0, 2], z[1, 3, 1] = np.nan, np.nan
    x, weight = rng.standard_normal((4, 3)), rng.uniform(0.5, 2.0, 4)
    return Objective(network, design, 0.7, loss, 0.1, x, z, weight), flat


def assert_gradient(objective, flat):
    rows = np.arange(len(objective.x))
    gradient = objective(flat, rows)[1].copy()
    wanted = five_point_gradient(lambda p: objective(p, rows)[0], flat)
    network = objective.network
    for got, want in zip(network.layers(gradient), network.layers(wanted), strict=True):
        for block, other in zip(got, want, strict=True):
            assert np.abs(other).max() > 1e-6  # a block without any effect would prove nothing
            assert_close(block, other, scale=DIFFERENCES)
    return gradient


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_gradient_of_the_whole_network(option, rng):
    objective, flat = make_objective(rng, **OPTIONS[option])
    gradient = assert_gradient(objective, flat)
    # Every kind of output takes part: the last layer's biases are one for each.
    parts = objective.design.cut(objective.network.layers(gradient)[-1][1][None])
    assert all(np.abs(part).min(initial=1.0) > 0 for part in parts)


@pytest.fixture
def there(gpu, monkeypatch):
    """A GPU whose solver is the host's, which is quicker than a simulated one."""
    solve = mechanism.ode_solve_vjp

    def solver(*, n_steps, **arguments):
        kinds = {type(each) for each in arguments.values()}
        assert len(kinds) == 1
        if kinds == {np.ndarray}:
            return solve(**arguments, n_steps=n_steps)
        y, pull = solve(**{name: each.get() for name, each in arguments.items()}, n_steps=n_steps)

        def pullback(y_bar):
            return OdeGradients(*(gpu.give(each) for each in pull(y_bar.get())))

        return gpu.give(y), pullback

    monkeypatch.setattr(mechanism, "ode_solve_vjp", solver)
    return gpu


def twins(rng, gpu, **changes):
    """The same objective and parameters, of NumPy's arrays and of CuPy's."""
    here, flat = make_objective(rng, **changes)
    arrays = {name: gpu.give(getattr(here, name)) for name in ("x", "z", "weight")}
    twin = replace(here, network=Perceptron(here.network.sizes, "tanh"), **arrays)
    return (here, flat), (twin, gpu.give(flat.copy()))


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("option", ["plain", "all"])
def test_loss_and_gradient_stay_with_the_module_of_their_arrays(option, loss, rng, there):
    (here, flat), (twin, at) = twins(rng, there, loss=loss, **OPTIONS[option])
    wanted, got = here(flat, np.arange(4)), twin(at, np.arange(4))
    assert got[0] == pytest.approx(wanted[0], rel=1e-12)
    assert_close(there.take(got[1]), wanted[1])
    with pytest.raises(TypeError):
        replace(twin, x=here.x)(at, np.arange(4))


def test_training_stays_with_the_module_of_its_arrays(rng, there):
    """The start by equations, then Adam, then L-BFGS: the same parameters with either."""
    settings = SMNNRegressor(max_iter=3, batch_size=3, shuffle=False)
    ends = []
    for objective, flat in twins(rng, there, order=1, n_orders=3):
        start_from_equations(objective, flat)
        for solver in ("adam", "lbfgs"):
            settings.solver = solver
            progress = Progress(0.0, np.inf, None, lambda *_: None)
            rng_of_batches = np.random.RandomState(0)
            adam = new_adam(settings, flat)
            descend(settings, objective, flat, adam, rng_of_batches, progress, 3)
            assert type(progress.best_parameters) is type(flat)
        ends.append(flat)
    assert_close(there.take(ends[1]), ends[0], scale=DIFFERENCES)


@pytest.mark.parametrize("activation", ["identity", "logistic", "relu"])
def test_gradient_with_every_activation(activation, rng):
    assert_gradient(*make_objective(rng, activation=activation))


def test_gradient_of_the_huber_loss(rng):
    # Large residuals: all beyond the kink, and none so near that a difference would cross it.
    assert_gradient(*make_objective(rng, loss="huber"))


def test_gradient_over_chunks_is_that_at_once(rng, monkeypatch):
    objective, flat = make_objective(rng)
    rows = np.arange(4)
    wanted = objective(flat, rows)
    monkeypatch.setattr("smnn_np._objective._CHUNK_FLOATS", 1)
    got = objective(flat, rows)
    assert got[0] == pytest.approx(wanted[0], rel=1e-12)
    assert_close(got[1], wanted[1])


def test_a_missing_value_has_no_effect_whatever_stands_there(rng):
    objective, flat = make_objective(rng)
    rows = np.arange(4)
    wanted = objective(flat, rows)[1].copy()
    y = objective.design.solve(objective.network.forward(flat, objective.x), 0.7, 6)[0]
    seen = ~np.isnan(objective.z)
    share = np.where(seen, objective.weight[:, None, None], 0.0)
    assert objective(flat, rows)[0] == pytest.approx(
        0.5 * (share * np.where(seen, y - objective.z, 0.0) ** 2).sum() / share.sum()
        + 0.05 * sum((w**2).sum() for w, _ in objective.network.layers(flat))
        / objective.weight.sum()
    )  # fmt: skip
    assert np.isfinite(wanted).all()


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_outputs_of_zero_are_the_equation_of_nothing(option, rng):
    design = Design(**{**BASE, **OPTIONS[option]}, step=np.full(5, 0.3))
    raw = np.zeros((1, design.n_outputs))
    initial = design.cut(raw).initial
    initial[:] = rng.standard_normal(initial.shape)  # a view: this fills raw
    y, _ = design.solve(raw, 1.0, 6)
    t = 0.3 * np.arange(6)
    powers = [t**r / max(np.prod(np.arange(1, r + 1)), 1) for r in range(design.order)]
    wanted = np.einsum("rt,gwr->tgw", powers, initial[0]).reshape(1, 6, 2)
    assert_close(y, wanted, scale=DIFFERENCES)


def test_any_output_has_a_solution(rng):
    design = Design(**{**BASE, "n_shapes": 2}, step=np.full(20, 0.1))
    raw = 10.0 ** rng.uniform(-6, 1.5, (300, design.n_outputs))
    raw *= rng.choice([-1, 1], raw.shape)
    assert np.isfinite(design.solve(raw, 1.0, 21)[0]).all()


@pytest.mark.parametrize("option", ["plain", "independent and time-varying", "learned step"])
def test_the_mechanism_is_the_same_ode_in_the_units_of_the_user(option, rng):
    units = Units(np.zeros(1), np.ones(1), np.array([3.0, -40.0]), np.array([2.0, 0.1]), 0.25)
    design = Design(**{**BASE, **OPTIONS[option]}, step=np.full(20, 0.002))
    raw = 0.5 * rng.standard_normal((3, design.n_outputs))
    y = design.solve(raw, units.time, 21)[0] * units.y_scale + units.y_mean
    got = smnn.ode_solve(*design.describe(raw, units, 21), n_steps=21)[..., 0]
    # The two weigh rows differently; on a fine grid both are the ODE's solution.
    assert np.abs((got - y) / units.y_scale).max() < 1e-5


def test_what_varies_in_time_stays_beyond_the_trained_span():
    design = Design(**{**BASE, "n_shapes": 4}, step=np.full(5, 0.3))
    basis = design.basis(design.grid(9))
    assert_close(basis[5:], np.ones((4, 4)))
    assert_close(basis[0], np.array([1.0, -1.0, 1.0, -1.0]))
