"""Stochastic learning: one step for each batch of neighbouring rows, on several threads.

Compiled once per instruction set, like sgd_rows.pyx, which describes the rules. The rows of a batch
are cut into tasks, whose number depends only on the size of the batch. A task reads its rows once,
does not write to the table of weights, and has its own sums, which are added in the order of the
tasks: the result has the same bits for any number of threads.

Adaptive rules treat a batch as one row, whose gradient is the sum of the rows' weighted gradients;
the step of each row is bounded separately, by weights and reaches from before the batch, and by the
rate of the last batch. Plain rules divide the sum by the number of rows.
"""

from batch_visits cimport *
from c_batch cimport *
from c_rows cimport *
from c_sgd cimport *
from libc.math cimport fabs, log
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from single_steps cimport *


cdef void grow_columns(Job *job) noexcept nogil:
    """Grow the units of columns in which rows of the batch are too large."""
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
            read_elements(s, i, q.x, q.at)
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
    """Return the sum of weighted distances of targets from their mean."""
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
    """Return the unit of predictions."""
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
    """Start the intercept of a regression at the mean of the first targets."""
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
    """Take the step of one weight by the sum of gradients, which bounds have reduced to `left`.

    R uses the larger of both, so that no step is longer than the reach.
    """
    cdef double larger = max(fabs(z), fabs(left))
    if larger > least:
        step_one(larger, left, 1.0, rate, share, keep, v, v + apart, v + 2 * apart)


cdef void adaptive_step(Job *job) noexcept nogil:
    """Take the step of "auto" and "adagrad"."""
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
    """Bet with each coordinate on the sum of the gradients."""
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
    """Take the step of a rule of scikit-learn along the mean of the gradients."""
    cdef fr_sgd *s = job.s
    cdef Part *sum = &job.parts[0]
    cdef double *c = s.numbers
    cdef double eta = job.rate, part = 1.0 / (job.end - job.begin)
    cdef Py_ssize_t j, k, n = s.k, sums
    cdef bint l1 = s.l1_ratio > 0 and s.alpha > 0
    cdef bint averaged = s.average > 0 and s.average <= c[FR_SGD_T]
    cdef double *own
    sums = n * (2 if l1 else 1)
    c[FR_SGD_ETA] = eta
    if s.rule == FR_SGD_PA1 or s.rule == FR_SGD_PA2:
        eta = s.eta0
    shrink_scales(s, eta)
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
        add_to_average(s, sums)
    if l1:
        c[FR_SGD_L1] += s.l1_ratio * eta * s.alpha
        for j in range(sum.n):
            truncate_column(s, sum.columns[j], averaged, sums)
    c[FR_SGD_T] += 1.0


cdef inline bint has_weight(const Job *job) noexcept nogil:
    """Return whether a row of the batch has positive weight; otherwise skip the batch."""
    cdef const fr_sgd *s = job.s
    cdef Py_ssize_t position
    if s.weight == NULL:
        return True
    for position in range(job.begin, job.end):
        if s.weight[row_at(s, position)] > 0:
            return True
    return False


cdef int one_batch(Job *job) noexcept nogil:
    """Learn from rows job.begin to job.end; return a status; set s.diverged on divergence."""
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
                # there is no rate yet to bound steps
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
    """Partition the workspace among the tasks."""
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
