"""dask-ml: its generalised linear models, on partitions that one thread works through.

Its models penalise the intercept too, and its stopping rules do not see the penalty: the accuracy
shown is what its solvers reach.
"""

import dask
import numpy as np

# the package of this name, not this module
from dask_ml import __version__ as _version
from dask_ml.linear_model import LinearRegression, LogisticRegression, PoissonRegression

from libraries import Fitted, Solver, partitions

_SOLVERS = ("lbfgs", "newton", "gradient_descent", "proximal_grad", "admm")


def version():
    return _version


def glm(solver):
    def make(work, tol):
        X, y = partitions(work.X), partitions(np.asarray(work.y, dtype=np.float64))
        options = {"solver": solver, "tol": tol, "max_iter": 1_000}
        if work.kind == "logistic":
            model = LogisticRegression(C=1.0 / work.alpha, **options)
        elif work.kind == "poisson":
            model = PoissonRegression(C=1.0 / work.alpha, **options)
        else:
            # half of the penalty is added to the sum of squares
            model = LinearRegression(C=0.5 / work.alpha, **options)

        def call():
            with dask.config.set(scheduler="synchronous"):
                model.fit(X, y)
            return Fitted(np.ravel(model.coef_), np.ravel(model.intercept_)[0])

        return call

    return make


def solvers():
    for solver in _SOLVERS:
        yield Solver(solver, glm(solver), ("fit", "logistic", "poisson"), tunable=True, most=1e10)
