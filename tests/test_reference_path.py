"""Paths of penalties and their parts, against the NumPy reference."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from fastridge import _dense, _systems, reference, ridge, ridge_path
from fastridge.data.check import check_design
from fastridge.solvers.ridge_path import iterative
from fastridge.systems.tridiagonal import Tridiagonal

ALPHAS = np.array([300.0, 7.0, 1.0, 0.02])


def one_hot(n=300, levels=(2, 4, 9, 25), seed=0):
    """Frequent and rare columns, the most frequent first."""
    rng = np.random.default_rng(seed)
    parts, width = [], 0
    for size in levels:
        share = 1.0 / np.arange(1, size + 1)
        parts.append(rng.choice(size, n, p=share / share.sum()) + width)
        width += size
    X = np.zeros((n, width))
    X[np.arange(n), np.array(parts)] = rng.integers(1, 3, (len(levels), n))
    X = X[:, np.argsort(-(X != 0).sum(axis=0), kind="stable")]
    return X, X @ rng.standard_normal(width) + rng.standard_normal(n)


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.geomspace(0.3, 3.0, p) + 2.0
    return X, X[:, 0] + rng.standard_normal(n)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("heavy", [1, 6, 40])
@pytest.mark.parametrize("centred", [False, True])
def test_elimination(form, dtype, index, heavy, centred):
    X, _ = one_hot()
    n, p = X.shape
    rng = np.random.default_rng(1)
    s, d, r = rng.uniform(0.2, 2.0, n), rng.uniform(0.5, 2.0, p), rng.standard_normal(p)
    A = form(X.astype(dtype))
    A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
    mean = np.average(X, axis=0, weights=s) if centred else np.zeros(p)
    squares = s @ (X - mean) ** 2
    total = s.sum() if centred else 0.0
    order = np.arange(p, dtype=np.int32)
    kernel = _systems.Reduced(check_design(A), order, heavy, mean, squares, total, s, 1e9)
    elements = kernel.nnz
    for step, alpha in enumerate((10.0, 0.1, 0.1, 0.5)):
        if step > 1:
            # other weights, none at all last
            s = rng.uniform(0.0, 2.0, n) * (rng.random(n) < 0.9) if step == 2 else np.ones(n)
            mean = np.average(X, axis=0, weights=s) if centred else np.zeros(p)
            total = s.sum() if centred else 0.0
            kernel.reweigh(mean, s @ (X - mean) ** 2, total, s if step == 2 else None)
            assert kernel.nnz == elements
        kernel.factor(alpha, d)
        given = {"s": s, "d": d, "mean": mean, "heavy": heavy}
        bound = 1e-11 * np.linalg.norm(r)
        x, n_iter = kernel.solve(r, bound, 1000)
        twin, steps = reference.eliminated_solve(X, r, alpha, bound=bound, **given)
        M = ((X - mean).T * s) @ (X - mean) + alpha * np.diag(d)
        assert_allclose(x, twin, atol=1e-9 * np.abs(twin).max())
        assert_allclose(M @ twin, r, atol=1e-9 * np.abs(r).max())
        assert abs(n_iter - steps) <= 1
        if heavy < p:
            # before rounding shows, step by step
            few, done = kernel.solve(r, 0.0, 3)
            twin, steps = reference.eliminated_solve(X, r, alpha, max_iter=3, **given)
            assert done == steps == 3
            assert_allclose(few, twin, atol=1e-10 * np.abs(twin).max())


@pytest.mark.parametrize("n", [1, 2, 3, 25])
def test_tridiagonal(n):
    rng = np.random.default_rng(n)
    C = rng.standard_normal((n + 1, n))
    M, B = C.T @ C, rng.standard_normal((n, 3))
    Q, d, e = reference.tridiagonalize(M)
    T = np.diag(d) + np.diag(e, 1) + np.diag(e, -1)
    assert_allclose(Q.T @ Q, np.eye(n), atol=1e-13)
    assert_allclose(Q @ T @ Q.T, M, atol=1e-12 * np.abs(M).max())
    reduced = Tridiagonal(np.asfortranarray(M))
    # unique but for signs
    assert_allclose(reduced.d, d, rtol=1e-8, atol=1e-8)
    assert_allclose(np.abs(reduced.e), np.abs(e), rtol=1e-8, atol=1e-8)
    alphas = np.array([1e-3, 2.0, -2 * reduced.largest])
    x, traces = _dense.tridiagonal_solve(d, e, alphas, np.ascontiguousarray(B.T))
    twin, twin_traces = reference.tridiagonal_solve(d, e, alphas, B)
    assert_allclose(x, twin, rtol=1e-10, atol=1e-12)
    assert_allclose(traces, twin_traces, rtol=1e-10)
    assert np.isnan(x[2]).all()
    assert_allclose(x[0].T, np.linalg.solve(T + 1e-3 * np.eye(n), B), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("solver", ["cholesky", "dual", "cg"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit_intercept": False},
        {"standardize": True},
        {"penalty_factor": np.array([1.0, 0.0, 2.0, 1.0, 0.0, 0.5, 1.0])},
    ],
    ids=["plain", "no intercept", "standardised", "free features"],
)
@pytest.mark.parametrize("n", [60, 12])
def test_paths(n, options, solver):
    X, y = problem(n, 7)
    options = {**options, "sample_weight": np.random.default_rng(2).uniform(0.2, 2.0, n)}
    twin = reference.ridge_path(X, y, ALPHAS, solver=solver, **options)
    ours = ridge_path(X, y, ALPHAS, solver=solver, tol=1e-12, **options)
    assert ours.solver == solver
    for name in ("coef", "intercept", "norm", "residual"):
        want = getattr(twin, name)
        assert_allclose(getattr(ours, name), want, rtol=1e-8, atol=1e-9 * np.abs(want).max())
    if solver != "cg":
        assert_allclose(ours.dof, twin.dof, rtol=1e-8)
    for i, alpha in enumerate(ALPHAS):
        one = reference.ridge(X, y, alpha, **options)
        assert_allclose(twin.coef[i], one.coef, rtol=1e-8, atol=1e-9)
        assert_allclose(twin.residual[i] + alpha * twin.norm[i] ** 2, one.objective, rtol=1e-9)
        assert_allclose(ridge(X, y, alpha, **options).coef, one.coef, rtol=1e-8, atol=1e-9)


def test_paths_agree_about_the_degrees_of_freedom():
    X, y = problem(15, 9)
    A = X - X.mean(axis=0)
    want = [np.trace(A @ np.linalg.inv(A.T @ A + alpha * np.eye(9)) @ A.T) for alpha in ALPHAS]
    for solver in ("cholesky", "dual", "cg"):
        assert_allclose(reference.ridge_path(X, y, ALPHAS, solver=solver).dof, want, rtol=1e-9)


def test_combinations_of_earlier_solutions():
    X, y = one_hot()
    p = X.shape[1]
    G, c, d = X.T @ X, X.T @ y, np.linspace(0.5, 2.0, p)
    earlier = iterative.Earlier(c, d, y @ y)
    W = []
    for alpha in (100.0, 30.0, 10.0):
        w = np.linalg.solve(G + alpha * np.diag(d), c)
        earlier.add(w, c - G @ w - alpha * d * w, alpha)
        W.append(w)
    W = np.array(W)
    w, gradient, objective = earlier.best(3.0)
    twin, twin_gradient = reference.best_combination(W, W @ G, c, d, 3.0)
    assert_allclose(w, twin, rtol=1e-6, atol=1e-8)
    assert_allclose(gradient, twin_gradient, atol=1e-8 * np.abs(c).max())
    assert_allclose(objective, ((y - X @ w) ** 2).sum() + 3.0 * (w**2 @ d), rtol=1e-10)
    # none of the combined solutions is better, and the gradient is orthogonal to all of them
    assert all(((y - X @ v) ** 2).sum() + 3.0 * (v**2 @ d) > objective for v in W)
    assert_allclose(W @ twin_gradient, 0.0, atol=1e-7 * np.abs(W @ c).max())


def test_later_penalties_take_fewer_iterations():
    X, y = one_hot()
    s, d = np.ones(len(X)), np.ones(X.shape[1])
    alphas = np.geomspace(100.0, 1.0, 8)
    w, n_iter = reference.path_by_cg(X, y, alphas, s, d)
    alone = [reference.ridge_cg(X, y, alpha, s, d)[1] for alpha in alphas]
    assert n_iter.sum() < 0.8 * sum(alone)
    for i, alpha in enumerate(alphas):
        g = reference.gradient(X, y, alpha, w[i], 0.0)
        objective = ((y - X @ w[i]) ** 2).sum() + alpha * (w[i] @ w[i])
        assert g @ g / alpha <= 1.01e-8 * objective


def test_quadrature():
    X, _ = one_hot()
    M, p = X.T @ X, X.shape[1]
    z = np.random.default_rng(0).integers(0, 2, p) * 2.0 - 1.0
    ours = iterative._quadrature(lambda v: M @ v, p, ALPHAS, np.random.default_rng(0))
    twin = reference.lanczos_quadrature(M, z, ALPHAS, iterative._LANCZOS)
    assert_allclose(ours, twin, rtol=1e-9)
    exact = [z @ M @ np.linalg.solve(M + alpha * np.eye(p), z) for alpha in ALPHAS]
    assert_allclose(twin, exact, rtol=1e-6)
