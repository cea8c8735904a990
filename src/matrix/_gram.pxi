# Part of _matrix.pyx: the kernels in use are one state of one module.


cdef object _dense_gram(Matrix A, const double[::1] weight, bint over_rows, int threads,
                        bint single=False):
    """A' W A, or A W A' with the shift along the summation."""
    cdef Py_ssize_t m = A.n_rows if over_rows else A.n_columns
    cdef Py_ssize_t order = fr_single_order(m) if single else fr_gram_order(m)
    cdef fr_single_sums sums
    cdef double[::1] scale = _empty(m) if single else None
    cdef double[:, ::1] g = np.empty((order, order))
    cdef fr_gram_source source
    cdef const double[::1] root = None if weight is None else np.sqrt(weight)
    cdef int status
    source.a = &A.s
    source.y = NULL
    source.y_shift = NULL
    source.k = 0
    source.ones = 0
    source.transposed = over_rows
    source.col_shift = NULL if over_rows else A.s.shift
    source.row_shift = A.s.shift if over_rows else NULL
    source.root_weight = _pointer(root)
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
        _done(status)
    result = g.base[:m, :m]
    cdef double[:, ::1] full = result if order == m else np.ascontiguousarray(result)
    if m:
        with nogil:
            status = fr_mirror(&full[0, 0], m, 0, threads)
        _done(status)
    if single:
        result = full.base
        result /= scale.base
        result /= scale.base[:, np.newaxis]
    return full.base


cdef object _gram(Matrix A, const double[::1] weight, columns, int threads):
    cdef int status
    cdef double[:, ::1] g
    cdef Matrix by_row = A
    cdef const int[::1] place = None
    cdef const int *position = NULL
    A._vector("weight", weight, A.n_rows)
    chosen = slice(None) if columns is None else np.asarray(columns, dtype=np.intp)
    shift = None if A.shift is None else A.shift[chosen]
    if A.s.index < 0:
        if columns is not None:
            part = np.ascontiguousarray(A.arrays[0][:, chosen])
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
            _done(status)
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
        status = fr_gram_sparse(&by_row.s, _pointer(weight), position, m, &g[0, 0], threads)
    return status


cdef object _gram_rows(Matrix A, const double[::1] weight, int n_threads, bint single):
    A._vector("weight", weight, A.n_columns)
    w = None if weight is None else np.asarray(weight)
    if A.scale is not None:
        w = A.scale**2 if w is None else w * A.scale**2
    if A.s.index < 0:
        result = _dense_gram(A, w, True, _threads(n_threads), single and fr_has_single())
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
