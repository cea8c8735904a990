"""Newton steps of a multi-task elastic net on its support, the s features with w_j != 0.

The problem of the support is smooth: with V (k, s) the coefficients,

    F(V) = <V G, V> / 2 - <C, V> + sum_j (l1_j |v_j| + l2_j |v_j|^2 / 2).

Matrices are stored in C order: k x s in V, D, VG, DG, c, slope, r, Mr, p, Hp, U, T, TG, and s x s
in gs (which is G), factor, inverse and small.
"""

from libc.math cimport fabs, fmax, fmin, isfinite, sqrt
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from c_dense cimport FR_UNSTABLE, fr_cholesky, fr_cholesky_solve
from runtime cimport FR_INTERRUPTED, fr_poll

from fastridge._groups cimport GroupDescent


cdef extern from "group_constants.h" nogil:
    int HALVINGS, BISECTIONS, EXACT_ITERATIONS, ROUGH_ITERATIONS
    double ROUND_OFF, NOTHING, SETTLED, ENOUGH, SMALL, ACCURACY, DEPENDENT
    double LEAST_DAMPING, MORE_DAMPING, MOST_DAMPING

cdef enum:
    # result of a search: nothing, coefficients, or coefficients of which some became zero
    FAILED, MOVED, SHRUNK


cdef inline Py_ssize_t find_support(GroupDescent q) noexcept nogil:
    """List the features with w_j != 0; return their number."""
    cdef Py_ssize_t t, j, count = 0
    for j in range(q.m):
        for t in range(q.k):
            if q.w[t, j] != 0:
                q.list[count] = <int32_t> j
                count += 1
                break
    return count


cdef inline void drop_noise(GroupDescent q) noexcept nogil:
    """Set coefficients that are round-off to zero: their sign changes would stop every step."""
    cdef Py_ssize_t t, j
    cdef double longest = 0
    for j in range(q.m):
        q.size[j] = 0
        for t in range(q.k):
            q.size[j] += q.w[t, j] * q.w[t, j]
        longest = fmax(longest, q.size[j])
    for j in range(q.m):
        if q.size[j] <= NOTHING * NOTHING * longest:
            for t in range(q.k):
                q.w[t, j] = 0


cdef inline int gather(GroupDescent q) noexcept nogil:
    """Copy the problem of the support."""
    cdef Py_ssize_t i, j, t, s
    cdef int status
    drop_noise(q)
    s = q.s = find_support(q)
    status = q.reserve_support()
    if status:
        return status
    q.by_factors = q.k > 1 and s <= q.most_direct
    for i in range(s):
        j = q.list[i]
        q.a[i], q.b[i] = q.l1[j], q.l2[j]
        for t in range(q.k):
            q.V[t * s + i] = q.w[t, j]
            q.c[t * s + i] = q.cross[t, j]
        for t in range(s):
            q.gs[i * s + t] = q.gram[j, q.list[t]]
    return 0


cdef inline void scatter(GroupDescent q) noexcept nogil:
    cdef Py_ssize_t t, i
    for t in range(q.k):
        for i in range(q.s):
            q.w[t, q.list[i]] = q.V[t * q.s + i]


cdef inline void times(GroupDescent q, double[::1] v, double[::1] out) noexcept nogil:
    # out = V G
    cdef Py_ssize_t t, s = q.s
    for t in range(q.k):
        q.loops.dot_rows(&q.gs[0], s, s, s, NULL, NULL, &v[t * s], &out[t * s])


cdef inline double dot(GroupDescent q, double[::1] u, double[::1] v) noexcept nogil:
    cdef double sum
    q.loops.dot_rows(&u[0], q.k * q.s, 1, q.k * q.s, NULL, NULL, &v[0], &sum)
    return sum


cdef inline void lengths(GroupDescent q, double[::1] v) noexcept nogil:
    cdef Py_ssize_t t, i
    for i in range(q.s):
        q.length[i] = 0
    for t in range(q.k):
        for i in range(q.s):
            q.length[i] += v[t * q.s + i] * v[t * q.s + i]
    for i in range(q.s):
        q.length[i] = sqrt(q.length[i])


cdef inline void differentiate(GroupDescent q, double[::1] v, double[::1] vg,
                               double[::1] out) noexcept nogil:
    # V G - C + (l1 / |v| + l2) v
    cdef Py_ssize_t t, i, at
    lengths(q, v)
    for t in range(q.k):
        for i in range(q.s):
            at = t * q.s + i
            out[at] = vg[at] - q.c[at] + (q.a[i] / q.length[i] + q.b[i]) * v[at]


cdef inline double value(GroupDescent q, double[::1] v, double[::1] vg) noexcept nogil:
    # <V G, V> / 2 - <C, V> + sum_j (l1 |v| + l2 |v|^2 / 2)
    cdef double sum = 0
    cdef Py_ssize_t t, i, at
    for t in range(q.k):
        for i in range(q.s):
            at = t * q.s + i
            sum += v[at] * (0.5 * vg[at] - q.c[at])
    lengths(q, v)
    for i in range(q.s):
        sum += q.a[i] * q.length[i] + 0.5 * q.b[i] * q.length[i] * q.length[i]
    return sum


cdef inline int find_direction(GroupDescent q) noexcept nogil:
    """Solve H D = -slope; return 1, or 0 where no D descends.

    H = G x I + blocks (l1 / |v|) (I - u u') + l2 I, u = v / |v|, is M x I minus blocks of
    l1 / |v| u u', M = G + diag(l1 / |v| + l2): one factor for all targets, and one for the
    coordinates along u.
    """
    cdef Py_ssize_t t, i, s = q.s
    cdef double damping = LEAST_DAMPING
    cdef int status
    lengths(q, q.V)
    for i in range(s):
        # with a single target the norm is linear on each half-line: no curvature
        q.bend[i] = q.a[i] / q.length[i] if q.k > 1 else 0.0
        q.root[i] = sqrt(q.bend[i])
        for t in range(q.k):
            q.U[t * s + i] = q.V[t * s + i] / q.length[i]
    while damping <= MOST_DAMPING:
        for i in range(s):
            q.diagonal[i] = q.gs[i * s + i] + q.bend[i] + q.b[i]
            q.extra[i] = damping * q.diagonal[i]
            q.diagonal[i] += q.extra[i]
        memcpy(&q.factor[0], &q.gs[0], s * s * sizeof(double))
        status = fr_cholesky(&q.factor[0], s, &q.diagonal[0], 0.5 * damping, q.n_threads)
        damping *= MORE_DAMPING
        if status == FR_UNSTABLE:
            continue
        if status:
            return status
        if q.by_factors:
            status = factor_along(q)
            if status:
                return status
        status = conjugate_gradients(q)
        if status:
            return status
    return 0


cdef inline int factor_along(GroupDescent q) noexcept nogil:
    """Factor S = I - root U'M^-1 U root, root^2 = l1 / |v|, for the coordinates along u."""
    cdef Py_ssize_t t, i, j, s = q.s
    cdef double along
    cdef int status
    for i in range(s * s):
        q.inverse[i] = 0
    for i in range(s):
        q.inverse[i * s + i] = 1
    status = fr_cholesky_solve(&q.factor[0], s, &q.inverse[0], s, q.n_threads)
    if status:
        return status
    for i in range(s):
        for j in range(i, s):
            q.small[i * s + j] = 0
        for t in range(q.k):
            along = q.U[t * s + i]
            for j in range(i, s):
                q.small[i * s + j] += along * q.U[t * s + j]
        for j in range(i, s):
            q.small[i * s + j] *= -q.root[i] * q.root[j] * q.inverse[i * s + j]
        q.diagonal[i] = q.small[i * s + i] + 1
    status = fr_cholesky(&q.small[0], s, &q.diagonal[0], DEPENDENT, q.n_threads)
    if status == FR_UNSTABLE:
        # too much cancellation: use only M
        q.by_factors = False
        return 0
    return status


cdef inline int precondition(GroupDescent q) noexcept nogil:
    """Set Mr = H^-1 r, or M^-1 r."""
    cdef Py_ssize_t t, i, at, s = q.s
    cdef int status
    memcpy(&q.Mr[0], &q.r[0], q.k * s * sizeof(double))
    status = fr_cholesky_solve(&q.factor[0], s, &q.Mr[0], q.k, q.n_threads)
    if status or not q.by_factors:
        return status
    # H^-1 r = z + M^-1 U root S^-1 root U'z, z = M^-1 r, S = I - root U'M^-1 U root
    for i in range(s):
        q.y[i] = 0
        for t in range(q.k):
            q.y[i] += q.U[t * s + i] * q.Mr[t * s + i]
        q.y[i] *= q.root[i]
    status = fr_cholesky_solve(&q.small[0], s, &q.y[0], 1, q.n_threads)
    if status:
        return status
    for t in range(q.k):
        for i in range(s):
            q.Hp[t * s + i] = q.U[t * s + i] * q.root[i] * q.y[i]
    status = fr_cholesky_solve(&q.factor[0], s, &q.Hp[0], q.k, q.n_threads)
    for at in range(q.k * s):
        q.Mr[at] += q.Hp[at]
    return status


cdef inline void curve(GroupDescent q, double[::1] v, double[::1] out) noexcept nogil:
    # out = (H + damping * diagonal) V
    cdef Py_ssize_t t, i, at, s = q.s
    times(q, v, out)
    for i in range(s):
        q.y[i] = 0
        for t in range(q.k):
            q.y[i] += q.U[t * s + i] * v[t * s + i]
    for t in range(q.k):
        for i in range(s):
            at = t * s + i
            out[at] += (q.b[i] + q.extra[i]) * v[at]
            out[at] += q.bend[i] * (v[at] - q.U[at] * q.y[i])


cdef inline int conjugate_gradients(GroupDescent q) noexcept nogil:
    """Solve H D = -slope; return 1, or 0 where D does not descend."""
    cdef Py_ssize_t at, n = q.k * q.s
    cdef double rq, first, last, curvature, step
    cdef int _i, status
    cdef int most = EXACT_ITERATIONS if q.by_factors or q.k == 1 else ROUGH_ITERATIONS
    for at in range(n):
        q.D[at] = 0
        q.r[at] = -q.slope[at]
    status = precondition(q)
    if status:
        return status
    memcpy(&q.p[0], &q.Mr[0], n * sizeof(double))
    rq = first = dot(q, q.r, q.Mr)
    for _i in range(most):
        curve(q, q.p, q.Hp)
        curvature = dot(q, q.p, q.Hp)
        if not curvature > 0:
            break
        step = rq / curvature
        for at in range(n):
            q.D[at] += step * q.p[at]
            q.r[at] -= step * q.Hp[at]
        status = precondition(q)
        if status:
            return status
        last = rq
        rq = dot(q, q.r, q.Mr)
        if not rq > ACCURACY * first:
            break
        for at in range(n):
            q.p[at] = q.Mr[at] + (rq / last) * q.p[at]
        if fr_poll():
            return FR_INTERRUPTED
    curvature = dot(q, q.D, q.slope)
    return curvature < 0 and isfinite(curvature)


cdef inline bint try_step(GroupDescent q, double t, bint only_small) noexcept nogil:
    """Set T = V + t D, with 0 for reversed, or only small, columns; return whether some are."""
    cdef Py_ssize_t i, j, s = q.s
    cdef double along, before, after, old, new, back
    cdef bint some = False
    for i in range(q.k * s):
        q.T[i] = q.V[i] + t * q.D[i]
        q.TG[i] = q.VG[i] + t * q.DG[i]
    for i in range(s):
        along = before = after = 0
        for j in range(q.k):
            old, new = q.V[j * s + i], q.T[j * s + i]
            along += old * new
            before += old * old
            after += new * new
        if along > 0 if not only_small else after > SMALL * SMALL * before:
            continue
        some = True
        for j in range(q.k):
            back = -q.T[j * s + i]
            q.loops.axpy_rows(&q.gs[i * s], s, 1, s, NULL, NULL, &back, &q.TG[j * s])
            q.T[j * s + i] = 0
    return some


cdef inline int search(GroupDescent q) noexcept nogil:
    """Set T to a point along V + t D with a lower objective.

    First try with features whose direction reverses set to 0, then minimise on the line itself,
    whose minimum often is near the first such zero.
    """
    cdef double first = dot(q, q.D, q.slope), start = value(q, q.V, q.VG)
    cdef double noise = ROUND_OFF * fabs(start), t = 1.0, found
    cdef Py_ssize_t i
    cdef int _i
    cdef bint zeroed
    times(q, q.D, q.DG)
    q.whole = False
    if -first <= 20 * noise:
        return accept_flat(q)
    for _i in range(HALVINGS):
        zeroed = try_step(q, t, False)
        found = value(q, q.T, q.TG)
        if found < fmin(start + ENOUGH * t * first, start - noise):
            q.decrease = start - found
            if zeroed:
                return SHRUNK
            q.whole = t == 1.0
            q.settled = q.whole and is_small(q)
            return MOVED
        t *= 0.5
    t = line_minimum(q)
    zeroed = try_step(q, t, True)
    found = value(q, q.T, q.TG)
    if zeroed and found > start + noise:
        zeroed = False
        for i in range(q.k * q.s):
            q.T[i] = q.V[i] + t * q.D[i]
            q.TG[i] = q.VG[i] + t * q.DG[i]
        found = value(q, q.T, q.TG)
    q.decrease = start - found
    # a smaller support is progress too: there are finitely many
    if zeroed:
        return SHRUNK
    return MOVED if found < start - noise else FAILED


cdef inline double line_minimum(GroupDescent q) noexcept nogil:
    """Return the t up to 1 that minimises the objective along V + t D, which is convex in t."""
    cdef double low = 0, high = 1, t, longest = 0, step = 0
    cdef Py_ssize_t at
    cdef int _i
    for at in range(q.k * q.s):
        longest = fmax(longest, fabs(q.V[at]))
        step = fmax(step, fabs(q.D[at]))
    if step > longest:
        # a step along a direction of little curvature may be very long
        high = longest / step
        while high < 1 and not rises(q, high):
            low, high = high, 2 * high
    for _i in range(BISECTIONS):
        t = 0.5 * (low + high)
        if rises(q, t):
            high = t
        else:
            low = t
    return t


cdef inline bint rises(GroupDescent q, double t) noexcept nogil:
    # d/dt of the objective: <D, V G + t D G - C> + sum_j (l1 / |v| + l2) d'v at v + t d
    cdef Py_ssize_t i, j, at
    cdef double sum = 0, along, length, d, v
    for i in range(q.s):
        along = length = 0
        for j in range(q.k):
            at = j * q.s + i
            d = q.D[at]
            v = q.V[at] + t * d
            sum += d * (q.VG[at] + t * q.DG[at] - q.c[at])
            along += d * v
            length += v * v
        if length > 0:
            sum += (q.a[i] / sqrt(length) + q.b[i]) * along
    return sum >= 0


cdef inline int accept_flat(GroupDescent q) noexcept nogil:
    """Accept the full step where the objective is flat up to round-off but the derivative falls."""
    cdef double before = dot(q, q.slope, q.slope)
    q.decrease = 0
    if try_step(q, 1.0, False):
        return SHRUNK if value(q, q.T, q.TG) <= value(q, q.V, q.VG) else FAILED
    differentiate(q, q.T, q.TG, q.Mr)
    q.settled = is_small(q)
    if dot(q, q.Mr, q.Mr) < 0.25 * before:
        return MOVED
    q.settled = True
    return FAILED


cdef inline bint is_small(GroupDescent q) noexcept nogil:
    """Return whether the error of the next point, about the step's square, is round-off."""
    cdef Py_ssize_t i, t, s = q.s
    cdef double step, length
    for i in range(s):
        step = length = 0
        for t in range(q.k):
            step += q.D[t * s + i] * q.D[t * s + i]
            length += q.V[t * s + i] * q.V[t * s + i]
        if step > SETTLED * SETTLED * length:
            return False
    return True


cdef inline int newton_step(GroupDescent q) noexcept nogil:
    """Take a step from V; return FAILED, MOVED or SHRUNK, or a status."""
    cdef int found
    times(q, q.V, q.VG)
    differentiate(q, q.V, q.VG, q.slope)
    found = find_direction(q)
    if found <= 0:
        return found
    found = search(q)
    if found != FAILED:
        memcpy(&q.V[0], &q.T[0], q.k * q.s * sizeof(double))
    return found
