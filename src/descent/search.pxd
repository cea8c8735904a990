"""Line search along the projected path of a step d: w(t) = w + t d, on which each coordinate stays
at its border once it reaches it.

With r the stored residual at w, that at w(t) is r + t ahead + passed; with a Gram matrix the
gradient is g - t image - passed. `passed` belongs to the coordinates that have reached their
borders.
"""

from libc.math cimport INFINITY, isfinite, isinf
from libc.stdint cimport int32_t
from libc.stdlib cimport qsort

from columns cimport add_row, all_gradients, column_add, column_dot
from dual cimport penalty_of
from penalty cimport Penalty, clip
from runtime cimport fr_poll

from fastridge._descent cimport Border, Descent


cdef struct PathPoint:
    # t, and slope and curvature of the objective at w(t) along the rest of d
    double t, slope, curvature
    # levels of the stored residuals `ahead` and `passed`, by columns
    double ahead_level, passed_level


cdef inline void side_limits(Descent s, Py_ssize_t j, double *lower, double *upper) noexcept nogil:
    """Set the half-line or interval that coordinate j of the support is on."""
    cdef Penalty h = penalty_of(s, j)
    lower[0] = max(h.lower, 0.0) if h.l1 > 0 and s.side[j] > 0 else h.lower
    upper[0] = min(h.upper, 0.0) if h.l1 > 0 and s.side[j] < 0 else h.upper


cdef inline int compare_borders(const void *x, const void *y) noexcept nogil:
    cdef const Border *a = <const Border *> x
    cdef const Border *b = <const Border *> y
    if a.stop != b.stop:
        return -1 if a.stop < b.stop else 1
    return -1 if a.place < b.place else a.place > b.place


cdef inline void sort_borders(Border *borders, Py_ssize_t count) noexcept nogil:
    """Sort by `stop`, the nearest first."""
    qsort(borders, count, sizeof(Border), compare_borders)


cdef inline Py_ssize_t find_borders(Descent s) noexcept nogil:
    """Find the borders that coordinates meet along d, nearest first; return their number."""
    cdef Py_ssize_t i, j, count = 0
    cdef double lower, upper, d, to
    for i in range(s.size):
        j = s.list[i]
        side_limits(s, j, &lower, &upper)
        d = s.d[i]
        to = upper if d > 0 else lower
        if d != 0 and isfinite(to):
            s.borders[count].stop = max((to - s.w[j]) / d, 0.0)
            s.borders[count].up = d > 0
            s.borders[count].place = <int32_t> i
            count += 1
    sort_borders(s.borders, count)
    return count


cdef inline double image_at(Descent s, const PathPoint *b, Py_ssize_t j) noexcept nogil:
    """Return a_j'S A d for the rest of d."""
    if s.has_gram:
        return s.image[j]
    return -column_dot(s, j, &s.ahead_residual[0], b.ahead_level)


cdef inline double passed_at(Descent s, const PathPoint *b, Py_ssize_t j) noexcept nogil:
    if s.has_gram:
        return s.passed[j]
    return -column_dot(s, j, &s.passed_residual[0], b.passed_level)


cdef inline void set_derivatives(Descent s, PathPoint *b) noexcept nogil:
    """Set slope and curvature of the objective at w(t), along the rest of d."""
    cdef Py_ssize_t i, j
    cdef double d, image
    b.slope = b.curvature = 0.0
    for i in range(s.size):
        d = s.d[i]
        if d == 0:
            continue
        j = s.list[i]
        image = image_at(s, b, j) + s.l2[j] * d
        b.slope += d * (b.t * image + passed_at(s, b, j) - s.rhs[i])
        b.curvature += d * image
    b.curvature = max(b.curvature, 0.0)


cdef inline int open_path(Descent s, PathPoint *b) noexcept nogil:
    cdef Py_ssize_t i, n
    cdef int status
    b.t = b.ahead_level = b.passed_level = 0.0
    if s.has_gram:
        for i in range(s.m):
            s.passed[i] = 0.0
        return 0
    n = s.a.n_minor
    for i in range(n):
        s.ahead_residual[i] = 0.0
    for i in range(n):
        s.passed_residual[i] = 0.0
    for i in range(s.size):
        if s.d[i] != 0:
            b.ahead_level += column_add(s, s.list[i], -s.d[i], &s.ahead_residual[0])
        if i % 256 == 255:
            status = fr_poll()
            if status:
                return status
    return 0


cdef inline void leave_at_border(Descent s, PathPoint *b, Py_ssize_t i) noexcept nogil:
    """Fix a coordinate, by its place in the list, at the border that it has reached."""
    cdef Py_ssize_t j = s.list[i]
    cdef double d = s.d[i], image = image_at(s, b, j) + s.l2[j] * d, rest
    # derivatives of the coordinate's own terms
    b.slope -= d * (b.t * image + passed_at(s, b, j) - s.rhs[i])
    rest = b.curvature - 2 * d * image + d * d * (s.square[j] + s.l2[j])
    if s.has_gram:
        add_row(s, j, -d, s.image)
        add_row(s, j, b.t * d, s.passed)
    else:
        b.ahead_level += column_add(s, j, d, &s.ahead_residual[0])
        b.passed_level += column_add(s, j, -b.t * d, &s.passed_residual[0])
    s.d[i] = 0.0
    if rest > 1e-6 * b.curvature:
        b.curvature = rest
    else:
        # the rest is mostly round-off of cancellation
        set_derivatives(s, b)


cdef inline int search_projected_path(Descent s, bint *whole) noexcept nogil:
    """Go along the projected path of d to the first minimum of the objective, which is piecewise
    quadratic. s.rhs is the negative gradient on the support, d a descent direction.

    whole: set to whether the step was about 1 or more, and met no border.
    """
    cdef Py_ssize_t count = find_borders(s), taken = 0, i, j, n
    cdef double stop, lower, upper
    cdef PathPoint b
    cdef int status = open_path(s, &b)
    if status:
        return status
    set_derivatives(s, &b)
    while b.slope < 0:
        stop = s.borders[taken].stop if taken < count else INFINITY
        if b.slope + b.curvature * (stop - b.t) >= 0 or isinf(stop):
            # take a full step where the curvature is only round-off
            b.t = b.t - b.slope / b.curvature if b.curvature > 0 else max(b.t, 1.0)
            break
        b.slope += b.curvature * (stop - b.t)
        b.t = stop
        leave_at_border(s, &b, s.borders[taken].place)
        taken += 1
        if taken % 64 == 63:
            status = fr_poll()
            if status:
                return status
    whole[0] = not taken and b.t >= 0.5
    for i in range(s.size):
        if s.d[i] != 0:
            j = s.list[i]
            side_limits(s, j, &lower, &upper)
            s.w[j] = clip(s.w[j] + b.t * s.d[i], lower, upper)
    for i in range(taken):
        j = s.list[s.borders[i].place]
        side_limits(s, j, &lower, &upper)
        s.w[j] = upper if s.borders[i].up else lower
    if s.has_gram:
        for j in range(s.m):
            s.g[j] -= b.t * s.image[j] + s.passed[j]
        return 0
    n = s.a.n_minor
    for i in range(n):
        s.residual[i] += b.t * s.ahead_residual[i] + s.passed_residual[i]
    s.level += b.t * b.ahead_level + b.passed_level
    return all_gradients(s)
