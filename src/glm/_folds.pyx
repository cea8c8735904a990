"""Passes over the rows for the fits of several folds at once."""

import numpy as np

cimport numpy as cnp

from arrays cimport expect_length, pointer
from c_folds cimport (
    FR_LANES,
    fr_fold_lanes,
    fr_fold_product,
    fr_fold_step,
    fr_fold_turn,
    fr_folds_pass,
    fr_take_folds_pass,
)
from c_losses cimport FR_N_LOSSES
from fastridge._matrix cimport Matrix
from runtime cimport attach, check, threads as thread_count

cnp.import_array()
attach()

MOST_FITS = FR_LANES


cdef int expect_shape(str name, const double[:, ::1] v, Py_ssize_t k, Py_ssize_t n) except -1:
    if v is not None and (v.shape[0] != k or v.shape[1] != n):
        raise ValueError(f"{name}: expected ({k}, {n}); got ({v.shape[0]}, {v.shape[1]})")
    return 0


def folds_pass(Matrix a not None, int kernel, double parameter, const double[::1] y not None,
               const double[::1] offset, const int[::1] fits not None,
               const double[:, ::1] weight not None, const double[:, ::1] v not None,
               const double[::1] level not None, double[:, ::1] eta not None,
               double[:, ::1] r not None, double[:, ::1] h not None, double[:, ::1] gradient,
               double[:, ::1] border, double[:, ::1] sums not None, int n_threads=0):
    """Compute loss, derivatives and sums of some of k fits, in one pass over the rows of a.

    With eta = level + offset + A v, A = X - 1 shift' of dense data, and X of sparse ones by rows.

    fits: up to MOST_FITS rows of what follows. weight, eta, r, h: (k, n); v, gradient = A'r, border
    = A'h: (k, p), the last two or None. sums: (k, 3), the loss, and the sums of r and of h.
    """
    cdef fr_folds_pass q
    cdef Py_ssize_t n = a.n_rows, p = a.n_columns, k = weight.shape[0], size = fits.shape[0], i, c
    cdef int status, threads
    if not 0 <= kernel < FR_N_LOSSES:
        raise ValueError(f"kernel: expected 0 to {FR_N_LOSSES - 1}; got {kernel}")
    if not n or not p:
        raise ValueError(f"a: expected rows and columns; got {n} x {p}")
    if a.scale is not None or (a.is_sparse and (a.s.by_column or a.shift is not None)):
        raise ValueError("a: expected dense data without a scale, or plain rows")
    if not 0 < size <= FR_LANES:
        raise ValueError(f"fits: expected 1 to {FR_LANES}; got {size}")
    expect_length("y", y, n)
    expect_length("offset", offset, n)
    expect_length("level", level, k)
    for name, given, length in (("weight", weight, n), ("eta", eta, n), ("r", r, n), ("h", h, n),
                                ("v", v, p), ("gradient", gradient, p), ("border", border, p),
                                ("sums", sums, 3)):
        expect_shape(name, given, k, length)
    if border is not None and gradient is None:
        raise ValueError("border is given without gradient; expected both, or neither")
    q.a, q.loss, q.parameter, q.k = &a.s, kernel, parameter, size
    q.y, q.offset = &y[0], pointer(offset)
    for i in range(size):
        c = fits[i]
        if not 0 <= c < k:
            raise ValueError(f"fits: expected 0 to {k - 1}; got {c}")
        q.w[i], q.v[i], q.level[i] = &weight[c, 0], &v[c, 0], level[c]
        q.eta[i], q.r[i], q.h[i] = &eta[c, 0], &r[c, 0], &h[c, 0]
        q.gradient[i] = NULL if gradient is None else &gradient[c, 0]
        q.border[i] = NULL if border is None else &border[c, 0]
    threads = thread_count(n_threads)
    with nogil:
        status = fr_take_folds_pass(&q, threads)
    check(status)
    for i in range(size):
        c = fits[i]
        sums[c, 0], sums[c, 1], sums[c, 2] = q.value[i], q.of_r[i], q.of_h[i]


cdef class FoldLanes:
    """Conjugate gradients for (A' C A + diag(alpha l2)) D = R of MOST_FITS fits on sparse rows.

    A = X - 1 about'. Each fit has its own C, alpha and about, the means under C. Arrays have a row
    of MOST_FITS numbers for each row or column of X, zeros where there is no fit.

    Parameters
    ----------
    X : Matrix (n, p), stored by rows, without a shift and a scale
    l2 : ndarray (p,)
    single : bool
        Work in float32.
    """

    cdef fr_fold_lanes m
    cdef Matrix X
    cdef Py_ssize_t p
    cdef object arrays
    cdef double[::1] _alpha, _mean

    def __init__(self, Matrix X not None, const double[::1] l2 not None, bint single):
        cdef Py_ssize_t n = X.n_rows, p = X.n_columns
        cdef double[::1] half
        if not X.is_sparse or X.s.by_column or X.shift is not None or X.scale is not None:
            raise ValueError(f"X: expected plain 'csr'; got {X.kind!r}")
        expect_length("l2", l2, p)
        half = np.divide(0.5, l2, out=np.zeros(p), where=np.asarray(l2) > 0)
        self.X, self.p = X, p
        self._alpha, self._mean = np.zeros(FR_LANES), np.zeros(FR_LANES)
        self.m.single = single
        self.m.l2, self.m.half = pointer(l2), pointer(half)
        self.m.alpha, self.m.mean = &self._alpha[0], &self._mean[0]
        kind = np.float32 if single else np.float64
        work = [np.zeros((p, FR_LANES), kind), np.zeros((p, FR_LANES), kind),
                np.empty((n, FR_LANES), kind)]
        self.arrays = [l2, half.base, *work]
        self.m.P = cnp.PyArray_DATA(<cnp.ndarray> work[0])
        self.m.out = cnp.PyArray_DATA(<cnp.ndarray> work[1])
        self.m.q = cnp.PyArray_DATA(<cnp.ndarray> work[2])

    cdef void *_take(self, str name, cnp.ndarray a, Py_ssize_t n) except NULL:
        kind = np.float32 if self.m.single else np.float64
        if (a.ndim != 2 or a.shape[0] != n or a.shape[1] != FR_LANES or a.dtype != kind
                or not cnp.PyArray_IS_C_CONTIGUOUS(a)):
            raise ValueError(
                f"{name}: expected a C order ({n}, {FR_LANES}) array of {kind.__name__}; got"
                f" {a.shape[0]} rows of {a.dtype}"
            )
        self.arrays.append(a)
        return cnp.PyArray_DATA(a)

    def begin(self, const double[::1] alpha not None, cnp.ndarray curve not None,
              cnp.ndarray about not None, cnp.ndarray inverse not None, cnp.ndarray R not None,
              cnp.ndarray D not None):
        """Set alphas (MOST_FITS,), C (n, MOST_FITS), means, the preconditioner, and residual and
        solution (p, MOST_FITS), which are overwritten. Return the same sums as `step`."""
        expect_length("alpha", alpha, FR_LANES)
        del self.arrays[5:]
        self.m.curve = self._take("curve", curve, self.X.n_rows)
        self.m.about = self._take("about", about, self.p)
        self.m.inverse = self._take("inverse", inverse, self.p)
        self.m.R = self._take("R", R, self.p)
        self.m.D = self._take("D", D, self.p)
        self._alpha[:] = alpha
        self._mean[:] = 0.0
        (<cnp.ndarray> self.arrays[2])[:] = 0
        (<cnp.ndarray> self.arrays[3])[:] = 0
        return self.step(np.zeros(FR_LANES))

    def turn(self, const double[::1] beta not None, int n_threads=0):
        """Set P = M^-1 R + beta P; return P . (A' C A + alpha l2) P (MOST_FITS,). `step` uses the
        product."""
        cdef double[2 * FR_LANES] sums
        cdef double[::1] curve = np.empty(FR_LANES)
        cdef int status, threads = thread_count(n_threads), i
        expect_length("beta", beta, FR_LANES)
        with nogil:
            status = fr_fold_turn(&self.m, self.p, &beta[0], sums, threads)
            if status == 0:
                for i in range(FR_LANES):
                    self._mean[i] = sums[i]
                status = fr_fold_product(&self.m, &self.X.s, &curve[0], threads)
        check(status)
        for i in range(FR_LANES):
            curve[i] += sums[FR_LANES + i]
        return curve.base

    def step(self, const double[::1] a not None, int n_threads=0):
        """Do D += a P, R -= a (A' C A + alpha l2) P; return R . M^-1 R and sum R^2 / (2 l2), (2,
        MOST_FITS)."""
        cdef double[:, ::1] sums = np.empty((2, FR_LANES))
        cdef int status, threads = thread_count(n_threads)
        expect_length("a", a, FR_LANES)
        with nogil:
            status = fr_fold_step(&self.m, self.p, &a[0], &sums[0, 0], threads)
        check(status)
        return sums.base
