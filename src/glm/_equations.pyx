"""Newton's equations of dense rows, as sums that add up over the parts of a data set."""

cimport numpy as cnp

from arrays cimport empty, expect_length, pointer
from c_dense cimport fr_mirror
from c_losses cimport FR_N_LOSSES
from c_matrix cimport fr_gram_dense, fr_gram_order, fr_gram_source
from c_pass cimport fr_pass, fr_pass_order, fr_pass_scratch, fr_take_pass
from runtime cimport attach, check, threads_for

import numpy as np

from fastridge._matrix cimport Matrix

cnp.import_array()
attach()


cdef object corner(const double[::1] g, Py_ssize_t order, Py_ssize_t m, int n_threads):
    """Return the first m rows and columns of an upper triangle, both triangles."""
    cdef double[:, ::1] out = np.empty((m, m))
    cdef Py_ssize_t i, j
    cdef int status
    with nogil:
        for i in range(m):
            for j in range(i, m):
                out[i, j] = g[i * order + j]
        status = fr_mirror(&out[0, 0], m, 0, n_threads)
    check(status)
    return out.base


cdef int expect_dense(Matrix a) except -1:
    if a.is_sparse or not a.n_rows or not a.n_columns or a.scale is not None:
        raise ValueError("a: expected dense rows and columns without a scale")
    return 0


def equations(Matrix a not None, int kernel, double parameter, const double[::1] y not None,
              const double[::1] weight not None, const double[::1] offset,
              const double[::1] u not None, double b, int n_threads=0):
    """Return the weighted loss at u (p,) and b, its gradient (p + 1,) and its Hessian, in one pass.

    The last coordinate is that of b. With r and h the weighted derivatives of the loss by the
    predictors, the gradient is [A 1]'r and the Hessian [A 1]' diag(h) [A 1]. a: dense, without a
    scale.
    """
    cdef Py_ssize_t n = a.n_rows, p = a.n_columns, order = fr_gram_order(p + 1)
    cdef fr_pass q
    cdef int status, threads
    expect_dense(a)
    if not 0 <= kernel < FR_N_LOSSES:
        raise ValueError(f"kernel: expected 0 to {FR_N_LOSSES - 1}; got {kernel}")
    for name, v, size in (("y", y, n), ("weight", weight, n), ("offset", offset, n), ("u", u, p)):
        expect_length(name, v, size)
    cdef Py_ssize_t wide = fr_pass_order(p)
    cdef double[::1] gram = empty(wide * wide + 8), of_n = empty(4 * n)
    cdef double[::1] gradient = empty(p + 1), of_p = empty(p + fr_pass_scratch(p))
    q.a = &a.s
    q.loss, q.parameter = kernel, parameter
    q.y, q.w, q.offset = &y[0], &weight[0], pointer(offset)
    q.u, q.level = &u[0], b
    q.eta, q.r, q.h, q.root = &of_n[0], &of_n[n], &of_n[2 * n], &of_n[3 * n]
    q.gram, q.gradient = &gram[0], &gradient[0]
    q.border, q.scratch = &of_p[0], &of_p[p]
    threads = threads_for(n_threads, <double> a.s.nnz * (4.0 + p / 16.0))
    with nogil:
        status = fr_take_pass(&q, threads)
    check(status)
    gradient[p] = q.of_r
    return q.value, gradient.base, corner(gram, order, p + 1, threads)


def bordered_gram(Matrix a not None, const double[::1] h not None, int n_threads=0):
    """Return [A 1]' diag(h) [A 1] (p + 1, p + 1) for dense A without a scale, and h >= 0 (n,)."""
    cdef Py_ssize_t p = a.n_columns, order = fr_gram_order(p + 1)
    cdef fr_gram_source source
    cdef int status, threads
    expect_dense(a)
    expect_length("h", h, a.n_rows)
    cdef const double[::1] root = np.sqrt(h)
    cdef double[::1] gram = empty(order * order)
    source.a = &a.s
    source.y = source.y_shift = source.row_shift = NULL
    source.prepare = NULL
    source.k = source.transposed = 0
    source.ones = 1
    source.col_shift, source.root_weight = a.s.shift, &root[0]
    threads = threads_for(n_threads, <double> a.s.nnz * (p / 16.0))
    with nogil:
        status = fr_gram_dense(&source, &gram[0], threads)
    check(status)
    return corner(gram, order, p + 1, threads)


def bordered_about(const double[:, ::1] gram not None, const double[::1] border not None,
                   double total, const double[::1] shift):
    """Return [A 1]' diag(h) [A 1] (p + 1, p + 1) for A = X - 1 shift', from sums about zero.

    gram (p, p), border (p,) and total: X' diag(h) X, X'h and the sum of h. shift: None: 0.
    """
    cdef Py_ssize_t p = border.shape[0], i, j
    cdef double[:, ::1] out = np.empty((p + 1, p + 1))
    cdef double[::1] moved = empty(p)
    cdef int status, threads = threads_for(0, <double> p * p)
    if gram.shape[0] != p or gram.shape[1] != p:
        raise ValueError(f"gram: expected shape ({p}, {p})")
    expect_length("shift", shift, p)
    with nogil:
        for j in range(p):
            moved[j] = border[j] if shift is None else border[j] - total * shift[j]
            out[j, p] = moved[j]
        out[p, p] = total
        for i in range(p):
            for j in range(i, p):
                out[i, j] = gram[i, j]
            if shift is not None:
                for j in range(i, p):
                    out[i, j] -= border[i] * shift[j] + shift[i] * moved[j]
        status = fr_mirror(&out[0, 0], p + 1, 0, threads)
    check(status)
    return out.base
