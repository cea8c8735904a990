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

G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method for choosing a good
ridge parameter", Technometrics 21(2), 1979; R. M. Rifkin and R. A. Lippert, "Notes on regularized
least squares", MIT CSAIL, 2007.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from ._rows import take_rows
from .ridge import solve

_EPS = np.finfo(np.float64).eps
_LEAST = 1e-7  # least eigenvalue, of the largest, that a Gram matrix shows to 1e-9
_RANK = 1e-12
_OWN = 1e-7  # 1 - h below which a row is left out by fitting the others
_ROOM = 2_000_000  # elements of a block of rows


class LeaveOneOut:
    """Left-out residuals and what a path knows, for m penalties and k targets.

    Attributes
    ----------
    residuals : ndarray (m, k, n)
        y_i less its prediction by the fit to the other rows.
    residual, squared_norm : ndarray (m, k)
        Of the fits to all rows: weighted sum of squares and sum_j d_j w_j^2.
    dof : ndarray (m,)
        Effective degrees of freedom, the intercept not counted.
    """

    def __init__(self, problem, alphas, *, by_rows) -> None:
        self.problem, self.alphas = problem, alphas
        m, k, n = len(alphas), problem.k, problem.n
        self.root = np.ones(n) if problem.root is None else problem.root
        self.inverse = np.divide(
            1.0, np.sqrt(problem.d), out=np.zeros(problem.p), where=problem.d > 0
        )
        self.U0 = self._unpenalised()
        self.given = self._given()
        self.residuals = np.empty((m, k, n))
        self.residual, self.squared_norm = np.zeros((m, k)), np.zeros((m, k))
        if by_rows:
            self._by_rows()
        else:
            self._by_columns()
        self.residuals /= self.root

    def _unpenalised(self):
        """U0 (n, r)."""
        problem = self.problem
        columns = []
        if problem.fit_intercept:
            columns.append(self.root[:, None] / np.linalg.norm(self.root))
        free = np.flatnonzero(problem.d == 0)
        if len(free):
            units = np.zeros((problem.p, len(free)), order="F")
            units[free, np.arange(len(free))] = 1.0
            Z = problem.rooted(problem.A.dot(units))
            size = np.linalg.norm(Z, axis=0)
            u, s, _ = np.linalg.svd(Z / np.where(size > 0, size, 1.0), full_matrices=False)
            columns.append(u[:, s > _RANK * s.max(initial=0.0)])
        return np.hstack(columns) if columns else np.zeros((problem.n, 0))

    def _outside(self, R):
        """P R; the intercept is part of U0, whose columns are orthogonal as A is centred."""
        return R - self.U0 @ (self.U0.T @ R)

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
        if values.min(initial=np.inf) + alphas.min() < _LEAST * largest:
            # what the Gram matrix hides
            B = self._rows(0, n, np.flatnonzero(self.inverse))
            if r == 1:
                B = (B - 2.0 * np.outer(v, v @ B))[1:]
            elif r:
                B = N.T @ B
            R = np.linalg.qr(B.T, mode="r")
            vectors, s, _ = np.linalg.svd(R.T, full_matrices=True)
            values = np.zeros(len(C))
            values[: len(s)] = (
                np.where(s > max(n, problem.p) * _EPS * s.max(initial=0.0), s, 0) ** 2
            )
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
        own = np.empty((len(alphas), n))
        for j, alpha in enumerate(alphas):
            weight = _inverse(values, alpha, null)
            own[j] = square @ weight
            part = weight[:, None] * t
            applied = U @ part
            if alpha == 0 and null.any():
                self._without_null(own[j], applied, U, square, values, t, null)
            self.residuals[j] = np.divide(
                applied.T, own[j], out=np.zeros_like(applied.T), where=own[j] > 0
            )
            if alpha == 0:
                self.residual[j] = (t[null] ** 2).sum(axis=0)
                inner = np.divide(1.0, values, out=np.zeros_like(values), where=~null)
                self.squared_norm[j] = inner @ t**2
            else:
                self.residual[j] = alpha**2 * (part**2).sum(axis=0)
                self.squared_norm[j] = values @ part**2
        self.dof = _shares(values, alphas) + r - problem.fit_intercept

    def _without_null(self, own, applied, U, square, values, t, null):
        """Rows without a part in the null space of K follow its complement as alpha tends to 0."""
        inside = square @ (~null) > 1.0 - 1e-10 - (self.U0**2).sum(axis=1)
        inner = np.divide(1.0, values, out=np.zeros_like(values), where=~null)
        own[inside] = square[inside] @ inner
        applied[inside] = U[inside] @ (inner[:, None] * t)

    def _by_columns(self):
        problem, alphas = self.problem, self.alphas
        n, p, k = problem.n, problem.p, problem.k
        Y = problem.rooted(problem.Y)
        chosen = np.flatnonzero(self.inverse)
        blocks = range(0, n, max(1, _ROOM // max(p, 1)))
        G = problem.A.gram(problem.weight)
        if len(chosen) < p:
            G = G[np.ix_(chosen, chosen)]
        inverse = self.inverse[chosen]
        G = G * inverse * inverse[:, None]
        if self.given is not None:
            G -= self.given.T @ self.given
        values, V = eigh(G, overwrite_a=True, check_finite=False, driver="evd")
        largest = values.max(initial=0.0)
        if values.min(initial=np.inf) + alphas.min() < _LEAST * largest:
            # sizes of the columns that the Gram matrix hides
            values, V = self._by_triangle(chosen, blocks)
            largest = values.max(initial=0.0)
        kept = values > (max(n, p) * _EPS) ** 2 * largest
        values, V = values[kept], V[:, kept]
        weights = 1.0 / (values + alphas[:, None])
        t = np.zeros((len(values), k))
        for start in blocks:
            Z = self._directions(start, blocks.step, chosen, V)
            t += Z.T @ Y[start : start + blocks.step]
        u0y = self.U0.T @ Y
        left = np.empty((len(alphas), n))
        parts = (weights[:, :, None] * t).transpose(1, 0, 2).reshape(len(values), -1)
        for start in blocks:
            rows = slice(start, start + blocks.step)
            Z = self._directions(start, blocks.step, chosen, V)
            fit = (Z @ parts).reshape(len(Z), len(alphas), k)
            e = (Y[rows] - self.U0[rows] @ u0y)[:, None] - fit
            h = (Z * Z) @ weights.T + (self.U0[rows] ** 2).sum(axis=1)[:, None]
            left[:, rows] = (1.0 - h).T
            self.residuals[:, :, rows] = e.transpose(1, 2, 0)
        self.residual[:] = np.einsum("akn,akn->ak", self.residuals, self.residuals)
        self.squared_norm[:] = weights**2 @ t**2
        far = left > _OWN
        self.residuals /= np.where(far, left, 1.0)[:, None]
        self._one_by_one(np.flatnonzero(~far.all(axis=0)), far)
        self.dof = _shares(values, alphas) + self.U0.shape[1] - problem.fit_intercept

    def _given(self):
        """U0' B; None where it is 0, B being centred: without free columns."""
        problem = self.problem
        chosen = np.flatnonzero(self.inverse)
        if len(chosen) == problem.p:
            return None
        back = problem.A.tdot(problem.rooted(np.asfortranarray(self.U0)))
        return (back[chosen] * self.inverse[chosen, None]).T

    def _rows(self, start, size, chosen):
        """P B of some rows."""
        problem = self.problem
        B = problem.A.rows(start, min(start + size, problem.n))
        if len(chosen) < problem.p:
            B = B[:, chosen]
        B *= self.inverse[chosen]
        if problem.root is not None:
            B *= problem.root[start : start + size, None]
        if self.given is not None:
            B -= self.U0[start : start + size] @ self.given
        return B

    def _directions(self, start, size, chosen, V):
        return self._rows(start, size, chosen) @ V

    def _by_triangle(self, chosen, blocks):
        R = np.empty((0, len(chosen)))
        for start in blocks:
            R = np.linalg.qr(np.vstack([R, self._rows(start, blocks.step, chosen)]), mode="r")
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
            x = take_rows(problem.source, np.array([i]))
            for j in np.flatnonzero(~far[:, i]):
                found = solve(
                    A,
                    Y,
                    self.alphas[j : j + 1],
                    sample_weight=weight,
                    penalty_factor=problem.penalty,
                    fit_intercept=problem.fit_intercept,
                    tol=1e-12,
                )
                predicted = x.dot(np.asfortranarray(found.coef.T, dtype=np.float64))[0]
                predicted += found.intercept
                self.residuals[j, :, i] = (problem.given[i] - predicted) * self.root[i]


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
