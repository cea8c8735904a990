"""GroupRidge of many targets, which share what does not depend on them."""

import numpy as np
import pytest

from fastridge import GroupRidge
from fastridge.solvers.group_ridge import targets as shared


def problem(n=200, p=80, k=40, seed=0, groups=4, correlated=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + correlated * rng.standard_normal((n, 5)) @ (
        rng.standard_normal((5, p)) / 2.0
    )
    X += 3.0 * rng.standard_normal(p)
    codes = rng.permutation(np.arange(p) % groups)
    deviation = np.exp(rng.uniform(-2.0, 1.0, (groups, k)))
    W = deviation[codes] * rng.standard_normal((p, k)) * 0.2
    return X, X @ W + rng.standard_normal((n, k)), codes


def gradient(X, y, codes, alpha, d, weight, fit_intercept):
    """The relative gradient of the restricted likelihood, from the covariance of y."""
    n = len(y)
    root = np.sqrt(weight)
    fixed = np.ones((n, 1)) if fit_intercept else np.zeros((n, 0))
    fixed = np.hstack([fixed, X[:, d == 0]]) * root[:, None]
    Q, _ = np.linalg.qr(fixed, mode="complete")
    N = Q[:, fixed.shape[1] :]
    left = weight.sum() - fixed.shape[1]
    Z = N.T @ (X * root[:, None])
    u = N.T @ (y * root)
    inverse = np.divide(1.0, alpha[codes] * d, out=np.zeros(len(d)), where=d > 0)
    P = np.linalg.inv(np.eye(len(u)) + (Z * inverse) @ Z.T)
    whole = u @ P @ u
    out = []
    for g in np.unique(codes[d > 0]):
        if np.isinf(alpha[g]):
            continue
        F = (Z * np.sqrt(inverse))[:, codes == g]
        fitted, dof = left * ((F.T @ P @ u) ** 2).sum() / whole, ((P @ F) * F).sum()
        out.append(abs(fitted - dof) / (fitted + dof))
    return max(out)


@pytest.mark.slow
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_they_are_those_of_single_targets(fit_intercept, free, monkeypatch):
    X, Y, codes = problem()
    Y[:, 3] = 2.5  # constant
    Y[:, 5] *= 1e-90
    Y[:, 6] *= 1e90
    d = np.exp(np.random.default_rng(1).normal(0.0, 0.5, X.shape[1]))
    if free:
        d[[4, 9]] = 0.0
    weight = np.random.default_rng(2).uniform(0.5, 1.5, len(X))
    kept = []
    together = shared.choose_together

    def count(*args):
        kept.extend(together(*args))
        return kept

    monkeypatch.setattr("fastridge.solvers.group_ridge.fit.choose_together", count)
    options = {"fit_intercept": fit_intercept, "penalty_factor": d}
    model = GroupRidge(codes, **options).fit(X, Y, weight)
    assert sum(one.state is not None for one in kept) > 5
    assert model.converged_.all()
    for t in range(0, Y.shape[1], 3):
        one = GroupRidge(codes, tol=1e-9, **options).fit(X, Y[:, t], weight)
        assert model.log_evidence_[t] >= one.log_evidence_ - 1e-6
        np.testing.assert_allclose(1 / model.alpha_[t], 1 / one.alpha_, rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(model.noise_variance_[t], one.noise_variance_, rtol=1e-5)
        scale = np.abs(one.coef_).max()
        np.testing.assert_allclose(model.coef_[t], one.coef_, rtol=0, atol=1e-5 * scale)
        np.testing.assert_allclose(model.dof_[t], one.dof_, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(model.intercept_[t], one.intercept_, rtol=1e-5)


@pytest.mark.slow
def test_the_gradient_is_a_bound():
    X, Y, codes = problem(n=150, k=60, seed=3)
    model = GroupRidge(codes).fit(X, Y)
    ones = np.ones(len(X))
    for t in range(Y.shape[1]):
        exact = gradient(X, Y[:, t], codes, model.alpha_[t], np.ones(80), ones, True)
        assert exact <= model.relative_gradient_[t] + 1e-9
        assert model.relative_gradient_[t] <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0.0, 1e-7, 1e-4])
def test_degrees_of_freedom_without_an_inverse_are_confirmed(wrong, monkeypatch):
    X, Y, codes = problem(n=400, k=320, p=60, seed=4, groups=3, correlated=0.0)
    derivatives, confirm = shared.Surface.derivatives, shared._confirm
    accepted = []

    def perturbed(self, points):
        # both surfaces alike, so that they agree
        first, second = derivatives(self, points)
        return first * (1.0 + wrong), second

    def count(data, live, left, targets, found, tol):
        before = sum(one is not None for one in found)
        confirm(data, live, left, targets, found, tol)
        accepted.extend((before, sum(one is not None for one in found)))

    monkeypatch.setattr(shared.Surface, "derivatives", perturbed)
    monkeypatch.setattr(shared, "_confirm", count)
    model = GroupRidge(codes).fit(X, Y)
    assert accepted[0] > 100
    assert accepted[1] == (0 if wrong == 1e-4 else accepted[0])
    assert model.converged_.all()
    assert model.relative_gradient_.max() <= 1e-6
    ones = np.ones(len(X))
    for t in range(0, 320, 7):
        exact = gradient(X, Y[:, t], codes, model.alpha_[t], np.ones(60), ones, True)
        assert exact <= model.relative_gradient_[t] + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(threads, monkeypatch):
    monkeypatch.setattr(shared, "_THREADED", 1)
    import fastridge

    X, Y, codes = problem(k=24, seed=5)
    with fastridge.num_threads(1):
        one = GroupRidge(codes).fit(X, Y)
    with fastridge.num_threads(threads):
        other = GroupRidge(codes).fit(X, Y)
    np.testing.assert_array_equal(one.alpha_, other.alpha_)
    np.testing.assert_array_equal(one.coef_, other.coef_)


def test_collinear_columns_and_few_rows():
    X, Y, codes = problem(n=60, k=20, seed=7)
    X[:, 1] = X[:, 0]
    X[:, 2] = 4.0
    model = GroupRidge(codes, solver="cholesky").fit(X, Y)
    for t in range(0, 20, 4):
        one = GroupRidge(codes, tol=1e-9, solver="cholesky").fit(X, Y[:, t])
        assert model.log_evidence_[t] >= one.log_evidence_ - 1e-6


def test_expansions_are_within_their_bounds():
    X, Y, codes = problem(seed=9, k=1)
    from fastridge._matrix import Matrix
    from fastridge.solvers.group_ridge.fit import Data, _features

    given = Data(Matrix.from_dense(X), np.asfortranarray(Y), None, np.ones(80), True)
    data = _features(given, codes.astype(np.intp), 4, "reml")
    live, left = np.arange(4), data.total - data.rank
    rng = np.random.default_rng(0)
    for h in (1e-4, 1e-3, shared._LAST, 0.5):
        for _ in range(5):
            rho, step = rng.normal(4.0, 2.0, 4), h * rng.uniform(-1.0, 1.0, 4)
            state, after = data.at(np.exp(rho), 0), data.at(np.exp(rho + step), 0)
            found, slope, missing = shared._polished(data, live, left, 0, state, rho, step)
            exact = left / after.Q * after.slopes - after.dof
            assert (np.abs(slope[0] - exact) <= missing + 1e-9 * slope[1]).all()
            if h <= shared._LAST:
                np.testing.assert_allclose(found.w, after.w, rtol=1e-9, atol=1e-13)
                assert pytest.approx(after.Q, rel=1e-11) == found.Q
