"""Conjugate gradients for ridge with a large, sparse penalty matrix.

The preconditioner is a factor of alpha P + diag(A'S A), sparse where P is, or of alpha P + A'S A
without the centring where that Gram matrix is sparse; it is banded for splines. P is used only in
products and in that factor.

With the preconditioner B and the least Ritz value m of B^-1 M, M = A'S A + alpha P, the objective
is above its minimum by g'M^-1 g <= g'B^-1 g / m, up to the error of the estimate m.
"""

from __future__ import annotations

import numpy as np

from ...data.rows import as_container
from ...quadratic.penalty_matrix import MatrixRows
from ...systems.blas import on_one_thread
from ...systems.lapack import cholesky, solve_triangular
from .cg import Ritz, iteration_limit

_EPS = np.finfo(np.float64).eps
_RESTARTS = 20
_SURE = 0.3  # inner tolerance as a share of the required accuracy
_FILLED = 40  # largest number of elements of A'A per feature for which it is formed
_EXTRA = 1e-12  # share of the diagonal that makes a factor positive
_SMALL = 1e-6  # relative gradient that shows a solution by itself


@on_one_thread
def solve_matrix_cg(problem: MatrixRows, tol, max_iter, coef_init):
    """Return coefficients (k, p), iterations (k,), bounds of relative errors, and convergence."""
    p, k = problem.p, problem.k
    limit = iteration_limit(problem, max_iter)
    coef = np.zeros((k, p)) if coef_init is None else np.array(coef_init.reshape(k, p))
    n_iter = np.zeros(k, dtype=np.intp)
    error, near = np.zeros(k), np.zeros(k, dtype=bool)
    gram = _sparse_gram(problem)
    squares = problem.column_squares()
    first = np.linalg.norm(problem.gradient_at_zero(), axis=0)
    for alpha in np.unique(problem.alpha):
        apply = _preconditioner(problem, gram, squares, alpha)
        # what makes the factor positive hides the data in the null space of P
        hidden = _EXTRA * float(alpha * problem.matrix.diagonal.max()) > squares.max(initial=0.0)
        for t in np.flatnonzero(problem.alpha == alpha):
            coef[t], n_iter[t], error[t], near[t] = _solve_one(
                problem, int(t), float(alpha), apply, coef[t], tol, limit
            )
            if hidden and near[t]:
                g, _ = problem.evaluate(coef[t][:, None], [t], alpha)
                near[t] = np.linalg.norm(g) <= _SMALL * first[t]
    return coef, np.maximum(n_iter, 1), error, near


def _solve_one(problem, t, alpha, apply, w, tol, limit):
    done, least = 0, np.inf
    chosen = [t]
    g, f = problem.evaluate(w[:, None], chosen, alpha)
    g, f = g[:, 0], float(f[0])
    size = float(np.sqrt(max(g @ apply(g), 0.0)))
    for _ in range(_RESTARTS):
        if size == 0 or done >= limit:
            break
        if np.isfinite(least) and size <= tol * np.sqrt(least * f):
            break
        x, r = np.zeros_like(w), g.copy()
        z = apply(r)
        d, rz, ritz, value = z.copy(), float(r @ z), Ritz(), f
        while done < limit and rz > 0:
            q = problem.A.dot(d)
            if problem.weight is not None:
                q *= problem.weight
            q = problem.A.tdot(q)
            q += alpha * problem.matrix.dot(d)
            curvature = float(d @ q)
            if not curvature > 0:
                break
            step = rz / curvature
            x += step * d
            r -= step * q
            value -= step * rz
            done += 1
            ritz.add(step, rz)
            z = apply(r)
            before, rz = rz, float(r @ z)
            m = min(least, ritz.least)
            if rz <= max(_SURE * tol * np.sqrt(m * max(value, 0.0)), _EPS * size) ** 2:
                break
            d *= rz / before
            d += z
        least = min(least, ritz.least)
        closer, value = problem.evaluate((w + x)[:, None], chosen, alpha)
        closer = closer[:, 0]
        norm = float(np.sqrt(max(closer @ apply(closer), 0.0)))
        if not (norm < size or value[0] < f):
            break
        stalled = norm > 0.5 * size
        w, g, f, size = w + x, closer, float(value[0]), norm
        if stalled:
            break
    scale = np.sqrt(least * f) if np.isfinite(least) else 0.0
    error = size / scale if scale > 0 else (0.0 if size == 0 else np.inf)
    return w, done, error, error <= tol


def _sparse_gram(problem):
    """Return A'S A without the centring, or None where it has many elements."""
    A = problem.A
    if not A.is_sparse:
        return None
    counts = A.row_counts().astype(np.float64)
    if (counts**2).sum() > _FILLED * max(problem.n, problem.p):
        return None
    from scipy import sparse

    X = as_container(problem.near).tocsr()
    X = X if problem.weight is None else sparse.diags_array(problem.root) @ X
    G = (X.T @ X).tocsc()
    return G if G.nnz <= _FILLED * problem.p else None


def _preconditioner(problem, gram, squares, alpha):
    """Return the function r -> B^-1 r; without a factor, B is diagonal."""
    P = problem.matrix
    diagonal = squares + alpha * P.diagonal
    diagonal[diagonal <= 0] = np.inf
    if not P.is_sparse:
        root = np.sqrt(np.where(np.isfinite(diagonal), diagonal, 1.0))
        M = alpha * P.P
        M[np.diag_indices(len(root))] += squares
        M /= root
        M /= root[:, None]
        M[np.diag_indices(len(root))] = 1.0 + _EXTRA
        try:
            L = cholesky(M)
        except np.linalg.LinAlgError:
            return lambda r: r / diagonal

        def solve(r):
            inner = solve_triangular(L, r / root, lower=True)
            return solve_triangular(L, inner, lower=True, trans="T") / root

        return solve
    from scipy import sparse
    from scipy.sparse.linalg import splu

    live = np.where(np.isfinite(diagonal), diagonal, 1.0)
    unit = sparse.diags_array(1.0 / np.sqrt(live))
    B = alpha * P.P + (sparse.diags_array(squares) if gram is None else gram)
    B = (unit @ B @ unit).tocsc() + _EXTRA * sparse.eye_array(len(live), format="csc")
    root = np.sqrt(live)
    try:
        factor = splu(
            B,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:  # singular
        factor = None
    if factor is not None and (factor.U.diagonal() > 0).all():
        return lambda r: factor.solve(r / root) / root
    return lambda r: r / diagonal
