"""Preconditioned conjugate gradients for ridge (Hestenes & Stiefel 1952).

The preconditioner treats the heaviest columns exactly, by a Cholesky factor of their block of
A' S^2 A + alpha diag(d), and the others by their diagonal: on one-hot data a few hundred frequent
columns carry the ill-conditioning. For alpha = 0 there is no preconditioner, and the start is zero:
plain conjugate gradients stay in the row space of A, and find the solution of minimum norm.
"""

from __future__ import annotations

import numpy as np

from .._matrix import Cholesky
from ._ridge_problem import RidgeProblem

_BLOCK = 1000
_MAX_RESTARTS = 20


def solve_cg(problem: RidgeProblem, tol, max_iter, coef_init):
    """Coefficients (k, p), iterations, relative gradients and objectives."""
    p, k = problem.p, problem.k
    limit = max(1000, 10 * min(problem.n, p)) if max_iter is None else max_iter
    at_zero = problem.gradient_at_zero()
    coef = np.zeros((p, k), order="F")
    if coef_init is not None:
        coef[...] = np.where(problem.alpha > 0, coef_init.reshape(k, p).T, 0.0)
    n_iter = np.zeros(k, dtype=np.intp)
    block = _Block(problem) if (problem.alpha > 0).any() else None
    order = np.argsort(problem.alpha, kind="stable")
    preconditioner, factored = None, None
    for t in order:
        alpha = problem.alpha[t]
        if factored != alpha:
            preconditioner = block.factor(alpha) if alpha > 0 else np.copy
            factored = alpha
        n_iter[t] = _one_target(
            problem, coef[:, t], problem.Y[:, t], at_zero[:, t], alpha, preconditioner, tol, limit
        )
    gradient, objective = problem.evaluate(coef)
    return coef.T, n_iter, problem.relative(gradient, at_zero), objective


def _one_target(problem, w, y, at_zero, alpha, preconditioner, tol, limit) -> int:
    """Iterate on w in place until the true gradient is small; the number of iterations."""
    A, weight = problem.A, problem.weight
    penalty = alpha * problem.d
    bound = tol * np.linalg.norm(at_zero)
    u = np.empty(problem.n)
    v = np.empty(problem.p)

    def normal(x, out):
        """(A' S^2 A + alpha diag(d)) x"""
        A.dot(x, out=u)
        if weight is not None:
            np.multiply(u, weight, out=u)
        A.tdot(u, out=out)
        return out

    done, best = 0, np.inf
    for _ in range(_MAX_RESTARTS):
        # the gradient from the residual itself: the recurrence below drifts from it
        A.dot(w, out=u)
        np.subtract(y, u, out=u)
        if weight is not None:
            u *= weight
        r = A.tdot(u)
        r -= penalty * w
        size = np.linalg.norm(r)
        if not size > bound or done >= limit or not size < 0.5 * best:
            break
        best = size
        z = preconditioner(r)
        d = z.copy()
        rz = r @ z
        while done < limit and rz > 0:
            normal(d, v)
            np.multiply(penalty, d, out=z)
            v += z
            curvature = d @ v
            if not curvature > 0:
                break
            step = rz / curvature
            w += step * d
            r -= step * v
            done += 1
            # a little under the bound, for the difference to the true gradient
            if np.linalg.norm(r) <= 0.9 * bound:
                break
            z = preconditioner(r)
            before, rz = rz, r @ z
            d *= rz / before
            d += z
    return max(done, 1)


class _Block:
    """Gram matrix of the heaviest columns, factored anew for each penalty."""

    def __init__(self, problem: RidgeProblem) -> None:
        self.d = problem.d
        self.squares = problem.column_squares()
        # with few samples the block would be singular but for alpha
        m = max(1, min(problem.p, _BLOCK, problem.n // 2))
        self.heavy = np.sort(np.argpartition(-self.squares, m - 1)[:m])
        self.gram = problem.A.gram(problem.weight, columns=self.heavy)

    def factor(self, alpha: float):
        """A function from a gradient to the preconditioned gradient."""
        penalty = alpha * self.d
        diagonal = self.squares + penalty
        inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
        heavy = self.heavy
        own = np.diagonal(self.gram) + penalty[heavy]
        own[own <= 0] = 1.0
        floor = 0.0
        while True:
            M = self.gram.copy()
            M[np.diag_indices(len(heavy))] = own * (1 + floor)
            try:
                factor = Cholesky(M, 1e-14)
                break
            except ArithmeticError:
                # dependent columns: a preconditioner need not be exact
                floor = 1e-12 if floor == 0 else 100 * floor

        def apply(r):
            z = inverse * r
            z[heavy] = factor.solve(r[heavy])
            return z

        return apply
