"""RidgeCV and RidgeClassifierCV: against fits of every fold and of every left-out row."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as peer
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from storages import CONTAINERS

from fastridge import Ridge, RidgeCV
from fastridge.exceptions import ConvergenceWarning
from fastridge.model_selection._splits import make_splits

ALPHAS = np.logspace(-3, 3, 7)


def problem(n=40, p=6, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.3, 3.0, size=p) + 2.0
    X[rng.random(size=(n, p)) < 0.3] = 0.0
    Y = X @ rng.normal(size=(p, k or 1)) + 2 * rng.normal(size=(n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


def fit(X, y, alpha, weight=None, factor=None, fit_intercept=True, standardize=False):
    """Coefficients (k, p) and intercepts by an orthogonal factorization of the augmented rows."""
    n, p = X.shape
    y = y.reshape(n, -1)
    s = np.ones(n) if weight is None else weight
    f = np.ones(p) if factor is None else np.asarray(factor, dtype=float)
    mean, offset = np.zeros(p), np.zeros(y.shape[1])
    if fit_intercept:
        mean, offset = s @ X / s.sum(), s @ y / s.sum()
    if standardize:
        f = f * (s @ (X - s @ X / s.sum()) ** 2) / s.sum()
    root = np.sqrt(s)[:, None]
    tall = np.vstack([root * (X - mean), np.diag(np.sqrt(alpha * f))])
    right = np.vstack([root * (y - offset), np.zeros((p, y.shape[1]))])
    coef = np.linalg.lstsq(tall, right, rcond=None)[0].T
    return coef, offset - coef @ mean


def held_out(X, y, weight, splits, alpha, **options):
    """Train and validation errors (n_folds, k), every fold fitted."""
    y = y.reshape(len(y), -1)
    train_errors, errors = [], []
    for train, test in splits:
        s = None if weight is None else weight[train]
        coef, intercept = fit(X[train], y[train], alpha, s, **options)
        for rows, out in ((train, train_errors), (test, errors)):
            s = None if weight is None else weight[rows]
            squares = (y[rows] - X[rows] @ coef.T - intercept) ** 2
            out.append(np.average(squares, axis=0, weights=s))
    return np.array(train_errors), np.array(errors)


# Folds.


@pytest.mark.slow
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(40, 6), (18, 25)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [False, True])
def test_folds_against_fitting_each(container, shape, weighted, fit_intercept, standardize):
    X, y, weight = problem(*shape, 2)
    weight = weight if weighted else None
    factor = np.linspace(0.5, 2.0, shape[1])
    options = {"fit_intercept": fit_intercept, "standardize": standardize}
    model = RidgeCV(ALPHAS, cv=4, penalty_factor=factor, **options)
    model.fit(CONTAINERS[container](X), y, weight)
    found = model.cv_results_
    splits = list(KFold(4).split(X))
    for i, alpha in enumerate(ALPHAS):
        train, errors = held_out(X, y, weight, splits, alpha, factor=factor, **options)
        assert_allclose(found["fold_validation_error"][:, i], errors.mean(axis=1), rtol=1e-8)
        assert_allclose(found["fold_train_error"][:, i], train.mean(axis=1), rtol=1e-6, atol=1e-9)
        assert_allclose(found["validation_error"][i], errors.mean(), rtol=1e-8)
        mean = errors.mean(axis=1)
        assert_allclose(found["validation_error_se"][i], mean.std(ddof=1) / np.sqrt(4), rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(40, 6), (18, 25)], ids=str)
@pytest.mark.parametrize(
    "cv",
    [
        5,
        KFold(3, shuffle=True, random_state=0),
        ShuffleSplit(3, test_size=0.3, random_state=0),
        TimeSeriesSplit(3),
        RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
        "pairs",
        "masks",
    ],
    ids=str,
)
@pytest.mark.parametrize("k", [None, 1, 3])
def test_choice_agrees_with_scikit_learn(shape, cv, k):
    X, y, _ = problem(*shape, k)
    if isinstance(cv, str):
        splits = list(KFold(4).split(X))
        if cv == "masks":
            n = len(X)
            splits = [(np.isin(np.arange(n), a), np.isin(np.arange(n), b)) for a, b in splits]
        cv = splits
    theirs = peer.RidgeCV(ALPHAS, cv=cv).fit(X, y)
    ours = RidgeCV(ALPHAS, cv=cv).fit(X, y)
    assert ours.alpha_ == theirs.alpha_
    assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-9)
    scale = np.abs(theirs.coef_).max()
    assert ours.coef_.shape == theirs.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-9 * scale)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scoring",
    [
        "neg_mean_squared_error",
        "neg_root_mean_squared_error",
        "r2",
        "neg_mean_absolute_error",
        "neg_max_error",
        lambda model, X, y: -float(np.abs(model.coef_).sum() + np.abs(model.predict(X) - y).max()),
    ],
)
@pytest.mark.parametrize("container", CONTAINERS)
def test_scorers(scoring, container):
    X, y, _ = problem()
    splits = KFold(4)
    found = RidgeCV(ALPHAS, cv=splits, scoring=scoring).fit(CONTAINERS[container](X), y)
    for i, alpha in enumerate(ALPHAS):
        theirs = cross_validate(peer.Ridge(alpha, solver="svd"), X, y, cv=splits, scoring=scoring)
        assert_allclose(found.cv_results_["fold_score"][:, i], theirs["test_score"], rtol=1e-8)
        assert_allclose(found.cv_results_["score"][i], theirs["test_score"].mean(), rtol=1e-8)


def test_scorers_see_weights():
    X, y, weight = problem()
    ours = RidgeCV(ALPHAS, cv=4, scoring="neg_mean_absolute_error").fit(X, y, weight)
    for fold, (train, test) in enumerate(KFold(4).split(X)):
        coef, intercept = fit(X[train], y[train], ALPHAS[3], weight[train])
        error = np.abs(y[test] - X[test] @ coef[0] - intercept[0])
        expected = -np.average(error, weights=weight[test])
        assert_allclose(ours.cv_results_["fold_score"][fold, 3], expected, rtol=1e-9)


@pytest.mark.parametrize("shape", [(40, 6), (18, 25)], ids=str)
@pytest.mark.parametrize("cv", [KFold(4), None, "gcv"], ids=str)
def test_a_penalty_for_each_target(shape, cv):
    X, Y, weight = problem(*shape, 3)
    Y[:, 1] = Y[:, 1] * 0.01 + np.random.default_rng(1).normal(size=len(X)) * 10
    options = {"cv": cv, "alpha_per_target": True, "scoring": "neg_mean_squared_error"}
    ours = RidgeCV(ALPHAS, **options).fit(X, Y, weight)
    assert cv == "gcv" or len(set(ours.alpha_)) > 1
    for t in range(3):
        alone = RidgeCV(ALPHAS, cv=cv, scoring=options["scoring"]).fit(X, Y[:, t], weight)
        assert ours.alpha_[t] == alone.alpha_
        assert_allclose(ours.best_score_[t], alone.best_score_, rtol=1e-10)
        assert_allclose(ours.coef_[t], alone.coef_, atol=1e-11)
        assert_allclose(
            ours.cv_results_["validation_error"][:, t], alone.cv_results_["validation_error"]
        )
        assert ours.diagnosis_[t].verdict == alone.diagnosis_.verdict


def test_standardized_folds_leak_nothing():
    # a column whose scale lies in few rows: a scaler that saw them all would change every fold
    X, y, _ = problem(40, 6)
    X[3, 2] = 500.0
    found = RidgeCV(ALPHAS, cv=5, standardize=True, scoring="neg_mean_squared_error").fit(X, y)
    for i, alpha in enumerate(ALPHAS):
        pipe = make_pipeline(StandardScaler(), peer.Ridge(alpha, solver="svd"))
        theirs = cross_validate(pipe, X, y, cv=5, scoring="neg_mean_squared_error")
        # the penalty of a standardised fit is that of columns of deviation 1
        assert_allclose(found.cv_results_["fold_score"][:, i], theirs["test_score"], rtol=1e-8)
    leaky = StandardScaler().fit_transform(X)
    leaked = RidgeCV(ALPHAS, cv=5, scoring="neg_mean_squared_error").fit(leaky, y)
    assert np.abs(leaked.cv_results_["score"] / found.cv_results_["score"] - 1).max() > 1e-3


def test_groups_stay_together():
    X, y, weight = problem(60)
    groups = np.random.default_rng(0).integers(0, 12, 60)
    seen = []

    class Splitter:
        def split(self, X, y, groups):
            seen.append(groups)
            return GroupKFold(3).split(X, y, groups)

    RidgeCV(ALPHAS, cv=Splitter()).fit(X, y, groups=groups)
    assert_array_equal(seen[0], groups)
    splits = make_splits(3, 60, X, y, groups, weight, None)
    assert_array_equal(np.sort(np.concatenate([s.test for s in splits])), np.arange(60))
    for split in splits:
        assert not set(groups[split.train]) & set(groups[split.test])
    heavy = [weight[s.test].sum() for s in splits]
    assert max(heavy) < 1.3 * min(heavy)
    ours = RidgeCV(ALPHAS, cv=3, scoring="neg_mean_squared_error").fit(X, y, weight, groups)
    theirs = RidgeCV(ALPHAS, cv=[s[:2] for s in splits], scoring="neg_mean_squared_error")
    assert ours.best_score_ == theirs.fit(X, y, weight).best_score_
    with pytest.raises(ValueError, match=r"groups has shape \(3,\)"):
        RidgeCV(cv=3).fit(X, y, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="groups has 1 groups"):
        RidgeCV(cv=3).fit(X, y, groups=np.ones(60))


@pytest.mark.parametrize("shape", [(30, 5), (14, 20)], ids=str)
@pytest.mark.parametrize("how", ["folds", "loo", "gcv"])
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
def test_weights_are_repetition(shape, how, scoring):
    if how == "gcv" and scoring:
        pytest.skip("generalised cross-validation has no predictions to score")
    X, y, _ = problem(*shape)
    n = len(X)
    weight = np.random.default_rng(2).integers(0, 4, n).astype(float)
    rows = np.repeat(np.arange(n), weight.astype(int))
    groups = np.arange(n) % 4
    options = {"scoring": scoring, "select": "1se"}
    if how == "folds":
        weighted = RidgeCV(ALPHAS, cv=LeaveOneGroupOut(), **options)
        repeated = RidgeCV(ALPHAS, cv=LeaveOneGroupOut(), **options)
    elif how == "gcv":
        weighted = repeated = RidgeCV(ALPHAS, cv="gcv", **options)
        repeated = RidgeCV(ALPHAS, cv="gcv", **options)
    else:
        # the copies of a row are left out together
        weighted, repeated = RidgeCV(ALPHAS, **options), None
    weighted.fit(X, y, weight, groups=groups)
    if repeated is not None:
        repeated.fit(X[rows], y[rows], groups=groups[rows])
        for name in ("validation_error", "train_error", "score", "score_se", "dof", "null_error"):
            a, b = weighted.cv_results_[name], repeated.cv_results_[name]
            assert_allclose(a, b, rtol=1e-8, atol=1e-10, err_msg=name)
        assert weighted.alpha_ == repeated.alpha_
        assert_allclose(weighted.coef_, repeated.coef_, atol=1e-10)
        return
    for i, alpha in enumerate(ALPHAS):
        squares, errors = 0.0, 0.0
        for left in np.flatnonzero(weight):
            train = rows[rows != left]
            coef, intercept = fit(X[train], y[train], alpha)
            e = y[left] - X[left] @ coef[0] - intercept[0]
            squares += weight[left] * e**2 / weight.sum()
            errors -= weight[left] * abs(e) / weight.sum()
        assert_allclose(weighted.cv_results_["validation_error"][i], squares, rtol=1e-8)
        if scoring:
            assert_allclose(weighted.cv_results_["score"][i], errors, rtol=1e-8)


# Held-out sets.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["cholesky", "dual", "cg"])
def test_a_held_out_set(weighted, solver):
    X, y, weight = problem(60, 8)
    weight = weight if weighted else None
    train, test = np.arange(40), np.arange(40, 60)
    s = None if weight is None else weight[train]
    held = (X[test], y[test]) if weight is None else (X[test], y[test], weight[test])
    model = RidgeCV(ALPHAS, validation=held, solver=solver, tol=1e-12).fit(X[train], y[train], s)
    for i, alpha in enumerate(ALPHAS):
        _, errors = held_out(X, y, weight, [(train, test)], alpha)
        assert_allclose(model.cv_results_["validation_error"][i], errors[0, 0], rtol=1e-8)
    coef, _ = fit(X[train], y[train], model.alpha_, s)
    assert_allclose(model.coef_, coef[0], atol=1e-8)
    mae = RidgeCV(ALPHAS, validation=held, scoring="neg_mean_absolute_error")
    assert mae.fit(X[train], y[train], s).cv_results_.kind == "held-out"


# Leave-one-out and its average.


def left_out(X, y, alpha, weight=None, **options):
    n = len(X)
    out = np.empty_like(y.reshape(n, -1))
    for i in range(n):
        rows = np.delete(np.arange(n), i)
        s = None if weight is None else weight[rows]
        coef, intercept = fit(X[rows], y[rows], alpha, s, **options)
        out[i] = y[i] - X[i] @ coef.T - intercept
    return out


@pytest.mark.slow
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(25, 6), (14, 20), (12, 12)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("free", [False, True])
def test_leave_one_out_against_fitting_each(container, shape, weighted, fit_intercept, free):
    X, Y, weight = problem(*shape, 2)
    weight = weight if weighted else None
    factor = np.linspace(0.5, 2.0, shape[1])
    factor[:2] *= not free
    model = RidgeCV(
        ALPHAS, store_cv_results=True, fit_intercept=fit_intercept, penalty_factor=factor
    )
    model.fit(CONTAINERS[container](X), Y, weight)
    stored = np.asarray(model.cv_results_)
    assert stored.shape == (*Y.shape, len(ALPHAS))
    for i, alpha in enumerate(ALPHAS):
        e = left_out(X, Y, alpha, weight, factor=factor, fit_intercept=fit_intercept)
        s = np.ones(len(X)) if weight is None else weight
        assert_allclose(stored[:, :, i], s[:, None] * e**2, rtol=1e-6, atol=1e-9)
        found = model.cv_results_["validation_error"][i]
        assert_allclose(found, (s @ e**2).mean() / s.sum(), rtol=1e-8)
    assert_allclose(model.best_score_, -model.cv_results_["validation_error"].min())


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(25, 6), (14, 20), (30, 29)], ids=str)
@pytest.mark.parametrize("alpha", [0.0, 1e-14, 1e-9])
def test_leave_one_out_near_no_penalty(shape, alpha):
    mpmath = pytest.importorskip("mpmath")
    X, y, _ = problem(*shape)
    n, p = shape
    X = X * np.logspace(0, 3, p)
    model = RidgeCV([alpha], store_cv_results=True).fit(X, y)
    found = np.asarray(model.cv_results_)[:, 0]
    with mpmath.workdps(60):
        for i in range(0, n, 7):
            rows = np.delete(np.arange(n), i)
            A = mpmath.matrix(X[rows].tolist())
            mean = [mpmath.fsum(A[:, j]) / (n - 1) for j in range(p)]
            b = mpmath.matrix(y[rows].tolist())
            offset = mpmath.fsum(b) / (n - 1)
            for r in range(n - 1):
                b[r] -= offset
                for j in range(p):
                    A[r, j] -= mean[j]
            x = mpmath.matrix((X[i]).tolist()) - mpmath.matrix(mean)
            if n - 1 > p:
                w = mpmath.lu_solve(A.T * A + mpmath.mpf(alpha) * mpmath.eye(p), A.T * b)
            else:
                # the centred rows sum to 0, which 1 1' takes out of the way
                K = A * A.T + mpmath.mpf(alpha) * mpmath.eye(n - 1)
                w = A.T * mpmath.lu_solve(K + mpmath.ones(n - 1), b)
            e = y[i] - float(offset + (x.T * w)[0])
            assert_allclose(found[i], e**2, rtol=1e-6)


def test_leave_one_out_of_rows_that_stand_alone():
    # rows that alone carry a column: left out, its coefficient is 0
    X, y, _ = problem(30, 4)
    X = np.hstack([X, np.eye(30)[:, :3]])
    alphas = [0.0, 1e-12, 1e-3]
    model = RidgeCV(alphas, store_cv_results=True).fit(X, y)
    for i, alpha in enumerate(alphas):
        e = left_out(X, y, alpha)[:, 0]
        assert_allclose(np.asarray(model.cv_results_)[:, i], e**2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(40, 6), (14, 20)], ids=str)
@pytest.mark.parametrize("scoring", [None, "r2", "neg_mean_absolute_error"])
@pytest.mark.parametrize("k", [None, 1, 2])
def test_leave_one_out_agrees_with_scikit_learn(shape, scoring, k):
    X, y, weight = problem(*shape, k)
    options = {"scoring": scoring, "store_cv_results": True}
    theirs = peer.RidgeCV(ALPHAS, **options).fit(X, y)
    ours = RidgeCV(ALPHAS, **options).fit(X, y)
    assert ours.alpha_ == theirs.alpha_
    assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-8)
    # y with one column is one target here
    stored = np.asarray(ours.cv_results_)
    assert_allclose(stored, theirs.cv_results_.reshape(stored.shape), rtol=1e-5, atol=1e-8)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-9)
    assert ours.coef_.shape == theirs.coef_.shape
    weighted = peer.RidgeCV(ALPHAS, **options).fit(X, y, weight)
    assert RidgeCV(ALPHAS, **options).fit(X, y, weight).alpha_ == weighted.alpha_


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "scoring",
    ["neg_mean_squared_error", "r2", "neg_root_mean_squared_error", "neg_median_absolute_error"],
)
def test_a_score_that_was_asked_for_keeps_predictions(scoring, weighted):
    X, Y, weight = problem(12, 3, k=2)
    weight = weight if weighted else np.ones(12)
    model = RidgeCV(ALPHAS, scoring=scoring, store_cv_results=True)
    model.fit(X, Y, weight if weighted else None)
    for i in range(12):
        kept = np.arange(12) != i
        for j, alpha in enumerate(ALPHAS):
            fit = Ridge(alpha).fit(X[kept], Y[kept], weight[kept])
            assert_allclose(model.cv_results_[i, :, j], fit.predict(X[[i]])[0], rtol=1e-8)


def test_rows_without_weight_have_no_prediction():
    X, y, _ = problem(12, 3)
    weight = np.ones(12)
    weight[4] = 0.0
    model = RidgeCV(ALPHAS, scoring="r2", store_cv_results=True).fit(X, y, weight)
    rest = RidgeCV(ALPHAS, scoring="r2", store_cv_results=True).fit(X[weight > 0], y[weight > 0])
    assert np.isnan(np.asarray(model.cv_results_)[4]).all()
    assert_allclose(np.asarray(model.cv_results_)[weight > 0], np.asarray(rest.cv_results_))


@pytest.mark.parametrize("shape", [(40, 6), (14, 20)], ids=str)
def test_generalised_cross_validation(shape):
    X, y, weight = problem(*shape)
    model = RidgeCV(ALPHAS, cv="gcv").fit(X, y, weight)
    total = weight.sum()
    root = np.sqrt(weight)[:, None]
    A = root * (X - weight @ X / total)
    for i, alpha in enumerate(ALPHAS):
        H = A @ np.linalg.solve(A.T @ A + alpha * np.eye(shape[1]), A.T)
        coef, intercept = fit(X, y, alpha, weight)
        residual = weight @ (y - X @ coef[0] - intercept) ** 2
        expected = residual / total / (1 - (np.trace(H) + 1) / total) ** 2
        assert_allclose(model.cv_results_["validation_error"][i], expected, rtol=1e-8)
        assert_allclose(model.cv_results_["dof"][i], np.trace(H), rtol=1e-8)


# Large sparse data.


def test_conjugate_gradients():
    rng = np.random.default_rng(0)
    X = sp.random_array((150, 40), density=0.08, random_state=rng, format="csr")
    y = X @ rng.normal(size=40) + 0.3 * rng.normal(size=150)
    exact = RidgeCV(ALPHAS, cv=3).fit(X, y)
    calls = []
    found = RidgeCV(ALPHAS, cv=3, solver="cg", tol=1e-12, callback=lambda *a: calls.append(a)).fit(
        X, y
    )
    assert found.solver_ == "cg"
    assert found.alpha_ == exact.alpha_
    assert_allclose(
        found.cv_results_["validation_error"], exact.cv_results_["validation_error"], rtol=1e-8
    )
    assert calls == [(i, 21) for i in range(1, 22)]
    exact = RidgeCV(ALPHAS, cv="gcv").fit(X, y).cv_results_
    estimated = RidgeCV(ALPHAS, cv="gcv", solver="cg", tol=1e-12, random_state=3).fit(X, y)
    again = RidgeCV(ALPHAS, cv="gcv", solver="cg", tol=1e-12, random_state=3).fit(X, y)
    other = RidgeCV(ALPHAS, cv="gcv", solver="cg", tol=1e-12, random_state=4).fit(X, y)
    a, b, c = (m.cv_results_["validation_error"] for m in (estimated, again, other))
    assert_array_equal(a, b)
    assert (a != c).any()
    error = estimated.cv_results_["validation_error_se"]
    assert (error[2:] > 0).all()
    assert (np.abs(a - exact["validation_error"]) <= 5 * error + 1e-8 * a).all()
    with pytest.warns(ConvergenceWarning, match="try"):
        RidgeCV([0.0], cv=3, solver="cg", tol=1e-12, max_iter=1).fit(X, y)


def test_what_does_not_fit_into_memory():
    X, y, _ = problem()
    with pytest.raises(ValueError, match="expected cv='gcv' or folds"):
        RidgeCV(max_memory=100.0).fit(X, y)
    assert RidgeCV(cv=3, max_memory=100.0).fit(X, y).solver_ == "cg"


# What is shown.


def test_results_as_a_frame_and_on_request():
    X, y, _ = problem()
    model = RidgeCV(ALPHAS, cv=4, store_coef=True).fit(X, y)
    frame = model.cv_results_.to_frame()
    assert list(frame["alpha"]) == list(ALPHAS)
    assert {"train_error", "validation_error", "validation_error_se", "dof", "norm"} <= set(frame)
    assert_allclose(frame["norm"][3], np.linalg.norm(fit(X, y, ALPHAS[3])[0]), rtol=1e-9)
    train, _ = next(iter(KFold(4).split(X)))
    coef, _ = fit(X[train], y[train], ALPHAS[2])
    assert model.cv_results_["fold_coef"].shape == (4, 7, 6)
    assert_allclose(model.cv_results_["fold_coef"][0, 2], coef[0], atol=1e-9)
    two = RidgeCV(ALPHAS, cv=4, alpha_per_target=True).fit(X, np.c_[y, -y])
    assert list(two.cv_results_.to_frame()["target"][:4]) == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="store_cv_results"):
        np.asarray(model.cv_results_)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.cv_results_["score"], model.cv_results_["score"])
    assert str(copy.diagnosis_) == str(model.diagnosis_)
