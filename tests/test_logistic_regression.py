"""LogisticRegression of two classes: against scikit-learn, additional features, and checks."""

import math
import pickle
import warnings

import mpmath
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.linear_model as theirs
from estimator_checks import all_checks, check_all
from model_files import identical, round_trip
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_val_score

import fastridge
from fastridge import LogisticRegression
from fastridge.data.labels import Labels
from fastridge.exceptions import ConvergenceWarning, NotFittedError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 5))
    y = (X @ [1.0, -1.0, 0.0, 0.5, 0.1] + 0.4 + rng.logistic(size=150) > 0).astype(int)
    return X, y, rng.uniform(0.2, 3.0, size=150)


def exact(**options):
    return LogisticRegression(tol=1e-9, **options)


@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0, np.inf])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 2.0, "b": 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_is_what_scikit_learn_fits(data, C, class_weight, weighted, fit_intercept):
    X, codes, s = data
    y, s = np.array(["a", "b"])[codes], s if weighted else None
    options = {"C": C, "class_weight": class_weight, "fit_intercept": fit_intercept}
    other = theirs.LogisticRegression(
        tol=1e-12, max_iter=1000, solver="newton-cholesky", **options
    ).fit(X, y, s)
    model = exact(**options).fit(X, y, s)
    assert_allclose(model.coef_, other.coef_, atol=1e-7)
    assert_allclose(model.intercept_, other.intercept_, atol=1e-7)
    assert model.coef_.shape == other.coef_.shape
    assert model.intercept_.shape == other.intercept_.shape
    assert model.n_iter_.shape == (1,)
    assert model.n_iter_.dtype == np.int32
    assert_array_equal(model.classes_, other.classes_)
    assert_array_equal(model.predict(X), other.predict(X))
    assert_allclose(model.decision_function(X), other.decision_function(X), atol=1e-6)
    assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-7)
    assert_allclose(model.predict_log_proba(X), other.predict_log_proba(X), atol=1e-6)
    assert model.score(X, y, s) == other.score(X, y, s)


@pytest.mark.parametrize("C", [0.01, 10.0])
def test_certificate_bounds_what_could_be_gained(data, C):
    X, y, s = data
    best = exact(C=C).fit(X, y, s)
    for tol in (1e-1, 1e-2, 1e-4):
        model = LogisticRegression(C=C, tol=tol).fit(X, y, s)
        assert model.relative_gap_ <= tol**2
        assert -1e-13 <= model.objective_ - best.objective_ <= model.dual_gap_ + 1e-13
    # the objective is scikit-learn's, over C and the sum of the weights
    eta = best.decision_function(X)
    loss = s @ (np.logaddexp(0, eta) - y * eta) / s.sum()
    penalty = 0.5 * (best.coef_**2).sum() / (C * s.sum())
    assert_allclose(best.objective_, loss + penalty, rtol=1e-12)


def test_storages_and_types(data):
    X, y, s = data
    X = X * (np.abs(X) > 0.5)
    dense = exact().fit(X, y, s)
    for Z in (np.asfortranarray(X), sp.csr_array(X), sp.csc_matrix(X), sp.coo_array(X)):
        model = exact().fit(Z, y, s)
        assert_allclose(model.coef_, dense.coef_, atol=1e-9)
        assert_allclose(model.predict_proba(Z), dense.predict_proba(X), rtol=1e-8)
    single = exact().fit(X.astype(np.float32), y, s)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    for values in (
        single.predict_proba(X.astype(np.float32)),
        single.predict_proba(X[:1].astype(np.float32)),
        single.predict_log_proba(X.astype(np.float32)),
    ):
        assert values.dtype == np.float32
    assert_allclose(single.coef_, dense.coef_, atol=1e-5)


@pytest.mark.parametrize("options", [{"C": 0.3}, {"C": np.inf}])
def test_weights_are_repetitions(data, options):
    X, y, _ = data
    counts = np.arange(len(y)) % 4
    a = exact(**options).fit(X, y, counts)
    b = exact(**options).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    assert_allclose(a.coef_, b.coef_, atol=1e-8)
    assert_allclose(a.objective_, b.objective_, rtol=1e-11)
    a = exact(class_weight="balanced", **options).fit(X, y, counts)
    b = exact(class_weight="balanced", **options).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    assert_allclose(a.coef_, b.coef_, atol=1e-8)


def test_exchanged_classes_change_signs(data):
    X, y, s = data
    a, b = exact().fit(X, y, s), exact().fit(X, 1 - y, s)
    assert_allclose(a.coef_, -b.coef_, atol=1e-12)
    assert_allclose(a.intercept_, -b.intercept_, atol=1e-12)
    assert_allclose(a.predict_proba(X), b.predict_proba(X)[:, ::-1], atol=1e-12)


@pytest.mark.parametrize(
    "labels", [(False, True), (-3, 7), (0.0, 2.0), ("no", "yes"), (np.int8(1), np.int8(2))]
)
def test_labels_of_any_kind(data, labels):
    X, y, _ = data
    model = LogisticRegression().fit(X, np.array(labels)[y])
    assert_array_equal(model.classes_, sorted(labels))
    assert model.predict(X).dtype == np.array(labels).dtype
    other = LogisticRegression().fit(X, list(np.array(labels)[y]))
    assert_array_equal(other.predict(X), model.predict(X))


def test_offset(data):
    X, y, s = data
    known = 0.7 * X[:, 1] + 0.3
    # an offset in the span of free features changes their coefficients
    free = exact(C=np.inf).fit(X, y, s)
    moved = exact(C=np.inf).fit(X, y, s, offset=known)
    assert_allclose(moved.coef_[0], free.coef_[0] - [0, 0.7, 0, 0, 0], atol=1e-7)
    assert_allclose(moved.intercept_, free.intercept_ - 0.3, atol=1e-7)
    assert_allclose(moved.predict_proba(X, offset=known), free.predict_proba(X), atol=1e-7)
    assert_allclose(moved.predict_log_proba(X, offset=known), free.predict_log_proba(X), atol=1e-7)
    assert_array_equal(moved.predict(X, offset=known), free.predict(X))
    assert moved.score(X, y, offset=known) == free.score(X, y)
    with pytest.raises(ValueError, match="offset has 3 rows"):
        moved.predict_proba(X, offset=np.zeros(3))


def test_penalty_factor_and_standardize(data):
    X, y, s = data
    deviation = np.sqrt(np.average((X - np.average(X, 0, s)) ** 2, axis=0, weights=s))
    a = exact(standardize=True).fit(X, y, s)
    b = exact(penalty_factor=deviation**2).fit(X, y, s)
    assert_allclose(a.coef_, b.coef_, atol=1e-8)
    factor = np.array([0.25, 1.0, 4.0, 2.0, 0.5])
    c = exact(penalty_factor=factor).fit(X, y, s)
    d = exact().fit(X / np.sqrt(factor), y, s)
    assert_allclose(c.coef_, d.coef_ / np.sqrt(factor), atol=1e-8)
    free = exact(C=1e-9, penalty_factor=[0, 1, 1, 1, 1]).fit(X, y, s)
    alone = exact(C=np.inf).fit(X[:, :1], y, s)
    assert_allclose(free.coef_[0, 0], alone.coef_[0, 0], atol=1e-5)


def test_warm_start(data):
    X, y, s = data
    model = LogisticRegression(warm_start=True).fit(X, y, s)
    assert model.fit(X, y, s).n_iter_[0] == 0
    assert model.sparsify().fit(X, y, s).n_iter_[0] == 0
    assert model.fit(X[:, :3], y).coef_.shape == (1, 3)


def test_exact_where_classes_are_separated():
    """With a penalty, there is a solution: to 30 digits by mpmath."""
    x, C = [-2.0, -1.0, 1.0, 3.0], 1e4
    y = [0, 0, 1, 1]
    with mpmath.workdps(40):

        def gradient(w, b):
            r = [1 / (1 + mpmath.exp(-(w * xi + b))) - yi for xi, yi in zip(x, y, strict=True)]
            return C * mpmath.fdot(r, x) + w, mpmath.fsum(r)

        w, b = mpmath.findroot(gradient, (7.0, 0.0), tol=1e-30)
    model = exact(C=C).fit(np.array(x)[:, None], y)
    assert_allclose(model.coef_[0, 0], float(w), rtol=1e-6)
    assert_allclose(model.intercept_[0], float(b), atol=1e-6)
    assert model.relative_gap_ < 1e-15


@pytest.mark.parametrize(
    ("X", "y", "how"),
    [
        ([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"], "perfectly separated"),
        ([[0.0], [0.0], [1.0], [1.0], [2.0]], ["a", "b", "b", "b", "b"], "but for some samples"),
        ([[0.0, 1e3], [1.0, 2e3], [2.0, 0.0]], ["a", "b", "b"], "perfectly separated"),
    ],
)
def test_separated_classes_are_named_without_a_penalty(X, y, how):
    with pytest.warns(ConvergenceWarning, match=f"the classes 'a' and 'b' are .*{how}"):
        model = LogisticRegression(C=np.inf).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(C=1e6).fit(X, y)


def test_a_free_feature_that_separates_is_told(data):
    X, y, _ = data
    Z = np.column_stack([X, 3.0 * y])
    with pytest.warns(ConvergenceWarning, match="no penalty_factor of 0"):
        model = LogisticRegression(penalty_factor=[1, 1, 1, 1, 1, 0]).fit(Z, y)
    assert np.isfinite(model.coef_).all()


def test_classes_that_overlap_are_not_called_separated(data):
    X, y, s = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1.0, 1e4, 1e-4):
            LogisticRegression(C=np.inf).fit(scale * X, y, s)
        # predictors are large where features are
        Z = np.vstack([X, [[100.0, 0, 0, 0, 0]]])
        LogisticRegression(C=np.inf).fit(Z, np.r_[y, 1])


def test_one_class_is_named(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="one class only: 'a'; expected at least 2 classes"):
        LogisticRegression().fit(X, ["a"] * len(y))
    with pytest.raises(ValueError, match="with weight of one class only: 1"):
        LogisticRegression().fit(X, y, y.astype(float))
    with pytest.raises(ValueError, match="with weight of one class only: 0"):
        LogisticRegression(class_weight={0: 1.0, 1: 0.0}).fit(X, y)


def test_refused(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="Unknown label type"):
        LogisticRegression().fit(X, np.column_stack([y, 1 - y]))
    with pytest.raises(ValueError, match="Unknown label type"):
        LogisticRegression().fit(X, y + 0.5)
    for parameter, value in {
        "C": 0.0,
        "l1_ratio": 1.5,
        "penalty": "l3",
        "max_iter": -1,
        "intercept_scaling": 0,
        "solver": "magic",
        "class_weight": "even",
        "tol": -1.0,
    }.items():
        with pytest.raises(ValueError, match=f"The {parameter!r} parameter of Logistic"):
            LogisticRegression(**{parameter: value}).fit(X, y)
    for method in ("predict", "predict_proba", "decision_function", "predict_log_proba"):
        with pytest.raises(NotFittedError, match=f"before {method}"):
            getattr(LogisticRegression(), method)(X)
    for method in ("sparsify", "densify"):
        with pytest.raises(NotFittedError, match=f"before {method}"):
            getattr(LogisticRegression(), method)()


def test_cut_short_says_so(data):
    X, y, _ = data
    with pytest.warns(ConvergenceWarning, match="stopped after 1 iterations"):
        LogisticRegression(max_iter=1, tol=1e-8).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="stopped after 0 iterations"):
        model = LogisticRegression(max_iter=0).fit(X, y)
    assert_array_equal(model.coef_, 0.0)


@pytest.mark.parametrize(
    "solver", ["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga", "auto"]
)
def test_solver_names(data, solver):
    X, y, _ = data
    found = exact(solver=solver, dual=True).fit(X, y).coef_
    assert_allclose(found, exact().fit(X, y).coef_, rtol=1e-6, atol=1e-8)


def test_deprecated_parameters(data):
    X, y, _ = data
    expected = exact().fit(X, y).coef_
    with pytest.warns(FutureWarning, match="'penalty' was deprecated"):
        assert_allclose(exact(penalty="l2").fit(X, y).coef_, expected)
    with pytest.warns(FutureWarning, match="'n_jobs' has no effect"):
        assert_allclose(exact(n_jobs=2).fit(X, y).coef_, expected)
    with pytest.warns(FutureWarning, match="'l1_ratio=None' was deprecated"):
        assert_allclose(exact(l1_ratio=None).fit(X, y).coef_, expected)
    with (
        pytest.warns(FutureWarning, match="'penalty' was deprecated"),
        pytest.warns(UserWarning, match="penalty=None will ignore the C"),
    ):
        free = exact(penalty=None, C=0.1).fit(X, y)
    assert_allclose(free.coef_, exact(C=np.inf).fit(X, y).coef_)
    with (
        pytest.warns(FutureWarning, match="'penalty' was deprecated"),
        pytest.warns(UserWarning, match="Inconsistent values: penalty=l2"),
    ):
        exact(penalty="l2", l1_ratio=1.0).fit(X, y)


def test_probabilities_far_out():
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1]
    model = LogisticRegression().fit(X, y)
    w, b = model.coef_[0, 0], model.intercept_[0]
    for Z in (np.array([[-200.0]]), np.array([[-200.0], [300.0]])):
        p = model.predict_proba(Z)
        assert_allclose(p[0, 1], math.exp(-200 * w + b), rtol=1e-12)
        assert_array_equal(p[0, 0], 1.0)
    far = np.array([[-1e6], [1e6]])
    assert_array_equal(model.predict_proba(far), [[1, 0], [0, 1]])
    assert_allclose(model.predict_log_proba(far)[0], [0, -1e6 * w + b], rtol=1e-12)
    rows = np.linspace(-40, 40, 81)[:, None]
    single = np.vstack([model.predict_proba(row[None]) for row in rows])
    assert_allclose(single, model.predict_proba(rows), rtol=1e-15)
    assert_allclose(single.sum(axis=1), 1.0, rtol=1e-15)


def test_sparsify(data):
    X, y, _ = data
    model = LogisticRegression().fit(X, y)
    expected, coef = model.predict_proba(X), model.coef_
    assert sp.issparse(model.sparsify().coef_)
    assert_allclose(model.predict_proba(X), expected)
    assert_array_equal(model.densify().coef_, coef)
    assert model.densify() is model


def test_save_pickle_and_names(data):
    X, y, s = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = LogisticRegression(class_weight={"u": 2.0}).fit(frame, np.array(["u", "v"])[y], s)
    again = round_trip(model)
    assert identical(again, model)
    assert_array_equal(again.predict(frame), model.predict(frame))
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict_proba(frame), model.predict_proba(frame))
    assert list(copied.feature_names_in_) == list("abcde")
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict_proba(X[:1])


def test_parameters_are_scikit_learns():
    params, other = LogisticRegression().get_params(), theirs.LogisticRegression().get_params()
    assert {name: params[name] for name in other} == other
    own = {"penalty_factor", "standardize", "lower", "upper", "positive"}
    assert set(params) - set(other) == own


@pytest.mark.slow
def test_in_scikit_learn(data):
    X, y, _ = data
    grid = {"C": [0.01, 0.1, 1.0]}
    for scoring in ("accuracy", "neg_log_loss", "roc_auc"):
        ours = GridSearchCV(LogisticRegression(tol=1e-8), grid, cv=3, scoring=scoring).fit(X, y)
        other = GridSearchCV(theirs.LogisticRegression(tol=1e-8), grid, cv=3, scoring=scoring).fit(
            X, y
        )
        assert ours.best_params_ == other.best_params_
        assert_allclose(
            ours.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"], rtol=1e-5
        )
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(offset=True)
        model.set_score_request(offset=True).set_predict_request(offset=True)
        scores = cross_val_score(model, X, y, cv=3, params={"offset": X[:, 0]})
    assert scores.shape == (3,)


@pytest.mark.slow
@all_checks(
    [
        LogisticRegression(),
        LogisticRegression(C=1e3, class_weight="balanced"),
        LogisticRegression(standardize=True),
    ]
)
def test_estimator_checks(estimator):
    check_all(estimator)


def test_is_public():
    assert fastridge.linear_model.LogisticRegression is LogisticRegression


@pytest.mark.parametrize("C", [0.05, 1.0])
@pytest.mark.parametrize("ratio", [0.5, 1.0])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_l1_is_what_scikit_learn_fits(data, C, ratio, fit_intercept):
    X, y, s = data
    options = {"C": C, "l1_ratio": ratio, "fit_intercept": fit_intercept}
    other = theirs.LogisticRegression(solver="saga", tol=1e-10, max_iter=20000, **options)
    other.fit(X, y, s)
    model = LogisticRegression(tol=1e-7, **options).fit(X, y, s)
    assert_allclose(model.coef_, other.coef_, atol=1e-5)
    assert_allclose(model.intercept_, other.intercept_, atol=1e-5)
    assert_array_equal(model.coef_ == 0, other.coef_ == 0)


def test_bounds(data):
    X, y, s = data
    model = LogisticRegression(lower=-0.3, upper=0.4, tol=1e-7).fit(X, y, s)
    w = model.coef_[0]
    assert (w.min(), w.max()) == (-0.3, 0.4)
    r = s * (model.predict_proba(X)[:, 1] - y)
    slope = X.T @ r + w
    assert (slope[w < 0.4] > -1e-3).all()
    assert (slope[w > -0.3] < 1e-3).all()
    assert LogisticRegression(positive=True).fit(X, y, s).coef_.min() == 0


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 1, 1, 0]),
        np.array([-6, 4, 4, 900, -1023]),
        np.array([5, 250, 0], np.uint8),
        np.array([-128, 127, 3], np.int8),
        np.array([True, False]),
        np.array([-500.0, 7.0, 7.0], "f"),
        np.array([0.0, -0.0, 1.0]),
        np.array([2**62, 0, 1]),
        np.array([2**64 - 1, 1], np.uint64),
        np.array([-1024, 1024]),
        np.array(["b", "a", "b"]),
    ],
)
def test_labels_are_told_apart_as_numpy_does(y):
    labels = Labels(y, len(y))
    classes, codes = np.unique(y, return_inverse=True)
    assert labels.classes.dtype == classes.dtype
    assert labels.codes.dtype == codes.dtype
    assert_array_equal(labels.classes, classes)
    assert_array_equal(labels.codes, codes)
