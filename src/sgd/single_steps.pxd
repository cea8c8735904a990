"""Parts shared by steps on single rows and on batches: elements, losses, rates, single steps."""

from c_rows cimport *
from c_sgd cimport *
from libc.math cimport INFINITY, fabs, log, pow, sqrt
from libc.stdint cimport int32_t, int64_t
from losses_of_rows cimport value_and_slope

cdef extern from "kernels.h" nogil:
    enum: FR_DOUBLE, FR_FLOAT, FR_ONES

cdef enum:
    AHEAD = 4        # rows that are prefetched before their turn
    BESIDE = 16      # the same, of their places, targets and weights
    MOST_STEPS = 64  # largest number of steps of a heavy row
    MARGIN = 5       # margin that a step of a classifier may reach
    SHORT_ROW = 64   # elements up to which a plain step gathers them one by one


cdef extern from *:
    '''
    #define SHARE 0.25 /* share of a weight by which it may move */
    #define FIRST 0.25 /* reach of the intercept, in units of predictions */
    #define NEARLY 0.1 /* relative change of the rate up to which the old rate bounds a step */
    '''
    double SHARE, FIRST, NEARLY


cdef struct Row:
    # the columns of a row; buffers are padded to blocks of 8
    Py_ssize_t n
    int falls  # whether the last row had decays that are not small
    fr_columns c
    double *x
    int64_t *at
    # per output: predictions, slopes, bounds of the change by a step
    double *p
    double *g
    double *all
    double *known
    double *fresh


cdef inline Py_ssize_t row_at(const fr_sgd *s, Py_ssize_t i) noexcept nogil:
    return i if s.order == NULL else s.order[i]


cdef inline Py_ssize_t start_of(const fr_sgd *s, Py_ssize_t i) noexcept nogil:
    """Return the index of the first element of row i."""
    if s.a.index < 0:
        return i * s.a.ld
    if s.a.index == 0:
        return (<const int32_t *> s.a.indptr)[i]
    return (<const int64_t *> s.a.indptr)[i]


cdef inline Py_ssize_t read_elements(const fr_sgd *s, Py_ssize_t i, double *x,
                                     int64_t *at) noexcept nogil:
    """Copy the values of row i, and its columns if it is sparse; return their number."""
    cdef Py_ssize_t first = start_of(s, i), n = s.a.n_minor, k
    cdef const float *f = <const float *> s.a.data + first
    cdef const double *d = <const double *> s.a.data + first
    cdef const int32_t *narrow = <const int32_t *> s.a.indices + first
    cdef const int64_t *wide = <const int64_t *> s.a.indices + first
    if s.a.index >= 0:
        n = start_of(s, i + 1) - first
        if s.a.index == 0:
            for k in range(n):
                at[k] = narrow[k]
        else:
            for k in range(n):
                at[k] = wide[k]
    if s.a.real == FR_ONES:
        for k in range(n):
            x[k] = 1.0
    elif s.a.real == FR_FLOAT:
        for k in range(n):
            x[k] = f[k]
    else:
        for k in range(n):
            x[k] = d[k]
    return n


cdef inline bint is_regression(const fr_sgd *s) noexcept nogil:
    return s.loss < FR_SGD_HINGE


cdef inline double penalty_of(const fr_sgd *s, Py_ssize_t column) noexcept nogil:
    return s.alpha if s.factor == NULL else s.alpha * s.factor[column]


cdef inline void flow(const fr_sgd *s, double penalty, double inverse, double time, double *v,
                      double r, double reach, double *area, double *debts,
                      Py_ssize_t apart) noexcept nogil:
    """Apply the penalty to v for a time; add the integral of the weight to the area."""
    cdef double one = penalty * (reach * r) * inverse, integral = 0.0
    fr_flow(v, one * (1.0 - s.l1_ratio) * inverse, one * s.l1_ratio, time, &integral, debts, apart)
    if area != NULL:
        area[0] += inverse * integral


cdef inline void grow(double x, double *inverse, double *v, double *r, Py_ssize_t k) noexcept nogil:
    """Make |x| the unit of a column: v is kept, so that w shrinks, unless the user set w."""
    cdef double now = 1.0 / fabs(x), ratio = now / inverse[0]
    cdef Py_ssize_t i
    for i in range(k):
        if inverse[0] == FR_SGD_UNSEEN:
            v[i] /= ratio
        elif r != NULL:
            r[i] /= ratio
    inverse[0] = now


cdef inline double unit_of(fr_sgd *s, double y, double p, double weight) noexcept nogil:
    """Count a target; return the unit of predictions."""
    cdef double *c = s.numbers
    if s.loss == FR_SGD_POISSON or not is_regression(s):
        return 1.0
    c[FR_SGD_ERROR] += weight * fabs(p - y)
    c[FR_SGD_MEAN] += weight / c[FR_SGD_SEEN] * (y - c[FR_SGD_MEAN])
    c[FR_SGD_SPREAD] += weight * fabs(y - c[FR_SGD_MEAN])
    return min(c[FR_SGD_ERROR], c[FR_SGD_SPREAD]) / c[FR_SGD_SEEN]


cdef inline double room_of(const fr_sgd *s, double y, double p) noexcept nogil:
    """Return the largest move of the prediction by a step: to the target, or to a margin."""
    cdef double d
    if s.loss == FR_SGD_LOG and fabs(y) < 1:
        d = log((1.0 + y) / (1.0 - y))
        return max(fabs(p - min(max(d, -MARGIN), MARGIN)), 1.0)
    if s.loss == FR_SGD_SQUARED_HINGE or s.loss == FR_SGD_MODIFIED_HUBER:
        return max(2.0 - y * p, 1.0)
    if not is_regression(s):
        return max(MARGIN - y * p, 1.0)
    if s.loss == FR_SGD_POISSON:
        return fabs(p - log(y)) if y > 0 else INFINITY
    d = fabs(p - y)
    if s.loss == FR_SGD_EPSILON or s.loss == FR_SGD_SQUARED_EPSILON:
        d -= s.parameter
    return d


cdef inline void step_one(double g, double size, double u, double rate, double share, double keep,
                          double *v, double *r, double *reach) noexcept nogil:
    """Take the step of `fr_step_fields` for one column, possibly with its first gradient."""
    cdef double z = g * u * r[0], now = rate + share * fabs(v[0])
    if r[0] > 0:
        r[0] *= fr_rsqrt(1.0 + z * z)
    else:
        r[0] = 1.0 / fabs(g * u) if g * u != 0 else 0.0
    reach[0] = max(keep * reach[0], now)
    v[0] -= reach[0] * r[0] * (size * u)


cdef inline double rate_of(fr_sgd *s, double squares, double weight, double unit) noexcept nogil:
    """Return the rate of a step of columns, and count the step."""
    cdef double *c = s.numbers
    cdef double rate = s.eta0 * c[FR_SGD_SHRINK]
    c[FR_SGD_SQUARES] += weight * squares
    if s.rule != FR_SGD_ADAGRAD:
        rate *= unit * (sqrt(c[FR_SGD_SEEN] / c[FR_SGD_SQUARES]) if c[FR_SGD_SQUARES] > 0 else 1.0)
    c[FR_SGD_ETA] = rate
    return rate


cdef inline double slopes(const fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Return the loss of several outputs from predictions q.p, and set its derivatives q.g."""
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


cdef inline void bet(double *v, Py_ssize_t n, double z, double wealth) noexcept nogil:
    """Update the state at v by a gradient z, and bet; n: distance between fields."""
    cdef double *gradients = v + n
    cdef double *sizes = v + 2 * n
    cdef double *largest = v + 3 * n
    cdef double *reward = v + 4 * n
    if z == 0:
        return
    largest[0] = max(largest[0], fabs(z))
    reward[0] = max(0.0, reward[0] - v[0] * z)
    gradients[0] -= z
    sizes[0] += fabs(z)
    v[0] = (gradients[0] / max(sizes[0] + largest[0], 4.0 * largest[0])
            * (wealth + reward[0] / largest[0]))


cdef inline double schedule(const fr_sgd *s, double t) noexcept nogil:
    """Return the rate of step t of scikit-learn's schedules, without the caller's factor."""
    if s.rule == FR_SGD_OPTIMAL:
        return 1.0 / (s.alpha * (s.first + t - 1.0))
    if s.rule == FR_SGD_INVSCALING:
        return s.eta0 / pow(t, s.power)
    return s.eta0


cdef inline double passive(const fr_sgd *s, double y, double p, double value,
                           double squares) noexcept nogil:
    """Return the step size of passive-aggressive rules."""
    cdef double size
    if s.rule == FR_SGD_PA1:
        size = min(s.eta0, value / squares) if squares > 0 else 0.0
    else:
        size = value / (squares + 0.5 / s.eta0)
    if s.loss == FR_SGD_HINGE or s.loss == FR_SGD_PERCEPTRON:
        return size * y
    return -size if y - p < 0 else size


cdef inline double *field(const fr_sgd *s, Py_ssize_t column, Py_ssize_t number) noexcept nogil:
    """Return a pointer to field `number` of a column's record."""
    if s.by_field:
        return s.table + number * s.ld + column
    return s.table + column * s.ld + number


cdef inline void renormalise(fr_sgd *s, Py_ssize_t g) noexcept nogil:
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


cdef inline void shrink_scales(fr_sgd *s, double eta) noexcept nogil:
    """Apply the L2 penalty of a step: scale = (1 - eta alpha (1 - l1_ratio) f) scale."""
    cdef Py_ssize_t g
    cdef double u
    if s.alpha <= 0 or s.l1_ratio >= 1:
        return
    for g in range(s.n_scales):
        u = 1.0 - (1.0 - s.l1_ratio) * eta * s.alpha * s.scale_factor[g]
        s.scale[g] *= u if u > 0 else 0.0
        if s.scale[g] < 1e-9:
            renormalise(s, g)


cdef inline void truncate(double *v, double *got, double *sum, double most, double scale,
                          double scale_sum) noexcept nogil:
    """Apply the pending L1 penalty of a weight (Tsuruoka, Tsujii & Ananiadou 2009)."""
    cdef double z = v[0]
    if z > 0:
        v[0] = max(0.0, z - (most + got[0]) / scale)
    elif z < 0:
        v[0] = min(0.0, z + (most - got[0]) / scale)
    got[0] += scale * (v[0] - z)
    if sum != NULL:
        sum[0] -= (v[0] - z) * scale_sum


cdef inline void truncate_column(fr_sgd *s, Py_ssize_t column, bint averaged,
                                 Py_ssize_t sums) noexcept nogil:
    """Apply the pending L1 penalty of the weights of a column of a plain rule."""
    cdef Py_ssize_t g = 0 if s.group == NULL else s.group[column], k
    cdef double most = s.numbers[FR_SGD_L1] * (1.0 if s.factor == NULL else s.factor[column])
    for k in range(s.k):
        truncate(field(s, column, k), field(s, column, s.k + k),
                 field(s, column, sums + k) if averaged else NULL, most, s.scale[g],
                 s.scale_sum[g])


cdef inline void add_to_average(fr_sgd *s, Py_ssize_t sums) noexcept nogil:
    """Add scales and intercepts of a plain rule to their sums."""
    cdef Py_ssize_t g, k
    if s.numbers[FR_SGD_BEGAN] < 0:
        s.numbers[FR_SGD_BEGAN] = s.numbers[FR_SGD_T]
    for g in range(s.n_scales):
        s.scale_sum[g] += s.scale[g]
    for k in range(s.k):
        field(s, s.a.n_minor, sums + k)[0] += field(s, s.a.n_minor, k)[0]
