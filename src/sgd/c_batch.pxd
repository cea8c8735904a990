"""Loops over dense rows of a batch, for code compiled once per instruction set."""


cdef extern from "batch_loops.h" nogil:
    enum: FR_BATCH_BLOCK
    ctypedef struct fr_batch_columns:
        double *unit
        double *value
        double *reach
        double *known
        double *fresh
        int adaptive, bounded, freshly
    ctypedef struct fr_batch_row:
        double product, squares, reach, known, fresh
        int grows
    Py_ssize_t fr_batch_place(Py_ssize_t p, Py_ssize_t j)
    void fr_batch_predict(int single, const void *const *rows, Py_ssize_t n, Py_ssize_t p,
                          const fr_batch_columns *c, fr_batch_row *out)
    void fr_batch_log_losses(const double *y, const double *p, double *value, double *slope)
    void fr_batch_add(int single, const void *const *rows, const double *g, Py_ssize_t n,
                      Py_ssize_t p, const double *unit, double *sums)
