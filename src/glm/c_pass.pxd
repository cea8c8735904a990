"""The C functions of this folder."""

from c_matrix cimport fr_matrix


cdef extern from "pass.h" nogil:
    ctypedef struct fr_pass:
        fr_matrix *a
        fr_matrix *by_row
        int loss
        double parameter
        const double *y
        const double *w
        const double *offset
        const double *u
        double level
        double *eta
        double *r
        double *h
        double *root
        double *gram
        double *gradient
        double *border
        double *scratch
        double value, of_r, of_h
    Py_ssize_t fr_pass_order(Py_ssize_t p)
    Py_ssize_t fr_pass_scratch(Py_ssize_t p)
    int fr_take_pass(fr_pass *q, int n_threads)
    int fr_take_light_pass(fr_pass *q, int n_threads)
    int fr_take_sparse_pass(fr_pass *q, int light, int n_threads)
    int fr_take_single_pass(fr_pass *q, const double *scale, int n_threads)
    void fr_pass_scale(const fr_pass *q, double *scale)
    ctypedef struct fr_dual_point:
        const double *eta
        const double *h
        double *r
        double conjugate, known, size
    int fr_take_dual_point(const fr_pass *q, fr_dual_point *d, int n_threads)
