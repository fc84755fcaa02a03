"""scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from smnn_np import SMNNDiscoverer, SMNNRegressor, SMNNSmoother

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def expected_failures(estimator):
    """1-D times are welcome: fit(t, y) is how people think of a time series."""
    return {"check_fit1d": "a 1-D X is promoted to a column of times"}


@parametrize_with_checks(
    [SMNNDiscoverer(), SMNNSmoother()], expected_failed_checks=expected_failures
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        SMNNRegressor(hidden_layer_sizes=20, max_iter=100),
        SMNNRegressor(hidden_layer_sizes=20, solver="lbfgs", max_iter=30),
    ]
)
def test_scikit_learn_check_of_the_regressor(estimator, check):
    check(estimator)
