"""Degrees of freedom, posterior, evidence and leave-one-out of multinomial models."""

import copy

import numpy as np
import pytest
import scipy.sparse
from model_files import round_trip
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

import fastridge
from fastridge import glm


def data(n=60, p=3, k=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * [1.0, 2.0, 0.5][:p] + 0.7
    eta = X @ rng.standard_normal((p, k))
    y = np.array([rng.choice(k, p=row) for row in softmax(eta, axis=1)])
    y[:k] = np.arange(k)
    return X, y, rng.integers(1, 4, n).astype(float)


def second_derivatives(X, result, weight, alpha, factor):
    """Of W times the objective, by coefficients of the classes and then their intercepts."""
    n, p = X.shape
    k = len(result.coef)
    Z = np.column_stack([X, np.ones(n)])
    prob = softmax(X @ result.coef.T + result.intercept, axis=1)
    H = np.zeros((k * (p + 1), k * (p + 1)))
    for i in range(n):
        C = np.diag(prob[i]) - np.outer(prob[i], prob[i])
        H += weight[i] * np.kron(C, np.outer(Z[i], Z[i]))
    prior = np.tile(np.append(weight.sum() * alpha * factor, 0.0), k)
    return H, np.diag(prior)


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, "csr"])
@pytest.mark.parametrize("standardize", [False, True])
def test_covariance_and_dof(storage, standardize):
    X, y, weight = data()
    if storage == "csr":
        from scipy.sparse import csr_array as storage
    factor = np.array([1.0, 0.5, 2.0])
    alpha, k, p = 0.05, 3, 3
    options = {"sample_weight": weight, "penalty_factor": factor, "standardize": standardize}
    result = glm(storage(X), y, "multinomial", alpha, tol=1e-9, **options)
    if standardize:
        mean = np.average(X, axis=0, weights=weight)
        factor = factor * np.average((X - mean) ** 2, axis=0, weights=weight)
    H, prior = second_derivatives(X, result, weight, alpha, factor)
    # intercepts have sum 0 about the means: a direction for each of the other ways they move
    mean = np.average(X, axis=0, weights=weight)
    away = np.tile(np.append(mean, 1.0), k)
    basis = np.linalg.svd(away[None, :])[2][1:].T
    want = basis @ np.linalg.inv(basis.T @ (H + prior) @ basis) @ basis.T
    posterior = result.posterior()
    assert_allclose(posterior.covariance, want, atol=1e-9)
    deviations = np.sqrt(np.diagonal(want)).reshape(k, p + 1)
    assert_allclose(posterior.standard_errors, deviations[:, :p], rtol=1e-7)
    assert_allclose(posterior.intercept_standard_errors, deviations[:, p], rtol=1e-7)
    assert_allclose(result.dof, np.trace(want @ H), rtol=1e-8)
    assert result.dof_error == 0.0
    n_dof = result.aic - result.deviance
    assert_allclose(n_dof, 2.0 * result.dof)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("factor", [None, [1.0, 0.0, 2.0]])
def test_two_classes_are_a_binomial_model(fit_intercept, factor):
    X, y, weight = data(k=2)
    options = {
        "sample_weight": weight,
        "penalty_factor": factor,
        "fit_intercept": fit_intercept,
        "tol": 1e-9,
    }
    both = glm(X, y, "multinomial", 0.04, **options)
    one = glm(X, y.astype(float), "logistic", 0.02, **options)
    assert_allclose(both.coef[1] - both.coef[0], one.coef, atol=1e-7)
    assert_allclose(both.dof, one.dof, rtol=1e-7)
    assert_allclose(both.aic, one.aic, rtol=1e-7)
    assert_allclose(both.log_evidence(), one.log_evidence(), rtol=1e-8)
    left, known = both.left_out(), one.left_out()
    assert_allclose(left.predictor[:, 1] - left.predictor[:, 0], known.predictor, atol=1e-6)
    assert_allclose(left.mean[:, 1], known.mean, atol=1e-7)
    assert_allclose(left.deviance, known.deviance, atol=1e-6)
    assert_allclose([left.error, left.error_se], [known.error, known.error_se], rtol=1e-6)
    contrast = np.array([-1.0, 1.0])
    ours, theirs = both.posterior(), one.posterior()
    variance = np.einsum("c,icd,d->i", contrast, ours.variance(X), contrast)
    assert_allclose(variance, theirs.variance(X), rtol=1e-6)
    q = 3 + fit_intercept
    S = ours.covariance.reshape(2, q, 2, q)
    S = np.einsum("c,cjdl,d->jl", contrast, S, contrast)
    assert_allclose(S, theirs.covariance, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [None, [1.0, 0.0, 2.0]])
def test_alpha_of_the_largest_evidence(factor):
    X, y, weight = data(n=200)
    options = {"sample_weight": weight, "penalty_factor": factor, "tol": 1e-7}
    result = glm(X, y, "multinomial", "evidence", **options)
    assert result.converged
    grid = result.alpha * np.exp(np.linspace(-1, 1, 41))
    others = np.append(grid, result.alpha * np.logspace(-4, 3, 8))
    values = [glm(X, y, "multinomial", a, **options).log_evidence() for a in others]
    assert max(values) <= result.log_evidence() + 1e-6
    assert abs(grid[np.argmax(values[:41])] / result.alpha - 1) < 0.06
    csr = glm(scipy.sparse.csr_array(X), y, "multinomial", "evidence", **options)
    assert_allclose(csr.alpha, result.alpha, rtol=2e-3)
    # a class without weight takes no part
    lone = np.append(y, 3)
    more = {**options, "sample_weight": np.append(weight, 0.0)}
    same = glm(np.vstack([X, X[:1]]), lone, "multinomial", "evidence", **more)
    assert_allclose(same.alpha, result.alpha, rtol=2e-3)
    assert same.intercept[3] == -np.inf


def test_alpha_by_evidence_of_two_classes_is_that_of_the_binomial_model():
    X, y, weight = data(n=200, k=2)
    both = glm(X, y, "multinomial", "evidence", sample_weight=weight, tol=1e-7)
    one = glm(X, y.astype(float), "logistic", "evidence", sample_weight=weight, tol=1e-7)
    assert_allclose(both.alpha, 2 * one.alpha, rtol=2e-3)


def test_evidence_by_integration():
    # one feature and no intercept: two of three coefficients' directions are in the likelihood
    rng = np.random.default_rng(3)
    x = rng.standard_normal(200)
    y = np.argmax(np.outer(x, [1.0, 0.0, -1.0]) + rng.gumbel(size=(200, 3)), axis=1)
    alpha = 0.02
    result = glm(x[:, None], y, "multinomial", alpha, fit_intercept=False, tol=1e-10)
    basis = np.linalg.svd(np.ones((1, 3)))[2][1:]
    grid = np.linspace(-1.2, 1.2, 121)
    c = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    w = result.coef[:, 0] + c @ basis
    eta = w[:, None, :] * x[None, :, None]
    log_likelihood = (
        np.take_along_axis(eta, y[None, :, None], axis=2)[..., 0] - np.log(np.exp(eta).sum(axis=2))
    ).sum(axis=1)
    precision = 200 * alpha
    along = w @ basis.T
    log_prior = np.log(precision / (2 * np.pi)) - 0.5 * precision * (along**2).sum(axis=1)
    step = (grid[1] - grid[0]) ** 2
    want = np.log(np.exp(log_likelihood + log_prior - log_likelihood.max()).sum() * step)
    assert_allclose(result.log_evidence(), want + log_likelihood.max(), atol=0.02)


def test_leave_one_out_is_near_refits():
    X, y, weight = data(n=120, seed=5)
    alpha = 0.02
    result = glm(X, y, "multinomial", alpha, sample_weight=weight, tol=1e-9)
    left = result.left_out()
    for i in range(0, 120, 7):
        rest = np.arange(120) != i
        other = weight[rest]
        refit = glm(
            X[rest],
            y[rest],
            "multinomial",
            alpha * weight.sum() / other.sum(),
            sample_weight=other,
            tol=1e-9,
        )
        want = refit.coef @ X[i] + refit.intercept
        ours = left.predictor[i] - left.predictor[i].mean()
        fit = result.coef @ X[i] + result.intercept
        moved = np.abs(want - want.mean() - (fit - fit.mean())).max()
        assert np.abs(ours - (want - want.mean())).max() <= 0.25 * moved + 1e-6


def test_proportions_and_offsets():
    X, y, weight = data()
    offset = np.random.default_rng(1).standard_normal((60, 3))
    share = np.eye(3)[y]
    one = glm(X, y, "multinomial", 0.1, sample_weight=weight, offset=offset, tol=1e-9)
    same = glm(X, share, "multinomial", 0.1, sample_weight=weight, offset=offset, tol=1e-9)
    assert_allclose(one.dof, same.dof)
    assert_allclose(one.left_out().deviance, same.left_out().deviance, atol=1e-7)


def test_l1_holds_coefficients():
    X, y, _ = data(n=100, p=3)
    result = glm(X, y, "multinomial", 0.1, l1_ratio=0.9, tol=1e-9)
    held = result.coef == 0
    assert held.any()
    posterior = result.posterior()
    assert (np.isnan(posterior.standard_errors) == held).all()
    assert (posterior.active == ~held).all()
    assert 2.0 < result.dof < (~held).sum() + 2.0
    with pytest.raises(ValueError, match="not defined for an L1 penalty"):
        result.log_evidence()


def test_predictions_averaged_over_the_posterior():
    X, y, _ = data(n=40, k=3)
    posterior = glm(X, y, "multinomial", 0.02).posterior()
    mean = posterior.predict(X, n_draws=20_000)
    assert_allclose(mean.sum(axis=1), 1.0)
    rng = np.random.default_rng(2)
    center = np.column_stack([posterior.coef, posterior.intercept]).ravel()
    draws = rng.multivariate_normal(center, posterior.covariance, 20_000, method="eigh")
    W = draws.reshape(-1, 3, 4)
    eta = np.einsum("mcj,ij->mic", W[:, :, :3], X[:5]) + W[:, None, :, 3]
    assert_allclose(mean[:5], softmax(eta, axis=2).mean(axis=0), atol=0.01)
    # averaged probabilities are less extreme than those of the solution
    eta = X @ posterior.coef.T + posterior.intercept
    assert mean.max(axis=1).mean() < softmax(eta, axis=1).max(axis=1).mean()
    assert_allclose(posterior.predict(X), posterior.predict(X))
    assert repr(posterior) == "MultinomialPosterior(3 classes, 3 features, 9 active)"


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_save_and_load(fit_intercept):
    X, y, weight = data()
    posterior = glm(
        X, y, "multinomial", 0.1, fit_intercept=fit_intercept, sample_weight=weight
    ).posterior()
    again = round_trip(posterior)
    assert_array_equal(again.covariance, posterior.covariance)
    assert_array_equal(again.intervals(), posterior.intervals())
    assert_array_equal(again.intercept_standard_errors, posterior.intercept_standard_errors)
    assert_array_equal(again.predict(X), posterior.predict(X))
    for name in ("intercept", "active", "covariance"):
        broken = copy.copy(posterior)
        setattr(broken, name, getattr(posterior, name)[:-1])
        with pytest.raises(ValueError, match=f"{name} must be .*of shape"):
            round_trip(broken)


@pytest.mark.slow
@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("standardize", [False, True])
def test_estimators_have_the_posterior_of_their_fit(storage, l1_ratio, standardize):
    X, y, weight = data(n=150)
    labels = np.array(["a", "b", "c"])[y]
    offset = np.random.default_rng(1).standard_normal((150, 3))
    options = {"l1_ratio": l1_ratio, "standardize": standardize, "tol": 1e-6}
    model = fastridge.LogisticRegression(C=0.5, class_weight={"a": 2.0}, **options)
    model.fit(storage(X), labels, weight, offset=offset)
    posterior = model.posterior(storage(X), labels, weight, offset=offset)
    s = weight * np.where(y == 0, 2.0, 1.0)
    alpha = 2.0 / s.sum()
    result = glm(X, y, "multinomial", alpha, sample_weight=s, offset=offset, **options)
    assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-4, atol=1e-7)
    assert_array_equal(posterior.coef, model.coef_)
    averaged = model.predict_proba(storage(X), offset=offset, posterior=posterior)
    assert_allclose(averaged, posterior.predict(X, offset=offset), rtol=1e-10)
    assert_allclose(averaged.sum(axis=1), 1.0)
    plain = model.predict_proba(storage(X), offset=offset)
    assert averaged.max(axis=1).mean() < plain.max(axis=1).mean()
    assert model.predict_proba(storage(X), offset=offset, posterior=posterior).shape == (150, 3)
    found = fastridge.information_criteria(model, storage(X), labels, weight, offset=offset)
    assert_allclose([found.aic, found.bic], [result.aic, result.bic], rtol=1e-6)
    assert_allclose(found.dof, result.dof - 2, rtol=1e-4)
    with pytest.raises(ValueError, match="differ from those of the fit"):
        model.posterior(storage(X), labels, weight)
    with pytest.raises(TypeError, match="expected the MultinomialPosterior"):
        model.predict_proba(X, posterior=glm(X, y == 0, alpha=0.1).posterior())


def test_posteriors_of_other_estimators_are_refused():
    X, y, weight = data(n=100)
    model = fastridge.LogisticRegression().fit(X, y)
    posterior = model.posterior(X, y)
    with pytest.raises(ValueError, match="of a different fit"):
        fastridge.LogisticRegression(C=2.0).fit(X, y).predict_proba(X, posterior=posterior)
    with pytest.raises(TypeError, match="expected the GLMPosterior"):
        fastridge.LogisticRegression().fit(X, y == 0).predict_proba(X, posterior=posterior)
    with pytest.raises(ValueError, match="but the loss 'multinomial' has none"):
        model.posterior(X, y, dispersion=1.0)
    weight[y == 1] = 0.0
    model.fit(X, y, weight)
    with pytest.raises(ValueError, match="1 of 3 classes have total weight 0"):
        model.posterior(X, y, weight)


def test_float32_and_the_chosen_penalty():
    X, y, _ = data(n=100)
    single = X.astype(np.float32)
    model = fastridge.LogisticRegressionCV(
        Cs=[0.1, 1.0], l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False, tol=1e-6
    ).fit(single, y)
    posterior = model.posterior(single, y)
    result = glm(X, y, "multinomial", 1 / (model.C_ * 100), tol=1e-6)
    assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-3, atol=1e-6)
    averaged = model.predict_proba(single, posterior=posterior)
    assert averaged.dtype == model.predict_proba(single).dtype
    assert_allclose(averaged, result.posterior().predict(X), atol=1e-5)
    model.set_params(refit=False).fit(single, y)
    with pytest.raises(ValueError, match="refit=True"):
        model.posterior(single, y)


def test_bad_arguments():
    X, y, _ = data()
    result = glm(X, y, "multinomial", 0.1)
    posterior = result.posterior()
    for seed in (-1, 1.5, True, "a", None):
        with pytest.raises(ValueError, match="random_state must be an int of at least 0; got"):
            posterior.predict(X, random_state=seed)
        with pytest.raises(ValueError, match="random_state must be an int of at least 0; got"):
            result.posterior(random_state=seed)
    for call in (posterior.predict, posterior.variance):
        with pytest.raises(ValueError, match="X has 2 features, but MultinomialPosterior"):
            call(X[:, :2])


def test_refused():
    X, y, _ = data()
    result = glm(X, y, "multinomial", 0.1)
    with pytest.raises(ValueError, match=r"dispersion is 2\.0, but the loss 'multinomial'"):
        result.posterior(2.0)
    with pytest.raises(ValueError, match="level is 1"):
        result.posterior().intervals(1.0)
    wide = glm(np.random.default_rng(0).standard_normal((60, 1400)), y, "multinomial", 0.1)
    with pytest.raises(ValueError, match="3 classes with 1401 coefficients each"):
        wide.posterior()
    with pytest.raises(ValueError, match="3 classes with 1401 coefficients each"):
        glm(np.random.default_rng(0).standard_normal((60, 1400)), y, "multinomial", "evidence")
    with pytest.raises(ValueError, match="needs only features with an L2 penalty"):
        glm(X, y, "multinomial", "evidence", l1_ratio=0.5)
    with pytest.raises(ValueError, match="does not hold its data"):
        round_trip(result).posterior()
    assert np.isnan(round_trip(result).dof)
    twice = np.column_stack([X, X[:, 0]])
    free = glm(twice, y, "multinomial", 0.1, penalty_factor=[0, 1, 1, 0])
    with pytest.raises(ValueError, match="singular"):
        free.posterior()
    assert fastridge.MultinomialPosterior is type(result.posterior())
