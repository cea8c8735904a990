"""The problems, and the accuracy of solutions.

A `Work` is minimised over w and b, for each of its k problems::

    sum_i (y_i - b - x_i w)^2 + alpha * sum_j w_j^2

and for the kind "windows" for the last `window` rows up to each row of one series. The kind
"moments" asks for sums: the Gram matrix of the centred columns of X, and their products with the
centred y. The kind "lasso" is, for each of its k penalties::

    1 / (2 n) * sum_i (y_i - b - x_i w)^2 + alpha * sum_j |w_j|

The kind "net folds" has elastic nets, alpha * sum_j (r |w_j| + (1 - r) w_j^2 / 2); it needs mean
squared errors of left-out rows. The kinds "logistic" (labels 0 and 1) and "poisson" (counts) are,
with the losses l_i of y_i and b + x_i w::

    sum_i l_i + alpha / 2 * sum_j w_j^2

The kind "groups" asks for coefficients with one penalty for each group of features, which a library
chooses from the data. They are compared with those of the true variances by the expected squared
error of a new row, of standard normal features and noise of variance 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse

Kind = Literal[
    "fit",
    "path",
    "targets",
    "classes",
    "batch",
    "windows",
    "moments",
    "folds",
    "loo",
    "lasso",
    "net folds",
    "logistic",
    "poisson",
    "groups",
]
GLMS: tuple[Kind, ...] = ("logistic", "poisson")

FOLDS = 5  # of consecutive rows
ENOUGH = 0.05  # relative excess of the expected error, of groups, that counts as accurate


@dataclass
class Work:
    """A problem for every library.

    Attributes
    ----------
    kind : str, one of `Kind`
        One problem; one with several penalties; several y for one X; class labels, with targets 1
        for the label and -1 for the others (with two labels, only for the second); several X with a
        y each; all windows of one X, some of which are checked; only sums; mean squared errors on
        left-out rows for several penalties, by `FOLDS` folds of consecutive rows or row by row;
        lassos with several penalties; errors of elastic nets by folds; a generalised linear model.
    X : ndarray or csr_array of shape (n, p); batch: ndarray of shape (k, n, p)
    y : ndarray of shape (n,), of classes: integer; targets: (n, k); batch: (k, n)
    alpha : float; path, folds, loo, lasso and net folds: ndarray of shape (k,)
    l1_ratio : float; r of net folds
    window : int; rows of windows
    groups : ndarray of shape (p,); group of each feature
    truth : ndarray of shape (p,); coefficients from which y of groups was made, without intercept
    """

    kind: Kind
    X: Any
    y: np.ndarray
    alpha: Any
    l1_ratio: float = 1.0
    window: int = 0
    groups: np.ndarray | None = None
    truth: np.ndarray | None = None

    @cached_property
    def ends(self) -> np.ndarray:
        """Last rows of the windows that are checked."""
        return np.unique(np.linspace(self.window - 1, len(self.y) - 1, 500).astype(np.intp))

    @cached_property
    def windows(self) -> Work:
        """Yield the windows that are checked."""
        rows = self.ends[:, None] - np.arange(self.window)[::-1]
        return Work("batch", self.X[rows], self.y[rows], self.alpha)

    @property
    def is_sparse(self) -> bool:
        return scipy.sparse.issparse(self.X)

    @cached_property
    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients (k, p) and intercepts (k,) of higher accuracy than is required.

        For lassos, return lower bounds of the objectives, as certificates, instead of intercepts.
        """
        if self.kind == "lasso":
            return _bounds(self.X, self.y, self.alpha)
        if self.kind == "windows":
            return self.windows.best
        if self.kind == "batch":
            return _solve_batch(self.X, self.y, self.alpha)
        if self.kind == "moments":
            return _moments(self.X, self.y)
        if self.kind in ("folds", "loo"):
            return _left_out(self), np.ones(1)
        if self.kind == "net folds":
            return _net_folds(self), np.ones(1)
        if self.kind in GLMS:
            return _glm(self)
        if self.kind == "groups":
            return _true_variances(self), np.zeros(1)
        return _solve(self.X, *self._columns())

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Return targets (n, k) and penalties (k,) of problems that share X."""
        Y = self.y if self.kind == "targets" else self.y[:, None]
        if self.kind == "classes":
            labels = np.unique(self.y)
            Y = np.where((labels[1:] if len(labels) == 2 else labels) == Y, 1.0, -1.0)
        alphas = np.atleast_1d(np.asarray(self.alpha, dtype=np.float64))
        k = max(Y.shape[1], len(alphas))
        return np.broadcast_to(Y, (len(Y), k)), np.broadcast_to(alphas, (k,))

    def quality(self, coef: Any, intercept: Any) -> Quality:
        """Return the accuracy of a solution; for several problems, the worst."""
        if self.kind == "windows":
            return self.windows.quality(coef, intercept)
        coef, intercept = np.asarray(coef, np.float64), np.asarray(intercept, np.float64)
        best, best_intercept = self.best
        coef = coef.reshape(best.shape)
        if self.kind == "lasso":
            above, gap = _lasso_quality(self.X, self.y, self.alpha, coef, best_intercept)
            return Quality(above, gap)
        intercept = np.broadcast_to(intercept.reshape(-1), best_intercept.shape)
        if self.kind == "groups":
            least, found = (
                1.0 + float(((w - self.truth) ** 2).sum() + (b**2).sum())
                for w, b in ((best, best_intercept), (coef, intercept))
            )
            excess = found / least - 1.0
            return Quality(excess, max(0.0, excess - ENOUGH))
        if self.kind in GLMS:
            return Quality(*_glm_quality(self, coef[0], float(intercept[0])))
        if self.kind in ("moments", "folds", "loo", "net folds"):
            pairs = (coef, best), (intercept, best_intercept)
            error = max(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs)
            return Quality(error, error)
        if self.kind == "batch":
            numbers = _batch_quality(self, coef, intercept)
        else:
            numbers = _shared_quality(self, coef, intercept)
        gap, gradient = (float(np.max(v)) for v in numbers)
        return Quality(gap, gradient)


class Quality(NamedTuple):
    """Accuracy of a solution (w, b), with f the objective and f_0 its least value for w = 0.

    suboptimality: (f(w, b) - f*) / f_0, computed without cancellation;
    gradient: the norm of the gradient in w, with the optimal b for w, over that at w = 0.
    For sums and curves of errors, both are the relative error; for lassos, the distance from the
    lower bound over f_0, and the duality gap of the scaled residual over f_0. For groups, the
    excess of the expected error over that of the true variances, and what of it is above `ENOUGH`.
    """

    suboptimality: float
    gradient: float


def _true_variances(work: Work) -> np.ndarray:
    """Return the posterior mean (1, p) for the variances of the true coefficients of each group."""
    variance = np.array([np.mean(work.truth[work.groups == g] ** 2) for g in work.groups])
    live = variance > 0
    X = work.X[:, live] - work.X[:, live].mean(axis=0)
    coef = np.zeros((1, len(variance)))
    coef[0, live] = scipy.linalg.solve(
        X.T @ X + np.diag(1.0 / variance[live]), X.T @ (work.y - work.y.mean()), assume_a="pos"
    )
    return coef


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _shared_quality(work: Work, coef: np.ndarray, intercept: np.ndarray):
    X, (Y, alphas) = work.X, work._columns()
    best, best_intercept = work.best
    # f is quadratic: f(w, b) - f* = ||X (w - w*) + b - b*||^2 + alpha ||w - w*||^2
    moved = np.asarray(X @ (coef - best).T) + (intercept - best_intercept)
    gap = (moved**2).sum(axis=0) + alphas * ((coef - best) ** 2).sum(axis=1)
    centred = Y - Y.mean(axis=0)
    residual = Y - np.asarray(X @ coef.T) - intercept
    mean = np.asarray(X.mean(axis=0)).ravel()
    # gradient of the problem without intercept: f with the optimal b for w
    gradient = np.asarray(X.T @ residual) - np.outer(mean, residual.sum(axis=0)) - alphas * coef.T
    at_zero = np.asarray(X.T @ centred)
    return (
        _ratio(gap, (centred**2).sum(axis=0)),
        _ratio(np.linalg.norm(gradient, axis=0), np.linalg.norm(at_zero, axis=0)),
    )


def _batch_quality(work: Work, coef: np.ndarray, intercept: np.ndarray):
    X, Y = work.X, work.y
    best, best_intercept = work.best
    d = coef - best
    moved = np.matmul(X, d[..., None])[..., 0] + (intercept - best_intercept)[:, None]
    gap = (moved**2).sum(axis=1) + work.alpha * (d**2).sum(axis=1)
    centred = Y - Y.mean(axis=1, keepdims=True)
    residual = Y - np.matmul(X, coef[..., None])[..., 0] - intercept[:, None]
    residual -= residual.mean(axis=1, keepdims=True)
    gradient = np.matmul(residual[:, None], X)[:, 0] - work.alpha * coef
    at_zero = np.matmul(centred[:, None], X)[:, 0]
    return (
        _ratio(gap, (centred**2).sum(axis=1)),
        _ratio(np.linalg.norm(gradient, axis=1), np.linalg.norm(at_zero, axis=1)),
    )


def _glm(work: Work) -> tuple[np.ndarray, np.ndarray]:
    import fastridge

    n = len(work.y)
    found = fastridge.glm(work.X, work.y, work.kind, work.alpha / n, tol=1e-8, max_iter=1_000)
    return np.asarray(found.coef)[None, :], np.array([found.intercept])


def _glm_values(kind, y, eta):
    """Return values, and first and second derivatives, of each sample."""
    if kind == "poisson":
        mu = np.exp(eta)
        return mu - y * eta, mu - y, mu
    p = 1.0 / (1.0 + np.exp(-eta))
    return np.logaddexp(0.0, eta) - y * eta, p - y, p * (1.0 - p)


def _glm_quality(work: Work, coef, intercept):
    """Return (F - F*) / (F_0 - F_saturated), and the gradient at the optimal b over that at 0."""
    X, y, alpha = work.X, work.y, work.alpha

    def state(w, b):
        eta = np.asarray(X @ w) + b
        for _ in range(20):
            _, r, h = _glm_values(work.kind, y, eta)
            eta = eta - r.sum() / h.sum()
        values, r, _ = _glm_values(work.kind, y, eta)
        return values.sum() + 0.5 * alpha * w @ w, np.asarray(X.T @ r) + alpha * w

    best, best_intercept = work.best
    mean = y.mean()
    start = np.log(mean / (1.0 - mean)) if work.kind == "logistic" else np.log(mean)
    zero, at_zero = state(np.zeros(len(coef)), start)
    some = np.where(y > 0, y, 1.0)
    least = (y - y * np.log(some)).sum() if work.kind == "poisson" else 0.0
    (_, gradient), (lowest, _) = state(coef, intercept), state(best[0], best_intercept[0])
    eta = np.asarray(X @ coef) + intercept
    value = _glm_values(work.kind, y, eta)[0].sum() + 0.5 * alpha * coef @ coef
    return (
        max(float(value - lowest), 0.0) / float(zero - least),
        float(np.linalg.norm(gradient) / np.linalg.norm(at_zero)),
    )


def _lasso_quality(X, y, alphas, coef, lower):
    """Return objectives at optimal b minus `lower`, and duality gaps, over those at zero."""
    centred = y - y.mean()
    residual = y[:, None] - np.asarray(X @ coef.T)
    residual -= residual.mean(axis=0)
    squares, n = (residual**2).sum(axis=0), len(y)
    objective = 0.5 * squares / n + alphas * np.abs(coef).sum(axis=1)
    # theta = s r / n is feasible where |X'theta| <= alpha; s maximises y'theta - n/2 |theta|^2
    pull = np.abs(np.asarray(X.T @ residual)).max(axis=0) / n
    most = np.divide(alphas, pull, out=np.full_like(pull, np.inf), where=pull > 0)
    s = np.clip(_ratio(centred @ residual, squares), -most, most)
    dual = s * (centred @ residual) / n - 0.5 * s**2 * squares / n
    null = 0.5 * y.var()
    return (max(float(np.max(objective - v)) / null, 0.0) for v in (lower, dual))


def _bounds(X, y, alphas):
    """Return coefficients and lower bounds of the objectives, by a path to small gaps."""
    import fastridge

    order = np.argsort(-alphas, kind="stable")
    path = fastridge.elastic_net_path(X, y, l1_ratio=1.0, alphas=alphas, tol=1e-9, max_iter=10_000)
    coef = np.empty((len(alphas), X.shape[1]))
    coef[order] = path.coef
    lower = np.empty(len(alphas))
    lower[order] = path.objective - path.dual_gap
    return coef, lower


def _net_folds(work: Work) -> np.ndarray:
    """Return mean squared errors (k,) of left-out rows, by paths certified to 1e-10."""
    import fastridge

    X, y, errors = scipy.sparse.csr_array(work.X) if work.is_sparse else work.X, work.y, 0.0
    order = np.argsort(-work.alpha, kind="stable")
    for part in np.array_split(np.arange(len(y)), FOLDS):
        train = np.delete(np.arange(len(y)), part)
        path = fastridge.elastic_net_path(
            X[train], y[train], l1_ratio=work.l1_ratio, alphas=work.alpha, tol=1e-10
        )
        errors += ((y[part] - path.predict(X[part])) ** 2).mean(axis=1) / FOLDS
    found = np.empty(len(order))
    found[order] = errors
    return found


def _moments(X, y):
    """Compute Gram matrix and products with y, centred, in extended precision."""
    mean = np.asarray(X.mean(axis=0, dtype=np.longdouble)).ravel()
    centred = (y - y.mean(dtype=np.longdouble)).astype(np.float64)
    if scipy.sparse.issparse(X):
        gram = (X.T.tocsr() @ X).toarray() - len(y) * np.outer(mean, mean)
        return gram.astype(np.float64), X.T @ centred - (mean * centred.sum()).astype(np.float64)
    A = (X - mean).astype(np.float64)
    return A.T @ A, A.T @ centred


def _left_out(work: Work) -> np.ndarray:
    """Return mean squared errors (k,) of left-out rows, by refits, or by singular vectors."""
    X, y, alphas = work.X, work.y, work.alpha
    n = len(y)
    if work.kind == "folds":
        errors = []
        for part in np.array_split(np.arange(n), FOLDS):
            train = np.delete(np.arange(n), part)
            Y = np.broadcast_to(y[train, None], (len(train), len(alphas)))
            w, b = _solve(X[train], Y, alphas)
            errors.append(((y[part, None] - X[part] @ w.T - b) ** 2).mean(axis=0))
        return np.mean(errors, axis=0)
    u, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    t = u.T @ (y - y.mean())
    share = (s**2)[:, None] / ((s**2)[:, None] + alphas)
    left = (y - y.mean())[:, None] - u @ (share * t[:, None])
    return ((left / (1.0 - 1.0 / n - u**2 @ share)) ** 2).mean(axis=0)


def _solve_batch(X, Y, alpha):
    """Solve each augmented problem by QR, refined once in extended precision."""
    k, n, p = X.shape
    mean, y_mean = X.mean(axis=1, dtype=np.longdouble), Y.mean(axis=1, dtype=np.longdouble)
    coef = np.empty((k, p))
    for i in range(k):
        A = X[i] - mean[i]
        M = np.vstack([A.astype(np.float64), np.sqrt(alpha) * np.eye(p)])
        Q, R = np.linalg.qr(M)
        w = scipy.linalg.solve_triangular(R, Q[:n].T @ (Y[i] - y_mean[i]).astype(np.float64))
        g = (A.T @ (Y[i] - y_mean[i] - A @ w) - alpha * w).astype(np.float64)
        z = scipy.linalg.solve_triangular(R, g, trans="T")
        coef[i] = w + scipy.linalg.solve_triangular(R, z)
    return coef, (y_mean - (mean * coef).sum(axis=1)).astype(np.float64)


def _solve(X, Y, alphas, tol=1e-15, rounds=8):
    """Refine with the gradient in extended precision, until corrections are round-off.

    Many problems at once are solved in double precision, as extended precision takes too long.
    """
    real = np.longdouble if _elements(X) * len(alphas) <= 2e9 else np.float64
    mean = np.asarray(X.mean(axis=0, dtype=np.longdouble)).ravel().astype(real)
    y_mean = Y.mean(axis=0, dtype=np.longdouble).astype(real)
    correct = _corrections(X, mean.astype(np.float64), alphas)
    w = np.zeros((X.shape[1], len(alphas)), dtype=real)
    for _ in range(rounds):
        residual = (Y - y_mean) - (_product(X, w) - mean @ w)
        residual -= residual.mean(axis=0)
        g = _product(X.T, residual) - alphas * w
        step = correct(g.astype(np.float64))
        w += step
        if (np.abs(step).max(axis=0) <= tol * np.abs(w).max(axis=0)).all():
            break
    return w.T.astype(np.float64), (y_mean - mean @ w).astype(np.float64)


def _elements(X):
    return X.nnz if scipy.sparse.issparse(X) else X.size


def _product(X, v, step=5_000):
    """Return X @ v in the precision of v, without copying a dense X as a whole."""
    if v.dtype == np.float64 or scipy.sparse.issparse(X):
        return np.asarray(X.astype(v.dtype, copy=False) @ v)
    if X.flags.c_contiguous:
        return np.concatenate([X[i : i + step].astype(v.dtype) @ v for i in range(0, len(X), step)])
    return sum(
        X[:, j : j + step].astype(v.dtype) @ v[j : j + step] for j in range(0, X.shape[1], step)
    )


def _corrections(X, mean, alphas):
    """Return a function that approximates (A'A + alpha I)^-1 times (p, k), A = X - 1 mean'."""
    if scipy.sparse.issparse(X) and min(X.shape) > 2_000:
        return _iterative(X, mean, alphas)
    return _direct(X, mean, alphas)


def _direct(X, mean, alphas):
    n, p = X.shape
    by_rows = n < p
    if scipy.sparse.issparse(X):
        XT = X.T.tocsr()
        G = (X @ XT if by_rows else XT @ X).toarray()
        if by_rows:
            share = X @ mean
            G += mean @ mean - share - share[:, None]
        else:
            G -= n * np.outer(mean, mean)
    else:
        A = X - mean
        G = A @ A.T if by_rows else A.T @ A
        del A
    values, U = scipy.linalg.eigh(G)
    values = np.maximum(values, 0.0)

    def correct(g):
        if not by_rows:
            return U @ ((U.T @ g) / (values[:, None] + alphas))
        # (A'A + alpha I)^-1 = (I - A' (AA' + alpha I)^-1 A) / alpha
        inner = U @ ((U.T @ (X @ g - mean @ g)) / (values[:, None] + alphas))
        return (g - (X.T @ inner - np.outer(mean, inner.sum(axis=0)))) / alphas

    return correct


def _iterative(X, mean, alphas, heavy=1_000):
    """Solve by conjugate gradients, with an exact preconditioner on the heaviest columns."""
    X = X.tocsr()
    n, p = X.shape
    columns = X.tocsc()
    squares = np.asarray(X.multiply(X).sum(axis=0)).ravel() - n * mean**2
    block = np.argsort(-squares, kind="stable")[: min(heavy, p)]
    B = columns[:, block].tocsr()
    G = (B.T @ B).toarray() - n * np.outer(mean[block], mean[block])
    XT = columns.T

    def correct(g):
        out = np.empty_like(g)
        for t, alpha in enumerate(alphas):
            factor = scipy.linalg.cho_factor(G + alpha * np.eye(len(block)))
            out[:, t] = _conjugate_gradients(g[:, t], alpha, factor)
        return out

    def _conjugate_gradients(b, alpha, factor, tol=1e-9, most=20_000):
        diagonal = np.maximum(squares, 0.0) + alpha

        def precondition(r):
            z = r / diagonal
            z[block] = scipy.linalg.cho_solve(factor, r[block])
            return z

        w, r = np.zeros(p), b.copy()
        z = precondition(r)
        d, rz = z, r @ z
        bound = tol * np.linalg.norm(b)
        for _ in range(most):
            if np.linalg.norm(r) <= bound:
                break
            u = X @ d
            u -= u.mean()
            curved = XT @ u + alpha * d
            step = rz / (d @ curved)
            w += step * d
            r -= step * curved
            z = precondition(r)
            rz, before = r @ z, rz
            d = z + rz / before * d
        return w

    return correct
