"""Ridge systems of sparse data with frequent columns eliminated, by the formulas."""

from __future__ import annotations

import numpy as np

from .matrix import cholesky, cholesky_solve, operator


def eliminated_solve(X, r, alpha, heavy, *, s=None, d=None, mean=None, bound=0.0, max_iter=1000):
    """Solve M x = r, eliminating the first `heavy` columns; M = A' S A + alpha D, A = X - 1 mean'.

    With H those columns and L the others,

        [M_HH  M_HL] [x_H]   [r_H]
        [M_LH  M_LL] [x_L] = [r_L]

    leaves C x_L = r_L - M_LH M_HH^-1 r_H with the Schur complement C = M_LL - M_LH M_HH^-1 M_HL,
    which conjugate gradients solve, and x_H = M_HH^-1 (r_H - M_HL x_L). The preconditioner is a
    symmetric Gauss-Seidel sweep over the light columns, whose products are not centred: with
    X_L' S X_L = E + F + E', E strictly lower, and T = diag(M_LL),

        z = (T + E')^-1 T (T + E)^-1 g.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
        The frequent columns first.
    r : array-like of shape (p,)
    alpha : float
    heavy : int
    s, d, mean : array-like of shape (n,), (p,) and (p,), or None, default=None
        Weights, penalty factors and means; ones, ones and zeros where None.
    bound : float, default=0.0
        Norm of the residual of the light columns at which iterations end.
    max_iter : int, default=1000

    Returns
    -------
    x : ndarray of shape (p,)
    n_iter : int

    References
    ----------
    Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd edition, 2003, chapter 14.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0, 1.0], [1.0, 2.0, 0.0]])
    >>> x, n_iter = eliminated_solve(X, [6.0, 7.0, 3.0], 1.0, heavy=1, bound=1e-12)
    >>> x.round(12), n_iter
    (array([1., 1., 1.]), 2)
    """
    X, r = operator(X), np.asarray(r, dtype=np.float64)
    n, p = X.shape
    s = np.ones(n) if s is None else np.asarray(s)
    d = np.ones(p) if d is None else np.asarray(d)
    A = X if mean is None else X - mean
    H, L = slice(heavy), slice(heavy, p)
    M = (A.T * s) @ A + alpha * np.diag(d)
    U = cholesky(M[H, H])
    T = np.diag(np.diagonal(M[L, L]))
    E = np.tril((X[:, L].T * s) @ X[:, L], -1)

    def complement(v):
        return M[L, L] @ v - M[L, H] @ cholesky_solve(U, M[H, L] @ v)

    def sweep(g):
        return np.linalg.solve(T + E.T, T @ np.linalg.solve(T + E, g))

    x = np.zeros(p - heavy)
    g = r[L] - M[L, H] @ cholesky_solve(U, r[H])
    z = sweep(g)
    direction, n_iter = z, 0
    while np.linalg.norm(g) > bound and g @ z > 0 and n_iter < max_iter:
        curved = complement(direction)
        step = (g @ z) / (direction @ curved)
        x = x + step * direction
        before, g = g @ z, g - step * curved
        n_iter += 1
        z = sweep(g)
        direction = z + (g @ z) / before * direction
    return np.concatenate([cholesky_solve(U, r[H] - M[H, L] @ x), x]), n_iter
