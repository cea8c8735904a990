# Part of _matrix.pyx: the kernels in use are one state of one module.


def tridiagonal_solve(const double[::1] d not None, const double[::1] e not None,
                      const double[::1] shifts not None, const double[:, ::1] b not None,
                      int n_threads=0):
    """x (n_shifts, k, n) = (T + shift I)^-1 b for each row of b (k, n), and the traces of the
    inverses (n_shifts); NaN where T + shift I is not positive definite.

    T is symmetric with the diagonal d (n) and beside it e (n - 1).
    """
    cdef Py_ssize_t n = d.shape[0], k = b.shape[0], m = shifts.shape[0]
    cdef int status, threads = _threads(n_threads)
    if n < 1 or e.shape[0] != n - 1 or b.shape[1] != n:
        raise ValueError(
            f"d: expected n > 0 elements, n - 1 of e and rows of n of b; got {n}, {e.shape[0]} and "
            f"{b.shape[1]}"
        )
    x = np.empty((m, k, n))
    cdef double[:, :, ::1] out = x
    cdef double[::1] trace = _empty(m)
    if m and k:
        with nogil:
            status = fr_tridiagonal(n, &d[0], &e[0] if n > 1 else NULL, m, &shifts[0], k, &b[0, 0],
                                    &out[0, 0, 0], &trace[0], threads)
        _done(status)
    return x, trace.base
