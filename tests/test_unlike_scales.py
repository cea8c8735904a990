"""Paths, folds and leave-one-out where columns have unlike scales: against fits of 80 digits."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge

ALPHAS = np.array([1e6, 1.0, 1e-6])
HEIGHTS = np.array([300, 170, 288, 360, 319, 330, 520, 345, 399, 479.0, 251, 412])


class Truth:
    """A ridge fit in numbers of 80 digits."""

    def __init__(self, X, y, alpha, weight=None, factor=None):
        n, p = X.shape
        with mpmath.workdps(80):
            number = mpmath.mpf
            s = [number(float(v)) for v in (np.ones(n) if weight is None else weight)]
            f = [number(float(v)) for v in (np.ones(p) if factor is None else factor)]
            A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
            total = mpmath.fsum(s)
            mean = [mpmath.fsum(s[i] * A[i, j] for i in range(n)) / total for j in range(p)]
            y_mean = mpmath.fsum(s[i] * b[i] for i in range(n)) / total
            for i in range(n):
                b[i] -= y_mean
                for j in range(p):
                    A[i, j] -= mean[j]
            weighted = mpmath.diag(s) * A
            G = A.T * weighted
            M = G + mpmath.mpf(float(alpha)) * mpmath.diag(f)
            w = self.w = mpmath.lu_solve(M, weighted.T * b)
            r = b - A * w
            self.residual = float(mpmath.fsum(s[i] * r[i] ** 2 for i in range(n)))
            freedom = M**-1 * G
            self.dof = float(mpmath.fsum(freedom[j, j] for j in range(p)))
            penalty = mpmath.fsum(f[j] * w[j] ** 2 for j in range(p))
            self.norm = float(mpmath.sqrt(penalty))
            self.log_det = None
            if all(v > 0 for v in f):
                scaled = mpmath.diag([1 / (v * number(float(alpha))) for v in f]) * G
                self.log_det = float(mpmath.log(mpmath.det(mpmath.eye(p) + scaled)))
            self.b = y_mean - mpmath.fsum(m * v for m, v in zip(mean, w, strict=True))

    def predict(self, X):
        with mpmath.workdps(80):
            return np.array([float((mpmath.matrix([x.tolist()]) * self.w)[0] + self.b) for x in X])


def designs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3)) * [1e8, 1, 1]
    yield "one large column", X, X @ [1e-8, 1, 1] + 0.5 * rng.standard_normal(40)
    X = np.linalg.qr(rng.standard_normal((30, 4)))[0] * [1, 1e14, 1e5, 1e7]
    yield "orthogonal", X, (X / np.abs(X).max(0)).sum(1) + 0.1 * rng.standard_normal(30)
    z = 2e5 + 600 * HEIGHTS + 3e4 * np.sin(HEIGHTS)
    yield "powers to 5", np.vander(HEIGHTS, 6, increasing=True)[:, 1:], z
    yield "powers to 6", np.vander(HEIGHTS, 7, increasing=True)[:, 1:], z
    X = rng.standard_normal((8, 12)) * 10.0 ** rng.integers(-8, 8, 12)
    yield "wide", X, rng.standard_normal(8)
    X = rng.standard_normal((20, 6)) * 10.0 ** rng.integers(-8, 8, 6)
    X[:, 3] = 3 * X[:, 1]
    yield "copies", X, rng.standard_normal(20)


DESIGNS = {name: (X, y) for name, X, y in designs()}
# relative errors of what polynomials of this degree, to 16 digits, still determine
TOLERANCE = {"powers to 5": 1e-9, "powers to 6": 1e-8}


def options(y, p, free, weighted):
    rng = np.random.default_rng(1)
    weight = rng.integers(1, 4, len(y)).astype(float) if weighted else None
    return weight, np.r_[0.0, np.ones(p - 1)] if free else None


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(("free", "weighted"), [(False, False), (True, True)])
@pytest.mark.parametrize("name", DESIGNS)
def test_path(name, free, weighted, container):
    X, y = DESIGNS[name]
    weight, factor = options(y, X.shape[1], free, weighted)
    path = fastridge.ridge_path(
        container(X), y, ALPHAS, sample_weight=weight, penalty_factor=factor
    )
    tol = TOLERANCE.get(name, 1e-10)
    for j, alpha in enumerate(ALPHAS):
        truth = Truth(X, y, alpha, weight, factor)
        assert_allclose(path.dof[j], truth.dof, rtol=tol)
        assert_allclose(path.residual[j], truth.residual, rtol=tol)
        assert_allclose(path.norm[j], truth.norm, rtol=tol)
        expected = truth.predict(X)
        size = np.abs(expected - expected.mean()).max()
        assert_allclose(path.predict(X)[j], expected, rtol=0, atol=tol * size)
        n = len(y) if weight is None else weight.sum()
        fit = n * (np.log(2 * np.pi * truth.residual / n) + 1)
        # of rows that a path interpolates, the criterion's logarithm alone is known
        assert_allclose(path.aic[j], fit + 2 * (truth.dof + 2), rtol=1e-8, atol=1e-8 * n)
        if not free:
            objective = truth.residual + alpha * truth.norm**2
            evidence = n * (np.log(2 * np.pi * objective / n) + 1) + truth.log_det
            assert_allclose(path.log_evidence[j], -0.5 * evidence, rtol=1e-8)
    assert path.converged


@pytest.mark.parametrize("name", ["one large column", "orthogonal", "powers to 5"])
def test_path_of_moments(name):
    """Of columns that are not nearly dependent, moments hold all of it."""
    X, y = DESIGNS[name]
    path = fastridge.ridge_path(fastridge.Moments(X, y), alphas=ALPHAS)
    # the condition of the columns, brought to one length, squared
    tol = {"powers to 5": 1e-5}.get(name, 1e-9)
    for j, alpha in enumerate(ALPHAS):
        truth = Truth(X, y, alpha)
        assert_allclose(path.dof[j], truth.dof, rtol=tol)
        objective = truth.residual + alpha * truth.norm**2
        evidence = len(y) * (np.log(2 * np.pi * objective / len(y)) + 1) + truth.log_det
        assert_allclose(path.log_evidence[j], -0.5 * evidence, rtol=tol)
