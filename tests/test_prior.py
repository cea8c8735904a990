"""The full Gaussian prior: shrinkage towards coefficients, and a penalty matrix."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

import fastridge
from fastridge.exceptions import ConvergenceWarning
from fastridge.systems.exact import exact_product

STORAGES = [np.ascontiguousarray, np.asfortranarray, sparse.csr_array, sparse.csc_array]


def exact(X, y, alpha, P, m=None, weight=None, intercept=True):
    """Return the solution by longdouble Gaussian elimination of the normal equations."""
    X, y, P = (np.asarray(a, dtype=np.longdouble) for a in (X, y, P))
    n, p = X.shape
    m = np.zeros(p) if m is None else np.asarray(m, dtype=np.longdouble)
    s = np.ones(n, dtype=np.longdouble) if weight is None else np.asarray(weight, np.longdouble)
    Z = np.hstack([X, np.ones((n, 1))]) if intercept else X
    M = Z.T @ (s[:, None] * Z)
    c = Z.T @ (s * y)
    M[:p, :p] += alpha * P
    c[:p] += alpha * (P @ m)
    M = np.hstack([M, c[:, None]])
    for j in range(len(M)):
        pivot = j + int(np.abs(M[j:, j]).argmax())
        M[[j, pivot]] = M[[pivot, j]]
        M[j] /= M[j, j]
        for i in range(len(M)):
            if i != j:
                M[i] -= M[i, j] * M[j]
    w = M[:, -1].astype(np.float64)
    return (w[:p], w[p]) if intercept else (w, 0.0)


def data(n=40, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.logspace(0, 1, p) + 3.0
    X[rng.random((n, p)) < 0.3] = 0.0
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    return X, y, rng.standard_normal(p), rng.uniform(0.5, 2.0, n)


def second_differences(p):
    D = np.diff(np.eye(p), 2, axis=0)
    return D.T @ D


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("solver", ["auto", "cholesky", "qr", "cg", "dual"])
@pytest.mark.parametrize("shape", [(40, 8), (6, 8)])
def test_mean_and_matrix_give_the_exact_minimum(storage, intercept, solver, shape):
    X, y, m, s = data(*shape)
    P = second_differences(8) + 0.01 * np.eye(8)
    for matrix in (None, P, sparse.csr_array(P)):
        w, b = exact(X, y, 2.5, np.eye(8) if matrix is None else P, m, s, intercept)
        found = fastridge.ridge(
            storage(X),
            y,
            2.5,
            sample_weight=s,
            prior_mean=m,
            penalty_matrix=matrix,
            fit_intercept=intercept,
            solver=solver,
            tol=1e-11,
        )
        assert found.converged
        np.testing.assert_allclose(found.coef, w, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.intercept, b, rtol=1e-7, atol=1e-8)
        r = y - X @ found.coef - found.intercept
        d = found.coef - m
        Q = np.eye(8) if matrix is None else P
        np.testing.assert_allclose(found.objective, s @ r**2 + 2.5 * d @ Q @ d, rtol=1e-9)


@pytest.mark.parametrize("standardize", [False, True])
def test_matrix_scales_by_factors_and_deviations(standardize):
    X, y, m, _s = data()
    f = np.array([0.0, 1, 2, 0.5, 3, 1, 1, 4])
    P = second_differences(8) + np.eye(8)
    d = f * (X.var(axis=0) if standardize else 1.0)
    w, b = exact(X, y, 3.0, P * np.sqrt(np.outer(d, d)), m)
    found = fastridge.ridge(
        X, y, 3.0, penalty_factor=f, penalty_matrix=P, prior_mean=m, standardize=standardize
    )
    np.testing.assert_allclose(found.coef, w, rtol=1e-9)
    np.testing.assert_allclose(found.intercept, b, rtol=1e-9)


def test_identity_and_diagonal_are_plain_ridge():
    X, y, _, s = data()
    f = np.logspace(-3, 3, 8)
    plain = fastridge.ridge(X, y, 0.7, sample_weight=s)
    for P in (np.eye(8), sparse.eye_array(8)):
        np.testing.assert_array_equal(
            fastridge.ridge(X, y, 0.7, sample_weight=s, penalty_matrix=P).coef, plain.coef
        )
    np.testing.assert_array_equal(
        fastridge.ridge(X, y, 0.7, penalty_matrix=np.diag(f)).coef,
        fastridge.ridge(X, y, 0.7, penalty_factor=f).coef,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_solution_as_mean_comes_back(dtype):
    X, y, *_ = data()
    X = X.astype(dtype)
    best = fastridge.ridge(X, y, 0.0)
    for P in (None, second_differences(8)):
        found = fastridge.ridge(X, y, 1e3, prior_mean=best.coef, penalty_matrix=P)
        assert found.converged
        assert found.relative_gradient < (1e-5 if dtype is np.float32 else 1e-12)
        np.testing.assert_allclose(found.coef, best.coef, rtol=10 * np.finfo(dtype).eps)
        assert found.coef.dtype == dtype


def test_several_targets_have_means_and_penalties_of_their_own():
    X, y, m, _ = data()
    Y, M = np.column_stack([y, -y, y**2]), np.array([m, 2 * m, 0 * m])
    P = second_differences(8)
    alpha = [1.0, 0.0, 5.0]
    found = fastridge.ridge(X, Y, alpha, prior_mean=M, penalty_matrix=P)
    bounded = fastridge.ridge(
        X, Y, alpha, prior_mean=M, penalty_matrix=P, lower=-50.0, upper=np.inf, tol=1e-12
    )
    for t in range(3):
        one = fastridge.ridge(X, Y[:, t], alpha[t], prior_mean=M[t], penalty_matrix=P)
        np.testing.assert_allclose(found.coef[t], one.coef, rtol=1e-9)
        np.testing.assert_allclose(bounded.coef[t], one.coef, rtol=1e-6)
        np.testing.assert_allclose(found.objective[t], one.objective, rtol=1e-9)


@pytest.mark.parametrize("P", [None, second_differences(8)])
def test_bounds_meet_the_optimality_conditions(P):
    X, y, m, s = data()
    lower, upper = np.full(8, -0.3), np.full(8, 0.4)
    found = fastridge.ridge(
        X,
        y,
        20.0,
        sample_weight=s,
        prior_mean=m,
        penalty_matrix=P,
        lower=lower,
        upper=upper,
        tol=1e-10,
    )
    w, Q = found.coef, np.eye(8) if P is None else P
    assert (w >= lower).all()
    assert (w <= upper).all()
    assert ((w == lower) | (w == upper)).any()
    r = y - X @ w - found.intercept
    assert abs(s @ r) < 1e-8 * np.abs(s * y).sum()
    g = X.T @ (s * r) - 20.0 * Q @ (w - m)
    size = np.linalg.norm(X.T @ (s * y))
    inside = (w > lower) & (w < upper)
    assert np.abs(g[inside]).max(initial=0) < 1e-8 * size
    assert (g[w == lower] <= 1e-8 * size).all()
    assert (g[w == upper] >= -1e-8 * size).all()


@pytest.mark.parametrize("unit", [1e-150, 1e-60, 1e60, 1e150])
def test_scales(unit):
    X, y, m, _ = data()
    P = second_differences(8) + 0.1 * np.eye(8)
    expected = fastridge.ridge(X, y, 2.0, prior_mean=m, penalty_matrix=P).coef
    by_y = fastridge.ridge(X, y * unit, 2.0, prior_mean=m * unit, penalty_matrix=P)
    np.testing.assert_allclose(by_y.coef / unit, expected, rtol=1e-9)
    by_P = fastridge.ridge(X, y, 2.0 / unit, prior_mean=m, penalty_matrix=P * unit)
    np.testing.assert_allclose(by_P.coef, expected, rtol=1e-9)
    by_X = fastridge.ridge(X * unit, y, 2.0 * unit, prior_mean=m / unit, penalty_matrix=P * unit)
    np.testing.assert_allclose(by_X.coef * unit, expected, rtol=1e-9)


@pytest.mark.parametrize("alpha", [1e-30, 1e10, 1e20, 1e60, 1e200])
@pytest.mark.parametrize("upper", [None, 1e300])
def test_penalties_far_from_the_squares_of_the_data(alpha, upper):
    X, y, *_ = data()
    P = second_differences(8) + np.eye(8)
    A = X - X.mean(axis=0)
    expected = np.linalg.solve(P + A.T @ A / alpha, A.T @ (y - y.mean()) / alpha)
    for given in ((X, y), (fastridge.Moments(X, y), None)):
        found = fastridge.ridge(
            *given, alpha=alpha, penalty_matrix=P, solver="auto" if upper else "qr", upper=upper
        )
        assert found.converged
        np.testing.assert_allclose(found.coef, expected, rtol=1e-10)


def test_means_far_from_zero():
    X, y, m, _ = data()
    P = second_differences(8)
    near = fastridge.ridge(X, y, 2.0, prior_mean=m, penalty_matrix=P)
    moved = fastridge.ridge(X + 1e9, y + 1e6, 2.0, prior_mean=m, penalty_matrix=P)
    np.testing.assert_allclose(moved.coef, near.coef, rtol=1e-5, atol=1e-6)


def test_null_spaces_that_meet_give_the_least_norm():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 3)) @ rng.standard_normal((3, 8))
    y = rng.standard_normal(20)
    P = np.zeros((8, 8))
    P[:2, :2] = [[2.0, -1.0], [-1.0, 2.0]]
    found = fastridge.ridge(X, y, 1.0, penalty_matrix=P, fit_intercept=False)
    w = np.linalg.pinv(X.T @ X + P, rcond=1e-10) @ (X.T @ y)
    np.testing.assert_allclose(found.coef, w, rtol=1e-7, atol=1e-9)


def test_permuted_features_permute_the_solution():
    X, y, m, _ = data()
    P = second_differences(8)
    order = np.random.default_rng(0).permutation(8)
    found = fastridge.ridge(X, y, 2.0, prior_mean=m, penalty_matrix=P)
    moved = fastridge.ridge(
        X[:, order], y, 2.0, prior_mean=m[order], penalty_matrix=P[np.ix_(order, order)]
    )
    np.testing.assert_allclose(moved.coef, found.coef[order], rtol=1e-10)


@pytest.mark.slow
def test_large_sparse_data_stay_sparse():
    rng = np.random.default_rng(0)
    n, p = 3000, 8000
    X = sparse.random_array((n, p), density=3 / p, rng=rng, format="csr")
    D = sparse.diags_array([np.full(p - 1, -1.0), np.ones(p - 1)], offsets=[0, 1], shape=(p - 1, p))
    P = (D.T @ D).tocsr()
    y = X @ np.sin(np.arange(p) / 200) + 0.1 * rng.standard_normal(n)
    found = fastridge.ridge(X, y, 0.1, penalty_matrix=P, tol=1e-9)
    assert found.solver == "cg"
    assert found.converged
    r = y - X @ found.coef - found.intercept
    gradient = X.T @ r - 0.1 * (P @ found.coef)
    assert np.abs(gradient).max() < 1e-7 * np.abs(X.T @ y).max()
    assert abs(r.sum()) < 1e-8 * np.abs(y).sum()


@pytest.mark.parametrize("scale", [1e10, 1e16, 1e60, 1e120])
@pytest.mark.filterwarnings("ignore::fastridge.exceptions.ConvergenceWarning")
def test_conjugate_gradients_tell_heavy_matrices(scale):
    X, y, *_ = data()
    A, P = X - X.mean(axis=0), second_differences(8)
    full = P + np.eye(8)
    expected = np.linalg.solve(full + A.T @ A / scale, A.T @ (y - y.mean()) / scale)
    found = fastridge.ridge(X, y, penalty_matrix=full * scale, solver="cg")
    assert found.converged
    np.testing.assert_allclose(found.coef, expected, rtol=1e-6)
    # coefficients on a line, which P does not see
    N = np.column_stack([np.ones(8), np.arange(8.0)])
    line = N @ np.linalg.lstsq(A @ N, y - y.mean())[0]
    for matrix in (P * scale, sparse.csr_array(P * scale)):
        found = fastridge.ridge(X, y, penalty_matrix=matrix, solver="cg")
        if found.converged:
            np.testing.assert_allclose(found.coef, line, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("P", "message"),
    [
        (np.eye(7), r"penalty_matrix has shape \(7, 7\); expected \(8, 8\)"),
        (np.eye(8) * np.nan, "penalty_matrix"),
        (np.eye(8) + np.eye(8, k=1), r"penalty_matrix\[0, 1\] is 1 and penalty_matrix\[1, 0\]"),
        (np.ones((8, 8)) - 2 * np.eye(8), r"penalty_matrix\[0, 0\] is -1; .* positive semi-def"),
        (np.full((8, 8), 2.0) - np.eye(8), "penalty_matrix has an eigenvalue of -1"),
        (np.ones((8, 8)) - np.diag([1.0] + 7 * [0.0]), r"penalty_matrix\[0, 0\] is 0"),
    ],
)
def test_matrices_that_are_refused(P, message):
    X, y, *_ = data()
    for made in (np.array, sparse.csr_array):
        with pytest.raises(ValueError, match=message):
            fastridge.ridge(X, y, penalty_matrix=made(P))


@pytest.mark.parametrize("P", [np.eye(8), second_differences(8)])
def test_products_that_overflow_are_refused(P):
    X, y, *_ = data()
    for matrix in (1e200 * P, sparse.csr_array(1e200 * P)):
        with pytest.raises(ValueError, match=r"penalty_matrix\[0, 0\] is 1e\+200 and is multi"):
            fastridge.ridge(X, y, penalty_factor=np.full(8, 1e200), penalty_matrix=matrix)


def test_means_that_are_refused():
    X, y, *_ = data()
    with pytest.raises(ValueError, match=r"prior_mean has shape \(7,\); expected \(8,\)"):
        fastridge.ridge(X, y, prior_mean=np.zeros(7))
    with pytest.raises(ValueError, match="prior_mean"):
        fastridge.ridge(X, y, prior_mean=np.full(8, np.inf))
    single, far = X.astype(np.float32), np.full(8, 1e39)
    for fit in (
        lambda: fastridge.ridge(single, y, prior_mean=far),
        lambda: fastridge.ridge_path(single, y, prior_mean=far),
        lambda: fastridge.GroupRidge(prior_mean=far).fit(single, y),
        lambda: fastridge.BayesianRidge(prior_mean=far).fit(single, y),
    ):
        with pytest.raises(ValueError, match=r"prior_mean reaches 1e\+39; expected .* float32"):
            fit()
    with pytest.raises(ValueError, match="prior_mean is too large"):
        fastridge.ridge(X, y, prior_mean=np.full(8, 1e200))


@pytest.mark.parametrize("P", [None, second_differences(8)])
@pytest.mark.parametrize("intercept", [True, False])
def test_moments_give_the_fit_of_the_rows(P, intercept):
    X, y, m, s = data()
    Y = np.column_stack([y, -2 * y])
    given = {"prior_mean": m, "penalty_matrix": P, "fit_intercept": intercept}
    for target in (y, Y):
        rows = fastridge.ridge(X, target, 2.0, sample_weight=s, **given)
        sums = fastridge.ridge(fastridge.Moments(X, target, s), None, 2.0, **given)
        for name in ("coef", "intercept", "objective"):
            np.testing.assert_allclose(getattr(sums, name), getattr(rows, name), rtol=1e-9)
        assert np.shape(sums.intercept) == np.shape(rows.intercept)
    low = fastridge.ridge(X, y, 2.0, sample_weight=s, lower=-0.2, tol=1e-10, **given)
    sums = fastridge.ridge(fastridge.Moments(X, y, s), None, 2.0, lower=-0.2, tol=1e-10, **given)
    np.testing.assert_allclose(sums.coef, low.coef, rtol=1e-6, atol=1e-8)
    parts = fastridge.Ridge(2.0, **given).partial_fit(X[:20], y[:20], s[:20])
    parts.partial_fit(X[20:], y[20:], s[20:])
    whole = fastridge.Ridge(2.0, **given).fit(X, y, s)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9)


def test_estimators_take_arrays_are_cloned_and_saved(tmp_path):
    from sklearn.base import clone

    X, y, m, s = data()
    P = second_differences(8)
    model = fastridge.Ridge(2.0, prior_mean=m, penalty_matrix=P).fit(X, y, s)
    expected = fastridge.ridge(X, y, 2.0, sample_weight=s, prior_mean=m, penalty_matrix=P)
    np.testing.assert_array_equal(model.coef_, expected.coef)
    again = clone(model).fit(X, y, s)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    fastridge.save(model, tmp_path / "model.npz")
    loaded = fastridge.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.prior_mean, m)
    np.testing.assert_array_equal(loaded.fit(X, y, s).coef_, model.coef_)
    with pytest.raises(ValueError, match="penalty_matrix"):
        fastridge.Ridge(penalty_matrix="rough").fit(X, y)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_difference_penalties(order):
    P = fastridge.penalty.difference(9, order)
    D = np.diff(np.eye(9), order, axis=0)
    np.testing.assert_array_equal(P.toarray(), D.T @ D)
    cyclic = fastridge.penalty.difference(9, order, cyclic=True).toarray()
    w = np.random.default_rng(0).standard_normal(9)
    around = np.diff(np.concatenate([w, w[:order]]), order)
    np.testing.assert_allclose(w @ cyclic @ w, around @ around)
    with pytest.raises(ValueError, match="n is 2; expected more than order"):
        fastridge.penalty.difference(2, 2)
    for wrong in ("yes", 1, None):
        with pytest.raises(TypeError, match=r"cyclic is .*; expected True or False"):
            fastridge.penalty.difference(9, order, cyclic=wrong)


@pytest.mark.parametrize("shape", [(40, 8), (6, 8)])
def test_reference_has_the_same_solutions(shape):
    X, y, m, s = data(*shape)
    f = np.linspace(0.5, 2.0, 8)
    P = second_differences(8) + 0.01 * np.eye(8)
    for factor, matrix in ((None, P), (f, P), (f, None)):
        options = {"prior_mean": m, "sample_weight": s, "penalty_factor": factor}
        found = fastridge.ridge(X, y, 2.5, penalty_matrix=matrix, tol=1e-10, **options)
        twin = fastridge.reference.ridge_prior(X, y, 2.5, penalty_matrix=matrix, **options)
        assert np.allclose(found.coef, twin.coef, rtol=1e-9, atol=1e-10)
        assert np.isclose(found.intercept, twin.intercept, rtol=1e-9, atol=1e-9)
        assert np.isclose(found.objective, twin.objective, rtol=1e-9)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("solver", ["auto", "cholesky", "qr"])
def test_null_spaces_that_meet_beside_an_intercept(storage, solver):
    # one-hot columns add up to ones, and differences do not see a constant either
    rng = np.random.default_rng(0)
    X = np.eye(52)[rng.integers(0, 52, 1000)]
    y = X @ np.sin(np.arange(52) * np.pi / 26) + rng.standard_normal(1000)
    P = fastridge.penalty.difference(52, order=2, cyclic=True)
    for alpha in (1.0, 100.0, 1000.0):
        found = fastridge.ridge(storage(X), y, alpha, penalty_matrix=P, solver=solver)
        twin = fastridge.reference.ridge_prior(X, y, alpha, penalty_matrix=P.toarray())
        assert found.relative_gradient < 1e-9
        assert np.allclose(found.coef, twin.coef, rtol=1e-6, atol=1e-8)
        assert np.isclose(found.intercept, twin.intercept, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n", [24, 100, 200])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 1e6])
def test_an_intercept_is_one_more_constant(n, order, cyclic, alpha):
    # neither rows nor differences separate the sum of coefficients from the intercept
    rng = np.random.default_rng(n)
    X = np.eye(n)[rng.integers(0, n, 3000)]
    y = X @ np.sin(np.arange(n) * np.pi / 26) + rng.standard_normal(3000)
    P = fastridge.penalty.difference(n, order=order, cyclic=cyclic)
    without = fastridge.ridge(X, y, alpha, penalty_matrix=P, fit_intercept=False)
    for given in (X, fastridge.Moments(X, y)):
        at = (given,) if given is not X else (X, y)
        found = fastridge.ridge(*at, alpha=alpha, penalty_matrix=P)
        assert found.converged
        assert abs(found.coef.sum()) < 1e-6
        assert np.allclose(found.coef + found.intercept, without.coef, rtol=0, atol=1e-6)


@pytest.mark.parametrize("alpha", [1e10, 1e12, 1e14, 1e16, 1e20])
def test_large_penalties_leave_the_null_space_of_the_matrix(alpha):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 6)), rng.standard_normal(50)
    P = np.asarray(fastridge.penalty.difference(6, 2).todense())
    lines = np.c_[np.ones(6), np.arange(6.0)]
    inner = (X - X.mean(axis=0)) @ lines
    limit = lines @ np.linalg.lstsq(inner, y - y.mean(), rcond=None)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fastridge.ridge(X, y, alpha, penalty_matrix=P)
    assert found.converged
    # the distance from the limit falls as 1 / alpha
    np.testing.assert_allclose(found.coef, limit, rtol=0, atol=100.0 / alpha + 1e-12)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_large_penalties_of_an_inexact_null_space_warn(fit_intercept):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((9, 4)), rng.standard_normal(9)
    scales = np.array([[1e3], [1.0], [1e-3]])
    D = rng.standard_normal((3, 4)) * scales
    with pytest.warns(ConvergenceWarning, match="a smaller alpha, .* of like scales"):
        found = fastridge.ridge(X, y, 1e16, penalty_matrix=D.T @ D, fit_intercept=fit_intercept)
    assert not found.converged
    # the same scales do no harm where the products, and so the null space, are exact
    D = np.diff(np.eye(4), axis=0) * np.exp2(np.round(np.log2(scales)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fastridge.ridge(X, y, 1e16, penalty_matrix=D.T @ D, fit_intercept=fit_intercept)
    assert found.converged
    inner = X.sum(axis=1) - fit_intercept * X.sum(axis=1).mean()
    limit = inner @ (y - fit_intercept * y.mean()) / (inner @ inner)
    np.testing.assert_allclose(found.coef, limit, rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("scales", ["standardize", "penalty_factor"])
def test_scales_leave_the_null_space_of_the_matrix_exact(order, scales):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((60, 20)) * rng.uniform(0.01, 100, 20), rng.standard_normal(60)
    P = fastridge.penalty.difference(20, order)
    given = True if scales == "standardize" else rng.uniform(0.1, 5.0, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastridge.ridge(X, y, 1e18, penalty_matrix=P, **{scales: given}).converged


@pytest.mark.parametrize("n", [1, 40, 700])
def test_exact_products_of_sums_that_cancel(n):
    rng = np.random.default_rng(n)
    A, B = rng.standard_normal((3, 2 * n)), rng.standard_normal((2 * n, 2))
    A *= np.exp2(rng.integers(-30, 30, 2 * n))
    B[n:] = -B[:n] * (1.0 + 1e-15)
    A[:, n:] = A[:, :n]
    pairs = [[zip(row, column, strict=True) for column in B.T] for row in A]
    exact = [[float(sum(Fraction(a) * Fraction(b) for a, b in p)) for p in row] for row in pairs]
    bound = n * np.finfo(float).eps ** 2 * (np.abs(A) @ np.abs(B)).max(axis=1, keepdims=True)
    assert (np.abs(exact_product(A, B) - np.array(exact)) <= bound).all()
