"""Multinomial models: the loss of a row with its derivatives, and a fit by Newton's method."""

from __future__ import annotations

import numpy as np


def softmax_loss(y, eta, weight=None):
    """Sum of weight (log sum_c exp(eta_c) - sum_c y_c eta_c), and its derivatives by eta.

    Parameters
    ----------
    y : array (n, k)
        Proportions of the classes; rows sum to 1.
    eta : array (n, k)
    weight : array (n,) or None

    Returns
    -------
    value : float
    gradient : array (n, k)
        weight (p - y) of the probabilities p.
    curvature : array (n, k, k)
        weight (diag(p) - p p').

    Examples
    --------
    >>> softmax_loss(np.array([[1.0, 0.0]]), np.zeros((1, 2)))
    (0.6931471805599453, array([[-0.5,  0.5]]), array([[[ 0.25, -0.25],
            [-0.25,  0.25]]]))
    """
    w = np.ones(len(eta)) if weight is None else weight
    top = eta.max(axis=1, keepdims=True)
    e = np.exp(eta - top)
    p = e / e.sum(axis=1, keepdims=True)
    value = np.log(e.sum(axis=1)) - ((eta - top) * y).sum(axis=1)
    curvature = p[:, :, None] * np.eye(eta.shape[1]) - p[:, :, None] * p[:, None, :]
    return float(w @ value), w[:, None] * (p - y), w[:, None, None] * curvature


def softmax_fit(X, y, alpha, fit_intercept=True, weight=None, factor=None, offset=0.0, steps=100):
    """Return coefficients (k, p) and intercepts (k,) of sum 0 that minimise, for shares y (n, k),

    1 / sum(s) sum_i s_i l(y_i, o_i + b + W x_i) + alpha / 2 sum_jc f_j W_cj^2

    by Newton's method with halved steps, intercepts as a column of ones.

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.eye(2)[[0, 0, 1, 1]]
    >>> coef, intercept = softmax_fit(X, y, 0.1)
    >>> np.round(coef, 3)
    array([[-1.011],
           [ 1.011]])
    """
    n, p = X.shape
    k = y.shape[1]
    s = np.ones(n) if weight is None else weight
    s = s / s.sum()
    Z = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    q = Z.shape[1]
    penalty = np.zeros(q)
    penalty[:p] = alpha * (np.ones(p) if factor is None else factor)
    W = np.zeros((k, q))

    def at(W):
        value, r, H = softmax_loss(y, offset + Z @ W.T, s)
        return value + 0.5 * float((penalty * W**2).sum()), r, H

    value, r, H = at(W)
    for _ in range(steps):
        g = r.T @ Z + penalty * W
        full = np.einsum("icd,ij,il->cjdl", H, Z, Z).reshape(k * q, k * q)
        full += np.diag(np.tile(penalty, k))
        d = -np.linalg.lstsq(full, g.ravel(), rcond=1e-13)[0].reshape(k, q)
        t = 1.0
        while t > 1e-12:
            new = at(W + t * d)
            if new[0] <= value + 1e-4 * t * (g * d).sum():
                break
            t /= 2
        else:
            break
        W = W + t * d
        value, r, H = new
    W = W - W.mean(axis=0)
    return W[:, :p], (W[:, p] if fit_intercept else np.zeros(k))
