"""Gram matrices of growing sets of vectors."""

from libc.stdint cimport int32_t

from arrays cimport pointer
from c_matrix cimport fr_column_border, fr_gram_border
from runtime cimport attach, check, threads as thread_count, threads_for

from fastridge._matrix cimport Matrix

attach()


cdef int _border_range(Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t most) except -1:
    if not 0 <= i0 <= i1 <= most:
        raise IndexError(f"rows: expected a range within 0 to {most}; got {i0} to {i1}")
    return 0


def gram_border(const double[:, ::1] x not None, Py_ssize_t i0, Py_ssize_t i1, double unit,
                double[:, ::1] g not None, int n_threads=0):
    """Fill rows and columns i0 to i1 of g, the Gram matrix of the rows of x, times unit."""
    cdef int status, threads = thread_count(n_threads)
    cdef Py_ssize_t n = x.shape[1], ld = g.shape[1]
    _border_range(i0, i1, min(x.shape[0], g.shape[0], ld))
    if i1 > i0 and n:
        with nogil:
            status = fr_gram_border(&x[0, 0], n, i0, i1, unit, &g[0, 0], ld, threads)
        check(status)


def column_border(Matrix a not None, const int[::1] columns, const double[::1] weight,
                  Py_ssize_t i0, Py_ssize_t i1, double[:, ::1] g not None, int n_threads=0):
    """Fill rows and columns i0 to i1 of g, the Gram matrix A'SA of columns of a matrix by columns.

    columns: the columns of g, in its order; None: all. weight: the diagonal of S, for sparse data;
    None: 1 / n.
    """
    cdef int status, threads
    cdef const int32_t *chosen = NULL
    if not a.s.by_column:
        raise ValueError(f"a: expected a matrix by columns; got kind {a.kind}")
    _border_range(i0, i1, min(g.shape[0], g.shape[1],
                              a.s.n_major if columns is None else columns.shape[0]))
    if i1 > i0:
        if columns is not None:
            chosen = <const int32_t *> &columns[0]
        # work of about all stored elements, for each of these
        threads = threads_for(
            n_threads, <double> a.s.nnz / max(a.s.n_major, 1) * i1 * (i1 - i0)
        )
        with nogil:
            status = fr_column_border(&a.s, chosen, pointer(weight), i0, i1, &g[0, 0],
                                      g.shape[1], threads)
        check(status)
