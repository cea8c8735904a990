"""The C functions of this folder."""

from c_matrix cimport fr_matrix


cdef extern from "losses.h" nogil:
    enum: FR_HUBER
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


cdef extern from "kernels.h" nogil:
    enum: FR_LANES


cdef extern from "softmax_lanes.h" nogil:
    enum: FR_MOST_CLASSES
    ctypedef struct fr_lane_model:
        Py_ssize_t lanes
        int single
        const void *prob
        const double *w
        void *q
        const double *shift
        const double *scale
        const double *l2
        const double *half
        const void *inverse
        void *D
        void *R
        void *P
        void *out
        void *v
        double *constant
        double *total
    int fr_lane_product(const fr_lane_model *m, fr_matrix *x, double *curve, int n_threads)
    int fr_lane_step(const fr_lane_model *m, Py_ssize_t p, double step, double *sums,
                     int n_threads)
    int fr_lane_turn(const fr_lane_model *m, Py_ssize_t p, double beta, double *sum,
                     int n_threads)
