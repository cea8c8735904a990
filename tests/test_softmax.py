"""Multinomial models: the compiled loss and products, fits, and their certificates."""

import numpy as np
import pytest
import scipy.sparse as sp
from cases import each
from numpy.testing import assert_allclose, assert_array_equal
from softmax_problems import problem
from storages import stored

import fastridge
from fastridge import _cpu
from fastridge._losses import softmax, softmax_curve
from fastridge._matrix import Matrix
from fastridge._softmax import LaneModel, lanes_of
from fastridge.data.check import check_design
from fastridge.exceptions import ConvergenceWarning
from fastridge.losses import MULTINOMIAL, Multinomial, loss_of
from fastridge.reference.softmax import softmax_fit, softmax_loss
from fastridge.solvers.glm import softmax as solver
from fastridge.solvers.glm.options import Options

# tolerance of coefficients: a round-off gap of 8 eps is |w - w*|^2 l2 / 2
_CLOSE = 2e-6


@pytest.fixture(params=_cpu.instruction_sets())
def every_set(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield request.param
    _cpu.set_instruction_set(before)


def rows(n, k, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    eta = np.asfortranarray(rng.standard_normal((n, k)) * scale)
    share = np.asfortranarray(rng.dirichlet(np.ones(k), n))
    return eta, rng.integers(0, k, n).astype(np.int32), share, rng.integers(0, 3, n) * 0.7


def objective(X, y, result, alpha, weight=None, factor=1.0, offset=0.0):
    s = np.ones(len(y)) if weight is None else weight
    share = np.eye(len(result.intercept))[y] if y.ndim == 1 else y
    eta = offset + X @ result.coef.T.astype(float) + result.intercept
    value = softmax_loss(share, eta, s / s.sum())[0]
    return value + 0.5 * alpha * float((factor * result.coef.astype(float) ** 2).sum())


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (300, 5), (129, 20), (40, 70)])
def test_compiled_loss(every_set, n, k, scale):
    eta, label, share, weight = rows(n, k, scale)
    r, prob, h = (np.empty_like(eta, order="F") for _ in range(3))
    for y, arguments in ((np.eye(k)[label], (label, None)), (share, (None, share))):
        for w in (None, weight):
            value, gradient, curvature = softmax_loss(y, eta, w)
            found = softmax(eta, *arguments, w, r, prob, h)
            assert_allclose(found, value, rtol=1e-13, atol=1e-13)
            assert found == softmax(eta, *arguments, w)
            assert_allclose(r, gradient, rtol=1e-12, atol=1e-14)
            assert_allclose(h, np.einsum("icc->ic", curvature), rtol=1e-12, atol=1e-14)
            t = np.asfortranarray(np.random.default_rng(1).standard_normal((n, k)))
            expected = np.einsum("icd,id->ic", curvature, t)
            softmax_curve(prob, w, t)
            assert_allclose(t, expected, rtol=1e-11, atol=1e-13)


def test_small_probabilities_keep_their_digits():
    """Of rows whose label is nearly certain, the loss and the derivatives are small numbers."""
    eta = np.array([[60.0, 0.0, 10.0], [0.0, 60.0, 0.0]], order="F")
    r, prob, h = (np.empty_like(eta, order="F") for _ in range(3))
    value = softmax(eta, np.array([0, 1], dtype=np.int32), None, None, r, prob, h)
    rest = np.array([np.exp(-60.0) + np.exp(-50.0), 2.0 * np.exp(-60.0)])
    assert_allclose(value, rest.sum(), rtol=1e-14)
    assert_allclose([r[0, 0], r[1, 1]], -rest, rtol=1e-14)
    assert_allclose([h[0, 0], h[1, 1]], rest, rtol=1e-14)
    # ties, infinities and NaN
    tie = np.zeros((1, 3), order="F")
    one = np.zeros(1, dtype=np.int32)
    assert_allclose(softmax(tie, one), np.log(3.0), rtol=1e-15)
    assert np.isnan(softmax(np.asfortranarray([[0.0, np.nan]]), one))
    assert softmax(np.asfortranarray([[0.0, -np.inf]]), one) == 0.0
    assert softmax(np.asfortranarray([[0.0, 1e300]]), one) == 1e300
    dead = np.asfortranarray([[0.0, np.nan], [0.0, 0.0]])
    two = np.zeros(2, dtype=np.int32)
    assert_allclose(softmax(dead, two, None, np.array([0.0, 1.0])), np.log(2.0))


def test_arguments_of_the_compiled_loss():
    eta, label, share, _ = rows(4, 3)
    with pytest.raises(ValueError, match="label and share: expected one of them"):
        softmax(eta, label, share)
    with pytest.raises(ValueError, match="label: expected 0 to 2; got 3"):
        softmax(eta, label + 3)
    with pytest.raises(ValueError, match=r"share: expected shape \(4, 3\); got \(4, 2\)"):
        softmax(eta, None, share[:, :2])
    with pytest.raises(ValueError, match="all or none"):
        softmax(eta, label, None, None, eta.copy(order="F"))


@each("single", [False, True])
@each("kind", ["csr", "csr int64"])
@pytest.mark.parametrize("values", ["double", "float", "ones"])
@pytest.mark.parametrize("k", [2, 8, 20, 33])
def test_products_beside_each_other(every_set, k, values, kind, single):
    """A conjugate-gradient pass against the dense formula, centred and scaled or not."""
    rng = np.random.default_rng(k)
    n, p, lanes = 50, 11, lanes_of(k)
    dense = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.3)
    dense = (dense != 0) * 1.0 if values == "ones" else dense
    dense = dense.astype(np.float32).astype(float)
    A = check_design(stored(dense, kind, np.float32 if values == "float" else None))
    eta, label, _, w = rows(n, k)
    _, _, curvature = softmax_loss(np.eye(k)[label], eta, w)
    prob = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    dtype, digits = (np.float32, 2e-5) if single else (np.float64, 1e-12)
    l2, M = rng.uniform(0.1, 1.0, p), rng.uniform(0.5, 2.0, (p, k))
    R = rng.standard_normal((p, k))
    R -= R.mean(axis=1, keepdims=True)

    def padded(a):
        out = np.zeros((len(a), lanes), dtype)
        out[:, :k] = a
        return out

    for shift, scale in ((None, None), (rng.standard_normal(p), rng.uniform(0.5, 2.0, p))):
        B = A.centered(shift, scale)
        D = (dense - (0 if shift is None else shift)) * (1 if scale is None else scale)
        model = LaneModel(B, l2, w, lanes, single)
        left, solution = padded(R), padded(np.zeros((p, k)))
        inner, gap = model.begin(padded(prob), padded(1 / M), left, solution)
        mu = (R / M).sum(axis=1) / (1 / M).sum(axis=1)
        P = (R - mu[:, None]) / M
        assert_allclose(inner, (R * P).sum(), rtol=digits)
        assert_allclose(gap, (R**2 / (2 * l2[:, None])).sum(), rtol=digits)
        q = rng.standard_normal(k)
        model.constant[:] = 0.0
        model.constant[:k] = q
        assert_allclose(model.turn(0.0), (l2[:, None] * P**2).sum(), rtol=digits)
        t = D @ P + q
        C = np.einsum("icd,id->ic", curvature, t)
        assert_allclose(model.product(), (C * t).sum(), rtol=digits)
        assert_allclose(model.total[:k], C.sum(axis=0), atol=20 * digits)
        assert_array_equal(model.total[k:], 0.0)
        model.step(0.5)
        assert_allclose(solution[:, :k], 0.5 * P, rtol=20 * digits, atol=20 * digits)
        H = D.T @ C + l2[:, None] * P
        assert_allclose(left[:, :k], R - 0.5 * H, atol=50 * digits)
        assert_array_equal(left[:, k:], 0.0)


def test_products_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(3)
    n, p, k = 400, 90, 5
    X = sp.random(n, p, 0.2, format="csr", random_state=1)
    A = check_design(X)
    eta, _, _, w = rows(n, k)
    prob = np.zeros((n, 8))
    prob[:, :k] = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    R = np.zeros((p, 8))
    R[:, :k] = rng.standard_normal((p, k))
    inverse = np.zeros((p, 8))
    inverse[:, :k] = 1.0
    found = []
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    for threads in (1, 2, 3):
        model = LaneModel(A, np.ones(p), w, 8, False)
        left, solution = R.copy(), np.zeros((p, 8))
        model.begin(prob, inverse, left, solution)
        numbers = [model.turn(0.0, threads), model.product(threads), *model.step(0.1, threads)]
        found.append((numbers, left, solution))
    _cpu.set_serial_below(before)
    for numbers, left, solution in found[1:]:
        assert numbers == found[0][0]
        assert_array_equal(left, found[0][1])
        assert_array_equal(solution, found[0][2])


class TestLoss:
    def test_definition(self):
        eta, label, share, _ = rows(40, 4)
        loss = MULTINOMIAL
        assert loss_of("multinomial").name == "multinomial"
        assert isinstance(loss_of("multinomial", n_classes=4), Multinomial)
        for y, full in ((label, np.eye(4)[label]), (share, share)):
            value, gradient, curvature = softmax_loss(full, eta)
            assert_allclose(loss.value(y, eta).sum(), value)
            assert_allclose(loss.gradient(y, eta), gradient, atol=1e-14)
            assert_allclose(loss.curvature(y, eta), np.einsum("icc->ic", curvature))
            mu = loss.inverse_link(eta)
            assert_allclose(mu, np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True))
            assert_allclose(loss.inverse_link(loss.link(mu)), mu)
            assert_allclose(loss.link(mu).sum(axis=1), 0.0, atol=1e-13)
            excess = 2.0 * (loss.value(y, eta) - loss.least(y))
            assert_allclose(loss.deviance(y, mu), excess, rtol=1e-10)
            u = loss.gradient(y, eta)
            young = (u * eta).sum(axis=1) - loss.value(y, eta)
            assert_allclose(loss.conjugate(y, u), young, rtol=1e-10, atol=1e-12)
            assert loss.conjugate(y, u + 1.0)[0] == np.inf

    def test_null_model(self):
        _, label, share, weight = rows(40, 4)
        for y, full in ((label, np.eye(4)[label]), (share, share)):
            for w in (None, weight):
                mean = MULTINOMIAL.null_mean(y, w, True)
                assert_allclose(mean, np.average(full, axis=0, weights=w))
                best = MULTINOMIAL.null_deviance(y, w, True)
                for other in (np.roll(mean, 1), np.full(4, 0.25)):
                    error = MULTINOMIAL.deviance(y, np.tile(other, (40, 1)))
                    assert best[0] <= np.average(error, weights=w)
                mu = np.tile(mean, (40, 1))
                assert_allclose(MULTINOMIAL.explained(y, mu, w), 0.0, atol=1e-12)

    def test_errors_of_rows(self):
        X, y = problem()
        rng = np.random.default_rng(1)
        coef, intercept = rng.standard_normal((2, 4, 6)), rng.standard_normal((2, 4))
        found = MULTINOMIAL.error_of_rows(Matrix.from_dense(X), y[:, None], None, coef, intercept)
        for j in range(2):
            value = softmax_loss(np.eye(4)[y], X @ coef[j].T + intercept[j])[0]
            assert_allclose(found[j], 2 * value / len(y))


SOLVERS = pytest.mark.parametrize("way", ["newton", "newton-cg"])


@pytest.fixture
def by(monkeypatch):
    def choose(way):
        monkeypatch.setattr(solver, "choose", lambda problem: way)
        monkeypatch.setattr(solver, "_PATIENCE", np.inf)

    return choose


@SOLVERS
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc", "csr int64", "csc int64"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.slow
def test_fits_of_every_storage(by, way, kind, fit_intercept):
    by(way)
    X, y = problem()
    X = np.where(np.random.default_rng(5).random(X.shape) < 0.5, X, 0.0)
    weight = np.random.default_rng(6).integers(0, 4, len(y)) * 1.0
    factor = np.array([1.0, 2.0, 0.0, 0.5, 1.0, 1.0])
    coef, intercept = softmax_fit(X, np.eye(4)[y], 0.05, fit_intercept, weight, factor)
    result = fastridge.glm(
        stored(X, kind), y, "multinomial", 0.05, sample_weight=weight, penalty_factor=factor,
        fit_intercept=fit_intercept, tol=1e-9,
    )  # fmt: skip
    assert result.solver == way
    assert result.converged
    assert_allclose(result.coef, coef, rtol=1e-7, atol=_CLOSE)
    assert_allclose(result.intercept, intercept, rtol=1e-7, atol=_CLOSE)
    assert_allclose(result.objective, objective(X, y, result, 0.05, weight, factor), rtol=1e-13)


@SOLVERS
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.slow
def test_float32(by, way, kind):
    by(way)
    X, y = problem()
    X = X.astype(np.float32)
    coef, intercept = softmax_fit(X.astype(float), np.eye(4)[y], 0.01)
    result = fastridge.glm(stored(X, kind), y, "multinomial", 0.01, tol=1e-8)
    assert result.coef.dtype == np.float32
    assert_allclose(result.coef, coef, rtol=1e-5, atol=1e-6)
    assert_allclose(result.intercept, intercept, rtol=1e-5, atol=1e-5)


@SOLVERS
@pytest.mark.parametrize("C", [1e-2, 1.0, 1e3])
def test_beside_scikit_learn(by, way, C):
    linear_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.datasets import load_iris

    by(way)
    X, y = load_iris(return_X_y=True)
    alpha = 1.0 / (C * len(y))
    result = fastridge.glm(X, y, "multinomial", alpha, tol=1e-8)
    options = {"C": C, "solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
    other = linear_model.LogisticRegression(**options).fit(X, y)
    assert_allclose(result.coef, other.coef_, rtol=1e-6, atol=_CLOSE)
    assert_allclose(result.intercept, other.intercept_, rtol=1e-6, atol=_CLOSE)
    other.coef, other.intercept = other.coef_, other.intercept_
    assert result.objective <= objective(X, y, other, alpha) * (1 + 1e-14)
    assert_allclose(result.objective, objective(X, y, other, alpha), rtol=1e-10)


@SOLVERS
@pytest.mark.parametrize("separated", [False, True])
@pytest.mark.slow
def test_beside_high_precision(by, way, separated):
    """Newton's method of 40 digits on a few rows."""
    mp = pytest.importorskip("mpmath")
    by(way)
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((9, 2)), np.arange(9) % 3
    if separated:
        X = X * 0.1 + np.array([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0]])[y]
    alpha = 1e-4
    result = fastridge.glm(X, y, "multinomial", alpha, tol=1e-10)
    with mp.workdps(40):
        Z = [[mp.mpf(float(v)) for v in row] + [mp.mpf(1)] for row in X]
        W = mp.matrix(9, 1)
        for c in range(3):
            for j in range(2):
                W[3 * c + j] = mp.mpf(float(result.coef[c, j]))
            W[3 * c + 2] = mp.mpf(float(result.intercept[c]))
        for _ in range(6):
            g, H = mp.matrix(9, 1), mp.matrix(9, 9)
            for i, z in enumerate(Z):
                e = [mp.exp(sum(W[3 * c + j] * z[j] for j in range(3))) for c in range(3)]
                p = [v / sum(e) for v in e]
                for c in range(3):
                    for j in range(3):
                        g[3 * c + j] += (p[c] - (c == y[i])) * z[j] / 9
                        for d in range(3):
                            for m in range(3):
                                h = p[c] * ((c == d) - p[d])
                                H[3 * c + j, 3 * d + m] += h * z[j] * z[m] / 9
            for c in range(3):
                for j in range(2):
                    g[3 * c + j] += mp.mpf(alpha) * W[3 * c + j]
                    H[3 * c + j, 3 * c + j] += mp.mpf(alpha)
                for d in range(3):
                    # intercepts of sum 0
                    H[3 * c + 2, 3 * d + 2] += 1
                    g[3 * c + 2] += W[3 * d + 2]
            W -= mp.lu_solve(H, g)
        exact = np.array([float(v) for v in W]).reshape(3, 3)
    scale = np.abs(exact).max()
    assert_allclose(result.coef, exact[:, :2], atol=1e-9 * scale)
    assert_allclose(result.intercept, exact[:, 2], atol=1e-8 * scale)


@SOLVERS
def test_two_classes_are_the_binary_model_with_twice_the_penalty(by, way):
    """w_1 = -w_0 = w / 2: alpha / 2 (w_0^2 + w_1^2) = (alpha / 2) w^2 / 2."""
    by(way)
    X, y = problem(k=2)
    binary = fastridge.glm(X, y, "logistic", 0.05, tol=1e-9)
    result = fastridge.glm(X, y, "multinomial", 0.1, tol=1e-9)
    assert_allclose(result.coef[1] - result.coef[0], binary.coef, atol=_CLOSE)
    intercept = result.intercept[1] - result.intercept[0]
    assert_allclose(intercept, binary.intercept, atol=_CLOSE)
    assert_allclose(result.objective, binary.objective, rtol=1e-13)
    assert_allclose(result.deviance, binary.deviance, rtol=1e-8)
    assert_allclose(result.null_deviance, binary.null_deviance, rtol=1e-12)


@SOLVERS
def test_order_of_classes_and_repetition(by, way):
    by(way)
    X, y = problem()
    result = fastridge.glm(X, y, "multinomial", 0.02, tol=1e-9)
    order = np.array([2, 0, 3, 1])
    other = fastridge.glm(X, order[y], "multinomial", 0.02, tol=1e-9)
    assert_allclose(other.coef[order], result.coef, rtol=1e-7, atol=_CLOSE)
    assert_allclose(other.intercept[order], result.intercept, rtol=1e-7, atol=_CLOSE)
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    again = fastridge.glm(
        np.repeat(X, weight, axis=0), np.repeat(y, weight), "multinomial", 0.02, tol=1e-9
    )
    weighed = fastridge.glm(X, y, "multinomial", 0.02, sample_weight=weight, tol=1e-9)
    assert_allclose(weighed.coef, again.coef, rtol=1e-7, atol=_CLOSE)
    assert_allclose(weighed.objective, again.objective, rtol=1e-12)
    assert_allclose(weighed.null_deviance, again.null_deviance, rtol=1e-12)


@SOLVERS
def test_proportions_are_weighted_labels(by, way):
    by(way)
    X, _ = problem(n=60, k=3)
    share = np.random.default_rng(3).dirichlet(np.ones(3), 60)
    result = fastridge.glm(X, share, "multinomial", 0.02, tol=1e-9)
    rows_, label = np.repeat(X, 3, axis=0), np.tile(np.arange(3), 60)
    other = fastridge.glm(rows_, label, "multinomial", 0.02, sample_weight=share.ravel(), tol=1e-9)
    assert_allclose(result.coef, other.coef, rtol=1e-6, atol=_CLOSE)
    assert_allclose(result.objective, other.objective, rtol=1e-12)


@SOLVERS
@pytest.mark.slow
def test_offsets_and_starts(by, way):
    by(way)
    X, y = problem()
    offset = np.random.default_rng(4).standard_normal((len(y), 4)) * 3.0
    coef, intercept = softmax_fit(X, np.eye(4)[y], 0.02, offset=offset)
    result = fastridge.glm(X, y, "multinomial", 0.02, offset=offset, tol=1e-9)
    assert_allclose(result.coef, coef, rtol=1e-6, atol=_CLOSE)
    assert_allclose(result.intercept, intercept, rtol=1e-6, atol=_CLOSE)
    again = fastridge.glm(
        X, y, "multinomial", 0.02, offset=offset, tol=1e-6, coef_init=result.coef + 1.0,
        intercept_init=result.intercept,
    )  # fmt: skip
    assert again.n_iter == 0
    assert_allclose(again.coef, result.coef, atol=1e-12)


@SOLVERS
@pytest.mark.parametrize("kind", ["C", "csr"])
@pytest.mark.parametrize("scale", [1e-8, 1e8, 1e-60, 1e60])
def test_scales(by, way, kind, scale):
    """X scaled and alpha with it: coefficients scale, and predictions stay."""
    by(way)
    X, y = problem()
    X[np.random.default_rng(0).random(X.shape) < 0.4] = 0.0
    result = fastridge.glm(stored(X, kind), y, "multinomial", 0.02, tol=1e-9)
    other = fastridge.glm(stored(X * scale, kind), y, "multinomial", 0.02 * scale**2, tol=1e-9)
    assert other.converged
    assert_allclose(other.coef * scale, result.coef, rtol=1e-6, atol=_CLOSE)
    assert_allclose(other.objective, result.objective, rtol=1e-12)


@SOLVERS
@pytest.mark.slow
def test_standardize(by, way):
    by(way)
    X, y = problem()
    X = X * np.array([1.0, 1e-3, 10.0, 1e4, 1.0, 5.0]) + 100.0
    for kind in ("C", "csr"):
        result = fastridge.glm(stored(X, kind), y, "multinomial", 0.02, standardize=True, tol=1e-9)
        coef, intercept = softmax_fit((X - X.mean(axis=0)) / X.std(axis=0), np.eye(4)[y], 0.02)
        assert_allclose(result.coef * X.std(axis=0), coef, rtol=1e-6, atol=_CLOSE)
        shifted = result.intercept + result.coef @ X.mean(axis=0)
        assert_allclose(shifted, intercept, rtol=1e-6, atol=_CLOSE)


@SOLVERS
@pytest.mark.slow
def test_rare_classes(by, way):
    """One sample in 20,000 of a class."""
    by(way)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20_000, 3))
    y = (X[:, 0] > 0).astype(int)
    y[17] = 2
    result = fastridge.glm(X, y, "multinomial", 1e-4, tol=1e-7)
    assert result.converged
    prob = np.exp(X @ result.coef.T + result.intercept)
    prob /= prob.sum(axis=1, keepdims=True)
    # intercepts are free: shares of the classes are kept
    assert_allclose(prob.mean(axis=0), np.bincount(y) / len(y), rtol=1e-7)


def test_classes_without_weight():
    X, y = problem(k=3)
    weight = np.where(y == 1, 0.0, 1.0)
    result = fastridge.glm(X, y, "multinomial", 0.05, sample_weight=weight, tol=1e-9)
    keep = y != 1
    binary = fastridge.glm(X[keep], (y[keep] == 2).astype(int), "logistic", 0.025, tol=1e-9)
    assert result.intercept[1] == -np.inf
    assert_array_equal(result.coef[1], 0.0)
    assert_allclose(result.coef[2] - result.coef[0], binary.coef, rtol=1e-6)
    # without intercepts the class keeps finite coefficients
    found = fastridge.glm(
        X, y, "multinomial", 0.05, sample_weight=weight, fit_intercept=False, tol=1e-9
    )
    coef, _ = softmax_fit(X, np.eye(3)[y], 0.05, False, weight)
    assert_allclose(found.coef, coef, rtol=1e-6, atol=_CLOSE)
    with pytest.raises(ValueError, match="of positive weight in 1 class; expected at least 2"):
        fastridge.glm(X, y, "multinomial", 0.05, sample_weight=np.where(y == 1, 1.0, 0.0))


@SOLVERS
def test_certificates_are_bounds(by, way):
    X, y = problem(n=100)
    by("newton")
    least = fastridge.glm(X, y, "multinomial", 1e-3, tol=1e-10).objective
    by(way)
    for max_iter in (1, 2, 3, 4):
        with pytest.warns(Warning, match="stopped after"):
            result = fastridge.glm(
                X, y, "multinomial", 1e-3, tol=1e-10 if max_iter < 4 else 1e-30, max_iter=max_iter
            )
        excess = result.objective - least
        assert -1e-14 <= excess <= result.dual_gap + 1e-14


@pytest.mark.slow
def test_objectives_fall(by, monkeypatch):
    by("newton-cg")
    X, y = problem(n=300, p=40, noise=0.01)
    X *= np.exp(3.0 * np.random.default_rng(0).standard_normal((len(X), 1)))
    seen = []
    step = solver.search_along
    monkeypatch.setattr(
        solver, "search_along",
        lambda problem, state, *args: seen.append(state.objective) or step(problem, state, *args),
    )  # fmt: skip
    for kind in ("C", "csr"):
        seen.clear()
        result = fastridge.glm(stored(X, kind), y, "multinomial", 1e-3, tol=1e-4, max_iter=300)
        assert result.converged
        assert len(seen) > 3
        assert (np.diff([*seen, result.objective]) <= 1e-14 * seen[0]).all()


def test_no_penalty(by):
    X, y = problem(n=400, noise=3.0)
    coef, intercept = softmax_fit(X, np.eye(4)[y], 0.0)
    for way in ("newton", "newton-cg"):
        by(way)
        result = fastridge.glm(X, y, "multinomial", 0.0, tol=1e-8)
        assert result.converged
        assert_allclose(result.coef, coef, rtol=1e-5, atol=1e-6)
        assert_allclose(result.intercept, intercept, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [None, [0.0] * 6, [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]])
def test_iterations_of_free_features_are_counted_and_bounded(factor):
    X, y = problem(noise=2.0)
    alpha = 0.0 if factor is None else 0.01
    with pytest.warns(ConvergenceWarning, match="after 1 iterations"):
        one = fastridge.glm(X, y, "multinomial", alpha, penalty_factor=factor, max_iter=1)
    assert one.n_iter == 1
    assert not one.converged
    assert one.relative_gap > 1e-8
    full = fastridge.glm(X, y, "multinomial", alpha, penalty_factor=factor)
    assert full.converged
    assert 2 <= full.n_iter <= 12
    assert full.objective < one.objective


def test_the_choice_of_the_solver():
    X, y = problem()
    assert fastridge.glm(X, y, "multinomial", 0.1).solver == "newton"
    wide = np.random.default_rng(0).standard_normal((30, 800))
    assert fastridge.glm(wide, y[:30], "multinomial", 0.1).solver == "newton-cg"


def test_arguments():
    X, y = problem()
    for arguments, message in (
        ({"y": y + 0.5}, "expected numbers of classes"),
        ({"y": y - 1}, "expected numbers of classes"),
        ({"y": np.full((200, 3), 0.5)}, "whose rows have sum 1"),
        ({"offset": np.zeros((200, 2))}, r"offset has shape \(200, 2\); expected \(200, 4\)"),
        ({"exposure": np.ones(200)}, "no log link"),
        ({"lower": -1.0}, "lower and upper are given for the loss 'multinomial'"),
        ({"coef_init": np.zeros((4, 3))}, r"coef_init has shape \(4, 3\); expected \(4, 6\)"),
    ):
        with pytest.raises(ValueError, match=message):
            fastridge.glm(X, **{"y": y, "loss": "multinomial", **arguments})
    with pytest.raises(ValueError, match="A: expected 'csr'; got 'C'"):
        LaneModel(Matrix.from_dense(X), np.ones(6), np.ones(200), 8, False)
    assert solver.solve(check_design(X), y, 4, 0.1, Options()).coef.shape == (4, 6)


def test_dependent_columns_end_with_the_full_hessian(monkeypatch):
    """Conjugate gradients need hundreds of products, whose time the full Hessian saves."""
    rng = np.random.default_rng(0)
    S = sp.random_array((2000, 20), density=0.25, format="csr", rng=rng).toarray()
    copies = S @ rng.standard_normal((20, 20)) + 1e-3 * rng.standard_normal((2000, 20))
    X = sp.csr_array(np.hstack([S, copies]) * 10.0 ** rng.uniform(0, 1, 40))
    eta = rng.standard_normal((2000, 4))
    eta[:, :3] += 8.0 * S[:, :3]
    y, options = eta.argmax(axis=1), {"alpha": 1e-12, "standardize": False}
    fit = fastridge.glm(X, y, "multinomial", **options)
    assert fit.converged
    assert fit.solver == "newton"
    monkeypatch.setattr(solver, "_PATIENCE", np.inf)
    by_products = fastridge.glm(X, y, "multinomial", **options)
    assert by_products.solver == "newton-cg"
    assert fit.n_iter < by_products.n_iter
    assert_allclose(fit.objective, by_products.objective, rtol=1e-10)


@pytest.mark.parametrize("solver", ["newton", "newton-cg"])
@pytest.mark.parametrize("loss", ["multinomial", "logistic", "poisson"])
@pytest.mark.parametrize("size", [1e302, 1e306])
def test_rows_of_weight_0_may_overflow(solver, loss, size):
    rng = np.random.default_rng(0)
    X = 1e-4 * rng.normal(size=(200, 4))
    y = (1e4 * X @ rng.normal(size=(4, 3)) + rng.gumbel(size=(200, 3))).argmax(axis=1)
    y = y if loss == "multinomial" else y > 0
    options = {"solver": solver, "tol": 1e-7}
    expected = fastridge.glm(X, y, loss, 1e-12, **options)
    rows, weight = np.full((2, 4), [[size], [-size]]), np.r_[np.ones(200), 0.0, 0.0]
    # their predictors and steps are infinite
    assert np.abs(expected.coef).max() > 1e3
    found = fastridge.glm(
        np.vstack([X, rows]), np.r_[y, 0, 1], loss, 1e-12, sample_weight=weight, **options
    )
    assert found.converged
    assert_allclose(found.objective, expected.objective, rtol=1e-12)
    assert_allclose(found.coef, expected.coef, rtol=1e-5)
