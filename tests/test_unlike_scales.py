"""Paths, folds and leave-one-out where columns have unlike scales: against fits of 60 digits."""

import functools

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import LeaveOneOut

import fastridge
from fastridge import BayesianRidge, RidgeClassifierCV, RidgeCV
from fastridge.data.check import check_design
from fastridge.exceptions import UndefinedMetricWarning
from fastridge.solvers.ridge_path.shrinkage import squared_singular_values

ALPHAS = np.array([1e6, 1.0, 1e-6])
HEIGHTS = np.array([300, 170, 288, 360, 319, 330, 520, 345, 399, 479.0, 251, 412])


class Truth:
    """A ridge fit in numbers of 60 digits."""

    def __init__(self, X, y, alpha, weight=None, factor=None):
        n, p = X.shape
        with mpmath.workdps(60):
            number = mpmath.mpf
            s = [number(float(v)) for v in (np.ones(n) if weight is None else weight)]
            f = [number(float(v)) for v in (np.ones(p) if factor is None else factor)]
            A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
            total = mpmath.fsum(s)
            mean = [mpmath.fsum(s[i] * A[i, j] for i in range(n)) / total for j in range(p)]
            y_mean = mpmath.fsum(s[i] * b[i] for i in range(n)) / total
            for i in range(n):
                b[i] -= y_mean
                for j in range(p):
                    A[i, j] -= mean[j]
            weighted = mpmath.diag(s) * A
            G = A.T * weighted
            M = G + mpmath.mpf(float(alpha)) * mpmath.diag(f)
            w = self.w = mpmath.lu_solve(M, weighted.T * b)
            r = b - A * w
            self.residual = float(mpmath.fsum(s[i] * r[i] ** 2 for i in range(n)))
            penalty = mpmath.fsum(f[j] * w[j] ** 2 for j in range(p))
            self.norm = float(mpmath.sqrt(penalty))
            self.b = y_mean - mpmath.fsum(m * v for m, v in zip(mean, w, strict=True))
        self.gram, self.system, self.penalties = G, M, [number(float(alpha)) * v for v in f]

    @functools.cached_property
    def dof(self):
        with mpmath.workdps(60):
            freedom = self.system**-1 * self.gram
            return float(mpmath.fsum(freedom[j, j] for j in range(len(self.penalties))))

    @functools.cached_property
    def log_det(self):
        with mpmath.workdps(60):
            scaled = mpmath.diag([1 / v for v in self.penalties]) * self.gram
            return float(mpmath.log(mpmath.det(mpmath.eye(len(self.penalties)) + scaled)))

    def predict(self, X):
        with mpmath.workdps(60):
            return np.array([float((mpmath.matrix([x.tolist()]) * self.w)[0] + self.b) for x in X])


def designs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3)) * [1e8, 1, 1]
    yield "one large column", X, X @ [1e-8, 1, 1] + 0.5 * rng.standard_normal(20)
    X = np.linalg.qr(rng.standard_normal((14, 4)))[0] * [1, 1e14, 1e5, 1e7]
    yield "orthogonal", X, (X / np.abs(X).max(0)).sum(1) + 0.1 * rng.standard_normal(14)
    z = 2e5 + 600 * HEIGHTS + 3e4 * np.sin(HEIGHTS)
    yield "powers to 5", np.vander(HEIGHTS, 6, increasing=True)[:, 1:], z
    yield "powers to 6", np.vander(HEIGHTS, 7, increasing=True)[:, 1:], z
    X = rng.standard_normal((8, 12)) * 10.0 ** rng.integers(-8, 8, 12)
    yield "wide", X, rng.standard_normal(8)
    X = rng.standard_normal((12, 6)) * 10.0 ** rng.integers(-8, 8, 6)
    X[:, 3] = 3 * X[:, 1]
    yield "copies", X, rng.standard_normal(12)


DESIGNS = {name: (X, y) for name, X, y in designs()}
# relative errors of what polynomials of this degree, to 16 digits, still determine
TOLERANCE = {"powers to 5": 1e-9, "powers to 6": 1e-8}


def options(y, p, free, weighted):
    rng = np.random.default_rng(1)
    weight = rng.integers(1, 4, len(y)).astype(float) if weighted else None
    return weight, np.r_[0.0, np.ones(p - 1)] if free else None


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(("free", "weighted"), [(False, False), (True, True)])
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.slow
def test_path(name, free, weighted, container):
    X, y = DESIGNS[name]
    weight, factor = options(y, X.shape[1], free, weighted)
    path = fastridge.ridge_path(
        container(X), y, ALPHAS, sample_weight=weight, penalty_factor=factor
    )
    tol = TOLERANCE.get(name, 1e-10)
    for j, alpha in enumerate(ALPHAS):
        truth = Truth(X, y, alpha, weight, factor)
        assert_allclose(path.dof[j], truth.dof, rtol=tol)
        assert_allclose(path.residual[j], truth.residual, rtol=tol)
        assert_allclose(path.norm[j], truth.norm, rtol=tol)
        expected = truth.predict(X)
        size = np.abs(expected - expected.mean()).max()
        assert_allclose(path.predict(X)[j], expected, rtol=0, atol=tol * size)
        n = len(y) if weight is None else weight.sum()
        fit = n * (np.log(2 * np.pi * truth.residual / n) + 1)
        # of rows that a path interpolates, the criterion's logarithm alone is known
        assert_allclose(path.aic[j], fit + 2 * (truth.dof + 2), rtol=1e-8, atol=1e-8 * n)
        if not free:
            objective = truth.residual + alpha * truth.norm**2
            evidence = n * (np.log(2 * np.pi * objective / n) + 1) + truth.log_det
            assert_allclose(path.log_evidence[j], -0.5 * evidence, rtol=1e-8)
    assert path.converged


@pytest.mark.parametrize("name", ["one large column", "orthogonal", "powers to 5"])
def test_path_of_moments(name):
    """For columns that are not nearly dependent, moments suffice."""
    X, y = DESIGNS[name]
    path = fastridge.ridge_path(fastridge.Moments(X, y), alphas=ALPHAS)
    # the condition of the columns, brought to one length, squared
    tol = {"powers to 5": 1e-5}.get(name, 1e-9)
    for j, alpha in enumerate(ALPHAS):
        truth = Truth(X, y, alpha)
        assert_allclose(path.dof[j], truth.dof, rtol=tol)
        objective = truth.residual + alpha * truth.norm**2
        evidence = len(y) * (np.log(2 * np.pi * objective / len(y)) + 1) + truth.log_det
        assert_allclose(path.log_evidence[j], -0.5 * evidence, rtol=tol)


def splits_of(n):
    return [(np.setdiff1d(np.arange(n), test), test) for test in np.array_split(np.arange(n), 4)]


@functools.cache
def expected_scores(name, free, weighted):
    """Mean squared errors of leave-one-out, "gcv" and folds, for each penalty."""
    X, y = DESIGNS[name]
    n = len(y)
    weight, factor = options(y, X.shape[1], free, weighted)

    def errors(splits, alpha):
        for train, test in splits:
            part = None if weight is None else weight[train]
            fit = Truth(X[train], y[train], alpha, part, factor)
            part = None if weight is None else weight[test]
            yield np.average((y[test] - fit.predict(X[test])) ** 2, weights=part)

    single = [(np.delete(np.arange(n), i), np.array([i])) for i in range(n)]
    found = {"loo": [], "gcv": [], "folds": []}
    for alpha in ALPHAS:
        whole = Truth(X, y, alpha, weight, factor)
        total = n if weight is None else weight.sum()
        left = 1.0 - (whole.dof + 1.0) / total
        # of a path that interpolates, the quotient of two rounded differences is not known here
        found["gcv"].append(whole.residual / total / left**2 if left > 1e-3 else np.nan)
        found["loo"].append(np.average(list(errors(single, alpha)), weights=weight))
        found["folds"].append(np.mean(list(errors(splits_of(n), alpha))))
    return {kind: np.array(values) for kind, values in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(("free", "weighted"), [(False, False), (True, True)])
@pytest.mark.parametrize("name", DESIGNS)
def test_cross_validation(name, free, weighted, container):
    X, y = DESIGNS[name]
    weight, factor = options(y, X.shape[1], free, weighted)
    tol = 100 * TOLERANCE.get(name, 1e-10)
    expected = expected_scores(name, free, weighted)
    known = ~np.isnan(expected["gcv"])
    for kind, cv in (("loo", None), ("gcv", "gcv"), ("folds", splits_of(len(y)))):
        model = RidgeCV(ALPHAS, cv=cv, penalty_factor=factor, scoring="neg_mean_squared_error")
        found = -model.fit(container(X), y, sample_weight=weight).cv_results_["score"]
        some = known if kind == "gcv" else slice(None)
        assert_allclose(found[some], expected[kind][some], rtol=tol)
    path = fastridge.ridge_path(
        container(X), y, ALPHAS, sample_weight=weight, penalty_factor=factor
    )
    assert_allclose(path.gcv[known], expected["gcv"][known], rtol=tol)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_bayesian_ridge(container):
    """Columns in other units give the same fit, and the evidence is maximal."""
    X, y = DESIGNS["one large column"]
    units = np.array([1e8, 1.0, 1.0])
    model = BayesianRidge(penalty_factor=units**2, compute_score=True).fit(container(X), y)
    other = BayesianRidge(compute_score=True).fit(X / units, y)
    assert_allclose(model.coef_ * units, other.coef_, rtol=1e-9)
    assert_allclose(
        [model.alpha_, model.lambda_, model.dof_, model.scores_[-1]],
        [other.alpha_, other.lambda_, other.dof_, other.scores_[-1]],
        rtol=1e-9,
    )
    model = BayesianRidge(compute_score=True, tol=1e-12).fit(container(X), y)
    truth = Truth(X, y, model.penalty_)
    assert_allclose(model.coef_, [float(v) for v in truth.w], rtol=1e-9)
    assert_allclose(model.dof_, truth.dof, rtol=1e-9)
    assert_allclose(model.lambda_, (truth.dof + 2e-6) / (truth.norm**2 + 2e-6), rtol=1e-6)
    noise = (len(y) - truth.dof + 2e-6) / (truth.residual + 2e-6)
    assert_allclose(model.alpha_, noise, rtol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(
    "X",
    [np.arange(8.0).reshape(4, 2), np.arange(8.0).reshape(2, 4), np.repeat(np.eye(3), 4, axis=0)],
    ids=["tall", "wide", "one-hot"],
)
def test_bayesian_ridge_of_a_constant(X, container):
    model = BayesianRidge(compute_score=True).fit(container(X), np.ones(len(X)))
    assert_array_equal(model.coef_, 0.0)
    assert model.intercept_ == 1.0
    assert np.isfinite([model.alpha_, model.lambda_, *model.scores_]).all()
    assert_allclose(model.predict(X, return_std=True)[0], 1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_r2_of_folds_of_one_row(weighted):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    weight = rng.random(6) if weighted else None
    model = RidgeCV(cv=LeaveOneOut())
    with (
        pytest.warns(UndefinedMetricWarning, match="fewer than two samples"),
        pytest.warns(UserWarning, match="NaN for every penalty"),
    ):
        model.fit(X, y, sample_weight=weight)
    assert np.isnan(model.best_score_)
    assert np.isnan(model.cv_results_["fold_score"]).all()
    assert model.alpha_ == 0.1


def test_r2_of_folds_of_a_constant():
    """The round-off of a weighted mean of equal numbers does not count as spread."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 2)), np.r_[np.full(6, 0.1), rng.standard_normal(3)]
    weight = rng.random(9)
    model = RidgeCV(cv=3).fit(X, y, sample_weight=weight)
    assert_array_equal(model.cv_results_["fold_score"][:2], 0.0)
    assert model.score(X[:3], y[:3], sample_weight=weight[:3]) == 0.0


@pytest.mark.parametrize("cv", [None, "gcv", 3])
@pytest.mark.parametrize("shape", [(12, 1), (12, 30)], ids=str)
def test_no_column_varies(cv, shape):
    y = np.random.default_rng(0).standard_normal(12)
    model = RidgeCV(cv=cv).fit(np.ones(shape), y)
    assert_allclose(model.coef_, 0.0)
    if cv is None:
        assert_allclose(model.best_score_, -np.mean((y - y.mean()) ** 2) * (12 / 11) ** 2)
    assert_allclose(fastridge.ridge_path(np.ones(shape), y, [1.0, 0.0]).dof, 0.0, atol=1e-12)


@pytest.mark.parametrize("cv", [None, "gcv"])
def test_no_column_is_penalised(cv):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
    model = RidgeCV(penalty_factor=[0, 0], cv=cv).fit(X, y)
    design = np.c_[np.ones(12), X]
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    assert_allclose(model.coef_, expected[1:], rtol=1e-12)
    residual = y - design @ expected
    hat = np.diagonal(design @ np.linalg.pinv(design))
    left = 1.0 - hat if cv is None else 1.0 - 3.0 / 12.0
    assert_allclose(model.best_score_, -np.mean((residual / left) ** 2), rtol=1e-12)
    path = fastridge.ridge_path(X, y, [1.0, 0.0], penalty_factor=[0, 0])
    assert_allclose(path.gcv, np.mean(residual**2) / (1.0 - 3.0 / 12.0) ** 2, rtol=1e-12)
    labels = RidgeClassifierCV(penalty_factor=[0, 0], cv=cv).fit(X, y > 0)
    signs = np.where(y > 0, 1.0, -1.0)
    expected = np.linalg.lstsq(design, signs, rcond=None)[0]
    assert_allclose(np.ravel(labels.coef_), expected[1:], rtol=1e-12)
    assert_allclose(RidgeClassifierCV(cv=cv).fit(np.ones((12, 1)), y > 0).coef_, 0.0)


@pytest.mark.parametrize("noise", [1e-5, 1e-8])
def test_residuals_of_a_nearly_exact_fit(noise):
    """Sums of squares that are differences in the moments are taken from the rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = X @ [1.0, 2.0, 3.0, 4.0] + noise * rng.standard_normal(60)
    path = fastridge.ridge_path(X, y, [1e-3, 1e-6, 0.0])
    for j, alpha in enumerate(path.alphas):
        truth = Truth(X, y, alpha)
        assert_allclose(path.residual[j], truth.residual, rtol=1e-6)
        objective = truth.residual + alpha * truth.norm**2
        assert_allclose(path.objective[j], objective, rtol=1e-6)
    model = BayesianRidge(alpha_2=0.0, tol=1e-12).fit(X, y)
    truth = Truth(X, y, model.penalty_)
    assert_allclose(model.alpha_, (60 - truth.dof + 2e-6) / truth.residual, rtol=1e-6)


@pytest.mark.parametrize("n", [30, 5])
def test_shrinkage_of_singular_values(n):
    rng = np.random.default_rng(0)
    units = 10.0 ** np.arange(-8, 9, 2)
    Q = np.linalg.qr(rng.standard_normal((n, 9)))[0]
    X = Q * units if n > 9 else rng.standard_normal((n, 9)) * units
    found = squared_singular_values(check_design(X), None, None, False, False)
    with mpmath.workdps(60):
        A = mpmath.matrix(X.tolist())
        truth = mpmath.eigsy(A.T * A if n > 9 else A * A.T, eigvals_only=True)
    assert_allclose(found, sorted(map(float, truth))[::-1], rtol=1e-12)
