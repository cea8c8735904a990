# Part of _matrix.pyx: the kernels in use are one state of one module.


cdef object _ridge(Matrix A, y, const double[::1] alpha, const double[::1] weight,
                   const double[::1] penalty, bint fit_intercept, int n_threads, int precision):
    cdef fr_ridge_problem q
    cdef Matrix by_row = A, targets
    cdef int status
    cdef Py_ssize_t n_targets = 1 if y.ndim == 1 else y.shape[1]
    cdef bint many = n_targets >= FR_MANY
    cdef const double[::1] one
    if y.shape[0] != A.n_rows:
        raise ValueError(f"y: expected {A.n_rows} rows; got {y.shape[0]}")
    A._vector("weight", weight, A.n_rows)
    A._vector("penalty", penalty, A.n_columns)
    if A.s.index >= 0 and A.s.by_column:
        by_row = A.transposed_storage()
    cdef cnp.ndarray coef = _empty(n_targets * A.n_columns)
    cdef cnp.ndarray out = _empty((4 if A.is_float32 else 3) * n_targets)
    cdef double *numbers = <double *> cnp.PyArray_DATA(out)
    q.a = &A.s
    q.by_row = &by_row.s
    if many:
        targets = Matrix.from_dense(y)
    else:
        one = y if y.ndim == 1 else y.reshape(-1, order="F")
        q.y = &one[0]
    q.w = _pointer(weight)
    q.penalty = _pointer(penalty)
    q.alpha = &alpha[0]
    q.n_targets = n_targets
    q.alpha_per_target = alpha.shape[0] > 1
    q.intercept = fit_intercept
    q.precision = precision
    q.n_threads = _threads_for(
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
    _done(status)
    if n_targets == 1:
        return coef, (numbers[0], numbers[1], numbers[2]), q.n_iter, (
            numbers[3] if A.is_float32 else numbers[1]
        )
    table = out.reshape(-1, n_targets)
    return coef, table[:3], q.n_iter, table[3 if A.is_float32 else 1]


cdef object _ridge_near(Matrix A, y, const double[::1] alpha, const double[::1] weight,
                        const double[::1] penalty, int n_threads, int precision):
    """Sparse columns far from zero, less their means."""
    mean, variance = A.column_stats(weight, n_threads)
    near = _about(A, mean, variance, weight, n_threads)[0]
    found = _ridge(near, y, alpha, weight, penalty, True, n_threads, precision)
    if found is None or near.about is None:
        return found
    coef, numbers, n_iter, solved = found
    less = coef.reshape(-1, A.n_columns) @ near.about
    if isinstance(numbers, tuple):
        return coef, (numbers[0] - less[0], numbers[1], numbers[2]), n_iter, solved
    numbers[0] -= less
    return coef, numbers, n_iter, solved
