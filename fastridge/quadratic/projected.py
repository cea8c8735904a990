"""Rows of a ridge problem scaled to unit penalties, with unpenalised directions projected out."""

from __future__ import annotations

import numpy as np

from ..data.rows import as_container
from ..systems.cost import ROWS
from ..systems.graded import graded_rows
from ..systems.lapack import svd, triangle

_RANK = 1e-12


class Projected:
    """P B: B the columns of S A over sqrt(d), P = I - U0 U0', U0 a basis of the free directions.

    Attributes
    ----------
    chosen : ndarray of int
        Columns that have a penalty.
    root : ndarray (n,)
        Square roots of the weights.
    inverse : ndarray (p,)
        1 / sqrt(d), 0 for free columns.
    U0 : ndarray (n, r)
        Orthonormal: the intercept's S 1 and the free columns.
    """

    def __init__(self, problem) -> None:
        self.problem = problem
        self.root = np.ones(problem.n) if problem.root is None else problem.root
        self.inverse = np.divide(
            1.0, np.sqrt(problem.d), out=np.zeros(problem.p), where=problem.d > 0
        )
        self.chosen = np.flatnonzero(self.inverse)
        self.free = np.flatnonzero(problem.d == 0)
        self.U0 = self._unpenalised()
        self.given = self._given()
        self._again = None

    def _unpenalised(self):
        """Return U0 (n, r)."""
        problem = self.problem
        columns = []
        if problem.fit_intercept:
            columns.append(unit_of_rows(problem))
        if len(self.free):
            units = np.zeros((problem.p, len(self.free)), order="F")
            units[self.free, np.arange(len(self.free))] = 1.0
            Z = problem.rooted(problem.A.dot(units))
            self._free = span(Z, columns[0] if columns else None)
            columns.append(self._free[0])
        return np.hstack(columns) if columns else np.zeros((problem.n, 0))

    def free_coefficients(self, R):
        """Return least-squares coefficients of the free columns for residuals R (n, k)."""
        u, s, vt = self._free
        return vt.T @ ((u.T @ R) / s[:, None])

    def _given(self):
        """Return U0' B; None without free columns, where it is 0 because B is centred."""
        problem = self.problem
        if not len(self.free):
            return None
        back = problem.A.tdot(problem.rooted(np.asfortranarray(self.U0)))
        return (back[self.chosen] * self.inverse[self.chosen, None]).T

    def project_out(self, R):
        """Return P R; U0 includes the intercept."""
        return R - self.U0 @ (self.U0.T @ R)

    def rows(self, start, size):
        """Return some rows of P B."""
        problem = self.problem
        B = problem.A.rows(start, min(start + size, problem.n))
        if len(self.free):
            B = B[:, self.chosen]
        B *= self.inverse[self.chosen]
        if problem.root is not None:
            B *= problem.root[start : start + size, None]
        if self.given is not None:
            B -= self.U0[start : start + size] @ self.given
        if self._again is not None:
            B -= self.U0[start : start + size] @ self._again
        return B

    def project_again(self):
        """Project U0 out of `rows` once more, to remove the round-off of the means and of P.

        For columns far from zero that round-off would count as a direction of its own.
        """
        blocks = self.blocks()
        left = np.zeros((self.U0.shape[1], len(self.chosen)))
        for start in blocks:
            left += self.U0[start : start + blocks.step].T @ self.rows(start, blocks.step)
        self._again = left

    def triangle(self, turn):
        """Return R with R'R = (turn P B)(turn P B)'; only blocks of columns are made dense.

        turn: maps blocks (n, c) to the directions of the rows that are the columns of R.
        """
        R = turn(np.empty((self.problem.n, 0))).T
        for B in self.columns(self.chosen):
            R = triangle(np.vstack([R, turn(B).T]))
        return R

    def graded_triangle(self, turn):
        """Return `triangle` for columns of unlike scales, without rows that are only round-off."""
        falling = self.chosen[np.argsort(-self.noise(), kind="stable")]
        n = turn(np.empty((self.problem.n, 0))).shape[0]
        R = np.empty((0, n))
        for B in self.columns(falling):
            R = graded_rows(np.vstack([R, turn(B).T]))[1]
        return R

    def columns(self, chosen):
        """Yield blocks (n, c) of some columns of P B."""
        problem = self.problem
        X = as_container(problem.source)
        X = X.tocsc() if problem.A.is_sparse else X
        scale = self.inverse if problem.A.scale is None else self.inverse * problem.A.scale
        step = max(2 * problem.n, ROWS // problem.n)
        for start in range(0, len(chosen), step):
            columns = chosen[start : start + step]
            B = X[:, columns].toarray() if problem.A.is_sparse else X[:, columns]
            B = (B - problem.mean[columns]) * scale[columns]
            B *= self.root[:, None]
            if self.given is not None:
                given = self.given[:, np.searchsorted(self.chosen, columns)]
                B -= self.U0 @ given
            yield self.project_out(B)

    def noise(self):
        """Return the norms (q,) of the columns of B, to which the round-off of P B is relative."""
        squares = self.problem.column_squares()[self.chosen] * self.inverse[self.chosen] ** 2
        return np.sqrt(squares)

    def size(self, s):
        """Return the size that round-off of singular values s of P B is relative to."""
        if not len(self.free):
            return s.max(initial=0.0)
        return float(np.linalg.norm(self.noise()))

    def blocks(self):
        """Return a range of the starts of blocks of rows; its step is their size."""
        return range(0, self.problem.n, max(1, ROWS // max(self.problem.p, 1)))


def unit_of_rows(problem):
    """Return S 1 (n, 1), normalised to length 1."""
    root = np.ones(problem.n) if problem.root is None else problem.root
    return root[:, None] / np.linalg.norm(root)


def span(Z, intercept=None):
    """Return the SVD of unpenalised columns Z = u diag(s) V: u (n, r), s (r,) and V (r, f).

    intercept: a direction (n, 1) of length 1 to which Z is orthogonal up to round-off.
    """
    noise = np.linalg.norm(Z, axis=0)
    if intercept is not None:
        for _ in range(2):
            Z = Z - intercept @ (intercept.T @ Z)
    size = np.linalg.norm(Z, axis=0)
    size[size <= _RANK * noise] = np.inf
    u, s, vt = svd(Z / size)
    kept = s > _RANK * s.max(initial=0.0)
    return u[:, kept], s[kept], vt[kept] / size


def rounding_scale(problem, inverse):
    """Return the largest eigenvalue of W m m', which sparse centring subtracts from a Gram matrix.

    Sparse rows are centred within products, so that the round-off is that of the raw rows.
    """
    A = problem.A
    if not (A.is_sparse and problem.fit_intercept):
        return 0.0
    mean = A.shift if A.scale is None else A.shift * A.scale
    return float(problem.total * ((mean * inverse) ** 2).sum())
