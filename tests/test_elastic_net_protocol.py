"""Lasso, elastic net and their kin in scikit-learn's protocol."""

import pytest
from estimator_checks import all_checks, check_all

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


@pytest.mark.slow
@all_checks(ESTIMATORS)
def test_estimator_checks(estimator):
    check_all(estimator)
