"""The same numbers in every storage that the library takes."""

import numpy as np
import scipy.sparse as sp

KINDS = ["C", "F", "csr", "csc"]


def stored(X, kind, dtype=None):
    """X in C or F order, or as "csr" or "csc"; "csr int64" and "csc int64": with wide indices."""
    X = np.asarray(X, dtype=dtype)
    if kind in ("C", "F"):
        return np.array(X, order=kind)
    A = (sp.csr_array if kind.startswith("csr") else sp.csc_array)(X)
    if kind.endswith("int64"):
        A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A


# by name; scikit-learn's users still bring matrices beside arrays
CONTAINERS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_matrix,
}


def make_sparse(container, dtype=np.float64, index=np.int32, shape=(7, 5), seed=0):
    """A canonical CSR or CSC container with indices of the given width."""
    X = container(sp.random_array(shape, density=0.4, random_state=seed).astype(dtype))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


class NotAnArray:
    def __init__(self, data):
        self.data = np.asarray(data)

    def __array__(self, dtype=None, copy=None):
        return self.data if dtype is None else self.data.astype(dtype)
