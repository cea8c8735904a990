"""NumPy: what a user would write."""

import numpy as np
from work import FOLDS

from libraries import Fitted, Solver, centred


def version():
    return np.__version__


def solve(work, tol):
    """Solve (A'A + alpha I) w = A'y, or A' (AA' + alpha I)^-1 y with fewer samples."""

    def call():
        A, y, mean, y_mean = centred(work.X, work.y)
        by_rows = A.shape[0] < A.shape[1]
        M = A @ A.T if by_rows else A.T @ A
        M.flat[:: len(M) + 1] += work.alpha
        w = A.T @ np.linalg.solve(M, y) if by_rows else np.linalg.solve(M, A.T @ y)
        return Fitted(w.T, y_mean - mean @ w)

    return call


def lstsq(work, tol):
    """Minimise ||[A; sqrt(alpha) I] w - [y; 0]||."""

    def call():
        A, y, mean, y_mean = centred(work.X, work.y)
        p = A.shape[1]
        A = np.vstack([A, np.sqrt(work.alpha) * np.eye(p)])
        w = np.linalg.lstsq(A, np.concatenate([y, np.zeros(p)]), rcond=None)[0]
        return Fitted(w, y_mean - mean @ w)

    return call


def path_eigh(work, tol):
    """One eigendecomposition of the smaller Gram matrix serves all penalties."""

    def call():
        A, y, mean, y_mean = centred(work.X, work.y)
        by_rows = A.shape[0] < A.shape[1]
        values, U = np.linalg.eigh(A @ A.T if by_rows else A.T @ A)
        b = U.T @ (y if by_rows else A.T @ y)
        W = U @ (b[:, None] / (np.maximum(values, 0.0)[:, None] + work.alpha))
        W = A.T @ W if by_rows else W
        return Fitted(W.T, y_mean - mean @ W)

    return call


def moments(work, tol):
    """A product, and the rank-one update that centres it."""

    def call():
        X, y = work.X, work.y
        mean, y_mean = X.mean(axis=0), y.mean()
        gram = X.T @ X
        gram -= len(y) * np.outer(mean, mean)
        return Fitted(gram, X.T @ y - len(y) * y_mean * mean)

    return call


def folds(work, tol):
    """Gram matrices of the folds, subtracted; an eigendecomposition of each serves all penalties.

    With fewer samples than features, use parts of one Gram matrix of the samples.
    """

    def call():
        X, y, _, _ = centred(work.X, work.y)
        n, p = X.shape
        parts = np.array_split(np.arange(n), FOLDS)
        K = X @ X.T if n < p else None
        sums = [] if n < p else [_sums(X[part], y[part]) for part in parts]
        errors = []
        for i, part in enumerate(parts):
            train = np.delete(np.arange(n), part)
            if n < p:
                inner, across = K[np.ix_(train, train)], K[np.ix_(part, train)]
                u, b = inner.mean(axis=0), y[train].mean()
                across = across - across.mean(axis=1)[:, None] - u + u.mean()
                values, U = np.linalg.eigh(inner - u - u[:, None] + u.mean())
                t = U.T @ (y[train] - b)
                a = t[:, None] / (np.maximum(values, 0.0)[:, None] + work.alpha)
                predicted = b + across @ (U @ a)
            else:
                G, c, m, b = (sum(s[k] for s in sums) - sums[i][k] for k in range(4))
                m, b = m / len(train), b / len(train)
                values, U = np.linalg.eigh(G - len(train) * np.outer(m, m))
                t = U.T @ (c - len(train) * b * m)
                a = t[:, None] / (np.maximum(values, 0.0)[:, None] + work.alpha)
                predicted = b + (X[part] - m) @ (U @ a)
            errors.append(((y[part, None] - predicted) ** 2).mean(axis=0))
        return Fitted(np.mean(errors, axis=0), 1.0)

    return call


def _sums(X, y):
    return X.T @ X, X.T @ y, X.sum(axis=0), y.sum()


def leave_one_out(work, tol):
    """Singular vectors give residuals and leverages of every penalty."""

    def call():
        A, y, _, _ = centred(work.X, work.y)
        u, s, _ = np.linalg.svd(A, full_matrices=False)
        share = (s**2)[:, None] / ((s**2)[:, None] + work.alpha)
        left = y[:, None] - u @ (share * (u.T @ y)[:, None])
        h = 1.0 / len(y) + u**2 @ share
        return Fitted(((left / (1.0 - h)) ** 2).mean(axis=0), 1.0)

    return call


def batch(work, tol):
    """Batched normal equations, centred by a rank-one update."""

    def call():
        X, y = work.X, work.y
        n, p = X.shape[1:]
        XT = X.transpose(0, 2, 1)
        mean, y_mean = X.mean(axis=1), y.mean(axis=1)
        G = XT @ X
        G -= n * mean[:, :, None] * mean[:, None, :]
        G[:, np.arange(p), np.arange(p)] += work.alpha
        b = (XT @ y[..., None])[..., 0] - n * mean * y_mean[:, None]
        w = np.linalg.solve(G, b[..., None])[..., 0]
        return Fitted(w, y_mean - (mean * w).sum(axis=1))

    return call


def windows(work, tol, rows=10_000):
    """Views of windows, and batched normal equations of some at a time."""

    def call():
        n, w = len(work.y), work.window
        X = np.lib.stride_tricks.sliding_window_view(work.X, w, axis=0)
        Y = np.lib.stride_tricks.sliding_window_view(work.y, w)
        coef, intercept = np.empty((n, work.X.shape[1])), np.empty(n)
        for i in range(0, len(Y), rows):
            mean, y_mean = X[i : i + rows].mean(axis=2), Y[i : i + rows].mean(axis=1)
            A = X[i : i + rows] - mean[:, :, None]
            G = A @ A.transpose(0, 2, 1) + work.alpha * np.eye(A.shape[1])
            c = A @ (Y[i : i + rows] - y_mean[:, None])[..., None]
            part = slice(w - 1 + i, w - 1 + i + len(A))
            coef[part] = np.linalg.solve(G, c)[..., 0]
            intercept[part] = y_mean - (mean * coef[part]).sum(axis=1)
        return Fitted(coef[work.ends], intercept[work.ends])

    return call


def solvers():
    yield Solver("solve", solve, ("fit", "targets"))
    yield Solver("lstsq", lstsq, most=5e10)
    yield Solver("eigh", path_eigh, ("path",))
    yield Solver("product", moments, ("moments",))
    yield Solver("Gram subtraction, eigh", folds, ("folds",))
    yield Solver("svd", leave_one_out, ("loo",))
    yield Solver("batched solve", batch, ("batch",))
    yield Solver("sliding views, batched solve", windows, ("windows",))
