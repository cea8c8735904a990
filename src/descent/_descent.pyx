"""Coordinate descent."""

import numpy as np

from libc.stdint cimport int32_t

from arrays cimport expect_length, pointer
from c_descent cimport *
from runtime cimport attach, check, threads_for

from fastridge._matrix cimport Matrix

attach()


cdef class Descent:
    """Coordinate descent for one quadratic and any number of penalties; see descent.h.

    The quadratic is given by `set_gram` or `set_columns`; a factor of the support's Gram matrix is
    kept from one `solve` to the next.
    """

    cdef fr_descent q
    cdef object _held, _spare

    def __cinit__(self):
        self.q.support = NULL

    def __dealloc__(self):
        fr_free_support(self.q.support)

    def set_gram(self, const double[:, ::1] gram not None):
        """The Gram matrix A'SA, in the leading part of an array; it may have grown since."""
        self.q.gram = &gram[0, 0] if gram.shape[0] else NULL
        self.q.ld = gram.shape[1]
        self.q.a = NULL
        self._held = gram

    def set_columns(self, Matrix a not None, const int[::1] columns,
                    const double[::1] weight=None):
        """The matrix by columns, those numbered the coordinates; weights of sparse rows."""
        if not a.s.by_column:
            raise ValueError(f"a: expected a matrix by columns; got kind {a.kind}")
        self.q.gram = NULL
        self.q.a = &a.s
        self.q.columns = NULL
        if columns is not None and columns.shape[0]:
            self.q.columns = <const int32_t *> &columns[0]
        self.q.weight = pointer(weight)
        if self._spare is None or len(self._spare) != 5 * a.n_rows:
            self._spare = np.empty(5 * a.n_rows)
        cdef double[::1] room = self._spare
        self.q.spare = &room[0]
        self._held = (a, columns, weight)

    cdef int _problem(self, const double[::1] l1, const double[::1] l2, const double[::1] lower,
                      const double[::1] upper, const double[::1] square, double yy) except -1:
        cdef Py_ssize_t m = square.shape[0]
        expect_length("l2", l2, l1.shape[0])
        expect_length("lower", lower, m)
        expect_length("upper", upper, m)
        self.q.m, self.q.step = m, 1
        self.q.l1, self.q.l2 = pointer(l1), pointer(l2)
        self.q.lower, self.q.upper = pointer(lower), pointer(upper)
        self.q.square = pointer(square)
        self.q.yy = yy
        return 0

    def solve(self, const double[::1] l1 not None, const double[::1] l2 not None,
              const double[::1] lower, const double[::1] upper,
              const double[::1] square not None, const double[::1] cross not None, double yy,
              double[::1] w not None, double[::1] g not None, double[::1] w_dual not None,
              double[::1] g_dual not None, bint whole, double tol,
              Py_ssize_t max_iter, unsigned long long seed=0, double[::1] residual=None,
              double level=0.0, int n_threads=0, int exact=1):
        """Descend from w, whose gradient is g, in place. Returns the objective, the dual value (of
        the residual of w_dual, the gradient there being g_dual), epochs, Newton steps among them,
        and the level of the residual. whole: there are no other coordinates, and w_dual and
        g_dual begin as those of another penalty. exact: see descent.h."""
        cdef int status
        cdef Py_ssize_t m = square.shape[0]
        self._problem(l1, l2, lower, upper, square, yy)
        expect_length("l1", l1, m)
        expect_length("cross", cross, m)
        expect_length("w", w, m)
        expect_length("g", g, m)
        expect_length("w_dual", w_dual, m)
        expect_length("g_dual", g_dual, m)
        if self.q.gram == NULL and (residual is None or residual.shape[0] != self.q.a.n_minor):
            raise ValueError("residual: expected one element per row")
        if m == 0:
            return 0.5 * yy, 0.5 * yy, 0, 0, level
        self.q.cross, self.q.w, self.q.g, self.q.w_dual = &cross[0], &w[0], &g[0], &w_dual[0]
        self.q.g_dual, self.q.whole, self.q.exact = &g_dual[0], whole, exact
        self.q.tol, self.q.max_iter, self.q.seed = tol, max_iter, seed
        self.q.residual = NULL if residual is None else &residual[0]
        self.q.level = level
        self.q.n_threads = threads_for(n_threads, <double> m * m)
        with nogil:
            status = fr_descend(&self.q)
        check(status)
        return (self.q.objective, self.q.dual, self.q.n_iter, self.q.n_newton, self.q.level)

    def dual_value(self, const double[::1] l1 not None, const double[::1] l2 not None,
                   const double[::1] lower, const double[::1] upper,
                   const double[::1] square not None, const double[::1] g not None, double yy,
                   double yr, double rr):
        """The dual value at t r, for the best t of a few, from g = A'S r, y'S r and r'S r.

        l1 and l2 have one element for each coordinate, or one for all.
        """
        self._problem(l1, l2, lower, upper, square, yy)
        expect_length("g", g, self.q.m)
        if l1.shape[0] == 1:
            self.q.step = 0
        else:
            expect_length("l1", l1, self.q.m)
        return fr_dual_value(&self.q, &g[0], yr, rr)

    def unscreened(self, const double[::1] l1 not None, const double[::1] l2 not None,
                   const double[::1] lower, const double[::1] upper,
                   const double[::1] square not None, double[::1] w not None,
                   const double[::1] g not None, double yy, double yr, double rr,
                   double objective):
        """The coordinates that gap-safe screening leaves, of w with that objective; see
        `dual_value`."""
        self._problem(l1, l2, lower, upper, square, yy)
        for name, v in (("l1", l1), ("w", w), ("g", g)):
            expect_length(name, v, self.q.m)
        found = np.empty(self.q.m, dtype=np.int32)
        cdef int32_t[::1] kept = found
        self.q.w = &w[0]
        return found[:fr_unscreened(&self.q, &g[0], yr, rr, objective, &kept[0])]


def descend_groups(const double[:, ::1] gram not None, const double[::1] l1 not None,
                   const double[::1] l2 not None, const double[::1] square not None,
                   const double[:, ::1] cross not None, double yy, double[:, ::1] w not None,
                   double[:, ::1] g not None, double[:, ::1] w_dual not None, double tol,
                   Py_ssize_t max_iter, unsigned long long seed=0):
    """Block coordinate descent for several targets, in place; see groups.h. Targets are rows.

    The Gram matrix may be larger than the problem, of which it holds the leading part. Returns the
    objective, the dual value (of the residual of w_dual) and rounds.
    """
    cdef fr_groups q
    cdef int status
    cdef Py_ssize_t m = l1.shape[0], k = w.shape[0]
    expect_length("l2", l2, m)
    expect_length("square", square, m)
    for name, a in (("cross", cross), ("w", w), ("g", g), ("w_dual", w_dual)):
        if a.shape[0] != k or a.shape[1] != m:
            raise ValueError(f"{name}: expected shape ({k}, {m}); got ({a.shape[0]}, {a.shape[1]})")
    if gram.shape[0] < m or gram.shape[1] < m:
        raise ValueError(f"gram: expected at least {m} rows and columns")
    if m == 0 or k == 0:
        return 0.5 * yy, 0.5 * yy, 0
    q.m, q.k, q.gram, q.ld = m, k, &gram[0, 0], gram.shape[1]
    q.l1, q.l2, q.square, q.cross = &l1[0], &l2[0], &square[0], &cross[0, 0]
    q.yy, q.tol, q.max_iter, q.seed = yy, tol, max_iter, seed
    q.w, q.g, q.w_dual = &w[0, 0], &g[0, 0], &w_dual[0, 0]
    with nogil:
        status = fr_descend_groups(&q)
    check(status)
    return q.objective, q.dual, q.n_iter


def groups_dual(const double[::1] l1 not None, const double[::1] l2 not None,
                const double[::1] norm not None, double yr, double rr):
    """The dual value at t R, for the best t of a few, from |g_j|, <Y, R> and <R, R>."""
    cdef Py_ssize_t m = l1.shape[0]
    expect_length("l2", l2, m)
    expect_length("norm", norm, m)
    return fr_groups_dual(m, pointer(l1), pointer(l2), pointer(norm), yr, rr)
