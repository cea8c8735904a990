"""Steps of coordinate descent: sweeps, Newton steps on the support with exchanges, safe steps, and
extrapolation; and the best point so far, with the dual point.
"""

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from columns cimport add_row, add_rows, all_gradients, column_gradient, move, some_gradients
from dual cimport dual_value, penalty_of, penalty_value, slack_of, unscreened
from extrapolation cimport extrapolation_weights
from penalty cimport Penalty, clip, direction_of, prox
from runtime cimport fr_poll
from search cimport search_projected_path, side_limits, sort_borders
from support cimport solve_support

from fastridge._descent cimport HISTORY, Descent, Products


cdef extern from "constants.h" nogil:
    double MOST_RISE, SETTLED, ROUND_OFF, ENTRY_SLACK, GOLDEN_SECTION, LESS_DAMPING, LEAST_DAMPING
    int MIXTURES

cdef enum:
    # saved points
    BEFORE_STEP = 0, BEST = 1
    # mark of a coordinate that a step put on its border
    LEFT = 2
    # status of a step to the best point so far
    IMPROVED = 1


# the best point and the dual point

cdef inline Products products_of(Descent q, const double[::1] w, const double[::1] g,
                                 double *terms) noexcept nogil:
    """Return y'Sr and r'Sr for w, whose gradient is g; terms: the size of the summed terms."""
    cdef Products r
    cdef double cw = 0.0, gw = 0.0, c, size = q.yy
    cdef Py_ssize_t j
    for j in range(q.m):
        if w[j] != 0:
            c = q.cross[j] * w[j]
            cw += c
            gw += g[j] * w[j]
            size += fabs(c)
    r.yr = q.yy - cw
    r.rr = max(r.yr - gw, 0.0)
    terms[0] = size
    return r


cdef inline Products mixture(Descent q, Products r, double both, double c) noexcept nogil:
    """Return sums of (1 - c) r_dual + c r; its gradient goes to q.between; both: r_dual'Sr."""
    cdef Products found
    cdef double b = 1 - c
    cdef Py_ssize_t j
    for j in range(q.m):
        q.between[j] = b * q.g_dual[j] + c * q.g[j]
    found.yr = b * q.dual_products.yr + c * r.yr
    found.rr = max(b * b * q.dual_products.rr + 2 * b * c * both + c * c * r.rr, 0.0)
    return found


cdef inline double mixed_dual(Descent q, Products r, double both, double c) noexcept nogil:
    cdef Products found = mixture(q, r, both, c)
    return dual_value(q, q.between, found)


cdef inline void mix_dual(Descent q, Products r) noexcept nogil:
    """Take the best of a few mixtures of the residuals of w_dual and w as the dual point.

    Where these violate different constraints, a mixture needs less scaling to be feasible. The dual
    value is quasi-concave in the share c.
    """
    cdef double both = r.yr, low = 0.0, high = 1.0, best = 0.0, most = q.dual
    cdef double[2] c, value
    cdef Py_ssize_t i, j, k
    for j in range(q.m):
        if q.w_dual[j] != 0:
            both -= q.w_dual[j] * q.g[j]
    c[0] = 1 - GOLDEN_SECTION
    c[1] = GOLDEN_SECTION
    for k in range(2):
        value[k] = mixed_dual(q, r, both, c[k])
    for i in range(MIXTURES + 1):
        k = value[1] > value[0]
        if value[k] > most:
            most = value[k]
            best = c[k]
        if i == MIXTURES:
            break
        if k:
            low = c[0]
        else:
            high = c[1]
        c[1 - k] = c[k]
        value[1 - k] = value[k]
        if k:
            c[k] = low + GOLDEN_SECTION * (high - low)
        else:
            c[k] = high - GOLDEN_SECTION * (high - low)
        value[k] = mixed_dual(q, r, both, c[k])
    if best == 0:
        return
    q.dual_products = mixture(q, r, both, best)
    for j in range(q.m):
        q.g_dual[j] = q.between[j]
        q.w_dual[j] = (1 - best) * q.w_dual[j] + best * q.w[j]
    q.dual = most


cdef inline double evaluate(Descent q, bint candidate) noexcept nogil:
    """Return P(w); with `candidate`, try its residual as the dual point."""
    cdef double before = q.dual, objective, dual
    cdef Products r = products_of(q, q.w, q.g, &q.terms)
    cdef Py_ssize_t j
    objective = 0.5 * r.rr + penalty_value(q)
    if not candidate:
        return objective
    dual = dual_value(q, q.g, r)
    q.dual_here = max(q.dual_here, dual)
    if (
        q.whole and before > -INFINITY
        and not min(objective, q.objective) - max(dual, before) <= q.tol
    ):
        mix_dual(q, r)
    if dual > q.dual:
        q.dual = dual
        q.dual_products = r
        for j in range(q.m):
            q.w_dual[j] = q.w[j]
            q.g_dual[j] = q.g[j]
    return objective


cdef inline void keep_point(Descent q, int point) noexcept nogil:
    """Save the coefficients and, without a Gram matrix, the residual."""
    cdef Py_ssize_t j
    for j in range(q.m):
        q.point_w[point, j] = q.w[j]
    q.point_level[point] = q.level
    if not q.has_gram:
        for j in range(q.a.n_minor):
            q.point_residual[point, j] = q.residual[j]


cdef inline int restore_point(Descent q, int point) noexcept nogil:
    """Restore a saved point and recompute its gradient: long updates would add round-off."""
    cdef Py_ssize_t j
    cdef int status
    for j in range(q.m):
        q.w[j] = q.point_w[point, j]
    q.level = q.point_level[point]
    if not q.has_gram:
        for j in range(q.a.n_minor):
            q.residual[j] = q.point_residual[point, j]
        return all_gradients(q)
    for j in range(q.m):
        q.g[j] = q.cross[j]
    for j in range(q.m):
        if q.w[j] != 0:
            add_row(q, j, -q.w[j], q.g)
        if j % 256 == 255:
            status = fr_poll()
            if status:
                return status
    return 0


cdef inline int return_to_best(Descent q) noexcept nogil:
    """Restore the best point where this one is worse."""
    cdef int status = 0
    if q.current > q.objective:
        status = restore_point(q, BEST)
        q.current = q.objective
    return status


cdef inline bint value_point(Descent q, bint candidate) noexcept nogil:
    """Evaluate this point, and save it if it is the best so far; return whether it is."""
    q.current = evaluate(q, candidate)
    if not q.current <= q.objective + ROUND_OFF * q.terms:
        return False
    q.objective = q.current
    keep_point(q, BEST)
    return True


# sweeps

cdef inline void shuffle(Descent q, int32_t[::1] list, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef int32_t t
    for i in range(count - 1, 0, -1):
        q.random ^= q.random << 13
        q.random ^= q.random >> 7
        q.random ^= q.random << 17
        k = <Py_ssize_t> (q.random % <unsigned long long> (i + 1))
        t = list[i]
        list[i] = list[k]
        list[k] = t


cdef inline int sweep(Descent q, int32_t[::1] list, Py_ssize_t count) noexcept nogil:
    """One pass of coordinate descent over a list:

        w_j = argmin_x square_j x^2 / 2 - (g_j + square_j w_j) x + h_j(x)
    """
    cdef Py_ssize_t i, j
    cdef double before, x
    cdef int status
    if q.random:
        shuffle(q, list, count)
    for i in range(count):
        j = list[i]
        if not q.has_gram:
            q.g[j] = column_gradient(q, j)
        before = q.w[j]
        x = prox(penalty_of(q, j), q.g[j] + q.square[j] * before, q.square[j])
        if x != before:
            move(q, j, x - before)
            q.w[j] = x
        if i % 256 == 255:
            status = fr_poll()
            if status:
                return status
    return 0


cdef inline int take_sweeps(Descent q) noexcept nogil:
    """Sweep over all coordinates that may enter, then over the support; save the iterates."""
    cdef Py_ssize_t j, count = q.m
    cdef int status = return_to_best(q), i
    if status:
        return status
    if q.dual > -INFINITY:
        count = unscreened(q, q.g_dual, q.dual_products, q.objective, q.order)
    else:
        for j in range(count):
            q.order[j] = <int32_t> j
    status = sweep(q, q.order, count)
    for i in range(HISTORY - 1):
        if status:
            return status
        for j in range(q.m):
            q.past[i, j] = q.w[j]
        find_support(q)
        status = sweep(q, q.list, q.size)
    if not status:
        status = all_gradients(q)
    if status:
        return status
    for j in range(q.m):
        q.past[HISTORY - 1, j] = q.w[j]
    value_point(q, True)
    return 0


# the support

cdef inline void find_support(Descent q) noexcept nogil:
    """List the coordinates that a Newton step moves: those inside a half-line or without a kink."""
    cdef Py_ssize_t j
    cdef Penalty h
    cdef double w
    q.size = 0
    for j in range(q.m):
        h = penalty_of(q, j)
        w = q.w[j]
        if not (w > h.lower and w < h.upper):
            q.side[j] = 0
        elif w != 0:
            q.side[j] = 1 if w > 0 else -1
        else:
            q.side[j] = h.l1 == 0 and q.square[j] > 0
        if q.side[j]:
            q.list[q.size] = <int32_t> j
            q.size += 1


cdef inline int entering_side(Descent q, Py_ssize_t j, double g) noexcept nogil:
    """Return the sign with which coordinate j enters the support at gradient g, or 0."""
    cdef Penalty h = penalty_of(q, j)
    return direction_of(h, q.w[j], g - q.l2[j] * q.w[j], ENTRY_SLACK * h.l1 + slack_of(q, j))


cdef inline void exchange(Descent q, const double[::1] g) noexcept nogil:
    """Set the support to coordinates that stayed on their half-lines and those that enter."""
    cdef Py_ssize_t j
    q.size = 0
    for j in range(q.m):
        if q.side[j] == LEFT:
            q.side[j] = 0
        elif not q.side[j]:
            q.side[j] = <signed char> entering_side(q, j, g[j])
        if q.side[j]:
            q.list[q.size] = <int32_t> j
            q.size += 1


cdef inline void enter(Descent q, Py_ssize_t most) noexcept nogil:
    """Add to the support the `most` coordinates with the largest gains."""
    cdef Py_ssize_t j, k, count = 0
    cdef double pull
    cdef int to
    for j in range(q.m):
        to = 0 if q.side[j] else entering_side(q, j, q.g[j])
        if to:
            pull = q.g[j] - q.l2[j] * q.w[j] - to * q.l1[j]
            q.borders[count].stop = -pull * pull / (q.square[j] + q.l2[j])
            q.borders[count].up = to > 0
            q.borders[count].place = <int32_t> j
            count += 1
    if count > most:
        sort_borders(q.borders, count)
    for k in range(min(count, most)):
        j = q.borders[k].place
        q.side[j] = 1 if q.borders[k].up else -1
        q.list[q.size] = <int32_t> j
        q.size += 1


cdef inline Py_ssize_t clip_support(Descent q) noexcept nogil:
    """Clip coordinates that left their half-lines or bounds; return their number."""
    cdef Py_ssize_t i, j, leaving = 0
    cdef double lower, upper, w, to
    for i in range(q.size):
        j = q.list[i]
        side_limits(q, j, &lower, &upper)
        w = q.w[j]
        to = clip(w, lower, upper)
        if to == w and (q.l1[j] == 0 or w != 0):
            continue
        leaving += 1
        q.side[j] = LEFT
        if to != w:
            move(q, j, to - w)
        q.w[j] = to
    return leaving


# steps on the support

cdef inline void set_right_side(Descent q) noexcept nogil:
    """Compute the negative gradient on the support."""
    cdef Py_ssize_t i, j
    for i in range(q.size):
        j = q.list[i]
        q.rhs[i] = q.g[j] - q.l2[j] * q.w[j] - q.l1[j] * q.side[j]


cdef inline int move_along(Descent q) noexcept nogil:
    """Do w += d for the coordinates of the step."""
    cdef Py_ssize_t i, j
    cdef int status
    if q.has_gram:
        for j in range(q.m):
            q.g[j] -= q.image[j]
    for i in range(q.n_moved):
        j = q.moved[i]
        if q.has_gram:
            q.w[j] += q.d[i]
        elif q.d[i] != 0:
            move(q, j, q.d[i])
        if i % 256 == 255:
            status = fr_poll()
            if status:
                return status
    return 0


cdef inline bint is_fine(Descent q) noexcept nogil:
    """Return whether the error of the small step d, by damping or accuracy, is negligible."""
    cdef double error = q.damping if q.has_gram else q.accuracy
    cdef double step = 0.0, size = 0.0
    cdef Py_ssize_t i, j
    for i in range(q.size):
        j = q.list[i]
        step = max(step, q.square[j] * q.d[i] * q.d[i])
        size = max(size, q.square[j] * q.w[j] * q.w[j])
    return error * error * step <= SETTLED * SETTLED * size


cdef inline int attempt(Descent q, bint exchanging) noexcept nogil:
    """Move by d and try the residual as the dual point; then clip coordinates that left their
    half-lines or bounds.

    exchanging: replace the support by remaining and entering coordinates, and accept a point
    that is slightly worse. Otherwise, or if it is much worse, search the projected path.
    Return a status, or IMPROVED where the point is the best so far.
    """
    cdef double gap = q.objective - q.dual_here
    cdef bint fine, whole
    cdef Py_ssize_t leaving, j
    cdef int status
    keep_point(q, BEFORE_STEP)
    memcpy(&q.moved[0], &q.list[0], q.size * sizeof(int32_t))
    memcpy(&q.side_before[0], &q.side[0], q.m)
    q.n_moved = q.size
    status = move_along(q)
    if not status:
        status = all_gradients(q)
    if status:
        return status
    evaluate(q, True)
    for j in range(q.m):
        q.work[j] = q.g[j]
    fine = exchanging and is_fine(q)
    leaving = clip_support(q)
    if exchanging:
        exchange(q, q.work)
        q.exchanged = 2 * leaving + q.size - q.n_moved
    if leaving:
        some_gradients(q)
    # with a Gram matrix the whole gradient is known
    if value_point(q, leaving > 0 and q.has_gram):
        q.settled = fine and not leaving and q.size == q.n_moved
        return IMPROVED
    if exchanging and q.current - q.objective <= MOST_RISE * gap:
        return 0
    status = restore_point(q, BEFORE_STEP)
    if status:
        return status
    memcpy(&q.list[0], &q.moved[0], q.n_moved * sizeof(int32_t))
    memcpy(&q.side[0], &q.side_before[0], q.m)
    q.size = q.n_moved
    if not exchanging:
        set_right_side(q)
    status = search_projected_path(q, &whole)
    if status:
        return status
    value_point(q, True)
    if exchanging:
        find_support(q)
        # away from the minimum over the support, too many coordinates would enter
        if whole:
            exchange(q, q.g)
        q.exchanged = q.m
    return 0


cdef inline int newton_step(Descent q) noexcept nogil:
    """Minimise over the support without its borders: a primal-dual active set step."""
    cdef int status
    q.n_newton += 1
    set_right_side(q)
    status = solve_support(q, q.support)
    return status if status else attempt(q, True)


cdef inline int safe_step(Descent q) noexcept nogil:
    """Search the projected path of the Newton step from the best point: the objective falls.

    Coordinates enter where the minimum over the support was reached: no support is repeated, so
    that this terminates.
    """
    cdef int status = return_to_best(q)
    cdef Py_ssize_t before
    cdef double gap
    cdef bint whole
    if status:
        return status
    q.current = q.objective
    q.n_newton += 1
    find_support(q)
    if q.at_minimum:
        status = all_gradients(q)
        if status:
            return status
        if q.since_entering > 2:
            q.entering = max(q.entering // 2, 1)
        else:
            q.entering *= 2
        before = q.size
        enter(q, q.entering)
        # the minimum over the support, and no coordinate enters
        q.settled = q.size == before
        q.since_entering = 0
    set_right_side(q)
    gap = q.objective - q.dual_here
    status = solve_support(q, q.support)
    if not status:
        status = search_projected_path(q, &whole)
    if status:
        return status
    value_point(q, True)
    q.at_minimum = whole
    q.since_entering += 1
    if whole and q.objective - q.dual_here > 0.1 * gap:
        q.damping = max(LESS_DAMPING * q.damping, LEAST_DAMPING)
    return 0


cdef inline int extrapolate(Descent q) noexcept nogil:
    """Step to the combination of the last iterates, of sum 1, with the smallest difference."""
    cdef double[HISTORY] weight
    cdef double to
    cdef Py_ssize_t i, j
    cdef int a
    if not extrapolation_weights(q.past, q.m, weight):
        return 0
    find_support(q)
    for i in range(q.size):
        j = q.list[i]
        to = 0.0
        for a in range(HISTORY - 1):
            to += weight[a] * q.past[a + 1, j]
        q.d[i] = to - q.w[j]
    if q.has_gram:
        for j in range(q.m):
            q.image[j] = 0.0
        add_rows(q, &q.list[0], q.size, q.d, q.image)
    return attempt(q, False)
