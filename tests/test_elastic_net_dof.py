"""Degrees of freedom and norms of cross-validated elastic nets, against derivatives by y."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold

import fastridge
from fastridge import CrossValidationDisplay, ElasticNetCV, LassoCV, MultiTaskElasticNetCV
from fastridge.solvers.descent import dof
from fastridge.solvers.descent.dof import _dependent_trace, _trace

EXACT = {"tol": 1e-13, "max_iter": 100_000}


def problem(n, p, k=None):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    Y = X @ (rng.normal(size=(p, k or 1)) * (np.arange(p) < 5)[:, None])
    Y += rng.normal(size=Y.shape)
    return X, Y if k else Y[:, 0]


def moved(fit, y):
    """Return the trace of the derivative of fit(y) by y, by central differences."""
    total, step = 0.0, 1e-5
    for i in np.ndindex(y.shape):
        up, down = y.copy(), y.copy()
        up[i] += step
        down[i] -= step
        total += (fit(up)[i] - fit(down)[i]) / (2 * step)
    return total


@pytest.mark.parametrize("shape", [(30, 6), (20, 30)], ids=str)
@pytest.mark.parametrize("precompute", [True, "auto"])
@pytest.mark.parametrize("ratio", [0.3, 1.0])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"standardize": True},
        {"fit_intercept": False},
        {"lower": -0.2, "upper": 0.3},
        {"penalty_factor": "some"},
    ],
    ids=str,
)
def test_of_one_target(shape, precompute, ratio, given):
    X, y = problem(*shape)
    if "penalty_factor" in given:
        given = {"penalty_factor": np.r_[0.0, np.linspace(0.5, 2.0, shape[1] - 1)]}
    alpha = 0.3
    results = (
        ElasticNetCV(l1_ratio=ratio, alphas=[1.0, alpha], cv=3, precompute=precompute, **EXACT)
        .set_params(**given)
        .fit(X, y)
        .cv_results_
    )
    dof, norm = [], []
    for train, _ in KFold(3).split(X):

        def solve(values, A=X[train]):
            return fastridge.elastic_net(A, values, alpha, l1_ratio=ratio, **given, **EXACT)

        def fit(values, A=X[train]):
            found = solve(values, A)
            return A @ found.coef + found.intercept

        dof.append(moved(fit, y[train]) - given.get("fit_intercept", True))
        norm.append(np.linalg.norm(solve(y[train]).coef))
    assert_allclose(results["dof"][1], np.mean(dof), rtol=1e-3)
    assert_allclose(results["dof_error"][1], np.std(dof, ddof=1) / np.sqrt(3), atol=1e-2)
    assert_allclose(results["norm"][1], np.mean(norm), rtol=1e-5)
    if ratio == 1.0 and not {"lower", "upper"} & set(given):
        assert_array_equal(results["dof"], results["n_features"])


@pytest.mark.parametrize("ratio", [0.5, 1.0])
@pytest.mark.parametrize(
    "given", [{}, {"penalty_factor": [0.0, 1.0, 0.5, 2.0, 1.0]}, {"standardize": True}], ids=str
)
@pytest.mark.slow
def test_of_several_targets(ratio, given):
    X, Y = problem(24, 5, 2)
    alphas = [1.0, 0.2]
    model = MultiTaskElasticNetCV(l1_ratio=ratio, alphas=alphas, cv=3, **given, **EXACT).fit(X, Y)
    dof = []
    for train, _ in KFold(3).split(X):

        def fit(values, A=X[train]):
            one = fastridge.MultiTaskElasticNet(alphas[1], l1_ratio=ratio, **given, **EXACT)
            return one.fit(A, values).predict(A)

        # of each of the two, without its intercept
        dof.append(moved(fit, Y[train]) / 2 - 1)
    assert_allclose(model.cv_results_["dof"][1], np.mean(dof), rtol=1e-4)


def test_weights_are_repetition():
    X, y = problem(40, 8)
    weight = np.random.default_rng(1).integers(1, 4, 40)
    rows = np.repeat(np.arange(40), weight)
    cv = [(np.arange(30), np.arange(30, 40)), (np.arange(10, 40), np.arange(10))]
    repeated = [(np.flatnonzero(np.isin(rows, a)), np.flatnonzero(np.isin(rows, b))) for a, b in cv]
    a = ElasticNetCV(alphas=[0.5, 0.1], cv=cv, **EXACT).fit(X, y, weight)
    b = ElasticNetCV(alphas=[0.5, 0.1], cv=repeated, **EXACT).fit(X[rows], y[rows])
    for name in ("dof", "dof_error", "norm"):
        assert_allclose(a.cv_results_[name], b.cv_results_[name], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("k", [None, 2])
def test_large_supports_on_a_line_between_penalties(sparse, k, monkeypatch):
    import scipy.sparse as sp

    X, Y = problem(120, 150, k)
    X[np.abs(X) < 0.5] = 0.0
    kind = MultiTaskElasticNetCV if k else ElasticNetCV
    alphas = np.logspace(0.0, -2.0, 30)
    model = kind(l1_ratio=0.3, alphas=alphas, cv=3, tol=1e-8, max_iter=20_000)
    A = sp.csc_array(X) if sparse else X
    monkeypatch.setattr(dof, "_SMALL", 10)
    between = model.fit(A, Y).cv_results_["dof"]
    monkeypatch.setattr(dof, "_SMALL", 10_000)
    exact = model.fit(A, Y).cv_results_["dof"]
    assert_allclose(between, exact, rtol=0.02)
    assert (between != exact).any()
    assert_allclose(between[[0, -1]], exact[[0, -1]])
    monkeypatch.setattr(dof, "_LARGE", 60 * (k or 1))
    some = model.fit(A, Y).cv_results_["dof"]
    assert np.isnan(some[-1])
    assert_allclose(some[0], exact[0])


def test_never_more_than_the_rank():
    X, y = problem(12, 40)
    model = LassoCV(alphas=[0.1, 1e-6], cv=3, tol=1e-6, max_iter=100_000).fit(X, y)
    assert model.cv_results_["dof"].max() <= 7


def test_along_the_top_of_the_picture():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    X, y = problem(60, 20)
    model = LassoCV(alphas=np.logspace(0, -2, 20), cv=4).fit(X, y)
    display = CrossValidationDisplay.from_estimator(model)
    order = np.argsort(model.cv_results_["alpha"])
    ticks = [float(text.get_text()) for text in display.top_ax_.get_xticklabels()]
    assert ticks[0] == pytest.approx(model.cv_results_["dof"][order[0]], rel=0.01)
    assert ticks[-1] == pytest.approx(model.cv_results_["dof"][order[-1]], rel=0.01)
    assert {"dof", "dof_error", "norm"} <= set(model.cv_results_.to_frame())
    pyplot.close("all")


@pytest.mark.parametrize("blocks", [False, True])
def test_dependent_features(blocks):
    # two equal unpenalised columns and one penalised column
    A = np.random.default_rng(0).normal(size=(9, 3))
    A[:, 1] = A[:, 0]
    G, l2 = A.T @ A, np.array([0.0, 0.0, 2.0])
    k = 2 if blocks else 1
    D = l2[:, None, None] * np.eye(k) if blocks else l2
    want = k * np.trace(np.linalg.pinv(G + np.diag(l2)) @ G)
    assert _dependent_trace(G, D) == pytest.approx(want, abs=1e-10)
    regular = np.array([0.5, 0.5, 2.0])
    D = regular[:, None, None] * np.eye(k) if blocks else regular
    want = k * np.trace(np.linalg.solve(G + np.diag(regular), G))
    assert _trace(G.copy(), D) == pytest.approx(want, abs=1e-10)
    assert _dependent_trace(G, D) == pytest.approx(want, abs=1e-10)
    assert _trace(np.zeros((3, 3)), 0.0 * D) is None  # for the pseudoinverse
