"""Singular values of the penalised part of a ridge problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._matrix import Matrix
from ...quadratic.problem import RidgeProblem
from ...quadratic.spectral import SpectralPath
from ...quadratic.variances import variances
from ...systems.blas import on_one_thread
from ...systems.cost import rows_fit
from ...systems.lapack import eigvalsh

_EPS = np.finfo(np.float64).eps
_LEAST = 1e-7  # least eigenvalue over the largest that a Gram matrix gives to 1e-9


@on_one_thread
def squared_singular_values(
    A: Matrix,
    weight: Any,
    factor: Any,
    fit_intercept: bool,
    standardize: bool,
    penalty_matrix: Any = None,
) -> Any:
    """Return squared singular values, descending, of S A diag(d)^-1/2 without free columns.

    With a penalty matrix, of the data in the coordinates of its eigenvectors.
    """
    if penalty_matrix is not None:
        from .prior import units_of

        units = units_of(
            *(A, np.zeros((A.n_rows, 1)), weight, factor, fit_intercept, standardize),
            prior_mean=None,
            penalty_matrix=penalty_matrix,
        )
        A, factor, standardize = units.A, units.factor, units.standardize
    if standardize:
        variance = variances(A, weight)
        factor = variance if factor is None else factor * variance
    n = A.n_rows
    problem = RidgeProblem(A, np.zeros((n, 1)), np.ones(1), weight, factor, fit_intercept)
    chosen, free = np.flatnonzero(problem.d > 0), np.flatnonzero(problem.d == 0)
    inverse = np.zeros(problem.p)
    inverse[chosen] = 1.0 / np.sqrt(problem.d[chosen])
    if n < problem.p and not len(free):
        M = problem.A.gram_rows(inverse**2)
        if problem.root is not None:
            M *= problem.root
            M *= problem.root[:, None]
    else:
        G = problem.A.gram(weight)
        M = G[np.ix_(chosen, chosen)]
        if len(free):
            coupling = G[np.ix_(free, chosen)]
            M = M - coupling.T @ np.linalg.pinv(G[np.ix_(free, free)], hermitian=True) @ coupling
        M *= inverse[chosen]
        M *= inverse[chosen, None]
    values = eigvalsh(M)[::-1]
    most = min(n - fit_intercept, problem.p)
    if values[-1:] < _LEAST * values[:1] and rows_fit(n, problem.p):
        # below the accuracy of the Gram matrix: use the rows
        found = np.zeros(len(M))
        squares = np.sort(SpectralPath(problem, np.zeros(0)).spectrum.s ** 2)[::-1]
        found[: len(squares)] = squares
        return found[:most]
    return np.where(values > len(M) * _EPS * values.max(initial=0.0), values, 0.0)[:most]
