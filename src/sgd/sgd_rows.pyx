"""Stochastic learning: one step for each row, the penalty fused into it.

Compiled once per instruction set, for the table of `kernels.h`; `fr_sgd_rows` is what is called.
Columns that a row does not have are left alone, and catch up with the penalty when a row has them:
a plain rule keeps w as scale * v, an adaptive one the clock at which a column was last seen.

Plain rules, with eta of the schedule, as scikit-learn's::

    w = (1 - eta alpha (1 - l1_ratio)) w - eta s g x,       g = l'(y, b + x'w)

Adaptive rules, with u = x / s in [-1, 1] and s the largest |x| of each column so far::

    R^2 = R^2 + (g u)^2,    w = w - rate g u / (s R),    rate = eta0 sqrt(t / N)

with t the sum of weights and N that of their u'u (Ross, Mineiro & Langford 2013); "adagrad" has s = 1
and rate = eta0 (Duchi, Hazan & Singer 2011).
"""

from c_sgd cimport *
from libc.math cimport INFINITY, fabs, isfinite, pow, sqrt
from libc.stdint cimport int32_t, int64_t
from losses_of_rows cimport value_and_slope

cdef extern from "kernels.h" nogil:
    enum: FR_DOUBLE, FR_FLOAT, FR_ONES

cdef enum:
    AHEAD = 4        # rows that are prefetched before their turn
    LINE = 64        # bytes of a cache line
    MOST_STEPS = 64  # steps of a row of large weight


cdef struct Row:
    # the columns of a row, with the intercept as the last one; buffers are padded to blocks of 8
    Py_ssize_t n, blocks, wide
    double *x
    int64_t *at
    double *inverse
    double *clock
    double *w
    double *r
    double *area
    double *p         # predictions and slopes of several outputs
    double *g


cdef inline Py_ssize_t row_at(const fr_sgd *s, Py_ssize_t i) noexcept nogil:
    return i if s.order == NULL else s.order[i]


cdef inline Py_ssize_t start_of(const fr_sgd *s, Py_ssize_t i) noexcept nogil:
    """Where row i begins among the elements."""
    if s.a.index < 0:
        return i * s.a.ld
    if s.a.index == 0:
        return (<const int32_t *> s.a.indptr)[i]
    return (<const int64_t *> s.a.indptr)[i]


cdef inline void fetch(const void *data, Py_ssize_t first, Py_ssize_t size,
                       Py_ssize_t each) noexcept nogil:
    cdef const char *at = <const char *> data + first * each
    cdef const char *end = at + size * each
    while at < end:
        FR_PREFETCH(at)
        at += LINE


cdef inline void fetch_row(const fr_sgd *s, Py_ssize_t position) noexcept nogil:
    """Prefetch a row that comes later."""
    cdef Py_ssize_t i, first, size
    if position >= s.end:
        return
    i = row_at(s, position)
    first = start_of(s, i)
    if s.a.index < 0:
        fetch(s.a.data, first, s.a.n_minor, 4 if s.a.real == FR_FLOAT else 8)
        return
    size = start_of(s, i + 1) - first
    fetch(s.a.indices, first, size, 4 if s.a.index == 0 else 8)
    if s.a.real != FR_ONES:
        fetch(s.a.data, first, size, 4 if s.a.real == FR_FLOAT else 8)


cdef inline Py_ssize_t read_elements(const fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Copy the values of row i to q.x, and its columns to q.at; return their number."""
    cdef Py_ssize_t first = start_of(s, i), n = s.a.n_minor, k
    cdef const float *f = <const float *> s.a.data + first
    cdef const double *d = <const double *> s.a.data + first
    cdef const int32_t *narrow = <const int32_t *> s.a.indices + first
    cdef const int64_t *wide = <const int64_t *> s.a.indices + first
    if s.a.index >= 0:
        n = start_of(s, i + 1) - first
        if s.a.index == 0:
            for k in range(n):
                q.at[k] = narrow[k]
        else:
            for k in range(n):
                q.at[k] = wide[k]
    if s.a.real == FR_ONES:
        for k in range(n):
            q.x[k] = 1.0
    elif s.a.real == FR_FLOAT:
        for k in range(n):
            q.x[k] = f[k]
    else:
        for k in range(n):
            q.x[k] = d[k]
    return n


cdef inline void read_row(const fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Values and columns of row i, the intercept behind them."""
    cdef Py_ssize_t n = read_elements(s, i, q), k
    if s.intercept:
        q.x[n] = 1.0
        if s.a.index >= 0:
            q.at[n] = s.a.n_minor
        n += 1
    q.n, q.blocks = n, (n + 7) // 8
    for k in range(n, 8 * q.blocks):
        q.x[k] = 0.0


cdef inline void gather(const fr_sgd *s, Row *q) noexcept nogil:
    """The records of a row's columns, field by field."""
    cdef Py_ssize_t k, fields = s.ld
    cdef const double *record
    for k in range(q.n):
        record = s.table + q.at[k] * fields
        q.inverse[k], q.clock[k], q.w[k], q.r[k] = record[0], record[1], record[2], record[3]
        if s.averages:
            q.area[k] = record[4]
    for k in range(q.n, 8 * q.blocks):
        q.inverse[k] = q.clock[k] = q.w[k] = q.r[k] = 0.0


cdef inline void scatter(const fr_sgd *s, const Row *q) noexcept nogil:
    cdef Py_ssize_t k, fields = s.ld
    cdef double *record
    for k in range(q.n):
        record = s.table + q.at[k] * fields
        record[0], record[1], record[2], record[3] = q.inverse[k], q.clock[k], q.w[k], q.r[k]
        if s.averages:
            record[4] = q.area[k]


cdef inline double penalty_of(const fr_sgd *s, Py_ssize_t column) noexcept nogil:
    if column >= s.a.n_minor:
        return 0.0
    return s.alpha if s.factor == NULL else s.alpha * s.factor[column]


cdef inline double flow(const fr_sgd *s, double penalty, double inverse, double r, double time,
                        double w, double *area) noexcept nogil:
    """w after the penalty's flow over a time, whose integral is added."""
    cdef double rate = r if r < 1e-10 * FR_SGD_FRESH else 0.0
    return fr_flow(w, penalty * inverse * rate * inverse, s.l1_ratio, time, area)


cdef inline void catch_up(const fr_sgd *s, Row *q, double now) noexcept nogil:
    """The penalty's flow with L1, factors or averages."""
    cdef Py_ssize_t k, column
    cdef double nothing = 0.0
    cdef double *area
    for k in range(q.n):
        column = k if s.a.index < 0 else q.at[k]
        area = q.area + k if s.averages else &nothing
        q.w[k] = flow(s, penalty_of(s, column), q.inverse[k], q.r[k], now - q.clock[k], q.w[k],
                      area)
        q.clock[k] = now


cdef inline double tick(fr_sgd *s, double weight, double squares) noexcept nogil:
    """Count a step; return its rate."""
    cdef double *c = s.numbers
    cdef double rate = s.eta0 * c[FR_SGD_SHRINK]
    c[FR_SGD_SEEN] += weight
    if s.rule == FR_SGD_AUTO:
        c[FR_SGD_SQUARES] += weight * squares
        if c[FR_SGD_SQUARES] > 0:
            rate *= sqrt(c[FR_SGD_SEEN] / c[FR_SGD_SQUARES])
    c[FR_SGD_ETA] = rate
    return rate


cdef inline double adaptive_row(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Learn from one row with one output; return its weighted loss, infinity where that ends."""
    cdef double *c = s.numbers
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double y = s.y[i], each = weight, rate, slope, g, value, loss = 0.0, decay = s.alpha
    cdef Py_ssize_t steps = 1, step
    cdef bint light = s.averages or s.factor != NULL or (s.alpha > 0 and s.l1_ratio > 0)
    cdef fr_row_sums sums
    if weight <= 0:
        return 0.0
    if weight > 1:
        steps = MOST_STEPS if weight > MOST_STEPS else <Py_ssize_t> weight
        steps += steps < weight and steps < MOST_STEPS
        each = weight / steps
    read_row(s, i, q)
    if s.a.index >= 0:
        gather(s, q)
    if light:
        decay = 0.0
    for step in range(steps):
        if light:
            catch_up(s, q, c[FR_SGD_CLOCK])
        if s.intercept:
            # no penalty on it
            q.clock[q.n - 1] = c[FR_SGD_CLOCK]
        sums = fr_row_predict(q.blocks, q.x, q.inverse, q.clock, q.w, q.r, decay, c[FR_SGD_CLOCK])
        if s.rule == FR_SGD_AUTO and sums.most > 1:
            fr_row_grow(q.n, q.x, q.inverse, q.w, q.r, 1)
            sums = fr_row_predict(q.blocks, q.x, q.inverse, q.clock, q.w, q.r, 0.0, 0.0)
        value = value_and_slope(s.loss, s.parameter, y, sums.product, &slope)
        if step == 0:
            loss = weight * value
        g = each * slope
        rate = tick(s, each, sums.squares)
        if not isfinite(g) or not isfinite(value):
            return INFINITY
        if g != 0:
            fr_row_step(q.blocks, q.x, q.inverse, q.w, q.r, g, rate)
        c[FR_SGD_CLOCK] += each * c[FR_SGD_ETA]
    if s.a.index >= 0:
        scatter(s, q)
    return loss


cdef inline double slopes(const fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Loss of several outputs from predictions q.p, and its derivatives q.g."""
    cdef Py_ssize_t k, n = s.k
    cdef double most, total = 0.0, loss = 0.0, target, own, value
    if s.loss != FR_SGD_MULTINOMIAL:
        for k in range(n):
            if s.soft:
                target = 2.0 * s.y[i * n + k] - 1.0
            else:
                target = 1.0 if s.codes[i] == k else -1.0
            value = value_and_slope(s.loss, s.parameter, target, q.p[k], &q.g[k])
            if s.positive != NULL and target > 0:
                value *= s.positive[k]
                q.g[k] *= s.positive[k]
            loss += value
        return loss
    most = q.p[0]
    for k in range(1, n):
        most = q.p[k] if q.p[k] > most else most
    for k in range(n):
        q.g[k] = fr_exp(q.p[k] - most)
        total += q.g[k]
    loss = 0.0
    own = 0.0
    for k in range(n):
        q.g[k] /= total
        target = s.y[i * n + k] if s.soft else (1.0 if s.codes[i] == k else 0.0)
        own += target
        if target != 0:
            loss -= target * (q.p[k] - most)
    loss += own * fr_log(total)
    for k in range(n):
        target = s.y[i * n + k] if s.soft else (1.0 if s.codes[i] == k else 0.0)
        q.g[k] = own * q.g[k] - target
    return loss


cdef inline double *record_of(const fr_sgd *s, const Row *q, Py_ssize_t j) noexcept nogil:
    return s.table + (q.at[j] if s.a.index >= 0 else j) * s.ld


cdef inline double predict_several(fr_sgd *s, Row *q, double now) noexcept nogil:
    """Predictions of several outputs of an adaptive rule; return the sum of (x / s)^2."""
    cdef Py_ssize_t j, k, n = s.k
    cdef double x, size, penalty, time, q2, nothing, squares = 0.0
    cdef double *record
    cdef double *w
    cdef double *r
    cdef double *area
    cdef bint light = s.averages or (s.alpha > 0 and s.l1_ratio > 0)
    for k in range(n):
        q.p[k] = 0.0
    for j in range(q.n):
        record = record_of(s, q, j)
        x = q.x[j]
        w, r = record + 2, record + 2 + n
        time = now - record[1]
        record[1] = now
        penalty = 0.0
        if j < q.n - s.intercept:
            penalty = penalty_of(s, j if s.a.index < 0 else q.at[j])
        if light:
            area = w + 2 * n
            for k in range(n):
                w[k] = flow(s, penalty, record[0], r[k], time, w[k],
                            area + k if s.averages else &nothing)
        elif penalty > 0 and time > 0:
            q2 = -penalty * time * record[0]
            for k in range(n):
                w[k] *= fr_exp(q2 * (r[k] if r[k] < 1e-10 * FR_SGD_FRESH else 0.0) * record[0])
        size = fabs(x) * record[0]
        if size > 1 and s.rule == FR_SGD_AUTO:
            fr_row_grow(1, &x, record, w, r, n)
            size = 1.0
        squares += size * size
        for k in range(n):
            q.p[k] += x * w[k]
    return squares


cdef inline void step_several(const fr_sgd *s, Row *q, double rate) noexcept nogil:
    cdef Py_ssize_t j, k, n = s.k
    cdef double u, d, v, by
    cdef double *record
    cdef double *w
    cdef double *r
    for j in range(q.n):
        record = record_of(s, q, j)
        w, r = record + 2, record + 2 + n
        u, by = q.x[j] * record[0], rate * record[0]
        for k in range(n):
            d = q.g[k] * u
            v = d * r[k]
            r[k] *= fr_rsqrt(1.0 + v * v)
            w[k] -= by * d * r[k]


cdef inline double adaptive_rows_of_several(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """The same for several outputs."""
    cdef double *c = s.numbers
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double each = weight, rate, value, loss = 0.0, squares, sum
    cdef Py_ssize_t steps = 1, step, k
    if weight <= 0:
        return 0.0
    if weight > 1:
        steps = MOST_STEPS if weight > MOST_STEPS else <Py_ssize_t> weight
        steps += steps < weight and steps < MOST_STEPS
        each = weight / steps
    read_row(s, i, q)
    for step in range(steps):
        squares = predict_several(s, q, c[FR_SGD_CLOCK])
        value = slopes(s, i, q)
        if step == 0:
            loss = weight * value
        rate = tick(s, each, squares)
        sum = value
        for k in range(s.k):
            q.g[k] *= each
            sum += fabs(q.g[k])
        if not isfinite(sum):
            return INFINITY
        step_several(s, q, rate)
        c[FR_SGD_CLOCK] += each * rate
    return loss


cdef inline double schedule(const fr_sgd *s, double t) noexcept nogil:
    """The rate of step t of scikit-learn's schedules, but for a factor that is the caller's."""
    if s.rule == FR_SGD_OPTIMAL:
        return 1.0 / (s.alpha * (s.first + t - 1.0))
    if s.rule == FR_SGD_INVSCALING:
        return s.eta0 / pow(t, s.power)
    return s.eta0


cdef inline double passive(const fr_sgd *s, double y, double p, double value,
                           double squares) noexcept nogil:
    """The step of passive-aggressive rules."""
    cdef double size
    if s.rule == FR_SGD_PA1:
        size = min(s.eta0, value / squares) if squares > 0 else 0.0
    else:
        size = value / (squares + 0.5 / s.eta0)
    if s.loss == FR_SGD_HINGE or s.loss == FR_SGD_PERCEPTRON:
        return size * y
    return -size if y - p < 0 else size


cdef inline double *field(const fr_sgd *s, Py_ssize_t column, Py_ssize_t number) noexcept nogil:
    """Number `number` of a column's record."""
    if s.by_field:
        return s.table + number * s.ld + column
    return s.table + column * s.ld + number


cdef void renormalise(fr_sgd *s, Py_ssize_t g) noexcept nogil:
    """Make the scale of a group of columns 1."""
    cdef Py_ssize_t j, k, sums = s.k * (2 if s.l1_ratio > 0 and s.alpha > 0 else 1)
    cdef double *v
    for j in range(s.a.n_minor):
        if s.group == NULL or s.group[j] == g:
            for k in range(s.k):
                v = field(s, j, k)
                if s.averages:
                    field(s, j, sums + k)[0] += s.scale_sum[g] * v[0]
                v[0] *= s.scale[g]
    s.scale[g], s.scale_sum[g] = 1.0, 0.0


cdef inline double plain_row(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Learn from one row by a rule of scikit-learn; return its weighted loss, or infinity."""
    cdef double *c = s.numbers
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double eta = schedule(s, c[FR_SGD_T]) * c[FR_SGD_SHRINK], value, squares = 0.0, x, p, scale
    cdef double own, z, most, u, sum
    cdef Py_ssize_t n, j, k, g, column, sums
    cdef bint several = s.k > 1, l1 = s.l1_ratio > 0 and s.alpha > 0
    cdef bint averaged = s.average > 0 and s.average <= c[FR_SGD_T]
    cdef double *v
    cdef double *intercept = field(s, s.a.n_minor, 0)
    sums = s.k * (2 if l1 else 1)
    n = read_elements(s, i, q)
    for k in range(s.k):
        q.p[k] = 0.0
    if not several:
        p = 0.0
        for j in range(n):
            column = q.at[j] if s.a.index >= 0 else j
            scale = s.scale[0] if s.group == NULL else s.scale[s.group[column]]
            p += q.x[j] * scale * field(s, column, 0)[0]
        q.p[0] = p
    else:
        for j in range(n):
            column = q.at[j] if s.a.index >= 0 else j
            scale = s.scale[0] if s.group == NULL else s.scale[s.group[column]]
            x = q.x[j] * scale
            v = field(s, column, 0)
            for k in range(s.k):
                q.p[k] += x * v[k]
    for k in range(s.k):
        q.p[k] += field(s, s.a.n_minor, k)[0] if s.intercept else 0.0
    if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
        for j in range(n):
            squares += q.x[j] * q.x[j]
    # q.g: what is added, times x, to the weights
    if several:
        value = slopes(s, i, q)
        sum = value
        for k in range(s.k):
            sum += fabs(q.g[k])
            if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
                own = 1.0 if s.codes[i] == k else -1.0
                z = value_and_slope(s.loss, s.parameter, own, q.p[k], &x)
                q.g[k] = passive(s, own, q.p[k], z, squares)
                if s.positive != NULL and own > 0:
                    q.g[k] *= s.positive[k]
            else:
                q.g[k] = -eta * min(max(q.g[k], -FR_SGD_MOST_SLOPE), FR_SGD_MOST_SLOPE)
            q.g[k] *= weight
    else:
        value = value_and_slope(s.loss, s.parameter, s.y[i], q.p[0], &z)
        sum = value + fabs(z)
        if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
            q.g[0] = passive(s, s.y[i], q.p[0], value, squares) * weight
        else:
            q.g[0] = -eta * min(max(z, -FR_SGD_MOST_SLOPE), FR_SGD_MOST_SLOPE) * weight
    if not isfinite(sum) or not isfinite(q.p[0]):
        return INFINITY
    c[FR_SGD_ETA] = eta
    if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
        eta = s.eta0
    # scale = (1 - eta alpha (1 - l1_ratio) f) scale
    if s.alpha > 0 and s.l1_ratio < 1:
        for g in range(s.n_scales):
            u = 1.0 - (1.0 - s.l1_ratio) * eta * s.alpha * s.scale_factor[g]
            s.scale[g] *= u if u > 0 else 0.0
            if s.scale[g] < 1e-9:
                renormalise(s, g)
    for j in range(n):
        column = q.at[j] if s.a.index >= 0 else j
        g = 0 if s.group == NULL else s.group[column]
        v = field(s, column, 0)
        x = q.x[j] / s.scale[g]
        if several:
            for k in range(s.k):
                v[k] += q.g[k] * x
            if averaged:
                for k in range(s.k):
                    v[sums + k] -= q.g[k] * x * s.scale_sum[g]
        else:
            v[0] += q.g[0] * x
            if averaged:
                field(s, column, sums)[0] -= q.g[0] * x * s.scale_sum[g]
    if s.intercept:
        for k in range(s.k):
            field(s, s.a.n_minor, k)[0] += q.g[k]
    if averaged:
        if c[FR_SGD_BEGAN] < 0:
            c[FR_SGD_BEGAN] = c[FR_SGD_T]
        for g in range(s.n_scales):
            s.scale_sum[g] += s.scale[g]
        for k in range(s.k):
            field(s, s.a.n_minor, sums + k)[0] += field(s, s.a.n_minor, k)[0]
    if l1:
        c[FR_SGD_L1] += s.l1_ratio * eta * s.alpha
        for j in range(n):
            if q.x[j] == 0:
                # as in sparse rows, which have no zeros
                continue
            column = q.at[j] if s.a.index >= 0 else j
            g = 0 if s.group == NULL else s.group[column]
            most = c[FR_SGD_L1] * (1.0 if s.factor == NULL else s.factor[column])
            for k in range(s.k):
                truncate(field(s, column, k), field(s, column, s.k + k),
                         field(s, column, sums + k) if averaged else NULL, most, s.scale[g],
                         s.scale_sum[g])
    c[FR_SGD_T] += 1.0
    return weight * value


cdef inline void truncate(double *v, double *got, double *sum, double most, double scale,
                          double scale_sum) noexcept nogil:
    """The L1 penalty that a weight has not had yet (Tsuruoka, Tsujii & Ananiadou 2009)."""
    cdef double z = v[0]
    if z > 0:
        v[0] = max(0.0, z - (most + got[0]) / scale)
    elif z < 0:
        v[0] = min(0.0, z + (most - got[0]) / scale)
    got[0] += scale * (v[0] - z)
    if sum != NULL:
        sum[0] -= (v[0] - z) * scale_sum


cdef inline void prepare(const fr_sgd *s, Row *q, Py_ssize_t wide) noexcept nogil:
    """Cut the working memory into buffers for rows of up to `wide` elements."""
    cdef double *at = s.work
    q.wide = wide
    q.x, q.inverse, q.clock = at, at + wide, at + 2 * wide
    q.w, q.r, q.area = at + 3 * wide, at + 4 * wide, at + 5 * wide
    q.at = <int64_t *> (at + 6 * wide)
    q.p = at + 7 * wide
    q.g = q.p + s.k
    if s.by_field:
        q.inverse, q.clock = s.table, s.table + s.ld
        q.w, q.r, q.area = s.table + 2 * s.ld, s.table + 3 * s.ld, s.table + 4 * s.ld


cdef public void fr_sgd_rows(fr_sgd *s, Py_ssize_t wide) noexcept nogil:
    """Learn from rows s.begin to s.end of the order, of at most `wide` elements, a multiple of 8."""
    cdef Row q
    cdef Py_ssize_t i, position
    cdef double loss
    prepare(s, &q, wide)
    for position in range(s.begin, s.end):
        fetch_row(s, position + AHEAD)
        i = row_at(s, position)
        if s.rule < FR_SGD_ADAGRAD:
            loss = plain_row(s, i, &q)
        elif s.k == 1:
            loss = adaptive_row(s, i, &q)
            s.numbers[FR_SGD_T] += 1.0
        else:
            loss = adaptive_rows_of_several(s, i, &q)
            s.numbers[FR_SGD_T] += 1.0
        if loss == INFINITY:
            s.diverged = 1
            s.begin = position
            return
        s.loss_sum += loss
    s.begin = s.end
