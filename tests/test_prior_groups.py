"""Group penalties with a Gaussian prior in full, and smoothing splines chosen by REML."""

import numpy as np
import pytest
from scipy import optimize, sparse
from scipy.interpolate import BSpline

import fastridge
from fastridge import BayesianRidge, GroupRidge
from fastridge.penalty import difference

STORAGES = [np.ascontiguousarray, np.asfortranarray, sparse.csr_array, sparse.csc_array]


def splines(x, count):
    knots = np.arange(-3, count + 1) / (count - 3)
    return BSpline.design_matrix(x, knots, 3)


def data(n=150, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.random(n), rng.random(n)
    X = sparse.hstack([splines(x, 12), splines(z, 9)]).toarray()
    y = np.sin(6 * x) + 2 * np.exp(-z) + 0.3 * rng.standard_normal(n)
    return X, y, rng.uniform(0.5, 2.0, n)


GROUPS = {"x": list(range(12)), "z": list(range(12, 21))}
MATRICES = {"x": difference(12, 2), "z": difference(9, 2)}


def minus_twice(X, y, s, parts, fixed):
    """Return -2 log restricted likelihood of log variances, up to a constant, by contrasts.

    parts: square roots Z, of covariances Z Z' of the rows; fixed: columns without a penalty.
    """
    root = np.sqrt(s)[:, None]
    U, size, _ = np.linalg.svd(root * fixed)
    C = U[:, int((size > 1e-8 * size[0]).sum()) :]
    b = C.T @ (root[:, 0] * y)
    K = [C.T @ (root * Z) @ (root * Z).T @ C for Z in parts]

    def value(t):
        V = np.exp(t[0]) * np.eye(len(b))
        for variance, k in zip(np.exp(t[1:]), K, strict=True):
            V += variance * k
        extra = (s.sum() - len(y)) * t[0]  # a weight of 2 is the row twice
        return np.linalg.slogdet(V)[1] + b @ np.linalg.solve(V, b) + extra

    return value


def mixed_model(X, y, s, groups, matrices, intercept=True):
    """Return the variances of noise and groups of the largest restricted likelihood.

    The mixed model of splines: a part without a penalty, and random effects for the rest.
    """
    parts, fixed = [], [np.ones((len(y), 1))] if intercept else []
    for name, columns in groups.items():
        B, P = X[:, list(columns)], matrices[name] @ np.eye(len(columns))
        d, V = np.linalg.eigh(P)
        null = d < 1e-10 * d[-1]
        parts.append(B @ V[:, ~null] / np.sqrt(d[~null]))
        fixed.append(B @ V[:, null])
    value = minus_twice(X, y, s, parts, np.hstack(fixed))
    start = np.zeros(1 + len(parts))
    options = {"xatol": 1e-6, "fatol": 1e-11, "maxiter": 600}
    start = optimize.minimize(value, start, method="Nelder-Mead", options=options).x
    return np.exp(start), value


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("intercept", [True, False])
def test_smooth_terms_are_those_of_the_mixed_model(storage, intercept):
    X, y, s = data()
    model = GroupRidge(GROUPS, penalty_matrix=MATRICES, fit_intercept=intercept)
    model.fit(storage(X), y, s)
    assert model.converged_
    best, value = mixed_model(X, y, s, GROUPS, MATRICES, intercept)
    variances = np.r_[model.noise_variance_, model.prior_variance_]
    np.testing.assert_allclose(variances, best, rtol=2e-4)
    assert value(np.log(variances)) <= value(np.log(best)) + 1e-8
    # the fit is that of the penalties that were chosen
    P = sparse.block_diag(
        [a * MATRICES[g] for a, g in zip(model.alpha_, GROUPS, strict=True)], format="csr"
    )
    same = fastridge.ridge(X, y, 1.0, sample_weight=s, penalty_matrix=P, fit_intercept=intercept)
    np.testing.assert_allclose(model.predict(X), X @ same.coef + same.intercept, rtol=1e-7)
    np.testing.assert_allclose(model.coef_, same.coef, rtol=1e-5, atol=1e-6)
    # degrees of freedom but for the null spaces, and the deviation of a prediction
    A = X - s @ X / s.sum() if intercept else X
    G = A.T @ (s[:, None] * A)
    inverse = np.linalg.pinv(G + P.toarray(), rcond=1e-10)
    free = 1 + 1 + (0 if intercept else 1)  # two lines, and their constants once
    np.testing.assert_allclose(model.dof_.sum(), np.trace(inverse @ G) - free, rtol=1e-6)
    S = model.noise_variance_ * inverse
    deviation = model.predict(X[:9], return_std=True)[1]
    variance = np.einsum("ij,jl,il->i", A[:9], S, A[:9]) + model.noise_variance_
    variance += intercept * model.noise_variance_ / s.sum()
    np.testing.assert_allclose(deviation**2, variance, rtol=1e-6)
    np.testing.assert_allclose(model.intervals()[:, 1] > model.coef_, True)
    # what the groups explain adds up to R^2
    left = y - model.predict(X)
    centre = s @ y / s.sum() * intercept
    total = s @ (y - centre) ** 2
    np.testing.assert_allclose(model.share_.sum(), 1 - s @ left**2 / total, rtol=1e-6)


def test_forms_of_a_matrix_are_one_matrix():
    X, y, s = data()
    block = sparse.block_diag(list(MATRICES.values()), format="csr")
    forms = [MATRICES, list(MATRICES.values()), block, block.toarray()]
    found = [GroupRidge(GROUPS, penalty_matrix=P).fit(X, y, s) for P in forms]
    for other in found[1:]:
        np.testing.assert_allclose(other.coef_, found[0].coef_, rtol=1e-10)
    partial = GroupRidge(GROUPS, penalty_matrix={"x": MATRICES["x"]}).fit(X, y, s)
    block = sparse.block_diag([MATRICES["x"], sparse.eye_array(9)])
    same = GroupRidge(GROUPS, penalty_matrix=block).fit(X, y, s)
    np.testing.assert_allclose(partial.coef_, same.coef_, rtol=1e-10)
    # features of groups need not be neighbours
    order = np.random.default_rng(0).permutation(21)
    place = np.argsort(order)
    groups = {name: place[list(columns)] for name, columns in GROUPS.items()}
    P = sparse.block_diag(list(MATRICES.values()), format="csr").toarray()[np.ix_(order, order)]
    moved = GroupRidge(groups, penalty_matrix=P).fit(X[:, order], y, s)
    np.testing.assert_allclose(moved.coef_, found[0].coef_[order], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(moved.alpha_, found[0].alpha_, rtol=1e-6)


@pytest.mark.parametrize(
    ("P", "message"),
    [
        (difference(21), r"penalty_matrix\[11, 12\] is -1, between .* groups 'x' and 'z'"),
        ({"w": np.eye(3)}, "penalty_matrix has the key 'w'; expected names of groups"),
        ({"x": np.eye(3)}, r"penalty_matrix of group 'x': .* shape \(3, 3\); expected \(12, 12\)"),
        ([np.eye(12)], "penalty_matrix has 1 matrices; expected 2"),
        ("rough", "penalty_matrix"),
    ],
)
def test_matrices_that_are_refused(P, message):
    X, y, _ = data()
    with pytest.raises(ValueError, match=message):
        GroupRidge(GROUPS, penalty_matrix=P).fit(X, y)


@pytest.mark.parametrize("criterion", ["reml", "ml", "gcv", "loo"])
def test_a_mean_shifts_the_problem(criterion):
    X, y, s = data()
    m = np.random.default_rng(1).standard_normal(21)
    f = np.linspace(0.5, 2, 21)
    options = {"criterion": criterion, "penalty_factor": f}
    Y = np.column_stack([y, 2 * y + 1])
    model = GroupRidge(GROUPS, prior_mean=np.array([m, 3 * m]), **options).fit(X, Y, s)
    for t in range(2):
        mean = (1 + 2 * t) * m
        shifted = GroupRidge(GROUPS, **options).fit(X, Y[:, t] - X @ mean, s)
        np.testing.assert_allclose(model.coef_[t], shifted.coef_ + mean, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(model.alpha_[t], shifted.alpha_, rtol=1e-5)
        np.testing.assert_allclose(model.intercept_[t], shifted.intercept_, rtol=1e-6, atol=1e-7)
        left = Y[:, t] - model.predict(X)[:, t]
        total = s @ (Y[:, t] - s @ Y[:, t] / s.sum()) ** 2
        fit = np.atleast_2d(model.share_)[t].sum()
        np.testing.assert_allclose(fit, 1 - s @ left**2 / total, rtol=1e-6)
    zero = GroupRidge(GROUPS, prior_mean=np.zeros(21), **options).fit(X, y, s)
    plain = GroupRidge(GROUPS, **options).fit(X, y, s)
    np.testing.assert_allclose(zero.coef_, plain.coef_, rtol=1e-10)
    np.testing.assert_allclose(zero.share_, plain.share_, rtol=1e-8)


@pytest.mark.parametrize("criterion", ["reml", "gcv", "loo"])
def test_weights_are_repetitions(criterion):
    X, y, _ = data()
    count = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), count)
    prior = {"prior_mean": np.linspace(-1, 1, 21), "penalty_matrix": MATRICES}
    one = GroupRidge(GROUPS, criterion=criterion, **prior).fit(X, y, count)
    if criterion == "loo":
        # a row leaves with its whole weight
        return
    other = GroupRidge(GROUPS, criterion=criterion, **prior).fit(X[rows], y[rows])
    np.testing.assert_allclose(one.alpha_, other.alpha_, rtol=1e-5)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-6, atol=1e-8)


def test_wide_data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 60))
    y = X @ np.sin(np.arange(60) / 6) + 4.0 * rng.standard_normal(30)
    groups = {"a": range(40), "b": range(40, 60)}
    matrices = {"a": difference(40, 1), "b": difference(20, 2)}
    model = GroupRidge(groups, penalty_matrix=matrices).fit(X, y)
    # one group may be out, whose variance is 0
    best, value = mixed_model(X, y, np.ones(30), groups, matrices)
    with np.errstate(divide="ignore"):
        mine = np.log(np.r_[model.noise_variance_, model.prior_variance_])
    assert value(np.maximum(mine, -40)) <= value(np.log(best)) + 1e-6


def test_smooth_terms_are_saved_and_printed(tmp_path, capsys):
    X, y, s = data()
    model = GroupRidge(GROUPS, penalty_matrix=MATRICES).fit(X, y, s)
    model.summary()
    assert "noise sd" in capsys.readouterr().out
    fastridge.save(model, tmp_path / "model.npz")
    again = fastridge.load(tmp_path / "model.npz")
    for one, other in zip(
        again.predict(X, return_std=True), model.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    S = model.posterior_
    fastridge.save(S, tmp_path / "posterior.npz")
    np.testing.assert_array_equal(fastridge.load(tmp_path / "posterior.npz").toarray(), S.toarray())
    np.testing.assert_allclose(S.diagonal(), np.diag(S.toarray()), rtol=1e-9)
    assert S.shape == (21, 21)


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("estimator", ["bayes", "groups"])
def test_a_smoothing_spline_by_reml(order, estimator):
    rng = np.random.default_rng(0)
    x = np.sort(rng.random(200))
    y = np.sin(6.0 * x) + 0.2 * rng.standard_normal(200)
    B, P = splines(x, 33), difference(33, order)
    best, value = mixed_model(B.toarray(), y, np.ones(200), {"x": range(33)}, {"x": P}, False)
    if estimator == "bayes":
        flat = {"alpha_1": 0.0, "alpha_2": 0.0, "lambda_1": 0.0, "lambda_2": 0.0, "tol": 1e-11}
        model = BayesianRidge(penalty_matrix=P, fit_intercept=False, max_iter=10000, **flat)
        model.fit(B, y)
        variances = np.array([1 / model.alpha_, 1 / model.lambda_])
    else:
        model = GroupRidge(penalty_matrix=P, fit_intercept=False).fit(B, y)
        variances = np.r_[model.noise_variance_, model.prior_variance_]
    np.testing.assert_allclose(variances, best, rtol=1e-4)
    assert value(np.log(variances)) <= value(np.log(best)) + 1e-8


@pytest.mark.parametrize("form", ["csr_array", "csc_array", "csr_matrix", "coo_array", "dia_array"])
def test_sparse_parameters_are_saved(tmp_path, form):
    X, y, s = data()
    P = getattr(sparse, form)(sparse.block_diag(list(MATRICES.values())))
    model = fastridge.Ridge(penalty_matrix=P).fit(X, y, s)
    fastridge.save(model, tmp_path / "model.npz")
    again = fastridge.load(tmp_path / "model.npz")
    assert (again.penalty_matrix != P).nnz == 0
    np.testing.assert_array_equal(again.fit(X, y, s).coef_, model.coef_)
    groups = {"x": range(12), "z": slice(12, 21)}
    model = GroupRidge(groups, penalty_matrix=MATRICES).fit(X, y, s)
    fastridge.save(model, tmp_path / "model.npz")
    assert fastridge.load(tmp_path / "model.npz").groups == groups


def assert_covariance(S, expected, tmp_path):
    v = np.random.default_rng(1).standard_normal((len(expected), 3))
    np.testing.assert_allclose(S.toarray(), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(S @ v, expected @ v, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(S.diagonal(), np.diag(expected), rtol=1e-6, atol=1e-10)
    variance = np.einsum("ji,jk,ki->i", v, expected, v)
    np.testing.assert_allclose(S.variance(v.T), variance, rtol=1e-6)
    fastridge.save(S, tmp_path / "posterior.npz")
    again = fastridge.load(tmp_path / "posterior.npz")
    np.testing.assert_array_equal(again.toarray(), S.toarray())
    assert again.shape == S.shape


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_deviations_by_samples_are_those_by_features(fit_intercept, free, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 10)) + 5.0
    y = X @ rng.standard_normal(10) + rng.standard_normal(40)
    P = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])
    options = {"penalty_matrix": {"b": P}, "fit_intercept": fit_intercept}
    if free:
        options["penalty_factor"] = np.r_[np.ones(9), 0.0]
    groups = {"a": range(6), "b": range(6, 9), "c": [9]}
    model, exact = (
        GroupRidge(groups, solver=solver, **options).fit(X, y) for solver in ("dual", "cholesky")
    )
    A = X - fit_intercept * X.mean(axis=0)
    alpha = np.minimum(model.alpha_, 1e12)[model.group_index_]
    D = sparse.block_diag([np.eye(6), P, float(not free) * np.eye(1)]).toarray()
    expected = model.noise_variance_ * np.linalg.inv(A.T @ A + D * alpha)
    assert_covariance(model.posterior_, expected, tmp_path)
    deviations = [one.predict(X[:7], return_std=True)[1] for one in (model, exact)]
    np.testing.assert_allclose(*deviations, rtol=1e-6)
    np.testing.assert_allclose(model.intervals(), exact.intervals(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", ["cholesky", "dual", "schur"])
def test_rotated_covariances(solver, tmp_path):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.eye(6)[rng.integers(0, 6, 40)], rng.standard_normal((40, 4)) + 5.0])
    y = X @ rng.standard_normal(10) + rng.standard_normal(40)
    model = GroupRidge(np.repeat([0, 1], [6, 4]), solver=solver).fit(sparse.csr_array(X), y)
    S, T = model.posterior_, rng.standard_normal((10, 10))
    assert_covariance(S, S.toarray(), tmp_path)
    assert_covariance(S.rotated(T), T @ S.toarray() @ T.T, tmp_path)


@pytest.mark.parametrize("far", [0.0, 5.0, 1e4])
@pytest.mark.parametrize("null", [False, True])
def test_the_likelihood_takes_the_prior_at_the_origin(null, far):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6)) + far
    y = X @ rng.standard_normal(6) + rng.standard_normal(60)
    labels = [0, 0, 0, 1, 1, 1]
    P = difference(3, 1) if null else np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])
    P = P @ np.eye(3)
    model = GroupRidge(labels, criterion="ml", penalty_matrix=[P, None]).fit(X, y)
    # the same in coordinates of eigenvectors, and the likelihood by the covariance of y
    d, Q = np.linalg.eigh(P)
    d[d < 1e-12] = 0.0
    T = np.eye(6)
    T[:3, :3] = Q
    factor = np.r_[d, np.ones(3)]
    plain = GroupRidge(labels, criterion="ml", penalty_factor=factor).fit(X @ T, y)
    np.testing.assert_allclose(model.alpha_, plain.alpha_, rtol=1e-5)
    np.testing.assert_allclose(model.coef_, T @ plain.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.log_evidence_, plain.log_evidence_, rtol=1e-7)
    np.testing.assert_allclose(model.predict(X), plain.predict(X @ T), rtol=1e-6)
    one, other = model.predict(X, return_std=True)[1], plain.predict(X @ T, return_std=True)[1]
    np.testing.assert_allclose(one, other, rtol=1e-5)
    inside = factor > 0
    Z = (
        X
        @ T[:, inside]
        * np.sqrt(model.prior_variance_[labels] / np.where(inside, factor, 1.0))[inside]
    )
    F = np.column_stack([np.ones(60), X @ T[:, ~inside]])
    V = Z @ Z.T + model.noise_variance_ * np.eye(60)
    inverse = np.linalg.inv(V)
    r = y - F @ np.linalg.solve(F.T @ inverse @ F, F.T @ inverse @ y)
    value = 60 * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ inverse @ r
    np.testing.assert_allclose(model.log_evidence_, -0.5 * value, rtol=1e-6)


def test_schur_is_refused_with_a_matrix():
    X = sparse.csr_array(np.eye(8, 6))
    P = difference(6, 1)
    with pytest.raises(ValueError, match="solver='schur' does not support a penalty_matrix"):
        GroupRidge(penalty_matrix=P, solver="schur").fit(X, np.arange(8.0))
