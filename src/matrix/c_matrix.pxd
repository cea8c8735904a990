"""The C functions of this folder."""

from libc.stdint cimport int32_t, int64_t


cdef extern from "matrix.h" nogil:
    ctypedef struct fr_matrix:
        Py_ssize_t n_major, n_minor, ld, nnz
        const void *data
        const void *indices
        const void *indptr
        const double *shift
        const double *scale
        int32_t *cuts
        int real, index, by_column, n_cuts, is_near
    int fr_dot(fr_matrix *a, const double *v, double *out, Py_ssize_t k, int n_threads)
    int fr_tdot(fr_matrix *a, const double *u, double *out, Py_ssize_t k, int n_threads)
    double fr_column_dot(const fr_matrix *a, Py_ssize_t j, const double *u)
    void fr_column_axpy(const fr_matrix *a, Py_ssize_t j, double t, double *u)
    double fr_row_dot(const fr_matrix *a, Py_ssize_t i, const double *v)
    void fr_row_axpy(const fr_matrix *a, Py_ssize_t i, double t, double *v)
    void fr_rows(const fr_matrix *a, Py_ssize_t i0, Py_ssize_t i1, double *out)
    void fr_add_columns(const fr_matrix *a, const int32_t *columns, Py_ssize_t size,
                        const double *t, double *out)
    int fr_dot_columns(const fr_matrix *a, const int32_t *columns, Py_ssize_t size,
                       const double *u, double *out, int n_threads)
    int fr_copy_columns(const fr_matrix *a, const int32_t *columns, Py_ssize_t size, double *out,
                        int n_threads)
    int fr_column_stats(fr_matrix *a, const double *w, double *mean, double *var, int n_threads)
    int fr_counts(const fr_matrix *a, int of_rows, int64_t *counts)
    int fr_about(const fr_matrix *a, const double *about, double *data, void *indices,
                 void *indptr)
    int fr_transpose(const fr_matrix *a, const int32_t *place, void *data, void *indices,
                     void *indptr)

    ctypedef struct fr_gram_source:
        const fr_matrix *a
        const double *y
        Py_ssize_t k
        int transposed, ones
        const double *col_shift
        const double *row_shift
        const double *root_weight
        const double *y_shift
        void (*prepare)(void *context, Py_ssize_t t, Py_ssize_t i, Py_ssize_t rows) noexcept nogil
    Py_ssize_t fr_gram_order(Py_ssize_t n_columns)
    int fr_gram_dense(const fr_gram_source *s, double *g, int n_threads)

    ctypedef struct fr_single_sums:
        const double *scale
        const double *weight
        double *sum
        double *square
        double *cross
    Py_ssize_t fr_single_order(Py_ssize_t n_columns)
    void fr_single_scale(const fr_gram_source *s, double *scale)
    int fr_gram_single(const fr_gram_source *s, const fr_single_sums *e, Py_ssize_t i0,
                       Py_ssize_t i1, double *g, int n_threads)
    int fr_gram_sparse(fr_matrix *a, const double *w, const int *position, Py_ssize_t m,
                       double *g, int most_parts, int n_threads)
    int fr_all_ones(const void *x, Py_ssize_t n, int real)
    int fr_all_finite(const void *x, Py_ssize_t n, int real, int n_threads)
    int fr_check_compressed(const void *indices, const void *indptr, int index,
                            Py_ssize_t n_major, Py_ssize_t n_minor, Py_ssize_t nnz,
                            int pointers, Py_ssize_t *where, int n_threads)


cdef extern from "moments.h" nogil:
    enum: FR_NOT_FINITE
    enum: FR_IS_FAR
    ctypedef struct fr_moments:
        fr_matrix *a
        fr_matrix *by_row
        const double *y
        const double *w
        Py_ssize_t k
        int centre, n_threads
        double *g
        double *shift
        double *offset
        double *y_shift
        double *y_offset
        double *cross
        double *yy
        double *scratch
        double total
    Py_ssize_t fr_moments_workspace(const fr_matrix *a, Py_ssize_t k)
    int fr_sum_moments(fr_moments *m)


cdef extern from "range.h" nogil:
    const double FR_LEAST_SUM
    const double FR_MOST_SUM


cdef extern from "access.h" nogil:
    double FR_NEAR


cdef extern from "kernels.h" nogil:
    enum: FR_ONES


cdef extern from "border.h" nogil:
    int fr_gram_border(const double *x, Py_ssize_t n, Py_ssize_t i0, Py_ssize_t i1, double unit,
                       double *g, Py_ssize_t ld, int n_threads)
    int fr_column_border(const fr_matrix *a, const int32_t *columns, const double *weight,
                         Py_ssize_t i0, Py_ssize_t i1, double *g, Py_ssize_t ld, int n_threads)
