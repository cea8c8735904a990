"""Second derivatives of a multinomial loss by pairs of a feature and a class, for sparse data."""

cimport numpy as cnp
from libc.stdint cimport int32_t

from arrays cimport expect_length, pointer
from c_matrix cimport fr_matrix
from runtime cimport attach, check, threads as thread_count

import numpy as np

from fastridge._matrix cimport Matrix

cnp.import_array()
attach()


cdef extern from "pairs.h" nogil:
    enum: FR_PAIR_PARTS
    enum: FR_MOST_PAIR_CLASSES
    ctypedef struct fr_pair_rows:
        Py_ssize_t n, m, k
        Py_ssize_t *start
        int32_t *place
        double *value
        const int32_t *one
        const double *prob
        const double *w
        double damping
    void fr_take_pairs(const fr_matrix *a, const int32_t *features, fr_pair_rows *q)
    int fr_pair_product(const fr_pair_rows *q, const double *v, const double *constant,
                        double *out, double *total, double *room, int n_threads)

MOST_CLASSES = FR_MOST_PAIR_CLASSES


cdef class PairRows:
    """Features of pairs, stored by rows, without shift and scale.

    Parameters
    ----------
    X : Matrix (n, p), sparse and by columns
    features, classes : ndarray of int32 (m,)
        Feature and class of each pair.
    n_classes : int
    weight : ndarray (n,)
        Weights of the rows.
    """

    cdef fr_pair_rows q
    cdef int32_t[::1] place, one
    cdef Py_ssize_t[::1] start
    cdef double[::1] value, room
    cdef const double[::1] weight
    cdef const double[:, ::1] prob

    def __init__(self, Matrix X not None, const int[::1] features not None,
                 const int[::1] classes not None, Py_ssize_t n_classes,
                 const double[::1] weight not None):
        cdef Py_ssize_t n = X.n_rows, m = features.shape[0], e
        if not X.is_sparse or not X.s.by_column:
            raise ValueError(f"X: expected 'csc'; got {X.kind!r}")
        if not 0 < n_classes <= FR_MOST_PAIR_CLASSES:
            raise ValueError(f"n_classes: expected 1 to {FR_MOST_PAIR_CLASSES}; got {n_classes}")
        expect_length("weight", weight, n)
        if classes.shape[0] != m:
            raise ValueError(f"classes: expected {m} elements; got {classes.shape[0]}")
        for e in range(m):
            if not 0 <= features[e] < X.n_columns or not 0 <= classes[e] < n_classes:
                raise IndexError(
                    f"features and classes: expected indices below {X.n_columns} and {n_classes};"
                    f" got {features[e]} and {classes[e]}"
                )
        counts = X.column_counts()
        cdef Py_ssize_t stored = int(counts[np.asarray(features)].sum())
        # at least one element each, so that there are addresses
        self.start, self.place = np.empty(n + 2, np.intp), np.empty(stored + 1, np.int32)
        self.value, self.one = np.empty(stored + 1), np.append(classes, np.int32(0))
        self.weight = weight
        self.room = np.empty(FR_PAIR_PARTS * (m + n_classes))
        self.q.n, self.q.m, self.q.k = n, m, n_classes
        self.q.start, self.q.place, self.q.value = &self.start[0], &self.place[0], &self.value[0]
        self.q.one, self.q.w = &self.one[0], pointer(weight)
        if m:
            with nogil:
                fr_take_pairs(&X.s, <const int32_t *> &features[0], &self.q)
        else:
            self.start[:] = 0

    def product(self, const double[:, ::1] prob not None, double damping,
                const double[::1] v not None, const double[::1] constant not None,
                int n_threads=0):
        """Return sums over the rows of x q for each pair (m,), and of q for each class (k,).

        With t = constant + X v, q = weight (p (t - p . t) + damping t). prob (n, k): p.
        """
        cdef double[::1] out = np.empty(self.q.m + 1), total = np.empty(self.q.k)
        cdef int status, threads = thread_count(n_threads)
        if prob.shape[0] != self.q.n or prob.shape[1] != self.q.k:
            raise ValueError(
                f"prob: expected shape ({self.q.n}, {self.q.k}); got ({prob.shape[0]},"
                f" {prob.shape[1]})"
            )
        expect_length("v", v, self.q.m)
        expect_length("constant", constant, self.q.k)
        if self.q.n == 0:
            out[:] = 0.0
            total[:] = 0.0
            return out.base[:-1], total.base
        self.prob = prob
        self.q.prob, self.q.damping = &prob[0, 0], damping
        with nogil:
            status = fr_pair_product(&self.q, pointer(v), &constant[0], &out[0], &total[0],
                                     &self.room[0], threads)
        check(status)
        return out.base[:-1], total.base


def class_slopes(const double[::1] z not None, const double[::1] mean not None,
                 const double[::1] prob not None, const double[::1] weight not None,
                 double damping, const double[::1] r not None):
    """Return t = r + weight (prob (z - mean) + damping z) (n,), and its sum."""
    cdef Py_ssize_t n = z.shape[0], i
    cdef double[::1] t = np.empty(n)
    cdef double sum = 0.0
    for name, v in (("mean", mean), ("prob", prob), ("weight", weight), ("r", r)):
        expect_length(name, v, n)
    with nogil:
        for i in range(n):
            t[i] = r[i] + weight[i] * (prob[i] * (z[i] - mean[i]) + damping * z[i])
            sum += t[i]
    return t.base, sum


def move_class(double[::1] along not None, double e, const double[::1] prob not None,
               double[::1] z not None, double[::1] mean not None):
    """Do z += along + e and mean += prob (along + e), in place."""
    cdef Py_ssize_t n = z.shape[0], i
    cdef double by
    for name, v in (("along", along), ("prob", prob), ("mean", mean)):
        expect_length(name, v, n)
    with nogil:
        for i in range(n):
            by = along[i] + e
            z[i] += by
            mean[i] += prob[i] * by
