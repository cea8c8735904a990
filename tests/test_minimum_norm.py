"""Least squares of minimum norm, of no more samples than features, wherever the means are."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge


def solve(M, b):
    """M x = b in rational numbers, by elimination."""
    rows = [[*row, right] for row, right in zip(M, b, strict=True)]
    n = len(rows)
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(n):
            if r != i and rows[r][i]:
                share = rows[r][i]
                rows[r] = [v - share * u for v, u in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def minimum_norm(X, z):
    """D' (D D')^-1 t of the differences to the first row, exactly."""
    rows = [[Fraction(v) for v in row] for row in X.tolist()]
    values = [Fraction(v) for v in z.tolist()]
    D = [[a - b for a, b in zip(row, rows[0], strict=True)] for row in rows[1:]]
    t = [v - values[0] for v in values[1:]]
    G = [[sum(a * b for a, b in zip(d, e, strict=True)) for e in D] for d in D]
    s = solve(G, t)
    return np.array(
        [float(sum(si * d[j] for si, d in zip(s, D, strict=True))) for j in range(X.shape[1])]
    )


@pytest.mark.parametrize("mean", [0.0, 1e2, 1e3, 1e6])
@pytest.mark.parametrize("shape", [(4, 7), (7, 7), (5, 30)])
def test_minimum_norm(mean, shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape) * np.exp(rng.standard_normal(shape[1])) + mean
    z = rng.standard_normal(shape[0])
    found = {
        "auto": fastridge.Ridge(0.0).fit(X, z).coef_,
        "F": fastridge.ridge(np.asfortranarray(X), z, 0.0).coef,
        "csr": fastridge.ridge(sp.csr_array(X), z, 0.0).coef,
        "qr": fastridge.ridge(X, z, 0.0, solver="qr").coef,
        "dual": fastridge.ridge(X, z, 0.0, solver="dual").coef,
        "two": fastridge.ridge(X, np.column_stack([z, z]), 0.0).coef[1],
        "twice": fastridge.ridge(np.vstack([X, X]), np.tile(z, 2), 0.0).coef,
        "weights": fastridge.ridge(X, z, 0.0, sample_weight=np.full(shape[0], 3.0)).coef,
        "batch": fastridge.ridge_batch(X[None], z[None], 0.0).coef[0],
        "path": fastridge.ridge_path(X, z, [1.0, 0.0]).coef[1],
        "cv": fastridge.RidgeCV([0.0]).fit(X, z).coef_,
        "moments": fastridge.Ridge(0.0).fit_moments(fastridge.Moments(X, z)).coef_,
        "small": fastridge.ridge(X, z, 1e-25).coef,
    }
    want = minimum_norm(X, z)
    for name, coef in found.items():
        error = np.linalg.norm(coef - want) / np.linalg.norm(want)
        assert error < 1e-12, (name, error)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e9])
def test_minimum_norm_of_many_features(mean):
    rng = np.random.default_rng(1)
    X, z = rng.standard_normal((3, 2100)) + mean, rng.standard_normal(3)
    error = fastridge.ridge(X, z, 0.0).coef - minimum_norm(X, z)
    assert np.linalg.norm(error) < 1e-12 * np.linalg.norm(z)
