"""The C functions of this folder."""

from libc.stdint cimport uint64_t


cdef extern from "groups.h" nogil:
    ctypedef struct fr_groups:
        Py_ssize_t m, k
        const double *gram
        Py_ssize_t ld
        const double *l1
        const double *l2
        const double *square
        const double *cross
        double yy, tol
        Py_ssize_t max_iter
        uint64_t seed
        double *w
        double *g
        double *w_dual
        double objective, dual
        Py_ssize_t n_iter
    int fr_descend_groups(fr_groups *q)
    double fr_groups_dual(Py_ssize_t m, const double *l1, const double *l2, const double *norm,
                          double yr, double rr)
