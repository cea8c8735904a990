/* Ridge systems of sparse data with fewer rows than columns, by products with columns.
 *
 * With H the eliminated columns and L the others (n x m and n x l), W the weights and M = H' W H
 * + alpha diag(d),
 *
 *   S = L' W L + alpha I - L' W H M^-1 H' W L
 *
 * is solved by conjugate gradients with minimum-norm averages of the residuals, which equal
 * those of conjugate residuals: L. Zhou and H. F. Walker, "Residual smoothing techniques for
 * iterative methods", SIAM J. Sci. Comput. 15(2), 1994. Every vector of length l has the form
 * L'c + theta r with the right-hand side r and is kept as (c, theta): an iteration writes
 * vectors of length n alone, and reads L once for both of its products.
 */
#ifndef FASTRIDGE_SCHUR_H
#define FASTRIDGE_SCHUR_H

#include "kernels.h"
#include "matrix.h"

typedef struct {
    const fr_matrix *heavy, *light; /* CSC; heavy NULL: none is eliminated */
    const double *w;                /* NULL: ones */
    const double *factor;           /* of M, in the upper triangle */
    double alpha;
    ptrdiff_t k;                    /* right-hand sides, at most FR_LANES */
    const double *r;                /* (m + l, k), F order, heavy columns first */
    const double *bound;            /* residual norm requested for each right-hand side, */
    double share;                   /* or this share of the root of its objective, which is */
    const double *objective;        /* so large at x = 0 */
    ptrdiff_t limit;
    double *x;                      /* (m + l, k), F order */
    ptrdiff_t *n_iter;              /* of each */
    int n_threads;
} fr_schur;

/* x = (A' W A + alpha diag)^-1 r, where the penalty of light columns is alpha. Workspace: up to
 * 8 n doubles per right-hand side (or for FR_LANES, if there are several), and n or l for each
 * part of a sum. */
int fr_schur_solve(const fr_schur *q);

#endif
