"""Plots of estimators: they show the fitted model and the chosen penalty."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import CrossValidationDisplay, RegularizationPathDisplay, RidgeCV

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

WIDE = np.logspace(-3, 5, 33)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def problem(n, p, signal, noise, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X @ (signal * rng.standard_normal(p)) + noise * rng.standard_normal(n)


@pytest.mark.slow
def test_the_picture_marks_its_own_curve_and_the_choice_by_another_score():
    apart = 0
    for seed in range(12):
        X, y = problem(60, 30, 1, 5, seed)
        squared = "neg_mean_squared_error"
        least, one, other = (
            RidgeCV(WIDE, cv=5, select=select, scoring=scoring).fit(X, y)
            for select, scoring in (("min", squared), ("1se", squared), ("1se", None))
        )
        for model in (least, one, other):
            display = CrossValidationDisplay.from_estimator(model, plot=False)
            assert (display.alpha_min, display.alpha_1se) == (least.alpha_, one.alpha_)
            assert display.scoring == ("r2" if model is other else squared)
        if other.alpha_ not in (least.alpha_, one.alpha_):
            apart += 1
            labels = [text.get_text() for text in display.plot().ax_.get_legend().get_texts()]
            assert f"chosen: alpha = {other.alpha_:.3g} (by r2)" in labels
            plt.close("all")
        own = RidgeCV(WIDE, cv=5, select=lambda r: 2, scoring=squared).fit(X, y)
        labels = CrossValidationDisplay.from_estimator(own).ax_.get_legend().get_texts()
        assert labels[-1].get_text() == f"chosen: alpha = {WIDE[2]:.3g}"
        plt.close("all")
    assert apart


@pytest.mark.parametrize(
    "model",
    [
        RidgeCV(WIDE, cv=5),
        fastridge.LassoCV(alphas=[1.0, 0.1], cv=5),
        # one thread: the sixth walk to end is the third fold's last
        fastridge.ElasticNetCV(l1_ratio=[0.2, 0.9], alphas=[1.0, 0.1], cv=5, n_jobs=1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_an_interrupted_search(model):
    X, y = problem(60, 10, 1, 1, 0)

    def interrupt(done, total):
        if done == (6 if type(model) is fastridge.ElasticNetCV else 3):
            raise KeyboardInterrupt

    model.set_params(callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    results = model.cv_results_
    assert len(results["fold_score"]) == results.n_folds == 3
    assert "3 folds" in repr(results)
    display = CrossValidationDisplay.from_estimator(model)
    ratio = results.get("l1_ratio", np.zeros(len(results["alpha"])))
    own = ratio == ratio[results["score"].argmax()]
    assert_array_equal(
        display.validation_line_.get_ydata()[::-1],
        np.asarray(results["validation_error"])[own][np.argsort(-results["alpha"][own])],
    )
    assert len(display.ax_.get_legend().get_texts()) <= 4


def drawn(model, X, y, **given):
    return RegularizationPathDisplay.from_estimator(model, X, y, plot=False, **given)


def fits(model, X, y, alphas, weight=None):
    """Coefficients of a fit at every penalty, (m, k, p)."""
    coef = [model.set_params(alpha=float(a)).fit(X, y, weight).coef_ for a in alphas]
    return np.array(coef).reshape(len(alphas), -1, X.shape[1])


@pytest.mark.parametrize(
    "model",
    [
        fastridge.Ridge(),
        fastridge.Ridge(standardize=True, penalty_factor=np.arange(5.0)),
        fastridge.Ridge(positive=True),
        fastridge.Ridge(lower=-0.1, upper=[0.1, 0.2, 0.3, 0.4, 0.5]),
        fastridge.Ridge(upper=0.2, fit_intercept=False, standardize=True),
        fastridge.Lasso(tol=1e-12),
        fastridge.ElasticNet(l1_ratio=0.3, lower=-0.2, standardize=True, tol=1e-12),
        fastridge.MultiTaskLasso(tol=1e-12),
        fastridge.MultiTaskElasticNet(l1_ratio=0.3, standardize=True, tol=1e-12),
    ],
    ids=str,
)
def test_the_path_is_that_of_fits(model):
    X, y = problem(60, 5, 1, 1, 0)
    Y = np.c_[y, y[::-1] + X[:, 0]]
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 60)
    alphas = [10.0, 1.0, 0.1]
    several = "MultiTask" in type(model).__name__
    if isinstance(model, fastridge.Lasso | fastridge.ElasticNet) and not several:
        expected = fits(model, X, y, alphas, weight)
        found = drawn(model, X, y, alphas=alphas, sample_weight=weight)
        assert_allclose(found.coef, expected[:, 0], atol=1e-5)
        return
    expected = fits(model, X, Y, alphas, weight)
    for target in (0, 1):
        found = drawn(model, X, Y, alphas=alphas, sample_weight=weight, target=target)
        assert_allclose(found.alphas, alphas)
        assert_allclose(found.coef, expected[:, target], atol=1e-6)
    assert found.alpha == model.alpha


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_path_of_a_classifier_is_that_of_fits(classes, class_weight):
    X, y = problem(60, 5, 1, 1, 0)
    names = np.array(["b", "a", "c"])[:classes]
    labels = names[np.digitize(y, np.quantile(y, np.arange(1, classes) / classes / 2))]
    alphas = [10.0, 1.0, 0.1]
    model = fastridge.RidgeClassifier(class_weight=class_weight)
    expected = fits(model, X, labels, alphas)
    for target in range(expected.shape[1]):
        found = drawn(model, X, labels, alphas=alphas, target=target)
        assert_allclose(found.coef, expected[:, target], atol=1e-9)
    chosen = fastridge.RidgeClassifierCV(alphas, class_weight=class_weight).fit(X, labels)
    found = drawn(chosen, X, labels)
    assert found.alpha == chosen.alpha_
    assert_allclose(found.coef, expected[:, 0], atol=1e-9)
    positive = fastridge.RidgeClassifier(positive=True, class_weight=class_weight)
    assert_allclose(
        drawn(positive, X, labels, alphas=alphas).coef,
        fits(positive, X, labels, alphas)[:, 0],
        atol=1e-7,
    )


def test_the_path_of_a_choice_ends_where_it_did():
    X, y = problem(60, 5, 1, 1, 0)
    Y = np.c_[y, y[::-1]]
    net = fastridge.ElasticNetCV(l1_ratio=[0.1, 0.9], alphas=[0.3, 0.1], tol=1e-10).fit(X, y)
    both = fastridge.MultiTaskElasticNetCV(l1_ratio=[0.1, 0.9], alphas=[0.3, 0.1], tol=1e-10)
    both.fit(X, Y)
    for model, target, coef in ((net, y, net.coef_), (both, Y, both.coef_[0])):
        found = drawn(model, X, target)
        assert found.alpha == model.alpha_
        assert_array_equal(found.alphas, [0.3, 0.1])
        at = int(np.flatnonzero(found.alphas == model.alpha_)[0])
        assert_allclose(found.coef[at], coef, atol=1e-4)
    automatic = drawn(fastridge.MultiTaskLasso(), X, Y)
    assert not automatic.coef[0].any()
    assert automatic.coef[1].any()


def test_paths_that_are_refused():
    from sklearn.linear_model import Ridge

    X, y = problem(20, 3, 1, 1, 0)
    with pytest.raises(TypeError, match="estimator is a str; expected fastridge's Ridge"):
        drawn("ridge", X, y)
    with pytest.raises(TypeError, match="estimator is a Ridge; expected fastridge's Ridge"):
        drawn(Ridge(), X, y)
    for model in (fastridge.Ridge(), fastridge.Lasso()):
        with pytest.raises(ValueError, match="target is 1; expected a position from 0 to 0"):
            drawn(model, X, y, target=1)
    with pytest.raises(ValueError, match="estimator has 2 values of l1_ratio and is not fitted"):
        drawn(fastridge.ElasticNetCV(l1_ratio=[0.1, 0.9]), X, y)
