"""Grids of penalties, starting at the smallest that leaves all coefficients at 0."""

from __future__ import annotations

import copy

import numpy as np

from .path import DescentPath

# least l1_ratio for grids: without an L1 part no penalty makes all coefficients 0
LEAST_L1_RATIO = 1e-3
# ratio of the last penalty to the first; the same without an L1 part, where the first is far above
# those that predict best
_EPS, _EPS_OF_SQUARES = 1e-3, 1e-6
_NULL_TOL = 1e-13


def null_model(problem, max_iter):
    """Fit only the unpenalised features; return coefficients, in solver units, and gradient."""
    free = problem.factor == 0
    if not free.any():
        u = problem.start.copy()
        if not u.any():
            return u, problem.cross
        if problem.A is None:
            return u, problem.cross - problem.gram @ u
        return u, problem.gradient(problem.residual(u))
    held = copy.copy(problem)
    lower = -np.inf if problem.lower is None else problem.lower
    upper = np.inf if problem.upper is None else problem.upper
    held.lower = np.where(free, lower, problem.start)
    held.upper = np.where(free, upper, problem.start)
    path = DescentPath(held, "gram" if problem.A is None else "working", max_iter, 0)
    zero = np.zeros(problem.p)
    path.solve(zero, zero, _NULL_TOL * problem.null)
    if problem.A is None:
        return path.u, problem.cross - problem.gram @ path.u
    return path.u, problem.gradient(problem.residual(path.u))


def alpha_grid(problem, l1_ratio, eps, n_alphas, max_iter):
    """Return n_alphas log-spaced penalties, from the first to eps times it, and the null model.

    The first is the smallest at which all penalised coefficients stay at 0:
    max_j |a_j'S r| / (l1_ratio f_j), with r the residual of the null model, which has the intercept
    and the features of factor 0. With a bound at 0 only the sign that it allows counts. An
    l1_ratio below 1e-3 is replaced by 1e-3. The null model is returned as its coefficients.
    """
    u, v = null_model(problem, max_iter)
    penalised = problem.factor > 0
    pull = problem.pull(v.copy())[penalised] / problem.factor[penalised]
    first = float(pull.max(initial=0.0)) / (l1_ratio or LEAST_L1_RATIO)
    rounding = np.finfo(np.float64).resolution
    if first <= rounding * np.sqrt(problem.yy) * np.sqrt(problem.square.max(initial=0.0)):
        return np.full(n_alphas, rounding), u
    return spaced(first, eps, n_alphas), u


def spaced(first, eps, n_alphas):
    """Return n_alphas log-spaced penalties, from the first to eps times it."""
    if not np.isfinite(first):
        raise ValueError(
            "the first penalty of the automatic grid is not finite: l1_ratio is too small, or"
            " bounds hold coefficients where the loss overflows; expected alphas, or others."
        )
    return np.geomspace(first, first * eps, n_alphas)


def end_of_grid(eps: float | None, l1_ratio: float) -> float:
    """Return the ratio of the last penalty of an automatic grid to the first: eps, unless None."""
    if eps is not None:
        return float(eps)
    return _EPS if l1_ratio >= LEAST_L1_RATIO else _EPS_OF_SQUARES
