# Part of _matrix.pyx: the kernels in use are one state of one module.

cdef class Cholesky:
    """Factor of a symmetric, positive definite matrix, for as many solves as are wanted.

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

    cdef double[:, ::1] m

    def __init__(self, double[:, ::1] m not None, double keep=0.0, int n_threads=0,
                 bint single=False):
        cdef Py_ssize_t p = m.shape[0]
        cdef int status = 0, threads = _threads(n_threads)
        if m.shape[1] != p:
            raise ValueError(f"m: expected a square matrix; got {p} x {m.shape[1]}")
        self.m = m
        if p:
            diagonal = np.diagonal(m).copy()
            status = self._factor(diagonal, keep, threads, single)
        if status == FR_UNSTABLE:
            raise ArithmeticError("m: expected a positive definite matrix")
        _done(status)

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
        """Overwrite b, one or more right-hand sides one behind the other, with m^-1 b."""
        cdef Py_ssize_t p = self.m.shape[0]
        cdef int status, threads = _threads(n_threads)
        if p == 0 or b.shape[0] % p:
            raise ValueError(f"b: expected a multiple of {p} elements; got {b.shape[0]}")
        with nogil:
            status = fr_cholesky_solve(&self.m[0, 0], p, &b[0], b.shape[0] // p, threads)
        _done(status)
        return b.base


def cholesky_from(double[:, ::1] m not None, Py_ssize_t size, Py_ssize_t kept, Py_ssize_t fresh,
                  const double[::1] diagonal not None, double keep=0.0, bint drop=False,
                  int n_threads=0):
    """Finish, in place, a factor of the leading size x size part of m; see cholesky.h.

    Columns before `fresh` hold rows of the factor above row `kept`. With `drop`, columns that keep
    too little get no share of any solution; otherwise they raise ArithmeticError.
    """
    cdef int status, threads = _threads(n_threads)
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
        _done(status)


def cholesky_remove(double[:, ::1] u not None, const unsigned char[::1] gone not None):
    """Take rows and columns out of the factor in the leading part of u; see cholesky.h."""
    cdef int status
    cdef Py_ssize_t p = gone.shape[0], k = np.count_nonzero(gone)
    if p > min(u.shape[0], u.shape[1]):
        raise ValueError(f"gone: expected at most {min(u.shape[0], u.shape[1])} elements; got {p}")
    if k:
        with nogil:
            status = fr_cholesky_remove(&u[0, 0], u.shape[1], p, &gone[0], k)
        _done(status)
