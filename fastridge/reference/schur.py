"""Conjugate gradients on the Schur complement of a ridge system.

With A = [H L], weights W, M = H' W H + alpha I and P = W - W H M^-1 H' W,

    (A' W A + alpha I) x = r,  eliminated:  (L' P L + alpha I) x_L = r_L - L' W H M^-1 r_H,
    x_H = M^-1 (r_H - H' W L x_L).
"""

from __future__ import annotations

import numpy as np


def schur_solve(H, L, sample_weight, alpha, r, n_iter):
    """Return x after n_iter iterations.

    The iterates x_i of conjugate gradients, whose residuals g_i are orthogonal, are averaged with
    weights 1 / ||g_i||^2: the average has the least residual, that of the conjugate residual
    method.

    Parameters
    ----------
    H, L : ndarray (n, m), (n, l)
    sample_weight : ndarray (n,) or None
    alpha : float
    r : ndarray (m + l,)
    n_iter : int
    """
    n, m = H.shape
    W = np.diag(np.ones(n) if sample_weight is None else sample_weight)
    M = H.T @ W @ H + alpha * np.eye(m)
    P = W - W @ H @ np.linalg.solve(M, H.T @ W)
    S = L.T @ P @ L + alpha * np.eye(L.shape[1])
    g = r[m:] - L.T @ W @ H @ np.linalg.solve(M, r[:m])
    x, d = np.zeros_like(g), g.copy()
    iterates, weights = [x], [1 / (g @ g)]
    for _ in range(n_iter):
        step = (g @ g) / (d @ S @ d)
        x = x + step * d
        before, g = g @ g, g - step * (S @ d)
        d = g + (g @ g) / before * d
        iterates.append(x)
        weights.append(1 / (g @ g))
    x_L = np.average(iterates, axis=0, weights=weights)
    return np.r_[np.linalg.solve(M, r[:m] - H.T @ W @ L @ x_L), x_L]
