"""Posteriors and information criteria of fitted GLM estimators."""

import numpy as np
import pytest
from glm_laplace import STORAGES, data

import fastridge


@pytest.mark.parametrize("storage", STORAGES)
def test_estimators_have_the_posterior_of_their_fit(storage):
    X, y = data("logistic", 60)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    model = fastridge.LogisticRegression(C=2.0, tol=1e-7, class_weight={"a": 2.0, "b": 1.0})
    model.fit(storage(X), np.where(y == 1, "b", "a"), weight)
    posterior = model.posterior(storage(X), np.where(y == 1, "b", "a"), weight)
    s = weight * np.where(y == 1, 1.0, 2.0)
    result = fastridge.glm(X, y, alpha=1 / (2.0 * s.sum()), sample_weight=s, tol=1e-7)
    np.testing.assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-5)
    averaged = model.predict_proba(X, posterior=posterior)
    np.testing.assert_allclose(averaged.sum(axis=1), 1.0)
    np.testing.assert_allclose(averaged[:, 1], posterior.predict(X), rtol=1e-12)
    plain = model.predict_proba(X)
    assert (np.abs(averaged - 0.5) <= np.abs(plain - 0.5)).all()
    np.testing.assert_allclose(model.predict_proba(X[:1], posterior=posterior), averaged[:1])
    with pytest.raises(ValueError, match="differ from those of the fit"):
        model.posterior(X, np.where(y == 1, "b", "a"))
    with pytest.raises(TypeError, match="posterior is a bool"):
        model.predict_proba(X, posterior=True)
    other = fastridge.LogisticRegression(C=1.0).fit(X, y).posterior(X, y)
    with pytest.raises(ValueError, match="has the classes"):
        fastridge.LogisticRegression(C=1.0).fit(X, y).posterior(X, y + 1)
    with pytest.raises(ValueError, match="of a different fit"):
        model.predict_proba(X, posterior=other)


def test_regressors_have_the_posterior_of_their_fit():
    X, y = data("poisson", 60)
    t = np.linspace(0.5, 2.0, 60)
    model = fastridge.PoissonRegressor(alpha=0.1, tol=1e-7).fit(X, y, exposure=t)
    posterior = model.posterior(X, y, exposure=t)
    result = fastridge.glm(X, y, "poisson", 0.1, exposure=t, tol=1e-7)
    np.testing.assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-6)
    mean = model.predict(X, exposure=t, posterior=posterior)
    np.testing.assert_allclose(mean, posterior.predict(X, np.log(t)), rtol=1e-12)
    assert (mean > model.predict(X, exposure=t)).all()
    X, y = data("gamma", 60)
    model = fastridge.GammaRegressor(alpha=0.1).fit(X.astype(np.float32), y)
    assert model.posterior(X.astype(np.float32), y).dispersion > 0
    model = fastridge.TweedieRegressor(power=0, alpha=0.1).fit(X, y)
    posterior = model.posterior(X, y, dispersion=1.0)
    np.testing.assert_array_equal(model.predict(X, posterior=posterior), model.predict(X))


def test_parameters_that_name_the_penalty_otherwise():
    X, y = data("logistic", 100)
    with pytest.warns(FutureWarning):
        model = fastridge.LogisticRegression(penalty=None, tol=1e-7).fit(X, y)
    posterior = model.posterior(X, y)
    result = fastridge.glm(X, y, alpha=0.0, tol=1e-7)
    np.testing.assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-4)
    with pytest.warns(FutureWarning):
        model = fastridge.LogisticRegression(penalty="l1", l1_ratio=1.0, C=0.5).fit(X, y)
    assert model.posterior(X, y).active.sum() == np.count_nonzero(model.coef_)
    for legacy in (True, False):
        model = fastridge.LogisticRegressionCV(
            Cs=[0.1, 1.0],
            l1_ratios=[0.0],
            scoring="neg_log_loss",
            use_legacy_attributes=legacy,
            tol=1e-7,
        ).fit(X, y)
        C = float(np.ravel(model.C_)[0])
        result = fastridge.glm(X, y, alpha=1 / (C * 100), tol=1e-7)
        np.testing.assert_allclose(
            model.posterior(X, y).covariance, result.posterior().covariance, rtol=1e-5
        )
    model.set_params(refit=False).fit(X, y)
    with pytest.raises(ValueError, match="refit=True"):
        model.posterior(X, y)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_information_criteria_of_estimators(l1_ratio):
    X, y = data("poisson", 100)
    t = np.linspace(0.5, 2.0, 100)
    model = fastridge.PoissonRegressor(alpha=0.1, l1_ratio=l1_ratio, tol=1e-6)
    model.fit(X, y, exposure=t)
    found = fastridge.information_criteria(model, X, y, exposure=t)
    result = fastridge.glm(X, y, "poisson", 0.1, l1_ratio=l1_ratio, exposure=t, tol=1e-6)
    assert found.dof == pytest.approx(result.dof - 1, rel=1e-5)
    assert (found.aic, found.bic) == pytest.approx((result.aic, result.bic), rel=1e-8)
    assert found.residual == pytest.approx(result.deviance, rel=1e-8)
    assert found.dof_error == found.aic_error == 0
    with pytest.raises(ValueError, match="differ from those of the fit"):
        fastridge.information_criteria(model, X, y)
    with pytest.raises(ValueError, match="offset is given, but a Ridge"):
        fastridge.information_criteria(fastridge.Ridge().fit(X, y), X, y, offset=t)


def test_information_criteria_are_statsmodels_formulas():
    X, y = data("logistic", 100)
    model = fastridge.LogisticRegression(C=np.inf, tol=1e-7).fit(X, y)
    found = fastridge.information_criteria(model, X, y)
    log_likelihood = np.log(model.predict_proba(X)[np.arange(100), y.astype(int)]).sum()
    assert found.dof == pytest.approx(5, rel=1e-9)
    assert found.aic == pytest.approx(-2 * log_likelihood + 2 * 6, rel=1e-8)
    assert found.bic == pytest.approx(-2 * log_likelihood + np.log(100) * 6, rel=1e-8)
