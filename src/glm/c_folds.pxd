"""Passes for several fits at once."""

from c_matrix cimport fr_matrix


cdef extern from "kernels.h" nogil:
    enum: FR_LANES


cdef extern from "folds_pass.h" nogil:
    ctypedef struct fr_folds_pass:
        fr_matrix *a
        int loss
        double parameter
        Py_ssize_t k
        const double *y
        const double *offset
        const double **w
        double **eta
        double **r
        double **h
        const double **v
        double **gradient
        double **border
        double *level
        double *value
        double *of_r
        double *of_h
    int fr_take_folds_pass(fr_folds_pass *q, int n_threads)


cdef extern from "folds_lanes.h" nogil:
    ctypedef struct fr_fold_lanes:
        int single
        const void *curve
        void *q
        const void *about
        const void *inverse
        void *D
        void *R
        void *P
        void *out
        const double *l2
        const double *half
        const double *alpha
        double *mean
    int fr_fold_product(const fr_fold_lanes *m, fr_matrix *x, double *curve, int n_threads)
    int fr_fold_step(const fr_fold_lanes *m, Py_ssize_t p, const double *step, double *sums,
                     int n_threads)
    int fr_fold_turn(const fr_fold_lanes *m, Py_ssize_t p, const double *beta, double *sums,
                     int n_threads)
