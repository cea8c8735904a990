"""fastridge.ridge against scikit-learn, explicit least squares and its own certificate."""

import itertools
from functools import lru_cache

import numpy as np
import pytest
import scipy.sparse as sp
from cases import each
from sklearn.linear_model import Ridge
from storages import KINDS, stored

import fastridge
from fastridge import reference
from fastridge.exceptions import ConvergenceWarning
from fastridge.solvers.ridge import cg
from fastridge.systems import cost

SOLVERS = ["auto", "cholesky", "dual", "cg", "qr"]
THEIRS = ["svd", "lsqr", "sparse_cg", "sag", "saga"]
over_kinds = each("kind", KINDS)
over_solvers = pytest.mark.parametrize("solver", SOLVERS)


def problem(n, p, k=None, seed=0, density=0.6):
    """Data that are stored sparse or dense, with means and scales of their own; targets."""
    rng = np.random.default_rng([n, p, seed])
    X = rng.normal(loc=rng.normal(size=p), scale=rng.uniform(0.3, 3, size=p), size=(n, p))
    X *= rng.random((n, p)) < density
    y = 5 + rng.normal(size=n if k is None else (n, k))
    y += X[:, :3] @ rng.normal(size=X[:, :3].shape[1] if k is None else (X[:, :3].shape[1], k))
    return X, y


def weights(n):
    w = np.random.default_rng(n).uniform(0.1, 3, size=n)
    w[n // 3] = 0
    return w


def factors(p, free=2):
    f = np.random.default_rng(p).uniform(0.2, 4, size=p)
    f[:free] = 0
    return f


def assert_close(got, want, rtol=1e-8):
    """Norm-wise: each target's vector to rtol of its length."""
    got, want = np.atleast_2d(got), np.atleast_2d(want)
    assert got.shape == want.shape
    error = np.linalg.norm(got - want, axis=1)
    assert (error <= rtol * np.linalg.norm(want, axis=1) + 1e-300).all(), error


def few_heavy_columns(monkeypatch, m=3):
    """Conjugate gradients that have to iterate: all columns fit in the exact block otherwise."""
    monkeypatch.setattr(cost, "_HEAVY", m)


@lru_cache
def theirs(n, p, k, alpha, fit_intercept, weighted):
    X, y = problem(n, p, k)
    alpha = np.array(alpha) if isinstance(alpha, tuple) else alpha
    model = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd")
    model.fit(X, y, sample_weight=weights(n) if weighted else None)
    return model.coef_, model.intercept_


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(40, 7), (7, 40), (25, 25), (300, 20), (1, 3), (9, 1)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    ("k", "alpha"), [(None, 1.0), (None, 1e-3), (1, 0.5), (3, 2.0), (3, (0.1, 10.0, 0.1))]
)
def test_same_as_scikit_learn(n, p, fit_intercept, weighted, k, alpha):
    if n == 1 and weighted:
        weighted = False  # its one weight would be 0
    coef, intercept = theirs(n, p, k, alpha, fit_intercept, weighted)
    X, y = problem(n, p, k)
    for kind, solver in itertools.product(KINDS, SOLVERS + THEIRS):
        got = fastridge.ridge(
            stored(X, kind),
            y,
            np.array(alpha) if isinstance(alpha, tuple) else alpha,
            fit_intercept=fit_intercept,
            sample_weight=weights(n) if weighted else None,
            solver=solver,
            tol=1e-14,
        )
        assert got.converged
        assert got.coef.shape == (*y.shape[1:], p)
        if n == 1 and fit_intercept:
            assert not got.coef.any()
        else:
            assert_close(got.coef, coef)
        np.testing.assert_allclose(got.intercept, intercept, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("given", "ran"),
    [("auto", "cholesky"), *((s, s) for s in SOLVERS[1:]), ("svd", "qr"), ("lsqr", "cg"),
     ("sparse_cg", "cg"), ("sag", "cg"), ("saga", "cg")],
)  # fmt: skip
def test_solver_that_ran(given, ran):
    X, y = problem(40, 7)
    assert fastridge.ridge(X, y, solver=given).solver == ran


def test_auto_takes_the_dual_for_few_samples_and_cg_for_large_sparse():
    X, y = problem(10, 30)
    assert fastridge.ridge(X, y).solver == "dual"
    X = sp.random_array((1500, 1200), density=0.002, rng=0, format="csr")
    assert fastridge.ridge(X, np.arange(1500.0)).solver == "cg"


@pytest.mark.slow
@over_kinds
@pytest.mark.parametrize(("n", "p", "block"), [(200, 60, 5), (60, 200, 20), (400, 50, 1)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_conjugate_gradients(kind, n, p, block, fit_intercept, monkeypatch):
    few_heavy_columns(monkeypatch, block)
    X, y = problem(n, p, 2)
    given = {"sample_weight": weights(n), "penalty_factor": factors(p),
             "fit_intercept": fit_intercept}  # fmt: skip
    got = fastridge.ridge(stored(X, kind), y, [0.5, 2.0], solver="cg", tol=1e-11, **given)
    want = reference.ridge(X, y, [0.5, 2.0], **given)
    assert (got.n_iter > 3).all()
    assert_close(got.coef, want.coef)
    np.testing.assert_allclose(got.intercept, want.intercept, rtol=1e-8)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-10)


def test_iterations_are_those_of_the_reference(monkeypatch):
    few_heavy_columns(monkeypatch, 10)
    X, y = problem(200, 60)
    got = fastridge.ridge(X, y, fit_intercept=False, solver="cg", tol=1e-6)
    tol = cg._SURE * 1e-6
    _, n_iter = reference.ridge_cg(X, y, 1.0, np.ones(200), np.ones(60), tol, heavy=10)
    assert abs(got.n_iter - n_iter) <= 1


@over_kinds
@over_solvers
@pytest.mark.parametrize(("n", "p"), [(50, 12), (12, 50)])
@each("standardize", [False, True])
@each("fit_intercept", [False, True])
def test_penalty_factor(kind, solver, n, p, standardize, fit_intercept):
    X, y = problem(n, p, 2)
    given = {"sample_weight": weights(n), "penalty_factor": factors(p), "standardize": standardize,
             "fit_intercept": fit_intercept}  # fmt: skip
    got = fastridge.ridge(stored(X, kind), y, [0.3, 3.0], solver=solver, tol=1e-12, **given)
    want = reference.ridge(X, y, [0.3, 3.0], **given)
    assert_close(got.coef, want.coef)
    np.testing.assert_allclose(got.intercept, want.intercept, rtol=1e-8)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-10)


@over_kinds
@over_solvers
def test_all_columns_free_is_least_squares(kind, solver):
    X, y = problem(50, 6)
    got = fastridge.ridge(stored(X, kind), y, 10.0, penalty_factor=np.zeros(6), solver=solver)
    B = np.column_stack([X, np.ones(50)])
    want = np.linalg.lstsq(B, y, rcond=None)[0]
    assert_close(got.coef, want[:-1])
    np.testing.assert_allclose(got.intercept, want[-1], rtol=1e-9)


@over_kinds
def test_free_columns_as_many_as_samples(kind):
    # free columns alone fit y; penalised coefficients stay 0
    X, y = problem(8, 30, density=1.0)
    f = factors(30, free=8)
    got = fastridge.ridge(stored(X, kind), y, 1.0, penalty_factor=f, fit_intercept=False)
    assert got.objective <= 1e-18 * (y @ y)
    assert np.linalg.norm(got.coef[8:]) <= 1e-8 * np.linalg.norm(got.coef)
    assert_close(got.coef[:8], np.linalg.solve(X[:, :8], y), 1e-7)


@over_kinds
@over_solvers
@pytest.mark.parametrize(("n", "p"), [(50, 12), (12, 50)])
def test_standardize_is_scaled_columns(kind, solver, n, p):
    X, y = problem(n, p)
    X[:, 3] = 0
    w = weights(n)
    mean, var = reference.column_stats(X, w)
    sd = np.sqrt(np.where(var > 0, var, 1.0))
    got = fastridge.ridge(
        stored(X, kind), y, 2.0, standardize=True, sample_weight=w, solver=solver, tol=1e-12
    )
    scaled = reference.ridge((X - mean) / sd, y, 2.0, sample_weight=w)
    assert_close(got.coef, scaled.coef / sd)
    np.testing.assert_allclose(got.intercept, scaled.intercept - mean @ (scaled.coef / sd))
    assert got.coef[3] == 0


# The rank is short by construction; lstsq cuts singular values as NumPy does.
def dependent(name):
    X, y = problem(40, 6, density=0.9)
    if name == "repeated":
        X = np.column_stack([X, X[:, 1], X[:, 2]])
    elif name == "sum":
        X = np.column_stack([X, X[:, 0] + X[:, 4]])
    elif name == "zero":
        X = np.column_stack([X, np.zeros(40)])
    elif name == "one-hot":
        X = np.eye(5)[np.arange(40) % 5]
    elif name == "wide":
        X, y = problem(9, 30)
    return X, y


DEPENDENT = ["repeated", "sum", "zero", "one-hot", "wide"]


@pytest.mark.slow
@over_kinds
@over_solvers
@pytest.mark.parametrize("name", DEPENDENT)
@each("fit_intercept", [False, True])
@each("weighted", [False, True])
def test_minimum_norm_where_the_rank_is_short(kind, solver, name, fit_intercept, weighted):
    X, y = dependent(name)
    w = weights(len(X)) if weighted else None
    got = fastridge.ridge(
        stored(X, kind), y, 0.0, fit_intercept=fit_intercept, sample_weight=w, solver=solver,
        tol=1e-14,
    )  # fmt: skip
    root = np.sqrt(np.ones(len(X)) if w is None else w)
    mean, y_mean = 0.0, 0.0
    if fit_intercept:
        mean, y_mean = np.average(X, axis=0, weights=w), np.average(y, weights=w)
    B, z = root[:, None] * (X - mean), root * (y - y_mean)
    want = np.linalg.lstsq(B, z, rcond=1e-13)[0]
    assert_close(got.coef, want, 1e-9)
    np.testing.assert_allclose(got.objective, np.sum((z - B @ want) ** 2), rtol=1e-9, atol=1e-20)
    assert got.converged


@over_kinds
@over_solvers
@pytest.mark.parametrize("name", DEPENDENT)
@each("alpha", [1e-6, 1.0, 1e6])
def test_dependent_columns_with_a_penalty(kind, solver, name, alpha):
    X, y = dependent(name)
    got = fastridge.ridge(stored(X, kind), y, alpha, solver=solver, tol=1e-15)
    # forming the centred columns costs eps / smallest penalty
    assert_close(got.coef, reference.ridge(X, y, alpha).coef, 1e-7)


@over_kinds
@over_solvers
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3e-9])
@pytest.mark.slow
def test_constant_columns_have_coefficient_0(kind, solver, value):
    X, y = problem(40, 6)
    X[:, 2] = value
    for alpha, standardize in itertools.product((0.0, 1e-8, 1.0), (False, True)):
        got = fastridge.ridge(stored(X, kind), y, alpha, solver=solver, standardize=standardize)
        assert got.coef[2] == 0
        others = [0, 1, 3, 4, 5]
        want = fastridge.ridge(X[:, others], y, alpha, solver="qr", standardize=standardize)
        assert_close(got.coef[others], want.coef, 1e-5 if solver == "cg" else 1e-9)


@over_kinds
@over_solvers
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 10.0])
def test_one_sample(kind, solver, alpha):
    x, y = np.array([[1.0, 0.0, -2.0]]), np.array([3.0])
    got = fastridge.ridge(stored(x, kind), y, alpha, solver=solver)
    assert not got.coef.any()
    assert got.intercept == 3.0
    got = fastridge.ridge(stored(x, kind), y, alpha, solver=solver, fit_intercept=False)
    assert_close(got.coef, x[0] * 3 / (5 + alpha))
    assert got.intercept == 0


@over_kinds
@over_solvers
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 10.0])
def test_one_feature(kind, solver, alpha):
    x, y = np.array([[1.0], [2.0], [0.0], [5.0]]), np.array([1.0, 2.0, 2.0, 4.0])
    got = fastridge.ridge(stored(x, kind), y, alpha, solver=solver)
    # centred: x'x = 14, x'y = 7
    assert_close(got.coef, [7 / (14 + alpha)])
    np.testing.assert_allclose(got.intercept, 2.25 - 2 * got.coef[0])


@over_kinds
@over_solvers
def test_target_of_one_value(kind, solver):
    X, _ = problem(20, 4)
    got = fastridge.ridge(stored(X, kind), np.full(20, 0.1), 1.0, solver=solver)
    assert not got.coef.any()
    assert got.intercept == 0.1
    assert got.relative_gradient == 0
    assert got.objective == 0


@over_kinds
@over_solvers
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("n", "p"), [(30, 8), (8, 30)])
def test_weights_are_repetition(kind, solver, standardize, n, p):
    X, y = problem(n, p, 2)
    w = np.random.default_rng(0).integers(0, 4, size=n)
    w[:2] = 0, 3
    given = {"penalty_factor": factors(p), "standardize": standardize, "solver": solver,
             "tol": 1e-13}  # fmt: skip
    weighted = fastridge.ridge(stored(X, kind), y, [0.5, 5.0], sample_weight=w, **given)
    repeated = fastridge.ridge(
        stored(np.repeat(X, w, axis=0), kind), np.repeat(y, w, axis=0), [0.5, 5.0], **given
    )
    assert_close(weighted.coef, repeated.coef, 1e-10)
    np.testing.assert_allclose(weighted.intercept, repeated.intercept, rtol=1e-10)
    np.testing.assert_allclose(weighted.objective, repeated.objective, rtol=1e-10)
    if solver == "auto":  # a factor for all the weights is a factor of the penalty
        scaled = fastridge.ridge(stored(X, kind), y, [1.0, 10.0], sample_weight=2 * w, **given)
        assert_close(scaled.coef, weighted.coef, 1e-10)


@over_kinds
@over_solvers
def test_weight_0_leaves_the_row_out(kind, solver):
    X, y = problem(30, 8)
    w = weights(30)
    out = w == 0
    X[out], y[out] = 1e6, -1e6
    got = fastridge.ridge(stored(X, kind), y, 0.5, sample_weight=w, solver=solver, tol=1e-12)
    want = reference.ridge(X[~out], y[~out], 0.5, sample_weight=w[~out])
    assert_close(got.coef, want.coef, 1e-8)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-8)


@pytest.mark.slow
@over_kinds
@over_solvers
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_column_that_is_constant_where_weights_count(kind, solver, standardize, alpha):
    X, y = problem(40, 6)
    w = weights(40)
    w[[0, 7, 20]] = 0
    counts = w > 0
    given = {"solver": solver, "standardize": standardize, "tol": 1e-12}
    for value in (-0.91, 0.3, 0.7, 1.1, 5.3, 1e3):
        X[:, 2], X[:, 4] = 0.1, 0.0
        X[~counts, 2] = X[~counts, 4] = value
        got = fastridge.ridge(stored(X, kind), y, alpha, sample_weight=w, **given)
        want = fastridge.ridge(X[counts], y[counts], alpha, sample_weight=w[counts], **given)
        assert got.coef[2] == 0
        assert got.coef[4] == 0
        assert_close(got.coef, want.coef)


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("solver", ["auto", "dual", "qr"])
def test_rows_of_weight_0_cost_no_precision(kind, solver):
    X, y = problem(40, 6)
    w = np.ones(40)
    w[::2] = 0
    X[::2], y[::2] = 1e12, -1e12
    got = fastridge.ridge(stored(X, kind), y, 0.1, sample_weight=w, solver=solver)
    assert_close(got.coef, reference.ridge(X[1::2], y[1::2], 0.1).coef, 1e-12)


@pytest.mark.slow
@over_kinds
@pytest.mark.parametrize(("n", "p"), [(60, 10), (10, 40), (500, 40)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.05, 1.0, 100.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_positive(kind, n, p, fit_intercept, alpha, weighted):
    X, y = problem(n, p)
    given = {"fit_intercept": fit_intercept, "positive": True}
    if weighted:
        given |= {"sample_weight": weights(n), "penalty_factor": factors(p)}
    got = fastridge.ridge(stored(X, kind), y, alpha, tol=1e-9, **given)
    want = reference.ridge(X, y, alpha, **given)
    assert got.solver == "active_set"
    assert (got.coef >= 0).all()
    assert 0 < np.count_nonzero(want.coef) < p
    assert_close(got.coef, want.coef, 1e-7)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-12)
    assert np.array_equal(
        fastridge.ridge(stored(X, kind), y, alpha, tol=1e-9, solver="lbfgs", **given).coef,
        got.coef,
    )


@over_kinds
def test_positive_of_several_targets(kind):
    X, y = problem(60, 10, 3)
    got = fastridge.ridge(stored(X, kind), y, [0.1, 1.0, 10.0], positive=True, tol=1e-9)
    want = reference.ridge(X, y, [0.1, 1.0, 10.0], positive=True)
    assert_close(got.coef, want.coef, 1e-7)


@over_kinds
def test_positive_where_zero_is_best(kind):
    X = np.abs(problem(30, 4)[0])
    got = fastridge.ridge(stored(X, kind), -X.sum(axis=1), 1.0, positive=True)
    assert not got.coef.any()


@over_kinds
@over_solvers
@pytest.mark.parametrize(("n", "p"), [(60, 9), (9, 60)])
@pytest.mark.parametrize("k", [None, 2])
def test_float32(kind, solver, n, p, k):
    X, y = problem(n, p, k)
    X = X.astype(np.float32)
    got = fastridge.ridge(stored(X, kind), y, 0.5, solver=solver, tol=1e-10)
    want = fastridge.ridge(X.astype(np.float64), y, 0.5, solver="qr")
    assert got.coef.dtype == np.float32
    assert got.intercept.dtype == np.float32
    assert_close(got.coef, want.coef, 2e-7)
    np.testing.assert_allclose(got.intercept, want.intercept, rtol=2e-7)
    # the arithmetic is that of float64
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-11)


@over_kinds
@over_solvers
@pytest.mark.parametrize(("n", "p"), [(60, 9), (9, 60)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_certificate(kind, solver, n, p, fit_intercept):
    X, y = problem(n, p, 2)
    w, f, alpha = weights(n), factors(p), (0.2, 20.0)
    got = fastridge.ridge(
        stored(X, kind), y, alpha, sample_weight=w, penalty_factor=f, solver=solver,
        fit_intercept=fit_intercept,
    )  # fmt: skip
    assert got.converged
    assert (got.n_iter >= 1).all()
    for t in range(2):
        rest = {"sample_weight": w, "d": f}
        at = reference.gradient(X, y[:, t], alpha[t], got.coef[t], got.intercept[t], **rest)
        zero = np.average(y[:, t], weights=w) if fit_intercept else 0.0
        first = reference.gradient(X, y[:, t], alpha[t], np.zeros(p), zero, **rest)
        recomputed = np.linalg.norm(at) / np.linalg.norm(first)
        assert got.relative_gradient[t] <= 1e-6
        # rounding of the coefficients, of the order of eps times the condition number
        assert abs(got.relative_gradient[t] - recomputed) <= 1e-12
        want = reference.objective(X, y[:, t], alpha[t], got.coef[t], got.intercept[t], **rest)
        np.testing.assert_allclose(got.objective[t], want, rtol=1e-11)


@pytest.mark.parametrize("solver", ["dual", "qr"])
@pytest.mark.parametrize("seed", range(20))
def test_certificate_of_free_columns_and_a_small_penalty(solver, seed):
    X, y = problem(12, 16, seed=seed)
    f = factors(16, free=4)
    got = fastridge.ridge(10 * X, y, 1e-6, penalty_factor=f, fit_intercept=False, solver=solver)
    at = reference.gradient(10 * X, y, 1e-6, got.coef, 0.0, d=f)
    assert np.linalg.norm(at) <= 1e-12 * np.linalg.norm(10 * X.T @ y)
    assert got.relative_gradient <= 1e-12


@over_kinds
def test_certificate_of_small_numbers_beside_a_column_of_zeros(kind):
    X, y = problem(40, 6)
    X[:, 3] = 0
    got = fastridge.ridge(stored(X * 2.0**-40, kind), y, 2.0**-80, solver="cholesky")
    want = fastridge.ridge(stored(X, kind), y, 1.0, solver="cholesky")
    np.testing.assert_allclose(got.relative_gradient, want.relative_gradient)


@over_kinds
def test_certificate_of_a_rough_solution(kind, monkeypatch):
    few_heavy_columns(monkeypatch)
    X, y = problem(200, 50)
    for tol in (1e-1, 1e-2, 1e-4, 1e-8):
        got = fastridge.ridge(stored(X, kind), y, 1.0, solver="cg", tol=tol)
        at = reference.gradient(X, y, 1.0, got.coef, got.intercept)
        first = reference.gradient(X, y, 1.0, np.zeros(50), y.mean())
        recomputed = np.linalg.norm(at) / np.linalg.norm(first)
        assert 1e-4 * tol < recomputed <= tol
        np.testing.assert_allclose(got.relative_gradient, recomputed, rtol=1e-5)
        want = reference.objective(X, y, 1.0, got.coef, got.intercept)
        np.testing.assert_allclose(got.objective, want, rtol=1e-11)


def test_warning_says_what_was_reached_and_what_helps(monkeypatch):
    few_heavy_columns(monkeypatch)
    X, y = problem(200, 50)
    message = (
        r"cg reached a relative error of at most \d\S* in 2 iterations, where tol is 1e-09; "
        r"try a larger max_iter, a larger tol, .*standardize"
    )
    with pytest.warns(ConvergenceWarning, match=message) as record:
        got = fastridge.ridge(X, y, 1.0, solver="cg", tol=1e-9, max_iter=2)
    assert len(record) == 1
    assert not got.converged
    assert got.n_iter == 2
    assert f"{got.relative_error:.2g}" in str(record[0].message)
    assert fastridge.ridge(X, y, 1.0, solver="cg", tol=1e-9).converged


@over_kinds
def test_warm_start_saves_iterations(kind, monkeypatch):
    few_heavy_columns(monkeypatch)
    X, y = problem(300, 60, 2)
    given = {"solver": "cg", "tol": 1e-8}
    cold = fastridge.ridge(stored(X, kind), y, 1.0, **given)
    near = fastridge.ridge(stored(X, kind), y, 1.01, coef_init=cold.coef, **given)
    same = fastridge.ridge(stored(X, kind), y, 1.0, coef_init=cold.coef, **given)
    far = fastridge.ridge(stored(X, kind), y, 1.01, **given)
    assert (near.n_iter < far.n_iter).all()
    assert (same.n_iter == 1).all()
    assert_close(near.coef, far.coef, 1e-6)


@over_kinds
@pytest.mark.parametrize("solver", [*SOLVERS, "lbfgs"])
@pytest.mark.parametrize(("n", "p"), [(60, 9), (9, 60)])
def test_targets_are_independent(kind, solver, n, p):
    X, y = problem(n, p, 4)
    given = {"sample_weight": weights(n), "penalty_factor": factors(p), "solver": solver,
             "positive": solver == "lbfgs", "tol": 1e-12}  # fmt: skip
    alpha = [1.0, 0.1, 1.0, 10.0]
    together = fastridge.ridge(stored(X, kind), y, alpha, **given)
    for t in range(4):
        alone = fastridge.ridge(stored(X, kind), y[:, t], alpha[t], **given)
        assert_close(together.coef[t], alone.coef, 1e-11)
        np.testing.assert_allclose(together.intercept[t], alone.intercept, rtol=1e-11)
        np.testing.assert_allclose(together.objective[t], alone.objective, rtol=1e-11)


@over_kinds
@pytest.mark.parametrize("solver", [*SOLVERS, "lbfgs"])
def test_inputs_stay_as_they_are(kind, solver):
    X, y = problem(30, 8, 2)
    X = stored(X, kind)
    given = [y, weights(30), factors(8), np.array([1.0, 2.0]), np.zeros((2, 8))]
    given += [X.data, X.indices, X.indptr] if sp.issparse(X) else [X]
    before = [a.copy() for a in given]
    for a in given:
        a.setflags(write=False)
    fastridge.ridge(
        X, y, given[3], sample_weight=given[1], penalty_factor=given[2], coef_init=given[4],
        solver=solver, positive=solver == "lbfgs", standardize=True,
    )  # fmt: skip
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"solver": "newton"}, ValueError, "solver must be one of auto, cholesky.*got 'newton'"),
        ({"solver": None}, ValueError, "solver must be one of"),
        ({"solver": "qr", "positive": True}, ValueError, "'auto' or 'lbfgs'.*got 'qr'"),
        ({"solver": "lbfgs"}, ValueError, "solver='lbfgs' needs positive=True"),
        ({"tol": -1.0}, ValueError, "tol must be a non-negative number; got -1.0"),
        ({"tol": "tight"}, ValueError, "tol must be a non-negative number; got 'tight'"),
        ({"tol": np.nan}, ValueError, "tol must be a non-negative number; got nan"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1; got 0"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be an integer or None; got 1.5"),
        ({"coef_init": np.ones(3)}, ValueError, r"coef_init has shape \(3,\); expected \(2,\)"),
        ({"coef_init": [1.0, np.nan]}, ValueError, "coef_init contains NaN"),
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"alpha": [1.0, 2.0]}, ValueError, "alpha"),
        ({"sample_weight": [1.0]}, ValueError, "sample_weight"),
        ({"sample_weight": np.zeros(4)}, ValueError, "sample_weight"),
        ({"penalty_factor": [1.0, -1.0]}, ValueError, "penalty_factor"),
        ({"positive": True, "solver": "auto", "tol": -1.0}, ValueError, "tol"),
    ],
)
def test_arguments_that_are_refused(given, error, message):
    X, y = np.arange(8.0).reshape(4, 2) % 3, np.arange(4.0)
    with pytest.raises(error, match=message):
        fastridge.ridge(X, y, **given)


def test_result_shows_itself():
    X, y = problem(30, 2)
    text = repr(fastridge.ridge(X, y))
    assert text.startswith("RidgeResult(solver='cholesky', n_iter=1, relative_gradient=")


@pytest.mark.parametrize("targets", [0, 1, 3])
def test_a_result_predicts(targets):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 4))
    y = rng.standard_normal((20, targets) if targets else 20)
    for fit in (fastridge.ridge(X, y, 2.0), fastridge.elastic_net(X, y, alpha=0.1)):
        expected = X @ fit.coef.T + fit.intercept
        assert fit.predict(X).shape == y.shape
        np.testing.assert_allclose(fit.predict(X), expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(fit.predict(sp.csr_array(X)), expected, atol=1e-12)
        with pytest.raises(ValueError, match="X has 3 features"):
            fit.predict(X[:, :3])
