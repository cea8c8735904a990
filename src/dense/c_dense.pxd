"""The C functions of this folder."""


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


cdef extern from "tridiagonal.h" nogil:
    int fr_tridiagonal(Py_ssize_t n, const double *d, const double *e, Py_ssize_t n_shifts,
                       const double *shift, Py_ssize_t k, const double *b, double *x,
                       double *trace, int n_threads)


cdef extern from "inverse.h" nogil:
    ctypedef struct fr_blas:
        pass
    int fr_half_inverse(const fr_blas *f, double *a, int n)
    int fr_lower_product(const fr_blas *f, const double *m, int n, double *c)
