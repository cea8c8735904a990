"""Loops over the columns of a row, for code compiled once per instruction set."""

from libc.stdint cimport int64_t


cdef extern from "row_loops.h" nogil:
    ctypedef struct fr_columns:
        double *u
        double *inverse
        double *clock
        double *v
        double *r
        double *reach
        double *area
    ctypedef struct fr_row_rates:
        double penalty, now, rate, share, keep
    ctypedef struct fr_row_sums:
        double product, squares, reach, known, fresh
        int grows, falls
    fr_row_sums fr_see_fields(Py_ssize_t n, const fr_columns *c, const double *x,
                              const fr_row_rates *by)
    void fr_bound_fields(Py_ssize_t n, const fr_columns *c, const fr_row_rates *by,
                         fr_row_sums *sums)
    void fr_step_fields(Py_ssize_t n, const fr_columns *c, double g, double size, int fresh,
                        const fr_row_rates *by)
    double fr_rsqrt(double a)


cdef extern from "records.h" nogil:
    void fr_read_records(Py_ssize_t n, const int64_t *at, const double *table, Py_ssize_t ld,
                         const fr_columns *c)
    void fr_write_records(Py_ssize_t n, const int64_t *at, double *table, Py_ssize_t ld,
                          const fr_columns *c)
    fr_row_sums fr_see_records(Py_ssize_t n, const int64_t *at, const double *x,
                               const double *table, Py_ssize_t ld, const fr_columns *c,
                               const fr_row_rates *by, int large)
    void fr_step_records(Py_ssize_t n, const int64_t *at, double *table, Py_ssize_t ld,
                         const fr_columns *c, double g, double size, int fresh,
                         const fr_row_rates *by)
