"""Generalised linear models with an L2 penalty, by Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..losses import Loss

    Array = NDArray[np.float64]


def glm_objective(
    X: Array,
    y: Array,
    loss: Loss,
    alpha: float,
    coef: Array,
    intercept: float,
    weight: Array,
    offset: Array,
    factor: Array,
) -> float:
    """sum_i s_i l(y_i, o_i + b + x_i w) / sum_i s_i + alpha / 2 sum_j f_j w_j^2."""
    values = loss.value(y, offset + intercept + X @ coef)
    return float(weight @ values / weight.sum() + 0.5 * alpha * np.sum(factor * coef**2))


def glm(
    X: Array,
    y: Array,
    loss: Loss,
    alpha: float,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    offset: Any = None,
    penalty_factor: Any = None,
    steps: int = 200,
) -> tuple[Array, float]:
    """Coefficients and intercept; every step solves for both and is halved until it lowers F."""
    n, p = X.shape
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    o = np.zeros(n) if offset is None else np.asarray(offset, dtype=float)
    f = np.ones(p) if penalty_factor is None else np.asarray(penalty_factor, dtype=float)
    Z = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    penalty = alpha * np.append(f, 0.0) if fit_intercept else alpha * f
    v = np.zeros(Z.shape[1])
    if fit_intercept:
        v[-1] = float(loss.null_mean(y[:, None], s, True)[0])
        v[-1] = float(loss.link(v[-1]))

    def objective(v: Array) -> float:
        return glm_objective(X, y, loss, alpha, v[:p], v[p] if fit_intercept else 0.0, s, o, f)

    best = objective(v)
    for _ in range(steps):
        eta = o + Z @ v
        g = Z.T @ (s * loss.gradient(y, eta)) / s.sum() + penalty * v
        H = Z.T @ (Z * (s * loss.curvature(y, eta) / s.sum())[:, None]) + np.diag(penalty)
        d = -np.linalg.solve(H, g)
        for _ in range(60):
            with np.errstate(over="ignore", invalid="ignore"):
                value = objective(v + d)
            if value <= best:
                break
            d = 0.5 * d
        else:
            break
        v = v + d
        if value == best:
            break
        best = value
    return v[:p], float(v[p]) if fit_intercept else 0.0
