"""Anderson extrapolation."""

from libc.math cimport fabs, isfinite

from fastridge._descent cimport HISTORY


cdef inline bint extrapolation_weights(const double[:, ::1] past, Py_ssize_t m,
                                       double *weight) noexcept nogil:
    """Compute weights, of sum 1, of all but the first of HISTORY iterates of length m.

    They minimise |sum_a weight_a (x_(a+1) - x_a)|: K z = 1 with K the Gram matrix of the
    differences, and weight = z / sum z. Return whether they exist.
    """
    cdef double[HISTORY][HISTORY] k
    cdef double[HISTORY] z
    cdef double total = 0.0, trace = 0.0, v, t
    cdef Py_ssize_t a, b, c, j, size = HISTORY - 1
    for a in range(size):
        for b in range(a + 1):
            v = 0.0
            for j in range(m):
                v += (past[a + 1, j] - past[a, j]) * (past[b + 1, j] - past[b, j])
            k[a][b] = k[b][a] = v
    for a in range(size):
        trace += k[a][a]
    if not trace > 0:
        return False
    for a in range(size):
        k[a][a] += 1e-12 * trace
        z[a] = 1.0
    for a in range(size):
        for b in range(a + 1, size):
            t = k[b][a] / k[a][a]
            for c in range(a, size):
                k[b][c] -= t * k[a][c]
            z[b] -= t * z[a]
    for a in range(size - 1, -1, -1):
        for b in range(a + 1, size):
            z[a] -= k[a][b] * z[b]
        z[a] /= k[a][a]
        total += z[a]
    if not fabs(total) > 0 or not isfinite(total):
        return False
    for a in range(size):
        weight[a] = z[a] / total
    return True
