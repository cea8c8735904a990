"""The pass over the rows of a batch: tasks predict, and add gradients to their own sums."""

from c_batch cimport *
from c_rows cimport *
from c_sgd cimport *
from libc.math cimport fabs, isfinite
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from losses_of_rows cimport value_and_slope
from single_steps cimport *

cdef extern from "parallel.h" nogil:
    int fr_parallel(void (*task)(void *, Py_ssize_t) noexcept nogil, void *context,
                    Py_ssize_t n_tasks, int n_threads)
    int fr_poll()

cdef enum:
    PIECE = 4000000  # elements that a task reads between two checks for an interrupt


cdef extern from *:
    '''
    #define ROUNDING 1e-15 /* part of a sum of gradients that rounding may leave of nothing */
    '''
    double ROUNDING


cdef struct Part:
    # a task: positions of its rows
    Py_ssize_t begin, end
    # sums over them: weights, weighted distances of targets from their mean and from predictions,
    # squares, losses
    double weight, shift, error, squares, loss
    bint grows, ended
    # per output: gradients of the intercept, those of bounded steps, sizes of gradients
    double *outer
    double *inner
    double *sizes
    # per column, for all columns: sums, and the part that bounds removed
    double *sums
    double *taken
    # for columns that the rows have: records of 1 / s, v (k), d (k), d / R (k), gradients (k), and
    # those of bounded steps (k)
    int32_t *place
    int64_t *columns
    double *records
    Py_ssize_t n
    Row row
    double *bounded
    double apart[16]  # padding: no two tasks write to one cache line


cdef struct Job:
    fr_sgd *s
    Part parts[FR_SGD_MOST_TASKS]
    int tasks
    Py_ssize_t begin, end  # of the batch
    Py_ssize_t first, step  # rows of each task of a piece
    Py_ssize_t size  # of a record
    bint whole, adaptive, scaled, bound
    bint began  # whether this batch has set the start of the intercept
    fr_batch_columns c
    double now, rate, own, mean
    int32_t *grown  # by position in the batch


cdef inline bint has_integral(const fr_sgd *s) noexcept nogil:
    return s.averages or (s.alpha > 0 and s.l1_ratio > 0)


cdef inline Py_ssize_t areas(const fr_sgd *s) noexcept nogil:
    """Return the offset from v to its integral in the record of an adaptive rule."""
    return (5 if s.debts else 3) * s.k


cdef inline void settle(const fr_sgd *s, double penalty, double inverse, double time, double *v,
                        double r, double reach, double *area, double *debts,
                        Py_ssize_t apart) noexcept nogil:
    """Apply the pending penalty to one weight."""
    if time <= 0:
        return
    if has_integral(s):
        flow(s, penalty, inverse, time, v, r, reach, area, debts, apart)
    elif penalty > 0:
        v[0] *= fr_exp(-penalty * time * (reach * r) * inverse * inverse)


cdef inline void settle_column(const fr_sgd *s, Py_ssize_t column, double now) noexcept nogil:
    """Apply the pending penalty to the record of a column of an adaptive rule."""
    cdef Py_ssize_t k, n = s.k, apart = s.ld if s.by_field else 1
    cdef double *record = s.table + (column if s.by_field else column * s.ld)
    cdef double *v = record + 2 * apart
    cdef double time = now - record[apart], penalty
    if s.rule == FR_SGD_COIN:
        return
    penalty = penalty_of(s, column)
    for k in range(n):
        settle(s, penalty, record[0], time, v + k * apart, v[(n + k) * apart],
               v[(2 * n + k) * apart], v + (areas(s) + k) * apart if s.averages else NULL,
               v + (3 * n + k) * apart if s.debts else NULL, n * apart)
    record[apart] = now


cdef inline void put_columns(Job *job) noexcept nogil:
    """Copy all columns at the start of a batch, for dense rows and one output."""
    cdef const fr_sgd *s = job.s
    cdef fr_batch_columns *c = &job.c
    cdef Py_ssize_t j, at
    cdef double v, r, d
    c.adaptive, c.bounded, c.freshly = job.adaptive, job.bound, 0
    if not job.adaptive:
        for j in range(s.a.n_minor):
            at = fr_batch_place(s.a.n_minor, j)
            c.unit[at] = 1.0
            c.value[at] = field(s, j, 0)[0] * s.scale[0 if s.group == NULL else s.group[j]]
        return
    for j in range(s.a.n_minor):
        v, r = s.table[2 * s.ld + j], s.table[3 * s.ld + j]
        at = fr_batch_place(s.a.n_minor, j)
        c.unit[at], c.value[at] = s.table[j], v
        if job.bound:
            d = max(s.table[4 * s.ld + j], job.rate + SHARE * fabs(v))
            c.reach[at], c.known[at], c.fresh[at] = d, d * r, 0.0 if r > 0 else d
            if not r > 0:
                c.freshly = 1


cdef inline Py_ssize_t find(Job *job, Part *part, int64_t column) noexcept nogil:
    """Return the place of a column among those of a task; make its record if it is new."""
    cdef const fr_sgd *s = job.s
    cdef Py_ssize_t at = part.place[column], k, n = s.k
    cdef double *own
    cdef const double *record
    cdef double time, penalty, v, r, d, scale
    if at > 0:
        return at - 1
    at = part.n
    part.n += 1
    part.place[column] = <int32_t> part.n
    part.columns[at] = column
    own = part.records + at * job.size
    memset(own, 0, job.size * sizeof(double))
    if not job.adaptive:
        own[0], scale = 1.0, s.scale[0 if s.group == NULL else s.group[column]]
        for k in range(n):
            own[1 + k] = field(s, column, k)[0] * scale
        return at
    record = s.table + column * s.ld
    own[0] = record[0]
    if s.rule == FR_SGD_COIN:
        for k in range(n):
            own[1 + k] = record[2 + k]
        return at
    time, penalty = job.now - record[1], penalty_of(s, column)
    for k in range(n):
        v, r, d = record[2 + k], record[2 + n + k], record[2 + 2 * n + k]
        settle(s, penalty, record[0], time, &v, r, d, NULL, NULL, 0)
        own[1 + k] = v
        if job.bound:
            d = max(d, job.rate + SHARE * fabs(v))
            own[1 + n + k], own[1 + 2 * n + k] = d, d * r
    return at


cdef inline double target_of(const fr_sgd *s, Py_ssize_t i, Py_ssize_t k) noexcept nogil:
    if s.k == 1:
        return s.y[i]
    if s.soft:
        return 2.0 * s.y[i * s.k + k] - 1.0
    return 1.0 if s.codes[i] == k else -1.0


cdef inline double bounded_slope(const Job *job, double y, double p, double g, double reach,
                                 double known, double fresh) noexcept nogil:
    """Return the weighted slope g, reduced where its step would go too far."""
    cdef double move = min(reach, fabs(g) * known + fresh), room = room_of(job.s, y, p)
    return g * room / move if move > room else g


cdef inline void count(Job *job, Part *part, Py_ssize_t i, double weight, double p) noexcept nogil:
    """Add a target to the sums of a task."""
    cdef const fr_sgd *s = job.s
    part.weight += weight
    if s.k == 1 and is_regression(s):
        part.shift += weight * (s.y[i] - job.mean)
        part.error += weight * fabs(p - s.y[i])


cdef inline void plain_slopes(Job *job, Part *part, Py_ssize_t i, Row *q, double weight,
                              double squares) noexcept nogil:
    """Turn slopes q.g of a plain rule into factors of x to add to the weights."""
    cdef const fr_sgd *s = job.s
    cdef Py_ssize_t k
    cdef double y, value, unused
    for k in range(s.k):
        if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
            y = target_of(s, i, k)
            value = value_and_slope(s.loss, s.parameter, y, q.p[k], &unused)
            q.g[k] = passive(s, y, q.p[k], value, squares)
            if s.k > 1 and s.positive != NULL and y > 0:
                q.g[k] *= s.positive[k]
        else:
            q.g[k] = -job.rate * min(max(q.g[k], -FR_SGD_MOST_SLOPE), FR_SGD_MOST_SLOPE)
        q.g[k] *= weight


cdef inline void block_of_rows(Job *job, Part *part, Py_ssize_t begin, Py_ssize_t n) noexcept nogil:
    """Predict and add up to FR_BATCH_BLOCK dense rows of one output."""
    cdef fr_sgd *s = job.s
    cdef fr_batch_row found[FR_BATCH_BLOCK]
    cdef const void *rows[FR_BATCH_BLOCK]
    cdef const void *moved[FR_BATCH_BLOCK]
    cdef const void *cut[FR_BATCH_BLOCK]
    cdef Py_ssize_t at[FR_BATCH_BLOCK]
    cdef double g[FR_BATCH_BLOCK]
    cdef double less[FR_BATCH_BLOCK]
    cdef double y_of[FR_BATCH_BLOCK]
    cdef double p_of[FR_BATCH_BLOCK]
    cdef double values[FR_BATCH_BLOCK]
    cdef double slopes_of[FR_BATCH_BLOCK]
    cdef bint single = s.a.real == FR_FLOAT
    cdef Py_ssize_t each = 4 if single else 8, e, i, size = 0, n_moved = 0, n_cut = 0
    cdef double base, weight, p, value, slope, of_b = 0.0, r_b = 0.0, d
    cdef double *b = field(s, s.a.n_minor, 2 if job.adaptive else 0)
    base = b[0] if s.intercept else 0.0
    if job.bound and s.intercept:
        r_b, of_b = b[s.ld], max(b[2 * s.ld], job.own)
    for e in range(n):
        i = row_at(s, begin + e)
        fr_fetch_row_later(s, begin + e + 2 * FR_BATCH_BLOCK)
        fr_fetch_beside(s, begin + e + 2 * FR_BATCH_BLOCK)
        if job.adaptive and s.weight != NULL and s.weight[i] <= 0:
            continue
        at[size], rows[size] = i, <const char *> s.a.data + start_of(s, i) * each
        # store the position until it is known whether units grow
        less[size] = begin + e
        size += 1
    fr_batch_predict(single, rows, size, s.a.n_minor, &job.c, found)
    if s.rule == FR_SGD_AUTO:
        for e in range(size):
            if found[e].grows:
                part.grows = True
                job.grown[<Py_ssize_t> less[e] - job.begin] = 1
        if part.grows:
            return
    for e in range(FR_BATCH_BLOCK):
        y_of[e] = s.y[at[e]] if e < size else 0.0
        p_of[e] = found[e].product + base if e < size else 0.0
    if s.loss == FR_SGD_LOG:
        fr_batch_log_losses(y_of, p_of, values, slopes_of)
    else:
        for e in range(size):
            values[e] = value_and_slope(s.loss, s.parameter, y_of[e], p_of[e], &slopes_of[e])
    for e in range(size):
        i = at[e]
        weight = 1.0 if s.weight == NULL else s.weight[i]
        p, value, slope = p_of[e], values[e], slopes_of[e]
        part.loss += weight * value
        if not isfinite(value + fabs(slope) + fabs(p)):
            part.ended = True
            return
        count(job, part, i, weight, p)
        part.squares += weight * found[e].squares
        if not job.adaptive:
            slope = -job.rate * min(max(slope, -FR_SGD_MOST_SLOPE), FR_SGD_MOST_SLOPE)
        slope *= weight
        if slope == 0:
            continue
        d = slope
        if job.bound:
            d = bounded_slope(job, s.y[i], p, slope, found[e].reach + of_b,
                              found[e].known + of_b * r_b,
                              found[e].fresh + (0.0 if r_b > 0 else of_b))
            if d != slope:
                cut[n_cut], less[n_cut] = rows[e], d - slope
                n_cut += 1
        moved[n_moved], g[n_moved] = rows[e], slope
        n_moved += 1
        part.outer[0] += slope
        part.inner[0] += d
        part.sizes[0] += fabs(slope)
    fr_batch_add(single, moved, g, n_moved, s.a.n_minor, job.c.unit, part.sums)
    fr_batch_add(single, cut, less, n_cut, s.a.n_minor, job.c.unit, part.taken)


cdef inline void one_row(Job *job, Part *part, Py_ssize_t position) noexcept nogil:
    """Predict and add one row, of any storage and number of outputs."""
    cdef fr_sgd *s = job.s
    cdef Row *q = &part.row
    cdef Py_ssize_t i = row_at(s, position), j, k, n = s.k, size
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i], u, value, sum, squares = 0.0
    cdef double by, z
    cdef double *own
    cdef double *b = field(s, s.a.n_minor, 2 if job.adaptive else 0)
    fr_fetch_row(s, position + AHEAD)
    if job.adaptive and weight <= 0:
        return
    size = read_elements(s, i, q.x, q.at)
    if s.a.index < 0:
        for j in range(size):
            q.at[j] = j
    if part.grows:
        # the sums will be discarded: only find more columns that grow
        for j in range(size):
            if fabs(q.x[j] * s.table[q.at[j] * s.ld]) > 1:
                job.grown[position - job.begin] = 1
        return
    for k in range(n):
        q.p[k] = 0.0
        if s.intercept:
            q.p[k] = field(s, s.a.n_minor, k)[0] if not job.adaptive else b[k]
            if s.rule == FR_SGD_COIN:
                q.p[k] += s.numbers[FR_SGD_START]
        q.all[k] = q.known[k] = q.fresh[k] = 0.0
        if job.bound and s.intercept:
            by = max(b[2 * n + k], job.own)
            q.all[k], q.known[k], q.fresh[k] = by, by * b[n + k], 0.0 if b[n + k] > 0 else by
    for j in range(size):
        if q.x[j] == 0:
            q.at[j] = -1
            continue
        q.at[j] = find(job, part, q.at[j])
        own = part.records + q.at[j] * job.size
        u = q.x[j] * own[0]
        if fabs(u) > 1 and job.scaled:
            part.grows = True
            job.grown[position - job.begin] = 1
        q.x[j] = u
        squares += u * u
        for k in range(n):
            q.p[k] += u * own[1 + k]
        if job.bound:
            for k in range(n):
                by = own[1 + n + k] * fabs(u)
                z = own[1 + 2 * n + k]
                q.all[k] += by
                q.known[k] += z * u * u
                q.fresh[k] += 0.0 if z > 0 else by
    if part.grows:
        return
    if n == 1:
        value = value_and_slope(s.loss, s.parameter, s.y[i], q.p[0], &q.g[0])
    else:
        value = slopes(s, i, q)
    part.loss += weight * value
    sum = value
    for k in range(n):
        sum += fabs(q.g[k]) + fabs(q.p[k])
    if not isfinite(sum):
        part.ended = True
        return
    count(job, part, i, weight, q.p[0])
    part.squares += weight * squares
    if job.adaptive:
        for k in range(n):
            q.g[k] *= weight
    else:
        plain_slopes(job, part, i, q, weight, squares)
    for k in range(n):
        part.bounded[k] = q.g[k]
        if job.bound and q.g[k] != 0:
            part.bounded[k] = bounded_slope(job, target_of(s, i, k), q.p[k], q.g[k], q.all[k],
                                            q.known[k], q.fresh[k])
        part.outer[k] += q.g[k]
        part.inner[k] += part.bounded[k]
        part.sizes[k] += fabs(q.g[k])
    for j in range(size):
        if q.at[j] < 0:
            continue
        own = part.records + q.at[j] * job.size + 1 + 3 * n
        u = q.x[j]
        for k in range(n):
            own[k] += q.g[k] * u
        if job.bound:
            own += n
            for k in range(n):
                own[k] += part.bounded[k] * u


cdef inline void task(void *context, Py_ssize_t t) noexcept nogil:
    """Visit a piece of the rows of a task."""
    cdef Job *job = <Job *> context
    cdef Part *part = &job.parts[t]
    cdef Py_ssize_t position = part.begin + job.first, end, n, most
    end = min(part.end, position + job.step)
    if part.ended:
        return
    if not job.whole:
        while position < end and not part.ended:
            one_row(job, part, position)
            position += 1
        return
    most = max(1, min(<Py_ssize_t> FR_BATCH_BLOCK, 4096 // max(1, job.s.a.n_minor)))
    while position < end and not part.ended:
        n = min(most, end - position)
        block_of_rows(job, part, position, n)
        position += n


cdef inline void empty(Job *job) noexcept nogil:
    """Set the sums of all tasks to 0."""
    cdef Part *part
    cdef Py_ssize_t j, p = job.s.a.n_minor, k = job.s.k
    cdef int t
    for t in range(job.tasks):
        part = &job.parts[t]
        part.weight = part.shift = part.error = part.squares = part.loss = 0.0
        part.grows = part.ended = False
        memset(part.outer, 0, 3 * k * sizeof(double))
        if job.whole:
            memset(part.sums, 0, (p + 8) * sizeof(double))
            memset(part.taken, 0, (p + 8) * sizeof(double))
        else:
            for j in range(part.n):
                part.place[part.columns[j]] = 0
            part.n = 0


cdef inline int visit(Job *job) noexcept nogil:
    """Predict and add all rows of the batch; return a status."""
    cdef fr_sgd *s = job.s
    cdef Py_ssize_t n = job.end - job.begin, each = (n + job.tasks - 1) // job.tasks, a
    cdef int t, status = 0
    empty(job)
    for t in range(job.tasks):
        a = min(n, t * each)
        job.parts[t].begin, job.parts[t].end = job.begin + a, job.begin + min(n, a + each)
    job.mean = s.numbers[FR_SGD_MEAN]
    if job.whole:
        put_columns(job)
    job.first = 0
    while job.first < each and not status:
        status = fr_parallel(task, job, job.tasks, s.threads)
        job.first += job.step
        if job.first < each and not status:
            status = fr_poll()
    return status
