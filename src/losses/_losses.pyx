"""Losses of many samples, with their derivatives by the linear predictor."""

from arrays cimport expect_length, pointer
from c_losses cimport (
    FR_N_LOSSES,
    fr_conjugate,
    fr_has_conjugate,
    fr_loss,
    fr_softmax,
    fr_softmax_curve,
    fr_softmax_sum,
)
from runtime cimport attach, check, threads_for

cimport numpy as cnp

cnp.import_array()
attach()


def evaluate(int kernel, double parameter, const double[::1] y not None,
             const double[::1] eta not None, const double[::1] weight=None,
             double[::1] gradient=None, double[::1] curvature=None, int n_threads=0):
    """Return the sum of weight l(y, eta) for the loss number `kernel`; see `fastridge.losses`.

    gradient and curvature (n,), both or none, are overwritten with weight l' and weight l''.
    """
    cdef Py_ssize_t n = y.shape[0]
    cdef double total
    cdef int status, threads = threads_for(n_threads, n * 16.0)
    if not 0 <= kernel < FR_N_LOSSES:
        raise ValueError(f"kernel: expected 0 to {FR_N_LOSSES - 1}; got {kernel}")
    if (gradient is None) != (curvature is None):
        raise ValueError("gradient and curvature: expected both or none")
    for name, v in (("eta", eta), ("weight", weight), ("gradient", gradient),
                    ("curvature", curvature)):
        expect_length(name, v, n)
    cdef double *r = NULL if gradient is None or n == 0 else &gradient[0]
    cdef double *h = NULL if curvature is None or n == 0 else &curvature[0]
    with nogil:
        status = fr_loss(kernel, parameter, pointer(y), pointer(eta), pointer(weight), r, h, n,
                         &total, threads)
    check(status)
    return total


def conjugate(int kernel, double parameter, const double[::1] y not None,
              const double[::1] theta not None, const double[::1] weight=None, int n_threads=0):
    """Return the sum of weight l*(y, theta / weight), l* the conjugate; None if it has no loop.

    It is infinite if one term is. A weight of 0 requires a theta of 0.
    """
    cdef Py_ssize_t n = y.shape[0]
    cdef double total
    cdef int status, threads = threads_for(n_threads, n * 16.0)
    if not 0 <= kernel < FR_N_LOSSES:
        raise ValueError(f"kernel: expected 0 to {FR_N_LOSSES - 1}; got {kernel}")
    if not fr_has_conjugate(kernel):
        return None
    expect_length("theta", theta, n)
    expect_length("weight", weight, n)
    with nogil:
        status = fr_conjugate(kernel, parameter, pointer(y), pointer(theta), pointer(weight), n,
                              &total, threads)
    check(status)
    return total


cdef int _expect_shape(str name, const double[::1, :] a, Py_ssize_t n, Py_ssize_t k) except -1:
    if a is not None and (a.shape[0] != n or a.shape[1] != k):
        raise ValueError(f"{name}: expected shape ({n}, {k}); got ({a.shape[0]}, {a.shape[1]})")
    return 0


def softmax(const double[::1, :] eta not None, const int[::1] label=None,
            const double[::1, :] share=None, const double[::1] weight=None,
            double[::1, :] gradient=None, double[::1, :] probability=None,
            double[::1, :] curvature=None, int n_threads=0):
    """Sum weight (log sum_c exp(eta_c) - sum_c y_c eta_c); see `fastridge.losses.Multinomial`.

    label (n,): numbers of classes from 0 on; or share (n, k): proportions y of the classes.
    gradient, probability and curvature (n, k), all or none, are overwritten with weight (p - y), p
    and weight p (1 - p) of the softmax p.
    """
    cdef Py_ssize_t i, n = eta.shape[0], k = eta.shape[1]
    cdef double total = 0.0
    cdef fr_softmax q
    cdef int status, threads = threads_for(n_threads, n * k * 16.0)
    if (label is None) == (share is None):
        raise ValueError("label and share: expected one of them")
    if not (gradient is None) == (probability is None) == (curvature is None):
        raise ValueError("gradient, probability and curvature: expected all or none")
    if label is not None:
        if label.shape[0] != n:
            raise ValueError(f"label: expected {n} elements; got {label.shape[0]}")
        for i in range(n):
            if not 0 <= label[i] < k:
                raise ValueError(f"label: expected 0 to {k - 1}; got {label[i]}")
    expect_length("weight", weight, n)
    for name, a in (("share", share), ("gradient", gradient), ("probability", probability),
                    ("curvature", curvature)):
        _expect_shape(name, a, n, k)
    if n == 0 or k == 0:
        return 0.0
    q.eta, q.w, q.k, q.ld = &eta[0, 0], pointer(weight), k, n
    q.label = NULL if label is None else &label[0]
    q.share = NULL if share is None else &share[0, 0]
    q.r = NULL if gradient is None else &gradient[0, 0]
    q.prob = NULL if probability is None else &probability[0, 0]
    q.curve = NULL if curvature is None else &curvature[0, 0]
    with nogil:
        status = fr_softmax_sum(&q, n, &total, threads)
    check(status)
    return total


def softmax_curve(const double[::1, :] probability not None, const double[::1] weight,
                  double[::1, :] t not None, int n_threads=0):
    """Overwrite t (n, k) with weight (p t - p sum_c p_c t_c): second derivatives times t."""
    cdef Py_ssize_t n = t.shape[0], k = t.shape[1]
    cdef fr_softmax q
    cdef int status, threads = threads_for(n_threads, n * k)
    _expect_shape("probability", probability, n, k)
    expect_length("weight", weight, n)
    if n == 0 or k == 0:
        return
    q.prob, q.w, q.k, q.ld = <double *> &probability[0, 0], pointer(weight), k, n
    with nogil:
        status = fr_softmax_curve(&q, &t[0, 0], n, threads)
    check(status)
