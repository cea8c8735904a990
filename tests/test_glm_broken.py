"""Regression tests of GLMs: bounds, initial coefficients, large counts, messages."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array, random_array

import fastridge
from fastridge.exceptions import ConvergenceWarning
from fastridge.losses import NegativeBinomial


def _data(loss, n=50, p=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X @ np.linspace(-0.5, 0.5, p)
    if loss == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    elif loss == "poisson":
        y = rng.poisson(np.exp(eta)).astype(float)
    elif loss == "squared":
        y = eta + rng.standard_normal(n)
    else:
        y = rng.gamma(2.0, np.exp(eta) / 2)
    return X, y


def _best(X, y, loss, alpha, lower, upper):
    """The objective within bounds, by L-BFGS-B."""
    n, p = X.shape

    def objective(z):
        eta = z[0] + X @ z[1:]
        r = loss.gradient(y, eta) / n
        value = loss.value(y, eta).mean() + 0.5 * alpha * z[1:] @ z[1:]
        return value, np.append(r.sum(), X.T @ r + alpha * z[1:])

    bounds = [(None, None)] + [(lower, upper)] * p
    start = np.append(0.0, np.full(p, 0.5 * (lower + upper)))
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000}
    return minimize(objective, start, jac=True, bounds=bounds, options=options).fun


@pytest.mark.parametrize("loss", ["logistic", "poisson", "gamma", "squared"])
@pytest.mark.parametrize(("lower", "upper"), [(0.1, 0.2), (-0.9, -0.3), (0.5, 0.5), (-0.1, 0.1)])
def test_bounds_hold_where_they_leave_out_zero(loss, lower, upper):
    X, y = _data(loss)
    result = fastridge.glm(X, y, loss, 0.01, lower=lower, upper=upper)
    assert result.converged
    assert (result.coef >= lower).all()
    assert (result.coef <= upper).all()
    best = _best(X, y, result.loss, 0.01, lower, upper)
    eta = result.intercept + X @ result.coef
    value = result.loss.value(y, eta).mean() + 0.005 * result.coef @ result.coef
    np.testing.assert_allclose(result.objective, value, rtol=1e-12)
    assert value - best <= result.dual_gap + 1e-9


@pytest.mark.parametrize("standardize", [False, True])
def test_bounds_hold_exactly_in_the_units_of_X(standardize):
    for seed in range(20):
        X, y = _data("poisson", 20, 6, seed)
        X = X * 10.0 ** np.random.default_rng(seed).uniform(-3, 3, 6)
        bound = np.abs(fastridge.glm(X, y, "poisson", 0.1).coef) / 3
        options = {"lower": -bound, "upper": bound, "standardize": standardize}
        coef = fastridge.glm(X, y, "poisson", 0.01, **options).coef
        assert (np.abs(coef) <= bound).all()


def test_bounds_hold_for_constant_columns():
    y = np.arange(10.0)
    result = fastridge.glm(np.full((10, 1), 3.0), y, "poisson", 1.0, lower=1.0)
    assert result.coef.tolist() == [1.0]
    assert result.converged
    np.testing.assert_allclose(result.intercept + 3.0, np.log(y.mean()), rtol=1e-12)
    np.testing.assert_allclose(
        result.objective, y.mean() - y.mean() * np.log(y.mean()) + 0.5, rtol=1e-12
    )


def test_first_coefficients_out_of_bounds_are_brought_within():
    X, y = _data("logistic")
    far = fastridge.glm(X, y, "logistic", 0.01, lower=0.1, upper=0.2, coef_init=np.full(4, 30.0))
    near = fastridge.glm(X, y, "logistic", 0.01, lower=0.1, upper=0.2)
    np.testing.assert_allclose(far.coef, near.coef, rtol=1e-3)


@pytest.mark.parametrize("options", [{}, {"l1_ratio": 1.0}, {"upper": 0.3}])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "logistic"])
def test_first_coefficients_that_fit_nothing_are_left(loss, options):
    X, y = _data(loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = fastridge.glm(X, y, loss, 0.05, coef_init=np.full(4, -1e4), **options)
    near = fastridge.glm(X, y, loss, 0.05, **options)
    assert far.converged
    assert far.objective - near.objective <= far.dual_gap + 1e-12


def test_warm_start_on_data_of_another_scale():
    X, y = _data("poisson")
    model = fastridge.PoissonRegressor(alpha=0.01, warm_start=True).fit(1e-4 * X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(alpha=0.1).fit(1e6 * X, y)
    again = fastridge.PoissonRegressor(alpha=0.1).fit(1e6 * X, y)
    assert model.objective_ - again.objective_ <= model.dual_gap_ + 1e-12


def test_multinomial_leaves_first_coefficients_that_fit_nothing():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 3
    first = 1e5 * rng.standard_normal((3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = fastridge.glm(X, y, "multinomial", 0.1, coef_init=first)
    near = fastridge.glm(X, y, "multinomial", 0.1)
    assert far.converged
    assert far.objective - near.objective <= far.dual_gap + 1e-12


@pytest.mark.parametrize("size", [1.0, 10.0, 50.0])
def test_null_model_of_classes_with_large_offsets(size):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n, k = int(rng.choice([10, 40, 200])), int(rng.choice([3, 5, 8]))
        y = rng.integers(0, k, n)
        y[:k] = np.arange(k)
        offset, weight = size * rng.uniform(-1, 1, (n, k)), 10.0 ** rng.uniform(-3, 3, n)
        X = rng.standard_normal((n, 2))
        fit = fastridge.glm(X, y, "multinomial", 1.0, offset=offset, sample_weight=weight)
        share, own = weight / weight.sum(), np.eye(k)[y]

        def null(b, offset=offset, share=share, own=own):
            eta = offset + b
            eta = eta - eta.max(axis=1, keepdims=True)
            total = np.exp(eta).sum(axis=1, keepdims=True)
            loss = share @ (np.log(total[:, 0]) - (own * eta).sum(axis=1))
            return loss, share @ (np.exp(eta) / total - own)

        best = minimize(null, np.zeros(k), jac=True, method="BFGS").fun
        assert fit.converged
        assert fit.null_deviance / (2 * fit.total_weight) <= best * (1 + 1e-6)


def test_null_model_of_classes_has_no_free_features():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 2)), np.arange(60) % 3
    X[:, 0] += y
    offset = rng.uniform(-2, 2, (60, 3))
    fits = [fastridge.glm(X, y, "multinomial", alpha, offset=offset) for alpha in (0.0, 1.0)]
    np.testing.assert_allclose(fits[0].null_deviance, fits[1].null_deviance, rtol=1e-12)
    assert fits[0].deviance < 0.9 * fits[0].null_deviance


def test_a_step_of_the_intercept_whose_square_overflows():
    # all labels are wrong by far: rows have weights of about 1e-305, and slopes of round-off
    X = np.random.default_rng(0).standard_normal((30, 5))
    offset = np.where(np.arange(30) < 15, -705.0, 705.0)
    for solver in ("newton-cg", "newton"):
        with pytest.warns(ConvergenceWarning, match="stopped"):
            found = fastridge.glm(X, offset < 0, "logistic", 0.1, offset=offset, solver=solver)
        assert np.isfinite(found.coef).all()
        np.testing.assert_allclose(found.objective, 705.0)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("solver", ["auto", "newton", "newton-cg", "dual-descent"])
@pytest.mark.parametrize("scale", [1.0, 1e10])
@pytest.mark.parametrize("alpha", [1e-300, 1e-310, 5e-324])
def test_penalties_whose_inverse_overflows(alpha, scale, solver):
    rng = np.random.default_rng(0)
    X = scale * random_array((30, 60), density=0.2, rng=rng, format="csr")
    y = rng.random(30) < 0.5
    for fit_intercept in (True, False):
        with pytest.warns(ConvergenceWarning, match="stopped"):
            found = fastridge.glm(
                X, y, "logistic", alpha, fit_intercept=fit_intercept, solver=solver
            )
        assert not found.converged
        assert np.isfinite(found.coef).all()
        assert found.objective <= np.log(2.0) + 1e-12


def test_conjugate_of_large_counts_keeps_its_precision():
    mpmath = pytest.importorskip("mpmath")
    loss, mp = NegativeBinomial(2.0), mpmath.mp
    with mpmath.workdps(50):
        for y in (0.0, 3.0, 1e6, 1e9):
            for eta in (-3.0, 0.5, 8.0, 25.0):
                u = float(loss.gradient(np.array(y), np.array(eta)))
                p = (mp.mpf(u) + y) / (2 + mp.mpf(y))
                h = sum(x * mp.log(x) if x > 0 else 0 for x in (p, 1 - p))
                right = (2 + mp.mpf(y)) * h + (mp.mpf(u) + y) * mp.log(2)
                found = float(loss.conjugate(np.array(y), np.array(u)))
                # the terms themselves have round-off
                size = (2 + y) * abs(float(h)) + abs(u + y)
                assert abs(found - float(right)) <= 1e-15 * size, (y, eta)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coef_init": [1.0]}, r"coef_init has shape \(1,\); expected \(4,\)"),
        ({"coef_init": np.ones((4, 2))}, r"coef_init has shape \(4, 2\); expected \(4,\)"),
        ({"coef_init": [1, 1, 1, np.nan]}, "coef_init contains NaN"),
        ({"coef_init": np.ones(4), "intercept_init": np.inf}, "intercept_init contains inf"),
        ({"coef_init": np.ones(4), "intercept_init": [1, 2]}, r"intercept_init has shape \(2,\)"),
    ],
)
def test_first_coefficients_are_checked(options, message):
    X, y = _data("poisson")
    with pytest.raises(ValueError, match=message):
        fastridge.glm(X, y, "poisson", **options)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "squared"])
@pytest.mark.parametrize("alpha", [1e-14, 1e-10, 1e-6])
@pytest.mark.slow
def test_wide_data_of_a_weak_penalty(loss, alpha):
    # rows times rows over the penalty have entries beyond 1 / eps
    rng = np.random.default_rng(4)
    X, y = _data(loss, 30, 210, 4)
    X = X * 10.0 ** rng.uniform(-6, 6, 210)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fastridge.glm(X, y, loss, alpha)
    eta = fit.intercept + X @ fit.coef
    value = fit.loss.value(y, eta).mean() + 0.5 * alpha * fit.coef @ fit.coef
    np.testing.assert_allclose(fit.objective, value, rtol=1e-8, atol=1e-10)
    assert fit.deviance < 1e-3 * fit.null_deviance


@pytest.mark.parametrize(
    ("loss", "solver", "shape", "order"),
    [
        ("logistic", "newton", (6, 3_000_000), 3_000_000),
        ("logistic", "newton-samples", (3_000_000, 2), 3_000_000),
        ("multinomial", "newton", (6, 1_000_000), 3_000_003),
    ],
)
def test_a_given_solver_that_exceeds_the_memory_is_refused(loss, solver, shape, order):
    n = shape[0]
    X = csr_array((np.ones(2), ([0, 1], [0, 1])), shape=shape)
    y = np.arange(n) % (2.0 if loss == "logistic" else 3.0)
    with pytest.raises(ValueError, match=f"solver is '{solver}', .* order {order} .* expected"):
        fastridge.glm(X, y, loss, 1.0, solver=solver)
