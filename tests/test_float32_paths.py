"""Certificates of float32 paths are those of the coefficients that are returned."""

import io

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge

CASES = [("cholesky", 60, 6), ("dual", 8, 30), ("cg", 60, 6), ("cg", 8, 30), ("moments", 60, 6)]


def relative_gradient(X, y, weight, factor, alpha, coef):
    X, y = X.astype(np.longdouble), y.astype(np.longdouble)
    X, y = X - weight @ X / weight.sum(), y - weight @ y / weight.sum()
    r = y - X @ coef.astype(np.longdouble)
    gradient = X.T @ (weight * r) - alpha * factor * coef
    return float(np.linalg.norm(gradient) / np.linalg.norm(X.T @ (weight * y)))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize(("solver", "n", "p"), CASES)
@pytest.mark.parametrize("few", [False, True], ids=["alike", "factors"])
def test_gradients_are_of_rounded_coefficients(solver, n, p, kind, few):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)).astype(np.float32) + np.float32(1.0)
    y, weight = rng.standard_normal(n), rng.integers(1, 4, n).astype(float)
    factor = np.linspace(0.5, 2.0, p) if few else np.ones(p)
    alphas = np.array([10.0, 1.0, 1e-3])
    given = {"penalty_factor": factor if few else None}
    if solver == "moments":
        moments = fastridge.Moments(kind(X), y, weight)
        path = fastridge.ridge_path(moments, None, alphas, **given)
    else:
        path = fastridge.ridge_path(
            kind(X), y, alphas, sample_weight=weight, solver=solver, tol=1e-9, **given
        )
    assert path.coef.dtype == np.float32
    for k, alpha in enumerate(alphas):
        want = relative_gradient(X, y, weight, factor, alpha, path.coef[k])
        assert want > 1e-10
        assert path.relative_gradient[k] == pytest.approx(want, rel=1e-4)
        assert path[k].relative_gradient == path.relative_gradient[k]
    # round-off to float32 does not count as a failure to converge
    assert path.converged
    place = io.BytesIO()
    fastridge.save(path, place)
    again = fastridge.load(io.BytesIO(place.getvalue()))
    assert again.converged
    np.testing.assert_array_equal(again.relative_gradient, path.relative_gradient)


@pytest.mark.parametrize(("n", "p"), [(60, 6), (8, 30)])
def test_cross_validation_certifies_what_it_returns(n, p):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)).astype(np.float32)
    y = rng.standard_normal(n)
    model = fastridge.RidgeCV([0.1, 1.0], cv=3, scoring="neg_mean_squared_error").fit(X, y)
    want = relative_gradient(X, y, np.ones(n), np.ones(p), model.alpha_, model.coef_)
    assert model.relative_gradient_ == pytest.approx(want, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_coefficients_that_overflow_float32():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((24, 3))
    y = (X[:, 0] + rng.standard_normal(24) / 4).astype(np.float32)
    X = (1e-40 * X).astype(np.float32)
    counts, classes, Y = np.floor(np.abs(y)), (y > 0).astype(int), np.c_[y, y]
    f, parts = fastridge, lambda y: fastridge.Chunks.arrays(X, y, rows=9)
    calls = [
        lambda: f.LinearRegression().fit(X, y),
        lambda: f.LinearRegression(positive=True).fit(X, y),
        lambda: f.LassoCV().fit(X, y),
        lambda: f.Lasso(1e-45).fit(X, y),
        lambda: f.MultiTaskLasso(1e-45).fit(X, Y),
        lambda: f.PoissonRegressor(alpha=0.0).fit(X, counts),
        lambda: f.LogisticRegression(C=1e90).fit(X, classes),
        lambda: f.LogisticRegression(C=1e90).fit(X, np.arange(24) % 3),
        lambda: f.ridge(X, y, 0.0),
        lambda: f.ridge_path(X, y, [1e-90]).coef,
        lambda: f.ridge_batch(X[None], y[None], 0.0),
        lambda: f.PoissonRegressor(alpha=0.0).fit(parts(counts)),
        lambda: f.LogisticRegression(C=1e90).fit(parts(classes)),
        lambda: f.Ridge(0.0).fit(parts(y)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="overflows float32"):
            call()
