"""Steps on rows by a rule of scikit-learn: one rate for all columns, and weights scale * v."""

from c_sgd cimport *
from libc.math cimport INFINITY, fabs, isfinite
from losses_of_rows cimport value_and_slope
from primitives cimport fr_compressed, fr_kernels, fr_real_kernels
from single_steps cimport *

cdef extern from "kernels.h" nogil:
    const fr_kernels *fr_active()


cdef inline double plain_row(fr_sgd *s, Py_ssize_t i, Row *q) noexcept nogil:
    """Learn from one row by a rule of scikit-learn; return its weighted loss, or infinity."""
    cdef double *c = s.numbers
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double eta = schedule(s, c[FR_SGD_T]) * c[FR_SGD_SHRINK], value, squares = 0.0, x, p, scale
    cdef double own, z, sum
    cdef Py_ssize_t n, j, k, g, column, sums
    cdef bint several = s.k > 1, l1 = s.l1_ratio > 0 and s.alpha > 0
    cdef bint averaged = s.average > 0 and s.average <= c[FR_SGD_T]
    cdef double *v
    sums = s.k * (2 if l1 else 1)
    n = read_elements(s, i, q.x, q.at)
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
    # q.g: factors of x to add to the weights
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
    shrink_scales(s, eta)
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
        add_to_average(s, sums)
    if l1:
        c[FR_SGD_L1] += s.l1_ratio * eta * s.alpha
        for j in range(n):
            if q.x[j] == 0:
                # skip zeros, as sparse rows do
                continue
            truncate_column(s, q.at[j] if s.a.index >= 0 else j, averaged, sums)
    c[FR_SGD_T] += 1.0
    return weight * value


cdef inline double simple_row(fr_sgd *s, Py_ssize_t i) noexcept nogil:
    """Do the same as `plain_row` for one output and one scale only: w = scale v."""
    cdef double *c = s.numbers
    cdef double *v = s.table
    cdef double *intercept = s.table + s.a.n_minor
    cdef double weight = 1.0 if s.weight == NULL else s.weight[i]
    cdef double eta = schedule(s, c[FR_SGD_T]) * c[FR_SGD_SHRINK], product = 0.0, p, value, slope, u
    cdef const fr_real_kernels *kernels = &fr_active().real[s.a.real]
    cdef fr_compressed rows
    cdef const char *x = NULL
    if s.a.index < 0:
        x = <const char *> s.a.data + i * s.a.ld * (4 if s.a.real == FR_FLOAT else 8)
        kernels.dot_rows(x, s.a.ld, 1, s.a.n_minor, NULL, NULL, v, &product)
    else:
        rows.data, rows.indices, rows.lo, rows.hi = s.a.data, s.a.indices, NULL, NULL
        rows.indptr = <const char *> s.a.indptr + i * (4 if s.a.index == 0 else 8)
        if start_of(s, i + 1) - start_of(s, i) <= SHORT_ROW:
            kernels.gather_stored[s.a.index](&rows, 0, 1, v, &product)
        else:
            kernels.gather[s.a.index](&rows, 0, 1, v, &product)
    p = s.scale[0] * product + (intercept[0] if s.intercept else 0.0)
    value = value_and_slope(s.loss, s.parameter, s.y[i], p, &slope)
    if not isfinite(value) or not isfinite(slope):
        return INFINITY
    c[FR_SGD_ETA] = eta
    c[FR_SGD_T] += 1.0
    if s.alpha > 0:
        # scale = (1 - eta alpha f) scale
        u = 1.0 - eta * s.alpha * s.scale_factor[0]
        s.scale[0] *= u if u > 0 else 0.0
        if s.scale[0] < 1e-9:
            renormalise(s, 0)
    u = -eta * min(max(slope, -FR_SGD_MOST_SLOPE), FR_SGD_MOST_SLOPE) * weight
    if u == 0:
        return weight * value
    if s.intercept:
        intercept[0] += u
    u /= s.scale[0]
    if s.a.index < 0:
        kernels.axpy_rows(x, s.a.ld, 1, s.a.n_minor, NULL, NULL, &u, v)
    else:
        kernels.scatter[s.a.index](&rows, 0, 1, &u, v)
    return weight * value
