/* One pass over the data of a generalised linear model: predictors, loss, derivatives, Gram matrix. */
#ifndef FASTRIDGE_PASS_H
#define FASTRIDGE_PASS_H

#include "matrix.h"

/* A pass over dense A = (X - 1 shift') diag(scale), n x p. With eta = level + offset + A u it computes
 * the sum of w l(y, eta), r = w l' and h = w l'' of each row, and sums over the rows, in units of A:
 *   gradient = A'r,  of_r = sum r,  border = A'h,  of_h = sum h,
 *   gram = A' diag(h) A (upper triangle). */
typedef struct {
    fr_matrix *a;
    int loss;
    double parameter;
    const double *y, *w, *offset; /* offset: NULL: 0 */
    const double *u;
    double level;
    double *eta, *r, *h;       /* n each */
    double *root;              /* n: scratch */
    double *gram;              /* fr_pass_order^2, rows of fr_pass_order elements */
    double *gradient, *border; /* p each */
    double *scratch;           /* fr_pass_scratch */
    fr_matrix *by_row;         /* for sparse data: A without its shift and scale, by rows */
    double value, of_r, of_h;
} fr_pass;

ptrdiff_t fr_pass_order(ptrdiff_t p); /* also enough for fr_take_single_pass */
ptrdiff_t fr_pass_scratch(ptrdiff_t p);
int fr_take_pass(fr_pass *q, int n_threads);
/* The same with a Gram matrix from float32 products, whose rows have fr_single_order elements; scale:
 * p, from fr_pass_scale. Only where fr_has_single(). */
int fr_take_single_pass(fr_pass *q, const double *scale, int n_threads);
void fr_pass_scale(const fr_pass *q, double *scale);
/* Compute everything but the Gram matrix, which is not touched. */
int fr_take_light_pass(fr_pass *q, int n_threads);
/* The same for sparse data; light: without the Gram matrix, which is that of by_row (p x p, C order). */
int fr_take_sparse_pass(fr_pass *q, int light, int n_threads);

/* Sums over the rows at theta = r + h (eta - eta of the pass q), where r, h and the eta of an earlier
 * pass are given: of the conjugate, offset * theta and |theta|. theta overwrites r. */
typedef struct {
    const double *eta, *h;
    double *r;
    double conjugate, known, size;
} fr_dual_point;
int fr_take_dual_point(const fr_pass *q, fr_dual_point *d, int n_threads);

#endif
