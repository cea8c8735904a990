"""An elastic net problem in solver units: weights sum to 1, columns centred and scaled.

With s the weights over their sum, A the operator over X, u the coefficients in its units and r the
residual y - A u of the centred target, the solvers minimise for l1 = alpha * l1_ratio * f and
l2 = alpha * (1 - l1_ratio) * f

    P(u) = 1/2 sum_i s_i r_i^2 + sum_j (l1_j |u_j| + l2_j u_j^2 / 2),   lower <= u <= upper.

For any theta = t r the dual value

    D(theta) = sum_i s_i (y_i theta_i - theta_i^2 / 2) - sum_j h*_j(a_j' S theta)

is at most the minimum, where h*_j(v) = max_x v x - l1_j |x| - l2_j x^2 / 2 over the bounds:

- l2_j > 0: (|v| - l1_j)_+^2 / (2 l2_j), finite for every v, so that ridge (l1_ratio = 0) needs no
  scaling of the residual: t = 1;
- a finite bound on the side of v: the maximum at the bound, also finite;
- otherwise 0 for |v| <= l1_j, which holds for small enough t, and infinite beyond;
- l1_j = l2_j = 0 without bounds: 0 only for v = 0. The Newton step minimises over these features
  together, so that their v is round-off, which is treated as zero.

The intercept is such a feature, and centring has minimised over it. P - D bounds how far P(u) is
from the minimum; `relative_gap` is that bound over the objective of the null model,
sum_i s_i y_i^2 / 2 (over 1 where that is 0).

References: E. Ndiaye, O. Fercoq, A. Gramfort and J. Salmon, "Gap safe screening rules for sparsity
enforcing penalties", JMLR 18, 2017.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...quadratic.range import require_sum_products, require_sums, unit_sum
from ...quadratic.rows import CentredRows
from ...quadratic.sums import SumProblem
from ...systems.blas import on_one_thread

_LONG = 10_000
# Standard deviation over mean of a constant column due to round-off, as in column_stats.
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
# Round-off as a share of the squared mean about the origin of the sums, as in Moments.
_CENTRED = 8 * float(np.finfo(np.float64).eps)


def constant(value, p):
    """Constant vector of length p; broadcast, and of stride 0, if long."""
    if p > _LONG:
        return np.broadcast_to(value, p)
    found = np.empty(p)
    found.fill(value)
    return found


def _read_only(value):
    found = constant(value, _LONG)
    found.flags.writeable = False
    return found


_ONES, _ZEROS = _read_only(1.0), _read_only(0.0)


def ones(p):
    """Vector of ones, not to be written to; of stride 0 if long."""
    return _ONES[:p] if p <= _LONG else np.broadcast_to(1.0, p)


def zeros(p):
    """Vector of zeros, not to be written to; of stride 0 if long."""
    return _ZEROS[:p] if p <= _LONG else np.broadcast_to(0.0, p)


class DescentProblem:
    """An elastic net problem without alpha.

    Attributes
    ----------
    rows : CentredRows, or None where the problem is given by moments
    A : Matrix or None
        Operator of the rows.
    gram : ndarray (p, p) or None
        A'SA, from moments or given.
    y : ndarray (n,), centred; None for moments
    weight : ndarray (n,) or None
        Weights that sum to 1; None: 1 / n each.
    n, p : int
    factor : ndarray (p,)
        Factors of the penalty.
    lower, upper : ndarray (p,) or None
    square, cross : ndarray (p,)
        Diagonal of A'SA, and A'Sy.
    yy : float
    mean, y_mean, unit : ndarray (p,), float, ndarray (p,)
        Coefficients in the caller's units are u / unit.
    """

    def __init__(self, p, factor, lower, upper):
        self.p = p
        self.factor, self.is_uniform = ones(p) if factor is None else factor, factor is None
        self.lower, self.upper = lower, upper
        self.rows = self.A = self.y = self.weight = self.gram = self.moments = None
        self.unit = None

    @classmethod
    @on_one_thread
    def of_data(cls, A, y, weight, factor, lower, upper, fit_intercept, standardize):
        weight = None if weight is None else unit_sum(weight)
        options = {"standardize": standardize, "mean_of_rows": True}
        rows = CentredRows(by_columns(A), weight, fit_intercept, **options)
        problem = cls(rows.p, factor, lower, upper)
        problem._take_rows(rows, y)
        return problem

    @on_one_thread
    def reweighed(self, weight, y):
        """Return the problem with other weights and another target.

        Newton steps of other losses use it; this is a pass over X, without a copy.
        """
        problem = copy.copy(self)
        problem.lower, problem.upper = self.bounds
        problem.gram = None
        problem._take_rows(self.rows.reweighed(None if weight is None else unit_sum(weight)), y)
        return problem

    def _take_rows(self, rows, y):
        self.rows, self.n, self.A, self.weight = rows, rows.n, rows.A, rows.weight
        self.unit = rows.unit
        self.mean = rows.mean if rows.fit_intercept else None
        self.y_mean = float(rows.target_stats(y[:, np.newaxis])[0][0])
        self.y = y - self.y_mean
        self.square = rows.squares()
        self.yy = float(rows.inner(self.y, self.y))
        require_sums(rows.source, self.y, float(self.square.sum()), self.yy, rows.fit_intercept)
        self.cross = rows.tdot(self.y)
        self._scale_bounds()

    @classmethod
    def of_quadratic(cls, n, found, factor, lower, upper, fit_intercept, standardize):
        """Build from the result of `_moments.centred_quadratic`; an intercept is fitted.

        Return None where the target is constant up to round-off, which Moments handle.
        """
        mean, y_mean, y_offset, gram, square, cross, yy = found
        noise = _ROUNDING * y_mean
        if yy <= max(_CENTRED * y_offset * y_offset, noise * noise):
            return None
        problem = cls(len(mean), factor, lower, upper)
        problem.n, problem.mean, problem.y_mean = n, mean, y_mean
        if standardize:
            problem.unit = np.sqrt(square)
            gram /= problem.unit
            gram /= problem.unit[:, None]
            cross /= problem.unit
            square = gram.diagonal().copy()
        problem.gram, problem.cross, problem.yy, problem.square = gram, cross, yy, square
        problem._scale_bounds()
        return problem

    @classmethod
    def of_small(cls, A, y, factor, lower, upper, fit_intercept, standardize):
        """Build from small, unweighted dense data, of finite squares."""
        n, p = A.shape
        problem = cls(p, factor, lower, upper)
        problem.n = n
        X = A.arrays[0]
        if fit_intercept:
            # subtract the first row: means far from zero, and constant columns, lose no digits
            Z, t = np.subtract(X, X[0], dtype=np.float64), y - y[0]
            mean, rest = np.add.reduce(Z, axis=0) / n, float(np.add.reduce(t)) / n
            Z -= mean
            t -= rest
            problem.mean, problem.y_mean = mean + X[0], float(y[0]) + rest
        else:
            Z, t = X.astype(np.float64, copy=False), y
            problem.mean, problem.y_mean = None, 0.0
        if standardize:
            mean, variance = A.column_stats()
            problem.unit = np.sqrt(np.where(variance > 0, variance, 1.0))
            Z = Z / problem.unit
        problem.gram = Z.T.dot(Z)
        problem.gram /= n
        problem.cross = t.dot(Z)
        problem.cross /= n
        problem.yy = float(t.dot(t)) / n
        problem.square = problem.gram.diagonal().copy()
        if fit_intercept:
            if not standardize:
                variance = problem.square
                # this one sum usually shows that no column is constant
                least = _ROUNDING**2 * float(problem.mean.dot(problem.mean))
            if standardize or np.minimum.reduce(variance) <= least:
                constant = variance <= (_ROUNDING * problem.mean) ** 2
                problem.gram[constant] = problem.gram[:, constant] = 0.0
                problem.cross[constant] = problem.square[constant] = 0.0
        problem._scale_bounds()
        return problem

    @classmethod
    def of_moments(cls, moments, target, factor, lower, upper, fit_intercept, standardize):
        p, total = moments.n_features, moments.total_weight
        problem = cls(p, factor, lower, upper)
        problem.n, problem.moments = moments.n_samples, moments
        # alpha and the factors come with each penalty
        sums = SumProblem(
            moments, np.zeros(moments.n_targets), problem.factor, fit_intercept, False
        )
        problem.sums = sums
        gram = sums.gram()
        gram /= total
        problem.mean = sums.mean if fit_intercept else None
        if standardize:
            variance = sums.centred_squares / total
            problem.unit = np.sqrt(np.where(variance > 0, variance, 1.0))
            gram /= problem.unit
            gram /= problem.unit[:, None]
        problem.gram, problem.square = gram, np.diagonal(gram).copy()
        problem._take_target(target)
        problem._scale_bounds()
        return problem

    def _take_target(self, target):
        """Set cross products and squares of one target of the moments."""
        sums, total = self.sums, self.moments.total_weight
        cross = sums.cross[:, target] / total
        if self.unit is not None:
            cross /= self.unit
        self.cross, self.yy = np.ascontiguousarray(cross), float(sums.yy[target]) / total
        self.y_mean = float(sums.y_mean[target]) if sums.fit_intercept else 0.0

    def use_gram(self, gram, total):
        """Use a precomputed Gram matrix as A'SA, after checking that it belongs to these data.

        Its weights are as given, with the sum `total`, or normalised to sum n.

        Returns
        -------
        bool
            False, without a change, where it belongs to X before centring.

        Raises
        ------
        ValueError
            If its diagonal, or its product with a vector of random signs, is wrong.
        """
        unit = np.ones(self.p) if self.unit is None else self.unit
        diagonal, expected = np.diagonal(gram), self.square * unit**2 * total
        wrong = _differ(diagonal, expected)
        if wrong.any() and not _differ(diagonal, expected * (self.n / total)).any():
            total, wrong = self.n, np.zeros(self.p, dtype=bool)
        if wrong.any():
            if self.mean is not None:
                raw = expected / total + self.mean**2
                if any(not _differ(diagonal, raw * t).any() for t in (total, self.n)):
                    return False
            j = int(wrong.argmax())
            raise ValueError(
                "Gram matrix passed in via 'precompute' did not pass validation when a single"
                f" element was checked: ({j}, {j}) is {diagonal[j]:g}; expected {expected[j]:g},"
                " from the columns of X, centred where fit_intercept is True, and sample_weight."
            )
        self.gram = gram / (total * unit)
        self.gram /= unit[:, None]
        signs = np.random.default_rng(0).choice([-1.0, 1.0], self.p)
        found = self.gram @ signs
        expected, _, squares = self.products(self.A.dot(signs))
        error = np.abs(found - expected)
        # Cauchy-Schwarz: the product of a column and the image is at most that of their norms
        size = np.sqrt(self.square * squares)
        if (error > 1e-3 * size + 1e-12 * np.abs(self.gram).sum(axis=1)).any():
            j = int((error - 1e-3 * size).argmax())
            raise ValueError(
                "Gram matrix passed in via 'precompute' did not pass validation: its diagonal is"
                f" that of X, but row {j} times a vector of signs is {found[j]:g}; expected"
                f" {expected[j]:g}."
            )
        # the solver uses its diagonal for a_j'S a_j
        self.square = np.diagonal(self.gram).copy()
        return True

    def other_target(self, target):
        """Return the problem for another target of the same moments."""
        problem = copy.copy(self)
        problem._take_target(target)
        problem._set_null()
        return problem

    def _scale_bounds(self):
        self.bounds = self.lower, self.upper
        if self.unit is not None:
            self.lower = None if self.lower is None else self.lower * self.unit
            self.upper = None if self.upper is None else self.upper * self.unit
        # initial coefficients: zero, clipped to the bounds
        self.start = zeros(self.p)
        if self.lower is not None:
            self.start = np.maximum(self.start, self.lower)
        if self.upper is not None:
            self.start = np.minimum(self.start, self.upper)
        self._set_null()

    def _set_null(self):
        require_sum_products(float(np.add.reduce(self.square)), self.yy)
        self.null = 0.5 * self.yy if self.yy > 0 else 1.0

    def gradient(self, r) -> NDArray[np.float64]:
        """Return A'S r."""
        return self.rows.tdot(r)

    def residual(self, u) -> NDArray[np.float64]:
        """Return y - A u."""
        r = self.A.dot(u)
        np.subtract(self.y, r, out=r)
        return r

    def products(self, r):
        """Return A'S r, y'S r and r'S r for a residual, which is overwritten."""
        yr, rr = (float(self.rows.inner(a, r)) for a in (self.y, r))
        if self.weight is None:
            return self.rows.tdot(r), yr, rr
        r *= self.weight
        return self.A.tdot(r), yr, rr

    def penalties(self, alpha, l1_ratio):
        """Return l1 and l2 of each feature, broadcast for uniform factors and many features."""
        l1, l2 = alpha * l1_ratio, alpha * (1.0 - l1_ratio)
        if self.is_uniform:
            return constant(l1, self.p), constant(l2, self.p) if l2 else zeros(self.p)
        return l1 * self.factor, l2 * self.factor

    def to_solver(self, coef):
        """Convert coefficients to the solver's units, clipped to the bounds."""
        u = coef * self.unit if self.unit is not None else np.array(coef, dtype=np.float64)
        if self.lower is not None:
            np.maximum(u, self.lower, out=u)
        if self.upper is not None:
            np.minimum(u, self.upper, out=u)
        return u

    def to_caller(self, u):
        """Return coefficients in the caller's units, and the intercept."""
        if self.unit is None:
            coef = u.copy()
        else:
            coef = u / self.unit
            # keep coefficients on or within the bounds despite round-off
            for bound, given in zip((self.lower, self.upper), self.bounds, strict=True):
                if bound is not None:
                    coef = np.where(u == bound, given, coef)
            if self.lower is not None or self.upper is not None:
                np.clip(coef, *self.bounds, out=coef)
        return coef, self.y_mean - (0.0 if self.mean is None else float(self.mean @ coef))

    def pull(self, v):
        """Return the gradient that draws each coefficient from its start; -inf if a bound holds it.

        v: the gradient, minus l2 times the coefficients where these are not 0; it is overwritten.
        """
        if self.lower is None and self.upper is None:
            return np.abs(v, out=v)
        up = v if self.upper is None else np.where(self.start < self.upper, v, -np.inf)
        down = -v if self.lower is None else np.where(self.start > self.lower, -v, -np.inf)
        return np.maximum(up, down)

    def weighted_columns(self) -> Matrix:
        """Return dense data by columns, times sqrt(weight n); unweighted F-ordered data as is."""
        A = self.A
        if self.weight is None:
            if A.kind == "F":
                return A
            X = Matrix.from_dense(np.asfortranarray(A.arrays[0]), True)
            return X.centered(A.shift, A.scale)
        out = np.empty((self.p, self.n))
        A.copy_columns(np.arange(self.p, dtype=np.int32), out)
        out *= np.sqrt(self.weight * self.n)
        return Matrix.from_dense(out.T, True)


def penalty_of(l1: Any, l2: Any, u: Any) -> float:
    """Return sum_j l1_j |u_j| + l2_j u_j^2 / 2."""
    return float(l1 @ np.abs(u)) + 0.5 * float((l2 * u) @ u)


def by_columns(A: Matrix) -> Matrix:
    """Return a sparse matrix by columns: itself, or a copy of CSR; dense data as they are."""
    return A.transposed_storage() if A.kind == "csr" else A


def _differ(found, expected):
    """Return which elements of a Gram matrix's diagonal differ by more than float32 explains."""
    return np.abs(found - expected) > 1e-4 * np.maximum(expected, found)
