"""The C functions of this folder."""

from c_matrix cimport fr_matrix


cdef extern from "direct.h" nogil:
    ctypedef struct fr_ridge_problem:
        fr_matrix *a
        fr_matrix *by_row
        const double *y
        const double *w
        const double *penalty
        const double *alpha
        Py_ssize_t n_targets
        int alpha_per_target, intercept, n_threads
        double *coef
        double *offset
        double *relative_gradient
        double *objective
        double *unrounded
        int n_iter
        int precision
    int fr_ridge_direct(fr_ridge_problem *q)
    int fr_ridge_targets(fr_ridge_problem *q, fr_matrix *targets)


cdef extern from "reduced.h" nogil:
    enum: FR_TOO_LARGE
    ctypedef struct fr_reduced:
        Py_ssize_t n_heavy, n_light
        const int *position
        double total
        const double *mean
        const double *squares
        Py_ssize_t *start
    int fr_reduced_build(fr_reduced *q, fr_matrix *a, const double *w, double most, int n_threads)
    int fr_reduced_reweigh(fr_reduced *q, fr_matrix *a, const double *w, int n_threads)
    void fr_reduced_free(fr_reduced *q)
    ctypedef struct fr_goal:
        double bound, share, objective
    int fr_reduced_factor(fr_reduced *q, double alpha, const double *d, const double *norm,
                          int n_threads)
    int fr_reduced_solve(const fr_reduced *q, const double *r, double *x, fr_goal goal,
                         Py_ssize_t limit, Py_ssize_t *n_iter, int n_threads)


cdef extern from "panels.h" nogil:
    enum: FR_MANY


cdef extern from "batch.h" nogil:
    ctypedef struct fr_batch:
        Py_ssize_t b, n, p, k
        const void *x
        int real
        const double *y
        const double *w
        const double *penalty
        const double *alpha
        int weight_each, alpha_each
        int intercept, n_threads
        double *coef
        double *offset
        double *relative_gradient
        double *objective
        double *unrounded
        int *status
    int fr_ridge_batch(fr_batch *q)


cdef extern from "schur.h" nogil:
    enum: FR_LANES
    ctypedef struct fr_schur:
        const fr_matrix *heavy
        const fr_matrix *light
        const double *w
        const double *factor
        double alpha
        Py_ssize_t k
        const double *r
        const double *bound
        double share
        const double *objective
        Py_ssize_t limit
        double *x
        Py_ssize_t *n_iter
        int n_threads
    int fr_schur_solve(const fr_schur *q)
