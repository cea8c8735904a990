"""Ridge from moments: the function, fit_moments and partial_fit."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.metadata_routing import get_routing_for_object

import fastridge
from fastridge import Moments, Ridge, ridge
from fastridge.exceptions import ConvergenceWarning
from fastridge.solvers.ridge.options import SOLVERS


def made(n=200, p=6, k=None, seed=0, density=None):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.geomspace(0.1, 10.0, p) + rng.standard_normal(p)
    if density is not None:
        X *= rng.random((n, p)) < density
    W = rng.standard_normal((p, k or 1))
    Y = X @ W + 0.5 * rng.standard_normal((n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 2.0, n)


def chunks(n, parts, seed=0):
    return np.array_split(np.random.default_rng(seed).permutation(n), parts)


def same(a, b):
    assert type(a) is type(b) is Moments
    for name in Moments.__slots__:
        assert_array_equal(getattr(a, name), getattr(b, name))


def round_trip(thing):
    file = io.BytesIO()
    fastridge.save(thing, file)
    file.seek(0)
    return fastridge.load(file)


# Ridge from moments.


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("factor", [None, [0.0, 1.0, 2.0, 0.5, 1.0, 3.0]])
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_fit_from_moments_is_the_fit_from_data(container, k, factor, standardize, fit_intercept):
    X, y, weight = made(k=k, density=0.6)
    options = {
        "penalty_factor": factor,
        "standardize": standardize,
        "fit_intercept": fit_intercept,
    }
    moments = Moments()
    for rows in chunks(200, 7):
        moments.update(container(X[rows]), y[rows], weight[rows])
    for alpha in (0.0, 0.1, 100.0, [0.1, 10.0, 0.1]):
        if isinstance(alpha, list) and k != 3:
            continue
        data = ridge(X, y, alpha, sample_weight=weight, **options)
        found = ridge(moments, alpha=alpha, **options)
        assert found.solver == "cholesky"
        assert found.converged
        assert found.coef.shape == data.coef.shape
        assert np.shape(found.intercept) == np.shape(data.intercept)
        assert np.max(found.relative_gradient) < 1e-11
        for name in ("coef", "intercept", "objective"):
            assert_allclose(getattr(found, name), getattr(data, name), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - {"lbfgs"}))
def test_every_solver_does_its_job(solver, fit_intercept):
    X, y, weight = made(k=2)
    options = {"penalty_factor": [0.0, 1, 2, 1, 1, 3], "fit_intercept": fit_intercept}
    options |= {"solver": solver, "tol": 1e-12}
    moments = Moments(X, y, weight)
    for alpha in (0.0, 2.0):
        found = ridge(moments, alpha=alpha, **options)
        data = ridge(X, y, alpha, sample_weight=weight, **(options | {"solver": "auto"}))
        ran = SOLVERS[solver]
        assert found.solver in ("cholesky" if ran == "auto" else ran, "qr")
        assert_allclose(found.coef, data.coef, rtol=1e-9, atol=1e-11)
        assert_allclose(found.objective, data.objective, rtol=1e-9)


@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_positive(fit_intercept, k):
    X, y, weight = made(k=k)
    options = {"positive": True, "fit_intercept": fit_intercept, "tol": 1e-10}
    found = ridge(Moments(X, y, weight), alpha=0.5, **options)
    data = ridge(X, y, 0.5, sample_weight=weight, **options)
    assert found.solver == "active_set"
    assert found.converged
    assert (found.coef >= 0).all()
    assert (data.coef == 0).any()
    assert_allclose(found.coef, data.coef, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1e-20, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_dependent_columns_have_the_minimum_norm(fit_intercept, alpha):
    X, y, weight = made(n=5000)
    X = np.column_stack([X, X[:, 0] + X[:, 1], 2 * X[:, 3], np.ones(5000), np.zeros(5000)])
    moments = sum(Moments(X[r], y[r], weight[r]) for r in chunks(5000, 30))
    found = ridge(moments, alpha=alpha, fit_intercept=fit_intercept)
    A, b = X, y
    if fit_intercept:
        A = X - np.average(X, axis=0, weights=weight)
        A[:, 8] = 0.0
        b = y - np.average(y, weights=weight)
    root = np.sqrt(weight)
    A, b = A * root[:, None], b * root
    u, s, vt = np.linalg.svd(A, full_matrices=False)
    kept = s > 1e-12 * s[0]
    u, s, vt = u[:, kept], s[kept], vt[kept]
    exact = vt.T @ ((s / (s * s + alpha)) * (u.T @ b))
    assert found.solver == ("cholesky" if alpha == 1 else "qr")
    assert found.converged
    # such a small alpha has an effect, but with few digits
    rtol, atol = (1e-4, 1e-5) if alpha == 1e-20 else (1e-8, 1e-10)
    assert_allclose(found.coef, exact, rtol=rtol, atol=atol)


def test_far_means_without_an_intercept():
    rng = np.random.default_rng(0)
    X = 1e6 + rng.standard_normal((300, 3)) * [1.0, 10.0, 0.1]
    y = X @ [1.0, -0.5, 2.0] + rng.standard_normal(300)
    found = ridge(Moments(X[:99], y[:99]).update(X[99:], y[99:]), alpha=1.0, fit_intercept=False)
    R = np.linalg.qr(np.vstack([np.column_stack([X, y]), np.eye(3, 4)]), mode="r")
    exact = np.linalg.solve(R[:3, :3], R[:3, 3])
    assert_allclose(found.coef, exact, rtol=0, atol=1e-6)


def test_more_features_than_rows():
    X, y, _ = made(n=12, p=30)
    for alpha in (0.0, 1.0):
        found, data = ridge(Moments(X, y), alpha=alpha), ridge(X, y, alpha)
        assert_allclose(found.coef, data.coef, rtol=1e-7, atol=1e-9)
        assert found.relative_gradient < 1e-10


def test_a_certificate_that_is_true():
    X, y, _ = made(n=400, p=8)
    X[:, 7] = X[:, 0] + 1e-6 * np.random.default_rng(1).standard_normal(400)
    found = ridge(Moments(X, y), alpha=1e-10)
    reference = fastridge.reference.gradient(X, y, 1e-10, found.coef, found.intercept)
    at_zero = fastridge.reference.gradient(X, y, 1e-10, np.zeros(8), y.mean())
    true = np.linalg.norm(reference) / np.linalg.norm(at_zero)
    assert true < 10 * found.relative_gradient
    assert found.relative_gradient < 1e-9


def test_a_tolerance_that_is_not_met_warns():
    X, y, _ = made(n=400, p=40)
    with pytest.warns(ConvergenceWarning, match="cg reached"):
        result = ridge(Moments(X, y), alpha=1e-3, solver="cg", max_iter=1, tol=1e-14)
    assert not result.converged
    start = ridge(X, y, 1e-3).coef
    assert ridge(Moments(X, y), alpha=1e-3, solver="cg", coef_init=start, tol=1e-6).n_iter == 1


def test_arguments_of_ridge():
    X, y, _ = made()
    moments = Moments(X, y)
    cases = [
        (lambda: ridge(moments, y), ValueError, "y is given together with Moments"),
        (
            lambda: ridge(moments, sample_weight=y),
            ValueError,
            "sample_weight is given together with",
        ),
        (lambda: ridge(X), ValueError, "y to be passed"),
        (lambda: ridge("a", y), ValueError, "X"),
        (lambda: ridge(Moments()), ValueError, "X holds moments of 0 samples"),
        (lambda: ridge(Moments(X, y, 0.0)), ValueError, "total weight 0"),
        (lambda: ridge(moments, alpha=[1.0, 2.0]), ValueError, "alpha"),
        (lambda: ridge(moments, alpha=-1.0), ValueError, "alpha"),
        (lambda: ridge(moments, penalty_factor=[1.0]), ValueError, "penalty_factor"),
        (lambda: ridge(moments, solver="magic"), ValueError, "solver"),
        (lambda: ridge(moments, solver="lbfgs"), ValueError, "positive=True"),
        (lambda: ridge(moments, solver="cg", coef_init=[1.0]), ValueError, "coef_init"),
        (lambda: Ridge().fit_moments(X), TypeError, "moments is a ndarray"),
        (lambda: Ridge(alpha=-1.0).fit_moments(moments), ValueError, "'alpha' parameter"),
    ]
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()


# The estimator.


ATTRIBUTES = ("coef_", "intercept_", "objective_")


def like(a, b, rtol=1e-10):
    assert a.n_features_in_ == b.n_features_in_
    for name in ATTRIBUTES:
        assert np.shape(getattr(a, name)) == np.shape(getattr(b, name))
        assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("parts", [1, 2, 9])
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"standardize": True}])
def test_partial_fit_is_one_fit(options, k, parts):
    X, y, weight = made(k=k)
    model, whole = Ridge(alpha=0.7, **options), Ridge(alpha=0.7, **options).fit(X, y, weight)
    for seed in range(2):
        model = clone(model)
        for rows in chunks(200, parts, seed):
            assert model.partial_fit(X[rows], y[rows], weight[rows]) is model
        like(model, whole)
        assert model.moments_.n_samples == 200
    like(Ridge(alpha=0.7, **options).fit_moments(Moments(X, y, weight)), whole)


@pytest.mark.parametrize("solver", ["cholesky", "qr", "dual", "cg"])
def test_partial_fit_with_every_solver(solver):
    X, y, _ = made()
    model = Ridge(solver=solver, tol=1e-13).partial_fit(X[:77], y[:77]).partial_fit(X[77:], y[77:])
    like(model, Ridge().fit(X, y), 1e-9)
    assert model.solver_ == solver


def test_partial_fit_of_positive():
    X, y, _ = made()
    model = Ridge(positive=True).partial_fit(X[:77], y[:77]).partial_fit(X[77:], y[77:])
    assert_allclose(model.coef_, Ridge(positive=True).fit(X, y).coef_, atol=1e-9)


def test_partial_fit_starts_anew_after_fit():
    X, y, _ = made()
    model = Ridge().partial_fit(X[:50], y[:50]).fit(X[50:], y[50:])
    assert not hasattr(model, "moments_")
    like(model.partial_fit(X[:120], y[:120]), Ridge().fit(X[:120], y[:120]))


def test_parameters_may_change_in_between():
    X, y, _ = made()
    model = Ridge(alpha=100.0).partial_fit(X[:50], y[:50])
    model.set_params(alpha=0.1).partial_fit(X[50:], y[50:])
    like(model, Ridge(alpha=0.1).fit(X, y))


def test_fit_moments_goes_on_and_leaves_them_alone():
    X, y, _ = made()
    moments = Moments(X[:50], y[:50])
    before = moments.copy()
    model = Ridge().fit_moments(moments).partial_fit(X[50:], y[50:])
    like(model, Ridge().fit(X, y))
    same(moments, before)
    other = copy.copy(model).partial_fit(X, y)
    assert (model.moments_.n_samples, other.moments_.n_samples) == (200, 400)


def test_a_failed_partial_fit_changes_nothing():
    X, y, _ = made()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = Ridge().partial_fit(frame, y)
    coef, moments = model.coef_, model.moments_
    for call, words in (
        (lambda: model.partial_fit(frame[["a"]], y), "feature names should match"),
        (lambda: model.partial_fit(frame, np.c_[y, y]), r"y has 2 target\(s\); expected 1"),
        (lambda: model.partial_fit(frame, y[:-1]), "y has 199 rows"),
        (lambda: model.partial_fit(frame, y, -y), "sample_weight"),
        (lambda: clone(model).set_params(alpha=[1, 2]).partial_fit(frame, y), "alpha"),
        (lambda: clone(model).set_params(tol=-1).partial_fit(frame, y), "tol"),
        (lambda: Ridge().partial_fit(frame, y, np.zeros(200)), "sample_weight is zero"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
        assert model.coef_ is coef
        assert model.moments_ is moments
    model = Ridge().partial_fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but Ridge is expecting 6 features"):
        model.partial_fit(X[:, :3], y)
    with pytest.raises(ValueError, match="alpha"):
        model.set_params(alpha=[1.0, 2.0]).partial_fit(X, y)
    assert model.moments_.n_samples == 200


def test_estimator_with_moments_is_saved_pickled_and_cloned():
    X, y, _ = made(k=2)
    model = Ridge(alpha=0.3).partial_fit(X[:150], y[:150])
    whole = Ridge(alpha=0.3).fit(X, y)
    for again in (round_trip(model), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        same(again.moments_, model.moments_)
        assert_array_equal(again.predict(X), model.predict(X))
        like(again.partial_fit(X[150:], y[150:]), whole)
    assert not hasattr(clone(model), "moments_")


def test_weights_are_requested():
    with sklearn.config_context(enable_metadata_routing=True):
        model = Ridge().set_partial_fit_request(sample_weight=True)
        requests = get_routing_for_object(model).partial_fit.requests
    assert requests == {"sample_weight": True}
