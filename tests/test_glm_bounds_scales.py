"""Bounds with columns on very unlike scales: round-off of a product times a wide range."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastridge


def fit(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return fastridge.glm(*arguments, **options)


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
@pytest.mark.parametrize("alpha", [0.0, 1e-8])
@pytest.mark.parametrize("seed", range(4))
def test_scaled_columns_are_the_scaled_model(loss, alpha, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((200, 6))
    w = np.array([0.5, -0.3, 0.2, 0.0, 0.4, -0.2])
    eta = X @ w
    y = 1.0 * (rng.random(200) < 1 / (1 + np.exp(-eta)))
    if loss == "poisson":
        y = rng.poisson(np.exp(eta)) * 1.0
    d = np.array([1e8, 1e-8, 1e8, 1.0, 1e8, 1e-4])
    # wide for large columns, narrow for small ones
    lower, upper = np.full(6, -0.1), np.full(6, 0.3)
    options = {"tol": 1e-5, "l1_ratio": 1.0}
    result = fit(X * d, y, loss, alpha, lower=lower, upper=upper, **options)
    plain = fit(
        X, y, loss, alpha, lower=lower * d, upper=upper * d, penalty_factor=1 / d, **options
    )
    assert result.converged
    assert_allclose(result.coef * d, plain.coef, atol=1e-4)
    assert_allclose(result.objective, plain.objective, rtol=1e-9)
    assert ((result.coef == lower) | (result.coef == upper)).any()


def test_bounded_fits_that_interpolate_end_with_a_certificate():
    """The best dual point is 0, where the dual objective is the least loss."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 40))
    w = rng.uniform(0.1, 1.0, 40)
    y = X @ w
    result = fit(X, y, "squared", 0.0, lower=0.0, tol=1e-6)
    assert result.converged
    assert result.dual_gap >= result.objective
    assert_allclose(X @ result.coef + result.intercept, y, atol=1e-4)
    # cut short: a true bound, not infinity
    with warnings.catch_warnings():
        # one iteration reaches it where sums round well
        warnings.filterwarnings("ignore", message=".*stopped after 1 it")
        short = fastridge.glm(X, y, "squared", 0.0, lower=0.0, tol=1e-12, max_iter=1)
    assert short.objective <= short.dual_gap < np.inf
