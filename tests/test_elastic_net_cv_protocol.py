"""Elastic nets that choose their penalty, by default parameters, in scikit-learn's protocol."""

import warnings

import numpy as np
import pytest
from estimator_checks import all_checks, check_all
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import LeaveOneGroupOut

from fastridge import ElasticNetCV, LassoCV, MultiTaskElasticNetCV, MultiTaskLassoCV


@pytest.mark.slow
@all_checks(
    [
        LassoCV(),
        LassoCV(alphas=5),
        ElasticNetCV(),
        MultiTaskElasticNetCV(alphas=25),
        MultiTaskElasticNetCV(alphas=5),
        MultiTaskLassoCV(alphas=5),
    ]
)
@pytest.mark.filterwarnings("ignore:the best penalty is")
@pytest.mark.filterwarnings("ignore:Objective did not converge")
def test_estimator_checks(estimator):
    check_all(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_several_targets_weighted_and_repeated_at_the_default_tolerance(k, l1_ratio):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((30, 40))
        Y = X[:, :3] @ rng.standard_normal((3, k)) + rng.standard_normal((30, k))
        weight = rng.integers(0, 4, 30)
        groups = np.arange(30) % 3
        rows = rng.permutation(np.repeat(np.arange(30), weight))
        model = MultiTaskElasticNetCV(l1_ratio=l1_ratio, alphas=20, eps=0.05, cv=LeaveOneGroupOut())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the best penalty is")
            a = model.fit(X, Y, weight, groups=groups)
            found, alpha = a.coef_, a.alpha_
            b = model.fit(X[rows], Y[rows], groups=groups[rows])
        assert_allclose(alpha, b.alpha_)
        assert_allclose(found, b.coef_, atol=1e-9)
        assert_array_equal(found != 0, b.coef_ != 0)
        # the conditions of optimality, on centred data
        s = weight / weight.sum()
        R = Y - X @ found.T
        G = (X - s @ X).T @ (s[:, None] * (R - s @ R))
        G -= alpha * (1 - l1_ratio) * found.T
        size = np.linalg.norm(found, axis=0)
        some = size > 0
        assert_allclose(
            G[some], alpha * l1_ratio * (found / np.where(some, size, 1.0)).T[some], atol=1e-10
        )
        assert (np.linalg.norm(G[~some], axis=1) <= alpha * l1_ratio * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", range(5))
def test_of_penalties_that_share_a_solution_the_largest_is_taken(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((20, 40))
    y = X[:, 0]
    # repeated rows: smaller penalties are never worse, and equal up to the gap
    X, y, groups = np.r_[X, X], np.r_[y, y], np.repeat([0, 1], 20)
    alphas = np.geomspace(1e-3, 1e-12, 10)
    chosen = []
    for _ in range(5):
        order = rng.permutation(40)
        model = LassoCV(alphas=alphas, cv=LeaveOneGroupOut(), tol=1e-4)
        model.fit(X[order], y[order], groups=groups[order])
        chosen.append(model.alpha_)
        error = model.mse_path_.mean(axis=1)
        same = error <= error.min() * (1 + 1e-9)
        assert model.alpha_ == alphas[same].max()
    assert len(set(chosen)) == 1
