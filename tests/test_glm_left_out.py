"""Leave-one-out of GLMs by one Newton step, against refits."""

import numpy as np
import pytest
from glm_laplace import STORAGES, data

import fastridge
from fastridge.losses import loss_of


def refits(X, y, loss, alpha, weight=None, offset=None, **options):
    """Linear predictors of each row by the fit to the others, of the same penalty of sums."""
    n = len(y)
    s = np.ones(n) if weight is None else weight
    o = np.zeros(n) if offset is None else offset
    out = np.empty(n)
    for i in range(n):
        rest = np.arange(n) != i
        strength = alpha * s.sum() / s[rest].sum()
        found = fastridge.glm(
            X[rest], y[rest], loss, strength, sample_weight=s[rest], offset=o[rest], tol=1e-6,
            **options,
        )  # fmt: skip
        out[i] = o[i] + X[i] @ found.coef + found.intercept
    return out


@pytest.mark.parametrize("shape", [(30, 4), (20, 40)])
@pytest.mark.parametrize("storage", STORAGES)
def test_left_out_of_squares_are_refits(shape, storage):
    X, y = data("squared", *shape)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    result = fastridge.glm(storage(X), y, "squared", 0.1, sample_weight=weight, tol=1e-8)
    found = result.left_out()
    np.testing.assert_allclose(found.predictor, refits(X, y, "squared", 0.1, weight), rtol=1e-5)
    np.testing.assert_allclose(found.deviance, (y - found.predictor) ** 2, rtol=1e-10)
    assert found.error == pytest.approx(np.average(found.deviance, weights=weight), rel=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "gamma", "negative_binomial"])
@pytest.mark.parametrize("kind", ["plain", "offset", "free", "l1"])
@pytest.mark.slow
def test_left_out_is_close_to_refits(loss, kind):
    n = 60
    X, y = data(loss, n, 6)
    options = {"penalty_factor": np.array([0.0, 1, 1, 1, 1, 0])} if kind == "free" else {}
    if kind == "l1":
        options["l1_ratio"] = 0.5
    offset = np.linspace(-0.5, 0.5, n) if kind == "offset" else None
    result = fastridge.glm(X, y, loss, 0.03, offset=offset, tol=1e-6, **options)
    found = result.left_out()
    true = refits(X, y, loss, 0.03, None, offset, **options)
    o = np.zeros(n) if offset is None else offset
    fitted = o + X @ result.coef + result.intercept
    # the step is most of the change by a refit, unless the active set changes
    share = 0.4 if kind == "l1" else 0.2
    assert np.linalg.norm(found.predictor - true) < share * np.linalg.norm(fitted - true)
    value = loss_of(loss)
    error = 2 * np.mean(value.value(y, true) - value.least(y))
    own = 2 * np.mean(value.value(y, fitted) - value.least(y))
    assert abs(found.error - error) < 0.2 * (error - own)


def test_left_out_where_features_are_as_many_as_rows():
    X, y = data("logistic", 40, 40)
    result = fastridge.glm(X, y, alpha=0.1, tol=1e-6)
    true = refits(X, y, "logistic", 0.1)
    error = 2 * np.mean(np.log1p(np.exp(-np.where(y == 1, 1, -1) * true)))
    assert result.left_out().error == pytest.approx(error, rel=0.02)


def test_left_out_error_falls_faster_than_the_step():
    ratio = []
    for n in (40, 160):
        X, y = data("logistic", n, 3, seed=4)
        result = fastridge.glm(X, y, alpha=0.01, tol=1e-7)
        true = refits(X, y, "logistic", 0.01)
        fitted = X @ result.coef + result.intercept
        found = result.left_out().predictor
        ratio.append(np.linalg.norm(found - true) / np.linalg.norm(fitted - true))
    # in proportion to the step itself
    assert ratio[1] < ratio[0] / 2


def test_rows_without_weight_or_alone():
    X, y = data("poisson", 40)
    weight = np.ones(40)
    weight[3] = 0.0
    result = fastridge.glm(X, y, "poisson", 0.1, sample_weight=weight)
    expected = X[3] @ result.coef + result.intercept
    assert result.left_out().predictor[3] == pytest.approx(expected, rel=1e-10)
    alone = np.column_stack([X, np.eye(40)[0]])
    y[0] = 3.0
    free = np.append(np.ones(5), 0.0)
    found = fastridge.glm(alone, y, "poisson", 0.1, penalty_factor=free, tol=1e-5).left_out()
    assert np.isnan(found.predictor[0]) or abs(found.predictor[0]) < 1e6
    assert np.isfinite(found.predictor[1:]).all()
