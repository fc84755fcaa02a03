"""Bad input: one sentence with the remedy, or a warning with the consequence."""

import datetime
import time
import warnings

import numpy as np
import pytest

from smnn_np import DataWarning, FormulaTerms, SMNNDiscoverer

T = np.linspace(0, 5, 40)
NOISE = np.random.default_rng(0).standard_normal((40, 2))
X = np.exp(-T)


def refuse(message, t=T, y=X, **options):
    with pytest.raises(ValueError, match=message):
        SMNNDiscoverer(**options).fit(t, y)


def warned(t, y, **options):
    """Fit and return what was said of the data."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SMNNDiscoverer(**options).fit(t, y)
    return [str(each.message) for each in caught if each.category is DataWarning]


def test_good_data_are_not_suspected():
    y = np.column_stack([np.cos(2 * T), -np.sin(2 * T)]) * np.exp(-0.1 * T)[:, None]
    assert warned(T, y + 0.01 * NOISE) == []


def test_a_state_that_does_not_vary():
    (message,) = warned(T, np.column_stack([X, 0 * T + 3]), degree=1)
    assert message.startswith("the state y does not vary: ")
    assert message.endswith("leave it out.")


def test_states_that_are_the_same():
    (message,) = warned(T, np.column_stack([X, -2 * X]), degree=1)
    assert message.startswith("the states x and y are the same up to a factor: ")


def test_candidates_that_depend_on_each_other_are_named():
    (message,) = warned(T, np.column_stack([X, 1 - X]), degree=1)
    assert message.startswith("the candidate terms 1, x, y are linearly dependent on these data: ")
    (message,) = warned(T, X, library=FormulaTerms(["x", "2 x^2", "x^2/3", "sin(x)"]))
    assert message.startswith("the candidate terms 2 x^2, x^2/3 are linearly dependent")


def test_candidates_that_vanish_are_named():
    (message,) = warned(T, X, library=FormulaTerms(["x", "0 x^2"]))
    assert message.startswith("the candidate terms 0 x^2 vanish on all data")


def test_fewer_samples_than_terms():
    (message,) = warned(T[::8], X[::8] + 0.01 * NOISE[::8, 0], degree=5)
    assert message.startswith("a state has 5 distinct measurements for 6 candidate terms an eq")
    assert "lower the degree, or measure more" in message


def test_known_noise_that_is_not_so():
    y = X + 0.05 * NOISE[:, 0]
    assert warned(T, y, noise_std=0.05, degree=1) == []
    (message,) = warned(T, y, noise_std=1e-3, degree=1)
    assert message.startswith("noise_std says 0.001 for x, but the law leaves 0.0")


def test_times():
    refuse(r"times differ by 1.28e-201 .* choose a unit of time", T * 1e-200)
    refuse(r"times differ by .* choose a unit of time", T * 1e200)
    holes = np.where(T[3] == T, np.nan, T)
    refuse(r"Input X contains NaN, first in t\[3\]: leave the row out", holes)
    controls = np.column_stack([T, np.where(T[5] == T, np.inf, T)])
    refuse(r"Input X contains infinity, first in t\[5, 1\]: .*fill in the control", controls)
    refuse("t holds dates: turn them into numbers", np.datetime64("2024-01-01") + np.arange(40))
    day = datetime.date(2024, 1, 1)
    refuse("t holds dates", [day + datetime.timedelta(days=k) for k in range(40)])
    refuse("t holds text: turn it into numbers", ["a"] * 40)
    refuse("no run has two distinct times", T[:1], X[:1])
    refuse("no run has two distinct times", T * 1e-9 + 1e9)  # a second apart by nanoseconds


def test_groups():
    fit = SMNNDiscoverer().fit
    with pytest.raises(ValueError, match="one label for each of the 40 rows of t"):
        fit(T, X, groups=["a"])
    with pytest.raises(ValueError, match=r"groups\[0\] is NaN: give every row"):
        fit(T, X, groups=np.full(40, np.nan))
    with pytest.raises(ValueError, match="labels of several kinds, int and str: make all of them"):
        fit(T, X, groups=np.array([1, "a"] * 20, dtype=object))


def test_a_warning_points_to_the_line_that_called():
    with pytest.warns(DataWarning) as caught:
        SMNNDiscoverer(degree=1).fit(T, np.column_stack([X, 0 * T + 3]))
    assert caught[0].filename == __file__


def test_dates_in_a_dataframe():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"day": pandas.date_range("2024-01-01", periods=40), "u": T})
    refuse("t holds dates", frame)


def test_a_library_that_is_not_finite_is_named():
    library = FormulaTerms(["x", "log(x - 0.5)"])
    refuse(r"term 'log\(x - 0.5\)' is nan at the measured point \(0\.46", library=library)


def test_a_million_columns_are_refused_at_once():
    start = time.process_time()
    refuse("makes 500001500001 candidate terms of 1000000 inputs", T[:5], np.zeros((5, 1_000_000)))
    refuse("candidate terms of 1000000 inputs", np.zeros((5, 1_000_000)), X[:5])
    assert time.process_time() - start < 5
