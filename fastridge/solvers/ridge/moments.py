"""Ridge from moments: the Gram matrix is given, without the rows.

With G the centred Gram matrix, C the cross products, W the total weight and m, m_y the means, the
minimum of (without an intercept, else e = 0)

    yy - 2 C'w + w'Gw + W e^2 + alpha w' diag(d) w,   e = m_y - m'w

is found by a Cholesky factor, refined with the residual from G. Where that is unstable, and for the
other solvers, the data are replaced by a root of G from its eigenvalues: at most p rows with the
same moments, which reveal the rank and on which any solver for data runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._dense import Cholesky
from ..._matrix import Matrix
from ...data.check import check_array
from ...data.parameters import check_alpha, check_penalty_factor
from ...quadratic.problem import RidgeProblem
from ...quadratic.refine import refine
from ...quadratic.sums import SumProblem
from ...systems.blas import on_one_thread
from ...systems.lapack import eigh
from .options import SOLVERS, bounds, check_options
from .result import (
    RidgeResult,
    cast_and_warn,
    round_to_float32,
    sufficient_gradient,
    without_targets,
)

if TYPE_CHECKING:
    from ...moments import Moments

Array = NDArray[np.float64]

_EPS = np.finfo(np.float64).eps
_KEEP = 1e-13  # share of a column that the columns before it must leave


@np.errstate(under="ignore")
@on_one_thread
def solve_moments(
    moments,
    alpha,
    *,
    penalty_factor=None,
    fit_intercept=True,
    standardize=False,
    solver="auto",
    tol=1e-4,
    max_iter=None,
    positive=False,
    coef_init=None,
    lower=None,
    upper=None,
    single=None,
    warn=True,
) -> RidgeResult:
    """Check the arguments and solve; see `ridge`.

    single: whether the result is that of a one-dimensional y; None: as y was. warn: whether to warn
    where `tol` is not reached.
    """
    problem, coef_init, lower, upper, single = checked_sums(
        moments,
        alpha,
        penalty_factor,
        fit_intercept,
        standardize,
        (solver, tol, max_iter),
        (positive, lower, upper),
        coef_init,
        single,
    )
    p, k, alpha = problem.p, problem.k, problem.alpha
    bounded = lower is not None or upper is not None
    run = "active_set" if bounded else SOLVERS[solver]
    if run == "auto":
        run = "cholesky"
    found = None
    if run == "cholesky":
        found = None if problem.means_are_far() else _solve_cholesky(problem)
        if found is None:
            run = "qr"
    if found is None:
        run, *found = _solve_root(problem, run, tol, max_iter, coef_init, lower, upper)
    w, n_iter, *bound = found
    error, near = bound if bound else (None, False)
    gradient, objective = problem.evaluate(w)
    first = None
    if bounded:
        from .bounded import Box

        box = Box(p, lower, upper)
        gradient = box.projected(gradient.T, w.T).T
        if box.origin.any():
            origin = problem.evaluate(np.repeat(box.origin[:, None], k, axis=1))[0]
            first = np.linalg.norm(np.stack([problem.cross, origin]), axis=1).max(axis=0)
    relative = problem.certify(gradient, w, alpha, first)
    converged = bool((near | (relative <= sufficient_gradient(run, tol))).all())
    if moments.is_float32:
        w = round_to_float32(w.T, lower, upper).T
        gradient, objective = problem.evaluate(w)
        if bounded:
            gradient = box.projected(gradient.T, w.T).T
        relative = problem.certify(gradient, w, alpha, first)
    coef = np.ascontiguousarray(w.T)
    intercept = problem.intercept(coef)
    result = RidgeResult(coef, intercept, run, n_iter, relative, objective, converged, error)
    return cast_and_warn(moments, without_targets(result) if single else result, tol, warn)


def checked_sums(
    moments, alpha, penalty_factor, fit_intercept, standardize, options, bound, coef_init, single
):
    """Check the arguments of `solve_moments`.

    options: solver, tol and max_iter; bound: positive, lower and upper.

    Return the problem, coef_init, lower, upper and whether the result has one target.
    """
    p, k = moments.n_features, moments.n_targets
    if not moments.total_weight > 0:
        raise ValueError(
            f"X holds moments of {moments.n_samples} samples of total weight 0: sample_weight is"
            " zero for every sample, or there is no data yet; expected a positive total weight."
        )
    alpha = np.broadcast_to(check_alpha(alpha, k), (k,))
    d = check_penalty_factor(penalty_factor, p)
    if single is None:
        single = moments._y_ndim == 1
    if coef_init is not None:
        coef_init = check_array("coef_init", coef_init, (p,) if single else (k, p))
    positive, lower, upper = bound
    lower, upper = bounds(lower, upper, positive, p)
    check_options(*options, lower is not None or upper is not None)
    d = np.ones(p) if d is None else d
    if standardize:
        variance = np.diagonal(moments.gram) / moments.total_weight
        d = d * np.where(variance > 0, variance, 1.0)
    return SumProblem(moments, alpha, d, fit_intercept), coef_init, lower, upper, single


def _solve_cholesky(problem):
    """Return coefficients (p, k) and iterations (k,), or None where the factor is unstable."""
    w = np.empty((problem.p, problem.k), order="F")
    n_iter = np.ones(problem.k, dtype=np.intp)
    dead = problem.squares <= 0
    for alpha in np.unique(problem.alpha) if problem.k > 1 else problem.alpha:
        chosen = np.flatnonzero(problem.alpha == alpha)
        M = problem.gram()
        diagonal = np.where(dead, 1.0, problem.squares + alpha * problem.d)
        if dead.any():
            M[dead] = 0.0
            M[:, dead] = 0.0
        M.flat[:: problem.p + 1] = diagonal
        try:
            factor = Cholesky(M, _KEEP)
        except ArithmeticError:
            return None

        def solve(B, factor=factor):
            B = np.array(B, order="F")
            B[dead] = 0.0
            factor.solve(B.reshape(-1, order="F"))
            return B

        found = refine(problem, solve, solve(problem.cross[:, chosen]), chosen, diagonal)
        if not found.settled:
            return None
        w[:, chosen], n_iter[chosen] = found.coef, found.n_iter
    return w, n_iter


def _solve_root(problem, run, tol, max_iter, coef_init, lower, upper):
    """Return the solver that ran, coefficients (p, k) and iterations (k,)."""
    R, Z = root_of(problem)
    data = RidgeProblem(Matrix.from_dense(R), Z, problem.alpha, None, problem.d, False, check=False)
    found = None
    if run == "dual":
        from .dual import solve_dual

        found = solve_dual(data)
        if found is None:
            run = "qr"
    if run == "qr":
        from .qr import solve_qr

        found = solve_qr(data)
    elif run == "cg":
        from .cg import solve_cg

        found = solve_cg(data, tol, max_iter, coef_init)
    elif run == "active_set":
        from .bounded import solve_bounded

        found = solve_bounded(data, lower, upper, tol, max_iter, coef_init)
    return run, found[0].T, found[1], *found[4:]


def root_of(problem):
    """Return R (r, p) and Z (r, k), R'R = G and R'Z = C, r the rank of G; with the row of means."""
    R, Z = gram_root(problem.moments)
    if not problem.fit_intercept or not len(R):
        weight = np.sqrt(problem.weight)
        R = np.vstack([R, weight * problem.mean])
        Z = np.vstack([Z, weight * problem.y_mean])
    return np.ascontiguousarray(R), np.asfortranarray(Z)


def gram_root(moments: Moments) -> tuple[Array, Array]:
    """Return R (r, p) and Z (r, k) with R'R = G and R'Z = C, r the numerical rank of G."""
    size = np.sqrt(np.diagonal(moments.gram))
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    values, vectors = eigh(moments.gram * inverse[:, None] * inverse)
    # cut off at the round-off of the sums and of the eigenvalues
    kept = values > 4 * max(len(size), 16) * _EPS * values.max()
    root = np.sqrt(values[kept])[:, None]
    vectors = vectors[:, kept].T
    return root * vectors * size, (vectors @ (inverse[:, None] * moments.cross)) / root
