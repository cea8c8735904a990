"""Ridge with a penalty matrix: alpha w'Pw.

The default is a Cholesky factor of A'S A + alpha P, refined with the residual from X. Where that is
unstable, for the other solvers, and with bounds, the problem is least squares of the triangle of
S A stacked on the rows sqrt(alpha) L, L'L = P. That has the same minimum; where the null spaces of
A and P intersect, the solution of least w'w is taken. Large sparse data use conjugate gradients.
"""

from __future__ import annotations

import numpy as np

from ..._dense import Cholesky
from ..._matrix import Matrix
from ...quadratic.penalty_matrix import INEXACT, ULPS, MatrixRows, PenaltyMatrix
from ...quadratic.problem import RidgeProblem
from ...quadratic.range import exponents, largest
from ...quadratic.refine import refine
from ...quadratic.scaling import scaled_matrix
from ...quadratic.variances import variances
from ...systems.blas import on_one_thread
from ...systems.cost import choose_solver
from ...systems.lapack import eigh, orthonormal, svd
from .matrix_cg import solve_matrix_cg
from .options import SOLVERS
from .qr import solve_qr, triangle_of
from .result import RidgeResult, cast_and_warn, joined, sufficient_gradient
from .solve import certify, finished, solve

_KEEP = 1e-13  # share of a column that must be left by the columns before it
_NEAR = 100  # largest exponent of numbers whose sums of squares are far inside the range
_EPS = float(np.finfo(np.float64).eps)
_SPARSE = 2000  # features from which on a sparse matrix is left sparse with fewer samples


@np.errstate(under="ignore")
def solve_matrix(
    A,
    Y,
    alpha,
    matrix: PenaltyMatrix,
    *,
    sample_weight=None,
    penalty_factor=None,
    fit_intercept=True,
    standardize=False,
    solver="auto",
    tol=1e-4,
    max_iter=None,
    lower=None,
    upper=None,
    coef_init=None,
    max_memory=None,
    warn=True,
) -> RidgeResult:
    """Solve a problem whose arrays have been checked, X being finite; see `solve`."""
    k = 1 if Y.ndim == 1 else Y.shape[1]
    alpha = np.array(np.broadcast_to(alpha, (k,)))
    rest = {
        "sample_weight": sample_weight,
        "fit_intercept": fit_intercept,
        "solver": solver,
        "tol": tol,
        "max_iter": max_iter,
        "lower": lower,
        "upper": upper,
        "max_memory": max_memory,
        "warn": warn,
    }
    if not alpha.any():
        return solve(A, Y, alpha, coef_init=coef_init, checked=True, **rest)
    if not alpha.all():
        return _apart(A, Y, alpha, matrix, coef_init, penalty_factor, standardize, rest)
    factor = penalty_factor
    if standardize:
        variance = variances(A, sample_weight)
        factor = variance if factor is None else factor * variance
    if factor is not None:
        matrix = matrix.scaled(np.sqrt(factor))
    found = _scaled(A, Y, alpha, sample_weight, matrix)
    if found is not None:
        A_, Y_, alpha_, matrix_, a, b = found
        return _restore(
            solve_matrix(
                A_,
                Y_,
                alpha_,
                matrix_,
                coef_init=None if coef_init is None else np.ldexp(coef_init, b - a),
                **rest
                | {
                    "lower": None if lower is None else np.ldexp(lower, b - a),
                    "upper": None if upper is None else np.ldexp(upper, b - a),
                },
            ),
            a,
            b,
            A.dtype,
        )
    problem = MatrixRows(A, Y, alpha, sample_weight, matrix, fit_intercept)
    run = "active_set" if lower is not None or upper is not None else SOLVERS[solver]
    if run == "auto":
        run = choose_solver(A, k, max_memory)
        if run == "dual":
            run = "cg" if matrix.is_sparse and problem.p > _SPARSE else "cholesky"
    error, near, found, helps = None, False, None, None
    if run == "cholesky":
        found = _solve_cholesky(problem)
        if found is None:
            run = "qr"
    elif run == "cg":
        *found, error, near = solve_matrix_cg(problem, tol, max_iter, coef_init)
    if found is None:
        run = "active_set" if run == "active_set" else "qr"
        found = _solve_stacked(problem, run, lower, upper, tol, max_iter, coef_init)
    coef, n_iter = found
    gradient, objective = certify(problem, coef, run, lower, upper)
    enough = np.maximum(sufficient_gradient(run, tol), problem.floor())
    if run == "cholesky" and not (gradient <= enough).all():
        # a large alpha hides the rows beside P, but not beside its root
        run = "qr"
        coef, n_iter = _solve_stacked(problem, run, lower, upper, tol, max_iter, coef_init)
        gradient, objective = certify(problem, coef, run, lower, upper)
    if run == "qr" and not (gradient <= enough).all():
        # gradients that are round-off of alpha P w count as zero, but not in the null space of P
        known = problem.null_gradient(coef, problem.alpha) <= enough
        helps = None if known.all() else INEXACT
        enough = np.where(known, np.maximum(enough, _penalty_floor(problem, coef)), enough)
    near = near | (gradient <= enough)
    solution = coef, run, n_iter, gradient, objective
    result = finished(problem, solution, near, error, lower, upper, problem.single)
    return cast_and_warn(A, result, tol, warn, helps)


def _penalty_floor(problem, coef):
    """Return the relative gradients (k,) that are round-off of alpha P w."""
    first = np.linalg.norm(problem.gradient_at_zero(), axis=0)
    size = np.linalg.norm(problem.matrix.toarray())
    rounded = ULPS * _EPS * problem.alpha * size * np.linalg.norm(coef, axis=1)
    return np.divide(rounded, first, out=np.full(len(first), np.inf), where=first > 0)


@on_one_thread
def _solve_cholesky(problem):
    """Return coefficients (k, p) and iterations (k,), or None where the factor is unstable."""
    G, P = problem.A.gram(problem.weight), problem.matrix.toarray()
    coef = np.empty((problem.k, problem.p))
    n_iter = np.ones(problem.k, dtype=np.intp)
    at_zero = problem.gradient_at_zero()
    for alpha in np.unique(problem.alpha):
        chosen = np.flatnonzero(problem.alpha == alpha)
        M = G + alpha * P
        diagonal = np.diagonal(M).copy()
        dead = diagonal == 0
        M[dead, dead] = diagonal[dead] = 1.0
        try:
            factor = Cholesky(M, _KEEP)
        except ArithmeticError:
            return None

        def correct(B, factor=factor, dead=dead):
            B = np.array(B, order="F")
            B[dead] = 0.0
            factor.solve(B.reshape(-1, order="F"))
            return B

        found = refine(problem, correct, correct(at_zero[:, chosen]), chosen, diagonal)
        if not found.settled:
            return None
        coef[chosen], n_iter[chosen] = found.coef.T, found.n_iter
    return coef, n_iter


@on_one_thread
def _solve_stacked(problem, run, lower, upper, tol, max_iter, coef_init):
    """Solve by the triangle of the rows on sqrt(alpha) L: coefficients (k, p), iterations (k,)."""
    from .bounded import solve_bounded

    R, C = triangle_of(problem)
    L = problem.matrix.root()
    coef = np.empty((problem.k, problem.p))
    n_iter = np.ones(problem.k, dtype=np.intp)
    for alpha in np.unique(problem.alpha):
        chosen = np.flatnonzero(problem.alpha == alpha)
        rows = [R, np.sqrt(alpha) * L]
        if run == "qr":
            rows.append(_joint_null(problem, R, alpha))
        X = np.vstack(rows)
        Z = np.zeros((len(X), len(chosen)), order="F")
        Z[: len(C)] = C[:, chosen]
        # sort rows: Householder steps lose light rows above heavy ones
        order = np.argsort(-np.abs(X).max(axis=1), kind="stable")
        X, Z = X[order], np.asfortranarray(Z[order])
        data = RidgeProblem(
            Matrix.from_dense(X), Z, np.zeros(len(chosen)), None, None, False, check=False
        )
        if run == "qr":
            found = solve_qr(data)
        else:
            start = None if coef_init is None else coef_init.reshape(problem.k, -1)[chosen]
            found = solve_bounded(data, lower, upper, tol, max_iter, start)
        coef[chosen], n_iter[chosen] = found[0], found[1]
    return coef, n_iter


def _joint_null(problem, R, alpha):
    """Return a basis N' (m, p) of the joint null space of the rows and P, to require N' w = 0.

    P has round-off relative to its largest elements, and its root, for eigenvalues near zero, the
    square root of that. Smaller values of a direction count as zero.
    """
    P = alpha * problem.matrix.toarray()
    size = np.sqrt((R**2).sum(axis=0) + np.diagonal(P))
    size[size == 0] = 1.0
    _, s, vt = svd(R / size, full_matrices=True)
    seen = int((s > max(problem.n, problem.p) * _EPS * s[:1].max(initial=0.0)).sum())
    Z = vt[seen:].T
    if not Z.shape[1]:
        return np.zeros((0, problem.p))
    shrunk = P / size / size[:, None]
    values, V = eigh(Z.T @ shrunk @ Z)
    N = orthonormal(
        Z @ V[:, values <= problem.p * _EPS * np.diagonal(shrunk).max()] / size[:, None]
    )
    return N.T / np.linalg.norm(N / size[:, None], axis=0)[:, None]


def _apart(A, Y, alpha, matrix, coef_init, penalty_factor, standardize, rest):
    """Solve targets with alpha = 0 separately from the others."""
    zero = alpha == 0
    parts = []
    for chosen in (np.flatnonzero(zero), np.flatnonzero(~zero)):
        parts.append(
            solve_matrix(
                A,
                np.asfortranarray(Y[:, chosen]),
                alpha[chosen],
                matrix,
                coef_init=None if coef_init is None else coef_init[chosen],
                penalty_factor=penalty_factor,
                standardize=standardize,
                **rest,
            )
        )
    # targets without a penalty came first
    return joined(parts, np.argsort(np.argsort(~zero, kind="stable")))


def _scaled(A, Y, alpha, weight, matrix):
    """Return X, y, alpha and P scaled by powers of two, and the powers of X and y; None: in range.

    |y - Xw|^2 + alpha w'Pw of 2^a X and 2^b y has the solution 2^(b - a) w for 2^(2a) alpha.
    """
    peak = float(largest(A, weight).max(initial=0.0))
    y_peak = float(np.abs(Y).max(initial=0.0))
    powers = [
        int(-exponents(np.array([v]))[0]) if v > 0 else 0
        for v in (peak, y_peak, float(matrix.diagonal.max()))
    ]
    if all(abs(v) <= _NEAR for v in powers) and alpha.max() < 2.0**300:
        return None
    a, b, half = powers[0], powers[1], powers[2] // 2
    near = np.ldexp(alpha, 2 * (a - half))
    if not (near < np.inf).all():
        raise ValueError(
            "alpha * penalty_matrix is too large relative to the squares of X; expected penalties"
            " that do not overflow float64 in units of these squares."
        )
    if a == b == 0 and abs(powers[2]) <= _NEAR:
        return None
    if a:
        A = scaled_matrix(A, np.full(A.n_columns, a))
    # a positive penalty, however small, stays positive
    near = np.maximum(near, 2.0**-1000)
    unit = np.full(len(matrix.diagonal), 2.0**half)
    return A, np.ldexp(Y, b), near, matrix.scaled(unit), a, b


def _restore(result, a, b, dtype):
    with np.errstate(over="ignore"):
        result.coef = np.ldexp(result.coef, a - b).astype(dtype)
        result.intercept = np.ldexp(result.intercept, -b)
        result.objective = np.ldexp(result.objective, -2 * b)
    if not np.isfinite(result.coef).all():
        raise ValueError(
            "y is too large relative to X: coef overflows float64; expected smaller numbers."
        )
    return result
