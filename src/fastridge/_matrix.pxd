"""What the other extension modules reach of `_matrix`, which holds the one state of kernels and
threads.
"""

from libc.stdint cimport int32_t

from _core cimport fr_matrix
from primitives cimport fr_kernels


cdef class Matrix:
    cdef fr_matrix s
    cdef readonly Py_ssize_t n_rows, n_columns
    cdef readonly bint is_sparse, is_float32
    cdef readonly object shift, scale, about, arrays
    cdef public Py_ssize_t checked_at
    cdef object _lock

    cdef object _product(self, object v, object out, int n_threads, bint transposed)
    cdef int _place(self, str name, Py_ssize_t i, Py_ssize_t size, Py_ssize_t length,
                    Py_ssize_t given) except -1
    cdef object _counts(self, bint of_rows)
    cdef int _vector(self, str name, const double[::1] v, Py_ssize_t n) except -1
    cdef Matrix _transposed(self, const int32_t[::1] place)


# the inner loops of the instruction set in use
cdef const fr_kernels *active_kernels() noexcept nogil
# between pieces of long work: FR_INTERRUPTED, with an exception set, after Ctrl-C; else 0
cdef int poll() noexcept nogil
# the number of threads for work of that many elements read; n: as asked for, 0: the global setting
cdef int threads_for(int n, double work) except -1
# raise what a status of the functions in C says
cdef int raise_status(int status) except -1
# factors of a Gram matrix; see cholesky.h
cdef int factor_from(double *u, Py_ssize_t ld, Py_ssize_t p, Py_ssize_t kept, Py_ssize_t fresh,
                     const double *diagonal, double keep, bint drop, int n_threads) noexcept nogil
cdef int factor_remove(double *u, Py_ssize_t ld, Py_ssize_t p, const unsigned char *gone,
                       Py_ssize_t k) noexcept nogil
cdef int factor_solve(const double *u, Py_ssize_t ld, Py_ssize_t p, double *b, Py_ssize_t k,
                      int n_threads) noexcept nogil
