"""Arrays of float64 for results, and pointers to those that may be None or empty."""

cimport numpy as cnp


cdef inline const double *pointer(const double[::1] a) noexcept nogil:
    return NULL if a is None or a.shape[0] == 0 else &a[0]


cdef inline object empty(Py_ssize_t n):
    cdef cnp.npy_intp size = n
    return cnp.PyArray_EMPTY(1, &size, cnp.NPY_DOUBLE, 0)


cdef inline object empty_f(Py_ssize_t n, Py_ssize_t k):
    cdef cnp.npy_intp[2] size
    size[0] = n
    size[1] = k
    return cnp.PyArray_EMPTY(2, size, cnp.NPY_DOUBLE, 1)


cdef inline int expect_length(str name, const double[::1] v, Py_ssize_t n) except -1:
    if v is not None and v.shape[0] != n:
        raise ValueError(f"{name}: expected {n} elements; got {v.shape[0]}")
    return 0
