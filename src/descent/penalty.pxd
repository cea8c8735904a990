"""The penalty of one coordinate: h(x) = l1 |x| + l2 x^2 / 2 on [lower, upper]."""

from libc.math cimport INFINITY, fabs, isinf


cdef struct Penalty:
    double l1, l2, lower, upper


cdef inline double soft_threshold(double v, double l1) noexcept nogil:
    return v - l1 if v > l1 else v + l1 if v < -l1 else 0.0


cdef inline double clip(double x, double lower, double upper) noexcept nogil:
    return lower if x < lower else upper if x > upper else x


cdef inline double prox(Penalty h, double z, double q) noexcept nogil:
    """Return argmin_x q x^2 / 2 - z x + h(x)."""
    cdef double u = soft_threshold(z, h.l1)
    return clip(0.0 if u == 0 else u / (q + h.l2), h.lower, h.upper)


cdef inline double conjugate(Penalty h, double v, double slack) noexcept nogil:
    """Return h*(v) = max_x v x - h(x); for unbounded x, v up to `slack` counts as 0."""
    cdef double u = soft_threshold(v, h.l1), x = 0.0
    if u != 0:
        x = u / h.l2 if h.l2 > 0 else INFINITY if u > 0 else -INFINITY
    x = clip(x, h.lower, h.upper)
    if isinf(x):
        if fabs(u) > slack:
            return INFINITY
        x = clip(0.0, h.lower, h.upper)
    return v * x - (h.l1 * fabs(x) + 0.5 * h.l2 * x * x)


cdef inline double scale_within(Penalty h, double v, double slack, double most) noexcept nogil:
    """Return the largest t <= most with h*(t v) finite."""
    if h.l2 > 0 or fabs(most * v) <= h.l1 + slack or not isinf(h.upper if v > 0 else h.lower):
        return most
    return (h.l1 if h.l1 > 0 else slack) / fabs(v)


cdef inline int direction_of(Penalty h, double x, double z, double slack) noexcept nogil:
    """Return the sign in which the objective falls from x, z = g - l2 x; 0: x is optimal."""
    if x < h.upper and z - (h.l1 if x >= 0 else -h.l1) > slack:
        return 1 if x >= 0 else -1
    if x > h.lower and z - (h.l1 if x > 0 else -h.l1) < -slack:
        return 1 if x > 0 else -1
    return 0
