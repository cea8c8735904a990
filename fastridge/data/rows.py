"""Select rows and columns of a matrix."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix

_PIECES = 64  # up to this number of ranges of rows, copy range by range


def take_rows(A: Matrix, rows: NDArray[np.intp] | slice, buffer: Any = None) -> Matrix:
    """Return X[rows], without the centring of A; consecutive rows of C-ordered X are a view.

    buffer: an array (p, at least as many elements as rows) for a copy of F-ordered X.
    """
    if isinstance(rows, slice):
        begin, end, step = rows.indices(A.n_rows)
        if (begin, end, step) == (0, A.n_rows, 1):
            return A.centered()
        if A.kind == "C" and step > 0:
            return Matrix.from_dense(np.ascontiguousarray(A.arrays[0][rows]))
        rows = np.arange(begin, end, step)
    if not A.is_sparse:
        (X,) = A.arrays
        if A.kind == "F":
            return Matrix.from_dense(_columns_of(X.T, rows, buffer).T, True)
        if _consecutive(rows):
            return Matrix.from_dense(X[rows[0] : rows[-1] + 1])
        return Matrix.from_dense(X[rows])
    data, indices, indptr = A.arrays
    if A.kind == "csc" and bool((np.diff(rows) > 0).all()):
        place = np.full(A.n_rows, -1, dtype=indices.dtype)
        place[rows] = np.arange(len(rows), dtype=indices.dtype)
        indices = place[indices]
        kept = indices >= 0
        before = np.zeros(len(kept) + 1, dtype=indptr.dtype)
        np.cumsum(kept, out=before[1:])
        shape = len(rows), A.n_columns
        return Matrix.from_compressed(data[kept], indices[kept], before[indptr], shape, True)
    if A.kind == "csc":
        A = A.transposed_storage()
        data, indices, indptr = A.arrays
    length = np.diff(indptr)[rows]
    start = np.zeros(len(rows) + 1, dtype=indptr.dtype)
    np.cumsum(length, out=start[1:])
    if _consecutive(rows):
        chosen: Any = slice(int(indptr[rows[0]]), int(indptr[rows[-1] + 1]))
    else:
        chosen = np.repeat(indptr[rows] - start[:-1], length)
        chosen += np.arange(int(start[-1]), dtype=indptr.dtype)
    shape = len(rows), A.n_columns
    return Matrix.from_compressed(data[chosen], indices[chosen], start, shape, False)


def take_columns(A: Matrix, columns: NDArray[np.intp]) -> Matrix:
    """Return X[:, columns] of sparse X, without the centring of A, for ascending columns."""
    n, p = A.shape
    data, indices, indptr = A.arrays
    turned = Matrix.from_compressed(data, indices, indptr, (p, n), A.kind == "csr")
    data, indices, indptr = take_rows(turned, columns).arrays
    return Matrix.from_compressed(data, indices, indptr, (n, len(columns)), A.kind == "csc")


def _columns_of(Z: NDArray[Any], columns: NDArray[np.intp], buffer: Any) -> NDArray[Any]:
    """Return Z[:, columns] of C-ordered Z."""
    shape = len(Z), len(columns)
    if buffer is None:
        out = np.empty(shape, Z.dtype)
    else:
        out = buffer.reshape(-1)[: shape[0] * shape[1]].reshape(shape)
    ends = np.flatnonzero(np.diff(columns) != 1) + 1
    if len(ends) >= _PIECES:
        return np.take(Z, columns, axis=1, out=out, mode="clip")
    for a, b in itertools.pairwise([0, *ends, len(columns)]):
        out[:, a:b] = Z[:, columns[a] : columns[a] + b - a]
    return out


def _consecutive(rows: NDArray[np.intp]) -> bool:
    return (
        bool(len(rows)) and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    )


def as_container(A: Matrix) -> Any:
    """Return X as an array or a scipy sparse array that shares its buffers."""
    if not A.is_sparse:
        return A.arrays[0]
    from scipy import sparse

    kind = sparse.csc_array if A.kind == "csc" else sparse.csr_array
    return kind(A.arrays, shape=A.shape)


def own_copy(A: Matrix) -> Matrix:
    """Return A, with its centring, over copies of the arrays of X."""
    if A.is_sparse:
        data, indices, indptr = (array.copy() for array in A.arrays)
        found = Matrix.from_compressed(data, indices, indptr, A.shape, A.kind == "csc")
    else:
        found = Matrix.from_dense(A.arrays[0].copy(order="K"), A.kind == "F")
    return found.centered(A.shift, A.scale)
