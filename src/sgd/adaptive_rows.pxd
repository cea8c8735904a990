"""Steps on rows by a rule with a rate for each column, whose state is in records."""

from c_rows cimport *
from c_sgd cimport *
from libc.math cimport INFINITY, fabs, isfinite, log
from libc.stdint cimport int32_t, int64_t
from losses_of_rows cimport value_and_slope
from single_steps cimport *


cdef enum:
    NEXT_RECORD = 3  # records of several outputs that are prefetched before their turn


cdef inline void read_row(const fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Read values and columns of row i, padded by zeros of its last column."""
    cdef Py_ssize_t k
    q.n = read_elements(s, i, q.x, q.at)
    for k in range(q.n, (q.n + 7) // 8 * 8):
        q.x[k] = 0.0
    if s.a.index >= 0:
        for k in range(q.n, (q.n + 7) // 8 * 8):
            q.at[k] = q.at[q.n - 1]


cdef inline void gather(const fr_sgd *s, Row *q) noexcept nogil:
    """Copy the records of a row's columns, field by field."""
    cdef Py_ssize_t k
    fr_read_records(q.n, q.at, s.table, s.ld, &q.c)
    if s.averages:
        for k in range(q.n):
            q.c.area[k] = s.table[q.at[k] * s.ld + s.ld - 1]


cdef inline void scatter(const fr_sgd *s, const Row *q) noexcept nogil:
    cdef Py_ssize_t k
    fr_write_records(q.n, q.at, s.table, s.ld, &q.c)
    if s.averages:
        for k in range(q.n):
            s.table[q.at[k] * s.ld + s.ld - 1] = q.c.area[k]


cdef inline double *debts_of(const fr_sgd *s, const Row *q, Py_ssize_t k) noexcept nogil:
    """Return the debts of column k of a row, for one output."""
    if not s.debts:
        return NULL
    if s.by_field:
        return s.table + 5 * s.ld + k
    return s.table + (k if s.a.index < 0 else q.at[k]) * s.ld + 5


cdef inline void catch_up(const fr_sgd *s, Row *q, double now) noexcept nogil:
    """Apply the penalty's flow with L1, factors or averages."""
    cdef Py_ssize_t k, apart = s.ld if s.by_field else 1
    cdef fr_columns *c = &q.c
    for k in range(q.n):
        if q.x[k] != 0:
            flow(s, penalty_of(s, k if s.a.index < 0 else q.at[k]), c.inverse[k],
                 now - c.clock[k], &c.v[k], c.r[k], c.reach[k],
                 &c.area[k] if s.averages else NULL, debts_of(s, q, k), apart)
            c.clock[k] = now


cdef inline void pay(const fr_sgd *s, Row *q) noexcept nogil:
    """Truncate the weights of a row by their debts."""
    cdef Py_ssize_t k, apart = s.ld if s.by_field else 1
    for k in range(q.n):
        if q.x[k] != 0:
            fr_truncate(&q.c.v[k], debts_of(s, q, k), apart)


cdef inline void grow_columns(const fr_sgd *s, Row *q, const fr_row_rates *by,
                              fr_row_sums *sums) noexcept nogil:
    """Make scaled values above 1 the units of their columns, and recompute the row's sums."""
    cdef Py_ssize_t k
    cdef fr_columns *c = &q.c
    cdef fr_row_rates again = by[0]
    for k in range(q.n):
        if fabs(c.u[k]) > 1:
            grow(q.x[k], &c.inverse[k], &c.v[k], &c.r[k], 1)
    again.penalty = 0.0
    sums[0] = fr_see_fields(q.n, c, q.x, &again)


cdef inline Py_ssize_t steps_of(double weight) noexcept nogil:
    """Return the number of steps of a row by its weight; weight 2 is the row twice."""
    if weight <= 1:
        return 1
    if weight >= MOST_STEPS:
        return MOST_STEPS
    return <Py_ssize_t> weight + (<Py_ssize_t> weight < weight)


cdef inline double adaptive_row(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Learn from one row with one output; return its weighted loss, infinity on divergence."""
    cdef double *c = s.numbers
    cdef double *intercept = s.table + (s.a.n_minor if s.by_field else s.a.n_minor * s.ld)
    cdef Py_ssize_t apart = s.ld if s.by_field else 1
    cdef double *b = intercept + 2 * apart
    cdef double *of_r = intercept + 3 * apart
    cdef double *of_reach = intercept + 4 * apart
    cdef double *area = intercept + (7 if s.debts else 5) * apart
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double y = s.y[i], each, own, slope, g, p, value, unit, loss = 0.0, move, d
    cdef double before, of_b, left
    cdef Py_ssize_t steps, step
    cdef bint fused, first
    cdef bint net = s.averages or s.factor != NULL or (s.alpha > 0 and s.l1_ratio > 0)
    cdef bint scaled = s.rule == FR_SGD_AUTO
    cdef bint sparse = s.a.index >= 0
    cdef fr_row_sums sums
    cdef fr_row_rates by
    if weight <= 0:
        return 0.0
    steps = steps_of(weight)
    each = weight / steps
    read_row(s, i, q)
    by.penalty = 0.0 if net else s.alpha
    by.share, by.keep = (SHARE, 1.0) if scaled else (0.0, 0.0)
    # repeated steps of a heavy row, and penalties besides decay, work on the buffers
    fused = sparse and not net and steps == 1
    if sparse and not fused:
        gather(s, q)
    if scaled and is_regression(s) and s.intercept and c[FR_SGD_SEEN] == 0 and b[0] == 0:
        b[0] = y if s.loss != FR_SGD_POISSON else (log(y) if y > 0 else 0.0)
    for step in range(steps):
        by.now = c[FR_SGD_SEEN]
        by.rate = c[FR_SGD_ETA]
        if net:
            catch_up(s, q, by.now)
        if s.averages:
            area[0] += b[0] * (by.now - intercept[apart])
            intercept[apart] = by.now
        if fused:
            # most rows are like the one before: small decays need no exponential
            sums = fr_see_records(q.n, q.at, q.x, s.table, s.ld, &q.c, &by, q.falls)
            if sums.falls and not q.falls:
                sums = fr_see_records(q.n, q.at, q.x, s.table, s.ld, &q.c, &by, 1)
            q.falls = sums.falls
        else:
            sums = fr_see_fields(q.n, &q.c, q.x, &by)
        if sums.grows and scaled:
            grow_columns(s, q, &by, &sums)
        p = sums.product + (b[0] if s.intercept else 0.0)
        value = value_and_slope(s.loss, s.parameter, y, p, &slope)
        if step == 0:
            loss = weight * value
        if not isfinite(slope) or not isfinite(value):
            return INFINITY
        c[FR_SGD_SEEN] += each
        unit = unit_of(s, y, p, each)
        before = by.rate
        by.rate = rate_of(s, sums.squares, each, unit)
        own = FIRST * unit * c[FR_SGD_SHRINK] if scaled else by.rate
        if slope == 0:
            continue
        g = each * slope
        d = g
        if scaled:
            if fabs(by.rate - before) > NEARLY * before:
                fr_bound_fields(q.n, &q.c, &by, &sums)
            of_b = max(of_reach[0], own) if s.intercept else 0.0
            move = min(sums.reach + of_b, fabs(g) * (sums.known + of_b * of_r[0]) + sums.fresh
                       + (0.0 if of_r[0] > 0 else of_b))
            left = room_of(s, y, p)
            if move > left:
                d = g * left / move
        first = sums.fresh > 0 or before == 0 or by.rate == 0
        if fused:
            fr_step_records(q.n, q.at, s.table, s.ld, &q.c, g, d, first, &by)
        else:
            fr_step_fields(q.n, &q.c, g, d, first, &by)
        if s.debts:
            pay(s, q)
        if s.intercept:
            step_one(g, d, 1.0, own, 0.0, by.keep, b, of_r, of_reach)
        if fused:
            return loss
    if sparse:
        scatter(s, q)
    return loss


cdef inline double *record_of(const fr_sgd *s, const Row *q, Py_ssize_t j) noexcept nogil:
    return s.table + (q.at[j] if s.a.index >= 0 else j) * s.ld


cdef inline double predict_several(fr_sgd *s, Row *q, double now) noexcept nogil:
    """Compute predictions of several outputs by an adaptive rule; return the sum of u^2."""
    cdef Py_ssize_t j, k, n = s.k, sums = (5 if s.debts else 3) * s.k
    cdef double u, penalty, time, squares = 0.0
    cdef double *record = s.table + s.a.n_minor * s.ld
    cdef double *v = record + 2
    cdef double *r
    cdef double *reach
    cdef bint net = s.averages or (s.alpha > 0 and s.l1_ratio > 0)
    for k in range(n):
        q.p[k] = v[k] if s.intercept else 0.0
    if s.averages:
        for k in range(n):
            v[sums + k] += v[k] * (now - record[1])
        record[1] = now
    for j in range(q.n):
        if s.a.index >= 0 and s.far and j + NEXT_RECORD < q.n:
            fr_fetch_record(s, q.at[j + NEXT_RECORD])
        if q.x[j] == 0:
            q.c.u[j] = 0.0
            continue
        record = record_of(s, q, j)
        v, r, reach = record + 2, record + 2 + n, record + 2 + 2 * n
        time = now - record[1]
        record[1] = now
        penalty = penalty_of(s, j if s.a.index < 0 else q.at[j])
        if net:
            for k in range(n):
                flow(s, penalty, record[0], time, v + k, r[k], reach[k],
                     v + sums + k if s.averages else NULL,
                     v + 3 * n + k if s.debts else NULL, n)
        elif penalty > 0:
            for k in range(n):
                v[k] *= fr_exp(-penalty * time * (reach[k] * r[k]) * record[0] * record[0])
        u = q.x[j] * record[0]
        if fabs(u) > 1 and s.rule == FR_SGD_AUTO:
            grow(q.x[j], record, v, r, n)
            u = 1.0 if u > 0 else -1.0
        q.c.u[j] = u
        squares += u * u
        for k in range(n):
            q.p[k] += u * v[k]
    return squares


cdef inline void bound_several(const fr_sgd *s, Row *q, double rate, double own) noexcept nogil:
    """Bound the change of predictions by a step: `fr_bound_fields` for several outputs."""
    cdef Py_ssize_t j, k, n = s.k
    cdef double size, by
    cdef double *record = s.table + s.a.n_minor * s.ld
    cdef double *v
    cdef double *r = record + 2 + n
    cdef double *reach = r + n
    for k in range(n):
        by = max(reach[k], own) if s.intercept else 0.0
        q.all[k], q.known[k], q.fresh[k] = by, by * r[k], 0.0 if r[k] > 0 else by
    for j in range(q.n):
        size = fabs(q.c.u[j])
        if size == 0:
            continue
        record = record_of(s, q, j)
        v, r, reach = record + 2, record + 2 + n, record + 2 + 2 * n
        for k in range(n):
            by = rate + SHARE * fabs(v[k])
            by = size * (by if by > reach[k] else reach[k])
            q.all[k] += by
            q.known[k] += by * r[k] * size
            q.fresh[k] += 0.0 if r[k] > 0 else by


cdef inline void step_several(const fr_sgd *s, Row *q, double rate, double own) noexcept nogil:
    """Take the steps of all outputs: slopes are q.g, their sizes q.all."""
    cdef Py_ssize_t j, k, n = s.k
    cdef double u, z, size, now, before
    cdef double share = SHARE if s.rule == FR_SGD_AUTO else 0.0
    cdef double keep = 1.0 if s.rule == FR_SGD_AUTO else 0.0
    cdef double *record = s.table + s.a.n_minor * s.ld
    cdef double *v = record + 2
    cdef double *r = v + n
    cdef double *reach = r + n
    if s.intercept:
        for k in range(n):
            if q.g[k] != 0:
                step_one(q.g[k], q.all[k], 1.0, own, 0.0, keep, v + k, r + k, reach + k)
    for j in range(q.n):
        u = q.c.u[j]
        if u == 0:
            continue
        record = record_of(s, q, j)
        v, r, reach = record + 2, record + 2 + n, record + 2 + 2 * n
        for k in range(n):
            size = fabs(q.g[k] * u)
            z = size * r[k]
            # R^2 = R^2 + (g u)^2, from 0 where there was no gradient
            z = r[k] * fr_rsqrt(1.0 + z * z) if r[k] > 0 else (1.0 / size if size > 0 else 0.0)
            now, before = rate + share * fabs(v[k]), keep * reach[k]
            now = now if now > before else before
            now = now if size > 0 else reach[k]
            v[k] -= now * z * (q.all[k] * u)
            r[k] = z
            reach[k] = now
        if s.debts:
            for k in range(n):
                fr_truncate(v + k, v + 3 * n + k, n)


cdef inline double adaptive_row_of_several(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Learn from one row with several outputs."""
    cdef double *c = s.numbers
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double each, rate, own, value, loss = 0.0, squares, sum, move, room, target
    cdef Py_ssize_t steps, step, k
    cdef bint scaled = s.rule == FR_SGD_AUTO
    if weight <= 0:
        return 0.0
    steps = steps_of(weight)
    each = weight / steps
    read_row(s, i, q)
    for step in range(steps):
        squares = predict_several(s, q, c[FR_SGD_SEEN])
        value = slopes(s, i, q)
        if step == 0:
            loss = weight * value
        sum = value
        for k in range(s.k):
            q.g[k] *= each
            sum += fabs(q.g[k])
        if not isfinite(sum):
            return INFINITY
        c[FR_SGD_SEEN] += each
        rate = rate_of(s, squares, each, 1.0)
        own = FIRST * c[FR_SGD_SHRINK] if scaled else rate
        if scaled and s.loss != FR_SGD_MULTINOMIAL:
            bound_several(s, q, rate, own)
            for k in range(s.k):
                target = (2.0 * s.y[i * s.k + k] - 1.0 if s.soft
                          else (1.0 if s.codes[i] == k else -1.0))
                move = min(q.all[k], fabs(q.g[k]) * q.known[k] + q.fresh[k])
                room = room_of(s, target, q.p[k])
                q.all[k] = q.g[k] * room / move if move > room else q.g[k]
        else:
            for k in range(s.k):
                q.all[k] = q.g[k]
        step_several(s, q, rate, own)
    return loss
