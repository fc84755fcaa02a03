"""The discoverer among scikit-learn's tools, drawn again, profiled, watched and interrupted."""

import pickle
import signal
import warnings

import numpy as np
import pytest
import sklearn
from scipy.integrate import solve_ivp
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from smnn_np import (
    FormulaTerms,
    PolynomialTerms,
    RationalTerms,
    SMNNDiscoverer,
    bootstrap,
    profile,
)
from smnn_np.ensemble import _blocks


@pytest.fixture(scope="module")
def growth():
    """Three runs of logistic growth, x' = x - x^2, with 2 % noise."""
    t = np.linspace(0, 5, 30)
    runs = [1 / (1 + (1 / x0 - 1) * np.exp(-t)) for x0 in (0.1, 0.3, 2.0)]
    y = np.concatenate(runs) + 0.02 * np.random.default_rng(0).standard_normal(90)
    return np.tile(t, 3), y, np.repeat(["a", "b", "c"], 30)


def found_terms(model):
    return {str(model.feature_names_out_[j]) for _, j in np.argwhere(model.coef_)}


class TestScikitLearn:
    def test_grid_search_over_times(self, growth):
        t, y, groups = growth
        one = groups == "a"
        search = GridSearchCV(SMNNDiscoverer(), {"degree": [1, 2]}, cv=3)
        search.fit(t[one], y[one])
        assert set(search.cv_results_["param_degree"]) == {1, 2}
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.predict(t[one]).shape == (30,)

    def test_libraries_can_be_searched(self, growth):
        t, y, groups = growth
        grid = {"library": [PolynomialTerms(2), FormulaTerms(["{}", "sin({})"])]}
        search = GridSearchCV(SMNNDiscoverer(), grid, cv=2, error_score="raise")
        search.fit(t[groups == "a"], y[groups == "a"])
        assert search.best_estimator_.coef_.shape[0] == 1

    def test_groups_and_weights_are_routed(self, growth):
        t, y, groups = growth
        weight = np.where(np.arange(90) % 10 == 3, 0.0, 1.0)
        given = {"groups": groups, "sample_weight": weight}
        with sklearn.config_context(enable_metadata_routing=True):
            model = SMNNDiscoverer().set_fit_request(groups=True, sample_weight=True)
            model.set_score_request(groups=True, sample_weight=True)
            # Test folds must hold runs that were fitted: every fold has samples of each.
            folds = [(np.flatnonzero(np.arange(90) % 3 != k), np.arange(k, 90, 3)) for k in (0, 1)]
            found = cross_validate(
                model, t[:, None], y, cv=folds, params=given, return_estimator=True
            )
            for fitted in found["estimator"]:
                assert found_terms(fitted) == {"x", "x^2"}
                assert list(fitted._law.record.labels) == ["a", "b", "c"]
            assert found["test_score"].min() > 0.95
            # Whole runs in the test: their first states are unknown.
            with pytest.raises(ValueError, match=r"groups has '.', which is not one of the"):
                cross_validate(model, t[:, None], y, cv=GroupKFold(3), params=given,
                               error_score="raise")  # fmt: skip

    def test_pipeline(self, growth):
        t, y, groups = growth
        hours = 60 * t[groups == "b"]
        pipeline = make_pipeline(
            FunctionTransformer(lambda minutes: minutes / 60), SMNNDiscoverer()
        )
        pipeline.fit(hours[:, None], y[groups == "b"])
        assert found_terms(pipeline[-1]) == {"x", "x^2"}
        assert pipeline.score(hours[:, None], y[groups == "b"]) > 0.95

    def test_names_of_both_dataframes(self, growth):
        pandas = pytest.importorskip("pandas")
        t = np.linspace(0, 8, 80)
        u = np.cos(t)
        x = solve_ivp(lambda s, x: -x + np.cos(s), (0, 8), [1.0], t_eval=t, rtol=1e-9).y[0]
        x += 0.01 * np.random.default_rng(0).standard_normal(80)
        inputs = pandas.DataFrame({"time (s)": t, "heat (W)": u})
        model = SMNNDiscoverer(degree=1).fit(inputs, pandas.DataFrame({"T (K)": x}))
        assert list(model.feature_names_in_) == ["time (s)", "heat (W)"]
        assert list(model.feature_names_out_) == ["1", "T_K", "heat_W"]
        assert found_terms(model) == {"T_K", "heat_W"}
        with pytest.raises(ValueError, match="feature names"):
            model.predict(inputs.rename(columns={"heat (W)": "cold"}))


class TestBootstrap:
    def test_the_law_is_in_almost_all_draws(self, growth):
        some = [each[:60] for each in growth]
        found = bootstrap(SMNNDiscoverer(), *some, n_draws=3, n_blocks=5, random_state=0)
        share = dict(zip(found.terms, found.inclusion[0], strict=True))
        assert share["x"] > 0.6
        assert share["x^2"] > 0.6
        place = found.terms.index("x")
        assert 0.002 < found.std[0, place] < 0.5
        assert np.median(found.coef[:, 0, place]) == pytest.approx(1, abs=0.4)  # 60 samples
        assert repr(found).split("\n")[0].split() == ["state", "term", "inclusion", "median", "std"]
        frame = found.to_frame()
        assert set(frame["term"]) == {t for t, s in share.items() if s}

    def test_processes_do_not_matter(self, growth):
        t, y, groups = growth
        some = t[groups == "b"][::2], y[groups == "b"][::2]
        one = bootstrap(SMNNDiscoverer(degree=1), *some, n_draws=2, random_state=3)
        two = bootstrap(SMNNDiscoverer(degree=1), *some, n_draws=2, random_state=3, n_jobs=2)
        np.testing.assert_allclose(one.coef, two.coef, rtol=1e-6)

    def test_blocks(self):
        times = np.array([3.0, 1.0, 2.0, 0.0, 5.0, 4.0])
        np.testing.assert_array_equal(_blocks(times, None, 3), [1, 0, 1, 0, 2, 2])
        runs = np.array(["a", "b"] * 3)
        np.testing.assert_array_equal(_blocks(times, runs, 1), [0, 1] * 3)
        assert _blocks(np.arange(10.0), np.arange(10) // 2, None).max() == 4  # five whole runs
        with pytest.raises(ValueError, match="at least two blocks are needed"):
            bootstrap(SMNNDiscoverer(), times, times, n_blocks=1)

    def test_draws_that_cannot_be_fitted_are_counted_or_refused(self):
        t = np.array([0.0, 1.0])
        with pytest.raises(ValueError, match="none of the 2 draws could be fitted"):
            bootstrap(SMNNDiscoverer(), t, t, n_draws=2, n_blocks=2, random_state=1)


class TestProfile:
    def test_a_saturation_constant_is_found_within_its_error(self):
        t = np.linspace(0, 6, 60)
        y = solve_ivp(lambda _, x: -x / (0.5 + x), (0, 6), [3.0], t_eval=t, rtol=1e-9).y[0]
        y += 0.01 * np.random.default_rng(1).standard_normal(60)
        library = PolynomialTerms(1) + RationalTerms(["k + x"], degree=1, parameters={"k": 1.0})
        found = profile(SMNNDiscoverer(library=library), t, y, "k", (0.1, 2.0), n_values=4)
        assert abs(found.best - 0.5) < 4 * found.std
        assert 0.005 < found.std < 0.1
        assert found.estimator.library.parts[1].parameters == {"k": found.best}
        assert library.parts[1].parameters == {"k": 1.0}
        assert (np.diff(found.values) > 0).all()
        assert found.criteria.min() == found.criteria[found.values == found.best]

    def test_wrong_parameters(self, growth):
        t, y, _ = growth
        model = SMNNDiscoverer(library=FormulaTerms(["x"]))
        with pytest.raises(ValueError, match="parameter = 'k' is in no parameters of library"):
            profile(model, t[:30], y[:30], "k", (0, 1))
        with pytest.raises(ValueError, match="low < high"):
            profile(model, t[:30], y[:30], "k", (1, 0))


class Stop:
    """A callback that counts stages and asks to stop after some."""

    def __init__(self, after):
        self.after, self.names = after, []

    def setup(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        self.names.append(context.task_name)
        return len(self.names) == self.after


class TestWhile:
    def test_callbacks_see_the_stages_and_may_stop(self, growth):
        pytest.importorskip("sklearn.callback")
        whole, some = Stop(-1), Stop(8)
        full = SMNNDiscoverer().set_callbacks(whole).fit(*growth)
        assert len(whole.names) > 8
        assert any("criterion" in name for name in whole.names)
        first = next(i for i, name in enumerate(whole.names) if "criterion" in name)
        some.after = first + 2
        model = SMNNDiscoverer().set_callbacks(some)
        with pytest.warns(ConvergenceWarning, match="the fit was interrupted: .* best model until"):
            model.fit(*growth)
        assert len(model.path_) <= len(full.path_)
        assert np.isfinite(model.predict(*growth[::2])).all()

    def test_an_interruption_leaves_the_best_model_so_far(self, growth, monkeypatch, request):
        lines = []
        # Whatever ran before in this process may have left another handler.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

        def interrupt_once(self, line):
            lines.append(line)
            if "criterion" in line and sum("criterion" in each for each in lines) == 2:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr("smnn_np._progress.Progress.__call__", interrupt_once)
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            model = SMNNDiscoverer().fit(*growth)
        assert len(model.path_) >= 1
        assert model.score(growth[0], growth[1], groups=growth[2]) > 0.9
        pickle.loads(pickle.dumps(model))

    def test_an_interruption_before_any_model_ends_the_fit(self, growth, monkeypatch):
        def interrupt(self, line):
            raise KeyboardInterrupt

        monkeypatch.setattr("smnn_np._progress.Progress.__call__", interrupt)
        with pytest.raises(KeyboardInterrupt), warnings.catch_warnings():
            SMNNDiscoverer().fit(*growth)

    def test_a_long_record_is_fitted_as_a_whole_after_an_interruption(self, monkeypatch):
        t = np.linspace(0, 300, 3200)
        y = np.column_stack([np.cos(t), -np.sin(t)])
        y += 0.01 * np.random.default_rng(0).standard_normal(y.shape)
        seen = []

        def interrupt_once(self, line):
            seen.append(line)
            if sum("criterion" in each for each in seen) == 1 and "criterion" in line:
                raise KeyboardInterrupt

        monkeypatch.setattr("smnn_np._progress.Progress.__call__", interrupt_once)
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            model = SMNNDiscoverer(degree=1).fit(t, y)
        assert len(model.predict(t)) == 3200
        assert len(model._law.record.labels) == 1
