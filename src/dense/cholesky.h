/* Cholesky factor of a symmetric matrix, over the Gram micro-kernel. */
#ifndef FASTRIDGE_CHOLESKY_H
#define FASTRIDGE_CHOLESKY_H

#include <stddef.h>

#define FR_UNSTABLE 1    /* too little was left of a pivot */
#define FR_DROPPED 1e150 /* pivot, rooted, of a column that depends on those before it */

/* Copy the upper triangle of m (p x p, C order) to the lower, or the other way. */
int fr_mirror(double *m, ptrdiff_t p, int to_upper, int n_threads);
/* Upper triangle of m, with `diagonal` as its diagonal, becomes the factor U of U'U; the strict
 * lower triangle is left alone. FR_UNSTABLE where a pivot keeps less than `keep` of its diagonal
 * element. */
int fr_cholesky(double *m, ptrdiff_t p, const double *diagonal, double keep, int n_threads);
/* The same for the leading p x p part of rows ld apart, of which a factor is there in part: columns
 * before `fresh` hold rows of U above row `kept`, and the matrix from there on; columns from `fresh`
 * hold the matrix. kept <= fresh <= p. With `drop`, a column that depends on those before it gets a
 * pivot so large that every solution is 0 there. */
int fr_cholesky_from(double *m, ptrdiff_t ld, ptrdiff_t p, ptrdiff_t kept, ptrdiff_t fresh,
                     const double *diagonal, double keep, int drop, int n_threads);
/* The factor U, p x p in rows ld apart, without the rows and columns where `gone` is not 0, of which
 * there are k; they are few. What is left takes their room. */
int fr_cholesky_remove(double *u, ptrdiff_t ld, ptrdiff_t p, const unsigned char *gone, ptrdiff_t k);
/* fr_cholesky with float32 products, where the instruction set has them; elements of a range that
 * float32 holds. */
int fr_cholesky_single(double *m, ptrdiff_t p, const double *diagonal, double keep, int n_threads);
/* fr_cholesky_solve for rows ld apart. */
int fr_cholesky_solve_in(const double *m, ptrdiff_t ld, ptrdiff_t p, double *b, ptrdiff_t k,
                         int n_threads);
/* b := (U'U)^-1 b, for k right-hand sides one behind the other. */
int fr_cholesky_solve(const double *m, ptrdiff_t p, double *b, ptrdiff_t k, int n_threads);

#endif
