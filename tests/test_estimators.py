"""Ridge and RidgeClassifier: agreement with scikit-learn, and additional features."""

import itertools
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.linear_model as peer
from cases import each
from numpy.testing import assert_allclose, assert_array_equal
from storages import CONTAINERS

from fastridge import Ridge, RidgeClassifier, RidgeClassifierCV
from fastridge.exceptions import (
    DataConversionWarning,
    InvalidParameterError,
    NotFittedError,
    UndefinedMetricWarning,
)


def problem(n=60, p=7, k=None, seed=0):
    """Sparse-looking features with offsets and scales, and targets that depend on them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.3, 3.0, size=p)
    X[rng.random(size=(n, p)) < 0.4] = 0.0
    Y = X @ rng.normal(size=(p, k or 1)) + rng.normal(size=(n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


def agree(ours, theirs, rtol=1e-8):
    """Coefficients and intercepts, of the same shape, equal relative to the largest."""
    assert ours.coef_.shape == theirs.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol * np.abs(theirs.coef_).max())
    scale = np.abs(theirs.intercept_).max() + np.abs(theirs.coef_).max()
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=rtol, atol=rtol * scale)


def closed_form(X, y, alpha, weight=None, factor=None, fit_intercept=True, scale=None):
    """Coefficients by an orthogonal factorization of the augmented problem."""
    n, p = X.shape
    s = np.ones(n) if weight is None else weight
    f = np.ones(p) if factor is None else np.asarray(factor, dtype=float)
    if scale is not None:
        f = f * scale**2
    mean, offset = np.zeros(p), 0.0
    if fit_intercept:
        mean, offset = s @ X / s.sum(), s @ y / s.sum()
    root = np.sqrt(s)[:, None]
    tall = np.vstack([root * (X - mean), np.diag(np.sqrt(alpha * f))])
    right = np.concatenate([root[:, 0] * (y - offset), np.zeros(p)])
    coef = np.linalg.lstsq(tall, right, rcond=None)[0]
    return coef, offset - mean @ coef


# Agreement with scikit-learn.


@pytest.mark.slow
@each("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(60, 7), (12, 30), (20, 20)], ids=str)
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_agrees(container, shape, k, fit_intercept, weighted):
    X, y, weight = problem(*shape, k)
    weight = weight if weighted else None
    for alpha in (1e-2, 1.0, 300.0):
        theirs = peer.Ridge(alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y, weight)
        ours = Ridge(alpha, fit_intercept=fit_intercept, tol=1e-12)
        ours.fit(CONTAINERS[container](X), y, weight)
        agree(ours, theirs)
        assert_allclose(ours.predict(CONTAINERS[container](X)), theirs.predict(X), rtol=1e-7)
        assert_allclose(ours.score(X, y, weight), theirs.score(X, y, weight), rtol=1e-9)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    "solver",
    ["auto", "cholesky", "dual", "cg", "qr", "svd", "lsqr", "sparse_cg", "sag", "saga"],
)
def test_every_solver_agrees(container, solver):
    X, y, weight = problem(40, 9, 2)
    theirs = peer.Ridge(2.0, solver="svd").fit(X, y, weight)
    ours = Ridge(2.0, solver=solver, tol=1e-12).fit(CONTAINERS[container](X), y, weight)
    agree(ours, theirs)
    assert ours.solver_ in ("cholesky", "dual", "cg", "qr")


@pytest.mark.parametrize("container", CONTAINERS)
def test_one_alpha_per_target(container):
    X, Y, weight = problem(k=3)
    alpha = np.array([0.1, 5.0, 70.0])
    theirs = peer.Ridge(alpha, solver="svd").fit(X, Y, weight)
    agree(Ridge(alpha, tol=1e-12).fit(CONTAINERS[container](X), Y, weight), theirs)
    with pytest.raises(ValueError, match="number of penalties do not correspond: 2 != 3"):
        Ridge([1.0, 2.0]).fit(X, Y)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_positive_agrees(container, fit_intercept):
    X, y, weight = problem()
    ours = Ridge(0.5, positive=True, fit_intercept=fit_intercept, tol=1e-12)
    ours.fit(CONTAINERS[container](X), y, weight)
    assert (ours.coef_ >= 0).all()
    theirs = peer.Ridge(0.5, positive=True, fit_intercept=fit_intercept, tol=1e-12, max_iter=10**5)
    agree(ours, theirs.fit(X, y, weight), rtol=1e-5)
    loose = peer.Ridge(0.5, fit_intercept=fit_intercept).fit(X, y, weight)
    assert (loose.coef_ < 0).any()


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_classifier_agrees(n_classes, container, fit_intercept, weighted):
    X, target, weight = problem()
    y = np.digitize(target, np.quantile(target, np.linspace(0, 1, n_classes + 1)[1:-1]))
    weight = weight if weighted else None
    for class_weight in (None, {0: 3.0, 1: 0.5}, *(() if weighted else ("balanced",))):
        options = {"fit_intercept": fit_intercept, "class_weight": class_weight}
        theirs = peer.RidgeClassifier(**options, solver="svd").fit(X, y, weight)
        ours = RidgeClassifier(**options, tol=1e-12).fit(CONTAINERS[container](X), y, weight)
        agree(ours, theirs)
        assert_array_equal(ours.classes_, theirs.classes_)
        assert_array_equal(ours.predict(X), theirs.predict(X))
        assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-7)
        assert ours.score(X, y, weight) == pytest.approx(theirs.score(X, y, weight))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csr_matrix, sp.coo_array])
def test_multilabel_agrees(container):
    X, Y, weight = problem(k=3)
    labels = (Y - Y.mean(axis=0) > 0).astype(int)
    for class_weight in (None, "balanced"):
        theirs = peer.RidgeClassifier(class_weight=class_weight, solver="svd").fit(X, labels)
        ours = RidgeClassifier(class_weight=class_weight, tol=1e-12).fit(X, container(labels))
        agree(ours, theirs)
        assert_array_equal(ours.classes_, theirs.classes_)
        predicted = ours.predict(X)
        assert sp.issparse(predicted) == (container is not np.asarray)
        if sp.issparse(predicted):
            assert isinstance(predicted, sp.sparray) == (container is not sp.csr_matrix)
            predicted = predicted.toarray()
        assert_array_equal(predicted, theirs.predict(X))
        expected = theirs.score(X, labels, weight)
        assert ours.score(X, container(labels), weight) == pytest.approx(expected)


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a"],
        np.array(["b", "a"], dtype=object),
        [True, False],
        [3.0, -1.0],
        [7, 2],
        pd.Series(["b", "a"]),
        pd.Series(["b", "a"], dtype="category"),
        np.array([1, 0], dtype=object),
    ],
    ids=lambda labels: f"{type(labels).__name__}-{labels[0]!r}",
)
def test_kinds_of_labels(labels):
    X, target, _ = problem()
    codes = (target > np.median(target)).astype(int)
    y = np.asarray(labels)[codes]
    theirs = peer.RidgeClassifier().fit(X, y if y.dtype != object else y.tolist())
    ours = RidgeClassifier().fit(X, y)
    assert_array_equal(ours.classes_, theirs.classes_)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, y) == pytest.approx((ours.predict(X) == y).mean())


# What fastridge adds.


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(60, 7), (12, 30)], ids=str)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("solver", ["auto", "cg"])
def test_penalty_factor_and_standardize(container, shape, standardize, fit_intercept, solver):
    X, y, weight = problem(*shape)
    factor = np.linspace(0.5, 4.0, shape[1])
    factor[2] = 0.0
    mean = weight @ X / weight.sum()
    deviation = np.sqrt(weight @ (X - mean) ** 2 / weight.sum()) if standardize else None
    model = Ridge(
        3.0,
        penalty_factor=factor,
        standardize=standardize,
        fit_intercept=fit_intercept,
        solver=solver,
        tol=1e-12,
    )
    model.fit(CONTAINERS[container](X), y, weight)
    coef, intercept = closed_form(X, y, 3.0, weight, factor, fit_intercept, deviation)
    assert_allclose(model.coef_, coef, rtol=1e-7, atol=1e-8 * np.abs(coef).max())
    assert_allclose(model.intercept_, intercept, rtol=1e-7, atol=1e-8)


def test_penalty_factor_of_the_classifier():
    X, target, _ = problem()
    y = (target > np.median(target)).astype(int)
    factor = np.linspace(0.0, 4.0, X.shape[1])
    model = RidgeClassifier(penalty_factor=factor).fit(X, y)
    assert_allclose(model.coef_, closed_form(X, 2.0 * y - 1, 1.0, factor=factor)[0], rtol=1e-8)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("standardize", [False, True])
def test_weights_are_repetition(container, standardize):
    X, y, _ = problem(30, 5)
    labels = (y > np.median(y)).astype(int)
    times = np.arange(30) % 4
    rows = np.repeat(np.arange(30), times)
    make = CONTAINERS[container]
    for cls, target in ((Ridge, y), (RidgeClassifier, labels)):
        options = {} if cls is Ridge else {"class_weight": "balanced"}
        model = cls(standardize=standardize, tol=1e-12, **options)
        model.fit(make(X), target, times)
        again = cls(standardize=standardize, tol=1e-12, **options).fit(make(X[rows]), target[rows])
        agree(model, again)
        expected = again.score(X[rows], target[rows])
        assert model.score(X, target, times) == pytest.approx(expected)


@pytest.mark.parametrize("k", [None, 3])
def test_certificate(k):
    X, y, weight = problem(k=k)
    for solver, tol in itertools.product(("auto", "cg"), (1e-4, 1e-10)):
        model = Ridge(2.0, solver=solver, tol=tol).fit(X, y, weight)
        residual = y - model.predict(X)
        w = weight if k is None else weight[:, None]
        objective = (w * residual**2).sum(axis=0) + 2.0 * (model.coef_**2).sum(axis=-1)
        assert_allclose(model.objective_, objective, rtol=1e-10)
        assert np.shape(model.objective_) == np.shape(model.relative_gradient_)
        assert np.shape(model.objective_) == (() if k is None else (k,))
        assert (np.asarray(model.relative_gradient_) <= tol).all()
        assert (np.asarray(model.n_iter_) >= 1).all()


# Shapes, types, and states.


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [None, 1, 2])
def test_types_and_shapes_follow_scikit_learn(container, dtype, k):
    X, y, _ = problem(k=k)
    X = CONTAINERS[container](X.astype(dtype))
    for fit_intercept in (True, False):
        ours = Ridge(fit_intercept=fit_intercept).fit(X, y)
        theirs = peer.Ridge(fit_intercept=fit_intercept).fit(X, y)
        assert ours.coef_.dtype == theirs.coef_.dtype == dtype
        assert ours.coef_.shape == theirs.coef_.shape
        assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
        assert ours.predict(X).shape == theirs.predict(X).shape
        assert ours.predict(X).dtype == theirs.predict(X).dtype
        assert ours.n_features_in_ == theirs.n_features_in_
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fitted", [np.float64, np.float32])
@pytest.mark.parametrize("asked", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("rows", [1, 5, 5000])
@pytest.mark.parametrize("k", [None, 3])
def test_predictions_small_and_large(fitted, asked, rows, k):
    X, y, _ = problem(k=k)
    model = Ridge().fit(X.astype(fitted), y)
    new = (10 * np.random.default_rng(1).normal(size=(rows, X.shape[1]))).astype(asked)
    expected = new.astype(float) @ model.coef_.T.astype(float) + model.intercept_
    tolerance = 1e-4 if np.float32 in (fitted, asked) else 1e-10
    forms = [new, np.asfortranarray(new), new.tolist(), sp.csr_array(new), pd.DataFrame(new)]
    for form in forms:
        assert_allclose(model.predict(form), expected, rtol=tolerance, atol=tolerance)


def test_what_is_fitted_is_replaced():
    X, y, _ = problem()
    model = Ridge().fit(pd.DataFrame(X, columns=list("abcdefg")), y)
    assert model.feature_names_in_.tolist() == list("abcdefg")
    model.fit(X[:, :4], y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 4
    assert model.coef_.shape == (4,)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    X, y, _ = problem()
    model = Ridge().fit(X, y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X[:, :3] * np.nan, y)
    assert vars(model) == before


def test_nothing_that_came_is_changed():
    X, y, weight = problem(k=2)
    for make in CONTAINERS.values():
        given = [make(X), y.copy(order="F"), weight.copy()]
        arrays = [
            array
            for g in given
            for array in ((g.data, g.indices, g.indptr) if sp.issparse(g) else (g,))
        ]
        before = [array.copy() for array in arrays]
        for options in ({}, {"solver": "cg"}, {"standardize": True}, {"copy_X": False}):
            Ridge(**options).fit(*given).predict(given[0])
        for array, old in zip(arrays, before, strict=True):
            assert_array_equal(array, old)
        for array in arrays:
            array.setflags(write=False)
        Ridge().fit(*given).predict(given[0])


def test_one_label():
    X, _, _ = problem()
    for fit_intercept in (True, False):
        model = RidgeClassifier(fit_intercept=fit_intercept).fit(X, np.full(60, 4))
        assert_array_equal(model.predict(X), np.full(60, 4))


def test_column_of_labels_warns():
    X, target, _ = problem()
    y = (target > 3).astype(int)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        model = RidgeClassifier().fit(X, y[:, None])
    agree(model, RidgeClassifier().fit(X, y), rtol=1e-15)


def test_score_where_it_is_not_defined():
    X, y, _ = problem()
    model = Ridge().fit(X, y)
    with pytest.warns(UndefinedMetricWarning, match="fewer than two samples"):
        assert np.isnan(model.score(X[:1], y[:1]))
    assert model.score(X, np.full(60, 2.0)) == 0.0
    flat = Ridge().fit(X, np.full(60, 2.0))
    assert flat.score(X, flat.predict(X)) == 1.0


def test_threads_share_an_estimator():
    X, y, _ = problem(2000, 20)
    model = Ridge().fit(X, y)
    expected = model.predict(X)
    wrong = []

    def work():
        for _ in range(20):
            if not np.array_equal(model.predict(X), expected):
                wrong.append("predict")
            if not np.array_equal(Ridge().fit(X, y).coef_, model.coef_):
                wrong.append("fit")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_quiet_on_ordinary_data():
    X, y, weight = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Ridge().fit(X, y, weight).predict(X)
        RidgeClassifier(class_weight="balanced").fit(X, (y > 3).astype(int), weight).predict(X)


# Refused.


BAD = {
    "alpha": [-1.0, np.nan, np.inf, None, "1", object(), {}],
    "fit_intercept": [1, None, "yes", object()],
    "copy_X": [0, "no", object()],
    "max_iter": [0, -3, 1.5, "many", object()],
    "tol": [-1e-3, np.nan, np.inf, None, "small", object()],
    "solver": ["newton", None, 3, object(), "lbfgs"],
    "positive": [1, None, object()],
    "random_state": [-1, 2**32, 0.5, "seed", object()],
    "penalty_factor": [1.0, "ones", object(), {}],
    "standardize": [1, None, object()],
    "lower": ["0", object(), {}],
    "upper": ["1", object(), {}],
    "max_memory": [-1.0, np.nan, "1 GB", True, object(), [1e9]],
    "class_weight": ["uniform", 3, [1.0, 2.0], object()],
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("cls", [Ridge, RidgeClassifier])
def test_bad_parameters(cls, name):
    X, y, _ = problem()
    if name == "class_weight" and cls is Ridge:
        with pytest.raises(TypeError, match="class_weight"):
            Ridge(class_weight=None)
        return
    for value in BAD[name]:
        model = cls().set_params(**{name: value})
        words = f"The '{name}' parameter of {cls.__name__} must be .* Got .* instead"
        with pytest.raises(InvalidParameterError, match=words) as caught:
            model.fit(X, y > 3)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, TypeError)


def test_good_parameters():
    X, y, _ = problem()
    good = {
        "alpha": [0, 2, np.float32(1), np.array([1.0]), [2.0]],
        "fit_intercept": [np.True_, np.False_],
        "max_iter": [1000, np.int64(1000)],
        "tol": [0.1, np.float32(1e-3), 1],
        "random_state": [0, np.int32(3), np.random.RandomState(0), None],
        "penalty_factor": [[1] * 7, np.ones(7, dtype=np.float32), pd.Series(np.ones(7))],
        "standardize": [np.True_],
        "lower": [0, -np.inf, [-1] * 7, pd.Series(np.zeros(7))],
        "upper": [np.float32(0.5), np.inf, tuple(range(1, 8))],
        "max_memory": [0, 1e9, np.int64(10**9), np.inf],
    }
    for name, choices in good.items():
        for value in choices:
            Ridge(**{name: value}).fit(X, y)


def test_solvers_and_positive():
    X, y, _ = problem()
    for solver in ("cholesky", "cg", "svd"):
        with pytest.raises(ValueError, match="'auto' or 'lbfgs' with positive=True"):
            Ridge(positive=True, solver=solver).fit(X, y)
    with pytest.raises(ValueError, match="another than 'lbfgs' where positive=False"):
        Ridge(solver="lbfgs").fit(X, y)
    assert Ridge(positive=True, solver="lbfgs").fit(X, y).solver_ == "active_set"


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.linspace(0, 1, 60), "Unknown label type: y is continuous"),
        (np.r_[np.nan, np.zeros(59)], "Input y contains NaN"),
        (np.r_[np.inf, np.zeros(59)], "Input y contains infinity"),
        (np.zeros(59), "y has 59 rows, but X has 60"),
        (np.zeros((60, 2, 2)), "y has shape"),
        (np.zeros((60, 0)), "y has shape"),
        (np.zeros(60) * 1j, "Complex data not supported"),
        (np.arange(120).reshape(60, 2), "Unknown label type: y has several columns"),
        (np.array([None, *"a" * 59], dtype=object), "Unknown label type: y holds objects"),
        (np.zeros(60, dtype="M8[D]"), "Unknown label type: y has dtype datetime64"),
        ([[1], *[[1, 2]] * 59], "y cannot be converted"),
    ],
)
def test_bad_labels(y, words):
    with pytest.raises(ValueError, match=words):
        RidgeClassifier().fit(problem()[0], y)


def test_bad_class_weights():
    X, target, _ = problem()
    y = (target > 3).astype(int)
    with pytest.raises(
        ValueError,
        match=r"class_weight has keys \[0, 7\], some of .*, but none for the classes \[1\]",
    ):
        RidgeClassifier(class_weight={0: 1.0, 7: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight \(per sample\)\[\d+\] == -1"):
        RidgeClassifier(class_weight={0: -1.0}).fit(X, y)
    for value in ("a", np.ones(2), 1j, 10**400, {0: 1.0}):
        with pytest.raises(ValueError, match=r"class_weight\[0\] is .*; expected a finite number"):
            RidgeClassifier(class_weight={0: value}).fit(X, y)
    with pytest.raises(ValueError, match="class_weight is a dict, but y is an indicator"):
        RidgeClassifier(class_weight={0: 1.0}).fit(X, np.c_[y, 1 - y])
    agree(
        RidgeClassifier(class_weight={0: 2.0, 1: 1.0, 7: 5.0}).fit(X, y),
        RidgeClassifier(class_weight={0: 2.0}).fit(X, y),
    )


@pytest.mark.parametrize("method", ["predict", "decision_function", "score"])
@pytest.mark.parametrize("cls", [Ridge, RidgeClassifier])
def test_not_fitted(cls, method):
    if method == "decision_function" and cls is Ridge:
        assert not hasattr(cls, method)
        return
    arguments = ([[1.0]], [1.0])[: 2 if method == "score" else 1]
    words = f"This {cls.__name__} is not fitted yet: call fit"
    with pytest.raises(NotFittedError, match=words) as caught:
        getattr(cls(), method)(*arguments)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AttributeError)


def test_score_of_other_targets():
    X, Y, _ = problem(k=3)
    with pytest.raises(ValueError, match="y has 2 target"):
        Ridge().fit(X, Y).score(X, Y[:, :2])
    y = (Y[:, 0] > 3).astype(int)
    with pytest.raises(ValueError, match="expected labels like those of the fit"):
        RidgeClassifier().fit(X, y).score(X, y.astype(str))


def test_indicators_of_minus_one_and_one():
    X, _, _ = problem()
    indicator = (X[:, :2] > X[:, :2].mean(axis=0)).astype(int)
    for cls in (RidgeClassifier, RidgeClassifierCV):
        expected = cls().fit(X, indicator)
        model = cls().fit(X, 2 * indicator - 1)
        assert_array_equal(model.coef_, expected.coef_)
        assert_array_equal(model.predict(X), expected.predict(X))
        assert model.score(X, 2 * indicator - 1) == expected.score(X, indicator)
    with pytest.raises(ValueError, match="or of -1 and 1"):
        RidgeClassifier().fit(X, indicator - 1)
