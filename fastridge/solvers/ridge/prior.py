"""Ridge with a full Gaussian prior: a mean of the coefficients, and a penalty matrix.

    sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_jl sqrt(d_j d_l) P_jl (w_j - m_j) (w_l - m_l)

A diagonal P is merged into the penalty factors, and any solver accepts it.
"""

from __future__ import annotations

import numpy as np

from ..._matrix import Matrix
from ...data.check import check_finite, recheck
from ...data.priors import check_prior_mean
from ...quadratic.penalty_matrix import MatrixRows, factors_and_matrix
from ...quadratic.prior_mean import Shift
from ...quadratic.problem import RidgeProblem
from ...quadratic.variances import variances_in_range
from .matrix import solve_matrix
from .moments import checked_sums, root_of
from .options import SOLVERS
from .result import (
    ROUNDING,
    RidgeResult,
    cast_and_warn,
    joined,
    round_to_float32,
    without_targets,
)
from .solve import certify, solve


def solve_prior(
    A,
    Y,
    alpha,
    *,
    prior_mean=None,
    penalty_matrix=None,
    penalty_factor=None,
    warn=True,
    checked=False,
    **rest,
) -> RidgeResult:
    """Solve a problem whose arrays, except those of the prior, have been checked.

    checked: whether X is known to be finite; rest: as for `solve`.
    """
    k = 1 if Y.ndim == 1 else Y.shape[1]
    if prior_mean is not None:
        prior_mean = check_prior_mean(prior_mean, k, A.n_columns)
    factor, matrix = factors_and_matrix(penalty_factor, penalty_matrix, A.n_columns)
    # converting the arrays of the prior may have run the caller's code
    recheck(A)
    if not checked:
        check_finite(A)
    return solve_checked_prior(A, Y, alpha, prior_mean, matrix, factor, rest, warn)


def solve_checked_prior(A, Y, alpha, prior_mean, matrix, factor, rest, warn=True) -> RidgeResult:
    """Solve with a prior that was checked: a mean (k, p) or None, and a PenaltyMatrix or None.

    rest: further arguments of `solve`.
    """
    k = 1 if Y.ndim == 1 else Y.shape[1]
    if prior_mean is None or not prior_mean.any():
        return _without_mean(A, Y, alpha, factor, matrix, warn, rest)
    alpha = np.array(np.broadcast_to(alpha, (k,)))
    lower, upper = rest.get("lower"), rest.get("upper")
    bounded = lower is not None or upper is not None
    if not bounded or k == 1 or (prior_mean == prior_mean[0]).all():
        return _around(A, Y, alpha, prior_mean, factor, matrix, warn, rest)
    # each target has its own bounds of w - m
    start = rest.get("coef_init")
    parts = []
    for t in range(k):
        one = slice(t, t + 1)
        options = rest if start is None else rest | {"coef_init": start[one]}
        y = np.asfortranarray(Y[:, one])
        parts.append(_around(A, y, alpha[one], prior_mean[one], factor, matrix, warn, options))
    return joined(parts)


def _without_mean(A, Y, alpha, factor, matrix, warn, rest):
    if matrix is None:
        return solve(A, Y, alpha, penalty_factor=factor, warn=warn, checked=True, **rest)
    return solve_matrix(A, Y, alpha, matrix, penalty_factor=factor, warn=warn, **rest)


def _around(A, Y, alpha, m, factor, matrix, warn, rest):
    """Solve for w - m, m (k, p), and return the result of w."""
    shift = Shift(A, Y, rest.get("sample_weight"), rest.get("fit_intercept", True), m)
    lower, upper = rest.get("lower"), rest.get("upper")
    changed = {}
    if lower is not None or upper is not None:
        changed = {
            "lower": None if lower is None else lower - m[0],
            "upper": None if upper is None else upper - m[0],
        }
    start = rest.get("coef_init")
    if start is not None:
        changed["coef_init"] = start - (m[0] if start.ndim == 1 else m)
    result = _without_mean(A, shift.Y, alpha, factor, matrix, False, rest | changed)
    problem = _Unshifted(A, shift, alpha, factor, matrix, rest)
    return problem.finish(result, changed, lower, upper, rest.get("tol", 1e-4), warn)


class _Unshifted:
    """Convert the result of w - m to that of w."""

    def __init__(self, A, shift, alpha, factor, matrix, rest) -> None:
        self.A, self.shift, self.alpha, self.rest = A, shift, alpha, rest
        d = np.ones(A.n_columns) if factor is None else factor
        if rest.get("standardize"):
            d = d * variances_in_range(A, rest.get("sample_weight"))[0]
        self.d = d
        self.matrix = None if matrix is None else matrix.scaled(np.sqrt(d))

    def finish(self, result, changed, lower, upper, tol, warn):
        shift, m = self.shift, self.shift.m
        single = result.coef.ndim == 1
        found = result.coef.reshape(len(m), -1).astype(np.float64)
        coef = found + m
        for bound, moved in ((lower, changed.get("lower")), (upper, changed.get("upper"))):
            if bound is not None:
                coef = np.where(found == moved, bound, coef)
        if lower is not None or upper is not None:
            coef = np.clip(coef, lower, upper)
        with np.errstate(over="ignore", under="ignore"):
            penalty = self.alpha * (
                self.d[:, None] * m.T if self.matrix is None else self.matrix.dot(m.T)
            )
        share = shift.share(penalty)
        if self.A.is_float32:
            self._round(result, coef, changed, lower, upper, single)
            coef = result.coef.reshape(coef.shape).astype(np.float64)
        result.relative_gradient = result.relative_gradient * (share[0] if single else share)
        intercept = np.zeros(len(m))
        if self.rest.get("fit_intercept", True):
            intercept = shift.y_mean - coef @ shift.mean
        result.coef = coef[0] if single else coef
        result.intercept = float(intercept[0]) if single else intercept
        if single:
            result.relative_gradient = float(result.relative_gradient)
        if not result.converged:
            # where m is the solution, y - X m is round-off
            result.converged = bool(np.all(result.relative_gradient <= ROUNDING))
        return cast_and_warn(self.A, result, tol, warn)

    def _round(self, result, coef, changed, lower, upper, single):
        """Round coefficients to float32, and certify the rounded ones."""
        rounded = round_to_float32(coef, lower, upper)
        rest, Y = self.rest, self.shift.Y
        common = (self.A, Y, self.alpha, rest.get("sample_weight"))
        if self.matrix is None:
            problem = RidgeProblem(*common, self.d, rest.get("fit_intercept", True), check=False)
        else:
            problem = MatrixRows(*common, self.matrix, rest.get("fit_intercept", True))
        gradient, objective = certify(
            problem,
            rounded - self.shift.m,
            result.solver,
            changed.get("lower"),
            changed.get("upper"),
        )
        result.coef = rounded[0] if single else rounded
        result.relative_gradient = float(gradient[0]) if single else gradient
        result.objective = float(objective[0]) if single else objective


@np.errstate(under="ignore")
def solve_prior_moments(
    moments,
    alpha,
    *,
    prior_mean=None,
    penalty_matrix=None,
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
    """Check the arguments and solve moments, by rows of the same moments; see `solve_moments`."""
    p, k = moments.n_features, moments.n_targets
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
    R, Z = root_of(problem)
    if not len(R):
        R, Z = np.zeros((1, p)), np.zeros((1, k), order="F")
    result = solve_prior(
        Matrix.from_dense(R),
        Z,
        np.array(problem.alpha),
        prior_mean=prior_mean,
        penalty_matrix=penalty_matrix,
        penalty_factor=problem.d,
        fit_intercept=False,
        # qr: the rows are a root, whose Gram matrix would lose half the digits again
        solver="qr" if SOLVERS[solver] == "auto" and lower is upper is None else solver,
        tol=tol,
        max_iter=max_iter,
        lower=lower,
        upper=upper,
        coef_init=None if coef_init is None else coef_init.reshape(k, p),
    )
    if moments.is_float32:
        result.coef = round_to_float32(result.coef, lower, upper)
    result.intercept = problem.intercept(result.coef)
    result.objective = result.objective + np.maximum(problem.yy - (Z**2).sum(axis=0), 0.0)
    return cast_and_warn(moments, without_targets(result) if single else result, tol, warn=False)
