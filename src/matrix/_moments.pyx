"""Sums of data about their means."""

cimport numpy as cnp

from arrays cimport empty, empty_f, expect_length, pointer
from c_dense cimport fr_mirror
from c_matrix cimport *
from runtime cimport FR_CACHED, attach, check, threads_for

from fastridge._matrix cimport Matrix

cnp.import_array()
attach()


def moments(Matrix a not None, const double[::1] y not None, Py_ssize_t n_targets,
            const double[::1] weight=None, int n_threads=0):
    """Sum (X, y, weight) about their means, in one pass over dense X.

    y has contiguous targets. Return the total weight; shift and offset (p), whose sum is the mean;
    Gram matrix (p, p), both triangles; shift and offset of y (k each); cross products (p, k), F
    order; sums of squares of y (k); whether the total weight and all sums of squares are between
    FR_LEAST_SUM and FR_MOST_SUM. Return None where the sums are not finite.
    """
    cdef fr_moments m
    cdef Matrix by_row = a
    cdef int status
    cdef Py_ssize_t p = a.n_columns, k = n_targets, j
    cdef bint usual
    expect_length("y", y, a.n_rows * k)
    expect_length("weight", weight, a.n_rows)
    if a.s.index >= 0 and a.s.by_column:
        by_row = a.transposed_storage()
    cdef double[::1] gram = empty(fr_moments_workspace(&a.s, k))
    cdef double[::1] of_x = empty(2 * p), of_y = empty(3 * k), scratch = empty(a.n_rows)
    cdef double[::1, :] cross = empty_f(p, k)
    m.a, m.by_row = &a.s, &by_row.s
    m.y, m.w, m.k = &y[0], pointer(weight), k
    m.centre = 1
    m.n_threads = threads_for(n_threads, <double> a.s.nnz * (p / FR_CACHED + 4.0 * k))
    m.g = &gram[0]
    m.shift, m.offset = &of_x[0], &of_x[p]
    m.y_shift, m.y_offset, m.yy = &of_y[0], &of_y[k], &of_y[2 * k]
    m.cross, m.scratch = &cross[0, 0], &scratch[0]
    with nogil:
        status = fr_sum_moments(&m)
        if status == 0:
            status = fr_mirror(&gram[0], p, 0, m.n_threads)
    if status == FR_IS_FAR:
        mean, variance = a.column_stats(weight, n_threads)
        near = a._less_means(mean, variance, weight, n_threads)[0]
        found = moments(near, y, n_targets, weight, n_threads)
        if found is not None and near.about is not None:
            found[1][:] = near.about
        return found
    if status == FR_NOT_FINITE:
        return None
    check(status)
    usual = FR_LEAST_SUM <= m.total <= FR_MOST_SUM
    for j in range(p):
        usual = usual and FR_LEAST_SUM <= gram[j * p + j] <= FR_MOST_SUM
    for j in range(k):
        usual = usual and FR_LEAST_SUM <= m.yy[j] <= FR_MOST_SUM
    x, t = of_x.base, of_y.base
    return (m.total, x[:p], x[p:], gram.base[: p * p].reshape(p, p), t[:k], t[k : 2 * k],
            cross.base, t[2 * k :], usual)


def centred_quadratic(Matrix a not None, const double[::1] y not None):
    """Compute the quadratic 1/(2n) |y - mean(y) - (X - mean(X)) w|^2 of dense rows.

    Return the means of X (p) and of y, and the latter's offset from the origin of the sums; for
    centred X and y, X'X / n (p, p) and its diagonal (p), X'y / n (p) and y'y / n. Return None where
    a sum of squares is not finite, or not between FR_LEAST_SUM and FR_MOST_SUM.
    """
    cdef fr_moments m
    cdef int status
    cdef Py_ssize_t n = a.n_rows, p = a.n_columns, j
    expect_length("y", y, n)
    if a.s.index >= 0 or not n:
        raise ValueError(f"a: expected dense rows; got kind {a.kind} and {n} rows")
    cdef double[::1] gram = empty(fr_moments_workspace(&a.s, 1)), scratch = empty(n + p)
    cdef double[::1] mean = empty(p), square = empty(p), cross = empty(p)
    cdef double[3] of_y
    m.a = m.by_row = &a.s
    m.y, m.w, m.k, m.centre = &y[0], NULL, 1, 1
    m.n_threads = threads_for(0, <double> a.s.nnz * (p / FR_CACHED + 4.0))
    m.g = &gram[0]
    m.shift, m.offset, m.scratch = &mean[0], &scratch[n], &scratch[0]
    m.y_shift, m.y_offset, m.yy = &of_y[0], &of_y[1], &of_y[2]
    m.cross = &cross[0]
    with nogil:
        status = fr_sum_moments(&m)
        if status == 0:
            status = fr_mirror(&gram[0], p, 0, m.n_threads)
    if status == FR_NOT_FINITE:
        return None
    check(status)
    if not FR_LEAST_SUM <= of_y[2] <= FR_MOST_SUM:
        return None
    for j in range(p):
        if not FR_LEAST_SUM <= gram[j * p + j] <= FR_MOST_SUM:
            return None
    for j in range(p * p):
        gram[j] /= m.total
    for j in range(p):
        mean[j] += scratch[n + j]
        cross[j] /= m.total
        square[j] = gram[j * p + j]
    return (mean.base, of_y[0] + of_y[1], of_y[1], gram.base[: p * p].reshape(p, p), square.base,
            cross.base, of_y[2] / m.total)
