"""Preconditioned conjugate gradients for ridge (Hestenes & Stiefel 1952), refined from the data.

Steps towards the solution come from one of two systems, and the gradient that decides whether
another one is needed always from X:

- `Eliminated`: sparse data whose Gram matrix is small. The frequent columns are eliminated exactly,
  and no iteration touches X. On one-hot data those few hundred columns carry the ill-conditioning.
- `Products`: everything else. The preconditioner treats the heaviest columns exactly, by a Cholesky
  factor of their block of A' S^2 A + alpha diag(d), and the others by their diagonal.

For alpha = 0 there is no preconditioner, and the start is zero: plain conjugate gradients stay in
the row space of A, and find the solution of minimum norm.
"""

from __future__ import annotations

import numpy as np

from .._matrix import Cholesky, Reduced
from ._ridge_cost import default_memory, gram_pays, heavy_columns, most_gram_elements
from ._ridge_problem import RidgeProblem

_MAX_STEPS = 20
_SURE = 0.9  # share of the bound that a step is asked for, for the difference to the true gradient


def solve_cg(problem: RidgeProblem, tol, max_iter, coef_init, max_memory=None):
    """Coefficients (k, p), iterations, relative gradients and objectives."""
    p, k = problem.p, problem.k
    limit = iteration_limit(problem, max_iter)
    at_zero = problem.gradient_at_zero()
    coef = np.zeros((p, k), order="F")
    if coef_init is not None:
        coef[...] = np.where(problem.alpha > 0, coef_init.reshape(k, p).T, 0.0)
    n_iter = np.ones(k, dtype=np.intp)
    norm, objective = np.empty(k), np.empty(k)
    systems = Systems(problem, max_memory)
    for t in np.argsort(problem.alpha, kind="stable"):
        alpha, w = float(problem.alpha[t]), coef[:, t]
        if w.any():
            gradient, objective[t] = problem.gradient(w, t, alpha)
        else:
            gradient, objective[t] = at_zero[:, t], problem.objective_at_zero(t)
        bound = tol * float(np.linalg.norm(at_zero[:, t]))
        n_iter[t], gradient, objective[t] = systems.solve(
            w, t, alpha, gradient, objective[t], bound, limit
        )
        norm[t] = np.linalg.norm(gradient)
    first = np.linalg.norm(at_zero, axis=0)
    relative = np.divide(norm, first, out=np.zeros(k), where=first > 0)
    return coef.T, n_iter, relative, objective


def iteration_limit(problem: RidgeProblem, max_iter) -> int:
    return max(1000, 10 * min(problem.n, problem.p)) if max_iter is None else max_iter


class Systems:
    """Solutions for any penalty and target of one problem, with what they share."""

    def __init__(self, problem: RidgeProblem, max_memory=None) -> None:
        self.problem = problem
        self.max_memory = default_memory() if max_memory is None else max_memory
        self.eliminated = None
        self.products = None
        self.factored = None
        if (problem.alpha > 0).any():
            self.eliminated = eliminated(problem, self.max_memory)

    def solve(self, w, t, alpha, gradient, objective, bound, limit):
        """Move w (p,) to the solution for target t until the gradient is within the bound.

        gradient and objective are those at w. Returns the iterations, and both at the new w.
        """
        done = 0
        if alpha > 0 and self.eliminated is not None and self._factor(self.eliminated, alpha):
            done, gradient, objective = self._refine(
                self.eliminated, w, t, alpha, gradient, objective, bound, limit, 0
            )
            if np.linalg.norm(gradient) <= bound or done >= limit:
                return max(done, 1), gradient, objective
        if self.products is None:
            self.products = Products(self.problem, self.max_memory)
        self._factor(self.products, alpha)
        done, gradient, objective = self._refine(
            self.products, w, t, alpha, gradient, objective, bound, limit, done
        )
        return max(done, 1), gradient, objective

    def _factor(self, system, alpha) -> bool:
        """Whether the system is ready for the penalty."""
        if self.factored != (id(system), alpha):
            self.factored = None
            try:
                system.factor(alpha)
            except ArithmeticError:
                return False
            self.factored = (id(system), alpha)
        return True

    def _refine(self, system, w, t, alpha, gradient, objective, bound, limit, done):
        norm, best = float(np.linalg.norm(gradient)), np.inf
        for _ in range(_MAX_STEPS):
            if not norm > bound or done >= limit or not norm < 0.5 * best:
                break
            best = norm
            step, used = system.solve(gradient, _SURE * bound, limit - done)
            done += used
            step += w
            closer, value = self.problem.gradient(step, t, alpha)
            size = float(np.linalg.norm(closer))
            if not (size < norm or value <= objective):
                break
            w[:] = step
            norm, gradient, objective = size, closer, value
        return done, gradient, objective


def eliminated(problem: RidgeProblem, max_memory):
    """The system without its heavy columns, or None where its Gram matrix would be large."""
    A = problem.A
    counts = A.column_counts() if A.is_sparse else None
    if counts is None or not gram_pays(A, counts):
        return None
    squares = problem.column_squares()
    counts[squares == 0] = 0
    m = max(1, min(heavy_columns(max_memory), problem.n // 2, int((counts > 0).sum())))
    order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())].astype(np.int32)
    order[:m].sort()
    if not len(order):
        return None
    try:
        system = Reduced(
            A,
            order,
            m,
            problem.mean,
            squares,
            problem.total if problem.fit_intercept else 0.0,
            problem.weight,
            most_gram_elements(A, max_memory),
        )
    except OverflowError:
        return None
    return Eliminated(system, problem.d)


class Eliminated:
    """Steps by the Gram matrix with its heavy columns eliminated."""

    def __init__(self, system: Reduced, d) -> None:
        self.system, self.d = system, d

    def factor(self, alpha: float) -> None:
        self.system.factor(alpha, self.d)

    def solve(self, r, bound: float, limit: int):
        return self.system.solve(r, bound, limit)


class Products:
    """Steps by products with A, preconditioned by the heaviest columns' block and the diagonal."""

    def __init__(self, problem: RidgeProblem, max_memory) -> None:
        self.problem = problem
        self.heavy = self.gram = None
        self.most = heavy_columns(max_memory)

    def factor(self, alpha: float) -> None:
        """Prepare for a penalty; the block's Gram matrix serves all of them."""
        problem = self.problem
        self.penalty = alpha * problem.d
        if alpha == 0:
            self.apply = np.copy
            return
        squares = problem.column_squares()
        if self.heavy is None:
            # with few samples the block would be singular but for alpha
            m = max(1, min(problem.p, self.most, problem.n // 2))
            self.heavy = np.sort(np.argpartition(-squares, m - 1)[:m])
            self.gram = problem.A.gram(problem.weight, columns=self.heavy)
        inverse = squares + self.penalty
        np.divide(1.0, inverse, out=inverse, where=inverse > 0)
        heavy = self.heavy
        own = np.diagonal(self.gram) + self.penalty[heavy]
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

        self.apply = apply

    def solve(self, r, bound: float, limit: int):
        """A step from a gradient r, which is overwritten, and the iterations it took."""
        A, weight = self.problem.A, self.problem.weight
        u = np.empty(self.problem.n)
        x = np.zeros(len(r))
        v = np.empty(len(r))
        r = r.copy()
        z = self.apply(r)
        d = z.copy()
        rz = r @ z
        done = 0
        while done < limit and rz > 0:
            # v = (A' S^2 A + alpha diag(d)) d
            A.dot(d, out=u)
            if weight is not None:
                u *= weight
            A.tdot(u, out=v)
            np.multiply(self.penalty, d, out=z)
            v += z
            curvature = d @ v
            if not curvature > 0:
                break
            step = rz / curvature
            np.multiply(step, d, out=z)
            x += z
            v *= step
            r -= v
            done += 1
            if np.linalg.norm(r) <= bound:
                break
            z = self.apply(r)
            before, rz = rz, r @ z
            d *= rz / before
            d += z
        return x, done
