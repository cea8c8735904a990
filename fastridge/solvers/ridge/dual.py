"""Ridge in dual form, for fewer samples than features.

With K = S A diag(d)^-1 A' S and the free (d = 0) columns Z of S A,

    (K + alpha I) a + Z c = S y,   Z' a = 0,   w = diag(d)^-1 A' S a,   c: the free coefficients.
"""

from __future__ import annotations

import numpy as np

from ..._dense import Cholesky
from ..._runtime import has_single
from ...quadratic.problem import RidgeProblem
from ...quadratic.projected import span, unit_of_rows
from ...quadratic.refine import MAX_REFINE, SETTLED, relative_step
from ...systems.blas import on_one_thread

_EPS = np.finfo(np.float64).eps
_KEEP = 1e-13
_LEAST_SINGULAR = (
    1e-3  # smallest singular value of free columns over the largest, for few refinements
)

_ELEMENTS = 1_000_000  # elements of the vectors of targets solved together

# Products in float32 take half the time, but need more refinements, each two passes over the data.
# Least number of samples, and of samples per target, for which they pay; bound on refinements;
# share of a column that the columns before it in the factor must leave.
_SINGLE_SAMPLES = 512
_SINGLE_TARGETS = 64
_SINGLE_PASSES = 6
_KEEP_SINGLE = 1e-4


@on_one_thread
def solve_dual(problem: RidgeProblem):
    """Coefficients (k, p), iterations, relative gradients and objectives; None where not stable."""
    n, p, k = problem.n, problem.p, problem.k
    if (problem.alpha == 0).any():
        return None
    free = np.flatnonzero(problem.d == 0)
    if len(free) >= n:
        return None
    inverse = np.divide(1.0, problem.d, out=np.zeros(p), where=problem.d > 0)
    if n >= max(_SINGLE_SAMPLES, _SINGLE_TARGETS * k) and has_single() and not problem.A.is_sparse:
        found = _solve(problem, inverse, free, True)
        if found is not None:
            return found
    return _solve(problem, inverse, free, False)


def _solve(problem: RidgeProblem, inverse, free, single):
    """Solve as `solve_dual`, with K from float32 products if `single`."""
    n, p, k = problem.n, problem.p, problem.k
    K = problem.A.gram_rows(inverse, single=single)
    if problem.root is not None:
        K *= problem.root
        K *= problem.root[:, None]
    if problem.fit_intercept:
        # S 1 is in the null space of K: add it to K, as alpha alone is lost to round-off
        root = np.ones(n) if problem.root is None else problem.root
        K += np.outer(root, root) * (np.trace(K) / (n * (root @ root)))
    diagonal = np.diagonal(K).copy()
    Z = back = None
    if len(free):
        units = np.zeros((p, len(free)), order="F")
        units[free, np.arange(len(free))] = 1.0
        Z = problem.rooted(problem.A.dot(units))
        u, s, V = span(Z, unit_of_rows(problem) if problem.fit_intercept else None)
        if len(s) and s.min() < _LEAST_SINGULAR * s.max():
            return None
        # c in the basis u, which is scaled for each column
        Z, back = u, (V / s[:, None]).T
    coef = np.empty((k, p))
    n_iter = np.zeros(k, dtype=np.intp)
    objective, norm, first = np.empty(k), np.empty(k), np.empty(k)
    basis = Z, back
    together = max(16, _ELEMENTS // (n + p))
    groups = np.unique(problem.alpha)
    for alpha in groups:
        chosen = np.flatnonzero(problem.alpha == alpha)
        M = K.copy() if len(groups) > 1 else K
        M[np.diag_indices(n)] = diagonal + alpha
        try:
            factor = Cholesky(M, _KEEP_SINGLE if single else _KEEP, single=single)
        except ArithmeticError:
            return None
        solve = _solver(factor, Z)
        if solve is None:
            return None
        for i in range(0, len(chosen), together):
            part = chosen[i : i + together]
            Y = problem.rooted(problem.targets(part))
            first[part] = _gradient_norm(problem, K, diagonal, Y, single)
            found = _solve_targets(
                problem, solve, K, diagonal, Y, alpha, inverse, free, basis, single
            )
            if found is None:
                return None
            coef[part], norm[part], objective[part], n_iter[part] = found
    relative = np.divide(norm, first, out=np.zeros(k), where=first > 0)
    return coef, n_iter, relative, objective


def _multiply(K, diagonal, R):
    """Return K @ R, reading only the lower triangle: the upper one may hold a factor."""
    lower = np.tril(K, -1)
    out = lower @ R + lower.T @ R
    out += diagonal[:, None] * R
    return out


def _gradient_norm(problem, K, diagonal, R, single):
    """Return norms of A' S R for R (n, k), without a pass over A where K is S A A' S."""
    if (problem.d == 1).all():
        squares = np.einsum("ik,ik->k", R, _multiply(K, diagonal, R))
        # float32 loses the components of R in directions where K is small
        hidden = 1e-4 * diagonal.mean() * np.einsum("ik,ik->k", R, R)
        if not single or (squares >= hidden).all():
            return np.sqrt(np.maximum(squares, 0.0))
    return np.linalg.norm(problem.A.tdot(problem.rooted(R)), axis=0)


def _solver(factor: Cholesky, Z):
    """Return the solver of the bordered system: right-hand sides (n, k) and (f, k) to (a, c)."""
    if Z is None:
        return lambda R, _: (_apply(factor, R), None)
    MZ = _apply(factor, Z)
    values, vectors = np.linalg.eigh(Z.T @ MZ)
    # where K scales some directions of Z far more than others, solutions lose digits
    if len(values) and not values.min() > _LEAST_SINGULAR * values.max():
        return None
    inner = (vectors / values) @ vectors.T

    def solve(R, q):
        a = _apply(factor, R)
        c = inner @ (Z.T @ a - q)
        return np.asfortranarray(a - MZ @ c), c

    return solve


def _apply(factor: Cholesky, R):
    out = np.array(R, order="F")
    factor.solve(out.reshape(-1, order="F"))
    return out


def _solve_targets(problem, solve, K, diagonal, Y, alpha, inverse, free, basis, single):
    Z, back = basis

    def primal(a, c):
        w = problem.A.tdot(problem.rooted(a))
        w *= inverse[:, None]
        if c is not None:
            w[free] = back @ c
        return w

    a, c = solve(Y, 0.0)
    w = primal(a, c)
    before, rate = np.inf, 1.0
    for iteration in range(1, MAX_REFINE + 1):
        # the gradient A' S (S y - S A w) - alpha d w is A' S of this residual, as d w = A' S a
        R = Y - problem.rooted(problem.A.dot(w))
        objective = np.einsum("ik,ik->k", R, R) + alpha * np.einsum("jk,j,jk->k", w, problem.d, w)
        R -= alpha * a
        da, dc = solve(R, 0.0 if Z is None else -(Z.T @ a))
        dw = primal(da, dc)
        worst = relative_step(dw, w)
        settled = worst <= SETTLED
        if single:
            # corrections contract by their ratio to the one before; a sudden rise of that ratio
            # means that the rest is round-off
            share = worst / before if iteration > 1 else worst
            settled = settled and (worst * min(rate, share) <= _EPS or share > 10 * rate)
            rate = min(rate, share)
            ahead = np.log(_EPS) / np.log(rate) - 1 if 0 < rate < 1 else 0.0
            if not rate < 1 or (not settled and iteration + ahead > _SINGLE_PASSES):
                return None
        if not settled and not worst <= 0.5 * before:
            return None
        before = worst
        a += da
        w += dw
        if settled:
            # gradient left by the step because K was rounded to float32
            left = rate * _gradient_norm(problem, K, diagonal, R, single) if single else 0.0
            # the residual that the step leaves, S (y - A w) - alpha a; the gradient is A' S of it
            R -= _multiply(K, diagonal, da) + alpha * da
            if dc is not None:
                R -= Z @ dc
            norm = _gradient_norm(problem, K, diagonal, R, single) + left
            if dc is not None:  # residual of Z' a = 0
                norm += alpha * np.linalg.norm(problem.A.tdot(problem.rooted(a))[free], axis=0)
            # plus the effect of rounding the coefficients
            norm += 0.5 * problem.rounding(w, alpha)
            return w.T, norm, objective, iteration
    return None
