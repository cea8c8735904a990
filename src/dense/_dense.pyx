"""Cholesky factors and tridiagonal systems."""

import numpy as np

cimport numpy as cnp
from libc.limits cimport INT_MAX

from arrays cimport empty
from c_dense cimport *
from runtime cimport attach, check, threads as thread_count

cnp.import_array()
attach()


cdef class Cholesky:
    """Cholesky factor of a symmetric, positive definite matrix, for repeated solves.

    Parameters
    ----------
    m : ndarray of float64, shape (p, p), C order
        Its upper triangle is overwritten with the factor; the strict lower one is kept.
    keep : float, default=0
        Share of each diagonal element that the elimination must leave.
    single : bool, default=False
        Eliminate with products of float32, where `has_single()`.

    Raises
    ------
    ArithmeticError
        If a pivot is not positive, or less than `keep` of its diagonal element.
    """

    def __init__(self, double[:, ::1] m not None, double keep=0.0, int n_threads=0,
                 bint single=False):
        cdef Py_ssize_t p = m.shape[0]
        cdef int status = 0, threads = thread_count(n_threads)
        if m.shape[1] != p:
            raise ValueError(f"m: expected a square matrix; got {p} x {m.shape[1]}")
        self.m = m
        if p:
            diagonal = np.diagonal(m).copy()
            status = self._factor(diagonal, keep, threads, single)
        if status == FR_UNSTABLE:
            raise ArithmeticError("m: expected a positive definite matrix")
        check(status)

    cdef int _factor(self, const double[::1] diagonal, double keep, int threads,
                     bint single) except? -5:
        cdef int status
        cdef Py_ssize_t p = self.m.shape[0]
        with nogil:
            if single:
                status = fr_cholesky_single(&self.m[0, 0], p, &diagonal[0], keep, threads)
            else:
                status = fr_cholesky(&self.m[0, 0], p, &diagonal[0], keep, threads)
        return status

    def solve(self, double[::1] b not None, int n_threads=0):
        """Overwrite b, one or more contiguous right-hand sides, with m^-1 b."""
        cdef Py_ssize_t p = self.m.shape[0]
        cdef int status, threads = thread_count(n_threads)
        if p == 0 or b.shape[0] % p:
            raise ValueError(f"b: expected a multiple of {p} elements; got {b.shape[0]}")
        with nogil:
            status = fr_cholesky_solve(&self.m[0, 0], p, &b[0], b.shape[0] // p, threads)
        check(status)
        return b.base


def cholesky_from(double[:, ::1] m not None, Py_ssize_t size, Py_ssize_t kept, Py_ssize_t fresh,
                  const double[::1] diagonal not None, double keep=0.0, bint drop=False,
                  int n_threads=0):
    """Finish, in place, a factor of the leading size x size part of m; see cholesky.h.

    Columns before `fresh` hold rows of the factor above row `kept`. With `drop`, columns with
    too small a pivot are 0 in every solution; otherwise they raise ArithmeticError.
    """
    cdef int status, threads = thread_count(n_threads)
    if not 0 <= kept <= fresh <= size <= min(m.shape[0], m.shape[1]):
        raise IndexError(
            "kept, fresh, size: expected 0 <= kept <= fresh <= size <= the order of m; got"
            f" {kept}, {fresh}, {size}"
        )
    if diagonal.shape[0] != size:
        raise ValueError(f"diagonal: expected {size} elements; got {diagonal.shape[0]}")
    if size:
        with nogil:
            status = fr_cholesky_from(&m[0, 0], m.shape[1], size, kept, fresh, &diagonal[0], keep,
                                      drop, threads)
        if status == FR_UNSTABLE:
            raise ArithmeticError("m: expected a positive definite matrix")
        check(status)


def cholesky_remove(double[:, ::1] u not None, const unsigned char[::1] gone not None):
    """Remove rows and columns from the factor in the leading part of u; see cholesky.h."""
    cdef int status
    cdef Py_ssize_t p = gone.shape[0], k = np.count_nonzero(gone)
    if p > min(u.shape[0], u.shape[1]):
        raise ValueError(f"gone: expected at most {min(u.shape[0], u.shape[1])} elements; got {p}")
    if k:
        with nogil:
            status = fr_cholesky_remove(&u[0, 0], u.shape[1], p, &gone[0], k)
        check(status)


def half_inverse(double[::1, :] m not None, const size_t[::1] blas not None):
    """Overwrite m with L^-1, lower triangular, where m = L L'; return whether m is definite.

    blas: addresses of dgemm, dsyrk, dpotrf and dtrtri.
    """
    cdef int status = 0
    _check_square(m, blas)
    if m.shape[0]:
        with nogil:
            status = fr_half_inverse(<const fr_blas *> &blas[0], &m[0, 0], <int> m.shape[0])
        if status < 0:
            raise MemoryError()
    return status == 0


def lower_product(double[::1, :] m not None, double[::1, :] out not None,
                  const size_t[::1] blas not None):
    """Overwrite out with m'm for a lower triangular m, with zeros above the diagonal."""
    _check_square(m, blas)
    if out.shape[0] != m.shape[0] or out.shape[1] != m.shape[0]:
        raise ValueError("out: expected the shape of m")
    if m.shape[0]:
        with nogil:
            fr_lower_product(<const fr_blas *> &blas[0], &m[0, 0], <int> m.shape[0], &out[0, 0])


cdef _check_square(double[::1, :] m, const size_t[::1] blas):
    if m.shape[0] != m.shape[1] or m.shape[0] > INT_MAX:
        raise ValueError(f"m: expected a square matrix; got {m.shape[0]} x {m.shape[1]}")
    if blas.shape[0] != 4:
        raise ValueError(f"blas: expected 4 addresses; got {blas.shape[0]}")


def tridiagonal_solve(const double[::1] d not None, const double[::1] e not None,
                      const double[::1] shifts not None, const double[:, ::1] b not None,
                      int n_threads=0):
    """Return (T + shift I)^-1 b, (n_shifts, k, n), for each row of b (k, n), and the traces of the
    inverses (n_shifts); NaN where T + shift I is not positive definite.

    T is symmetric with diagonal d (n) and off-diagonal e (n - 1).
    """
    cdef Py_ssize_t n = d.shape[0], k = b.shape[0], m = shifts.shape[0]
    cdef int status, threads = thread_count(n_threads)
    if n < 1 or e.shape[0] != n - 1 or b.shape[1] != n:
        raise ValueError(
            f"d, e, b: expected n > 0 and n - 1 elements and rows of n; got {n}, {e.shape[0]} and "
            f"{b.shape[1]}"
        )
    x = np.empty((m, k, n))
    cdef double[:, :, ::1] out = x
    cdef double[::1] trace = empty(m)
    if m and k:
        with nogil:
            status = fr_tridiagonal(n, &d[0], &e[0] if n > 1 else NULL, m, &shifts[0], k, &b[0, 0],
                                    &out[0, 0, 0], &trace[0], threads)
        check(status)
    return x, trace.base
