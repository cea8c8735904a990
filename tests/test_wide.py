"""Sparse data with fewer samples than features: the system of samples."""

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge
from fastridge import reference
from fastridge.solvers.ridge import cg


def words(n=60, p=150, seed=0, dtype=np.float64):
    """Columns of falling frequency, some empty, some constant where they are not."""
    rng = np.random.default_rng(seed)
    share = np.minimum(0.9, 3.0 / (1 + np.arange(p)))
    X = np.where(rng.random((n, p)) < share, rng.integers(1, 5, (n, p)) / 4, 0.0)
    X[:, -1], X[:, -2], X[:, 5] = 0.0, 0.25, X[:, 4]
    return X.astype(dtype), rng.standard_normal((n, 11)) + X[:, :3].sum(axis=1)[:, None]


def solve(X, y, alpha, tol=1e-10, **options):
    result = fastridge.ridge(X, y, alpha, solver="cg", tol=tol, **options)
    assert result.converged
    return result


def agree(got, want, X, y, alpha, tol=1e-10):
    """Check the error in w: at most a gradient of norm tol ||X'y|| over the least curvature."""
    size = np.linalg.norm(X.T @ (y - y.mean(axis=0)), axis=0).max()
    atol = 20 * tol * size / np.min(alpha)
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-9, atol=atol)


@pytest.fixture(params=["eliminated", "whole", "automatic"])
def heavy(request, monkeypatch):
    if request.param != "automatic":
        monkeypatch.setattr(cg, "_SPIKED", 0.0 if request.param == "eliminated" else np.inf)
    return request.param


OPTIONS = {
    "plain": {},
    "no intercept": {"fit_intercept": False},
    "weights": {"sample_weight": np.arange(60.0) % 7},
    "factors": {"penalty_factor": np.r_[0.0, 0.0, 5.0, np.linspace(0.1, 3.0, 147)]},
    "standardize": {"standardize": True},
    "all": {
        "sample_weight": 0.5 + np.arange(60.0) % 3,
        "penalty_factor": np.r_[0.0, np.linspace(3.0, 0.1, 149)],
        "standardize": True,
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_the_dense_solution(heavy, options, alpha):
    X, Y = words()
    want = fastridge.ridge(X, Y[:, 0], alpha, **options)
    got = solve(sp.csr_array(X), Y[:, 0], alpha, **options)
    agree(got, want, X, Y[:, 0], alpha)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-10)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_storage(heavy, kind, index, dtype):
    X, Y = words(dtype=dtype)
    A = kind(X)
    A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
    want = fastridge.ridge(X.astype(float), Y[:, :2], 0.1)
    got = fastridge.ridge(A, Y[:, :2].astype(dtype), 0.1, solver="cg", tol=1e-7)
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-4, atol=1e-5)


def test_values_that_float32_does_not_hold(heavy):
    X, Y = words()
    X *= 1 + 1e-9 * np.arange(150)
    want = fastridge.ridge(X, Y[:, 0], 0.1)
    got = solve(sp.csr_array(X), Y[:, 0], 0.1)
    agree(got, want, X, Y[:, 0], 0.1)


@pytest.mark.parametrize("k", [2, 8, 11])
def test_several_targets(heavy, k):
    X, Y = words()
    for alpha in (0.1, np.where(np.arange(k) % 3, 0.1, 2.0)):
        got = solve(sp.csr_array(X), Y[:, :k], alpha)
        want = fastridge.ridge(X, Y[:, :k], alpha)
        agree(got, want, X, Y[:, :k], alpha)
        assert np.shape(got.n_iter) == (k,)


def test_targets_that_end_at_once(heavy):
    """A constant target, and one of pure noise, beside an easy one."""
    X, Y = words()
    Y = Y[:, :4].copy()
    Y[:, 1], Y[:, 2] = 3.0, 1e-8 * Y[:, 2]
    got = solve(sp.csr_array(X), Y, 0.1)
    assert (got.coef[1] == 0).all()
    want = fastridge.ridge(X, Y, 0.1)
    np.testing.assert_allclose(got.coef[[0, 3]], want.coef[[0, 3]], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(got.coef[2], want.coef[2], rtol=1e-6, atol=1e-16)


def test_starts_anywhere(heavy):
    """A start outside of the span of the samples."""
    X, Y = words()
    want = fastridge.ridge(X, Y[:, 0], 0.1)
    away = want.coef + np.random.default_rng(3).standard_normal(150)
    got = solve(sp.csr_array(X), Y[:, 0], 0.1, coef_init=away)
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-6, atol=1e-8)
    again = solve(sp.csr_array(X), Y[:, 0], 0.1, coef_init=got.coef)
    assert again.n_iter <= 2


def test_path(heavy):
    X, Y = words()
    alphas = np.logspace(2, -2, 9)
    got = fastridge.ridge_path(sp.csr_array(X), Y[:, :3], alphas, solver="cg", tol=1e-10)
    want = fastridge.ridge_path(X, Y[:, :3], alphas)
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.slow
def test_threads(heavy, k, monkeypatch):
    """Large enough for several parts of a sum."""
    X = sp.random_array((300, 20_000), density=0.03, rng=1, format="csr")
    y = np.random.default_rng(0).standard_normal((300, k))
    found = []
    for threads in (1, 2, 3):
        with fastridge.num_threads(threads):
            found.append(fastridge.ridge(X, y, 1.0, solver="cg").coef)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_too_little_memory_for_a_copy():
    X, Y = words()
    got = solve(sp.csr_array(X), Y[:, 0], 0.1, max_memory=0)
    np.testing.assert_allclose(
        got.coef, fastridge.ridge(X, Y[:, 0], 0.1).coef, rtol=1e-6, atol=1e-8
    )


def test_frequent_columns_that_depend_on_each_other():
    """The block to eliminate is singular for such a small penalty."""
    X, Y = words()
    X[:, :20] = X[:, :1]
    got = solve(sp.csr_array(X), Y[:, 0], 1e-9)
    residual = Y[:, 0] - X @ got.coef - got.intercept
    Xc = X - X.mean(axis=0)
    gradient = Xc.T @ residual - 1e-9 * got.coef
    assert np.linalg.norm(gradient) <= 1e-9 * np.linalg.norm(Xc.T @ Y[:, 0])


@pytest.mark.parametrize("eliminate", [0, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_twin(eliminate, weighted):
    """Iteration by iteration, against the reference."""
    X, Y = words(40, 90)
    A = fastridge._matrix.Matrix.from_compressed(*compressed(X))
    weight = 0.5 + np.arange(40.0) % 3 if weighted else None
    mean = X.mean(axis=0)
    A = A.centered(mean)
    m, order = eliminate, np.arange(90, dtype=np.int32)
    heavy, light = A.split_columns(order, m)
    G = A.gram(weight, columns=order[:m]) + 0.3 * np.eye(m) if m else None
    R = np.asfortranarray(A.tdot(np.asfortranarray(Y[:, :2])))
    for limit in (0, 1, 2, 5, 9):
        got, n_iter = fastridge._systems.schur_solve(
            heavy if m else None,
            light,
            weight,
            fastridge._dense.Cholesky(G.copy()) if m else None,
            0.3,
            R,
            np.zeros(2),
            limit,
        )
        assert (n_iter == limit).all()
        Xc = X - mean
        want = reference.schur_solve(Xc[:, :m], Xc[:, m:], weight, 0.3, R[:, 0], limit)
        np.testing.assert_allclose(got[:, 0], want, rtol=1e-7, atol=1e-9)


def compressed(X):
    A = sp.csr_array(X)
    return A.data, A.indices.astype(np.int32), A.indptr.astype(np.int32), X.shape, False
