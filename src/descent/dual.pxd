"""Objective, dual value and screening.

With r = y - A w and g = A'Sr, the dual at t r is, for any t,

    D(t) = t y'Sr - t^2 r'Sr / 2 - sum_j h*_j(t g_j),   h*_j(v) = max_x v x - h_j(x),

which needs no feasibility where l2_j > 0 or the bounds are finite; elsewhere |t g_j| <= l1_j. A
feature without any penalty needs g_j = 0, which Newton steps achieve up to round-off.
"""

from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int32_t

from penalty cimport Penalty, conjugate, scale_within

from fastridge._descent cimport Descent, Products


cdef inline Penalty penalty_of(Descent q, Py_ssize_t j) noexcept nogil:
    cdef Penalty h
    cdef Py_ssize_t k = j * q.stride
    h.l1 = q.l1[k]
    h.l2 = q.l2[k]
    h.lower = q.lower[j] if q.has_lower else -INFINITY
    h.upper = q.upper[j] if q.has_upper else INFINITY
    return h


cdef inline double slack_of(Descent q, Py_ssize_t j) noexcept nogil:
    """Return the round-off of g_j, for features without a penalty."""
    return 1e-11 * sqrt(q.square[j] * q.yy)


cdef inline double penalty_value(Descent q) noexcept nogil:
    """Return sum_j h_j(w_j)."""
    cdef double total = 0.0, w
    cdef Py_ssize_t j
    for j in range(q.m):
        w = q.w[j]
        if w != 0:
            total += q.l1[j] * fabs(w) + 0.5 * q.l2[j] * w * w
    return total


cdef inline double dual_at(Descent q, const double[::1] g, Products r, double t) noexcept nogil:
    """Return D(t)."""
    cdef double value = t * r.yr - 0.5 * t * t * r.rr
    cdef Py_ssize_t j
    for j in range(q.m):
        value -= conjugate(penalty_of(q, j), t * g[j], slack_of(q, j))
    return value


cdef inline double dual_value(Descent q, const double[::1] g, Products r) noexcept nogil:
    """Return the largest D(t) of a few t; -inf where only t = 0 is feasible."""
    # the best t without conjugates; t is bounded where these become infinite
    cdef double unbounded = max(r.yr / r.rr, 0.0) if r.rr > 0 else 1.0
    cdef double most = max(unbounded, 1.0), best, t
    cdef bint finite = q.has_lower or q.has_upper
    cdef Penalty h
    cdef Py_ssize_t j
    for j in range(q.m):
        h = penalty_of(q, j)
        finite = finite or h.l2 > 0
        most = scale_within(h, g[j], slack_of(q, j), most)
    if not finite:
        t = min(unbounded, most)
        return t * r.yr - 0.5 * t * t * r.rr
    # concave in t: try two candidates, 1 and the t where the last conjugate vanishes
    best = dual_at(q, g, r, min(1.0, most))
    t = most
    for j in range(q.m):
        h = penalty_of(q, j)
        if fabs(g[j]) > h.l1 and h.l1 > 0 and (h.upper > 0 if g[j] > 0 else h.lower < 0):
            t = min(t, h.l1 / fabs(g[j]))
    return max(best, dual_at(q, g, r, t))


cdef inline Py_ssize_t unscreened(Descent q, const double[::1] g, Products r, double objective,
                                  int32_t[::1] list) noexcept nogil:
    """Gap-safe screening by a residual r and any objective.

    List the coordinates that are not 0, or may be non-zero at the minimum; return their number.
    """
    # P and -D are strongly convex: the best residual is at most sqrt(2 gap) from a feasible t r
    cdef double t = 1.0, radius
    cdef Py_ssize_t j, count = 0
    cdef Penalty h
    for j in range(q.m):
        t = scale_within(penalty_of(q, j), g[j], slack_of(q, j), t)
    radius = sqrt(2 * max(objective - dual_at(q, g, r, t), 0.0))
    for j in range(q.m):
        h = penalty_of(q, j)
        if q.w[j] != 0 or not (
            h.lower <= 0 and h.upper >= 0
            and t * fabs(g[j]) + radius * sqrt(q.square[j]) < (1 - 1e-12) * h.l1
        ):
            list[count] = <int32_t> j
            count += 1
    return count
