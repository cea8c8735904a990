"""Every storage, order of rows and columns, and form of weights gives the same fit."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import problems
import pytest

import fastridge

SEEDS = range(24)
# what two fits of the same numbers may differ by: the tolerance, and the rounding of coefficients
TOL, C = 2e-6, 200


def classes_of(problem):
    return np.where(problem.y > np.median(problem.y), "b", "a")


def several_of(problem):
    return np.column_stack([problem.y, np.roll(problem.y, 1)])


def penalty_of(problem):
    X, y, s, _, _ = problems.centred(problem, True)
    return float(np.abs(X.T @ (s * y)).max() / s.sum()) or 1.0


NETS = {"tol": 1e-10, "max_iter": 5000}
FITS = {
    "Ridge": lambda p, X: fastridge.Ridge(1e-3).fit(X, p.y, p.weight),
    "Ridge, standardize": lambda p, X: fastridge.Ridge(1e-3, standardize=True).fit(
        X, p.y, p.weight
    ),
    "Ridge, no intercept": lambda p, X: fastridge.Ridge(1e-3, fit_intercept=False).fit(
        X, p.y, p.weight
    ),
    "RidgeClassifier": lambda p, X: fastridge.RidgeClassifier(1e-3).fit(X, classes_of(p), p.weight),
    "RidgeCV": lambda p, X: fastridge.RidgeCV([1e-3, 1.0, 1e3]).fit(X, p.y, p.weight),
    "RidgeCV, folds": lambda p, X: fastridge.RidgeCV([1e-3, 1.0, 1e3], cv=2).fit(X, p.y, p.weight),
    "Lasso": lambda p, X: fastridge.Lasso(0.1 * penalty_of(p), **NETS).fit(X, p.y, p.weight),
    "ElasticNet": lambda p, X: fastridge.ElasticNet(0.01 * penalty_of(p), **NETS).fit(
        X, p.y, p.weight
    ),
    "Lasso, standardize": lambda p, X: fastridge.Lasso(0.01, standardize=True, **NETS).fit(
        X, p.y, p.weight
    ),
    "MultiTaskElasticNet": lambda p, X: fastridge.MultiTaskElasticNet(
        0.1 * penalty_of(p), **NETS
    ).fit(X, several_of(p), p.weight),
    "LassoCV": lambda p, X: fastridge.LassoCV(
        alphas=penalty_of(p) * np.array([0.5, 0.1]), cv=2, **NETS
    ).fit(X, p.y, p.weight),
    "BayesianRidge": lambda p, X: fastridge.BayesianRidge().fit(X, p.y, p.weight),
}


# of one target, whose penalty does not depend on the order of rows
REGRESSORS = [n for n in FITS if not any(k in n for k in ("CV", "MultiTask", "Classifier"))]


def fitted(name, problem, X=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FITS[name](problem, problem.stored if X is None else X)


def differ(problem, ours, theirs):
    """Difference of two models' coefficients over what it may be, in the norm of the rows."""
    intercept = ours.fit_intercept
    a, b = (np.atleast_2d(m.coef_).astype(np.float64) for m in (ours, theirs))
    assert a.shape == b.shape
    X = problems.centred(problem, intercept)[0]
    size = np.sqrt(np.asarray((X**2).sum(axis=0), dtype=np.float64))
    eps = max(float(np.finfo(m.coef_.dtype).eps) for m in (ours, theirs))
    worst = 0.0
    for v, w in zip(a, b, strict=True):
        moved = float(np.sqrt(((X @ (v - w).astype(problems.LONG)) ** 2).sum()))
        length = float(np.sqrt(((X @ w.astype(problems.LONG)) ** 2).sum()))
        bound = TOL * length + C * eps * float((np.abs(v) + np.abs(w)) @ size)
        worst = max(worst, moved / bound if bound > 0 else moved)
    return worst


def chosen(model):
    """Return the penalty chosen among the given ones; None if there was no choice."""
    return model.alpha_ if hasattr(model, "cv_results_") else None


def same_choice(ours, theirs):
    """Return whether both chose the same penalty, up to ties decided by round-off."""
    if chosen(ours) == chosen(theirs):
        return True
    return hasattr(ours, "best_score_") and ours.best_score_ == pytest.approx(
        theirs.best_score_, rel=1e-6
    )


def problem_of(seed):
    """A problem of some rows, float64."""
    problem = next(p for p in (problems.make([seed, i]) for i in range(1000)) if len(p.y) >= 12)
    return problem._replace(X=problem.X.astype(np.float64))


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_storages_agree(name):
    wrong = []
    for seed in SEEDS:
        problem, rng = problem_of(seed), np.random.default_rng(seed)
        want = fitted(name, problem, np.ascontiguousarray(problem.X))
        for storage in problems.STORAGES[1:]:
            got = fitted(name, problem, problems.store(problem.X, storage, rng))
            if not same_choice(got, want):
                wrong.append((seed, storage, "alpha_"))
            elif chosen(got) == chosen(want) and differ(problem, got, want) > 1:
                wrong.append((seed, storage))
    assert not wrong


@pytest.mark.parametrize("name", FITS)
def test_containers_agree(name, tmp_path):
    problem = problem_of(3)
    want = fitted(name, problem, np.ascontiguousarray(problem.X))
    np.save(tmp_path / "X.npy", problem.X)
    names = [f"x{j}" for j in range(problem.X.shape[1])]
    for X in (
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        pd.DataFrame(problem.X, columns=names),
        pl.DataFrame(problem.X, schema=names),
        problem.X.tolist(),
    ):
        np.testing.assert_allclose(fitted(name, problem, X).coef_, want.coef_, rtol=1e-12)


@pytest.mark.parametrize("name", FITS)
@pytest.mark.slow
def test_float32_is_the_fit_of_the_same_numbers(name):
    wrong = []
    for seed in SEEDS:
        problem = problem_of(seed)
        problem = problem._replace(X=problem.X.astype(np.float32).astype(np.float64))
        want = fitted(name, problem, problem.X)
        got = fitted(name, problem, problem.X.astype(np.float32))
        assert got.coef_.dtype == np.float32
        if not same_choice(got, want):
            wrong.append((seed, "alpha_"))
        elif chosen(got) == chosen(want) and differ(problem, got, want) > 1:
            wrong.append(seed)
    assert not wrong


@pytest.mark.parametrize("name", REGRESSORS)
def test_weights_are_repetition(name):
    wrong = []
    for seed in SEEDS:
        problem, rng = problem_of(seed), np.random.default_rng(seed)
        weight = rng.integers(0, 4, len(problem.y))
        problem = problem._replace(weight=weight * 1.0)
        want = fitted(name, problem, problem.X)
        repeated = problem._replace(
            X=np.repeat(problem.X, weight, axis=0), y=np.repeat(problem.y, weight), weight=None
        )
        if differ(problem, fitted(name, repeated, repeated.X), want) > 1:
            wrong.append(seed)
    assert not wrong


@pytest.mark.parametrize("name", REGRESSORS)
def test_order_of_rows_and_columns_does_not_matter(name):
    wrong = []
    for seed in SEEDS:
        problem, rng = problem_of(seed), np.random.default_rng(seed)
        want = fitted(name, problem, problem.X)
        rows, columns = rng.permutation(len(problem.y)), rng.permutation(problem.X.shape[1])
        weight = None if problem.weight is None else problem.weight[rows]
        other = problem._replace(X=problem.X[rows][:, columns], y=problem.y[rows], weight=weight)
        got = fitted(name, other, other.X)
        got.coef_ = got.coef_[..., np.argsort(columns)]
        if differ(problem, got, want) > 1:
            wrong.append(seed)
    assert not wrong


def test_scaling_a_column_by_a_power_of_two_is_exact():
    for seed in SEEDS:
        problem, rng = problem_of(seed), np.random.default_rng(seed)
        scale = 2.0 ** rng.integers(-20, 21, problem.X.shape[1])
        for options in ({"penalty_factor": scale**2}, {"standardize": True}):
            plain = {} if "penalty_factor" in options else options
            want = fastridge.ridge(problem.X, problem.y, 1e-2, **plain)
            got = fastridge.ridge(problem.X * scale, problem.y, 1e-2, **options)
            np.testing.assert_array_equal(got.coef * scale, want.coef)
            assert got.intercept == want.intercept
