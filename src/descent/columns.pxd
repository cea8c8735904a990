"""The operator of coordinate descent: the Gram matrix, or the matrix itself by columns.

Dense data by columns: the residual is r = y - A w. Sparse data: their centring adds
level = sum_j v_j mean_j with v_j = scale_j w_j, and the stored vector is e = y - X v, times s where
there are weights. As the weights sum to 1 and S (e + level) sums to 0 with an intercept,

    a_j'S r = scale_j (x_j'S e + level mean_j).
"""

from libc.stdint cimport int32_t

from c_matrix cimport fr_matrix
from primitives cimport FR_DOUBLE, fr_compressed
from runtime cimport fr_poll

from fastridge._descent cimport Descent


cdef extern from "access.h" nogil:
    const char *element(const fr_matrix *a, Py_ssize_t i, Py_ssize_t j)
    fr_compressed compressed_from(const fr_matrix *a, Py_ssize_t i)
    double shift_of(const fr_matrix *a, Py_ssize_t j)
    double scale_of(const fr_matrix *a, Py_ssize_t j)

cdef enum:
    STRETCH = 4096


cdef inline Py_ssize_t column_of(Descent q, Py_ssize_t k) noexcept nogil:
    return q.columns[k] if q.has_columns else k


cdef inline double column_dot(Descent q, Py_ssize_t k, const double *e,
                              double level) noexcept nogil:
    """Return a_k'S r for a residual stored as e and level."""
    cdef const fr_matrix *a = q.a
    cdef Py_ssize_t j = column_of(q, k)
    cdef double scale = scale_of(a, j), shift = shift_of(a, j), raw
    cdef fr_compressed x
    if a.index < 0:
        q.column_kernels.dot_rows(element(a, j, 0), a.ld, 1, a.n_minor, NULL, &shift, e, &raw)
        return scale * raw / <double> a.n_minor
    x = compressed_from(a, j)
    q.column_kernels.gather[a.index](&x, 0, 1, e, &raw)
    return scale * (q.unit * raw + level * shift)


cdef inline double column_gradient(Descent q, Py_ssize_t k) noexcept nogil:
    """Return g_k = a_k'S r."""
    return column_dot(q, k, &q.residual[0], q.level)


cdef inline double column_add(Descent q, Py_ssize_t k, double t, double *e) noexcept nogil:
    """Do e += t a_k for a stored residual e; return the change of its level."""
    cdef const fr_matrix *a = q.a
    cdef Py_ssize_t j = column_of(q, k)
    cdef double shift = shift_of(a, j)
    cdef fr_compressed x
    t *= scale_of(a, j)
    if a.index < 0:
        q.column_kernels.axpy_rows(element(a, j, 0), a.ld, 1, a.n_minor, NULL, &shift, &t, e)
        return 0.0
    x = compressed_from(a, j)
    if q.has_weight:
        q.column_kernels.scatter_by[a.index](&x, 0, 1, &t, &q.weight[0], e)
    else:
        q.column_kernels.scatter[a.index](&x, 0, 1, &t, e)
    return -t * shift


cdef inline int all_gradients(Descent q) noexcept nogil:
    """Set g = A'S r; with a Gram matrix it is always up to date."""
    cdef const fr_matrix *a = q.a
    cdef Py_ssize_t j, k, count
    cdef fr_compressed x
    cdef int status = 0
    if q.has_gram:
        return 0
    if a.index >= 0 and not q.has_columns:
        j = 0
        while j < q.m and not status:
            count = min(<Py_ssize_t> STRETCH, q.m - j)
            x = compressed_from(a, j)
            q.column_kernels.gather[a.index](&x, 0, count, &q.residual[0], &q.g[j])
            for k in range(j, j + count):
                q.g[k] = scale_of(a, k) * (q.unit * q.g[k] + q.level * shift_of(a, k))
            status = fr_poll()
            j += STRETCH
        return status
    for k in range(q.m):
        q.g[k] = column_gradient(q, k)
        if k % STRETCH == STRETCH - 1:
            status = fr_poll()
            if status:
                return status
    return 0


cdef inline int some_gradients(Descent q) noexcept nogil:
    """Set the elements of g that the objective and steps on the support need."""
    cdef Py_ssize_t j
    if not q.has_gram:
        for j in range(q.m):
            if q.w[j] != 0 or q.side[j]:
                q.g[j] = column_gradient(q, j)
    return 0


cdef inline void add_row(Descent q, Py_ssize_t j, double t, double[::1] out) noexcept nogil:
    """Do out += t A'S a_j, a row of the Gram matrix."""
    q.kernels.real[FR_DOUBLE].axpy_rows(&q.gram[j, 0], q.gram.shape[1], 1, q.m, NULL, NULL, &t,
                                        &out[0])


cdef inline void add_rows(Descent q, const int32_t *list, Py_ssize_t count, double[::1] u,
                          double[::1] out) noexcept nogil:
    """Do out += sum_i u_i A'S a_list[i]."""
    q.kernels.add_rows(&q.gram[0, 0], q.gram.shape[1], list, count, q.m, &u[0], &out[0])


cdef inline void move(Descent q, Py_ssize_t j, double t) noexcept nogil:
    """w_j += t, and all that depends on it but, without a Gram matrix, g."""
    q.w[j] += t
    if q.has_gram:
        add_row(q, j, -t, q.g)
    else:
        q.level += column_add(q, j, -t, &q.residual[0])


cdef inline void gram_times(Descent q, const int32_t *list, Py_ssize_t count, const double *v,
                            double *out) noexcept nogil:
    """Set out = A_T'S A_T v for the coordinates T in list, by the columns."""
    cdef const fr_matrix *a = q.a
    cdef Py_ssize_t i
    cdef double level = 0.0
    cdef double *image = &q.column_image[0]
    for i in range(a.n_minor):
        image[i] = 0.0
    for i in range(count):
        level += column_add(q, list[i], v[i], image)
    for i in range(count):
        out[i] = column_dot(q, list[i], image, level)
