"""Float32 products with refinement in float64: as exact as float64, or solved by it."""

import numpy as np
import pytest

import fastridge
from fastridge import _cpu, _systems, reference
from fastridge._dense import Cholesky
from fastridge._matrix import Matrix
from fastridge._runtime import has_single
from fastridge.solvers.ridge import dual

EPS = np.finfo(np.float32).eps
FORMS = [("C", np.float64), ("F", np.float64), ("C", np.float32), ("F", np.float32)]
AUTO, DOUBLE, SINGLE = 0, 1, 2


@pytest.fixture(params=[name for name in _cpu.instruction_sets() if name != "plain"])
def isa(request):
    before = _cpu.get_instruction_set(), _cpu.get_serial_below()
    _cpu.set_instruction_set(request.param)
    _cpu.set_serial_below(0)
    if not has_single():
        pytest.skip("no products of float32 in this build")
    yield request.param
    _cpu.set_instruction_set(before[0])
    _cpu.set_serial_below(before[1])


@pytest.fixture
def single():
    """Skip where the set that runs has no vectors: there are no products of float32."""
    if not has_single():
        pytest.skip("no products of float32 in this build")


def data(n, p, form=FORMS[0], seed=0, far=10.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + far * rng.standard_normal(p)
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    return np.array(X, order=form[0], dtype=form[1]), y


def relative_gradient(X, y, alpha, w, b, s=None, d=None):
    s = np.ones(len(X)) if s is None else s
    d = np.ones(X.shape[1]) if d is None else d
    X = X.astype(np.longdouble)
    A = X - (s @ X) / s.sum()
    z = (y - (s @ y) / s.sum()).astype(np.longdouble)
    w = w.astype(np.longdouble)
    g = A.T @ (s * (z - A @ w)) - alpha * d * w
    return float(np.linalg.norm(g) / np.linalg.norm(A.T @ (s * z)))


def fit(X, y, alpha, weight=None, d=None, intercept=True, precision=SINGLE, n_threads=1):
    return _systems.ridge(
        Matrix.from_dense(X),
        y,
        np.atleast_1d(np.float64(alpha)),
        weight,
        d,
        intercept,
        n_threads,
        precision,
    )


def test_plain_has_none():
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set("plain")
    assert not has_single()
    X, y = data(300, 40)
    assert fit(X, y, 1.0)[2] == fit(X, y, 1.0, precision=DOUBLE)[2]
    _cpu.set_instruction_set(before)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (15, 16), (33, 500), (70, 211), (200, 33)])
def test_gram_of_rows(shape, form, isa):
    X, _ = data(*shape, form)
    rng = np.random.default_rng(1)
    weight, shift = rng.random(shape[1]), rng.standard_normal(shape[1])
    # units far apart: float32 alone would overflow
    size = 10.0 ** rng.uniform(-12, 12, shape[0])
    X = np.array(X * size[:, None], order=form[0], dtype=form[1])
    A = Matrix.from_dense(X).centered(shift)
    got = [A.gram_rows(weight, n_threads=t, single=True) for t in (1, 2, 3)]
    B = X.astype(np.float64) - shift
    want = (B * weight) @ B.T
    bound = (shape[1] + 8) * EPS * (abs(B) * weight) @ abs(B).T
    assert (abs(got[0] - want) <= bound).all()
    assert (got[0] == got[0].T).all()
    assert (got[0] == got[1]).all()
    assert (got[0] == got[2]).all()


@pytest.mark.slow
@pytest.mark.parametrize("p", [1, 63, 64, 65, 79, 80, 81, 130, 200, 301])
def test_cholesky(p, isa):
    rng = np.random.default_rng(p)
    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    M = (Q * np.geomspace(1, 10, p)) @ Q.T
    M = (M + M.T) / 2
    factors = []
    for n_threads in (1, 2, 3):
        F = M.copy()
        Cholesky(F, single=True, n_threads=n_threads)
        factors.append(F)
        U = np.triu(F)
        assert (abs(U.T @ U - M) <= 4 * EPS * (abs(U).T @ abs(U))).all()
        assert np.array_equal(np.tril(F, -1), np.tril(M, -1))
    assert (factors[0] == factors[1]).all()
    assert (factors[0] == factors[2]).all()
    if p > 64:  # a single block is always in float64
        F = M.copy()
        Cholesky(F)
        assert (factors[0] != F).any()


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_as_exact_as_float64(form, intercept, weighted, isa):
    # means that no intercept takes out make a Gram matrix close to rank one
    X, y = data(500, 70, form, far=10.0 if intercept else 0.5)
    rng = np.random.default_rng(1)
    Y = np.column_stack([y, rng.standard_normal(500), np.zeros(500)])
    s = rng.random(500) * (rng.random(500) > 0.2) if weighted else None
    d = rng.random(70) + 0.5 if weighted else None
    alpha = np.array([1.0, 100.0, 1.0])
    single, double = (fit(X, Y, alpha, s, d, intercept, precision) for precision in (2, 1))
    assert single[2] > double[2]  # more refinements: float32 was used
    np.testing.assert_allclose(single[0], double[0], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(single[1][0], double[1][0], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(single[1][2], double[1][2], rtol=1e-11)
    if intercept:
        for t in (0, 1):
            w, b = single[0][70 * t : 70 * (t + 1)], single[1][0, t]
            found = relative_gradient(X, Y[:, t], alpha[t], w, b, s, d)
            # that of the rounding of w itself, and what was said
            assert found <= (1e-14 if X.dtype == np.float64 else 1e-6)
            assert found <= single[1][1, t] * (1 + 1e-6)
            assert single[1][1, t] <= 2 * double[1][1, t] + 1e-15
            assert single[3][t] <= min(2 * double[3][t] + 1e-15, single[1][1, t])
    again = fit(X, Y, alpha, s, d, intercept, n_threads=3)
    assert (again[0] == single[0]).all()
    assert (again[1] == single[1]).all()


@pytest.mark.usefixtures("single")
def test_chosen_where_it_pays():
    X, y = data(2000, 300)
    assert fit(X, y, 1.0, precision=AUTO)[2] == fit(X, y, 1.0)[2] > 1
    few = X[:, :60].copy()
    assert fit(few, y, 1.0, precision=AUTO)[2] == 1
    assert fit(X, y, 0.0, precision=AUTO)[2] == 1
    # a penalty that float32 sums would round away
    assert fit(X, y, 1e-8, precision=AUTO)[2] == 1
    many = np.tile(y[:, None], 20)
    assert fit(X, many, 1.0, precision=AUTO)[2] == 1


@pytest.mark.parametrize("rows", [400, 3000])  # the latter are probed first
def test_falls_back(rows):
    """Nearly dependent columns: the bits of float64."""
    X, y = data(rows, 80)
    X[:, 40:] = X[:, :40] + 1e-5 * X[:, 40:]
    for alpha in (0.0, 1e-6, 1e-3):
        single, double = (fit(X, y, alpha, precision=precision) for precision in (2, 1))
        assert (single[0] == double[0]).all()
        assert single[1:] == double[1:]


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("rows", [300, 3000])
def test_columns_of_any_unit(rows):
    X, y = data(rows, 50)
    unit = 10.0 ** np.random.default_rng(1).uniform(-60, 60, 50)
    found = fit(X * unit, y, 1.0, d=unit**2)
    plain = fit(X, y, 1.0)
    assert found[2] == plain[2] > 1
    np.testing.assert_allclose(found[0] * unit, plain[0], rtol=1e-11)


def test_columns_that_tell_nothing():
    """Constant, zero, constant where the shift is placed, rare and huge: as in float64."""
    X, y = data(3000, 40)
    X[:, 3], X[:, 5], X[:, 7] = 0.1, 0.0, 1e30
    X[:2000, 11] = 2.5
    X[:, 13] = 0.0
    X[1, 13] = 1e-25
    X[:, 17] = 0.0
    X[1, 17] = 1e25
    single, double = (fit(X, y, 1.0, precision=precision) for precision in (2, 1))
    np.testing.assert_allclose(single[0], double[0], rtol=1e-10, atol=1e-30)
    assert (single[0][[3, 5, 7]] == 0).all()
    for bad in (np.nan, np.inf, 1e200):
        X[10, 20] = bad
        assert fit(X, y, 1.0) is None


@pytest.mark.usefixtures("single")
def test_large_means_lose_nothing():
    X, y = data(1000, 60)
    want = fit(X, y, 1.0)[0]
    far = fit(X + 2.0**27, y, 1.0)
    assert far[2] > 1
    np.testing.assert_allclose(far[0], want, rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("weighted", [True, False])
def test_dual(weighted, monkeypatch):
    X, y = data(600, 900)
    rng = np.random.default_rng(1)
    options = {}
    if weighted:
        options = {"sample_weight": rng.random(600), "penalty_factor": rng.random(900) + 0.5}
        options["penalty_factor"][:2] = 0.0
    for alpha, more in ((300.0, True), (1e-3, False)):
        if not more:
            X[300:] = X[:300] + 1e-4 * X[300:]
        single = fastridge.ridge(X, y, alpha, **options)
        with monkeypatch.context() as m:
            m.setattr(dual, "has_single", lambda: False)
            double = fastridge.ridge(X, y, alpha, **options)
        assert single.solver == double.solver == "dual"
        assert (single.n_iter > double.n_iter) == more
        np.testing.assert_allclose(single.coef, double.coef, rtol=1e-9, atol=1e-11)
        assert single.relative_gradient <= 2 * double.relative_gradient
        s, d = options.get("sample_weight"), options.get("penalty_factor")
        found = relative_gradient(X, y, alpha, single.coef, single.intercept, s, d)
        assert found <= single.relative_gradient


def test_reference():
    X, y = data(300, 40)
    A, z = X - X.mean(axis=0), y - y.mean()
    s, d = np.ones(300), np.ones(40)
    w, n_iter = reference.ridge_mixed(A, z, 1.0, s, d)
    np.testing.assert_allclose(w, reference.ridge_lstsq(A, z, 1.0, s, d), rtol=1e-12)
    assert n_iter > 1
    np.testing.assert_allclose(fit(X, y, 1.0)[0], w, rtol=1e-11)
