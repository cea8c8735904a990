"""What `tol` bounds: the error of an iterative solution, against solutions by factorisation."""

import inspect
from functools import lru_cache

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge

import fastridge


def zipf(n, levels, seed=0):
    """One-hot columns of two factors whose levels are of unlike frequency, and a target."""
    rng = np.random.default_rng(seed)
    codes = [rng.zipf(1.3, n) % levels for _ in range(2)]
    X = sp.hstack([sp.csr_array((np.ones(n), (np.arange(n), c)), (n, levels)) for c in codes])
    X = sp.csr_array(X)
    X = X[:, np.flatnonzero(X.sum(axis=0) > 0)]
    return X, X @ rng.standard_normal(X.shape[1]) + rng.standard_normal(n)


def sparse(n, p, density, seed=0, spread=0):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, p), density=density, rng=rng, format="csr")
    X.data = rng.standard_normal(X.nnz)
    if spread:
        X = sp.csr_array(X @ sp.diags_array(10.0 ** rng.uniform(-spread, spread, p)))
    y = X @ (rng.standard_normal(p) * (rng.random(p) < 0.05)) + rng.standard_normal(n)
    return X, y


def objective(X, y, alpha, w, b, d=1.0):
    r = np.longdouble(1) * (y - X @ w - b)
    return float(r @ r + alpha * np.sum(d * np.longdouble(1) * w * w))


def dense(X):
    return X.toarray() if sp.issparse(X) else X


DESIGNS = {
    "one-hot": lambda: zipf(2000, 300),
    "wide sparse": lambda: sparse(300, 1500, 0.01),
    "wide sparse, unlike scales": lambda: sparse(300, 1500, 0.01, spread=2),
    "tall sparse": lambda: sparse(3000, 400, 0.02),
    "wide dense": lambda: make_regression(60, 400, noise=1.0, random_state=0),
    "tall dense": lambda: make_regression(500, 80, noise=1.0, effective_rank=20, random_state=0),
}


@lru_cache
def solved(design, alpha):
    """The data, the fit by an orthogonal factorisation, and its objective."""
    X, y = DESIGNS[design]()
    exact = fastridge.ridge(dense(X), y, alpha, solver="qr")
    return X, y, exact, objective(X, y, alpha, exact.coef, exact.intercept)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("design", DESIGNS)
def test_tol_bounds_the_error_of_the_objective(design, alpha):
    X, y, exact, least = solved(design, alpha)
    for tol in (1e-2, 1e-4, 1e-6):
        got = fastridge.ridge(X, y, alpha, solver="cg", tol=tol)
        assert got.converged
        assert got.relative_error <= tol
        excess = objective(X, y, alpha, got.coef, got.intercept) - least
        assert excess <= (got.relative_error**2 + 1e-12) * got.objective
        # in the norm of the system, of which alpha |w|^2 is a part
        e = got.coef - exact.coef
        assert alpha * (e @ e) <= (1.01 * got.relative_error**2 + 1e-13) * got.objective


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 0.01])
@pytest.mark.parametrize("design", ["one-hot", "wide sparse", "tall sparse"])
def test_the_default_is_as_exact_as_that_of_scikit_learn(design, alpha):
    X, y, exact, least = solved(design, alpha)
    theirs = Ridge(alpha, solver="sparse_cg").fit(X, y)
    for ours in (
        fastridge.Ridge(alpha, solver="cg").fit(X, y),
        fastridge.RidgeCV([alpha], cv=3, solver="cg").fit(X, y),
    ):
        errors = [np.linalg.norm(m.coef_ - exact.coef) for m in (ours, theirs)]
        assert errors[0] <= max(errors[1], 1e-9 * np.linalg.norm(exact.coef))
        values = [objective(X, y, alpha, m.coef_, m.intercept_) for m in (ours, theirs)]
        assert values[0] - least <= max(values[1] - least, 1e-9 * least)
    path = fastridge.ridge_path(X, y, [alpha], solver="cg")
    assert path.relative_error[0] <= 1e-4
    assert np.linalg.norm(path.coef[0] - exact.coef) <= errors[1]


@pytest.mark.slow
def test_frequent_levels_do_not_hide_rare_ones():
    X, y = zipf(20000, 3000)
    exact = fastridge.ridge(X, y, 0.01, solver="cholesky").coef  # refined from X
    got = fastridge.Ridge(0.01, solver="cg").fit(X, y).coef_
    assert np.linalg.norm(got - exact) <= 3e-3 * np.linalg.norm(exact)


def test_one_default_everywhere():
    for what in (
        fastridge.ridge,
        fastridge.ridge_path,
        fastridge.Ridge,
        fastridge.RidgeCV,
        fastridge.RidgeClassifier,
        fastridge.RidgeClassifierCV,
    ):
        assert inspect.signature(what).parameters["tol"].default == 1e-4, what


@pytest.mark.parametrize("alpha", [1e-10, 1e-8, 1e-6, 1e-4, 1.0])
@pytest.mark.parametrize("tol", [1e-4, 1e-12])
def test_wide_dense_data_at_small_penalties(alpha, tol):
    X, y = make_regression(50, 100, bias=10, random_state=42)
    want = fastridge.ridge(X, y, alpha, solver="qr").coef
    size = np.linalg.norm(want)
    given = {"solver": "cg", "tol": tol}
    assert np.linalg.norm(fastridge.ridge(X, y, alpha, **given).coef - want) <= 1e-5 * size
    path = fastridge.ridge_path(X, y, [1.0, alpha], **given)
    assert np.linalg.norm(path.coef[1] - want) <= 1e-5 * size
    assert path.converged
    least = fastridge.ridge(X, y, alpha, tol=tol, max_memory=0)
    assert least.solver == "cg"
    assert np.linalg.norm(least.coef - want) <= 1e-5 * size


@pytest.mark.parametrize("shape", [(50, 100), (100, 40)])
def test_without_a_penalty_the_norm_is_least(shape):
    X, y = make_regression(*shape, bias=10, noise=5.0, random_state=42)
    X[:, 3] = X[:, 5]
    want = fastridge.ridge(X, y, 0.0, solver="qr").coef
    got = fastridge.ridge(X, y, 0.0, solver="cg")
    assert got.converged
    assert np.linalg.norm(got.coef - want) <= 2e-4 * np.linalg.norm(want)
    near = fastridge.ridge(X, y, 0.0, solver="cg", tol=1e-10)
    assert np.linalg.norm(near.coef - want) <= 1e-9 * np.linalg.norm(want)


@pytest.mark.parametrize("free", [False, True])
def test_penalty_factors_and_weights(free):
    rng = np.random.default_rng(3)
    X, y = sparse(200, 600, 0.03, seed=3)
    f = rng.uniform(0.01, 100.0, 600)
    if free:
        f[:3] = 0.0
    s = rng.uniform(0.0, 3.0, 200)
    exact = fastridge.ridge(dense(X), y, 0.5, sample_weight=s, penalty_factor=f, solver="dual")
    for form in (X, dense(X)):
        for memory in (None, 0):
            got = fastridge.ridge(
                form, y, 0.5, sample_weight=s, penalty_factor=f, solver="cg", max_memory=memory
            )
            assert got.converged
            assert got.objective <= exact.objective * (1 + got.relative_error**2 + 1e-12)
            assert got.relative_error <= 1e-4


def test_what_is_not_reached_is_said():
    X, y = sparse(300, 1500, 0.01, spread=2)
    with pytest.warns(fastridge.exceptions.ConvergenceWarning, match="relative error of at most"):
        got = fastridge.ridge(X, y, 0.01, solver="cg", max_iter=2)
    assert not got.converged
    assert got.relative_error > 1e-4
    with pytest.warns(fastridge.exceptions.ConvergenceWarning, match="relative error of at most"):
        path = fastridge.ridge_path(X, y, [0.01], solver="cg", max_iter=2)
    assert not path.converged
    assert path.relative_error[0] > 1e-4


def test_bounded_fits_have_the_same_bound():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 30))
    y = X @ rng.standard_normal(30) + rng.standard_normal(80)
    got = fastridge.ridge(X, y, 1.0, positive=True)
    assert got.converged
    assert got.relative_error <= 1e-6
    assert fastridge.Ridge(1.0, positive=True).fit(X, y).relative_error_ == got.relative_error
    assert fastridge.Ridge(1.0).fit(X, y).relative_error_ is None
