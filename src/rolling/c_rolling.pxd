"""Windows of rows in the lanes of registers; see rolling.h."""

from libc.stdint cimport int64_t, uint8_t


cdef extern from "rolling.h" nogil:
    enum: FR_WINDOW_NONE, FR_WINDOW_DONE, FR_WINDOW_WEAK
    enum: FR_BLOCK_FLAT, FR_BLOCK_HUGE
    ctypedef struct fr_rolling_block:
        Py_ssize_t begin, end, start, origin
        const double *base
    ctypedef struct fr_rolling:
        Py_ssize_t p, n_alphas, block, step, window, partial, chunk
        const void *x
        int real
        const double *y
        const double *w
        const int64_t *order
        const int64_t *window_of
        const double *factor
        const double *alpha
        int alpha_each, intercept
        const double *decay
        double least
        double *coef
        double *offset
        double *gradient
        double *prediction
        uint8_t *status
    Py_ssize_t fr_rolling_means(Py_ssize_t p)
    Py_ssize_t fr_rolling_total(Py_ssize_t p)
    Py_ssize_t fr_rolling_size(Py_ssize_t p)
    Py_ssize_t fr_rolling_room(const fr_rolling *q)
