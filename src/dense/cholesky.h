/* Cholesky factor of a symmetric matrix, over the Gram micro-kernel. */
#ifndef FASTRIDGE_CHOLESKY_H
#define FASTRIDGE_CHOLESKY_H

#include <stddef.h>

#define FR_UNSTABLE 1    /* a pivot lost too much to cancellation */
#define FR_DROPPED 1e150 /* square root of the pivot of a column that depends on those before it */

/* Copy the upper triangle of m (p x p, C order) to the lower, or the lower to the upper. */
int fr_mirror(double *m, ptrdiff_t p, int to_upper, int n_threads);
/* Overwrite the upper triangle of m, whose diagonal is `diagonal`, with the factor U of U'U; the
 * strict lower triangle is not touched. Return FR_UNSTABLE where a pivot keeps less than `keep`
 * of its diagonal element. */
int fr_cholesky(double *m, ptrdiff_t p, const double *diagonal, double keep, int n_threads);
/* The same for the leading p x p part of a matrix of row stride ld that is factored in part:
 * columns before `fresh` hold U above row `kept` and the matrix from there on; columns from
 * `fresh` on hold the matrix. kept <= fresh <= p. With `drop`, a column that depends on those
 * before it gets so large a pivot that it is 0 in every solution. */
int fr_cholesky_from(double *m, ptrdiff_t ld, ptrdiff_t p, ptrdiff_t kept, ptrdiff_t fresh,
                     const double *diagonal, double keep, int drop, int n_threads);
/* Remove the k rows and columns where `gone` is not 0 from the factor U (p x p, row stride ld),
 * in place; meant for small k. */
int fr_cholesky_remove(double *u, ptrdiff_t ld, ptrdiff_t p, const unsigned char *gone, ptrdiff_t k);
/* fr_cholesky with float32 products, where the instruction set has them; elements must be in the
 * range of float32. */
int fr_cholesky_single(double *m, ptrdiff_t p, const double *diagonal, double keep, int n_threads);
/* fr_cholesky_solve for row stride ld. */
int fr_cholesky_solve_in(const double *m, ptrdiff_t ld, ptrdiff_t p, double *b, ptrdiff_t k,
                         int n_threads);
/* b := (U'U)^-1 b for k contiguous right-hand sides. */
int fr_cholesky_solve(const double *m, ptrdiff_t p, double *b, ptrdiff_t k, int n_threads);

#endif
