"""Ridge with a Gaussian prior in full: a mean of the coefficients, and a matrix of penalties.

    sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_jl sqrt(d_j d_l) P_jl (w_j - m_j) (w_l - m_l)

A diagonal P is a factor of each penalty, and whatever solves these solves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._matrix import Matrix
from ...data.check import check_alpha, check_finite, check_penalty_factor, recheck
from ...data.priors import check_prior_mean
from ...quadratic.penalty_matrix import MatrixRows, PenaltyMatrix
from ...quadratic.prior_mean import Shift
from ...quadratic.problem import RidgeProblem
from ...quadratic.sums import SumProblem
from ...quadratic.variances import variances_in_range
from .matrix import solve_matrix
from .moments import root_of
from .options import SOLVERS, bounds, check_options, check_start
from .result import ROUNDING, RidgeResult, cast_and_warn, round_to_float32
from .solve import certify, solve


def factors_and_matrix(
    penalty_factor: Any, penalty_matrix: Any, n_features: int
) -> tuple[Any, PenaltyMatrix | None]:
    """Check a matrix of penalties; a diagonal one becomes part of the factors, and leaves None."""
    if penalty_matrix is None:
        return penalty_factor, None
    matrix = PenaltyMatrix.checked(penalty_matrix, n_features)
    if not matrix.is_diagonal():
        return penalty_factor, matrix
    if penalty_factor is None:
        return matrix.diagonal, None
    return penalty_factor * matrix.diagonal, None


def solve_prior(
    A, Y, alpha, *, prior_mean=None, penalty_matrix=None, penalty_factor=None, warn=True, **rest
) -> RidgeResult:
    """Solve a problem whose arrays, but for those of the prior, have been through the door.

    prior_mean: ndarray (k, p) that has been checked, or None; rest: as for `solve`.
    """
    recheck(A)
    check_finite(A)
    factor, matrix = factors_and_matrix(penalty_factor, penalty_matrix, A.n_columns)

    def run(Y, alpha, warn, **changed):
        options = {**rest, **changed}
        if matrix is None:
            return solve(A, Y, alpha, penalty_factor=factor, warn=warn, **options)
        options.pop("checked", None)
        return solve_matrix(A, Y, alpha, matrix, penalty_factor=factor, warn=warn, **options)

    if prior_mean is None or not prior_mean.any():
        return run(Y, alpha, warn)
    k = len(prior_mean)
    alpha = np.array(np.broadcast_to(alpha, (k,)))
    lower, upper = rest.get("lower"), rest.get("upper")
    bounded = lower is not None or upper is not None
    if bounded and k > 1 and (prior_mean != prior_mean[0]).any():
        parts = [
            solve_prior(
                A,
                np.asfortranarray(Y[:, t : t + 1]),
                alpha[t : t + 1],
                prior_mean=prior_mean[t : t + 1],
                penalty_matrix=penalty_matrix,
                penalty_factor=penalty_factor,
                warn=warn,
                **rest | _start_of(rest.get("coef_init"), t),
            )
            for t in range(k)
        ]
        return _joined(parts)
    shift = Shift(A, Y, rest.get("sample_weight"), rest.get("fit_intercept", True), prior_mean)
    m = prior_mean
    changed = {}
    if bounded:
        changed = {
            "lower": None if lower is None else lower - m[0],
            "upper": None if upper is None else upper - m[0],
        }
    start = rest.get("coef_init")
    if start is not None:
        changed["coef_init"] = start - (m[0] if start.ndim == 1 else m)
    result = run(shift.Y, alpha, False, **changed)
    problem = _Unshifted(A, shift, alpha, factor, matrix, rest)
    return problem.finish(result, changed, lower, upper, rest.get("tol", 1e-4), warn)


def _start_of(coef_init, t):
    return {} if coef_init is None else {"coef_init": coef_init[t : t + 1]}


class _Unshifted:
    """From the result of w - m to that of w."""

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
            # where m is the solution, what is left of y is rounding
            result.converged = bool(np.all(result.relative_gradient <= ROUNDING))
        return cast_and_warn(self.A, result, tol, warn)

    def _round(self, result, coef, changed, lower, upper, single):
        """Round coefficients to float32, and take the certificate from what that gives."""
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


def _joined(parts):
    """Results of one target each as one."""
    error = None
    if parts[0].relative_error is not None:
        error = np.concatenate([p.relative_error for p in parts])
    names = ("coef", "intercept", "n_iter", "relative_gradient", "objective")
    coef, intercept, n_iter, gradient, objective = (
        np.concatenate([getattr(p, name) for p in parts]) for name in names
    )
    done = all(p.converged for p in parts)
    return RidgeResult(coef, intercept, parts[0].solver, n_iter, gradient, objective, done, error)


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
    if not moments.total_weight > 0:
        raise ValueError(
            f"X holds moments of {moments.n_samples} samples of total weight 0; expected some"
            " weight: sample_weight is zero for every sample, or there is no data yet."
        )
    alpha = np.array(np.broadcast_to(check_alpha(alpha, k), (k,)))
    d = check_penalty_factor(penalty_factor, p)
    m = None if prior_mean is None else check_prior_mean(prior_mean, k, p)
    if single is None:
        single = moments._y_ndim == 1
    if coef_init is not None:
        coef_init = check_start(coef_init, 1 if single else 2, k, p).reshape(k, p)
    lower, upper = bounds(lower, upper, positive, p)
    check_options(solver, tol, max_iter, lower is not None or upper is not None)
    if standardize:
        variance = np.diagonal(moments.gram) / moments.total_weight
        variance = np.where(variance > 0, variance, 1.0)
        d = variance if d is None else d * variance
    problem = SumProblem(moments, alpha, np.ones(p) if d is None else d, fit_intercept)
    R, Z = root_of(problem)
    if not len(R):
        R, Z = np.zeros((1, p)), np.zeros((1, k), order="F")
    result = solve_prior(
        Matrix.from_dense(R),
        Z,
        alpha,
        prior_mean=m,
        penalty_matrix=penalty_matrix,
        penalty_factor=d,
        fit_intercept=False,
        # the rows are a root, of which a Gram matrix would lose half the digits again
        solver="qr" if SOLVERS[solver] == "auto" and lower is upper is None else solver,
        tol=tol,
        max_iter=max_iter,
        lower=lower,
        upper=upper,
        coef_init=coef_init,
    )
    if moments.is_float32:
        result.coef = round_to_float32(result.coef, lower, upper)
    result.intercept = problem.intercept(result.coef)
    result.objective = result.objective + np.maximum(problem.yy - (Z**2).sum(axis=0), 0.0)
    if single:
        result.coef, result.intercept = result.coef[0], float(result.intercept[0])
        for name in ("n_iter", "relative_gradient", "objective", "relative_error"):
            value = getattr(result, name)
            setattr(result, name, value if value is None else value[0].item())
    return cast_and_warn(moments, result, tol, warn=False)
