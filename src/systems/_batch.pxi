# Part of _matrix.pyx: the kernels in use are one state of one module.


def ridge_batch(cnp.ndarray X not None, const double[::1] y not None, Py_ssize_t n_targets,
                const double[::1] alpha not None, const double[::1] weight,
                const double[::1] penalty, bint fit_intercept, int n_threads=0):
    """Ridge of every X[i] (n, p) on its targets, which y holds one behind the other.

    alpha and weight hold those of all problems, or of each. Returns coef (b, k, p); intercept,
    relative gradient and objective (3, b, k), of float32 X those of coefficients rounded to float32
    and a fourth, the relative gradient before; and a status (b,): 1 where the problem needs an
    orthogonal method, 2 where its sums are not finite.
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
    q.y, q.w, q.penalty, q.alpha = &y[0], _pointer(weight), _pointer(penalty), &alpha[0]
    q.weight_each = weights == q.b * q.n
    q.alpha_each = alpha.shape[0] == q.b
    q.intercept = fit_intercept
    q.n_threads = _threads_for(n_threads, <double> X.size * (4.0 + q.p / FR_CACHED))
    q.coef = &to_coef[0, 0, 0]
    q.offset = &to_numbers[0, 0, 0]
    q.relative_gradient = &to_numbers[1, 0, 0]
    q.objective = &to_numbers[2, 0, 0]
    q.unrounded = &to_numbers[3, 0, 0] if rounds else NULL
    q.status = &states[0]
    with nogil:
        status = fr_ridge_batch(&q)
    _done(status)
    return coef, numbers, states.base
