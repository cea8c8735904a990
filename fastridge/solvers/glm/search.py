"""Backtracking line search along a Newton step, by values of the objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np

_EPS = float(np.finfo(np.float64).eps)
ROUNDING = 8 * _EPS  # round-off of an objective, as a share of its parts
_ENOUGH = 1e-4  # share of the decrease that the slope predicts (Armijo)
_NEAR = 1e-9  # predicted decrease over the objective, below which differences are round-off
_MOST = 60  # bound on the evaluations


class _Point(Protocol):
    @property
    def objective(self) -> float: ...


P = TypeVar("P", bound=_Point)


def falls_enough(gained: float, slope: float, size: float) -> bool:
    """Return whether a step with a predicted decrease of -slope is acceptable.

    size: the sum of the sizes of the objective's parts.
    """
    # near the minimum, differences are round-off
    near = abs(slope) <= _NEAR * size and gained >= -ROUNDING * size
    return gained >= -_ENOUGH * slope or near


def backtrack(
    objective: float, size: float, slope: float, at: Callable[[float], P]
) -> tuple[float, P] | None:
    """Find the share of a step with sufficient decrease, trying the whole step first.

    Parameters
    ----------
    objective, size : float
        The objective at the start, and the sum of the sizes of its parts.
    slope : float
        Its derivative along the step.
    at : callable
        at(t) returns the point after the share t of the step, with its `objective`.

    Returns
    -------
    tuple of the share and the point, or None
        None if no share decreases the objective.
    """
    if not slope < 0:
        return None
    t = 1.0
    for _ in range(_MOST):
        point = at(t)
        gained = objective - point.objective
        if falls_enough(gained, t * slope, size):
            return t, point
        # the minimum of the parabola through the objectives and the slope
        best = -slope * t * t / (2.0 * (-gained - t * slope)) if np.isfinite(gained) else 0.0
        t = min(max(best, 0.1 * t), 0.5 * t)
    return None
