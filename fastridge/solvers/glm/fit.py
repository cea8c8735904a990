"""Generalised linear models: the function, and the fit that estimators call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...data.check import check_array, check_design, check_finite, check_sample_weight, check_target
from ...data.parameters import check_bounds, check_flags, check_limit, check_penalty_factor
from ...data.rounding import to_float32
from ...losses import Binomial, Loss, Multinomial, loss_of
from ...quadratic.range import require_sums
from ...systems.blas import on_one_thread_for
from ..descent.options import check_number
from . import softmax
from .least_norm import least_norm
from .minimise import minimise
from .newton import Solution
from .options import (
    NOTHING,
    Constraints,
    Options,
    check_offset,
    check_offsets,
    warn_of,
)
from .problem import GLMProblem, State
from .result import Fitted, GLMResult
from .separation import separation, warn_of_growth, warn_of_separation

_ONE = np.ones(1)

SOLVERS = ("auto", "newton", "newton-cg", "newton-samples", "dual-descent", "prox-newton")


@on_one_thread_for
def solve(
    A: Matrix,
    y: NDArray[np.float64],
    loss: Loss,
    alpha: float,
    options: Options,
    sample_weight: NDArray[np.float64] | None = None,
    constraints: Constraints = NOTHING,
    offset: NDArray[np.float64] | None = None,
    start: tuple[Any, float] | None = None,
    labels: tuple[Any, Any] = (0, 1),
) -> GLMResult:
    """Fit arguments that have been checked; see `glm`.

    start: coefficients and intercept. labels: the classes 0 and 1 of y, for messages.
    """
    problem = make_problem(A, y, loss, options, sample_weight, constraints, offset)
    problem.penalise(alpha, options.l1_ratio)
    state = None if start is None else begin(problem, start)
    found = minimise(problem, state, options)
    result = result_of(problem, found)
    some_are_free = alpha == 0 or constraints.factor is not None
    kind = separation(problem, found.state) if some_are_free else ""
    if alpha == 0 and not kind and not problem.has_bounds:
        shorter = least_norm(A, problem, found.state, sample_weight)
        if shorter is not None:
            result.coef = shorter[0].astype(result.coef.dtype, copy=False)
            result.intercept = shorter[1]
    if kind:
        result.converged = False
        warn_of_separation(kind, labels)
    elif found.is_endless:
        warn_of_growth()
    elif not found.converged:
        warn_of(result, options)
    return result


def begin(problem: GLMProblem, start: tuple[Any, float]) -> State | None:
    """Return the state at given coefficients, or None where the null model is better."""
    with np.errstate(over="ignore", invalid="ignore"):
        state = problem.start(*start)
    null = problem.null_loss
    if problem.has_bounds:
        null = problem.within_bounds(problem.null).objective
    return state if state.objective <= null else None


@on_one_thread_for
def make_problem(A, y, loss, options, sample_weight, constraints, offset) -> GLMProblem:
    """Return the problem; raise for data and targets without a fit."""
    live = y if sample_weight is None else y[sample_weight > 0]
    loss.check_targets(live)
    if options.fit_intercept:
        refuse_limits(loss, live)
    with np.errstate(over="ignore", invalid="ignore"):
        problem = GLMProblem(
            A,
            y,
            loss,
            sample_weight,
            constraints.factor,
            constraints.lower,
            constraints.upper,
            options.fit_intercept,
            options.standardize,
            offset,
        )
    require_usable(problem)
    return problem


def require_usable(problem: GLMProblem) -> None:
    """Raise if X is not finite, or its squares leave the range of float64."""
    rows = problem.rows
    if not (problem.fit_intercept or problem.standardize):
        check_finite(rows.source)
        return
    # variances reveal non-finite values without another pass
    squares = float(np.add.reduce(rows.squares()))
    if not (squares < np.inf and np.isfinite(np.add.reduce(rows.mean))):
        check_finite(rows.source)
    require_sums(rows.source, _ONE, squares, 1.0, problem.fit_intercept)


def refuse_limits(loss: Loss, y: NDArray[np.float64]) -> None:
    """Raise if only an infinite intercept would fit the mean of the targets."""
    if (y == y[0]).all() and not np.isfinite(loss.link(np.asarray(y[0]))):
        raise ValueError(
            f"y is {y[0]:g} for every sample of positive weight, so that no finite intercept is"
            " optimal; expected at least two different values, or fit_intercept=False."
        )


def result_of(problem: GLMProblem, found: Solution) -> GLMResult:
    """Return the result in the caller's units."""
    state = found.state
    coef, intercept = problem.restore(state.u, state.b)
    if problem.A.is_float32:
        coef = to_float32(coef, "coef")
    scale = 2.0 * problem.total
    return GLMResult(
        Fitted(problem, problem.alpha, problem.l1_ratio),
        alpha=problem.alpha,
        coef=coef,
        intercept=intercept,
        solver=found.solver,
        n_iter=found.n_iter,
        objective=state.objective,
        dual_gap=found.gap,
        relative_gap=found.gap / problem.null_objective,
        deviance=max(scale * (state.loss - problem.least), 0.0),
        null_deviance=max(scale * (problem.null_loss - problem.least), 0.0),
        total_weight=problem.total,
        loss=problem.loss,
        converged=found.converged,
    )


def check_arguments(
    X: Any,
    y: Any,
    loss: Any,
    l1_ratio: float,
    fit_intercept: bool,
    sample_weight: Any,
    penalty_factor: Any,
    lower: Any,
    upper: Any,
    standardize: bool,
    offset: Any,
    exposure: Any,
    solver: str,
    tol: float,
    max_iter: int,
) -> tuple[Matrix, NDArray[np.float64], Loss, Any, Constraints, Any, Options]:
    """Check arguments of `glm`; return A, y, loss, weights, constraints, offset and options."""
    found = loss_of(loss)
    check_flags(fit_intercept=fit_intercept, standardize=standardize)
    A = check_design(X, finite=False)
    n, p = A.shape
    target = check_target(y, n)
    weight = check_sample_weight(sample_weight, n)
    if isinstance(found, Binomial):
        target, trials = found.shares(target)
        weight = check_sample_weight(trials if weight is None else weight * trials, n)
    if target.ndim != 1 and not isinstance(found, Multinomial):
        raise ValueError(f"y has shape {target.shape}; expected ({n},).")
    low, high = check_bounds(lower, upper, p)
    constraints = Constraints(check_penalty_factor(penalty_factor, p), low, high)
    if isinstance(found, Multinomial):
        total = check_offsets(offset, exposure, n, softmax.count_classes(found, target))
    else:
        total = check_offset(offset, exposure, found, n)
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}; got {solver!r}.")
    options = Options(
        check_number("l1_ratio", l1_ratio, 0.0, 1.0),
        bool(fit_intercept),
        bool(standardize),
        solver,
        check_number("tol", tol, 0.0, np.inf),
        check_limit("max_iter", max_iter),
    )
    return A, target, found, weight, constraints, total, options


def glm(
    X: Any,
    y: Any,
    loss: Any = "logistic",
    alpha: Any = 1.0,
    *,
    l1_ratio: float = 0.0,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    standardize: bool = False,
    offset: Any = None,
    exposure: Any = None,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 100,
    coef_init: Any = None,
    intercept_init: Any = 0.0,
) -> GLMResult:
    """Fit a generalised linear model with an L2 penalty, an L1 penalty, or both.

    Minimizes, over the coefficients w and the intercept b::

        1 / sum_i s_i * sum_i s_i l(y_i, o_i + b + x_i w)
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    with s = `sample_weight`, f = `penalty_factor`, ones where None, and o = `offset` plus the
    logarithm of `exposure`, zeros where None, subject to `lower` <= w <= `upper`. l is half the
    unit deviance, up to a term that depends on y only.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,), for "binomial" (n_samples, 2)
        Targets in the domain of the loss; for "binomial" counts of successes and failures, whose
        sums are weights of the samples.
    loss : str or Loss, default="logistic"
        "squared", "logistic", "binomial", "poisson", "gamma", "tweedie", "negative_binomial",
        "huber" or "multinomial"; or a loss with parameters of your choice, which a name leaves at
        their defaults: ``Huber(delta=1.35)``, ``tweedie(power=1.5, link="log")``,
        ``NegativeBinomial(theta=1.0)`` of `fastridge.losses`.
    alpha : float or "evidence", default=1.0
        Strength of the penalty, at least 0. "evidence": maximise the Laplace evidence of the model,
        `GLMResult.log_evidence`, by some 20 fits; the result is in `GLMResult.alpha`. This needs an
        L2 penalty without bounds and a Hessian that fits into memory; for the loss "multinomial" at
        most 4,000 coefficients of all classes together.
    l1_ratio : float, default=0.0
        Share of the L1 part, from 0 (only L2) to 1 (only L1).
    fit_intercept : bool, default=True
        Fit b, which is neither penalised nor bounded; otherwise b = 0.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds of the coefficients, in the units of `X`; None or infinite: no bound.
    standardize : bool, default=False
        Penalise sd_j w_j instead of w_j, with sd the columns' weighted standard deviations (1 for
        constant columns).
    offset : array-like of shape (n_samples,) or None, default=None
        Added to the linear predictor of each sample.
    exposure : array-like of shape (n_samples,) or None, default=None
        Positive factors of the means, only for losses with a log link.
    solver : {"auto", "newton", "newton-cg", "newton-samples", "dual-descent", "prox-newton"}, \
default="auto"
        "newton" forms weighted Gram matrices; "newton-cg" computes its steps by conjugate
        gradients, for large or sparse data with many features; "newton-samples" works on products
        of the rows, for dense data with fewer samples than features; "dual-descent" is coordinate
        descent by samples, for the logistic loss on sparse data such as text, with a penalty on
        every feature. "prox-newton" is for L1 penalties and bounds, which the others do not
        support.
    tol : float, default=1e-4
        Bound on the square root of `GLMResult.relative_gap`.
    max_iter : int, default=100
        Largest number of Newton steps, and of passes over the samples by "dual-descent".
    coef_init : array-like of shape (n_features,) or None, default=None
        Warm start, for example the solution of a nearby `alpha`; None: the null model.
    intercept_init : float, default=0.0
        The intercept that belongs to `coef_init`.

    Returns
    -------
    GLMResult
        coef, intercept, solver, n_iter, dual_gap, relative_gap, objective, deviance, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached.

    See Also
    --------
    LogisticRegression : Logistic and multinomial regression with L2 and L1 penalties.
    PoissonRegressor : Regression of counts.
    GammaRegressor : Regression of positive amounts.
    TweedieRegressor : Regression with a Tweedie deviance.
    glm_path : Generalised linear models for many penalties.
    GLMResult : Result of one generalised linear model.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> result = fastridge.glm(X, y, "logistic", alpha=0.1)
    >>> result.converged
    True
    >>> from fastridge.losses import Huber
    >>> fastridge.glm(X, y, Huber(delta=0.5), alpha=0.1).converged
    True
    """
    A, target, loss, weight, constraints, total, options = check_arguments(
        X,
        y,
        loss,
        l1_ratio,
        fit_intercept,
        sample_weight,
        penalty_factor,
        lower,
        upper,
        standardize,
        offset,
        exposure,
        solver,
        tol,
        max_iter,
    )
    if coef_init is None and not (np.ndim(intercept_init) == 0 and intercept_init == 0):
        raise ValueError(
            f"intercept_init is {intercept_init!r}, but coef_init is None; expected both or"
            " neither."
        )
    by_evidence = isinstance(alpha, str) and alpha == "evidence"
    number = 0.0 if by_evidence else check_number("alpha", alpha, 0.0, np.inf)
    if by_evidence:
        from .evidence_search import choose_alpha, choose_alpha_of_classes
    if isinstance(loss, Multinomial):
        k, p = softmax.count_classes(loss, target), A.n_columns
        first = softmax.check_start(coef_init, intercept_init, k, p)
        if by_evidence:
            several, some = softmax.make_problem(A, target, k, options, weight, constraints, total)
            number, first = choose_alpha_of_classes(several, options)
            first = first if some is None else softmax.among(*first, some, k)
        return softmax.solve(A, target, k, number, options, weight, constraints, total, first)
    start = None
    if coef_init is not None:
        coef = check_array("coef_init", coef_init, (A.n_columns,))
        start = coef, float(check_array("intercept_init", intercept_init, ()))
    if by_evidence:
        problem = make_problem(A, target, loss, options, weight, constraints, total)
        number, start = choose_alpha(problem, options)
    return solve(A, target, loss, number, options, weight, constraints, total, start)
