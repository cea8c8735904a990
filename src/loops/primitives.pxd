"""Inner loops in C, one table per instruction set; see kernels.h."""

from libc.stdint cimport int32_t

from c_rolling cimport fr_rolling, fr_rolling_block


cdef extern from "kernels.h" nogil:
    ctypedef struct fr_sgd "struct fr_sgd":
        pass
    enum: FR_DOUBLE, FR_FLOAT, FR_ONES
    ctypedef struct fr_compressed:
        const void *data
        const void *indices
        const void *indptr
        const int32_t *lo
        const int32_t *hi
    ctypedef struct fr_real_kernels:
        # out[i] = sum_j (x[i, j] - shift[j] - major_shift[i]) v[j]
        void (*dot_rows)(const void *x, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t m,
                         const double *shift, const double *major_shift, const double *v,
                         double *out) noexcept nogil
        # out[j] += sum_i u[i] (x[i, j] - shift[j] - major_shift[i])
        void (*axpy_rows)(const void *x, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t m,
                          const double *shift, const double *major_shift, const double *u,
                          double *out) noexcept nogil
        # by index width: out[i] = sum_k data[k] v[indices[k]], ...
        void (*gather[2])(const fr_compressed *a, Py_ssize_t i0, Py_ssize_t i1, const double *v,
                          double *out) noexcept nogil
        void (*gather_stored[2])(const fr_compressed *a, Py_ssize_t i0, Py_ssize_t i1,
                                 const double *v, double *out) noexcept nogil
        # ... out[indices[k]] += u[i] data[k], ...
        void (*scatter[2])(const fr_compressed *a, Py_ssize_t i0, Py_ssize_t i1, const double *u,
                           double *out) noexcept nogil
        # ... and out[indices[k]] += u[i] data[k] w[indices[k]]
        void (*scatter_by[2])(const fr_compressed *a, Py_ssize_t i0, Py_ssize_t i1,
                              const double *u, const double *w, double *out) noexcept nogil
        # sum[i] += sum_k data[k] w[indices[k]]; square[i] += sum_k data[k]^2 w[indices[k]]
        void (*gather_moments[2])(const fr_compressed *a, Py_ssize_t i0, Py_ssize_t i1,
                                  const double *w, double *sum, double *square) noexcept nogil
        # windows that end in `lanes` blocks of rows, and sums of such blocks
        int (*rolling)(const fr_rolling *q, const fr_rolling_block *blocks,
                       double *memory) noexcept nogil
        void (*rolling_sums)(const fr_rolling *q, const fr_rolling_block *blocks, double *memory,
                             double **out) noexcept nogil
    ctypedef struct fr_kernels:
        const char *name
        int width
        int lanes
        # out[j] += sum_i u[i] x[list[i], j]
        void (*add_rows)(const double *x, Py_ssize_t ld, const int32_t *list, Py_ssize_t rows,
                         Py_ssize_t m, const double *u, double *out) noexcept nogil
        # out[r, s] += a[r] . b[s]
        void (*dots)(const double *a, Py_ssize_t ra, const double *b, Py_ssize_t rb,
                     Py_ssize_t ld, Py_ssize_t n, double *out, Py_ssize_t ldo) noexcept nogil
        # rows of a pass: see sgd.h
        void (*sgd_rows)(fr_sgd *s, Py_ssize_t wide) noexcept nogil
        void (*sgd_batches)(fr_sgd *s, Py_ssize_t wide) noexcept nogil
        fr_real_kernels real[3]
