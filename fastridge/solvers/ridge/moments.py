"""Ridge from moments: the Gram matrix is given, and there are no rows to look at again.

With G the centred Gram matrix, C the cross products, W the total weight and m, m_y the means, the
minimum of (without an intercept, else e = 0)

    yy - 2 C'w + w'Gw + W e^2 + alpha w' diag(d) w,   e = m_y - m'w

is found by a Cholesky factor, refined with the residual from G. Where that is unstable, and for the
other solvers, the data are replaced by a root of G from its eigenvalues: p rows or fewer of the
same moments, so that the rank shows and whatever runs on data runs on them.
"""

from __future__ import annotations

import numpy as np

from ..._dense import Cholesky
from ..._matrix import Matrix
from ...data.check import check_alpha, check_penalty_factor
from ...quadratic.problem import RidgeProblem, rounded_gradient
from ...quadratic.range import require_moments
from ...systems.blas import on_one_thread
from ...systems.lapack import eigh
from .fit import (
    SOLVERS,
    RidgeResult,
    _check_options,
    _check_start,
    _finish,
    _reached,
    _rounded,
    bounds,
)

_EPS = np.finfo(np.float64).eps
_KEEP = 1e-13  # share of a column that must be left by the columns before it
_MAX_REFINE = 10
_SETTLED = 1e-7  # relative correction whose square is below rounding
_STABLE = 1e-4  # relative correction that a stable factor settles below
_FAR = 1e8  # squared means, in variances, that leave half the digits of raw second moments


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
) -> RidgeResult:
    """Check the arguments and solve; see `ridge`.

    single: whether the result is that of a one-dimensional y; None: as y was.
    """
    p, k = moments.n_features, moments.n_targets
    if not moments.total_weight > 0:
        raise ValueError(
            f"X holds moments of {moments.n_samples} samples of total weight 0; expected some"
            " weight: sample_weight is zero for every sample, or there is no data yet."
        )
    alpha = np.broadcast_to(check_alpha(alpha, k), (k,))
    d = check_penalty_factor(penalty_factor, p)
    if single is None:
        single = moments._y_ndim == 1
    if coef_init is not None:
        coef_init = _check_start(coef_init, 1 if single else 2, k, p)
    lower, upper = bounds(lower, upper, positive, p)
    bounded = lower is not None or upper is not None
    _check_options(solver, tol, max_iter, bounded)
    d = np.ones(p) if d is None else d
    if standardize:
        variance = np.diagonal(moments.gram) / moments.total_weight
        d = d * np.where(variance > 0, variance, 1.0)
    problem = _Problem(moments, alpha, d, fit_intercept)
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
    w, n_iter, *told = found
    error, near = told if told else (None, False)
    gradient, objective = problem.evaluate(w)
    first = None
    if bounded:
        from .bounded import Box

        box = Box(p, lower, upper)
        gradient = box.projected(gradient.T, w.T).T
        if box.origin.any():
            origin = problem.residual(np.repeat(box.origin[:, None], k, axis=1), slice(None))
            first = np.linalg.norm(np.stack([problem.cross, origin]), axis=1).max(axis=0)
    relative = problem.relative(gradient, w, first=first)
    converged = bool((near | (relative <= _reached(run, tol))).all())
    if moments.is_float32:
        w = _rounded(w.T, lower, upper).T
        gradient, objective = problem.evaluate(w)
        if bounded:
            gradient = box.projected(gradient.T, w.T).T
        relative = problem.relative(gradient, w, first=first)
    coef, intercept = np.ascontiguousarray(w.T), problem.intercept(w)
    if single:
        coef, intercept, n_iter = coef[0], float(intercept[0]), int(n_iter[0])
        relative, objective = float(relative[0]), float(objective[0])
        error = error if error is None else float(error[0])
    result = RidgeResult(coef, intercept, run, n_iter, relative, objective, converged, error)
    return _finish(moments, result, tol)


class _Problem:
    """What is minimised, and its certificate, from the moments alone."""

    def __init__(self, moments, alpha, d, fit_intercept):
        self.moments, self.alpha, self.d = moments, alpha, d
        self.p, self.k = moments.n_features, moments.n_targets
        self.weight = 0.0 if fit_intercept else moments.total_weight
        self.fit_intercept = fit_intercept
        self.mean, self.y_mean = moments.mean, moments.y_mean
        self.own = np.diagonal(moments.gram)
        self.squares, self.cross, yy = self.own, moments.cross, moments.yy
        if not fit_intercept:
            self.squares = self.own + self.weight * self.mean**2
            self.cross = self.cross + self.weight * np.outer(self.mean, self.y_mean)
            yy = yy + self.weight * self.y_mean**2
        require_moments(self.squares, yy)

    def gram(self):
        """A copy of the Gram matrix, raw where there is no intercept."""
        if self.fit_intercept:
            return self.moments.gram.copy()
        rooted = np.sqrt(self.weight) * self.mean
        M = np.multiply.outer(rooted, rooted)
        M += self.moments.gram
        return M

    def means_are_far(self):
        """Whether raw second moments, where they are used, hide what is in the centred ones."""
        if self.fit_intercept:
            # squares are about the means
            return False
        return bool((self.squares > _FAR * self.own)[self.own > 0].any())

    def error(self, w):
        """m_y - m'w: the error at the means, 0 with an intercept."""
        return self.y_mean - self.mean @ w if not self.fit_intercept else np.zeros(w.shape[1:])

    def residual(self, w, chosen):
        """Negative half gradient (p, len(chosen)) of some targets, at w (p, len(chosen))."""
        g = self.moments.cross[:, chosen] - self.moments.gram @ w
        g -= self.alpha[chosen] * (self.d[:, None] * w)
        if not self.fit_intercept:
            e = self.y_mean[chosen] - self.mean @ w
            g += self.weight * np.outer(self.mean, e)
        return g

    def evaluate(self, w):
        """Negative half gradient (p, k) and objective (k,)."""
        m = self.moments
        r = m.cross - m.gram @ w
        shrunk = self.alpha * (self.d[:, None] * w)
        gradient = r - shrunk
        # w'Gw = w'(C - r)
        objective = m.yy + ((shrunk - r - m.cross) * w).sum(axis=0)
        if not self.fit_intercept:
            e = self.error(w)
            gradient += self.weight * np.outer(self.mean, e)
            objective += self.weight * e**2
        return gradient, np.maximum(objective, 0.0)

    def relative(self, gradient, w, alpha=None, first=None):
        """Norms of the gradients, with what rounding may hide, over those at zero, or `first` (k,).

        alpha: the penalty of each column, where the targets are repeated for several penalties.
        """
        alpha = self.alpha if alpha is None else alpha
        first = np.linalg.norm(self.cross, axis=0) if first is None else first
        first = np.tile(first, len(alpha) // self.k)
        # of the coefficients and of the sums
        hidden = _EPS * rounded_gradient(self.squares, alpha * self.d[:, None], w)
        norm = np.linalg.norm(gradient, axis=0) + hidden
        return np.divide(norm, first, out=np.zeros_like(norm), where=first > 0)

    def gradients(self, w, alpha):
        """Negative half gradients at w (p, m k), the targets repeated for m penalties."""
        g = np.tile(self.cross, len(alpha) // self.k) - self.moments.gram @ w
        g -= self.weight * np.outer(self.mean, self.mean @ w)
        g -= alpha * (self.d[:, None] * w)
        return g

    def intercept(self, w):
        if not self.fit_intercept:
            return np.zeros(self.k)
        m = self.moments
        return (m._y_shift - m._shift @ w) + (m._y_offset - m._offset @ w)


def _solve_cholesky(problem):
    """Coefficients (p, k) and iterations (k,), or None where that is unstable."""
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
        found = _refined(problem, factor, diagonal, dead, chosen)
        if found is None:
            return None
        w[:, chosen], n_iter[chosen] = found
    return w, n_iter


def _refined(problem, factor, diagonal, dead, chosen):
    def solve(B):
        B = np.array(B, order="F")
        B[dead] = 0.0
        factor.solve(B.reshape(-1, order="F"))
        return B

    w = solve(problem.cross[:, chosen])
    g = problem.residual(w, chosen)
    unit = np.sqrt(diagonal)[:, None]
    before = np.inf
    for iteration in range(1, _MAX_REFINE + 1):
        step = solve(g)
        moved = np.sqrt(diagonal @ step**2)
        size = np.sqrt(diagonal @ w**2)
        ratio = np.divide(moved, size, out=np.where(moved > 0, np.inf, 0.0), where=size > 0)
        worst = float(ratio.max())
        if not (worst <= 0.5 * before or worst <= _STABLE):
            return None
        closer = w + step
        g_new = problem.residual(closer, chosen)
        # in units of the columns, where small ones count as much as large ones
        better = np.linalg.norm(g_new / unit, axis=0) <= np.linalg.norm(g / unit, axis=0)
        w[:, better], g[:, better] = closer[:, better], g_new[:, better]
        if worst <= _SETTLED or worst > 0.5 * before:
            return w, iteration
        before = worst
    return (w, _MAX_REFINE) if worst <= _STABLE else None


def _solve_root(problem, run, tol, max_iter, coef_init, lower, upper):
    """The solver that ran, coefficients (p, k) and iterations (k,)."""
    R, Z = _root(problem)
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


def _root(problem):
    """R (r, p) and Z (r, k) with R'R = G and R'Z = C, r the rank of G; and the row of the means."""
    m = problem.moments
    size = np.sqrt(problem.own)
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    values, vectors = eigh(m.gram * inverse[:, None] * inverse)
    # what the rounding of the sums and of the eigenvalues can be
    kept = values > 4 * max(problem.p, 16) * _EPS * values.max()
    root = np.sqrt(values[kept])[:, None]
    vectors = vectors[:, kept].T
    R = root * vectors * size
    Z = (vectors @ (inverse[:, None] * m.cross)) / root
    if not problem.fit_intercept or not len(R):
        weight = np.sqrt(problem.weight)
        R = np.vstack([R, weight * problem.mean])
        Z = np.vstack([Z, weight * problem.y_mean])
    return np.ascontiguousarray(R), np.asfortranarray(Z)
