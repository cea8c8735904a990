"""Feature hashing: any 64-bit index to one of 2^bits columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from .check import check_design
from .inputs import index_arrays

# multipliers and shifts of the last steps of SplitMix64 (Steele, Lea & Flood 2014)
_ADDED = np.uint64(0x9E3779B97F4A7C15)
_STEPS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def hash_indices(
    indices: NDArray[np.integer[Any]], bits: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the bucket of each index, and whether its values are negated.

    Parameters
    ----------
    indices : ndarray of int, shape (m,)
        Whole numbers of at most 64 bits.
    bits : int
        From 1 to 31.

    Returns
    -------
    tuple of ndarray of shape (m,)
        Buckets from 0 to 2^bits - 1, and signs that do not depend on them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.hashing import hash_indices
    >>> hash_indices(np.array([0, 1, 2**63], np.uint64), 8)
    (array([226, 145,  72], dtype=int32), array([ True,  True,  True]))
    """
    z = indices.astype(np.uint64) + _ADDED
    for shift, factor in _STEPS:
        z ^= z >> np.uint64(shift)
        z *= factor
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(64 - bits)).astype(np.int32), (z & np.uint64(1)).astype(bool)


def check_hashed(X: Any, bits: int) -> Matrix:
    """Check a table of features and hash its columns.

    Parameters
    ----------
    X : scipy sparse matrix, array-like or tuple
        As for `check_design`, with any number of columns; or (values, indices, indptr) of rows
        with indices of any 64 bits.
    bits : int
        From 1 to 31.

    Returns
    -------
    Matrix
        CSR, with 2^bits columns. Values of a row that fall into one bucket are added.

    Raises
    ------
    ValueError, TypeError
        As `check_design` does; and if the arrays of a tuple do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.hashing import check_hashed
    >>> values, indices, indptr = np.ones(3), np.array([5, 2**63, 5], np.uint64), [0, 2, 3]
    >>> check_hashed((values, indices, indptr), 10).shape
    (2, 1024)
    """
    if isinstance(X, tuple) and len(X) == 3:
        values, indices, indptr = _rows_of(*X)
    else:
        A = check_design(X)
        if not A.is_sparse:
            n, p = A.shape
            (dense,) = A.arrays
            values = np.ascontiguousarray(dense).ravel()
            indices, indptr = np.tile(np.arange(p), n), np.arange(n + 1) * p
        else:
            values, indices, indptr = (A if A.kind == "csr" else A.transposed_storage()).arrays
    from scipy import sparse

    buckets, flips = hash_indices(indices, bits)
    shape = len(indptr) - 1, 1 << bits
    few = len(buckets) < 2**31
    ends = indptr.astype(np.int32 if few else np.int64)
    merged = sparse.csr_array((np.where(flips, -values, values), buckets, ends), shape=shape)
    merged.sum_duplicates()
    return Matrix.from_compressed(
        merged.data, *index_arrays(merged.indices, merged.indptr), shape, False
    )


def is_hashable(X: tuple[Any, ...]) -> bool:
    """Return whether a tuple is (values, indices, indptr) of rows rather than three rows.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.hashing import is_hashable
    >>> is_hashable((np.ones(3), np.array([5, 9, 5]), np.array([0, 3])))
    True
    """
    sizes = [np.shape(a) if isinstance(a, (np.ndarray, list)) else () for a in X]
    return len(X) == 3 and all(len(s) == 1 for s in sizes) and sizes[0] == sizes[1] != sizes[2]


def _rows_of(values: Any, indices: Any, indptr: Any) -> tuple[NDArray[Any], ...]:
    """Check the arrays (values, indices, indptr) of rows and return them."""
    values, indices, indptr = (np.asarray(a) for a in (values, indices, indptr))
    for name, a in (("indices", indices), ("indptr", indptr)):
        if a.dtype.kind not in "iu":
            raise TypeError(f"{name} of X has dtype {a.dtype}; expected whole numbers.")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"values of X have dtype {values.dtype}; expected numbers.")
    values = values.astype(np.float32 if values.dtype == np.float32 else np.float64, copy=False)
    if values.ndim != 1 or indices.shape != values.shape:
        raise ValueError(
            f"X has values of shape {values.shape} and indices of shape {indices.shape}; expected"
            " an index for each value."
        )
    indptr = indptr.astype(np.int64)
    if indptr.ndim != 1 or len(indptr) < 2 or indptr[0] != 0 or indptr[-1] != len(values):
        raise ValueError(
            f"X has an indptr of shape {indptr.shape}; expected n_samples + 1 numbers from 0 to"
            f" {len(values)}, the number of values."
        )
    if (np.diff(indptr) < 0).any():
        raise ValueError("X has an indptr that decreases; expected one that never does.")
    if not np.isfinite(values).all():
        raise ValueError("X contains NaN or infinity; expected finite numbers.")
    return values, indices, indptr
