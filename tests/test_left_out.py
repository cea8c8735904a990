"""Rows left out, at the edges of cross-validation of ridge: against fits of every fold."""

import mpmath
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut

import fastridge
from fastridge import BayesianRidge, RidgeClassifierCV, RidgeCV

ALPHAS = [0.1, 1.0, 10.0, 100.0]


def problem(n=12, p=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] + rng.standard_normal(n)


def precise(X, y, x, alpha, factor=None, weight=None):
    """The prediction at x of the fit to X, y, of numbers of 60 digits."""
    n, p = X.shape
    s = np.ones(n) if weight is None else weight
    f = np.ones(p) if factor is None else factor
    with mpmath.workdps(60):
        A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
        total = mpmath.fsum(map(mpmath.mpf, s))
        mean = [mpmath.fsum(s[i] * A[i, j] for i in range(n)) / total for j in range(p)]
        offset = mpmath.fsum(s[i] * b[i] for i in range(n)) / total
        for i in range(n):
            b[i] -= offset
            for j in range(p):
                A[i, j] -= mean[j]
        S = mpmath.diag([mpmath.mpf(v) for v in s])
        G = A.T * S * A
        for j in range(p):
            G[j, j] += mpmath.mpf(alpha) * f[j]
        w = mpmath.lu_solve(G, A.T * S * b)
        moved = mpmath.matrix(x.tolist()) - mpmath.matrix(mean)
        return float(offset + (moved.T * w)[0])


# Small penalties.


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["auto", "cholesky", "dual"])
@pytest.mark.parametrize("free", [0, 4])
def test_folds_with_fewer_rows_than_features(solver, free):
    X, y = problem(10, 10)
    factor = np.where(np.arange(10) < free, 0.0, 1.0)
    weight = np.random.default_rng(1).integers(1, 3, 10).astype(float)
    alphas = [1e-3, 1e-6, 1e-9]
    splits = list(KFold(2).split(X))
    model = RidgeCV(alphas, cv=splits, solver=solver, penalty_factor=factor)
    found = model.fit(X, y, weight).cv_results_["fold_validation_error"]
    for k, (train, test) in enumerate(splits):
        for j, alpha in enumerate(alphas):
            e = [
                y[i] - precise(X[train], y[train], X[i], alpha, factor, weight[train]) for i in test
            ]
            truth = np.average(np.square(e), weights=weight[test])
            assert_allclose(found[k, j], truth, rtol=1e-9)


def test_folds_whose_free_columns_explain_nearly_everything():
    rng = np.random.default_rng(57)
    X = rng.standard_normal((14, 8)) * 10 ** rng.uniform(-1, 1, 8) + rng.uniform(-5, 5, 8)
    y = rng.standard_normal(14)
    factor = np.array([0.0, 0, 0, 0, 0, 0, 3, 1])
    splits = [(np.arange(8), np.arange(8, 14)), (np.arange(6, 14), np.arange(6))]
    model = RidgeCV([1.0, 1e-3], cv=splits, penalty_factor=factor)
    found = model.fit(X, y).cv_results_["fold_validation_error"]
    for k, (train, test) in enumerate(splits):
        for j, alpha in enumerate([1.0, 1e-3]):
            e = [y[i] - precise(X[train], y[train], X[i], alpha, factor) for i in test]
            assert_allclose(found[k, j], np.mean(np.square(e)), rtol=1e-8)


@pytest.mark.parametrize("shape", [(10, 9), (12, 9), (10, 20)], ids=str)
def test_leave_one_out_has_its_limit(shape):
    X, y = problem(*shape)
    truth = []
    for i in range(shape[0]):
        rest = np.delete(np.arange(shape[0]), i)
        mean = X[rest].mean(axis=0)
        w = np.linalg.pinv(X[rest] - mean) @ (y[rest] - y[rest].mean())
        truth.append((y[i] - y[rest].mean() - (X[i] - mean) @ w) ** 2)
    for alpha in (0.0, 1e-40, 1e-15):
        model = RidgeCV([alpha], store_cv_results=True).fit(X, y)
        assert_allclose(np.asarray(model.cv_results_)[:, 0], truth, rtol=1e-7)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("free", [0, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.slow
def test_blocks_of_columns_and_rows(container, free, fit_intercept, monkeypatch):
    X, y = problem(8, 50)
    X[:, 7] = 3.0
    options = {
        "penalty_factor": np.where(np.arange(50) < free, 0.0, np.linspace(0.5, 2, 50)),
        "fit_intercept": fit_intercept,
    }
    alphas = [1e-9, 1e-14]
    monkeypatch.setattr("fastridge.quadratic.projected.ROWS", 1)
    for cv in (None, 2):
        model = RidgeCV(alphas, cv=cv, scoring="neg_mean_squared_error", **options)
        found = model.fit(container(X), y).cv_results_["validation_error"]
        splits = list(LeaveOneOut().split(X) if cv is None else KFold(2).split(X))
        for j, alpha in enumerate(alphas):
            e = []
            for train, test in splits:
                fit = fastridge.ridge(X[train], y[train], alpha, solver="qr", **options)
                e.append(np.mean((y[test] - X[test] @ fit.coef - fit.intercept) ** 2))
            assert_allclose(found[j], np.mean(e), rtol=1e-6)


def test_rows_that_alone_hold_a_direction():
    # rotated, so that the direction is not a single column
    X, y = problem(14, 9)
    X[:, 8] = np.eye(14)[0]
    X = X @ np.linalg.qr(np.random.default_rng(3).standard_normal((9, 9)))[0]
    rest = np.arange(1, 14)
    mean = X[rest].mean(axis=0)
    w = np.linalg.pinv(X[rest] - mean, rcond=1e-12) @ (y[rest] - y[rest].mean())
    truth = (y[0] - y[rest].mean() - (X[0] - mean) @ w) ** 2
    for alpha in (0.0, 1e-40):
        model = RidgeCV([alpha], store_cv_results=True).fit(X, y)
        assert_allclose(np.asarray(model.cv_results_)[0, 0], truth, rtol=1e-7)


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("shape", [(30, 50), (30, 8), (12, 11)], ids=str)
@pytest.mark.parametrize("cv", [None, "gcv", 3], ids=str)
def test_sparse_columns_far_from_zero(container, shape, cv):
    # multiples of 1/1024, which a shift by 2^20 does not round
    X, y = problem(*shape)
    X = np.round(X * 1024) / 1024
    near = RidgeCV(ALPHAS, cv=cv).fit(X, y).cv_results_
    far = RidgeCV(ALPHAS, cv=cv).fit(container(X + 2.0**20), y).cv_results_
    for name in ("validation_error", "dof", "norm"):
        assert_allclose(far[name], near[name], rtol=1e-8)


# Units.


@pytest.mark.parametrize("shape", [(12, 3), (9, 14)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.slow
def test_a_row_that_leaves_does_not_set_the_units(shape, weighted, container):
    X, y = problem(*shape)
    X[0, 0] = 20.0
    weight = np.random.default_rng(1).uniform(0.5, 2.0, shape[0]) if weighted else None
    if weighted:
        weight[3] = 0.0
    model = RidgeCV(ALPHAS, standardize=True, store_cv_results=True)
    found = model.fit(container(X), y, weight)
    s = np.ones(shape[0]) if weight is None else weight
    truth = np.zeros((shape[0], len(ALPHAS)))
    for i in np.flatnonzero(s):
        rest = np.delete(np.arange(shape[0]), i)
        mean = np.average(X[rest], axis=0, weights=s[rest])
        factor = np.average((X[rest] - mean) ** 2, axis=0, weights=s[rest])
        for j, alpha in enumerate(ALPHAS):
            fit = fastridge.ridge(
                X[rest], y[rest], alpha, sample_weight=s[rest], penalty_factor=factor, solver="qr"
            )
            truth[i, j] = s[i] * (y[i] - X[i] @ fit.coef - fit.intercept) ** 2
    assert_allclose(np.asarray(found.cv_results_), truth, rtol=1e-8)
    assert_allclose(found.cv_results_["validation_error"], truth.sum(axis=0) / s.sum(), rtol=1e-8)
    if not weighted:
        folds = RidgeCV(
            ALPHAS, cv=LeaveOneOut(), standardize=True, scoring="neg_mean_squared_error"
        ).fit(container(X), y)
        assert_allclose(found.cv_results_["score"], folds.cv_results_["score"], rtol=1e-9)
        assert found.alpha_ == folds.alpha_


@pytest.mark.parametrize("shape", [(30, 5), (12, 20)], ids=str)
@pytest.mark.parametrize("cv", [None, "gcv", 3], ids=str)
@pytest.mark.parametrize("how", ["plain", "standardize", "factors", "free"])
def test_norms_are_those_of_the_coefficients(shape, cv, how):
    X, y = problem(*shape)
    X *= np.linspace(1, 9, shape[1])
    factor = np.linspace(0.5, 2.0, shape[1])
    factor[0] = 0.0 if how == "free" else 3.0
    options = {
        "standardize": how == "standardize",
        "penalty_factor": factor if how in ("factors", "free") else None,
    }
    Y = np.c_[y, y**2]
    found = RidgeCV(ALPHAS, cv=cv, **options).fit(X, y).cv_results_["norm"]
    several = RidgeCV(ALPHAS, cv=cv, alpha_per_target=True, **options).fit(X, Y)
    for i, alpha in enumerate(ALPHAS):
        coef = fastridge.ridge(X, Y, alpha, **options).coef
        assert_allclose(found[i], np.linalg.norm(coef[0]), rtol=1e-8)
        assert_allclose(several.cv_results_["norm"][i], np.linalg.norm(coef, axis=1), rtol=1e-8)


def test_folds_by_conjugate_gradients_have_degrees_of_freedom():
    X, y = problem(60, 20)
    S = sp.csr_array(np.where(np.abs(X) > 1, X, 0.0))
    exact = RidgeCV(ALPHAS, cv=3).fit(S, y)
    found = RidgeCV(ALPHAS, cv=3, solver="cg", tol=1e-10).fit(S, y)
    gap = np.abs(found.cv_results_["dof"] - exact.cv_results_["dof"])
    assert (gap <= 4 * found.cv_results_["dof_error"]).all()
    assert (found.cv_results_["dof_error"] > 0).all()
    assert found.dof_ == found.cv_results_["dof"][ALPHAS.index(found.alpha_)]
    folds = []
    for train, _ in KFold(3).split(y):
        part = S[train].toarray()
        folds.append([np.linalg.norm(fastridge.ridge(part, y[train], a).coef) for a in ALPHAS])
    assert_allclose(found.cv_results_["norm"], np.mean(folds, axis=0), rtol=1e-8)


# What is left of an earlier fit.


def test_a_second_fit_leaves_nothing_of_the_first():
    X, y = problem(40, 5)
    model = RidgeCV([10.0]).fit(X, y)
    model.set_params(alphas=[1e4], cv=3, solver="cg", tol=1e-10).fit(sp.csr_array(X), y)
    truth = fastridge.ridge_path(X, y, [1e4]).dof[0]
    assert_allclose(model.dof_, truth, rtol=0.5)
    bayes = BayesianRidge(compute_score=True).fit(X, y)
    assert not hasattr(bayes.set_params(compute_score=False).fit(X, y), "scores_")


def test_an_interrupted_fit_leaves_nothing_but_its_results():
    X, y = problem(40, 5)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    model = RidgeCV(ALPHAS).fit(X, y)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(cv=5, callback=stop).fit(X, y)
    assert model.cv_results_.n_folds == 3
    assert "3 folds" in repr(model.cv_results_)
    assert not hasattr(model, "alpha_")
    assert not hasattr(model, "coef_")


# Errors of scores.


@pytest.mark.parametrize("shape", [(40, 4), (15, 25)], ids=str)
def test_leave_one_out_scores_that_are_means_have_errors(shape):
    X, y = problem(*shape)
    alphas = np.logspace(-2, 3, 12)
    found = RidgeCV(alphas, scoring="neg_mean_absolute_error", store_cv_results=True).fit(X, y)
    rows = np.abs(y[:, None] - np.asarray(found.cv_results_))
    r = found.cv_results_
    assert_allclose(r["score"], -rows.mean(axis=0))
    assert_allclose(r["score_se"], rows.std(axis=0, ddof=1) / np.sqrt(shape[0]))
    labels = (y > 0).astype(int)
    r = RidgeClassifierCV(alphas, scoring="accuracy").fit(X, labels).cv_results_
    share = r["score"]
    assert_allclose(r["score_se"], np.sqrt(share * (1 - share) / (shape[0] - 1)), atol=1e-12)


def test_a_score_without_an_error_says_so():
    X, y = problem(40, 4)
    for options in ({"scoring": "neg_median_absolute_error"}, {"validation": 0.3}):
        best = RidgeCV(ALPHAS, **options).fit(X, y)
        assert np.isnan(best.cv_results_["score_se"]).all()
        with pytest.warns(UserWarning, match="no standard error"):
            model = RidgeCV(ALPHAS, select="1se", **options).fit(X, y)
        assert model.alpha_ == best.alpha_


# Callbacks, coefficients and scorers.


@pytest.mark.parametrize("cv", ["loo", "gcv"])
def test_progress_without_folds(cv):
    X, y = problem(20, 4)
    calls = []
    RidgeCV(ALPHAS, cv=cv, callback=lambda *a: calls.append(a)).fit(X, y)
    assert calls == [(1, 1)]

    def stop(done, total):
        raise StopIteration

    model = RidgeCV(ALPHAS, cv=cv, callback=stop).fit(X, y)
    assert model.alpha_ == RidgeCV(ALPHAS, cv=cv).fit(X, y).alpha_

    def interrupt(done, total):
        raise KeyboardInterrupt

    model = RidgeCV(ALPHAS, cv=cv, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(model.cv_results_["score"]) == len(ALPHAS)
    calls.clear()
    model = RidgeCV(ALPHAS, standardize=True, callback=lambda *a: calls.append(a)).fit(X, y)
    assert calls == [(i, 20) for i in range(1, 21)]
    with pytest.raises(ValueError, match="callback stopped the search after 1 of 20 rows"):
        RidgeCV(ALPHAS, standardize=True, callback=stop).fit(X, y)


@pytest.mark.parametrize("cv", [None, "loo", "gcv"])
def test_coefficients_of_folds_need_folds(cv):
    with pytest.raises(ValueError, match=r"store_coef is True, but cv=.* expected folds"):
        RidgeCV(ALPHAS, cv=cv, store_coef=True).fit(*problem())


@pytest.mark.parametrize("cv", [None, 4], ids=str)
def test_scorers_get_rows_of_the_frame(cv):
    X, y = problem(20, 3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(20) + 100)

    def scorer(model, rows, truth):
        assert list(rows.columns) == ["a", "b", "c"]
        # as a scorer of one's own may
        predicted = model.predict(rows) + 0.1 * rows["a"].to_numpy()
        return -float(np.mean((truth - predicted) ** 2))

    model = RidgeCV(ALPHAS, cv=cv, scoring=scorer).fit(frame, y)
    search = GridSearchCV(
        fastridge.Ridge(),
        {"alpha": ALPHAS},
        cv=LeaveOneOut() if cv is None else KFold(4),
        scoring=scorer,
    ).fit(frame, y)
    assert_allclose(model.cv_results_["score"], search.cv_results_["mean_test_score"], rtol=1e-8)
    seen = []
    held = (frame[:5], y[:5])
    RidgeCV(ALPHAS, validation=held, scoring=lambda m, rows, t: seen.append(rows) or 0.0).fit(
        frame[5:], y[5:]
    )
    assert_array_equal(seen[0].index, frame.index[:5])


def test_folds_of_much_data_go_without_degrees_of_freedom(monkeypatch):
    from fastridge.model_selection import _search

    rng = np.random.default_rng(0)
    S = sp.random_array((300, 40), density=0.1, format="csr", rng=rng)
    y = rng.standard_normal(300)
    few = RidgeCV([1.0, 10.0], cv=3, solver="cg").fit(S, y)
    assert few.dof_ == few.cv_results_["dof"][few.alphas_ == few.alpha_]
    monkeypatch.setattr(_search, "_AFFORDABLE", 0.0)
    much = few.fit(S, y)
    assert "dof" not in much.cv_results_
    assert not hasattr(much, "dof_")
    assert much.diagnosis_.verdict
