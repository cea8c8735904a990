"""Estimators whose penalty is that of the largest evidence."""

import numpy as np
import pytest
from glm_laplace import data
from model_files import identical, round_trip
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    RegularizationPathDisplay,
    TweedieRegressor,
)
from fastridge.losses import tweedie


def labels(k, n=120):
    X, _ = data("logistic", n, 4)
    rng = np.random.default_rng(1)
    y = (1.5 * X[:, 2:3] * np.arange(k) + 3 * rng.gumbel(size=(n, k))).argmax(axis=1)
    return X, np.array(["a", "b", "c", "d"])[y]


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (PoissonRegressor(), "poisson"),
        (GammaRegressor(), "gamma"),
        (TweedieRegressor(power=1.5), tweedie(1.5)),
        (TweedieRegressor(), "squared"),
    ],
)
def test_alpha_of_regressors_is_that_of_the_function(model, loss):
    X, y = data(loss, 90, 5)
    # data with a clear dependence
    y = y * np.exp(0.3 * (X[:, 4] - X[:, 4].mean())).round(0 if loss == "poisson" else 9)
    weight = np.random.default_rng(0).integers(1, 3, len(y)) * 1.0
    offset = 0.1 * X[:, 0]
    model = model.set_params(alpha="evidence", tol=1e-6)
    model.fit(X, y, weight, offset=offset)
    result = fastridge.glm(X, y, loss, "evidence", sample_weight=weight, offset=offset, tol=1e-6)
    assert model.alpha_ == result.alpha
    assert isinstance(model.alpha_, float)
    assert_array_equal(model.coef_, result.coef)
    assert model.alpha == "evidence"
    # neighbours have less evidence
    best = result.log_evidence()
    for alpha in (0.7 * model.alpha_, 1.4 * model.alpha_):
        other = fastridge.glm(X, y, loss, alpha, sample_weight=weight, offset=offset, tol=1e-6)
        assert other.log_evidence() < best
    posterior = model.posterior(X, y, weight, offset=offset)
    assert_allclose(posterior.standard_errors, result.posterior().standard_errors, rtol=1e-6)
    assert identical(model, round_trip(model))
    # a number replaces the choice
    again = model.set_params(alpha=0.5).fit(X, y, weight, offset=offset)
    assert again.alpha_ == 0.5


@pytest.mark.parametrize("k", [2, 4])
def test_C_of_labels_is_that_of_the_function(k):
    X, y = labels(k)
    weight = np.random.default_rng(0).integers(1, 3, len(y)) * 1.0
    by_class = {"a": 2.0}
    model = LogisticRegression(C="evidence", class_weight=by_class, tol=1e-6).fit(X, y, weight)
    codes = np.unique(y, return_inverse=True)[1]
    total = weight * np.where(y == "a", 2.0, 1.0)
    loss = "logistic" if k == 2 else "multinomial"
    result = fastridge.glm(X, codes * 1.0, loss, "evidence", sample_weight=total, tol=1e-6)
    assert pytest.approx(1.0 / (result.alpha * total.sum()), rel=1e-12) == model.C_
    assert_allclose(model.coef_.squeeze(), result.coef, rtol=1e-12)
    one = LogisticRegression(C=model.C_, class_weight=by_class, tol=1e-6).fit(X, y, weight)
    assert_allclose(one.coef_, model.coef_, atol=1e-6)
    assert one.C_ == one.C
    assert model.posterior(X, y, weight).coef.shape == result.coef.shape
    assert identical(model, round_trip(model))


def test_display_marks_the_penalty_of_the_evidence():
    X, y = data("poisson", 80, 4)
    model = PoissonRegressor(alpha="evidence")
    assert RegularizationPathDisplay.from_estimator(model, X, y, plot=False).alpha is None
    model.fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model, X, y, plot=False)
    assert display.alpha == model.alpha_
    X, y = labels(2)
    model = LogisticRegression(C="evidence")
    assert RegularizationPathDisplay.from_estimator(model, X, y, plot=False).alpha is None
    display = RegularizationPathDisplay.from_estimator(model.fit(X, y), X, y, plot=False)
    assert display.alpha == pytest.approx(1.0 / (model.C_ * len(y)))


def test_evidence_refused_by_the_name_of_the_parameter():
    X, y = data("poisson", 40, 3)
    with pytest.raises(ValueError, match="alpha is 'evidence', which needs only features with"):
        PoissonRegressor(alpha="evidence", l1_ratio=0.5).fit(X, y)
    with pytest.raises(ValueError, match="alpha is 'evidence', which needs only features with"):
        PoissonRegressor(alpha="evidence", positive=True).fit(X, y)
    with pytest.raises(ValueError, match="'alpha' parameter of PoissonRegressor must be a finite"):
        PoissonRegressor(alpha="other").fit(X, y)
    with pytest.raises(ValueError, match=r"'alpha' .* must be a number for data in parts"):
        PoissonRegressor(alpha="evidence").fit(fastridge.Chunks([(X, y)]))
    for k in (2, 4):
        X, y = labels(k)
        with pytest.raises(ValueError, match="C is 'evidence', which needs only features with"):
            LogisticRegression(C="evidence", l1_ratio=1.0).fit(X, y)
        with pytest.raises(ValueError, match=r"'C' .* must be a number for data in parts"):
            LogisticRegression(C="evidence").fit(fastridge.Chunks([(X, y)]))


@pytest.mark.parametrize("loss", ["poisson", "multinomial"])
def test_a_loose_tolerance_does_not_change_the_choice(loss):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((80, 6))
    y = rng.poisson(np.exp(0.4 * X[:, 0])) * 1.0
    if loss == "multinomial":
        y = np.digitize(X[:, 0] + rng.logistic(size=80), [-0.7, 0.7])
    alphas = [fastridge.glm(X, y, loss, "evidence", tol=tol).alpha for tol in (0.5, 1e-6)]
    assert_allclose(alphas[0], alphas[1], rtol=1e-3)
