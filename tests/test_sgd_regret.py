"""Losses of a stream, each before its step, against the best coefficients for the whole stream."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from fastridge._matrix import Matrix
from fastridge.solvers.sgd.learner import Learner, Rule

T, P = 4000, 6


def stream(kind, seed=0):
    """Rows that come at random, or rows whose rare columns and labels an adversary has ordered."""
    rng = np.random.default_rng(seed)
    X = np.clip(rng.standard_normal((T, P)), -2.0, 2.0) / 2.0
    if kind == "rare":
        X *= rng.random((T, P)) < 0.5 ** np.arange(P)
    y = np.where(X @ rng.standard_normal(P) * 3.0 + rng.logistic(size=T) > 0, 1.0, -1.0)
    if kind == "sorted":
        order = np.argsort(y, kind="stable")
        X, y = X[order], y[order]
    if kind == "flipped":
        # the first half says the opposite
        y[: T // 2] *= -1.0
    return X, y


def losses_of(W, X, y):
    return np.logaddexp(0.0, -y * (X @ W[:P] + W[P]))


def best_of(X, y):
    """Return the coefficients and the intercept of least total loss."""

    def objective(W):
        z = y * (X @ W[:P] + W[P])
        g = -y / (1.0 + np.exp(z))
        return np.logaddexp(0.0, -z).sum(), np.append(g @ X, g.sum())

    return minimize(objective, np.zeros(P + 1), jac=True, method="BFGS", tol=1e-8).x


def matrix(X):
    return Matrix.from_dense(np.ascontiguousarray(X))


def compressed(X):
    X = sp.csr_array(X)
    return Matrix.from_compressed(X.data, X.indices, X.indptr, X.shape, False)


def learned(X, y, rate, rows_of, eta0=0.5):
    """Return the losses before each step, and the weights before each step."""
    learner = Learner(P, 1, Rule("log_loss", learning_rate=rate, eta0=eta0, alpha=0.0))
    losses, weights = np.empty(T), np.empty((T, P + 1))
    for t in range(T):
        weights[t] = np.append(learner.coef()[0], learner.intercept())
        losses[t] = learner.learn(rows_of(X[t : t + 1]), y[t : t + 1])
    return losses, weights


@pytest.mark.parametrize("kind", ["random", "rare", "sorted", "flipped"])
def test_adagrad_keeps_its_bound(kind):
    """sum_t l_t(w_t) - l_t(w) <= sum_j (D_j^2 / (2 eta) + eta) R_j (Duchi, Hazan & Singer 2011).

    R_j is the norm of the gradients of coordinate j, D_j the largest |w_tj - w_j|.
    """
    X, y = stream(kind)
    best, eta = best_of(X, y), 0.5
    losses, weights = learned(X, y, "adagrad", matrix, eta)
    slopes = -y / (1.0 + np.exp(y * (np.einsum("tj,tj->t", X, weights[:, :P]) + weights[:, P])))
    norms = np.sqrt((np.column_stack([X, np.ones(T)]) ** 2 * slopes[:, None] ** 2).sum(axis=0))
    for w in (best, np.zeros(P + 1), 0.5 * best):
        far = abs(weights - w).max(axis=0)
        bound = ((far**2 / (2.0 * eta) + eta) * norms).sum()
        assert losses.sum() - losses_of(w, X, y).sum() <= bound
    np.testing.assert_allclose(
        losses, [losses_of(weights[t], X[t], y[t]) for t in range(T)], rtol=1e-12, atol=1e-14
    )
    if kind in ("random", "rare"):
        # the bound says something: it is far below the loss of zero coefficients
        far = abs(weights - best).max(axis=0)
        assert ((far**2 / (2.0 * eta) + eta) * norms).sum() < 0.3 * T * np.log(2.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "rare", "sorted", "flipped"])
@pytest.mark.parametrize("rate", ["auto", "coin"])
def test_regret_grows_as_the_root(rate, kind):
    """At each time the regret is at most 3 sqrt(t), without a parameter to set."""
    X, y = stream(kind)
    losses, _ = learned(X, y, rate, compressed)
    for t in (250, 1000, T):
        best = best_of(X[:t], y[:t])
        assert losses[:t].sum() - losses_of(best, X[:t], y[:t]).sum() <= 3.0 * np.sqrt(t)
