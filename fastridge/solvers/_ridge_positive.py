"""Ridge with non-negative coefficients: a bounded quasi-Newton method, then the active set.

L-BFGS-B finds the set of positive coefficients; the problem on that set is an ordinary ridge, whose
exact solution is kept as long as it lowers the objective and stays feasible.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from .._matrix import Cholesky
from ._ridge_problem import RidgeProblem

_DIRECT = 3000
_MAX_SETS = 50


def solve_positive(problem: RidgeProblem, tol, max_iter, coef_init):
    """Coefficients (k, p), iterations, relative (projected) gradients and objectives."""
    p, k = problem.p, problem.k
    limit = 15_000 if max_iter is None else max_iter
    at_zero = problem.gradient_at_zero()
    coef = np.zeros((k, p))
    n_iter = np.ones(k, dtype=np.intp)
    relative, objective = np.zeros(k), np.empty(k)
    # columns of like curvature: the quasi-Newton method starts from a multiple of the identity
    for t in range(k):
        alpha = problem.alpha[t]
        y = problem.Y[:, t]
        curvature = problem.column_squares() + alpha * problem.d
        scale = np.divide(1.0, np.sqrt(curvature), out=np.zeros(p), where=curvature > 0)
        first = np.linalg.norm(at_zero[:, t])

        def value(v, alpha=alpha, y=y, scale=scale):
            w = scale * v
            gradient, loss = _gradient(problem, w, y, alpha)
            return 0.5 * loss, -scale * gradient

        start = np.zeros(p)
        if coef_init is not None:
            np.divide(coef_init.reshape(k, p)[t].clip(0), scale, out=start, where=scale > 0)
        done = minimize(
            value,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * p,
            options={
                "maxiter": limit,
                "maxfun": 3 * limit + 100,
                "ftol": 0.0,
                "gtol": 1e-3 * tol * first * float(scale.max(initial=0)),
            },
        )
        w, sets = _active_set(problem, scale * done.x, y, alpha, tol * first)
        gradient, objective[t] = _gradient(problem, w, y, alpha)
        coef[t] = w
        n_iter[t] = max(1, done.nit + sets)
        if first > 0:
            relative[t] = np.linalg.norm(_projected(gradient, w)) / first
    return coef, n_iter, relative, objective


def _gradient(problem, w, y, alpha):
    """Negative half gradient and objective."""
    r = y - problem.A.dot(w)
    weighted = r if problem.weight is None else problem.weight * r
    gradient = problem.A.tdot(weighted) - alpha * problem.d * w
    return gradient, r @ weighted + alpha * (problem.d * w) @ w


def _projected(gradient, w):
    """What of the gradient the bound does not hold back."""
    return np.where(w > 0, gradient, gradient.clip(0))


def _active_set(problem, w, y, alpha, bound):
    """Exact solutions on the set of positive coefficients, while they improve."""
    gradient, best = _gradient(problem, w, y, alpha)
    for count in range(_MAX_SETS):
        chosen = np.flatnonzero((w > 0) | (gradient > bound))
        if not 0 < len(chosen) <= _DIRECT:
            return w, count
        M = problem.A.gram(problem.weight, columns=chosen)
        M[np.diag_indices(len(chosen))] += alpha * problem.d[chosen]
        try:
            factor = Cholesky(M, 1e-13)
        except ArithmeticError:
            return w, count
        step = factor.solve(gradient[chosen].copy())
        # as far as the first coefficient that meets its bound
        target = w[chosen] + step
        meets = np.flatnonzero(target < 0)
        reach = 1.0
        if len(meets):
            reach = float(np.min(w[chosen][meets] / -step[meets]))
        new = w.copy()
        new[chosen] = np.maximum(w[chosen] + reach * step, 0.0)
        if len(meets):
            stop = meets[np.argmin(w[chosen][meets] / -step[meets])]
            new[chosen[stop]] = 0.0
        gradient_new, objective = _gradient(problem, new, y, alpha)
        improved = np.linalg.norm(_projected(gradient_new, new)) < np.linalg.norm(
            _projected(gradient, w)
        )
        if not (objective < best or improved):
            return w, count
        settled = np.linalg.norm(_projected(gradient_new, new)) <= 1e-3 * bound
        w, gradient, best = new, gradient_new, objective
        if settled:
            return w, count + 1
    return w, _MAX_SETS
