"""Lasso, elastic net and their kin in scikit-learn's protocol."""

import warnings

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastridge import ElasticNet, Lasso, MultiTaskElasticNet, MultiTaskLasso

ESTIMATORS = [
    Lasso(),
    Lasso(alpha=0.01, precompute=True),
    Lasso(alpha=0.1, positive=True),
    Lasso(alpha=0.1, selection="random", random_state=0),
    ElasticNet(),
    ElasticNet(alpha=0.01, fit_intercept=False),
    ElasticNet(alpha=0.01, standardize=True, lower=-1.0, upper=2.0),
    ElasticNet(l1_ratio=0.0, warm_start=True),
    MultiTaskElasticNet(alpha=0.01),
    MultiTaskElasticNet(standardize=True, fit_intercept=False, tol=1e-14),
    MultiTaskLasso(),
]


def all_checks(estimators):
    """scikit-learn's parametrization, collected without its warning about duck typing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Estimator .* does not inherit from", UserWarning)
        mark = parametrize_with_checks(estimators).mark
        names, cases = mark.args
        return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@pytest.mark.slow
@all_checks(ESTIMATORS)
def test_estimator_checks(estimator, check, monkeypatch):
    # Without it, scikit-learn leaves out the check of its array API mode.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)
