"""What users of other packages stumbled over: states of different scale, laws with the time."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from smnn_np import SMNNDiscoverer


def found_terms(model):
    return {(int(i), str(model.feature_names_out_[j])) for i, j in np.argwhere(model.coef_)}


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_states_of_scale_a_thousandth_and_a_thousand(noise):
    """dynamicslab/pysindy#477: with one threshold for all, such states lose their terms."""
    t = np.linspace(0, 10, 120)
    y = solve_ivp(lambda _, s: [s[1], -2 * s[0] - 0.1 * s[1]], (0, 10), [1.0, 0.0],
                  t_eval=t, rtol=1e-10, atol=1e-10).y.T  # fmt: skip
    y = (y + noise * np.random.default_rng(0).standard_normal(y.shape)) * [1e-3, 1e3]
    model = SMNNDiscoverer().fit(t, y)
    assert found_terms(model) == {(0, "y"), (1, "x"), (1, "y")}
    names = list(model.feature_names_out_)
    assert model.coef_[0, names.index("y")] == pytest.approx(1e-6, rel=0.05)
    assert model.coef_[1, names.index("x")] == pytest.approx(-2e6, rel=0.05)
    assert "1e-06 y" in model.equations()[0] or noise


def test_time_on_the_right_hand_side():
    """dynamicslab/pysindy#568, #373: the time once more, as a control."""
    t = np.linspace(0, 4, 100)
    x = 2 * np.exp(-t) + 3 * (t - 1) + 3 * np.exp(-t)  # x' = -x + 3 t
    x += 0.01 * np.random.default_rng(0).standard_normal(100)
    model = SMNNDiscoverer(degree=1).fit(np.column_stack([t, t]), x)
    assert found_terms(model) == {(0, "x"), (0, "u0")}
    later = np.linspace(4, 6, 5)
    truth = 5 * np.exp(-later) + 3 * (later - 1)
    np.testing.assert_allclose(model.predict(np.column_stack([later, later])), truth, atol=0.1)
