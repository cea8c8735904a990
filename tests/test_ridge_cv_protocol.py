"""RidgeCV and RidgeClassifierCV: what they refuse, scikit-learn's checks, types and files."""

import numpy as np
import pytest
from estimator_checks import all_checks, check_all
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    KFold,
)

import fastridge
from fastridge import RidgeClassifierCV, RidgeCV
from fastridge.exceptions import InvalidParameterError

ALPHAS = np.logspace(-3, 3, 7)


def problem(n=40, p=6, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.3, 3.0, size=p) + 2.0
    X[rng.random(size=(n, p)) < 0.3] = 0.0
    Y = X @ rng.normal(size=(p, k or 1)) + 2 * rng.normal(size=(n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


# What is refused.


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"alphas": "x"}, "'alphas' parameter"),
        ({"alphas": [-1.0]}, "alphas == -1, must be >= 0.0"),
        ({"alphas": []}, "not empty"),
        ({"cv": 1}, "cv is 1; expected at least 2"),
        ({"cv": 41}, "n_samples=40"),
        ({"cv": "x"}, "'cv' parameter"),
        ({"cv": 2.5}, "Expected `cv` as"),
        ({"cv": []}, "cv yields no fold"),
        ({"cv": [([0, 1], [])]}, "fold 0 of cv has no test rows"),
        ({"cv": [([0, 1], [40])]}, "expected rows from 0 to 39"),
        ({"cv": 3, "validation": 0.2}, "'cv' parameter"),
        ({"cv": 3, "store_cv_results": True}, "incompatible"),
        ({"cv": "gcv", "scoring": "neg_max_error"}, "cv='gcv' makes none"),
        ({"select": "x"}, "select is 'x'"),
        ({"scoring": 3}, "scoring is 3"),
        ({"n_alphas": 0}, "'n_alphas' parameter"),
        ({"solver": "svd"}, "'solver' parameter"),
        ({"tol": -1.0}, "'tol' parameter"),
        ({"callback": 3}, "'callback' parameter"),
        ({"gcv_mode": "foo"}, "'gcv_mode' parameter of RidgeCV must be 'auto', 'svd', 'eigen' or"),
        ({"gcv_mode": 1}, "'gcv_mode' parameter"),
        ({"random_state": "x"}, "'random_state' parameter"),
        ({"penalty_factor": [1.0]}, "penalty_factor has shape"),
    ],
)
def test_bad_parameters(parameters, match):
    X, y, _ = problem()
    with pytest.raises((ValueError, InvalidParameterError), match=match):
        RidgeCV(**parameters).fit(X, y)


@pytest.mark.parametrize("cv", [None, 3], ids=str)
@pytest.mark.parametrize(
    ("model", "scoring", "match"),
    [
        (RidgeCV, "roc_auc", "'roc_auc', which needs .*decision_function.* of a classifier"),
        (RidgeCV, "neg_log_loss", "'neg_log_loss', which needs predict_proba of a classifier"),
        (RidgeCV, "f1", "'f1', which failed .* mix of .* If it scores classes, use RidgeClass"),
        (RidgeCV, get_scorer("roc_auc"), "needs .* of a classifier, but RidgeCV is a regressor"),
        (RidgeCV, "nonsense", "'nonsense'; expected a name"),
        (
            RidgeClassifierCV,
            "neg_log_loss",
            "RidgeClassifierCV has only decision_function and predict",
        ),
        (RidgeClassifierCV, "f1_samples", "'f1_samples', which failed on the predictions"),
    ],
)
def test_scorers_that_ask_for_what_is_not_there(model, scoring, match, cv):
    X, y, _ = problem(n=30, p=4)
    with pytest.raises(ValueError, match=f"^scoring is .*{match}") as caught:
        model(cv=cv, scoring=scoring).fit(X, (y > 0).astype(float))
    assert "_Shown" not in str(caught.value)


@pytest.mark.parametrize("model", [RidgeCV, RidgeClassifierCV])
def test_scorers_of_ones_own_see_a_ridge(model):
    X, y, _ = problem(n=30, p=4)
    name = model.__name__.removesuffix("CV")
    with pytest.raises(AttributeError, match=f"'{name}' object has no attribute 'predict_proba'"):
        model(cv=3, scoring=lambda m, X, y: m.predict_proba(X)).fit(X, (y > 0).astype(float))


@pytest.mark.parametrize("mode", ["auto", "svd", "eigen", None])
def test_modes_of_scikit_learn(mode):
    X, y, _ = problem(20, 3)
    assert RidgeCV(gcv_mode=mode).fit(X, y).alpha_ == RidgeCV().fit(X, y).alpha_


def test_folds_without_weight():
    X, y, _ = problem()
    weight = np.ones(40)
    weight[:10] = 0.0
    kept = RidgeCV(ALPHAS, cv=4).fit(X, y, weight)
    assert len(kept.cv_results_["fold_score"]) == 3
    assert_allclose(
        kept.cv_results_["score"], RidgeCV(ALPHAS, cv=3).fit(X[10:], y[10:]).cv_results_["score"]
    )


# Threads and types.


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_for_any_number_of_threads(threads):
    X, y, _ = problem(200, 30)
    with fastridge.num_threads(threads):
        found = RidgeCV(ALPHAS, cv=4).fit(X, y)
    assert_array_equal(
        found.cv_results_["score"], RidgeCV(ALPHAS, cv=4).fit(X, y).cv_results_["score"]
    )


def test_float32():
    X, y, _ = problem()
    model = RidgeCV(ALPHAS, cv=4).fit(X.astype(np.float32), y)
    assert model.coef_.dtype == np.float32
    assert RidgeCV(ALPHAS).fit(X.astype(np.float32), y).coef_.dtype == np.float32


# scikit-learn's own checks.


@pytest.mark.slow
@all_checks(
    [
        RidgeCV(),
        RidgeCV(cv=3),
        RidgeCV(cv="gcv", alpha_per_target=True),
        RidgeClassifierCV(),
        RidgeClassifierCV(cv=3),
    ]
)
def test_estimator_checks(estimator):
    check_all(estimator)


# Files.


def test_splitters_are_saved(tmp_path):
    X, y, _ = problem(20, 3)
    splitter = KFold(3, shuffle=True, random_state=0)
    model = RidgeCV(ALPHAS, cv=splitter).fit(X, y)
    listed = RidgeCV(ALPHAS, cv=list(splitter.split(X, y))).fit(X, y)
    for kept in (model, listed):
        fastridge.save(kept, tmp_path / "m")
        again = fastridge.load(tmp_path / "m")
        assert_array_equal(again.cv_results_["score"], listed.cv_results_["score"])
        assert_array_equal(again.predict(X), listed.predict(X))
    fastridge.save(model, tmp_path / "m")
    again = fastridge.load(tmp_path / "m")
    assert repr(again.cv) == repr(splitter)
    assert_array_equal(again.fit(X, y).coef_, model.coef_)


def test_saved_and_read_back(tmp_path):
    X, y, _ = problem()
    for model in (
        RidgeCV(ALPHAS, cv=4),
        RidgeCV(ALPHAS, store_cv_results=True),
        RidgeClassifierCV(ALPHAS, cv=4),
        fastridge.LassoCV(alphas=5),
        fastridge.BayesianRidge(),
    ):
        target = y > y.mean() if isinstance(model, RidgeClassifierCV) else y
        rows = slice(5) if isinstance(model, fastridge.BayesianRidge) else slice(None)
        model.fit(X[rows], target[rows])
        fastridge.save(model, tmp_path / "model")
        again = fastridge.load(tmp_path / "model")
        assert_array_equal(again.predict(X), model.predict(X))
        if hasattr(model, "cv_results_"):
            assert_array_equal(again.cv_results_["score"], model.cv_results_["score"])
            assert again.diagnosis_ == model.diagnosis_
            assert repr(again.cv_results_) == repr(model.cv_results_)
        else:
            assert_array_equal(again.predict(X, True)[1], model.predict(X, True)[1])
