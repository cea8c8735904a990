"""Stochastic learning: one step for each batch of neighbouring rows, on several threads.

Compiled once per instruction set, as sgd_rows.pyx is, whose rules these are. The rows of a batch
are cut into tasks, whose number depends on the size of the batch alone. A task reads its rows once,
only looks at the table of weights, and has sums of its own, which are added in the order of the
tasks: the result has the same bits for any number of threads.

Adaptive rules take a batch as one row, whose gradient is the sum of the rows' weighted gradients;
the step of each row is bounded apart, by weights and reaches as they are before the batch, and by
the rate of the batch before. Plain rules divide the sum by the number of rows.
"""

from c_batch cimport *
from c_rows cimport *
from c_sgd cimport *
from libc.math cimport fabs, isfinite, log
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from losses_of_rows cimport value_and_slope
from single_steps cimport *

cdef extern from "parallel.h" nogil:
    int fr_parallel(void (*task)(void *, Py_ssize_t) noexcept nogil, void *context,
                    Py_ssize_t n_tasks, int n_threads)
    int fr_poll()

cdef enum:
    PIECE = 4000000  # elements that a task reads between two looks for an interrupt


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
    # of each output: gradients of the intercept, those of bounded steps, sizes of gradients
    double *outer
    double *inner
    double *sizes
    # of the columns; of all: sums, and what bounds took from them
    double *sums
    double *taken
    # of those that the rows have: records of 1 / s, v (k), d (k), d / R (k), gradients (k), and of
    # bounded steps (k)
    int32_t *place
    int64_t *columns
    double *records
    Py_ssize_t n
    Row row
    double *bounded
    double apart[16]  # no two tasks write to one cache line


cdef struct Job:
    fr_sgd *s
    Part parts[FR_SGD_MOST_TASKS]
    int tasks
    Py_ssize_t begin, end  # of the batch
    Py_ssize_t first, step  # rows of each task of a piece
    Py_ssize_t size  # of a record
    bint whole, adaptive, scaled, bound
    bint began  # this batch has set what the intercept begins with
    fr_batch_columns c
    double now, rate, own, mean
    int32_t *grown  # by position in the batch


cdef inline bint has_integral(const fr_sgd *s) noexcept nogil:
    return s.averages or (s.alpha > 0 and s.l1_ratio > 0)


cdef inline Py_ssize_t areas(const fr_sgd *s) noexcept nogil:
    """From v to its integral in the record of an adaptive rule."""
    return (5 if s.debts else 3) * s.k


cdef inline void settle(const fr_sgd *s, double penalty, double inverse, double time, double *v,
                        double r, double reach, double *area, double *debts,
                        Py_ssize_t apart) noexcept nogil:
    """Bring one weight up to date with the penalty."""
    if time <= 0:
        return
    if has_integral(s):
        flow(s, penalty, inverse, time, v, r, reach, area, debts, apart)
    elif penalty > 0:
        v[0] *= fr_exp(-penalty * time * (reach * r) * inverse * inverse)


cdef inline void settle_column(const fr_sgd *s, Py_ssize_t column, double now) noexcept nogil:
    """Bring the record of a column of an adaptive rule up to date."""
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
    """All columns as they are at the start of a batch, for dense rows and one output."""
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
    """The place of a column among those of a task, with its record."""
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
    """The weighted slope g, or what is left of it where its step would go too far."""
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
    """Turn slopes q.g of a plain rule into what is added, times x, to the weights."""
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


cdef void block_of_rows(Job *job, Part *part, Py_ssize_t begin, Py_ssize_t n) noexcept nogil:
    """Predict and add up to FR_BATCH_BLOCK dense rows of one output."""
    cdef fr_sgd *s = job.s
    cdef fr_batch_row found[FR_BATCH_BLOCK]
    cdef const void *rows[FR_BATCH_BLOCK]
    cdef const void *moved[FR_BATCH_BLOCK]
    cdef const void *cut[FR_BATCH_BLOCK]
    cdef Py_ssize_t at[FR_BATCH_BLOCK]
    cdef double g[FR_BATCH_BLOCK]
    cdef double less[FR_BATCH_BLOCK]
    cdef bint single = s.a.real == FR_FLOAT
    cdef Py_ssize_t each = 4 if single else 8, e, i, size = 0, n_moved = 0, n_cut = 0
    cdef double base, weight, p, value, slope, of_b = 0.0, r_b = 0.0, d
    cdef double *b = field(s, s.a.n_minor, 2 if job.adaptive else 0)
    base = b[0] if s.intercept else 0.0
    if job.bound and s.intercept:
        r_b, of_b = b[s.ld], max(b[2 * s.ld], job.own)
    for e in range(n):
        i = row_at(s, begin + e)
        fetch_row(s, begin + e + n)
        if job.adaptive and s.weight != NULL and s.weight[i] <= 0:
            continue
        at[size], rows[size] = i, <const char *> s.a.data + start_of(s, i) * each
        # the position, until it is known whether units grow
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
    for e in range(size):
        i = at[e]
        weight = 1.0 if s.weight == NULL else s.weight[i]
        p = found[e].product + base
        value = value_and_slope(s.loss, s.parameter, s.y[i], p, &slope)
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


cdef void one_row(Job *job, Part *part, Py_ssize_t position) noexcept nogil:
    """Predict and add one row, of any storage and number of outputs."""
    cdef fr_sgd *s = job.s
    cdef Row *q = &part.row
    cdef Py_ssize_t i = row_at(s, position), j, k, n = s.k, size
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i], u, value, sum, squares = 0.0
    cdef double by, z
    cdef double *own
    cdef double *b = field(s, s.a.n_minor, 2 if job.adaptive else 0)
    fetch_row(s, position + AHEAD)
    if job.adaptive and weight <= 0:
        return
    size = read_elements(s, i, q)
    if s.a.index < 0:
        for j in range(size):
            q.at[j] = j
    if part.grows:
        # the sums are of no use now: only look for more columns that grow
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


cdef void task(void *context, Py_ssize_t t) noexcept nogil:
    """A piece of the rows of a task."""
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


cdef int visit(Job *job) noexcept nogil:
    """Predict and add all rows of the batch; a status."""
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


cdef void grow_columns(Job *job) noexcept nogil:
    """Let columns grow that rows of the batch are too large for."""
    cdef fr_sgd *s = job.s
    cdef Row *q = &job.parts[0].row
    cdef Py_ssize_t position, size, j, i, column, start
    cdef Py_ssize_t apart = s.ld if s.by_field else 1
    cdef double x
    cdef double *record
    cdef bint dense = s.a.index < 0
    for position in range(job.begin, job.end):
        if not job.grown[position - job.begin]:
            continue
        job.grown[position - job.begin] = 0
        i = row_at(s, position)
        start = start_of(s, i)
        size = s.a.n_minor if dense else start_of(s, i + 1) - start
        if not job.whole:
            read_elements(s, i, q)
        for j in range(size):
            if job.whole:
                x = ((<const float *> s.a.data)[start + j] if s.a.real == FR_FLOAT
                     else (<const double *> s.a.data)[start + j])
            else:
                x = q.x[j]
            column = j if dense else q.at[j]
            record = s.table + (column if s.by_field else column * s.ld)
            if fabs(x * record[0]) > 1:
                settle_column(s, column, job.now)
                grow(x, record, record + 2 * apart,
                     NULL if s.rule == FR_SGD_COIN else record + (2 + s.k) * apart, s.k)


cdef inline void merge(Job *job) noexcept nogil:
    """Add the sums of all tasks to those of the first."""
    cdef Part *sum = &job.parts[0]
    cdef Part *part
    cdef Py_ssize_t j, k, n = job.s.k, p = job.s.a.n_minor, at, size = job.size, column
    cdef double *own
    cdef const double *other
    cdef int t
    for t in range(1, job.tasks):
        part = &job.parts[t]
        sum.weight += part.weight
        sum.shift += part.shift
        sum.error += part.error
        sum.squares += part.squares
        sum.loss += part.loss
        for k in range(3 * n):
            sum.outer[k] += part.outer[k]
        if job.whole:
            for j in range(p + 8):
                sum.sums[j] += part.sums[j]
            for j in range(p + 8):
                sum.taken[j] += part.taken[j]
            continue
        for j in range(part.n):
            column = part.columns[j]
            other = part.records + j * size
            at = sum.place[column] - 1
            if at < 0:
                at = sum.n
                sum.n += 1
                sum.place[column] = <int32_t> sum.n
                sum.columns[at] = column
                own = sum.records + at * size
                for k in range(size):
                    own[k] = other[k]
            else:
                own = sum.records + at * size
                for k in range(1 + 3 * n, size):
                    own[k] += other[k]


cdef inline double spread(Job *job) noexcept nogil:
    """Sum of the weighted distances of targets from their mean."""
    cdef const fr_sgd *s = job.s
    cdef double total[4]
    cdef double mean = s.numbers[FR_SGD_MEAN]
    cdef Py_ssize_t position, i, lane
    total[0] = total[1] = total[2] = total[3] = 0.0
    for position in range(job.begin, job.end):
        i, lane = row_at(s, position), (position - job.begin) & 3
        total[lane] += fabs(s.y[i] - mean) * (1.0 if s.weight == NULL else max(s.weight[i], 0.0))
    return (total[0] + total[1]) + (total[2] + total[3])


cdef inline double unit_now(const fr_sgd *s) noexcept nogil:
    """The unit of predictions."""
    cdef const double *c = s.numbers
    if s.k > 1 or s.loss == FR_SGD_POISSON or not is_regression(s):
        return 1.0
    if not c[FR_SGD_SEEN] > 0:
        return 0.0
    return min(c[FR_SGD_ERROR], c[FR_SGD_SPREAD]) / c[FR_SGD_SEEN]


cdef inline void commit(Job *job) noexcept nogil:
    """Count the rows of a batch, which set its rate."""
    cdef fr_sgd *s = job.s
    cdef Part *sum = &job.parts[0]
    cdef double *c = s.numbers
    c[FR_SGD_SEEN] += sum.weight
    if s.k == 1 and s.loss != FR_SGD_POISSON and is_regression(s):
        c[FR_SGD_ERROR] += sum.error
        c[FR_SGD_MEAN] += sum.shift / c[FR_SGD_SEEN]
        c[FR_SGD_SPREAD] += spread(job)
    job.rate = rate_of(s, sum.squares, 1.0, unit_now(s))
    job.own = FIRST * unit_now(s) * c[FR_SGD_SHRINK] if s.rule != FR_SGD_ADAGRAD else job.rate


cdef void start(Job *job) noexcept nogil:
    """What the intercept of a regression begins with: the mean of the first targets."""
    cdef fr_sgd *s = job.s
    cdef double *b = field(s, s.a.n_minor, 2)
    cdef double weight, total = 0.0, sum = 0.0
    cdef Py_ssize_t position, i
    job.began = False
    if not (job.scaled and s.k == 1 and is_regression(s) and s.intercept):
        return
    if s.numbers[FR_SGD_SEEN] != 0:
        return
    if s.rule == FR_SGD_COIN:
        b = &s.numbers[FR_SGD_START]
    if b[0] != 0:
        return
    for position in range(job.begin, job.end):
        i = row_at(s, position)
        weight = 1.0 if s.weight == NULL else max(s.weight[i], 0.0)
        total += weight
        sum += weight * s.y[i]
    if not total > 0:
        return
    sum /= total
    job.began = True
    b[0] = sum if s.loss != FR_SGD_POISSON else (log(sum) if sum > 0 else 0.0)


cdef inline void step_of_sum(double z, double left, double least, double rate, double share,
                             double keep, double *v, Py_ssize_t apart) noexcept nogil:
    """The step of one weight by the sum of gradients, and what bounds have left of it.

    R takes whichever is larger, so that no step is longer than the reach.
    """
    cdef double larger = max(fabs(z), fabs(left))
    if larger > least:
        step_one(larger, left, 1.0, rate, share, keep, v, v + apart, v + 2 * apart)


cdef void adaptive_step(Job *job) noexcept nogil:
    """The step of "auto" and "adagrad"."""
    cdef fr_sgd *s = job.s
    cdef Part *sum = &job.parts[0]
    cdef double share = SHARE if job.scaled else 0.0, keep = 1.0 if job.scaled else 0.0
    cdef double least = ROUNDING if job.scaled else 0.0, z
    cdef Py_ssize_t apart = s.ld if s.by_field else 1, j, k, n = s.k, at
    cdef double *record = s.table + (s.a.n_minor if s.by_field else s.a.n_minor * s.ld)
    cdef double *v = record + 2 * apart
    cdef double *own
    if s.averages:
        for k in range(n):
            v[(areas(s) + k) * apart] += v[k * apart] * (job.now - record[apart])
        record[apart] = job.now
    if s.intercept and not job.began:
        for k in range(n):
            step_of_sum(sum.outer[k], sum.inner[k], least * sum.sizes[k], job.own, 0.0, keep,
                        v + k * apart, n * apart)
    if job.whole:
        for j in range(s.a.n_minor):
            at = fr_batch_place(s.a.n_minor, j)
            z, v = sum.sums[at], s.table + 2 * s.ld + j
            step_of_sum(z, z + sum.taken[at], least * sum.sizes[0], job.rate, share, keep, v, s.ld)
            if s.debts:
                fr_truncate(v, v + 3 * s.ld, s.ld)
        return
    for j in range(sum.n):
        settle_column(s, sum.columns[j], job.now)
        v = s.table + sum.columns[j] * s.ld + 2
        own = sum.records + j * job.size + 1 + 3 * n
        for k in range(n):
            step_of_sum(own[k], own[n + k] if job.bound else own[k], least * sum.sizes[k],
                        job.rate, share, keep, v + k, n)
            if s.debts:
                fr_truncate(v + k, v + 3 * n + k, n)


cdef void coin_step(Job *job) noexcept nogil:
    """A bet of each coordinate on the sum of the gradients."""
    cdef fr_sgd *s = job.s
    cdef Part *sum = &job.parts[0]
    cdef Py_ssize_t j, k, n = s.k
    cdef double *record = s.table + s.a.n_minor * s.ld
    cdef double *v = record + 2
    cdef double *own
    cdef double now = s.numbers[FR_SGD_SEEN], missed, penalty, z
    if s.averages:
        for k in range(n):
            v[5 * n + k] += v[k] * (now - record[1])
        record[1] = now
    if s.intercept and not job.began:
        for k in range(n):
            if fabs(sum.outer[k]) > ROUNDING * sum.sizes[k]:
                bet(v + k, n, sum.outer[k], unit_now(s) * s.numbers[FR_SGD_SHRINK])
    for j in range(sum.n):
        record = s.table + sum.columns[j] * s.ld
        v = record + 2
        own = sum.records + j * job.size + 1 + 3 * n
        missed = now - record[1]
        penalty = penalty_of(s, sum.columns[j]) * missed * record[0]
        record[1] = now
        for k in range(n):
            z = penalty * ((1.0 - s.l1_ratio) * record[0] * v[k]
                           + s.l1_ratio * ((v[k] > 0) - (v[k] < 0)))
            if s.averages:
                v[5 * n + k] += record[0] * v[k] * missed
            if fabs(own[k]) > ROUNDING * sum.sizes[k]:
                z += own[k]
            bet(v + k, n, z, job.rate)


cdef void add_plain(fr_sgd *s, Py_ssize_t column, Py_ssize_t k, double z, bint averaged,
                    Py_ssize_t sums) noexcept nogil:
    """Add to a weight of a plain rule, which has a scale."""
    cdef Py_ssize_t g = 0 if s.group == NULL else s.group[column]
    z /= s.scale[g]
    field(s, column, k)[0] += z
    if averaged:
        field(s, column, sums + k)[0] -= z * s.scale_sum[g]


cdef void plain_step(Job *job) noexcept nogil:
    """The step of a rule of scikit-learn along the mean of the gradients."""
    cdef fr_sgd *s = job.s
    cdef Part *sum = &job.parts[0]
    cdef double *c = s.numbers
    cdef double eta = job.rate, part = 1.0 / (job.end - job.begin), u, most
    cdef Py_ssize_t g, j, k, n = s.k, column, sums
    cdef bint l1 = s.l1_ratio > 0 and s.alpha > 0
    cdef bint averaged = s.average > 0 and s.average <= c[FR_SGD_T]
    cdef double *own
    sums = n * (2 if l1 else 1)
    c[FR_SGD_ETA] = eta
    if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
        eta = s.eta0
    if s.alpha > 0 and s.l1_ratio < 1:
        for g in range(s.n_scales):
            u = 1.0 - (1.0 - s.l1_ratio) * eta * s.alpha * s.scale_factor[g]
            s.scale[g] *= u if u > 0 else 0.0
            if s.scale[g] < 1e-9:
                renormalise(s, g)
    if job.whole:
        for j in range(s.a.n_minor):
            add_plain(s, j, 0, sum.sums[fr_batch_place(s.a.n_minor, j)] * part, averaged, sums)
    else:
        for j in range(sum.n):
            own = sum.records + j * job.size + 1 + 3 * n
            for k in range(n):
                add_plain(s, sum.columns[j], k, own[k] * part, averaged, sums)
    if s.intercept:
        for k in range(n):
            field(s, s.a.n_minor, k)[0] += sum.outer[k] * part
    if averaged:
        if c[FR_SGD_BEGAN] < 0:
            c[FR_SGD_BEGAN] = c[FR_SGD_T]
        for g in range(s.n_scales):
            s.scale_sum[g] += s.scale[g]
        for k in range(n):
            field(s, s.a.n_minor, sums + k)[0] += field(s, s.a.n_minor, k)[0]
    if l1:
        c[FR_SGD_L1] += s.l1_ratio * eta * s.alpha
        for j in range(sum.n):
            column = sum.columns[j]
            g = 0 if s.group == NULL else s.group[column]
            most = c[FR_SGD_L1] * (1.0 if s.factor == NULL else s.factor[column])
            for k in range(n):
                truncate(field(s, column, k), field(s, column, n + k),
                         field(s, column, sums + k) if averaged else NULL, most, s.scale[g],
                         s.scale_sum[g])
    c[FR_SGD_T] += 1.0


cdef inline bint has_weight(const Job *job) noexcept nogil:
    """Whether a row of the batch has a weight: else it changes nothing."""
    cdef const fr_sgd *s = job.s
    cdef Py_ssize_t position
    if s.weight == NULL:
        return True
    for position in range(job.begin, job.end):
        if s.weight[row_at(s, position)] > 0:
            return True
    return False


cdef int one_batch(Job *job) noexcept nogil:
    """Learn from rows job.begin to job.end; a status. s.diverged is set where that ends."""
    cdef fr_sgd *s = job.s
    cdef double *c = s.numbers
    cdef Py_ssize_t j
    cdef int status, t
    cdef bint grows, again = False
    job.now = c[FR_SGD_SEEN]
    if not has_weight(job):
        if job.adaptive:
            c[FR_SGD_T] += job.end - job.begin
        return 0
    if job.adaptive:
        start(job)
        job.rate, job.own = c[FR_SGD_ETA], FIRST * unit_now(s) * c[FR_SGD_SHRINK]
        if job.whole and (s.alpha > 0 or s.averages):
            for j in range(s.a.n_minor):
                settle_column(s, j, job.now)
    else:
        job.rate = schedule(s, c[FR_SGD_T]) * c[FR_SGD_SHRINK]
    while True:
        status = visit(job)
        if status:
            return status
        grows = False
        for t in range(job.tasks):
            grows = grows or job.parts[t].grows
        if grows:
            grow_columns(job)
            continue
        for t in range(job.tasks):
            if job.parts[t].ended:
                s.diverged = 1
                return 0
        merge(job)
        if job.adaptive and not again:
            again = job.bound and c[FR_SGD_ETA] == 0
            commit(job)
            if again:
                # there was no rate to bound steps with
                continue
        if not job.adaptive:
            plain_step(job)
        elif s.rule == FR_SGD_COIN:
            coin_step(job)
        else:
            adaptive_step(job)
        break
    s.loss_sum += job.parts[0].loss
    if job.adaptive:
        c[FR_SGD_T] += job.end - job.begin
    return 0


cdef inline void prepare(Job *job, Py_ssize_t wide) noexcept nogil:
    """Cut the working memory into the places of the tasks."""
    cdef fr_sgd *s = job.s
    cdef double *at = s.batch_work
    cdef Py_ssize_t p = s.a.n_minor, padded = (p + 15) // 8 * 8, k = s.k, columns
    cdef Part *part
    cdef fr_batch_columns *c = &job.c
    cdef int t
    job.tasks, job.size = s.tasks, 1 + 5 * k
    job.adaptive, job.scaled = s.rule >= FR_SGD_ADAGRAD, s.rule > FR_SGD_ADAGRAD
    job.bound = s.rule == FR_SGD_AUTO and s.loss != FR_SGD_MULTINOMIAL
    job.whole = fr_sgd_whole(s, s.a.index < 0)
    job.grown = s.places + (0 if job.whole else s.tasks * p)
    job.step = max(1, PIECE // max(1, s.a.nnz // max(1, s.a.n_major) * k))
    if job.whole:
        memset(at, 0, 5 * padded * sizeof(double))
        c.unit, c.value, c.reach = at, at + padded, at + 2 * padded
        c.known, c.fresh = at + 3 * padded, at + 4 * padded
        at += 5 * padded
    for t in range(s.tasks):
        part = &job.parts[t]
        part.n = 0
        part.outer, part.inner, part.sizes = at, at + k, at + 2 * k
        part.row.p, part.row.g, part.row.all = at + 3 * k, at + 4 * k, at + 5 * k
        part.row.known, part.row.fresh, part.bounded = at + 6 * k, at + 7 * k, at + 8 * k
        at += 9 * k
        if job.whole:
            part.sums, part.taken = at, at + padded
            at += 2 * padded
            continue
        part.row.x, part.row.at = at, <int64_t *> (at + wide)
        at += 2 * wide
        columns = fr_sgd_task_columns(s.batch if t == 0 else fr_sgd_task_rows(s.batch), p, wide)
        part.place = s.places + t * p
        part.columns, part.records = <int64_t *> at, at + columns
        at += columns * (1 + job.size)


cdef public void fr_sgd_batches(fr_sgd *s, Py_ssize_t wide) noexcept nogil:
    """Learn from rows s.begin to s.end of the order in batches; rows of at most `wide` elements."""
    cdef Job job
    job.s = s
    prepare(&job, wide)
    while s.begin < s.end:
        job.begin, job.end = s.begin, min(s.end, s.begin + s.batch)
        s.status = one_batch(&job)
        if s.status or s.diverged:
            return
        s.begin = job.end
        s.status = fr_poll()
        if s.status:
            return
