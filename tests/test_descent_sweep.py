"""Coordinate descent ends on what is hard for it; tests/descent_problems.py has the whole sweep."""

import descent_problems
import numpy as np
import pytest
import scipy.sparse as sp

import fastridge


@pytest.mark.parametrize("first", range(0, 480, 120))
def test_fits_end(first):
    failed = []
    for seed in range(first, first + 120):
        found, words = descent_problems.fit(seed)
        if not found.converged:
            failed.append((seed, words))
    assert failed == []


def test_paths_end():
    failed = []
    for seed in range(60):
        found, words = descent_problems.path(seed)
        if not found.converged.all():
            failed.append((seed, words))
    assert failed == []


def test_searches_end():
    failed = []
    for seed in range(20):
        said, words = descent_problems.search(seed)
        if said:
            failed.append((seed, words, said[0]))
    assert failed == []


def test_copies_of_a_column_with_a_coefficient_at_zero():
    X = np.array(
        [
            [-0.21, 0.08, 0.33, -0.58, 0.33, -0.3],
            [1.6, 0.36, 0, -0.11, 0, 0.37],
            [1.93, 0.12, 0.28, -0.28, 0.28, 0.61],
        ]
    )
    y = np.array([-0.66, 1.29, -0.59])
    found = fastridge.elastic_net(X, y, 0.01, l1_ratio=1.0, fit_intercept=False, tol=1e-10)
    assert found.converged
    assert found.n_iter < 100
    # by 10,000 epochs of random order
    assert abs(found.objective - 0.0681958185) < 1e-9


def test_few_epochs_suffice():
    """A Gram matrix of rank 60 with copies, and random walks."""
    r = np.random.default_rng(0)
    Z = r.standard_normal((60, 200))
    y = Z @ (r.random(200) < 0.2) + r.standard_normal(60)
    W = np.cumsum(np.random.default_rng(1).standard_normal((100, 600)), 1)
    v = np.random.default_rng(2).standard_normal(100)
    for X, t, share, ratio in [(np.hstack([Z, Z]), y, 0.01, 0.9), (W, v, 1e-3, 1.0)]:
        largest = fastridge.elastic_net_path(X, t, l1_ratio=ratio, n_alphas=2).alphas[0]
        found = fastridge.elastic_net(X, t, share * largest, l1_ratio=ratio)
        assert found.converged
        assert found.n_iter < 1000


@pytest.mark.parametrize("kind", [np.array, sp.csc_array])
def test_no_tolerance_where_nothing_enters(kind):
    X, y = np.random.default_rng(0).standard_normal((5, 9)), np.arange(5.0)
    found = fastridge.elastic_net(kind(X), y, 1e6, tol=0.0)
    assert found.converged
    assert not found.coef.any()
