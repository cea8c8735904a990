"""The matrix, for extension modules that work on it."""

from libc.stdint cimport int32_t

from c_matrix cimport fr_matrix


cdef class Matrix:
    cdef fr_matrix s
    cdef readonly Py_ssize_t n_rows, n_columns
    cdef readonly bint is_sparse, is_float32
    cdef readonly object shift, scale, about, arrays
    cdef public object checked_at
    cdef public bint unseen
    cdef object _lock
    cdef object _product(self, object v, object out, int n_threads, bint transposed)
    cdef int _place(self, str name, Py_ssize_t i, Py_ssize_t size, Py_ssize_t length,
                    Py_ssize_t given) except -1
    cdef object _counts(self, bint of_rows)
    cdef Matrix _transposed(self, const int32_t[::1] place)
    cdef object _less_means(self, mean, variance, const double[::1] weight, int n_threads)
