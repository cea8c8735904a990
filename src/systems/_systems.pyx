"""Ridge systems: direct, in batches, with heavy columns eliminated."""

import numpy as np

cimport numpy as cnp

from arrays cimport empty, expect_length, pointer
from c_dense cimport FR_UNSTABLE
from c_matrix cimport FR_IS_FAR, FR_NOT_FINITE
from c_systems cimport *
from runtime cimport FR_CACHED, attach, check, threads as thread_count, threads_for

from fastridge._dense cimport Cholesky
from fastridge._matrix cimport Matrix

cnp.import_array()
attach()


def ridge(Matrix A not None, y not None, const double[::1] alpha not None,
          const double[::1] weight, const double[::1] penalty, bint fit_intercept, int n_threads=0,
          int precision=0):
    """Solve ridge by Cholesky, refined with the residual from X; return None where that is not
    stable, or the sums are not finite.

    y is (n,), or (n, k) in C or F order. precision: 0, float32 products where they pay; 1,
    never; 2, wherever they are possible. Return coef (k * p); intercept, relative gradient
    and objective (3, k), or for a single target a tuple of floats; the number of
    refinements; and the relative gradient (k), or a float, before coefficients were rounded to
    float32 for float32 X. All other numbers belong to the rounded coefficients.
    """
    cdef fr_ridge_problem q
    cdef Matrix by_row = A, targets
    cdef int status
    cdef Py_ssize_t n_targets = 1 if y.ndim == 1 else y.shape[1]
    cdef bint many = n_targets >= FR_MANY
    cdef const double[::1] one
    if y.shape[0] != A.n_rows:
        raise ValueError(f"y: expected {A.n_rows} rows; got {y.shape[0]}")
    expect_length("weight", weight, A.n_rows)
    expect_length("penalty", penalty, A.n_columns)
    if A.s.index >= 0 and A.s.by_column:
        by_row = A.transposed_storage()
    cdef cnp.ndarray coef = empty(n_targets * A.n_columns)
    cdef cnp.ndarray out = empty((4 if A.is_float32 else 3) * n_targets)
    cdef double *numbers = <double *> cnp.PyArray_DATA(out)
    q.a = &A.s
    q.by_row = &by_row.s
    if many:
        targets = Matrix.from_dense(y)
    else:
        one = y if y.ndim == 1 else y.reshape(-1, order="F")
        q.y = &one[0]
    q.w = pointer(weight)
    q.penalty = pointer(penalty)
    q.alpha = &alpha[0]
    q.n_targets = n_targets
    q.alpha_per_target = alpha.shape[0] > 1
    q.intercept = fit_intercept
    q.precision = precision
    q.n_threads = threads_for(
        n_threads, <double> A.s.nnz * (A.n_columns / FR_CACHED + 4.0 * n_targets)
    )
    q.coef = <double *> cnp.PyArray_DATA(coef)
    q.offset = numbers
    q.relative_gradient = numbers + n_targets
    q.objective = numbers + 2 * n_targets
    q.unrounded = numbers + 3 * n_targets if A.is_float32 else NULL
    with nogil:
        if many:
            status = fr_ridge_targets(&q, &targets.s)
        else:
            status = fr_ridge_direct(&q)
    if status == FR_IS_FAR:
        return _ridge_near(A, y, alpha, weight, penalty, n_threads, precision)
    if status == FR_UNSTABLE or status == FR_NOT_FINITE:
        return None
    check(status)
    if n_targets == 1:
        return coef, (numbers[0], numbers[1], numbers[2]), q.n_iter, (
            numbers[3] if A.is_float32 else numbers[1]
        )
    table = out.reshape(-1, n_targets)
    return coef, table[:3], q.n_iter, table[3 if A.is_float32 else 1]


cdef object _ridge_near(Matrix A, y, const double[::1] alpha, const double[::1] weight,
                        const double[::1] penalty, int n_threads, int precision):
    """Solve with the means subtracted from sparse columns far from zero."""
    mean, variance = A.column_stats(weight, n_threads)
    near = A._less_means(mean, variance, weight, n_threads)[0]
    found = ridge(near, y, alpha, weight, penalty, True, n_threads, precision)
    if found is None or near.about is None:
        return found
    coef, numbers, n_iter, solved = found
    less = coef.reshape(-1, A.n_columns) @ near.about
    if isinstance(numbers, tuple):
        return coef, (numbers[0] - less[0], numbers[1], numbers[2]), n_iter, solved
    numbers[0] -= less
    return coef, numbers, n_iter, solved


def ridge_batch(cnp.ndarray X not None, const double[::1] y not None, Py_ssize_t n_targets,
                const double[::1] alpha not None, const double[::1] weight,
                const double[::1] penalty, bint fit_intercept, int n_threads=0):
    """Solve ridge for every X[i] (n, p) and its contiguous targets in y.

    alpha and weight are common to all problems, or one for each. Return coef (b, k, p); intercept,
    relative gradient and objective (3, b, k), for float32 X of the rounded coefficients, with
    a fourth row, the relative gradient before rounding; and a status (b,): 1 where a problem needs
    an orthogonal method, 2 where its sums are not finite.
    """
    cdef fr_batch q
    cdef int status, kind = cnp.PyArray_TYPE(X)
    if (
        cnp.PyArray_NDIM(X) != 3
        or kind not in (cnp.NPY_DOUBLE, cnp.NPY_FLOAT)
        or not cnp.PyArray_IS_C_CONTIGUOUS(X)
        or not cnp.PyArray_ISBEHAVED_RO(X)
    ):
        raise ValueError(
            f"X: expected a 3-dimensional, aligned array of float32 or float64 in C order; got "
            f"{X.ndim} dimensions of {X.dtype}"
        )
    q.b, q.n, q.p, q.k = X.shape[0], X.shape[1], X.shape[2], n_targets
    cdef Py_ssize_t weights = 0 if weight is None else weight.shape[0]
    for name, size, expected in (
        ("y", y.shape[0], (q.b * q.k * q.n,)),
        ("alpha", alpha.shape[0], (1, q.b)),
        ("weight", weights, (0, q.n, q.b * q.n)),
        ("penalty", 0 if penalty is None else penalty.shape[0], (0, q.p)),
    ):
        if size not in expected:
            raise ValueError(f"{name}: expected {expected} elements; got {size}")
    if X.size == 0 or q.k == 0:
        raise ValueError(f"X: expected at least one element and target; got {X.size}, {q.k}")
    cdef bint rounds = kind == cnp.NPY_FLOAT
    coef, numbers = np.empty((q.b, q.k, q.p)), np.empty((4 if rounds else 3, q.b, q.k))
    cdef double[:, :, ::1] to_coef = coef, to_numbers = numbers
    cdef int[::1] states = np.zeros(q.b, dtype=np.int32)
    q.x = cnp.PyArray_DATA(X)
    q.real = kind == cnp.NPY_FLOAT
    q.y, q.w, q.penalty, q.alpha = &y[0], pointer(weight), pointer(penalty), &alpha[0]
    q.weight_each = weights == q.b * q.n
    q.alpha_each = alpha.shape[0] == q.b
    q.intercept = fit_intercept
    q.n_threads = threads_for(n_threads, <double> X.size * (4.0 + q.p / FR_CACHED))
    q.coef = &to_coef[0, 0, 0]
    q.offset = &to_numbers[0, 0, 0]
    q.relative_gradient = &to_numbers[1, 0, 0]
    q.objective = &to_numbers[2, 0, 0]
    q.unrounded = &to_numbers[3, 0, 0] if rounds else NULL
    q.status = &states[0]
    with nogil:
        status = fr_ridge_batch(&q)
    check(status)
    return coef, numbers, states.base


cdef class Reduced:
    """Ridge systems of one sparse matrix with its heavy columns eliminated, for any penalty.

    Parameters
    ----------
    a : Matrix, sparse; its shift is not used
    order : ndarray of int32, shape (m,)
        Columns by place: `n_heavy` heavy ones, then the light ones. Columns not in it are left out.
    n_heavy : int
    mean, squares : ndarray of float64, shape (p,)
        Means to centre about, and the diagonal of the centred Gram matrix.
    total : float
        Sum of the weights; 0 where nothing is centred.
    weight : ndarray of float64, shape (n,), or None
    most : float
        Largest number of elements of the sparse part of the Gram matrix.

    Raises
    ------
    OverflowError
        If it would have more.
    """

    cdef fr_reduced q
    cdef readonly Py_ssize_t n_columns
    cdef readonly object order
    cdef Matrix _by_row
    cdef double[::1] _mean, _squares
    cdef const int[::1] _position

    def __init__(self, Matrix a not None, order not None, Py_ssize_t n_heavy,
                 mean not None, squares not None, double total,
                 const double[::1] weight, double most, int n_threads=0):
        cdef int status, threads = thread_count(n_threads)
        position = np.full(a.n_columns, -1, dtype=np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        self._position = position
        self._by_row = a.transposed_storage() if a.s.by_column else a
        self.n_columns = a.n_columns
        self.order = order
        self.q.position = &self._position[0]
        self.q.n_heavy, self.q.n_light = n_heavy, len(order) - n_heavy
        self._take(mean, squares, total, weight)
        with nogil:
            status = fr_reduced_build(&self.q, &self._by_row.s, pointer(weight), most, threads)
        if status == FR_TOO_LARGE:
            raise OverflowError("the Gram matrix has more non-zeros than allowed")
        check(status)

    cdef int _take(self, mean, squares, double total, const double[::1] weight) except -1:
        expect_length("weight", weight, self._by_row.n_rows)
        self._mean, self._squares = mean[self.order], squares[self.order]
        self.q.mean, self.q.squares, self.q.total = &self._mean[0], &self._squares[0], total
        return 0

    def reweigh(self, mean not None, squares not None, double total, const double[::1] weight,
                int n_threads=0):
        """Sum the Gram matrix of the same columns under other weights; call `factor` afterwards.

        Parameters are those of the class. Column lists and the sparsity pattern are reused.
        """
        cdef int status, threads = thread_count(n_threads)
        self._take(mean, squares, total, weight)
        with nogil:
            status = fr_reduced_reweigh(&self.q, &self._by_row.s, pointer(weight), threads)
        check(status)

    def __dealloc__(self):
        fr_reduced_free(&self.q)

    @property
    def nnz(self):
        """Number of elements of the sparse part."""
        return self.q.start[3 * self.q.n_light]

    def factor(self, double alpha, d not None, norm=None, int n_threads=0):
        """Set the penalty alpha * diag(d), d (p,); ArithmeticError where it is singular.

        norm (p,): weights of the squares in the norm of residuals; None: ones.
        """
        cdef const double[::1] by_place = d[self.order]
        cdef const double[::1] weights = None if norm is None else norm[self.order]
        cdef int status, threads = thread_count(n_threads)
        with nogil:
            status = fr_reduced_factor(&self.q, alpha, &by_place[0], pointer(weights), threads)
        if status == FR_UNSTABLE:
            raise ArithmeticError("the frequent columns are linearly dependent")
        check(status)

    def solve(self, r not None, double bound, Py_ssize_t limit, double share=0.0,
              double objective=0.0, int n_threads=0):
        """Return x (p,) with ||r - M x|| <= max(bound, share * sqrt(F)), and the iterations.

        F, the value of the objective at x, is `objective` at 0.
        """
        cdef fr_goal goal = fr_goal(bound, share, objective)
        cdef const double[::1] by_place = r[self.order]
        cdef double[::1] x = empty(by_place.shape[0])
        cdef Py_ssize_t n_iter = 0
        cdef int status, threads = thread_count(n_threads)
        with nogil:
            status = fr_reduced_solve(&self.q, &by_place[0], &x[0], goal, limit, &n_iter, threads)
        check(status)
        out = np.zeros(self.n_columns)
        out[self.order] = x.base
        return out, n_iter


def schur_solve(Matrix heavy, Matrix light not None, const double[::1] weight, Cholesky factor,
                double alpha, const double[::1, :] r not None, const double[::1] bound not None,
                Py_ssize_t limit, double share=0.0, objective=None, int n_threads=0):
    """Return x (p, k) with ||r - (A' W A + alpha diag) x|| <= bound (k,), and iterations of each.

    The bound is share * sqrt(F) where that is larger; F, the objective at x, is `objective` at 0.

    The columns of A are those of `heavy` (or None), whose block `factor` holds, then those of
    `light`, whose penalty is alpha. Both are CSC.
    """
    cdef fr_schur q
    cdef Py_ssize_t p = r.shape[0], k = r.shape[1], t
    cdef int status = 0
    for m in (light,) if heavy is None else (light, heavy):
        if (<Matrix> m).s.index < 0 or not (<Matrix> m).s.by_column:
            raise ValueError("light, heavy: expected CSC matrices")
    if p != light.n_columns + (0 if heavy is None else heavy.n_columns):
        raise ValueError(f"r: expected a row for each column; got {p}")
    expect_length("weight", weight, light.n_rows)
    expect_length("bound", bound, k)
    cdef const double[::1] values = np.zeros(k) if objective is None else objective
    expect_length("objective", values, k)
    cdef double[::1, :] x = np.empty((p, k), order="F")
    cdef Py_ssize_t[::1] n_iter = np.zeros(k, dtype=np.intp)
    q.heavy = NULL if heavy is None else &heavy.s
    q.light = &light.s
    q.w = pointer(weight)
    q.factor = NULL if heavy is None else &factor.m[0, 0]
    q.alpha = alpha
    q.limit = limit
    q.share = share
    q.n_threads = thread_count(n_threads)
    for t in range(0, k, FR_LANES):
        q.k = min(FR_LANES, k - t)
        q.r = &r[0, t]
        q.bound = &bound[t]
        q.objective = &values[t]
        q.x = &x[0, t]
        q.n_iter = &n_iter[t]
        with nogil:
            status = fr_schur_solve(&q)
        check(status)
    return x.base, n_iter.base
