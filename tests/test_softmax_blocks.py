"""Multinomial models with an L1 penalty by blocks of classes, for sets of many pairs."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from storages import stored

import fastridge
from fastridge.solvers.glm import softmax_blocks, softmax_joint, softmax_pairs, softmax_path


@pytest.fixture
def by_blocks(monkeypatch):
    """No matrix of all pairs."""
    monkeypatch.setattr(softmax_pairs.PairMatrix, "fits", lambda self, m: False)


def _texts(n=400, p=900, k=6, seed=0):
    """Counts of words, and topics."""
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(3, p + 3)
    topics = share * rng.gamma(1.0, size=(k, p))
    y = rng.integers(0, k, n)
    y[:k] = np.arange(k)
    X = rng.poisson(60 * topics[y] / topics[y].sum(axis=1, keepdims=True))
    # labels of a third of the texts say nothing
    some = rng.random(n) < 0.3
    y[some] = rng.integers(0, k, some.sum())
    return sp.csr_array(np.log1p(X)), y


def _lacks(X, y, alpha, result, l1_ratio=1.0, weight=None):
    """How far the gradient is from its bounds, over the penalty, and the slopes of intercepts."""
    eta = X @ result.coef.T + result.intercept
    prob = np.exp(eta - eta.max(axis=1, keepdims=True))
    prob /= prob.sum(axis=1, keepdims=True)
    share = np.ones(len(y)) if weight is None else weight
    r = share[:, None] / share.sum() * (prob - np.eye(prob.shape[1])[y])
    w, l1 = result.coef, alpha * l1_ratio
    g = np.asarray(X.T @ r).T + alpha * (1 - l1_ratio) * w
    left = np.where(w != 0, np.abs(g + l1 * np.sign(w)), np.maximum(np.abs(g) - l1, 0.0))
    return left.max() / l1, np.abs(r.sum(axis=0)).max()


@pytest.mark.parametrize("kind", ["csr", "csc", "C", "F"])
def test_many_pairs_at_their_optimality_conditions(kind, by_blocks):
    X, y = _texts()
    A = X if kind == "csr" else X.tocsc() if kind == "csc" else stored(X.toarray(), kind)
    path = fastridge.glm_path(A, y, "multinomial", l1_ratio=1.0, n_alphas=12, eps=0.02, tol=1e-4)
    assert path.converged.all()
    assert np.count_nonzero(path.coef[-1]) > 200
    for i in (3, 7, 11):
        left, slope = _lacks(X, y, path.alphas[i], path[i])
        assert left <= 2e-3
        assert slope <= 1e-7


def test_a_set_larger_than_any_matrix():
    """Without a fixture: more than 2,000 pairs."""
    X, y = _texts(n=1500, p=3000, k=12, seed=1)
    result = fastridge.glm(X, y, "multinomial", 3e-4, l1_ratio=1.0, tol=1e-4)
    assert result.converged
    assert np.count_nonzero(result.coef) > softmax_pairs.MOST
    left, slope = _lacks(X, y, 3e-4, result)
    assert left <= 2e-3
    assert slope <= 1e-7


@pytest.mark.parametrize("seed", range(8))
def test_certificates_of_loose_and_tight_fits(seed, by_blocks):
    rng = np.random.default_rng(seed)
    n, p, k = (int(rng.integers(*ends)) for ends in ((8, 120), (1, 40), (2, 6)))
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.4) * rng.choice([1, 30.0])
    if seed % 2:
        X = sp.csc_array(X)
    y = rng.integers(0, k, n)
    y[:k] = np.arange(k)
    weight = rng.integers(0, 3, n) * 1.0
    weight[:k] = 1.0
    alpha, l1_ratio = 10.0 ** rng.uniform(-3, -1), float(rng.choice([0.05, 0.5, 1.0]))
    options = {"l1_ratio": l1_ratio, "sample_weight": weight, "fit_intercept": bool(seed % 4)}
    fits = [
        fastridge.glm(X, y, "multinomial", alpha, tol=tol, max_iter=300, **options)
        for tol in (1e-1, 1e-2, 1e-3, 1e-5)
    ]
    least = min(one.objective for one in fits)
    for one in fits:
        assert one.converged
        assert one.objective - least <= one.dual_gap + 1e-12


def test_free_and_standardized_features(by_blocks):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((150, 12)) * 10.0 ** rng.uniform(-2, 2, 12) + 1.0
    y = rng.integers(0, 3, 150)
    factor = np.ones(12)
    factor[[0, 5]] = 0.0
    offset = rng.standard_normal((150, 3))
    options = {
        "l1_ratio": 0.7, "penalty_factor": factor, "standardize": True, "offset": offset,
        "tol": 1e-5,
    }  # fmt: skip
    found = fastridge.glm(X, y, "multinomial", 0.02, **options)
    assert found.converged
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softmax_pairs.PairMatrix, "fits", lambda self, m: True)
        patch.setattr(softmax_pairs.PairMatrix, "is_cheap", lambda self, m: True)
        want = fastridge.glm(X, y, "multinomial", 0.02, **options)
    assert_allclose(found.objective, want.objective, rtol=1e-9)
    assert_allclose(found.coef - found.coef.mean(0), want.coef - want.coef.mean(0), atol=1e-4)


def test_columns_of_many_features_instead_of_a_gram_matrix(by_blocks, monkeypatch):
    monkeypatch.setattr(softmax_blocks, "_MOST_GRAM", 20)
    # and products by class instead of those by rows
    monkeypatch.setattr(softmax_blocks, "_MOST_STORED", 0)
    X, y = _texts(n=200, p=300, k=4)
    for fit_intercept in (True, False):
        result = fastridge.glm(
            X, y, "multinomial", 3e-3, l1_ratio=1.0, tol=1e-4, fit_intercept=fit_intercept
        )
        assert result.converged
        left, slope = _lacks(X, y, 3e-3, result)
        assert left <= 2e-3
        assert slope <= 1e-7 or not fit_intercept


def test_slow_blocks_give_way_to_a_matrix(monkeypatch):
    monkeypatch.setattr(softmax_pairs.PairMatrix, "is_cheap", lambda self, m: False)
    monkeypatch.setattr(softmax_blocks, "_MOST_SWEEPS", 1)
    called = []
    minimise = softmax_pairs.PairMatrix.minimise
    monkeypatch.setattr(
        softmax_pairs.PairMatrix,
        "minimise",
        lambda self, *a: called.append(1) or minimise(self, *a),
    )
    X, y = _texts(n=200, p=300, k=4)
    result = fastridge.glm(X, y, "multinomial", 5e-3, l1_ratio=1.0, tol=1e-4)
    assert result.converged
    assert called


@pytest.mark.parametrize("whole", [True, False])
def test_steps_that_fail_become_shorter(whole, monkeypatch):
    monkeypatch.setattr(softmax_pairs.PairMatrix, "is_cheap", lambda self, m: whole)
    search, left = softmax_joint.JointSteps._search, [4]

    def fails(self, state, found):
        left[0] -= 1
        return None if left[0] >= 0 else search(self, state, found)

    X, y = _texts(n=200, p=300, k=4)
    want = fastridge.glm(X, y, "multinomial", 5e-3, l1_ratio=1.0, tol=1e-4)
    monkeypatch.setattr(softmax_joint.JointSteps, "_search", fails)
    found = fastridge.glm(X, y, "multinomial", 5e-3, l1_ratio=1.0, tol=1e-4)
    assert found.converged
    assert abs(found.objective - want.objective) <= want.dual_gap + found.dual_gap
    # a fit whose steps all fail says so
    left[0] = 10**6
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stuck = fastridge.glm(X, y, "multinomial", 5e-3, l1_ratio=1.0, tol=1e-4)
    assert not stuck.converged
    assert stuck.n_iter < 20
    assert len(caught) == 1
    assert stuck.objective - want.objective <= stuck.dual_gap


@pytest.mark.parametrize("kind", ["csr", "C"])
def test_rows_of_weight_0_may_overflow(kind, by_blocks):
    X, y = _texts(n=200, p=300, k=4)
    weight = np.ones(200)
    weight[::10] = 0.0
    options = {"l1_ratio": 1.0, "sample_weight": weight, "tol": 1e-4}
    want = fastridge.glm(X, y, "multinomial", 5e-3, **options)
    far = X.toarray()
    far[::10] *= 1e306
    found = fastridge.glm(stored(far, kind), y, "multinomial", 5e-3, **options)
    assert found.converged
    assert abs(found.objective - want.objective) <= want.dual_gap + found.dual_gap
    assert_allclose(found.coef - found.coef.mean(0), want.coef - want.coef.mean(0), atol=1e-3)


@pytest.mark.parametrize("kind", ["csr", "C"])
def test_fits_repeat_to_the_last_bit(kind, by_blocks):
    """Blocks that lose features forget what they know of the support."""
    X, y = _texts(n=200, p=300, k=4)
    A = stored(X.toarray(), kind)
    first = fastridge.glm_path(A, y, "multinomial", l1_ratio=1.0, n_alphas=10, eps=0.03, tol=1e-4)
    for _ in range(3):
        again = fastridge.glm_path(A, y, "multinomial", alphas=first.alphas, l1_ratio=1.0, tol=1e-4)
        assert_array_equal(again.coef, first.coef)


@pytest.mark.parametrize("kind", ["csr", "C"])
def test_paths_start_from_what_the_last_solutions_promise(kind, monkeypatch):
    X, y = _texts(n=300, p=300, k=5)
    A = stored(X.toarray(), kind)
    offset = np.random.default_rng(1).standard_normal((300, 5))
    options = {"l1_ratio": 1.0, "n_alphas": 40, "eps": 0.03, "tol": 1e-3, "offset": offset}
    moved, ahead = [0, 0], softmax_path.SoftmaxPathRun._ahead

    def checked(self, alpha, last, state):
        q, found = self.problem, ahead(self, alpha, last, state)
        moved[found is not state] += 1
        if found is not state:
            assert_allclose(found.eta, q.predict(found.U, found.b), atol=1e-11)
            assert_array_equal(np.sign(found.U), np.sign(state.U))
            assert found.objective < state.objective
        return found

    monkeypatch.setattr(softmax_path.SoftmaxPathRun, "_ahead", checked)
    path = fastridge.glm_path(A, y, "multinomial", **options)
    assert path.converged.all()
    assert moved[1] > 10
    monkeypatch.setattr(softmax_path.SoftmaxPathRun, "_ahead", lambda self, a, last, s: s)
    plain = fastridge.glm_path(A, y, "multinomial", **options)
    assert path.n_iter.sum() < plain.n_iter.sum()
    away = np.abs(path.objective - plain.objective)
    assert (away <= path.dual_gap + plain.dual_gap + 1e-15).all()


def test_predictors_are_those_of_the_coefficients(by_blocks, monkeypatch):
    """Moves that are undone leave no round-off in them: classes far apart move far and back."""
    rng = np.random.default_rng(0)
    X, y = 10 * rng.standard_normal((10, 4)), np.arange(10) % 5
    minimise, away = softmax_blocks.BlockModel.minimise, []

    def checked(self, state, *rest):
        found = minimise(self, state, *rest)
        want = self.problem.dot(np.asfortranarray(found.U - state.U)) + found.move
        away.append(np.abs(found.along - want).max() / np.abs(want).max())
        return found

    monkeypatch.setattr(softmax_blocks.BlockModel, "minimise", checked)
    assert fastridge.glm(X, y, "multinomial", 1e-3, l1_ratio=1.0, tol=1e-6).converged
    assert max(away) <= 1e-14
