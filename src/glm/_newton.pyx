"""Newton's method for generalised linear models of few features.

At coefficients u and an intercept b, with r and h the weighted derivatives of the loss by eta, the
step (d, e) solves

    (A' diag(h) A + diag(l2)) d + A'h e = -(A'r + l2 u),    h'A d + sum(h) e = -sum(r).

The intercept is eliminated: M = A' diag(h) A - A'h h'A / sum(h) + diag(l2), whose factor is used
for the step and the certificate. Dense data are read once for each step, block by block.

Near the minimum an earlier factor is reused: a cheap pass without the Gram matrix tests whether the
step sufficed, and the same factor gives the next step. On large data the Gram matrix comes from
float32 products where the factor is stable; gradients and certificates are in float64.

At the end of a whole step theta = r + h (A d + e) has A'theta = -l2 (u + d) and sum 0: a dual point
whose distance from the best one is of second order in the step. It certifies the objective there

    F - D = sum_i (w_i l(y_i, eta_i) + w_i l*(y_i, theta_i / w_i) - o_i theta_i) + sum_j l2_j u_j^2

one step earlier than gradients, whose squares are divided by a possibly small l2. This is optional:
for small data the last step costs less than it.
"""

cimport numpy as cnp
from libc.math cimport INFINITY, fabs, isfinite, sqrt
from libc.string cimport memcpy

from arrays cimport empty, expect_length, pointer
from c_dense cimport FR_UNSTABLE, fr_cholesky, fr_cholesky_solve
from c_losses cimport FR_HUBER, FR_N_LOSSES, fr_has_conjugate, fr_loss
from c_matrix cimport fr_dot, fr_gram_order, fr_matrix, fr_single_order, fr_tdot
from c_pass cimport (fr_dual_point, fr_pass, fr_pass_order, fr_pass_scale, fr_pass_scratch,
                     fr_take_dual_point, fr_take_light_pass, fr_take_pass, fr_take_single_pass,
                     fr_take_sparse_pass)
from runtime cimport attach, check, fr_has_single, fr_poll, threads_for

from fastridge._matrix cimport Matrix

cnp.import_array()
attach()

cdef double EPS = 2.220446049250313e-16
cdef double ENOUGH = 1e-4     # share of the decrease that the gradient predicts (Armijo)
cdef double KEEP = 1e-15      # share of a pivot that the columns before it must leave
cdef double DAMPING = 1e-14   # first share of the diagonal that is added where they do not
cdef double NEAR = 0.5        # change of a predictor within which curvatures count as constant
cdef double ROUNDING = 8 * EPS
cdef int ALWAYS = 8           # steps that move predictors without a gain after which a fit ends
cdef int SEARCH = 60          # bound on the evaluations of a line search
cdef int SEVERAL = 64         # features from which a Gram matrix costs much more than a product
cdef double KEEP_SINGLE = 1e-5  # KEEP for float32 products, whose error is 1e-7 of a diagonal
cdef double SURE = 0.1        # bound on the expected gap of a step, as a share of the goal

# how a fit ended; the same numbers in solvers/glm/newton.py
cdef enum:
    CONVERGED, STALLED, OUT_OF_STEPS, SEPARATED, WORSE, ENDLESS


cdef struct Run:
    fr_pass q
    fr_matrix *a
    Py_ssize_t n, p, order
    bint intercept, is_sparse, may_separate, is_convex, has_free
    bint single           # float32 products
    bint is_flat          # the model is unbounded: it has a slope without curvature
    int n_threads
    const double *l2
    double *u
    double *next_u
    double *m
    double *diagonal
    double *g
    double *d
    double *along
    double *old_border    # A'h and sum(h) of the factor
    double old_of_h
    double extra          # damping of the factor's matrix, as a share of the diagonal
    double *scale         # scale of float32 products
    double *old_eta       # eta, r and h before a step; NULL: no dual points are wanted
    double *old_r
    double *old_h
    double penalty, move, slope, decrement


cdef double penalty_of(const Run *s, const double *u) noexcept nogil:
    cdef double value = 0.0
    cdef Py_ssize_t j
    for j in range(s.p):
        value += s.l2[j] * u[j] * u[j]
    return 0.5 * value


cdef int take(Run *s, bint light) noexcept nogil:
    """Compute loss, derivatives and sums at s.q.u and s.q.level; light: without the Gram matrix."""
    cdef fr_pass *q = &s.q
    if s.is_sparse:
        return fr_take_sparse_pass(q, light, s.n_threads)
    if light:
        return fr_take_light_pass(q, s.n_threads)
    if s.single:
        s.order = fr_single_order(s.p)
        return fr_take_single_pass(q, s.scale, s.n_threads)
    s.order = fr_gram_order(s.p + 1)
    return fr_take_pass(q, s.n_threads)


cdef void reduce(Run *s, double extra) noexcept nogil:
    """Compute M from the sums of a pass; a direction without curvature gets a 1."""
    cdef const fr_pass *q = &s.q
    cdef Py_ssize_t j, k, p = s.p
    cdef double by, sj
    cdef const double *row
    cdef const double *scale = s.a.scale
    cdef const double *shift = s.a.shift
    cdef double inverse = 1.0 / q.of_h if s.intercept and q.of_h > 0 else 0.0
    cdef double *xh = s.d
    if s.is_sparse:
        # sums about zero: X'h = A'h / scale + shift sum(h)
        for j in range(p):
            xh[j] = q.border[j]
            if scale != NULL:
                xh[j] = xh[j] / scale[j] if scale[j] != 0 else 0.0
            if shift != NULL:
                xh[j] += shift[j] * q.of_h
        for j in range(p):
            row = q.gram + j * p
            by = xh[j] * inverse
            sj = 1.0 if scale == NULL else scale[j]
            for k in range(j, p):
                s.m[j * p + k] = row[k] - by * xh[k]
            if scale != NULL:
                for k in range(j, p):
                    s.m[j * p + k] *= sj * scale[k]
    else:
        for j in range(p):
            row = q.gram + j * s.order
            by = q.border[j] * inverse
            for k in range(j, p):
                s.m[j * p + k] = row[k] - by * q.border[k]
    for j in range(p):
        by = s.m[j * p + j]
        by = (by if by > 0 else 0.0) + s.l2[j]
        s.diagonal[j] = by * (1.0 + extra) if by > 0 else 1.0
        s.is_flat |= by <= 0 and q.gradient[j] != 0


cdef int factor(Run *s) noexcept nogil:
    """Factor M, damped where columns are dependent."""
    cdef int status = FR_UNSTABLE
    cdef double extra = 0.0
    s.is_flat = False
    while status == FR_UNSTABLE and extra < 1e10:
        reduce(s, extra)
        status = fr_cholesky(s.m, s.p, s.diagonal, KEEP_SINGLE if s.single else KEEP, s.n_threads)
        s.extra = extra
        if status == FR_UNSTABLE and s.single:
            s.single = s.is_flat = False
            status = take(s, False)
            if status == 0:
                status = FR_UNSTABLE
            continue
        extra = 100 * extra if extra > 0 else DAMPING
    memcpy(s.old_border, s.q.border, s.p * sizeof(double))
    s.old_of_h = s.q.of_h
    return status


cdef int solve(Run *s) noexcept nogil:
    """Compute the step by the current factor, its decrement and slope."""
    cdef fr_pass *q = &s.q
    cdef Py_ssize_t j
    cdef int status
    # without curvature along the intercept, use the sum of the weights, 1
    cdef double of_h = s.old_of_h if s.old_of_h > 0 else 1.0
    cdef double shift = q.of_r / of_h if s.intercept else 0.0
    for j in range(s.p):
        s.g[j] = q.gradient[j] + s.l2[j] * s.u[j] - s.old_border[j] * shift
        s.d[j] = -s.g[j]
    status = fr_cholesky_solve(s.m, s.p, s.d, 1, s.n_threads)
    s.decrement = 0.0
    s.move = 0.0
    for j in range(s.p):
        s.decrement -= s.g[j] * s.d[j]
        s.move -= s.old_border[j] * s.d[j]
    s.move = s.move / of_h - shift if s.intercept else 0.0
    s.decrement += q.of_r * shift
    s.slope = -s.decrement
    return status


cdef bint is_near(const Run *s, const double *along, double move) noexcept nogil:
    """Return whether curvatures are nearly constant along a move: `is_near` of the losses."""
    cdef const fr_pass *q = &s.q
    cdef Py_ssize_t i
    cdef double step, d
    for i in range(s.n):
        if q.w[i] > 0:
            step = move if along == NULL else along[i] + move
            if q.loss == FR_HUBER:
                d = q.eta[i] - q.y[i]
                if (fabs(d) <= q.parameter) != (fabs(d + step) <= q.parameter):
                    return False
            elif not fabs(step) <= NEAR:
                return False
    return True


cdef int gap_of(Run *s, double goal, double *gap) noexcept nogil:
    """Compute the bound of the objective minus its minimum, from the gradient and the step.

    By strong convexity it is sum_j g_j^2 / (2 l2_j), the intercept projected out of g; with free
    features it is the decrement, if the step hardly moves predictors.
    """
    cdef const fr_pass *q = &s.q
    cdef Py_ssize_t j
    cdef int status
    cdef double bound = 0.0, g
    cdef double shift = q.of_r / q.of_h if s.intercept and q.of_h > 0 else 0.0
    gap[0] = INFINITY
    if s.is_flat or (s.intercept and q.of_h <= 0 and q.of_r != 0):
        return 0
    if s.is_convex and not s.has_free:
        for j in range(s.p):
            g = q.gradient[j] + s.l2[j] * s.u[j] - q.border[j] * shift
            bound += g * g / s.l2[j]
        gap[0] = 0.5 * (bound + q.of_r * shift * (1.0 + fabs(shift)))
        if gap[0] <= goal and not is_near(s, NULL, -shift):
            gap[0] = INFINITY
        return 0
    gap[0] = s.decrement
    if gap[0] > goal:
        return 0
    status = fr_dot(s.a, s.d, s.along, 1, s.n_threads)
    if status == 0 and not is_near(s, s.along, s.move):
        gap[0] = INFINITY
    return status


cdef void keep_model(Run *s) noexcept nogil:
    """Keep eta, r and h for a dual point: the next pass writes to the other buffers."""
    cdef fr_pass *q = &s.q
    q.eta, s.old_eta = s.old_eta, q.eta
    q.r, s.old_r = s.old_r, q.r
    q.h, s.old_h = s.old_h, q.h


cdef int dual_gap(Run *s, double *gap) noexcept nogil:
    """Compute F - D at the end of a full step, plus its round-off."""
    cdef const fr_pass *q = &s.q
    cdef Py_ssize_t j
    cdef int status
    cdef double moved = 0.0, left
    cdef fr_dual_point dual
    dual.eta, dual.r, dual.h = s.old_eta, s.old_r, s.old_h
    status = fr_take_dual_point(q, &dual, s.n_threads)
    gap[0] = q.value + dual.conjugate - dual.known + s.penalty
    if s.single:
        # compute A'theta for a step with a relative error of about 1e-7
        if status == 0:
            status = fr_tdot(s.a, dual.r, s.next_u, 1, s.n_threads)
        for j in range(s.p):
            gap[0] += 0.5 * s.next_u[j] * s.next_u[j] / s.l2[j]
    else:
        gap[0] += s.penalty
    gap[0] = max(gap[0], 0.0) + ROUNDING * (fabs(q.value) + s.penalty + fabs(q.level) * dual.size)
    if not s.single:
        # the error of the solution makes A'theta differ from -l2 u
        for j in range(s.p):
            moved += sqrt(s.diagonal[j]) * fabs(s.d[j])
        for j in range(s.p):
            left = s.p * ROUNDING * sqrt(s.diagonal[j]) * moved
            gap[0] += left * fabs(s.u[j]) + left * left / s.l2[j]
    if not isfinite(gap[0]):
        gap[0] = INFINITY
    return status


cdef bint separated(const Run *s) noexcept nogil:
    """Return whether unpenalised predictors have the right signs for all labels 0 and 1."""
    cdef const fr_pass *q = &s.q
    cdef Py_ssize_t i
    cdef double eta
    for i in range(s.n):
        if q.w[i] > 0:
            eta = q.eta[i] if q.offset == NULL else q.eta[i] - q.offset[i]
            if not ((q.y[i] == 1 and eta > 0) or (q.y[i] == 0 and eta < 0)):
                return False
    return True


cdef int search(Run *s, double objective, double *t) noexcept nogil:
    """Set t to a share of the step with sufficient decrease; 0 where there is none."""
    cdef fr_pass *q = &s.q
    cdef Py_ssize_t i
    cdef int status, _
    cdef double value, first = 0.0, second = 0.0, x = t[0], model
    cdef double *trial = q.root
    status = fr_dot(s.a, s.d, s.along, 1, s.n_threads)
    for i in range(s.p):
        first += s.l2[i] * s.u[i] * s.d[i]
        second += s.l2[i] * s.d[i] * s.d[i]
    for i in range(s.n):
        s.along[i] += s.move
    for _ in range(SEARCH):
        if status:
            return status
        for i in range(s.n):
            trial[i] = q.eta[i] + x * s.along[i]
        status = fr_loss(q.loss, q.parameter, q.y, trial, q.w, NULL, NULL, s.n, &value,
                         s.n_threads)
        value += s.penalty + x * first + 0.5 * x * x * second
        if value <= objective + ENOUGH * x * s.slope:
            t[0] = x
            return status
        # the minimum of the parabola through the value and the slope at 0
        model = -s.slope * x * x / (2.0 * (value - objective - x * s.slope))
        if not isfinite(value) or not (model > 0.1 * x):
            model = 0.1 * x
        x = model if model < 0.5 * x else 0.5 * x
    t[0] = 0.0
    return status


cdef int polish(Run *s) noexcept nogil:
    """Take the current step, unless it raises the objective."""
    cdef fr_pass *q = &s.q
    cdef Py_ssize_t j
    cdef int code
    cdef double level = q.level, value = q.value, penalty
    for j in range(s.p):
        s.next_u[j] = s.u[j] + s.d[j]
    q.u = s.next_u
    q.level = level + s.move
    code = take(s, True)
    penalty = penalty_of(s, s.next_u)
    if code or not q.value + penalty <= value + s.penalty + ROUNDING * (fabs(value) + s.penalty):
        q.u = s.u
        q.level = level
        return code or take(s, True)
    memcpy(s.u, s.next_u, s.p * sizeof(double))
    q.u = s.u
    s.penalty = penalty
    return 0


cdef int iterate(Run *s, double goal, double most, int max_iter, double *gap, int *n_iter,
                 int *ended, double *rate) noexcept nogil:
    """Take steps until the gap is at the goal; none if the initial objective is above `most`.

    rate: of quadratic convergence, decrement / decrement^2 of the last step; 0: not known.
    """
    cdef fr_pass *q = &s.q
    cdef Py_ssize_t j
    cdef int code, idle = 0
    cdef bint light = False, is_chord, has_dual = False, unsure = s.p >= SEVERAL
    cdef double last = INFINITY, objective, t, penalty, level, size, before = 0.0, expected
    cdef double promised = INFINITY, bound
    code = take(s, False)
    s.penalty = penalty_of(s, s.u)
    gap[0] = INFINITY
    n_iter[0] = 0
    ended[0] = STALLED if q.value + s.penalty <= most else WORSE
    while code == 0 and isfinite(q.value) and ended[0] != WORSE:
        code = fr_poll()
        if code:
            break
        if s.may_separate and separated(s):
            ended[0] = SEPARATED
            break
        # the error of the model is about the gap of its dual point
        if has_dual and fabs(q.value + s.penalty - promised) <= goal:
            code = dual_gap(s, &bound)
            if code or bound <= goal:
                gap[0] = bound
                ended[0] = CONVERGED
                break
        has_dual = False
        is_chord = light
        if not light:
            code = factor(s)
        if code == 0:
            code = solve(s)
        if code == 0:
            code = gap_of(s, goal, gap)
        if code:
            break
        size = fabs(q.value) + s.penalty
        # a bound by gradients that are round-off does not fall further
        if (gap[0] <= goal or gap[0] <= ROUNDING * size
                or (s.decrement <= ROUNDING * size and gap[0] > 0.5 * last and gap[0] < INFINITY)):
            ended[0] = CONVERGED
            if gap[0] > goal and s.slope < 0:
                # differences of values are round-off, those of gradients are not
                code = polish(s)
            break
        last = gap[0] if s.decrement <= ROUNDING * size else INFINITY
        idle = idle + 1 if s.has_free and s.decrement <= goal else 0
        if idle == ALWAYS:
            ended[0] = ENDLESS
            break
        if n_iter[0] == max_iter:
            ended[0] = OUT_OF_STEPS
            break
        if is_chord:
            # expected gap after another step by the same factor, at the same rate
            expected = gap[0] * (s.decrement / before)
            if not expected <= goal:
                light = False
                code = take(s, False)
                continue
        else:
            if before > 0:
                rate[0] = s.decrement / (before * before)
            expected = rate[0] * s.decrement * gap[0] if rate[0] > 0 else INFINITY
        if not s.slope < 0:
            break
        # a decrement by an earlier factor is not a bound
        light = s.is_convex and not s.has_free and (expected <= goal or expected <= ROUNDING * size)
        has_dual = (s.old_eta != NULL and not is_chord and s.extra == 0 and not s.is_flat
                    and (not s.intercept or s.old_of_h > 0))
        if has_dual:
            light = light or 0 < rate[0] * s.decrement * s.decrement <= SURE * goal
        promised = q.value + s.penalty - 0.5 * s.decrement
        before = s.decrement
        n_iter[0] += 1
        objective, level = q.value + s.penalty, q.level
        t = 1.0
        if unsure and not light and not is_chord and s.decrement > 1e-9 * size:
            # after a step that was too long, compute a product first, to save a Gram matrix
            code = search(s, objective, &t)
        if code or t == 0:
            break
        # try the full step first: it is seldom too long
        if t == 1:
            for j in range(s.p):
                s.next_u[j] = s.u[j] + s.d[j]
            q.u = s.next_u
            q.level = level + s.move
            if has_dual:
                keep_model(s)
            code = take(s, light)
            penalty = penalty_of(s, s.next_u)
            # near the minimum, differences of values are round-off, but slopes are not
            if (code == 0 and not q.value + penalty <= objective + ENOUGH * s.slope
                    and not (fabs(s.slope) <= 1e-9 * size
                             and q.value + penalty <= objective + ROUNDING * size)):
                q.u = s.u
                q.level = level
                light = has_dual = False
                if is_chord:
                    code = take(s, False)
                    continue
                code = take(s, True)
                t = 0.5
                if code == 0:
                    code = search(s, objective, &t)
                if code or t == 0:
                    break
        unsure = t != 1 and s.p >= SEVERAL
        if t != 1:
            light = has_dual = False
            for j in range(s.p):
                s.next_u[j] = s.u[j] + t * s.d[j]
            q.u = s.next_u
            q.level = level + t * s.move
            code = take(s, False)
            before = 0.0
        memcpy(s.u, s.next_u, s.p * sizeof(double))
        q.u = s.u
        s.penalty = penalty_of(s, s.u)
    return code


def newton(Matrix a not None, Matrix by_row, int kernel, double parameter, bint is_convex,
           const double[::1] y not None, const double[::1] weight not None,
           const double[::1] offset, const double[::1] l2 not None, bint intercept,
           double[::1] u not None, double b, double goal, int max_iter,
           bint may_separate=False, double rate=0.0, double most=INFINITY, bint is_large=False,
           int n_threads=0):
    """Minimise from u (p,), which is overwritten with the last state, and b.

    by_row: for sparse data, the columns of a without its shift and scale, by rows. rate:
    the rate of a run on other rows, or 0. most: objective above which the start is refused.
    is_large: also end by a dual point, for losses with a conjugate and without free features;
    and use float32 products for Gram matrices of many columns, for steps only.

    Returns b, eta, the loss, the penalty, r and h (n,) of the last state, the gap, the number of
    steps, how it ended (0 at the goal, 1 where no step lowers the objective, 2 after max_iter
    steps, 3 for separated labels, 4 for a refused start, 5 where coefficients grow without bound)
    and the rate of quadratic convergence.
    """
    cdef Run s
    cdef Py_ssize_t n = a.n_rows, p = a.n_columns, order
    cdef double gap
    cdef int n_iter, ended, status
    if not 0 <= kernel < FR_N_LOSSES:
        raise ValueError(f"kernel: expected 0 to {FR_N_LOSSES - 1}; got {kernel}")
    for name, v, size in (("y", y, n), ("weight", weight, n), ("offset", offset, n), ("l2", l2, p),
                          ("u", u, p)):
        expect_length(name, v, size)
    if not n or not p:
        raise ValueError(f"a: expected rows and columns; got {n} x {p}")
    if a.is_sparse and (by_row is None or by_row.s.by_column or by_row.shape != a.shape):
        raise ValueError("by_row: expected the columns of a, by rows")
    s.is_sparse = a.is_sparse
    order = p if s.is_sparse else fr_pass_order(p)
    cdef double[::1] gram = empty(order * order + 8), m = empty(p * p)
    cdef double[::1] of_p = empty(8 * p + fr_pass_scratch(p)), of_n = empty(2 * n)
    # eta, r and h, and for dual points those before a step
    states = [[empty(n) for _ in range(3)]]
    cdef double[::1] eta = states[0][0], r = states[0][1], h = states[0][2]
    cdef double[::1] old_eta, old_r, old_h
    s.a = s.q.a = &a.s
    s.q.by_row = &by_row.s if s.is_sparse else NULL
    s.q.loss, s.q.parameter = kernel, parameter
    s.q.y, s.q.w, s.q.offset = &y[0], &weight[0], pointer(offset)
    s.q.u, s.q.level = &u[0], b
    s.q.eta, s.q.r, s.q.h, s.q.root, s.along = &eta[0], &r[0], &h[0], &of_n[0], &of_n[n]
    s.q.gram, s.m = &gram[0], &m[0]
    s.q.gradient, s.q.border = &of_p[0], &of_p[p]
    s.g, s.d, s.diagonal, s.next_u = &of_p[2 * p], &of_p[3 * p], &of_p[4 * p], &of_p[5 * p]
    s.old_border, s.scale, s.q.scratch = &of_p[6 * p], &of_p[7 * p], &of_p[8 * p]
    s.n, s.p, s.order = n, p, order
    s.intercept, s.may_separate, s.is_convex = intercept, may_separate, is_convex
    s.n_threads = threads_for(n_threads, <double> a.s.nnz * (4.0 + p / 16.0))
    s.l2, s.u = &l2[0], &u[0]
    s.has_free = False
    for j in range(p):
        s.has_free |= not l2[j] > 0
    s.old_eta = s.old_r = s.old_h = NULL
    if is_large and is_convex and not s.has_free and fr_has_conjugate(kernel):
        states.append([empty(n) for _ in range(3)])
        old_eta, old_r, old_h = states[1]
        s.old_eta, s.old_r, s.old_h = &old_eta[0], &old_r[0], &old_h[0]
    s.single = is_large and not s.is_sparse and p >= SEVERAL and fr_has_single()
    with nogil:
        if s.single:
            fr_pass_scale(&s.q, s.scale)
        status = iterate(&s, goal, most, max_iter, &gap, &n_iter, &ended, &rate)
    check(status)
    last_eta, last_r, last_h = states[0 if s.q.eta == &eta[0] else 1]
    return (s.q.level, last_eta, s.q.value, s.penalty, last_r, last_h, gap, n_iter, ended, rate)
