"""skglm: 1/(2n) sum (y - b - xw)^2 + alpha ||w||_1, one fit per penalty.

It is compiled at the first fit, which is not timed.
"""

import numpy as np
import scipy.sparse
import skglm

from libraries import Fitted, Solver


def version():
    return skglm.__version__


def lasso(work, tol):
    X = scipy.sparse.csc_matrix(work.X) if work.is_sparse else np.asfortranarray(work.X)
    skglm.Lasso(alpha=work.alpha[0]).fit(X, work.y)

    def call():
        model = skglm.Lasso(warm_start=True, tol=tol, max_iter=1_000, max_epochs=100_000)
        coef, intercept = [], []
        for alpha in work.alpha:
            model.alpha = alpha
            model.fit(X, work.y)
            coef.append(model.coef_.copy())
            intercept.append(model.intercept_)
        return Fitted(coef, intercept)

    return call


def solvers():
    yield Solver("Lasso", lasso, ("lasso",), tunable=True, sparse=True)
