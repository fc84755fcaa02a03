"""The smoother where its samples are on a GPU: as on the host, and nothing large is copied."""

import pickle

import numpy as np
import pytest

import smnn_np as smnn
from smnn_np import (
    SMNNSmoother,
    _bands,
    _cautious,
    _driven,
    _learn,
    _marginal,
    _smoothing,
    _together,
    device,
)
from smnn_np._pieces import Pieces, cut
from smnn_np.testing import assert_close

# A standard deviation of a derivative is as exact as the samples' differences that it stands for.
SMOOTHED = 1e3
MANY = 120  # nodes that a search looks at, in these tests


@pytest.fixture
def in_pieces(monkeypatch):
    """Cut even short runs."""
    monkeypatch.setattr(device, "FEWEST_CHUNKS", 2)


@pytest.fixture
def long_records(monkeypatch):
    """Take records of a few hundred samples for long ones."""
    for module in (_marginal, _bands, _cautious, _smoothing):
        monkeypatch.setattr(module, "MANY", MANY)
    monkeypatch.setattr(_marginal, "_N_STRETCHES", 2)
    for name in ("_FEW", "_MANY"):
        monkeypatch.setattr(_learn, name, MANY)


def constant(times):
    return np.array([[0.3, 0.1, 0.05]])


def varying(times):
    return np.stack([0.3 + 0 * times, 0.1 + 0.01 * times, 0.05 + 0 * times], axis=1)


def make_run(n, n_effects=0):
    """Uneven times, one of them twice, some without a sample."""
    rng = np.random.default_rng(n)
    times = np.sort(rng.uniform(0, n, n))
    times[5] = times[6]
    weight = (rng.uniform(size=n) > 0.2) * 1.0
    return _driven.Run(
        times, weight * rng.standard_normal(n), weight, rng.standard_normal((n, n_effects))
    )


@pytest.mark.parametrize("law", [None, constant, varying])
@pytest.mark.parametrize("n_effects", [0, 2])
@pytest.mark.parametrize("drive", [1e-4, 0.7, 1e4])
def test_runs_in_pieces_are_filtered_and_smoothed_as_whole_ones(
    law, n_effects, drive, gpu, in_pieces
):
    model = _driven.Model(3, law, drive)
    runs = [make_run(n, n_effects) for n in (40, 23)]
    there = [run.at(gpu.xp) for run in runs]
    wanted = _driven.filter_runs(runs, model)
    assert_close(np.array(_driven.filter_runs(there, model)), np.array(wanted), scale=SMOOTHED)
    for run, other in zip(runs, there, strict=True):
        slot = np.full(len(run.times), -1)
        slot[::3] = np.arange(len(slot[::3]))[::-1]
        found = _driven.smooth_run(other, model, gpu.give(slot))
        for got, want in zip(found, _driven.smooth_run(run, model, slot), strict=True):
            assert_close(gpu.take(got), want, scale=SMOOTHED)
        want = _driven.effects(run, model)
        assert_close(_driven.effects(other, model), want, scale=SMOOTHED)


def test_runs_are_cut_into_pieces_of_about_one_length():
    first, run, opening = cut(np.array([10, 3, 1]), 3)
    assert first.tolist() == [0, 2, 4, 6, 8, 10, 11, 13, 14]
    assert run.tolist() == [0] * 5 + [1] * 2 + [2]
    assert opening.tolist() == [0, 5, 7, 8]
    assert first[opening].tolist() == [0, 10, 13, 14]


@pytest.mark.parametrize("ahead", [False, True])
def test_pieces_before_the_first_sample_and_after_the_last_determine_nothing(ahead, gpu, in_pieces):
    run, model = make_run(40), _driven.Model(3, None, 0.5)
    empty = np.zeros(40)
    more = np.linspace(40, 60, 40) if ahead else np.linspace(-20, 0, 40)
    longer, origin = run.merge(more, np.zeros((40, 0)))
    slot = np.where(origin >= 40, origin - 40, -1)
    wanted = _driven.smooth_run(longer, model, slot)
    found = _driven.smooth_run(longer.at(gpu.xp), model, gpu.give(slot))
    for got, want in zip(found, wanted, strict=True):
        assert_close(gpu.take(got), want, scale=SMOOTHED)
    nothing = _driven.Run(run.times, empty, empty, run.design).at(gpu.xp)
    assert not np.isfinite(_driven.filter_runs([nothing], model)[1])
    with pytest.raises(_driven.UndeterminedError, match="do not determine its state"):
        _driven.smooth_run(nothing, model, gpu.give(np.arange(40)))


def record(n=80):
    """Two noisy series in any order, a few samples missing, with a covariate and two runs."""
    rng = np.random.default_rng(1)
    t = rng.permutation(np.linspace(0, 8, n))
    y = np.column_stack([np.sin(2 * t), np.exp(-t / 3)]) + 0.05 * rng.standard_normal((n, 2))
    y[3, 0] = y[7, 1] = np.nan
    return t, y, np.where(t < 4, "a", "b")


SETTINGS = [
    {},
    {"order": 3, "noise_std": 0.05, "drive_std": [8.0, 1.0]},
    {"order": 2, "selection": "cross_validation"},
    {"coefficients": [4.0, 0.0]},
    {"coefficients": [4e5, 0.0]},
    {"coefficients": lambda t: np.stack([4.0 + 0 * t, 0.1 * t], axis=1)},
    {"coefficients": lambda t: [4.0, 0.1]},
    {"order": 2, "coefficients": "constant"},
    {"order": 1, "coefficients": "varying", "n_knots": 2},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_smoother_fits_and_predicts_there_as_here(settings, gpu, in_pieces):
    t, y, _ = record()
    here = SMNNSmoother(**settings).fit(t, y)
    there = SMNNSmoother(**settings).fit(gpu.give(t), gpu.give(y))
    for name in ("noise_std_", "drive_std_", "order_", "coef_", "coef_std_"):
        want, got = (getattr(each, name, np.zeros(0)) for each in (here, there))
        assert type(got) is np.ndarray
        assert_close(got, want, scale=SMOOTHED)
    asked = np.append(np.linspace(-1, 9, 7), t[:3])
    for derivative in range(min(int(here.order_.min()), 2)):
        wanted = here.predict(asked, derivative=derivative, return_std=True)
        got = there.predict(gpu.give(asked), derivative=derivative, return_std=True)
        for mine, other in zip(got, wanted, strict=True):
            assert_close(gpu.take(mine), other, scale=SMOOTHED)
    assert_close(there.score(gpu.give(t), gpu.give(y)), here.score(t, y), scale=SMOOTHED)
    assert_close(there.predict(asked), here.predict(asked), scale=SMOOTHED)


def test_runs_and_covariates_go_with_arrays_of_the_device(gpu):
    t, y, groups = record()
    inputs = np.column_stack([t, np.cos(7 * t)])
    here = SMNNSmoother(order=3).fit(inputs, y, groups)
    there = SMNNSmoother(order=3).fit(gpu.give(inputs), gpu.give(y), groups)
    assert_close(there.effects_, here.effects_, scale=SMOOTHED)
    weight = np.linspace(0, 1, len(t))
    want = here.score(inputs, y, weight, groups)
    got = there.score(gpu.give(inputs), gpu.give(y), gpu.give(weight), groups)
    assert_close(got, want, scale=SMOOTHED)
    wanted = here.predict(inputs, groups, derivative=1, return_std=True)
    found = there.predict(gpu.give(inputs), groups, derivative=1, return_std=True)
    for got, want in zip(found, wanted, strict=True):
        assert_close(gpu.take(got), want, scale=SMOOTHED)


@pytest.mark.parametrize(("at_once", "n_batches"), [(10**6, 1), (400, 3), (1, 5)])
def test_many_series_are_predicted_as_a_batch(at_once, n_batches, gpu, in_pieces, monkeypatch):
    t = np.linspace(0, 8, 80)
    y = np.sin(np.outer(t, np.arange(1, 6)))
    y[5, 1] = y[60, 3] = np.nan
    known = {"order": 2, "noise_std": [0.1, 0.2, 0.3, 0.4, 0.5], "drive_std": 1.0}
    wanted = SMNNSmoother(**known).fit(t, y).predict(t, return_std=True)
    there = SMNNSmoother(**known).fit(gpu.give(t), gpu.give(y))
    smooth, batches = Pieces.smooth, []
    monkeypatch.setattr(Pieces, "smooth", lambda *given: batches.append(1) or smooth(*given))
    monkeypatch.setattr(_together, "_AT_ONCE", at_once)
    found = there.predict(gpu.give(t), return_std=True)
    assert len(batches) == n_batches
    for got, want in zip(found, wanted, strict=True):
        assert_close(gpu.take(got), want, scale=SMOOTHED)


@pytest.mark.parametrize("settings", [{"order": 3}, {"order": 2, "coefficients": "constant"}])
def test_of_a_long_record_no_large_array_is_copied(settings, gpu, in_pieces, long_records):
    if not hasattr(gpu.xp, "crossings"):
        pytest.skip("only the stand-in writes down what is copied")
    n = 3 * MANY
    rng = np.random.default_rng(2)
    t = np.linspace(0, 20, n)
    y = np.sin(2 * t) + 0.3 * rng.standard_normal(n)
    here = SMNNSmoother(**settings).fit(t, y)
    asked, times, series = gpu.give(t + 0.01), gpu.give(t), gpu.give(y)
    gpu.xp.crossings.clear()
    there = SMNNSmoother(**settings).fit(times, series)
    assert max(size for _, size in gpu.xp.crossings) <= MANY
    gpu.xp.crossings.clear()
    found = there.predict(asked, derivative=1, return_std=True)
    assert max(size for _, size in gpu.xp.crossings) <= MANY
    for got, want in zip(found, here.predict(t + 0.01, derivative=1, return_std=True), strict=True):
        assert_close(gpu.take(got), want, scale=SMOOTHED)


def test_a_smoother_of_the_device_is_pickled_for_the_host(gpu):
    t, y, _ = record()
    model = SMNNSmoother(order=3, noise_std=0.05, drive_std=8.0).fit(gpu.give(t), gpu.give(y))
    copy = pickle.loads(pickle.dumps(model))
    assert type(copy._fits[0].runs[0].times) is np.ndarray
    assert_close(copy.predict(t), gpu.take(model.predict(gpu.give(t))), scale=SMOOTHED)


def test_samples_are_differentiated_where_they_are(gpu):
    t, y, _ = record()
    t, y = np.sort(t), y[np.argsort(t)]
    slope = smnn.derivative(gpu.give(y), gpu.give(t), order=3)
    assert_close(gpu.take(slope), smnn.derivative(y, t, order=3), scale=SMOOTHED)
    slope = smnn.derivative(gpu.give(y), 0.1, order=3)
    assert_close(gpu.take(slope), smnn.derivative(y, 0.1, order=3), scale=SMOOTHED)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("t", np.nan, r"t is nan in row 4, column 0 \(1 entries are NaN or infinite\)"),
        ("y", np.inf, r"Input y contains infinity, first in row 4, column 0"),
        ("y", 1e200, r"column 0 of y reaches 1e\+200"),
    ],
)
def test_bad_samples_are_named_as_on_the_host(where, value, words, backend):
    t, y, _ = record()
    given = {"t": t, "y": y[:, :1].copy()}
    given[where].reshape(-1)[4] = value
    with pytest.raises(ValueError, match=words):
        SMNNSmoother(order=3).fit(**backend.give(given))


def test_too_few_samples_are_refused_as_on_the_host(backend):
    t, y = np.arange(5.0), np.array([1.0, np.nan, np.nan, 2.0, np.nan])
    with pytest.raises(ValueError, match=r"column 0 of y has samples at 2 distinct times"):
        SMNNSmoother(order=3).fit(backend.give(t), backend.give(y))
    with pytest.raises(ValueError, match="requires y to be passed"):
        SMNNSmoother().fit(backend.give(t), None)
