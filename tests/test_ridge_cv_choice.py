"""RidgeCV and RidgeClassifierCV: the chosen penalty, and the diagnosis."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as peer
from cases import each
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import (
    StratifiedKFold,
)

import fastridge
from fastridge import RidgeClassifierCV, RidgeCV
from fastridge.model_selection._splits import make_splits

ALPHAS = np.logspace(-3, 3, 7)


def problem(n=40, p=6, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.3, 3.0, size=p) + 2.0
    X[rng.random(size=(n, p)) < 0.3] = 0.0
    Y = X @ rng.normal(size=(p, k or 1)) + 2 * rng.normal(size=(n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


# The choice.


def test_one_standard_error():
    X, y, _ = problem(60, 10)
    for cv in (5, None):
        alphas = np.logspace(-3, 4, 30)
        least = RidgeCV(alphas, cv=cv).fit(X, y)
        one = RidgeCV(alphas, cv=cv, select="1se").fit(X, y)
        r = least.cv_results_
        best = r["score"].argmax()
        assert least.alpha_ == alphas[best]
        expected = alphas[r["score"] >= r["score"][best] - r["score_se"][best]].max()
        assert one.alpha_ == expected > least.alpha_
        for order in (alphas, alphas[::-1]):
            assert RidgeCV(order, cv=cv, select="1se").fit(X, y).alpha_ == one.alpha_
    # a single fold has no standard error, and the rule takes the best
    with pytest.warns(UserWarning, match="no standard error"):
        held = RidgeCV(alphas, validation=0.3, select="1se").fit(X, y)
    assert held.alpha_ == RidgeCV(alphas, validation=0.3).fit(X, y).alpha_


def test_one_standard_error_is_never_below_the_best():
    from fastridge.model_selection._choice import choose

    alphas, score = np.array([1.0, 2.0, 4.0]), np.array([0.9, 0.1, 1.0])
    assert choose("1se", alphas, score, np.full(3, 0.5), None) == 2
    assert choose("1se", alphas[::-1], score[::-1], np.full(3, 0.5), None) == 0


def test_a_rule_of_ones_own():
    X, y, _ = problem()
    model = RidgeCV(ALPHAS, cv=3, select=lambda r: np.argmax(r["alpha"] > 5)).fit(X, y)
    assert model.alpha_ == 10.0
    with pytest.raises(TypeError, match="select returned 'x'"):
        RidgeCV(ALPHAS, select=lambda r: "x").fit(X, y)
    with pytest.raises(ValueError, match="select returned 7; expected a position from 0 to 6"):
        RidgeCV(ALPHAS, select=lambda r: 7).fit(X, y)


def test_the_automatic_grid_goes_on_where_it_must():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inside = RidgeCV(None, cv=5).fit(X, X @ np.ones(5) + 2 * rng.normal(size=200))
    assert len(inside.alphas_) == 50
    # correlated columns, whose small directions carry the target
    Z = X.copy()
    Z[:, 1] = Z[:, 0] + 0.02 * X[:, 1]
    y = 50.0 * (Z[:, 1] - Z[:, 0]) + 1e-3 * rng.normal(size=200)
    for cv in (5, None):
        with pytest.warns(
            UserWarning, match="the best penalty is at the lower end of the grid, which was"
        ):
            found = RidgeCV(None, n_alphas=25, cv=cv).fit(Z, y)
        assert len(found.alphas_) > 25
        assert (np.diff(found.alphas_) < 0).all()
        assert_array_equal(found.alphas_, found.cv_results_["alpha"])
        assert found.alpha_ < 200 / 1000
        assert_allclose(
            found.best_score_, RidgeCV([found.alpha_], cv=cv).fit(Z, y).best_score_, rtol=1e-6
        )


# Held-out sets.


def test_a_held_out_share():
    X, y, _ = problem(60)
    model = RidgeCV(ALPHAS, validation=0.25, random_state=0).fit(X, y)
    again = RidgeCV(ALPHAS, validation=0.25, random_state=0).fit(X, y)
    other = RidgeCV(ALPHAS, validation=0.25, random_state=1).fit(X, y)
    errors = [m.cv_results_["validation_error"] for m in (model, again, other)]
    assert_array_equal(errors[0], errors[1])
    assert (errors[0] != errors[2]).all()
    # the model is that of all rows
    assert_allclose(model.coef_, fastridge.ridge(X, y, model.alpha_).coef)
    assert np.isnan(model.cv_results_["validation_error_se"]).all()


@pytest.mark.parametrize(
    ("validation", "match"),
    [
        (1.5, "validation is 1.5"),
        ("x", "validation is 'x'"),
        ((np.ones((3, 6)),), "validation has 1 elements"),
        ((np.ones((3, 5)), np.ones(3)), "validation X has 5 features"),
        ((np.ones((3, 6)), np.ones((3, 2))), "validation y has 2 target"),
    ],
)
def test_held_out_sets_that_are_none(validation, match):
    X, y, _ = problem()
    with pytest.raises(ValueError, match=match):
        RidgeCV(validation=validation).fit(X, y)


# Calls, and what is said.


def test_callback_and_interrupts():
    X, y, _ = problem()
    calls = []
    RidgeCV(ALPHAS, cv=4, callback=lambda done, total: calls.append((done, total))).fit(X, y)
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def stop(done, total):
        if done == 2:
            raise StopIteration

    model = RidgeCV(ALPHAS, cv=4, callback=stop).fit(X, y)
    assert model.cv_results_["fold_score"].shape == (2, 7)
    whole = RidgeCV(ALPHAS, cv=4).fit(X, y)
    assert_array_equal(model.cv_results_["fold_score"], whole.cv_results_["fold_score"][:2])

    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    model = RidgeCV(ALPHAS, cv=4, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.cv_results_.n_folds == 3 or len(model.cv_results_["fold_score"]) == 3
    assert not hasattr(model, "coef_")


def test_diagnosis():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 40))
    y = X @ rng.normal(size=40) + 4 * rng.normal(size=80)
    wide = np.logspace(-3, 5, 33)
    assert RidgeCV(wide, cv=5).fit(X, y).diagnosis_.verdict == "about right"
    assert RidgeCV([1e-3, 1e-2, 0.1, 1.0], cv=5).fit(X, y).diagnosis_.verdict == "over-fitting"
    assert RidgeCV([1e3, 1e4, 1e5], cv=5).fit(X, y).diagnosis_.verdict == "under-fitting"
    strongest = RidgeCV(wide, cv=5, select=lambda r: len(r["alpha"]) - 1).fit(X, y).diagnosis_
    assert strongest.verdict == "under-fitting"
    assert strongest.best_alpha < strongest.alpha == 1e5
    assert f"alpha={strongest.best_alpha:.3g}" in str(strongest)
    weakest = RidgeCV(wide, cv=5, select=lambda r: 0).fit(X, y).diagnosis_
    assert weakest.verdict == "over-fitting"
    assert weakest.train_error < weakest.validation_error
    many = rng.normal(size=(2000, 3))
    noisy = many @ np.ones(3) + rng.normal(size=2000)
    flat = RidgeCV(np.logspace(-4, 0, 9), cv=5).fit(many, noisy).diagnosis_
    assert flat.verdict == "the penalty does not matter here"


# Classes.


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("cv", [None, 4, StratifiedKFold(3, shuffle=True, random_state=0)], ids=str)
@pytest.mark.parametrize("scoring", [None, "accuracy", "balanced_accuracy"])
@each("class_weight", [None, "balanced"])
@each("shape", [(60, 6), (30, 40)])
def test_classifier_agrees_with_scikit_learn(classes, cv, scoring, class_weight, shape):
    X, y, _ = problem(*shape)
    names = np.array(["b", "a", "c"])[:classes]
    labels = names[np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))]
    if class_weight and cv is not None and scoring is not None:
        return  # scikit-learn scores folds unweighted by class
    if scoring == "balanced_accuracy" and classes == 2 and cv is None:
        pytest.skip("scikit-learn takes two classes for one here")
    options = {"cv": cv, "scoring": scoring, "class_weight": class_weight}
    ours = RidgeClassifierCV(ALPHAS, **options).fit(X, labels)
    if cv is None and scoring is not None and classes == 2:
        return
    theirs = peer.RidgeClassifierCV(ALPHAS, **options).fit(X, labels)
    if class_weight is None:
        assert ours.alpha_ == theirs.alpha_
        assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-9)
    if ours.alpha_ == theirs.alpha_:
        assert_allclose(ours.coef_, theirs.coef_, atol=1e-9)
    assert ours.coef_.shape == theirs.coef_.shape
    assert_array_equal(ours.classes_, theirs.classes_)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.9


def test_stratified_folds_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    for n, classes in ((50, 2), (67, 4), (33, 3)):
        labels = rng.integers(0, classes, n)
        ours = make_splits(5, n, None, labels, None, None, labels)
        for split, (train, test) in zip(
            ours, StratifiedKFold(5).split(np.zeros(n), labels), strict=True
        ):
            assert_array_equal(split.train, train)
            assert_array_equal(split.test, test)


def test_indicators_and_held_out_classes():
    X, y, _ = problem(60)
    several = np.c_[y > y.mean(), X[:, 0] > X[:, 0].mean(), y < 2].astype(int)
    for cv in (None, 4):
        model = RidgeClassifierCV(ALPHAS, cv=cv).fit(X, sp.csr_array(several))
        assert sp.issparse(model.predict(X))
        assert 0 < model.score(X, several) <= 1
    labels = np.where(y > y.mean(), "yes", "no")
    model = RidgeClassifierCV(ALPHAS, validation=(X[40:], labels[40:])).fit(X[:40], labels[:40])
    best = peer.RidgeClassifier(model.alpha_).fit(X[:40], labels[:40])
    assert_allclose(model.best_score_, best.score(X[40:], labels[40:]))
    with pytest.raises(ValueError, match="validation y has the class maybe"):
        RidgeClassifierCV(validation=(X[40:41], ["maybe"])).fit(X[:40], labels[:40])
