# Part of _matrix.pyx: the kernels in use are one state of one module.

cdef object _about(Matrix A, mean, variance, const double[::1] weight, int n_threads):
    """See `Matrix.near`."""
    # constant columns have no coefficients that could be wrong
    far = np.flatnonzero((variance > 0) & (variance < (FR_NEAR * mean)**2))
    data, indices, indptr = A.arrays
    added = A.n_rows - A.column_counts()[far]
    # columns that are mostly zero are far by their weights alone: no more of them than data
    order = np.argsort(added, kind="stable")
    room = min(A.s.nnz, np.iinfo(indptr.dtype).max - A.s.nnz)
    fits = order[np.cumsum(added[order]) <= room]
    cdef Matrix found
    if not len(fits):
        found = A.centered(A.shift, A.scale)
        found.s.is_near = 1
        return found, mean
    cdef Py_ssize_t more = added[fits].sum()
    cdef double[::1] about = np.zeros(A.n_columns)
    about.base[far[fits]] = mean[far[fits]]
    cdef cnp.ndarray values = np.empty(A.s.nnz + more), of_values = indices, start = indptr
    cdef void *i = NULL
    cdef void *p = NULL
    if more:
        of_values, start = np.empty(A.s.nnz + more, indices.dtype), np.empty_like(indptr)
        i, p = cnp.PyArray_DATA(of_values), cnp.PyArray_DATA(start)
    cdef double *d = <double *> cnp.PyArray_DATA(values)
    cdef int status
    with nogil:
        status = fr_about(&A.s, &about[0], d, i, p)
    _done(status)
    found = Matrix.from_compressed(values, of_values, start, A.shape, A.s.by_column)
    found.is_float32, found.about = A.is_float32, about.base
    found.s.is_near = 1
    return found, found.column_stats(weight, n_threads)[0]
