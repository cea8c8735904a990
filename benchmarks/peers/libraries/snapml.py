"""snapml: sum of log losses + alpha / 2 ||(w, b / s)||^2, for a scale s of the intercept."""

from importlib import metadata

import numpy as np
import scipy.sparse
import snapml

from libraries import Fitted, Solver


def version():
    return metadata.version("snapml")


def logistic(work, tol):
    # it accepts CSR matrices, but no sparse arrays
    X = scipy.sparse.csr_matrix(work.X) if work.is_sparse else np.ascontiguousarray(work.X)
    y = 2.0 * work.y - 1.0
    # it penalises its intercept
    model = snapml.LogisticRegression(
        regularizer=work.alpha,
        dual=True,
        fit_intercept=True,
        intercept_scaling=100.0,
        tol=tol,
        max_iter=10_000,
        n_jobs=1,
        random_state=0,
    )

    def call():
        model.fit(X, y)
        return Fitted(np.ravel(model.coef_), float(np.ravel(model.intercept_)[0]))

    return call


def solvers():
    yield Solver("LogisticRegression, dual", logistic, ("logistic",), tunable=True, sparse=True)
