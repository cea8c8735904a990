"""Stochastic learning: one step for each row, the penalty fused into it.

Compiled once per instruction set, for the table of `kernels.h`; the entry point is `fr_sgd_rows`.
Columns that a row does not have are not touched, and catch up with the penalty at their next visit:
a plain rule keeps w as scale * v, an adaptive one the clock of the last visit of a column.

Plain rules, with eta of the schedule, as scikit-learn's::

    w = (1 - eta alpha (1 - l1_ratio)) w - eta s g x,       g = l'(y, b + x'w)

Adaptive rules, with u = x / s in [-1, 1], s the largest |x| of each column so far, v = w s::

    R^2 = R^2 + (g u)^2,    d = max(d, rate + |v| / 4),    v = v - d g u / R
    rate = Y sqrt(T / N) / 2

with T the sum of weights and N the weighted sum of u'u (Ross, Mineiro & Langford 2013), and the
reach d the distance that a weight has moved (Ivgi, Hinder & Carmon 2023). Y, the unit of
predictions, is for regression the smaller of the mean absolute error and the mean deviation of
targets, else 1. A step moves the prediction by at most its distance from the target, or for a
classifier from a margin. With one output the bound uses the last row's rate if it is within a tenth
of the new one, so that one loop before the step suffices. Multinomial steps are not bounded.
"adagrad" has s = 1 and d = eta0 (Duchi, Hazan & Singer 2011).
"""

from adaptive_rows cimport *
from c_rows cimport *
from c_sgd cimport *
from libc.math cimport INFINITY, fabs, isfinite, log
from libc.stdint cimport int64_t
from plain_rows cimport *
from single_steps cimport *


cdef inline double coin_row(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Learn from one row by a bet on each coordinate (Orabona & Tommasi 2017)."""
    cdef double *c = s.numbers
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double each, value, loss = 0.0, u, now, unit, wealth, sum, squares, penalty, z, missed
    cdef Py_ssize_t steps, step, j, k, n = s.k
    cdef double *intercept = s.table + s.a.n_minor * s.ld
    cdef double *record
    cdef double *v
    if weight <= 0:
        return 0.0
    steps = steps_of(weight)
    each = weight / steps
    read_row(s, i, q)
    if n == 1 and is_regression(s) and s.intercept and c[FR_SGD_SEEN] == 0 and c[FR_SGD_START] == 0:
        u = s.y[i]
        c[FR_SGD_START] = u if s.loss != FR_SGD_POISSON else (log(u) if u > 0 else 0.0)
    for step in range(steps):
        now = c[FR_SGD_SEEN]
        for k in range(n):
            q.p[k] = c[FR_SGD_START] + intercept[2 + k] if s.intercept else 0.0
        if s.averages:
            for k in range(n):
                intercept[2 + 5 * n + k] += intercept[2 + k] * (now - intercept[1])
            intercept[1] = now
        squares = 0.0
        for j in range(q.n):
            q.c.u[j] = 0.0
            if q.x[j] != 0:
                record = record_of(s, q, j)
                if s.averages:
                    for k in range(n):
                        record[2 + 5 * n + k] += record[0] * record[2 + k] * (now - record[1])
                u = q.x[j] * record[0]
                if fabs(u) > 1:
                    grow(q.x[j], record, record + 2, NULL, n)
                    u = 1.0 if u > 0 else -1.0
                q.c.u[j] = u
                squares += u * u
                for k in range(n):
                    q.p[k] += u * record[2 + k]
        if n == 1:
            value = value_and_slope(s.loss, s.parameter, s.y[i], q.p[0], &q.g[0])
        else:
            value = slopes(s, i, q)
        if step == 0:
            loss = weight * value
        sum = value
        for k in range(n):
            q.g[k] *= each
            sum += fabs(q.g[k]) + fabs(q.p[k])
        if not isfinite(sum):
            return INFINITY
        c[FR_SGD_SEEN] += each
        unit = unit_of(s, s.y[i], q.p[0], each) if n == 1 else 1.0
        wealth = rate_of(s, squares, each, unit)
        if s.intercept:
            for k in range(n):
                bet(intercept + 2 + k, n, q.g[k], unit * c[FR_SGD_SHRINK])
        for j in range(q.n):
            u = q.c.u[j]
            if u == 0:
                continue
            record = record_of(s, q, j)
            v = record + 2
            # the penalty's gradient for the rows since the last visit
            missed = now - record[1]
            penalty = penalty_of(s, j if s.a.index < 0 else q.at[j]) * missed * record[0]
            record[1] = now
            for k in range(n):
                z = penalty * ((1.0 - s.l1_ratio) * record[0] * v[k]
                               + s.l1_ratio * ((v[k] > 0) - (v[k] < 0)))
                bet(v + k, n, q.g[k] * u + z, wealth)
    return loss


cdef inline void prepare(const fr_sgd *s, Row *q, Py_ssize_t wide) noexcept nogil:
    """Partition the workspace into buffers for rows of up to `wide` elements."""
    cdef double *at = s.work
    cdef fr_columns *c = &q.c
    q.falls = 0
    q.x, c.u = at, at + wide
    q.at = <int64_t *> (at + 2 * wide)
    if s.by_field:
        c.inverse, c.clock, c.v = s.table, s.table + s.ld, s.table + 2 * s.ld
        c.r, c.reach = s.table + 3 * s.ld, s.table + 4 * s.ld
        c.area = s.table + (7 if s.debts else 5) * s.ld
    else:
        c.inverse, c.clock, c.v = at + 3 * wide, at + 4 * wide, at + 5 * wide
        c.r, c.reach, c.area = at + 6 * wide, at + 7 * wide, at + 8 * wide
    q.p = at + 9 * wide
    q.g, q.all, q.known, q.fresh = q.p + s.k, q.p + 2 * s.k, q.p + 3 * s.k, q.p + 4 * s.k


cdef public void fr_sgd_rows(fr_sgd *s, Py_ssize_t wide) noexcept nogil:
    """Learn from rows s.begin to s.end, of at most `wide` elements, a multiple of 8."""
    cdef Row q
    cdef Py_ssize_t i, position
    cdef double loss
    cdef bint is_simple = (
        s.rule < FR_SGD_PA1 and s.k == 1 and s.group == NULL and s.average == 0
        and (s.ld == 1 or s.by_field) and (s.alpha == 0 or s.l1_ratio == 0)
    )
    prepare(s, &q, wide)
    for position in range(s.begin, s.end):
        if position == s.looked:
            s.looked = min(s.last, (position // s.window + 1) * s.window)
            if s.unseen and not fr_look_at_rows(s, position, s.looked):
                s.unsound = 1
                s.begin = position
                return
        fr_fetch_window(s, position)
        fr_fetch_beside(s, position + BESIDE)
        if s.near > 0:
            fr_fetch_row(s, position + s.near)
        if s.a.index >= 0 and s.far and s.k == 1:
            fr_fetch_records(s, position + 1)
        i = row_at(s, position)
        if is_simple:
            loss = simple_row(s, i)
        elif s.rule < FR_SGD_ADAGRAD:
            loss = plain_row(s, i, &q)
        elif s.rule == FR_SGD_COIN:
            loss = coin_row(s, i, &q)
            s.numbers[FR_SGD_T] += 1.0
        elif s.k == 1:
            loss = adaptive_row(s, i, &q)
            s.numbers[FR_SGD_T] += 1.0
        else:
            loss = adaptive_row_of_several(s, i, &q)
            s.numbers[FR_SGD_T] += 1.0
        if loss == INFINITY:
            s.diverged = 1
            s.begin = position
            return
        s.loss_sum += loss
    s.begin = s.end
