"""Multinomial models (softmax, symmetric): their fit, and the choice of the solver.

For p features and k classes in n samples, with N stored numbers in X, an iteration of Newton's
method on the full Hessian of order m = (p + 1) k costs about n m^2 / 2 for its products and m^3 / 6
for its factor. A Hessian-vector product, of which conjugate gradients need dozens per iteration,
costs 4 N k. `choose` takes the full Hessian where m is at most `_MOST` and

    n m^2 / 2 + m^3 / 6 <= `_PRODUCTS` * 4 N k.

Where conjugate gradients have taken as long as `_PATIENCE` such iterations, as they do for
dependent columns with a weak penalty, Newton's method goes on with the full Hessian, and solves for
the penalties that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...data.check import check_array, check_finite
from ...data.rounding import to_float32
from ...losses import Multinomial
from ...systems.blas import on_one_thread_for
from ...systems.damped import damped_cholesky
from .options import NOTHING, Constraints, Options, require_square, warn_of
from .result import Fitted, GLMResult
from .separation import separated_classes, warn_of_separation
from .softmax_cg import Step, model_of
from .softmax_problem import Array, SoftmaxProblem, SoftmaxSolution, SoftmaxState, hessian
from .softmax_prox import SoftmaxProx

_EPS = float(np.finfo(np.float64).eps)
_MOST = 2000  # largest order of a Hessian that is formed
_PRODUCTS = 15  # largest cost of a full Hessian, in Hessian-vector products
_PATIENCE = 3  # full Hessians whose cost conjugate gradients may take
_MOST_COPY = 1 << 28  # largest dense copy of X for a full Hessian, in bytes
_OVERHEAD = 2e5  # overhead of a Hessian-vector product's calls, in multiplications
_ENOUGH = 1e-4  # share of the predicted decrease (Armijo)
_HALVINGS = 60
_FLAT = 0.3  # slope at the end of a search, as a share of the first
_MOST_SEARCH = 4  # evaluations after which any decrease is accepted
# inner tolerance, residual over gradient: after shortened steps, and after full ones
_LOOSE, _TIGHT = 0.5, 0.2
_DAMPING = 1e-14  # least share of the diagonal that is added where columns are dependent
_MOST_FREE = 400  # largest order of the system that projects free coefficients out of the gap


@on_one_thread_for
def solve(
    A: Matrix,
    y: NDArray[Any],
    n_classes: int,
    alpha: float,
    options: Options,
    sample_weight: Array | None = None,
    constraints: Constraints = NOTHING,
    offset: Array | None = None,
    start: tuple[Any, Any] | None = None,
    labels: Sequence[Any] | None = None,
) -> GLMResult:
    """Fit a multinomial model to arguments that have been checked; see `glm`.

    Minimizes, over coefficients w (n_classes, p) and intercepts b (n_classes,)::

        1 / sum_i s_i * sum_i s_i (log sum_c exp(eta_ic) - sum_c y_ic eta_ic)
            + alpha * sum_jc f_j (l1_ratio |w_cj| + (1 - l1_ratio) / 2 * w_cj^2)

    for eta_ic = o_ic + b_c + x_i w_c. Intercepts sum to 0.

    Parameters
    ----------
    A : Matrix (n, p)
    y : ndarray (n,) of integer, or (n, n_classes)
        Class numbers from 0 to n_classes - 1, or proportions whose rows sum to 1.
    n_classes : int
        At least 2. With an intercept, a class without weight is left out of the fit: its
        coefficients are 0 and its intercept -inf, which is the limit.
    alpha : float
    options : Options
    sample_weight : ndarray (n,) or None
    constraints : Constraints
        Without bounds.
    offset : ndarray (n, n_classes) or None
    start : tuple of ndarray (n_classes, p) and ndarray (n_classes,), or None
    labels : sequence or None
        The classes, for messages; None: their numbers.

    Returns
    -------
    GLMResult
        coef (n_classes, p) and intercept (n_classes,).

    Raises
    ------
    ValueError
        If class numbers or proportions are out of range, or with an intercept only one class has
        weight.
    """
    problem, some = make_problem(A, y, n_classes, options, sample_weight, constraints, offset)
    if start is not None and some is not None:
        start = np.asarray(start[0])[some], np.asarray(start[1])[some]
    problem.penalise(alpha, options.l1_ratio)
    state = problem.null
    if start is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            first = problem.start(*start)
        # unless the null model is better
        state = first if first.objective <= state.objective else state
    found = minimise(problem, state, options)
    result = result_of(problem, found, some, n_classes)
    apart = separated_classes(A, sample_weight, problem, found.state) if alpha == 0 else []
    if apart:
        result.converged = False
        names = (np.arange(n_classes) if some is None else some)[apart].tolist()
        warn_of_separation("complete", names if labels is None else [labels[c] for c in names])
    elif not found.converged:
        warn_of(result, options)
    return result


@on_one_thread_for
def make_problem(
    A: Matrix,
    y: NDArray[Any],
    n_classes: int,
    options: Options,
    sample_weight: Array | None,
    constraints: Constraints,
    offset: Array | None,
) -> tuple[SoftmaxProblem, NDArray[np.intp] | None]:
    """Return the problem of the classes with weight, and their numbers; None: all classes."""
    check_finite(A)
    if constraints.lower is not None or constraints.upper is not None:
        raise ValueError(
            "lower and upper are given for the loss 'multinomial'; expected None, as coefficients"
            " of classes are defined only relative to each other."
        )
    y, live = _targets(y, n_classes, sample_weight, options.fit_intercept)
    some = None if live.all() else np.flatnonzero(live)
    if offset is not None:
        offset = np.asfortranarray(offset if some is None else offset[:, some], dtype=np.float64)
    problem = SoftmaxProblem(
        A,
        y,
        int(live.sum()),
        sample_weight,
        constraints.factor,
        options.fit_intercept,
        options.standardize,
        offset,
    )
    return problem, some


def among(
    coef: NDArray[Any], intercept: Array, some: NDArray[np.intp], n_classes: int
) -> tuple[NDArray[Any], Array]:
    """Expand to all classes: coefficients 0 and intercepts -inf for those without weight."""
    full = np.zeros((n_classes, coef.shape[1]), dtype=coef.dtype)
    level = np.full(n_classes, -np.inf)
    full[some], level[some] = coef, intercept
    return full, level


def count_classes(loss: Multinomial, y: Array) -> int:
    """Return the number of classes of the loss, or of numbers (n,) or proportions (n, k)."""
    k = y.shape[1] if y.ndim == 2 else int(np.clip(y.max(initial=0), 0, 2**30)) + 1
    return k if loss.n_classes is None else loss.n_classes


def class_numbers(y: Array, k: int) -> NDArray[np.int32]:
    """Return targets (n,) as int32, or raise unless they are numbers of k classes."""
    whole = y.astype(np.int32)
    if (whole != y).any() or whole.min(initial=0) < 0 or whole.max(initial=0) >= k:
        raise ValueError(
            f"y has values from {y.min():g} to {y.max():g}; expected numbers of classes, from 0 to"
            f" {k - 1}."
        )
    return whole


def check_start(coef: Any, intercept: Any, k: int, p: int) -> tuple[Array, Array] | None:
    """Check initial coefficients, of shape (k, p), and intercepts, of shape (k,)."""
    if coef is None:
        return None
    coef = check_array("coef_init", coef, (k, p))
    each = np.broadcast_to(intercept, (k,)) if np.ndim(intercept) == 0 else intercept
    intercept = check_array("intercept_init", each, (k,))
    return coef, intercept


def _targets(y, k: int, weight, fit_intercept: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the targets of the classes with weight, and a mask (k,) of these classes."""
    if y.ndim == 1:
        whole = class_numbers(y, k)
        live = np.bincount(whole, weights=weight, minlength=k) > 0
    else:
        if y.shape[1] != k or (y < 0).any() or (abs(y.sum(axis=1) - 1.0) > 1e-8).any():
            raise ValueError(
                f"y has shape {y.shape} and sums of rows from {y.sum(axis=1).min():g} to"
                f" {y.sum(axis=1).max():g}; expected proportions (n, {k}) whose rows have sum 1."
            )
        live = (y > 0).any(axis=0) if weight is None else weight @ y > 0
    if not fit_intercept:
        live = np.ones(k, dtype=bool)
    elif live.sum() < 2:
        raise ValueError(
            f"y has samples of positive weight in {live.sum()} class; expected at least 2 classes,"
            " or fit_intercept=False."
        )
    if y.ndim == 2:
        return np.asfortranarray(y[:, live], dtype=np.float64), live
    if live.all():
        return whole, live
    # samples of the excluded classes have no weight
    return np.maximum(np.cumsum(live) - 1, 0).astype(np.int32)[whole], live


def minimise(
    problem: SoftmaxProblem,
    state: SoftmaxState,
    options: Options,
    prox: SoftmaxProx | None = None,
) -> SoftmaxSolution:
    """Run the solver that suits the problem; prox: that of an earlier penalty."""
    tol, solver = options.tol**2, options.solver
    if solver in ("newton-samples", "dual-descent"):
        raise ValueError(
            f"solver is {solver!r} for the loss 'multinomial'; expected 'auto', 'newton',"
            " 'newton-cg' or 'prox-newton'."
        )
    if problem.has_l1 and solver not in ("auto", "prox-newton"):
        raise ValueError(
            f"solver is {solver!r}, which supports no L1 penalty; expected 'auto' or 'prox-newton'."
        )
    if problem.has_l1 or solver == "prox-newton":
        prox = SoftmaxProx(problem) if prox is None else prox
        return prox.solve(state, tol, options.max_iter)
    if (choose(problem) if solver == "auto" else solver) == "newton":
        if solver != "auto":
            require_square(solver, (problem.p + problem.fit_intercept) * problem.k)
        return newton(problem, state, tol, options.max_iter)
    if solver == "auto" and problem.is_slow:
        return newton(problem, state, tol, options.max_iter)
    full = full_cost(problem)
    copy = 8.0 * problem.n * (problem.p + 1)
    if solver != "auto" or full == np.inf or (problem.A.is_sparse and copy > _MOST_COPY):
        return newton_cg(problem, state, tol, options.max_iter)
    found = newton_cg(problem, state, tol, options.max_iter, _PATIENCE * full)
    left = options.max_iter - found.n_iter
    if found.converged or left < 1:
        return found
    problem.is_slow = True
    rest = newton(problem, found.state, tol, left)
    return rest._replace(n_iter=found.n_iter + rest.n_iter)


def full_cost(problem: SoftmaxProblem) -> float:
    """Return the cost of an iteration with the full Hessian, in products; infinite if too large."""
    n, p, k = problem.n, problem.p, problem.k
    m = (p + 1.0) * k
    product = 4.0 * problem.A.nnz * k + _OVERHEAD
    return (n * m * m / 2 + m**3 / 6) / product if m <= _MOST else np.inf


def choose(problem: SoftmaxProblem) -> str:
    """Return the solver by its cost; see above."""
    return "newton" if full_cost(problem) <= _PRODUCTS else "newton-cg"


def result_of(
    problem: SoftmaxProblem,
    found: SoftmaxSolution,
    some: NDArray[np.intp] | None = None,
    n_classes: int = 0,
) -> GLMResult:
    """Return the result in the caller's units; some: the problem's classes among n_classes."""
    state = found.state
    coef, intercept = problem.restore(state.U, state.b)
    if problem.A.is_float32:
        coef = to_float32(coef, "coef")
    fitted = Fitted(problem, problem.alpha, problem.l1_ratio)
    if some is not None:
        coef, intercept = among(coef, intercept, some, n_classes)
        # the Hessian would need all classes
        fitted = None
    scale = 2.0 * problem.total
    return GLMResult(
        fitted,
        alpha=problem.alpha,
        coef=coef,
        intercept=intercept,
        solver=found.solver,
        n_iter=found.n_iter,
        objective=state.objective,
        dual_gap=found.gap,
        relative_gap=found.gap / problem.null_objective,
        deviance=max(scale * (state.loss - problem.least), 0.0),
        null_deviance=max(scale * (problem.null.loss - problem.least), 0.0),
        total_weight=problem.total,
        loss=problem.loss,
        converged=found.converged,
    )


class _Certificate:
    """Bound on how far a state is from the minimum.

    For coefficients with an L2 penalty it is the duality gap sum g^2 / (2 l2), once intercepts and
    free coefficients are at their minimum; `certify` minimises over them before a gap counts. With
    too many free coefficients for that, it is twice the decrease that Newton's step predicts.
    """

    def __init__(self, problem: SoftmaxProblem, tol: float) -> None:
        self.problem = problem
        self.goal = tol * problem.null_objective
        self.positive = problem.l2 > 0
        self.half = 0.5 / problem.l2[self.positive]
        n_free = problem.p - int(self.positive.sum())
        self.settles = problem.k * (n_free + 1) <= _MOST_FREE

    def gap(self, G: Array) -> float:
        """Return the bound for a gradient (p, k), given optimal free coefficients."""
        g = G if self.positive.all() else G[self.positive]
        return float(self.half @ np.einsum("jk,jk->j", g, g))

    def met(self, gap: float, state: SoftmaxState) -> bool:
        """Return whether a gap is small enough, or round-off."""
        rounding = 8 * _EPS * (abs(state.loss) + state.penalty)
        return gap <= self.goal or gap <= rounding

    def certify(
        self, state: SoftmaxState, G: Array, most: int
    ) -> tuple[SoftmaxState, Array, float, int]:
        """Return state, gradient, gap and steps; optimise free coefficients if the gap is small.

        most: bound on the steps of the free coefficients.
        """
        gap, n_iter = self.gap(G), 0
        if self.settles and self.met(gap, state):
            settled, n_iter = self.problem.settle_free(state, most)
            if settled is not state:
                state, G = settled, self.problem.gradient(settled)
                gap = self.gap(G)
            gap += self.problem.unsettled(state)
        return state, G, gap, n_iter


def newton(
    problem: SoftmaxProblem, state: SoftmaxState, tol: float, max_iter: int
) -> SoftmaxSolution:
    """Minimise by Newton's method on the full Hessian, until the gap is tol of the null one."""
    certificate = _Certificate(problem, tol)
    p, k = problem.p, problem.k
    Z = problem.A.rows(0, problem.n)
    if problem.fit_intercept:
        Z = np.column_stack([Z, np.ones(problem.n)])
    q = Z.shape[1]
    l2 = np.zeros(q)
    l2[:p] = problem.l2
    gap, met, n_iter = np.inf, False, 0
    while True:
        gradient, left = problem.gradient(state), max_iter - n_iter
        state, G, gap, settling = certificate.certify(state, gradient, left)
        n_iter += settling
        if certificate.settles and certificate.met(gap, state):
            met = True
            break
        H = hessian(Z, problem.weight, state.prob, state.h)
        diagonal = np.diagonal(H) + np.tile(l2, k)
        diagonal = np.where(diagonal > 0, diagonal, 1.0)
        factor = damped_cholesky(H, diagonal, _EPS, _DAMPING)
        assert factor is not None
        g = np.empty((k, q))
        g[:, :p] = G.T
        if problem.fit_intercept:
            g[:, p] = state.r.sum(axis=0)
        D = factor.solve(-g.ravel()).reshape(k, q)
        D -= D.mean(axis=0)
        slope = float(np.vdot(g, D))
        if not certificate.settles:
            gap = max(-slope, 0.0)
            met = certificate.met(gap, state)
        if met or n_iter == max_iter:
            break
        step = np.asfortranarray(D[:, :p].T)
        move = D[:, p] if problem.fit_intercept else np.zeros(k)
        moved, _ = search_along(problem, state, Step(step, move, 0.0, 0))
        if moved is None:
            break
        state = moved
        n_iter += 1
    return SoftmaxSolution(state, gap, n_iter, "newton", met)


def newton_cg(
    problem: SoftmaxProblem,
    state: SoftmaxState,
    tol: float,
    max_iter: int,
    most_products: float = np.inf,
) -> SoftmaxSolution:
    """Minimise by steps of conjugate gradients, until the gap is tol of the null objective."""
    products = 0
    certificate = _Certificate(problem, tol)
    model = model_of(problem)
    gap, met, forcing, n_iter = np.inf, False, _LOOSE, 0
    while True:
        gradient, left = problem.gradient(state), max_iter - n_iter
        state, G, gap, settling = certificate.certify(state, gradient, left)
        n_iter += settling
        met = certificate.settles and certificate.met(gap, state)
        if met or n_iter == max_iter or products >= most_products:
            break
        step = model.minimise(state, G, certificate.goal, forcing)
        products += step.products
        if not certificate.settles:
            gap = 2.0 * step.predicted
            met = certificate.met(gap, state)
            if met:
                break
        moved, t = search_along(problem, state, step)
        if moved is None:
            break
        # far from the minimum, exact steps are not worth their products
        forcing = _TIGHT if t >= 1.0 else _LOOSE
        state = moved
        n_iter += 1
    return SoftmaxSolution(state, gap, n_iter, "newton-cg", met)


def search_along(
    problem: SoftmaxProblem, state: SoftmaxState, step: Step
) -> tuple[SoftmaxState | None, float]:
    """Return a near-minimiser of the objective along a step, and the share of the step.

    The search evaluates only the loss, which is cheap compared to a step. It finds the zero of the
    slope by safeguarded Newton's method. None: no state is better.
    """
    D, move, _, _ = step
    along = problem.dot(D)
    along += move
    own = float(np.einsum("j,jk,jk->", problem.l2, state.U, D))
    square = float(np.einsum("j,jk,jk->", problem.l2, D, D))
    slope = float(np.vdot(state.r, along)) + own
    if not slope < 0:
        return None, 0.0
    size = abs(state.loss) + state.penalty
    # differences of predictors have the round-off of these
    noise = size + float(problem.weight @ np.abs(state.eta).max(axis=1))
    t, low, high, best = 1.0, 0.0, np.inf, None
    for tried in range(_HALVINGS):
        new = problem.at(state.U + t * D, state.b + t * move, state.eta + t * along)
        change = new.objective - state.objective
        if not np.isfinite(change):
            high = t
            t = low + 0.1 * (t - low)
            continue
        after = float(np.vdot(new.r, along)) + own + t * square
        rounding = abs(t * slope) <= 1e-10 * size and change <= 4 * _EPS * noise
        if change <= _ENOUGH * t * slope or (rounding and abs(after) <= abs(slope)):
            if best is None or new.objective <= best[0].objective:
                best = new, t
            if rounding or abs(after) <= _FLAT * abs(slope) or tried >= _MOST_SEARCH:
                break
        low, high = (t, high) if after < 0 else (low, t)
        curve = float(np.vdot(problem.curved(new, along.copy(order="F")), along)) + square
        ahead = min(t - after / curve, 10.0 * t) if curve > 0 else 10.0 * t
        if not low < ahead < high:
            ahead = 0.5 * (low + high) if np.isfinite(high) else 2.0 * t
        if ahead == t:
            break
        t = ahead
    return best if best is not None else (None, 0.0)
