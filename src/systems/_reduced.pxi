# Part of _matrix.pyx: the kernels in use are one state of one module.

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
        Elements that the sparse part of the Gram matrix may have.

    Raises
    ------
    OverflowError
        If it would have more.
    """

    cdef fr_reduced q
    cdef readonly Py_ssize_t n_columns
    cdef readonly object order
    cdef double[::1] _mean, _squares

    def __init__(self, Matrix a not None, order not None, Py_ssize_t n_heavy,
                 mean not None, squares not None, double total,
                 const double[::1] weight, double most, int n_threads=0):
        cdef Matrix by_row = a.transposed_storage() if a.s.by_column else a
        cdef int status, threads = _threads(n_threads)
        cdef Py_ssize_t light = len(order) - n_heavy
        position = np.full(a.n_columns, -1, dtype=np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        cdef const int[::1] place = position
        a._vector("weight", weight, a.n_rows)
        self.n_columns = a.n_columns
        self.order = order
        self._mean, self._squares = mean[order], squares[order]
        self.q.mean, self.q.squares = &self._mean[0], &self._squares[0]
        with nogil:
            status = fr_reduced_build(&self.q, &by_row.s, _pointer(weight), &place[0], n_heavy,
                                      light, total, most, threads)
        if status == FR_TOO_LARGE:
            raise OverflowError("the Gram matrix has more elements than allowed")
        _done(status)

    def __dealloc__(self):
        fr_reduced_free(&self.q)

    @property
    def nnz(self):
        """Elements held of the sparse part."""
        return self.q.start[3 * self.q.n_light]

    def factor(self, double alpha, d not None, norm=None, int n_threads=0):
        """Set the penalty alpha * diag(d), d (p,); ArithmeticError where it is singular.

        norm (p,): weights of the squares in the norm of residuals; None: ones.
        """
        cdef const double[::1] by_place = d[self.order]
        cdef const double[::1] weights = None if norm is None else norm[self.order]
        cdef int status, threads = _threads(n_threads)
        with nogil:
            status = fr_reduced_factor(&self.q, alpha, &by_place[0], _pointer(weights), threads)
        if status == FR_UNSTABLE:
            raise ArithmeticError("the heavy columns are dependent")
        _done(status)

    def solve(self, r not None, double bound, Py_ssize_t limit, double share=0.0,
              double objective=0.0, int n_threads=0):
        """x (p,) with ||r - M x|| <= max(bound, share * sqrt(F)), and the iterations it took.

        F, the value of the objective at x, is `objective` at 0.
        """
        cdef fr_goal goal = fr_goal(bound, share, objective)
        cdef const double[::1] by_place = r[self.order]
        cdef double[::1] x = _empty(by_place.shape[0])
        cdef Py_ssize_t n_iter = 0
        cdef int status, threads = _threads(n_threads)
        with nogil:
            status = fr_reduced_solve(&self.q, &by_place[0], &x[0], goal, limit, &n_iter, threads)
        _done(status)
        out = np.zeros(self.n_columns)
        out[self.order] = x.base
        return out, n_iter
