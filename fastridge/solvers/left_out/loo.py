"""Exact leave-one-out residuals for every penalty, from one eigendecomposition.

The residual of row i in a fit without it is e_i / (1 - h_i), h the diagonal of the hat matrix H.
Let B be the columns of S A scaled to unit penalties, U0 an orthonormal basis of the unpenalised
directions (the intercept's sqrt(s) and the free columns), P = I - U0 U0', and (P B)'(P B) = V L V',
Z = P B V. With fewer features than rows

    h_i = sum_j Z_ij^2 / (l_j + alpha) + sum_j U0_ij^2,
    fit = Z (L + alpha)^-1 Z'y + U0 U0'y;

with fewer rows P B B' P = U L U' on the complement of U0, and as I - H = alpha Q,

    Q = U (L + alpha)^-1 U',   e_i / (1 - h_i) = (Q y)_i / Q_ii,

without cancellation as alpha tends to 0. Where columns have unlike scales and the Gram matrix loses
the small ones, V L V' and Z come from `systems.graded`. A row is left out with all of its weight,
as if all its copies were left out together.

Generalised cross-validation replaces each 1 - h_i by tr(I - H) / W, W the total weight. For n rows
that trace is alpha tr Q; by features it is the sum of alpha / (l_j + alpha), plus 1 for each of the
n - rank directions outside the range of X; plus W - n for weights other than 1.

G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method for choosing a good
ridge parameter", Technometrics 21(2), 1979; R. M. Rifkin and R. A. Lippert, "Notes on regularized
least squares", MIT CSAIL, 2007.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...data.rows import take_rows
from ...quadratic.problem import RidgeProblem
from ...quadratic.projected import Projected, rounding_scale
from ...quadratic.spectral import SpectralPath
from ...systems.blas import on_one_thread
from ...systems.cost import BLOCK
from ...systems.graded import Graded, unlike
from ...systems.lapack import eigh, jacobi_svd, orthonormal, product, svd, triangle

_EPS = np.finfo(np.float64).eps
_LEAST = 1e-7  # least eigenvalue over the largest that a Gram matrix gives to 1e-9
# 1 - h below which a row is left out by refitting: usually, and for graded data
_OWN, _OWN_GRADED = 1e-7, 1e-3


class LeftOut(NamedTuple):
    """Left-out residuals for m penalties and k targets.

    residuals: y_i minus its prediction by the fit to the other rows, (m, k, n); for generalised
    cross-validation the residual of the fit to all rows over tr(I - H) / W, infinite where that is
    not positive. residual, squared_norm, norm: weighted sum of squares, sum_j d_j w_j^2 and the
    Euclidean norm of the coefficients of the fits to all rows, (m, k).
    """

    residuals: Any
    residual: Any
    squared_norm: Any
    norm: Any


class LeaveOneOut(Projected):
    """Leave-one-out factors for all penalties; the method `of` applies them to targets.

    Attributes
    ----------
    dof : ndarray (m,)
        Effective degrees of freedom, the intercept not counted.
    """

    @on_one_thread
    def __init__(self, problem, alphas, *, generalised=False) -> None:
        super().__init__(problem)
        self.alphas, self.generalised = alphas, generalised
        # term of tr(I - H) from weights other than 1
        self.copies = problem.total - problem.n if generalised else 0.0
        self._alike = bool((problem.d == 1).all())
        # where X may have full row rank, compute 1 - h from alpha Q to avoid cancellation
        self._by_rows = problem.n <= problem.p + problem.fit_intercept
        if self._by_rows:
            self._reduce_rows()
        else:
            self._reduce_columns()
        self.dof = _shares(self._values, alphas) + self.U0.shape[1] - problem.fit_intercept

    @on_one_thread
    def of(self, chosen: Any = slice(None)) -> LeftOut:
        """Return the left-out residuals and norms of some targets."""
        Y = self.problem.rooted(np.asfortranarray(self.problem.Y[:, chosen]))
        found = self._targets_by_rows(Y) if self._by_rows else self._targets_by_columns(Y, chosen)
        residuals, residual, squared_norm, norm = found
        residuals /= self.root
        if self._alike:
            norm = np.sqrt(squared_norm)
        return LeftOut(residuals, residual, squared_norm, norm)

    def targets_at_once(self) -> int:
        """Return the number of targets per block, to bound the memory of residuals."""
        return max(1, BLOCK // (len(self.alphas) * self.problem.n))

    def _reduce_rows(self):
        """Compute eigenvalues and vectors of P B B'P, from inner products or from B."""
        problem, alphas = self.problem, self.alphas
        n, r = problem.n, self.U0.shape[1]
        K = problem.A.gram_rows(self.inverse**2)
        K *= self.root
        K *= self.root[:, None]
        if r == 1:
            # a Householder reflection without its first column spans the complement of U0
            v = self.U0[:, 0].copy()
            v[0] += np.copysign(1.0, v[0])
            v /= np.linalg.norm(v)
            Kv = K @ v
            Kv -= (v @ Kv) * v
            K -= 2.0 * np.outer(v, Kv)
            K -= 2.0 * np.outer(Kv, v)
            C = K[1:, 1:]
        elif r:
            N = orthonormal(self.U0, complete=True)[:, r:]
            C = product(product(N.T, K), N)
        else:
            C = K

        def turn(B):
            if r == 1:
                return (B - 2.0 * np.outer(v, v @ B))[1:]
            return N.T @ B if r else B

        values, vectors = eigh(C)
        largest = values.max(initial=0.0)
        if values.min(initial=np.inf) + alphas.min() < _LEAST * max(largest, self._hidden(K)):
            # below the accuracy of the Gram matrix: use the rows
            if unlike(self.noise()):
                s, vectors = _complete(self.graded_triangle(turn))
            else:
                vectors, s, _ = svd(self.triangle(turn).T, full_matrices=True)
                s[s <= max(n, problem.p) * _EPS * self.size(s)] = 0.0
            values = np.zeros(len(C))
            values[: len(s)] = s**2
        else:
            values[values < n * _EPS * largest] = 0.0
        if r == 1:
            U = np.vstack([np.zeros(n - 1), vectors])
            U -= 2.0 * np.outer(v, v @ U)
        else:
            U = product(N, vectors) if r else vectors
        self._values, self._U = values, U

    def _targets_by_rows(self, Y):
        problem, alphas, U, values = self.problem, self.alphas, self._U, self._values
        (n, k), m = Y.shape, len(alphas)
        residuals = np.empty((m, k, n))
        residual, squared_norm, norm = np.zeros((m, k)), np.zeros((m, k)), np.zeros((m, k))
        t = U.T @ Y
        square = U * U
        null = values == 0
        for j, alpha in enumerate(alphas):
            weight = _inverse(values, alpha, null)
            part = weight[:, None] * t
            applied = U @ part
            if self.generalised:
                diagonal = np.full(n, self._mean(weight.sum(), alpha, null))
            else:
                diagonal = square @ weight
            if null.any() and not self.generalised:
                self._without_null(diagonal, applied, U, square, values, t, null, alpha)
            if self.copies and not (alpha == 0 and null.any()):
                applied *= alpha
            nothing = np.inf if self.generalised else 0.0
            residuals[j] = np.divide(
                applied.T, diagonal, out=np.full_like(applied.T, nothing), where=diagonal > 0
            )
            if alpha == 0:
                residual[j] = (t[null] ** 2).sum(axis=0)
                inner = np.divide(1.0, values, out=np.zeros_like(values), where=~null)
                squared_norm[j] = inner @ t**2
            else:
                residual[j] = ((alpha * part) ** 2).sum(axis=0)
                squared_norm[j] = values @ part**2
            if not self._alike:
                inner = np.where(null, 0.0, 1.0 / np.where(null, 1.0, values + alpha))
                w = problem.A.tdot(problem.rooted(np.asfortranarray(U @ (inner[:, None] * t))))
                norm[j] = self._norms(w * self.inverse[:, None] ** 2, Y)
        return residuals, residual, squared_norm, norm

    def _norms(self, w, Y):
        """Return norms of coefficients (p, m k), after computing the free ones, of targets S y."""
        problem = self.problem
        if len(self.free):
            fit = problem.rooted(problem.A.dot(np.asfortranarray(w)))
            w[self.free] = self.free_coefficients(np.tile(Y, w.shape[1] // Y.shape[1]) - fit)
        return np.linalg.norm(w, axis=0)

    def _mean(self, trace, alpha, null):
        """Return tr(I - H) / W; without copies of rows it lacks the factor alpha, as Q y does."""
        if self.copies:
            trace = self.copies + (null.sum() if alpha == 0 else alpha * trace)
        return trace / self.problem.total

    def _hidden(self, gram):
        """Return an upper bound on the largest eigenvalue before projection and centring."""
        raw = rounding_scale(self.problem, self.inverse)
        return raw + (np.abs(gram).sum(axis=0).max(initial=0.0) if len(self.free) else 0.0)

    def _without_null(self, diagonal, applied, U, square, values, t, null, alpha):
        """Treat rows orthogonal to the null space of K, where 1 / alpha amplifies round-off."""
        inside = square @ (~null) > 1.0 - 1e-10 - (self.U0**2).sum(axis=1)
        inner = np.divide(1.0, values + alpha, out=np.zeros_like(values), where=~null)
        diagonal[inside] = square[inside] @ inner
        applied[inside] = U[inside] @ (inner[:, None] * t)

    def _reduce_columns(self):
        """Compute eigenvalues and vectors of B'P B, or singular values of P B, and leverages."""
        problem, alphas = self.problem, self.alphas
        n, p = problem.n, problem.p
        chosen, blocks = self.chosen, self.blocks()
        G = problem.A.gram(problem.weight)
        if len(chosen) < p:
            G = G[np.ix_(chosen, chosen)]
        inverse = self.inverse[chosen]
        G = G * inverse * inverse[:, None]
        hidden = self._hidden(G)
        if self.given is not None:
            G -= self.given.T @ self.given
        self._graded = None
        self._values, V = eigh(G)
        largest = self._values.max(initial=0.0)
        if self._values.min(initial=np.inf) + alphas.min() < _LEAST * max(largest, hidden):
            # columns too small for the Gram matrix: use the rows
            R = np.empty((0, len(chosen)))
            for start in blocks:
                R = triangle(np.vstack([R, self.rows(start, blocks.step)]))
            noise = self.noise()
            if unlike(noise):
                noise = np.maximum(noise, np.linalg.norm(R, axis=0))
                found = self._graded = Graded(R, noise, n, n - self.U0.shape[1])
                found.correct(sum(found.gram(self.rows(start, blocks.step)) for start in blocks))
                self._values, V = found.s**2, found.V
            else:
                _, s, vt = svd(R)
                self._values, V = s**2, vt[: len(s)].T
            largest = self.size(np.sqrt(self._values)) ** 2
        if self._graded is None:
            kept = self._values > (max(n, p) * _EPS) ** 2 * largest
            self._values, V = self._values[kept], V[:, kept]
        self._V = V
        self._weights = 1.0 / (self._values + alphas[:, None])
        self._block: Any = None
        if not self.generalised:
            self._left = np.ones((len(alphas), n))
            for start in blocks:
                Z, rows = self._coordinates(start)
                h = product(Z * Z, self._weights.T) + (self.U0[rows] ** 2).sum(axis=1)[:, None]
                self._left[:, rows] = (1.0 - h).T

    def _block_of(self, start):
        """Return P B of a block of rows, and the block."""
        step = self.blocks().step
        return self.rows(start, step), slice(start, start + step)

    def _coordinates(self, start):
        """Return Z = P B V of a block of rows, and the block."""
        blocks = self.blocks()
        rows = slice(start, start + blocks.step)
        if self._block is not None:
            return self._block, rows
        B = self.rows(start, blocks.step)
        found = self._graded
        Z = product(B, self._V) if found is None else found.rows(B) * found.s
        if len(blocks) == 1:
            self._block = Z
        return Z, rows

    def _targets_by_columns(self, Y, chosen):
        problem, alphas, values = self.problem, self.alphas, self._values
        (n, k), m = Y.shape, len(alphas)
        blocks, weights = self.blocks(), self._weights
        # rotating few vectors by V is cheaper than rotating all rows; graded data need Z
        by_directions = self._graded is None and (m + 1) * k < len(values)
        t = np.zeros((self._V.shape[0] if by_directions else len(values), k))
        for start in blocks:
            Z, rows = self._block_of(start) if by_directions else self._coordinates(start)
            t += Z.T @ Y[rows]
        if by_directions:
            t = self._V.T @ t
        u0y = self.U0.T @ Y
        parts = (weights[:, :, None] * t).transpose(1, 0, 2).reshape(len(values), m * k)
        directions = self._V @ parts if by_directions else parts
        residuals = np.empty((m, k, n))
        for start in blocks:
            Z, rows = self._block_of(start) if by_directions else self._coordinates(start)
            fit = product(Z, directions).reshape(len(Z), m, k)
            e = (Y[rows] - self.U0[rows] @ u0y)[:, None] - fit
            residuals[:, :, rows] = e.transpose(1, 2, 0)
        residual = np.einsum("akn,akn->ak", residuals, residuals)
        squared_norm, norm = weights**2 @ t**2, np.zeros((m, k))
        if not self._alike:
            w = np.zeros((problem.p, m * k), order="F")
            w[self.chosen] = self.inverse[self.chosen, None] * (self._V @ parts)
            norm = self._norms(w, Y).reshape(m, k)
        if self.generalised:
            trace = (alphas[:, None] * weights).sum(axis=1) + n - self.U0.shape[1] - len(values)
            trace += self.copies
            share = np.where(trace > 0, trace, 1.0) / problem.total
            residuals /= share[:, None, None]
            residuals[trace <= 0] = np.inf
        else:
            far = self._left > (_OWN if self._graded is None else _OWN_GRADED)
            residuals /= np.where(far, self._left, 1.0)[:, None]
            self._one_by_one(residuals, np.flatnonzero(~far.all(axis=0)), far, chosen)
        return residuals, residual, squared_norm, norm

    def _one_by_one(self, residuals, rows, far, chosen):
        """Refit without each row that almost alone determines a coefficient."""
        problem = self.problem
        for i in rows:
            others = np.delete(np.arange(problem.n), i)
            A = take_rows(problem.source, others)
            Y = np.asfortranarray(problem.given[others][:, chosen])
            weight = None if problem.weight is None else problem.weight[others]
            rest = RidgeProblem(A, Y, np.ones(1), weight, problem.penalty, problem.fit_intercept)
            near = ~far[:, i]
            coef = SpectralPath(rest, self.alphas[near]).coef
            x = problem.source.rows(i, i + 1)[0] - rest.mean
            predicted = rest.y_mean + coef @ x
            residuals[near, :, i] = (problem.given[i, chosen] - predicted) * self.root[i]


def _complete(R):
    """Return singular values (r,) and left vectors (n, n) of R' (n, r), the null space last."""
    _, s, U = jacobi_svd(R)
    if len(s) == len(U):
        return s, U
    return s, np.hstack([U, orthonormal(U, complete=True)[:, len(s) :]])


def generalised(problem, alphas):
    """Return generalised cross-validation (m, k) of the rows of a problem."""
    if problem.weight is not None and not problem.weight.all():
        live = np.flatnonzero(problem.weight)
        A, Y = take_rows(problem.source, live), np.asfortranarray(problem.given[live])
        weight, intercept = problem.weight[live], problem.fit_intercept
        problem = RidgeProblem(A, Y, np.ones(1), weight, problem.penalty, intercept)
    found = LeaveOneOut(problem, alphas, generalised=True)
    out = np.empty((len(alphas), problem.k))
    step = found.targets_at_once()
    for start in range(0, problem.k, step):
        chosen = slice(start, start + step)
        squares = found.of(chosen).residuals ** 2
        out[:, chosen] = np.average(squares, axis=2, weights=problem.weight)
    return out


def _inverse(values, alpha, null):
    """Return the weights of the directions in Q, up to a common factor."""
    if alpha > 0 or not null.any():
        return 1.0 / (values + alpha)
    return null.astype(np.float64)


def _shares(values, alphas):
    total = values + alphas[:, None]
    return np.divide(
        np.broadcast_to(values, total.shape), total, out=np.zeros_like(total), where=total > 0
    ).sum(axis=1)
