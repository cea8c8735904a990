"""The minimum-norm solution where columns are dependent and nothing is penalised."""

from __future__ import annotations

import numpy as np

from ..._matrix import Matrix
from ..ridge.solve import solve as solve_ridge
from .problem import Array, GLMProblem, State

_MOST = 2000  # largest number of samples or features for which it is computed
_SHORTER = 1e-6  # least relative decrease of the norm for which the solution is replaced
_SAME = 1e-9  # largest relative change of the predictors


def least_norm(
    A: Matrix, problem: GLMProblem, state: State, weight: Array | None
) -> tuple[Array, float] | None:
    """Return coefficients (p,) and intercept with the same predictors and a smaller norm, or None.

    They are the minimum-norm least squares fit to the predictors. The norm is that of the
    coefficients, in units of the columns' deviations where standardised.
    """
    if min(problem.n, problem.p) > _MOST:
        return None
    coef, intercept = problem.restore(state.u, state.b)
    eta = A.dot(coef)
    found = solve_ridge(
        A,
        eta,
        np.zeros(1),
        sample_weight=weight,
        fit_intercept=problem.fit_intercept,
        standardize=problem.standardize,
        warn=False,
    )
    shorter = np.asarray(found.coef, dtype=np.float64)
    unit = 1.0 if problem.rows.unit is None else problem.rows.unit
    before, after = np.linalg.norm(coef * unit), np.linalg.norm(shorter * unit)
    if not after < (1.0 - _SHORTER) * before:
        return None
    change = A.dot(shorter) + float(found.intercept) - eta
    if weight is not None:
        change = change[weight > 0]
    if not np.abs(change).max() <= _SAME * np.abs(eta).max():
        return None
    return shorter, intercept + float(found.intercept)
