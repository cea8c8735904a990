"""Buffers of a matrix: its compressed arrays, and whether an array still has the memory used."""

cimport numpy as cnp

from c_matrix cimport fr_matrix
from types cimport index, real


cdef inline void fill_compressed(fr_matrix *s, const real[::1] data, const index[::1] indices,
                                 const index[::1] indptr) noexcept:
    s.nnz = data.shape[0]
    s.data = &data[0] if data.shape[0] else NULL
    s.indices = &indices[0] if indices.shape[0] else NULL
    s.indptr = &indptr[0]
    s.real = 1 if real is float else 0
    s.index = 0 if index is int else 1


cdef inline bint is_elsewhere(cnp.ndarray a, const void *data, Py_ssize_t size):
    """Return whether `size` elements from `data` on are no longer those of the array a."""
    cdef object base
    cdef cnp.ndarray owner = a
    if size == 0:
        return False
    if cnp.PyArray_DATA(a) != data or cnp.PyArray_SIZE(a) != size:
        return True
    base = (<object> a).base
    while isinstance(base, (cnp.ndarray, tuple)):
        # `held` makes views whose base is a tuple
        if isinstance(base, tuple):
            base = base[0]
        owner, base = base, base.base
    # a view does not see that its owner has other memory
    return owner is not a and base is None and not (
        <size_t> cnp.PyArray_DATA(owner) <= <size_t> data
        and <size_t> data + size * cnp.PyArray_ITEMSIZE(a)
        <= <size_t> cnp.PyArray_DATA(owner) + <size_t> cnp.PyArray_NBYTES(owner)
    )
