"""Pictures of estimators: that they show the model that was fitted, and say what was chosen."""

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
        fastridge.ElasticNetCV(l1_ratio=[0.2, 0.9], alphas=[1.0, 0.1], cv=5),
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
