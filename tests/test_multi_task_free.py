"""Several targets without a penalty: least squares, with a small gap."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from fastridge import MultiTaskElasticNet, MultiTaskElasticNetCV, MultiTaskLasso


def problem(n, p, k=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)) * np.linspace(0.5, 2.0, p) + 1.0
    return X, rng.standard_normal((n, k)), rng.integers(0, 3, n).astype(float)


def centred(X, Y, weight, fit_intercept):
    s = np.ones(len(X)) if weight is None else weight
    if fit_intercept:
        X, Y = X - s @ X / s.sum(), Y - s @ Y / s.sum()
    root = np.sqrt(s / s.sum())[:, None]
    return root * X, root * Y


@pytest.mark.parametrize("shape", [(50, 4), (10, 30), (8, 8)], ids=str)
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "given",
    [{}, {"fit_intercept": False}, {"standardize": True}, {"penalty_factor": "one is free"}],
    ids=str,
)
def test_least_squares(shape, sparse, weighted, given):
    X, Y, weight = problem(*shape)
    weight = weight if weighted else None
    if "penalty_factor" in given:
        given = {"penalty_factor": np.r_[0.0, np.ones(shape[1] - 1)]}
    model = MultiTaskElasticNet(0.0, **given).fit(sp.csr_array(X) if sparse else X, Y, weight)
    A, B = centred(X, Y, weight, given.get("fit_intercept", True))
    W = np.linalg.lstsq(A, B, rcond=None)[0]
    assert_allclose(A @ model.coef_.T, A @ W, atol=1e-8)
    assert_allclose(model.objective_, 0.5 * np.sum((B - A @ W) ** 2), atol=1e-12)
    assert model.relative_gap_ <= 1e-12


def test_free_features_beyond_the_samples():
    X, Y, _ = problem(10, 30)
    factor = np.r_[np.zeros(20), np.ones(10)]
    model = MultiTaskLasso(0.1, penalty_factor=factor).fit(X, Y)
    A, B = centred(X, Y, None, True)
    # twenty free features fit ten rows, and leave nothing to the others
    assert not model.coef_[:, 20:].any()
    assert_allclose(A @ model.coef_.T, B, atol=1e-8)
    assert model.relative_gap_ <= 1e-12


def test_at_the_end_of_a_grid():
    X, Y, _ = problem(40, 5)
    model = MultiTaskElasticNetCV(alphas=[1.0, 0.1, 0.0, 0.0], cv=4, tol=1e-10).fit(X, Y)
    results = model.cv_results_
    assert results["dof"][-1] == 5.0
    rows = np.arange(40)
    errors = []
    for i in range(4):
        train = rows // 10 != i
        A, B = centred(X[train], Y[train], None, True)
        W = np.linalg.lstsq(A, B, rcond=None)[0]
        left = Y[~train] - Y[train].mean(axis=0) - (X[~train] - X[train].mean(axis=0)) @ W
        errors.append(np.mean(left**2))
    assert_allclose(results["fold_validation_error"][:, -1], errors, rtol=1e-9)
    warm = MultiTaskElasticNet(0.0, warm_start=True).fit(X, Y)
    warm.set_params(alpha=0.3).fit(X, Y)
    assert_allclose(warm.coef_, MultiTaskElasticNet(0.3).fit(X, Y).coef_, atol=1e-2)
