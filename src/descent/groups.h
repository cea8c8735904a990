/* Block coordinate descent on the Gram matrix for several targets at once, the coefficients of a
 * feature in one group.
 *
 *   P(W) = 1/2 sum_t r_t' S r_t + sum_j (l1_j |w_j| + l2_j |w_j|^2 / 2),  |w_j| over the k targets.
 *
 * With g_j = a_j' S R, the dual at t R is, where t |g_j| <= l1_j unless l2_j > 0,
 *
 *   D(t) = t <Y, R> - t^2 <R, R> / 2 - sum_j (t |g_j| - l1_j)_+^2 / (2 l2_j). */
#ifndef FASTRIDGE_GROUPS_H
#define FASTRIDGE_GROUPS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    ptrdiff_t m, k; /* features in hand, targets */
    const double *gram; /* A'SA, rows ld apart */
    ptrdiff_t ld;
    const double *l1, *l2, *square; /* m */
    const double *cross;            /* A'SY, k x m */
    double yy, tol;                 /* <Y, Y>; the gap to reach */
    ptrdiff_t max_iter;
    uint64_t seed; /* 0: cyclic order */
    /* state, k x m: coefficients, their gradient, and those of the best dual value */
    double *w, *g, *w_dual;
    double objective, dual;
    ptrdiff_t n_iter;
} fr_groups;

/* Descend until objective - dual <= tol or max_iter rounds of sweeps. g must be that of w. */
int fr_descend_groups(fr_groups *q);
/* The dual value at t R, t chosen, from the norms |g_j|, <Y, R> and <R, R>. */
double fr_groups_dual(ptrdiff_t m, const double *l1, const double *l2, const double *norm, double yr,
                      double rr);

#endif
