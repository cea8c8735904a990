"""Penalty factors so large that features are excluded: coefficients, gradients, warnings."""

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge


def problem(factor, n=60):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n, 5)) + 2.0
    d = np.ones(5)
    d[2] = factor
    return X, X @ np.arange(5.0) + rng.standard_normal(n), d


def solution(X, y, d, alpha=1.0):
    """In long double, with sqrt(d) on both sides of the system."""
    X, y = (X - X.mean(0)).astype(np.longdouble), (y - y.mean()).astype(np.longdouble)
    root = np.sqrt(d.astype(np.longdouble))
    M, right = (X / root).T @ (X / root), (X / root).T @ y
    M = M + alpha * np.eye(len(d), dtype=np.longdouble)
    v = np.linalg.solve(M.astype(float), right.astype(float)).astype(np.longdouble)
    own = np.diagonal(M)
    for _ in range(2000):  # Gauss-Seidel, exact in each coordinate's own units
        for j in range(len(d)):
            v[j] = (right[j] - M[j] @ v + own[j] * v[j]) / own[j]
    return v / root


@pytest.mark.parametrize("factor", [1e10, 1e25, 1e60, 1e150])
@pytest.mark.parametrize("kind", ["dense", "csr", "targets", "batch", "moments", "path", "few"])
def test_coefficients_and_certificate(kind, factor):
    X, y, d = problem(factor, 4 if kind == "few" else 60)
    given = {"penalty_factor": d}
    if kind == "targets":
        found = fastridge.ridge(X, np.stack([y] * 40, axis=1), **given)
    elif kind == "batch":
        found = fastridge.ridge_batch(np.stack([X] * 3), np.stack([y] * 3), 1.0, **given)
    elif kind == "moments":
        found = fastridge.ridge(fastridge.Moments(X, y), **given)
    elif kind in ("path", "few"):
        found = fastridge.ridge_path(X, y, [1.0], **given)
    else:
        found = fastridge.ridge(sp.csr_array(X) if kind == "csr" else X, y, **given)
    # warnings are errors
    assert np.max(found.relative_gradient) < 1e-14
    assert np.all(found.converged)
    coef = np.atleast_2d(found.coef)
    np.testing.assert_allclose(coef / solution(X, y, d).astype(float), 1.0, rtol=1e-11)


@pytest.mark.parametrize("solver", ["dual", "qr", "cg"])
def test_other_solvers(solver):
    X, y, d = problem(1e30)
    found = fastridge.ridge(X, y, penalty_factor=d, solver=solver)
    assert found.relative_gradient < 1e-13
    np.testing.assert_allclose(found.coef / solution(X, y, d).astype(float), 1.0, rtol=1e-9)
