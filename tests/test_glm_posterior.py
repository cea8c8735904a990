"""Degrees of freedom and the Laplace approximation of GLMs."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from glm_laplace import LOSSES, STORAGES, data, dense
from glm_problems import problem as problem_of
from model_files import archive, round_trip

import fastridge
from fastridge import reference
from fastridge.io import ModelFileError
from fastridge.losses import loss_of, tweedie
from fastridge.solvers.glm import hessian


@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: getattr(v, "name", v))
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("shape", [(80, 5), (12, 30)])
def test_dof_and_covariance_are_numpys(loss, storage, shape):
    X, y = data(loss, *shape)
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    result = fastridge.glm(storage(X), y, loss, alpha=0.1, sample_weight=weight, tol=1e-7)
    M, C = dense(X, y, loss, 0.1, result, weight)
    assert result.dof == pytest.approx(np.trace(np.linalg.solve(M, C)), rel=1e-8)
    assert result.dof_error == 0
    posterior = result.posterior(dispersion=2.0)
    S = 2.0 * np.linalg.inv(M)
    np.testing.assert_allclose(posterior.covariance, S, rtol=1e-7, atol=1e-9 * S.max())
    np.testing.assert_allclose(posterior.standard_errors, np.sqrt(np.diag(S))[:-1], rtol=1e-8)
    assert posterior.intercept_standard_error == pytest.approx(np.sqrt(S[-1, -1]), rel=1e-8)
    Z = np.column_stack([X, np.ones(len(X))])
    np.testing.assert_allclose(posterior.variance(X), np.sum(Z @ S * Z, axis=1), rtol=1e-7)
    np.testing.assert_allclose(S, reference.glm_covariance(M, 2.0))
    assert reference.glm_dof(M, C) == pytest.approx(result.dof, rel=1e-8)
    eta = X @ result.coef + result.intercept
    left = reference.glm_left_out(X, y, loss_of(loss), eta, M, weight)
    np.testing.assert_allclose(result.left_out().predictor, left, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("options", ["free", "standardize", "offset", "no intercept"])
def test_dof_of_options(options):
    X, y = data("poisson")
    factor = np.array([0.0, 1.0, 2.0, 0.0, 1.0]) if options == "free" else None
    unit = X.std(axis=0) if options == "standardize" else None
    offset = np.linspace(-1, 1, len(y)) if options == "offset" else None
    result = fastridge.glm(
        X,
        y,
        "poisson",
        0.2,
        penalty_factor=factor,
        standardize=unit is not None,
        offset=offset,
        fit_intercept=options != "no intercept",
        tol=1e-7,
    )
    held = [5] if options == "no intercept" else []
    o = 0.0 if offset is None else offset
    M, C = dense(X, y, "poisson", 0.2, result, None, factor, unit, o, held)
    assert result.dof == pytest.approx(np.trace(np.linalg.solve(M, C)), rel=1e-8)
    np.testing.assert_allclose(result.posterior().covariance, np.linalg.inv(M), rtol=1e-7)


def test_hessian_is_that_of_finite_differences():
    X, y = data("logistic")
    result = fastridge.glm(X, y, alpha=0.05, tol=1e-8)
    inverse = np.linalg.inv(result.posterior().covariance)
    Z = np.column_stack([X, np.ones(len(X))])

    def gradient(v):
        mean = 1 / (1 + np.exp(-Z @ v))
        return Z.T @ (mean - y) + len(y) * 0.05 * np.append(v[:-1], 0.0)

    v = np.append(result.coef, result.intercept)
    step = 1e-6
    numeric = [(gradient(v + step * e) - gradient(v - step * e)) / (2 * step) for e in np.eye(6)]
    np.testing.assert_allclose(inverse, numeric, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_dof_with_l1_are_those_of_active_features(l1_ratio):
    X, y = data("logistic", 100, 12)
    result = fastridge.glm(X, y, alpha=0.05, l1_ratio=l1_ratio, tol=1e-6)
    held = np.flatnonzero(result.coef == 0)
    assert 0 < len(held) < 12
    M, C = dense(X, y, "logistic", 0.05 * (1 - l1_ratio), result, held=held)
    assert result.dof == pytest.approx(np.trace(np.linalg.solve(M, C)), rel=1e-8)
    if l1_ratio == 1:
        assert result.dof == pytest.approx(13 - len(held), rel=1e-10)
    posterior = result.posterior()
    assert np.isnan(posterior.standard_errors[held]).all()
    assert not posterior.covariance[held].any()
    kept = np.setdiff1d(np.arange(12), held)
    assert np.isfinite(posterior.intervals()[kept]).all()
    # bounds hold as well
    result = fastridge.glm(X, y, alpha=0.05, lower=0.0, tol=1e-6)
    held = np.flatnonzero(result.coef == 0)
    M, C = dense(X, y, "logistic", 0.05, result, held=held)
    assert len(held)
    assert result.dof == pytest.approx(np.trace(np.linalg.solve(M, C)), rel=1e-7)


def test_squared_loss_agrees_with_ridge_path():
    X, y = data("squared", 60, 8)
    path = fastridge.ridge_path(X, y, [6.0])
    result = fastridge.glm(X, y, "squared", alpha=0.1)
    assert result.dof == pytest.approx(path.dof[0] + 1, rel=1e-10)
    assert result.aic == pytest.approx(path.aic[0], rel=1e-8)


def test_separated_data():
    X = np.linspace(-1, 1, 20)[:, None]
    y = (X[:, 0] > 0).astype(float)
    result = fastridge.glm(X, y, alpha=1e-6, tol=1e-8)
    M, C = dense(X, y, "logistic", 1e-6, result)
    assert result.dof == pytest.approx(np.trace(np.linalg.solve(M, C)), rel=1e-6)
    posterior = result.posterior()
    np.testing.assert_allclose(posterior.covariance, np.linalg.inv(M), rtol=1e-6, atol=1e-9)
    # a prior of variance 1 / (n alpha) is hardly changed by the data
    assert posterior.standard_errors[0] < np.sqrt(1 / (20 * 1e-6))
    assert np.isfinite(posterior.predict(X)).all()


def test_weights_are_repetitions():
    X, y = data("gamma")
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    some = fastridge.glm(X, y, "gamma", 0.1, sample_weight=weight.astype(float), tol=1e-8)
    all_ = fastridge.glm(X[rows], y[rows], "gamma", 0.1, tol=1e-8)
    assert some.dof == pytest.approx(all_.dof, rel=1e-8)
    assert some.bic == pytest.approx(all_.bic, rel=1e-8)
    np.testing.assert_allclose(some.posterior().covariance, all_.posterior().covariance, rtol=1e-6)


def one_hot(n=6000, levels=(2500, 40, 10), seed=0):
    """Categories of which some are frequent."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in levels:
        place = np.minimum((count * rng.random(n) ** 3).astype(int), count - 1)
        parts.append(sp.csr_array((np.ones(n), (np.arange(n), place)), (n, count)))
    X = sp.hstack(parts).tocsr()
    y = (rng.random(n) < 1 / (1 + np.exp(-X @ rng.standard_normal(X.shape[1])))).astype(float)
    return X, y


def large(n=4000, p=2600, seed=0):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, p), density=0.01, format="csr", rng=rng)
    X.data[:] = rng.standard_normal(X.nnz)
    # some frequent columns, dependent like one-hot columns
    levels = rng.integers(0, 20, n)
    hot = sp.csr_array((np.ones(n), (np.arange(n), levels)), (n, 20))
    X = sp.hstack([hot, X]).tocsr()
    y = (rng.random(n) < 1 / (1 + np.exp(-X @ rng.standard_normal(X.shape[1])))).astype(float)
    return X, y


@pytest.mark.parametrize("make", [large, one_hot])
@pytest.mark.slow
def test_large_sparse_data_are_estimated_with_errors_that_hold(make):
    X, y = make()
    result = fastridge.glm(X, y, alpha=1e-3, tol=1e-6)
    exact = result.hessian(most=10_000)
    assert exact.is_exact
    assert result.dof_error > 0
    assert abs(result.dof - 1 - exact.trace[0]) <= 4 * result.dof_error
    assert result.dof_error < 0.02 * result.dof
    posterior = result.posterior()
    assert not posterior.is_exact
    true = np.sqrt(exact.diagonal[0] / len(y))
    off = posterior.standard_errors - true
    error = posterior.standard_errors_error
    assert (error > 0).mean() > 0.9
    assert np.sqrt(np.mean(off**2)) <= 1.5 * np.sqrt(np.mean(error**2))
    assert np.sqrt(np.mean((off / true) ** 2)) < 0.02
    assert 0.9 < np.mean(np.abs(off) <= 2 * error) < 0.99
    v = np.random.default_rng(0).standard_normal(posterior.shape[0])
    S = result.posterior()
    S._hessian = exact
    np.testing.assert_allclose(posterior @ v, S @ v, rtol=1e-4, atol=1e-5 * np.abs(S @ v).max())
    np.testing.assert_allclose(posterior.variance(X[:5]), S.variance(X[:5]), rtol=1e-5)


def test_path_has_the_dof_of_its_fits():
    X, y = data("poisson", 100, 8)
    path = fastridge.glm_path(X, y, "poisson", n_alphas=6, eps=0.01, tol=1e-6)
    for k, alpha in enumerate(path.alphas):
        result = fastridge.glm(X, y, "poisson", alpha, l1_ratio=1.0, tol=1e-6)
        assert path.dof[k] == pytest.approx(result.dof, rel=1e-6)
        assert path.aic[k] == pytest.approx(result.aic, rel=1e-6)
        assert path[k].bic == pytest.approx(path.bic[k], rel=1e-12)
    assert path[5].posterior().shape == (9, 9)


def test_copies_are_without_the_data():
    X, y = data("logistic")
    result = fastridge.glm(X, y)
    asked = fastridge.glm(X, y)
    dof = asked.dof
    for again in (copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))):
        assert np.isnan(again(result).dof)
        assert again(asked).dof == dof
        with pytest.raises(ValueError, match="does not hold its data"):
            again(asked).posterior()


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda q: pickle.loads(pickle.dumps(q)), round_trip]
)
@pytest.mark.parametrize("loss", ["poisson", "logistic", tweedie(1.5)])
@pytest.mark.parametrize(
    ("n", "p", "options"),
    [
        (80, 5, {}),
        (80, 5, {"standardize": True, "fit_intercept": False}),
        (80, 5, {"l1_ratio": 1.0, "alpha": 0.05}),
        (5, 10, {}),
        (7, 12, {"standardize": True, "penalty_factor": np.linspace(1.0, 2.0, 12)}),
    ],
)
def test_posteriors_are_copied_and_saved_without_the_data(n, p, options, loss, again):
    X, y = data(loss, n, p)
    posterior = fastridge.glm(X, y, loss, **options).posterior()
    twin = again(posterior)
    assert type(twin) is fastridge.GLMPosterior
    # of fewer samples than features, through other products
    tol = 0.0 if n > p else 1e-12
    size = abs(posterior.covariance).max()
    np.testing.assert_allclose(twin.covariance, posterior.covariance, rtol=tol, atol=tol * size)
    np.testing.assert_allclose(twin.intervals(), posterior.intervals(), rtol=1e3 * tol)
    np.testing.assert_allclose(twin.predict(X), posterior.predict(X), rtol=tol)
    np.testing.assert_array_equal(twin.active, posterior.active)
    assert twin.intercept_standard_error == pytest.approx(
        posterior.intercept_standard_error, rel=1e-12, nan_ok=True
    )
    assert repr(twin) == repr(posterior)
    assert (type(twin.loss), twin.loss.arguments()) == (
        type(posterior.loss),
        posterior.loss.arguments(),
    )
    # again, from a copy without data
    np.testing.assert_array_equal(again(twin).covariance, twin.covariance)


def test_posteriors_without_a_factor_hold_the_data(monkeypatch):
    monkeypatch.setattr(hessian, "MOST", 4)
    X, y = data("poisson")
    posterior = fastridge.glm(X, y, "poisson").posterior()
    assert not posterior.is_exact
    for save in (pickle.dumps, copy.copy, round_trip):
        with pytest.raises(TypeError, match="holds the data"):
            save(posterior)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("loss", ["poisson", tweedie(1.5), loss_of("huber", delta=2.0)])
def test_results_and_paths_are_saved(loss, l1_ratio):
    X, y = data("poisson")
    path = fastridge.glm_path(X.astype("f"), y, loss, l1_ratio=l1_ratio, n_alphas=5)
    dof = path.dof
    again = round_trip(path)
    for name in ("alphas", "coef", "intercept", "deviance", "dof", "aic", "n_iter", "converged"):
        np.testing.assert_array_equal(getattr(again, name), getattr(path, name))
    np.testing.assert_array_equal(again.dof, dof)
    np.testing.assert_array_equal(again.predict(X), path.predict(X))
    assert repr(again) == repr(path)
    one = round_trip(path[3])
    for name in ("alpha", "objective", "dual_gap", "solver", "converged", "dof", "bic"):
        assert getattr(one, name) == getattr(path[3], name)
    np.testing.assert_array_equal(one.coef, path[3].coef)
    assert type(one.loss) is type(path.loss)
    assert one.loss.arguments() == path.loss.arguments()
    with pytest.raises(ValueError, match="does not hold its data"):
        one.posterior()


def test_results_of_several_classes_are_saved():
    X, _ = data("logistic")
    result = fastridge.glm(X, np.arange(len(X)) % 3, "multinomial", 0.1)
    again = round_trip(result)
    np.testing.assert_array_equal(again.coef, result.coef)
    np.testing.assert_array_equal(again.intercept, result.intercept)
    assert again.deviance == result.deviance


class Other(type(loss_of("poisson"))):
    """A caller's own loss, by a name that is taken."""


def test_losses_of_callers_have_no_place_in_a_file():
    X, y = data("poisson")
    result = fastridge.glm(X, y, Other())
    with pytest.raises(TypeError, match=r"loss is a .*Other, which a model file cannot hold"):
        round_trip(result)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"loss": ["least", {}]}, "loss 'least'"),
        ({"loss": ["huber", {"delta": -1.0}]}, "delta is -1.0"),
        ({"loss": ["huber", {"theta": 1.0}]}, "does not take theta"),
        ({"loss": "huber"}, "in the header"),
    ],
)
def test_losses_in_files_are_looked_at(tree, message):
    file = archive({"model": ["GLMCV", {"loss": tree}, {}]})
    with pytest.raises(ModelFileError, match=message):
        fastridge.load(io.BytesIO(file))


def test_changed_data_are_refused():
    X, y = data("logistic")
    result = fastridge.glm(X, y, alpha=0.01)
    X[:40] += 1.0
    with pytest.raises(ValueError, match="differ from those of the fit, or were changed"):
        result.dof  # noqa: B018


def test_dispersion():
    X, y = data("gamma")
    result = fastridge.glm(X, y, "gamma", 0.01)
    assert result.dispersion == pytest.approx(result.deviance / (len(y) - result.dof))
    one, two = result.posterior(1.0), result.posterior()
    np.testing.assert_allclose(two.covariance, result.dispersion * one.covariance, rtol=1e-12)
    for bad in (0.0, -1.0, True, "1", np.inf):
        with pytest.raises(ValueError, match="dispersion is"):
            result.posterior(bad)
    for bad in (0.0, 1.0, True, "a"):
        with pytest.raises(ValueError, match="level is"):
            one.intervals(bad)


def test_averaged_means():
    X, y = data("logistic", 40)
    posterior = fastridge.glm(X, y, alpha=0.02).posterior()
    rng = np.random.default_rng(0)
    v = np.append(posterior.coef, posterior.intercept)
    draws = rng.multivariate_normal(v, posterior.covariance, 200_000)
    Z = np.column_stack([X, np.ones(len(X))])[:10]
    mean = (1 / (1 + np.exp(-draws @ Z.T))).mean(axis=0)
    # errors of the probit approximation and of the draws
    np.testing.assert_allclose(posterior.predict(X[:10]), mean, atol=0.02)
    X, y = data("poisson", 40)
    posterior = fastridge.glm(X, y, "poisson", alpha=0.02).posterior()
    v = np.append(posterior.coef, posterior.intercept)
    draws = rng.multivariate_normal(v, posterior.covariance, 200_000)
    Z = np.column_stack([X, np.ones(len(X))])[:10]
    mean = np.exp(draws @ Z.T + 0.5).mean(axis=0)
    np.testing.assert_allclose(posterior.predict(X[:10], np.full(10, 0.5)), mean, rtol=0.01)


@pytest.mark.filterwarnings("ignore:columns .* are linearly dependent")
def test_random_and_adversarial_problems():
    for seed in range(0, 400, 3):
        problem = problem_of(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = fastridge.glm(
                    problem.X, problem.y, problem.loss, problem.alpha, **problem.options
                )
            except ValueError:
                continue
        assert -1e-9 <= result.dof <= problem.X.shape[1] + 1 + 1e-6, seed
        posterior = result.posterior(1.0)
        assert np.isfinite(posterior.standard_errors[posterior.active]).all(), seed
        assert not np.isinf(posterior.intercept_standard_error), seed
        result.left_out()


@pytest.mark.filterwarnings("ignore:columns .* are linearly dependent")
def test_problems_whose_scales_hide_that_the_hessian_is_positive():
    for seed in (23, 65, 81, 262):  # among them a perfect fit
        problem = problem_of(seed)
        result = fastridge.glm(problem.X, problem.y, problem.loss, problem.alpha, **problem.options)
        assert 0 <= result.dof <= min(len(problem.y), problem.X.shape[1] + 1) + 1e-9
        assert np.isfinite(result.posterior(1.0).standard_errors).all()


@pytest.mark.parametrize("free", [True, False])
def test_dof_of_dependent_features_are_their_rank(free):
    X, y = data("logistic", 100, 4)
    twice = np.column_stack([X, X @ np.array([1.0, 2.0, 0.0, -1.0]), X[:, 0], np.ones(100)])
    factor = np.zeros(7) if free else None
    result = fastridge.glm(twice, y, alpha=0.1 if free else 1e-13, penalty_factor=factor, tol=1e-5)
    # the penalty is still above round-off
    assert result.dof == pytest.approx(5, rel=1e-3)


def test_rows_without_weight_where_the_loss_overflows():
    X, y = data("poisson", 30, 2)
    X[0] = 1e6
    weight = np.ones(30)
    weight[0] = 0.0
    result = fastridge.glm(X, y, "poisson", 0.01, sample_weight=weight)
    rest = fastridge.glm(X[1:], y[1:], "poisson", 0.01)
    assert result.dof == pytest.approx(rest.dof, rel=1e-6)
    np.testing.assert_allclose(
        result.posterior().covariance, rest.posterior().covariance, rtol=1e-5
    )


@pytest.mark.parametrize("loss", ["poisson", "squared", "logistic"])
def test_coefficients_that_nothing_determines_are_told(loss):
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, 300)
    X = np.column_stack([code == 0, rng.standard_normal(300), code == 1, code == 2]) * 1.0
    y = (rng.random(300) < 0.5) * 1.0
    with pytest.warns(scipy.linalg.LinAlgWarning, match="columns 0, 2, 3 are linearly dependent"):
        fastridge.glm(X, y, loss, alpha=0.0).posterior()
    # a penalty, no intercept, or scales that are far apart
    fastridge.glm(X, y, loss, alpha=1e-3).posterior()
    fastridge.glm(X, y, loss, alpha=0.0, fit_intercept=False).posterior()
    fastridge.glm(X[:, 1:] * [1e-8, 1.0, 1e8], y, loss, alpha=0.0, tol=1e-3).posterior()


def test_exposure_of_averaged_means():
    rng = np.random.default_rng(0)
    X, t = rng.standard_normal((100, 3)), rng.uniform(0.5, 2.0, 100)
    posterior = fastridge.glm(X, rng.poisson(t), "poisson", 0.1, exposure=t).posterior()
    expected = posterior.predict(X, offset=np.log(t))
    np.testing.assert_allclose(posterior.predict(X, exposure=t), expected, rtol=1e-14)
