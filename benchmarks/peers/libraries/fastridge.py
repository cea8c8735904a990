"""This library."""

from importlib.util import find_spec

import numpy as np
from work import FOLDS

import fastridge as fr
from libraries import Fitted, Solver, partitions


def version():
    return fr.__version__


def fit(work, tol):
    def call():
        found = fr.ridge(work.X, work.y, work.alpha, tol=tol)
        return Fitted(found.coef, found.intercept)

    return call


def estimator(work, tol):
    def call():
        model = fr.Ridge(work.alpha, tol=tol).fit(work.X, work.y)
        return Fitted(model.coef_, model.intercept_)

    return call


def path_by_fits(work, tol):
    """Fit one penalty after the other, with warm starts."""

    def call():
        found, w = [], None
        for alpha in np.sort(work.alpha)[::-1]:
            found.append(fr.ridge(work.X, work.y, alpha, tol=tol, coef_init=w))
            w = found[-1].coef
        order = np.argsort(np.argsort(-work.alpha))
        return Fitted([found[i].coef for i in order], [found[i].intercept for i in order])

    return call


def path(work, tol):
    def call():
        found = fr.ridge_path(work.X, work.y, work.alpha, tol=tol)
        return Fitted(found.coef, found.intercept)

    return call


def lasso(work, tol):
    def call():
        found = fr.elastic_net_path(
            work.X, work.y, l1_ratio=1.0, alphas=work.alpha, tol=tol, max_iter=10_000
        )
        return Fitted(found.coef, found.intercept)

    return call


def classifier(work, tol):
    model = fr.RidgeClassifier(work.alpha, tol=tol)

    def call():
        model.fit(work.X, work.y)
        return Fitted(model.coef_, model.intercept_)

    return call


def moments(work, tol):
    def call():
        found = fr.Moments(work.X, work.y)
        return Fitted(found.gram, found.cross)

    return call


def choice(work, tol):
    cv = FOLDS if work.kind == "folds" else "loo"
    model = fr.RidgeCV(work.alpha, cv=cv, scoring="neg_mean_squared_error", tol=tol)

    def call():
        return Fitted(model.fit(work.X, work.y).cv_results_["validation_error"], 1.0)

    return call


def net_folds(work, tol):
    model = fr.ElasticNetCV(alphas=work.alpha, l1_ratio=work.l1_ratio, cv=FOLDS, tol=tol)

    def call():
        model.fit(work.X, work.y)
        errors = model.mse_path_.mean(axis=-1)
        back = np.argsort(np.argsort(-work.alpha, kind="stable"))
        return Fitted(errors[back], 1.0)

    return call


def glm(work, tol):
    # tol bounds the square root of the relative gap
    alpha, root = work.alpha / len(work.y), min(float(np.sqrt(tol)), 1.0)

    def call():
        found = fr.glm(work.X, work.y, work.kind, alpha, tol=root, max_iter=1_000)
        return Fitted(found.coef, found.intercept)

    return call


def parts(work, tol):
    """Fit partitions of Dask, on one thread."""
    import dask

    X, y = partitions(work.X), partitions(np.asarray(work.y, dtype=np.float64))
    n, root = len(work.y), min(float(np.sqrt(tol)), 1.0)
    if work.kind == "logistic":
        model = fr.LogisticRegression(C=1.0 / work.alpha, tol=root)
    elif work.kind == "poisson":
        model = fr.PoissonRegressor(alpha=work.alpha / n, tol=root)
    else:
        model = fr.Ridge(work.alpha)

    def call():
        with dask.config.set(scheduler="synchronous"):
            model.fit(X, y)
        return Fitted(np.ravel(model.coef_), np.ravel(model.intercept_)[0])

    return call


def batch(work, tol):
    def call():
        found = fr.ridge_batch(work.X, work.y, work.alpha)
        return Fitted(found.coef, found.intercept)

    return call


def windows(work, tol):
    def call():
        found = fr.rolling_ridge(work.X, work.y, window=work.window, alpha=work.alpha)
        return Fitted(found.coef[work.ends], found.intercept[work.ends])

    return call


def groups(work, tol):
    model = fr.GroupRidge(work.groups)

    def call():
        model.fit(work.X, work.y)
        return Fitted(model.coef_, model.intercept_)

    return call


def batch_by_fits(work, tol):
    def call():
        found = [fr.ridge(X, y, work.alpha) for X, y in zip(work.X, work.y, strict=True)]
        return Fitted([f.coef for f in found], [f.intercept for f in found])

    return call


def solvers():
    everything = {"sparse": True, "most": np.inf, "tunable": True}
    yield Solver("ridge", fit, ("fit", "targets"), **everything)
    yield Solver("Ridge", estimator, ("fit",), **everything)
    yield Solver("ridge_path", path, ("path",), **everything)
    yield Solver("ridge, one by one", path_by_fits, ("path",), **everything)
    yield Solver("lasso_path", lasso, ("lasso",), **everything)
    yield Solver("RidgeClassifier", classifier, ("classes",), **everything)
    yield Solver("Moments", moments, ("moments",), sparse=True)
    yield Solver("RidgeCV", choice, ("folds", "loo"), most=np.inf)
    yield Solver("ElasticNetCV", net_folds, ("net folds",), **everything)
    yield Solver("glm", glm, ("logistic", "poisson"), **everything)
    if find_spec("dask") is not None:
        kinds = "fit", "logistic", "poisson"
        yield Solver("parts", parts, kinds, tunable=True)
    yield Solver("ridge_batch", batch, ("batch",))
    yield Solver("rolling_ridge", windows, ("windows",))
    yield Solver("GroupRidge", groups, ("groups",))
    yield Solver("ridge, one by one", batch_by_fits, ("batch",))
