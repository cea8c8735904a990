"""Generalised cross-validation against high precision and eigenvalues, near interpolation."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import RidgeClassifierCV, RidgeCV

SMALL = [1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10]


def problem(n, p, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)), rng.standard_normal(n)


def precise(X, y, alpha, weight=None, factor=None, fit_intercept=True):
    """residual / W / (1 - tr H / W)^2, of numbers of 80 digits."""
    n, p = X.shape
    s = np.ones(n) if weight is None else weight
    f = np.ones(p) if factor is None else np.asarray(factor, dtype=float)
    with mpmath.workdps(80):
        A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
        total = mpmath.fsum(map(mpmath.mpf, s))
        root = [mpmath.sqrt(mpmath.mpf(v)) for v in s]
        if fit_intercept:
            for M, width in ((A, p), (b, 1)):
                for j in range(width):
                    mean = mpmath.fsum(s[i] * M[i, j] for i in range(n)) / total
                    for i in range(n):
                        M[i, j] -= mean
        for i in range(n):
            b[i] *= root[i]
            for j in range(p):
                A[i, j] *= root[i]
        G = A.T * A
        for j in range(p):
            G[j, j] += mpmath.mpf(alpha) * f[j]
        half = mpmath.lu_solve(G, A.T * b)
        r = b - A * half
        shares = mpmath.inverse(G) * (A.T * A)
        trace = mpmath.fsum(shares[j, j] for j in range(p)) + bool(fit_intercept)
        left = 1 - trace / total
        return float(mpmath.fsum(v**2 for v in r) / total / left**2)


def spectral(X, y, alphas, fit_intercept=True):
    """The same from eigenvalues of the rows' inner products; of unit weights, n <= p + 1."""
    n = len(y)
    Z = X - X.mean(axis=0) * fit_intercept
    values, U = np.linalg.eigh(Z @ Z.T)
    start = int(fit_intercept)
    values, t = values[start:], U[:, start:].T @ (y - y.mean() * fit_intercept)
    return np.array(
        [n * np.sum((t / (values + a)) ** 2) / np.sum(1 / (values + a)) ** 2 for a in alphas]
    )


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7, 6), (7, 12), (7, 7), (8, 6), (14, 4)], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("how", ["plain", "weights", "factors"])
def test_small_penalties_against_high_precision(shape, fit_intercept, how):
    X, y = problem(*shape)
    rng = np.random.default_rng(1)
    weight = rng.integers(1, 3, shape[0]).astype(float) if how == "weights" else None
    factor = rng.uniform(0.5, 2.0, shape[1]) if how == "factors" else None
    if factor is not None:
        factor[0] = 0.0
    model = RidgeCV(SMALL, cv="gcv", fit_intercept=fit_intercept, penalty_factor=factor)
    found = model.fit(X, y, weight).cv_results_["validation_error"]
    options = {"fit_intercept": fit_intercept, "penalty_factor": factor, "sample_weight": weight}
    path = fastridge.ridge_path(X, y, SMALL, **options)
    for i, alpha in enumerate(SMALL):
        truth = precise(X, y, alpha, weight, factor, fit_intercept)
        assert_allclose(found[i], truth, rtol=1e-8)
        assert_allclose(path.gcv[i], truth, rtol=1e-8)


@pytest.mark.parametrize("shape", [(10, 9), (10, 30)], ids=str)
def test_the_choice_and_the_limit(shape):
    X, y = problem(*shape)
    alphas = [100.0, *SMALL, 1e-40, 0.0]
    model = RidgeCV(alphas, cv="gcv").fit(X, y)
    truth = spectral(X, y, alphas)
    assert_allclose(model.cv_results_["validation_error"], truth, rtol=1e-10)
    assert model.alpha_ == alphas[truth.argmin()]
    assert_allclose(fastridge.ridge_path(X, y, alphas).gcv, truth, rtol=1e-10)


def test_columns_that_are_nearly_dependent():
    X, y = problem(14, 10)
    X[:, 1] = X[:, 0] + 1e-8 * X[:, 1]
    alphas = [1e-12, 1e-16, 1e-20]
    found = RidgeCV(alphas, cv="gcv").fit(X, y).cv_results_["validation_error"]
    assert_allclose(found, [precise(X, y, a) for a in alphas], rtol=1e-6)


def test_nothing_but_rounding_is_left_of_the_target():
    X, _ = problem(40, 6)
    y = X @ np.ones(6)
    alphas = [1e-3, 1e-5]
    found = RidgeCV(alphas, cv="gcv").fit(X, y).cv_results_["validation_error"]
    assert_allclose(found, [precise(X, y, a) for a in alphas], rtol=1e-6)


def test_weights_below_one_may_leave_nothing():
    X, y = problem(6, 8)
    model = RidgeCV([1e-3, 1e3], cv="gcv").fit(X, y, np.full(6, 0.5))
    assert np.isinf(model.cv_results_["validation_error"][0])
    assert model.alpha_ == 1e3


@pytest.mark.parametrize("select", ["min", "1se"])
@pytest.mark.parametrize("shape", [(60, 10), (25, 40)], ids=str)
def test_one_standard_error_is_that_of_the_terms_of_the_rows(shape, select):
    X, _ = problem(*shape)
    y = X[:, 0] + np.random.default_rng(2).standard_normal(shape[0])
    alphas = np.logspace(-2, 4, 25)
    model = RidgeCV(alphas, cv="gcv", select=select).fit(X, y)
    r = model.cv_results_
    n = shape[0]
    Z = X - X.mean(axis=0)
    for i, alpha in enumerate(alphas):
        H = Z @ np.linalg.solve(Z.T @ Z + alpha * np.eye(shape[1]), Z.T) + 1 / n
        terms = ((y - H @ y) / (1 - np.trace(H) / n)) ** 2
        assert_allclose(r["validation_error"][i], terms.mean(), rtol=1e-8)
        assert_allclose(r["validation_error_se"][i], terms.std(ddof=1) / np.sqrt(n), rtol=1e-7)
    best = r["score"].argmax()
    if select == "min":
        assert model.alpha_ == alphas[best]
    else:
        within = r["score"] >= r["score"][best] - r["score_se"][best]
        assert model.alpha_ == alphas[within].max() > alphas[best]


def test_scores_have_the_standard_errors_of_their_scale():
    X, y = problem(50, 6)
    y = y + X[:, 0]
    error, r2, root = (
        RidgeCV(cv="gcv", scoring=name).fit(X, y).cv_results_
        for name in ("neg_mean_squared_error", "r2", "neg_root_mean_squared_error")
    )
    assert_allclose(r2["score_se"], error["score_se"] / y.var())
    assert_allclose(root["score_se"], error["score_se"] / (-2 * root["score"]))


# Large sparse data.


def wide(seed=0):
    rng = np.random.default_rng(seed)
    S = sp.random_array((400, 900), density=0.02, format="csr", rng=rng)
    y = S @ np.random.default_rng(seed).standard_normal(900)
    return S, y + 0.1 * np.random.default_rng(seed + 1).standard_normal(400)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.slow
def test_random_vectors_against_eigenvalues(weighted):
    S, y = wide()
    alphas = [10.0, 1.0, 1e-1, 1e-2, 1e-4, 1e-6, 0.0]
    weight = None
    if weighted:
        weight = np.ones(400)
        weight[:100] = 2.0
        weight[100:110] = 0.0
        alphas = alphas[:-1]
    exact = RidgeCV(alphas, cv="gcv", solver="dual").fit(S, y, weight).cv_results_
    if not weighted:
        truth = spectral(S.toarray(), y, alphas)
        assert_allclose(exact["validation_error"], truth, rtol=1e-9)
    model = RidgeCV(alphas, cv="gcv", solver="cg", tol=1e-10).fit(S, y, weight)
    r = model.cv_results_
    truth = exact["validation_error"]
    noise = r["validation_error_noise"]
    assert (noise > 0).all()
    assert (noise < 0.1 * truth).all()
    assert (np.abs(r["validation_error"] - truth) <= 4 * noise).all()
    assert (np.abs(r["dof"] - exact["dof"]) <= 4 * r["dof_error"] + 1e-6).all()
    assert_allclose(r["train_error"][:-2], exact["train_error"][:-2], rtol=1e-5)
    assert_allclose(r["norm"], exact["norm"], rtol=1e-5)
    # the error of the rows, and of the estimate
    both = np.hypot(exact["validation_error_se"] * r["validation_error"] / truth, noise)
    assert_allclose(r["validation_error_se"], both, rtol=1e-3)
    path = fastridge.ridge_path(S, y, alphas[:-1], solver="cg", tol=1e-10, sample_weight=weight)
    assert_allclose(path.gcv, truth[:-1], rtol=0.1)


@pytest.mark.slow
def test_error_bars_of_random_vectors_hold_what_they_say():
    S, y = wide()
    truth = spectral(S.toarray(), y, [1.0, 1e-2])
    z = []
    for seed in range(12):
        model = RidgeCV([1.0, 1e-2], cv="gcv", solver="cg", random_state=seed).fit(S, y)
        r = model.cv_results_
        z.append((r["validation_error"] - truth) / r["validation_error_noise"])
    size = np.sqrt(np.mean(np.square(z), axis=0))
    assert ((size > 0.5) & (size < 1.8)).all()


def test_more_rows_than_features():
    rng = np.random.default_rng(3)
    S = sp.random_array((300, 80), density=0.1, format="csr", rng=rng)
    y = S @ rng.standard_normal(80) + rng.standard_normal(300)
    factor = np.ones(80)
    factor[:3] = 0.0, 2.0, 0.5
    alphas = [10.0, 1.0, 1e-2, 1e-4]
    options = {"cv": "gcv", "penalty_factor": factor}
    exact = RidgeCV(alphas, solver="cholesky", **options).fit(S, y).cv_results_
    found = RidgeCV(alphas, solver="cg", tol=1e-10, **options).fit(S, y).cv_results_
    noise = found["validation_error_noise"]
    assert (np.abs(found["validation_error"] - exact["validation_error"]) <= 4 * noise + 1e-9).all()
    assert (np.abs(found["dof"] - exact["dof"]) <= 4 * found["dof_error"] + 1e-6).all()
    # for tiny alpha the estimate has a tiny error
    assert noise[-1] < 1e-3 * exact["validation_error"][-1]


def test_the_choice_is_no_smaller_than_the_estimate_supports():
    from fastridge.model_selection._choice import beyond, choose

    alphas = np.array([1.0, 0.1, 0.01, 0.001])
    score = np.array([-4.0, -3.01, -3.0, -3.2])
    noise = np.array([0.1, 0.02, 0.0, 0.3])
    assert choose("min", alphas, score, noise, None) == 2
    assert choose("min", alphas, score, noise, None, noise) == 1
    assert choose("min", alphas[::-1], score[::-1], noise, None, noise[::-1]) == 2
    # and the grid is extended only beyond the estimate's error
    falling = np.array([-4.0, -3.3, -3.1, -3.0])
    assert beyond(alphas, falling, noise=np.full(4, 0.05)) is not None
    assert beyond(alphas, falling, noise=np.full(4, 0.2)) is None


@pytest.mark.slow
def test_automatic_grid_on_wide_sparse_data():
    S = sp.random_array((300, 900), density=0.01, format="csr", rng=np.random.default_rng(0))
    y = S @ np.random.default_rng(0).standard_normal(900)
    y += 2.0 * np.random.default_rng(1).standard_normal(300)
    options = {"n_alphas": 20, "cv": "gcv"}
    model = RidgeCV(None, solver="cg", **options).fit(S, y)
    truth = spectral(S.toarray(), y, model.alphas_)
    error = truth[model.alphas_ == model.alpha_][0]
    noise = model.cv_results_["validation_error_noise"]
    assert error <= truth.min() + 3 * noise[model.alphas_ == model.alpha_][0]
    again = RidgeCV(None, solver="cg", **options).fit(S, y)
    assert_array_equal(model.cv_results_["score"], again.cv_results_["score"])


def test_a_classifier_by_random_vectors():
    S, y = wide()
    labels = np.digitize(y, [-1.0, 1.0])
    exact = RidgeClassifierCV([1.0, 10.0], cv="gcv", solver="dual").fit(S, labels).cv_results_
    found = RidgeClassifierCV([1.0, 10.0], cv="gcv", solver="cg", tol=1e-10).fit(S, labels)
    r = found.cv_results_
    gap = np.abs(r["validation_error"] - exact["validation_error"])
    assert (gap <= 4 * r["validation_error_noise"]).all()
