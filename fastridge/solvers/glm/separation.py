"""Detect separated classes, for which the unpenalised fit has no finite optimum."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _sklearn
from ..._matrix import Matrix
from ..._stack import outside
from ...losses import LOGISTIC
from ...systems.damped import damped_cholesky
from .newton import newton
from .problem import GLMProblem, State
from .softmax_problem import SoftmaxProblem, SoftmaxState

_EPS = float(np.finfo(np.float64).eps)
_SURE = 6.0  # magnitude of a predictor above which separation is tested
_STEP = 0.5  # change of a predictor that counts as unbounded growth: a Newton step adds 1 to these
_SLACK = 1e-2  # change of other predictors, which is 0 except for the error of the fit
_MOST = 2000  # largest number of features for which the step is computed


def separation(problem: GLMProblem, state: State) -> str:
    """Return "complete", "quasi" or "", for a logistic loss of labels 0 and 1.

    Complete: a predictor of free features has the right sign for all samples. Quasi: one has no
    wrong sign, and is 0 for some samples; it is detected once the fit has moved far along it.
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
    """Return the change of eta (n,) by a Newton step of free features and the intercept."""
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


def separated_classes(
    X: Matrix, weight: Any, problem: SoftmaxProblem, state: SoftmaxState
) -> list[int]:
    """Return the classes that are separated from all others in a fit without any penalty.

    These are all classes where all samples are predicted correctly. A class that is predicted for
    exactly its own samples is tested by a binary fit against the others.
    """
    y, k = problem.y, problem.k
    if y.ndim != 1 or (problem.l2 > 0).any() or problem.has_l1:
        return []
    live = problem.weight > 0
    eta = state.eta if problem.offset is None else state.eta - problem.offset
    y, eta = y[live], eta[live]
    others = eta.copy()
    others[np.arange(len(y)), y] = -np.inf
    right = eta[np.arange(len(y)), y] > others.max(axis=1)
    if right.all():
        return list(range(k))
    best = eta.argmax(axis=1)
    found = []
    for c in range(k if problem.p <= _MOST else 0):
        mine = y == c
        if right[mine].all() and not (best[~mine] == c).any():
            target = (problem.y == c).astype(np.float64)
            two = GLMProblem(
                X, target, LOGISTIC, weight, None, None, None, problem.fit_intercept, False
            )
            if separation(two, newton(two, two.null, 1e-8, 100).state):
                found.append(c)
    return found


def warn_of_separation(kind: str, labels: Sequence[Any]) -> None:
    """Warn that no finite coefficients are optimal.

    labels: the two classes; of several, those that are separated from all others.
    """
    if len(labels) == 2:
        what = f"the classes {labels[0]!r} and {labels[1]!r} are"
    else:
        shown = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
        what = f"of the classes, {shown} {'is' if len(labels) == 1 else 'are'}"
    how = "perfectly separated" if kind == "complete" else "separated, but for some samples,"
    warnings.warn(
        f"{what} {how} by features without a penalty: the larger their coefficients, the better the"
        " fit, so that no finite coefficients are optimal; those returned are where the fit"
        " stopped. A penalty on them (alpha > 0, a finite C, no penalty_factor of 0) has a finite"
        " solution.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )


def warn_of_growth() -> None:
    """Warn that unpenalised features fit some samples only with infinite coefficients."""
    warnings.warn(
        "some samples are fitted better the larger the coefficients of features without a penalty,"
        " as for a category whose targets are all 0; those returned are where the objective hardly"
        " decreases any more. A penalty on them (alpha > 0, no penalty_factor of 0) has a finite"
        " solution.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )
