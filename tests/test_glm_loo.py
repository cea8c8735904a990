"""The choice of a penalty by approximate leave-one-out, against refits."""

import numpy as np
import pytest

import fastridge


def data(n=60, p=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X @ rng.standard_normal(p) / 2
    return X, rng.poisson(np.exp(eta)).astype(float), (rng.random(n) < 1 / (1 + np.exp(-2 * eta)))


def singles(n):
    every = np.arange(n)
    return [(np.delete(every, i), [i]) for i in every]


def test_squares_are_those_of_refits():
    X, y, _ = data()
    y = np.log1p(y)
    alphas = np.array([1.0, 0.1, 0.01])
    model = fastridge.GLMCV("squared", alphas=alphas, cv="loo", tol=1e-7).fit(X, y)
    # refits have the penalty relative to the sum of all losses
    refits = fastridge.GLMCV("squared", alphas=alphas * 60 / 59, cv=singles(60), tol=1e-7)
    refits.fit(X, y)
    for name in ("validation_error", "validation_error_se", "score_se"):
        np.testing.assert_allclose(model.cv_results_[name], refits.cv_results_[name], rtol=1e-5)
    assert model.cv_results_.kind == "loo"
    assert model.cv_results_["null_error"] == pytest.approx(np.mean((y - y.mean()) ** 2), rel=0.1)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, [0.0, 1.0]])
@pytest.mark.parametrize("loss", ["poisson", "logistic"])
@pytest.mark.slow
def test_errors_are_near_those_of_refits(loss, l1_ratio):
    X, counts, labels = data()
    y = counts if loss == "poisson" else labels.astype(float)
    options = {"loss": loss, "l1_ratio": l1_ratio, "tol": 1e-6}
    alphas = np.array([0.3, 0.1, 0.03, 0.01])
    model = fastridge.GLMCV(alphas=alphas, cv="loo", **options).fit(X, y)
    refits = fastridge.GLMCV(alphas=alphas * 60 / 59, cv=singles(60), **options).fit(X, y)
    own, other = model.cv_results_, refits.cv_results_
    np.testing.assert_allclose(own["validation_error"], other["validation_error"], rtol=0.05)
    np.testing.assert_allclose(own["score_se"], other["score_se"], rtol=0.2)
    assert model.alpha_ == pytest.approx(refits.alpha_ * 59 / 60)
    assert model.l1_ratio_ == refits.l1_ratio_
    assert "fold_score" not in own.columns
    assert isinstance(str(model.diagnosis_), str)


def test_logistic_regression():
    X, _, y = data()
    options = {"l1_ratios": [0.0], "use_legacy_attributes": False, "tol": 1e-6}
    Cs = [0.01, 0.1, 1.0, 10.0]
    for scoring in ("neg_log_loss", "accuracy"):
        model = fastridge.LogisticRegressionCV(Cs=Cs, cv="loo", scoring=scoring, **options)
        model.fit(X, y)
        refits = fastridge.LogisticRegressionCV(
            Cs=Cs, cv=singles(60), scoring=scoring, **options
        ).fit(X, y)
        own, other = model.cv_results_, refits.cv_results_
        np.testing.assert_allclose(own["validation_error"], other["validation_error"], rtol=0.05)
        np.testing.assert_allclose(own["score"], other["score"], rtol=0.05)
        assert model.C_ == refits.C_
    assert model.scores_.shape == (1, 1, 4)
    several = fastridge.LogisticRegressionCV(Cs=Cs, cv="loo", scoring="accuracy", **options)
    with pytest.raises(ValueError, match="cv='loo' is not supported for 3 classes"):
        several.fit(X, np.arange(60) % 3)
    one = several.set_params(select="1se")
    with pytest.raises(ValueError, match="has no standard error"):
        one.fit(X, y)


def test_one_standard_error_weights_and_offsets():
    X, y, _ = data()
    alphas = np.logspace(1, -3, 20)
    best = fastridge.GLMCV(alphas=alphas, cv="loo").fit(X, y)
    model = fastridge.GLMCV(alphas=alphas, cv="loo", select="1se").fit(X, y)
    assert model.alpha_ > best.alpha_
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    t = np.linspace(0.5, 2.0, 60)
    model = fastridge.GLMCV(alphas=[0.1], cv="loo", tol=1e-7).fit(X, y, weight, exposure=t)
    result = fastridge.glm(X, y, "poisson", 0.1, sample_weight=weight, exposure=t, tol=1e-7)
    found = result.left_out()
    assert model.cv_results_["validation_error"][0] == pytest.approx(found.error, rel=1e-6)
    assert model.cv_results_["validation_error_se"][0] == pytest.approx(found.error_se, rel=1e-6)


def test_refusals():
    X, y, _ = data()
    with pytest.raises(ValueError, match="groups is given together with cv='loo'"):
        fastridge.GLMCV(cv="loo").fit(X, y, groups=np.arange(60) // 2)
    with pytest.raises(ValueError, match="'cv' parameter"):
        fastridge.GLMCV(cv="gcv").fit(X, y)


def test_the_fit_that_was_chosen_has_a_posterior_and_criteria():
    X, y, _ = data()
    model = fastridge.GLMCV(
        "negative_binomial", loss_options={"theta": 2.0}, alphas=[0.1, 0.01], cv="loo", tol=1e-7
    ).fit(X, y)
    loss = fastridge.losses.loss_of("negative_binomial", theta=2.0)
    result = fastridge.glm(X, y, loss, model.alpha_, tol=1e-7)
    np.testing.assert_allclose(
        model.posterior(X, y).covariance, result.posterior().covariance, rtol=1e-6
    )
    found = fastridge.information_criteria(model, X, y)
    assert found.dof == pytest.approx(result.dof - 1, rel=1e-6)
