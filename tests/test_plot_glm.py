"""Plots of generalised linear models: paths, deviances and calibration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import CalibrationDisplay, CrossValidationDisplay, RegularizationPathDisplay
from fastridge.losses import loss_of

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def data(loss="poisson", n=120, p=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X @ np.linspace(1.0, -0.5, p)
    if loss == "logistic":
        y = (eta + rng.logistic(size=n) > 0).astype(int)
    elif loss == "multinomial":
        y = np.digitize(eta + rng.logistic(size=n), [-0.7, 0.7])
    elif loss == "gamma":
        y = rng.gamma(2.0, np.exp(eta))
    else:
        y = rng.poisson(np.exp(eta)).astype(float)
    return X, y


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_deviance_of_a_choice(l1_ratio):
    X, y = data()
    alphas = np.geomspace(1.0, 1e-4, 9)
    model = fastridge.GLMCV(loss="poisson", l1_ratio=l1_ratio, cv=3, alphas=alphas).fit(X, y)
    display = CrossValidationDisplay.from_estimator(model)
    assert display.loss == "poisson"
    assert display.ax_.get_ylabel() == "mean deviance"
    assert display.alpha == model.alpha_
    assert_array_equal(
        np.sort(display.validation_line_.get_ydata()), np.sort(display.validation_error)
    )
    assert len(display.alphas) == 9


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_deviance_of_a_chosen_C(loss, legacy):
    X, y = data(loss)
    model = fastridge.LogisticRegressionCV(
        Cs=[1e-3, 1e-2, 1.0, 100.0],
        l1_ratios=(0.0, 1.0),
        cv=3,
        scoring="neg_log_loss",
        use_legacy_attributes=legacy,
        solver="saga",
    ).fit(X, y)
    display = CrossValidationDisplay.from_estimator(model)
    C = float(np.ravel(model.C_)[0])
    assert display.alpha == pytest.approx(1 / (C * len(y)))
    assert display.loss == loss
    assert display.ax_.get_ylabel() == "mean deviance"
    assert len(display.alphas) == 4


ESTIMATORS = {
    "logistic": fastridge.LogisticRegression(C=0.5, tol=1e-7),
    "l1": fastridge.LogisticRegression(C=0.5, l1_ratio=1.0, solver="saga", tol=1e-7),
    "weighted": fastridge.LogisticRegression(
        class_weight="balanced", fit_intercept=False, tol=1e-7
    ),
    "poisson": fastridge.PoissonRegressor(alpha=0.3, tol=1e-7),
    "gamma": fastridge.GammaRegressor(alpha=0.3, tol=1e-7, penalty_factor=[1, 2, 1, 1, 1]),
    "tweedie": fastridge.TweedieRegressor(power=1.5, alpha=0.3, tol=1e-7, positive=True),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.slow
def test_the_path_is_that_of_fits(name):
    model = ESTIMATORS[name]
    X, y = data("logistic" if hasattr(model, "C") else "gamma")
    s = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    alphas = [0.5, 0.05]
    display = RegularizationPathDisplay.from_estimator(
        model, X, y, alphas=alphas, sample_weight=s, plot=False
    )
    total = s.sum()
    if name == "weighted":
        count = np.bincount(y, weights=s)
        total = (s * (total / (2 * count))[y]).sum()
    for alpha, coef in zip(display.alphas, display.coef, strict=True):
        if hasattr(model, "C"):
            one = fastridge.LogisticRegression(**{**model.get_params(), "C": 1 / (alpha * total)})
        else:
            one = type(model)(**{**model.get_params(), "alpha": alpha})
        assert_allclose(coef, np.ravel(one.fit(X, y, s).coef_), rtol=1e-5, atol=1e-6)
    expected = 1 / (model.C * total) if hasattr(model, "C") else model.alpha
    assert display.alpha == pytest.approx(expected)
    drawn = RegularizationPathDisplay.from_estimator(model, X, y, sample_weight=s)
    assert len(drawn.lines_) == 5
    assert len(drawn.alphas) == 100


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.slow
def test_the_path_of_one_of_several_classes(l1_ratio):
    X, y = data("multinomial")
    model = fastridge.LogisticRegression(C=0.5, l1_ratio=l1_ratio, solver="saga", tol=1e-6)
    display = RegularizationPathDisplay.from_estimator(
        model, X, y, alphas=[0.1, 0.02], target=2, plot=False
    )
    one = fastridge.LogisticRegression(**{**model.get_params(), "C": 1 / (0.02 * len(y))})
    assert_allclose(display.coef[1], one.fit(X, y).coef_[2], rtol=1e-4, atol=1e-5)
    grid = RegularizationPathDisplay.from_estimator(model, X, y, target=1, plot=False)
    assert len(grid.alphas) == 100
    assert np.abs(grid.coef[0]).max() < (1e-12 if l1_ratio else 1e-2)
    with pytest.raises(ValueError, match="target is 3; expected a position from 0 to 2"):
        RegularizationPathDisplay.from_estimator(model, X, y, target=3)


def test_the_path_of_choices():
    X, y = data()
    model = fastridge.GLMCV(loss="poisson", cv=3, alphas=np.geomspace(1.0, 1e-4, 7)).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model, X, y)
    assert_allclose(np.sort(display.alphas), np.sort(np.ravel(model.alphas_)))
    assert display.alpha == model.alpha_
    X, y = data("logistic")
    model = fastridge.LogisticRegressionCV(
        Cs=4, l1_ratios=(0.0,), cv=3, scoring="neg_log_loss", use_legacy_attributes=False
    ).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model, X, y)
    assert_allclose(np.sort(display.alphas), np.sort(1 / (model.Cs_ * len(y))))
    assert display.alpha == pytest.approx(1 / (model.C_ * len(y)))


def test_a_path_that_was_fitted():
    X, y = data()
    path = fastridge.glm_path(X, y, "poisson", n_alphas=10, offset=0.1 * X[:, 0])
    display = RegularizationPathDisplay.from_path(path, alpha=path.alphas[4])
    assert_array_equal(display.coef, path.coef)


def test_a_path_of_several_classes():
    X, _ = data()
    Z, _ = data(seed=1)
    y = np.arange(len(X)) % 3
    path = fastridge.glm_path(X, y, "multinomial", n_alphas=6, tol=1e-5)
    display = RegularizationPathDisplay.from_path(path, target=2)
    assert_array_equal(display.coef, path.coef[:, 2])
    t, offset = np.arange(len(Z)) % 3, np.random.default_rng(0).standard_normal((len(Z), 3))
    curve = CrossValidationDisplay.from_path(path, Z, t, offset=offset)
    eta = path[4].coef @ Z.T
    eta = eta.T + path.intercept[4] + offset
    each = 2.0 * (np.log(np.exp(eta).sum(axis=1)) - eta[np.arange(len(Z)), t])
    assert_allclose(curve.validation_error[4], each.mean(), rtol=1e-10)
    assert_allclose(curve.train_error, path.deviance / len(X))
    with pytest.raises(ValueError, match="offset has shape"):
        CrossValidationDisplay.from_path(path, Z, t, offset=offset[:, 0])


@pytest.mark.parametrize("loss", ["poisson", "gamma", "logistic", "squared"])
@pytest.mark.slow
def test_deviance_of_a_path(loss):
    X, y = data(loss)
    Z, t = data(loss, seed=1)
    s = np.random.default_rng(1).uniform(0.5, 2.0, len(t))
    s[:5] = 0.0
    path = fastridge.glm_path(X, y, loss, n_alphas=12, eps=1e-2)
    display = CrossValidationDisplay.from_path(
        path, Z, t, sample_weight=s, offset=0.1 * Z[:, 0], alpha=path.alphas[3]
    )
    family = loss_of(loss)
    assert display.ax_.get_ylabel() == family.error_name
    mean = family.inverse_link(path.decision_function(X))
    expected = family.deviance(y.astype(float), mean).mean(axis=1)
    assert_allclose(display.train_error, expected, rtol=1e-9)
    mean = family.inverse_link(path.decision_function(Z) + 0.1 * Z[:, 0])
    each = family.deviance(t.astype(float), mean)
    assert_allclose(display.validation_error, each @ s / s.sum(), rtol=1e-9)
    k = display.validation_error.argmin()
    assert display.alpha_min == path.alphas[k]
    assert display.alpha_1se >= display.alpha_min
    off = (each[k] - each[k] @ s / s.sum()) * s / s.sum()
    assert display.validation_error_se[k] == pytest.approx(np.sqrt((off**2).sum()))
    alone = CrossValidationDisplay.from_path(path)
    assert alone.validation_line_ is None
    assert texts(alone) == ["train"]
    with pytest.raises(ValueError, match="one of X and y is given"):
        CrossValidationDisplay.from_path(path, Z)


def test_deviance_of_paths_of_squared_losses():
    X, y = data()
    Z, t = data(seed=1)
    for path in (fastridge.ridge_path(X, y, [1.0, 10.0]), fastridge.elastic_net_path(X, y)):
        display = CrossValidationDisplay.from_path(path, Z, t)
        assert display.ax_.get_ylabel() == "mean squared error"
        fitted = np.asarray(path.predict(X)).reshape(len(path.alphas), -1)
        assert_allclose(display.train_error, ((y - fitted) ** 2).mean(axis=1), rtol=1e-8)
        left = t - np.asarray(path.predict(Z)).reshape(len(path.alphas), -1)
        assert_allclose(display.validation_error, (left**2).mean(axis=1), rtol=1e-8)
    with pytest.raises(ValueError, match="path has 2 targets"):
        CrossValidationDisplay.from_path(fastridge.ridge_path(X, np.c_[y, y], [1.0]))
    with pytest.raises(TypeError, match="path is a list"):
        CrossValidationDisplay.from_path([1.0])
    path = fastridge.glm_path(X, y, "poisson", n_alphas=3)
    with pytest.raises(ValueError, match="expected numbers in \\[0"):
        CrossValidationDisplay.from_path(path, X, -1.0 - y)


@pytest.mark.slow
def test_calibration_of_a_classifier():
    X, y = data("multinomial", n=400)
    model = fastridge.LogisticRegression().fit(X, y)
    s = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    display = CalibrationDisplay.from_estimator(model, X, y, sample_weight=s, target=1, n_bins=4)
    p = model.predict_proba(X)[s > 0, 1]
    t, w = (y == 1)[s > 0], s[s > 0]
    order = np.argsort(p)
    edges = p[order][[len(p) // 4, len(p) // 2, 3 * len(p) // 4]]
    assert len(display.predicted) == 4
    assert (display.predicted[:-1] <= edges).all()
    assert (edges <= display.predicted[1:]).all()
    assert display.weight.sum() == w.sum()
    assert_allclose(display.weight @ display.predicted, w @ p)
    assert_allclose(display.weight @ display.observed, w @ t)
    assert display.ax_.get_xlim() == display.ax_.get_ylim() == (0.0, 1.0)
    assert display.ax_.get_ylabel() == "share of the class"
    assert_array_equal(display.line_.get_xdata(), display.predicted)
    assert texts(display) == ["calibrated", "LogisticRegression"]
    other = CalibrationDisplay.from_estimator(model, X, y, ax=display.ax_, label="last class")
    assert other.diagonal_ is display.diagonal_
    assert texts(other) == ["calibrated", "LogisticRegression", "last class"]
    with pytest.raises(ValueError, match=r"target is 7; expected one of the classes \[0, 1, 2\]"):
        CalibrationDisplay.from_estimator(model, X, y, target=7)
    with pytest.raises(TypeError, match="no predict_proba"):
        CalibrationDisplay.from_estimator(fastridge.RidgeClassifier().fit(X, y), X, y)


def test_calibration_of_counts_with_exposure():
    X, y = data("poisson", n=300)
    times = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    model = fastridge.PoissonRegressor(alpha=1e-3).fit(X, y, exposure=times)
    display = CalibrationDisplay.from_estimator(model, X, y, n_bins=6, exposure=times)
    mean = model.predict(X, exposure=times)
    assert len(display.predicted) == 6
    assert_allclose(display.weight, np.full(6, 50))
    assert_allclose(display.weight @ display.observed, y.sum())
    assert_allclose(display.weight @ display.predicted, mean.sum())
    # of a fit with an intercept, on its own data
    assert mean.sum() == pytest.approx(y.sum(), rel=1e-4)
    k = np.argsort(mean)[:50]
    assert display.observed[0] == pytest.approx(y[k].mean())
    assert display.observed_se[0] == pytest.approx(y[k].std(ddof=1) / np.sqrt(50))


def test_bins_of_equal_predictions_and_refusals():
    display = CalibrationDisplay.from_predictions([0, 1, 1, 0], np.full(4, 0.5), plot=False)
    assert_array_equal(display.predicted, [0.5])
    assert_array_equal(display.observed, [0.5])
    one = CalibrationDisplay.from_predictions([3.0], [2.0])
    assert np.isnan(one.observed_se).all()
    one.figure_.canvas.draw()
    with pytest.raises(ValueError, match="n_bins is 0"):
        CalibrationDisplay.from_predictions([0, 1], [0.1, 0.2], n_bins=0)
    with pytest.raises(ValueError, match="y has 3 rows"):
        CalibrationDisplay.from_predictions([0, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        CalibrationDisplay(np.ones(2), np.ones(3))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        fastridge.LogisticRegression(penalty="l1", tol=1e-6),
        fastridge.LogisticRegressionCV(l1_ratios=[1.0], tol=1e-6, cv=3),
        fastridge.LogisticRegressionCV(penalty="l1", tol=1e-6, cv=3),
        fastridge.LogisticRegressionCV(l1_ratios=[1.0], tol=1e-6, cv=3, refit=False),
    ],
    ids=["penalty", "l1_ratios", "penalty of CV", "without a refit"],
)
@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_the_path_has_the_l1_share_that_other_parameters_set(model, fitted, loss):
    X, y = data(loss)
    model = model.fit(X, y) if fitted else type(model)(**model.get_params())
    alphas = np.geomspace(0.1, 1e-3, 5)
    drawn = RegularizationPathDisplay.from_estimator(model, X, y, alphas=alphas)
    path = fastridge.glm_path(X, y.astype(float), loss, l1_ratio=1.0, alphas=alphas, tol=1e-6)
    coef = path.coef if path.coef.ndim == 2 else path.coef[:, 0]
    assert_allclose(drawn.coef, coef, atol=1e-6)
    own = RegularizationPathDisplay.from_estimator(model, X, y)
    assert len(own.alphas) == (10 if fitted and hasattr(model, "Cs") else 100)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_the_path_without_a_refit_has_the_mean_l1_share():
    X, y = data("logistic", n=60, seed=1)
    model = fastridge.LogisticRegressionCV(
        Cs=3, l1_ratios=[0.0, 1.0], cv=3, refit=False, scoring="neg_log_loss"
    ).fit(X, y)
    model.l1_ratio_ = np.array([1.0 / 3.0])
    drawn = RegularizationPathDisplay.from_estimator(model, X, y)
    path = fastridge.glm_path(X, y, "logistic", l1_ratio=1.0 / 3.0, alphas=drawn.alphas)
    assert len(drawn.alphas) == 3
    assert_allclose(drawn.coef, path.coef, atol=1e-6)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_no_penalty_is_marked_as_0():
    X, y = data("logistic")
    model = fastridge.LogisticRegression(penalty=None)
    assert RegularizationPathDisplay.from_estimator(model, X, y).alpha == 0.0


@pytest.mark.parametrize("change", [0.5, 3.0])
def test_held_out_classes_are_those_of_the_path(change):
    X, y = data("multinomial")
    path = fastridge.glm_path(X, y, "multinomial", n_alphas=3)
    with pytest.raises(ValueError, match=r"y has values from .* classes, from 0 to 2"):
        CrossValidationDisplay.from_path(path, X, y + change)
    # rows without weight do not count
    weight, held = np.ones(len(y)), y.astype(float)
    weight[0], held[0] = 0.0, change
    shown = CrossValidationDisplay.from_path(path, X, held, sample_weight=weight)
    expected = CrossValidationDisplay.from_path(path, X, y, sample_weight=weight)
    assert_array_equal(shown.validation_error, expected.validation_error)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (fastridge.LogisticRegression(C="x"), "C"),
        (fastridge.LogisticRegression(penalty="x"), "penalty"),
        (fastridge.PoissonRegressor(alpha="x"), "alpha"),
        (fastridge.Ridge(alpha=-1.0), "alpha"),
        (fastridge.Lasso(fit_intercept="x"), "fit_intercept"),
    ],
)
def test_a_path_refuses_parameters_by_their_names(model, name):
    X, y = data("logistic")
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        RegularizationPathDisplay.from_estimator(model, X, y.astype(float))
