"""Elastic nets whose arguments have been checked."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._moments import centred_quadratic
from ..._stack import outside
from ...data.check import (
    check_array,
    check_design,
    check_finite,
    check_sample_weight,
    check_target,
    guarded,
    is_moments,
    recheck,
)
from ...data.rounding import as_dtype, to_float32
from ...quadratic.range import has_light_rows, require_sums
from .choose import choose_solver
from .grid import LEAST_L1_RATIO, alpha_grid, spaced
from .options import Options
from .path import DescentPath
from .problem import DescentProblem, by_columns, penalty_of
from .result import ElasticNetPath, ElasticNetResult, PathStep

# Number of elements of data up to which a Gram matrix takes less time than moments would.
_FEW = 20_000
# Largest number of unpenalised features whose dependence is checked, and the least eigenvalue of
# their correlations for which coordinate descent on them surely converges.
_MOST_FREE, _DEPENDENT = 200, 1e-8
# Number of rows from which the summing kernel detects every constant column.
_SOME = 4


class Constraints:
    """Penalty factors and bounds of the coefficients; None: none."""

    __slots__ = ("factor", "lower", "upper")

    def __init__(
        self,
        factor: NDArray[np.float64] | None = None,
        lower: NDArray[np.float64] | None = None,
        upper: NDArray[np.float64] | None = None,
    ) -> None:
        self.factor, self.lower, self.upper = factor, lower, upper


NOTHING = Constraints()


def check_data(X, y, sample_weight):
    """Return Matrix, target and weights; or Moments, None and None."""
    if is_moments(X):
        if y is not None or sample_weight is not None:
            name = "y" if y is not None else "sample_weight"
            raise ValueError(
                f"{name} is given together with Moments, which already include it; expected None."
            )
        check_moments(X, "X")
        return X, None, None
    A = check_design(X, finite=False)
    return A, check_target(y, A.n_rows), check_sample_weight(sample_weight, A.n_rows)


def check_moments(moments: Any, name: str) -> None:
    """Raise if moments have no weight."""
    if not moments.total_weight > 0:
        raise ValueError(
            f"{name} holds moments of {moments.n_samples} samples of total weight 0; expected a"
            " positive total weight."
        )


def solve(
    source: Any,
    Y: NDArray[np.float64] | None,
    alpha: float,
    options: Options,
    sample_weight: NDArray[np.float64] | None = None,
    constraints: Constraints = NOTHING,
    coef_init: Any = None,
    gram: NDArray[np.float64] | None = None,
    dual_init: list[NDArray[np.float64]] | None = None,
) -> ElasticNetResult:
    """Solve for one penalty; see `elastic_net`.

    source: a Matrix, or Moments with Y None. gram: A'SA with the weights as given, for a Matrix.
    dual_init: the dual points, one per target, of the fit that coef_init comes from.
    """
    if Y is None:
        p, k, single = source.n_features, source.n_targets, source._y_ndim == 1
    else:
        p, single = source.n_columns, Y.ndim == 1
        k = 1 if single else Y.shape[1]
    if coef_init is not None:
        coef_init = check_array("coef_init", coef_init, (p,) if single else (k, p)).reshape(k, p)
    warn_of_lost_rows(sample_weight, p)
    solver = find_solver(source, options.solver, 1, sample_weight) if gram is None else "gram"
    found, duals = [], []
    problem = None
    if Y is not None and free_are_dependent(
        source, sample_weight, constraints, options.fit_intercept
    ):
        return _eliminated(source, Y, alpha, options, sample_weight, constraints, coef_init)
    for t in range(k):
        if problem is not None and problem.moments is not None:
            problem = problem.other_target(t)
        else:
            problem = make_problem(source, Y, t, solver, sample_weight, constraints, options, gram)
        u = None if coef_init is None else problem.to_solver(coef_init[t])
        before = dual_init[t] if dual_init is not None and len(dual_init) == k else None
        if before is not None and len(before) != p:
            before = None
        path = DescentPath(problem, solver, options.max_iter, options.seed, u, u_dual=before)
        l1, l2 = problem.penalties(alpha, options.l1_ratio)
        converged = path.solve(l1, l2, options.tol * problem.null)
        path.close()
        coef, intercept = problem.to_caller(path.u)
        same = path.solver != "gram" and np.array_equal(path.u_dual, path.u)
        duals.append(None if same else path.u_dual)
        found.append(
            (
                coef,
                intercept,
                path.n_iter,
                path.gap,
                path.gap / problem.null,
                path.objective,
                converged,
            )
        )
    result = _joined(source, found, single, path.solver, options)
    result.duals = duals
    return result


def _joined(source, found, single, solver, options) -> ElasticNetResult:
    """Join the fits of all targets into a result in the dtype of X; warn if not converged."""
    if single:
        coef, intercept, n_iter, gap, relative, objective, converged = found[0]
    else:
        columns = list(zip(*found, strict=True))
        coef, intercept = np.array(columns[0]), np.array(columns[1])
        n_iter, gap, relative, objective = (np.array(column) for column in columns[2:6])
        converged = all(columns[6])
    if source.is_float32:
        coef, intercept = to_float32(coef, "coef"), to_float32(intercept, "intercept")
    if not converged:
        warn("", float(np.max(relative)), int(np.max(n_iter)), options.tol)
    return ElasticNetResult(coef, intercept, solver, n_iter, gap, relative, objective, converged)


def free_are_dependent(A, weight, constraints, fit_intercept) -> bool:
    """Return whether unpenalised features are so dependent that descent would not converge."""
    factor = constraints.factor
    if factor is None or constraints.lower is not None or constraints.upper is not None:
        return False
    free = np.flatnonzero(factor == 0).astype(np.int32)
    if not 2 <= len(free) <= _MOST_FREE:
        return False
    A = by_columns(A)
    mean = A.column_stats(weight)[0] if fit_intercept else None
    columns = np.zeros((len(free), A.n_rows))
    A.centered(mean, np.ones(A.n_columns)).copy_columns(free, columns)
    if weight is not None:
        columns *= np.sqrt(weight)
    norm = np.linalg.norm(columns, axis=1)
    if not np.isfinite(norm).all() or np.count_nonzero(norm) < 2:
        return False
    columns = columns[norm > 0] / norm[norm > 0, None]
    return bool(np.linalg.eigvalsh(columns @ columns.T)[0] < _DEPENDENT)


def _eliminated(A, Y, alpha, options, weight, constraints, coef_init) -> ElasticNetResult:
    """Fit with the unpenalised features projected out of the others; see `GroupPath`."""
    from .groups import GroupPath

    single, found = Y.ndim == 1, []
    for t, y in enumerate(np.asfortranarray(Y.reshape(len(Y), -1)).T):
        path = GroupPath(
            A,
            y[:, None],
            weight,
            constraints.factor,
            options.fit_intercept,
            options.standardize,
            options.max_iter,
            options.seed,
        )
        if coef_init is not None:
            path.start(coef_init[t : t + 1])
        converged = path.solve(alpha, options.l1_ratio, options.tol)
        coef, intercept = path.to_caller()
        relative = path.gap / path.null
        found.append(
            (
                coef[0],
                float(intercept[0]),
                path.n_iter,
                path.gap,
                relative,
                path.objective,
                converged,
            )
        )
    return _joined(A, found, single, "working", options)


class ProjectedPath:
    """A `DescentPath` of one target that projects unpenalised features out of the others.

    Its coefficients are exact even where the unpenalised features depend on each other.
    """

    solver = "working"

    def __init__(self, A, y, weight, factor, options: Options) -> None:
        from .groups import GroupPath

        self.path = GroupPath(
            A,
            y[:, None],
            weight,
            factor,
            options.fit_intercept,
            options.standardize,
            options.max_iter,
            options.seed,
        )
        self.l1_ratio = options.l1_ratio

    def alphas(self, eps, n_alphas):
        """Return the automatic grid of penalties."""
        path = self.path
        first = path.largest(self.l1_ratio or LEAST_L1_RATIO)
        rounding = np.finfo(np.float64).resolution
        if first <= rounding * np.sqrt(path.yy * path.square.max(initial=0.0)):
            return np.full(n_alphas, rounding)
        return spaced(first, eps, n_alphas)

    def start(self, u):
        """Begin at coefficients in the solver's units."""
        self.path.start(u[None] / self.path.unit)

    def solve(self, l1, l2, tol):
        """Minimise for these penalties until the gap is at most tol; return whether it is."""
        path = self.path
        j = int(path.factor.argmax())
        alpha = (l1[j] + l2[j]) / path.factor[j] if path.factor[j] > 0 else 0.0
        converged = path.solve(float(alpha), self.l1_ratio, tol / path.null)
        self.u, self.n_iter = path.full[0], path.n_iter
        self.objective, self.gap = path.objective, path.gap
        return converged


def solve_path(
    source: Any,
    Y: NDArray[np.float64] | None,
    alphas: NDArray[np.float64] | None,
    options: Options,
    sample_weight: NDArray[np.float64] | None = None,
    constraints: Constraints = NOTHING,
    *,
    eps: float = 1e-3,
    n_alphas: int = 100,
    stop_r2: float | None = None,
    stop: Any = None,
    callback: Any = None,
    coef_init: Any = None,
    gram: NDArray[np.float64] | None = None,
) -> ElasticNetPath:
    """Solve for one penalty after the other, from large to small; see `elastic_net_path`.

    For one target. alphas: None for the automatic grid. coef_init: warm start of the first fit.
    gram: see `solve`.
    """
    p = source.n_features if Y is None else source.n_columns
    if Y is None:
        total = float(source.total_weight)
    else:
        total = float(len(Y) if sample_weight is None else sample_weight.sum())
    warn_of_lost_rows(sample_weight, p)
    solver = "gram"
    if gram is None or Y is None:
        m = n_alphas if alphas is None else len(alphas)
        solver = find_solver(source, options.solver, m, sample_weight)
    problem = make_problem(source, Y, 0, solver, sample_weight, constraints, options, gram)
    u = None
    if coef_init is not None:
        u = problem.to_solver(check_array("coef_init", coef_init, (p,)))
    path: Any
    if Y is not None and free_are_dependent(
        source, sample_weight, constraints, options.fit_intercept
    ):
        path = ProjectedPath(source, Y, sample_weight, constraints.factor, options)
        if alphas is None:
            alphas = path.alphas(eps, n_alphas)
        if u is not None:
            path.start(u)
    else:
        if alphas is None:
            alphas, null = alpha_grid(problem, options.l1_ratio, eps, n_alphas, options.max_iter)
            u = null if u is None else u
        path = DescentPath(problem, solver, options.max_iter, options.seed, u)
    steps: list[PathStep] = []
    data = None if Y is None else source
    callback, stop = guarded(callback, data), guarded(stop, data)

    def finished() -> ElasticNetPath:
        return ElasticNetPath(
            p, source.dtype, options.l1_ratio, path.solver, steps, total, options.fit_intercept
        )

    try:
        for alpha in alphas:
            l1, l2 = problem.penalties(alpha, options.l1_ratio)
            converged = path.solve(l1, l2, options.tol * problem.null)
            steps.append(_step(problem, path, alpha, converged, source.dtype, l1, l2, total))
            if callback is not None:
                callback(len(steps), len(alphas))
            if stop_r2 is not None and steps[-1].r2 >= stop_r2:
                break
            if stop is not None and stop(finished()):
                break
    except StopIteration:
        pass
    except BaseException as error:
        error.path = finished()  # type: ignore[attr-defined]
        raise
    result = finished()
    if not result.converged.all():
        worst = int(result.relative_gap.argmax())
        warn(
            f"{int((~result.converged).sum())} of {len(result)} penalties, worst at alpha="
            f"{result.alphas[worst]:.3g}: ",
            float(result.relative_gap[worst]),
            int(result.n_iter[worst]),
            options.tol,
        )
    return result


def find_solver(source, solver, n_alphas, weight=None):
    """Return the solver that runs; "working" instead of "gram" where sums would lose light rows."""
    if is_moments(source):
        if solver not in ("auto", "gram"):
            raise ValueError(f"solver must be 'auto' or 'gram' for Moments; got {solver!r}.")
        return "gram"
    if solver == "auto":
        solver = choose_solver(source, n_alphas)
    return "working" if solver == "gram" and has_light_rows(weight) else solver


def make_problem(
    source, Y, target, solver, sample_weight, constraints, options, gram=None
) -> DescentProblem:
    """Return the problem of one target of a Matrix or Moments, without alpha."""
    rest = (
        constraints.factor,
        constraints.lower,
        constraints.upper,
        options.fit_intercept,
        options.standardize,
    )
    if Y is None:
        return DescentProblem.of_moments(source, target, *rest)
    recheck(source)
    if solver == "gram" and gram is None:
        few = not source.is_sparse and source.shape[0] * source.shape[1] <= _FEW
        if few and sample_weight is None:
            X, y = source.arrays[0], Y if Y.ndim == 1 else np.ascontiguousarray(Y[:, target])
            if options.fit_intercept and not source.is_float32 and len(y) >= _SOME:
                found = centred_quadratic(source, y)
                problem = found and DescentProblem.of_quadratic(len(y), found, *rest)
                if problem is not None:
                    return problem
            # data that are not finite, or whose squares are not, are refused by moments, by name
            xx, yy = float(np.vdot(X, X)), float(np.vdot(y, y))
            if math.isfinite(16.0 * (xx + yy)):
                require_sums(source, y, xx, yy, False)
                return DescentProblem.of_small(source, y, *rest)
        from ...moments import Moments

        moments = Moments._of_matrix(source, Y, sample_weight)
        return DescentProblem.of_moments(moments, target, *rest)
    check_finite(source)
    y = Y if Y.ndim == 1 else np.ascontiguousarray(Y[:, target])
    problem = DescentProblem.of_data(source, y, sample_weight, *rest)
    if gram is not None:
        total = len(y) if sample_weight is None else sample_weight.sum()
        if not problem.use_gram(gram, total):
            warnings.warn(
                "Gram matrix was provided but X was centered to fit intercept: recomputing Gram"
                " matrix.",
                UserWarning,
                stacklevel=outside(),
            )
            return make_problem(source, Y, target, solver, sample_weight, constraints, options)
    return problem


def _step(problem, path, alpha, converged, dtype, l1, l2, total):
    step = PathStep()
    coef, intercept = problem.to_caller(path.u)
    step.alpha, step.intercept = alpha, intercept
    step.indices = np.flatnonzero(coef).astype(np.int32)
    step.values = as_dtype(coef[step.indices], dtype, "coef")
    step.dual_gap, step.objective = path.gap, path.objective
    step.relative_gap = path.gap / problem.null
    step.n_iter, step.converged = path.n_iter, converged
    live = np.flatnonzero(path.u)
    u = path.u[live]
    penalty = penalty_of(l1[live], l2[live], u)
    error = 2.0 * max(path.objective - penalty, 0.0)
    step.r2 = 1.0 - error / problem.yy if problem.yy > 0 else 1.0
    step.residual = total * error
    return step


def warn(where: str, gap: float, n_iter: int, tol: float) -> None:
    """Warn the first caller outside this package that tol was not reached."""
    from ... import _sklearn

    warnings.warn(
        "Objective did not converge. You might want to increase the number of iterations"
        f" (max_iter): {where}the duality gap is {gap:.2g} of the null objective after {n_iter}"
        f" epochs, above tol={tol:g}. Also try a larger tol, a larger alpha, an L2 part (l1_ratio"
        " below 1), or columns of similar scales (standardize=True).",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )


def warn_of_lost_rows(sample_weight, p: int) -> None:
    """Warn that the gap covers only the heaviest rows; light rows are lost in the sums."""
    if sample_weight is None:
        return
    from ... import _sklearn
    from ...quadratic.range import lost_rows, weight_levels

    lost = lost_rows(weight_levels(sample_weight, len(sample_weight)), p)
    if lost is not None:
        warnings.warn(lost, _sklearn.exception("ConvergenceWarning"), stacklevel=outside())
