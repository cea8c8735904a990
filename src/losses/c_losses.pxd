"""The C functions of this folder."""


cdef extern from "losses.h" nogil:
    enum: FR_N_LOSSES
    int fr_loss(int loss, double parameter, const double *y, const double *eta, const double *w,
                double *r, double *h, Py_ssize_t n, double *sum, int n_threads)
    int fr_conjugate(int loss, double parameter, const double *y, const double *theta,
                     const double *w, Py_ssize_t n, double *sum, int n_threads)
    int fr_has_conjugate(int loss)


cdef extern from "softmax.h" nogil:
    ctypedef struct fr_softmax:
        const double *eta
        const int *label
        const double *share
        const double *w
        double *r
        double *prob
        double *curve
        Py_ssize_t k, ld
    int fr_softmax_sum(const fr_softmax *q, Py_ssize_t n, double *sum, int n_threads)
    int fr_softmax_curve(const fr_softmax *q, double *t, Py_ssize_t n, int n_threads)
