"""The C functions of this folder."""


cdef extern from "losses.h" nogil:
    enum: FR_N_LOSSES
    int fr_loss(int loss, double parameter, const double *y, const double *eta, const double *w,
                double *r, double *h, Py_ssize_t n, double *sum, int n_threads)
