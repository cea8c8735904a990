/* Many small ridge problems of one shape in one call. */
#ifndef FASTRIDGE_BATCH_H
#define FASTRIDGE_BATCH_H

#include "matrix.h"

/* For each of b problems, with X (n x p, C order), k contiguous targets, weights w, alpha and d
 * = penalty (ones if NULL): minimise over c and an intercept, for each target, sum_r w_r (y_r -
 * offset - x_r c)^2 + alpha sum_j d_j c_j^2. */
typedef struct {
    ptrdiff_t b, n, p, k;
    const void *x;
    int real;                 /* FR_DOUBLE or FR_FLOAT */
    const double *y, *w, *penalty, *alpha;
    int weight_each, alpha_each; /* of each problem, or one for all */
    int intercept, n_threads;
    double *coef, *offset, *relative_gradient, *objective; /* b * k * p and b * k */
    double *unrounded;        /* b * k: relative gradient before rounding; NULL: no rounding */
    int *status;              /* per problem: 0, FR_UNSTABLE or FR_NOT_FINITE */
    volatile int stop;
} fr_batch;

int fr_ridge_batch(fr_batch *q);

#endif
