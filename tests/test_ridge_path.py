"""Paths of penalties, against a fit of each penalty."""

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge
from fastridge import Moments, exceptions, reference
from fastridge.systems import cost
from fastridge.systems.tridiagonal import Tridiagonal

ALPHAS = np.array([1000.0, 10.0, 1.0, 0.03, 1e-3])


def problem(n, p, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) @ rng.standard_normal((p, p)) + 3.0
    y = X[:, :2].sum(axis=1) + rng.standard_normal(n)
    return X, (y if k is None else y[:, None] + rng.standard_normal((n, k)))


def hat_trace(X, alpha, s, d, fit_intercept):
    A = X - np.average(X, axis=0, weights=s) if fit_intercept else X
    A = A * np.sqrt(s)[:, None]
    return np.trace(A @ np.linalg.pinv(A.T @ A + alpha * np.diag(d), hermitian=True) @ A.T)


def against_single_fits(path, X, y, dof=True, rtol=1e-8, **options):
    dense = X.toarray() if sp.issparse(X) else X
    n, p = dense.shape
    s = options.get("sample_weight", np.ones(n))
    d = reference.penalties(
        dense, s, options.get("penalty_factor"), options.get("standardize", False)
    )
    for i, alpha in enumerate(path.alphas):
        one = fastridge.ridge(dense, y, alpha, solver="qr", **options)
        size = np.linalg.norm(one.coef)
        np.testing.assert_allclose(path.coef[i], one.coef, rtol=0, atol=rtol * size)
        np.testing.assert_allclose(path.intercept[i], one.intercept, rtol=rtol, atol=rtol * size)
        np.testing.assert_allclose(path.objective[i], one.objective, rtol=rtol)
        np.testing.assert_allclose(path.norm[i], np.sqrt(one.coef**2 @ d), rtol=rtol)
        penalty = alpha * (one.coef**2 @ d)
        np.testing.assert_allclose(path.residual[i] + penalty, one.objective, rtol=rtol)
        if dof:
            want = hat_trace(dense, alpha, s, d, options.get("fit_intercept", True))
            assert path.dof[i] == pytest.approx(want, abs=1e-7 * p)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(80, 9), (9, 40), (30, 30), (50, 1), (2, 5)])
@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_direct_paths(n, p, k, fit_intercept, weighted):
    X, y = problem(n, p, k)
    rng = np.random.default_rng(1)
    options = {"fit_intercept": fit_intercept}
    if weighted:
        options["sample_weight"] = rng.uniform(0.1, 3, n)
        options["penalty_factor"] = rng.uniform(0.5, 2, p)
    path = fastridge.ridge_path(X, y, ALPHAS, **options)
    assert path.solver == ("cholesky" if p <= n else "dual")
    assert path.converged
    assert path.relative_gradient.max() < 1e-10
    assert (path.dof_error == 0).all()
    against_single_fits(path, X, y, **options)


@pytest.mark.parametrize("n", [40, 8])
def test_free_features_and_standardisation(n):
    X, y = problem(n, 12)
    factor = np.ones(12)
    factor[[2, 7]] = 0.0
    path = fastridge.ridge_path(X, y, ALPHAS, penalty_factor=factor)
    against_single_fits(path, X, y, penalty_factor=factor)
    path = fastridge.ridge_path(X, y, ALPHAS, standardize=True)
    against_single_fits(path, X, y, standardize=True)


def test_zero_and_tiny_penalties_are_solved_for_themselves():
    X, y = problem(60, 8)
    X[:, 3] *= 1e4
    path = fastridge.ridge_path(X, y, [0.0, 1e-9, 1.0])
    assert path.converged
    against_single_fits(path, X, y, dof=False, rtol=1e-7)
    assert path.dof[0] == pytest.approx(8)
    X[:, 7] = X[:, 0]
    rank_deficient = fastridge.ridge_path(X, y, [0.0, 1.0])
    one = fastridge.ridge(X, y, 0.0)
    np.testing.assert_allclose(rank_deficient.coef[0], one.coef, rtol=1e-6)
    assert rank_deficient.dof[0] == pytest.approx(7)


def test_moments_and_data_agree():
    X, y = problem(70, 6, 2)
    w = np.random.default_rng(2).uniform(0, 2, 70)
    data = fastridge.ridge_path(X, y, ALPHAS, sample_weight=w)
    moments = fastridge.ridge_path(Moments(X, y, w), alphas=ALPHAS)
    np.testing.assert_array_equal(data.coef, moments.coef)
    np.testing.assert_array_equal(data.dof, moments.dof)


def one_hot(n=600, seed=0):
    """Frequent and rare columns, as in tables of categories."""
    rng = np.random.default_rng(seed)
    blocks, width = [], 0
    for levels in (2, 5, 12, 60, 90):
        share = 1 / np.arange(1, levels + 1)
        blocks.append(rng.choice(levels, n, p=share / share.sum()) + width)
        width += levels
    X = sp.csr_array((np.ones(5 * n), np.array(blocks).T.ravel(), np.arange(0, 5 * n + 1, 5)),
                     (n, width))  # fmt: skip
    return X, X @ rng.standard_normal(width) + 2 + rng.standard_normal(n)


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("values", ["ones", "counts", "float32"])
@pytest.mark.parametrize("heavy", [1, 9, 40, 1000])
def test_frequent_columns_eliminated(monkeypatch, form, index, values, heavy):
    """By exact elimination of few, some or all columns, with weights and a free feature."""
    monkeypatch.setattr(cost, "_HEAVY", heavy)
    X, y = one_hot()
    rng = np.random.default_rng(3)
    if values != "ones":
        X.data *= rng.integers(1, 4, len(X.data))
    X = X.asformat(form)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    if values == "float32":
        X = X.astype(np.float32)
    w, factor = rng.uniform(0.2, 2, 600), rng.uniform(0.5, 2, X.shape[1])
    factor[4] = 0.0
    given = {"sample_weight": w, "penalty_factor": factor}
    for fit_intercept in (True, False):
        for alpha in (100.0, 0.01):
            got = fastridge.ridge(
                X, y, alpha, solver="cg", tol=1e-10, fit_intercept=fit_intercept, **given
            )
            assert got.converged
            want = fastridge.ridge(
                X.toarray().astype(float), y, alpha, fit_intercept=fit_intercept, **given
            )
            size = np.linalg.norm(want.coef)
            close = 1e-5 if values == "float32" else 1e-7
            np.testing.assert_allclose(got.coef, want.coef, rtol=0, atol=close * size)


def test_eliminating_is_what_saves_iterations(monkeypatch):
    X, y = one_hot(3000)
    monkeypatch.setattr(cost, "_HEAVY", 20)
    eliminated = fastridge.ridge(X, y, 0.1, solver="cg")
    monkeypatch.setattr("fastridge.solvers.ridge.cg.gram_pays", lambda *_: False)
    products = fastridge.ridge(X, y, 0.1, solver="cg")
    assert eliminated.n_iter < products.n_iter
    np.testing.assert_allclose(eliminated.coef, products.coef, rtol=0, atol=1e-4)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(cost, "_HEAVY", 20)
    X, y = one_hot(5000)
    before = fastridge._runtime.get_serial_below()
    try:
        fastridge._runtime.set_serial_below(0)
        found = []
        for threads in (1, 2, 3):
            with fastridge.num_threads(threads):
                found.append(fastridge.ridge(X, y, 0.1, solver="cg").coef)
    finally:
        fastridge._runtime.set_serial_below(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("heavy", [15, 1000])
@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.slow
def test_iterative_path(monkeypatch, heavy, k):
    monkeypatch.setattr(cost, "_HEAVY", heavy)
    X, y = one_hot()
    if k:
        y = np.column_stack([y, y[::-1]])
    alphas = np.geomspace(1e3, 1e-2, 12)[::-1]
    path = fastridge.ridge_path(X, y, alphas, solver="cg", tol=1e-10)
    assert path.solver == "cg"
    assert path.converged
    against_single_fits(path, X, y, dof=False, rtol=1e-6)


def test_a_path_costs_less_than_its_fits():
    rng = np.random.default_rng(5)
    X = sp.random(400, 900, 0.02, random_state=5, format="csr")
    y = rng.standard_normal(400)
    alphas = np.geomspace(100, 0.01, 20)
    path = fastridge.ridge_path(X, y, alphas, solver="cg")
    alone = [fastridge.ridge(X, y, alpha, solver="cg").n_iter for alpha in alphas]
    assert path.n_iter.sum() < 0.7 * sum(alone)


@pytest.mark.slow
def test_estimated_degrees_of_freedom():
    X, y = one_hot()
    path = fastridge.ridge_path(X, y, [100.0, 1.0, 0.01], solver="cg")
    for i, alpha in enumerate(path.alphas):
        want = hat_trace(X.toarray(), alpha, np.ones(600), np.ones(X.shape[1]), True)
        assert abs(path.dof[i] - want) <= 4 * path.dof_error[i] + 1e-3 * want
    assert (path.dof_error > 0).all()


@pytest.mark.parametrize("solver", ["cg", "cholesky", "dual"])
def test_callback_counts_penalties(solver):
    X, y = one_hot()
    seen = []
    alphas = [1.0, 100.0, 10.0]
    fastridge.ridge_path(X, y, alphas, solver=solver, callback=lambda *a: seen.append(a))
    assert seen == ([(1, 3), (2, 3), (3, 3)] if solver == "cg" else [(3, 3)])


def test_callback_ends_a_path_that_keeps_what_is_done():
    X, y = one_hot()
    alphas = [1.0, 100.0, 10.0]

    def stop(done, total):
        if done == 2:
            raise StopIteration

    whole = fastridge.ridge_path(X, y, alphas, solver="cg")
    path = fastridge.ridge_path(X, y, alphas, solver="cg", callback=stop)
    assert path.alphas.tolist() == [100.0, 10.0]
    for name in ("coef", "intercept", "relative_gradient", "norm", "residual", "objective"):
        np.testing.assert_array_equal(getattr(path, name), getattr(whole, name)[1:])

    def fail(done, total):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fastridge.ridge_path(X, y, alphas, solver="cg", callback=fail)


def test_default_grid():
    X, y = problem(50, 4)
    path = fastridge.ridge_path(X, y, n_alphas=7)
    mean = np.mean(((X - X.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(path.alphas, mean * np.logspace(3, -3, 7))
    for source, target in ((X, y), (fastridge.Moments(X, y), None)):
        counted = fastridge.ridge_path(source, target, np.int64(7))
        np.testing.assert_allclose(counted.alphas, path.alphas, rtol=1e-12)
    with pytest.raises(TypeError, match="alphas must be an integer; got True"):
        fastridge.ridge_path(X, y, True)


def test_predict():
    X, y = problem(50, 4, 2)
    path = fastridge.ridge_path(X, y, ALPHAS)
    got = path.predict(X[:5])
    assert got.shape == (5, 5, 2)
    for i in range(5):
        want = X[:5] @ path.coef[i].T + path.intercept[i]
        np.testing.assert_allclose(got[i], want, rtol=1e-12)
    assert fastridge.ridge_path(X, y[:, 0], ALPHAS).predict(X[:5]).shape == (5, 5)
    with pytest.raises(ValueError, match="3 features"):
        path.predict(X[:, :3])


def test_float32_stays():
    X, y = problem(50, 4)
    path = fastridge.ridge_path(X.astype(np.float32), y, ALPHAS)
    assert path.coef.dtype == path.intercept.dtype == np.float32


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alphas": []}, "alphas has shape"),
        ({"alphas": [[1.0]]}, "alphas has shape"),
        ({"alphas": [-1.0]}, "alphas == -1, must be >= 0.0"),
        ({"alphas": 0}, "alphas must be at least 1; got 0"),
        ({"alphas": 2.5}, "alphas has shape"),
        ({"n_alphas": 0}, "n_alphas must be"),
        ({"solver": "lbfgs"}, "positive"),
        ({"solver": "none"}, "solver must be one of"),
        ({"max_memory": -1}, "max_memory must be"),
        ({"sample_weight": [1.0]}, "sample_weight"),
    ],
)
def test_bad_arguments(given, message):
    X, y = problem(20, 3)
    with pytest.raises(ValueError, match=message):
        fastridge.ridge_path(X, y, **given)


def test_not_converged_is_said(monkeypatch):
    monkeypatch.setattr(cost, "_HEAVY", 5)
    X, y = one_hot()
    with pytest.warns(exceptions.ConvergenceWarning, match="cg reached"):
        path = fastridge.ridge_path(X, y, [1e-3], solver="cg", tol=1e-9, max_iter=1)
    assert not path.converged


@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_tridiagonal(n):
    rng = np.random.default_rng(n)
    B = rng.standard_normal((n + 2, n))
    M, b = B.T @ B, rng.standard_normal((n, 2))
    reduced = Tridiagonal(np.asfortranarray(M))
    alphas = np.array([0.1, 5.0])
    x, traces = reduced.solve(alphas, reduced.rotate(b))
    for i, alpha in enumerate(alphas):
        inverse = np.linalg.inv(M + alpha * np.eye(n))
        np.testing.assert_allclose(reduced.rotate(x[i].T, back=True), inverse @ b, atol=1e-12)
        assert traces[i] == pytest.approx(np.trace(inverse), rel=1e-12)
    assert reduced.largest >= np.linalg.eigvalsh(M)[-1] * (1 - 1e-12)
    gone, trace = reduced.solve(np.array([-2 * reduced.largest]), reduced.rotate(b))
    assert np.isnan(gone).all()
    assert np.isnan(trace).all()
