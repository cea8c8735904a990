"""Data whose squares overflow or underflow: scaling by powers of two only changes units."""

import warnings

import numpy as np
import pytest
from cases import each
from storages import CONTAINERS

import fastridge

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 3))
y = X @ [1.0, 2.0, 3.0] + 1 + 0.1 * RNG.standard_normal(12)


def assert_bits(got, want, power):
    np.testing.assert_array_equal(np.ldexp(got, power), want)


@pytest.mark.slow
@pytest.mark.parametrize(("of_x", "of_y"), [(-600, -400), (-700, 0), (600, 450), (0, -900)])
@each("stored", CONTAINERS.values())
@pytest.mark.parametrize("solver", ["auto", "cholesky", "qr", "dual", "cg"])
@each("intercept", [True, False])
@each("standardize", [True, False])
def test_powers_of_two_change_units_alone(of_x, of_y, stored, solver, intercept, standardize):
    alpha = 0.5 if standardize or abs(of_x) < 510 else 0.0
    if alpha == 0 and solver == "dual":
        alpha = 2.0**-1060 if of_x < 0 else 2.0**900
    options = {"solver": solver, "fit_intercept": intercept, "standardize": standardize}
    unscaled = alpha if standardize else np.ldexp(alpha, -2 * of_x)
    want = fastridge.ridge(stored(X), y, min(unscaled, 1e300), **options)
    got = fastridge.ridge(stored(np.ldexp(X, of_x)), np.ldexp(y, of_y), alpha, **options)
    if unscaled < 1e300:
        assert_bits(got.coef, want.coef, of_x - of_y)
        assert_bits(got.intercept, want.intercept, -of_y)
        assert got.relative_gradient == want.relative_gradient
        assert_bits(got.objective, np.ldexp(want.objective, 2 * of_y), 0)


@pytest.mark.parametrize("stored", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("scale", [1e-200, 1e-170, 1e-160, 1e-81, 1e81, 1e150, 1e169])
def test_least_squares_at_any_scale(stored, scale):
    want = np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=None)[0]
    for model in (
        fastridge.ridge(stored(X * scale), y, 0.0),
        fastridge.ridge(stored(X * scale), np.column_stack([y, -y]), 0.0),
    ):
        coef = np.atleast_2d(model.coef)[0] * scale
        np.testing.assert_allclose(coef, want, rtol=1e-12)
        assert np.all(model.relative_gradient < 1e-13)
        assert model.converged
    coef = fastridge.Ridge(0.0).fit(stored(X * scale), y).coef_
    np.testing.assert_allclose(coef * scale, want, rtol=1e-12)


@pytest.mark.parametrize("stored", CONTAINERS.values(), ids=CONTAINERS)
def test_a_penalty_beside_which_squares_vanish(stored):
    # (X'X + alpha I) w = X'y, where X'X is 1e-400
    Z = stored(X * 1e-200)
    want = X.T @ (y - y.mean())
    np.testing.assert_allclose(fastridge.ridge(Z, y, 1.0).coef / 1e-200, want, rtol=1e-13)
    np.testing.assert_allclose(fastridge.ridge(Z, y * 1e120, 1e80).coef, want * 1e-160, rtol=1e-13)
    one_small = X * [1.0, 1e-200, 1.0]
    got = fastridge.ridge(stored(one_small), y, 1.0)
    big = fastridge.ridge(X[:, ::2], y, 1.0)
    np.testing.assert_allclose(got.coef[::2], big.coef, rtol=1e-13)
    residual = y - big.intercept - X[:, ::2] @ big.coef
    np.testing.assert_allclose(got.coef[1], 1e-200 * X[:, 1] @ residual, rtol=1e-10)


@pytest.mark.parametrize("stored", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("scales", [[1.0, 1e-200, 1.0], [1e150, 1.0, 1e-150], [1e-80, 1e90, 1]])
def test_columns_of_unlike_scales(stored, scales):
    scales = np.array(scales)
    want = fastridge.ridge(X, y, 0.0).coef
    for options in ({}, {"solver": "qr"}, {"standardize": True, "solver": "cholesky"}):
        got = fastridge.ridge(stored(X * scales), y, 0.0, **options)
        np.testing.assert_allclose(got.coef * scales, want, rtol=1e-10)
    penalised = fastridge.ridge(X, y, 2.0, standardize=True).coef
    got = fastridge.ridge(stored(X * scales), y, 2.0, standardize=True).coef
    np.testing.assert_allclose(got * scales, penalised, rtol=1e-12)


def test_bounds_and_starts_are_scaled():
    want = fastridge.ridge(X, y, 0.0, lower=[0, 0, 0], upper=[2.0, 1.5, 9.0], coef_init=np.ones(3))
    got = fastridge.ridge(
        np.ldexp(X, -600),
        y,
        0.0,
        lower=[0, 0, 0],
        upper=np.ldexp([2.0, 1.5, 9.0], 600),
        coef_init=np.ldexp(np.ones(3), 600),
    )
    assert_bits(got.coef, want.coef, -600)
    assert got.relative_gradient == want.relative_gradient


@pytest.mark.parametrize("stored", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("power", [-900, -400, 400, 900])
def test_scaled_weights(stored, power):
    weight = RNG.random(12)
    want = fastridge.ridge(stored(X), y, 0.5, sample_weight=weight)
    got = fastridge.ridge(stored(X), y, np.ldexp(0.5, power), sample_weight=np.ldexp(weight, power))
    assert_bits(got.coef, want.coef, 0)
    assert_bits(got.objective, want.objective, -power)


@pytest.mark.parametrize(
    ("of_x", "of_y", "message"),
    [
        (1.0, 1e308 / 8, "y is too large"),
        (1e100, 1e300, "y is too large"),
        (1e-200, 1e150, "y is too large"),
        (1e200, 1e-200, "y is too small relative to X"),
    ],
)
@pytest.mark.parametrize("solver", ["auto", "qr", "cg"])
def test_results_out_of_range_are_refused(of_x, of_y, message, solver):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            fastridge.ridge(X * of_x, y * of_y, 0.0, solver=solver)
        with pytest.raises(ValueError, match=message):
            fastridge.ridge_batch((X * of_x)[None], (y * of_y)[None], 0.0)
        with pytest.raises(ValueError, match=message):
            fastridge.Ridge(0.0).fit(X * of_x, y * of_y)


def test_float32_refuses_what_it_cannot_hold():
    Z = X.astype(np.float32)
    with pytest.raises(ValueError, match=r"y is too large.* float32"):
        fastridge.ridge(Z, y * 1e39, 1.0)
    with pytest.raises(ValueError, match=r"y is too large.* float32"):
        fastridge.ridge(Z, y * 1e39, 1.0, solver="qr")
    with pytest.raises(ValueError, match="y is too small relative to X"):
        fastridge.ridge(Z, y * 1e-100, 1.0)
    got = fastridge.ridge(Z, y * 1e37, 1.0)
    np.testing.assert_allclose(got.coef / 1e37, fastridge.ridge(Z, y, 1.0).coef, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 12, 3), (9, 12, 3), (9, 12, 17), (9, 20, 70)])
@pytest.mark.parametrize(("of_x", "of_y"), [(-600, 0), (600, 400), (0, -800)])
def test_batches(shape, of_x, of_y):
    rng = np.random.default_rng(1)
    Z, t = rng.standard_normal(shape), rng.standard_normal(shape[:2])
    alpha = 1.0 if of_x == 0 else 2.0**200 if of_x > 0 else 2.0**-1060
    want = fastridge.ridge_batch(Z, t, max(np.ldexp(alpha, -2 * of_x), 1e-290))
    got = fastridge.ridge_batch(np.ldexp(Z, of_x), np.ldexp(t, of_y), alpha)
    if np.ldexp(alpha, -2 * of_x) > 1e-290:
        coef = np.ldexp(got.coef, of_x - of_y)
        np.testing.assert_allclose(coef, want.coef, rtol=1e-9, atol=1e-13)
    assert (got.relative_gradient < 1e-10).all()
    assert got.converged.all()
    for i in range(len(Z)):
        one = fastridge.ridge(np.ldexp(Z[i], of_x), np.ldexp(t[i], of_y), alpha)
        np.testing.assert_allclose(got.coef[i], one.coef, rtol=1e-9)


def exact(Z, t, alpha, w, intercept):
    """Relative gradient and objective in extended precision."""
    Z, t, w = (np.asarray(a, dtype=np.longdouble) for a in (Z, t, w))
    if intercept:
        Z, t = Z - Z.mean(axis=0), t - t.mean()
    r = t - Z @ w
    gradient = np.sqrt(((Z.T @ r - alpha * w) ** 2).sum() / ((Z.T @ t) ** 2).sum())
    return float(gradient), float(r @ r + alpha * w @ w)


@pytest.mark.parametrize("shape", [(30, 4), (12, 20), (400, 30), (60, 60)])
@pytest.mark.parametrize("intercept", [True, False])
def test_float32_certificates_are_of_what_is_returned(shape, intercept):
    rng = np.random.default_rng(2)
    for trial in range(6):
        Z = rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3, shape[1]) + 10 * (trial % 2)
        Z = Z.astype(np.float32)
        t = Z @ rng.standard_normal(shape[1]) + rng.standard_normal(shape[0])
        alpha = 10.0 ** rng.integers(-6, 3)
        options = {"alpha": alpha, "fit_intercept": intercept}
        found = [fastridge.ridge(Z, t, solver=s, **options) for s in ("auto", "qr", "cg")]
        found.append(fastridge.ridge(fastridge.Moments(Z, t), **options))
        for result in found:
            assert result.coef.dtype == np.float32
            gradient, objective = exact(Z, t, alpha, result.coef, intercept)
            assert result.relative_gradient == pytest.approx(gradient, rel=1e-3, abs=1e-11)
            if result is not found[-1]:
                assert result.objective == pytest.approx(objective, rel=1e-6)
        batch = fastridge.ridge_batch(Z[None], t[None], **options)
        gradient, objective = exact(Z, t, alpha, batch.coef[0], intercept)
        assert batch.relative_gradient[0] == pytest.approx(gradient, rel=1e-3, abs=1e-11)
        assert batch.objective[0] == pytest.approx(objective, rel=1e-6)
        many = fastridge.ridge(Z, np.repeat(t[:, None], 520, axis=1), solver="cholesky", **options)
        gradient, objective = exact(Z, t, alpha, many.coef[0], intercept)
        assert gradient <= many.relative_gradient[0] * (1 + 1e-3) <= 3 * gradient + 1e-11
        assert many.objective[0] == pytest.approx(objective, rel=1e-6)


def test_float32_warns_of_the_solver_not_of_the_rounding():
    # unlike scales: the round-off of large coefficients alone exceeds the tolerance
    rng = np.random.default_rng(3)
    Z = rng.standard_normal((50, 3)).astype(np.float32)
    Z[:, 2] = Z[:, 0] + 1e-2 * Z[:, 2]
    t = Z @ [1e3, 1.0, -1e3] + rng.standard_normal(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fastridge.ridge(Z, t, 1e-6, tol=1e-9)
    assert result.converged
    assert result.relative_gradient > 1e-9
