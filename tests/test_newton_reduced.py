"""Newton steps by a reduced Gram matrix: one-hot data under generalised linear models."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge
from fastridge.solvers.glm import newton_cg as module
from fastridge.solvers.glm.newton_reduced import ReducedHessian

LOSSES = {
    "logistic": lambda eta, rng: (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float),
    "poisson": lambda eta, rng: rng.poisson(np.exp(eta)).astype(float),
    "gamma": lambda eta, rng: np.exp(eta) * rng.gamma(2.0, size=len(eta)) + 1e-3,
    "huber": lambda eta, rng: eta + rng.standard_t(2, len(eta)),
}


def one_hot(n=1500, seed=0):
    """Three factors, one of many levels, a column of numbers, a constant and an empty one."""
    rng = np.random.default_rng(seed)
    parts = []
    for levels, spread in ((5, 1.0), (20, 1.0), (200, 3.0)):
        level = (levels * rng.random(n) ** spread).astype(int)
        parts.append(sp.csr_array((np.ones(n), (np.arange(n), level)), shape=(n, levels)))
    parts.append(sp.csr_array(rng.random((n, 1))))
    parts.append(sp.csr_array(np.ones((n, 1))))
    parts.append(sp.csr_array((n, 1)))
    X = sp.csr_array(sp.hstack(parts))
    eta = 0.5 * (X @ rng.standard_normal(X.shape[1]))
    return X, eta - eta.mean(), rng


@pytest.fixture
def few_heavy(monkeypatch):
    """Eliminate few columns, so that some are left to conjugate gradients."""
    choose = module.reduced_hessian

    def chosen(problem):
        hessian = choose(problem)
        if hessian is not None and hessian.system is None:
            hessian.n_heavy = 12
        return hessian

    monkeypatch.setattr(module, "reduced_hessian", chosen)


def count_sums(monkeypatch):
    sums = []
    take = ReducedHessian.take
    monkeypatch.setattr(
        ReducedHessian, "take", lambda self, model: sums.append(0) or take(self, model)
    )
    return sums


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.slow
def test_solutions(few_heavy, monkeypatch, loss, form, standardize, weighted):
    X, eta, rng = one_hot()
    y = LOSSES[loss](eta, rng)
    options = {"standardize": standardize, "tol": 1e-7}
    if weighted:
        options["sample_weight"] = rng.uniform(0.0, 2.0, len(y)) * (rng.random(len(y)) < 0.8)
        options["penalty_factor"] = rng.uniform(0.5, 2.0, X.shape[1])
    sums = count_sums(monkeypatch)
    for alpha in (1e-1, 1e-4):
        found = fastridge.glm(form(X), y, loss, alpha, solver="newton-cg", **options)
        want = fastridge.glm(X.toarray(), y, loss, alpha, solver="newton", **options)
        assert found.converged
        assert_allclose(found.objective, want.objective, rtol=1e-9)
        atol = 1e-4 * np.abs(want.coef).max()
        assert_allclose(found.coef, want.coef, atol=atol)
        assert_allclose(found.intercept, want.intercept, atol=10 * atol)
    assert sums


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.slow
def test_penalties_share_a_matrix(few_heavy, monkeypatch, fit_intercept, dtype):
    """The Gram matrix is summed again only for some steps of a path."""
    X, eta, rng = one_hot()
    y = LOSSES["logistic"](eta, rng)
    alphas = np.geomspace(1e-1, 1e-4, 20)
    options = {"l1_ratio": 0.0, "alphas": alphas, "fit_intercept": fit_intercept, "tol": 1e-6}
    sums = count_sums(monkeypatch)
    found = fastridge.glm_path(X.astype(dtype), y, "logistic", solver="newton-cg", **options)
    assert 1 <= len(sums) <= len(alphas)
    want = fastridge.glm_path(X.toarray(), y, "logistic", solver="newton", **options)
    assert found.converged.all()
    assert_allclose(found.coef, want.coef, atol=1e-3 * np.abs(want.coef).max())


def test_starts_far_off():
    """Old curvatures whose steps do not lower the objective are replaced by fresh ones."""
    X, eta, rng = one_hot()
    y = LOSSES["poisson"](3.0 * eta, rng)
    found = fastridge.glm(X, y, "poisson", 1e-6, solver="newton-cg", tol=1e-6)
    want = fastridge.glm(X.toarray(), y, "poisson", 1e-6, solver="newton", tol=1e-6)
    assert found.converged
    assert_allclose(found.objective, want.objective, rtol=1e-9)


def test_a_singular_matrix_leaves_it_to_other_steps(monkeypatch):
    X, eta, rng = one_hot()
    y = LOSSES["logistic"](eta, rng)

    def singular(self, l2):
        raise ArithmeticError

    monkeypatch.setattr(ReducedHessian, "factor", singular)
    found = fastridge.glm(X, y, "logistic", 1e-3, solver="newton-cg", tol=1e-6)
    want = fastridge.glm(X.toarray(), y, "logistic", 1e-3, solver="newton", tol=1e-6)
    assert found.converged
    assert_allclose(found.objective, want.objective, rtol=1e-9)


def test_features_without_a_penalty(monkeypatch):
    X, eta, rng = one_hot()
    y = LOSSES["logistic"](eta, rng)
    factor = np.ones(X.shape[1])
    factor[7] = 0.0
    sums = count_sums(monkeypatch)
    found = fastridge.glm(X, y, "logistic", 1e-3, solver="newton-cg", penalty_factor=factor)
    assert found.converged
    assert not sums
