/* Shifted symmetric positive definite tridiagonal systems. */
#ifndef FASTRIDGE_TRIDIAGONAL_H
#define FASTRIDGE_TRIDIAGONAL_H

#include <stddef.h>

/* For each of n_shifts shifts a, compute x = (T + a I)^-1 b for k right-hand sides of n
 * elements, and the trace of (T + a I)^-1. T has diagonal d and off-diagonal e (n - 1). x holds
 * the k vectors of the first shift, then those of the second, and so on. A shift for which T + a
 * I is not positive definite gets NaN. */
int fr_tridiagonal(ptrdiff_t n, const double *d, const double *e, ptrdiff_t n_shifts,
                   const double *shift, ptrdiff_t k, const double *b, double *x, double *trace,
                   int n_threads);

#endif
