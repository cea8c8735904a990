# Part of _matrix.pyx: the kernels in use are one state of one module.


def schur_solve(Matrix heavy, Matrix light not None, const double[::1] weight, Cholesky factor,
                double alpha, const double[::1, :] r not None, const double[::1] bound not None,
                Py_ssize_t limit, double share=0.0, objective=None, int n_threads=0):
    """x (p, k) with ||r - (A' W A + alpha diag) x|| <= bound (k,), and the iterations of each.

    Or <= share * sqrt(F), where that is more; F, the objective at x, is `objective` (k,) at 0.

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
    light._vector("weight", weight, light.n_rows)
    light._vector("bound", bound, k)
    cdef const double[::1] values = np.zeros(k) if objective is None else objective
    light._vector("objective", values, k)
    cdef double[::1, :] x = np.empty((p, k), order="F")
    cdef Py_ssize_t[::1] n_iter = np.zeros(k, dtype=np.intp)
    q.heavy = NULL if heavy is None else &heavy.s
    q.light = &light.s
    q.w = _pointer(weight)
    q.factor = NULL if heavy is None else &factor.m[0, 0]
    q.alpha = alpha
    q.limit = limit
    q.share = share
    q.n_threads = _threads(n_threads)
    for t in range(0, k, FR_LANES):
        q.k = min(FR_LANES, k - t)
        q.r = &r[0, t]
        q.bound = &bound[t]
        q.objective = &values[t]
        q.x = &x[0, t]
        q.n_iter = &n_iter[t]
        with nogil:
            status = fr_schur_solve(&q)
        _done(status)
    return x.base, n_iter.base
