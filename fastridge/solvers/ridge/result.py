"""The result of a ridge fit: its numbers in the type of X, and its certificate."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._stack import outside
from ...data.predictions import LinearPredictions
from ...data.rounding import FLOAT32_OVERFLOW, LARGEST_FLOAT32

# Gradients below this share of the first one are round-off, whatever tol is.
ROUNDING = 1e-13
# Relative gradient of a direct solver above which it is not exact, however large tol is.
DIRECT = 1e-6


class RidgeResult(LinearPredictions):
    """Solution of a ridge problem, and how exact it is.

    Attributes
    ----------
    coef : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, in the type of X.
    intercept : float or ndarray of shape (n_targets,)
        0 where none was fitted.
    solver : str
        The solver that ran.
    n_iter : int or ndarray of int, shape (n_targets,)
        Iterations; of a direct solver, refinements with the residual from X.
    relative_gradient : float or ndarray of shape (n_targets,)
        Norm of the gradient at `coef` over that at zero coefficients.
    objective : float or ndarray of shape (n_targets,)
        Weighted sum of squared residuals plus the penalty, at `coef`.
    relative_error : float or ndarray of shape (n_targets,), or None
        Bound of the error, which is compared with `tol`; None for direct solvers.
    converged : bool
        Whether the error is within `tol`, or the gradient is round-off; for float32 `X`, before the
        solution was rounded to float32. `relative_gradient` and `objective` are those of the
        rounded coefficients.

    See Also
    --------
    ridge : Ridge regression as a function.

    Examples
    --------
    >>> import fastridge
    >>> result = fastridge.ridge([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], alpha=2.0)
    >>> result.coef, result.intercept, result.solver, result.converged
    (array([0.5]), 1.0, 'cholesky', True)
    """

    __slots__ = (
        "coef",
        "converged",
        "intercept",
        "n_iter",
        "objective",
        "relative_error",
        "relative_gradient",
        "solver",
    )

    coef: NDArray[Any]
    intercept: Any
    solver: str
    n_iter: Any
    relative_gradient: Any
    objective: Any
    relative_error: Any
    converged: bool

    def __init__(
        self,
        coef,
        intercept,
        solver,
        n_iter,
        relative_gradient,
        objective,
        converged=True,
        relative_error=None,
    ):
        self.coef = coef
        self.intercept = intercept
        self.solver = solver
        self.n_iter = n_iter
        self.relative_gradient = relative_gradient
        self.objective = objective
        self.converged = converged
        self.relative_error = relative_error

    def __repr__(self) -> str:
        return (
            f"RidgeResult(solver={self.solver!r}, n_iter={self.n_iter}, "
            f"relative_gradient={self.relative_gradient}, coef={self.coef!r}, "
            f"intercept={self.intercept!r})"
        )


def sufficient_gradient(run: str, tol: float) -> float:
    """Return the relative gradient that suffices for convergence."""
    return ROUNDING if run in ("cg", "active_set") else max(min(tol, DIRECT), ROUNDING)


def round_to_float32(coef, lower, upper) -> NDArray[np.float64]:
    """Return coefficients (k, p) rounded to float32 within the bounds."""
    if not (np.abs(coef) <= LARGEST_FLOAT32).all():
        raise ValueError(FLOAT32_OVERFLOW.format("coef"))
    rounded = coef.astype(np.float32)
    if upper is not None:
        over = (rounded > upper) & (coef <= upper)
        np.nextafter(rounded, np.float32(-np.inf), out=rounded, where=over)
    if lower is not None:
        under = (rounded < lower) & (coef >= lower)
        np.nextafter(rounded, np.float32(np.inf), out=rounded, where=under)
    return rounded.astype(np.float64)


def without_targets(result: RidgeResult) -> RidgeResult:
    """Convert the result of one target, in place, to that of a one-dimensional y."""
    result.coef = result.coef[0]
    for name in ("intercept", "n_iter", "relative_gradient", "objective", "relative_error"):
        value = getattr(result, name)
        setattr(result, name, None if value is None else value[0].item())
    return result


def joined(parts: Sequence[RidgeResult], order: Any = slice(None)) -> RidgeResult:
    """Join results of several targets each into one, reordered by `order`."""

    def of_all(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    error = None
    if any(part.relative_error is not None for part in parts):
        error = np.concatenate(
            [np.zeros(len(p.coef)) if p.relative_error is None else p.relative_error for p in parts]
        )[order]
    return RidgeResult(
        of_all("coef"),
        of_all("intercept"),
        parts[-1].solver,
        of_all("n_iter"),
        of_all("relative_gradient"),
        of_all("objective"),
        all(part.converged for part in parts),
        error,
    )


def cast_and_warn(
    A: Any, result: RidgeResult, tol: float, warn: bool = True, helps: str | None = None
) -> RidgeResult:
    """Cast to the dtype of X, and warn where the tolerance was not met.

    helps: what the warning recommends, if not what usually helps with the solver.
    """
    if A.is_float32:
        # finite in float32, after round_to_float32 or in the kernel
        result.coef = result.coef.astype(np.float32)
        if type(result.intercept) is float:
            fits = -LARGEST_FLOAT32 <= result.intercept <= LARGEST_FLOAT32
        else:
            fits = (np.abs(result.intercept) <= LARGEST_FLOAT32).all()
        if not fits:
            raise ValueError(FLOAT32_OVERFLOW.format("intercept"))
        result.intercept = (
            np.float32(result.intercept)
            if type(result.intercept) is float
            else result.intercept.astype(np.float32)
        )
    objective, gradient = result.objective, result.relative_gradient
    if type(objective) is float:
        is_finite = isfinite(objective) and isfinite(gradient)
    else:
        is_finite = bool((np.isfinite(objective) & np.isfinite(gradient)).all())
    if not is_finite:
        raise ValueError("X or y is too large: squares overflow float64; expected smaller numbers.")
    if warn and not result.converged:
        from ... import _sklearn

        bounded = result.relative_error is not None
        reached = float(np.max(result.relative_error if bounded else result.relative_gradient))
        what = "a relative error of at most" if bounded else "a relative gradient of"
        helps = helps or {
            "cg": "a larger max_iter, a larger tol, solver='qr' for few features, or"
            " standardize=True",
            "active_set": "a larger max_iter or a larger tol",
        }.get(result.solver, "a larger tol, a larger alpha, or columns of similar scales")
        bound = tol if bounded else sufficient_gradient(result.solver, tol)
        asked = f"tol is {tol:g}" if bound >= tol else f"at most {bound:g} was expected"
        warnings.warn(
            f"{result.solver} reached {what} {reached:.2g} in {int(np.max(result.n_iter))}"
            f" iterations, where {asked}; try {helps}.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )
    return result
