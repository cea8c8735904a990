"""diagnosis_: simulated data with known answers, over many seeds."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fastridge import (
    ElasticNetCV,
    LassoCV,
    LogisticRegressionCV,
    MultiTaskElasticNetCV,
    RidgeClassifierCV,
    RidgeCV,
)

UNDER, OVER = "under-fitting", "over-fitting"
RIGHT, INDIFFERENT = "about right", "the penalty does not matter here"
WIDE = np.logspace(-3, 5, 33)
SEEDS = range(24)


def problem(n, p, signal, noise, seed, some=None):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    w = signal * rng.standard_normal(p)
    w[p if some is None else some :] = 0.0
    return X, X @ w + noise * rng.standard_normal(n)


NOISE, TALL = (60, 30, 0, 1), (200, 20, 1, 1)
SQUARE, EXACT = (80, 40, 1, 4), (60, 6, 1, 0)

SITUATIONS = {
    "noise, automatic grid": (RidgeCV(None, cv=5), NOISE, RIGHT),
    "noise, wide grid": (RidgeCV(WIDE, cv=5), NOISE, RIGHT),
    "noise, leave-one-out": (RidgeCV(WIDE), NOISE, RIGHT),
    "noise, lasso": (LassoCV(), NOISE, RIGHT),
    "noise, lasso by 1se": (LassoCV(select="1se"), NOISE, RIGHT),
    "noise, elastic net": (ElasticNetCV(), NOISE, RIGHT),
    "noise, many rows": (RidgeCV(WIDE, cv=5), (2000, 3, 0, 1), INDIFFERENT),
    "noise, weak penalties": (RidgeCV([1e-3, 1e-2, 0.1], cv=5), NOISE, OVER),
    "noise, weak penalties of a lasso": (LassoCV(alphas=[1e-4, 1e-3]), NOISE, OVER),
    "noise, one weak penalty": (RidgeCV([1e-3], cv=5), NOISE, OVER),
    "signal, automatic grid": (RidgeCV(None, cv=5), TALL, RIGHT),
    "signal, 1se": (RidgeCV(None, cv=5, select="1se"), TALL, RIGHT),
    "signal, weak penalties": (RidgeCV([1e-6, 1e-5, 1e-4], cv=5), TALL, INDIFFERENT),
    "signal, lasso": (LassoCV(), (*TALL, 5), RIGHT),
    "more features than samples": (RidgeCV(None, cv=5), (40, 100, 1, 5), RIGHT),
    "more features than samples, lasso": (LassoCV(), (40, 100, 2, 1, 4), RIGHT),
    "as many features as samples": (RidgeCV([1e-6, 1e-5, 1e-4], cv=5), (40, 35, 1, 8), OVER),
    "the same, by a lasso": (LassoCV(alphas=[1e-4, 1e-3]), (40, 35, 1, 8), OVER),
    "half as many features, weak": (RidgeCV([1e-3, 1e-2, 0.1, 1.0], cv=5), SQUARE, OVER),
    "half as many features, wide": (RidgeCV(WIDE, cv=5), SQUARE, RIGHT),
    "generalised cross-validation": (RidgeCV(WIDE, cv="gcv"), SQUARE, RIGHT),
    "held out": (RidgeCV(WIDE, validation=0.3), SQUARE, RIGHT),
    "another score": (
        RidgeCV(WIDE, cv=5, scoring="neg_mean_absolute_error", select="1se"),
        SQUARE,
        RIGHT,
    ),
    "strong penalties": (RidgeCV([1e3, 1e4, 1e5], cv=5), SQUARE, UNDER),
    "far too strong penalties": (RidgeCV([1e6, 1e7, 1e8], cv=5), SQUARE, UNDER),
    "one strong penalty": (RidgeCV([1e5], cv=5), SQUARE, UNDER),
    "strong penalties of a lasso": (LassoCV(alphas=[5.0, 10.0]), (60, 30, 0.3, 1), UNDER),
    "noise-free, automatic grid": (RidgeCV(None, cv=5), EXACT, RIGHT),
    "noise-free, lasso": (LassoCV(), EXACT, RIGHT),
    "noise-free, weak": (RidgeCV([1e-6, 1e-5], cv=5), EXACT, INDIFFERENT),
    "noise-free, strong": (RidgeCV([1e4, 1e5], cv=5), EXACT, UNDER),
}


@pytest.mark.slow
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.filterwarnings("ignore:the best penalty is")
@pytest.mark.filterwarnings("ignore:Objective did not converge")
def test_situations(situation):
    model, data, expected = SITUATIONS[situation]
    found = [model.fit(*problem(*data[:4], seed, *data[4:])).diagnosis_ for seed in SEEDS]
    assert [d.verdict for d in found] == [expected] * len(SEEDS), "\n".join(map(str, found))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the best penalty is")
def test_no_coefficients_are_never_over_fitting():
    for seed in SEEDS:
        X, y = problem(*NOISE, seed)
        for model in (LassoCV(), LassoCV(alphas=[10.0]), LassoCV(alphas=20, select="1se")):
            model.fit(X, y)
            assert model.coef_.any() or model.diagnosis_.verdict != OVER
        Y = np.c_[y, y[::-1]]
        model = MultiTaskElasticNetCV(alphas=20).fit(X, Y)
        assert model.coef_.any() or model.diagnosis_.verdict != OVER


def test_worse_than_the_mean_alone():
    X, y = problem(40, 35, 1, 8, 0)
    for alphas in ([1e-6, 1e-5, 1e-4], [1e-5]):
        found = RidgeCV(alphas, cv=5).fit(X, y).diagnosis_
        assert found.verdict == OVER
        assert found.train_error < 1e-5 < found.null_error < found.validation_error
        assert "worse than the mean alone: try larger penalties" in str(found)


@pytest.mark.slow
def test_one_standard_error_by_the_score_of_the_choice():
    """The penalty that 1se takes is right by definition, whatever the score."""
    for seed in range(40):
        X, y = problem(60, 30, 1, 5, seed)
        scores = (None, "neg_mean_squared_error", "neg_mean_absolute_error")
        for scoring in scores[: 3 if seed < 8 else 2]:
            model = RidgeCV(WIDE, cv=5, select="1se", scoring=scoring).fit(X, y)
            found, results = model.diagnosis_, model.cv_results_
            best = results["score"].argmax()
            assert found.verdict == RIGHT
            assert found.scoring == (scoring or "r2")
            assert found.score == model.best_score_
            assert found.best_score == results["score"][best]
            assert found.worst_score == results["score"].min()
            assert found.standard_error == results["score_se"][best]
            assert found.score >= found.best_score - found.standard_error
            assert found.best_alpha == RidgeCV(WIDE, cv=5, scoring=scoring).fit(X, y).alpha_


@pytest.mark.slow
def test_of_classes():
    for seed in SEEDS:
        X, y = problem(60, 40, 1, 9, seed)
        assert RidgeClassifierCV([1e-4, 1e-3], cv=5).fit(X, y > 0).diagnosis_.verdict == OVER
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the best penalty is")
            X, y = problem(*SQUARE, seed)
            found = RidgeClassifierCV(None, cv=5).fit(X, y > 0).diagnosis_
        assert found.verdict == RIGHT
        assert found.scoring == "accuracy"
        assert "(accuracy)" in str(found)


def test_a_score_that_rises_where_deviances_grow():
    """Accuracy may rise to the weak end of a grid where held-out probabilities get worse."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((120, 20))
    labels = X[:, 0] + 0.3 * rng.standard_normal(120) > 0
    grid = {
        "Cs": np.logspace(-2, 6, 9),
        "cv": 5,
        "use_legacy_attributes": False,
        "l1_ratios": (0.0,),
    }

    def confidence(model, Z, y):
        return float(model.predict_proba(Z).max(axis=1).mean())

    model = LogisticRegressionCV(scoring=confidence, **grid).fit(X, labels)
    assert model.C_ == 1e6
    assert model.diagnosis_.verdict == OVER
    assert "try larger penalties" in model.diagnosis_.reason
    model = LogisticRegressionCV(scoring="neg_log_loss", **grid).fit(X, labels)
    assert model.diagnosis_.verdict == RIGHT
    # better than the mean alone, but far worse than a larger penalty
    grid["Cs"] = np.logspace(-2, 1.25, 6)
    model = LogisticRegressionCV(scoring=confidence, **grid).fit(X, labels)
    results = model.cv_results_
    assert results["validation_error"].max() < results["null_error"]
    assert model.diagnosis_.verdict == OVER
    best = results["alpha"][np.argmin(results["validation_error"])]
    assert f"alpha={best:.3g} has a mean deviance of" in model.diagnosis_.reason


def test_a_target_without_spread():
    X, _ = problem(30, 3, 1, 1, 0)
    for model in (RidgeCV([1.0, 2.0], cv=5), LassoCV(alphas=[1.0, 2.0])):
        found = model.fit(X, np.ones(30)).diagnosis_
        assert found.verdict == INDIFFERENT
        assert_allclose([found.null_error, found.validation_error], 0.0, atol=1e-20)


def test_each_target_and_a_scorer_of_ones_own():
    X, y = problem(*SQUARE, 0)
    noise = np.random.default_rng(1).standard_normal(80)
    both = RidgeCV(WIDE, cv=5, alpha_per_target=True).fit(X, np.c_[y, noise]).diagnosis_
    for t, target in enumerate((y, noise)):
        alone = RidgeCV(WIDE, cv=5).fit(X, target).diagnosis_
        assert both[t].verdict == alone.verdict
        assert_allclose(both[t].validation_error, alone.validation_error)

    def money(model, X, y):
        return 1e6 - 1e3 * np.square(y - model.predict(X)).mean()

    found = RidgeCV([1e3, 1e4, 1e5], cv=5, scoring=money).fit(X, y).diagnosis_
    assert found.scoring == "money"
    assert found.verdict == UNDER


@pytest.mark.parametrize("seed", range(3))
def test_no_better_than_the_mean(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((200, 10)), rng.standard_normal(200)
    found = RidgeCV(alphas=np.geomspace(1.0, 1e5, 11), cv=5).fit(X, y).diagnosis_
    assert found.verdict in ("about right", "the penalty does not matter here", "over-fitting")
    if found.verdict == "about right":
        no_better = found.validation_error > 0.99 * found.null_error
        assert (
            "no better than the mean: held-out rows show no effect" in found.reason
        ) == no_better
    better = RidgeCV(alphas=[1.0, 10.0, 1e5], cv=5).fit(X, y + X[:, 0]).diagnosis_
    assert "no better" not in str(better)


@pytest.mark.filterwarnings("ignore:the best penalty is")
def test_automatic_grids_reach_the_optimum_of_unlike_columns():
    rng = np.random.default_rng(0)
    X = np.column_stack([1e7 * rng.random(500), rng.standard_normal(500)])
    y = 1e-6 * X[:, 0] + X[:, 1] + rng.standard_normal(500)
    for cv in (5, "loo"):
        model = RidgeCV(alphas="auto", cv=cv).fit(X, y)
        assert model.diagnosis_.verdict == "about right"
        # errors are flat while only the second column is shrunk to nothing
        assert model.diagnosis_.validation_error < 1.1
