"""The matrix of the solvers."""

import threading

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free

from arrays cimport empty, empty_f, expect_length, pointer
from buffers cimport fill_compressed, is_elsewhere
from c_dense cimport fr_mirror
from c_matrix cimport *
from runtime cimport attach, check, fr_has_single, threads as thread_count

cnp.import_array()
attach()

cdef enum:
    COPIED = 1 << 21  # elements of a block of a copy


cdef class Matrix:
    """The operator A = (X - 1 shift') diag(scale) over dense or compressed sparse X.

    X is used in place: C or F order, CSR or CSC, float32 or float64, 32 or 64 bit indices,
    read-only or not. Vectors are float64. Made by `from_dense` and `from_compressed`.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype of X
    kind : {"C", "F", "csr", "csc"}
    nnz : int, stored elements
    checked_at : object, `data.inputs.last_foreign` when the structure was last checked
    unseen : bool, whether columns and values of compressed rows are still unchecked
    shift, scale : ndarray of float64, shape (p,), or None
    about : ndarray of float64, shape (p,), or None
        Means that `near` subtracted from the columns.
    """

    def __cinit__(self):
        self.s.index = -1

    def __dealloc__(self):
        free(self.s.cuts)

    @staticmethod
    def from_dense(cnp.ndarray X not None, bint by_column=False):
        """Wrap a 2-dimensional float32 or float64 array in C or F order; by_column: treat a single
        row or column, which has both orders, as F order."""
        cdef Matrix m = Matrix.__new__(Matrix)
        cdef int kind = cnp.PyArray_TYPE(X)
        if (
            cnp.PyArray_NDIM(X) != 2
            or kind not in (cnp.NPY_DOUBLE, cnp.NPY_FLOAT)
            or not cnp.PyArray_ISBEHAVED_RO(X)
        ):
            raise ValueError(
                f"X: expected a 2-dimensional, aligned array of float32 or float64; got "
                f"{X.ndim} dimensions of {X.dtype}"
            )
        cdef Py_ssize_t n = X.shape[0], p = X.shape[1]
        if cnp.PyArray_IS_C_CONTIGUOUS(X) and not (by_column and cnp.PyArray_IS_F_CONTIGUOUS(X)):
            m.s.by_column = 0
            m.s.n_major, m.s.n_minor = n, p
        elif cnp.PyArray_IS_F_CONTIGUOUS(X):
            m.s.by_column = 1
            m.s.n_major, m.s.n_minor = p, n
        else:
            raise ValueError("X: expected C or F order; got a strided array")
        m.s.ld = m.s.n_minor
        m.s.nnz = n * p
        m.s.data = cnp.PyArray_DATA(X)
        m.s.real = m.is_float32 = kind == cnp.NPY_FLOAT
        m.n_rows, m.n_columns = n, p
        m.arrays = (X,)
        return m

    @staticmethod
    def from_compressed(data, indices, indptr, shape, bint by_column, bint unseen=False):
        """Wrap canonical CSR, or with `by_column` CSC, arrays."""
        cdef Matrix m = Matrix.__new__(Matrix)
        m.n_rows, m.n_columns = shape
        m.s.by_column = by_column
        m.s.n_major, m.s.n_minor = (shape[1], shape[0]) if by_column else shape
        cdef Py_ssize_t size = m.s.n_major + 1
        if indptr.shape != (size,) or indices.shape != data.shape:
            raise ValueError(
                f"indptr: expected {size} elements and as many indices as values; got "
                f"{indptr.shape}, {indices.shape} and {data.shape}"
            )
        if indices.dtype != indptr.dtype:
            raise ValueError(f"indices: expected {indptr.dtype} as indptr; got {indices.dtype}")
        cdef const double[::1] data_d
        cdef const float[::1] data_f
        cdef const int[::1] i32, p32
        cdef const long long[::1] i64, p64
        if indices.dtype == np.int32:
            i32, p32 = indices, indptr
        else:
            i64, p64 = indices, indptr
        if data.dtype == np.float32:
            data_f = data
            if indices.dtype == np.int32:
                fill_compressed(&m.s, data_f, i32, p32)
            else:
                fill_compressed(&m.s, data_f, i64, p64)
        else:
            data_d = data
            if indices.dtype == np.int32:
                fill_compressed(&m.s, data_d, i32, p32)
            else:
                fill_compressed(&m.s, data_d, i64, p64)
        m.arrays = (data, indices, indptr)
        m.is_sparse = True
        m.is_float32 = m.s.real
        # one-hot data: values that are all 1 are not read from memory
        m.unseen = unseen
        if not unseen and fr_all_ones(m.s.data, m.s.nnz, m.s.real):
            m.s.real = FR_ONES
        m._lock = threading.Lock()
        return m

    @property
    def shape(self):
        return (self.n_rows, self.n_columns)

    @property
    def dtype(self):
        return self.arrays[0].dtype

    @property
    def nnz(self):
        return self.s.nnz

    @property
    def kind(self):
        if self.s.index < 0:
            return "F" if self.s.by_column else "C"
        return "csc" if self.s.by_column else "csr"

    def has_moved(self):
        """Return whether an array of X has other memory than when it was wrapped."""
        cdef tuple arrays = self.arrays
        if is_elsewhere(arrays[0], self.s.data, self.s.nnz):
            return True
        return len(arrays) > 1 and (
            is_elsewhere(arrays[1], self.s.indices, self.s.nnz)
            or is_elsewhere(arrays[2], self.s.indptr, self.s.n_major + 1)
        )

    def centered(self, shift=None, scale=None):
        """Return the operator (X - 1 shift') diag(scale) over the same X."""
        cdef Matrix m = Matrix.__new__(Matrix)
        cdef const double[::1] values
        m.s = self.s
        m.s.cuts = NULL
        m.s.n_cuts = 0
        m.n_rows, m.n_columns, m.arrays = self.n_rows, self.n_columns, self.arrays
        m.is_sparse, m.is_float32, m.about = self.is_sparse, self.is_float32, self.about
        m._lock = None if self._lock is None else threading.Lock()
        for name, given in (("shift", shift), ("scale", scale)):
            if given is None:
                continue
            values = given
            if values.shape[0] != self.n_columns:
                raise ValueError(
                    f"{name}: expected {self.n_columns} elements, one per column; got "
                    f"{values.shape[0]}"
                )
        m.shift, m.scale = shift, scale
        values = shift
        m.s.shift = pointer(values)
        values = scale
        m.s.scale = pointer(values)
        return m

    cdef object _product(self, object v, object out, int n_threads, bint transposed):
        cdef Py_ssize_t k = 1, n_in = self.n_rows if transposed else self.n_columns
        cdef Py_ssize_t n_out = self.n_columns if transposed else self.n_rows
        cdef const double[::1] v1
        cdef const double[::1, :] v2
        cdef double[::1] o1
        cdef double[::1, :] o2
        cdef const double *source = NULL
        cdef double *target = NULL
        cdef int status, threads = thread_count(n_threads)
        cdef bint locked = False
        if v.ndim == 1:
            v1 = v
            if v1.shape[0] != n_in:
                raise ValueError(f"operand: expected {n_in} elements; got {v1.shape[0]}")
            out = empty(n_out) if out is None else out
            o1 = out
            if o1.shape[0] != n_out:
                raise ValueError(f"out: expected {n_out} elements; got {o1.shape[0]}")
            source = &v1[0] if n_in else NULL
            target = &o1[0] if n_out else NULL
        else:
            v2 = v
            k = v2.shape[1]
            if v2.shape[0] != n_in:
                raise ValueError(f"operand: expected {n_in} rows; got {v2.shape[0]}")
            out = empty_f(n_out, k) if out is None else out
            o2 = out
            if o2.shape[0] != n_out or o2.shape[1] != k:
                raise ValueError(
                    f"out: expected shape ({n_out}, {k}); got ({o2.shape[0]}, {o2.shape[1]})"
                )
            source = &v2[0, 0] if n_in and k else NULL
            target = &o2[0, 0] if n_out and k else NULL
        if target == NULL:
            return out
        if threads > 1 and self._lock is not None:
            # the cuts of a threaded scatter belong to the matrix
            self._lock.acquire()
            locked = True
        try:
            with nogil:
                if transposed:
                    status = fr_tdot(&self.s, source, target, k, threads)
                else:
                    status = fr_dot(&self.s, source, target, k, threads)
            check(status)
        finally:
            if locked:
                self._lock.release()
        return out

    def dot(self, v not None, out=None, int n_threads=0):
        """A @ v for v of shape (p,), or (p, k) in F order, of float64."""
        return self._product(v, out, n_threads, False)

    def tdot(self, u not None, out=None, int n_threads=0):
        """A.T @ u for u of shape (n,), or (n, k) in F order, of float64."""
        return self._product(u, out, n_threads, True)

    cdef int _place(self, str name, Py_ssize_t i, Py_ssize_t size, Py_ssize_t length,
                    Py_ssize_t given) except -1:
        if not 0 <= i < size:
            raise IndexError(f"{name}: expected 0 to {size - 1}; got {i}")
        if length != given:
            raise ValueError(f"vector: expected {length} elements; got {given}")
        return 0

    def column_dot(self, Py_ssize_t j, const double[::1] u not None):
        """A[:, j] @ u."""
        self._place("column", j, self.n_columns, self.n_rows, u.shape[0])
        return fr_column_dot(&self.s, j, &u[0])

    def column_axpy(self, Py_ssize_t j, double t, double[::1] u not None):
        """u += t * A[:, j], in place."""
        self._place("column", j, self.n_columns, self.n_rows, u.shape[0])
        fr_column_axpy(&self.s, j, t, &u[0])

    def row_dot(self, Py_ssize_t i, const double[::1] v not None):
        """A[i] @ v."""
        self._place("row", i, self.n_rows, self.n_columns, v.shape[0])
        return fr_row_dot(&self.s, i, &v[0])

    def row_axpy(self, Py_ssize_t i, double t, double[::1] v not None):
        """v += t * A[i], in place."""
        self._place("row", i, self.n_rows, self.n_columns, v.shape[0])
        fr_row_axpy(&self.s, i, t, &v[0])

    def rows(self, Py_ssize_t i0, Py_ssize_t i1):
        """Return a dense float64 copy of rows i0 to i1 of A."""
        if not 0 <= i0 <= i1 <= self.n_rows:
            raise IndexError(f"rows: expected a range within 0 to {self.n_rows}; got {i0} to {i1}")
        cdef double[:, ::1] out = np.empty((i1 - i0, self.n_columns))
        if out.shape[0] and out.shape[1]:
            with nogil:
                fr_rows(&self.s, i0, i1, &out[0, 0])
        return out.base

    def dot_columns(self, const int[::1] columns not None, const double[::1] u not None,
                    int n_threads=0):
        """A[:, columns]' u of a matrix by columns."""
        cdef int status, threads = thread_count(n_threads)
        cdef Py_ssize_t size = columns.shape[0]
        cdef double[::1] out = empty(size)
        expect_columns(self, columns)
        expect_length("u", u, self.n_rows)
        if size and self.n_rows:
            with nogil:
                status = fr_dot_columns(&self.s, <const int32_t *> &columns[0], size, &u[0],
                                        &out[0], threads)
            check(status)
        else:
            out[:] = 0.0
        return out.base

    def add_columns(self, const int[::1] columns not None, const double[::1] t not None):
        """A[:, columns] t of a matrix by columns."""
        cdef Py_ssize_t size = columns.shape[0]
        cdef double[::1] out = empty(self.n_rows)
        expect_columns(self, columns)
        expect_length("t", t, size)
        if size and self.n_rows:
            with nogil:
                fr_add_columns(&self.s, <const int32_t *> &columns[0], size, &t[0], &out[0])
        else:
            out[:] = 0.0
        return out.base

    def copy_columns(self, const int[::1] columns not None, double[:, ::1] out not None,
                     int n_threads=0):
        """out[k] = A[:, columns[k]]."""
        cdef int status, threads = thread_count(n_threads)
        cdef Py_ssize_t k, size = columns.shape[0]
        if out.shape[0] != size or out.shape[1] != self.n_rows:
            raise ValueError(
                f"out: expected shape ({size}, {self.n_rows}); got ({out.shape[0]}, {out.shape[1]})"
            )
        for k in range(size):
            if not 0 <= columns[k] < self.n_columns:
                raise IndexError(
                    f"columns: expected 0 to {self.n_columns - 1}; got {columns[k]}"
                )
        if size and self.n_rows:
            with nogil:
                status = fr_copy_columns(&self.s, <const int32_t *> &columns[0], size, &out[0, 0],
                                         threads)
            check(status)

    def column_stats(self, const double[::1] weight=None, int n_threads=0):
        """Weighted mean and (population) variance of the columns of X itself."""
        cdef double[::1] mean = empty(self.n_columns), var = empty(self.n_columns)
        cdef int status, threads = thread_count(n_threads)
        expect_length("weight", weight, self.n_rows)
        if self.n_columns and self.n_rows:
            with nogil:
                status = fr_column_stats(&self.s, pointer(weight), &mean[0], &var[0], threads)
            check(status)
        return mean.base, var.base

    def near(self, mean not None, variance not None, const double[::1] weight=None,
             int n_threads=0):
        """Return the columns shifted by constants, so that sums do not cancel, and new means.

        mean and variance are those of `column_stats`. Sparse columns with a mean much larger than
        their deviation are stored densely as float64, minus their means. Without such columns the
        result is this matrix and `mean`.
        """
        if not self.is_sparse or self.s.is_near or not (variance < (FR_NEAR * mean)**2).any():
            return self, mean
        return self._less_means(mean, variance, weight, n_threads)

    cdef object _less_means(self, mean, variance, const double[::1] weight, int n_threads):
        """Return `near` and the means, without the cache."""
        # skip constant columns, whose coefficients are not used
        far = np.flatnonzero((variance > 0) & (variance < (FR_NEAR * mean)**2))
        _, indices, indptr = self.arrays
        added = self.n_rows - self.column_counts()[far]
        # columns that are mostly zero are far only by weights: limit their number by the data
        order = np.argsort(added, kind="stable")
        most = min(self.s.nnz, np.iinfo(indptr.dtype).max - self.s.nnz)
        fits = order[np.cumsum(added[order]) <= most]
        cdef Matrix found
        if not len(fits):
            found = self.centered(self.shift, self.scale)
            found.s.is_near = 1
            return found, mean
        cdef Py_ssize_t more = added[fits].sum()
        cdef double[::1] about = np.zeros(self.n_columns)
        about.base[far[fits]] = mean[far[fits]]
        cdef cnp.ndarray values = np.empty(self.s.nnz + more), of_values = indices, start = indptr
        cdef void *i = NULL
        cdef void *p = NULL
        if more:
            of_values, start = np.empty(self.s.nnz + more, indices.dtype), np.empty_like(indptr)
            i, p = cnp.PyArray_DATA(of_values), cnp.PyArray_DATA(start)
        cdef double *d = <double *> cnp.PyArray_DATA(values)
        cdef int status
        with nogil:
            status = fr_about(&self.s, &about[0], d, i, p)
        check(status)
        found = Matrix.from_compressed(values, of_values, start, self.shape, self.s.by_column)
        found.is_float32, found.about = self.is_float32, about.base
        found.s.is_near = 1
        return found, found.column_stats(weight, n_threads)[0]

    cdef object _counts(self, bint of_rows):
        cdef Py_ssize_t size = self.n_rows if of_rows else self.n_columns
        cdef int status = 0
        if self.s.index < 0:
            return np.full(size, self.n_columns if of_rows else self.n_rows, dtype=np.int64)
        cdef cnp.ndarray counts = np.zeros(size, dtype=np.int64)
        cdef int64_t *out = <int64_t *> cnp.PyArray_DATA(counts)
        with nogil:
            status = fr_counts(&self.s, of_rows, out)
        check(status)
        return counts

    def row_counts(self):
        """Stored elements of each row, int64."""
        return self._counts(True)

    def column_counts(self):
        """Stored elements of each column, int64."""
        return self._counts(False)

    def transposed_storage(self):
        """Return the same matrix in the other compressed format (a copy of X)."""
        return self._transposed(None).centered(self.shift, self.scale)

    def split_columns(self, const int32_t[::1] order not None, Py_ssize_t m):
        """Return CSC copies of the first m columns, and of the others, in the given order."""
        cdef Py_ssize_t j
        if self.s.index >= 0 and self.s.by_column:
            return self.transposed_storage().split_columns(order, m)
        if order.shape[0] != self.n_columns or not 0 <= m <= self.n_columns:
            raise ValueError("order: expected every column")
        cdef int32_t[::1] place = np.empty(self.n_columns, dtype=np.int32)
        for j in range(self.n_columns):
            place[order[j]] = <int32_t> j
        data, indices, indptr = self._transposed(place).arrays
        cut, columns = int(indptr[m]), np.asarray(order)
        parts = []
        for chosen, lo, hi, pointers in (
            (columns[:m], 0, cut, indptr[: m + 1]),
            (columns[m:], cut, len(data), indptr[m:] - indptr[m]),
        ):
            part = Matrix.from_compressed(data[lo:hi], indices[lo:hi],
                                          np.ascontiguousarray(pointers),
                                          (self.n_rows, len(chosen)), True)
            parts.append(part.centered(
                None if self.shift is None else self.shift[chosen],
                None if self.scale is None else self.scale[chosen],
            ))
        return parts

    cdef Matrix _transposed(self, const int32_t[::1] place):
        if self.s.index < 0:
            raise ValueError("X: expected a sparse matrix; got a dense one")
        data, indices, indptr = self.arrays
        cdef cnp.ndarray to_data = np.empty_like(data), to_indices = np.empty_like(indices)
        cdef cnp.ndarray to_indptr = np.empty(self.s.n_minor + 1, dtype=indptr.dtype)
        cdef fr_matrix s = self.s
        cdef void *d = cnp.PyArray_DATA(to_data)
        cdef void *i = cnp.PyArray_DATA(to_indices)
        cdef void *p = cnp.PyArray_DATA(to_indptr)
        cdef const int32_t *places = NULL if place is None else &place[0]
        cdef int status
        s.real = data.dtype == np.float32
        with nogil:
            status = fr_transpose(&s, places, d, i, p)
        check(status)
        return Matrix.from_compressed(to_data, to_indices, to_indptr, self.shape, not s.by_column)

    def gram(self, const double[::1] weight=None, columns=None, int n_threads=0):
        """Return A' diag(weight) A, (p, p) float64, both triangles, or of some sorted columns."""
        return _gram(self, weight, columns, thread_count(n_threads))

    def gram_rows(self, const double[::1] weight=None, int n_threads=0, bint single=False):
        """Return A diag(weight) A', (n, n) float64, both triangles; weight per column.

        single: from float32 products, for dense X and where `has_single()`.
        """
        return _gram_rows(self, weight, n_threads, single)


cdef int expect_columns(Matrix A, const int[::1] columns) except -1:
    """Raise unless the matrix is stored by columns and has these columns."""
    cdef Py_ssize_t k
    if not A.s.by_column:
        raise ValueError(f"A: expected a matrix by columns; got kind {A.kind}")
    for k in range(columns.shape[0]):
        if not 0 <= columns[k] < A.n_columns:
            raise IndexError(f"columns: expected 0 to {A.n_columns - 1}; got {columns[k]}")
    return 0


cdef object _dense_gram(Matrix A, const double[::1] weight, bint over_rows, int threads,
                        bint single=False):
    """A' W A, or A W A' with the shift along the summation."""
    cdef Py_ssize_t m = A.n_rows if over_rows else A.n_columns
    cdef Py_ssize_t order = fr_single_order(m) if single else fr_gram_order(m)
    cdef fr_single_sums sums
    cdef double[::1] scale = empty(m) if single else None
    cdef double[:, ::1] g = np.empty((order, order))
    cdef fr_gram_source source
    cdef const double[::1] root = None if weight is None else np.sqrt(weight)
    cdef int status
    source.a = &A.s
    source.y = NULL
    source.y_shift = NULL
    source.prepare = NULL
    source.k = 0
    source.ones = 0
    source.transposed = over_rows
    source.col_shift = NULL if over_rows else A.s.shift
    source.row_shift = A.s.shift if over_rows else NULL
    source.root_weight = pointer(root)
    sums.weight = sums.sum = sums.square = sums.cross = NULL
    if order:
        with nogil:
            if single:
                sums.scale = &scale[0]
                fr_single_scale(&source, &scale[0])
                status = fr_gram_single(&source, &sums, 0,
                                        A.n_columns if over_rows else A.n_rows,
                                        &g[0, 0], threads)
            else:
                status = fr_gram_dense(&source, &g[0, 0], threads)
        check(status)
    result = g.base[:m, :m]
    cdef double[:, ::1] full = result if order == m else np.ascontiguousarray(result)
    if m:
        with nogil:
            status = fr_mirror(&full[0, 0], m, 0, threads)
        check(status)
    if single:
        result = full.base
        result /= scale.base
        result /= scale.base[:, np.newaxis]
    return full.base


cdef object _columns_of(array, chosen):
    """Copy columns of an array (n, p), by rows; an interrupt ends it."""
    cdef Py_ssize_t i, n = array.shape[0], step = max(1, COPIED // max(1, len(chosen)))
    part = np.empty((n, len(chosen)), dtype=array.dtype)
    for i in range(0, n, step):
        part[i:i + step] = array[i:i + step, chosen]
        PyErr_CheckSignals()
    return part


cdef object _gram(Matrix A, const double[::1] weight, columns, int threads):
    cdef int status
    cdef double[:, ::1] g
    cdef Matrix by_row = A
    cdef const int[::1] place = None
    cdef const int *position = NULL
    expect_length("weight", weight, A.n_rows)
    chosen = slice(None) if columns is None else np.asarray(columns, dtype=np.intp)
    shift = None if A.shift is None else A.shift[chosen]
    if A.s.index < 0:
        if columns is not None:
            part = _columns_of(A.arrays[0], chosen)
            by_row = Matrix.from_dense(part).centered(shift)
        result = _dense_gram(by_row, weight, False, threads)
    else:
        if A.s.by_column:
            by_row = A.transposed_storage()
        m = A.n_columns
        if columns is not None:
            m = len(chosen)
            positions = np.full(A.n_columns, -1, dtype=np.int32)
            positions[chosen] = np.arange(m, dtype=np.int32)
            place = positions
            position = &place[0]
        result = np.empty((m, m))
        g = result
        if m:
            status = _sparse_gram(by_row, weight, position, g, threads)
            check(status)
        if shift is not None:
            w = np.ones(A.n_rows) if weight is None else np.asarray(weight)
            sums = A.centered().tdot(w, n_threads=threads)[chosen]
            cross = np.outer(sums, shift)
            result -= cross + cross.T
            result += w.sum() * np.outer(shift, shift)
    if A.scale is not None:
        scale = A.scale[chosen]
        result *= np.outer(scale, scale)
    return result


cdef int _sparse_gram(Matrix by_row, const double[::1] weight, const int *position,
                      double[:, ::1] g, int threads) except? -5:
    cdef int status
    cdef Py_ssize_t m = g.shape[0]
    with nogil:
        status = fr_gram_sparse(&by_row.s, pointer(weight), position, m, &g[0, 0], 1, threads)
    return status


cdef object _gram_rows(Matrix A, const double[::1] weight, int n_threads, bint single):
    expect_length("weight", weight, A.n_columns)
    w = None if weight is None else np.asarray(weight)
    if A.scale is not None:
        w = A.scale**2 if w is None else w * A.scale**2
    if A.s.index < 0:
        result = _dense_gram(A, w, True, thread_count(n_threads), single and fr_has_single())
        return result
    # rows of the transposed matrix are the columns of X
    cdef Matrix source = A if A.s.by_column else A.transposed_storage()
    flipped = Matrix.from_compressed(*source.arrays, (A.n_columns, A.n_rows), False)
    result = flipped.gram(w, n_threads=n_threads)
    if A.shift is not None:
        shifted = A.shift if w is None else w * A.shift
        cross = flipped.tdot(shifted, n_threads=n_threads)
        result -= cross + cross[:, None]
        result += shifted @ A.shift
    return result
