"""Degrees of freedom, the Laplace approximation, evidence and leave-one-out of GLMs."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from glm_problems import problem as problem_of
from model_files import archive, round_trip

import fastridge
from fastridge import reference
from fastridge.io import ModelFileError
from fastridge.losses import loss_of, tweedie
from fastridge.solvers.glm import hessian

LOSSES = ("logistic", "poisson", "gamma", "squared", "negative_binomial", tweedie(1.5))


def data(loss, n=80, p=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.linspace(0.5, 2.0, p) + np.arange(p)
    eta = (X - X.mean(axis=0)) @ rng.standard_normal(p) / (2 * np.sqrt(p))
    name = loss if isinstance(loss, str) else loss.name
    if name == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-2 * eta))).astype(float)
    elif name in ("poisson", "negative_binomial", "tweedie"):
        y = rng.poisson(np.exp(eta)).astype(float)
    elif name == "gamma":
        y = rng.gamma(2.0, np.exp(eta)) + 1e-3
    else:
        y = eta + rng.standard_normal(n)
    return X, y


def dense(X, y, loss, alpha, result, weight=None, factor=None, unit=None, offset=0.0, held=()):
    """M over (w, b) in sums over the weights, and its part from the data, by NumPy."""
    n, p = X.shape
    s = np.ones(n) if weight is None else weight
    f = (np.ones(p) if factor is None else factor) * (1.0 if unit is None else unit**2)
    coef, b = result.coef.astype(float), result.intercept
    M, C = reference.glm_hessian(X, y, loss_of(loss), alpha, coef, b, s, offset, f)
    keep = np.setdiff1d(np.arange(p + 1), held)
    return M[np.ix_(keep, keep)], C[np.ix_(keep, keep)]


STORAGES = (
    lambda X: X,
    np.asfortranarray,
    sp.csr_array,
    sp.csc_array,
)


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
    # some that are frequent, and dependent as one-hot columns are
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
    # once more, from what has no data
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
    with pytest.raises(TypeError, match=r"loss is a .*Other, which has no place in a model file"):
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
    with pytest.raises(ValueError, match="not those of the fit, or were changed"):
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
    # what the probit approximation is exact to, and the draws
    np.testing.assert_allclose(posterior.predict(X[:10]), mean, atol=0.02)
    X, y = data("poisson", 40)
    posterior = fastridge.glm(X, y, "poisson", alpha=0.02).posterior()
    v = np.append(posterior.coef, posterior.intercept)
    draws = rng.multivariate_normal(v, posterior.covariance, 200_000)
    Z = np.column_stack([X, np.ones(len(X))])[:10]
    mean = np.exp(draws @ Z.T + 0.5).mean(axis=0)
    np.testing.assert_allclose(posterior.predict(X[:10], np.full(10, 0.5)), mean, rtol=0.01)


@pytest.mark.parametrize("storage", STORAGES)
def test_estimators_have_the_posterior_of_their_fit(storage):
    X, y = data("logistic", 60)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    model = fastridge.LogisticRegression(C=2.0, tol=1e-7, class_weight={"a": 2.0, "b": 1.0})
    model.fit(storage(X), np.where(y == 1, "b", "a"), weight)
    posterior = model.posterior(storage(X), np.where(y == 1, "b", "a"), weight)
    s = weight * np.where(y == 1, 1.0, 2.0)
    result = fastridge.glm(X, y, alpha=1 / (2.0 * s.sum()), sample_weight=s, tol=1e-7)
    np.testing.assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-5)
    averaged = model.predict_proba(X, posterior=posterior)
    np.testing.assert_allclose(averaged.sum(axis=1), 1.0)
    np.testing.assert_allclose(averaged[:, 1], posterior.predict(X), rtol=1e-12)
    plain = model.predict_proba(X)
    assert (np.abs(averaged - 0.5) <= np.abs(plain - 0.5)).all()
    np.testing.assert_allclose(model.predict_proba(X[:1], posterior=posterior), averaged[:1])
    with pytest.raises(ValueError, match="not those of the fit"):
        model.posterior(X, np.where(y == 1, "b", "a"))
    with pytest.raises(TypeError, match="posterior is a bool"):
        model.predict_proba(X, posterior=True)
    other = fastridge.LogisticRegression(C=1.0).fit(X, y).posterior(X, y)
    with pytest.raises(ValueError, match="has the classes"):
        fastridge.LogisticRegression(C=1.0).fit(X, y).posterior(X, y + 1)
    with pytest.raises(ValueError, match="of another fit"):
        model.predict_proba(X, posterior=other)


def test_regressors_have_the_posterior_of_their_fit():
    X, y = data("poisson", 60)
    t = np.linspace(0.5, 2.0, 60)
    model = fastridge.PoissonRegressor(alpha=0.1, tol=1e-7).fit(X, y, exposure=t)
    posterior = model.posterior(X, y, exposure=t)
    result = fastridge.glm(X, y, "poisson", 0.1, exposure=t, tol=1e-7)
    np.testing.assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-6)
    mean = model.predict(X, exposure=t, posterior=posterior)
    np.testing.assert_allclose(mean, posterior.predict(X, np.log(t)), rtol=1e-12)
    assert (mean > model.predict(X, exposure=t)).all()
    X, y = data("gamma", 60)
    model = fastridge.GammaRegressor(alpha=0.1).fit(X.astype(np.float32), y)
    assert model.posterior(X.astype(np.float32), y).dispersion > 0
    model = fastridge.TweedieRegressor(power=0, alpha=0.1).fit(X, y)
    posterior = model.posterior(X, y, dispersion=1.0)
    np.testing.assert_array_equal(model.predict(X, posterior=posterior), model.predict(X))


def test_parameters_that_name_the_penalty_otherwise():
    X, y = data("logistic", 100)
    with pytest.warns(FutureWarning):
        model = fastridge.LogisticRegression(penalty=None, tol=1e-7).fit(X, y)
    posterior = model.posterior(X, y)
    result = fastridge.glm(X, y, alpha=0.0, tol=1e-7)
    np.testing.assert_allclose(posterior.covariance, result.posterior().covariance, rtol=1e-4)
    with pytest.warns(FutureWarning):
        model = fastridge.LogisticRegression(penalty="l1", l1_ratio=1.0, C=0.5).fit(X, y)
    assert model.posterior(X, y).active.sum() == np.count_nonzero(model.coef_)
    several = fastridge.LogisticRegression().fit(X, np.arange(100) % 3)
    with pytest.raises(ValueError, match="3 classes; expected two"):
        several.posterior(X, np.arange(100) % 3)
    for legacy in (True, False):
        model = fastridge.LogisticRegressionCV(
            Cs=[0.1, 1.0],
            l1_ratios=[0.0],
            scoring="neg_log_loss",
            use_legacy_attributes=legacy,
            tol=1e-7,
        ).fit(X, y)
        C = float(np.ravel(model.C_)[0])
        result = fastridge.glm(X, y, alpha=1 / (C * 100), tol=1e-7)
        np.testing.assert_allclose(
            model.posterior(X, y).covariance, result.posterior().covariance, rtol=1e-5
        )
    model.set_params(refit=False).fit(X, y)
    with pytest.raises(ValueError, match="refit=True"):
        model.posterior(X, y)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_information_criteria_of_estimators(l1_ratio):
    X, y = data("poisson", 100)
    t = np.linspace(0.5, 2.0, 100)
    model = fastridge.PoissonRegressor(alpha=0.1, l1_ratio=l1_ratio, tol=1e-6)
    model.fit(X, y, exposure=t)
    found = fastridge.information_criteria(model, X, y, exposure=t)
    result = fastridge.glm(X, y, "poisson", 0.1, l1_ratio=l1_ratio, exposure=t, tol=1e-6)
    assert found.dof == pytest.approx(result.dof - 1, rel=1e-5)
    assert (found.aic, found.bic) == pytest.approx((result.aic, result.bic), rel=1e-8)
    assert found.residual == pytest.approx(result.deviance, rel=1e-8)
    assert found.dof_error == found.aic_error == 0
    with pytest.raises(ValueError, match="not those of the fit"):
        fastridge.information_criteria(model, X, y)
    with pytest.raises(ValueError, match="offset is given for a Ridge"):
        fastridge.information_criteria(fastridge.Ridge().fit(X, y), X, y, offset=t)


def test_information_criteria_are_statsmodels_formulas():
    X, y = data("logistic", 100)
    model = fastridge.LogisticRegression(C=np.inf, tol=1e-7).fit(X, y)
    found = fastridge.information_criteria(model, X, y)
    log_likelihood = np.log(model.predict_proba(X)[np.arange(100), y.astype(int)]).sum()
    assert found.dof == pytest.approx(5, rel=1e-9)
    assert found.aic == pytest.approx(-2 * log_likelihood + 2 * 6, rel=1e-8)
    assert found.bic == pytest.approx(-2 * log_likelihood + np.log(100) * 6, rel=1e-8)


def refits(X, y, loss, alpha, weight=None, offset=None, **options):
    """Linear predictors of each row by the fit to the others, of the same penalty of sums."""
    n = len(y)
    s = np.ones(n) if weight is None else weight
    o = np.zeros(n) if offset is None else offset
    out = np.empty(n)
    for i in range(n):
        rest = np.arange(n) != i
        strength = alpha * s.sum() / s[rest].sum()
        found = fastridge.glm(
            X[rest], y[rest], loss, strength, sample_weight=s[rest], offset=o[rest], tol=1e-6,
            **options,
        )  # fmt: skip
        out[i] = o[i] + X[i] @ found.coef + found.intercept
    return out


@pytest.mark.parametrize("shape", [(30, 4), (20, 40)])
@pytest.mark.parametrize("storage", STORAGES)
def test_left_out_of_squares_are_refits(shape, storage):
    X, y = data("squared", *shape)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    result = fastridge.glm(storage(X), y, "squared", 0.1, sample_weight=weight, tol=1e-8)
    found = result.left_out()
    np.testing.assert_allclose(found.predictor, refits(X, y, "squared", 0.1, weight), rtol=1e-5)
    np.testing.assert_allclose(found.deviance, (y - found.predictor) ** 2, rtol=1e-10)
    assert found.error == pytest.approx(np.average(found.deviance, weights=weight), rel=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "gamma", "negative_binomial"])
@pytest.mark.parametrize("kind", ["plain", "offset", "free", "l1"])
@pytest.mark.slow
def test_left_out_is_close_to_refits(loss, kind):
    n = 60
    X, y = data(loss, n, 6)
    options = {"penalty_factor": np.array([0.0, 1, 1, 1, 1, 0])} if kind == "free" else {}
    if kind == "l1":
        options["l1_ratio"] = 0.5
    offset = np.linspace(-0.5, 0.5, n) if kind == "offset" else None
    result = fastridge.glm(X, y, loss, 0.03, offset=offset, tol=1e-6, **options)
    found = result.left_out()
    true = refits(X, y, loss, 0.03, None, offset, **options)
    o = np.zeros(n) if offset is None else offset
    fitted = o + X @ result.coef + result.intercept
    # the step is most of what a refit moves, unless that changes the active set
    share = 0.4 if kind == "l1" else 0.2
    assert np.linalg.norm(found.predictor - true) < share * np.linalg.norm(fitted - true)
    value = loss_of(loss)
    error = 2 * np.mean(value.value(y, true) - value.least(y))
    own = 2 * np.mean(value.value(y, fitted) - value.least(y))
    assert abs(found.error - error) < 0.2 * (error - own)


def test_left_out_where_features_are_as_many_as_rows():
    X, y = data("logistic", 40, 40)
    result = fastridge.glm(X, y, alpha=0.1, tol=1e-6)
    true = refits(X, y, "logistic", 0.1)
    error = 2 * np.mean(np.log1p(np.exp(-np.where(y == 1, 1, -1) * true)))
    assert result.left_out().error == pytest.approx(error, rel=0.02)


def test_left_out_error_falls_faster_than_the_step():
    ratio = []
    for n in (40, 160):
        X, y = data("logistic", n, 3, seed=4)
        result = fastridge.glm(X, y, alpha=0.01, tol=1e-7)
        true = refits(X, y, "logistic", 0.01)
        fitted = X @ result.coef + result.intercept
        found = result.left_out().predictor
        ratio.append(np.linalg.norm(found - true) / np.linalg.norm(fitted - true))
    # in proportion to the step itself
    assert ratio[1] < ratio[0] / 2


def test_rows_without_weight_or_alone():
    X, y = data("poisson", 40)
    weight = np.ones(40)
    weight[3] = 0.0
    result = fastridge.glm(X, y, "poisson", 0.1, sample_weight=weight)
    expected = X[3] @ result.coef + result.intercept
    assert result.left_out().predictor[3] == pytest.approx(expected, rel=1e-10)
    alone = np.column_stack([X, np.eye(40)[0]])
    y[0] = 3.0
    free = np.append(np.ones(5), 0.0)
    found = fastridge.glm(alone, y, "poisson", 0.1, penalty_factor=free, tol=1e-5).left_out()
    assert np.isnan(found.predictor[0]) or abs(found.predictor[0]) < 1e6
    assert np.isfinite(found.predictor[1:]).all()


def evidence(X, y, loss, alpha, result, factor=None):
    """The log evidence by the reference, over (w, b) about zero, but for constants of y."""
    n, p = X.shape
    f = np.ones(p) if factor is None else factor
    found = loss_of(loss)
    eta = X @ result.coef + result.intercept
    M, _ = dense(X, y, loss, alpha, result, factor=factor)
    F = np.sum(found.value(y, eta) - found.least(y)) + n * alpha / 2 * np.sum(f * result.coef**2)
    return reference.glm_log_evidence(F, M, n * alpha * f, float(n), bool(found.n_dispersion))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: getattr(v, "name", v))
@pytest.mark.parametrize("shape", [(80, 5), (60, 70)])
def test_evidence_is_numpys_and_largest_at_the_alpha_found(loss, shape):
    X, y = data(loss, *shape)
    result = fastridge.glm(X, y, loss, "evidence", tol=1e-6)
    found = evidence(X, y, loss, result.alpha, result)
    assert result.log_evidence() == pytest.approx(found, rel=1e-7, abs=1e-7)
    grid = result.alpha * np.exp(np.linspace(-1, 1, 41))
    values = []
    for alpha in np.append(grid, result.alpha * np.logspace(-6, 3, 10)):
        fit = fastridge.glm(X, y, loss, alpha, tol=1e-6)
        values.append(evidence(X, y, loss, alpha, fit))
    assert max(values) <= found + 1e-4
    assert abs(grid[np.argmax(values[:41])] / result.alpha - 1) < 0.06


def test_evidence_with_free_features_and_storages():
    X, y = data("poisson", 100, 6)
    factor = np.array([0.0, 1, 1, 2, 1, 1])
    result = fastridge.glm(X, y, "poisson", "evidence", penalty_factor=factor, tol=1e-6)
    found = evidence(X, y, "poisson", result.alpha, result, factor)
    assert result.log_evidence() == pytest.approx(found, rel=1e-8)
    for storage in STORAGES[1:]:
        other = fastridge.glm(storage(X), y, "poisson", "evidence", penalty_factor=factor, tol=1e-6)
        assert other.alpha == pytest.approx(result.alpha, rel=2e-3)


def test_evidence_of_squares_is_that_of_bayesian_ridge():
    X, y = data("squared", 100, 6)
    result = fastridge.glm(X, y, "squared", "evidence", tol=1e-6)
    model = fastridge.BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(X, y)
    # that counts the intercept as no degree of freedom of the noise
    assert result.alpha == pytest.approx(model.lambda_ / model.alpha_ / 100, rel=0.02)


def test_evidence_is_refused_or_warned_of():
    X, y = data("logistic")
    with pytest.raises(ValueError, match="needs features with an L2 penalty"):
        fastridge.glm(X, y, alpha="evidence", l1_ratio=0.5)
    with pytest.raises(ValueError, match="needs features with an L2 penalty"):
        fastridge.glm(X, y, alpha="evidence", penalty_factor=np.zeros(5))
    with pytest.raises(ValueError, match="needs features with an L2 penalty"):
        fastridge.glm(X, y, alpha="evidence", lower=0.0)
    with pytest.raises(ValueError, match="multinomial"):
        fastridge.glm(X, np.arange(80) % 3, "multinomial", alpha="evidence")
    with pytest.raises((ValueError, TypeError), match="alpha"):
        fastridge.glm(X, y, alpha="evidenc")
    noise = np.random.default_rng(3).standard_normal((60, 3))
    half = np.arange(60) % 2
    both = np.column_stack([np.ones(60), half])
    noise -= both @ np.linalg.lstsq(both, noise)[0]
    with pytest.warns(UserWarning, match="the model without features"):
        result = fastridge.glm(noise, half, alpha="evidence")
    assert np.abs(result.coef).max() < 1e-3


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
    # the penalty is still above rounding
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
