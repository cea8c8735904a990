"""LogisticRegression of several classes: against scikit-learn, and additional features."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as theirs
from model_files import identical, round_trip
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from fastridge import LogisticRegression
from fastridge.exceptions import ConvergenceWarning


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 4))
    eta = X @ rng.normal(size=(4, 4)) + [0.5, 0, -0.5, 0]
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, y, rng.uniform(0.2, 3.0, size=200)


def exact(**options):
    return LogisticRegression(tol=1e-9, **options)


@pytest.mark.parametrize("C", [1e-2, 1.0, 100.0, np.inf])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 2.0, "b": 0.5, "d": 1.0}])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_is_what_scikit_learn_fits(data, C, class_weight, weighted, fit_intercept):
    X, codes, s = data
    y, s = np.array(list("abcd"))[codes], s if weighted else None
    options = {"C": C, "class_weight": class_weight, "fit_intercept": fit_intercept}
    if isinstance(class_weight, dict):
        options["class_weight"] = {**class_weight, "c": 1.5}
    other = theirs.LogisticRegression(tol=1e-12, max_iter=3000, solver="newton-cg", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.fit(X, y, s)
    model = exact(**options).fit(X, y, s)
    assert_allclose(model.coef_, other.coef_ - other.coef_.mean(axis=0), atol=1e-6)
    assert_allclose(model.intercept_, other.intercept_ - other.intercept_.mean(), atol=1e-6)
    assert model.coef_.shape == other.coef_.shape
    assert model.intercept_.shape == other.intercept_.shape
    assert model.n_iter_.shape == (1,)
    assert_array_equal(model.classes_, other.classes_)
    assert_array_equal(model.predict(X), other.predict(X))
    assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-6)
    assert_allclose(model.predict_log_proba(X), other.predict_log_proba(X), atol=1e-5)
    assert_allclose(model.predict_proba(X[:1]), other.predict_proba(X[:1]), atol=1e-6)
    assert model.score(X, y, s) == other.score(X, y, s)


def test_certificate_bounds_what_could_be_gained(data):
    X, y, s = data
    best = exact().fit(X, y, s)
    for tol in (1e-1, 1e-2, 1e-4):
        model = LogisticRegression(tol=tol).fit(X, y, s)
        assert model.relative_gap_ <= tol**2
        assert -1e-13 <= model.objective_ - best.objective_ <= model.dual_gap_ + 1e-13
    loss = -s @ best.predict_log_proba(X)[np.arange(len(y)), y] / s.sum()
    assert_allclose(best.objective_, loss + 0.5 * (best.coef_**2).sum() / s.sum(), rtol=1e-12)


def test_permuted_classes_permute_coefficients(data):
    X, y, s = data
    order = np.array([2, 0, 3, 1])
    a, b = exact().fit(X, y, s), exact().fit(X, order[y], s)
    assert_allclose(b.coef_[order], a.coef_, atol=1e-8)
    assert_allclose(b.intercept_[order], a.intercept_, atol=1e-8)
    assert_allclose(b.predict_proba(X)[:, order], a.predict_proba(X), atol=1e-9)


def test_weights_are_repetitions(data):
    X, y, _ = data
    counts = np.arange(len(y)) % 4
    repeated = np.repeat(X, counts, 0), np.repeat(y, counts)
    for class_weight in (None, "balanced"):
        a = exact(class_weight=class_weight).fit(X, y, counts)
        b = exact(class_weight=class_weight).fit(*repeated)
        assert_allclose(a.coef_, b.coef_, atol=1e-7)


def test_storages_and_types(data):
    X, y, s = data
    X = X * (np.abs(X) > 0.5)
    dense = exact().fit(X, y, s)
    for Z in (np.asfortranarray(X), sp.csr_array(X), sp.csc_matrix(X)):
        model = exact().fit(Z, y, s)
        assert_allclose(model.coef_, dense.coef_, atol=1e-7)
        assert_allclose(model.predict_proba(Z), dense.predict_proba(X), atol=1e-8)
    single = exact().fit(X.astype(np.float32), y, s)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.coef_, dense.coef_, atol=1e-5)


def test_penalty_factor_standardize_and_offset(data):
    X, y, s = data
    deviation = np.sqrt(np.average((X - np.average(X, 0, s)) ** 2, axis=0, weights=s))
    a = exact(standardize=True).fit(X, y, s)
    b = exact(penalty_factor=deviation**2).fit(X, y, s)
    assert_allclose(a.coef_, b.coef_, atol=1e-7)
    known = np.outer(X[:, 1], [0.3, -0.2, 0.1, -0.2])
    free, moved = exact(C=np.inf).fit(X, y, s), exact(C=np.inf).fit(X, y, s, offset=known)
    assert_allclose(moved.predict_proba(X, offset=known), free.predict_proba(X), atol=1e-6)
    assert_array_equal(moved.predict(X, offset=known), free.predict(X))
    with pytest.raises(ValueError, match=r"offset has shape \(200,\); expected \(200, 4\)"):
        moved.predict_proba(X, offset=known[:, 0])


def test_warm_start(data):
    X, y, s = data
    model = LogisticRegression(warm_start=True).fit(X, y, s)
    assert model.fit(X, y, s).n_iter_[0] <= 1
    assert model.fit(X, y % 2).coef_.shape == (1, 4)
    assert model.fit(X, y).coef_.shape == (4, 4)


def test_probabilities_far_out(data):
    X, y, _ = data
    model = LogisticRegression().fit(X, y)
    far = 1e5 * X
    p = model.predict_proba(far)
    assert np.isfinite(p).all()
    assert_allclose(p.sum(axis=1), 1.0, rtol=1e-14)
    log = model.predict_log_proba(far)
    assert np.isfinite(log).all()
    assert_allclose(np.exp(log), p, atol=1e-12)


def test_separated_classes_are_named_without_a_penalty():
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    with pytest.warns(ConvergenceWarning, match="of the classes, 'setosa' is perfectly separated"):
        model = LogisticRegression(C=np.inf).fit(X, y)
    assert np.isfinite(model.coef_).all()
    with pytest.warns(ConvergenceWarning, match=r"of the classes, 0, 1, 2 are perfectly separated"):
        LogisticRegression(C=np.inf).fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 2, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(C=1e4).fit(X, y)
        rng = np.random.default_rng(0)
        LogisticRegression(C=np.inf).fit(X, rng.integers(0, 3, len(y)))


def test_a_class_without_weight(data):
    X, y, s = data
    s = np.where(y == 2, 0.0, s)
    model = exact().fit(X, y, s)
    other = exact().fit(X[y != 2], y[y != 2], s[y != 2])
    assert_allclose(model.predict_proba(X)[:, [0, 1, 3]], other.predict_proba(X), atol=1e-9)
    assert_array_equal(model.predict_proba(X)[:, 2], 0.0)


def test_bounds_are_for_two_classes(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="lower and upper are given"):
        LogisticRegression(positive=True).fit(X, y)


def test_save(data):
    X, y, s = data
    model = LogisticRegression().fit(X, np.array(list("abcd"))[y], s)
    again = round_trip(model)
    assert identical(again, model)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
