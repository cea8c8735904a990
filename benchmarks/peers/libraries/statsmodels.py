"""statsmodels: mean log likelihood, with a penalty alpha_j w_j^2 / 2 of each coefficient."""

import numpy as np
import statsmodels
import statsmodels.api as sm

from libraries import Fitted, Solver


def version():
    return statsmodels.__version__


def glm(work, _tol):
    family = sm.families.Binomial() if work.kind == "logistic" else sm.families.Poisson()
    n, p = work.X.shape
    penalty = np.append(0.0, np.full(p, work.alpha / n))

    def call():
        model = sm.GLM(work.y, sm.add_constant(work.X, has_constant="add"), family=family)
        # BFGS, whose tolerance it does not take
        found = model.fit_regularized(alpha=penalty, L1_wt=0.0)
        return Fitted(found.params[1:], found.params[0])

    return call


def solvers():
    yield Solver("GLM", glm, ("logistic", "poisson"), features=1_000)
