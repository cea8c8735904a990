"""A row that outweighs the others by far is fitted exactly, and the others decide what is left."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge
from fastridge import reference

CONTAINERS = [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array]
HEAVY = 3


def data(far, weight, n=60):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4))
    y = X @ [1.0, 2.0, 3.0, 4.0] + 0.1 * rng.standard_normal(n)
    s = np.ones(n)
    s[HEAVY] = weight
    return X + far, y, s


def limit(X, y, alpha):
    """The ridge fit of the rows about the heavy one."""
    A, b = X - X[HEAVY], y - y[HEAVY]
    return np.linalg.solve(A.T @ A + alpha * np.eye(X.shape[1]), A.T @ b)


@pytest.mark.parametrize("weight", [1e20, 1e32, 1e50, 1e100])
@pytest.mark.parametrize("far", [0.0, 1e6])
@pytest.mark.parametrize("container", CONTAINERS)
def test_ridge(container, far, weight):
    X, y, s = data(far, weight)
    for solver in ("auto", "cholesky", "qr", "sparse_cg"):
        model = fastridge.Ridge(1.0, solver=solver).fit(container(X), y, sample_weight=s)
        assert_allclose(model.coef_, limit(X, y, 1.0), rtol=1e-9)
        assert_allclose(model.predict(X[HEAVY : HEAVY + 1]), y[HEAVY], rtol=1e-8)


@pytest.mark.parametrize("weight", [1e20, 1e40])
def test_sums_paths_and_searches(weight):
    X, y, s = data(0.0, weight)
    moments = fastridge.Moments(X, y, s)
    assert_allclose(fastridge.ridge(moments, None, 1.0).coef, limit(X, y, 1.0), rtol=1e-9)
    parts = fastridge.Moments(X[:30], y[:30], s[:30])
    parts += fastridge.Moments(X[30:], y[30:], s[30:])
    assert_allclose(fastridge.ridge(parts, None, 1.0).coef, limit(X, y, 1.0), rtol=1e-9)
    path = fastridge.ridge_path(X, y, [1.0, 0.1], sample_weight=s)
    assert_allclose(path.coef[1], limit(X, y, 0.1), rtol=1e-9)
    for cv in (None, 3, "gcv"):
        model = fastridge.RidgeCV([0.1], cv=cv).fit(X, y, sample_weight=s)
        assert_allclose(model.coef_, limit(X, y, 0.1), rtol=1e-9)


@pytest.mark.parametrize("weight", [1e20, 1e40])
@pytest.mark.parametrize("solver", ["auto", "gram", "working", "columns"])
def test_nets(solver, weight):
    X, y, s = data(0.0, weight)
    alpha = 1.0 / s.sum()
    options = {"l1_ratio": 0.5, "sample_weight": s}
    result = fastridge.elastic_net(X, y, alpha, solver=solver, tol=1e-10, **options)
    # the same about the heavy row, without an intercept and with weights of 1
    A, b = X - X[HEAVY], y - y[HEAVY]
    known = fastridge.elastic_net(A, b, 1 / 60, l1_ratio=0.5, fit_intercept=False, tol=1e-12)
    assert_allclose(result.coef, known.coef, rtol=1e-5)
    cv = fastridge.LassoCV(alphas=[alpha], cv=3).fit(X, y, sample_weight=s)
    assert (np.abs(cv.coef_) > 0.5).all()


@pytest.mark.parametrize("weight", [1e20, 1e32, 1e50])
def test_classes(weight):
    X, _, s = data(0.0, weight)
    labels = (np.random.default_rng(1).random(60) < 0.5).astype(int)
    model = fastridge.LogisticRegression(tol=1e-10).fit(X, labels, sample_weight=s)
    w, b = model.coef_[0], model.intercept_[0]
    # derivatives of sum_i s_i loss_i + |w|^2 / 2, with the probability of the other label
    sign = 2 * labels - 1
    r = -sign * s / (1 + np.exp(sign * (X @ w + b)))
    assert_allclose(X.T @ r, -w, rtol=1e-4)
    assert abs(r.sum()) < 1e-4 * np.abs(r).sum()


def test_a_constant_column_stays_constant():
    X, y, s = data(0.0, 1e40)
    X[:, 2] = 0.1
    for container in CONTAINERS:
        assert fastridge.Ridge(1.0).fit(container(X), y, sample_weight=s).coef_[2] == 0.0
        found = fastridge.Moments(container(X), y, s)
        assert found.gram[2, 2] == 0.0 < found.gram[1, 1]
    found = fastridge.elastic_net(X, y, 1e-43, solver="gram", sample_weight=s)
    assert found.coef[2] == 0.0
    known = reference.ridge(X, y, 1.0, sample_weight=np.where(s > 1, 1e12, 1.0))
    assert_allclose(fastridge.Ridge(1.0).fit(X, y, sample_weight=s).coef_, known.coef, atol=1e-8)
