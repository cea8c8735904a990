"""Conjugate gradients for multinomial models on sparse rows, with all classes contiguous."""

import numpy as np

from arrays cimport pointer
from c_losses cimport (
    FR_LANES,
    FR_MOST_CLASSES,
    fr_lane_model,
    fr_lane_product,
    fr_lane_step,
    fr_lane_turn,
)
from fastridge._matrix cimport Matrix
from runtime cimport attach, check, threads as thread_count

cimport numpy as cnp

cnp.import_array()
attach()

MOST_CLASSES = FR_MOST_CLASSES


def lanes_of(Py_ssize_t k):
    """Return the padded length of a row of k classes."""
    return (k + FR_LANES - 1) // FR_LANES * FR_LANES


cdef class LaneModel:
    """Conjugate gradients for (A' C A + diag(l2)) D = R, C t = w (p t - p (p . t)) for rows t.

    Rows of arrays are `lanes` numbers: those of the classes, and zeros. The preconditioner is
    z = (R - mu) inverse, with mu such that z has sum 0 in each row.

    Parameters
    ----------
    A : Matrix (n, p), stored by rows
    l2 : ndarray (p,)
    weight : ndarray (n,)
    lanes : int
    single : bool
        Work in float32.

    Attributes
    ----------
    constant, total : ndarray (lanes,)
        Constant term of the predictors besides X v, from which `turn` subtracts the means; sums of
        the products over the rows.
    """

    cdef fr_lane_model m
    cdef Matrix A
    cdef Py_ssize_t p
    cdef readonly object constant, total
    cdef object arrays

    def __init__(self, Matrix A not None, const double[::1] l2 not None,
                 const double[::1] weight not None, Py_ssize_t lanes, bint single):
        cdef Py_ssize_t n = A.n_rows, p = A.n_columns
        cdef double[::1] constant = np.zeros(lanes), total = np.zeros(lanes), half
        if not A.is_sparse or A.s.by_column:
            raise ValueError(f"A: expected 'csr'; got {A.kind!r}")
        if not 0 < lanes <= FR_MOST_CLASSES or lanes % FR_LANES:
            raise ValueError(
                f"lanes: expected a multiple of {FR_LANES} up to {FR_MOST_CLASSES}; got {lanes}"
            )
        if l2.shape[0] != p or weight.shape[0] != n:
            raise ValueError(
                f"l2 and weight: expected {p} and {n} elements; got {l2.shape[0]} and"
                f" {weight.shape[0]}"
            )
        half = np.divide(0.5, l2, out=np.zeros(p), where=np.asarray(l2) > 0)
        self.A, self.p, self.constant, self.total = A, p, constant.base, total.base
        self.m.lanes, self.m.single = lanes, single
        self.m.shift, self.m.scale = A.s.shift, A.s.scale
        self.m.w, self.m.l2, self.m.half = pointer(weight), pointer(l2), pointer(half)
        self.m.constant, self.m.total = &constant[0], &total[0]
        kind = np.float32 if single else np.float64
        # P and out begin at zero
        work = [np.zeros((p, lanes), kind) for _ in range(2)]
        work.append(np.empty((n, lanes), kind))
        work.append(np.empty((p, lanes), kind) if A.scale is not None else work[0])
        self.arrays = [A, l2, weight, half.base, *work]
        self.m.P = cnp.PyArray_DATA(<cnp.ndarray> work[0])
        self.m.out = cnp.PyArray_DATA(<cnp.ndarray> work[1])
        self.m.q = cnp.PyArray_DATA(<cnp.ndarray> work[2])
        self.m.v = cnp.PyArray_DATA(<cnp.ndarray> work[3])

    cdef void *_take(self, str name, cnp.ndarray a, Py_ssize_t n) except NULL:
        kind = np.float32 if self.m.single else np.float64
        if (a.ndim != 2 or a.shape[0] != n or a.shape[1] != self.m.lanes or a.dtype != kind
                or not cnp.PyArray_IS_C_CONTIGUOUS(a)):
            raise ValueError(
                f"{name}: expected a C order ({n}, {self.m.lanes}) array of {kind.__name__}; got"
                f" {a.shape[0]} rows of {a.dtype}"
            )
        self.arrays.append(a)
        return cnp.PyArray_DATA(a)

    def begin(self, cnp.ndarray probability not None, cnp.ndarray inverse not None,
              cnp.ndarray R not None, cnp.ndarray D not None):
        """Set probabilities (n, lanes), the preconditioner, and residual and solution (p, lanes).

        R and D are overwritten by the other methods. Return R . M^-1 R.
        """
        del self.arrays[8:]
        self.m.prob = self._take("probability", probability, self.A.n_rows)
        self.m.inverse = self._take("inverse", inverse, self.p)
        self.m.R = self._take("R", R, self.p)
        self.m.D = self._take("D", D, self.p)
        self.total[:] = 0.0
        (<cnp.ndarray> self.arrays[4])[:] = 0
        (<cnp.ndarray> self.arrays[5])[:] = 0
        return self.step(0.0)

    def turn(self, double beta, int n_threads=0):
        """Set P = M^-1 R + beta P and subtract the means' part of `constant`; return sum l2 P^2."""
        cdef double sum = 0.0
        cdef int status, threads = thread_count(n_threads)
        with nogil:
            status = fr_lane_turn(&self.m, self.p, beta, &sum, threads)
        check(status)
        return sum

    def product(self, int n_threads=0):
        """Compute A' C A P, for `step`; return P . A' C A P with the constants."""
        cdef double curve = 0.0
        cdef int status, threads = thread_count(n_threads)
        with nogil:
            status = fr_lane_product(&self.m, &self.A.s, &curve, threads)
        check(status)
        return curve

    def step(self, double a, int n_threads=0):
        """Do D += a P, R -= a (A' C A + l2) P; return R . M^-1 R and sum R^2 / (2 l2)."""
        cdef double[2] sums
        cdef int status, threads = thread_count(n_threads)
        with nogil:
            status = fr_lane_step(&self.m, self.p, a, sums, threads)
        check(status)
        return sums[0], sums[1]
