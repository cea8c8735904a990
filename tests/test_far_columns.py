"""Columns far from zero: the same numbers for every storage as for columns about zero."""

from functools import cache

import numpy as np
import pytest
from cases import each
from scipy import sparse
from storages import CONTAINERS

import fastridge as fr
from fastridge._matrix import Matrix
from fastridge.data.check import check_design


def int64(X):
    X = sparse.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


STORAGES = {**CONTAINERS, "csr64": int64}
SPARSE = ("csr", "csc", "csr64")
EPS = np.finfo(float).eps


def make(n, ratio, seed=0, some=4):
    """X with a column of that mean over deviation beside rare ones, the same near zero, and y."""
    r = np.random.default_rng(seed)
    X = (r.random((n, some + 1)) < 0.3) * r.standard_normal((n, some + 1))
    X[:, 1] = 3.0 * ratio + 3.0 * r.standard_normal(n)
    # float64 has these differences exactly, as the numbers are within a factor of two
    near = X.copy()
    near[:, 1] -= X[0, 1]
    z = near[:, 1] - near[:, 0] + 0.5 * r.standard_normal(n)
    return X, near, z


def exact(near, z, alpha, weight=None, factor=None):
    """Solve centred ridge by long double least squares; return coefficients and residuals."""
    w = np.ones(len(z)) if weight is None else weight
    Z = near.astype(np.longdouble)
    Z, t = Z - w @ Z / w.sum(), z - w @ z.astype(np.longdouble) / w.sum()
    d = np.ones(Z.shape[1]) if factor is None else factor
    M = Z.T @ (w[:, None] * Z) + alpha * np.diag(d)
    c = np.linalg.solve(M.astype(float), (Z.T @ (w * t)).astype(float))
    for _ in range(3):  # refined with the residual of long doubles
        rest = Z.T @ (w * (t - Z @ c)) - alpha * d * c
        c = c + np.linalg.solve(M.astype(float), rest.astype(float))
    return c.astype(float)


RATIOS = [1e2, 1e4, 1e6, 1e8, 1e10]


@pytest.mark.parametrize("storage", SPARSE)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics(storage, ratio, weighted):
    X, near, _ = make(300, ratio)
    w = np.random.default_rng(1).random(300) * (np.arange(300) % 5 > 0) if weighted else None
    A = check_design(STORAGES[storage](X))
    mean, variance = A.column_stats(w)
    u = np.full(300, 1 / 300) if w is None else w / w.sum()
    m = u @ near.astype(np.longdouble)
    expected = (u @ (near - m) ** 2).astype(float)
    np.testing.assert_allclose(variance, expected, rtol=1e-12)
    np.testing.assert_allclose(mean[1], X[0, 1] + float(m[1]), rtol=2 * EPS)
    np.testing.assert_allclose(mean[[0, 2]], m[[0, 2]].astype(float), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_near_fills_what_is_not_stored(by_column, real):
    r = np.random.default_rng(0)
    X = ((r.random((200, 5)) < 0.4) * r.random((200, 5))).astype(real)
    X[:, 3] = 1000 + r.random(200)
    X[17, 3] = 0
    w = np.ones(200)
    w[17] = 1e-12
    kind = sparse.csc_array if by_column else sparse.csr_array
    A = kind(X)
    A = Matrix.from_compressed(A.data, A.indices, A.indptr, A.shape, by_column)
    mean, variance = A.column_stats(w)
    near, offset = A.near(mean, variance, w)
    assert near.is_float32 == A.is_float32
    assert near.kind == A.kind
    assert near.nnz == A.nnz + 1
    about = np.where(np.arange(5) == 3, mean, 0.0)
    np.testing.assert_array_equal(near.about, about)
    np.testing.assert_allclose(near.rows(0, 200), X - about, rtol=EPS, atol=0)
    np.testing.assert_allclose(offset, w @ (X - about) / w.sum(), rtol=1e-13, atol=1e-13)
    # columns with means near zero are not copied
    same = A.near(*Matrix.from_dense(X - np.where(about, X.mean(0), 0)).column_stats())
    assert same[0] is A


@each("storage", STORAGES)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("solver", ["auto", "cholesky", "qr", "cg", "dual"])
def test_ridge(storage, ratio, solver):
    X, near, z = make(60, ratio)
    w = np.random.default_rng(1).random(60)
    for weight in (None, w):
        expected = exact(near, z, 0.3, weight)
        found = fr.ridge(
            STORAGES[storage](X), z, 0.3, sample_weight=weight, solver=solver, tol=1e-13
        )
        np.testing.assert_allclose(found.coef, expected, rtol=1e-8, atol=1e-10)
        assert found.relative_gradient < 1e-8
        u = np.full(60, 1 / 60) if weight is None else weight / weight.sum()
        level = u @ (z - X @ found.coef)
        np.testing.assert_allclose(found.intercept, level, rtol=1e-12, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("storage", SPARSE)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("standardize", [False, True])
def test_estimators(storage, ratio, standardize):
    X, near, z = make(80, ratio)
    given = STORAGES[storage](X)
    expected = exact(near, z, 2.0, factor=near.var(axis=0) if standardize else None)
    close = {"rtol": 1e-8, "atol": 1e-10}
    model = fr.Ridge(2.0, standardize=standardize).fit(given, z)
    np.testing.assert_allclose(model.coef_, expected, **close)
    targets = np.column_stack([z * s for s in range(1, 20)])
    model = fr.Ridge(2.0, standardize=standardize).fit(given, targets)
    np.testing.assert_allclose(model.coef_, np.outer(range(1, 20), expected), **close)
    moments = fr.Moments(given, z)
    np.testing.assert_allclose(
        fr.ridge(moments, alpha=2.0, standardize=standardize).coef, expected, **close
    )
    path = fr.ridge_path(given, z, [4.0, 2.0], standardize=standardize)
    np.testing.assert_allclose(path.coef[1], expected, **close)
    for cv in (None, 4):
        settings = {"cv": cv, "standardize": standardize, "scoring": "neg_mean_squared_error"}
        found = fr.RidgeCV([2.0], **settings).fit(given, z)
        beside = fr.RidgeCV([2.0], **settings).fit(near, z)
        np.testing.assert_allclose(found.coef_, expected, **close)
        # a prediction is rounded in units of the mean
        np.testing.assert_allclose(
            found.best_score_, beside.best_score_, rtol=1e-8 + 50 * EPS * ratio
        )
    labels = np.where(z > np.median(z), 1.0, -1.0)
    model = fr.RidgeClassifier(2.0, standardize=standardize).fit(given, labels)
    factor = near.var(axis=0) if standardize else None
    np.testing.assert_allclose(
        model.coef_.ravel(), exact(near, labels, 2.0, factor=factor), **close
    )


@pytest.mark.slow
@pytest.mark.parametrize("storage", SPARSE)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("n_free", [0, 2])
def test_fewer_rows_than_columns(storage, ratio, n_free):
    X, near, z = make(40, ratio, some=70)
    given = STORAGES[storage](X)
    factor = np.ones(71)
    factor[:n_free] = 0
    expected = exact(near, z, 1.5, factor=factor)
    for solver in ("auto", "dual", "cg", "qr"):
        found = fr.ridge(given, z, 1.5, penalty_factor=factor, solver=solver, tol=1e-12)
        np.testing.assert_allclose(found.coef, expected, rtol=1e-8, atol=1e-9)
    alphas = [3.0, 1.5]
    path = fr.ridge_path(given, z, alphas, penalty_factor=factor)
    beside = fr.ridge_path(near, z, alphas, penalty_factor=factor)
    np.testing.assert_allclose(path.coef[1], expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(path.dof, beside.dof, rtol=1e-9)
    for cv in (None, 4):
        scores = [
            fr.RidgeCV(alphas, cv=cv, scoring="neg_mean_squared_error", penalty_factor=factor)
            .fit(x, z)
            .cv_results_["score"]
            for x in (given, near)
        ]
        np.testing.assert_allclose(*scores, rtol=1e-7 + 50 * EPS * ratio)
    if n_free == 0:
        np.testing.assert_allclose(path.log_evidence, beside.log_evidence, rtol=1e-8)
        found, beside = (fr.BayesianRidge().fit(x, z) for x in (given, near))
        np.testing.assert_allclose(found.alpha_, beside.alpha_, rtol=1e-6)
        np.testing.assert_allclose(found.coef_, beside.coef_, rtol=1e-5, atol=1e-8)


@cache
def least_objective(ratio, l1_ratio, weighted):
    """Objective as a function of coefficients, and its minimum by descent in long doubles."""
    _, near, z = make(200, ratio, some=8)
    s = np.random.default_rng(1).random(200) if weighted else np.ones(200)
    s = (s / s.sum()).astype(np.longdouble)
    s /= s.sum()
    Z, t = near - s @ near.astype(np.longdouble), z - s @ z.astype(np.longdouble)
    l1, l2 = 0.01 * l1_ratio, 0.01 * (1 - l1_ratio)

    def objective(c):
        c = c.astype(np.longdouble)
        r = t - Z @ c
        return (s @ r**2 / 2 + l1 * abs(c).sum() + l2 / 2 * c @ c) / (s @ t**2 / 2)

    M, g = Z.T @ (s[:, None] * Z), Z.T @ (s * t)
    c = np.zeros(len(M), np.longdouble)
    for _ in range(200):
        for j in range(len(M)):
            v = g[j] + M[j, j] * c[j]
            new = np.sign(v) * max(abs(v) - l1, 0) / (M[j, j] + l2)
            g -= M[j] * (new - c[j])
            c[j] = new
    return objective, objective(c)


@each("storage", SPARSE)
@pytest.mark.parametrize("ratio", [1e2, 1e3, 1e5, 1e7, 1e9])
@pytest.mark.parametrize("solver", ["gram", "working", "columns"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_elastic_net(storage, ratio, solver, l1_ratio):
    X, _, z = make(200, ratio, some=8)
    w = np.random.default_rng(1).random(200)
    for weight in (None, w):
        model = fr.elastic_net(
            STORAGES[storage](X),
            z,
            0.01,
            l1_ratio=l1_ratio,
            sample_weight=weight,
            solver=solver,
            tol=1e-12,
            max_iter=5000,
        )
        assert model.converged
        assert model.relative_gap <= 1e-12
        objective, least = least_objective(ratio, l1_ratio, weight is not None)
        assert objective(model.coef) - least <= model.relative_gap + 1e-15


@pytest.mark.parametrize("storage", SPARSE)
@pytest.mark.parametrize("ratio", [1e3, 1e6, 1e9])
def test_several_tasks(storage, ratio):
    X, near, z = make(120, ratio, some=6)
    Y = np.column_stack([z, z**2])
    found, beside = (
        fr.MultiTaskLasso(0.02, tol=1e-12).fit(x, Y) for x in (STORAGES[storage](X), near)
    )
    np.testing.assert_allclose(found.coef_, beside.coef_, rtol=1e-6, atol=1e-8)
    assert found.dual_gap_ <= 1e-12 * np.var(Y, axis=0).sum()


@pytest.mark.parametrize("storage", SPARSE)
@pytest.mark.slow
def test_seconds_of_an_hour(storage):
    n = 10**6
    t = 1.7e9 + np.linspace(0, 3600, n)[:, None]
    z = (t[:, 0] - 1.7e9) / 1200
    model = fr.Ridge(1e-3).fit(STORAGES[storage](t), z)
    assert model.coef_[0] * 1200 == pytest.approx(1.0, rel=1e-9)
    assert model.relative_gradient_ < 1e-9
    model = fr.Lasso(1e-6, standardize=True).fit(STORAGES[storage](t), z)
    assert model.coef_[0] * 1200 == pytest.approx(1.0, rel=1e-5)


CONSTANTS = [0.1, 0.3, 1.0, 1 / 3, -7e8, 1e-8]


@pytest.mark.parametrize("value", CONSTANTS)
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 100, 5000])
def test_constant_columns_have_no_variance(value, real, n):
    r = np.random.default_rng(0)
    X = r.standard_normal((n, 3)).astype(real)
    X[:, 1] = value
    for storage, of in STORAGES.items():
        A = check_design(of(X))
        for weight in (None, np.ones(n), r.random(n) + 0.1, 1e-3 * np.ones(n)):
            mean, variance = A.column_stats(weight)
            assert variance[1] == 0, storage
            assert mean[1] == pytest.approx(float(X[0, 1]), rel=1e-12)
            assert n == 1 or (variance[[0, 2]] > 0).all()
        moments = fr.Moments(of(X), X[:, 0].astype(float))
        assert moments.gram[1, 1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("value", CONSTANTS)
def test_constant_columns_count_alike(noise, fit_intercept, value):
    """A column of one number, or of its neighbours, in every storage and order of rows."""
    r = np.random.default_rng(0)
    X = r.standard_normal((100, 3))
    X[:, 1] = value
    if noise:
        X[::3, 1] = np.nextafter(value, np.inf)
    y = 5 + X[:, 0]
    models = [
        fr.Lasso(0.5, standardize=True, fit_intercept=fit_intercept, tol=1e-12),
        fr.Lasso(0.1, fit_intercept=fit_intercept, tol=1e-12),
        fr.Ridge(0.5, standardize=True, fit_intercept=fit_intercept),
        fr.Ridge(0.5, fit_intercept=fit_intercept),
        fr.Ridge(0.5, fit_intercept=fit_intercept, solver="cg", tol=1e-12),
    ]
    order = r.permutation(100)
    for model in models:
        first = None
        for of in STORAGES.values():
            for rows in (slice(None), order):
                for weight in (None, np.ones(100)):
                    found = model.fit(of(X[rows]), y[rows], sample_weight=weight).coef_.copy()
                    first = found if first is None else first
                    size = 1e-7 * max(abs(first).max(), 1e-3)
                    np.testing.assert_allclose(found, first, rtol=1e-7, atol=size)
        if fit_intercept:
            assert first[1] == 0


def test_constant_among_many_sparse_rows():
    r = np.random.default_rng(0)
    X = np.c_[r.standard_normal((5000, 2)) * (r.random((5000, 2)) < 0.2), np.full(5000, 0.3)]
    y = X[:, 0] + 0.1 * r.standard_normal(5000)
    for of in STORAGES.values():
        assert fr.Ridge(1.0, standardize=True).fit(of(X), y).coef_[2] == 0
        assert fr.Lasso(1e-9, standardize=True).fit(of(X), y).coef_[2] == 0


def test_weights_that_hide_what_is_not_stored():
    """A column is far from zero by the weights, and its missing rows count as they weigh."""
    r = np.random.default_rng(0)
    X = r.random((50, 2))
    X[:, 0] += 1e4
    X[10:, 0] = 0
    y = r.standard_normal(50)
    w = np.where(np.arange(50) < 10, 1.0, 1e-14)
    mean, variance = check_design(X).column_stats(w)
    for storage in SPARSE:
        A = check_design(STORAGES[storage](X))
        found = A.column_stats(w)
        np.testing.assert_allclose(found[0], mean, rtol=1e-14)
        np.testing.assert_allclose(found[1], variance, rtol=1e-9)
        one, other = (fr.ridge(x, y, 1.0, sample_weight=w) for x in (X, STORAGES[storage](X)))
        np.testing.assert_allclose(other.coef, one.coef, rtol=1e-8)


@pytest.mark.parametrize("ratio", [1e2, 1e5])
def test_float32(ratio):
    """The numbers as they are stored, which float64 has exactly, and results of their type."""
    X, _, z = make(300, ratio)
    X = X.astype(np.float32)
    near = X.astype(float)
    near[:, 1] -= near[0, 1]
    expected = exact(near, z, 0.3)
    for storage in SPARSE:
        given = STORAGES[storage](X)
        path = fr.ridge_path(given, z, [0.3])
        results = [fr.ridge(given, z, 0.3, solver=s, tol=1e-10) for s in ("cholesky", "cg", "qr")]
        for coef in (path.coef[0], *(result.coef for result in results)):
            assert coef.dtype == np.float32
            np.testing.assert_allclose(coef, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ratio", [1e4, 1e8])
def test_scales_without_an_intercept(ratio):
    X, near, z = make(100, ratio)
    scale = near.std(axis=0)
    expected = fr.ridge(X / scale, z, 1.0, fit_intercept=False).coef / scale
    options = {"standardize": True, "fit_intercept": False}
    for of in STORAGES.values():
        model = fr.Ridge(1.0, **options).fit(of(X), z)
        np.testing.assert_allclose(model.coef_, expected, rtol=1e-7, atol=1e-14)


def test_rows_that_columns_far_from_zero_lack():
    """Two far columns, one of which is not stored in two rows of hardly any weight."""
    r = np.random.default_rng(0)
    X = r.standard_normal((400, 300)) * (r.random((400, 300)) < 0.02)
    X[:, 7], X[:, 250] = 1e5 + r.random(400), -1e7 + r.random(400)
    X[[3, 9], 7] = 0
    z, w = r.standard_normal(400), r.random(400)
    w[[3, 9]] = 1e-13
    expected = fr.ridge(X, z, 1.0, sample_weight=w, solver="qr").coef
    for storage in SPARSE:
        for solver in ("auto", "cholesky", "cg", "qr"):
            found = fr.ridge(
                STORAGES[storage](X), z, 1.0, sample_weight=w, solver=solver, tol=1e-12
            )
            np.testing.assert_allclose(found.coef, expected, rtol=1e-8, atol=1e-10)


def test_a_price_beside_rare_columns():
    r = np.random.default_rng(2)
    X = np.c_[(r.random((40, 80)) < 0.1) * 1.0, 1.7e9 + 8e5 * r.standard_normal(40)]
    z = r.standard_normal(40)
    beside = fr.ridge_path(X, z, [1.0])
    for storage in SPARSE:
        assert fr.BayesianRidge().fit(STORAGES[storage](X), z).alpha_ == pytest.approx(
            0.743489979, rel=1e-6
        )
        path = fr.ridge_path(STORAGES[storage](X), z, [1.0])
        np.testing.assert_allclose(path.dof, beside.dof, rtol=1e-9)
        np.testing.assert_allclose(path.log_evidence, beside.log_evidence, rtol=1e-9)
