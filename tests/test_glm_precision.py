"""Generalised linear models beside Newton's method of 40 digits."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge
from fastridge.solvers.glm import softmax

_DIGITS = 40
_EPS = float(np.finfo(np.float64).eps)
_ROUNDING = 16 * _EPS  # of objectives
# of coefficients, relative to the largest, where a factor solves a system of condition 1e4
_CLOSE = 1e-11


def _logistic(y, eta):
    p = 1 / (1 + mpmath.exp(-eta))
    return mpmath.log(1 + mpmath.exp(eta)) - y * eta, p - y, p * (1 - p)


def _poisson(y, eta):
    mu = mpmath.exp(eta)
    return mu - y * eta, mu - y, mu


def _gamma(y, eta):
    share = y * mpmath.exp(-eta)
    return eta + share, 1 - share, share


LOSSES = {"logistic": _logistic, "poisson": _poisson, "gamma": _gamma}


def _rows(*columns):
    return [[mpmath.mpf(float(v)) for v in row] for row in zip(*columns, strict=True)]


def exact_fit(loss, X, y, alpha, start, weight=None, factor=None, offset=None):
    """Coefficients and the intercept, last, and what the objective of the start is above theirs."""
    n, p = X.shape
    with mpmath.workdps(_DIGITS):
        Z = _rows(*X.T, np.ones(n))
        y = [mpmath.mpf(float(v)) for v in y]
        s = [mpmath.mpf(float(v)) for v in (np.ones(n) if weight is None else weight)]
        o = [mpmath.mpf(float(v)) for v in (np.zeros(n) if offset is None else offset)]
        f = [mpmath.mpf(float(v)) for v in (np.ones(p) if factor is None else factor)] + [0]
        l2 = [mpmath.mpf(alpha) * v for v in f]
        total = mpmath.fsum(s)
        w = mpmath.matrix([mpmath.mpf(float(v)) for v in start])
        objectives = []
        for _ in range(8):
            g = mpmath.matrix([a * b for a, b in zip(l2, w, strict=True)])
            H = mpmath.diag(l2)
            objectives.append(mpmath.fdot(g, w) / 2)
            for i, z in enumerate(Z):
                value, r, h = LOSSES[loss](y[i], o[i] + mpmath.fdot(z, w))
                objectives[-1] += s[i] / total * value
                for j in range(p + 1):
                    g[j] += s[i] / total * r * z[j]
                    for k in range(p + 1):
                        H[j, k] += s[i] / total * h * z[j] * z[k]
            w -= mpmath.lu_solve(H, g)
        # the last step started at the solution
        assert mpmath.norm(g) < mpmath.mpf(10) ** (-_DIGITS // 2)
        return np.array([float(v) for v in w]), float(objectives[0] - objectives[-1])


def exact_softmax(X, y, k, alpha, start, weight):
    """Coefficients (k, p) and intercepts, last, of sum 0, and the excess of the start."""
    n, p = X.shape
    q = p + 1
    with mpmath.workdps(_DIGITS):
        Z = _rows(*X.T, np.ones(n))
        s = [mpmath.mpf(float(v)) for v in weight]
        total = mpmath.fsum(s)
        W = mpmath.matrix([mpmath.mpf(float(v)) for v in start.ravel()])
        objectives = []
        for _ in range(8):
            g, H = mpmath.matrix(k * q, 1), mpmath.matrix(k * q, k * q)
            objectives.append(mpmath.mpf(0))
            for i, z in enumerate(Z):
                e = [
                    mpmath.exp(mpmath.fsum(W[q * c + j] * z[j] for j in range(q))) for c in range(k)
                ]
                prob = [v / mpmath.fsum(e) for v in e]
                objectives[-1] -= s[i] / total * mpmath.log(prob[y[i]])
                for c in range(k):
                    for j in range(q):
                        g[q * c + j] += s[i] / total * (prob[c] - (c == y[i])) * z[j]
                        for d in range(k):
                            h = s[i] / total * prob[c] * ((c == d) - prob[d]) * z[j]
                            for m in range(q):
                                H[q * c + j, q * d + m] += h * z[m]
            for c in range(k):
                for j in range(p):
                    objectives[-1] += mpmath.mpf(alpha) / 2 * W[q * c + j] ** 2
                    g[q * c + j] += mpmath.mpf(alpha) * W[q * c + j]
                    H[q * c + j, q * c + j] += mpmath.mpf(alpha)
                for d in range(k):
                    H[q * c + p, q * d + p] += 1
                    g[q * c + p] += W[q * d + p]
            W -= mpmath.lu_solve(H, g)
        assert mpmath.norm(g) < mpmath.mpf(10) ** (-_DIGITS // 2)
        exact = np.array([float(v) for v in W]).reshape(k, q)
        return exact, float(objectives[0] - objectives[-1])


def overlapping(loss):
    """Rows for which every model has finite coefficients."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 3))
    X[:, 1] += 5.0
    eta = X @ [0.5, -0.2, 0.3] + 1.0
    if loss == "logistic":
        y = np.arange(12) % 2 * 1.0
    elif loss == "poisson":
        y = rng.poisson(np.exp(eta)).astype(float)
    elif loss == "gamma":
        y = rng.gamma(1.5, np.exp(eta))
    else:
        y = np.arange(12) % 3
    return X, y


def separated(loss):
    """Rows whose coefficients would be infinite, or next to it, without a penalty.

    The first feature is a category: of one label alone, of counts of 0 alone, or of amounts next to
    0; the others tell nothing apart.
    """
    X, y = overlapping(loss)
    X[:, 0] = np.arange(12) < 4
    y = y.copy()
    y[:4] = {"logistic": 1.0, "poisson": 0.0, "gamma": 1e-30, "multinomial": 2}[loss]
    return X, y


def assert_exact(result, exact, excess, alpha, close):
    """Check the certificate, and the bound on coefficients that follows by strong convexity."""
    assert result.converged
    bound = result.dual_gap + _ROUNDING * abs(result.objective)
    assert 0.0 <= excess <= bound
    off = np.linalg.norm(result.coef - exact[..., :-1])
    assert off <= np.sqrt(2.0 * bound / alpha)
    if close:
        found = np.column_stack([np.atleast_2d(result.coef), np.atleast_1d(result.intercept)])
        assert_allclose(found, np.atleast_2d(exact), rtol=0, atol=close * np.abs(exact).max())


SETS = pytest.mark.parametrize("rows", [overlapping, separated])
SOLVERS = pytest.mark.parametrize(
    ("solver", "alpha"),
    # products of more rows than features are inaccurate for a weak penalty
    [("newton", 1e-5), ("newton-cg", 1e-5), ("newton-samples", 1e-2), ("prox-newton", 1e-5)],
)


@SETS
@SOLVERS
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.slow
def test_one_predictor(loss, rows, solver, alpha, storage):
    X, y = rows(loss)
    result = fastridge.glm(storage(X), y, loss, alpha, solver=solver, tol=1e-10, max_iter=1000)
    exact, excess = exact_fit(loss, X, y, alpha, [*result.coef, result.intercept])
    assert_exact(result, exact, excess, alpha, _CLOSE if solver == "newton" else None)
    if rows is separated and alpha == 1e-5:
        assert abs(exact[0]) > 4.0


@SETS
@pytest.mark.parametrize("loss", list(LOSSES))
def test_weights_factors_and_offsets(loss, rows):
    X, y = rows(loss)
    rng = np.random.default_rng(4)
    weight, factor, offset = rng.uniform(0.1, 3.0, 12), [1.0, 0.1, 10.0], rng.standard_normal(12)
    result = fastridge.glm(
        X, y, loss, 1e-4, tol=1e-10, sample_weight=weight, penalty_factor=factor, offset=offset
    )
    start = [*result.coef, result.intercept]
    exact, excess = exact_fit(loss, X, y, 1e-4, start, weight, factor, offset)
    assert_exact(result, exact, excess, 1e-5, _CLOSE)


@SETS
@pytest.mark.parametrize("way", ["newton", "newton-cg"])
@pytest.mark.slow
def test_several_classes(rows, way, monkeypatch):
    monkeypatch.setattr(softmax, "choose", lambda problem: way)
    monkeypatch.setattr(softmax, "_PATIENCE", np.inf)
    X, y = rows("multinomial")
    weight = np.random.default_rng(4).uniform(0.1, 3.0, 12)
    result = fastridge.glm(
        X, y, "multinomial", 1e-4, sample_weight=weight, tol=1e-10, max_iter=1000
    )
    start = np.column_stack([result.coef, result.intercept])
    exact, excess = exact_softmax(X, y, 3, 1e-4, start, weight)
    assert_exact(result, exact, excess, 1e-4, None)
