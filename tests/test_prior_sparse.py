"""Paths and searches with sparse X and a sparse penalty matrix, of which neither is made dense."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from fastridge import GroupRidge, RidgeCV, load, ridge_path, save
from fastridge.penalty import difference

ALPHAS = np.logspace(-1, 3, 5)


def made(n=600, p=80, targets=None):
    rng = np.random.default_rng(0)
    X = sparse.random_array((n, p), density=min(0.05, 16 / p), rng=rng, format="csr")
    w = 0.3 * np.cumsum(rng.standard_normal((targets or 1, p)), axis=1)
    Y = X @ w.T + 0.3 * rng.standard_normal((n, targets or 1))
    return X, Y if targets else Y[:, 0], w[0]


@pytest.mark.parametrize("kind", ["plain", "free", "mean", "standardize", "factor", "weight"])
def test_they_are_those_of_dense_data(kind, tmp_path):
    targets = 2 if kind in ("plain", "standardize") else None
    X, y, w = made(targets=targets)
    rng = np.random.default_rng(1)
    P = sparse.csr_array(difference(80, 2))
    more = {
        "free": {"fit_intercept": False},
        "mean": {"prior_mean": 0.5 * w},
        "standardize": {"standardize": True},
        "factor": {"penalty_factor": rng.uniform(0.5, 2.0, 80)},
    }.get(kind, {})
    weight = rng.uniform(0.0, 2.0, 600) if kind == "weight" else None
    ours = ridge_path(
        X, y, ALPHAS, penalty_matrix=P, solver="cg", tol=1e-10, sample_weight=weight, **more
    )
    dense = ridge_path(
        X.toarray(), y, ALPHAS, penalty_matrix=P.toarray(), sample_weight=weight, **more
    )
    assert ours.solver == "cg"
    assert ours.converged
    for name in ("coef", "intercept", "norm", "residual", "objective"):
        np.testing.assert_allclose(getattr(ours, name), getattr(dense, name), 1e-8, 1e-9)
    with pytest.raises(ValueError, match="dof is not computed"):
        ours.dof  # noqa: B018
    copied = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(copied.coef, ours.coef)
    for name in ("dof", "gcv", "aic"):
        with pytest.raises(ValueError, match="dof is not computed"):
            getattr(copied, name)
    save(ours, tmp_path / "path")
    np.testing.assert_array_equal(load(tmp_path / "path").objective, ours.objective)
    given = {"alphas": ALPHAS, "cv": 3, **more}
    ours = RidgeCV(penalty_matrix=P, solver="cg", tol=1e-10, **given).fit(X, y, weight)
    dense = RidgeCV(penalty_matrix=P, **given).fit(X.toarray(), y, weight)
    assert (ours.solver_, dense.solver_) == ("cg", "cholesky")
    assert ours.alpha_ == dense.alpha_
    np.testing.assert_allclose(ours.coef_, dense.coef_, rtol=1e-7, atol=1e-9)
    for name in ("validation_error", "train_error"):
        np.testing.assert_allclose(ours.cv_results_[name], dense.cv_results_[name], rtol=1e-9)
    assert "dof" not in ours.cv_results_


@pytest.mark.filterwarnings("ignore:the best penalty is at")
def test_nothing_large_is_made_dense():
    X, y, _ = made(3500, 3200)
    D = sparse.diags_array([1.0, -1.0], offsets=[0, 1], shape=(3199, 3200))
    P = (D.T @ D).tocsr()
    tracemalloc.start()
    model = RidgeCV([1.0, 10.0], cv=3, penalty_matrix=P).fit(X, y)
    path = ridge_path(X, y, [1.0, 10.0], penalty_matrix=P)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (model.solver_, path.solver) == ("cg", "cg")
    # a copy of X or P would take 72 megabytes or more
    assert peak < 30e6
    # the automatic grid, and a validation set
    model = RidgeCV(None, n_alphas=3, penalty_matrix=P, validation=(X[:500], y[:500]))
    assert np.isfinite(model.fit(X, y).best_score_)


def test_what_would_be_made_dense_is_refused():
    X, y, _ = made(3500, 3200)
    P = sparse.csr_array(
        sparse.diags_array([2.0, -1.0, -1.0], offsets=[0, 1, -1], shape=(3200, 3200))
    )
    for model in (
        RidgeCV(ALPHAS, cv="gcv", penalty_matrix=P, max_memory=1e8),
        GroupRidge(penalty_matrix=P, max_memory=1e8),
    ):
        with pytest.raises(ValueError, match=r"needs a dense copy of X.* keep a sparse X"):
            model.fit(X, y)


def test_leave_one_out_after_conjugate_gradients():
    X, y, _ = made()
    P = difference(80, 1)
    one = RidgeCV(ALPHAS, penalty_matrix=P, solver="cg").fit(X, y)
    other = RidgeCV(ALPHAS, penalty_matrix=P).fit(X, y)
    np.testing.assert_allclose(one.best_score_, other.best_score_, rtol=1e-6)
