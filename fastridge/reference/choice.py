"""Choice of the penalty of ridge, by the formulas.

A is X centred about its weighted means, S^2 the weights; one target.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .ridge import ridge


class FoldErrors(NamedTuple):
    """Weighted means of squared residuals, (n_folds, m), on training and held-out rows."""

    train: np.ndarray
    validation: np.ndarray


def fold_errors(X, y, alphas, folds, weight=None, fit_intercept=True):
    """Return the errors of every fold and every penalty, each fitted to its own rows.

    Parameters
    ----------
    X : array-like of shape (n, p)
    y : array-like of shape (n,)
    alphas : array-like of shape (m,)
    folds : sequence of (train, test)
    weight : array-like of shape (n,) or None

    Examples
    --------
    >>> X, y = np.arange(4.0)[:, None], np.arange(4.0)
    >>> folds = [([0, 1, 2], [3]), ([1, 2, 3], [0])]
    >>> fold_errors(X, y, [2.0], folds).validation
    array([[1.],
           [1.]])
    """
    X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
    s = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    errors = np.empty((2, len(folds), len(alphas)))
    for i, rows in enumerate(folds):
        for j, alpha in enumerate(alphas):
            train = rows[0]
            found = ridge(
                X[train], y[train], alpha, sample_weight=s[train], fit_intercept=fit_intercept
            )
            for k in (0, 1):
                part = rows[k]
                residual = y[part] - X[part] @ found.coef - found.intercept
                errors[k, i, j] = s[part] @ residual**2 / s[part].sum()
    return FoldErrors(*errors)


def leave_one_out(X, y, alphas, weight=None, fit_intercept=True):
    """Return the residuals (m, n) of each row by the fit to the others: e_i / (1 - h_i).

    h is the diagonal of the hat matrix of S y, including the intercept. A row is left out with all
    of its weight.

    References
    ----------
    G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method for choosing a
    good ridge parameter", Technometrics 21(2), 1979.

    Examples
    --------
    >>> leave_one_out([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0], [1e-12])[0].round(6)
    array([ 3. , -1.5,  3. ])
    """
    B, t, root, constant = _rooted(X, y, weight, fit_intercept)
    out = np.empty((len(alphas), len(t)))
    for j, alpha in enumerate(alphas):
        H = _hat(B, alpha) + constant
        out[j] = (t - H @ t) / (1.0 - np.diag(H)) / root
    return out


def generalised(X, y, alphas, weight=None, fit_intercept=True):
    """Generalised cross-validation (m,): |t - H t|^2 / W / (1 - tr H / W)^2, W the total weight.

    Examples
    --------
    >>> generalised([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0], [2.0]).round(6)
    array([3.5])
    """
    B, t, root, constant = _rooted(X, y, weight, fit_intercept)
    total = root @ root
    out = np.empty(len(alphas))
    for j, alpha in enumerate(alphas):
        H = _hat(B, alpha) + constant
        out[j] = np.sum((t - H @ t) ** 2) / total / (1.0 - np.trace(H) / total) ** 2
    return out


def log_evidence(X, y, alphas, weight=None, fit_intercept=True):
    """Log density (m,) of t = S (y - mean) under N(0, v (I + B B' / alpha)), for the best v.

    Examples
    --------
    >>> log_evidence([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0], [2.0]).round(6)
    array([-4.938105])
    """
    B, t, root, constant = _rooted(X, y, weight, fit_intercept)
    t = t - constant @ t
    total = root @ root
    out = np.empty(len(alphas))
    for j, alpha in enumerate(alphas):
        V = np.eye(len(t)) + B @ B.T / alpha
        v = t @ np.linalg.solve(V, t) / total
        out[j] = -0.5 * (total * (np.log(2 * np.pi * v) + 1.0) + np.linalg.slogdet(V)[1])
    return out


def evidence_step(B, t, total, alpha, lam):
    """Return the precisions alpha of the noise and lam of the weights after a fixed-point step.

    References
    ----------
    D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4(3), 1992.

    Examples
    --------
    >>> B, t = np.array([[1.0], [-1.0]]), np.array([1.0, -1.0])
    >>> evidence_step(B, t, 2.0, 1.0, 2.0)
    (3.0, 2.0)
    """
    w = np.linalg.solve(B.T @ B + lam / alpha * np.eye(B.shape[1]), B.T @ t)
    dof = np.trace(_hat(B, lam / alpha))
    return float((total - dof) / np.sum((t - B @ w) ** 2)), float(dof / (w @ w))


def group_evidence(X, y, alpha, *, weight=None, fit_intercept=True):
    """Log restricted likelihood of penalties (p,), and the noise variance that maximises it.

    References
    ----------
    H. D. Patterson and R. Thompson, "Recovery of inter-block information when block sizes are
    unequal", Biometrika 58(3), 1971.

    Examples
    --------
    >>> X, y = np.array([[1.0], [-1.0], [0.0]]), np.array([1.0, -1.0, 0.5])
    >>> value, noise = group_evidence(X, y, np.array([2.0]))
    >>> round(float(noise), 6)
    0.583333
    """
    B, t, root, constant = _rooted(X, y, weight, fit_intercept)
    t = t - constant @ t
    left = np.sum(root**2) - fit_intercept
    A = B.T @ B + np.diag(alpha)
    Q = t @ t - t @ B @ np.linalg.solve(A, B.T @ t)
    noise = Q / left
    log_det = np.linalg.slogdet(A)[1] - np.log(alpha).sum()
    if fit_intercept:
        log_det += np.log(np.sum(root**2))
    return -0.5 * (left * (np.log(2.0 * np.pi * noise) + 1.0) + log_det), noise


def _rooted(X, y, weight, fit_intercept):
    """Return S A, S y, S and the projection on the intercept's S 1."""
    X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
    s = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    root = np.sqrt(s)
    constant = np.zeros((len(y), len(y)))
    if fit_intercept:
        X = X - s @ X / s.sum()
        constant = np.outer(root, root) / s.sum()
    return root[:, None] * X, root * y, root, constant


def _hat(B, alpha):
    return B @ np.linalg.solve(B.T @ B + alpha * np.eye(B.shape[1]), B.T)
