"""Ridge by orthogonal factorisation: for columns that are dependent, or nearly so.

A triangle R of S A is built from blocks of rows. With the rows sqrt(alpha d) below it, scaled to
columns of length 1 and factored with column pivoting, it reveals the rank. Where it is rank
deficient (alpha is 0 or negligible beside A), the solution of least w' diag(d) w is taken for
alpha > 0, and of least w' w for alpha = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...quadratic.problem import RidgeProblem
from ...quadratic.refine import refine
from ...quadratic.spectral import SpectralPath
from ...systems.blas import on_one_thread
from ...systems.graded import svd_of_wide, unlike
from ...systems.lapack import orthonormal, pivoted_qr, solve_triangular, svd, triangle

_EPS = np.finfo(np.float64).eps
_CLOSE = 1e-9  # relative gradient up to which no refinement is needed
# features up to which a penalised problem with fewer samples is still factored by columns
_WIDE = 2000


@on_one_thread
def solve_qr(problem: RidgeProblem):
    """Return coefficients (k, p), iterations, relative gradients and objectives."""
    coef = np.empty((problem.k, problem.p))
    n_iter = np.ones(problem.k, dtype=np.intp)
    gradient = np.empty((problem.p, problem.k))
    objective = np.empty(problem.k)
    solvers: dict[bool, Any] = {}
    path: SpectralPath | None = None
    norms = np.sqrt(problem.column_squares())[:, None]
    norms[norms == 0] = 1.0

    def significant(g, f):
        """Return whether gradients are more than the round-off of A'r.

        In directions outside the range of A', a small alpha would amplify it.
        """
        more = np.linalg.norm(g / norms, axis=0) > 4 * _EPS * np.sqrt(problem.p * f)
        return more | (problem.n >= problem.p)

    for alpha in np.unique(problem.alpha):
        chosen = np.flatnonzero(problem.alpha == alpha)
        wide = problem.n < problem.p and (alpha == 0 or problem.p > _WIDE)
        if wide not in solvers:
            solvers[wide] = _svd_solver(problem) if wide else _qr_solver(problem)
        w, correct, size = solvers[wide](alpha, chosen)
        if correct is None:
            g, f = problem.evaluate(w, chosen)
        else:
            found = refine(problem, correct, w, chosen, size**2, significant)
            w, g, f, n_iter[chosen] = found[:4]
        if alpha > 0 and not wide:
            relative = problem.relative(g, problem.gradient_at_zero()[:, chosen])
            far = np.flatnonzero(relative > _CLOSE)
            if len(far):
                # free and penalised columns so unlike that a joint factor loses small ones
                path = path or SpectralPath(problem, np.zeros(0))
                found = path.coefficients(np.array([alpha]), chosen[far])[0].T
                g_new, f_new = problem.evaluate(found, chosen[far])
                lower = f_new < f[far]
                far = far[lower]
                w[:, far], g[:, far] = found[:, lower], g_new[:, lower]
                f[far] = f_new[lower]
        coef[chosen], gradient[:, chosen], objective[chosen] = w.T, g, f
    return coef, n_iter, problem.relative(gradient, problem.gradient_at_zero()), objective


def triangle_of(problem: RidgeProblem):
    """Return R (m, p) and C (m, k), m = min(n, p), with R'R = A'S^2A and R'C = A'S^2Y."""
    n, p, k = problem.n, problem.p, problem.k
    step = max(2 * (p + k), 1000)
    stack = np.empty((0, p + k))
    Y = problem.rooted(problem.Y)
    left = _left_of_means(problem, step)
    for i in range(0, n, step):
        rows = problem.A.rows(i, min(i + step, n))
        if left is not None:
            rows -= left
        if problem.root is not None:
            rows *= problem.root[i : i + step, None]
        stack = np.vstack([stack, np.hstack([rows, Y[i : i + step]])])
        stack = triangle(stack)
    return stack[:p, :p], stack[:p, p:]


def _left_of_means(problem: RidgeProblem, step):
    """Return the means (p,) of the centred rows, which are round-off; None: no intercept.

    If n <= p they would count as one more direction.
    """
    if not problem.fit_intercept:
        return None
    n = problem.n
    left = np.zeros(problem.p)
    for i in range(0, n, step):
        rows = problem.A.rows(i, min(i + step, n))
        weight = np.ones(len(rows)) if problem.weight is None else problem.weight[i : i + step]
        left += weight @ rows
    left /= problem.total
    return left


def _without_noise(R, C, n, directions):
    """Remove directions of R that may be round-off.

    Return R and C without them, whether to refine, and the size of the least direction kept.
    directions: largest rank of the rows. A direction of size s that is kept adds s / (s^2 + alpha)
    times the data to the solution, and likewise the round-off of a gradient.
    """
    size = np.linalg.norm(R, axis=0)
    size[size == 0] = 1.0
    Q, T, order = pivoted_qr(R / size)
    diagonal = np.abs(np.diagonal(T))
    rank = int((diagonal > max(n, len(size)) * _EPS * diagonal[:1].max(initial=0)).sum())
    rank = min(rank, max(directions, 0))
    low = float(diagonal[rank - 1]) if rank else 1.0
    if rank == min(R.shape):
        return R, C, True, low
    clean = np.empty((rank, len(size)))
    clean[:, order] = T[:rank]
    return clean * size, Q[:, :rank].T @ C, n < len(size), low


def _qr_solver(problem: RidgeProblem):
    p = problem.p
    weighing = problem.n if problem.weight is None else int(np.count_nonzero(problem.weight))
    directions = weighing - problem.fit_intercept
    R, C, full, low = _without_noise(*triangle_of(problem), problem.n, directions)

    def solve(alpha, chosen):
        penalty = np.sqrt(alpha * problem.d)
        rows = np.flatnonzero(penalty)
        M = np.zeros((len(R) + len(rows), p))
        M[: len(R)] = R
        M[len(R) + np.arange(len(rows)), rows] = penalty[rows]
        size = np.linalg.norm(M, axis=0)
        dead = size == 0
        size[dead] = 1.0
        M /= size
        rhs = np.zeros((len(M), len(chosen)))
        rhs[: len(C)] = C[:, chosen]
        Q, T, order = pivoted_qr(M)
        diagonal = np.abs(np.diagonal(T))
        least = 10 * max(*M.shape, problem.n) * _EPS * diagonal[:1].max(initial=0)
        rank = int((diagonal > least).sum())
        # where the penalty is negligible, directions outside of A are set by minimum norm, the
        # limit of a vanishing penalty
        if len(R) < rank:
            rank = max(len(R), int((diagonal > np.sqrt(_EPS) * low).sum()))
        top = T[:rank, :rank]
        w = np.zeros((p, len(chosen)))
        w[order[:rank]] = solve_triangular(top, (Q.T @ rhs)[:rank])
        w /= size[:, None]
        if rank < p:
            null = np.zeros((p, p - rank))
            null[order[:rank]] = -solve_triangular(top, T[:rank, rank:])
            null[order[rank:]] = np.eye(p - rank)
            null /= size[:, None]
            w = _least(w, null, problem.d if alpha > 0 else np.ones(p))
            return w, None, None

        def correct(g):
            b = (g / size[:, None])[order]
            b = solve_triangular(top, b, trans="T")
            out = np.empty_like(g)
            out[order] = solve_triangular(top, b)
            return out / size[:, None]

        return w, correct if full else None, size

    return solve


def _least(w, null, d):
    """Minimise w' diag(d) w, and then w' w, over w plus the null space."""
    null = orthonormal(null)
    root = np.sqrt(d)[:, None]
    u, s, vt = svd(root * null, full_matrices=True)
    # columns of `null` have length 1; in penalised coordinates, free directions have only the
    # round-off of a triangular solve
    seen = int((s > np.sqrt(_EPS) * root.max(initial=0)).sum())
    c = vt[:seen].T @ ((u[:, :seen].T @ (root * w)) / s[:seen, None])
    w = w - null @ c
    rest = null @ vt[seen:].T
    if seen < null.shape[1]:
        rest[d > _EPS * d.max(initial=0)] = 0.0
        rest = orthonormal(rest)
    return w - rest @ (rest.T @ w)


def _svd_solver(problem: RidgeProblem):
    """Return the solver by the SVD of the rows, for fewer rows than features."""
    n, p = problem.n, problem.p
    path = None

    def solve(alpha, chosen):
        nonlocal path
        if alpha > 0:
            path = path or SpectralPath(problem, np.zeros(0))
            return path.coefficients(np.array([alpha]), chosen)[0].T, None, None
        B = problem.A.rows(0, n)
        left = _left_of_means(problem, n)
        if left is not None:
            B -= left
        if problem.root is not None:
            B *= problem.root[:, None]
        if unlike(np.linalg.norm(B, axis=0)):
            u, s, v = svd_of_wide(B)
        else:
            u, s, vt = svd(B)
            kept = s > max(n, p) * _EPS * s[:1].max(initial=0)
            u, s, v = u[:, kept], s[kept], vt[kept].T
        y = problem.rooted(problem.Y)[:, chosen]
        return v @ ((u.T @ y) / s[:, None]), None, None

    return solve
