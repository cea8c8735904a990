"""Random and adversarial least squares problems, and their solutions in extended precision.

Columns of spreads from 1e-8 to 1e8, of means to 1e9 times their spread, copies, nearly equal,
constant and zero ones, markers of 0/1/2; weights from 0 to 1e15; n from 1; every storage and type.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

# 64 bits of mantissa; where it is no wider than float64, these tests cannot judge
LONG = np.longdouble
IS_LONG = np.finfo(LONG).eps < 1e-18

STORAGES = ("C", "F", "csr", "csc", "csr64", "csc64", "unsorted", "duplicates", "strided")
COLUMNS = (
    "plain",
    "scaled",
    "far",
    "copy",
    "negated",
    "near",
    "constant",
    "zero",
    "binary",
    "marker",
)


class Problem(NamedTuple):
    """One problem; X is a dense array, `stored` the same numbers as they are passed."""

    X: np.ndarray
    stored: Any
    y: np.ndarray
    weight: np.ndarray | None
    kinds: tuple[str, ...]
    storage: str


def store(X, storage, rng):
    """The same matrix in one of STORAGES."""
    if storage == "C":
        return np.ascontiguousarray(X)
    if storage == "F":
        return np.asfortranarray(X)
    if storage == "strided":
        return np.repeat(X, 2, axis=1)[:, ::2]
    A = scipy.sparse.csr_array(X) if storage.startswith("csr") else scipy.sparse.csc_array(X)
    if storage.endswith("64"):
        A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    elif storage == "unsorted":
        for j in range(A.shape[1]):
            part = slice(A.indptr[j], A.indptr[j + 1])
            order = rng.permutation(part.stop - part.start)
            A.indices[part], A.data[part] = A.indices[part][order], A.data[part][order]
        A.has_sorted_indices = False
    elif storage == "duplicates":
        # halves of a number add up to it exactly
        rows, columns = np.nonzero(X)
        halves = 0.5 * X[rows, columns]
        indptr = np.concatenate([[0], 2 * np.cumsum(np.bincount(columns, minlength=X.shape[1]))])
        order = np.argsort(columns, kind="stable")
        A = scipy.sparse.csc_array(
            (np.repeat(halves[order], 2), np.repeat(rows[order], 2), indptr), shape=X.shape
        )
        A.has_canonical_format = False
    return A


def column(kind, n, others, rng):
    z = rng.standard_normal(n)
    scale = 10.0 ** rng.integers(-8, 9)
    if kind == "scaled":
        return scale * z
    if kind == "far":
        return scale * (z + 10.0 ** rng.integers(1, 10) * rng.choice([-1.0, 1.0]))
    if kind in ("copy", "negated", "near") and others:
        one = others[rng.integers(len(others))]
        if kind == "near":
            return one * (1 + 10.0 ** rng.integers(-12, -1) * z)
        return one if kind == "copy" else -one
    if kind == "constant":
        return np.full(n, rng.choice([0.1, 0.3, 1.0, 1e9, -7.7e-5]))
    if kind == "zero":
        return np.zeros(n)
    if kind == "binary":
        return (rng.random(n) < 0.3) * 1.0
    if kind == "marker":
        return rng.integers(0, 3, n) * 1.0
    return z


def make(seed, kinds=COLUMNS, most=(30, 8)) -> Problem:
    """The problem of a seed."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(1, most[0] + 1)), int(rng.integers(1, most[1] + 1))
    chosen = tuple(rng.choice(kinds, p))
    columns: list[np.ndarray] = []
    for kind in chosen:
        columns.append(column(str(kind), n, columns, rng))
    X = np.column_stack(columns)
    if rng.random() < 0.25:
        X = X.astype(np.float32)
    sd = X.astype(np.float64).std(axis=0)
    w = np.where(sd > 0, rng.standard_normal(p) / np.where(sd > 0, sd, 1.0), 0.0)
    y = (X - X.mean(axis=0, dtype=np.float64)) @ w + rng.choice([0.01, 1.0, 100.0]) * (
        rng.standard_normal(n)
    )
    y = y + rng.choice([0.0, 1.0, 1e6])
    draw = rng.integers(5)
    weight = None
    if draw == 1:
        weight = rng.uniform(0.5, 2.0, n)
    elif draw == 2:
        weight = rng.integers(0, 4, n) * 1.0
    elif draw == 3:
        weight = 10.0 ** rng.uniform(0, 15, n)
    if weight is not None and not weight.any():
        weight[0] = 1.0
    storage = str(rng.choice(STORAGES))
    return Problem(X, store(X, storage, rng), y, weight, chosen, storage)


def centred(problem, intercept):
    """Return X, y and weights in extended precision, centred, and the weighted means."""
    X, y = problem.X.astype(LONG), problem.y.astype(LONG)
    n = len(y)
    s = np.ones(n, LONG) if problem.weight is None else problem.weight.astype(LONG)
    if not intercept:
        return X, y, s, np.zeros(X.shape[1], LONG), LONG(0)
    x_mean, y_mean = s @ X / s.sum(), s @ y / s.sum()
    # centre again, to remove the round-off of the first means
    x_mean, y_mean = x_mean + s @ (X - x_mean) / s.sum(), y_mean + s @ (y - y_mean) / s.sum()
    return X - x_mean, y - y_mean, s, x_mean, y_mean


def least_squares(A, b):
    """Solve min |A w - b| in extended precision by Householder reflections, full column rank."""
    A, b = A.astype(LONG).copy(), b.astype(LONG).copy()
    scale = np.sqrt((A**2).sum(axis=0))
    scale[scale == 0] = 1
    A /= scale
    p = A.shape[1]
    for j in range(p):
        v = A[j:, j].copy()
        v[0] += np.copysign(np.sqrt((v**2).sum()), v[0])
        square = (v**2).sum()
        if square > 0:
            A[j:, j:] -= np.outer(v, (2 / square) * (v @ A[j:, j:]))
            b[j:] -= v * ((2 / square) * (v @ b[j:]))
    w = np.zeros(p, LONG)
    for j in range(p - 1, -1, -1):
        w[j] = (b[j] - A[j, j + 1 :] @ w[j + 1 :]) / A[j, j]
    return w / scale


def ridge(problem, alpha, intercept=True):
    """Coefficients and intercept of the ridge, alpha > 0, in extended precision."""
    X, y, s, x_mean, y_mean = centred(problem, intercept)
    p = X.shape[1]
    root = np.sqrt(s)[:, None]
    A = np.vstack([root * X, np.sqrt(LONG(alpha)) * np.eye(p, dtype=LONG)])
    w = least_squares(A, np.concatenate([root[:, 0] * y, np.zeros(p, LONG)]))
    return w, y_mean - x_mean @ w


def energy(problem, alpha, v, intercept=True):
    """Return |v| in the norm of the ridge's system, and sum_j |v_j| |e_j| in that norm."""
    X, _, s, _, _ = centred(problem, intercept)
    v = v.astype(LONG)
    diagonal = s @ X**2 + alpha
    return (
        float(np.sqrt(s @ (X @ v) ** 2 + alpha * (v @ v))),
        float(np.abs(v) @ np.sqrt(diagonal)),
    )


def lasso_gap(problem, w, alpha, l1_ratio, intercept=True):
    """Objective, dual value of its scaled residual, and null objective, in extended precision."""
    X, y, s, _, _ = centred(problem, intercept)
    w, total = w.astype(LONG), s.sum()
    r = y - X @ w
    l1, l2 = LONG(alpha) * l1_ratio, LONG(alpha) * (1 - LONG(l1_ratio))
    objective = s @ r**2 / (2 * total) + l1 * np.abs(w).sum() + l2 / 2 * (w @ w)
    g = np.abs(X.T @ (s * r)) / total

    def dual(t):
        over = np.maximum(t * g - l1, 0)
        value = t * (s @ (y * r)) / total - t**2 * (s @ r**2) / (2 * total)
        return value - (over @ over) / (2 * l2) if l2 > 0 else value

    rr = s @ r**2
    most = max((s @ (y * r)) / rr, 0) if rr > 0 else LONG(1)
    within = min(most, l1 / g.max()) if g.max() > 0 else most
    best = max(dual(within), dual(min(most, LONG(1))) if l2 > 0 else dual(within))
    return float(objective), float(best), float(s @ y**2 / (2 * total))
