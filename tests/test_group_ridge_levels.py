"""GroupRidge beside a factor whose levels are eliminated: the same as by all features."""

import io

import numpy as np
import pytest
from scipy import sparse
from storages import stored

import fastridge
from fastridge import GroupRidge
from fastridge.quadratic.problem import RidgeProblem
from fastridge.solvers.group_ridge import levels
from fastridge.solvers.group_ridge.criteria import criterion_of

CRITERIA = ("reml", "ml", "gcv")


def factors(seed=3, n=300, sizes=(12, 40, 6), far=0.0):
    """Crossed factors, of which the last explains nothing, and numbers between them."""
    rng = np.random.default_rng(seed)
    first, second, third = (np.eye(m)[rng.integers(0, m, n)] for m in sizes)
    numbers = rng.standard_normal((n, 4)) + 2.0
    numbers[:, 1] += far
    X = np.hstack([first, numbers, second, third])
    strength = np.repeat([0.7, 0.3, 1.0, 0.0], [sizes[0], 4, sizes[1], sizes[2]])
    y = X @ (strength * rng.standard_normal(len(strength))) + 2.0 * rng.standard_normal(n)
    labels = np.repeat(["b", "numbers", "a", "c"], [sizes[0], 4, sizes[1], sizes[2]])
    return X, y, labels


def both(labels, X, y, weight=None, tol=1e-9, **options):
    return [
        GroupRidge(labels, solver=solver, tol=tol, **options).fit(X, y, weight)
        for solver in ("cholesky", "schur")
    ]


def assert_equal(one, other, X, rtol=1e-8):
    np.testing.assert_allclose(1 / other.alpha_, 1 / one.alpha_, rtol=rtol, atol=1e-12)
    scale = np.abs(one.coef_).max()
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(other.intercept_, one.intercept_, rtol=1e-7)
    for name in ("noise_variance_", "dof_", "share_", "log_evidence_"):
        expected = getattr(one, name)
        np.testing.assert_allclose(getattr(other, name), expected, rtol, rtol, err_msg=name)
    deviation = one.predict(X[:9], return_std=True)[1]
    np.testing.assert_allclose(other.predict(X[:9], return_std=True)[1], deviation, rtol=1e-7)
    ends = one.intervals()
    np.testing.assert_allclose(other.intervals(), ends, rtol=rtol, atol=rtol * np.abs(ends).max())


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_both_ways_agree(criterion, fit_intercept, weighted, free, kind):
    # a column far from zero, which the likelihood does not forgive without an intercept
    X, y, labels = factors(far=1e4 if fit_intercept and criterion != "ml" else 0.0)
    d = np.ones(X.shape[1])
    d[1] = d[20] = 2.0
    if free:
        d[[13, 14]] = 0.0
    weight = None
    if weighted:
        weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
        weight[3] = 0.0
    options = {"criterion": criterion, "fit_intercept": fit_intercept, "penalty_factor": d}
    one, other = both(labels, stored(X, kind), y, weight, **options)
    assert (one.solver_, other.solver_) == ("cholesky", "schur")
    assert other.converged_
    assert_equal(one, other, X, 1e-7 if criterion == "gcv" else 1e-8)
    S, T = one.posterior_, other.posterior_
    v = np.random.default_rng(2).standard_normal((len(d), 3))
    scale = np.abs(S @ v).max()
    np.testing.assert_allclose(T @ v, S @ v, atol=1e-9 * scale)
    np.testing.assert_allclose(v[:, 0] @ T, S @ v[:, 0], atol=1e-9 * scale)
    np.testing.assert_allclose(np.diag(T.toarray()), T.diagonal(), atol=1e-9 * scale)
    assert T.shape == S.shape


@pytest.mark.slow
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_derivatives(criterion, fit_intercept, dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(levels, "_DENSE", 2.0)
    X, y, labels = factors(n=120)
    names, codes = np.unique(labels, return_inverse=True)
    d = np.ones(len(codes))
    d[13] = 0.0
    A = fastridge.data.check.check_design(sparse.csr_matrix(X))
    problem = RidgeProblem(A, y[:, None], np.ones(1), None, d, fit_intercept, check=False)
    chosen = levels.largest_factor(A, codes, 4, d, 1)
    assert names[chosen] == "a"
    data = levels.Levels(problem, d, codes, 4, chosen, criterion == "ml")
    value = criterion_of(criterion, data.total, data.rank)
    for out in (None, 0, 1, 3):
        rho = np.random.default_rng(0).uniform(-1.0, 1.0, 4)
        inside = np.arange(4) != out

        def at(rho, inside=inside):
            return data.at(np.where(inside, np.exp(rho), np.inf), 0)

        found = value.derivatives(at(rho))
        step = 1e-4
        for g in np.flatnonzero(inside):
            e = np.zeros(4)
            e[g] = step
            high, low = at(rho + e), at(rho - e)
            slope = (value.value(high) - value.value(low)) / (2 * step)
            assert found.gradient[g] == pytest.approx(slope, rel=1e-5, abs=1e-6)
            turn = value.derivatives(high).gradient - value.derivatives(low).gradient
            np.testing.assert_allclose(found.hessian[g], turn / (2 * step), rtol=1e-5, atol=1e-6)
        if out is None:
            continue
        state = at(rho)
        entering = value.entering(state)
        assert (entering[inside] == 0).all()
        alpha = np.where(inside, np.exp(rho), 1e7)
        beside = (value.value(data.at(alpha, 0)) - value.value(state)) * 1e7
        assert entering[out] == pytest.approx(beside, rel=1e-3, abs=1e-3)


def test_second_derivatives_are_estimated_where_they_take_long(monkeypatch):
    X, y, labels = factors(n=600, sizes=(60, 90, 6))
    X = sparse.csr_matrix(X)
    one = GroupRidge(labels, solver="schur").fit(X, y)
    monkeypatch.setattr(levels, "_ESTIMATED", 20)
    monkeypatch.setattr(levels, "_PROBES", 16)
    other = GroupRidge(labels, solver="schur").fit(X, y)
    assert other.converged_
    np.testing.assert_allclose(1 / other.alpha_, 1 / one.alpha_, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("which", ["X", "y"])
def test_scales(scale, which):
    X, y, labels = factors()
    a, b = (scale, 1.0) if which == "X" else (1.0, scale)
    model = GroupRidge(labels, solver="schur").fit(sparse.csr_matrix(X), y)
    other = GroupRidge(labels, solver="schur").fit(sparse.csr_matrix(X * a), y * b)
    np.testing.assert_allclose(other.alpha_ / a / a, model.alpha_, rtol=1e-6)
    np.testing.assert_allclose(other.coef_ / b * a, model.coef_, rtol=1e-6, atol=1e-12)
    width = np.diff(other.intervals())[:, 0] / b * a
    np.testing.assert_allclose(width, np.diff(model.intervals())[:, 0], rtol=1e-6, atol=1e-12)
    deviation = other.predict(X[:3] * a, return_std=True)[1] / b
    np.testing.assert_allclose(deviation, model.predict(X[:3], return_std=True)[1], rtol=1e-6)


def test_levels_that_do_not_vary_copies_and_the_factor_alone():
    X, y, labels = factors()
    # a level that no row has, one that every row has, and a free copy of a free column
    X = np.column_stack([X, np.zeros(300), np.ones(300), X[:, 13]])
    labels = np.r_[labels, ["a", "d", "numbers"]]
    d = np.ones(X.shape[1])
    d[[13, -1]] = 0.0
    one, other = both(labels, sparse.csr_matrix(X), y, penalty_factor=d)
    np.testing.assert_allclose(1 / other.alpha_, 1 / one.alpha_, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(other.predict(X), one.predict(X), rtol=1e-8)
    assert other.coef_[-3] == other.coef_[-2] == 0
    levels = sparse.csr_matrix(X[:, 16:56])
    one, other = both(np.zeros(40), levels, y)
    assert_equal(one, other, X[:, 16:56])
    assert other.solver_ == "schur"
    # the factor explains nothing and is out, and comes back from infinity
    noise = np.random.default_rng(5).standard_normal(300)
    one, other = both(np.zeros(40), levels, noise)
    assert np.isinf(one.alpha_[0]) == np.isinf(other.alpha_[0])


def test_several_targets_and_weights_as_repetitions():
    X, y, labels = factors()
    rng = np.random.default_rng(0)
    Y = np.column_stack([y, X[:, 20:40].sum(axis=1) + rng.standard_normal(300)])
    one, other = both(labels, sparse.csr_matrix(X), Y)
    assert_equal(one, other, X, 1e-7)
    weight = rng.integers(0, 3, 300)
    rows = np.repeat(np.arange(300), weight)
    one = GroupRidge(labels, solver="schur", tol=1e-9).fit(sparse.csr_matrix(X), y, weight)
    other = GroupRidge(labels, solver="schur", tol=1e-9).fit(sparse.csr_matrix(X[rows]), y[rows])
    np.testing.assert_allclose(1 / other.alpha_, 1 / one.alpha_, rtol=1e-7, atol=1e-12)
    assert other.log_evidence_ == pytest.approx(one.log_evidence_, rel=1e-9)


def test_many_levels_are_chosen_by_their_cost():
    rng = np.random.default_rng(0)
    n, m = 30_000, 5_000
    level, other = rng.integers(0, m, n), rng.integers(0, 20, n)
    X = sparse.hstack(
        [
            sparse.csr_matrix((np.ones(n), level, np.arange(n + 1)), shape=(n, m)),
            sparse.csr_matrix((np.ones(n), other, np.arange(n + 1)), shape=(n, 20)),
        ]
    ).tocsr()
    effect = rng.standard_normal(m)
    y = effect[level] + 2.0 * rng.standard_normal(20)[other] + rng.standard_normal(n)
    model = GroupRidge(np.repeat([0, 1], [m, 20])).fit(X, y)
    assert model.solver_ == "schur"
    assert model.prior_variance_[0] == pytest.approx(1.0, rel=0.1)
    assert model.noise_variance_ == pytest.approx(1.0, rel=0.05)
    assert np.corrcoef(model.coef_[:m], effect)[0, 1] > 0.9
    with pytest.raises(ValueError, match="max_memory allows"):
        GroupRidge(np.repeat([0, 1], [m, 20]), max_memory=1000).fit(X, y)


def test_what_is_no_factor():
    X, y, labels = factors()
    with pytest.raises(ValueError, match="each row has at most one"):
        GroupRidge(labels, solver="schur").fit(X, y)
    twice = sparse.csr_matrix(X)
    with pytest.raises(ValueError, match="each row has at most one"):
        GroupRidge(np.arange(X.shape[1]) % 3, solver="schur").fit(twice, y)
    with pytest.raises(ValueError, match=r"^solver='schur' does not support criterion='loo'"):
        GroupRidge(labels, solver="schur", criterion="loo").fit(twice, y)
    with pytest.raises(ValueError, match=r"^solver='schur' does not support criterion='loo'"):
        GroupRidge(labels, solver="schur", criterion="loo").fit(X, y)


@pytest.mark.parametrize("dense", [True, False])
def test_model_files(dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(levels, "_DENSE", 2.0)
    X, y, labels = factors()
    model = GroupRidge(labels, solver="schur").fit(sparse.csr_matrix(X), y)
    file = io.BytesIO()
    fastridge.io.save(model, file)
    file.seek(0)
    assert_equal(model, fastridge.io.load(file), X, 1e-15)
