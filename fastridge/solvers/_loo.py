"""Leave-one-out residuals of every penalty, exactly, from one eigendecomposition.

Without row i the residual of row i is e_i / (1 - h_i), h the diagonal of the matrix H that takes
y to its fit. Let B be the columns of S A in units where all are penalised alike, U0 an orthonormal
basis of what is not penalised (the intercept's sqrt(s) and the free columns), P = I - U0 U0', and
(P B)'(P B) = V L V', Z = P B V. With fewer features than rows

    h_i = sum_j Z_ij^2 / (l_j + alpha) + sum_j U0_ij^2,
    fit = Z (L + alpha)^-1 Z'y + U0 U0'y;

with fewer rows P B B' P = U L U' on the complement of U0, and as I - H = alpha Q,

    Q = U (L + alpha)^-1 U',   e_i / (1 - h_i) = (Q y)_i / Q_ii,

which loses nothing as alpha tends to 0. A row leaves with all of its weight, as the copies that the
weight stands for would together.

Generalised cross-validation puts tr(I - H) / W, W the total weight, in the place of each 1 - h_i.
Of n rows, that trace is alpha tr Q, or by features sum_j alpha / (l_j + alpha) and one for each of
the n - rank directions that X does not reach; W - n more where rows weigh more than 1.

G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method for choosing a good
ridge parameter", Technometrics 21(2), 1979; R. M. Rifkin and R. A. Lippert, "Notes on regularized
least squares", MIT CSAIL, 2007.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from ._path_spectral import SpectralPath
from ._projected import Projected, rounding_scale
from ._ridge_problem import RidgeProblem
from ._rows import take_rows

_EPS = np.finfo(np.float64).eps
_LEAST = 1e-7  # least eigenvalue, of the largest, that a Gram matrix shows to 1e-9
_OWN = 1e-7  # 1 - h below which a row is left out by fitting the others


class LeaveOneOut(Projected):
    """Left-out residuals and what a path knows, for m penalties and k targets.

    Attributes
    ----------
    residuals : ndarray (m, k, n)
        y_i less its prediction by the fit to the other rows; with `generalised`, the residual of
        the fit to all over tr(I - H) / W, infinite where that is not positive.
    residual, squared_norm : ndarray (m, k)
        Of the fits to all rows: weighted sum of squares and sum_j d_j w_j^2.
    norm : ndarray (m, k)
        Euclidean norms of the coefficients.
    dof : ndarray (m,)
        Effective degrees of freedom, the intercept not counted.
    """

    def __init__(self, problem, alphas, *, generalised=False) -> None:
        super().__init__(problem)
        self.alphas, self.generalised = alphas, generalised
        # what rows of other weights than 1 add to tr(I - H)
        self.copies = problem.total - problem.n if generalised else 0.0
        m, k, n = len(alphas), problem.k, problem.n
        self.residuals = np.empty((m, k, n))
        self.residual, self.squared_norm = np.zeros((m, k)), np.zeros((m, k))
        self.norm = np.zeros((m, k))
        self._alike = bool((problem.d == 1).all())
        # where X may reach every direction of the rows, 1 - h is what alpha leaves, no difference
        if n <= problem.p + problem.fit_intercept:
            self._by_rows()
        else:
            self._by_columns()
        self.residuals /= self.root
        if self._alike:
            self.norm = np.sqrt(self.squared_norm)

    def _by_rows(self):
        problem, alphas = self.problem, self.alphas
        n, r = problem.n, self.U0.shape[1]
        K = problem.A.gram_rows(self.inverse**2)
        K *= self.root
        K *= self.root[:, None]
        Y = problem.rooted(problem.Y)
        if r == 1:
            # the complement of one vector is what a reflection leaves but its first column
            v = self.U0[:, 0].copy()
            v[0] += np.copysign(1.0, v[0])
            v /= np.linalg.norm(v)
            Kv = K @ v
            Kv -= (v @ Kv) * v
            K -= 2.0 * np.outer(v, Kv)
            K -= 2.0 * np.outer(Kv, v)
            C = K[1:, 1:]
            turned = (Y - 2.0 * np.outer(v, v @ Y))[1:]
        elif r:
            N = np.linalg.qr(self.U0, mode="complete")[0][:, r:]
            C, turned = N.T @ K @ N, N.T @ Y
        else:
            C, turned = K, Y
        values, vectors = eigh(C, check_finite=False, driver="evd")
        largest = values.max(initial=0.0)
        if values.min(initial=np.inf) + alphas.min() < _LEAST * max(largest, self._hidden(K)):
            # what the Gram matrix hides
            if r == 1:
                R = self.triangle(lambda B: (B - 2.0 * np.outer(v, v @ B))[1:])
            else:
                R = self.triangle(lambda B: N.T @ B if r else B)
            vectors, s, _ = np.linalg.svd(R.T, full_matrices=True)
            values = np.zeros(len(C))
            values[: len(s)] = np.where(s > max(n, problem.p) * _EPS * self.size(s), s, 0) ** 2
        else:
            values[values < n * _EPS * largest] = 0.0
        if r == 1:
            U = np.vstack([np.zeros(n - 1), vectors])
            U -= 2.0 * np.outer(v, v @ U)
        else:
            U = N @ vectors if r else vectors
        t = vectors.T @ turned
        square = U * U
        null = values == 0
        for j, alpha in enumerate(alphas):
            weight = _inverse(values, alpha, null)
            part = weight[:, None] * t
            applied = U @ part
            if self.generalised:
                own = np.full(n, self._mean(weight.sum(), alpha, null))
            else:
                own = square @ weight
            if null.any() and not self.generalised:
                self._without_null(own, applied, U, square, values, t, null, alpha)
            if self.copies and not (alpha == 0 and null.any()):
                applied *= alpha
            nothing = np.inf if self.generalised else 0.0
            self.residuals[j] = np.divide(
                applied.T, own, out=np.full_like(applied.T, nothing), where=own > 0
            )
            if alpha == 0:
                self.residual[j] = (t[null] ** 2).sum(axis=0)
                inner = np.divide(1.0, values, out=np.zeros_like(values), where=~null)
                self.squared_norm[j] = inner @ t**2
            else:
                self.residual[j] = alpha**2 * (part**2).sum(axis=0)
                self.squared_norm[j] = values @ part**2
            if not self._alike:
                inner = np.where(null, 0.0, 1.0 / np.where(null, 1.0, values + alpha))
                w = problem.A.tdot(problem.rooted(np.asfortranarray(U @ (inner[:, None] * t))))
                self.norm[j] = self._norms(w * self.inverse[:, None] ** 2, 1)
        self.dof = _shares(values, alphas) + r - problem.fit_intercept

    def _norms(self, w, m):
        """Norms of coefficients (p, m k), those of free columns to be found."""
        problem = self.problem
        if len(self.free):
            left = np.tile(problem.Y, m) - problem.A.dot(np.asfortranarray(w))
            w[self.free] = self.free_coefficients(problem.rooted(left))
        return np.linalg.norm(w, axis=0)

    def _mean(self, trace, alpha, null):
        """tr(I - H) / W, up to the factor alpha that Q y lacks too where no row has copies."""
        if self.copies:
            trace = self.copies + (null.sum() if alpha == 0 else alpha * trace)
        return trace / self.problem.total

    def _hidden(self, gram):
        """Largest eigenvalue, or more, of what the projected Gram matrix is a difference of."""
        raw = rounding_scale(self.problem, self.inverse)
        return raw + (np.abs(gram).sum(axis=0).max(initial=0.0) if len(self.free) else 0.0)

    def _without_null(self, own, applied, U, square, values, t, null, alpha):
        """Rows without a part in the null space of K, of which 1 / alpha makes rounding large."""
        inside = square @ (~null) > 1.0 - 1e-10 - (self.U0**2).sum(axis=1)
        inner = np.divide(1.0, values + alpha, out=np.zeros_like(values), where=~null)
        own[inside] = square[inside] @ inner
        applied[inside] = U[inside] @ (inner[:, None] * t)

    def _by_columns(self):
        problem, alphas = self.problem, self.alphas
        n, p, k = problem.n, problem.p, problem.k
        Y = problem.rooted(problem.Y)
        chosen, blocks = self.chosen, self.blocks()
        G = problem.A.gram(problem.weight)
        if len(chosen) < p:
            G = G[np.ix_(chosen, chosen)]
        inverse = self.inverse[chosen]
        G = G * inverse * inverse[:, None]
        hidden = self._hidden(G)
        if self.given is not None:
            G -= self.given.T @ self.given
        values, V = eigh(G, overwrite_a=True, check_finite=False, driver="evd")
        largest = values.max(initial=0.0)
        if values.min(initial=np.inf) + alphas.min() < _LEAST * max(largest, hidden):
            # sizes of the columns that the Gram matrix hides
            values, V = self._by_triangle(chosen, blocks)
            largest = self.size(np.sqrt(values)) ** 2
        kept = values > (max(n, p) * _EPS) ** 2 * largest
        values, V = values[kept], V[:, kept]
        weights = 1.0 / (values + alphas[:, None])
        t = np.zeros((len(values), k))
        for start in blocks:
            Z = self.rows(start, blocks.step) @ V
            t += Z.T @ Y[start : start + blocks.step]
        u0y = self.U0.T @ Y
        left = np.ones((len(alphas), n))
        parts = (weights[:, :, None] * t).transpose(1, 0, 2)
        parts = parts.reshape(len(values), len(alphas) * k)
        for start in blocks:
            rows = slice(start, start + blocks.step)
            Z = self.rows(start, blocks.step) @ V
            fit = (Z @ parts).reshape(len(Z), len(alphas), k)
            e = (Y[rows] - self.U0[rows] @ u0y)[:, None] - fit
            if not self.generalised:
                h = (Z * Z) @ weights.T + (self.U0[rows] ** 2).sum(axis=1)[:, None]
                left[:, rows] = (1.0 - h).T
            self.residuals[:, :, rows] = e.transpose(1, 2, 0)
        self.residual[:] = np.einsum("akn,akn->ak", self.residuals, self.residuals)
        self.squared_norm[:] = weights**2 @ t**2
        if not self._alike:
            w = np.zeros((p, len(alphas) * k), order="F")
            w[chosen] = inverse[:, None] * (V @ parts)
            self.norm = self._norms(w, len(alphas)).reshape(-1, k)
        if self.generalised:
            trace = (alphas[:, None] * weights).sum(axis=1) + n - self.U0.shape[1] - len(values)
            trace += self.copies
            share = np.where(trace > 0, trace, 1.0) / problem.total
            self.residuals /= share[:, None, None]
            self.residuals[trace <= 0] = np.inf
        else:
            far = left > _OWN
            self.residuals /= np.where(far, left, 1.0)[:, None]
            self._one_by_one(np.flatnonzero(~far.all(axis=0)), far)
        self.dof = _shares(values, alphas) + self.U0.shape[1] - problem.fit_intercept

    def _by_triangle(self, chosen, blocks):
        R = np.empty((0, len(chosen)))
        for start in blocks:
            R = np.linalg.qr(np.vstack([R, self.rows(start, blocks.step)]), mode="r")
        _, s, vt = np.linalg.svd(R)
        return s**2, vt[: len(s)].T

    def _one_by_one(self, rows, far):
        """Rows that almost alone determine a coefficient: fits without them."""
        problem = self.problem
        for i in rows:
            others = np.delete(np.arange(problem.n), i)
            A = take_rows(problem.source, others)
            Y = np.asfortranarray(problem.given[others])
            weight = None if problem.weight is None else problem.weight[others]
            rest = RidgeProblem(A, Y, np.ones(1), weight, problem.penalty, problem.fit_intercept)
            near = ~far[:, i]
            coef = SpectralPath(rest, self.alphas[near]).coef
            x = problem.source.rows(i, i + 1)[0] - rest.mean
            predicted = rest.y_mean + coef @ x
            self.residuals[near, :, i] = (problem.given[i] - predicted) * self.root[i]


def generalised(problem, alphas):
    """Generalised cross-validation (m, k) of the rows of a problem."""
    if problem.weight is not None and not problem.weight.all():
        live = np.flatnonzero(problem.weight)
        A, Y = take_rows(problem.source, live), np.asfortranarray(problem.given[live])
        weight, intercept = problem.weight[live], problem.fit_intercept
        problem = RidgeProblem(A, Y, np.ones(1), weight, problem.penalty, intercept)
    found = LeaveOneOut(problem, alphas, generalised=True)
    return np.average(found.residuals**2, axis=2, weights=problem.weight)


def _inverse(values, alpha, null):
    """Weights of the directions in Q, up to a factor that its quotients do not have."""
    if alpha > 0 or not null.any():
        return 1.0 / (values + alpha)
    return null.astype(np.float64)


def _shares(values, alphas):
    total = values + alphas[:, None]
    return np.divide(
        np.broadcast_to(values, total.shape), total, out=np.zeros_like(total), where=total > 0
    ).sum(axis=1)
