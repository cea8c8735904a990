"""scikit-learn: every solver of its Ridge, and its estimators for many penalties."""

import numpy as np
import sklearn
from sklearn.linear_model import (
    ARDRegression,
    ElasticNetCV,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    lasso_path,
)
from sklearn.model_selection import GridSearchCV
from work import FOLDS

from libraries import Fitted, Solver, centred


def version():
    return sklearn.__version__


def fit(solver):
    # bound the iterations of the stochastic solvers
    most = 1_000 if solver in ("sag", "saga") else 100_000

    def make(work, tol):
        model = Ridge(work.alpha, solver=solver, tol=tol, max_iter=most, random_state=0)

        def call():
            model.fit(work.X, work.y)
            return Fitted(model.coef_, model.intercept_)

        return call

    return make


def path(solver):
    """One target for each penalty."""

    def make(work, tol):
        model = Ridge(work.alpha, solver=solver, tol=tol, max_iter=100_000)

        def call():
            model.fit(work.X, np.tile(work.y[:, None], len(work.alpha)))
            return Fitted(model.coef_, model.intercept_)

        return call

    return make


def classifier(solver):
    def make(work, tol):
        model = RidgeClassifier(work.alpha, solver=solver, tol=tol, max_iter=100_000)

        def call():
            model.fit(work.X, work.y)
            return Fitted(model.coef_, model.intercept_)

        return call

    return make


def folds(work, tol):
    """Do what its RidgeCV does with folds; RidgeCV itself does not return their errors."""
    grid = {"alpha": work.alpha}
    search = GridSearchCV(Ridge(), grid, cv=FOLDS, scoring="neg_mean_squared_error", refit=False)

    def call():
        return Fitted(-search.fit(work.X, work.y).cv_results_["mean_test_score"], 1.0)

    return call


def leave_one_out(work, tol):
    model = RidgeCV(work.alpha, store_cv_results=True)

    def call():
        return Fitted(model.fit(work.X, work.y).cv_results_.mean(axis=0), 1.0)

    return call


def lasso(precompute):
    """Use its path function, which needs centred data; for sparse data its estimator."""

    def make(work, tol):
        def dense():
            X, y, mean, y_mean = centred(work.X, work.y)
            _, coef, _ = lasso_path(
                np.asfortranarray(X),
                y,
                alphas=work.alpha,
                tol=tol,
                max_iter=100_000,
                precompute=precompute,
            )
            return Fitted(coef.T, y_mean - mean @ coef)

        def sparse():
            model = Lasso(warm_start=True, tol=tol, max_iter=100_000)
            coef, intercept = [], []
            for alpha in work.alpha:
                model.set_params(alpha=alpha).fit(work.X, work.y)
                coef.append(model.coef_.copy())
                intercept.append(model.intercept_)
            return Fitted(coef, intercept)

        return sparse if work.is_sparse else dense

    return make


def net_folds(work, tol):
    model = ElasticNetCV(
        alphas=work.alpha, l1_ratio=work.l1_ratio, cv=FOLDS, tol=tol, max_iter=100_000
    )

    def call():
        errors = model.fit(work.X, work.y).mse_path_.mean(axis=-1)
        back = np.argsort(np.argsort(-work.alpha, kind="stable"))
        return Fitted(errors[back], 1.0)

    return call


def glm(solver):
    def make(work, tol):
        options = {"solver": solver, "tol": tol, "max_iter": 10_000}
        if work.kind == "poisson":
            model = PoissonRegressor(alpha=work.alpha / len(work.y), **options)
        else:
            if solver == "liblinear":
                # liblinear penalises its intercept
                options["intercept_scaling"] = 100.0
            model = LogisticRegression(C=1.0 / work.alpha, **options)

        def call():
            model.fit(work.X, work.y)
            return Fitted(np.ravel(model.coef_), np.ravel(model.intercept_)[0])

        return call

    return make


def batch(work, tol):
    def call():
        models = [Ridge(work.alpha).fit(X, y) for X, y in zip(work.X, work.y, strict=True)]
        return Fitted([m.coef_ for m in models], [m.intercept_ for m in models])

    return call


def one_each(work, tol):
    """One penalty for each feature."""
    model = ARDRegression()

    def call():
        model.fit(work.X, work.y)
        return Fitted(model.coef_, model.intercept_)

    return call


def solvers():
    both = ("fit", "targets")
    yield Solver("cholesky", fit("cholesky"), both)
    yield Solver("svd", fit("svd"), both, most=1e11)
    for name in ("lsqr", "sparse_cg", "sag", "saga"):
        yield Solver(
            name, fit(name), tunable=True, sparse=True, most=1e11 if "sag" in name else 1e12
        )
    yield Solver("svd", path("svd"), ("path",), most=1e11)
    yield Solver("cholesky", path("cholesky"), ("path",), most=1e11)
    yield Solver("sparse_cg", path("sparse_cg"), ("path",), tunable=True, sparse=True)
    yield Solver("lasso_path", lasso(False), ("lasso",), tunable=True, sparse=True)
    yield Solver("lasso_path, Gram", lasso(True), ("lasso",), tunable=True, features=2_000)
    yield Solver("RidgeClassifier, cholesky", classifier("cholesky"), ("classes",), most=1e11)
    for name in ("lsqr", "sparse_cg"):
        yield Solver(
            f"RidgeClassifier, {name}", classifier(name), ("classes",), tunable=True, sparse=True
        )
    glms = ("logistic", "poisson")
    yield Solver("lbfgs", glm("lbfgs"), glms, tunable=True, sparse=True)
    yield Solver(
        "newton-cholesky", glm("newton-cholesky"), glms, tunable=True, sparse=True, features=3_000
    )
    for name in ("newton-cg", "liblinear"):
        yield Solver(name, glm(name), ("logistic",), tunable=True, sparse=True)
    yield Solver("GridSearchCV", folds, ("folds",))
    yield Solver("RidgeCV", leave_one_out, ("loo",))
    yield Solver("ElasticNetCV", net_folds, ("net folds",), tunable=True, sparse=True)
    yield Solver("Ridge, one by one", batch, ("batch",))
    yield Solver("ARDRegression", one_each, ("groups",))
