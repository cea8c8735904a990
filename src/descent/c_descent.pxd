"""The C functions of this folder."""

from libc.stdint cimport int32_t, uint64_t

from c_matrix cimport fr_matrix


cdef extern from "descent.h" nogil:
    struct fr_support
    ctypedef struct fr_descent:
        Py_ssize_t m, step
        const double *gram
        Py_ssize_t ld
        const fr_matrix *a
        const int32_t *columns
        const double *weight
        double *residual
        double level
        double *spare
        const double *l1
        const double *l2
        const double *lower
        const double *upper
        const double *square
        const double *cross
        double yy, tol
        Py_ssize_t max_iter
        uint64_t seed
        int n_threads
        double *w
        double *g
        double *w_dual
        double *g_dual
        int whole
        int exact
        double objective, dual
        Py_ssize_t n_iter, n_newton
        fr_support *support
    int fr_descend(fr_descent *q)
    void fr_free_support(fr_support *s)
    double fr_dual_value(const fr_descent *q, const double *g, double yr, double rr)
    Py_ssize_t fr_unscreened(const fr_descent *q, const double *g, double yr, double rr,
                             double objective, int32_t *list)
    double fr_penalty_value(const fr_descent *q, const double *w)


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
