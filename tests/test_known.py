"""What a fit is told of its samples: weights, known noise; and how it shows what it found."""

import sys

import numpy as np
import pytest
from sklearn.base import clone

from smnn_np import SMNNDiscoverer
from smnn_np._data import build_record


@pytest.fixture(scope="module")
def decay():
    """x' = y, y' = -2 x - 0.3 y, 60 samples, noise of 0.02 and 0.05."""
    t = np.linspace(0, 8, 60)
    w = np.sqrt(2 - 0.15**2)
    x = np.exp(-0.15 * t) * np.cos(w * t)
    y = np.exp(-0.15 * t) * (-0.15 * np.cos(w * t) - w * np.sin(w * t))
    noise = np.random.default_rng(3).standard_normal((60, 2)) * [0.02, 0.05]
    return t, np.column_stack([x, y]) + noise


@pytest.fixture(scope="module")
def fitted(decay):
    return SMNNDiscoverer().fit(*decay)


class TestWeights:
    def test_a_weight_is_a_number_of_equal_samples(self, decay):
        t, y = decay
        weight = np.random.default_rng(0).integers(0, 3, 60)
        model = SMNNDiscoverer().fit(t, y, sample_weight=weight)
        again = SMNNDiscoverer().fit(np.repeat(t, weight), np.repeat(y, weight, axis=0))
        np.testing.assert_allclose(model.coef_, again.coef_, rtol=1e-6)
        np.testing.assert_allclose(model.coef_std_, again.coef_std_, rtol=1e-6)

    def test_a_sample_of_weight_zero_may_hold_anything(self, decay, fitted):
        t, y = decay
        more = np.append(t, 4.0), np.vstack([y, [[1e3, -1e3]]])
        model = SMNNDiscoverer().fit(*more, sample_weight=np.append(np.ones(60), 0.0))
        np.testing.assert_array_equal(model.coef_, fitted.coef_)

    def test_repeated_times_are_averaged_by_weight(self):
        t, y = np.array([[0.0, 1.0], [0.0, 3.0], [1.0, 5.0]]), np.array([[1.0], [4.0], [0.0]])
        record = build_record(t, y, None, np.array([1.0, 3.0, 2.0]))
        np.testing.assert_allclose(record.mean[:, 0], [13 / 4, 0])
        np.testing.assert_allclose(record.count[:, 0], [4, 2])
        np.testing.assert_allclose(record.controls[:, 0], [2.5, 5])
        np.testing.assert_allclose(record.within, [(1 - 3.25) ** 2 + 3 * (4 - 3.25) ** 2])

    def test_wrong_weights(self, decay):
        with pytest.raises(ValueError, match=r"[Nn]egative"):
            SMNNDiscoverer().fit(*decay, sample_weight=-np.ones(60))
        with pytest.raises(ValueError, match="sample_weight"):
            SMNNDiscoverer().fit(*decay, sample_weight=np.ones(3))


class TestNoise:
    def test_known_noise_is_kept_and_sets_the_errors(self, decay, fitted):
        shown = fitted.coef_ != 0
        model = SMNNDiscoverer(noise_std=[0.02, 0.05]).fit(*decay)
        np.testing.assert_allclose(model.noise_std_, [0.02, 0.05], rtol=1e-12)
        np.testing.assert_array_equal(model.coef_ != 0, shown)
        double = SMNNDiscoverer(noise_std=np.array([0.04, 0.1])).fit(*decay)
        ratio = double.coef_std_[shown] / model.coef_std_[shown]
        np.testing.assert_allclose(ratio, 2.0, rtol=0.05)

    def test_one_number_serves_all_states(self, decay):
        one = SMNNDiscoverer(noise_std=0.03).fit(*decay)
        two = SMNNDiscoverer(noise_std=[0.03, 0.03]).fit(*decay)
        np.testing.assert_array_equal(one.coef_, two.coef_)
        assert clone(one).noise_std == 0.03

    def test_second_order_measures_no_velocities(self, decay):
        t, y = decay
        model = SMNNDiscoverer(order=2, noise_std=0.02).fit(t, y[:, 0])
        np.testing.assert_allclose(model.noise_std_, [0.02], rtol=1e-12)

    @pytest.mark.parametrize("wrong", [0.0, -1, np.nan, [0.1], "a", [[0.1, 0.1]]])
    def test_wrong_noise(self, decay, wrong):
        with pytest.raises(ValueError, match=r"noise_std = .*one for each of the 2 states"):
            SMNNDiscoverer(noise_std=wrong).fit(*decay)


class TestShown:
    def test_digits_are_those_that_the_errors_leave(self, fitted):
        (row, std), (line, *_) = (fitted.coef_[0], fitted.coef_std_[0]), fitted.equations()
        (place,) = np.flatnonzero(row)
        written = float(line.split(" = ")[1].split()[0])
        assert 0 < abs(written - row[place]) < std[place] / 10
        assert "±" in fitted.equations(errors=True)[0]

    def test_the_path_is_a_table(self, fitted):
        pytest.importorskip("pandas")
        frame = fitted.path_.to_frame()
        assert list(frame.index) == [model.n_terms for model in fitted.path_]
        assert frame["above_best"].min() == 0
        assert frame["above_best"].idxmin() == np.count_nonzero(fitted.coef_)
        head, *rows = repr(fitted.path_).split("\n")
        assert head.split()[0] == "terms"
        assert [int(row.split()[0]) for row in rows] == list(frame.index)
        assert repr(fitted.path_).count("more") <= 1
        assert fitted.path_._repr_html_().count("<tr>") == len(rows) + 1

    def test_a_missing_package_is_named_with_its_remedy(self, fitted, monkeypatch):
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(ImportError, match=r"pandas is not installed; .* pip install pandas"):
            fitted.path_.to_frame()

    def test_notebooks_show_the_equations(self, fitted):
        html = fitted._repr_html_()
        assert r"$$\begin{aligned} \dot{x} &= " in html
        assert "\\dot{" not in SMNNDiscoverer()._repr_html_()
        shown = fitted._repr_mimebundle_()
        assert shown["text/html"].count("aligned") == 2
        assert shown["text/plain"] == str(fitted)

    def test_print_shows_the_equations(self, fitted):
        assert str(fitted).split("\n") == [repr(fitted), *fitted.equations()]
        assert str(SMNNDiscoverer()) == "SMNNDiscoverer()"
