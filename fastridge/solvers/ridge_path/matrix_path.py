"""Paths with a sparse penalty matrix for sparse data, by conjugate gradients with warm starts.

Neither X nor P is made dense; see `ridge.matrix_cg`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.rounding import as_dtype
from ...quadratic.penalty_matrix import MatrixRows, PenaltyMatrix
from ..ridge.matrix_cg import solve_matrix_cg
from ..ridge.options import SOLVERS
from ..ridge.result import ROUNDING
from .iterative import IterativePath

_MANY = 2000  # features from which a sparse matrix is left sparse by solver "auto"


def stays_sparse(A: Any, matrix: PenaltyMatrix | None, solver: str) -> bool:
    """Return whether a path keeps X and P sparse instead of rotating X by eigenvectors of P."""
    if matrix is None or not (matrix.is_sparse and A.is_sparse):
        return False
    run = SOLVERS[solver]
    return run == "cg" or (run == "auto" and A.n_columns > _MANY)


class MatrixPath(IterativePath):
    """Solutions w for every penalty alpha w'Pw; `problem` is a MatrixRows."""

    problem: MatrixRows

    def __init__(self, problem: MatrixRows, alphas, tol, max_iter, callback) -> None:
        m, k, p = len(alphas), problem.k, problem.p
        self.problem, self.alphas = problem, alphas
        first = np.linalg.norm(problem.gradient_at_zero(), axis=0)
        dtype = np.float32 if problem.A.is_float32 else np.float64
        self.coef = np.zeros((m, k, p), dtype=dtype)
        self.intercept = np.zeros((m, k), dtype=dtype)
        self.squared_norm, self.residual = np.zeros((m, k)), np.zeros((m, k))
        self.relative_gradient, self.relative_error = np.zeros((2, m, k))
        self.converged = np.ones((m, k), dtype=bool)
        self.n_iter = np.ones((m, k), dtype=np.intp)
        order = np.argsort(-alphas, kind="stable")
        start = np.zeros((k, p))
        for done, i in enumerate(order):
            alpha = float(alphas[i])
            problem.alpha = np.full(k, alpha)
            coef, self.n_iter[i], self.relative_error[i], near = solve_matrix_cg(
                problem, tol, max_iter, start
            )
            start = coef
            gradient, objective = problem.evaluate(coef.T, alpha=problem.alpha)
            shrunk = np.einsum("kp,pk->k", coef, problem.matrix.dot(coef.T))
            self.squared_norm[i], self.residual[i] = shrunk, objective - alpha * shrunk
            norm = np.linalg.norm(gradient, axis=0)
            np.divide(norm, first, out=self.relative_gradient[i], where=first > 0)
            self.coef[i] = as_dtype(coef, dtype, "coef")
            self.intercept[i] = problem.y_mean - coef @ problem.mean
            self.converged[i] = near | (self.relative_gradient[i] <= ROUNDING)
            if dtype is np.float32:
                self._certify(i, first)
            # the callback ends the path by returning True
            if callback is not None and callback(done + 1, m):
                self._keep(np.sort(order[: done + 1]))
                break

    @property
    def dof(self) -> None:
        """Not computed."""
