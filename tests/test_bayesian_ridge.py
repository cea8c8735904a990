"""BayesianRidge, the evidence and information criteria: against scikit-learn and dense algebra."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
import sklearn.linear_model as peer
from estimator_checks import all_checks, check_all
from numpy.testing import assert_allclose, assert_array_equal
from storages import CONTAINERS

import fastridge
from fastridge import BayesianRidge, penalty


def problem(n=50, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.3, 3.0, size=p) + 2.0
    X[rng.random(size=(n, p)) < 0.3] = 0.0
    y = X @ rng.normal(size=p) + 2 * rng.normal(size=n) + 3.0
    return X, y, rng.uniform(0.2, 3.0, size=n)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(50, 6), (15, 25)], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_agrees_with_scikit_learn(container, shape, fit_intercept):
    X, y, _ = problem(*shape)
    options = {"tol": 1e-10, "max_iter": 3000, "fit_intercept": fit_intercept}
    options |= {"compute_score": True}
    theirs = peer.BayesianRidge(**options).fit(X, y)
    ours = BayesianRidge(**options).fit(CONTAINERS[container](X), y)
    assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-6)
    assert_allclose(ours.lambda_, theirs.lambda_, rtol=1e-6)
    scale = np.abs(theirs.coef_).max()
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-7 * scale)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-7)
    size = np.abs(theirs.sigma_).max()
    assert_allclose(ours.sigma_, theirs.sigma_, rtol=1e-6, atol=1e-8 * size)
    assert_allclose(ours.scores_[-1], theirs.scores_[-1], rtol=1e-7)
    assert_allclose(ours.scores_[:3], theirs.scores_[:3], rtol=1e-7)
    assert_allclose(ours.X_offset_, theirs.X_offset_, atol=1e-12)


def test_stops_where_scikit_learn_does_or_later():
    X, y, _ = problem()
    theirs = peer.BayesianRidge().fit(X, y)
    ours = BayesianRidge().fit(X, y)
    assert theirs.n_iter_ <= ours.n_iter_ <= theirs.n_iter_ + 5
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


@pytest.mark.parametrize("shape", [(50, 6), (15, 25)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("free", [False, True])
def test_posterior_against_dense_algebra(shape, weighted, standardize, free):
    X, y, weight = problem(*shape)
    n, p = shape
    factor = np.linspace(0.5, 2.0, p)
    factor[:2] *= not free
    s = weight if weighted else np.ones(n)
    model = BayesianRidge(penalty_factor=factor, standardize=standardize, tol=1e-9, max_iter=2000)
    model.fit(X, y, weight if weighted else None)
    a, lam = model.alpha_, model.lambda_
    mean = s @ X / s.sum()
    d = factor * (s @ (X - mean) ** 2 / s.sum() if standardize else 1.0)
    # joint posterior with the intercept, which has no prior
    Z = np.column_stack([np.ones(n), X])
    precision = a * (Z.T * s) @ Z + lam * np.diag(np.append(0.0, d))
    S = np.linalg.inv(precision)
    mode = S @ (a * (Z.T * s) @ y)
    scale = np.abs(mode).max()
    # the inverse of the precisions itself loses digits where the noise is small
    assert_allclose(model.coef_, mode[1:], atol=1e-5 * scale)
    assert_allclose(model.intercept_, mode[0], atol=1e-5 * scale)
    assert_allclose(model.sigma_, S[1:, 1:], atol=1e-7 * np.abs(S).max())
    assert_allclose(model.posterior_.diagonal(), np.diag(S)[1:], rtol=1e-6)
    v = np.random.default_rng(0).normal(size=(p, 2))
    assert_allclose(model.posterior_ @ v, S[1:, 1:] @ v, atol=1e-7 * np.abs(S).max())
    assert_allclose(model.posterior_ @ v[:, 0], (S[1:, 1:] @ v)[:, 0], atol=1e-7 * np.abs(S).max())
    new = np.random.default_rng(1).normal(size=(9, p)) * 3
    Z_new = np.column_stack([np.ones(9), new])
    predicted, deviation = model.predict(new, return_std=True)
    assert_allclose(predicted, Z_new @ mode, atol=1e-5 * scale)
    variance = np.einsum("ij,jk,ik->i", Z_new, S, Z_new) + 1 / a
    assert_allclose(deviation, np.sqrt(variance), rtol=1e-6)
    low, high = model.intervals(0.9).T
    assert_allclose((low + high) / 2, model.coef_)
    assert_allclose(
        scipy.stats.norm.cdf(high, model.coef_, np.sqrt(np.diag(S)[1:])), 0.95, rtol=1e-6
    )
    # stationary: the precisions are a fixed point
    A = np.sqrt(s)[:, None] * (X - mean)
    dof = np.trace(np.linalg.solve(A.T @ A + lam / a * np.diag(d), A.T @ A))
    assert_allclose(model.dof_, dof, rtol=1e-6)
    residual = s @ (y - X @ model.coef_ - model.intercept_) ** 2
    own = dof - 2 * free
    assert_allclose(lam, (own + 2e-6) / (d @ model.coef_**2 + 2e-6), rtol=1e-5)
    assert_allclose(a, (s.sum() - dof + 2e-6) / (residual + 2e-6), rtol=1e-5)


@pytest.mark.parametrize("shape", [(50, 6), (15, 25)], ids=str)
def test_posterior_mean_is_ridge(shape):
    X, y, weight = problem(*shape)
    model = BayesianRidge().fit(X, y, weight)
    alpha = penalty.convert(
        1 / model.lambda_, "prior_variance", "alpha", noise_variance=1 / model.alpha_
    )
    assert_allclose(alpha, model.penalty_)
    ridge = fastridge.ridge(X, y, alpha, sample_weight=weight)
    assert_allclose(model.coef_, ridge.coef, atol=1e-10)
    assert_allclose(model.intercept_, ridge.intercept, rtol=1e-9)
    assert_allclose(
        penalty.convert(alpha, "alpha", "prior_variance", noise_variance=1 / model.alpha_),
        1 / model.lambda_,
    )


@pytest.mark.parametrize("shape", [(40, 5), (15, 25)], ids=str)
def test_weights_are_repetition(shape):
    X, y, _ = problem(*shape)
    weight = np.random.default_rng(0).integers(0, 3, shape[0]).astype(float)
    rows = np.repeat(np.arange(shape[0]), weight.astype(int))
    options = {"tol": 1e-10, "max_iter": 5000, "compute_score": True}
    a, b = (
        BayesianRidge(**options).fit(X, y, weight),
        BayesianRidge(**options).fit(X[rows], y[rows]),
    )
    for name in ("alpha_", "lambda_", "dof_"):
        assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-6)
    assert_allclose(a.scores_[-1], b.scores_[-1], rtol=1e-7)
    assert_allclose(a.predict(X, True)[1], b.predict(X, True)[1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(50, 6), (15, 25)], ids=str)
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("matrix", [False, True])
def test_data_that_change_after_the_fit(shape, kind, matrix):
    X, y, weight = problem(*shape)
    X = np.array(X, order=kind) if len(kind) == 1 else sp.csr_array(X).asformat(kind)
    factor = np.linspace(0.5, 1.5, shape[1])
    P = np.eye(shape[1]) + 0.1 if matrix else None
    model = BayesianRidge(penalty_factor=factor, penalty_matrix=P)
    expected = model.fit(X, y, weight).sigma_
    model.fit(X, y, weight)
    for array in (X if len(kind) == 1 else X.data, weight, factor):
        array *= 3.0
    assert "_problem" not in model.__getstate__()
    assert_array_equal(model.sigma_, expected)


def test_predict_and_copies():
    X, y, _ = problem(15, 25)
    model = BayesianRidge().fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X, return_std=True)[1], model.predict(X, return_std=True)[1])
    assert_allclose(
        model.predict(sp.csr_array(X), return_std=True)[1], model.predict(X, return_std=True)[1]
    )
    with pytest.raises(ValueError, match="level is 1"):
        model.intervals(1)
    with pytest.raises(ValueError, match="not fitted yet"):
        BayesianRidge().intervals()
    assert not hasattr(BayesianRidge(), "sigma_")
    with pytest.raises(ValueError, match=r"v has shape \(3,\)"):
        model.posterior_ @ np.ones(3)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1.0}, "tol"),
        ({"alpha_1": "x"}, "alpha_1"),
        ({"lambda_init": 0.0}, "lambda_init"),
        ({"fit_intercept": 3}, "fit_intercept"),
        ({"penalty_factor": 2.0}, "penalty_factor"),
    ],
)
def test_bad_parameters(parameters, name):
    X, y, _ = problem()
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        BayesianRidge(**parameters).fit(X, y)


# Criteria of a path.


@pytest.mark.parametrize("shape", [(50, 6), (15, 25)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_criteria_of_a_path(shape, weighted, fit_intercept):
    X, y, weight = problem(*shape)
    n = shape[0]
    s = weight if weighted else np.ones(n)
    alphas = np.logspace(-2, 3, 6)
    options = {"fit_intercept": fit_intercept, "sample_weight": weight if weighted else None}
    path = fastridge.ridge_path(X, np.c_[y, 2 - y**2], alphas, **options)
    W = s.sum()
    assert_allclose(path.n_samples, W)
    mean = s @ X / W * fit_intercept
    A = np.sqrt(s)[:, None] * (X - mean)
    for t, target in enumerate((y, 2 - y**2)):
        b = np.sqrt(s) * (target - s @ target / W * fit_intercept)
        for i, alpha in enumerate(alphas):
            H = A @ np.linalg.solve(A.T @ A + alpha * np.eye(shape[1]), A.T)
            rss = np.sum((b - H @ b) ** 2)
            q = np.trace(H) + fit_intercept
            loglik = -0.5 * W * (np.log(2 * np.pi * rss / W) + 1)
            assert_allclose(path.aic[i, t], -2 * loglik + 2 * (q + 1), rtol=1e-8)
            assert_allclose(path.bic[i, t], -2 * loglik + np.log(W) * (q + 1), rtol=1e-8)
            gcv = rss / W / (1 - q / W) ** 2
            assert_allclose(path.gcv[i, t], gcv if q < W else np.inf, rtol=1e-7)
            # log density of y under the prior, for the best noise variance
            V = np.eye(n) + A @ A.T / alpha
            noise = b @ np.linalg.solve(V, b) / W
            quad = -0.5 * (W * np.log(2 * np.pi * noise) + np.linalg.slogdet(V)[1] + W)
            assert_allclose(path.log_evidence[i, t], quad, rtol=1e-8)
    single = fastridge.ridge_path(X, y, alphas, **options)
    assert_allclose(single.bic, path.bic[:, 0], rtol=1e-9)
    assert single.log_evidence.shape == single.gcv.shape == (6,)


def test_evidence_of_a_path_is_what_bayesian_ridge_maximises():
    X, y, _ = problem()
    flat = {"alpha_1": 0.0, "alpha_2": 0.0, "lambda_1": 0.0, "lambda_2": 0.0}
    model = BayesianRidge(tol=1e-10, max_iter=5000, **flat).fit(X, y)
    near = model.penalty_ * np.array([0.9, 1.0, 1.1])
    evidence = fastridge.ridge_path(X, y, near).log_evidence
    assert evidence.argmax() == 1
    with pytest.raises(ValueError, match="log_evidence needs"):
        _ = fastridge.ridge_path(X, y, [0.0, 1.0]).log_evidence


@all_checks([BayesianRidge()])
def test_estimator_checks(estimator):
    check_all(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_deviations_have_the_dtype_of_predictions(dtype):
    X, y, _ = problem(20, 3)
    model = BayesianRidge().fit(X.astype(dtype), y.astype(dtype))
    mean, deviation = model.predict(X.astype(dtype), return_std=True)
    assert mean.dtype == deviation.dtype == dtype


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_scores_integrate_weights_without_a_penalty_out(fit_intercept):
    rng = np.random.default_rng(3)
    n, p = 40, 8
    X = rng.standard_normal((n, p))
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    factor = np.ones(p)
    factor[[1, 4, 5]] = 0.0
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    if fit_intercept:
        Xc, yc = X - X.mean(axis=0), y - y.mean()
    else:
        Xc, yc = X, y
    F, Z = Xc[:, factor == 0], Xc[:, factor > 0]

    def score(a, lam):
        model = BayesianRidge(
            alpha_init=a,
            lambda_init=lam,
            max_iter=1,
            compute_score=True,
            penalty_factor=factor,
            fit_intercept=fit_intercept,
            **flat,
        )
        return model.fit(X, y).scores_[0]

    def restricted(a, lam):
        V = np.eye(n) / a + Z @ Z.T / lam
        M = F.T @ np.linalg.solve(V, F)
        r = yc - F @ np.linalg.solve(M, F.T @ np.linalg.solve(V, yc))
        rest = r @ np.linalg.solve(V, r) + (n - 3) * np.log(2.0 * np.pi)
        return -0.5 * (np.linalg.slogdet(V)[1] + np.linalg.slogdet(M)[1] + rest)

    pairs = [(1.0, 1.0), (2.5, 0.3), (0.2, 7.0)]
    found = np.array([score(*pair) for pair in pairs])
    exact = np.array([restricted(*pair) for pair in pairs])
    np.testing.assert_allclose(found - found[0], exact - exact[0], rtol=1e-9, atol=1e-9)
    # and the update climbs it
    model = BayesianRidge(
        compute_score=True, penalty_factor=factor, tol=1e-10, fit_intercept=fit_intercept, **flat
    ).fit(X, y)
    assert (np.diff(model.scores_) > -1e-9).all()
