"""The quadratic model of a Newton step without a Gram matrix, and the gap at its start."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._matrix import Matrix
from ...systems.damped import damped_cholesky
from .problem import Array, GLMProblem, State
from .search import backtrack
from .softmax_problem import SoftmaxProblem

# Lower bound on the gradient that conjugate gradients leave of a step, as a share of the norm
# sqrt(2 goal) whose gap is the goal.
SUFFICIENT = 0.3


class QuadraticModel(NamedTuple):
    """Model of a step at a state: the operator centred by the means under h, and the gradient."""

    A: Matrix
    h: Array
    total: float
    squares: Array
    g: Array
    shift: float  # the step of the intercept alone
    offset: Array  # means under h, in units of u


def curvatures_of(problem: GLMProblem | SoftmaxProblem, h: Array) -> tuple[Array, Array]:
    """Return the means of the columns under h, and second derivatives by the coefficients.

    The latter are centred where there is an intercept; h >= 0, and not all 0.
    """
    means, squares = problem.rows.near.column_stats(h)
    if not problem.fit_intercept:
        squares += means**2
    squares *= float(h.sum())
    if problem.A.scale is not None:
        squares *= problem.A.scale**2
    return means, squares


def model_at(problem: GLMProblem, state: State, squares: Array | None = None) -> QuadraticModel:
    """Return the model at a state.

    squares: earlier second derivatives, for a preconditioner; None: compute them.
    """
    near, scale = problem.rows.near, problem.A.scale
    h = np.maximum(state.h, 0.0)
    total, slope = float(h.sum()), float(state.r.sum())
    if total <= 0:
        means = squares = np.zeros(problem.p)
    elif squares is None:
        means, squares = curvatures_of(problem, h)
    else:
        means = near.centered().tdot(h) if problem.fit_intercept else np.zeros(0)
        means /= total
    if not problem.fit_intercept:
        g = problem.gradient(state)
        return QuadraticModel(problem.A, h, total, squares, g, 0.0, np.zeros(problem.p))
    A = near.centered(means, scale)
    g = A.tdot(state.r)
    g += problem.l2 * state.u
    offset = means if problem.A.shift is None else means - problem.A.shift
    if scale is not None:
        offset = offset * scale
    # without curvature along the intercept, use the sum of the weights, 1
    return QuadraticModel(A, h, total, squares, g, slope / (total if total > 0 else 1.0), offset)


def step_of(problem: GLMProblem, model: QuadraticModel, d: Array) -> tuple[float, Array]:
    """Return the steps of the intercept and of the predictors (n,) for a step of coefficients."""
    move = -model.shift - float(model.offset @ d) if problem.fit_intercept else 0.0
    return move, problem.dot(d) + move


def search_along(
    problem: GLMProblem, state: State, d: Array, move: float, along: Array
) -> tuple[float, State] | None:
    """Backtrack along such a step to sufficient decrease; see `backtrack`."""
    slope = float(state.r @ along) + float(np.einsum("j,j,j->", problem.l2, state.u, d))

    def at(t: float) -> State:
        return problem.at(state.u + t * d, state.b + t * move, state.eta + t * along)

    return backtrack(state.objective, abs(state.loss) + state.penalty, slope, at)


def is_flat(model: QuadraticModel, free: Array) -> bool:
    """Return whether the model is unbounded: it has a slope in a direction without curvature."""
    if model.shift != 0 and model.total <= 0:
        return True
    return bool((free & (model.squares <= 0) & (model.g != 0)).any())


def gap_of(
    problem: GLMProblem, state: State, model: QuadraticModel, inverse: Array, free: Array
) -> float:
    """Return the duality gap, with the intercept and free features projected out of the gradient.

    For a loss that is not convex it is not a bound, but of the order of the squared gradient.
    """
    g = model.g
    if is_flat(model, free):
        return np.inf
    level = 0.5 * model.shift * model.shift * model.total * (1.0 + abs(model.shift))
    if not problem.is_near(state.eta, -model.shift):
        level = np.inf
    chosen = np.flatnonzero(free & (model.squares > 0))
    if len(chosen):
        G = model.A.gram(model.h, columns=chosen)
        # damped for copies of columns; the error is part of the gap
        factor = damped_cholesky(G, np.diagonal(G).copy(), 1e-14, 1e-14)
        if factor is None:
            return np.inf
        c = np.zeros(problem.p)
        c[chosen] = factor.solve(g[chosen].copy())
        along = model.A.dot(c)
        most = float(np.abs(along[model.h > 0]).max(initial=0.0))
        near = problem.is_near(state.eta, -along - model.shift)
        level += 0.5 * float(g[chosen] @ c[chosen]) * (1.0 + most) if near else np.inf
        g = g - model.A.tdot(model.h * along)
    return 0.5 * float(g**2 @ inverse) + level
