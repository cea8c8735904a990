"""Small problems of columns from 1e-8 to 1e8, with free ones, against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse

import fastridge

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def problem(seed):
    """X, its stored form, y, weights, factors, penalties and whether to fit an intercept."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(2, 13)), int(rng.integers(1, 13))
    X = rng.standard_normal((n, p)) * 10.0 ** rng.integers(-8, 9, p)
    if rng.random() < 0.3:
        X[:, rng.integers(p)] = X[:, 0] * 2
    if rng.random() < 0.3:
        X[:, rng.integers(p)] = float(rng.integers(0, 3))
    if rng.random() < 0.3:
        X[rng.integers(n)] = X[0]
    if rng.random() < 0.2:
        X += np.abs(X).max(axis=0) * 1e3
    y = rng.standard_normal(n)
    weight = rng.integers(0, 4, n).astype(float) if rng.random() < 0.4 else None
    if weight is not None and (weight > 0).sum() < 2:
        weight[:2] = 1
    factor = np.where(rng.random(p) < 0.3, 0.0, 1.0) if rng.random() < 0.6 else None
    store = [np.asarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_array]
    alpha = 10.0 ** int(rng.integers(-4, 9))
    return X, store[rng.integers(4)](X), y, weight, factor, alpha, bool(rng.random() < 0.7)


def eliminate(M, right):
    """A solution of M x = right in rationals, M square and the system consistent."""
    n = len(M)
    rows = [[*row, value] for row, value in zip(M, right, strict=True)]
    pivots: list[int] = []
    for j in range(n):
        at = next((i for i in range(len(pivots), n) if rows[i][j]), None)
        if at is None:
            continue
        top = len(pivots)
        rows[top], rows[at] = rows[at], rows[top]
        pivot = rows[top]
        for i in range(top + 1, n):
            if rows[i][j]:
                share = rows[i][j] / pivot[j]
                rows[i] = [a - share * b if b else a for a, b in zip(rows[i], pivot, strict=True)]
        pivots.append(j)
    x = [Fraction(0)] * n
    for i in range(len(pivots) - 1, -1, -1):
        j, row = pivots[i], rows[i]
        x[j] = (row[n] - sum(a * b for a, b in zip(row[j + 1 : n], x[j + 1 :], strict=True))) / (
            row[j]
        )
    return x


def exact(X, y, alpha, weight, factor, fit_intercept):
    """Objective and residual of the ridge: by samples, a the multipliers of its rows."""
    n, p = X.shape
    s = np.ones(n) if weight is None else weight
    d = np.ones(p) if factor is None else factor
    live = [i for i in range(n) if s[i] > 0]
    A = [[Fraction(float(X[i, j])) for j in range(p)] for i in live]
    free = [[row[j] for row in A] for j in range(p) if d[j] == 0]
    if fit_intercept:
        free.append([Fraction(1)] * len(live))
    alpha = Fraction(float(alpha))
    M = []
    for i, row in enumerate(A):
        own = [
            sum(u * v for j, (u, v) in enumerate(zip(row, other, strict=True)) if d[j] > 0)
            for other in A
        ]
        own[i] = own[i] + alpha / Fraction(float(s[live[i]]))
        M.append([Fraction(v) for v in own] + [column[i] for column in free])
    M.extend([column + [Fraction(0)] * len(free) for column in free])
    right = [Fraction(float(y[i])) for i in live]
    a = eliminate(M, right + [Fraction(0)] * len(free))[: len(live)]
    objective = alpha * sum(u * v for u, v in zip(right, a, strict=True))
    residual = sum((alpha * v) ** 2 / Fraction(float(s[i])) for i, v in zip(live, a, strict=True))
    return float(objective), float(residual)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 300, 60))
def test_objectives(start):
    """Fit and path reach the minimum, whatever is copied, constant, free or without weight."""
    for seed in range(start, start + 60):
        X, stored, y, weight, factor, alpha, fit_intercept = problem(seed)
        objective, residual = exact(X, y, alpha, weight, factor, fit_intercept)
        given = {
            "sample_weight": weight,
            "penalty_factor": factor,
            "fit_intercept": fit_intercept,
        }
        one = fastridge.ridge(stored, y, alpha, **given)
        path = fastridge.ridge_path(stored, y, [alpha], **given)
        scale = float((y**2 if weight is None else weight * y**2).sum())
        what = f"seed {seed}, alpha {alpha}"
        assert abs(one.objective - objective) <= 1e-7 * scale, what
        assert abs(path.objective[0] - objective) <= 1e-7 * scale, what
        assert abs(path.residual[0] - residual) <= 1e-7 * scale, what


def test_copies_of_rows_far_from_zero():
    """The round-off of the means does not count as a direction of the rows."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((3, 11)) + 1e3) * 10.0 ** rng.integers(-3, 8, 11)
    X[2] = X[0]
    y = np.array([1.0, -1.0, 0.5])
    objective, residual = exact(X, y, 1.0, None, None, True)
    path = fastridge.ridge_path(X, y, [1.0])
    np.testing.assert_allclose(path.objective, objective, rtol=1e-9)
    np.testing.assert_allclose(path.residual, residual, rtol=1e-9)
    np.testing.assert_allclose(path.dof, 1.0, rtol=1e-6)


def test_free_columns_of_unlike_scales_by_samples():
    """A small free column explains its part of the target beside a large one."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((6, 12)) * np.r_[1e-8, 1e8, np.ones(10)]
    y, factor = rng.standard_normal(6), np.r_[0.0, 0.0, np.ones(10)]
    for alpha in (1.0, 1e3, 1e6):
        objective, _ = exact(X, y, alpha, None, factor, True)
        found = fastridge.ridge(X, y, alpha, penalty_factor=factor, solver="dual")
        np.testing.assert_allclose(found.objective, objective, rtol=1e-9)


def test_folds_whose_training_rows_are_small():
    """Moments of the training rows are summed again where a difference would cancel."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 2))
    X[:6] *= 1e9
    y = rng.standard_normal(12)
    folds = [(np.arange(6, 12), np.arange(6)), (np.arange(6), np.arange(6, 12))]
    found = fastridge.RidgeCV([1.0], cv=folds, scoring="neg_mean_squared_error").fit(X, y)
    errors = []
    for train, test in folds:
        model = fastridge.Ridge(1.0).fit(X[train], y[train])
        errors.append(np.mean((y[test] - model.predict(X[test])) ** 2))
    np.testing.assert_allclose(found.best_score_, -np.mean(errors), rtol=1e-9)


def test_generalised_of_a_column_of_zeros():
    y = np.random.default_rng(0).standard_normal(11)
    weight = np.r_[3, 2, 2, 1, 2, 3, 0, 3, 0, 2, 1.0]
    X = scipy.sparse.csc_array(np.zeros((11, 1)))
    given = {"sample_weight": weight, "fit_intercept": False, "solver": "cg"}
    path = fastridge.ridge_path(X, y, [1.0, 10.0, 0.0], **given)
    np.testing.assert_allclose(path.gcv, np.full(3, np.average(y**2, weights=weight)), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("store", [np.asarray, scipy.sparse.csr_array])
def test_precisions_of_light_rows(store, standardize):
    """Weights that leave no degree of freedom for the noise are refused, others give precisions."""
    refused = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(3, 12)), int(rng.integers(3, 20))
        X, y = store(rng.standard_normal((n, p))), rng.standard_normal(n)
        weight = rng.random(n) * 10.0 ** rng.integers(-3, 1)
        model = fastridge.BayesianRidge(standardize=standardize, compute_score=True)
        try:
            model.fit(X, y, sample_weight=weight)
        except ValueError as error:
            if "sample_weight sums to" not in str(error):
                raise
            refused += 1
            continue
        assert model.alpha_ > 0
        assert model.lambda_ > 0
        assert np.isfinite([*model.coef_, *model.scores_]).all()
        assert model.dof_ < weight.sum()
    assert 0 < refused < 40
