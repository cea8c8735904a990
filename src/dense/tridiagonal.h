/* A symmetric, positive definite tridiagonal matrix, shifted. */
#ifndef FASTRIDGE_TRIDIAGONAL_H
#define FASTRIDGE_TRIDIAGONAL_H

#include <stddef.h>

/* For each of n_shifts shifts a: x = (T + a I)^-1 b for k right-hand sides b of n elements, and the
 * trace of (T + a I)^-1. T has the diagonal d and beside it e (n - 1). x holds k vectors for the
 * first shift, then k for the second. A shift that does not make T positive definite gets NaN. */
int fr_tridiagonal(ptrdiff_t n, const double *d, const double *e, ptrdiff_t n_shifts,
                   const double *shift, ptrdiff_t k, const double *b, double *x, double *trace,
                   int n_threads);

#endif
