"""Search for the alpha of the largest evidence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ..._stack import outside
from ...systems.blas import on_one_thread
from . import softmax
from .evidence import log_evidence
from .hessian import Hessian, most_of
from .minimise import minimise
from .newton_model import curvatures_of
from .options import Options
from .problem import Array, GLMProblem, State
from .softmax_laplace import SoftmaxHessian, require_small
from .softmax_problem import SoftmaxProblem

_TOL = 1e-5  # largest `tol` of the fits that are compared
_FEWEST, _MOST = 1e-8, 1e4  # first and last alpha, in units of the curvature of a feature
_NEAR = 1e-4  # relative tolerance of alpha


def best_alpha(
    evidence: Callable[[float], float], curvatures: NDArray[np.float64], factor: NDArray[np.float64]
) -> float:
    """Return the alpha that maximises the evidence.

    Search a grid with one alpha per factor of ten, from large to small, then use Brent's method
    between the neighbours of the best.

    Parameters
    ----------
    evidence : callable
        evidence(alpha): the log evidence.
    curvatures, factor : ndarray (p,)
        Second derivatives of the loss by the coefficients at the null model, and factors of the
        penalty.
    """

    def loss(t: float) -> float:
        return -evidence(float(np.exp(t)))

    penalised = factor > 0
    unit = curvatures[penalised] / factor[penalised]
    unit = unit[unit > 0]
    scale = float(np.median(unit)) if len(unit) else 1.0
    count = 1 + round(np.log10(_MOST / _FEWEST))
    grid = np.log(scale) + np.log(np.geomspace(_MOST, _FEWEST, count))
    values = [loss(t) for t in grid]
    i = int(np.argmin(values))
    if i in (0, count - 1):
        _warn_of_end(float(np.exp(grid[i])), i == 0)
        return float(np.exp(grid[i]))
    found = minimize_scalar(
        loss, bounds=(grid[i + 1], grid[i - 1]), method="bounded", options={"xatol": _NEAR}
    )
    t = float(found.x) if found.fun <= values[i] else float(grid[i])
    return float(np.exp(t))


def _warn_of_end(alpha: float, is_large: bool) -> None:
    said = (
        "the model without features has the largest evidence, which rises with alpha"
        if is_large
        else "the evidence rises as alpha falls, as where features separate the classes"
    )
    warnings.warn(
        f"{said}; alpha is {alpha:.3g}, the end of the search.",
        UserWarning,
        stacklevel=outside(),
    )


@on_one_thread
def choose_alpha(
    problem: GLMProblem, options: Options, name: str = "alpha"
) -> tuple[float, tuple[Any, float]]:
    """Return the alpha of the largest evidence, with coefficients and intercept as a warm start.

    name: the parameter that asks for it, for messages.
    """
    require_prior(options, problem.factor, problem.has_bounds, name)
    options = options._replace(tol=min(options.tol, _TOL))
    last: State | None = None

    def evidence(alpha: float) -> float:
        nonlocal last
        problem.penalise(alpha, 0.0)
        if last is not None:
            last.penalty = problem.penalty(last.u)
        last = minimise(problem, last, options).state
        return log_evidence(Hessian(problem, last, most_of()))[0]

    h = np.maximum(problem.null.h, 0.0)
    alpha = best_alpha(evidence, curvatures_of(problem, h)[1], problem.factor)
    assert last is not None
    return alpha, problem.restore(last.u, last.b)


@on_one_thread
def choose_alpha_of_classes(
    problem: SoftmaxProblem, options: Options, name: str = "alpha"
) -> tuple[float, tuple[Array, Array]]:
    """Return the alpha of the largest evidence for several classes, with a warm start."""
    require_prior(options, problem.factor, name=name)
    require_small(problem)
    options = options._replace(tol=min(options.tol, _TOL))
    last = problem.null

    def evidence(alpha: float) -> float:
        nonlocal last
        problem.penalise(alpha, 0.0)
        last.penalty = problem.penalty(last.U)
        last = softmax.minimise(problem, last, options).state
        return SoftmaxHessian(problem, last).log_evidence()

    h = problem.null.h.mean(axis=1)
    alpha = best_alpha(evidence, curvatures_of(problem, h)[1], problem.factor)
    return alpha, problem.restore(last.U, last.b)


def require_prior(
    options: Options, factor: Array, has_bounds: bool = False, name: str = "alpha"
) -> None:
    """Raise if the penalty is not a Gaussian prior."""
    if options.l1_ratio > 0 or has_bounds or not factor.any():
        raise ValueError(
            f"{name} is 'evidence', which needs only features with an L2 penalty; expected"
            " l1_ratio=0, no bounds and a positive penalty_factor."
        )
