/* Ridge regression by Cholesky factorisation of the Gram matrix. */
#ifndef FASTRIDGE_DIRECT_H
#define FASTRIDGE_DIRECT_H

#include "moments.h"

/* AUTO: float32 products where they pay off; SINGLE: wherever possible. In either mode, a
 * problem whose refinement does not converge as in float64 is solved in float64. */
enum { FR_PRECISION_AUTO, FR_PRECISION_DOUBLE, FR_PRECISION_SINGLE };

/* minimise sum_i w_i (y_ti - b_t - x_i c_t)^2 + alpha_t sum_j d_j c_tj^2 for each target t, where
 * d = penalty (ones if NULL). */
typedef struct {
    fr_matrix *a;      /* without shift or scale */
    fr_matrix *by_row; /* a, or its CSR copy where a is CSC */
    const double *y, *w, *penalty, *alpha;
    ptrdiff_t n_targets;
    int alpha_per_target, intercept, n_threads;
    double *coef, *offset, *relative_gradient, *objective;
    /* Unless NULL, coefficients are rounded to float32, and this is the relative gradient before
     * rounding; all other numbers are those of the rounded coefficients. */
    double *unrounded;
    int n_iter;
    int precision;
} fr_ridge_problem;

/* FR_NOT_FINITE: sums of squares overflow or underflow, rescale the data. FR_IS_FAR: see
 * moments.h. FR_UNSTABLE: the Gram matrix lost too much, use an orthogonal method. */
int fr_ridge_direct(fr_ridge_problem *q);
/* The same for many targets, the columns of a dense float64 matrix, by blocks of them; y and
 * n_targets are ignored. Well-conditioned systems are refined with the Gram matrix alone. */
int fr_ridge_targets(fr_ridge_problem *q, fr_matrix *targets);

#endif
