"""Optimizer steps in C and in Cython: steps.h."""

from libc.stdint cimport int64_t


cdef extern from "kernels.h" nogil:
    enum: FR_DOUBLE, FR_FLOAT


cdef extern from "steps.h" nogil:
    enum: FR_SGD, FR_MOMENTUM, FR_ADAM
    Py_ssize_t FR_MOST_MISSED, FR_MOST_REPLAYED
    ctypedef struct fr_step:
        int kind, nesterov, amsgrad, first
        double scale, couple, drop, lr
        double momentum, damp
        double beta1, beta2, root, eps
    ctypedef struct fr_buffers:
        void *w
        const void *g
        void *m
        void *v
        void *top
        const void *factor
    enum: FR_BLOCK
    void fr_prefetch_ahead(const fr_buffers *x, Py_ssize_t i, Py_ssize_t left,
                           const fr_buffers *following, Py_ssize_t following_start, size_t size,
                           int arrays)
    ctypedef struct fr_tensor:
        fr_buffers x
        Py_ssize_t n
        int real
        fr_step step
    ctypedef struct fr_piece:
        Py_ssize_t tensor, from_ "from", n
    ctypedef struct fr_lazy:
        Py_ssize_t n_rows, width
        int64_t *last
        Py_ssize_t *slot
        Py_ssize_t count, capacity, n_moved, n_shared
        fr_step *history
        double *kept
        int adam, each
    ctypedef struct fr_row_gradient:
        const void *index
        int wide
        const void *rows
        Py_ssize_t n
    Py_ssize_t fr_piece_count(const fr_tensor *, Py_ssize_t)
    void fr_cut(const fr_tensor *, Py_ssize_t, fr_piece *)
    void fr_step_one(fr_tensor *, int)
    void fr_step_many(fr_tensor *, const fr_piece *, Py_ssize_t, double, int)
    double fr_step_work(const fr_tensor *)
    int fr_square_sum(const fr_tensor *, const fr_piece *, Py_ssize_t, double *, double, int,
                      double *)
    int fr_first_not_finite(const fr_tensor *, const fr_piece *, Py_ssize_t, double, double *,
                            double, int, Py_ssize_t *)
    Py_ssize_t fr_check_rows(const fr_row_gradient *, Py_ssize_t)
    int fr_lazy_reserve(fr_lazy *)
    int fr_rows_reserve(fr_lazy *, const fr_row_gradient *)
    void fr_lazy_free(fr_lazy *)
    void fr_step_rows(fr_lazy *, fr_tensor *, const fr_row_gradient *, int)
    int fr_catch_up(fr_lazy *, fr_tensor *, const fr_row_gradient *, int)
    int fr_scaled_finite(const void *, Py_ssize_t, int, double)
