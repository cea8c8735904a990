/* Products with the second derivatives of a multinomial loss by pairs of a feature and a class. */
#ifndef FASTRIDGE_PAIRS_H
#define FASTRIDGE_PAIRS_H

#include "matrix.h"

enum { FR_PAIR_PARTS = 16, FR_MOST_PAIR_CLASSES = 2048 };

/* Features of m pairs stored by rows: elements start[i] to start[i + 1] of `place` (the pair) and
 * `value` belong to row i. */
typedef struct {
    ptrdiff_t n, m, k;
    ptrdiff_t *start; /* n + 2 */
    int32_t *place;
    double *value;
    const int32_t *one; /* (m,) class of each pair */
    const double *prob; /* (n, k), C order */
    const double *w;    /* (n,) weights */
    double damping;     /* added to the curvature of each class */
} fr_pair_rows;

/* Fill start, place and value from columns `features` (m,) of a compressed matrix by columns. */
void fr_take_pairs(const fr_matrix *a, const int32_t *features, fr_pair_rows *q);

/* With t = constant + sum of v over the pairs of a row, and q = w (p (t - p . t) + damping t): out (m,),
 * the sums of values times q, and total (k,), the sums of q. room: FR_PAIR_PARTS (m + k) numbers. */
int fr_pair_product(const fr_pair_rows *q, const double *v, const double *constant, double *out,
                    double *total, double *room, int n_threads);

#endif
