"""L1 penalties, elastic nets and bounds of generalised linear models, and their paths."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from fastridge import elastic_net, glm, glm_path
from fastridge._losses import conjugate
from fastridge.data.check import check_design
from fastridge.losses import Huber, NegativeBinomial, loss_of
from fastridge.solvers.glm.fit import make_problem
from fastridge.solvers.glm.options import Constraints, Options
from fastridge.solvers.glm.path_run import PathRun, fold_run

LOSSES = ("squared", "logistic", "poisson", "gamma", "tweedie", "negative_binomial", "huber")
STORAGES = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_array,
}
TIGHT = {"tol": 1e-6, "max_iter": 300}


def data(loss="logistic", n=80, p=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.6)
    eta = 0.7 * X[:, 0] - 0.5 * X[:, 1] + 0.3 * X[:, 2]
    if loss == "logistic":
        y = (eta + rng.logistic(size=n) > 0).astype(float)
    elif loss in ("squared", "huber"):
        y = eta + rng.standard_t(2, n)
    elif loss == "gamma":
        y = rng.gamma(2.0, np.exp(eta) / 2.0)
    else:
        y = rng.poisson(np.exp(eta)).astype(float)
    return X, y


def dense(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X, dtype=np.float64)


def violation(
    X,
    y,
    loss,
    result,
    alpha,
    l1_ratio=1.0,
    weight=None,
    factor=None,
    offset=0.0,
    lower=-np.inf,
    upper=np.inf,
    fit_intercept=True,
):
    """Return the violation of the optimality conditions, over the largest gradient."""
    X, loss = dense(X), loss_of(loss)
    n, p = X.shape
    weight = np.ones(n) if weight is None else weight
    f = np.ones(p) if factor is None else factor
    w = np.asarray(result.coef, dtype=np.float64)
    r = weight / weight.sum() * loss.gradient(y, offset + X @ w + result.intercept)
    g = X.T @ r + alpha * (1 - l1_ratio) * f * w
    l1 = alpha * l1_ratio * f
    size = np.abs(X.T) @ np.abs(r)
    lower, upper = np.broadcast_to(lower, p), np.broadcast_to(upper, p)
    worst = np.zeros(p)
    # the objective must not fall upwards or downwards
    up, down = g + np.where(w >= 0, l1, -l1), -g + np.where(w <= 0, l1, -l1)
    worst = np.maximum(np.where(w < upper, -up, 0.0), np.where(w > lower, -down, 0.0))
    assert (w >= lower).all()
    assert (w <= upper).all()
    found = np.max(np.maximum(worst, 0.0) / np.where(size > 0, size, 1.0))
    return max(found, abs(r.sum()) / np.abs(r).sum() if fit_intercept else 0.0)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_conditions_of_the_minimum(loss, storage, l1_ratio):
    X, y = data(loss)
    X = STORAGES[storage](X)
    for alpha in (0.2, 0.02):
        result = glm(X, y, loss, alpha, l1_ratio=l1_ratio, **TIGHT)
        assert result.converged
        assert violation(X, y, loss, result, alpha, l1_ratio) < 1e-5


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_offsets_factors_and_bounds(loss):
    X, y = data(loss, seed=1)
    rng = np.random.default_rng(2)
    weight, offset = rng.uniform(0, 3, len(y)), rng.uniform(-1, 1, len(y))
    weight[:5] = 0
    factor = rng.uniform(0.5, 2, 12)
    factor[[1, 5]] = 0
    lower, upper = np.full(12, -0.1), np.full(12, 0.3)
    lower[0], upper[3] = 0.05, np.inf
    options = {"l1_ratio": 0.7, "sample_weight": weight, "offset": offset}
    options |= {"penalty_factor": factor, **TIGHT}
    result = glm(X, y, loss, 0.05, **options)
    check = {"l1_ratio": 0.7, "weight": weight, "offset": offset, "factor": factor}
    assert result.converged
    assert violation(X, y, loss, result, 0.05, **check) < 1e-5
    result = glm(X, y, loss, 0.05, lower=lower, upper=upper, **options)
    assert result.converged
    assert violation(X, y, loss, result, 0.05, lower=lower, upper=upper, **check) < 1e-5


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_bounds_without_an_intercept_and_without_l1(l1_ratio, fit_intercept):
    X, y = data("poisson", seed=3)
    options = {"l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    result = glm(X, y, "poisson", 0.01, lower=0.0, **options, **TIGHT)
    assert result.converged
    assert violation(X, y, "poisson", result, 0.01, lower=0.0, **options) < 1e-5


@pytest.mark.parametrize("p", [12, 300])
@pytest.mark.slow
def test_agrees_with_scikit_learn(p):
    linear = pytest.importorskip("sklearn.linear_model")
    X, y = data(n=100, p=p, seed=4)
    for alpha in (0.05, 0.01):
        other = linear.LogisticRegression(
            l1_ratio=1.0, C=1 / (alpha * len(y)), solver="saga", tol=1e-12, max_iter=100_000
        ).fit(X, y)
        for storage in STORAGES.values():
            result = glm(storage(X), y, "logistic", alpha, l1_ratio=1.0, **TIGHT)
            assert result.converged
            assert_allclose(result.coef, other.coef_[0], atol=1e-4)
            assert_allclose(result.intercept, other.intercept_[0], atol=1e-4)


def test_squared_loss_is_the_elastic_net():
    X, y = data("squared", p=40)
    for storage in STORAGES.values():
        found = glm(storage(X), y, "squared", 0.1, l1_ratio=0.6, **TIGHT)
        other = elastic_net(X, y, 0.1, l1_ratio=0.6, tol=1e-14)
        assert_allclose(found.coef, other.coef, atol=1e-6)
        assert_allclose(found.intercept, other.intercept, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gap_bounds_what_is_left_of_the_objective(loss):
    X, y = data(loss, p=30, seed=5)
    best = glm(X, y, loss, 0.03, l1_ratio=1.0, tol=1e-8, max_iter=500).objective
    for tol in (0.3, 0.1, 1e-2, 1e-3):
        result = glm(X, y, loss, 0.03, l1_ratio=1.0, tol=tol)
        assert result.converged
        assert result.relative_gap <= tol**2
        assert result.objective - best <= result.dual_gap + 1e-14


def test_float32():
    X, y = data(p=20)
    for storage in STORAGES.values():
        result = glm(storage(X.astype(np.float32)), y, "logistic", 0.03, l1_ratio=1.0, **TIGHT)
        assert result.coef.dtype == np.float32
        exact = glm(X.astype(np.float32).astype(float), y, "logistic", 0.03, l1_ratio=1.0, **TIGHT)
        assert_allclose(result.coef, exact.coef, atol=1e-6)


def test_weights_are_repetitions_and_exposure_is_an_offset():
    X, y = data("poisson")
    times = np.random.default_rng(0).integers(0, 3, len(y))
    found = glm(X, y, "poisson", 0.05, l1_ratio=1.0, sample_weight=times, **TIGHT)
    rows = np.repeat(np.arange(len(y)), times)
    other = glm(X[rows], y[rows], "poisson", 0.05, l1_ratio=1.0, **TIGHT)
    assert_allclose(found.coef, other.coef, atol=1e-5)
    t = np.random.default_rng(1).uniform(0.1, 10, len(y))
    found = glm(X, y, "poisson", 0.05, l1_ratio=1.0, exposure=t, **TIGHT)
    other = glm(X, y, "poisson", 0.05, l1_ratio=1.0, offset=np.log(t), **TIGHT)
    assert_allclose(found.coef, other.coef, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_columns_of_unlike_scales(storage, loss):
    X, y = data(loss, p=17)
    scale = 10.0 ** np.arange(-8, 9)
    plain = glm_path(STORAGES[storage](X), y, loss, n_alphas=8, standardize=True, **TIGHT)
    scaled = glm_path(STORAGES[storage](X * scale), y, loss, n_alphas=8, standardize=True, **TIGHT)
    assert plain.converged.all()
    assert scaled.converged.all()
    assert_allclose(scaled.coef * scale, plain.coef, atol=1e-4)
    # unlike penalties: the conditions in the units of each column
    result = glm(STORAGES[storage](X * scale), y, loss, 1e-3, l1_ratio=1.0, **TIGHT)
    assert result.converged
    assert violation(X * scale, y, loss, result, 1e-3) < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_copied_and_constant_columns(loss):
    X, y = data(loss)
    X = np.hstack([X, X[:, :3], np.ones((len(y), 2)), np.zeros((len(y), 1))])
    path = glm_path(X, y, loss, n_alphas=20)
    assert path.converged.all()
    assert not path.coef[:, 15:].any()
    free = np.ones(18)
    free[[0, 12]] = 0
    result = glm(X, y, loss, 0.05, l1_ratio=1.0, penalty_factor=free, **TIGHT)
    assert result.converged
    assert violation(X, y, loss, result, 0.05, factor=free) < 1e-5


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("p", [5, 300])
@pytest.mark.slow
def test_paths_end_within_the_tolerance(loss, p):
    X, y = data(loss, n=60, p=p, seed=6)
    for storage in ("C", "csr"):
        path = glm_path(STORAGES[storage](X), y, loss, n_alphas=15, eps=1e-2)
        assert path.converged.all()
        assert path.relative_gap.max() <= 1e-8 + 1e-15
        assert path.n_nonzero[0] == 0
        assert (path.n_nonzero[1:] > 0).all()
        assert (np.diff(path.deviance) < 1e-6).all()
        k = 10
        assert violation(X, y, loss, path[k], path.alphas[k]) < 1e-3


def test_paths_of_l2_alone_and_of_bounds():
    X, y = data("poisson")
    for options in ({"l1_ratio": 0.0}, {"l1_ratio": 0.0, "upper": 0.2}, {"lower": 0.0}):
        path = glm_path(X, y, "poisson", n_alphas=10, **options)
        assert path.converged.all()
        single = glm(X, y, "poisson", path.alphas[6], **{"l1_ratio": 1.0, **options}, **TIGHT)
        assert_allclose(path.coef[6], single.coef, atol=1e-3)


def test_separable_data_and_extreme_targets():
    X = np.random.default_rng(0).standard_normal((50, 5))
    path = glm_path(X, np.heaviside(X[:, 0], 0), n_alphas=10)
    assert path.converged.all()
    X, y = data("poisson")
    y[3] = 1e9
    path = glm_path(X, y, "poisson", n_alphas=10)
    assert path.converged.all()
    offset = np.linspace(-50, 50, len(y))
    X, y = data("logistic")
    path = glm_path(X, y, "logistic", n_alphas=10, offset=offset)
    assert path.converged.all()


def test_grid_begins_where_everything_is_zero():
    X, y = data(p=30)
    factor = np.ones(30)
    factor[[2, 7]] = 0
    path = glm_path(X, y, n_alphas=5, penalty_factor=factor, **TIGHT)
    assert set(np.flatnonzero(path.coef[0])) == {2, 7}
    below = glm(X, y, alpha=0.999 * path.alphas[0], l1_ratio=1.0, penalty_factor=factor, **TIGHT)
    assert np.count_nonzero(below.coef) == 3
    path = glm_path(X, y, n_alphas=5, lower=0.0, **TIGHT)
    assert not path.coef[0].any()
    below = glm(X, y, alpha=0.999 * path.alphas[0], l1_ratio=1.0, lower=0.0, **TIGHT)
    assert np.count_nonzero(below.coef) == 1


def test_what_a_path_holds():
    X, y = data(p=30)
    path = glm_path(X, y, alphas=7, eps=0.05)
    assert len(path) == 7
    assert_allclose(path.sparse_coef.toarray(), path.coef)
    assert (path.n_nonzero == np.count_nonzero(path.coef, axis=1)).all()
    for k in (0, 6):
        assert_allclose(path[k].coef, path.coef[k])
        assert path[k].objective == path.objective[k]
        eta = X @ path.coef[k] + path.intercept[k]
        value = np.mean(np.logaddexp(0, eta) - y * eta)
        assert_allclose(path.objective[k], value + path.alphas[k] * np.abs(path.coef[k]).sum())
        assert_allclose(path.deviance[k], 2 * len(y) * value)
        assert_allclose(path.predict(X)[k], 1 / (1 + np.exp(-eta)))
    assert_allclose(path.explained, 1 - path.deviance / path.null_deviance)
    assert "7 alphas" in repr(path)


def test_ends_of_a_path():
    X, y = data(p=30)
    seen = []
    path = glm_path(X, y, stop=lambda path: path.n_nonzero[-1] >= 5)
    assert path.n_nonzero[-1] >= 5 > path.n_nonzero[-2]

    def until_four(done, total):
        seen.append((done, total))
        if done == 4:
            raise StopIteration

    assert len(glm_path(X, y, n_alphas=9, callback=until_four)) == 4
    assert seen == [(k, 9) for k in range(1, 5)]

    def fail(done, total):
        if done == 3:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more") as caught:
        glm_path(X, y, n_alphas=9, callback=fail)
    assert len(caught.value.path) == 3


def test_refusals():
    X, y = data()
    with pytest.raises(ValueError, match="solver is 'newton', which supports no L1 penalty"):
        glm(X, y, l1_ratio=1.0, solver="newton")
    with pytest.raises(ValueError, match="eps is 0"):
        glm_path(X, y, eps=0.0)
    with pytest.warns(Warning, match="1 of 1 penalties did not converge. The worst is alpha=0.001"):
        glm_path(X, y, alphas=[1e-3], max_iter=1)


def test_folds_share_columns_and_predict_what_they_leave_out():
    X, y = data(n=120, p=250)
    A = check_design(sp.csr_array(X))
    loss, options = loss_of("logistic"), Options(l1_ratio=1.0, tol=1e-6)
    whole = PathRun(make_problem(A, y, loss, options, None, Constraints(), None), options)
    alphas = whole.alphas(0.05, 6)
    train = np.arange(120) % 3 != 0
    run = fold_run(A, y, loss, options, train, columns=whole.columns)
    assert run.columns is whole.columns
    for alpha in alphas:
        found = run.solve(alpha)
        assert found.converged
        other = glm(X[train], y[train], "logistic", alpha, l1_ratio=1.0, **TIGHT)
        eta = X @ other.coef + other.intercept
        assert_allclose(run.state.eta, eta, atol=1e-4)


@pytest.mark.parametrize(
    "loss",
    [loss_of(name) for name in ("squared", "logistic", "poisson", "gamma")]
    + [NegativeBinomial(2.0), Huber()],
    ids=lambda loss: loss.name,
)
def test_compiled_conjugates(loss):
    rng = np.random.default_rng(0)
    n = 2000
    y = np.round(rng.random(n)) if loss.name == "logistic" else rng.uniform(0.01, 3, n)
    eta, weight = 3 * rng.standard_normal(n), rng.random(n)
    weight[:7] = 0
    r, h = np.empty(n), np.empty(n)
    value = loss.evaluate(y, eta, weight, r, h)
    found = loss.evaluate_conjugate(y, r, weight)
    # Fenchel's equality
    size = np.abs(r) @ np.abs(eta) + abs(value)
    assert abs(found + value - r @ eta) <= 1e-13 * size
    live = weight > 0
    t = 0.7 * r
    plain = np.sum(weight[live] * loss.conjugate(y[live], t[live] / weight[live]))
    assert_allclose(loss.evaluate_conjugate(y, t, weight), plain, rtol=1e-12)
    if loss.name != "squared":
        outside = r.copy()
        outside[100] = 1e3 * (1 if loss.name in ("gamma", "huber", "logistic") else -1)
        assert loss.evaluate_conjugate(y, outside, weight) == np.inf
    assert conjugate(4, 1.5, y, r, weight) is None


@pytest.mark.parametrize("storage", ["F", "csc"])
def test_products_of_some_columns(storage):
    X, _ = data(p=30)
    rng = np.random.default_rng(0)
    shift, scale = rng.random(30), rng.random(30)
    columns = np.array([3, 29, 0, 11], dtype=np.int32)
    u, t = rng.standard_normal(80), rng.standard_normal(4)
    for real in (np.float64, np.float32):
        A = check_design(STORAGES[storage](X.astype(real))).centered(shift, scale)
        Z = (X.astype(real) - shift) * scale
        assert_allclose(A.dot_columns(columns, u), Z[:, columns].T @ u, atol=1e-12)
        assert_allclose(A.add_columns(columns, t), Z[:, columns] @ t, atol=1e-12)
    assert A.dot_columns(columns[:0], u).shape == (0,)
    with pytest.raises(IndexError, match="columns: expected 0 to 29; got 30"):
        A.dot_columns(np.array([30], dtype=np.int32), u)
    with pytest.raises(ValueError, match="expected a matrix by columns"):
        check_design(np.ascontiguousarray(X)).add_columns(columns, t)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.slow
def test_random_problems_end_within_the_tolerance(loss):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X, y = data(loss, n=int(rng.integers(20, 90)), p=int(rng.choice([3, 40, 250])), seed=seed)
        n, p = X.shape
        if seed % 3 == 1:
            X = X * 10.0 ** rng.uniform(-6, 6, p)
        elif seed % 3 == 2:
            X = X + rng.uniform(-100, 100, p)
        options = {"l1_ratio": float(rng.choice([1.0, 0.5]))}
        if seed % 2:
            options["sample_weight"] = rng.choice([0.0, 1.0, 2.5, 1e6], n)
        if seed % 4 > 1:
            options["lower"] = 0.0
        path = glm_path(X, y, loss, n_alphas=6, eps=1e-2, **options)
        assert path.converged.all()
        best = glm_path(X, y, loss, alphas=path.alphas, tol=1e-5, **options)
        assert (path.objective - best.objective <= path.dual_gap + 1e-13).all()


def test_far_penalties_are_approached():
    X, y = data(n=150, p=600, seed=7)
    path = glm_path(sp.csr_array(X), y, n_alphas=12, eps=1e-2)
    single = glm(sp.csr_array(X), y, alpha=path.alphas[-1], l1_ratio=1.0)
    assert single.converged
    assert single.n_iter < 30
    assert_allclose(single.objective, path.objective[-1], rtol=1e-6)


def test_rows_of_little_weight_do_not_hold_up_a_fit():
    """Rows of tiny weight have a large model response; cutting it off makes every step fail."""
    X = np.empty((4, 5))
    X[0] = [2.32175797, 2.32175797, -5.18980163, -12.47268382, 10.61618902]
    X[1] = [-6.60385365, -6.60385365, 2.81069421, -4.31020728, -5.23395323]
    X[2] = [4.05971616, 4.05971616, -9.54378813, 8.64236446, -5.02441793]
    X[3] = [-1.25425565, -1.25425565, 10.78845655, -4.58072695, -20.02185886]
    result = glm(
        X,
        [0.0, 5.0, 2.0, 4.0],
        "poisson",
        1e-4,
        l1_ratio=0.5,
        sample_weight=[0.66653474, 0.70547241, 1.20727681, 0.58552898],
        penalty_factor=[0.98372684, 1.20465469, 1.67463188, 0.69203457, 1.38748752],
        offset=[0.06289429, -1.37659302, -0.10215797, -0.30952682],
        tol=1e-5,
    )
    assert result.converged
    assert result.n_iter <= 40
