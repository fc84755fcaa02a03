"""What leaves a fitted law: compiled functions, fast trajectories, files."""

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sklearn.preprocessing import SplineTransformer

from smnn_np import (
    Constraints,
    FormulaTerms,
    PolynomialTerms,
    RationalTerms,
    SMNNDiscoverer,
)
from smnn_np._data import build_record
from smnn_np.compiled import DONE, ESCAPED, compile_function, compiled_rate, follow
from smnn_np.library import PolynomialLibrary
from smnn_np.simulate import FittedLaw

LIBRARIES = {
    "polynomial": PolynomialTerms(3),
    "formula": PolynomialTerms(1) + FormulaTerms(["sin(x)", "abs(y) y", "sign(y)", "x/(2 + y^2)"]),
}


def bind(kind, inputs=("x", "y", "u")):
    library = LIBRARIES[kind].bind(list(inputs))
    coef = np.zeros((len(library.sources()), 2))
    rng = np.random.default_rng(0)
    coef[rng.permutation(len(coef))[:5]] = rng.standard_normal((5, 2))
    return library, coef, np.array([[-1.0, 1.5], [0.0, -1.0]])


@pytest.fixture(scope="module")
def fitted():
    """x' = y, y' = -2 x - 0.3 y."""
    t = np.linspace(0, 8, 100)
    y = solve_ivp(lambda _, s: [s[1], -2 * s[0] - 0.3 * s[1]], (0, 8), [2.0, 0.0], t_eval=t).y.T
    y += 0.02 * np.random.default_rng(0).standard_normal(y.shape)
    return t, y, SMNNDiscoverer().fit(t, y)


class TestFunction:
    @pytest.mark.parametrize("kind", LIBRARIES)
    def test_it_is_the_law(self, kind):
        library, coef, known = bind(kind)
        function = compile_function(library.sources(), coef, known, 3)
        for point in np.random.default_rng(1).standard_normal((5, 3)):
            expected = library.values(point[None])[0] @ coef + known @ point[:2]
            got = function(0.0, point[:2], point[2:])
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)

    def test_it_serves_solve_ivp_and_leaves_the_process(self, fitted, tmp_path):
        t, _, model = fitted
        function = model.to_function()
        path = solve_ivp(function, (0, 8), [2.0, 0.0], t_eval=t, rtol=1e-10, atol=1e-10).y.T
        np.testing.assert_allclose(path, model.simulate([2.0, 0.0], t), atol=1e-7)
        (tmp_path / "rate.pickle").write_bytes(pickle.dumps(function))
        script = "import pickle, sys, numpy; f = pickle.load(open(sys.argv[1], 'rb'))"
        script += "; print(*f(0.0, numpy.array([2.0, 1.0])))"
        command = [sys.executable, "-c", script, str(tmp_path / "rate.pickle")]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        np.testing.assert_allclose(
            [float(each) for each in printed.split()], function(0.0, np.array([2.0, 1.0]))
        )

    def test_a_call_is_fast(self, fitted):
        function, y = fitted[2].to_function(), np.ones(2)
        function(0.0, y)
        best = np.inf
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(1000):
                function(0.0, y)
            best = min(best, (time.perf_counter() - start) / 1000)
        assert best < 5e-6  # 0.3 us where nothing else runs

    def test_terms_that_are_only_values_make_a_plain_function(self):
        t = np.linspace(0, 3, 60)
        model = SMNNDiscoverer(library=SplineTransformer(4, degree=3)).fit(t, np.exp(-t))
        function = pickle.loads(pickle.dumps(model.to_function()))
        np.testing.assert_allclose(function(0.0, [0.5]), model.derivative([[0.5]])[0])
        assert model.simulate([1.0], t)[-1] == pytest.approx(np.exp(-3), abs=1e-3)


class TestTrajectories:
    @pytest.mark.parametrize("kind", LIBRARIES)
    def test_the_compiled_integrator_agrees_with_scipy(self, kind):
        library, coef, known = bind(kind)
        coef *= 0.3 * np.array([name != "sign(y)" for name in library.names("xyu")])[:, None]
        times = np.sort(np.random.default_rng(2).uniform(0, 3, 12))
        controls = np.random.default_rng(3).standard_normal((12, 1))
        start, unit = np.array([0.3, -0.2]), np.ones(2)

        def rate(t, y):
            point = np.append(y, np.interp(t, times, controls[:, 0]))
            return library.values(point[None])[0] @ coef + known @ y

        for direction in (1, -1):
            at, u = times[::direction], controls[::direction]
            law = compiled_rate(library, coef, known, 3)
            path, status, reached, _ = follow(law, start, at, u, unit, 1e6 * unit, 1e-9)
            assert (status, reached) == (DONE, at[-1])
            y = start
            for k in range(11):  # the controls bend at every time
                y = solve_ivp(rate, at[k : k + 2], y, rtol=1e-11, atol=1e-11, method="DOP853").y[
                    :, -1
                ]
                np.testing.assert_allclose(path[k + 1], y, atol=1e-7)

    def test_accuracy_does_not_depend_on_the_times_asked_for(self):
        library = PolynomialLibrary(2, 1)
        law = compiled_rate(library, np.array([[0, 0], [0, -1], [1.0, 0]]), np.zeros((2, 2)), 2)
        for n in (2, 11, 3000):
            t, one = np.linspace(0, 20, n), np.ones(2)
            path, *_ = follow(law, np.array([0.0, 1.0]), t, np.empty((n, 0)), one, 1e6 * one, 1e-9)
            np.testing.assert_allclose(path, np.column_stack([np.sin(t), np.cos(t)]), atol=3e-8)

    def test_a_blow_up_is_found_at_its_time(self):
        law = compiled_rate(
            PolynomialLibrary(1, 2), np.array([[0], [0], [1.0]]), np.zeros((1, 1)), 1
        )
        one, t = np.ones(1), np.array([0.0, 0.5, 3.0])
        path, status, reached, state = follow(law, one, t, np.empty((3, 0)), one, 1e6 * one, 1e-9)
        assert (status, state) == (ESCAPED, 0)
        assert reached == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(path[1], 2, rtol=1e-7)

    def test_a_model_that_blows_up_says_so_within_a_second(self):
        t = np.linspace(0, 0.8, 60)
        model = SMNNDiscoverer().fit(t, 1 / (1 - t))
        model.simulate([1.0], [0.0, 0.1])
        start = time.process_time()
        with pytest.raises(ValueError, match=r"blows up at t = (1|0\.99).*the state x leaves"):
            model.simulate([1.0], np.linspace(0, 1000, 1000))
        assert time.process_time() - start < 1.0

    def test_a_stiff_law_is_left_to_another_integrator(self):
        record = build_record(np.array([[0.0], [1.0]]), np.ones((2, 1)), None)
        coef, ones = np.array([[0.0], [-1e7]]), np.ones((1, 1))
        law = FittedLaw(PolynomialLibrary(1, 1), coef, 0 * ones, record, ones, ["x"], None, None)
        path = law.integrate(np.ones(1), np.array([0.0, 10.0, 20.0]), np.empty((3, 0)))
        np.testing.assert_allclose(path[:, 0], [1, 0, 0], atol=1e-8)

    def test_a_large_number_of_steps_is_fast(self, fitted):
        model = fitted[2]
        model.simulate([2.0, 0.0], [0.0, 1.0])
        start = time.process_time()
        model.simulate([2.0, 0.0], np.linspace(0, 100, 10_000))
        assert time.process_time() - start < 0.5  # 0.01 s where nothing else runs


class TestFiles:
    def same(self, model, again, t):
        for name in ("coef_", "coef_std_", "noise_std_"):
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
        assert again.equations() == model.equations()
        assert repr(again.path_) == repr(model.path_)
        for one, two in zip(
            again.predict(t, return_std=True), model.predict(t, return_std=True), strict=True
        ):
            np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-12)

    def test_everything_comes_back(self, fitted, tmp_path):
        t, y, model = fitted
        text = model.to_json(tmp_path / "model.json")
        later = np.linspace(-1, 12, 40)
        for source in (text, tmp_path / "model.json", str(tmp_path / "model.json")):
            again = SMNNDiscoverer.from_json(source)
            self.same(model, again, later)
        np.testing.assert_array_equal(again.powers_, model.powers_)
        assert again.score(t, y) == model.score(t, y)
        size = model.path_[0].n_terms
        chosen = SMNNDiscoverer.from_json(again.select(size).to_json())
        assert np.count_nonzero(chosen.coef_) == size

    def test_runs_controls_names_constraints_and_libraries(self):
        pandas = pytest.importorskip("pandas")
        t = np.linspace(0, 5, 50)
        u = np.sin(2 * t)
        path = solve_ivp(lambda s, x: -x / (1 + x) + np.sin(2 * s), (0, 5), [2.0], t_eval=t).y[0]
        frame = pandas.DataFrame({"time": np.tile(t, 2), "feed (l)": np.tile(u, 2)})
        states = pandas.DataFrame({"cells": np.tile(path, 2)})
        states += 0.01 * np.random.default_rng(0).standard_normal(states.shape)
        groups = np.repeat(["a", "b"], 50)
        model = SMNNDiscoverer(
            library=PolynomialTerms(1) + RationalTerms(["k + cells"], parameters={"k": 1.0}),
            constraints=Constraints(
                bounds={("cells", "feed_l"): (None, 0.9)},
                forbid=[("cells", "1")],
                equalities=[({("cells", "cells"): 1.0}, 0.0)],
            ),
            noise_std=[0.01],
        ).fit(frame, states, groups=groups)
        assert np.isnan(model.coef_std_).any()
        again = SMNNDiscoverer.from_json(model.to_json())
        assert again.equations() == model.equations()
        np.testing.assert_array_equal(again.predict(frame, groups), model.predict(frame, groups))
        assert again.constraints == model.constraints
        assert repr(again.library) == repr(model.library)
        # And it can be fitted again.
        np.testing.assert_array_equal(again.fit(frame, states, groups).coef_, model.coef_)

    def test_what_cannot_be_read_is_refused(self, fitted):
        text = fitted[2].to_json()
        newer = json.dumps(json.loads(text) | {"schema": 99})
        with pytest.raises(
            ValueError, match=r"in a newer schema, 99, than the 1 .* upgrade smnn-np"
        ):
            SMNNDiscoverer.from_json(newer)
        with pytest.raises(ValueError, match="does not hold a fitted"):
            SMNNDiscoverer.from_json('{"a": 1}')
        with pytest.raises(ValueError, match="no JSON"):
            SMNNDiscoverer.from_json(text[:100])
        document = json.loads(text)
        del document["record"]
        with pytest.raises(ValueError, match="damaged"):
            SMNNDiscoverer.from_json(json.dumps(document))

    @pytest.mark.parametrize("field", ["sources", "shown"])
    @pytest.mark.parametrize("evil", ["__import__('os').getpid()", "eval(v0)", "(lambda: 1)()"])
    def test_a_file_cannot_make_us_run_anything(self, field, evil):
        t = np.linspace(0, 2, 30)
        model = SMNNDiscoverer(library=FormulaTerms(["x", "sin(x)"])).fit(t, np.exp(-t))
        document = json.loads(model.to_json())
        document["library"][field][0] = evil
        with pytest.raises(ValueError, match=r"no input|arithmetic|cannot be read"):
            SMNNDiscoverer.from_json(json.dumps(document))

    def test_a_foreign_library_is_refused(self):
        t = np.linspace(0, 3, 60)
        model = SMNNDiscoverer(library=SplineTransformer(4)).fit(t, np.exp(-t))
        with pytest.raises(ValueError, match=r"library = SplineTransformer.* cannot be written"):
            model.to_json()

    def test_a_file_of_the_first_schema_is_read(self):
        """What version 0.1.0 wrote must stay readable."""
        model = SMNNDiscoverer.from_json(Path(__file__).parent / "discoverer_schema_1.json")
        assert model.equations() == ["x' = -2.0 x"]
        np.testing.assert_allclose(model.predict([0.0, 1.0]), [1.0, np.exp(-2)], atol=1e-8)
