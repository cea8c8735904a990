"""Dual coordinate descent for logistic regression on sparse rows (Yu, Huang & Lin 2011).

For weights s that sum to 1 and mu_i in [0, 1], theta_i = mu_i - y_i is a dual point. Its
coefficients of the stored columns are v = -d X'(s theta), with d_j = scale_j^2 / l2_j. A visit of
row i maximises the dual objective over mu_i: with eta = o_i + b + x_i v and
q_i = s_i sum_j d_j x_ij^2,

    logit(mu) = eta - q_i (mu - mu_i),

which is solved for z = logit(mu) by Newton's method between z_i and eta, where the root lies.

A free intercept requires sum(s theta) = 0, with b as the multiplier (method of multipliers): visits
move b by -rho s_i (mu - mu_i), as a column of sqrt(rho) would, and each pass ends with a step of
-rho sum(s theta).
"""

from libc.math cimport fabs, log, pow
from libc.stdint cimport int32_t, uint64_t

from arrays cimport expect_length, pointer
from c_matrix cimport fr_matrix
from primitives cimport fr_compressed, fr_real_kernels
from runtime cimport attach, check, fr_active, fr_poll

from numpy import arange, int32

from fastridge._matrix cimport Matrix

attach()

cdef extern from "access.h" nogil:
    fr_compressed compressed_from(const fr_matrix *a, Py_ssize_t i)

cdef extern from "elementary.h" nogil:
    double fr_exp(double x)

cdef enum:
    STEPS = 40          # bound on Newton steps of a visit
    BLOCK = 4           # rows in a block; blocks are visited at random, for longer runs of memory
    STRETCH = 256       # blocks between checks for an interrupt
    WINDOW = 4          # passes over which the rate of convergence is averaged
    FIRST = 8           # passes before which a slow run does not end

cdef double LITTLE = 1e-3   # step of z after which the next would be round-off of the visit's gain
cdef double SKIP = 0.3      # share of a row in the expected gain of a pass, below which v stays


cdef struct Run:
    const fr_matrix *a
    const fr_real_kernels *kernels
    const double *y
    const double *s
    const double *offset
    const double *d
    const double *q
    double *z
    double *mu
    double *v
    double unit, rho, b
    double gain             # of the dual objective in this pass
    double least            # gain below which a row is left as it is


cdef inline double sigmoid(double z) noexcept nogil:
    return 1.0 / (1.0 + fr_exp(-z))


cdef inline void visit(Run *r, Py_ssize_t i) noexcept nogil:
    """Maximise over mu_i."""
    cdef fr_compressed x = compressed_from(r.a, i)
    cdef double z = r.z[i], mu = r.mu[i], eta, low, high, f, step, q, gain, change
    cdef int _
    r.kernels.gather[r.a.index](&x, 0, 1, r.v, &eta)
    eta += r.b
    if r.offset != NULL:
        eta += r.offset[i]
    q = r.q[i] + r.s[i] * r.rho
    low, high = (z, eta) if z < eta else (eta, z)
    for _ in range(STEPS):
        f = z - eta + q * (mu - r.mu[i])
        if f < 0:
            low = z
        else:
            high = z
        step = -f / (1.0 + q * mu * (1.0 - mu))
        if not low <= z + step <= high:
            step = 0.5 * (low + high) - z
        z += step
        mu = sigmoid(z)
        if fabs(step) <= LITTLE:
            break
    change = mu - r.mu[i]
    gain = 0.5 * r.s[i] * fabs(change) * fabs(r.z[i] - eta)
    r.gain += gain
    if not gain > r.least:
        return
    r.z[i], r.mu[i] = z, mu
    change *= -r.s[i]
    r.b += r.rho * change
    if r.d != NULL:
        r.kernels.scatter_by[r.a.index](&x, 0, 1, &change, r.d, r.v)
    else:
        change *= r.unit
        r.kernels.scatter[r.a.index](&x, 0, 1, &change, r.v)


cdef inline uint64_t shuffle(int32_t *order, Py_ssize_t n, uint64_t x) noexcept nogil:
    """Permute the order of blocks (Fisher & Yates); return the next state of xorshift64*."""
    cdef Py_ssize_t i, j
    cdef int32_t kept
    for i in range(n - 1, 0, -1):
        x ^= x >> 12
        x ^= x << 25
        x ^= x >> 27
        j = <Py_ssize_t> (((x * <uint64_t> 0x2545F4914F6CDD1D) >> 32) * <uint64_t> (i + 1) >> 32)
        kept = order[i]
        order[i] = order[j]
        order[j] = kept
    return x


cdef int take_pass(Run *r, const int32_t[::1] live, const int32_t[::1] order) noexcept nogil:
    """Visit all rows once, in the order of their blocks."""
    cdef Py_ssize_t k, i, end, n = live.shape[0]
    cdef int status
    cdef double level = 0.0
    r.gain = 0.0
    for k in range(order.shape[0]):
        if k % STRETCH == 0:
            status = fr_poll()
            if status:
                return status
        end = min(BLOCK * (order[k] + 1), n)
        for i in range(BLOCK * order[k], end):
            visit(r, live[i])
    if r.rho > 0:
        for k in range(n):
            i = live[k]
            level += r.s[i] * (r.mu[i] - r.y[i])
        r.b -= r.rho * level
    return 0


def row_squares(Matrix rows not None, const double[::1] d, double unit, double[::1] out not None):
    """Set out[i] to sum_j d_j x_ij^2; d None: unit for all columns."""
    cdef Py_ssize_t i
    cdef fr_compressed x
    cdef double sum
    cdef const fr_real_kernels *kernels = &fr_active().real[rows.s.real]
    expect_rows(rows)
    expect_length("d", d, rows.n_columns)
    expect_length("out", out, rows.n_rows)
    with nogil:
        for i in range(rows.n_rows):
            x = compressed_from(&rows.s, i)
            sum = out[i] = 0.0
            kernels.gather_moments[rows.s.index](&x, 0, 1, pointer(d), &sum, &out[i])
            if d is None:
                out[i] *= unit


def descend(Matrix rows not None, const int32_t[::1] live not None, const double[::1] y not None,
            const double[::1] weight not None, const double[::1] offset, const double[::1] d,
            double unit, double rho, const double[::1] q not None, double[::1] z not None,
            double[::1] mu not None, double[::1] v not None, double b, uint64_t seed, double goal,
            int most):
    """Take passes until about `goal` is left to gain, or at most `most`; fewer if that is hopeless.

    rows: sparse data by rows, without shift and scale. live: rows of weight above 0. d: (p,), or
    None where all are `unit`. rho: 0 without an intercept. q (n,): as above. z, mu (n,) and v (p,)
    are overwritten.

    Returns b, the number of passes, and the next seed.
    """
    cdef Run r
    cdef Py_ssize_t n = rows.n_rows, i, m = live.shape[0]
    cdef int status = 0, used = 0, k
    cdef double pace, left
    cdef double[WINDOW + 1] gains
    expect_rows(rows)
    for name, u, size in (("y", y, n), ("weight", weight, n), ("offset", offset, n), ("q", q, n),
                          ("z", z, n), ("mu", mu, n), ("v", v, rows.n_columns),
                          ("d", d, rows.n_columns)):
        expect_length(name, u, size)
    for i in range(m):
        if not 0 <= live[i] < n:
            raise ValueError(f"live: expected numbers from 0 to {n - 1}; got {live[i]}")
    if m < 1:
        raise ValueError("live: expected at least one row")
    cdef int32_t[::1] order = arange((m + BLOCK - 1) // BLOCK, dtype=int32)
    r.a = &rows.s
    r.kernels = &fr_active().real[rows.s.real]
    r.y, r.s, r.offset, r.d, r.q = &y[0], &weight[0], pointer(offset), pointer(d), &q[0]
    r.z, r.mu, r.v = &z[0], &mu[0], &v[0]
    r.unit, r.rho, r.b, r.least = unit, rho, b, 0.0
    with nogil:
        while used < most:
            seed = shuffle(&order[0], order.shape[0], seed)
            status = take_pass(&r, live, order)
            if status:
                break
            used += 1
            for k in range(WINDOW):
                gains[k] = gains[k + 1]
            gains[WINDOW] = r.gain
            if r.gain == 0:
                break
            if used == 1:
                continue
            pace = r.gain / gains[WINDOW - 1]
            if not pace < 1:
                r.least = 0.0
                continue
            left = r.gain * pace / (1.0 - pace)
            if left <= goal:
                break
            r.least = SKIP * r.gain * pace / m
            if used >= FIRST:
                pace = pow(r.gain / gains[0], 1.0 / WINDOW)
                if not pace < 1 or used + log(goal / left) / log(pace) > 2 * most:
                    break
    check(status)
    return r.b, used, seed


cdef int expect_rows(Matrix rows) except -1:
    if not rows.is_sparse or rows.s.by_column:
        raise ValueError("rows: expected sparse data, stored by rows")
    return 0
