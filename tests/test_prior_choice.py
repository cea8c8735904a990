"""Paths, choices of the penalty and posteriors with a Gaussian prior in full."""

import warnings

import numpy as np
import pytest
from scipy import optimize, sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

import fastridge
from fastridge import BayesianRidge, Moments, Ridge, RidgeCV, information_criteria, ridge_path
from fastridge.penalty import difference

ALPHAS = [100.0, 1.0, 0.01]
STORAGES = [np.ascontiguousarray, np.asfortranarray, sparse.csr_array, sparse.csc_array]
FLAT = {"alpha_1": 0.0, "alpha_2": 0.0, "lambda_1": 0.0, "lambda_2": 0.0}


def data(n=30, p=7, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.logspace(0, 1, p) + 3.0
    X[rng.random((n, p)) < 0.3] = 0.0
    m = rng.standard_normal(p)
    y = X @ (m + 0.3 * rng.standard_normal(p)) + rng.standard_normal(n)
    return X, y, m, rng.uniform(0.5, 2.0, n)


def prior_matrix(kind, p):
    Z = np.random.default_rng(3).standard_normal((p, p))
    return {"smooth": difference(p, 2), "dense": Z @ Z.T / p, "none": None}[kind]


def dense(P, p):
    return np.eye(p) if P is None else P @ np.eye(p)


def refits(X, Y, s, folds, options):
    """Return squared errors (m, folds, k) of the rows that each fold leaves out, brute force."""
    out = np.empty((len(ALPHAS), len(folds), Y.shape[1]))
    for j, alpha in enumerate(ALPHAS):
        for i, (train, test) in enumerate(folds):
            fit = fastridge.ridge(X[train], Y[train], alpha, sample_weight=s[train], **options)
            error = Y[test] - X[test] @ fit.coef.T - fit.intercept
            out[j, i] = np.average(error**2, axis=0, weights=s[test])
    return out


def hat_trace(X, s, alpha, P, intercept):
    """Return the degrees of freedom, the intercept not counted."""
    A = X - s @ X / s.sum() if intercept else X
    G = A.T @ (s[:, None] * A)
    return np.trace(np.linalg.pinv(G + alpha * P, rcond=1e-12) @ G)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", ["smooth", "dense", "none"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("shape", [(30, 7), (6, 8)])
def test_paths_are_single_fits(storage, kind, intercept, standardize, shape):
    X, y, m, s = data(*shape)
    Y, P = np.column_stack([y, y**2]), prior_matrix(kind, shape[1])
    f = np.linspace(0.5, 2.0, shape[1])
    options = {
        "sample_weight": s,
        "penalty_factor": f,
        "fit_intercept": intercept,
        "standardize": standardize,
        "prior_mean": np.array([m, 2 * m]),
        "penalty_matrix": P,
    }
    for solver in ("auto", "cg"):
        tol = 1e-11 if solver == "cg" else 1e-4
        path = ridge_path(storage(X), Y, ALPHAS, solver=solver, tol=tol, **options)
        assert path.converged
        assert path.relative_gradient.max() < 1e-7
        d = f * (np.average((X - s @ X / s.sum()) ** 2, axis=0, weights=s) if standardize else 1.0)
        Q = dense(P, len(f)) * np.sqrt(np.outer(d, d))
        for i, alpha in enumerate(ALPHAS):
            one = fastridge.ridge(X, Y, alpha, **options)
            np.testing.assert_allclose(path.coef[i], one.coef, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(path.intercept[i], one.intercept, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(path.objective[i], one.objective, rtol=1e-7)
            v = path.coef[i] - options["prior_mean"]
            norm = np.sqrt(np.einsum("kj,jl,kl->k", v, Q, v))
            np.testing.assert_allclose(path.norm[i], norm, rtol=1e-5, atol=1e-7)
            if solver == "auto":
                dof = hat_trace(X, s, alpha, Q, intercept)
                np.testing.assert_allclose(path.dof[i], dof, rtol=1e-7)
                left = np.maximum(s.sum() - dof - intercept, 0)
                gcv = path.residual[i] * s.sum() / left**2
                np.testing.assert_allclose(path.gcv[i], gcv, rtol=1e-6)


@pytest.mark.parametrize("kind", ["smooth", "dense", "none"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_paths_of_moments_are_those_of_rows(kind, intercept, standardize):
    X, y, m, s = data()
    options = {"fit_intercept": intercept, "standardize": standardize, "prior_mean": m}
    options["penalty_matrix"] = prior_matrix(kind, 7)
    for Y in (y, np.column_stack([y, y**2])):
        rows = ridge_path(X, Y, ALPHAS, sample_weight=s, **options)
        sums = ridge_path(Moments(X, Y, s), alphas=ALPHAS, **options)
        for name in ("coef", "intercept", "objective", "dof", "gcv", "log_evidence", "bic", "norm"):
            expected = getattr(rows, name)
            assert getattr(sums, name).shape == expected.shape
            np.testing.assert_allclose(getattr(sums, name), expected, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(sums.predict(X), rows.predict(X), rtol=1e-7, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smooth", "dense", "none"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("shape", [(30, 7), (12, 14)])
def test_folds_and_rows_left_out_are_refits(kind, intercept, standardize, shape):
    X, y, m, s = data(*shape)
    n, p = shape
    Y = np.column_stack([y, y**2])
    options = {
        "fit_intercept": intercept,
        "standardize": standardize,
        "prior_mean": np.array([m, 2 * m]),
        "penalty_matrix": prior_matrix(kind, p),
        "penalty_factor": np.linspace(0.5, 2.0, p),
    }
    common = options | {"alphas": ALPHAS, "alpha_per_target": True}
    by_fold = refits(X, Y, s, list(KFold(3).split(X)), options)
    left = refits(X, Y, s, [(np.delete(np.arange(n), i), np.array([i])) for i in range(n)], options)
    for storage in (np.asarray, sparse.csr_array):
        check_choices(storage, X, Y, s, options, common, by_fold, left)


def check_choices(storage, X, Y, s, options, common, by_fold, left):
    for more in ({"scoring": None}, {"scoring": "neg_mean_absolute_error", "store_coef": True}):
        found = RidgeCV(cv=3, **common, **more).fit(storage(X), Y, s)
        results = found.cv_results_
        np.testing.assert_allclose(results["validation_error"], by_fold.mean(axis=1), rtol=1e-6)
        for t in range(2):
            single = options | {"prior_mean": options["prior_mean"][t]}
            one = fastridge.ridge(X, Y[:, t], found.alpha_[t], sample_weight=s, **single)
            np.testing.assert_allclose(found.coef_[t], one.coef, rtol=1e-6, atol=1e-8)
            b = np.broadcast_to(found.intercept_, 2)[t]
            np.testing.assert_allclose(b, one.intercept, rtol=1e-6, atol=1e-6)
    # R^2 of a fold is about the mean of its own targets
    test = next(KFold(3).split(X))[1]
    spread = ((Y[test] - np.average(Y[test], axis=0, weights=s[test])) ** 2).T @ s[test]
    one = RidgeCV(cv=KFold(3), **common).fit(storage(X), Y, s).cv_results_
    score = 1 - by_fold[:, 0] * s[test].sum() / spread
    np.testing.assert_allclose(one["fold_score"][0], score, rtol=1e-6)
    for scoring in (None, "neg_mean_absolute_error"):
        found = RidgeCV(cv="loo", scoring=scoring, store_cv_results=True, **common)
        found.fit(storage(X), Y, s)
        errors = found.cv_results_["validation_error"]
        np.testing.assert_allclose(errors, np.average(left, axis=1, weights=s), rtol=1e-6)
        i = ALPHAS.index(found.alpha_[1])
        norm = np.linalg.norm(found.coef_[1])
        np.testing.assert_allclose(found.cv_results_["norm"][i, 1], norm, rtol=1e-6)
    found = RidgeCV(cv="gcv", **common).fit(storage(X), Y, s)
    path = ridge_path(X, Y, ALPHAS, sample_weight=s, **options)
    np.testing.assert_allclose(found.cv_results_["validation_error"], path.gcv, rtol=1e-6)


@pytest.mark.slow
def test_large_sparse_data_with_a_mean_stay_sparse():
    rng = np.random.default_rng(0)
    n, p = 1000, 1300
    X = sparse.random_array((n, p), density=6e-3, rng=rng, format="csr")
    m = rng.standard_normal(p)
    y = X @ (m + 0.1 * rng.standard_normal(p)) + 0.1 * rng.standard_normal(n)
    options = {"alphas": [0.01, 1.0], "solver": "cg", "tol": 1e-8, "max_memory": 5e6}
    found = RidgeCV(cv=3, prior_mean=m, **options).fit(X, y)
    beside = RidgeCV(cv=3, scoring="neg_mean_squared_error", fit_intercept=True, **options)
    shifted = y - (X @ m - (X @ m).mean())
    beside.fit(X, shifted)
    np.testing.assert_allclose(
        found.cv_results_["validation_error"], beside.cv_results_["validation_error"], rtol=1e-5
    )
    np.testing.assert_allclose(found.coef_, beside.coef_ + m, rtol=1e-4, atol=1e-6)
    generalised = RidgeCV(cv="gcv", prior_mean=m, random_state=0, **options).fit(X, y)
    other = RidgeCV(cv="gcv", random_state=0, **options).fit(X, shifted)
    np.testing.assert_allclose(
        generalised.cv_results_["validation_error"], other.cv_results_["validation_error"]
    )
    norm = generalised.cv_results_["norm"][[0.01, 1.0].index(generalised.alpha_)]
    np.testing.assert_allclose(norm, np.linalg.norm(generalised.coef_), rtol=1e-4)
    with pytest.raises(ValueError, match="penalty_matrix needs a dense copy of X, 1000 x 1300"):
        RidgeCV(cv=3, penalty_matrix=difference(p).toarray(), **options).fit(X, y)
    with pytest.raises(ValueError, match="penalty_matrix needs a dense copy of X, 1000 x 1300"):
        ridge_path(X, y, [1.0], penalty_matrix=difference(p).toarray(), max_memory=5e6)


def test_what_says_nothing_changes_nothing():
    X, y, _, s = data()
    plain = RidgeCV(ALPHAS, cv="gcv").fit(X, y, s)
    path = ridge_path(X, y, ALPHAS, sample_weight=s)
    bayes = BayesianRidge().fit(X, y, s)
    for prior in (
        {"prior_mean": np.zeros(7)},
        {"penalty_matrix": np.eye(7)},
        {"penalty_matrix": sparse.eye_array(7)},
    ):
        found = RidgeCV(ALPHAS, cv="gcv", **prior).fit(X, y, s)
        np.testing.assert_allclose(found.coef_, plain.coef_, rtol=1e-13)
        again = ridge_path(X, y, ALPHAS, sample_weight=s, **prior)
        np.testing.assert_allclose(again.coef, path.coef, rtol=1e-13)
        np.testing.assert_allclose(again.relative_gradient, 0, atol=1e-12)
        again = BayesianRidge(**prior).fit(X, y, s)
        np.testing.assert_allclose(again.coef_, bayes.coef_, rtol=1e-13)


def test_weights_are_repetitions():
    X, y, m, _ = data()
    count = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), count)
    prior = {"prior_mean": m, "penalty_matrix": difference(7, 2)}
    weighted, repeated = (X, y, count), (X[rows], y[rows])
    one, other = (RidgeCV(ALPHAS, cv="gcv", **prior).fit(*d) for d in (weighted, repeated))
    for name in ("validation_error", "dof", "norm", "score"):
        np.testing.assert_allclose(one.cv_results_[name], other.cv_results_[name], rtol=1e-8)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-8)
    one, other = (BayesianRidge(compute_score=True, **prior).fit(*d) for d in (weighted, repeated))
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-7)
    np.testing.assert_allclose(one.scores_, other.scores_, rtol=1e-8)
    np.testing.assert_allclose(one.sigma_, other.sigma_, rtol=1e-7)


def restricted(X, y, s, P, m, intercept):
    """Return the precisions of noise and prior that maximise the likelihood, by its own search.

    The null space of P is integrated out, by contrasts that do not see it; beside an intercept
    rows are less their means.
    """
    n = len(y)
    if intercept:
        X, y = X - s @ X / s.sum(), y - s @ y / s.sum()
    A, b = np.sqrt(s)[:, None] * X, np.sqrt(s) * (y - X @ m)
    d, V = np.linalg.eigh(P)
    d[d < 1e-10 * d[-1]] = 0
    F, Z = A @ V[:, d == 0], A @ V[:, d > 0] / np.sqrt(d[d > 0])
    U, size, _ = np.linalg.svd(F)
    C = U[:, int((size > 1e-8).sum()) :]
    K, b = C.T @ Z @ Z.T @ C, C.T @ b

    def minus(t):
        S = np.exp(-t[0]) * np.eye(len(K)) + np.exp(-t[1]) * K
        extra = (s.sum() - n) * t[0]
        return 0.5 * (np.linalg.slogdet(S)[1] + b @ np.linalg.solve(S, b) - extra)

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    return np.exp(optimize.minimize(minus, [0, 0], method="Nelder-Mead", options=options).x)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("kind", ["smooth", "dense", "none"])
@pytest.mark.parametrize("intercept", [True, False])
def test_evidence_is_maximised(storage, kind, intercept):
    X, y, m, s = data(40, 8)
    P = prior_matrix(kind, 8)
    prior = {"prior_mean": m, "penalty_matrix": P}
    options = {"tol": 1e-11, "max_iter": 5000, "compute_score": True} | FLAT
    model = BayesianRidge(fit_intercept=intercept, **prior, **options).fit(storage(X), y, s)
    Q = dense(P, 8)
    a, lam = restricted(X, y, s, Q, m, intercept)
    np.testing.assert_allclose([model.alpha_, model.lambda_], [a, lam], rtol=1e-5)
    assert (np.diff(model.scores_) > -1e-9).all()
    same = Ridge(model.penalty_, fit_intercept=intercept, **prior).fit(X, y, s)
    np.testing.assert_allclose(model.coef_, same.coef_, rtol=1e-8)
    np.testing.assert_allclose(model.intercept_, same.intercept_, rtol=1e-8, atol=1e-10)
    mean = s @ X / s.sum() * intercept
    S = np.linalg.inv(model.alpha_ * (X - mean).T @ (s[:, None] * (X - mean)) + model.lambda_ * Q)
    np.testing.assert_allclose(model.sigma_, S, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.X_offset_, mean, rtol=1e-12)
    deviation = model.predict(X[:5], return_std=True)[1]
    variance = np.einsum("ij,jl,il->i", X[:5] - mean, S, X[:5] - mean) + 1 / model.alpha_
    np.testing.assert_allclose(deviation**2, variance + intercept / model.alpha_ / s.sum())
    np.testing.assert_allclose(model.dof_, hat_trace(X, s, model.penalty_, Q, intercept), rtol=1e-8)
    # the path's evidence is largest there, too
    near = model.penalty_ * np.array([0.9, 1.0, 1.1])
    path = ridge_path(X, y, near, sample_weight=s, fit_intercept=intercept, **prior)
    assert path.log_evidence.argmax() == 1


def test_free_features_are_integrated_out_of_the_evidence():
    X, y, _, s = data(40, 8)
    f = np.array([0.0, 0, 1, 2, 1, 1, 1, 1])
    options = {"tol": 1e-11, "max_iter": 5000, "compute_score": True} | FLAT
    model = BayesianRidge(penalty_factor=f, **options).fit(X, y, s)
    a, lam = restricted(X, y, s, np.diag(f), np.zeros(8), True)
    np.testing.assert_allclose([model.alpha_, model.lambda_], [a, lam], rtol=1e-5)
    assert (np.diff(model.scores_) > -1e-9).all()
    near = model.penalty_ * np.array([0.9, 1.0, 1.1])
    assert ridge_path(X, y, near, sample_weight=s, penalty_factor=f).log_evidence.argmax() == 1


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("order", [1, 2])
def test_null_spaces_that_meet(storage, order):
    # one-hot columns add up to ones, and differences do not see a constant either
    rng = np.random.default_rng(0)
    X = np.eye(24)[rng.integers(0, 24, 400)]
    y = X @ np.sin(np.arange(24) * np.pi / 12) + rng.standard_normal(400)
    P = difference(24, order=order, cyclic=True)
    path = ridge_path(storage(X), y, ALPHAS, penalty_matrix=P)
    for i, alpha in enumerate(ALPHAS):
        twin = fastridge.reference.ridge_prior(X, y, alpha, penalty_matrix=P.toarray())
        np.testing.assert_allclose(path.coef[i], twin.coef, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(path.intercept[i], twin.intercept, rtol=1e-6, atol=1e-8)
    model = BayesianRidge(penalty_matrix=P).fit(storage(X), y)
    without = BayesianRidge(penalty_matrix=P, fit_intercept=False).fit(storage(X), y)
    assert abs(model.coef_.sum()) < 1e-6
    np.testing.assert_allclose(model.predict(X), without.predict(X), atol=0.02)
    for cv in ("loo", "gcv", 5):
        one = RidgeCV(ALPHAS, cv=cv, penalty_matrix=P).fit(storage(X), y)
        other = RidgeCV(ALPHAS, cv=cv, penalty_matrix=P, fit_intercept=False).fit(storage(X), y)
        error = other.cv_results_["validation_error"]
        np.testing.assert_allclose(one.cv_results_["validation_error"], error, rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_scales(unit):
    X, y, m, _ = data()
    P = difference(7, 2) + 0.1 * sparse.eye_array(7)
    expected = ridge_path(X, y, ALPHAS, prior_mean=m, penalty_matrix=P).coef
    by_y = ridge_path(X, y * unit, ALPHAS, prior_mean=m * unit, penalty_matrix=P).coef
    np.testing.assert_allclose(by_y / unit, expected, rtol=1e-8)
    given = {"prior_mean": m, "penalty_matrix": P * unit}
    by_P = ridge_path(X, y, np.divide(ALPHAS, unit), **given).coef
    np.testing.assert_allclose(by_P, expected, rtol=1e-8)
    by_X = ridge_path(X * unit, y, np.array(ALPHAS) * unit, **given | {"prior_mean": m / unit}).coef
    np.testing.assert_allclose(by_X * unit, expected, rtol=1e-8)
    # features in units of their own
    u = np.logspace(-8, 8, 7)
    D = sparse.diags_array(u)
    by_u = ridge_path(X * u, y, ALPHAS, prior_mean=m / u, penalty_matrix=(D @ P @ D).tocsr()).coef
    np.testing.assert_allclose(by_u * u, expected, rtol=1e-7)


def test_means_far_from_zero():
    X, y, m, _ = data()
    prior = {"prior_mean": m, "penalty_matrix": difference(7, 2)}
    near = RidgeCV(ALPHAS, cv="loo", **prior).fit(X, y)
    far = RidgeCV(ALPHAS, cv="loo", **prior).fit(X + 1e9, y + 1e6)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-5, atol=1e-6)
    errors = near.cv_results_["validation_error"]
    np.testing.assert_allclose(far.cv_results_["validation_error"], errors, rtol=1e-5)


def test_float32():
    X, y, m, _ = data()
    prior = {"prior_mean": m, "penalty_matrix": difference(7, 2)}
    path = ridge_path(X.astype(np.float32), y, ALPHAS, **prior)
    wide = ridge_path(X.astype(np.float32).astype(np.float64), y, ALPHAS, **prior)
    assert path.coef.dtype == path.intercept.dtype == np.float32
    np.testing.assert_allclose(path.coef, wide.coef, rtol=1e-6, atol=1e-6)
    assert path.converged
    assert path.relative_gradient.max() < 1e-5
    for estimator in (RidgeCV(ALPHAS, **prior), BayesianRidge(**prior)):
        assert estimator.fit(X.astype(np.float32), y).coef_.dtype == np.float32


def test_criteria_know_the_matrix():
    X, y, m, s = data()
    P = difference(7, 2)
    for model in (
        Ridge(3.0, prior_mean=m, penalty_matrix=P),
        RidgeCV([3.0], prior_mean=m, penalty_matrix=P),
        BayesianRidge(prior_mean=m, penalty_matrix=P),
    ):
        model.fit(X, y, s)
        alpha = getattr(model, "penalty_", 3.0)
        found = information_criteria(model, X, y, s)
        np.testing.assert_allclose(found.dof, hat_trace(X, s, alpha, P.toarray(), True), rtol=1e-8)
        residual = s @ (y - model.predict(X)) ** 2
        np.testing.assert_allclose(found.residual, residual, rtol=1e-8)


def test_held_out_sets_and_paths_that_are_saved(tmp_path):
    X, y, m, s = data()
    prior = {"prior_mean": m, "penalty_matrix": difference(7, 2)}
    found = RidgeCV(ALPHAS, validation=(X[20:], y[20:], s[20:]), **prior).fit(
        X[:20], y[:20], s[:20]
    )
    for j, alpha in enumerate(ALPHAS):
        fit = fastridge.ridge(X[:20], y[:20], alpha, sample_weight=s[:20], **prior)
        error = np.average((y[20:] - X[20:] @ fit.coef - fit.intercept) ** 2, weights=s[20:])
        np.testing.assert_allclose(found.cv_results_["validation_error"][j], error, rtol=1e-8)
    path = ridge_path(X, y, ALPHAS, **prior)
    fastridge.save(path, tmp_path / "path.npz")
    again = fastridge.load(tmp_path / "path.npz")
    for name in ("coef", "intercept", "gcv", "log_evidence", "relative_gradient", "norm"):
        np.testing.assert_array_equal(getattr(again, name), getattr(path, name))
    from copy import deepcopy

    np.testing.assert_array_equal(deepcopy(path).coef, path.coef)


@pytest.mark.parametrize("moments", [False, True])
def test_paths_warn_of_the_round_off_of_a_null_space(moments):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((9, 4)), rng.standard_normal(9)
    scales = np.array([[1e3], [1.0], [1e-3]])
    D = rng.standard_normal((3, 4)) * scales
    given = (fastridge.Moments(X, y),) if moments else (X, y)
    with pytest.warns(ConvergenceWarning, match="a smaller alpha, .* of like scales"):
        path = ridge_path(*given, alphas=[1e16, 1.0], penalty_matrix=D.T @ D)
    assert not path.converged
    assert not path[0].converged
    assert path[1].converged
    # the null space of exact products is exact
    D = np.diff(np.eye(4), axis=0) * np.exp2(np.round(np.log2(scales)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = ridge_path(*given, alphas=[1e16, 1.0], penalty_matrix=D.T @ D)
    assert path.converged
    inner = X.sum(axis=1) - X.sum(axis=1).mean()
    limit = inner @ (y - y.mean()) / (inner @ inner)
    np.testing.assert_allclose(path.coef[0], limit, rtol=1e-6)
