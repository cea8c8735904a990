/* Passes over rows for several fits at once, with different weights and coefficients: the fits of
 * folds share the reading of the data. */
#ifndef FASTRIDGE_FOLDS_PASS_H
#define FASTRIDGE_FOLDS_PASS_H

#include "kernels.h"
#include "matrix.h"

/* A pass for k <= FR_LANES fits on A = X - 1 shift', dense or by rows; sparse data have no shift here.
 * With eta = level + offset + A v it computes the sum of w l(y, eta), r = w l' and h = w l'' of each
 * fit, and the sums over the rows gradient = A'r, of_r = sum r, border = A'h, of_h = sum h. */
typedef struct {
    fr_matrix *a;
    int loss;
    double parameter;
    ptrdiff_t k;
    const double *y, *offset;    /* n; offset: NULL: 0 */
    const double *w[FR_LANES];   /* n each, like the next lines */
    double *eta[FR_LANES], *r[FR_LANES], *h[FR_LANES];
    const double *v[FR_LANES];   /* p each, like the next lines */
    double *gradient[FR_LANES], *border[FR_LANES]; /* NULL in all: not computed */
    double level[FR_LANES], value[FR_LANES], of_r[FR_LANES], of_h[FR_LANES];
} fr_folds_pass;

int fr_take_folds_pass(fr_folds_pass *q, int n_threads);

#endif
