"""Plots: their lines, limits and labels."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import (
    BayesianRidge,
    CrossValidationDisplay,
    RegularizationPathDisplay,
    Ridge,
    RidgeCV,
    ShrinkageDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def problem(n=60, p=8):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) * np.linspace(0.5, 3, p)
    return X, X @ rng.normal(size=p) + 3 * rng.normal(size=n)


@pytest.mark.parametrize(
    "draw",
    [
        lambda model, X, y: CrossValidationDisplay.from_estimator(model),
        RegularizationPathDisplay.from_estimator,
        lambda model, X, y: ShrinkageDisplay.from_estimator(model, X),
    ],
)
@pytest.mark.slow
def test_legends_hide_nothing(draw):
    X, y = problem()
    display = draw(RidgeCV(np.logspace(-2, 4, 25), cv=5).fit(X, y), X, y)
    display.figure_.canvas.draw()
    legend, axes = (a.get_window_extent() for a in (display.ax_.get_legend(), display.ax_))
    assert legend.x0 >= axes.x1
    assert legend.x1 <= display.figure_.bbox.x1


@pytest.mark.slow
def test_cross_validation():
    X, y = problem()
    alphas = np.logspace(-2, 4, 25)
    model = RidgeCV(alphas, cv=5, select=lambda r: 3).fit(X, y)
    display = CrossValidationDisplay.from_estimator(model)
    results = model.cv_results_
    assert_array_equal(display.validation_line_.get_xdata(), alphas)
    assert_array_equal(display.validation_line_.get_ydata(), results["validation_error"])
    assert_array_equal(display.train_line_.get_ydata(), results["train_error"])
    ax = display.ax_
    assert display.figure_ is ax.figure
    assert ax.get_xscale() == "log"
    assert_allclose(ax.get_xlim(), (alphas[0], alphas[-1]))
    assert "alpha" in ax.get_xlabel()
    assert ax.get_ylabel() == "mean squared error"
    marks = [line.get_xdata()[0] for line in ax.lines[2:]]
    least = alphas[results["validation_error"].argmin()]
    one = RidgeCV(alphas, cv=5, select="1se", scoring="neg_mean_squared_error").fit(X, y).alpha_
    assert marks == [least, one, alphas[3]]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[:2] == ["train", "validation"]
    assert labels[2].startswith("min: alpha =")
    assert labels[3].startswith("1se: alpha =")
    assert labels[4].startswith("chosen: alpha =")
    # bands of one standard error
    band = ax.collections[1].get_paths()[0].vertices
    i = results["validation_error"].argmin()
    heights = band[np.isclose(band[:, 0], alphas[i]), 1]
    se = results["validation_error_se"][i]
    assert_allclose(heights.max() - heights.min(), 2 * se)
    top = display.top_ax_
    assert_allclose(top.get_xlim(), ax.get_xlim())
    ticks = [float(text.get_text()) for text in top.get_xticklabels()]
    assert ticks[0] == pytest.approx(results["dof"][0], rel=0.01)
    assert ticks == sorted(ticks, reverse=True)
    display.figure_.canvas.draw()


def test_cross_validation_of_one_target_and_into_given_axes():
    X, y = problem()
    model = RidgeCV(np.logspace(-2, 4, 9), alpha_per_target=True).fit(X, np.c_[y, -(y**2)])
    _, axes = plt.subplots(1, 2)
    display = CrossValidationDisplay.from_estimator(model, target=1, ax=axes[1])
    assert display.ax_ is axes[1]
    assert_array_equal(
        display.validation_line_.get_ydata(), model.cv_results_["validation_error"][:, 1]
    )
    with pytest.raises(ValueError, match="has no cv_results_"):
        CrossValidationDisplay.from_estimator(RidgeCV())


def test_path():
    X, y = problem()
    frame = pd.DataFrame(X, columns=[f"column {j}" for j in range(8)])
    alphas = np.logspace(4, -2, 12)
    display = RegularizationPathDisplay.from_estimator(Ridge(alpha=5.0), frame, y, alphas=alphas)
    path = fastridge.ridge_path(X, y, alphas)
    assert len(display.lines_) == 8
    for j, line in enumerate(display.lines_):
        assert_array_equal(line.get_xdata(), alphas[::-1])
        assert_allclose(line.get_ydata(), path.coef[::-1, j])
    labels = {text.get_text() for text in display.ax_.get_legend().get_texts()}
    assert labels == set(frame.columns)
    assert display.ax_.lines[-1].get_xdata()[0] == 5.0
    looks = {(line.get_color(), line.get_linestyle()) for line in display.lines_}
    assert len(looks) == 8
    wide = RegularizationPathDisplay(alphas, np.random.default_rng(0).normal(size=(12, 40))).plot()
    assert len(wide.ax_.get_legend().get_texts()) == 12
    with pytest.raises(ValueError, match=r"coef has shape \(3, 2\)"):
        RegularizationPathDisplay(alphas, np.ones((3, 2)))


def test_path_of_other_estimators():
    X, y = problem()
    model = RidgeCV(np.logspace(-2, 4, 9)).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model, X, y)
    assert_array_equal(display.alphas, model.alphas_)
    assert display.alpha == model.alpha_
    bayes = BayesianRidge().fit(X, y)
    assert RegularizationPathDisplay.from_estimator(bayes, X, y).alpha == bayes.penalty_
    lasso = RegularizationPathDisplay.from_estimator(fastridge.Lasso(alpha=0.1), X, y)
    assert lasso.coef.shape == (100, 8)
    assert (lasso.coef[np.argmax(lasso.alphas)] == 0).all()
    assert (lasso.coef < 0).any()
    positive = fastridge.Lasso(alpha=0.1, positive=True)
    assert (RegularizationPathDisplay.from_estimator(positive, X, y).coef >= 0).all()
    bounded = fastridge.ElasticNet(alpha=0.1, lower=-0.01, upper=0.02)
    found = RegularizationPathDisplay.from_estimator(bounded, X, y).coef
    assert found.min() == -0.01
    assert found.max() == 0.02


@pytest.mark.parametrize("shape", [(60, 8), (10, 20)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_shrinkage(shape, weighted):
    X, y = problem(*shape)
    weight = np.random.default_rng(0).uniform(0.5, 2, shape[0]) if weighted else None
    model = Ridge(alpha=30.0, standardize=True).fit(X, y, weight)
    display = ShrinkageDisplay.from_estimator(model, X, sample_weight=weight)
    s = np.ones(len(X)) if weight is None else weight
    A = np.sqrt(s)[:, None] * (X - s @ X / s.sum())
    deviation = np.sqrt(s @ (X - s @ X / s.sum()) ** 2 / s.sum())
    squares = np.linalg.svd(A / deviation, compute_uv=False) ** 2
    squares = squares[: min(len(X) - 1, X.shape[1])]
    assert_allclose(display.line_.get_ydata(), squares / (squares + 30.0), rtol=1e-8)
    assert_array_equal(display.line_.get_xdata(), np.arange(1, len(squares) + 1))
    assert display.ax_.get_ylim()[0] == 0.0
    path = fastridge.ridge_path(X, y, [30.0], standardize=True, sample_weight=weight)
    assert_allclose(display.factors.sum(), path.dof[0])
    assert "degrees of freedom" in display.ax_.get_legend().get_texts()[0].get_text()


def test_shrinkage_of_free_columns_and_of_chosen_penalties():
    X, y = problem()
    factor = np.ones(8)
    factor[:2] = 0.0
    display = ShrinkageDisplay.from_estimator(Ridge(3.0, penalty_factor=factor), X)
    path = fastridge.ridge_path(X, y, [3.0], penalty_factor=factor)
    assert_allclose(display.factors.sum() + 2, path.dof[0])
    model = RidgeCV().fit(X, y)
    assert ShrinkageDisplay.from_estimator(model, X).alpha == model.alpha_
    with pytest.raises(ValueError, match="has no penalty yet"):
        ShrinkageDisplay.from_estimator(RidgeCV(), X)


@pytest.mark.slow
def test_matplotlib_is_loaded_when_something_is_drawn():
    code = """
import sys
import numpy as np
import fastridge
X = np.random.default_rng(0).normal(size=(20, 3))
model = fastridge.RidgeCV(cv=3).fit(X, X[:, 0])
display = fastridge.CrossValidationDisplay.from_estimator(model, plot=False)
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
try:
    display.plot()
except ImportError as error:
    assert "pip install matplotlib" in str(error)
    print("ok")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "ok", done.stderr


def test_cross_validation_of_a_lasso():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    model = fastridge.LassoCV(cv=3, alphas=[1.0, 0.1, 0.01]).fit(X, X[:, 0])
    display = CrossValidationDisplay.from_estimator(model, plot=False)
    assert_array_equal(np.sort(display.alphas), [0.01, 0.1, 1.0])


@pytest.mark.parametrize("kind", [fastridge.Lasso, fastridge.ElasticNet])
def test_shrinkage_is_of_ridge(kind):
    with pytest.raises(ValueError, match=r"estimator is a .*; expected a ridge"):
        ShrinkageDisplay.from_estimator(kind(), np.eye(3), plot=False)


@pytest.mark.parametrize("kind", [fastridge.LogisticRegression, fastridge.LogisticRegressionCV])
def test_shrinkage_of_another_loss_depends_on_y(kind):
    with pytest.raises(ValueError, match=r"estimator is a .*; expected .* depends on y, too"):
        ShrinkageDisplay.from_estimator(kind(), np.eye(3), plot=False)
