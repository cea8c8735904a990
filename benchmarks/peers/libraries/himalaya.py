"""himalaya: ridge by SVD, by kernels, and for groups by random search, on dense data."""

import himalaya
import numpy as np
from himalaya.kernel_ridge import KernelRidge
from himalaya.ridge import GroupRidgeCV, Ridge

from libraries import Fitted, Solver


def version():
    return himalaya.__version__


def svd(work, tol):
    model = Ridge(work.alpha, fit_intercept=True)

    def call():
        model.fit(work.X, work.y)
        return Fitted(model.coef_.T, model.intercept_)

    return call


def path(work, tol):
    """One target for each penalty."""
    model = Ridge(work.alpha, fit_intercept=True)

    def call():
        model.fit(work.X, np.tile(work.y[:, None], len(work.alpha)))
        return Fitted(model.coef_.T, model.intercept_)

    return call


def kernel(work, tol):
    model = KernelRidge(work.alpha, kernel="linear", solver="eigenvalues", fit_intercept=True)

    def call():
        model.fit(work.X, work.y)
        return Fitted(model.get_primal_coef().T, model.intercept_)

    return call


def groups(work, tol):
    """One hundred random draws of the penalties, by cross-validation of five folds."""
    model = GroupRidgeCV(
        work.groups,
        solver_params={"n_iter": 100, "progress_bar": False},
        fit_intercept=True,
        random_state=0,
    )

    def call():
        model.fit(work.X, work.y[:, None])
        return Fitted(model.coef_.T, model.intercept_)

    return call


def solvers():
    yield Solver("Ridge", svd, ("fit", "targets"), most=1e11)
    yield Solver("Ridge", path, ("path",), most=1e11)
    yield Solver("KernelRidge", kernel, ("fit", "targets"), most=3e10)
    yield Solver("GroupRidgeCV", groups, ("groups",))
