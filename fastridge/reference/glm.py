"""Generalised linear models with an L2 penalty, by Newton's method, and their diagnostics."""

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
    """Return sum_i s_i l(y_i, o_i + b + x_i w) / sum_i s_i + alpha / 2 sum_j f_j w_j^2."""
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
    """Return coefficients and intercept, by joint Newton steps that are halved until F falls."""
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


def glm_hessian(
    X: Array,
    y: Array,
    loss: Loss,
    alpha: float,
    coef: Array,
    intercept: float,
    weight: Array,
    offset: Array,
    factor: Array,
) -> tuple[Array, Array]:
    """Return the Hessian (p + 1, p + 1) of sum(weight) times F in (w, b), and the loss' part."""
    eta = offset + intercept + X @ coef
    Z = np.column_stack([X, np.ones(len(X))])
    C = Z.T @ (Z * (weight * loss.curvature(y, eta))[:, None])
    return C + np.diag(np.append(alpha * weight.sum() * factor, 0.0)), C


def glm_dof(M: Array, C: Array) -> float:
    """Return the trace of M^-1 C, for the Hessian M and its part C from the loss."""
    return float(np.trace(np.linalg.solve(M, C)))


def glm_covariance(M: Array, dispersion: float = 1.0) -> Array:
    """Return the posterior covariance of (w, b), by the second-order expansion at the solution."""
    return dispersion * np.linalg.inv(M)


def glm_left_out(X: Array, y: Array, loss: Loss, eta: Array, M: Array, weight: Array) -> Array:
    """Return leave-one-out linear predictors (n,), each by one Newton step from eta."""
    Z = np.column_stack([X, np.ones(len(X))])
    out = np.empty(len(X))
    for i, z in enumerate(Z):
        h = weight[i] * loss.curvature(y[i], eta[i])
        r = weight[i] * loss.gradient(y[i], eta[i])
        out[i] = eta[i] + z @ np.linalg.solve(M - h * np.outer(z, z), z) * r
    return out


def glm_log_evidence(
    excess: float, M: Array, prior: Array, total: float, has_dispersion: bool
) -> float:
    """Return the Laplace log evidence of a fit, up to a constant that depends on y only.

    excess: weighted sum of the losses minus their least values, plus the penalty. prior (p,):
    penalty of each coefficient in that sum, 0 for free ones; the intercept is free.
    """
    free = 1 + np.count_nonzero(prior == 0)
    phi = 2.0 * excess / (total - free) if has_dispersion else 1.0
    value = -excess / phi - 0.5 * float(np.linalg.slogdet(M / phi)[1])
    value += 0.5 * len(M) * float(np.log(2.0 * np.pi))
    value += 0.5 * float(np.sum(np.log(prior[prior > 0] / (2.0 * np.pi * phi))))
    return value - 0.5 * total * float(np.log(2.0 * np.pi * phi)) * has_dispersion
