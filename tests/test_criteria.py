"""Degrees of freedom and information criteria of fitted models."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge
from fastridge import information_criteria


def problem(n=60, p=7):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) * np.linspace(0.5, 2, p) + 1.0
    return X, X @ rng.normal(size=p) + 2 * rng.normal(size=n), rng.uniform(0.5, 2, size=n)


def dense(X, s, alpha, d, fit_intercept):
    mean = s @ X / s.sum() * fit_intercept
    A = np.sqrt(s)[:, None] * (X - mean)
    return np.trace(A @ np.linalg.solve(A.T @ A + alpha * np.diag(d), A.T))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_of_ridge(container, weighted, fit_intercept):
    X, y, weight = problem()
    weight = weight if weighted else None
    s = np.ones(60) if weight is None else weight
    factor = np.linspace(0.5, 2, 7)
    options = {"fit_intercept": fit_intercept, "penalty_factor": factor}
    for model, alpha in (
        (fastridge.Ridge(7.0, **options), 7.0),
        (fastridge.RidgeCV([7.0], **options), 7.0),
        (fastridge.BayesianRidge(**options), None),
    ):
        model.fit(container(X), y, weight)
        found = information_criteria(model, container(X), y, weight)
        alpha = model.penalty_ if alpha is None else alpha
        dof = dense(X, s, alpha, factor, fit_intercept)
        assert_allclose(found.dof, dof, rtol=1e-7)
        rss = s @ (y - X @ model.coef_ - model.intercept_) ** 2
        assert_allclose(found.residual, rss)
        n, q = s.sum(), dof + fit_intercept + 1
        assert_allclose(found.aic, n * (np.log(2 * np.pi * rss / n) + 1) + 2 * q, rtol=1e-8)
        assert_allclose(found.bic, found.aic + (np.log(n) - 2) * q, rtol=1e-8)
        assert found.dof_error == 0
    path = fastridge.ridge_path(X, y, [7.0], sample_weight=weight, **options)
    found = information_criteria(fastridge.Ridge(7.0, **options).fit(X, y, weight), X, y, weight)
    assert_allclose((found.aic, found.bic), (path.aic[0], path.bic[0]))


def test_of_several_targets():
    X, y, _ = problem()
    Y = np.c_[y, y**2]
    model = fastridge.Ridge([1.0, 50.0]).fit(X, Y)
    found = information_criteria(model, X, Y)
    for t, alpha in enumerate((1.0, 50.0)):
        own = information_criteria(fastridge.Ridge(alpha).fit(X, Y[:, t]), X, Y[:, t])
        assert_allclose([v[t] for v in found], own)


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_of_elastic_nets(ratio):
    X, y, weight = problem()
    model = fastridge.ElasticNet(0.8, l1_ratio=ratio, tol=1e-10).fit(X, y, weight)
    active = np.flatnonzero(model.coef_)
    assert 0 < len(active) < 7
    found = information_criteria(model, X, y, weight)
    l2 = weight.sum() * 0.8 * (1 - ratio)
    expected = dense(X[:, active], weight, l2, np.ones(len(active)), True)
    assert_allclose(found.dof, expected)
    if ratio == 1:
        assert_allclose(found.dof, len(active))
    chosen = fastridge.ElasticNetCV(l1_ratio=ratio, alphas=[0.8], tol=1e-10).fit(X, y, weight)
    assert_allclose(information_criteria(chosen, X, y, weight).bic, found.bic)
    nothing = fastridge.Lasso(1e6).fit(X, y)
    assert information_criteria(nothing, X, y).dof == 0


def test_bounds_hold_coefficients():
    X, y, _ = problem()
    model = fastridge.Ridge(1.0, positive=True, tol=1e-10).fit(X, y)
    inside = model.coef_ > 0
    assert 0 < inside.sum() < 7
    found = information_criteria(model, X, y)
    expected = dense(X[:, inside], np.ones(60), 1.0, np.ones(inside.sum()), True)
    assert_allclose(found.dof, expected)


def test_refusals():
    X, y, _ = problem()
    with pytest.raises(TypeError, match="model is a Moments"):
        information_criteria(fastridge.Moments(X, y), X, y)
    with pytest.raises(ValueError, match="not fitted yet"):
        information_criteria(fastridge.Ridge(), X, y)
    model = fastridge.Ridge().fit(X, y)
    with pytest.raises(ValueError, match="y has 2 target"):
        information_criteria(model, X, np.c_[y, y])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("kind", ["plain", "wide", "copies"])
def test_of_least_squares(container, positive, fit_intercept, kind):
    X, y, weight = problem(10 if kind == "wide" else 60, 20 if kind == "wide" else 7)
    if kind == "copies":
        X[:, 6], X[:, 5] = X[:, 4], 3.0
    model = fastridge.LinearRegression(positive=positive, fit_intercept=fit_intercept)
    model.fit(container(X), y, weight)
    found = information_criteria(model, container(X), y, weight)
    A = np.sqrt(weight)[:, None] * (X - fit_intercept * (weight @ X / weight.sum()))
    if positive:
        A = A[:, model.coef_ > 0]
    assert_allclose(found.dof, np.linalg.matrix_rank(A), rtol=1e-9)
    rss = weight @ (y - X @ model.coef_ - model.intercept_) ** 2
    assert_allclose(found.residual, rss, atol=1e-20)
    if kind == "plain":
        n = weight.sum()
        assert_allclose(
            found.aic,
            n * (np.log(2 * np.pi * rss / n) + 1) + 2 * (found.dof + fit_intercept + 1),
            rtol=1e-9,
        )
