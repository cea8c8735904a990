/* The multinomial loss of k classes: log(sum_c exp(eta_c)) - sum_c y_c eta_c, sum_c y_c = 1.
 *
 * Arrays (n, k) are in F order, `ld` elements between classes.
 */
#ifndef FASTRIDGE_SOFTMAX_H
#define FASTRIDGE_SOFTMAX_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const double *eta;
    const int32_t *label;         /* n numbers from 0 to k - 1, or NULL: */
    const double *share;          /* proportions (n, k) that sum to 1 in each row */
    const double *w;              /* n weights; NULL: ones */
    double *r, *prob, *curve;     /* all three or none: w (prob - y), prob, and w prob (1 - prob) */
    ptrdiff_t k, ld;
} fr_softmax;

/* Return the sum of w times the loss over rows i0 .. i0 + n. */
typedef double fr_softmax_loop(const fr_softmax *q, ptrdiff_t i0, ptrdiff_t n);

/* t (n, k) = w (prob t - prob (prob . t)) for rows i0 .. i0 + n: the Hessian of the loss times
 * t. */
typedef void fr_softmax_curve_loop(const fr_softmax *q, double *t, ptrdiff_t i0, ptrdiff_t n);

/* The same for n rows on several threads, in parts that do not depend on their number; 0 or a
 * status. */
int fr_softmax_sum(const fr_softmax *q, ptrdiff_t n, double *sum, int n_threads);
int fr_softmax_curve(const fr_softmax *q, double *t, ptrdiff_t n, int n_threads);

#endif
