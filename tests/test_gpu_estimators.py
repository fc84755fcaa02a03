"""Estimators given CuPy arrays: where they compute, what they give back, what they keep."""

import pickle
import re

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import SMNNDiscoverer, SMNNRegressor
from smnn_np.testing import assert_close

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Training amplifies the rounding by which two solvers differ.
TRAINED = 1e4


def samples(n_dims=1):
    """A few samples of two features and five nodes, one value missing."""
    rng = np.random.default_rng(3)
    y = rng.standard_normal((6, 5, n_dims)).cumsum(axis=1)
    y[2, 3] = np.nan
    return rng.standard_normal((6, 2)), y


def network(**changes):
    settings = {
        "hidden_layer_sizes": 3, "order": 1, "n_orders": 3, "n_substeps": 1, "max_iter": 2,
        "batch_size": 4, "random_state": 0,
    }  # fmt: skip
    return SMNNRegressor(**{**settings, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"solver": "lbfgs", "learn_step": True, "learn_weights": True, "time_varying": 1},
        {"early_stopping": True, "validation_fraction": 0.4, "coupled": False, "loss": "huber"},
    ],
)
def test_the_regressor_trains_and_predicts_on_the_device(changes, gpu):
    X, y = samples(n_dims=2)
    weight = np.linspace(0.0, 1.0, 6)
    here = network(**changes).fit(X, y, weight)
    there = network(**changes).fit(gpu.give(X), gpu.give(y), gpu.give(weight))
    assert_close(there.loss_curve_, here.loss_curve_, scale=TRAINED)
    if here.validation_scores_:
        assert_close(there.validation_scores_, here.validation_scores_, scale=TRAINED)
    weights = zip(there.coefs_ + there.intercepts_, here.coefs_ + here.intercepts_, strict=True)
    for mine, other in weights:
        assert type(mine) is np.ndarray
        assert_close(mine, other, scale=TRAINED)
    longer = there.predict(gpu.give(X), n_steps=7)
    assert_close(gpu.take(longer), here.predict(X, n_steps=7), scale=TRAINED)
    for mine, other in zip(there.predict_ode(gpu.give(X)), here.predict_ode(X), strict=True):
        assert_close(gpu.take(mine), other, scale=TRAINED)
    got = there.score(gpu.give(X), gpu.give(y), gpu.give(weight))
    assert got == pytest.approx(here.score(X, y, weight), rel=1e-6)


def test_a_model_goes_on_wherever_its_samples_are(gpu):
    """Fitted there, pickled, predicting here; and one fit after the other on both."""
    X, y = samples()
    model = network().fit(gpu.give(X), gpu.give(y))
    copy = pickle.loads(pickle.dumps(model))
    assert_close(copy.predict(X), gpu.take(model.predict(gpu.give(X))))
    ways = []
    for first, second in ((np.asarray, gpu.give), (gpu.give, np.asarray), (np.asarray, np.asarray)):
        each = network(shuffle=False)
        each.partial_fit(first(X), first(y)).partial_fit(second(X), second(y))
        ways.append(each.predict(X))
    assert_close(ways[0], ways[2], scale=TRAINED)
    assert_close(ways[1], ways[2], scale=TRAINED)


@pytest.mark.parametrize(
    ("name", "index", "value", "words"),
    [
        ("X", (1, 0), np.nan, r"X\[1, 0\] = nan: leave the sample out"),
        ("y", (2, 1, 0), -np.inf, r"y\[2, 1, 0\] = -inf: write NaN for what is missing"),
        ("sample_weight", (3,), -1.0, "Negative values in data passed to `sample_weight`"),
    ],
)
def test_bad_samples_are_named(name, index, value, words, gpu):
    X, y = samples()
    given = {"X": X, "y": y, "sample_weight": np.ones(6)}
    given[name][index] = value
    with pytest.raises(ValueError, match=words):
        network().fit(**gpu.give(given))


def test_samples_of_two_kinds_or_shapes_are_refused(gpu):
    X, y = samples()
    with pytest.raises(TypeError, match="X is a CuPy array, but y is a NumPy array"):
        network().fit(gpu.give(X), y)
    with pytest.raises(ValueError, match=re.escape("inconsistent numbers of samples: [6, 5]")):
        network().fit(gpu.give(X), gpu.give(y[:5]))
    model = network().fit(X, y)
    with pytest.raises(ValueError, match="X has 1 features, but SMNNRegressor is expecting 2"):
        model.predict(gpu.give(X[:, :1]))
    with pytest.raises(TypeError, match="y is a CuPy array, but X is a NumPy array"):
        model.score(X, gpu.give(y))


def oscillation():
    t = np.linspace(0, 6, 60)
    return t, np.column_stack([np.cos(2 * t), np.sin(2 * t)])


def test_the_discoverer_takes_and_gives_arrays_of_the_device(gpu):
    t, y = oscillation()
    here = SMNNDiscoverer(degree=1).fit(t, y)
    at, states = gpu.give(t), gpu.give(y)
    there = SMNNDiscoverer(degree=1).fit(at, states, sample_weight=gpu.give(np.ones(60)))
    assert there.equations() == here.equations()
    wanted = here.predict(t, return_std=True)
    for mine, other in zip(there.predict(at, return_std=True), wanted, strict=True):
        assert (gpu.take(mine) == other).all()
    assert (gpu.take(there.derivative(states)) == here.derivative(y)).all()
    assert (gpu.take(there.simulate(states[0], at)) == here.simulate(y[0], t)).all()
    assert there.score(at, states) == here.score(t, y)
    assert there.score_simulated(at, states) == here.score_simulated(t, y)
    found = smnn.bootstrap(there, at, states, n_draws=2, random_state=0)
    assert (found.coef == smnn.bootstrap(here, t, y, n_draws=2, random_state=0).coef).all()
