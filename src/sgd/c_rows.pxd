"""Loops over the columns of a row: for code that is compiled once per instruction set."""

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
    ctypedef struct fr_row_sums:
        double product, squares
        int grows
    ctypedef struct fr_row_room:
        double reach, known, fresh
    void fr_row_decay(Py_ssize_t blocks, const fr_columns *c, const double *x, double penalty,
                      double now)
    fr_row_sums fr_row_predict(Py_ssize_t blocks, const fr_columns *c, const double *x)
    fr_row_room fr_row_bound(Py_ssize_t blocks, const fr_columns *c, double rate, double share,
                             double keep)
    void fr_row_step(Py_ssize_t blocks, const fr_columns *c, double g, double size, double rate,
                     double share, double keep)
    double fr_rsqrt(double a)


cdef extern from "records.h" nogil:
    void fr_read_records(Py_ssize_t n, Py_ssize_t blocks, const int64_t *at, const double *table,
                         Py_ssize_t ld, const fr_columns *c)
    void fr_write_records(Py_ssize_t n, const int64_t *at, double *table, Py_ssize_t ld,
                          const fr_columns *c)
