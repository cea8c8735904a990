"""The Laplace evidence of GLMs, and the alpha that maximises it."""

import numpy as np
import pytest
from glm_laplace import LOSSES, STORAGES, data, dense

import fastridge
from fastridge import reference
from fastridge.losses import loss_of


def evidence(X, y, loss, alpha, result, factor=None):
    """The log evidence by the reference, over (w, b) about zero, but for constants of y."""
    n, p = X.shape
    f = np.ones(p) if factor is None else factor
    found = loss_of(loss)
    eta = X @ result.coef + result.intercept
    M, _ = dense(X, y, loss, alpha, result, factor=factor)
    F = np.sum(found.value(y, eta) - found.least(y)) + n * alpha / 2 * np.sum(f * result.coef**2)
    return reference.glm_log_evidence(F, M, n * alpha * f, float(n), bool(found.n_dispersion))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: getattr(v, "name", v))
@pytest.mark.parametrize("shape", [(80, 5), (60, 70)])
def test_evidence_is_numpys_and_largest_at_the_alpha_found(loss, shape):
    X, y = data(loss, *shape)
    result = fastridge.glm(X, y, loss, "evidence", tol=1e-6)
    found = evidence(X, y, loss, result.alpha, result)
    assert result.log_evidence() == pytest.approx(found, rel=1e-7, abs=1e-7)
    grid = result.alpha * np.exp(np.linspace(-1, 1, 41))
    values = []
    for alpha in np.append(grid, result.alpha * np.logspace(-6, 3, 10)):
        fit = fastridge.glm(X, y, loss, alpha, tol=1e-6)
        values.append(evidence(X, y, loss, alpha, fit))
    assert max(values) <= found + 1e-4
    assert abs(grid[np.argmax(values[:41])] / result.alpha - 1) < 0.06


def test_evidence_with_free_features_and_storages():
    X, y = data("poisson", 100, 6)
    factor = np.array([0.0, 1, 1, 2, 1, 1])
    result = fastridge.glm(X, y, "poisson", "evidence", penalty_factor=factor, tol=1e-6)
    found = evidence(X, y, "poisson", result.alpha, result, factor)
    assert result.log_evidence() == pytest.approx(found, rel=1e-8)
    for storage in STORAGES[1:]:
        other = fastridge.glm(storage(X), y, "poisson", "evidence", penalty_factor=factor, tol=1e-6)
        assert other.alpha == pytest.approx(result.alpha, rel=2e-3)


def test_evidence_of_squares_is_that_of_bayesian_ridge():
    X, y = data("squared", 100, 6)
    result = fastridge.glm(X, y, "squared", "evidence", tol=1e-6)
    model = fastridge.BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(X, y)
    # the reference does not count the intercept as a degree of freedom of the noise
    assert result.alpha == pytest.approx(model.lambda_ / model.alpha_ / 100, rel=0.02)


def test_evidence_is_refused_or_warned_of():
    X, y = data("logistic")
    with pytest.raises(ValueError, match="needs only features with an L2 penalty"):
        fastridge.glm(X, y, alpha="evidence", l1_ratio=0.5)
    with pytest.raises(ValueError, match="needs only features with an L2 penalty"):
        fastridge.glm(X, y, alpha="evidence", penalty_factor=np.zeros(5))
    with pytest.raises(ValueError, match="needs only features with an L2 penalty"):
        fastridge.glm(X, y, alpha="evidence", lower=0.0)
    with pytest.raises((ValueError, TypeError), match="alpha"):
        fastridge.glm(X, y, alpha="evidenc")
    noise = np.random.default_rng(3).standard_normal((60, 3))
    half = np.arange(60) % 2
    both = np.column_stack([np.ones(60), half])
    noise -= both @ np.linalg.lstsq(both, noise)[0]
    with pytest.warns(UserWarning, match="the model without features"):
        result = fastridge.glm(noise, half, alpha="evidence")
    assert np.abs(result.coef).max() < 1e-3
