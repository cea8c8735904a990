"""GroupRidge by conjugate gradients: estimates within their errors of the exact penalties."""

import numpy as np
import pytest
from scipy import sparse
from test_group_ridge_levels import factors

from fastridge import GroupRidge
from fastridge.solvers.group_ridge import iterative


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["csr", "csc", "dense"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_estimates_are_within_their_errors(storage, fit_intercept):
    X, y, labels = factors(n=1500, sizes=(20, 100, 6))
    # the last factor is noise, which may be out or not
    X, labels = X[:, :-6], labels[:-6]
    d = np.ones(X.shape[1])
    d[[20, 21]] = 0.0
    d[3] = 2.0
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    weight[5] = 0.0
    options = {"penalty_factor": d, "fit_intercept": fit_intercept}
    exact = GroupRidge(labels, solver="cholesky", **options).fit(X, y, weight)
    given = X if storage == "dense" else sparse.csr_matrix(X).asformat(storage)
    model = GroupRidge(labels, solver="cg", n_probes=64, **options).fit(given, y, weight)
    assert model.solver_ == "cg"
    assert model.converged_
    assert (model.alpha_error_ > 0).all()
    assert (model.alpha_error_ < 0.05).all()
    away = np.abs(np.log(model.alpha_ / exact.alpha_))
    assert (away < 4.0 * model.alpha_error_ + 1e-6).all()
    assert 0 < model.log_evidence_error_ < 1.0
    assert abs(model.log_evidence_ - exact.log_evidence_) < 4.0 * model.log_evidence_error_
    assert model.noise_variance_ == pytest.approx(exact.noise_variance_, rel=1e-3)
    np.testing.assert_allclose(model.dof_, exact.dof_, rtol=0.02)
    np.testing.assert_allclose(model.share_, exact.share_, rtol=0.05, atol=1e-4)
    # the coefficients are those of its penalties
    from fastridge import Ridge

    factor = np.where(d > 0, model.alpha_[model.group_index_], 1.0) * d
    ridge = Ridge(1.0, penalty_factor=factor, fit_intercept=fit_intercept).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, ridge.coef_, rtol=1e-6, atol=1e-8)
    assert model.intercept_ == pytest.approx(ridge.intercept_, rel=1e-7)


def test_signs_are_those_of_the_seed():
    X, y, labels = factors(n=600)
    X = sparse.csr_matrix(X)
    one, same, other = (
        GroupRidge(labels, solver="cg", random_state=seed).fit(X, y) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.alpha_, same.alpha_)
    assert (one.alpha_ != other.alpha_).any()
    # a state gives a seed, and goes on
    state = np.random.RandomState(0)
    model = GroupRidge(labels, solver="cg", random_state=state)
    first = model.fit(X, y).alpha_
    assert (model.fit(X, y).alpha_ != first).any()
    model.set_params(random_state=np.random.RandomState(0))
    np.testing.assert_array_equal(model.fit(X, y).alpha_, first)
    GroupRidge(labels, random_state=state).fit(X, y)
    assert (GroupRidge(labels).fit(X, y).alpha_error_ == 0).all()


def test_a_group_is_out():
    X, y, labels = factors(n=600)
    rng = np.random.default_rng(1)
    Q, _ = np.linalg.qr(np.column_stack([np.ones(600), X, y]))
    noise = rng.standard_normal((600, 5))
    noise -= Q @ (Q.T @ noise)
    given = np.column_stack([X, noise])
    model = GroupRidge([*labels, *["noise"] * 5], solver="cg").fit(given, y)
    assert np.isinf(model.alpha_[list(model.groups_).index("noise")])
    np.testing.assert_array_equal(np.isnan(model.alpha_error_), np.isinf(model.alpha_))
    assert (model.coef_[-5:] == 0).all()
    assert model.n_iter_ < 60


def test_several_targets_constants_and_scales():
    X, y, labels = factors(n=600)
    model = GroupRidge(labels, solver="cg").fit(sparse.csr_matrix(X), y)
    for a, b in ((1e-150, 1.0), (1.0, 1e150)):
        other = GroupRidge(labels, solver="cg").fit(sparse.csr_matrix(X * a), y * b)
        np.testing.assert_allclose(a * a / other.alpha_, 1 / model.alpha_, rtol=1e-5, atol=1e-9)
    Y = np.column_stack([y, np.full(600, 4.0)])
    both = GroupRidge(labels, solver="cg").fit(sparse.csr_matrix(X), Y)
    np.testing.assert_allclose(1 / both.alpha_[0], 1 / model.alpha_, rtol=1e-6, atol=1e-9)
    assert np.isinf(both.alpha_[1]).all()
    assert (both.coef_[1] == 0).all()
    assert both.intercept_[1] == pytest.approx(4.0)


def test_what_estimates_do_not_have():
    X, y, labels = factors(n=300)
    with pytest.raises(ValueError, match="solver='cg' does not support criterion"):
        GroupRidge(labels, solver="cg", criterion="gcv").fit(X, y)
    model = GroupRidge(labels, solver="cg").fit(X, y)
    with pytest.raises(ValueError, match="solver='cg' computes no covariance"):
        model.predict(X, return_std=True)
    assert np.isfinite(model.predict(X)).all()
    least = 8.0 * (300 + 5 * X.shape[1]) * 38 + 1
    assert GroupRidge(labels, max_memory=least, n_probes=32).fit(X, y).solver_ in ("cg", "cholesky")


@pytest.mark.parametrize("seed", [7, 15, 17])
def test_few_signs_end_near_the_zero_of_their_score(seed):
    # four signs have large errors, of which a share may be most of a score
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, 16))
    w = 0.5 * np.repeat(rng.standard_normal(4) * (rng.random(4) < 0.6), 4) * rng.standard_normal(16)
    y = X @ w + rng.standard_normal(60)
    model = GroupRidge(np.repeat(np.arange(4), 4), solver="cg", n_probes=4).fit(X, y)
    assert model.converged_
    assert model.relative_gradient_ <= 0.01


def test_systems_that_are_not_solved_are_no_convergence(monkeypatch):
    X, y, labels = factors(n=300)
    assert GroupRidge(labels, solver="cg").fit(X, y).converged_
    monkeypatch.setattr(iterative, "_MOST", 4)
    with pytest.warns(UserWarning, match="conjugate gradients did not solve"):
        model = GroupRidge(labels, solver="cg", max_iter=60, tol=1.0).fit(X, y)
    assert not model.converged_
