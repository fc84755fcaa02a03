"""The mechanistic network as an estimator: laws, shapes, conventions, errors."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import smnn_np as smnn
from smnn_np import SMNNRegressor
from smnn_np._objective import Objective
from smnn_np.network import Perceptron

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STEP = 0.3


def oscillators(n, seed=0, n_steps=31):
    """Damped oscillators from rest at height a; features are frequency, damping and height."""
    rng = np.random.default_rng(seed)
    w, g, a = rng.uniform(1, 2, n), rng.uniform(0.02, 0.2, n), rng.uniform(0.5, 2, n)
    ringing, t = np.sqrt(w**2 - g**2)[:, None], STEP * np.arange(n_steps)
    y = np.cos(ringing * t) + g[:, None] / ringing * np.sin(ringing * t)
    return np.column_stack([w, g, a]), a[:, None] * np.exp(-g[:, None] * t) * y


def relative_rmse(got, wanted):
    return np.sqrt(np.mean((got - wanted) ** 2)) / np.std(wanted)


def small(**changes):
    """A network that fits in no time."""
    settings = {"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0, **changes}
    return SMNNRegressor(**settings)


@pytest.fixture(scope="module")
def learned():
    """Return a model of damped oscillators, fitted to three to five periods."""
    X, y = oscillators(200)
    model = SMNNRegressor(step=STEP, solver="lbfgs", max_iter=60, random_state=0)
    return model.fit(X, y)


def test_oscillators_are_learned_and_continued(learned):
    X, y = oscillators(100, seed=1, n_steps=61)
    got = learned.predict(X, n_steps=61)
    assert relative_rmse(got[:, :31], y[:, :31]) < 0.03
    assert relative_rmse(got[:, 31:], y[:, 31:]) < 0.08
    assert learned.score(X, y[:, :31]) == pytest.approx(r2_score(y[:, :31], got[:, :31]))


def test_the_mechanism_is_that_of_the_data(learned):
    X, _ = oscillators(100, seed=1)
    mechanism = learned.predict_ode(X)
    stiffness, damping, highest, *padding = mechanism.coefficients[:, 0, 0, 0].T
    assert np.abs(stiffness / X[:, 0] ** 2 - 1).max() < 0.1
    assert np.abs(damping - 2 * X[:, 1]).max() < 0.08
    assert (highest == 1).all()
    assert not np.any(padding)
    assert np.abs(mechanism.initial[:, 0, 0, 0] / X[:, 2] - 1).max() < 0.1
    solved = smnn.ode_solve(*mechanism)[:, :: len(mechanism.steps[0]) // 30, 0, 0]
    assert relative_rmse(solved, learned.predict(X)) < 0.01


def test_the_start_of_a_trajectory_does_not_depend_on_its_length(learned):
    X, _ = oscillators(3, seed=2)
    whole = learned.predict(X)
    assert (learned.predict(X, n_steps=2) == whole[:, :2]).all()
    assert np.abs(learned.predict(X, n_steps=90)[:, :31] - whole).max() < 1e-3


def test_adam_by_default_learns_too():
    X, y = oscillators(200)
    model = SMNNRegressor(step=STEP, max_iter=60, random_state=0).fit(X, y)
    new, wanted = oscillators(100, seed=1)
    assert relative_rmse(model.predict(new), wanted) < 0.01
    assert model.best_loss_ == min(model.loss_curve_)
    assert len(model.loss_curve_) == model.n_iter_ <= 60


def test_units_do_not_matter():
    X, y = oscillators(40)
    # The start by equations goes on for 200 iterations, which make rounding visible.
    for start, allowed in (("zero", 1e-6), ("equations", 0.1)):
        wanted = small(step=STEP, start=start).fit(X, y).predict(X)
        moved = small(step=STEP * 1e-6, start=start).fit(1e8 * X - 7.0, 1e5 * y + 3e6)
        got = moved.predict(1e8 * X - 7.0)
        assert np.abs((got - 3e6) / 1e5 - wanted).max() < allowed


def test_independent_dimensions_and_3d_targets():
    X, y = oscillators(100)
    both = np.stack([y, -2.0 * y + 1.0], axis=2)
    model = SMNNRegressor(
        step=STEP, coupled=False, solver="lbfgs", max_iter=40, random_state=0
    ).fit(X, both)
    assert model.n_dims_ == 2
    got = model.predict(X)
    assert got.shape == both.shape
    assert relative_rmse(got[..., 0], y) < 0.05
    assert relative_rmse(got[..., 1], both[..., 1]) < 0.05
    flat = clone(model).set_params(n_dims=2).fit(X, both.reshape(100, -1))
    assert np.abs(flat.predict(X).reshape(both.shape) - got).max() == 0
    off_diagonal = model.predict_ode(X).coefficients[:, 0, [0, 1], [1, 0]]
    assert not off_diagonal.any()


def test_coupled_dimensions_of_first_order():
    X = np.random.default_rng(0).uniform(0.5, 1.5, (100, 1))
    t = STEP * np.arange(21)
    y = np.stack([np.cos(X * t), np.sin(X * t)], axis=2)
    model = SMNNRegressor(step=STEP, order=1, solver="lbfgs", max_iter=60, random_state=0)
    assert relative_rmse(model.fit(X, y).predict(X), y) < 0.02
    turn = model.predict_ode(X).coefficients[:, 0, :, :, 0]
    assert np.abs(turn[:, 0, 1] - X[:, 0]).max() < 0.1
    assert np.abs(turn[:, 1, 0] + X[:, 0]).max() < 0.1


def test_what_varies_in_time_needs_equations_that_do():
    X = np.random.default_rng(0).uniform(0.5, 1.5, (60, 1))
    t = 0.1 * np.arange(31)
    y = np.exp(-X * t**2 / 2)  # y' = -x t y
    kwargs = {"step": 0.1, "order": 1, "solver": "lbfgs", "max_iter": 40, "random_state": 0}
    errors = [
        relative_rmse(SMNNRegressor(time_varying=degree, **kwargs).fit(X, y).predict(X), y)
        for degree in (0, 1)
    ]
    assert errors[1] < 0.04 < 0.1 < errors[0]


@pytest.mark.parametrize("option", ["learn_step", "learn_weights"])
def test_learned_steps_and_weights_fit_as_well(option):
    X, y = oscillators(60)
    kwargs = {"step": STEP, "solver": "lbfgs", "max_iter": 30, option: True}
    model = SMNNRegressor(random_state=0, **kwargs).fit(X, y)
    assert model.score(X, y) > 0.99
    steps = model.predict_ode(X).steps
    assert (np.ptp(steps) > 0) == (option == "learn_step")


def test_the_steps_of_an_uneven_grid():
    step = np.random.default_rng(0).uniform(0.1, 0.5, 30)
    X = np.random.default_rng(1).uniform(1, 2, (60, 1))
    y = np.cos(X * np.concatenate([[0], np.cumsum(step)]))
    model = SMNNRegressor(step=step, solver="lbfgs", max_iter=40, random_state=0).fit(X, y)
    assert relative_rmse(model.predict(X), y) < 0.05
    stiffness = model.predict_ode(X).coefficients[:, 0, 0, 0, 0]
    assert np.abs(stiffness / X[:, 0] ** 2 - 1).max() < 0.05


def test_missing_values_are_left_out():
    X, y = oscillators(150)
    holes = np.random.default_rng(0).random(y.shape) < 0.3
    model = SMNNRegressor(step=STEP, solver="lbfgs", max_iter=60, random_state=0)
    model.fit(X, np.where(holes, np.nan, y))
    assert relative_rmse(model.predict(X), y) < 0.08
    assert np.isfinite(model.score(X, np.where(holes, np.nan, y)))


def test_a_sample_of_nothing_is_no_sample():
    X, y = oscillators(20)
    wanted = small().fit(X, y).predict(X)
    empty = np.full((3, y.shape[1]), np.nan)
    got = small().fit(np.vstack([X, 1e3 * X[:3]]), np.vstack([y, empty])).predict(X)
    assert (got == wanted).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("start", "allowed"), [("zero", 1e-6), ("equations", 0.1)])
def test_a_weight_is_a_repetition(solver, start, allowed):
    # The start by equations goes on for 200 iterations, which make rounding visible.
    X, y = oscillators(20)
    count = np.random.default_rng(0).integers(0, 4, 20)
    weighted = small(solver=solver, start=start).fit(X, y, sample_weight=count)
    repeated = small(solver=solver, start=start).fit(
        np.repeat(X, count, axis=0), np.repeat(y, count, axis=0)
    )
    assert np.abs(weighted.predict(X) - repeated.predict(X)).max() < allowed
    assert weighted.score(X, y, count) == pytest.approx(
        weighted.score(np.repeat(X, count, axis=0), np.repeat(y, count, axis=0))
    )


def test_one_value_is_that_at_the_second_of_two_nodes():
    X = np.random.default_rng(0).standard_normal((50, 2))
    y = X[:, 0] - 3 * X[:, 1] + 10
    model = SMNNRegressor(solver="lbfgs", random_state=0).fit(X, y)
    assert model.n_steps_ == 2
    assert model.predict(X).shape == (50,)
    assert model.score(X, y) > 0.99
    path = model.predict(X, n_steps=3)
    assert path.shape == (50, 3)
    # One solution for all nodes: that of two differs by its discretization.
    assert relative_rmse(path[:, 1], model.predict(X)) < 0.05
    column = clone(model).fit(X, y[:, None]).predict(X)
    assert column.shape == (50, 1)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_early_stopping_keeps_what_was_best_on_held_out_samples(solver):
    X, y = oscillators(60)
    y = y + 0.3 * np.random.default_rng(0).standard_normal(y.shape)
    model = small(solver=solver, max_iter=40, early_stopping=True, n_iter_no_change=3)
    model.fit(X, y)
    assert model.best_loss_ is None
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    with pytest.raises(ValueError, match="train set will be empty"):
        model.fit(X[:1], y[:1])


def test_warm_start_goes_on_and_partial_fit_too():
    X, y = oscillators(40)
    long = small(max_iter=6, learning_rate="constant").fit(X, y)
    # In steps so small that each is for the better: else the best is what it started from.
    model = small(max_iter=3, warm_start=True, learning_rate_init=1e-5).fit(X, y)
    first = model.loss_
    model.fit(X, y)
    assert model.n_iter_ == 3
    assert len(model.loss_curve_) == 6
    assert model.loss_ < first < model.loss_curve_[0]
    epochs = small()
    for _ in range(6):
        epochs.partial_fit(X, y)
    assert len(epochs.loss_curve_) == 6
    assert np.abs(epochs.predict(X) - long.predict(X)).max() < 1e-12
    assert not hasattr(small(solver="lbfgs"), "partial_fit")


def test_partial_fit_follows_a_change_of_the_learning_rate():
    X, y = oscillators(40)
    model = small(learning_rate_init=1e-2).partial_fit(X, y)
    before = model.predict(X)
    model.set_params(learning_rate_init=1e-12).partial_fit(X, y)
    assert np.abs(model.predict(X) - before).max() < 1e-8
    model.set_params(learning_rate_init=1e-2).partial_fit(X, y)
    assert np.abs(model.predict(X) - before).max() > 1e-4


def test_partial_fit_keeps_the_rate_to_which_a_fit_slowed_down():
    X, y = oscillators(30)
    model = small(max_iter=30, learning_rate_init=0.02, n_iter_no_change=2).fit(X, y)
    slower = model._adam.rate
    assert slower < 0.02
    assert model.partial_fit(X, y)._adam.rate == slower


def test_where_adam_stalls_it_goes_back_to_the_best_weights():
    X, y = oscillators(30)
    model = small(max_iter=30, learning_rate_init=0.02, n_iter_no_change=2).fit(X, y)
    losses = np.array(model.loss_curve_)
    best = np.minimum.accumulate(losses)
    # All samples are one batch: the first loss after going back is the best one once more.
    again = np.flatnonzero(np.abs(losses[1:] / best[:-1] - 1) < 1e-9)
    assert len(again) >= 1
    assert model.best_loss_ < losses[0]
    constant = small(
        max_iter=30, learning_rate_init=0.02, n_iter_no_change=2, learning_rate="constant"
    ).fit(X, y)
    assert constant.n_iter_ < model.n_iter_


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_good_start_is_not_lost_by_steps_that_are_too_long(early_stopping):
    X, y = oscillators(60)
    settings = {"step": STEP, "hidden_layer_sizes": 16, "early_stopping": early_stopping}
    start = small(**settings, learning_rate_init=1e-12, max_iter=2).fit(X, y)
    moved = small(**settings, learning_rate_init=0.1, max_iter=15).fit(X, y)
    assert moved.score(X, y) >= start.score(X, y) - 1e-3
    if early_stopping:
        assert moved.best_validation_score_ == max(moved.validation_scores_)


def test_outliers_do_not_spoil_the_start():
    X, y = oscillators(150)
    draw = np.random.default_rng(0)
    bad = np.where(draw.random(y.shape) < 0.05, y + 10.0 * draw.standard_normal(y.shape), y)
    model = SMNNRegressor(step=STEP, loss="huber", early_stopping=True, random_state=0)
    new, wanted = oscillators(100, seed=1)
    assert relative_rmse(model.fit(X, bad).predict(new), wanted) < 0.3


def test_a_diverging_fit_says_so_and_keeps_good_weights():
    X, y = oscillators(30)
    calm = small(max_iter=1, learning_rate_init=1e-12).fit(X, y).predict(X)
    model = small(max_iter=50, learning_rate_init=1e8)
    with pytest.raises(FloatingPointError, match=r"diverged in iteration 2 .*learning_rate_init"):
        model.fit(X, y)
    assert np.abs(model.predict(X) - calm).max() < 1e-9


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupted_fit_keeps_the_best_weights(solver, monkeypatch):
    """Ctrl-C in the middle of an evaluation, after some that made things worse."""
    X, y = oscillators(30)
    call, losses, met = Objective.__call__, [], []

    def evaluate(self, parameters, rows):
        if len(losses) == 12:
            raise KeyboardInterrupt
        loss, gradient = call(self, parameters, rows)
        losses.append(loss)
        met.append(np.array(parameters))
        return loss, gradient

    monkeypatch.setattr(Objective, "__call__", evaluate)
    model = small(solver=solver, max_iter=50, start="zero", learning_rate_init=0.3)
    with pytest.warns(UserWarning, match=r"interrupted in iteration \d+: the best weights so far"):
        model.fit(X, y)
    assert 0 < model.n_iter_ <= 12
    assert model.best_loss_ == min(model.loss_curve_)
    best = met[int(np.argmin(np.abs(np.array(losses) - model.best_loss_)))]
    assert (model._parameters == best).all()
    assert model.predict(X).shape == y.shape


def test_a_fit_that_cannot_begin_says_so_and_keeps_its_weights(monkeypatch):
    """L-BFGS from weights whose outputs overflow."""
    X, y = oscillators(30)
    monkeypatch.setattr(Perceptron, "start", lambda self, rng: np.full(self.n_parameters, 1e200))
    model = small(solver="lbfgs", start="zero")
    with pytest.raises(FloatingPointError, match=r"diverged in iteration 1 \(loss not finite at"):
        model.fit(X, y)
    assert (model.coefs_[0] == 1e200).all()


def test_copies_predict_the_same(learned):
    X, _ = oscillators(5, seed=3)
    assert (pickle.loads(pickle.dumps(learned)).predict(X) == learned.predict(X)).all()
    fresh = clone(learned)
    assert not hasattr(fresh, "n_iter_")
    assert fresh.get_params() == learned.get_params()
    assert [w.shape for w in learned.coefs_] == [(3, 64), (64, 64), (64, 5)]
    assert [b.shape for b in learned.intercepts_] == [(64,), (64,), (5,)]


def test_names_of_a_data_frame_are_kept():
    pandas = pytest.importorskip("pandas")
    X, y = oscillators(20)
    frame = pandas.DataFrame(X, columns=["frequency", "damping", "height"])
    model = small().fit(frame, pandas.DataFrame(y))
    assert model.feature_names_in_.tolist() == ["frequency", "damping", "height"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["height", "damping", "frequency"]])


def test_in_a_pipeline_and_a_search():
    X, y = oscillators(30)
    search = GridSearchCV(small(), {"order": [1, 2]}, cv=2).fit(X, y)
    assert search.best_params_["order"] == 2
    assert make_pipeline(StandardScaler(), small()).fit(X, y).predict(X).shape == y.shape


def test_progress_goes_to_stderr(capsys):
    X, y = oscillators(20)
    small(max_iter=5, verbose=2).fit(X, y)
    small(max_iter=5).fit(X, y)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.findall(r"iteration (\d+): loss [\d.e-]+\n", err) == ["2", "4"]


def test_an_unfinished_fit_warns():
    with pytest.warns(ConvergenceWarning, match=r"max_iter = 2 .* raise max_iter"):
        small(max_iter=2).fit(*oscillators(20))


BAD_SETTINGS = {
    "hidden_layer_sizes": (0, "hidden_layer_sizes = 0: an integer > 0 or a sequence"),
    "activation": ("sine", 'one of "identity", "logistic", "relu", "tanh" is wanted'),
    "order": (0, "order = 0: an integer >= 1 is wanted"),
    "n_dims": (0, "n_dims = 0: an integer >= 1 or None is wanted"),
    "step": (-1.0, "step = -1.0: a number > 0"),
    "time_varying": (-1, "time_varying = -1: True, False or an integer >= 0"),
    "n_orders": (2, "n_orders = 2 keeps too few derivatives for order = 2"),
    "n_substeps": (0, 'n_substeps = 0: an integer > 0 or "auto" is wanted'),
    "start": ("random", 'one of "equations", "zero" is wanted'),
    "loss": ("poisson", 'one of "squared_error", "huber" is wanted'),
    "solver": ("sgd", 'one of "adam", "lbfgs" is wanted'),
    "alpha": (-1, "alpha = -1: a number >= 0 is wanted"),
    "batch_size": (0, 'batch_size = 0: an integer > 0 or "auto" is wanted'),
    "learning_rate_init": (0.0, "learning_rate_init = 0.0: a number > 0 is wanted"),
    "max_iter": (0, "max_iter = 0: an integer >= 1 is wanted"),
    "validation_fraction": (1.0, "a number > 0 and < 1 is wanted"),
    "beta_1": (1.0, "beta_1 = 1.0: a number >= 0 and < 1 is wanted"),
    "n_iter_no_change": (0, "n_iter_no_change = 0: a number >= 1 is wanted"),
}


@pytest.mark.parametrize("name", sorted(BAD_SETTINGS))
def test_a_bad_parameter_is_named(name):
    value, words = BAD_SETTINGS[name]
    with pytest.raises(ValueError, match=re.escape(words)):
        small(**{name: value}).fit(*oscillators(10))


def test_a_parameter_of_the_wrong_kind_is_a_type_error():
    for name, value in {"coupled": "yes", "alpha": None, "activation": 3, "order": 2.0}.items():
        error = ValueError if name == "order" else (TypeError, ValueError)
        with pytest.raises(error, match=f"{name} = "):
            small(**{name: value}).fit(*oscillators(10))


def test_bad_targets_are_named():
    X, y = oscillators(10)
    cases = [
        ({}, np.full_like(y, np.nan), "no value that counts"),
        ({}, y[:, :, None, None], "y has 4 axes"),
        ({"n_dims": 2}, y, "31 columns, a multiple of n_dims = 2 is wanted"),
        ({"n_dims": 2}, y[:, :, None], "n_dims = 1, but n_dims = 2"),
        ({"step": [1.0, 2.0]}, y, "step has shape (2,), one number or shape (30,)"),
        ({"n_orders": 9, "n_substeps": 1}, y[:, :3], "determine 5 orders at most"),
        ({}, np.where(y == y[0, 0], np.inf, y), "infinity"),
    ]
    for changes, target, words in cases:
        with pytest.raises(ValueError, match=re.escape(words)):
            small(**changes).fit(X, target)


def test_bad_calls_after_a_fit_are_named():
    X, y = oscillators(10)
    model = small(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="n_steps = 1: an integer >= 2"):
        model.predict(X, n_steps=1)
    with pytest.raises(TypeError, match=re.escape("n_steps = 3.0: an integer >= 2")):
        model.predict(X, n_steps=3.0)
    with pytest.raises(ValueError, match=re.escape("n_steps, n_dims = (5, 1), but (31, 1)")):
        model.fit(X, y[:, :5])
    with pytest.raises(ValueError, match="does not go with partial_fit"):
        small(early_stopping=True).partial_fit(X, y)
    model._parameters *= 1e200
    with pytest.raises((OverflowError, ValueError), match="overflow"):
        model.predict(X)


def test_a_score_of_nothing_is_no_number_and_says_why():
    X, y = oscillators(10)
    model = small().fit(X, y)
    with pytest.warns(UndefinedMetricWarning, match="no column of y has two measurements"):
        assert np.isnan(model.score(X, np.full_like(y, np.nan)))
