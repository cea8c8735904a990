"""Rows of a ridge problem in units where all is penalised alike, less what is not penalised."""

from __future__ import annotations

import numpy as np

from ..data.rows import as_container
from ..systems.graded import graded_rows
from ..systems.lapack import svd, triangle

_RANK = 1e-12
_ELEMENTS = 2_000_000  # elements of a block of rows


class Projected:
    """P B: B the columns of S A over sqrt(d), P = I - U0 U0', U0 a basis of what is free.

    Attributes
    ----------
    chosen : ndarray of int
        Columns that have a penalty.
    root : ndarray (n,)
        Square roots of the weights.
    inverse : ndarray (p,)
        1 / sqrt(d), 0 of free columns.
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
        """U0 (n, r)."""
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
        """Least-squares coefficients of the free columns for residuals R (n, k)."""
        u, s, vt = self._free
        return vt.T @ ((u.T @ R) / s[:, None])

    def _given(self):
        """U0' B; None where it is 0, B being centred: without free columns."""
        problem = self.problem
        if not len(self.free):
            return None
        back = problem.A.tdot(problem.rooted(np.asfortranarray(self.U0)))
        return (back[self.chosen] * self.inverse[self.chosen, None]).T

    def project_out(self, R):
        """P R; the intercept is part of U0, whose columns are orthogonal as A is centred."""
        return R - self.U0 @ (self.U0.T @ R)

    def rows(self, start, size):
        """P B of some rows."""
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
        """Take out of `rows` what rounding of means and of P leaves in directions of U0.

        Beside columns far from zero it would count as a direction of its own.
        """
        blocks = self.blocks()
        left = np.zeros((self.U0.shape[1], len(self.chosen)))
        for start in blocks:
            left += self.U0[start : start + blocks.step].T @ self.rows(start, blocks.step)
        self._again = left

    def triangle(self, turn):
        """R with R'R = (turn P B)(turn P B)', by blocks of columns, which alone are made dense.

        turn: takes blocks (n, c) to as many directions of the rows as R has columns.
        """
        R = turn(np.empty((self.problem.n, 0))).T
        for B in self.columns(self.chosen):
            R = triangle(np.vstack([R, turn(B).T]))
        return R

    def graded_triangle(self, turn):
        """The same where columns have unlike scales, less what is no more than rounding."""
        falling = self.chosen[np.argsort(-self.noise(), kind="stable")]
        n = turn(np.empty((self.problem.n, 0))).shape[0]
        R = np.empty((0, n))
        for B in self.columns(falling):
            R = graded_rows(np.vstack([R, turn(B).T]))[1]
        return R

    def columns(self, chosen):
        """Blocks (n, c) of some columns of P B."""
        problem = self.problem
        X = as_container(problem.source)
        X = X.tocsc() if problem.A.is_sparse else X
        scale = self.inverse if problem.A.scale is None else self.inverse * problem.A.scale
        step = max(2 * problem.n, _ELEMENTS // problem.n)
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
        """Norms (q,) of the columns of B, whose rounding P leaves."""
        squares = self.problem.column_squares()[self.chosen] * self.inverse[self.chosen] ** 2
        return np.sqrt(squares)

    def size(self, s):
        """What singular values s of P B are rounded by: those of B, where P takes something out."""
        if not len(self.free):
            return s.max(initial=0.0)
        return float(np.linalg.norm(self.noise()))

    def blocks(self):
        """Starts of blocks of rows, with their size as the step."""
        return range(0, self.problem.n, max(1, _ELEMENTS // max(self.problem.p, 1)))


def unit_of_rows(problem):
    """S 1 (n, 1), of length 1."""
    root = np.ones(problem.n) if problem.root is None else problem.root
    return root[:, None] / np.linalg.norm(root)


def span(Z, intercept=None):
    """Orthonormal u (n, r), s (r,) and V (r, f) of columns Z = u diag(s) V that have no penalty.

    intercept: a direction (n, 1) of length 1 that they are centred against, but for rounding.
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
    """Square that sparse centring subtracts from a Gram matrix, largest eigenvalue of W m m'.

    Sparse rows are centred within products, which leaves the rounding of the raw ones.
    """
    A = problem.A
    if not (A.is_sparse and problem.fit_intercept):
        return 0.0
    mean = A.shift if A.scale is None else A.shift * A.scale
    return float(problem.total * ((mean * inverse) ** 2).sum())
