"""Losses of many samples, with their derivatives by the linear predictor."""

from arrays cimport expect_length, pointer
from c_losses cimport FR_N_LOSSES, fr_loss
from runtime cimport attach, check, threads_for

cimport numpy as cnp

cnp.import_array()
attach()


def evaluate(int kernel, double parameter, const double[::1] y not None,
             const double[::1] eta not None, const double[::1] weight=None,
             double[::1] gradient=None, double[::1] curvature=None, int n_threads=0):
    """Sum of weight l(y, eta), of the loss numbered `kernel`; see `fastridge.losses`.

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
