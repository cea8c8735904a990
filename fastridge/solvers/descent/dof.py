"""Effective degrees of freedom along the path of an elastic net.

They are the trace of the derivative of the fit by y, for a fixed support. With G the Gram matrix of
the support, the features that are neither 0 nor at a bound, they are

    tr G (G + D)^-1,    D = diag(l2 f),

which without an L2 part is the size of the support. Of k targets whose coefficients share norms,
D has a block for each feature, l2 f I + l1 f / |w| (I - w w' / |w|^2), G is G x I, and the trace
is divided by k.

A factorisation of a large support costs more than its fit: above the order `_SMALL`, the ratio to
the size of the support is computed at some penalties and interpolated linearly in log alpha.

References: H. Zou, T. Hastie and R. Tibshirani, "On the degrees of freedom of the lasso", Annals
of Statistics 35, 2007. S. Vaiter et al., "The degrees of freedom of partly smooth regularizers",
Annals of the Institute of Statistical Mathematics 69, 2017.
"""

from __future__ import annotations

import numpy as np

from ..._border import column_border, gram_border
from ...systems.lapack import half_inverse, pseudo_inverse

_SMALL = 40  # order of a matrix up to which it is factorised at every penalty
_LARGE = 2000  # order above which it is never factorised
_STEP = 0.7  # ratio of penalties between factorisations of orders from _SMALL to _LARGE
_MANY = 300  # order from which the ratio is its fourth power


class DescentFreedom:
    """Degrees of freedom of the solutions of a `DescentPath` or a `GroupPath`, updated per penalty.

    several: whether the path is a `GroupPath`; most: their upper bound, the rank of the data.
    """

    def __init__(self, path, several: bool, most: int) -> None:
        self.path, self.several, self.most = path, several, most

    def extend(self, m: int) -> None:
        """Begin a sequence of m more penalties."""
        self.base, self.size = np.zeros(m), np.zeros(m)
        self.share = np.full(m, np.nan)
        self.alphas = np.zeros(m)
        self.last = np.inf

    def add(self, j: int, alpha: float, l1, l2) -> None:
        """Add the path's solution for penalty j."""
        self.alphas[j] = alpha
        if self.several:
            path = self.path
            if alpha == 0 and path.unpenalised is not None:
                path = path.unpenalised
            self.base[j] = len(path.base.T)
            chosen = np.flatnonzero(path.W.any(axis=0))
            rows = len(chosen) * path.k
            exact = path.k == 1 and not l2[chosen].any()
        else:
            problem, u = self.path.problem, self.path.u
            free = u != 0
            for bound in (problem.lower, problem.upper):
                if bound is not None:
                    free &= u != bound
            chosen = np.flatnonzero(free)
            rows = len(chosen)
            exact = not l2[chosen].any()
        self.size[j] = len(chosen)
        if exact or not rows:
            self.share[j] = 1.0
            return
        step = _STEP if rows < _MANY else _STEP**4
        due = rows <= _SMALL or alpha <= step * self.last or j in (0, len(self.alphas) - 1)
        if due and rows <= _LARGE:
            self.last = alpha
            gram = self._gram(chosen)
            D = l2[chosen]
            if self.several:
                D = curvature(self.path.W[:, chosen], l1[chosen], D)
            trace = _trace(gram, D)
            if trace is None:
                trace = _dependent_trace(self._gram(chosen), D)
            self.share[j] = trace / rows

    def result(self):
        """Return the degrees of freedom (m,); NaN where too many features are active."""
        share, known = self.share, np.isfinite(self.share)
        if not known.all() and known.any():
            x = -np.log(np.maximum(self.alphas, np.finfo(np.float64).tiny))
            k = self.path.k if self.several else 1
            between = ~known & (self.size * k <= _LARGE)
            order = np.flatnonzero(known)
            order = order[np.argsort(x[order], kind="stable")]
            share = share.copy()
            share[between] = np.interp(x[between], x[order], share[order])
        return np.minimum(self.base + share * self.size, self.most)

    def _gram(self, chosen):
        path = self.path
        if not self.several and path.solver == "gram":
            return path.problem.gram[np.ix_(chosen, chosen)]
        if path.gram is not None:
            place = np.empty(len(path.inside), dtype=np.intp)
            place[path.set] = np.arange(len(path.set))
            return path.gram[np.ix_(place[chosen], place[chosen])]
        q, size = path.problem, len(chosen)
        gram, chosen = np.empty((size, size)), chosen.astype(np.int32)
        if q.A.is_sparse:
            column_border(q.A, chosen, q.weight, 0, size, gram)
        else:
            columns = np.empty((size, q.n))
            q.A.copy_columns(chosen, columns)
            if q.weight is not None:
                columns *= np.sqrt(q.weight)
            gram_border(columns, 0, size, 1.0 / q.n if q.weight is None else 1.0, gram)
        return gram


def curvature(W, l1, l2):
    """Return second derivatives of the penalty of each column of W (k, size), (size, k, k)."""
    norm = np.linalg.norm(W, axis=0)
    along, identity = (W / norm).T, np.eye(len(W))
    across = identity - along[:, :, None] * along[:, None]
    return (l1 / norm)[:, None, None] * across + l2[:, None, None] * identity


def in_blocks(G, D):
    """Return G x I + D for blocks D (size, k, k), as a matrix of size * k rows."""
    size, k = D.shape[:2]
    M = np.zeros((size, k, size, k))
    for t in range(k):
        M[:, t, :, t] = G
    rows = np.arange(size)
    M[rows, :, rows] += D
    return M.reshape(size * k, size * k)


def _trace(G, D):
    """Return tr G (G + D)^-1, or None where G + D is singular; G is overwritten.

    D: a diagonal (size,), or blocks (size, k, k) for G x I.
    """
    size = len(G)
    if D.ndim == 1:
        G.flat[:: size + 1] += D
        half = half_inverse(G.T)
        return None if half is None else size - float(D @ np.einsum("ij,ij->j", half, half))
    k = D.shape[1]
    half = half_inverse(np.asfortranarray(in_blocks(G, D)))
    if half is None:
        return None
    columns = half.reshape(size * k, size, k)
    blocks = np.einsum("ajt,ajs->jts", columns, columns)  # blocks of the inverse, L^-T L^-1
    return size * k - float(np.sum(D * blocks))


def _dependent_trace(G, D):
    """Return the trace by a pseudoinverse."""
    if D.ndim == 1:
        whole, M = G, G + np.diag(D)
    else:
        whole, M = in_blocks(G, np.zeros_like(D)), in_blocks(G, D)
    # scale to unit columns before the rank decision
    size = np.sqrt(np.diagonal(M))
    size = np.where(size > 0, size, 1.0)
    units = np.outer(size, size)
    return float(np.sum(pseudo_inverse(M / units) * (whole / units)))
