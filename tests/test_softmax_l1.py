"""Multinomial models with an L1 penalty, and their certificates."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from softmax_problems import problem
from storages import stored

import fastridge
from fastridge.reference.softmax import softmax_loss
from fastridge.solvers.glm import softmax_pairs


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.05])
def test_l1_penalties_at_their_optimality_conditions(kind, l1_ratio):
    """r of the loss: |a_j' r_c + l2 w| is l1 where w is not 0, and at most that elsewhere."""
    X, y = problem(n=120, p=12)
    X = np.where(np.random.default_rng(5).random(X.shape) < 0.5, X, 0.0)
    weight = np.random.default_rng(6).integers(0, 3, len(y)) * 1.0
    factor = np.ones(12)
    factor[3] = 2.0
    alpha = 0.03
    result = fastridge.glm(
        stored(X, kind), y, "multinomial", alpha, l1_ratio=l1_ratio, sample_weight=weight,
        penalty_factor=factor, tol=1e-4, max_iter=1000,
    )  # fmt: skip
    assert result.solver == "prox-newton"
    assert result.converged
    eta = X @ result.coef.T + result.intercept
    value, r, _ = softmax_loss(np.eye(4)[y], eta, weight / weight.sum())
    l1, l2 = alpha * l1_ratio * factor, alpha * (1 - l1_ratio) * factor
    g = r.T @ X + l2 * result.coef
    assert (np.abs(g) <= l1 + 2e-5).all()
    live = result.coef != 0
    assert 0 < live.sum() < live.size or l1_ratio < 0.1
    assert_allclose((g + l1 * np.sign(result.coef))[live], 0.0, atol=2e-5)
    assert_allclose(r.sum(axis=0), 0.0, atol=1e-7)
    penalty = (l1 * np.abs(result.coef)).sum() + 0.5 * (l2 * result.coef**2).sum()
    assert_allclose(result.objective, value + penalty, rtol=1e-12)


def test_l1_of_two_classes_is_the_binary_model():
    """Of w = w_1 - w_0 the least |w_0| + |w_1| is |w|."""
    X, y = problem(k=2)
    binary = fastridge.glm(X, y, "logistic", 0.03, l1_ratio=1.0, tol=1e-4)
    result = fastridge.glm(X, y, "multinomial", 0.03, l1_ratio=1.0, tol=1e-4, max_iter=1000)
    assert_allclose(result.objective, binary.objective, rtol=2e-8)
    assert_allclose(result.coef[1] - result.coef[0], binary.coef, atol=1e-3)


def test_l1_beside_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    options = {"solver": "saga", "l1_ratio": 1.0, "tol": 1e-10, "max_iter": 100_000}
    other = linear_model.LogisticRegression(C=1.0, **options).fit(X, y)
    result = fastridge.glm(X, y, "multinomial", 1.0 / len(y), l1_ratio=1.0, tol=1e-4, max_iter=1000)
    eta = X @ other.coef_.T + other.intercept_
    value = softmax_loss(np.eye(3)[y], eta)[0] / len(y) + np.abs(other.coef_).sum() / len(y)
    assert_allclose(result.objective, value, rtol=2e-8)
    assert_allclose(result.coef, other.coef_, atol=1e-3)


def test_largest_penalties():
    X, y = problem()
    share = np.eye(4)[y]
    most = np.abs((X - X.mean(axis=0)).T @ (share.mean(axis=0) - share)).max() / len(y)
    none = fastridge.glm(X, y, "multinomial", most * 1.0001, l1_ratio=1.0, tol=1e-4)
    assert_array_equal(none.coef, 0.0)
    assert_allclose(none.objective * 2 * len(y), none.null_deviance)
    some = fastridge.glm(X, y, "multinomial", most * 0.99, l1_ratio=1.0, tol=1e-4, max_iter=1000)
    assert np.count_nonzero(some.coef) >= 1


def test_l1_certificates_are_bounds():
    X, y = problem(n=80, p=30)
    least = fastridge.glm(X, y, "multinomial", 0.01, l1_ratio=0.9, tol=1e-6, max_iter=5000)
    assert least.converged
    for max_iter in (1, 2, 3, 10):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = fastridge.glm(
                X, y, "multinomial", 0.01, l1_ratio=0.9, tol=1e-12, max_iter=max_iter
            )
        assert bool(caught) == (not result.converged)
        assert caught or max_iter > 1
        excess = result.objective - least.objective
        assert -1e-12 <= excess <= result.dual_gap + 1e-14


@pytest.mark.slow
def test_l1_of_separated_classes_takes_few_rounds():
    """Steps of single classes converge slowly here; a joint Newton step is needed."""
    rng = np.random.default_rng(0)
    X, y = 10 * rng.standard_normal((10, 4)), np.arange(10) % 5
    for l1_ratio in (0.5, 1.0):
        result = fastridge.glm(X, y, "multinomial", 1e-3, l1_ratio=l1_ratio, tol=1e-6, max_iter=200)
        assert result.converged
        best = fastridge.glm(X, y, "multinomial", 1e-3, l1_ratio=l1_ratio, tol=1e-7, max_iter=900)
        assert result.objective - best.objective <= result.dual_gap + 1e-15
        g = _l1_gradient(X, y, result)
        l1 = 1e-3 * l1_ratio
        moved = g + 1e-3 * (1 - l1_ratio) * result.coef + l1 * np.sign(result.coef)
        assert np.abs(moved[result.coef != 0]).max() <= 1e-5
        assert np.abs(g[result.coef == 0]).max(initial=0.0) <= l1 * (1 + 1e-3)


def _l1_gradient(X, y, result):
    eta = X @ result.coef.T + result.intercept
    prob = np.exp(eta - eta.max(axis=1, keepdims=True))
    prob /= prob.sum(axis=1, keepdims=True)
    return (prob - np.eye(prob.shape[1])[y]).T @ X / len(y)


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_matrices_and_blocks_agree(l1_ratio, kind, monkeypatch):
    rng = np.random.default_rng(2)
    X, y = problem(n=150, p=40, k=4)
    X = X * (rng.random(X.shape) < 0.4) * rng.choice([1.0, 8.0], size=(150, 1))
    weight = rng.integers(0, 3, len(y)) * 1.0
    factor = np.ones(40)
    factor[7] = 0.0
    options = {
        "l1_ratio": l1_ratio, "sample_weight": weight, "penalty_factor": factor, "tol": 1e-5,
        "max_iter": 3000,
    }  # fmt: skip
    A = stored(X, kind)
    joint = fastridge.glm(A, y, "multinomial", 0.01, **options)
    monkeypatch.setattr(softmax_pairs.PairMatrix, "is_cheap", lambda self, m: False)
    blocks = fastridge.glm(A, y, "multinomial", 0.01, **options)
    least = min(joint.objective, blocks.objective)
    for one in (joint, blocks):
        assert one.converged
        assert one.n_iter <= 15
        assert -1e-15 <= one.objective - least <= one.dual_gap + 1e-15
    assert_allclose(joint.coef - joint.coef.mean(axis=0), blocks.coef - blocks.coef.mean(axis=0),
                    atol=1e-4)  # fmt: skip


def test_rows_on_the_wrong_side_do_not_stop_steps():
    """Heavy rows have slopes without curvature once a step has gone too far."""
    rng = np.random.default_rng(0)
    X, y = problem(n=300, p=20, k=3, noise=3.0)
    X[rng.integers(0, 300, 12)] *= 100.0
    result = fastridge.glm(X, y, "multinomial", 1e-3, l1_ratio=1.0, tol=1e-5)
    assert result.converged
    assert result.n_iter <= 25


@pytest.mark.parametrize("seed", [*range(12), 45, 98, 200])
def test_certificates_of_loose_and_tight_fits(seed):
    """Models with old or larger curvatures give dual points, too, if derivatives are theirs."""
    rng = np.random.default_rng(seed)
    n, p, k = (int(rng.integers(*ends)) for ends in ((8, 200), (1, 80), (2, 6)))
    X = rng.standard_normal((n, p))
    if rng.random() < 0.4:
        X = X * 10.0 ** rng.uniform(-3, 3, p)
    else:
        X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.4) * rng.choice([1, 30.0])
    y = rng.integers(0, k, n)
    y[:k] = np.arange(k)
    weight = rng.integers(0, 3, n) * 1.0
    weight[:k] = 1.0
    alpha, l1_ratio = 10.0 ** rng.uniform(-5, -1), float(rng.choice([0.05, 0.5, 1.0]))
    fits = [
        fastridge.glm(
            X, y, "multinomial", alpha, l1_ratio=l1_ratio, sample_weight=weight, tol=tol,
            max_iter=300, fit_intercept=bool(seed % 4),
        )
        for tol in (1e-1, 1e-2, 1e-3, 1e-5)
    ]  # fmt: skip
    least = min(one.objective for one in fits)
    for one in fits:
        assert one.converged
        assert one.objective - least <= one.dual_gap + 1e-13


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "spread"), [(0, 1), (4, 1), (4, 0), (9, 0)])
def test_gaps_of_free_features_are_bounds(seed, spread):
    """A model that is minimised roughly in free coefficients is no dual point."""
    X, y = problem(n=120, p=14, seed=seed, noise=0.3)
    X = X * 10.0 ** (spread * np.random.default_rng(seed).integers(-2, 4, 14))
    factor = np.zeros(14)
    factor[13] = 1.0
    options = {"l1_ratio": 0.5, "penalty_factor": factor, "max_iter": 500}
    best = fastridge.glm(X, y, "multinomial", 1e-3, tol=1e-5, **options)
    for tol in [0.5, 0.2, 0.05]:
        result = fastridge.glm(X, y, "multinomial", 1e-3, tol=tol, **options)
        assert result.objective - best.objective <= result.dual_gap + 1e-13


def test_free_features_of_unlike_scales():
    X, y = problem(n=240, p=8, noise=2.0)
    scale = 10.0 ** np.array([-4, 4, 0, -3, 3, 1, -1, 4])
    for alpha, factor in [(0.0, None), (1e-3, np.r_[np.zeros(7), 1.0])]:
        options = {"l1_ratio": 1.0, "penalty_factor": factor, "standardize": True}
        expected = fastridge.glm(X, y, "multinomial", alpha, tol=1e-5, **options)
        result = fastridge.glm(X * scale, y, "multinomial", alpha, tol=1e-5, **options)
        plain = fastridge.glm(X * scale, y, "multinomial", 0.0, tol=1e-2)
        assert expected.converged
        assert_allclose(result.objective, expected.objective, rtol=1e-9)
        # for an even number of classes, many shifts of a feature's coefficients have one L1 norm
        found, known = (c - c.mean(axis=0) for c in (result.coef * scale, expected.coef))
        assert_allclose(found, known, rtol=1e-4, atol=1e-5)
        assert plain.objective <= expected.objective + 1e-4
