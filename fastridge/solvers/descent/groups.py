"""Multi-task elastic nets: the coefficients of a feature for all targets in one group.

Minimises, over W (p, k) and intercepts b (k,), with weights s, |W_j| the norm of row j,

    1 / (2 sum_i s_i) * sum_i s_i |y_i - b - x_i W|^2
        + alpha * (l1_ratio * sum_j f_j |W_j| + (1 - l1_ratio) / 2 * sum_j f_j |W_j|^2).

A working set of features is solved on its Gram matrix by block coordinate descent, which takes
turns with Newton steps on the support (`group_newton`); a gradient over all features shows what
it misses, and gives the gap that is reported. Features without a penalty, f_j = 0, or all where
alpha = 0, are eliminated: with Q an orthonormal basis of their columns (in the inner product of S)
and P = A'S Q, the others have the Gram matrix A'SA - P P' and the cross products
A'SY - P (Q'SY).

References: G. Obozinski, B. Taskar and M. I. Jordan, "Joint covariate selection and joint subspace
selection for multiple classification problems", Statistics and Computing 20, 2010. M. Massias,
A. Gramfort and J. Salmon, "Celer: a fast solver for the lasso with dual extrapolation", ICML 2018.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ... import _border, _descent
from ..._matrix import Matrix
from ...data.check import require_finite
from ...quadratic.range import require_sum_products, require_sums, unit_sum
from ...quadratic.rows import CentredRows
from ...systems.blas import limited, one_thread_for
from .group_newton import newton_steps
from .problem import by_columns

_INNER = 0.5
_TIGHTEN = 0.2
_MAX_CHECKS = 50
_EPS = float(np.finfo(np.float64).eps)
# Epochs of sweeps between Newton steps, at first; the share of the gap that they leave from which
# on these are worth while.
_SWEEPS, _SLOW = 8, 0.3
# Shares of the gap asked for to which the descent goes on between Newton steps on the support, the
# gap (of the null objective) that is rounding, and how many Newton steps end a fit.
_SHARPER = (1e-2, 1e-4, 1e-6, 1e-8)
_ROUNDED = 1e-14
_STEPS = 30


class GroupPath:
    """Solutions for any sequence of penalties, each from where the last one ended.

    Attributes
    ----------
    W : ndarray (k, p)
        Coefficients, in units of the scaled columns.
    objective, gap, null : float
        Of the last solution; the gap is absolute. null is the objective without coefficients, 1
        where that is 0.
    n_iter : int
    """

    def __init__(
        self,
        A: Matrix,
        Y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        factor: NDArray[np.float64] | None,
        fit_intercept: bool,
        standardize: bool,
        max_iter: int = 1000,
        seed: int = 0,
    ) -> None:
        if not A.is_sparse:
            require_finite(A.arrays[0])
        n, p = A.shape
        self.n, self.p, self.k = n, p, Y.shape[1]
        self.blas = one_thread_for(n * p * self.k)
        A = by_columns(A)
        self._given = A, Y, weight, fit_intercept, standardize
        self.unpenalised: GroupPath | None = None
        weight = None if weight is None else unit_sum(weight)
        options = {"standardize": standardize, "mean_of_rows": True}
        rows = self.rows = CentredRows(A, weight, fit_intercept, **options)
        self.A, self.weight, self.mean = rows.A, weight, rows.mean
        self.unit = np.ones(p) if rows.unit is None else rows.unit
        self.y_mean = rows.target_stats(Y)[0]
        self.Y = np.asfortranarray(Y - self.y_mean)
        self.square = rows.squares()
        self.cross = self._tdot(self.Y)
        self.yy = self._inner(self.Y, self.Y)
        require_sums(A, Y, float(self.square.sum()), self.yy, fit_intercept)
        require_sum_products(float(self.square.sum()), self.yy)
        self.null = 0.5 * self.yy if self.yy > 0 else 1.0
        self.factor = np.ones(p) if factor is None else factor
        self.max_iter, self.seed = max_iter, seed
        self.W = np.zeros((self.k, p))
        self.W_dual = self.W
        self.n_iter, self.objective, self.gap = 0, np.nan, np.inf
        with self.blas:
            self._eliminate(np.flatnonzero((self.factor == 0) & (self.square > 0)))
        self.set = np.zeros(0, dtype=np.int32)
        self.inside = np.zeros(p, dtype=bool)
        self.gram, self.columns, self.room = np.zeros((0, 0)), None, 0
        self.g = np.zeros((self.k, 0))
        self.last = None

    def _tdot(self, R):
        """A'S R, (k, p)."""
        return np.ascontiguousarray(self.rows.tdot(R).T)

    def _inner(self, R, T):
        return float(np.sum(self.rows.inner(R, T)))

    def _eliminate(self, free):
        self.free = free
        # constant columns have no share in anything
        self.penalised = (self.factor > 0) & (self.square > 0)
        if not len(free):
            self.P, self.base = np.zeros((self.p, 0)), np.zeros((0, 0))
        else:
            # columns of norm one: the rank does not depend on their scales
            columns = np.zeros((len(free), self.n))
            self.A.copy_columns(free.astype(np.int32), columns)
            s = np.full(self.n, 1.0 / self.n) if self.weight is None else self.weight
            columns *= np.sqrt(s)
            norm = np.linalg.norm(columns, axis=1)
            norm[norm == 0] = 1.0
            columns /= norm[:, None]
            # columns' = U diag(values) V, Q = U in the inner product of S
            V, values, U = scipy.linalg.svd(
                columns, full_matrices=False, overwrite_a=True, check_finite=False
            )
            keep = values > max(columns.shape) * _EPS * values.max(initial=0.0)
            # Q = A_free base
            self.base = V[:, keep] / values[keep] / norm[:, None]
            # rows without weight have no share in the products
            Q = U[keep] / np.sqrt(np.where(s > 0, s, 1.0))
            self.P = self._tdot(np.asfortranarray(Q.T)).T
        self.y_free = self.cross[:, free] @ self.base
        self.cross = self.cross - self.y_free @ self.P.T
        self.yy_rest = self.yy - float(np.sum(self.y_free**2))
        self.square_rest = np.maximum(self.square - np.sum(self.P**2, axis=1), 0.0)
        # what the free features explain is rounding in the others
        gone = self.square_rest <= 1e-13 * self.square
        self.penalised &= ~gone

    @limited
    def start(self, coef: NDArray[np.float64]) -> None:
        """Begin at coefficients (k, p) in the caller's units."""
        self.W = np.where(self.penalised, coef * self.unit, 0.0)
        self.W_dual = self.W
        self.last = None

    def largest(self, l1_ratio: float) -> float:
        """The smallest penalty that leaves all penalised coefficients at 0."""
        norm = np.linalg.norm(self.cross, axis=0)[self.penalised] / self.factor[self.penalised]
        return float(norm.max(initial=0.0)) / l1_ratio

    @limited
    def solve(self, alpha: float, l1_ratio: float, tol: float) -> bool:
        """Minimise until the gap is at most tol times the null objective; whether it is."""
        if alpha == 0 and self.penalised.any():
            return self._solve_free(tol)
        tol = tol * self.null
        l1, l2 = alpha * l1_ratio * self.factor, alpha * (1.0 - l1_ratio) * self.factor
        self.n_iter = 0
        v, yr, rr = self._gradient(self.W_dual)
        if self.W_dual is self.W:
            self._judge(v, yr, rr, l1, l2)
            if self.gap <= tol:
                self._with_free()
                return True
        wanted = self._broken(v, l1, l2, 1.0) | (self.W != 0).any(axis=0)
        inner = _INNER * tol
        for _ in range(_MAX_CHECKS):
            self._grow(np.flatnonzero(wanted & ~self.inside))
            left = self.max_iter - self.n_iter
            if left <= 0:
                break
            reached = self._solve_set(l1, l2, inner, left)
            v, yr, rr = self._gradient(self.W_dual)
            some = self.penalised
            dual = _descent.groups_dual(
                l1[some], l2[some], np.linalg.norm(v[:, some], axis=0), yr, rr
            )
            self.gap = max(self.objective - dual, 0.0)
            if self.gap <= tol:
                break
            wanted = self._broken(v, l1, l2, 1.0 + 1e-12) & ~self.inside
            if not wanted.any():
                if reached and inner <= 1e-4 * tol:
                    break
                inner *= _TIGHTEN
        self._with_free()
        return self.gap <= tol

    def _solve_free(self, tol):
        """Least squares: no feature has a penalty."""
        if self.unpenalised is None:
            A, Y, weight, *rest = self._given
            self.unpenalised = GroupPath(A, Y, weight, np.zeros(self.p), *rest)
        other = self.unpenalised
        reached = other.solve(0.0, 1.0, tol)
        self.full, self.n_iter = other.full, other.n_iter
        self.objective, self.gap = other.objective, other.gap
        self.W = self.W_dual = np.where(self.penalised, self.full, 0.0)
        return reached

    @limited
    def sharpen(self, alpha: float, l1_ratio: float, tol: float) -> bool:
        """Minimise as far as rounding allows, within max_iter; whether the gap is at most tol.

        Newton steps on the support end where the gradient is rounding, wherever the descent came
        from, which goes on in between to find the support.
        """
        if self.solve(alpha, l1_ratio, tol) and alpha == 0:
            return True
        l1, l2 = alpha * l1_ratio * self.factor, alpha * (1.0 - l1_ratio) * self.factor
        most, taken = self.max_iter, self.n_iter
        for share in _SHARPER:
            self._newton(l1, l2)
            if self.gap <= _ROUNDED * self.null or taken >= most:
                break
            self.max_iter = most - taken
            self.solve(alpha, l1_ratio, share * tol)
            taken += self.n_iter
        self.max_iter, self.n_iter = most, taken
        self._with_free()
        return self.gap <= tol * self.null

    def _newton(self, l1, l2):
        """Newton steps on the support; kept where the gap does not grow."""
        size = len(self.set)
        W = np.ascontiguousarray(self.W[:, self.set])
        cross = self.cross[:, self.set]
        taken = newton_steps(self.gram[:size, :size], cross, l1[self.set], l2[self.set], W, _STEPS)
        if not taken:
            return
        before = self.W, self.W_dual, self.objective, self.gap
        self.W = np.zeros((self.k, self.p))
        self.W[:, self.set] = W
        self.W_dual = self.W
        self._judge(*self._gradient(self.W), l1, l2)
        if self.gap > max(before[3], _ROUNDED * self.null):
            self.W, self.W_dual, self.objective, self.gap = before

    def _judge(self, v, yr, rr, l1, l2):
        """Set the objective and the gap of W, whose `_gradient` is v, yr, rr."""
        size, some = np.linalg.norm(self.W, axis=0), self.penalised
        norm = np.linalg.norm(v[:, some], axis=0)
        self.objective = 0.5 * rr + float(l1 @ size) + 0.5 * float(l2 @ size**2)
        dual = _descent.groups_dual(l1[some], l2[some], norm, yr, rr)
        self.gap = max(self.objective - dual, 0.0)

    def _broken(self, v, l1, l2, stretch):
        return (np.linalg.norm(v - l2 * self.W_dual, axis=0) > stretch * l1) & self.penalised

    def _gradient(self, W):
        """A'SR, <Y, R> and <R, R> of penalised coefficients, free features having been fitted."""
        R = self.Y - self.A.dot(np.asfortranarray(W.T)) if W.any() else self.Y
        g = self._tdot(R)
        r_free = g[:, self.free] @ self.base
        yr = self._inner(self.Y, R) - float(np.sum(self.y_free * r_free))
        rr = self._inner(R, R) - float(np.sum(r_free**2))
        return g - r_free @ self.P.T, yr, max(rr, 0.0)

    def _grow(self, new):
        before, size = len(self.set), len(self.set) + len(new)
        if not len(new):
            return
        self.set = np.concatenate([self.set, new.astype(np.int32)])
        self.inside[new] = True
        if size > self.room:
            self.room = min(self.p, max(64, size + size // 2))
            gram = np.empty((self.room, self.room))
            gram[:before, :before] = self.gram[:before, :before]
            self.gram = gram
            if not self.A.is_sparse:
                columns = np.empty((self.room, self.n))
                if before:
                    columns[:before] = self.columns[:before]
                self.columns = columns
        if self.A.is_sparse:
            _border.column_border(self.A, self.set, self.weight, before, size, self.gram)
        else:
            self.A.copy_columns(self.set[before:], self.columns[before:size])
            if self.weight is not None:
                self.columns[before:size] *= np.sqrt(self.weight)
            unit = 1.0 / self.n if self.weight is None else 1.0
            _border.gram_border(self.columns, before, size, unit, self.gram)
        if self.P.shape[1]:
            P = self.P[self.set]
            part = P[before:] @ P.T
            self.gram[before:size, :size] -= part
            self.gram[:before, before:size] = self.gram[before:size, :before].T

    def _solve_set(self, l1, l2, tol, max_iter):
        """Minimise over the working set; whether its own gap is at most tol."""
        chosen, size = self.set, len(self.set)
        gram, cross = self.gram[:size, :size], np.ascontiguousarray(self.cross[:, chosen])
        l1, l2, square = l1[chosen], l2[chosen], np.diagonal(gram).copy()
        W = np.ascontiguousarray(self.W[:, chosen])
        W_dual = np.zeros_like(W)
        sweeps, before = _SWEEPS, np.inf
        while True:
            live = np.flatnonzero(W.any(axis=0))
            g = np.ascontiguousarray(cross - W[:, live] @ gram[live])
            if self.seed:
                self.seed = (self.seed + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF or 1
            self.objective, dual, n_iter = _descent.descend_groups(
                self.gram,
                l1,
                l2,
                square,
                cross,
                self.yy_rest,
                W,
                g,
                W_dual,
                tol,
                min(sweeps, max_iter),
                self.seed,
            )
            self.n_iter, max_iter = self.n_iter + n_iter, max_iter - n_iter
            gap = self.objective - dual
            if gap <= tol or max_iter <= 0:
                break
            if gap > _SLOW * before:
                taken = newton_steps(gram, cross, l1, l2, W, min(sweeps, _STEPS, max_iter))
                self.n_iter, max_iter = self.n_iter + taken, max_iter - taken
                # more sweeps may find the support
                sweeps = min(2 * sweeps, _STEPS)
            before = gap
        self.W = np.zeros((self.k, self.p))
        self.W[:, chosen] = W
        self.W_dual = np.zeros((self.k, self.p))
        self.W_dual[:, chosen] = W_dual
        return gap <= tol

    def _with_free(self):
        """Coefficients of all features: those without a penalty fit what the others leave."""
        self.full = self.W.copy()
        if len(self.free):
            rest = self.y_free - self.W @ self.P
            self.full[:, self.free] = rest @ self.base.T

    @limited
    def to_caller(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients (k, p) in the caller's units, and intercepts (k,)."""
        coef = self.full / self.unit
        return coef, self.y_mean - coef @ self.mean
