"""glum: 1/(2n) sum (y - b - xw)^2 + alpha_/2 ||w||^2, so that alpha_ = alpha / n."""

import warnings

import glum
import scipy.sparse

from libraries import Fitted, Solver


def version():
    return glum.__version__


def fit(work, tol):
    # it accepts CSC matrices, but no sparse arrays
    X = scipy.sparse.csc_matrix(work.X) if work.is_sparse else work.X
    model = glum.GeneralizedLinearRegressor(
        alpha=work.alpha / X.shape[0],
        family={"fit": "normal", "logistic": "binomial"}.get(work.kind, work.kind),
        gradient_tol=tol,
        max_iter=1_000,
    )

    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, work.y)
        return Fitted(model.coef_, model.intercept_)

    return call


def solvers():
    # its Newton steps need a Gram matrix of all columns
    yield Solver(
        "GeneralizedLinearRegressor",
        fit,
        ("fit", "logistic", "poisson"),
        tunable=True,
        sparse=True,
        most=5e10,
        features=10_000,
    )
