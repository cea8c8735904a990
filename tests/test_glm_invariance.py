"""GLM fits are invariant to repetition, order, shift and scale of the data."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge

LOSSES = ("logistic", "poisson", "gamma", "negative_binomial", "huber", "multinomial")
TOL = 1e-4

CASES = pytest.mark.parametrize(
    ("loss", "l1_ratio", "seed"),
    [
        (loss, ratio, seed)
        for seed, loss in enumerate(LOSSES)
        for ratio in (0.0, 0.5, 1.0)
        # those of L1 alone are not strictly convex: coefficients are known as well as gaps are
        if loss != "multinomial" or ratio < 1
    ],
)


def _data(loss, seed):
    rng = np.random.default_rng(seed)
    n, p = int(rng.choice([30, 120])), int(rng.choice([2, 6, 15]))
    X = rng.standard_normal((n, p))
    eta = X @ rng.standard_normal(p) / np.sqrt(p)
    if loss == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    elif loss in ("poisson", "negative_binomial"):
        y = rng.poisson(np.exp(eta)).astype(float)
    elif loss == "gamma":
        y = rng.gamma(2.0, np.exp(eta))
    elif loss == "huber":
        y = eta + rng.standard_t(2, n)
    else:
        y = np.digitize(eta + rng.standard_normal(n), [-0.5, 0.5]).astype(float)
    return rng, X, y


def _fit(X, y, loss, l1_ratio, **options):
    return fastridge.glm(X, y, loss, 0.02, l1_ratio=l1_ratio, tol=1e-6, max_iter=1000, **options)


def _assert_same(a, b):
    for name in ("coef", "intercept"):
        left, right = getattr(a, name), getattr(b, name)
        np.testing.assert_allclose(left, right, rtol=TOL, atol=TOL * (1 + np.abs(right).max()))


@CASES
def test_weights_are_repetition(loss, l1_ratio, seed):
    rng, X, y = _data(loss, seed)
    times = rng.integers(0, 4, len(y))
    weighted = _fit(X, y, loss, l1_ratio, sample_weight=times.astype(float))
    _assert_same(weighted, _fit(np.repeat(X, times, 0), np.repeat(y, times), loss, l1_ratio))


@CASES
def test_order_and_storage(loss, l1_ratio, seed):
    rng, X, y = _data(loss, seed)
    fit = _fit(X, y, loss, l1_ratio)
    rows, columns = rng.permutation(len(y)), rng.permutation(X.shape[1])
    _assert_same(_fit(X[rows], y[rows], loss, l1_ratio), fit)
    moved = _fit(X[:, columns], y, loss, l1_ratio).coef
    np.testing.assert_allclose(moved, fit.coef[..., columns], rtol=TOL, atol=TOL)
    for storage in (np.asfortranarray, sp.csr_array, sp.csc_array):
        _assert_same(_fit(storage(X), y, loss, l1_ratio), fit)


@CASES
def test_shift_and_scale_of_columns(loss, l1_ratio, seed):
    rng, X, y = _data(loss, seed)
    fit = _fit(X, y, loss, l1_ratio)
    far = _fit(X + 100 * rng.standard_normal(X.shape[1]), y, loss, l1_ratio)
    np.testing.assert_allclose(far.coef, fit.coef, rtol=TOL, atol=TOL)
    scale = 10.0 ** rng.uniform(-3, 3, X.shape[1])
    one = _fit(X, y, loss, l1_ratio, standardize=True)
    other = _fit(X * scale, y, loss, l1_ratio, standardize=True)
    np.testing.assert_allclose(other.coef * scale, one.coef, rtol=TOL, atol=TOL)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "negative_binomial"])
def test_exposure_is_the_offset_of_its_logarithm(loss):
    rng, X, y = _data(loss, 1)
    times = 10.0 ** rng.uniform(-9, 3, len(y))
    one = _fit(X, y, loss, 0.0, exposure=times)
    _assert_same(one, _fit(X, y, loss, 0.0, offset=np.log(times)))


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_permuted_classes_permute_coefficients(l1_ratio):
    _, X, y = _data("multinomial", 5)
    order = np.array([2, 0, 1])
    fit = _fit(X, y, "multinomial", l1_ratio)
    moved = _fit(X, order[y.astype(int)].astype(float), "multinomial", l1_ratio)
    np.testing.assert_allclose(moved.coef[order], fit.coef, rtol=TOL, atol=TOL)
