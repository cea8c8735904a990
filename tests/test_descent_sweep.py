"""Coordinate descent converges on hard problems; tests/descent_problems.py has the full sweep."""

import descent_problems
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from sklearn.datasets import make_regression

import fastridge
from fastridge._descent import Descent


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 480, 120))
def test_fits_end(first):
    failed = []
    for seed in range(first, first + 120):
        found, words = descent_problems.fit(seed)
        if not found.converged:
            failed.append((seed, words))
    assert failed == []


@pytest.mark.slow
def test_fit_ends_whose_steps_take_many_conjugate_gradients():
    found, words = descent_problems.fit(4396)
    assert found.converged, words
    assert found.n_iter < 400


@pytest.mark.parametrize("seed", [509, 1232])
def test_dependent_features_without_a_penalty_are_eliminated(seed):
    X, y, _, options, _ = descent_problems.problem(seed)
    found, words = descent_problems.fit(seed)
    assert found.converged, words
    # nothing is left to gain along features without a penalty
    weight = options.get("sample_weight", np.ones(len(y)))
    X = X.toarray() if hasattr(X, "toarray") else X
    r = weight * (y - found.intercept - X @ found.coef)
    free = options["penalty_factor"] == 0
    size = np.sqrt(weight @ X[:, free] ** 2) * np.sqrt(weight @ y**2)
    assert free.sum() >= 2
    # coefficients of near copies reach 1e7, so that their round-off matters
    assert (np.abs(X[:, free].T @ r) <= 1e-8 * size).all()


@pytest.mark.slow
def test_paths_end():
    failed = []
    for seed in range(60):
        found, words = descent_problems.path(seed)
        if not found.converged.all():
            failed.append((seed, words))
    assert failed == []


def test_paths_project_dependent_features_without_a_penalty_out():
    found, words = descent_problems.path(509)
    assert found.converged.all(), words
    X, y, _, options, _ = descent_problems.problem(509)
    for alpha, coef, intercept in zip(found.alphas, found.coef, found.intercept, strict=True):
        single = fastridge.elastic_net(X, y, alpha, tol=1e-10, **options)
        predicted = X @ single.coef + single.intercept
        np.testing.assert_allclose(
            X @ coef + intercept, predicted, atol=1e-3 * np.ptp(y), err_msg=words
        )
    said, words = descent_problems.search(509)
    assert not said, words


@pytest.mark.slow
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
    # reference: 10,000 epochs in random order
    assert abs(found.objective - 0.0681958185) < 1e-9


def test_few_epochs_suffice_where_coefficients_are_about_as_many_as_rows():
    """Marker chains down to where the fit is nearly an interpolation: exchanges cycle there."""
    epochs = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n, p = 200, 1500
        X = sum(np.cumsum(rng.random((n, p)) < 0.02, axis=1) % 2 for _ in range(2)) * 1.0
        y = X @ rng.standard_normal(p)
        y += y.std() * rng.standard_normal(n)
        found = fastridge.elastic_net_path(X, y, l1_ratio=1.0, n_alphas=100, tol=1e-4)
        assert found.converged.all()
        epochs += int(found.n_iter.sum())
    # 1,466 measured
    assert epochs < 1750


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
        assert found.n_iter < 800


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["gram", "working"])
@pytest.mark.parametrize("seed", range(6))
def test_random_walks_at_a_tiny_penalty(seed, solver):
    """The objective is a millionth of the terms of its sum, so that round-off matters."""
    r = np.random.default_rng(seed)
    X = np.cumsum(r.standard_normal((100, 600)), 1)
    y = np.random.default_rng(seed + 100).standard_normal(100)
    largest = fastridge.elastic_net_path(X, y, l1_ratio=1.0, n_alphas=2).alphas[0]
    found = fastridge.elastic_net(X, y, 1e-6 * largest, l1_ratio=1.0, solver=solver, tol=1e-8)
    assert found.converged


@pytest.mark.parametrize("kind", [np.array, sp.csc_array])
def test_no_tolerance_where_nothing_enters(kind):
    X, y = np.random.default_rng(0).standard_normal((5, 9)), np.arange(5.0)
    found = fastridge.elastic_net(kind(X), y, 1e6, tol=0.0)
    assert found.converged
    assert not found.coef.any()


@pytest.mark.parametrize("solver", ["gram", "working", "columns"])
@pytest.mark.parametrize("seed", range(12))
def test_no_epoch_from_the_solution(seed, solver):
    X, y, largest, options, _ = descent_problems.problem(seed)
    first = fastridge.elastic_net(X, y, 0.1 * largest, solver=solver, **options)
    again = fastridge.elastic_net(
        X, y, 0.1 * largest, solver=solver, coef_init=first.coef, **options
    )
    assert again.n_iter == 0
    np.testing.assert_array_equal(again.coef, first.coef)


@pytest.mark.slow
@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("effective_rank", [10, 40])
@pytest.mark.parametrize("shape", [(2000, 200), (200, 500)])
def test_coefficients_of_low_rank_designs(shape, effective_rank, l1_ratio):
    """The default tolerance leaves coefficients as exact as scikit-learn's."""
    X, y = make_regression(
        *shape, n_informative=20, noise=10, effective_rank=effective_rank, random_state=1
    )
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y) / l1_ratio
    for share in (0.1, 0.01):
        found = fastridge.ElasticNet(share * largest, l1_ratio=l1_ratio).fit(X, y).coef_
        # unique coefficients: exact to round-off over the strong convexity
        best = sklearn.linear_model.ElasticNet(
            share * largest, l1_ratio=l1_ratio, tol=1e-12, max_iter=200_000
        ).fit(X, y)
        assert np.linalg.norm(found - best.coef_) <= 1e-4 * np.linalg.norm(best.coef_)


def test_cold_start_at_a_tiny_penalty():
    r = np.random.default_rng(3)
    X = r.standard_normal((100, 500))
    y = X[:, :20] @ r.standard_normal(20) + r.standard_normal(100)
    largest = fastridge.lasso_path(X, y, n_alphas=2)[0][0]
    found = fastridge.elastic_net(X, y, 1e-6 * largest, l1_ratio=1.0, tol=1e-8)
    assert found.converged


@pytest.mark.parametrize("seed", [0, 8, 46, 62, 79, 100, 118])
def test_paths_follow_the_solution_where_supports_change(seed):
    """Eight columns of two factors and noise, whose exchanges lead to worse points at first."""
    r = np.random.default_rng(seed)
    factors = r.standard_normal((80, 2))
    X = factors @ r.standard_normal((2, 8)) + 0.3 * r.standard_normal((80, 8))
    y = X @ r.standard_normal(8) + r.standard_normal(80)
    found = fastridge.elastic_net_path(X, y, l1_ratio=1.0)
    best = sklearn.linear_model.lasso_path(
        X - X.mean(axis=0), y - y.mean(), alphas=found.alphas, tol=1e-12, max_iter=200_000
    )[1].T
    # a gap of 1e-12 allows a negligible error in the weakest direction
    error = np.linalg.norm(found.coef - best, axis=1)
    assert (error <= 1e-3 * np.linalg.norm(best, axis=1) + 1e-9).all()


@pytest.mark.slow
@pytest.mark.parametrize("storage", [np.ascontiguousarray, np.asfortranarray])
@pytest.mark.parametrize("alpha", [1e-5, 1e-3, 1e-1])
def test_pure_l2_ends_at_the_ridge_solution(alpha, storage):
    rng = np.random.default_rng(42)
    n, p = 300, 100
    U, V = (np.linalg.qr(rng.standard_normal((k, p)))[0] for k in (n, p))
    # decaying singular values, for which damping of a Newton step would matter
    X = storage((U * np.exp(-((np.arange(p) / 10) ** 2))) @ V.T)
    y, weight = X @ rng.standard_normal(p) * 100, rng.uniform(0.01, 10, n)
    found = fastridge.ElasticNet(alpha, l1_ratio=0.0, tol=1e-11).fit(X, y, weight)
    s = weight / weight.sum()
    Z, t = X - s @ X, y - s @ y
    expected = np.linalg.solve((Z.T * s) @ Z + alpha * np.eye(p), (Z.T * s) @ t)
    error = np.abs(found.coef_ - expected).max()
    # round-off times the condition number of the system
    assert error <= 1e-14 * (1 + 1 / (n * alpha)) * np.abs(expected).max()


def test_fewer_coordinates_need_another_descent():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((30, 6))
    gram, cross = A.T @ A / 30, A.T @ rng.standard_normal(30) / 30
    descent = Descent()

    def solve(m):
        G = np.ascontiguousarray(gram[:m, :m])
        descent.set_gram(G)
        w, zero = np.zeros(m), np.zeros(m)
        return descent.solve(
            np.full(m, 1e-3), zero, None, None, np.diagonal(G).copy(), cross[:m].copy(), 2.0, w,
            cross[:m].copy(), zero.copy(), zero.copy(), False, 1e-12, 100,
        )  # fmt: skip

    solve(4)
    solve(6)
    with pytest.raises(ValueError, match="square: expected 6 coordinates or more"):
        solve(5)
