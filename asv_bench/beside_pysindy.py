"""The same jobs by SMNNDiscoverer and by PySINDy: what the page "Coming from PySINDy" quotes.

``python asv_bench/beside_pysindy.py``; without PySINDy its half is left out.
"""

import sys
import time
import warnings

import numpy as np
from scipy.integrate import solve_ivp
from sklearn.model_selection import GridSearchCV

from smnn_np import SMNNDiscoverer

warnings.filterwarnings("ignore")
LORENZ = [-8.0, 7.0, 27.0]


def say(*parts):
    """Write a line at once."""
    sys.stdout.write(" ".join(map(str, parts)) + "\n")
    sys.stdout.flush()


def lorenz(_, s):
    return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


def solve(rate, start, t):
    return solve_ivp(rate, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-10).y.T


def cpu(function, n=1):
    """Return the CPU seconds of one call."""
    start = time.process_time()
    for _ in range(n):
        function()
    return (time.process_time() - start) / n


def data():
    """Return times and samples of Lorenz, and of an oscillator whose states differ in scale."""
    t = 0.01 * np.arange(1000)
    spring = np.linspace(0, 20, 2000)
    rate = [lambda _, s: [s[1], -2 * s[0] - 0.4 * s[1]], [1.0, 0.0], spring]
    return t, solve(lorenz, LORENZ, t), spring, solve(*rate)


def ours():
    """Print our half."""
    t, y, spring, s = data()
    model = SMNNDiscoverer().fit(t, y)
    say("smnn_np")
    for scale in ([1, 1], [1e-3, 1e3]):
        say("  states scaled by", scale, SMNNDiscoverer().fit(spring, s * scale).equations())
    noisy = y + 0.05 * y.std(axis=0) * np.random.default_rng(0).standard_normal(y.shape)
    say("  Lorenz, 5 % noise", SMNNDiscoverer().fit(t, noisy).equations())
    function, one = model.to_function(), y[0].copy()
    function(0.0, one)
    model.simulate(y[0], t[:5])
    say(f"  derivative of one state {cpu(lambda: model.derivative(y[:1]), 1000) * 1e6:.1f} us")
    say(f"  compiled right-hand side {cpu(lambda: function(0.0, one), 100_000) * 1e6:.2f} us")
    say(f"  500 Lorenz steps {cpu(lambda: model.simulate(y[0], t[:500]), 20) * 1e3:.2f} ms")
    short = np.linspace(0, 0.8, 80)
    blows = SMNNDiscoverer().fit(short, 1 / (1 - short))
    blows.simulate([1.0], [0.0, 0.1])
    start = time.process_time()
    try:
        blows.simulate([1.0], np.linspace(0, 5, 500))
    except ValueError as error:
        say(f"  blow-up after {time.process_time() - start:.4f} s: {error}")
    search = GridSearchCV(SMNNDiscoverer(), {"degree": [1, 2]}, cv=3).fit(t[:300], y[:300])
    say("  GridSearchCV", search.cv_results_["mean_test_score"])


def theirs():
    """Print PySINDy's half."""
    import pysindy

    t, y, spring, s = data()

    def fit(t, y, degree=2, threshold=0.1):
        library = pysindy.PolynomialLibrary(degree=degree)
        return pysindy.SINDy(pysindy.STLSQ(threshold=threshold), library).fit(y, t=t)

    say("PySINDy", pysindy.__version__)
    for scale in ([1, 1], [1e-3, 1e3]):
        say("  states scaled by", scale, fit(spring, s * scale).equations())
    noisy = y + 0.05 * y.std(axis=0) * np.random.default_rng(0).standard_normal(y.shape)
    say("  Lorenz, 5 % noise", fit(t, noisy).equations())
    model = fit(t, y)
    model.predict(y[:1])
    say(f"  derivative of one state {cpu(lambda: model.predict(y[:1]), 50) * 1e6:.1f} us")
    say(f"  500 Lorenz steps {cpu(lambda: model.simulate(y[0], t[:500])) * 1e3:.2f} ms")
    search = GridSearchCV(pysindy.SINDy(), {"optimizer__threshold": [0.1, 0.2]}, cv=3)
    try:
        say("  GridSearchCV", search.fit(y[:300], t=0.01).cv_results_["mean_test_score"])
    except Exception as error:
        say(f"  GridSearchCV {type(error).__name__}: {error}")
    short = np.linspace(0, 0.8, 80)
    blows = fit(short, (1 / (1 - short))[:, None])
    say("  blow-up of", blows.equations())
    start = time.process_time()
    try:
        blows.simulate([1.0], np.linspace(0, 5, 500))
    except Exception as error:
        say(f"  blow-up after {time.process_time() - start:.1f} s: {type(error).__name__} {error}")


if __name__ == "__main__":
    ours()
    try:
        theirs()
    except ImportError:
        say("PySINDy is not installed: its half is left out.")
