"""adelie: 1/(2n) sum (y - b - xw)^2 + lmda/2 ||w||^2 by coordinate descent, lmda = alpha / n.

Its releases require NumPy 1; with NumPy 2: pip install --no-deps adelie
"""

import adelie
import numpy as np
import scipy.sparse

from libraries import Fitted, Solver


def version():
    return getattr(adelie, "__version__", "?")


def fit(work, tol):
    X, n = work.X, len(work.y)
    if work.is_sparse:
        X = adelie.matrix.sparse(scipy.sparse.csc_matrix(X), method="naive")
    else:
        X = adelie.matrix.dense(np.asfortranarray(X), method="naive")
    glm = adelie.glm.gaussian(work.y)

    def call():
        state = adelie.grpnet(
            X,
            glm,
            alpha=0.0,
            lmda_path=[work.alpha / n],
            tol=tol,
            early_exit=False,
            progress_bar=False,
            adev_tol=1.0,
            ddev_tol=0.0,
        )
        return Fitted(state.betas.toarray()[-1], state.intercepts[-1])

    return call


def lasso(work, tol):
    """The same with the L1 penalty, which is not divided by n; the largest penalty comes first."""
    if work.is_sparse:
        X = adelie.matrix.sparse(scipy.sparse.csc_matrix(work.X), method="naive")
    else:
        X = adelie.matrix.dense(np.asfortranarray(work.X), method="naive")
    glm = adelie.glm.gaussian(work.y)

    def call():
        state = adelie.grpnet(
            X,
            glm,
            alpha=1.0,
            lmda_path=work.alpha,
            tol=tol,
            early_exit=False,
            progress_bar=False,
            max_iters=10**7,
        )
        return Fitted(state.betas.toarray(), state.intercepts)

    return call


def solvers():
    yield Solver("grpnet, lasso", lasso, ("lasso",), tunable=True, sparse=True)
    yield Solver("grpnet", fit, tunable=True, sparse=True, most=1e11)
