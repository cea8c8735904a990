"""Newton steps on the support T: d = (A_T'S A_T + D)^-1 rhs, by a factor that follows the support,
or by conjugate gradients.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t
from libc.stdlib cimport qsort

from c_dense cimport fr_cholesky_from, fr_cholesky_remove, fr_cholesky_solve_in
from columns cimport add_rows, gram_times
from primitives cimport FR_DOUBLE
from runtime cimport before_gil, fr_poll

from fastridge._descent cimport Descent, Ranked, Support


cdef extern from "cholesky.h" nogil:
    # square root of the pivot of a column that depends on those before it
    double FR_DROPPED

cdef extern from "constants.h" nogil:
    double FINE, CG_EXACT, KEEP, KEEP_DAMPED, NEAR_L2
    int CG_STEPS, CG_EXACT_STEPS, ROTATION


cdef inline double added(Descent q, Py_ssize_t j) noexcept nogil:
    """Return D_j, the addition to the diagonal of the support's Gram matrix.

    There is no damping where l2 is as large, so that the step is exact, nor for features without a
    penalty, whose gradient a step has to make zero.
    """
    if q.l1[j] > 0 or q.l2[j] > 0:
        return max(q.l2[j], q.damping * q.square[j])
    return max(q.l2[j], 0.0)


# the factor

cdef struct Change:
    # coordinates before the first that leaves, those that leave, and whether a dropped one stays
    Py_ssize_t kept, leaving
    bint dropped
    # whether the l2 of those that stay is that of the factor, exactly or nearly
    bint exact, near


cdef inline int compare_keys(const void *x, const void *y) noexcept nogil:
    cdef const Ranked *a = <const Ranked *> x
    cdef const Ranked *b = <const Ranked *> y
    if a.key != b.key:
        return 1 if a.key < b.key else -1
    return -1 if a.place < b.place else a.place > b.place


cdef inline Change compare_support(Descent q, Support s) noexcept nogil:
    """Compare the factor with the marked support; s.gone: leaving coordinates, by place."""
    cdef Change found
    cdef Py_ssize_t i, j
    cdef double change
    found.kept = s.size
    found.leaving = 0
    found.exact = found.near = True
    found.dropped = False
    for i in range(s.size):
        j = s.order[i]
        s.gone[i] = not s.mark[j]
        if s.gone[i]:
            if not found.leaving:
                found.kept = i
            found.leaving += 1
            continue
        change = fabs(q.l2[j] - s.l2[i])
        found.exact = found.exact and change <= 1e-14 * s.diagonal[i]
        found.near = found.near and change <= NEAR_L2 * min(q.l2[j], s.l2[i])
        found.dropped = found.dropped or not s.u[i, i] < FR_DROPPED
    return found


cdef inline int remove_gone(Support s, Py_ssize_t leaving) noexcept nogil:
    """Remove `gone` coordinates from the factor."""
    cdef int status = fr_cholesky_remove(&s.u[0, 0], s.capacity, s.size, &s.gone[0], leaving)
    cdef Py_ssize_t i, to = 0
    for i in range(s.size):
        if not s.gone[i]:
            s.order[to] = s.order[i]
            s.l2[to] = s.l2[i]
            s.diagonal[to] = s.diagonal[i]
            to += 1
    s.size = 0 if status else to
    return status


cdef inline void sort_by_size(Descent q, Ranked *ranked, Py_ssize_t count,
                              const int32_t *coordinates) noexcept nogil:
    """Sort places of coordinates, those far from zero first, as they will leave last."""
    cdef Py_ssize_t i, j
    for i in range(count):
        j = ranked[i].place if coordinates == NULL else coordinates[ranked[i].place]
        ranked[i].key = fabs(q.w[j]) * sqrt(q.square[j])
    qsort(ranked, count, sizeof(Ranked), compare_keys)


cdef inline Py_ssize_t reorder(Descent q, Support s, Py_ssize_t kept) noexcept nogil:
    """Move coordinates that stay but lost their rows of U behind those `kept`; return their end."""
    cdef Py_ssize_t i, r, left = 0
    for i in range(s.size):
        if i >= kept and s.mark[s.order[i]] == 1:
            s.ranked[left].place = <int32_t> i
            left += 1
        s.mark[s.order[i]] = 2
    sort_by_size(q, s.ranked, left, &s.order[0])
    for i in range(left):
        s.old_order[i] = s.order[s.ranked[i].place]
    if left:
        for i in range(kept):
            for r in range(left):
                s.row[r] = s.u[i, s.ranked[r].place]
            for r in range(left):
                s.u[i, kept + r] = s.row[r]
    for i in range(left):
        s.order[kept + i] = s.old_order[i]
    return kept + left


cdef inline int follow(Descent q, Support s, const int32_t *list,
                       Py_ssize_t size) noexcept nogil:
    """Update the factor to the coordinates in list.

    If few coordinates left, remove them from the factor; else keep the rows before the first that
    left.
    """
    cdef Py_ssize_t i, r, kept, fresh, old, count = 0
    cdef Change c
    cdef int status
    before_gil()
    status = s.reserve(size, q.m)
    if status:
        return status
    for i in range(q.m):
        s.mark[i] = 0
    for i in range(size):
        s.mark[list[i]] = 1
    c = compare_support(q, s)
    if not (c.exact or c.near) or s.damping != q.damping:
        c.kept = 0
        c.exact = True
    elif (
        c.leaving and not c.dropped
        and ROTATION * c.leaving < c.kept + (s.size - c.leaving - c.kept) / 3
    ):
        status = remove_gone(s, c.leaving)
        if status:
            return status
        c.kept = s.size
    s.exact = c.exact
    s.damping = q.damping
    kept, old = c.kept, s.size
    fresh = reorder(q, s, kept)
    for i in range(size):
        if s.mark[list[i]] == 1:
            s.ranked[count].place = list[i]
            count += 1
    sort_by_size(q, s.ranked, count, NULL)
    for i in range(count):
        s.order[fresh + i] = s.ranked[i].place
    if kept == size and old == size:
        return 0
    for i in range(size):
        for r in range(fresh if i < kept else i, size):
            s.u[i, r] = q.gram[s.order[i], s.order[r]]
        if i >= kept:
            s.l2[i] = q.l2[s.order[i]]
            s.diagonal[i] = q.square[s.order[i]] + added(q, s.order[i])
    s.size = 0
    if kept < size:
        status = fr_cholesky_from(&s.u[0, 0], s.capacity, size, kept, fresh, &s.diagonal[0],
                                  min(KEEP, KEEP_DAMPED * q.damping), True, q.n_threads)
    if not status:
        s.size = size
    return status


# conjugate gradients

cdef inline double dot(Descent q, const double[::1] a, const double[::1] b,
                       Py_ssize_t n) noexcept nogil:
    cdef double total
    q.kernels.real[FR_DOUBLE].dot_rows(&a[0], n, 1, n, NULL, NULL, &b[0], &total)
    return total


cdef inline int precondition(Descent q, const int32_t *list, Py_ssize_t size, double[::1] r,
                             double[::1] z) noexcept nogil:
    """Set z = M^-1 r, by the factor or by the diagonal."""
    cdef Py_ssize_t i
    cdef double d
    if q.has_gram:
        for i in range(size):
            z[i] = r[i]
        return fr_cholesky_solve_in(&q.support.u[0, 0], q.support.capacity, size, &z[0], 1,
                                    q.n_threads)
    for i in range(size):
        d = q.square[list[i]] + q.l2[list[i]]
        z[i] = r[i] / d if d > 0 else 0.0
    return 0


cdef inline void support_times(Descent q, const int32_t *list, Py_ssize_t size, double[::1] v,
                               double[::1] out, double[::1] image) noexcept nogil:
    """Set out = (A_T'S A_T + D) v; with a Gram matrix, image = A'S A_T v, for all coordinates."""
    cdef Py_ssize_t i
    if q.has_gram:
        for i in range(q.m):
            image[i] = 0.0
        add_rows(q, list, size, v, image)
        for i in range(size):
            out[i] = image[list[i]]
    else:
        gram_times(q, list, size, &v[0], &out[0])
    for i in range(size):
        out[i] += added(q, list[i]) * v[i]


cdef inline int conjugate_gradients(Descent q, const int32_t *list, Py_ssize_t size,
                                    double[::1] rhs, double[::1] d) noexcept nogil:
    """Preconditioned conjugate gradients from d = 0; with a Gram matrix, image = A'S A_T d."""
    cdef double[::1] r = q.krylov[0], z = q.krylov[1], p = q.krylov[2], hp = q.krylov[3]
    cdef double[::1] image = q.krylov[4]
    cdef double accuracy = min(q.accuracy, FINE) if q.has_gram else q.accuracy
    cdef int most = CG_EXACT_STEPS if accuracy < CG_EXACT else CG_STEPS
    cdef double rz, first, following, curvature, t, beta
    cdef Py_ssize_t i
    cdef int status, _step
    for i in range(size):
        r[i] = rhs[i]
        d[i] = 0.0
    status = precondition(q, list, size, r, z)
    for i in range(size):
        p[i] = z[i]
    rz = first = dot(q, r, z, size)
    for _step in range(most):
        if status or not rz > accuracy * accuracy * first:
            break
        support_times(q, list, size, p, hp, image)
        curvature = dot(q, p, hp, size)
        if not curvature > 0:
            break
        t = rz / curvature
        for i in range(size):
            d[i] += t * p[i]
            r[i] -= t * hp[i]
        if q.has_gram:
            for i in range(q.m):
                q.image[i] += t * image[i]
        status = precondition(q, list, size, r, z)
        if status:
            break
        following = dot(q, r, z, size)
        beta = following / rz
        rz = following
        for i in range(size):
            p[i] = z[i] + beta * p[i]
        status = fr_poll()
    return status


cdef inline int solve_support(Descent q, Support s) noexcept nogil:
    """Set d = (A_T'S A_T + D)^-1 rhs for the support T; with a Gram matrix, image = A'S A_T d."""
    cdef double[::1] place = q.krylov[5]
    cdef Py_ssize_t i
    cdef int status
    if not q.has_gram:
        return conjugate_gradients(q, &q.list[0], q.size, q.rhs, q.d)
    status = follow(q, s, &q.list[0], q.size)
    if status:
        return status
    # in the order of the factor
    for i in range(q.size):
        place[q.list[i]] = q.rhs[i]
    for i in range(q.size):
        s.row[i] = place[s.order[i]]
    for i in range(q.m):
        q.image[i] = 0.0
    if s.exact:
        status = fr_cholesky_solve_in(&s.u[0, 0], s.capacity, q.size, &s.row[0], 1, q.n_threads)
        add_rows(q, &s.order[0], q.size, s.row, q.image)
    else:
        for i in range(q.size):
            q.d[i] = s.row[i]
        status = conjugate_gradients(q, &s.order[0], q.size, q.d, s.row)
    for i in range(q.size):
        place[s.order[i]] = s.row[i]
    for i in range(q.size):
        q.d[i] = place[q.list[i]]
    return status
