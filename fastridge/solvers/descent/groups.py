"""Multi-task elastic nets: the coefficients of a feature for all targets in one group.

Minimises, over W (p, k) and intercepts b (k,), with weights s, |W_j| the norm of row j,

    1 / (2 sum_i s_i) * sum_i s_i |y_i - b - x_i W|^2
        + alpha * (l1_ratio * sum_j f_j |W_j| + (1 - l1_ratio) / 2 * sum_j f_j |W_j|^2).

A working set of features is solved on its Gram matrix by block coordinate descent, alternating with
Newton steps on the support (`fastridge._groups`). A gradient over all features finds those to add,
and gives the reported gap. Features without a penalty, f_j = 0, or all where alpha = 0, are
eliminated: with Q an orthonormal basis of their columns (in the inner product of S) and
P = A'S Q, the others have the Gram matrix A'SA - P P' and the cross products
A'SY - P (Q'SY).

References: G. Obozinski, B. Taskar and M. I. Jordan, "Joint covariate selection and joint subspace
selection for multiple classification problems", Statistics and Computing 20, 2010. M. Massias,
A. Gramfort and J. Salmon, "Celer: a fast solver for the lasso with dual extrapolation", ICML 2018.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ... import _border
from ..._groups import GroupDescent, dual_value
from ..._matrix import Matrix
from ...data.check import check_finite
from ...quadratic.range import require_sum_products, require_sums, unit_sum
from ...quadratic.rows import CentredRows
from ...systems.blas import limited, one_thread_for
from ...systems.lapack import call
from .problem import by_columns

_INNER = 0.5
_TIGHTEN = 0.2
_MAX_CHECKS = 50
_EPS = float(np.finfo(np.float64).eps)
# Size of the support up to which Newton steps use factors only.
_DIRECT = 1500
# Relative gap up to which coefficients are made exact whatever the cost.
_TIGHT = 1e-8
# Change of a coefficient times its column's norm, over the largest such product, above which
# features outside of the working set are added although the gap is small enough: at first, and in
# repetitions; the largest number of repetitions; and the least divisor.
_MATTERS, _MATTERS_AGAIN = 1e-5, 1e-4
_MOST_SETTLES, _TINY = 5, 1e-300


def _lengths(W):
    """Return the norms of the columns of W (k, m)."""
    return np.sqrt(np.einsum("kj,kj->j", W, W))


class GroupPath:
    """Solutions for any sequence of penalties, each warm-started from the last one.

    Attributes
    ----------
    W : ndarray (k, p)
        Coefficients, in units of the scaled columns.
    objective, gap, null : float
        Values of the last solution; the gap is absolute. null is the objective without
        coefficients, 1 where that is 0.
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
        check_finite(A)
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
        # the dual point is the residual of W_dual; at_dual is its `_gradient`, or None
        self.W_dual, self.at_dual = self.W, None
        self.descent = GroupDescent(_DIRECT)
        self.n_iter, self.objective, self.gap = 0, np.nan, np.inf
        # exclude constant columns
        moves = self.square > 0
        self.penalised = moves if factor is None else moves & (self.factor > 0)
        self.free = np.flatnonzero(moves & ~self.penalised)
        self.base, self.yy_rest, self.square_rest = np.zeros((0, 0)), self.yy, self.square
        if len(self.free):
            self._eliminate(self.free)
        # index of the penalised features, and their number
        self.some = slice(None) if self.penalised.all() else np.flatnonzero(self.penalised)
        self.n_penalised = len(self.square[self.some])
        self.set = np.zeros(0, dtype=np.int32)
        self.inside = np.zeros(p, dtype=bool)
        self.gram, self.columns, self.capacity = np.zeros((0, 0)), None, 0

    def _tdot(self, R):
        """Return A'S R, (k, p)."""
        return np.ascontiguousarray(self.rows.tdot(R).T)

    def _inner(self, R, T):
        return float(self.rows.inner(R, T).sum())

    @limited
    def _eliminate(self, free):
        # unit columns, so that the rank does not depend on their scales
        columns = np.zeros((len(free), self.n))
        self.A.copy_columns(free.astype(np.int32), columns)
        s = np.full(self.n, 1.0 / self.n) if self.weight is None else self.weight
        columns *= np.sqrt(s)
        norm = np.linalg.norm(columns, axis=1)
        norm[norm == 0] = 1.0
        columns /= norm[:, None]
        # columns' = U diag(values) V, Q = U in the inner product of S
        V, values, U = call(
            8.0 * max(columns.shape) * min(columns.shape) ** 2,
            scipy.linalg.svd,
            columns,
            full_matrices=False,
            overwrite_a=True,
            check_finite=False,
        )
        keep = values > max(columns.shape) * _EPS * values.max(initial=0.0)
        # Q = A_free base
        self.base = V[:, keep] / values[keep] / norm[:, None]
        # rows of weight 0 do not count in the products
        Q = U[keep] / np.sqrt(np.where(s > 0, s, 1.0))
        self.P = self._tdot(np.asfortranarray(Q.T)).T
        self.y_free = self.cross[:, free] @ self.base
        self.cross = self.cross - self.y_free @ self.P.T
        self.yy_rest = self.yy - float(np.sum(self.y_free**2))
        self.square_rest = np.maximum(self.square - np.sum(self.P**2, axis=1), 0.0)
        # features that the free ones explain up to round-off are left out
        self.penalised &= self.square_rest > 1e-13 * self.square

    @limited
    def start(self, coef: NDArray[np.float64], W_dual: NDArray[np.float64] | None = None) -> None:
        """Start at coefficients (k, p) in the caller's units, and the dual point of their fit."""
        self.W = np.where(self.penalised, coef * self.unit, 0.0)
        self.W_dual, self.at_dual = self.W if W_dual is None else W_dual, None

    def largest(self, l1_ratio: float) -> float:
        """Return the smallest penalty that leaves all penalised coefficients at 0."""
        norm = _lengths(self.cross)[self.some] / self.factor[self.some]
        return float(norm.max(initial=0.0)) / l1_ratio

    @limited
    def solve(self, alpha: float, l1_ratio: float, tol: float, sharp: bool = False) -> bool:
        """Minimise until the gap is at most tol times the null objective; return whether it is.

        sharp: continue until no feature outside of the working set lowers the objective.
        """
        if alpha == 0 and self.penalised.any():
            return self._solve_free(tol)
        tol = tol * self.null
        l1, l2 = alpha * l1_ratio * self.factor, alpha * (1.0 - l1_ratio) * self.factor
        self.n_iter = 0
        if self.at_dual is None:
            # the objective at the start
            found, size = self._gradient(self.W), _lengths(self.W)
            self.objective = 0.5 * found[2] + float(l1 @ size) + 0.5 * float(l2 @ size**2)
            self.at_dual = found if self.W_dual is self.W else self._gradient(self.W_dual)
            self._judge(l1, l2)
            if self.gap <= tol and not sharp:
                self._with_free()
                return True
        wanted = self._broken(l1, l2, 1.0) | (self.W != 0).any(axis=0)
        inner = _INNER * tol
        for _ in range(_MAX_CHECKS):
            self._grow(np.flatnonzero(wanted & ~self.inside))
            left = self.max_iter - self.n_iter
            if left <= 0:
                break
            settled = self._solve_set(l1, l2, inner, left, sharp)
            self.at_dual = self._gradient(self.W_dual)
            self._judge(l1, l2)
            if self.gap <= tol:
                # the working set's own error dominates that of missing features
                if settled or sharp:
                    self._settle(l1, l2, inner, sharp)
                break
            wanted = self._broken(l1, l2, 1.0 + 1e-12) & ~self.inside
            if not wanted.any():
                if settled or inner <= 1e-4 * tol:
                    break
                inner *= _TIGHTEN
        self._with_free()
        return self.gap <= tol

    def _settle(self, l1, l2, inner, sharp):
        """Solve again with the violating features outside of the working set.

        The dual value never falls, so that the gap shrinks by as much as the objective does.
        """
        if len(self.set) == self.n_penalised:
            return
        best, dual = (self.W_dual, self.at_dual), self.objective - self.gap
        for _ in range(_MAX_CHECKS if sharp else _MOST_SETTLES):
            left = self.max_iter - self.n_iter
            excess = _lengths(self.at_dual[0] - l2 * self.W_dual) - l1
            new = np.flatnonzero((excess > 0) & self.penalised & ~self.inside)
            if left <= 0 or not len(new):
                break
            # a coefficient that enters changes by about excess / (square + l2)
            root = np.sqrt(self.square_rest)
            moves = excess[new] * root[new] / (self.square_rest[new] + l2[new])
            moves /= max(float((_lengths(self.W) * root).max()), _TINY)
            largest = float(moves.max())
            if not sharp:
                new = new[moves > _MATTERS]
                if not len(new):
                    break
            self._grow(new)
            self._solve_set(l1, l2, inner, left, sharp)
            if not sharp and largest < _MATTERS_AGAIN:
                break
            self.at_dual = self._gradient(self.W_dual)
            self._judge(l1, l2)
            if self.objective - self.gap > dual:
                best, dual = (self.W_dual, self.at_dual), self.objective - self.gap
        self.W_dual, self.at_dual = best
        self.gap = max(self.objective - dual, 0.0)

    def _solve_free(self, tol):
        """Solve least squares: no feature has a penalty."""
        if self.unpenalised is None:
            A, Y, weight, *rest = self._given
            self.unpenalised = GroupPath(A, Y, weight, np.zeros(self.p), *rest)
        other = self.unpenalised
        reached = other.solve(0.0, 1.0, tol)
        self.full, self.n_iter = other.full, other.n_iter
        self.objective, self.gap = other.objective, other.gap
        self.W = self.W_dual = np.where(self.penalised, self.full, 0.0)
        self.at_dual = None
        return reached

    def _judge(self, l1, l2):
        """Set the gap of the objective over the dual value."""
        v, yr, rr = self.at_dual
        some, norm = self.some, _lengths(v)[self.some]
        dual = dual_value(l1[some], l2[some], self.square_rest[some], norm, self.yy_rest, yr, rr)
        self.gap = max(self.objective - dual, 0.0)

    def _broken(self, l1, l2, stretch):
        """Return which features violate the optimality conditions at the dual point."""
        v = self.at_dual[0] - l2 * self.W_dual
        return (_lengths(v) > stretch * l1) & self.penalised

    def _gradient(self, W):
        """Return A'SR, <Y, R> and <R, R> for penalised coefficients; free features are fitted."""
        if not W.any():
            return self.cross, self.yy_rest, self.yy_rest
        R = self.Y - self.A.dot(np.asfortranarray(W.T))
        g, yr, rr = self._tdot(R), self._inner(self.Y, R), self._inner(R, R)
        if len(self.free):
            r_free = g[:, self.free] @ self.base
            g -= r_free @ self.P.T
            yr -= float(np.sum(self.y_free * r_free))
            rr = max(rr - float(np.sum(r_free**2)), 0.0)
        return g, yr, rr

    def _grow(self, new):
        before, size = len(self.set), len(self.set) + len(new)
        if not len(new):
            return
        self.set = np.concatenate([self.set, new.astype(np.int32)])
        self.inside[new] = True
        if size > self.capacity:
            self.capacity = min(self.p, max(64, size + size // 2))
            gram = np.empty((self.capacity, self.capacity))
            gram[:before, :before] = self.gram[:before, :before]
            self.gram = gram
            if not self.A.is_sparse:
                columns = np.empty((self.capacity, self.n))
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
        if len(self.free):
            P = self.P[self.set]
            part = P[before:] @ P.T
            self.gram[before:size, :size] -= part
            self.gram[:before, before:size] = self.gram[before:size, :before].T

    def _solve_set(self, l1, l2, tol, max_iter, sharp):
        """Minimise over the working set; return whether only round-off is left."""
        chosen = self.set
        W = np.ascontiguousarray(self.W[:, chosen])
        W_dual = np.empty_like(W)
        if self.seed:
            self.seed = (self.seed + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF or 1
        self.objective, _, n_iter, settled = self.descent.solve(
            self.gram,
            l1[chosen],
            l2[chosen],
            np.ascontiguousarray(self.cross[:, chosen]),
            self.yy_rest,
            W,
            W_dual,
            tol,
            max_iter,
            self.seed,
            # at such a small tolerance, make coefficients exact
            2 if sharp or tol <= _TIGHT * self.null else 1,
            change=tol / (_INNER * self.null),
        )
        self.n_iter += n_iter
        self.W = np.zeros((self.k, self.p))
        self.W[:, chosen] = W
        self.W_dual = np.zeros((self.k, self.p))
        self.W_dual[:, chosen] = W_dual
        return settled

    def _with_free(self):
        """Compute all coefficients: unpenalised features fit the residual of the others."""
        self.full = self.W.copy()
        if len(self.free):
            rest = self.y_free - self.W @ self.P
            self.full[:, self.free] = rest @ self.base.T

    @limited
    def to_caller(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return coefficients (k, p) in the caller's units, and intercepts (k,)."""
        coef = self.full / self.unit
        return coef, self.y_mean - coef @ self.mean
