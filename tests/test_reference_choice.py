"""The reference implementation of the choice of a penalty, against the estimators."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastridge
from fastridge import reference

ALPHAS = np.logspace(-2, 3, 6)


@pytest.mark.parametrize("shape", [(30, 5), (14, 20)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_twins(shape, weighted, fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape) + 1.0
    y = X @ rng.normal(size=shape[1]) + rng.normal(size=shape[0])
    weight = rng.uniform(0.5, 2.0, size=shape[0]) if weighted else None
    s = np.ones(len(y)) if weight is None else weight
    model = {"alphas": ALPHAS, "fit_intercept": fit_intercept}
    rest = weight, fit_intercept
    folds = [(np.delete(np.arange(len(y)), part), part) for part in (slice(0, 5), slice(5, 11))]
    folds = [(train, np.arange(len(y))[part]) for train, part in folds]
    found = fastridge.RidgeCV(cv=folds, **model).fit(X, y, weight).cv_results_
    twin = reference.fold_errors(X, y, ALPHAS, folds, *rest)
    assert_allclose(found["fold_validation_error"], twin.validation, rtol=1e-8)
    assert_allclose(found["fold_train_error"], twin.train, rtol=1e-6)
    loo = fastridge.RidgeCV(store_cv_results=True, **model).fit(X, y, weight)
    left = reference.leave_one_out(X, y, ALPHAS, *rest)
    assert_allclose(np.asarray(loo.cv_results_), (s * left**2).T, rtol=1e-7)
    gcv = fastridge.RidgeCV(cv="gcv", **model).fit(X, y, weight).cv_results_
    assert_allclose(gcv["validation_error"], reference.generalised(X, y, ALPHAS, *rest), rtol=1e-6)
    path = fastridge.ridge_path(X, y, ALPHAS, sample_weight=weight, fit_intercept=fit_intercept)
    assert_allclose(path.log_evidence, reference.log_evidence(X, y, ALPHAS, *rest), rtol=1e-9)


def test_evidence_is_the_fixed_point():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    y = X @ rng.normal(size=4) + rng.normal(size=40)
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    model = fastridge.BayesianRidge(tol=1e-12, max_iter=2000, **flat).fit(X, y)
    a, lam = 1.0, 1.0
    for _ in range(500):
        a, lam = reference.evidence_step(X - X.mean(axis=0), y - y.mean(), 40.0, a, lam)
    assert_allclose((model.alpha_, model.lambda_), (a, lam), rtol=1e-7)
