"""Criteria of classifiers and of multi-task models, their errors, and exact cases."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge
from fastridge import information_criteria


def problem(n=50, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.linspace(0.5, 2, p) + 1.0
    return X, X @ rng.standard_normal(p) + rng.standard_normal(n), rng.uniform(0.5, 2, n)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_classifiers_are_those_of_their_regressions(classes, balanced):
    X, y, weight = problem()
    labels = np.array(["a", "b", "c"])[np.digitize(y, np.quantile(y, [0.3, 0.7][: classes - 1]))]
    Y = np.where(labels[:, None] == np.unique(labels), 1.0, -1.0)
    Y = Y[:, 1] if classes == 2 else Y
    s = weight.copy()
    if balanced:
        for name in np.unique(labels):
            mine = labels == name
            s[mine] *= weight.sum() / classes / weight[mine].sum()
    options = {"class_weight": "balanced" if balanced else None}
    truth = information_criteria(fastridge.Ridge(3.0).fit(X, Y, s), X, Y, s)
    for model in (
        fastridge.RidgeClassifier(3.0, **options),
        fastridge.RidgeClassifierCV([3.0], **options),
    ):
        found = information_criteria(model.fit(X, labels, weight), X, labels, weight)
        for a, b in zip(found, truth, strict=True):
            assert_allclose(np.ravel(a), np.ravel(b), rtol=1e-8)
    with pytest.raises(ValueError, match=r"y has the classes \['x', 'y'\]; expected \['a'"):
        information_criteria(model, X, np.where(y > 0, "x", "y"), weight)


@pytest.mark.parametrize("ratio", [1.0, 0.4])
@pytest.mark.parametrize("how", ["plain", "units"])
@pytest.mark.slow
def test_targets_that_share_features_against_moving_them(ratio, how):
    X, y, weight = problem(30, 5)
    rng = np.random.default_rng(4)
    Y = np.c_[y, 0.5 * y, np.zeros(30)] + 0.5 * rng.standard_normal((30, 3))
    options = {"alpha": 0.4, "l1_ratio": ratio, "tol": 1e-13, "max_iter": 100_000}
    s = None
    if how == "units":
        factor = np.array([1.0, 0.5, 2.0, 1.0, 0.0])
        options |= {"standardize": True, "penalty_factor": factor}
        s = weight
    model = fastridge.MultiTaskElasticNet(**options).fit(X, Y, s)
    assert 0 < np.count_nonzero(model.coef_[0]) < 5 or how == "units"
    found = information_criteria(model, X, Y, s)
    step = 1e-4
    truth = np.zeros(3)
    for i in range(30):
        for t in range(3):
            ends = []
            for sign in (1, -1):
                moved = Y.copy()
                moved[i, t] += sign * step
                fit = fastridge.MultiTaskElasticNet(**options).fit(X, moved, s)
                ends.append(fit.predict(X[i : i + 1])[0, t])
            truth[t] += (ends[0] - ends[1]) / (2 * step)
    assert_allclose(found.dof, truth - 1, rtol=1e-4)
    n = 30.0 if s is None else s.sum()
    rss = (
        np.ones(30) @ (Y - model.predict(X)) ** 2 if s is None else s @ (Y - model.predict(X)) ** 2
    )
    assert_allclose(found.residual, rss)
    assert_allclose(found.aic, n * (np.log(2 * np.pi * rss / n) + 1) + 2 * (found.dof + 2))
    nothing = fastridge.MultiTaskElasticNet(1e6).fit(X, Y)
    assert_allclose(information_criteria(nothing, X, Y).dof, 0)
    if how == "plain":
        lasso = fastridge.MultiTaskElasticNetCV(l1_ratio=ratio, alphas=[0.4], tol=1e-13, cv=3)
        lasso.set_params(max_iter=100_000).fit(X, Y)
        assert_allclose(information_criteria(lasso, X, Y).bic, found.bic, rtol=1e-6)


def test_one_shared_target_is_a_lasso():
    X, y, _ = problem()
    options = {"alpha": 0.5, "l1_ratio": 0.5, "tol": 1e-12}
    shared = fastridge.MultiTaskElasticNet(**options).fit(X, y[:, None])
    alone = fastridge.ElasticNet(**options).fit(X, y)
    a, b = information_criteria(shared, X, y), information_criteria(alone, X, y)
    assert_allclose(np.ravel(a.dof), b.dof, rtol=1e-6)


@pytest.mark.parametrize("cls", [fastridge.Lasso, fastridge.Ridge])
def test_bounds_of_single_precision(cls):
    X, y, _ = problem(60, 3)
    X, y = X.astype(np.float32), X @ [-1.0, 2.0, 1.0] + 0.1 * y
    model = cls(0.01, lower=-0.2, upper=0.3).fit(X, y)
    assert_allclose(model.coef_[1:], 0.3, rtol=1e-7)
    found = information_criteria(model, X, y)
    double = information_criteria(
        cls(0.01, lower=-0.2, upper=0.3).fit(X.astype(np.float64), y), X, y
    )
    assert_allclose(found.dof, double.dof, atol=1e-6)


@pytest.mark.slow
def test_what_fits_is_exact():
    S = sp.random_array((3000, 800), density=0.01, format="csr", rng=np.random.default_rng(0))
    y = np.random.default_rng(0).standard_normal(3000)
    found = information_criteria(fastridge.Ridge(1.0).fit(S, y), S, y)
    Z = S.toarray()
    values = np.linalg.eigvalsh((Z - Z.mean(axis=0)).T @ (Z - Z.mean(axis=0)))
    assert_allclose(found.dof, np.sum(values / (values + 1.0)), rtol=1e-9)
    assert found.dof_error == found.aic_error == found.bic_error == 0


def test_errors_of_criteria_are_those_of_their_degrees_of_freedom():
    S = sp.random_array((300, 80), density=0.1, format="csr", rng=np.random.default_rng(0))
    y = np.random.default_rng(0).standard_normal(300)
    path = fastridge.ridge_path(S, y, [10.0, 1.0], solver="cg")
    assert (path.dof_error > 0).all()
    assert_allclose(path.aic_error, 2 * path.dof_error)
    assert_allclose(path.bic_error, np.log(300) * path.dof_error)
    exact = fastridge.ridge_path(S, y, [10.0, 1.0], solver="cholesky")
    assert (np.abs(path.aic - exact.aic) <= 4 * path.aic_error + 1e-6).all()
    assert (np.abs(path.bic - exact.bic) <= 4 * path.bic_error + 1e-6).all()
