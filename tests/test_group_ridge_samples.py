"""GroupRidge by samples: the same minimum, coefficients and posteriors as by features."""

import io

import numpy as np
import pytest
from storages import KINDS, stored

import fastridge
from fastridge import BayesianRidge, GroupRidge
from fastridge.quadratic.problem import RidgeProblem
from fastridge.solvers.group_ridge.criteria import criterion_of
from fastridge.solvers.group_ridge.samples import Samples

CRITERIA = ("reml", "ml", "gcv", "loo")


def wide(n=40, p=90, seed=0, targets=1):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 1.0
    w = np.repeat([1.0, 0.3, 0.0], p // 3)[:, None] * rng.standard_normal((p, targets))
    Y = 3.0 + X @ w + np.sqrt(p / 3) * rng.standard_normal((n, targets))
    return X, Y[:, 0] if targets == 1 else Y, np.repeat(["a", "b", "c"], p // 3)


def both(labels, X, y, weight=None, **options):
    return [
        GroupRidge(labels, solver=solver, tol=1e-9, **options).fit(X, y, weight)
        for solver in ("cholesky", "dual")
    ]


def assert_equal(one, other, X, rtol=1e-8):
    np.testing.assert_allclose(1 / other.alpha_, 1 / one.alpha_, rtol=rtol, atol=1e-14)
    scale = np.abs(one.coef_).max()
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(other.intercept_, one.intercept_, rtol=rtol)
    for name in ("noise_variance_", "dof_", "share_", "log_evidence_"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), rtol=rtol, atol=rtol, err_msg=name
        )
    deviation = one.predict(X[:4] * 1.3, return_std=True)[1]
    np.testing.assert_allclose(other.predict(X[:4] * 1.3, return_std=True)[1], deviation, rtol=1e-7)
    ends = one.intervals()
    np.testing.assert_allclose(other.intervals(), ends, rtol=rtol, atol=rtol * np.abs(ends).max())


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_both_sides_agree(criterion, fit_intercept, weighted, free):
    X, y, labels = wide(30, 60, seed=8)
    d = np.ones(60)
    d[1] = 2.0
    if free:
        d[[2, 30]] = 0.0
    weight = None
    if weighted:
        # as many as rows at most: more of them are repetitions, which are fitted exactly
        weight = np.random.default_rng(1).uniform(0.5, 2.0, 30)
        weight[3] = 0.0
        weight *= 27.0 / weight.sum()
    options = {"criterion": criterion, "fit_intercept": fit_intercept, "penalty_factor": d}
    one, other = both(labels, X, y, weight, **options)
    assert (one.solver_, other.solver_) == ("cholesky", "dual")
    assert one.converged_
    assert other.converged_
    assert_equal(one, other, X)
    S, T = one.posterior_, other.posterior_
    v = np.random.default_rng(2).standard_normal((60, 3))
    scale = np.abs(S @ v).max()
    np.testing.assert_allclose(T @ v, S @ v, atol=1e-9 * scale)
    np.testing.assert_allclose(v[:, 0] @ T, S @ v[:, 0], atol=1e-9 * scale)
    np.testing.assert_allclose(np.diag(T.toarray()), T.diagonal(), atol=1e-9 * scale)
    np.testing.assert_allclose(T.variance(v.T), S.variance(v.T), rtol=1e-8)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("sizes", [(50, 3, 2, 5), (3, 3, 3, 3), (1,) * 30, (60, 60)])
def test_derivatives(criterion, sizes):
    # groups that are held by columns, and those of whom a Gram matrix is held
    rng = np.random.default_rng(0)
    count, p = len(sizes), sum(sizes)
    X = rng.standard_normal((32, p)) + 0.5
    y = X[:, :3].sum(axis=1) + rng.standard_normal(32)
    codes = np.repeat(np.arange(count), sizes)
    d = np.where(np.arange(p) == 1, 2.0, 1.0)
    problem = RidgeProblem(
        fastridge.data.check.check_design(X), y[:, None], np.ones(1), None, d, True, check=False
    )
    data = Samples(problem, d, codes, count)
    value = criterion_of(criterion, data.total, data.rank)
    rho = rng.uniform(-1.0, 1.0, count)
    found = value.derivatives(data.at(np.exp(rho), 0))
    step = 1e-4
    for g in range(min(count, 4)):
        e = np.zeros(count)
        e[g] = step
        high, low = (data.at(np.exp(rho + s * e), 0) for s in (1.0, -1.0))
        slope = (value.value(high) - value.value(low)) / (2 * step)
        assert found.gradient[g] == pytest.approx(slope, rel=1e-5, abs=1e-6)
        turn = value.derivatives(high).gradient - value.derivatives(low).gradient
        np.testing.assert_allclose(found.hessian[g], turn / (2 * step), rtol=1e-5, atol=1e-6)
    # the derivative in the prior variance of a group that is out
    alpha = np.exp(rho)
    alpha[1] = np.inf
    state = data.at(alpha, 0)
    entering = value.entering(state)
    assert (entering[[0, *range(2, count)]] == 0).all()
    alpha[1] = 1e7
    beside = (value.value(data.at(alpha, 0)) - value.value(state)) * 1e7
    assert entering[1] == pytest.approx(beside, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("criterion", ["gcv", "loo"])
def test_groups_without_a_penalty(criterion):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 90))
    y = 100.0 * X[:, 0] + 50.0 * X[:, 1] + X[:, 10:20].sum(axis=1) + rng.standard_normal(60)
    codes = np.repeat([0, 1], [2, 88])
    problem = RidgeProblem(
        fastridge.data.check.check_design(X), y[:, None], np.ones(1), None, np.ones(90), True
    )
    data = Samples(problem, np.ones(90), codes, 2)
    value = criterion_of(criterion, data.total, data.rank)
    free = data.at(np.array([0.0, 1.0]), 0)
    assert free.dof[0] == 2
    near = data.at(np.array([1e-8, 1.0]), 0)
    assert value.value(near) == pytest.approx(value.value(free), rel=1e-7)
    alpha = np.array([[0.0, 1.0]])
    w = data.coef([free], alpha)[0]
    np.testing.assert_allclose(data.coef([near], alpha)[0], w, atol=1e-4)
    # the gradient vanishes
    Z = X - X.mean(axis=0)
    gradient = Z.T @ (y - y.mean() - Z @ w) - data.unit[1] * np.where(codes == 1, w, 0.0)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9 * np.abs(Z.T @ y).max())
    # all of them fit y exactly
    assert data.at(np.zeros(2), 0) is None


@pytest.mark.slow
@pytest.mark.parametrize("storage", KINDS)
@pytest.mark.parametrize("groups", ["whole", "thin"])
def test_storages(storage, groups):
    X, y, labels = wide(40, 90, seed=3)
    X[np.abs(X) < 0.8] = 0.0
    if groups == "thin":
        labels = np.arange(90) // 4
    for criterion in ("reml", "ml"):
        one, other = both(labels, stored(X, storage), y, criterion=criterion)
        expected = GroupRidge(labels, solver="dual", tol=1e-9, criterion=criterion).fit(X, y)
        assert_equal(expected, other, X)
        if one.converged_ and other.converged_ and np.isfinite(one.alpha_).all():
            assert_equal(one, other, X, 1e-6)


@pytest.mark.parametrize("scale", [1e-150, 1e-60, 1e60, 1e150])
@pytest.mark.parametrize("which", ["X", "y", "column"])
def test_scales(scale, which):
    X, y, labels = wide(30, 60, seed=8)
    d, a = np.ones(60), np.ones(60)
    if which == "X":
        a[:] = scale
    if which == "column":
        a[3], d[3] = scale, scale**2
    b = scale if which == "y" else 1.0
    model = GroupRidge(labels, solver="dual").fit(X, y)
    other = GroupRidge(labels, penalty_factor=d, solver="dual").fit(X * a, y * b)
    unit = scale if which == "X" else 1.0
    np.testing.assert_allclose(other.alpha_ / unit / unit, model.alpha_, rtol=1e-6)
    np.testing.assert_allclose(other.coef_ / b * a, model.coef_, rtol=1e-6)
    assert np.sqrt(other.noise_variance_) / b == pytest.approx(np.sqrt(model.noise_variance_))
    width = np.diff(other.intervals())[:, 0] / b * a
    np.testing.assert_allclose(width, np.diff(model.intervals())[:, 0], rtol=1e-6)
    deviation = other.predict(X[:3] * a, return_std=True)[1] / b
    np.testing.assert_allclose(deviation, model.predict(X[:3], return_std=True)[1], rtol=1e-6)


def test_copies_constants_and_far_columns():
    X, y, labels = wide(30, 60, seed=8)
    model = GroupRidge(labels, solver="dual", tol=1e-9).fit(X, y)
    far = GroupRidge(labels, solver="dual", tol=1e-9).fit(X + 1e6, y)
    np.testing.assert_allclose(far.alpha_, model.alpha_, rtol=1e-5)
    d = np.ones(61)
    d[[0, 60]] = 2.0
    copied = np.column_stack([X, X[:, 0]])
    other = GroupRidge([*labels, "a"], penalty_factor=d, solver="dual", tol=1e-9).fit(copied, y)
    np.testing.assert_allclose(other.alpha_, model.alpha_, rtol=1e-6)
    assert other.coef_[0] == pytest.approx(model.coef_[0] / 2)
    constant = np.column_stack([X, np.full(30, 7.1)])
    other = GroupRidge([*labels, "d"], solver="dual", tol=1e-9).fit(constant, y)
    np.testing.assert_allclose(other.alpha_[:3], model.alpha_, rtol=1e-6)
    assert np.isinf(other.alpha_[3])
    assert other.coef_[-1] == 0
    # copies of a free column: any of them may have the coefficient
    free = np.r_[0.0, np.ones(59), 0.0]
    other = GroupRidge([*labels, "a"], penalty_factor=free, solver="dual", tol=1e-9).fit(copied, y)
    alone = GroupRidge(labels, penalty_factor=free[:60], solver="dual", tol=1e-9).fit(X, y)
    np.testing.assert_allclose(other.alpha_, alone.alpha_, rtol=1e-6)
    np.testing.assert_allclose(other.predict(copied), alone.predict(X), rtol=1e-8)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_hardly_any_data(criterion):
    options = {"criterion": criterion, "solver": "dual"}
    model = GroupRidge(**options).fit([[1.0, 2.0]], [3.0])
    assert (model.coef_ == 0).all()
    assert (model.intercept_, model.noise_variance_) == (3.0, 0.0)
    assert (model.predict([[1.0, 2.0]], return_std=True)[1] == 0).all()
    model = GroupRidge(fit_intercept=False, **options).fit([[1.0, 2.0]], [0.0])
    assert (model.coef_ == 0).all()
    model = GroupRidge(**options).fit(np.arange(12.0).reshape(3, 4), np.full(3, 4.0))
    assert (model.coef_ == 0).all()
    assert np.isinf(model.alpha_).all()


def test_one_group_is_bayesian_ridge():
    X, y, _ = wide(30, 60, seed=8)
    X -= X.mean(axis=0)
    y = y + 5.0 * X @ np.random.default_rng(9).standard_normal(60)
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    other = BayesianRidge(tol=1e-12, max_iter=5000, fit_intercept=False, **flat).fit(X, y)
    model = GroupRidge(criterion="ml", solver="dual", fit_intercept=False).fit(X, y)
    assert model.alpha_[0] == pytest.approx(other.penalty_, rel=1e-5)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-5, atol=1e-9)


def test_several_targets_and_float32():
    X, Y, labels = wide(30, 60, seed=1, targets=3)
    Y += 3.0 * np.random.default_rng(8).standard_normal(Y.shape)
    one, other = both(labels, X, Y)
    assert_equal(one, other, X, 1e-7)
    single = GroupRidge(labels, solver="dual").fit(X.astype(np.float32), Y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, other.coef_, atol=1e-4)


def test_ways_are_chosen_by_their_cost():
    X, y, labels = wide(30, 600)
    assert GroupRidge(labels).fit(X, y).solver_ == "dual"
    assert GroupRidge(labels[::30]).fit(X[:, ::30], y).solver_ == "cholesky"
    with pytest.raises(ValueError, match=r"max_memory allows .* solver='dual'"):
        GroupRidge(labels, max_memory=1000).fit(X, y)
    with pytest.raises(ValueError, match="Got 'qr' instead"):
        GroupRidge(labels, solver="qr").fit(X, y)


@pytest.mark.parametrize("kind", ["C", "csr"])
def test_model_files(kind):
    X, y, labels = wide(30, 60, seed=8)
    X[np.abs(X) < 0.8] = 0.0
    model = GroupRidge(labels, solver="dual").fit(stored(X, kind), y)
    file = io.BytesIO()
    fastridge.io.save(model, file)
    file.seek(0)
    other = fastridge.io.load(file)
    assert_equal(model, other, X, 1e-15)
