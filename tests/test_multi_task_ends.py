"""Multi-task elastic nets converge, and are exact, on columns of all kinds."""

import numpy as np
import pytest
import scipy.sparse

import fastridge
from fastridge.solvers.descent import groups

KINDS = ("plain", "tiny", "copies", "negated", "near", "walk", "markers", "binary", "vander")
SETTINGS = [(1.0, 0.1), (1.0, 1e-3), (0.5, 0.01), (0.9, 1e-4)]


def design(kind, rng):
    n, p = int(rng.integers(3, 60)), int(rng.integers(2, 80))
    Z = rng.standard_normal((n, p))
    if kind == "tiny":
        Z = rng.standard_normal((4, 6)).round(2)
        Z[:, 3] = Z[:, 0]
    elif kind == "copies":
        Z = np.hstack([Z, Z])
    elif kind == "negated":
        Z = np.hstack([Z, -Z])
    elif kind == "near":
        error = 10.0 ** -rng.integers(2, 12) * rng.standard_normal(Z.shape)
        Z = np.hstack([Z, Z + error])
    elif kind == "walk":
        Z = np.cumsum(rng.standard_normal((n, 3 * p)), axis=1)
    elif kind == "markers":
        Z = np.repeat(rng.integers(0, 3, (n, 1 + p // 5)).astype(float), 5, axis=1)
        wrong = rng.random(Z.shape) < 0.03
        Z[wrong] = rng.integers(0, 3, wrong.sum())
    elif kind == "binary":
        Z = (rng.random((n, 2 * p)) < 0.1) * 1.0
    elif kind == "vander":
        Z = np.vander(rng.uniform(0, 1, n), 12)
    return Z


def gap_in_long_double(X, Y, W, alpha, l1_ratio):
    """Duality gap over the null objective, of the residual scaled; W is (k, p)."""
    X, Y = X.astype(np.longdouble), Y.astype(np.longdouble)
    X, Y, W = X - X.mean(axis=0), Y - Y.mean(axis=0), W.astype(np.longdouble)
    n = len(Y)
    R, size = Y - X @ W.T, np.sqrt((W**2).sum(axis=0))
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    objective = (R**2).sum() / (2 * n) + l1 * size.sum() + l2 / 2 * (size**2).sum()
    norm = np.sqrt(((X.T @ R / n) ** 2).sum(axis=1))

    def dual(t):
        over = np.maximum(t * norm - l1, 0)
        value = t * (Y * R).sum() / n - t**2 * (R**2).sum() / (2 * n)
        return value - (over**2).sum() / (2 * l2) if l2 > 0 else value

    scale = 1 if l2 > 0 else min(1, l1 / norm.max()) if norm.max() > 0 else 1
    return float((objective - dual(scale)) / ((Y**2).sum() / (2 * n)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_the_gap_is_reached(kind):
    for seed in range(3):
        rng = np.random.default_rng([seed, KINDS.index(kind)])
        X = design(kind, rng)
        n, p = X.shape
        k = int(rng.integers(1, 5))
        Y = X @ ((rng.random((p, k)) < 0.2) * rng.standard_normal((p, k)))
        Y += rng.standard_normal((n, k))
        cross = (X - X.mean(axis=0)).T @ (Y - Y.mean(axis=0))
        largest = np.linalg.norm(cross, axis=1).max() / n
        for l1_ratio, share in SETTINGS:
            alpha = largest * share / l1_ratio
            model = fastridge.MultiTaskElasticNet(alpha, l1_ratio=l1_ratio, tol=1e-8)
            model.fit(X if seed else scipy.sparse.csc_array(X), Y)
            assert model.n_iter_ <= model.max_iter
            gap = gap_in_long_double(X, Y, model.coef_, alpha, l1_ratio)
            # the solver's dual point may give a smaller gap than the residual
            assert gap <= 1e-6, (seed, l1_ratio, share)


def test_large_systems_are_solved_by_conjugate_gradients(monkeypatch):
    monkeypatch.setattr(groups, "_DIRECT", 0)
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.standard_normal((40, 100)), axis=1)
    Y = rng.standard_normal((40, 3))
    model = fastridge.MultiTaskLasso(0.05, tol=1e-8, max_iter=300).fit(X, Y)
    assert gap_in_long_double(X, Y, model.coef_, 0.05, 1.0) <= 1e-7


@pytest.mark.parametrize("power", range(-12, 13, 3))
def test_free_features_on_unlike_scales(power):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((60, 3))
    Y = Z @ [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    X = Z * [1.0, 10.0**power, 1.0]
    for model in (
        fastridge.MultiTaskLasso(0.0),
        fastridge.MultiTaskLasso(1e-6, penalty_factor=[0.0, 0.0, 1.0]),
    ):
        assert model.fit(X, Y).score(X, Y) > 1 - 1e-9
        np.testing.assert_allclose(model.coef_[:, 1] * 10.0**power, [3.0, 4.0], rtol=1e-6)


def test_more_free_features_than_samples_on_unlike_scales():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 12)) * 10.0 ** rng.integers(-6, 7, 12)
    Y = rng.standard_normal((8, 2))
    model = fastridge.MultiTaskLasso(0.0).fit(X, Y)
    assert np.abs(model.predict(X) - Y).max() < 1e-6


@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_a_fit_from_its_own_solution_stays(tol):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, 20)), rng.standard_normal((50, 3))
    model = fastridge.MultiTaskLasso(0.02, tol=tol, warm_start=True).fit(X, Y)
    assert model.n_iter_ > 0
    coef = model.coef_.copy()
    assert model.fit(X, Y).n_iter_ == 0
    np.testing.assert_array_equal(model.coef_, coef)


def test_a_start_that_is_not_finite_is_refused():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, 20)), rng.standard_normal((50, 3))
    model = fastridge.MultiTaskLasso(0.02, warm_start=True).fit(X, Y)
    model.coef_[0, 3] = np.nan
    with pytest.raises(ValueError, match=r"coef_.*warm_start.*contains NaN"):
        model.fit(X, Y)


@pytest.mark.parametrize("alpha", [1e-8, 1e-13, 1e-14, 1e-16, 1e-20, 1e-300])
@pytest.mark.parametrize("shape", [(50, 10), (50, 80)])
def test_a_penalty_below_rounding_is_reached(alpha, shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    Y = X[:, :3] @ rng.standard_normal((3, 3)) + rng.standard_normal((50, 3))
    # a warning would be an error
    model = fastridge.MultiTaskLasso(alpha).fit(X, Y)
    assert model.relative_gap_ <= model.tol
    assert model.n_iter_ < 100
    if shape[0] > shape[1]:
        assert model.relative_gap_ <= 1e-9
        exact = np.linalg.lstsq(X - X.mean(axis=0), Y - Y.mean(axis=0), rcond=None)[0].T
        np.testing.assert_allclose(model.coef_, exact, atol=1e-9 + 10 * alpha)


def violation_in_long_double(X, Y, W, alpha, l1_ratio):
    """Largest error of the optimality conditions, over the L1 part."""
    X, Y = X.astype(np.longdouble), Y.astype(np.longdouble)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    W = W.astype(np.longdouble)
    l1 = alpha * l1_ratio
    g = ((Y - X @ W.T).T @ X / len(Y) - alpha * (1 - l1_ratio) * W).astype(float)
    size = np.linalg.norm(W.astype(float), axis=0)
    live = size > 0
    error = g[:, live] - (l1 * W[:, live] / size[live]).astype(float)
    outside = np.linalg.norm(g[:, ~live], axis=0) - l1
    return max(np.linalg.norm(error, axis=0).max(initial=0.0) / l1, outside.max(initial=0.0) / l1)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("storage", [np.ascontiguousarray, np.asfortranarray, "csr", "csc"])
@pytest.mark.parametrize(
    ("shape", "tol"), [((100, 10, 3), 1e-4), ((60, 200, 2), 1e-8), ((40, 120, 5), 1e-8)]
)
def test_fits_are_exact_where_that_costs_little_or_tol_is_small(l1_ratio, storage, shape, tol):
    n, p, k = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    Y = X @ ((rng.random((p, k)) < 0.1) * rng.standard_normal((p, k)))
    Y += rng.standard_normal((n, k))
    given = storage(X) if callable(storage) else scipy.sparse.csr_array(X).asformat(storage)
    largest = np.linalg.norm(X.T @ (Y - Y.mean(axis=0)), axis=1).max() / n
    for share in (0.5, 0.1, 0.02):
        alpha = share * largest / l1_ratio
        model = fastridge.MultiTaskElasticNet(alpha, l1_ratio=l1_ratio, tol=tol).fit(given, Y)
        assert violation_in_long_double(X, Y, model.coef_, alpha, l1_ratio) < 1e-6


def test_steps_of_a_path_are_those_of_exact_fits():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 300))
    Y = X @ ((rng.random((300, 3)) < 0.05) * rng.standard_normal((300, 3)))
    Y += rng.standard_normal((60, 3))
    options = {"l1_ratio": 1.0, "alphas": 30, "eps": 0.01, "fit_intercept": True, "tol": 1e-8}
    path = fastridge.enet_path(X, Y, **options).path
    for alpha, W in zip(path.alphas, path.coef, strict=True):
        exact = fastridge.MultiTaskLasso(alpha, tol=1e-12).fit(X, Y).coef_
        assert np.abs(W - exact).max() <= 1e-4 * np.abs(exact).max(initial=1e-9)


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_the_dual_point_of_the_last_fit_is_taken(tol):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, 200)), rng.standard_normal((40, 3))
    model = fastridge.MultiTaskLasso(0.01, tol=tol, warm_start=True).fit(X, Y)
    gap = model.relative_gap_
    assert model.fit(X, Y).n_iter_ == 0
    np.testing.assert_allclose(model.relative_gap_, gap, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("share", [0.1, 0.03, 0.01])
@pytest.mark.parametrize("kind", ["plain", "walk"])
def test_coefficients_of_a_large_support_are_accurate_by_default(kind, share):
    """A gap of the default size allows errors of 1e-2 here; the change of a sweep bounds them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 200) if kind == "plain" else (300, 100))
    X = np.cumsum(X, axis=1) if kind == "walk" else X
    Y = X[:, :8] @ rng.standard_normal((8, 4)) + rng.standard_normal((len(X), 4))
    largest = np.linalg.norm((X - X.mean(axis=0)).T @ (Y - Y.mean(axis=0)), axis=1).max()
    alpha = share * largest / len(X) / 0.5
    found = fastridge.MultiTaskElasticNet(alpha).fit(X, Y).coef_
    best = fastridge.MultiTaskElasticNet(alpha, tol=1e-13).fit(X, Y).coef_
    assert np.abs(found - best).max() <= 1.5e-3 * np.abs(best).max()
