"""Many targets at once, against separate fits."""

import itertools

import mpmath
import numpy as np
import pytest
from cases import each
from storages import stored

import fastridge
from fastridge import _cpu, reference
from fastridge._dense import Cholesky
from fastridge.data.check import check_design

EPS = np.finfo(np.float64).eps
KINDS = ["C", "F", "csr", "csc"]


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set(), _cpu.get_serial_below()
    _cpu.set_instruction_set(request.param)
    _cpu.set_serial_below(0)
    yield request.param
    _cpu.set_instruction_set(before[0])
    _cpu.set_serial_below(before[1])


def data(n, p, k, sparse, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 2
    if sparse:
        X *= rng.random((n, p)) < 0.3
    # float32 holds X
    X = X.astype(np.float32).astype(np.float64)
    Y = X @ rng.standard_normal((p, k)) + rng.standard_normal((n, k))
    return X, Y


@each("kind", ["C", "F"])
@each("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "p", "k"), [(1, 1, 16), (9, 250, 17), (210, 8, 20), (250, 75, 133),
                                           (1050, 3, 16)])  # fmt: skip
@pytest.mark.slow
def test_products(kind, dtype, n, p, k, isa):
    X, _ = data(n, p, 1, False)
    rng = np.random.default_rng(1)
    shift, scale = rng.standard_normal(p), rng.standard_normal(p)
    V, U = rng.standard_normal((p, k)), rng.standard_normal((n, k))
    for s, c in ((None, None), (shift, None), (shift, scale)):
        A = check_design(stored(X, kind, dtype)).centered(s, c)
        B = reference.operator(X, s, c)
        got = [A.dot(np.asfortranarray(V), n_threads=t) for t in (1, 3)]
        assert (abs(got[0] - B @ V) <= (p + 4) * EPS * (abs(B) @ abs(V))).all()
        assert (got[0] == got[1]).all()
        got = [A.tdot(np.asfortranarray(U), n_threads=t) for t in (1, 3)]
        assert (abs(got[0] - B.T @ U) <= (n + 4) * EPS * (abs(B).T @ abs(U))).all()
        assert (got[0] == got[1]).all()


@each("kind", ["csr", "csc"])
@each("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "p", "k"), [(1, 1, 3), (40, 250, 4), (700, 30, 8), (90, 75, 21)])
@pytest.mark.parametrize("ones", [False, True])
def test_sparse_products(kind, dtype, n, p, k, ones, isa):
    """Some vectors beside each other: the same for any number of threads, and of other vectors."""
    X, _ = data(n, p, 1, True)
    if ones:
        X = (X != 0).astype(float)
    rng = np.random.default_rng(1)
    shift, scale = rng.standard_normal(p), rng.standard_normal(p)
    V, U = rng.standard_normal((p, k)), rng.standard_normal((n, k))
    for s, c in ((None, None), (shift, scale)):
        A = check_design(stored(X, kind, dtype)).centered(s, c)
        B = reference.operator(X, s, c)
        for product, M, v in ((A.dot, B, V), (A.tdot, B.T, U)):
            got = [product(np.asfortranarray(v), n_threads=t) for t in (1, 3)]
            size = (abs(X) + (0 if s is None else abs(s))) * (1 if c is None else abs(c))
            bound = (M.shape[1] + 6) * EPS * ((size if M is B else size.T) @ abs(v))
            assert (abs(got[0] - M @ v) <= bound).all()
            assert (got[0] == got[1]).all()
            if k > 8:
                eight = product(np.asfortranarray(v[:, -8:]), n_threads=1)
                assert (eight == got[0][:, -8:]).all()
            assert (abs(product(v[:, 0].copy()) - got[0][:, 0]) <= bound[:, 0]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [True, False])
def test_conjugate_gradients_side_by_side(kind, weighted, monkeypatch):
    """Each target stops independently of the others."""
    from fastridge.solvers.ridge import cg

    monkeypatch.setattr(cg, "gram_pays", lambda *_: False)
    X, Y = data(300, 40, 11, kind[0] == "c")
    Y[:, 1], Y[:, 4] = 0.0, 7.0
    Y[:, 6] *= 1e6
    options = {"solver": "cg", "tol": 1e-9, "max_memory": 500}
    if weighted:
        options["sample_weight"] = np.random.default_rng(2).random(300)
        options["penalty_factor"] = np.linspace(0.0, 2.0, 40)
    alpha = np.repeat([3.0, 0.5], [9, 2])
    A = stored(X, kind)
    got = fastridge.ridge(A, Y, alpha, **options)
    assert got.solver == "cg"
    assert got.converged
    assert (got.n_iter[[1, 4]] == 1).all()
    assert len(set(got.n_iter)) > 2
    want = fastridge.ridge(X, Y, alpha, **(options | {"solver": "cholesky"}))
    size = abs(want.coef).max(axis=1)
    assert (abs(got.coef - want.coef).max(axis=1) <= 1e-6 * size).all()
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-9)
    for t in (0, 6, 10):
        one = fastridge.ridge(A, Y[:, t], alpha[t], **options)
        assert abs(one.n_iter - got.n_iter[t]) <= 1
        assert abs(one.coef - got.coef[t]).max() <= 1e-6 * size[t]
    with pytest.warns(match="cg reached a relative error"):
        few = fastridge.ridge(A, Y, alpha, **(options | {"max_iter": 2}))
    assert few.n_iter.max() == 2
    with fastridge.num_threads(1):
        again = fastridge.ridge(A, Y, alpha, **options)
    assert (again.coef == got.coef).all()


@pytest.mark.parametrize("k", [16, 21, 1030])
@pytest.mark.parametrize("p", [1, 8, 63, 64, 65, 130, 290])
@pytest.mark.slow
def test_triangular_solves(p, k, isa):
    rng = np.random.default_rng(p)
    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    M = (Q * np.geomspace(1, 100, p)) @ Q.T
    M = (M + M.T) / 2
    factor = Cholesky(M.copy())
    B = rng.standard_normal((k, p))
    got = [factor.solve(B.ravel().copy(), n_threads=t).reshape(k, p) for t in (1, 3)]
    residual = np.linalg.norm(got[0] @ M - B, axis=1)
    assert (residual <= 10 * p * EPS * 100 * np.linalg.norm(got[0], axis=1)).all()
    assert (got[0] == got[1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_against_the_reference(sparse, intercept, weighted):
    X, Y = data(200, 40, 530, sparse)
    rng = np.random.default_rng(2)
    options = {"fit_intercept": intercept}
    if weighted:
        options["sample_weight"] = rng.random(200) * (rng.random(200) > 0.2)
        options["penalty_factor"] = rng.random(40) + 0.1
    alpha = np.repeat([1.0, 30.0], [500, 30])
    want = reference.ridge(X, Y, alpha, solver="cholesky", **options)
    kinds = [kind for kind in KINDS if (kind[0] == "c") == sparse]
    for kind, dtype in itertools.product(kinds, (np.float64, np.float32)):
        tolerance = 1e-11 if dtype == np.float64 else 1e-6
        A = stored(X, kind, dtype)
        got = fastridge.ridge(A, Y, alpha, solver="cholesky", **options)
        np.testing.assert_allclose(got.coef, want.coef, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(got.intercept, want.intercept, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(got.objective, want.objective, rtol=1e-10)
        assert got.solver == "cholesky"
        assert got.coef.dtype == dtype
        # what rounding each coefficient to float32 leaves, 2^-24 |H| |w| / |c|, is below 6e-6 here
        assert (got.relative_gradient < (1e-13 if dtype == np.float64 else 6e-6)).all()
        other = fastridge.ridge(A, np.asfortranarray(Y), alpha, solver="cholesky", **options)
        # sums of y in another order
        np.testing.assert_allclose(other.coef, got.coef, rtol=tolerance, atol=tolerance)
        with fastridge.num_threads(1):
            one = fastridge.ridge(A, Y, alpha, solver="cholesky", **options)
        assert (one.coef == got.coef).all()
        assert (one.objective == got.objective).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_what_was_said(kind):
    X, Y = data(300, 60, 20, kind[0] == "c")
    result = fastridge.ridge(stored(X, kind), Y, 2.0)
    A = (X - X.mean(axis=0)).astype(np.longdouble)
    Z = (Y - Y.mean(axis=0)).astype(np.longdouble)
    w = result.coef.T.astype(np.longdouble)
    found = np.linalg.norm((A.T @ (Z - A @ w) - 2 * w).astype(float), axis=0)
    found /= np.linalg.norm((A.T @ Z).astype(float), axis=0)
    assert (found <= result.relative_gradient).all()


@pytest.mark.parametrize("kind", KINDS)
def test_targets_that_are_explained_and_constant(kind):
    """Objectives that are rounding beside the squares of y, and targets without any."""
    X, Y = data(100, 10, 20, kind[0] == "c")
    Y[:, 3] = X @ np.arange(10.0)
    Y[:, 5] = 1e9 + 3
    Y[:, 7] = 0.0
    got = fastridge.ridge(stored(X, kind), Y, 1e-9)
    want = reference.ridge(X, Y, 1e-9)
    np.testing.assert_allclose(got.objective[:5], want.objective[:5], rtol=1e-5)
    assert (got.coef[[5, 7]] == 0).all()
    assert (got.objective[[5, 7]] == 0).all()
    assert (got.relative_gradient[[5, 7]] == 0).all()
    np.testing.assert_allclose(got.coef[3], np.arange(10.0), atol=1e-9)


def exact(X, Y, alpha):
    """Coefficients (k, p) by normal equations in 50 digits."""
    with mpmath.workdps(50):
        A, Z = (np.vectorize(mpmath.mpf, otypes=[object])(M) for M in (X, Y))
        A, Z = A - A.mean(axis=0), Z - Z.mean(axis=0)
        M = mpmath.matrix((A.T @ A + np.diag([mpmath.mpf(alpha)] * X.shape[1])).tolist())
        found = [mpmath.lu_solve(M, mpmath.matrix(b.tolist())) for b in (A.T @ Z).T]
        return np.array([[float(c) for c in w] for w in found])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("near", [1e-4, 1e-6])
def test_nearly_dependent_columns(kind, near):
    """Too close to singular for the Gram matrix alone: refined with X, as few targets are."""
    X, Y = data(200, 20, 30, kind[0] == "c")
    X[:, 10:] = X[:, :10] + near * X[:, 10:]
    A = stored(X, kind)
    many = fastridge.ridge(A, Y, 1e-12)
    few = fastridge.ridge(A, Y[:, :3], 1e-12)
    assert many.solver == few.solver == "cholesky"
    want = exact(X, Y[:, :3], 1e-12)
    # what rounding the elements of X does: the coefficients are of size 1 / near
    rounding = EPS * (abs(X) @ abs(want).T).max()
    for got in (many, few):
        off = (X - X.mean(axis=0)) @ (got.coef[:3] - want).T
        assert abs(off).max() <= rounding
        assert abs(got.coef[:3] - want).max() <= 2 * rounding / near


def test_constant_columns():
    X, Y = data(80, 12, 16, False)
    X[:, 3], X[:, 11] = 0.1, 0.0
    got = fastridge.ridge(X, Y, 1.0)
    want = fastridge.ridge(np.delete(X, [3, 11], axis=1), Y, 1.0)
    assert (got.coef[:, [3, 11]] == 0).all()
    np.testing.assert_allclose(np.delete(got.coef, [3, 11], axis=1), want.coef, rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_by_samples(kind, monkeypatch):
    from fastridge.solvers.ridge import dual

    monkeypatch.setattr(dual, "_ELEMENTS", 20 * 150)
    X, Y = data(50, 100, 45, kind[0] == "c")
    for options in ({}, {"sample_weight": np.arange(50.0), "fit_intercept": False}):
        got = fastridge.ridge(stored(X, kind), Y, 1.0, **options)
        want = reference.ridge(X, Y, 1.0, **options)
        assert got.solver == "dual"
        np.testing.assert_allclose(got.coef, want.coef, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(got.objective, want.objective, rtol=1e-9)


@pytest.mark.parametrize(("n", "p"), [(2000, 50), (100, 400)])
def test_little_memory(n, p):
    """Memory besides targets and coefficients is that of blocks."""
    import tracemalloc

    X, _ = data(n, p, 1, False)
    Y = np.random.default_rng(0).standard_normal((n, 4000))
    fastridge.ridge(X, Y[:, :20], 1.0)
    tracemalloc.start()
    result = fastridge.ridge(X, Y, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.1 * result.coef.nbytes + (60 << 20)
