"""Iterative refinement: corrections by a factor, with gradients computed from the data.

Each correction reduces the error at a rate that depends on the conditioning alone. After a relative
correction below 1e-7 the error, its square, is round-off: A. Bjorck, "Stability analysis of the
method of seminormal equations for linear least squares problems", Linear Algebra and its
Applications 88, 1987.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .base import Quadratic

Array = NDArray[np.float64]

MAX_REFINE = 10
SETTLED = 1e-7  # relative correction whose square is below round-off
_STABLE = 1e-4  # relative correction up to which the factor counts as stable


class Refined(NamedTuple):
    """Coefficients (p, m), gradients (p, m), objectives (m,), and whether corrections settled."""

    coef: Array
    gradient: Array
    objective: Array
    n_iter: int
    settled: bool


def refine(
    problem: Quadratic,
    solve: Callable[[Array], Array],
    coef: Array,
    chosen: Any,
    diagonal: Array,
    significant: Callable[[Array, Array], NDArray[np.bool_]] | None = None,
) -> Refined:
    """Refine solutions of some targets, for as long as corrections contract.

    Parameters
    ----------
    problem : Quadratic
    solve : callable
        Maps gradients (p, m) to corrections, by a factor of the system.
    coef : ndarray (p, m)
        Overwritten.
    chosen : ndarray of int (m,)
        Targets, which share one penalty.
    diagonal : ndarray (p,)
        Diagonal of the system. Corrections and gradients are measured in its units, so that small
        columns count as much as large ones.
    significant : callable or None
        significant(gradient, objective) returns whether each gradient (m,) is more than round-off.
    """
    unit = np.sqrt(diagonal)[:, None]
    gradient, objective = problem.evaluate(coef, chosen)
    before = np.inf
    for n_iter in range(1, MAX_REFINE + 1):
        step = solve(gradient)
        worst = relative_step(step, coef, diagonal)
        if not (worst <= 0.5 * before or worst <= _STABLE):
            return Refined(coef, gradient, objective, n_iter, False)
        closer = coef + step
        g, f = problem.evaluate(closer, chosen)
        better = np.linalg.norm(g / unit, axis=0) <= np.linalg.norm(gradient / unit, axis=0)
        if significant is not None:
            better &= significant(gradient, objective)
        coef[:, better], gradient[:, better] = closer[:, better], g[:, better]
        objective[better] = f[better]
        if worst <= SETTLED or worst > 0.5 * before or not better.any():
            return Refined(coef, gradient, objective, n_iter, True)
        before = worst
    return Refined(coef, gradient, objective, n_iter, worst <= _STABLE)


def relative_step(step: Array, coef: Array, diagonal: Array | None = None) -> float:
    """Return the largest relative correction of coefficients (p, m), in the diagonal's norm."""
    if diagonal is None:
        moved, size = np.linalg.norm(step, axis=0), np.linalg.norm(coef, axis=0)
    else:
        moved, size = np.sqrt(diagonal @ step**2), np.sqrt(diagonal @ coef**2)
    ratio = np.divide(moved, size, out=np.where(moved > 0, np.inf, 0.0), where=size > 0)
    return float(ratio.max())
