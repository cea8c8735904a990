"""Bounds on the coefficients: against bounded-variable least squares, and for optimality."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from storages import KINDS, stored

import fastridge
from fastridge import Moments, Ridge, RidgeClassifier, reference
from fastridge.solvers.ridge import bounded

over_kinds = pytest.mark.parametrize("kind", KINDS)


def problem(n, p, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, p)) + 1) * (rng.random((n, p)) < 0.7)
    X = X.astype(np.float32).astype(np.float64)
    y = X @ rng.normal(size=(p,) if k is None else (p, k))
    return X, y + rng.normal(size=y.shape)


def bounds(p, seed=1):
    """Of every kind: open on either side, fixed, with and without 0 between them."""
    rng = np.random.default_rng(seed)
    lower, upper = -0.5 * rng.random(p), 0.5 * rng.random(p)
    lower[0], upper[1] = -np.inf, np.inf
    lower[2] = upper[2] = 0.3
    lower[3], upper[3] = 0.2, 0.4
    lower[4], upper[4] = -np.inf, -0.1
    lower[5:7] = -100.0
    upper[6:8] = 100.0
    return lower, upper


def assert_optimal(X, y, alpha, got, lower, upper, *, weight=None, d=None, tol=1e-9):
    """Check that coefficients are within the bounds and the projected gradient vanishes."""
    gradient = reference.gradient(X, y, alpha, got.coef, got.intercept, sample_weight=weight, d=d)
    assert (got.coef >= lower).all()
    assert (got.coef <= upper).all()
    gradient = np.where(got.coef > lower, gradient, gradient.clip(0, None))
    gradient = np.where(got.coef < upper, gradient, gradient.clip(None, 0))
    s = np.ones(len(y)) if weight is None else weight
    parts = abs(y) + abs(got.intercept) + abs(X) @ abs(got.coef)
    size = abs(X).T @ (s * parts) + alpha * (1.0 if d is None else d) * abs(got.coef)
    assert np.linalg.norm(gradient) <= tol * np.linalg.norm(size)


@pytest.mark.slow
@over_kinds
@pytest.mark.parametrize(("n", "p"), [(60, 10), (10, 40), (300, 40)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.05, 100.0])
@pytest.mark.parametrize("standardize", [True, False])
def test_against_the_reference(kind, n, p, fit_intercept, alpha, standardize):
    X, y = problem(n, p)
    rng = np.random.default_rng(3)
    lower, upper = bounds(p)
    options = {"lower": lower, "upper": upper, "fit_intercept": fit_intercept,
               "standardize": standardize}  # fmt: skip
    if n == 60:
        options |= {"sample_weight": rng.uniform(0, 2, n), "penalty_factor": rng.uniform(0, 2, p)}
    got = fastridge.ridge(stored(X, kind), y, alpha, **options)
    want = reference.ridge(X, y, alpha, **options)
    assert got.solver == "active_set"
    assert got.converged
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got.intercept, want.intercept, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-12)
    held = (got.coef == lower) | (got.coef == upper)
    assert 2 <= np.count_nonzero(held) < p


@over_kinds
@pytest.mark.parametrize("alphas", [3.0, [0.1, 1.0, 10.0]])
def test_several_targets(kind, alphas):
    X, Y = problem(60, 10, 3)
    lower, upper = bounds(10)
    got = fastridge.ridge(stored(X, kind), Y, alphas, lower=lower, upper=upper)
    for t, alpha in enumerate(np.broadcast_to(alphas, 3)):
        one = fastridge.ridge(stored(X, kind), Y[:, t], alpha, lower=lower, upper=upper)
        np.testing.assert_allclose(got.coef[t], one.coef, rtol=1e-12, atol=1e-14)
        assert got.objective[t] == pytest.approx(one.objective, rel=1e-12)


@over_kinds
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 1.0])
def test_faces_of_many_coefficients(kind, fit_intercept, alpha, monkeypatch):
    """Faces that are too large to factor are solved by conjugate gradients."""
    X, y = problem(80, 50)
    lower, upper = bounds(50)
    given = {"lower": lower, "upper": upper, "fit_intercept": fit_intercept}
    want = fastridge.ridge(X, y, alpha, **given)
    for most in (0, 20):
        monkeypatch.setattr(bounded, "_DIRECT", most)
        got = fastridge.ridge(stored(X, kind), y, alpha, tol=1e-10, **given)
        assert got.converged
        assert got.relative_gradient <= 1e-10
        np.testing.assert_allclose(got.coef, want.coef, atol=1e-7)
        np.testing.assert_allclose(got.objective, want.objective, rtol=1e-12)
    tight = fastridge.ridge(stored(X, kind), y, alpha, tol=1e-10, max_memory=10_000, **given)
    np.testing.assert_allclose(tight.coef, want.coef, atol=1e-7)


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("heavy", [True, False])
def test_faces_of_wide_sparse_data(kind, weighted, heavy, monkeypatch):
    """Vectors of samples, with the held columns among the frequent and the rare ones."""
    rng = np.random.default_rng(5)
    X = sp.random_array((60, 400), density=0.05, rng=rng).toarray()
    X[:, :5] = 1 + rng.random((60, 5)) if heavy else 0
    y = X @ rng.normal(size=400) + 0.1 * rng.normal(size=60)
    lower, upper = bounds(400)
    given = {"lower": lower, "upper": upper}
    if weighted:
        given |= {"sample_weight": rng.uniform(0.5, 2, 60), "penalty_factor": np.ones(400)}
        given["penalty_factor"][[0, 20, 40]] = 0, 3, 0
    want = fastridge.ridge(X, y, 0.1, **given)
    monkeypatch.setattr(bounded, "_DIRECT", 0)
    got = fastridge.ridge(stored(X, kind), y, 0.1, tol=1e-10, **given)
    assert got.converged
    np.testing.assert_allclose(got.coef, want.coef, atol=1e-7)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-12)


@over_kinds
def test_only_part_of_the_gram_matrix(kind, monkeypatch):
    """More features than a free set may have: the Gram matrix of those that were free so far."""
    X, y = problem(100, 40)
    want = fastridge.ridge(X, y, 0.1, positive=True)
    assert 5 < np.count_nonzero(want.coef) < 30
    monkeypatch.setattr(bounded, "_DIRECT", 32)
    got = fastridge.ridge(stored(X, kind), y, 0.1, positive=True, tol=1e-10)
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-8, atol=1e-12)


@st.composite
def problems(draw):
    """Data with zeros, repeated and constant columns, and bounds of every kind."""
    n, p = draw(st.integers(1, 40)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, p)) * 10.0 ** draw(st.integers(-3, 3))
    X *= rng.random((n, p)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    X[:, rng.integers(p)] = X[:, rng.integers(p)] if draw(st.booleans()) else 0.1
    y = rng.normal(size=n) + draw(st.sampled_from([0.0, 100.0]))
    size = 10.0 ** draw(st.integers(-3, 3))
    lower, upper = np.sort(size * rng.normal(size=(2, p)), axis=0)
    lower[rng.random(p) < 0.3] = -np.inf
    upper[rng.random(p) < 0.3] = np.inf
    fixed = (rng.random(p) < 0.1) & np.isfinite(lower)
    upper[fixed] = lower[fixed]
    weight = d = None
    if draw(st.booleans()):
        weight = rng.uniform(0.5, 2, size=n)
    if draw(st.booleans()):
        d = rng.uniform(0.5, 2, size=p) * (rng.random(p) < 0.8)
    return X, y, 10.0 ** draw(st.integers(-6, 6)), lower, upper, weight, d


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(problems(), st.sampled_from(KINDS), st.booleans(), st.booleans())
def test_optimality(made, kind, fit_intercept, standardize):
    X, y, alpha, lower, upper, weight, factor = made
    options = {"sample_weight": weight, "penalty_factor": factor, "standardize": standardize}
    got = fastridge.ridge(
        stored(X, kind), y, alpha, lower=lower, upper=upper, fit_intercept=fit_intercept,
        tol=1e-9, **options,
    )  # fmt: skip
    d = reference.penalties(X, weight, factor, standardize)
    assert_optimal(X, y, alpha, got, lower, upper, weight=weight, d=d)
    assert got.converged


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [None, 2])
def test_moments(fit_intercept, k):
    X, y = problem(100, 12, k)
    lower, upper = bounds(12)
    options = {"lower": lower, "upper": upper, "fit_intercept": fit_intercept, "standardize": True}
    got = fastridge.ridge(Moments(X, y), alpha=2.0, **options)
    want = fastridge.ridge(X, y, 2.0, **options)
    assert got.solver == "active_set"
    assert got.converged
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(got.objective, want.objective, rtol=1e-10)
    model = Ridge(2.0, **options).partial_fit(X[:40], y[:40]).partial_fit(X[40:], y[40:])
    np.testing.assert_allclose(model.coef_, want.coef, rtol=1e-9, atol=1e-11)


@over_kinds
def test_float32_stays_within(kind):
    X, y = problem(60, 10)
    lower, upper = np.full(10, 0.1), np.full(10, 0.3)
    got = fastridge.ridge(stored(X, kind, np.float32), y, 1.0, lower=lower, upper=upper)
    assert got.coef.dtype == np.float32
    assert (got.coef.astype(np.float64) >= lower).all()
    assert (got.coef.astype(np.float64) <= upper).all()
    want = fastridge.ridge(X, y, 1.0, lower=lower, upper=upper)
    np.testing.assert_allclose(got.coef, want.coef, rtol=1e-5)
    assert (want.coef == 0.1).any()
    assert (want.coef == 0.3).any()


def test_bounds_that_do_not_bind_change_nothing():
    X, y = problem(60, 10)
    free = fastridge.ridge(X, y, 1.0)
    got = fastridge.ridge(X, y, 1.0, lower=-1e6, upper=1e6)
    np.testing.assert_allclose(got.coef, free.coef, rtol=1e-12)
    for none in ({"lower": -np.inf}, {"upper": np.full(10, np.inf), "lower": None}):
        assert fastridge.ridge(X, y, 1.0, **none).solver == "cholesky"


def test_positive_is_a_lower_bound():
    X, y = problem(60, 10)
    got = fastridge.ridge(X, y, 1.0, positive=True)
    assert (got.coef == fastridge.ridge(X, y, 1.0, lower=0.0).coef).all()
    both = fastridge.ridge(X, y, 1.0, positive=True, lower=-1.0, upper=0.2)
    assert (both.coef == fastridge.ridge(X, y, 1.0, lower=0, upper=0.2).coef).all()
    raised = fastridge.ridge(X, y, 1.0, positive=True, lower=0.1)
    assert (raised.coef == fastridge.ridge(X, y, 1.0, lower=0.1).coef).all()


def test_all_fixed():
    X, y = problem(60, 10)
    w = np.linspace(-1, 1, 10)
    got = fastridge.ridge(X, y, 1.0, lower=w, upper=w)
    assert (got.coef == w).all()
    assert got.intercept == pytest.approx(y.mean() - X.mean(axis=0) @ w)
    assert got.relative_gradient == 0


def test_target_that_the_columns_do_not_explain():
    """The gradient at zero is 0, that within the bounds is not."""
    X, _ = problem(60, 10)
    lower, upper = np.full(10, 0.5), np.full(10, 2.0)
    got = fastridge.ridge(X, np.ones(60), 1.0, lower=lower, upper=upper, fit_intercept=False)
    assert_optimal(X, np.ones(60), 1.0, got, lower, upper)
    got = fastridge.ridge(X, np.ones(60), 1.0, lower=lower, upper=upper)
    assert got.converged
    assert_optimal(X, np.ones(60), 1.0, got, lower, upper)


def test_least_squares_with_dependent_columns():
    X, y = problem(60, 10)
    X = np.column_stack([X, X[:, 0] + X[:, 1], X[:, 2], np.ones(60)])
    for fit_intercept in (True, False):
        got = fastridge.ridge(
            X, y, 0.0, lower=-0.2, upper=0.5, fit_intercept=fit_intercept, tol=1e-10
        )
        assert_optimal(X, y, 0.0, got, -0.2, 0.5)


def test_starts_from_what_is_given():
    X, y = problem(300, 40)
    lower, upper = bounds(40)
    cold = fastridge.ridge(X, y, 1.0, lower=lower, upper=upper)
    warm = fastridge.ridge(X, y, 1.0, lower=lower, upper=upper, coef_init=cold.coef)
    assert warm.n_iter <= 1 < cold.n_iter
    np.testing.assert_allclose(warm.coef, cold.coef, rtol=1e-12)
    far = fastridge.ridge(X, y, 1.0, lower=lower, upper=upper, coef_init=np.full(40, 1e3))
    np.testing.assert_allclose(far.coef, cold.coef, rtol=1e-10, atol=1e-14)


def test_too_few_iterations():
    X, y = problem(300, 40)
    with pytest.warns(match="active_set reached a relative error of at most .* in 1 iterations"):
        result = fastridge.ridge(X, y, 1.0, lower=-0.1, upper=0.3, fit_intercept=False, max_iter=1)
    assert not result.converged


def test_estimators():
    X, y = problem(60, 10)
    lower, upper = bounds(10)
    model = Ridge(1.0, lower=lower, upper=upper).fit(X, y)
    want = fastridge.ridge(X, y, 1.0, lower=lower, upper=upper)
    assert (model.coef_ == want.coef).all()
    assert model.solver_ == "active_set"
    assert (Ridge(1.0, lower=0).fit(X, y).coef_ == Ridge(1.0, positive=True).fit(X, y).coef_).all()
    labels = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    classes = RidgeClassifier(lower=-0.05, upper=0.1).fit(X, labels)
    assert classes.coef_.shape == (3, 10)
    assert classes.coef_.min() == -0.05
    assert classes.coef_.max() == 0.1


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"lower": [0.0, 1.0]}, ValueError, r"lower has shape \(2,\); expected a number or \(10,"),
        ({"upper": np.nan}, ValueError, "upper is nan at position 0"),
        ({"lower": np.inf}, ValueError, "lower is inf at position 0"),
        ({"lower": 1.0, "upper": 0.5}, ValueError, "lower is 1 and upper is 0.5 at position 0"),
        ({"positive": True, "upper": -1.0}, ValueError, "lower is 0 and upper is -1 at position 0"),
        ({"lower": "a"}, ValueError, "lower"),
        ({"lower": 0.0, "solver": "cholesky"}, ValueError, "'auto' or 'lbfgs'.*got 'cholesky'"),
        ({"upper": 0.0, "solver": "cg"}, ValueError, "'auto' or 'lbfgs'"),
    ],
)
def test_refused(given, error, match):
    X, y = problem(20, 10)
    with pytest.raises(error, match=match):
        fastridge.ridge(X, y, 1.0, **given)
    with pytest.raises(error, match=match):
        fastridge.ridge(Moments(X, y), alpha=1.0, **given)
    with pytest.raises(error, match="(?s)" + match.split(";")[0].split(r"\(")[0].split("'")[0]):
        Ridge(**given).fit(X, y)
