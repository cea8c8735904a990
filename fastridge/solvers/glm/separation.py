"""Classes that features separate, for which no finite coefficients fit best without a penalty."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...systems.damped import damped_cholesky
from .problem import GLMProblem, State

_EPS = float(np.finfo(np.float64).eps)
_SURE = 6.0  # predictors of some sample are beyond, where coefficients grow without end
_STEP = 0.5  # a Newton step adds 1 to predictors that grow without end
_SLACK = 1e-2  # and nothing to others, but for what is left of the fit
_MOST = 2000  # features of which the step is found


def separation(problem: GLMProblem, state: State) -> str:
    """Return "complete", "quasi" or "", for a logistic loss of labels 0 and 1.

    Complete: a predictor of free features has the right sign for all samples. Quasi: one has no
    wrong sign, and is 0 for some; it is seen where the fit has gone far along it.
    """
    y, free = problem.y, (problem.l1 == 0) & (problem.l2 == 0)
    if problem.loss.name != "logistic" or problem.has_bounds or not free.any():
        return ""
    live = problem.weight > 0
    if not ((y == 0) | (y == 1))[live].all():
        return ""
    sign = np.where(y > 0.5, 1.0, -1.0)
    eta = state.eta if problem.offset is None else state.eta - problem.offset
    if free.all() and (sign * eta)[live].min() > 0:
        return "complete"
    if (sign * eta)[live].max() < _SURE or problem.p > _MOST:
        return ""
    along = sign * _step(problem, state, free)
    least, most = along[live].min(), along[live].max()
    if most < _STEP or least < -_SLACK * most:
        return ""
    return "complete" if least > _STEP else "quasi"


def _step(problem: GLMProblem, state: State, free: Any) -> Any:
    """What a Newton step of free features and the intercept adds to eta (n,)."""
    h, r = np.maximum(state.h, 0.0), state.r
    total = float(h.sum())
    G, g = problem.A.gram(h), problem.A.tdot(r)
    if problem.fit_intercept and total > 0:
        s = problem.A.tdot(h)
        G -= np.multiply.outer(s, s / total)
        g -= s * (float(r.sum()) / total)
    G, g = G[np.ix_(free, free)], g[free]
    diagonal = np.diagonal(G).copy()
    factor = damped_cholesky(G, np.where(diagonal > 0, diagonal, 1.0), _EPS, 1e-14)
    d = np.zeros(problem.p)
    if factor is not None:
        d[free] = factor.solve(-g)
    along = problem.A.dot(d)
    if problem.fit_intercept and total > 0:
        along -= (float(r.sum()) + float(h @ along)) / total
    return along
