"""Coordinates u in which a Gaussian prior in full is one of independent coefficients about zero.

With m the mean of the prior and P = Q diag(d) Q' its matrix of penalties, w = m + Q u has the
penalty sum_j d_j u_j^2, d_j = 0 where the null space of P leaves a coefficient free. What finds u
from the rows (X - mean) Q and the targets y - (X - mean) m then finds w.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from ..systems.blas import on_one_thread
from ..systems.cost import default_memory, fits
from ..systems.lapack import eigh, orthonormal, product, solve_triangular, svd, triangle
from .penalty_matrix import PenaltyMatrix
from .prior_mean import Shift
from .variances import variances

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_ALIKE = 10  # exponents by which features' penalties may differ before each has a unit of its own
_ELEMENTS = 1 << 20  # elements of a block of rows
_ULPS = 4.0  # of a product of a row, times the square root of its length


class PriorUnits:
    """w = m + T u, with penalties d of u.

    Parameters
    ----------
    A : Matrix (n, p), not centred, finite
    Y : ndarray (n, k)
    weight : ndarray (n,) or None
    factor : ndarray (p,) or None
        Penalty factors.
    fit_intercept, standardize : bool
    mean : ndarray (k, p) or None
        m; None: zero.
    matrix : PenaltyMatrix or None
        P, not yet multiplied by the factors; None: the identity, for which u are coefficients.
    codes : ndarray of int (p,) or None
        Groups of features that P does not couple: each u is of one group.
    max_memory : float or None
        Bytes that the rows and eigenvectors may take; None: half of the machine's memory.
    centre : bool
        Whether rows may be centred before they are rotated, which keeps digits; not for a criterion
        that depends on where features have their zero.
    rotate : bool
        False: T is the identity, and what finds u is given the matrix `scaled` and no factors.

    Attributes
    ----------
    A, Y, factor, standardize
        What finds u is given these in place of those that came.
    T : ndarray (p, q) or None
        None: the identity. q is p less the dimension of what neither the rows nor P see.
    codes : ndarray of int (q,) or None
        Groups of u.
    mean : ndarray (k, p) or None
    scaled : PenaltyMatrix or None
        P with the factors, and variances where standardised.
    """

    @on_one_thread
    def __init__(
        self,
        A: Matrix,
        Y: Array,
        weight: Array | None,
        factor: Array | None,
        fit_intercept: bool,
        standardize: bool,
        *,
        mean: Array | None = None,
        matrix: PenaltyMatrix | None = None,
        codes: NDArray[np.intp] | None = None,
        max_memory: float | None = None,
        centre: bool = True,
        rotate: bool = True,
    ) -> None:
        self.A, self.Y, self.factor, self.standardize = A, Y, factor, standardize
        self.source, self.fit_intercept, self.weight = A, fit_intercept, weight
        self.T: Array | None = None
        self.codes: Any = codes
        self.scaled: PenaltyMatrix | None = None
        self._labels: Any = codes
        p = A.n_columns
        self._centre = np.zeros(p)
        self.mean = mean if mean is not None and mean.any() else None
        self.shift: Shift | None = None
        if self.mean is not None:
            self.shift = Shift(A, Y, weight, fit_intercept, self.mean)
            self.Y = self.shift.Y
        if matrix is None:
            return
        if rotate:
            self._require_memory(max_memory)
        if standardize:
            variance = variances(A, weight)
            factor = variance if factor is None else factor * variance
            self.standardize = False
        self.scaled = matrix if factor is None else matrix.scaled(np.sqrt(factor))
        self.factor = None
        if not rotate:
            return
        if fit_intercept:
            self._centre = _centre(A, weight)
        self.T, self.factor, self.codes = _eigenvectors(self.scaled, codes)
        rows = self._rows_of(A)
        rows = self._without_unseen(rows)
        if not centre and self._centre.any():
            self._centre = np.zeros(p)
            rows = self._rows_of(A)
        self.A = Matrix.from_dense(rows)

    def _require_memory(self, max_memory: float | None) -> None:
        n, p = self.source.shape
        need = 8.0 * n * p + 32.0 * p * p
        if not fits(need, max_memory):
            most = default_memory() if max_memory is None else max_memory
            raise ValueError(
                f"penalty_matrix needs a dense copy of X, {n} x {p}, in coordinates of its"
                f" eigenvectors: {need:.2g} bytes, more than the {most:.2g} allowed; expected fewer"
                " features, a diagonal matrix or more memory. With solver='cg', ridge, ridge_path"
                " and RidgeCV with folds (cv=5) keep a sparse X and a sparse penalty_matrix sparse."
            )

    def _rows_of(self, A: Matrix) -> Array:
        """(X - centre) T, (n, q)."""
        assert self.T is not None
        n, p = A.shape
        out = np.empty((n, self.T.shape[1]))
        step = max(1, _ELEMENTS // max(p, 1))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for start in range(0, n, step):
                part = A.rows(start, min(start + step, n))
                part -= self._centre
                out[start : start + step] = product(part, self.T)
        if not np.isfinite(out).all():
            raise ValueError(
                "penalty_matrix is too small relative to X: X overflows in units in which the"
                " elements of penalty_matrix are near 1; expected larger penalties, or a larger"
                " alpha."
            )
        return out

    def _without_unseen(self, rows: Array) -> Array:
        """Rows, and T, without what neither the rows nor P see; that is left at zero."""
        assert self.T is not None
        assert self.factor is not None
        free = self.factor == 0
        if not free.any():
            return rows
        raw, size = self._sizes()
        N = None
        # rounding turns the null space of P by so much
        spread = float(self.factor.max() / self.factor[~free].min())
        if _may_be_unseen(self.T[:, free], rows[:, free], self.weight, raw, size, spread):
            N = self._unseen(raw, size)
        if N is None:
            return rows
        size = np.linalg.norm(self.T[:, free], axis=0)
        self.T -= N @ (N.T @ self.T)
        F = svd(self.T[:, free] / size)[0][:, : max(int(free.sum()) - N.shape[1], 0)]
        columns = np.flatnonzero(free)
        kept = np.sort(np.r_[np.flatnonzero(~free), columns[: F.shape[1]]])
        self.T[:, columns[: F.shape[1]]] = F
        if self.codes is not None:
            # a free coefficient has no penalty that a group could choose
            owner = np.abs(F).argmax(axis=0)
            self.codes[columns[: F.shape[1]]] = self._labels[owner]
            self.codes = self.codes[kept]
        self.T, self.factor = np.ascontiguousarray(self.T[:, kept]), self.factor[kept]
        return self._rows_of(self.source)

    def _unseen(self, raw: Array, size: Array) -> Array | None:
        """Orthonormal directions (p, r) that neither the rows nor P see; None where there are none.

        Those that rows do not see are known to their rounding, and P is tried on them; of P, small
        eigenvalues next to zeros turn the null space.
        """
        assert self.scaled is not None
        p = len(size)
        unit = np.where(size > 0, size, 1.0)
        R = np.empty((0, p))
        step = max(p, _ELEMENTS // p)
        for start in range(0, self.source.n_rows, step):
            part = self.source.rows(start, min(start + step, self.source.n_rows))
            part -= self._centre
            part /= unit
            if self.weight is not None:
                part *= np.sqrt(self.weight[start : start + step, None])
            R = triangle(np.vstack([R, part]))
        _, s, vt = svd(R, full_matrices=True)
        s = np.concatenate([s, np.zeros(p - len(s))])
        ratio = np.where(size > 0, raw / unit, 1.0)
        hidden = np.linalg.norm(ratio * vt, axis=1)
        Z = vt[s <= _ULPS * max(p, 16) * _EPS * hidden].T
        if not Z.shape[1]:
            return None
        P = self.scaled.toarray() / unit / unit[:, None]
        values, V = eigh(Z.T @ P @ Z)
        null = values <= p * _EPS * np.diagonal(P).max()
        return orthonormal(Z @ V[:, null] / unit[:, None]) if null.any() else None

    def _sizes(self) -> tuple[Array, Array]:
        """Norms (p,) of the columns, and of what is left of them about the centre."""
        mean, variance = self.source.column_stats(self.weight)
        total = self.source.n_rows if self.weight is None else self.weight.sum()
        squares = variance if self.fit_intercept else variance + mean**2
        return np.sqrt(total * (variance + mean**2)), np.sqrt(total * squares)

    def rows(self, A: Matrix) -> Matrix:
        """Other rows of the same features in these coordinates."""
        return A if self.T is None else Matrix.from_dense(self._rows_of(A))

    def offset(self, A: Matrix) -> Array:
        """(X - mean) m, (n, k): what the targets of other rows are less of."""
        assert self.shift is not None
        assert self.mean is not None
        return A.centered(self.shift.mean).dot(np.asfortranarray(self.mean.T))

    def targets(self, A: Matrix, Y: Array) -> Array:
        """Targets (n, k) of other rows."""
        return Y if self.shift is None else np.asfortranarray(Y - self.offset(A))

    def coefficients(self, u: Array) -> Array:
        """w (..., k, p) of u (..., k, q)."""
        moved = self.rotated(u)
        return moved if self.mean is None else moved + self.mean

    def rotated(self, u: Array) -> Array:
        """T u (..., p) of u (..., q)."""
        return u if self.T is None else u @ self.T.T

    def intercepts(self, u: Array, intercept: Array) -> Array:
        """Intercepts (..., k) of u (..., k, q) and of what found them."""
        if not self.fit_intercept:
            return intercept
        found = intercept
        if self.T is not None:
            found = found - self.rotated(u) @ self._centre
        if self.mean is not None:
            assert self.shift is not None
            found = found - self.mean @ self.shift.mean
        return found


def _centre(A: Matrix, weight: Array | None) -> Array:
    """Means (p,), those of constant columns exactly."""
    mean, variance = A.column_stats(weight)
    constant = variance == 0
    if constant.any():
        row = 0 if weight is None else int(np.argmax(weight > 0))
        mean[constant] = A.rows(row, row + 1)[0, constant]
    return mean


def _eigenvectors(
    matrix: PenaltyMatrix, codes: NDArray[np.intp] | None
) -> tuple[Array, Array, NDArray[np.intp] | None]:
    """T (p, p) with T'PT = diag(d), d (p,), zeros last, and the groups of the columns."""
    p = len(matrix.diagonal)
    T, d = np.zeros((p, p)), np.zeros(p)
    groups = None if codes is None else np.empty(p, dtype=np.intp)
    labels = np.zeros(p, dtype=np.intp) if codes is None else codes
    found: list[tuple[Array, Array, int]] = []
    for g in np.unique(labels):
        vectors, values = _of_block(matrix, np.flatnonzero(labels == g))
        found.append((vectors, values, int(g)))
    # what is penalised first
    at, last = 0, p
    for vectors, values, g in found:
        rank = int((values > 0).sum())
        ends = slice(at, at + rank), slice(last - (len(values) - rank), last)
        for end, part in zip(ends, (slice(0, rank), slice(rank, None)), strict=True):
            T[:, end], d[end] = vectors[:, part], values[part]
            if groups is not None:
                groups[end] = g
        at, last = at + rank, last - (len(values) - rank)
    return T, d, groups


def _of_block(matrix: PenaltyMatrix, features: NDArray[np.intp]) -> tuple[Array, Array]:
    """Vectors (p, b) and values (b,) of the block of some features, in falling order."""
    p = len(matrix.diagonal)
    diagonal = matrix.diagonal[features]
    live = features[diagonal > 0]
    T, d = np.zeros((p, len(features))), np.zeros(len(features))
    # features without any penalty are coordinates of their own
    T[features[diagonal == 0], np.arange(len(live), len(features))] = 1.0
    if not len(live):
        return T, d
    e = np.frexp(diagonal[diagonal > 0])[1] // 2
    if e.max() - e.min() <= _ALIKE:
        # a rotation keeps the norm of the coefficients
        e[:] = e.max()
    P = matrix.P[live][:, live]
    P = P.toarray() if matrix.is_sparse else P.copy()
    with np.errstate(under="ignore"):
        P = np.ldexp(np.ldexp(P, -e), -e[:, None])
    values, Q = eigh(P)
    values[values <= len(P) * _EPS * values.max()] = 0.0
    d[: len(live)] = values[::-1]
    T[live, : len(live)] = np.ldexp(Q[:, ::-1], -e[:, None])
    return T, d


def _may_be_unseen(
    F: Array, rows: Array, weight: Array | None, raw: Array, size: Array, spread: float
) -> bool:
    """Whether rows may not see some direction without a penalty either.

    F (p, q): directions without a penalty; rows (n, q): what the data make of them; raw, size (p,):
    norms of the columns of the data, as they came and about their means; spread: of the penalties.
    """
    if len(rows) < rows.shape[1]:
        return True
    used = F.any(axis=1)
    unit = np.where(size > 0, size, 1.0)
    # columns of unlike scales are rotated to directions of length 1
    S = triangle(unit[used, None] * F[used])
    R = triangle(rows if weight is None else np.sqrt(weight)[:, None] * rows)
    s = svd(solve_triangular(S, R.T, lower=False, trans="T"))[1]
    ratio = np.where(size > 0, raw / unit, 1.0)[used].max(initial=1.0)
    return bool(s.min() <= _ULPS * max(len(F), 16) * _EPS * (ratio + spread))
