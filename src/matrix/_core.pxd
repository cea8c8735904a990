from libc.stdint cimport int32_t, int64_t, uint64_t
from primitives cimport FR_ONES, fr_kernels


cdef extern from "kernels.h" nogil:
    const fr_kernels *fr_active()
    int fr_isa_count()
    const char *fr_isa_name(int i)
    int fr_isa_usable(int i)
    int fr_isa_select(const char *name)


cdef extern from "parallel.h" nogil:
    int FR_INTERRUPTED
    int FR_NO_MEMORY
    double FR_CACHED
    void fr_parallel_setup(int (*check_interrupt)() noexcept)
    void fr_set_serial_below(double work)
    double fr_get_serial_below()
    int fr_after_fork()
    int fr_poll()


cdef extern from "pool.h" nogil:
    int fr_pool_exists()


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
    Py_ssize_t fr_gram_order(Py_ssize_t n_columns)
    int fr_gram_dense(const fr_gram_source *s, double *g, int n_threads)

    ctypedef struct fr_single_sums:
        const double *scale
        const double *weight
        double *sum
        double *square
        double *cross
    int fr_has_single()
    Py_ssize_t fr_single_order(Py_ssize_t n_columns)
    void fr_single_scale(const fr_gram_source *s, double *scale)
    int fr_gram_single(const fr_gram_source *s, const fr_single_sums *e, Py_ssize_t i0,
                       Py_ssize_t i1, double *g, int n_threads)
    int fr_gram_sparse(fr_matrix *a, const double *w, const int *position, Py_ssize_t m,
                       double *g, int n_threads)
    int fr_all_ones(const void *x, Py_ssize_t n, int real)
    int fr_all_finite(const void *x, Py_ssize_t n, int real, int n_threads)
    int fr_check_compressed(const void *indices, const void *indptr, int index,
                            Py_ssize_t n_major, Py_ssize_t n_minor, Py_ssize_t nnz,
                            Py_ssize_t *where, int n_threads)


cdef extern from "cholesky.h" nogil:
    enum: FR_UNSTABLE
    int fr_mirror(double *m, Py_ssize_t p, int to_upper, int n_threads)
    int fr_cholesky(double *m, Py_ssize_t p, const double *diagonal, double keep, int n_threads)
    int fr_cholesky_from(double *m, Py_ssize_t ld, Py_ssize_t p, Py_ssize_t kept, Py_ssize_t fresh,
                         const double *diagonal, double keep, int drop, int n_threads)
    int fr_cholesky_remove(double *u, Py_ssize_t ld, Py_ssize_t p, const unsigned char *gone,
                           Py_ssize_t k)
    int fr_cholesky_single(double *m, Py_ssize_t p, const double *diagonal, double keep,
                           int n_threads)
    int fr_cholesky_solve_in(const double *m, Py_ssize_t ld, Py_ssize_t p, double *b, Py_ssize_t k,
                             int n_threads)
    int fr_cholesky_solve(const double *m, Py_ssize_t p, double *b, Py_ssize_t k, int n_threads)


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
        double *spare
        double total
    Py_ssize_t fr_moments_room(const fr_matrix *a, Py_ssize_t k)
    int fr_sum_moments(fr_moments *m)

cdef extern from "range.h" nogil:
    const double FR_LEAST_SUM
    const double FR_MOST_SUM


cdef extern from "direct.h" nogil:
    ctypedef struct fr_ridge_problem:
        fr_matrix *a
        fr_matrix *by_row
        const double *y
        const double *w
        const double *penalty
        const double *alpha
        Py_ssize_t n_targets
        int alpha_per_target, intercept, n_threads
        double *coef
        double *offset
        double *relative_gradient
        double *objective
        double *unrounded
        int n_iter
        int precision
    int fr_ridge_direct(fr_ridge_problem *q)
    int fr_ridge_targets(fr_ridge_problem *q, fr_matrix *targets)


cdef extern from "reduced.h" nogil:
    enum: FR_TOO_LARGE
    ctypedef struct fr_reduced:
        Py_ssize_t n_heavy, n_light
        double total
        const double *mean
        const double *squares
        Py_ssize_t *start
    int fr_reduced_build(fr_reduced *q, fr_matrix *a, const double *w, const int *position,
                         Py_ssize_t n_heavy, Py_ssize_t n_light, double total, double most,
                         int n_threads)
    void fr_reduced_free(fr_reduced *q)
    ctypedef struct fr_goal:
        double bound, share, objective
    int fr_reduced_factor(fr_reduced *q, double alpha, const double *d, const double *norm,
                          int n_threads)
    int fr_reduced_solve(const fr_reduced *q, const double *r, double *x, fr_goal goal,
                         Py_ssize_t limit, Py_ssize_t *n_iter, int n_threads)


cdef extern from "tridiagonal.h" nogil:
    int fr_tridiagonal(Py_ssize_t n, const double *d, const double *e, Py_ssize_t n_shifts,
                       const double *shift, Py_ssize_t k, const double *b, double *x,
                       double *trace, int n_threads)


cdef extern from "panels.h" nogil:
    enum: FR_MANY


cdef extern from "batch.h" nogil:
    ctypedef struct fr_batch:
        Py_ssize_t b, n, p, k
        const void *x
        int real
        const double *y
        const double *w
        const double *penalty
        const double *alpha
        int weight_each, alpha_each
        int intercept, n_threads
        double *coef
        double *offset
        double *relative_gradient
        double *objective
        double *unrounded
        int *status
    int fr_ridge_batch(fr_batch *q)


cdef extern from "descent.h" nogil:
    struct fr_support
    ctypedef struct fr_descent:
        Py_ssize_t m, step
        const double *gram
        Py_ssize_t ld
        const fr_matrix *a
        const int32_t *columns
        const double *weight
        double *residual
        double level
        double *spare
        const double *l1
        const double *l2
        const double *lower
        const double *upper
        const double *square
        const double *cross
        double yy, tol
        Py_ssize_t max_iter
        uint64_t seed
        int n_threads
        double *w
        double *g
        double *w_dual
        double *g_dual
        int whole
        int exact
        double objective, dual
        Py_ssize_t n_iter, n_newton
        fr_support *support
    int fr_descend(fr_descent *q)
    void fr_free_support(fr_support *s)
    double fr_dual_value(const fr_descent *q, const double *g, double yr, double rr)
    Py_ssize_t fr_unscreened(const fr_descent *q, const double *g, double yr, double rr,
                             double objective, int32_t *list)
    double fr_penalty_value(const fr_descent *q, const double *w)


cdef extern from "border.h" nogil:
    int fr_gram_border(const double *x, Py_ssize_t n, Py_ssize_t i0, Py_ssize_t i1, double unit,
                       double *g, Py_ssize_t ld, int n_threads)
    int fr_column_border(const fr_matrix *a, const int32_t *columns, const double *weight,
                         Py_ssize_t i0, Py_ssize_t i1, double *g, Py_ssize_t ld, int n_threads)


cdef extern from "schur.h" nogil:
    enum: FR_LANES
    ctypedef struct fr_schur:
        const fr_matrix *heavy
        const fr_matrix *light
        const double *w
        const double *factor
        double alpha
        Py_ssize_t k
        const double *r
        const double *bound
        double share
        const double *objective
        Py_ssize_t limit
        double *x
        Py_ssize_t *n_iter
        int n_threads
    int fr_schur_solve(const fr_schur *q)


cdef extern from "groups.h" nogil:
    ctypedef struct fr_groups:
        Py_ssize_t m, k
        const double *gram
        Py_ssize_t ld
        const double *l1
        const double *l2
        const double *square
        const double *cross
        double yy, tol
        Py_ssize_t max_iter
        uint64_t seed
        double *w
        double *g
        double *w_dual
        double objective, dual
        Py_ssize_t n_iter
    int fr_descend_groups(fr_groups *q)
    double fr_groups_dual(Py_ssize_t m, const double *l1, const double *l2, const double *norm,
                          double yr, double rr)


cdef extern from "access.h" nogil:
    double FR_NEAR
