/* Sums of (X, y, weights) from which squared losses are fitted. */
#ifndef FASTRIDGE_MOMENTS_H
#define FASTRIDGE_MOMENTS_H

#include "matrix.h"

#define FR_NOT_FINITE 2 /* the sums are not finite, or X is not */
#define FR_IS_FAR 4     /* sparse X has means that centring would lose: see is_near in access.h */

/* With W = sum w and means m = shift + offset (0 unless `centre`):
 *   g = (X - 1 m)' diag(w) (X - 1 m), upper triangle of p x p in C order;
 *   cross_t = (X - 1 m)' diag(w) (y_t - m_t);  yy_t = sum w (y_t - m_t)^2.
 * The shift is a place near the mean, kept apart so that differences of means lose nothing. */
typedef struct {
    fr_matrix *a, *by_row; /* without shift or scale; by_row: a, or its CSR copy where a is CSC */
    const double *y, *w;   /* y: k targets one behind the other; w may be NULL */
    ptrdiff_t k;
    int centre, n_threads;
    double *g;               /* fr_moments_workspace(a, k) elements */
    double *shift, *offset;  /* p each */
    double *y_shift, *y_offset;
    double *cross, *yy;      /* k * p and k */
    double *scratch;           /* n */
    double total;
    double *scale; /* p; of fr_sum_moments_single alone */
} fr_moments;

ptrdiff_t fr_moments_workspace(const fr_matrix *a, ptrdiff_t k);
/* Also FR_NOT_FINITE and FR_IS_FAR. */
int fr_sum_moments(fr_moments *m);
/* The same for dense X with float32 products in g, which comes scaled by powers of two, `scale`, on
 * both sides; all other sums, the diagonal of g too, are float64. FR_UNSTABLE, early where that can
 * be, if g + alpha diag(penalty) is too close to singular for float32, or out of its range. */
int fr_sum_moments_single(fr_moments *m, const double *penalty, double alpha);
#define FR_KEEP_SINGLE 1e-4 /* share of a column that its predecessors must leave in float32 */

#endif
