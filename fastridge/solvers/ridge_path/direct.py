"""Solve for all penalties by one reduction of a Gram matrix to tridiagonal form.

With d^-1/2 on both sides of the Gram matrix, and the free (d = 0) columns projected out, the
problem is (M + alpha I) v = c; M = Q T Q' leaves a tridiagonal system for every penalty. Its
solution x = Q'v gives the norm |v| = |x| and, with the diagonal of the inverse, the degrees of
freedom n - alpha tr (T + alpha I)^-1. Penalties too small beside the round-off of M, unless its
least eigenvalue is larger, are solved one by one, or in folds of cross-validation by the SVD of the
rows.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..._cached import cached
from ...data.rounding import as_dtype
from ...quadratic.problem import RidgeProblem
from ...quadratic.projected import rounding_scale, span, unit_of_rows
from ...quadratic.spectral import SpectralPath
from ...quadratic.sums import SumProblem
from ...systems.blas import on_one_thread
from ...systems.lapack import eigh, half_inverse
from ...systems.spectrum import of_gram, of_products
from ...systems.tridiagonal import Tridiagonal
from ..ridge.moments import solve_moments

# Least eigenvalue of M + alpha I, over the largest of M, that has a relative error of 1e-8.
LEAST_SHOWN = 1e-7
CANCELS = 1e-6  # residual, as a share of the target's squares, below which moments lose it
_MAX_REFINE = 3
_SETTLED = 1e-8
_UNLIKE = 1e4  # ratio of the square roots of penalty factors that counts as large
_MANY = 1000  # columns beyond which inverses take less time than singular values of unlike columns
_RANK = 1e-13  # relative tolerance of the rank of free columns
_EPS = np.finfo(np.float64).eps


class MomentsPath:
    """Solutions for every penalty from moments: yy - 2 c'w + w'(G + alpha diag(d)) w.

    rows: function that returns the RidgeProblem of the rows, used where moments lose digits.
    before: `again` of another path of the same moments and d, or None.
    """

    solver = "cholesky"

    @on_one_thread
    def __init__(self, moments, alphas, d, fit_intercept, tol, rows=None, before=None) -> None:
        self.problem = SumProblem(moments, alphas, d, fit_intercept)
        self.moments, self.alphas, self.d, self.tol = moments, alphas, d, tol
        problem = self.problem
        alive = problem.squares > 0
        self.free = np.flatnonzero((d == 0) & alive)
        self.chosen = np.flatnonzero((d > 0) & alive)
        self.inverse = 1.0 / np.sqrt(d[self.chosen])
        # the solution of the free columns, given the others
        G, c = problem.gram(), problem.cross
        whole = len(self.chosen) == problem.p
        M = G if whole else G[np.ix_(self.chosen, self.chosen)]
        right = c[self.chosen]
        yy = problem.yy
        self.rank = 0
        self.reduced = None
        hidden = 0.0
        if len(self.free):
            inner, self.rank, condition = _pseudo_inverse(G[np.ix_(self.free, self.free)])
            # round-off of the subtracted part that the free columns explain
            hidden = 0.0 if rows is None else condition * np.abs(M).sum(axis=0).max(initial=0.0)
            coupling = G[np.ix_(self.free, self.chosen)]
            self.given = inner @ coupling, inner @ c[self.free]
            M -= coupling.T @ self.given[0]
            right = right - coupling.T @ self.given[1]
            yy = yy - (c[self.free] * self.given[1]).sum(axis=0)
        M *= self.inverse[:, None]
        M *= self.inverse
        self.M, self.right = M, self.inverse[:, None] * right
        m, k = len(alphas), problem.k
        self.yy = yy
        self.squared_norm, self.residual = np.zeros((m, k)), np.full((m, k), yy)
        exact = np.full(m, float(self.rank))
        self.left = np.zeros(m)  # sum of alpha / (l + alpha) over eigenvalues l of M
        self.alone = np.arange(m)
        if len(self.chosen):
            self.reduced = Tridiagonal(np.array(M, order="F")) if before is None else before[0]
            self.rotated = self.reduced.rotate(self.right)
            self._hidden = hidden
        self.together, self.x = self.alone[:0], np.zeros((0, k, 0))
        if len(self.chosen) and m:
            safe = self.shows(alphas)
            x, traces = self.reduced.solve(alphas[safe], self.rotated)
            self.x = x
            squares = np.einsum("akj,akj->ak", x, x)
            self.squared_norm[safe] = squares
            self.residual[safe] -= np.einsum("akj,jk->ak", x, self.rotated)
            self.residual[safe] -= alphas[safe, None] * squares
            self.left[safe] = alphas[safe] * traces
            exact[safe] += len(self.chosen) - self.left[safe]
            self.together, self.alone = np.flatnonzero(safe), np.flatnonzero(~safe)
        self.singly = []
        # by penalty, those solved alone and their degrees of freedom
        self.found = {} if before is None else before[1]
        self.rows = rows
        if len(self.alone) and rows is not None:
            self.singly, exact[self.alone] = _by_rows(self, rows())
        elif len(self.alone):
            new = [i for i in self.alone if alphas[i] not in self.found]
            solved = [self._one(i) for i in new]
            both = zip(solved, self._dof_alone(alphas[new]), strict=True) if new else ()
            self.found.update(zip(alphas[new], both, strict=True))
            self.singly = [self.found[alpha][0] for alpha in alphas[self.alone]]
            exact[self.alone] = [self.found[alpha][1] for alpha in alphas[self.alone]]
            for i, result in zip(self.alone, self.singly, strict=True):
                self.squared_norm[i] = result.coef.astype(np.float64) ** 2 @ d
                self.residual[i] = result.objective - alphas[i] * self.squared_norm[i]
        # what paths of other penalties need not compute again
        self.again = self.reduced, self.found
        self.dof = np.maximum(exact, 0.0), np.zeros(m)
        if rows is not None and m:
            self._sum_residuals()

    def _dof_alone(self, alphas):
        """Return the degrees of freedom of penalties that the reduction does not show."""
        if len(self.chosen) < _MANY or "spectrum" in vars(self):
            return self.spectrum.dof(alphas)
        left = np.empty(len(alphas))
        for i, alpha in enumerate(alphas):
            # round-off of the factor is relative to the diagonal: columns may have unlike scales
            K = np.array(self.M, order="F")
            K.flat[:: len(K) + 1] += alpha
            diagonal = np.diagonal(K).copy()
            size = 1.0 / np.sqrt(diagonal)
            K *= size
            K *= size[:, None]
            # L^-1, the column norms of which are the diagonal of the inverse
            half = half_inverse(K)
            if half is None:
                return self.spectrum.dof(alphas)
            left[i] = np.einsum("ij,ij->j", half, half) @ (alpha / diagonal)
        return self.rank + len(self.chosen) - left

    def _sum_residuals(self):
        """Compute residuals that the moments lose to cancellation from the rows."""
        hidden = (self.residual[self.together] < CANCELS * self.yy).any(axis=1)
        hidden = self.together[hidden & (self.yy > 0).any()]
        if not len(hidden):
            return
        problem = self.rows()
        for i in hidden:
            left = problem.Y - problem.A.dot(np.asfortranarray(self._solved[0][i].T))
            self.residual[i] = (problem.rooted(left) ** 2).sum(axis=0)

    @cached
    @on_one_thread
    def spectrum(self):
        """Singular values of the penalised part, for penalties too small for the reduction."""
        if self.rows is not None:
            return SpectralPath(self.rows(), self.alphas[:0]).spectrum
        return of_gram(self.M, self.right, self.yy, self.rank)

    def generalised(self):
        """Return generalised cross-validation (m, k); None where it would be lost to cancellation.

        The residual degrees of freedom are those outside the range of X, if there are any, plus the
        sum of alpha / (l + alpha) over the others.
        """
        n = self.moments.total_weight
        unreached = n - self.problem.fit_intercept - self.rank - len(self.chosen)
        hides = len(self.alone) or (self.residual < CANCELS * self.yy).any()
        if unreached < 1 or hides:
            return None
        return self.residual * n / (unreached + self.left)[:, None] ** 2

    @on_one_thread
    def log_det(self, alphas):
        """Return log det (I + M / alpha), of the penalised part."""
        return _log_det(self, alphas) if self.reduced else np.zeros(len(alphas))

    def shows(self, alphas):
        """Return for each penalty whether the reduction is accurate despite its round-off."""
        if self.problem.means_are_far():
            return np.zeros(len(alphas), dtype=bool)
        return _shows(self.reduced, alphas, self._hidden)

    def _one(self, i):
        """Solve for penalty i by itself."""
        return solve_moments(
            self.moments,
            self.alphas[i],
            penalty_factor=self.d,
            fit_intercept=self.problem.fit_intercept,
            tol=self.tol,
            single=False,
        )

    @cached
    @on_one_thread
    def _solved(self):
        """Refined coefficients (n_alphas, k, p), and the numbers of refinements."""
        n_iter = np.ones((len(self.alphas), self.problem.k), dtype=np.intp)
        for i, result in zip(self.alone, self.singly, strict=True):
            n_iter[i] = result.n_iter
        v = np.zeros_like(self.x)
        if len(self.together):
            v, n_iter[self.together] = self._refined()
        return self._placed(v), n_iter

    def _placed(self, v):
        """Return the coefficients (n_alphas, k, p) for solutions v (len(together), k, n)."""
        m, k, p = len(self.alphas), self.problem.k, self.problem.p
        w = self.inverse * v
        if len(self.together) == m and len(self.chosen) == p:
            return w
        coef = np.zeros((m, k, p))
        for i, result in zip(self.alone, self.singly, strict=True):
            coef[i] = result.coef
        coef[np.ix_(self.together, range(k), self.chosen)] = w
        if len(self.free):
            free = self.given[1].T - w @ self.given[0].T
            coef[np.ix_(self.together, range(k), self.free)] = free
        return coef

    @on_one_thread
    def rough(self):
        """Coefficients (n_alphas, k, p) without refinement: right to 1e-8 where alone is empty."""
        shape = self.x.shape
        if not len(self.together):
            return self._placed(self.x)
        v = self.reduced.rotate(self.x.reshape(-1, shape[2]).T, back=True)
        return self._placed(v.T.reshape(shape))

    def _refined(self):
        """Return v (n_alphas, k, p), refined with the residual from M instead of Q T Q'."""
        alphas, k = self.alphas[self.together], self.problem.k
        shape = self.x.shape
        penalties = np.repeat(alphas, k)
        v = self.reduced.rotate(self.x.reshape(-1, shape[2]).T, back=True)
        n_iter = 0
        right = np.tile(self.right, len(alphas))
        for _ in range(_MAX_REFINE):
            n_iter += 1
            r = right - self.M @ v - penalties * v
            rotated = self.reduced.rotate(r).T.reshape(shape)
            # each right-hand side belongs to one penalty
            step = np.concatenate(
                [self.reduced.solve(alphas[i : i + 1], rotated[i].T)[0] for i in range(len(alphas))]
            )
            step = self.reduced.rotate(step.reshape(-1, shape[2]).T, back=True)
            v += step
            size = np.linalg.norm(v, axis=0)
            if (np.linalg.norm(step, axis=0) <= _SETTLED * size).all():
                break
        largest = np.maximum.reduce(self.inverse, initial=0.0)
        if largest > _UNLIKE * np.minimum.reduce(self.inverse, initial=largest):
            # round-off of steps is relative to the largest coefficient, beside which those of far
            # larger penalties vanish; for these the system is nearly diagonal
            diagonal = np.diagonal(self.M)[:, None]
            alone = (right - (self.M @ v - diagonal * v)) / (diagonal + penalties)
            v = np.where(diagonal <= _SETTLED * penalties, alone, v)
        return v.T.reshape(shape), n_iter

    @property
    def solution(self):
        """Coefficients (n_alphas, k, p) in float64."""
        return self._solved[0]

    @property
    def coef(self):
        dtype = np.float32 if self.moments.is_float32 else np.float64
        return as_dtype(self._solved[0], dtype, "coef")

    @cached
    def intercept(self):
        out = [self.problem.intercept(w) for w in self._solved[0]]
        dtype = np.float32 if self.moments.is_float32 else np.float64
        return as_dtype(np.array(out), dtype, "intercept")

    @property
    def n_iter(self):
        return self._solved[1]

    @cached
    @on_one_thread
    def unrounded(self):
        """Return relative gradients (n_alphas, k), before coefficients are rounded to float32."""
        m, k, p = self._solved[0].shape
        w, alpha = self._solved[0].reshape(m * k, p).T, np.repeat(self.alphas, k)
        gradients = self.problem.gradients(w, alpha)
        relative = self.problem.certify(gradients, w, alpha).reshape(m, k)
        for i, result in zip(self.alone, self.singly, strict=True):
            relative[i] = result.relative_gradient
        return relative

    @cached
    def relative_gradient(self):
        return _of_rounded(self, self.moments.is_float32)

    def certify(self, i, coef):
        """Return relative gradients (k,) of penalty i at coefficients (k, p)."""
        alpha = self.alphas[i]
        if i in self.alone and self.rows is not None:
            return _certify(self.rows(), coef, alpha)
        alpha, problem = np.full(len(coef), alpha), self.problem
        return problem.certify(problem.gradients(coef.T, alpha), coef.T, alpha)


class DualPath:
    """Solutions for every penalty by samples: (K + alpha I) a = S y, w = diag(d)^-1 A' S a.

    by_rows: use the SVD of the rows where inner products lose digits, without a certificate.
    """

    solver = "dual"

    @on_one_thread
    def __init__(self, problem: RidgeProblem, alphas, tol, by_rows=False) -> None:
        self.problem, self.alphas, self.tol, self.by_rows = problem, alphas, tol, by_rows
        n, k, m = problem.n, problem.k, len(alphas)
        self.inverse = np.divide(1.0, problem.d, out=np.zeros(problem.p), where=problem.d > 0)
        K = problem.A.gram_rows(self.inverse)
        Y = problem.rooted(problem.Y)
        if problem.root is not None:
            K *= problem.root
            K *= problem.root[:, None]
        self.free = np.flatnonzero(problem.d == 0)
        self.span = None
        hidden = rounding_scale(problem, np.sqrt(self.inverse)) if by_rows else 0.0
        if by_rows and len(self.free):
            hidden += np.abs(K).sum(axis=0).max(initial=0.0)
        self.rank = 0
        if len(self.free):
            self.span, self.solve_free = self._free_columns()
            self.rank = self.span.shape[1]
            K -= self.span @ (self.span.T @ K)
            K -= (K @ self.span) @ self.span.T
            Y = Y - self.span @ (self.span.T @ Y)
        self.K, self.right = K, np.asfortranarray(Y)
        self.reduced = Tridiagonal(np.array(K, order="F"))
        rotated = self.rotated = self.reduced.rotate(self.right)
        self._hidden = hidden
        safe = self.shows(alphas)
        self.together, self.alone = np.flatnonzero(safe), np.flatnonzero(~safe)
        self.x, traces = self.reduced.solve(alphas[safe], rotated)
        left = alphas[safe, None, None] * self.x
        self.squared_norm, self.residual = np.zeros((m, k)), np.zeros((m, k))
        # a'Ka with K a = y - alpha a; the residual is alpha a
        self.squared_norm[safe] = np.einsum("akj,jk->ak", self.x, rotated)
        self.squared_norm[safe] -= np.einsum("akj,akj->ak", self.x, left)
        self.residual[safe] = np.einsum("akj,akj->ak", left, left)
        exact = np.full(m, float(self.rank))
        exact[safe] += n - alphas[safe] * traces
        self.singly = []
        if len(self.alone) and by_rows:
            self.singly, exact[self.alone] = _by_rows(self, problem)
        elif len(self.alone):
            exact[self.alone] = self.spectrum.dof(alphas[self.alone])
            self.singly = [self._one(i) for i in self.alone]
        self.dof = np.maximum(exact, 0.0), np.zeros(m)

    @cached
    @on_one_thread
    def spectrum(self):
        """As for `MomentsPath`."""
        if self.by_rows:
            return SpectralPath(self.problem, self.alphas[:0]).spectrum
        return of_products(self.K, self.right, self.rank)

    @on_one_thread
    def log_det(self, alphas):
        """Return log det (I + K / alpha), which equals that of I + M / alpha."""
        return _log_det(self, alphas)

    def shows(self, alphas):
        """As for `MomentsPath`."""
        return _shows(self.reduced, alphas, self._hidden)

    def _free_columns(self):
        problem = self.problem
        units = np.zeros((problem.p, len(self.free)), order="F")
        units[self.free, np.arange(len(self.free))] = 1.0
        Z = problem.rooted(problem.A.dot(units))
        u, s, vt = span(Z, unit_of_rows(problem) if problem.fit_intercept else None)
        return u, lambda R: vt.T @ ((u.T @ R) / s[:, None])

    def _one(self, i):
        from ..ridge.solve import solve

        problem = self.problem
        result = solve(
            problem.source,
            problem.given,
            self.alphas[i : i + 1],
            sample_weight=problem.weight,
            penalty_factor=problem.penalty,
            fit_intercept=problem.fit_intercept,
            solver="dual",
            tol=self.tol,
        )
        w = result.coef.astype(np.float64)
        self.squared_norm[i] = w**2 @ problem.d
        self.residual[i] = result.objective - self.alphas[i] * self.squared_norm[i]
        return result

    @cached
    @on_one_thread
    def _solved(self):
        """Return coefficients (n_alphas, k, p), refinements and relative gradients."""
        problem = self.problem
        m, k, p = len(self.alphas), problem.k, problem.p
        coef, n_iter = np.zeros((m, k, p)), np.ones((m, k), dtype=np.intp)
        relative = np.full((m, k), np.nan)
        for i, result in zip(self.alone, self.singly, strict=True):
            coef[i], n_iter[i] = result.coef, result.n_iter
        if len(self.together):
            coef[self.together], relative[self.together] = self._by_samples(slice(None))
        return coef, n_iter, relative

    @on_one_thread
    def one(self, i):
        """Return coefficients (k, p), relative gradients and objectives (k,) of penalty i."""
        if i in self.alone:
            result = self.singly[int(np.flatnonzero(self.alone == i)[0])]
            return result.coef, result.relative_gradient, result.objective
        at = int(np.flatnonzero(self.together == i)[0])
        coef, relative = self._by_samples(slice(at, at + 1))
        objective = self.residual[i] + self.alphas[i] * self.squared_norm[i]
        return coef[0], relative[0], objective

    def _by_samples(self, which):
        """Return coefficients (m, k, p) and relative gradients (m, k) of some reduced systems."""
        problem, alphas = self.problem, self.alphas[self.together][which]
        m, k, p = len(alphas), problem.k, problem.p
        penalties = np.repeat(alphas, k)
        right = np.tile(self.right, m)
        a = self.reduced.rotate(self.x[which].reshape(m * k, -1).T, back=True)
        for last in (False, True):
            r = right - self.K @ a - penalties * a
            if last:
                break
            rotated = self.reduced.rotate(r).T.reshape(m, k, -1)
            for t in range(m):
                rotated[t] = self.reduced.solve(alphas[t : t + 1], rotated[t].T)[0][0]
            a += self.reduced.rotate(rotated.reshape(m * k, -1).T, back=True)
        w = problem.A.tdot(problem.rooted(np.asfortranarray(a)))
        first = np.linalg.norm(problem.gradient_at_zero(), axis=0)
        if self.span is None and (problem.d == 1).all():
            # the gradient is A' S r
            norm = np.sqrt(np.maximum(np.einsum("ij,ij->j", r, self.K @ r), 0.0))
        else:
            w *= self.inverse[:, None]
            norm = np.empty(m * k)
            for t in range(m):
                part = w[:, t * k : (t + 1) * k]
                if self.span is not None:
                    rest = problem.rooted(problem.Y) - problem.rooted(problem.A.dot(part))
                    part[self.free] = self.solve_free(rest)
                problem.alpha = np.full(k, alphas[t])
                gradient, _ = problem.evaluate(part)
                norm[t * k : (t + 1) * k] = np.linalg.norm(gradient, axis=0)
        # plus the effect of rounding the coefficients
        norm += 0.5 * problem.rounding(w, penalties)
        norm = norm.reshape(m, k)
        relative = np.divide(norm, first, out=np.zeros((m, k)), where=first > 0)
        return w.T.reshape(m, k, p), relative

    @on_one_thread
    def rough(self):
        """Coefficients (n_alphas, k, p) without refinement: right to 1e-8 where alone is empty."""
        problem = self.problem
        m, k, p = len(self.alphas), problem.k, problem.p
        if self.span is not None:
            return self._solved[0]
        coef = np.zeros((m, k, p))
        for i, result in zip(self.alone, self.singly, strict=True):
            coef[i] = result.coef
        if len(self.together):
            a = self.reduced.rotate(self.x.reshape(-1, problem.n).T, back=True)
            w = problem.A.tdot(problem.rooted(a))
            w *= self.inverse[:, None]
            w = w.T.reshape(-1, k, p)
            if not len(self.alone):
                return w
            coef[self.together] = w
        return coef

    @property
    def solution(self):
        """Coefficients (n_alphas, k, p) in float64."""
        return self._solved[0]

    @property
    def coef(self):
        dtype = np.float32 if self.problem.A.is_float32 else np.float64
        return as_dtype(self._solved[0], dtype, "coef")

    @cached
    def intercept(self):
        out = np.array([self.problem.intercept(w) for w in self._solved[0]])
        dtype = np.float32 if self.problem.A.is_float32 else np.float64
        return as_dtype(out, dtype, "intercept")

    @property
    def n_iter(self):
        return self._solved[1]

    @cached
    @on_one_thread
    def unrounded(self):
        """As for `MomentsPath`."""
        relative = self._solved[2]
        for i, result in zip(self.alone, self.singly, strict=True):
            relative[i] = result.relative_gradient
        return relative

    @cached
    def relative_gradient(self):
        return _of_rounded(self, self.problem.A.is_float32)

    def certify(self, i, coef):
        """As for `MomentsPath`."""
        return _certify(self.problem, coef, self.alphas[i])


def _shows(reduced, alphas, hidden):
    least = LEAST_SHOWN * max(reduced.largest, hidden)
    # an eigenvalue below 0 is round-off
    safe = alphas > 2.0 * least
    return safe if safe.all() else safe | reduced.is_positive(alphas - least)


def _of_rounded(path, is_float32):
    """Return relative gradients (m, k) of a path's coefficients in their own dtype."""
    if not is_float32:
        return path.unrounded
    coef = path.coef.astype(np.float64)
    return np.array([path.certify(i, w) for i, w in enumerate(coef)])


def _certify(problem, coef, alpha):
    """Relative gradients (k,) at coefficients (k, p), from X."""
    gradient, _ = problem.evaluate(coef.T, alpha=alpha)
    return problem.relative(gradient, problem.gradient_at_zero())


class _Single(NamedTuple):
    """Certificate of one penalty."""

    coef: Any
    certificate: Any  # a function
    n_iter: int = 1

    @property
    def relative_gradient(self):
        return self.certificate()


def _by_rows(path, problem):
    """Solve for the penalties `path.alone` from the rows: coefficients and degrees of freedom."""
    found = SpectralPath(problem, path.alphas[path.alone])
    path.spectrum = found.spectrum
    path.squared_norm[path.alone], path.residual[path.alone] = found.squared_norm, found.residual
    singly = [_Single(w, partial(found.certificate, j)) for j, w in enumerate(found.coef)]
    return singly, found.dof[0]


def _log_det(path, alphas):
    safe = path.shows(alphas)
    if safe.all():
        return path.reduced.log_det(alphas)
    return np.where(safe, path.reduced.log_det(alphas), path.spectrum.log_det(alphas))


def _pseudo_inverse(G):
    """Return the pseudo-inverse of the Gram matrix of free columns, its rank and condition."""
    size = np.sqrt(np.diagonal(G))
    values, vectors = eigh(G / size / size[:, None])
    kept = values > _RANK * values.max(initial=0.0)
    vectors, values = vectors[:, kept] / size[:, None], values[kept]
    condition = float(values.max() / values.min()) if len(values) else 1.0
    return (vectors / values) @ vectors.T, len(values), condition
