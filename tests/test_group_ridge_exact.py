"""GroupRidge where rows are fitted exactly, beside numbers of many digits."""

import warnings

import mpmath
import numpy as np
import pytest

from fastridge import GroupRidge, _cpu


@pytest.mark.slow
@pytest.mark.parametrize("seed", [18, 20, 28, 31, 37])
def test_rows_that_are_fitted_exactly_have_the_criterion_of_exact_numbers(seed):
    rng = np.random.default_rng(seed)
    g, size = int(rng.integers(1, 6)), int(rng.integers(2, 12))
    p = g * size
    n = int(rng.integers(min(max(4, p // 4), p), p + 1))
    X = rng.standard_normal((n, p)) * np.exp(0.5 * rng.standard_normal(p))
    w = np.repeat(rng.standard_normal(g) * (rng.random(g) < 0.6), size) * rng.standard_normal(p)
    y = X @ w + rng.standard_normal(n) * float(rng.choice([0.1, 1, 3]))
    labels = np.repeat(np.arange(g), size)
    models = {}
    for solver in ("auto", "dual", "cholesky"):
        with warnings.catch_warnings():
            # sums of products may say that they do not reach the minimum
            warnings.simplefilter("ignore" if solver == "cholesky" else "error")
            models[solver] = GroupRidge(labels, criterion="gcv", solver=solver).fit(X, y)
    assert models["auto"].solver_ == "dual"
    for model in models.values():
        # coefficients and noise of these penalties, in more digits
        with mpmath.workdps(50):
            A = mpmath.matrix(X.tolist())
            A -= mpmath.ones(n, n) / n * A
            b = mpmath.matrix((y - y.mean()).tolist())
            prior = [1 / mpmath.mpf(float(a)) if a else mpmath.mpf(10) ** 25 for a in model.alpha_]
            T = mpmath.diag([prior[k] for k in labels])
            V = A * T * A.T + mpmath.eye(n)
            P = mpmath.inverse(V)
            r = P * b
            exact = np.array((T * (A.T * r)).tolist(), dtype=float)[:, 0]
            left = sum(P[i, i] for i in range(n)) - 1
            noise = float((r.T * r)[0] / left)
        if model.converged_:
            scale = np.abs(exact).max()
            np.testing.assert_allclose(model.coef_, exact, rtol=1e-5, atol=1e-5 * scale)
            assert model.noise_variance_ == pytest.approx(noise, rel=0.01)
            np.testing.assert_allclose(model.coef_, models["dual"].coef_, atol=1e-3 * scale)


@pytest.mark.parametrize("solver", ["cholesky", "dual"])
@pytest.mark.parametrize("free", [0, 3])
def test_noise_is_not_needed_where_samples_are_many(free, solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 6))
    w = rng.standard_normal(6)
    factor = np.r_[np.zeros(free), np.ones(6 - free)]
    options = {"criterion": "gcv", "solver": solver, "penalty_factor": factor}
    model = GroupRidge([0, 0, 0, 1, 1, 1], **options).fit(X, X @ w + 3.0)
    assert model.converged_
    np.testing.assert_allclose(model.coef_, w, rtol=1e-12)
    # nothing is left for the penalised features
    y = X[:, :free] @ w[:free] if free else np.full(40, 3.0)
    model = GroupRidge([0, 0, 0, 1, 1, 1], **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, np.r_[w[:free], np.zeros(6 - free)], atol=1e-12)
    y = X @ w + 1e-9 * rng.standard_normal(40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GroupRidge([0, 0, 0, 1, 1, 1], **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, w, atol=2e-9)


def inverse(A):
    """Return the inverse of a positive definite matrix, by Gauss-Jordan steps in its dtype."""
    A = A.copy()
    for k in range(len(A)):
        pivot = A[k, k]
        row, column = A[k] / pivot, A[:, k].copy()
        A -= column[:, None] * row
        A[k], A[:, k] = row, -column / pivot
        A[k, k] = 1.0 / pivot
    return A


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs extended precision")
@pytest.mark.parametrize("seed", [13, 80, 96])
@pytest.mark.parametrize("solver", ["cholesky", "dual"])
def test_cross_validation_that_is_smallest_without_penalties(solver, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(15, 60))
    p, g = int(n * rng.uniform(1.05, 3)), int(rng.integers(2, 6))
    codes = rng.integers(0, g, p)
    X = rng.standard_normal((n, p))
    w = rng.standard_normal(p) * np.exp(rng.normal(-1.0, 1.5, g))[codes]
    y = X @ w + rng.standard_normal(n) * np.exp(rng.normal())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GroupRidge(codes, criterion="gcv", solver=solver).fit(X, y)
    assert model.converged_
    N = np.linalg.qr(np.c_[np.ones(n), rng.standard_normal((n, n - 1))])[0][:, 1:]
    Z, u = (N.T @ X).astype(np.longdouble), N.T @ y

    def criterion(alpha):
        A = Z / np.sqrt(alpha.astype(np.longdouble))[codes]
        P = inverse(A @ A.T + np.eye(n - 1))
        return np.log(((P @ u) ** 2).sum() / np.trace(P) ** 2)

    found, limit = criterion(model.alpha_), criterion(1e-8 * model.alpha_)
    # lower without penalties, in the order of the share of degrees of freedom that is left
    left = (n - 1 - model.dof_.sum()) / (n - 1)
    assert 0 < left < 1e-2
    assert limit < found < limit + 5.0 * left
    # their ratios cannot be improved
    least = np.argmin(model.alpha_)
    for j in np.flatnonzero(np.isfinite(model.alpha_)):
        if j != least:
            for factor in (0.9, 1.1):
                other = model.alpha_.copy()
                other[j] *= factor
                assert criterion(other) > found


@pytest.fixture(params=_cpu.instruction_sets())
def each_isa(request):
    """Every set of instructions: round-off decides how a search on a flat slope ends."""
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield
    _cpu.set_instruction_set(before)


@pytest.mark.usefixtures("each_isa")
@pytest.mark.parametrize("seed", [21, 93, 95, 107])
def test_likelihoods_that_are_largest_without_noise(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(15, 60))
    p, count = int(n * rng.uniform(1.05, 3)), int(rng.integers(2, 6))
    labels = rng.integers(0, count, p)
    X = rng.standard_normal((n, p))
    w = rng.standard_normal(p) * np.exp(rng.normal(-1, 1.5, count))[labels]
    y = X @ w + rng.standard_normal(n) * np.exp(rng.normal(0, 1))
    with pytest.warns(UserWarning, match="largest without noise"):
        model = GroupRidge(labels).fit(X, y)
    assert model.converged_

    def criterion(tau, noise):
        """-2 log restricted likelihood, of prior variances and the noise."""
        C = np.linalg.svd(np.ones((1, n)))[2][1:]  # contrasts
        K = C @ ((X * tau[labels]) @ X.T + noise * np.eye(n)) @ C.T
        r = C @ y
        return np.linalg.slogdet(K)[1] + r @ np.linalg.solve(K, r)

    tau, noise = model.prior_variance_, model.noise_variance_
    least = criterion(tau, noise)
    # no better with less noise, with more, or with other variances
    assert criterion(tau, 0.01 * noise) > least - 1e-2
    assert criterion(tau, 1e4 * noise) > least
    for g in np.flatnonzero(tau):
        for change in (0.8, 1.25):
            other = tau.copy()
            other[g] *= change
            assert criterion(other, noise) > least
